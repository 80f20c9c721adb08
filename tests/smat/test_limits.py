"""No model makes the lowering run for ever or exhaust memory or stack: it says what is too much."""

import pytest

from nfverify.lang.source import ModelError
from nfverify.smat.load import load_text

NF = "program p { pass; } "
CALLS = "func f0(int a) -> int = a; " + " ".join(
    [f"func f{i}(int a) -> int = f{i - 1}(a) + f{i - 1}(a);" for i in range(1, 40)]
)
DEEP = "func f0(int a) -> int = a; " + " ".join(
    [f"func f{i}(int a) -> int = f{i - 1}(a) + 1;" for i in range(1, 400)]
)
USE = "int x; entry { action_state { x = %s(x); } }"

TOO_MUCH = {
    "calls that double": (f"program p {{ {CALLS} {USE % 'f39'} }}", "grows too large"),
    "calls that nest": (f"program p {{ {DEEP} {USE % 'f399'} }}", "nested too deep"),
    "a call of itself": (
        f"program p {{ func f0(int a) -> int = f0(a); {USE % 'f0'} }}", "calls itself: f0 -> f0"
    ),
    "flows of flows": (
        "program p { map<flow, flow> m; entry { action_flow { f := "
        + "m[" * 10 + "f" + "]" * 10 + "; m[f] = f; } } }",
        "grows too large",
    ),
    "conditions on flows": (
        "program p { map<flow, flow> m; m[f] = f; f := "
        + "(" * 20 + "f" + " == m[f] ? m[f] : f)" * 20 + "; }",
        "grows too large",
    ),
    "chains that double": (
        NF + "chain c0 = p -> p; "
        + " ".join([f"chain c{i} = c{i - 1} -> c{i - 1};" for i in range(1, 30)])
        + " chain main = c29;",
        "more than 256 instances",
    ),
    "chains that nest": (
        NF + "chain c0 = p; "
        + " ".join([f"chain c{i} = c{i - 1};" for i in range(1, 2000)]) + " chain main = c1999;",
        "nested more than 32 deep",
    ),
    "a long chain": (NF + "chain main = " + " -> ".join(["p"] * 1000) + ";", "256 instances"),
    "a wide type": (
        "program p { map<(" + ", ".join(["int"] * 1000) + "), int> m; }", "more than 64 scalars"
    ),
    "a wide bit vector": ("program p { bit<100000000000> x; }", "from 1 to 128"),
    "a wide cast": ("program p { int x; x = int(bit99999999999999999999(x)); }", "from 1 to 128"),
    "a long time": ("program p { f[output] = timer(9999999999h); }", "over 146 years"),
    "many errors": ("program p { " + "x = y; " * 1000 + "}", "unknown name"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much(text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_text(text)
    assert message in str(caught.value)
    assert len(caught.value.diagnostics) <= 20


def test_much_is_no_problem() -> None:
    """A thousand entries, ten thousand map entries, a thousand disjuncts."""
    guards = [f"match_flow {{ f[dport] == {i} }}" for i in range(999)]
    entries = " ".join([f"entry {{ {guard} action_flow {{ drop; }} }}" for guard in guards])
    table = ", ".join([f"{i}: {i}" for i in range(10_000)])
    tests = " || ".join([f"f[sport] == {i}" for i in range(1000)])
    text = f"""program p {{ map<port, int> t = {{{table}}}; {entries}
        entry {{ match_flow {{ {tests} }} action_flow {{ f[ttl] = t[f[dport]]; }} }} }}"""
    (instance,) = load_text(text).instances
    assert len(instance.program.state[0].entries) == 10_000
