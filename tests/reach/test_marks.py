"""What a row leaves behind at its keys rules pairs out, as long as nothing else changes it."""

import pytest
from ir_build import c, chain, entry, field_is, get, i, program, put, table

from nfverify.equivalence.reach.proofs import Prover
from nfverify.equivalence.reach.target import REACHED, Target
from nfverify.smat import ir

NUMBER = ir.Bits(32)
UNIT = ir.Bits(16)
SIP = ir.Field("sip")
LAST = "%last.0"
RECORDS = ir.StateVar(REACHED, (NUMBER,), (), (), "set")
GHOST = ir.StateVar(LAST, (ir.IP,), (UNIT,), (0,), "map")
SEEN = ir.StateVar("seen", (ir.IP,), (ir.INT,), (0,), "map")


def network(*more: ir.Entry) -> ir.Network:
    """Row 1 writes `seen`; the goal is that a key it was the last to touch is not there."""
    gone = (
        ir.Compare("==", get(LAST, UNIT, (SIP,)), c(1, UNIT)),
        ir.Not(ir.Has("seen", (SIP,))),
    )
    goal = ir.If(ir.And(gone), (ir.Write(REACHED, (c(0, NUMBER),), ()),), ())
    mark = ir.Write(LAST, (SIP,), (c(1, UNIT),))
    writes = entry(put("seen", i(1), (SIP,)), mark, on=(field_is("dport", 1),))
    return chain(program(goal, table(writes, *more), state=(SEEN, GHOST, RECORDS)))


def ruled_out(net: ir.Network) -> list[int]:
    prover = Prover(Target(net), frozenset({0}))
    return [proof.goal for proof in prover.by_marks()]


def test_what_a_row_writes_stays_while_it_is_the_last_one() -> None:
    assert ruled_out(network()) == [0]


@pytest.mark.parametrize("key", ["sip", "dip"])
def test_what_another_row_deletes_unmarked_does_not(key: str) -> None:
    """The other row is no toucher in the ghost's eyes: the fact does not last."""
    deletes = entry(ir.Delete("seen", (ir.Field(key),)), on=(field_is("dport", 2),))
    assert ruled_out(network(deletes)) == []


def test_a_mark_without_what_it_stands_for() -> None:
    """Another row marks its key as the first does, and writes nothing."""
    claims = entry(ir.Write(LAST, (SIP,), (c(1, UNIT),)), on=(field_is("dport", 2),))
    assert ruled_out(network(claims)) == []
