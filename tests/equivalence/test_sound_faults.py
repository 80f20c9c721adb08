"""The traps have teeth: each fault that is put into the prover makes one of them go wrong.

Induction is asked alone, without traffic and bounded search, which would hide its faults; for the
search's own faults the whole prover is.
"""

import shlex
from collections.abc import Callable
from pathlib import Path

import header_faults
import prover_faults as faults
import pytest

from nfverify.equivalence import prove
from nfverify.equivalence.problem import Options
from nfverify.equivalence.prove import Question
from nfverify.equivalence.verdict import Different, Equivalent, Verdict
from nfverify.lang.source import Source
from nfverify.smat.condition import packet_condition
from nfverify.smat.load import load

PAIRS = Path(__file__).parent.parent / "pairs"
TRAPS = sorted(
    p.name.removesuffix(".a.nfd")
    for shape in ("trap-*", "shape-*-broken")
    for p in PAIRS.glob(f"{shape}.a.nfd")
)

BROKEN: tuple[tuple[faults.Fault, tuple[str, ...]], ...] = (
    (faults.no_initial_check, ("trap-initial", "trap-initial-map")),
    (faults.wrong_initial_check, ("trap-initial", "trap-initial-map")),
    (faults.timers_are_no_events, ("trap-event-between", "trap-shape-tick")),
    (faults.one_goal_forgotten, ("trap-one-step", "shape-sum-broken", "shape-range-broken")),
    (faults.dropped_stays_assumed, ("trap-one-step", "shape-sum-broken", "shape-range-broken")),
    (faults.unknown_is_unsat, ("trap-dead-guard", "trap-shape-key", "shape-vpred-broken")),
    (faults.keys_never_alias, ("trap-alias", "trap-alias-flow")),
    (faults.newest_write_always_hits, ("trap-log-condition",)),
    (faults.earlier_rows_forgotten, ("trap-first-match",)),
    (faults.drop_is_a_jump, ("trap-drop-goes-on",)),
    (faults.dropped_goes_down_the_chain, ("trap-chain-count",)),
    (faults.division_as_in_smt, ("trap-divide-by-zero", "trap-remainder-by-zero")),
    (faults.signs_forgotten, ("trap-sign-int",)),
    (faults.absent_headers_are_written, ("trap-fragment", "stateless-absent-header")),
    (faults.operators_without_arguments, ("trap-operator",)),
    (faults.present_if_not_default, ("trap-presence-default",)),
    (faults.tags_end_with_the_nf, ("trap-tag-kept",)),
    (faults.init_never_runs, ("trap-initial", "init-block")),
    (faults.outputs_by_number_only, ("shape-eq-broken",)),
    (header_faults.headers_not_observed, ("trap-tunnel-tag-0",)),
    (header_faults.never_too_deep, ("trap-tunnel-deep",)),
    (header_faults.never_too_big, ("tunnel-too-big",)),
    (header_faults.popped_with_its_own_addresses, ("trap-tunnel-address",)),
    (header_faults.bytes_inside_are_all_alike, ("trap-tunnel-inner-ttl",)),
    (header_faults.written_payloads_come_back, ("hard-tunnel-payload",)),
    (header_faults.second_tags_vanish, ("trap-tunnel-tags",)),
)


def ask(name: str, seconds: float = 2.0) -> Verdict:
    a = load(str(PAIRS / f"{name}.a.nfd"))
    b = load(str(PAIRS / f"{name}.b.nfd"), ports=a.ports)
    return prove.equivalent(a, b, Question(options=options_of(name), time_limit=seconds))


def options_of(name: str) -> Options:
    """The assumption that a pair needs."""
    head = (PAIRS / f"{name}.a.nfd").read_text().splitlines()[1]
    words = shlex.split(head.removeprefix("# options:")) if head.startswith("# options:") else []
    if "--assume" not in words:
        return Options()
    source = Source("--assume", words[words.index("--assume") + 1])
    return Options(assume=packet_condition(source, ("0", "1")))


def told_apart(name: str) -> bool:
    return "# verdict: different" in (PAIRS / f"{name}.a.nfd").read_text()


@pytest.mark.parametrize("name", [name for name in TRAPS if told_apart(name)])
def test_induction_alone_proves_no_trap(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.proof_alone(monkeypatch)
    assert not isinstance(ask(name, 1.2), Equivalent)


def test_induction_alone_proves_something(monkeypatch: pytest.MonkeyPatch) -> None:
    faults.proof_alone(monkeypatch)
    for name in ("renamed", "set-int-map", "counter-other-way", "trap-alias-excluded"):
        assert isinstance(ask(name, 10.0), Equivalent), name


@pytest.mark.parametrize(("fault", "names"), BROKEN, ids=lambda x: getattr(x, "__name__", ""))
def test_fault_is_noticed(
    fault: Callable[[pytest.MonkeyPatch], None],
    names: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults.proof_alone(monkeypatch)
    fault(monkeypatch)
    wrong = [name for name in names if told_apart(name) == isinstance(ask(name), Equivalent)]
    assert wrong, "no trap noticed it"


def test_every_fault_is_tried() -> None:
    tried = {fault for fault, _ in BROKEN if fault.__module__ == faults.__name__}
    tried.add(faults.a_length_is_skipped)
    assert tried == set(faults.ALL)
    assert len(tried) >= 20


def test_a_skipped_length_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace that is not the shortest, or not known to be, or none at all."""
    faults.a_length_is_skipped(monkeypatch)
    verdict = ask("trap-alias-flow")
    if isinstance(verdict, Different):
        assert len(verdict.counterexample.events) > 2 or not verdict.counterexample.minimal
