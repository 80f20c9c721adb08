"""Strategies for programs: NFD text as people write it, and networks with every construct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nfverify.oracles.programs.expressions import DEFAULT, Options
from nfverify.oracles.programs.networks import random_network
from nfverify.smat import ir

CONSTANTS = (0, 1, 2, 3, 80, 1000, 65535)
ADDRESSES = ("10.0.0.1", "10.0.0.2", "203.0.113.7")
TESTS = (
    *("true", "f[dport] == 80", "f[flag_syn] == 1", "f[TCP] == 1", "f[UDP] == 1", "f[ICMP] == 1"),
    *("f[sip] matches 10.0.0.0/8", "f[dip] == 10.0.0.2", "f[sport] < 1024", "f[ttl] <= 1"),
    *("f[iface] == 0", "f[FRAG] == 1", "f[IP6] == 1", "f[size] > 100", "f[proto] in {6, 17}"),
)
NUMBERS = ("f[sport]", "f[dport]", "f[ttl]", "f[proto]", "f[size]")
KEYS = {
    "IP": ("f[sip]", "f[dip]"),
    "flow": ("f", "reverse(f)"),
    "(IP, IP)": ("(f[sip], f[dip])", "(f[dip], f[sip])"),
    "port": ("f[dport]", "f[sport]"),
    "(IP, int, int)": ("(f[sip], f[sport], f[proto])", "(f[dip], f[dport], f[proto])"),
}


@dataclass(frozen=True, slots=True)
class _Variable:
    """`key` is the type of a map's or set's keys."""

    name: str
    text: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class _Scope:
    counters: tuple[str, ...]
    maps: tuple[_Variable, ...]
    sets: tuple[_Variable, ...]
    resubmit: bool


def programs(
    *,
    max_entries: int = 4,
    timers: bool = True,
    timeouts: bool = True,
    resubmit: bool = True,
) -> SearchStrategy[str]:
    """The text of a model with one program, which loads: `nfverify.load_text(text)`. Shrinks to one
    entry that passes everything."""
    return _programs(max_entries, timers, timeouts, resubmit)


def networks(options: Options = DEFAULT) -> SearchStrategy[ir.Network]:
    """Networks of one to three programs with every construct of the IR, also those that no text
    makes; `options` says what may occur."""
    return st.randoms(use_true_random=False).map(lambda rng: random_network(rng, options))


@st.composite
def _programs(
    draw: st.DrawFn, max_entries: int, timers: bool, timeouts: bool, resubmit: bool
) -> str:
    counters = tuple(f"c{n}" for n in range(draw(st.integers(0, 2))))
    lines = [f"    int {name} = {draw(st.sampled_from(CONSTANTS))};" for name in counters]
    tables: dict[str, list[_Variable]] = {"m": [], "s": []}
    for number in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from("ms"))
        variable = draw(_table(kind, f"{kind}{number}", timeouts))
        tables[kind].append(variable)
        lines.append(f"    {variable.text}")
    scope = _Scope(counters, tuple(tables["m"]), tuple(tables["s"]), resubmit)
    if timers and draw(st.booleans()):
        period = draw(st.sampled_from(("1s", "10ms", "1ms")))
        lines.append(f"    every {period} {{ {draw(_updates(scope, packet=False))} }}")
    for number in range(draw(st.integers(1, max_entries))):
        lines += draw(_entry(scope, f"e{number}"))
    return "\n".join(["program p {", *lines, "}", ""])


@st.composite
def _table(draw: st.DrawFn, kind: str, name: str, timeouts: bool) -> _Variable:
    key = draw(st.sampled_from(tuple(KEYS)))
    text = f"map<{key}, int> {name}" if kind == "m" else f"set<{key}> {name}"
    if kind == "m" and timeouts:
        text += draw(st.sampled_from(("", " timeout 1s", " timeout 10ms")))
        text += draw(st.sampled_from(("", " max 2", " max 3 evict oldest")))
    return _Variable(name, f"{text};", key)


@st.composite
def _entry(draw: st.DrawFn, scope: _Scope, name: str) -> list[str]:
    flow = draw(st.lists(_test(st.sampled_from(TESTS)), max_size=2))
    state = draw(st.lists(_test(_state_test(scope)), max_size=2)) if _stateful(scope) else []
    blocks = []
    if flow:
        blocks.append(f"        match_flow   {{ {' && '.join(flow)} }}")
    if state:
        blocks.append(f"        match_state  {{ {' && '.join(state)} }}")
    updates = draw(_updates(scope))
    if updates:
        blocks.append(f"        action_state {{ {updates} }}")
    blocks.append(f"        action_flow  {{ {draw(_output(scope))} }}")
    return [f"    entry {name} {{", *blocks, "    }"]


def _stateful(scope: _Scope) -> bool:
    return bool(scope.counters or scope.maps or scope.sets)


@st.composite
def _test(draw: st.DrawFn, atoms: SearchStrategy[str]) -> str:
    atom = draw(atoms)
    match draw(st.integers(0, 3)):
        case 2:
            return f"!({atom})"
        case 3:
            return f"({atom} || {draw(atoms)})"
        case _:
            return atom


@st.composite
def _state_test(draw: st.DrawFn, scope: _Scope) -> str:
    choices: list[str] = []
    constant = draw(st.sampled_from(CONSTANTS))
    compared = draw(st.sampled_from(("==", "<", "<=", ">", "!=")))
    choices += [f"{name} {compared} {constant}" for name in scope.counters]
    choices += [f"{name} % 2 == 0" for name in scope.counters]
    for table in (*scope.maps, *scope.sets):
        key = draw(st.sampled_from(KEYS[table.key]))
        choices += [f"{key} in {table.name}", f"{key} not in {table.name}"]
        if table in scope.maps:
            choices.append(f"{table.name}[{key}] {compared} {constant}")
    return draw(st.sampled_from(choices))


@st.composite
def _number(draw: st.DrawFn, scope: _Scope, packet: bool) -> str:
    choices = [str(constant) for constant in CONSTANTS]
    choices += [f"{name} + 1" for name in scope.counters]
    choices += [f"{name} - 1" for name in scope.counters]
    if packet:
        choices += NUMBERS
        for table in scope.maps:
            key = draw(st.sampled_from(KEYS[table.key]))
            choices += [f"{table.name}[{key}]", f"{table.name}[{key}] + 1"]
        choices.append("int(hash(f[sip], f[dip]) % 4)")
    return draw(st.sampled_from(choices))


@st.composite
def _updates(draw: st.DrawFn, scope: _Scope, packet: bool = True) -> str:
    """Statements that change the state; without a packet, only variables."""
    found = [
        f"{name} = {draw(_number(scope, packet))};"
        for name in scope.counters
        if draw(st.booleans())
    ]
    for table in (*scope.maps, *scope.sets) if packet else ():
        if not draw(st.booleans()):
            continue
        key = draw(st.sampled_from(KEYS[table.key]))
        if table in scope.sets:
            sign = draw(st.sampled_from("|\\"))
            found.append(f"{table.name} = {table.name} {sign} {{{key}}};")
        elif draw(st.integers(0, 3)) == 3:
            found.append(f"delete {table.name}[{key}];")
        else:
            found.append(f"{table.name}[{key}] = {draw(_number(scope, packet))};")
    return " ".join(found)


@st.composite
def _output(draw: st.DrawFn, scope: _Scope) -> str:
    """Headers written, and where the packet goes."""
    rewrites: Sequence[str] = (
        *(f"f[{field}] = {address};" for field in ("dip", "sip") for address in ADDRESSES),
        "f[ttl] = f[ttl] - 1;",
        "f[tos] = 8;",
        f"f[dport] = {draw(_number(scope, packet=True))};",
    )
    found = draw(st.lists(st.sampled_from(rewrites), max_size=2))
    outputs = ["pass;", "drop;", "f[output] = f[iface];"]
    if scope.resubmit:
        outputs.append("f[output] = resubmit;")
    return " ".join([*found, draw(st.sampled_from(outputs))])
