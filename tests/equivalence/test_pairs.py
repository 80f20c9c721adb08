"""Every pair of tests/pairs decided: the verdict worked out by hand, and the shortest length."""

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nfverify.equivalence.problem import Options
from nfverify.equivalence.prove import Question, equivalent
from nfverify.equivalence.verdict import Different, Equivalent, Unknown
from nfverify.lang.source import Source
from nfverify.smat.condition import packet_condition
from nfverify.smat.load import load

PAIRS = Path(__file__).parent.parent / "pairs"
NAMES = sorted(p.name.removesuffix(".a.nfd") for p in PAIRS.glob("*.a.nfd"))
SECONDS = 20.0
SECONDS_HARD = 2.5  # of pairs that may stay unknown


@dataclass(frozen=True, slots=True)
class Expected:
    """The head of a pair: `length` of the shortest trace, None if the sides are equivalent."""

    length: int | None
    options: Options


def expected(name: str) -> Expected:
    """What the first lines of a pair say; both files must say the same."""
    heads = []
    for side in "ab":
        lines = (PAIRS / f"{name}.{side}.nfd").read_text().splitlines()
        heads.append([line for line in lines[:2] if re.match("# (verdict|options): ", line)])
    assert heads[0] == heads[1], f"{name}: the two heads differ"
    verdict = re.fullmatch(r"# verdict: (?:equivalent|different (\d+))", heads[0][0])
    assert verdict is not None, heads[0][0]
    words = shlex.split(heads[0][1].removeprefix("# options: ")) if heads[0][1:] else []
    options = Options()
    for option, value in zip(words[::2], words[1::2], strict=True):
        match option, value:
            case "--observe", "packets+state":
                options = replace(options, observe_state=True)
            case "--assume", text:
                source = Source("--assume", text)
                options = replace(options, assume=packet_condition(source, ("0", "1")))
            case _:
                pytest.fail(f"{name}: unknown option {option} {value}")
    return Expected(int(verdict[1]) if verdict[1] else None, options)


def test_there_are_many() -> None:
    assert len(NAMES) >= 120
    assert sum(name.startswith("trap-") for name in NAMES) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_pair(name: str) -> None:
    want = expected(name)
    a = load(str(PAIRS / f"{name}.a.nfd"))
    b = load(str(PAIRS / f"{name}.b.nfd"), ports=a.ports)
    seconds = SECONDS_HARD if name.startswith("hard-") else SECONDS
    verdict = equivalent(a, b, Question(options=want.options, time_limit=seconds))
    match verdict:
        case Unknown(reason=reason):
            assert name.startswith("hard-"), reason
        case Equivalent(proof=proof):
            assert want.length is None, f"proved, by {proof.relation}"
            assert all(o.result == "proved" for o in proof.obligations)
        case Different(counterexample=trace):
            assert want.length is not None, trace.differences
            assert len(trace.events) == want.length
            assert trace.minimal or name.startswith("hard-")
            assert trace.differences
