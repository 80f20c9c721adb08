"""The shape of candidate that only refinement has, on a pair that it would prove, were it believed.

A gives up while B still has a number. Where traffic doesn't show it, only the care of the induction
tells "all below `next` are taken" from "all up to `next` are".
"""

import prover_faults as faults
import pytest
from choosing import ask, entry, nf

from nfverify.equivalence.refine import prove
from nfverify.equivalence.refine.prove import _Refining
from nfverify.equivalence.refine.witness import OfPlain, Strategy
from nfverify.equivalence.templates import Templates
from nfverify.equivalence.verdict import Different, Equivalent, Verdict
from nfverify.smat.ir import Bits

SOONER = nf(
    "bit<16> next = 0;",
    entry("", "next < 2", "f[tos] = next; next = next + 1;"),
    "entry { action_flow { drop; } }",
)
ANY = nf(
    "set<bit<16>> used;",
    entry(action="choose x in 0..2 where ~(x in used); f[tos] = x; used = used | {x};"),
)
NEXT = OfPlain("a.next", 0, Bits(16))  # the number that A is about to give


def asked(patch: pytest.MonkeyPatch) -> Verdict:
    """Neither traffic nor the bounded search, no state to hold a candidate against, and beside the
    shape in question only what says that the next number is free."""

    def refill(self: _Refining, tried: set[Strategy]) -> None:
        self.alive += [s for s in self.queue if s not in tried and s.witnesses[0][1] == NEXT]
        for strategy in self.alive:
            self.snapshots[strategy] = []

    real = Templates.generate
    patch.setattr(
        Templates, "generate", lambda self: (c for c in real(self) if c.shape == "freshkey")
    )
    patch.setattr(_Refining, "refill", refill)
    patch.setattr(_Refining, "more_snapshots", lambda self, strategy: None)
    patch.setattr(_Refining, "flooded", lambda self: None)
    patch.setattr(_Refining, "refuted", lambda self, depth, patient: None)
    return ask(SOONER, ANY)


def test_b_must_give_the_last_number() -> None:
    verdict = ask(SOONER, ANY)
    assert isinstance(verdict, Different)
    assert len(verdict.counterexample.events) == 3


def test_a_full_pool_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not isinstance(asked(monkeypatch), Equivalent)


def test_a_full_pool_would_prove_it(monkeypatch: pytest.MonkeyPatch) -> None:
    faults.one_goal_forgotten(monkeypatch)
    monkeypatch.setattr(prove, "certify", faults.shares.certify)  # the trusting one
    verdict = asked(monkeypatch)
    assert isinstance(verdict, Equivalent)
    assert any("b.used" in text and "a.next" in text for text in verdict.proof.relation)
