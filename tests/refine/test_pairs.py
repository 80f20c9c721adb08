"""Pairs of which B allows all that A does, and pairs that only carelessness would take for such."""

from __future__ import annotations

import pytest
from choosing import (
    ANY_SERVER,
    BY_HASH,
    COUNTED,
    IF_FREE,
    IN_TURN,
    LEAST,
    STORE,
    any_free,
    ask,
    entry,
    in_order,
    mark,
    nf,
)

from nfverify.equivalence.verdict import Different, Equivalent

Pair = tuple[str, str]

REFINES: dict[str, Pair] = {
    "in order is one way to take free ports": (
        in_order("next < 65535"),
        any_free(65534, IF_FREE),
    ),
    "a counter says when all are taken": (in_order("next < 65535"), COUNTED),
    "in falling order": (
        in_order("next >= 1024")
        .replace("port next = 1024", "port next = 1029")
        .replace("next + 1", "next - 1"),
        any_free(1029, IF_FREE),
    ),
    "few ports, until none is left": (in_order("next < 1027"), any_free(1026, IF_FREE)),
    "a narrower range that never runs out": (mark("2..3"), mark("1..5")),
    "the same range said otherwise": (mark("1..3"), mark("0..9 where x != 0 && x < 4")),
    "in turn": (IN_TURN, ANY_SERVER),
    "by hash": (BY_HASH, ANY_SERVER),
    "the least loaded": (LEAST, ANY_SERVER),
    "a constant": (nf(entry(action="f[tos] = 4;")), mark("4..9")),
    "drops where nothing fits": (
        nf(entry(action="drop;")),
        mark("1..3 where x == 7"),
    ),
    "an empty range": (
        nf(entry("f[ttl] > 200", action="drop;"), entry(action="f[tos] = f[ttl];")),
        nf(
            entry("f[IP4] == 0 && f[IP6] == 0"),
            entry(action="choose x in f[ttl]..200; f[tos] = x;"),
        ),
    ),
    "negative numbers": (
        nf("int n;", entry(action="n = 0 - 2; f[ttl] = n + 10;")),
        nf("int n;", entry(action="choose x in -3..1 where x != -1; n = x; f[ttl] = n + 10;")),
    ),
    "two choices": (
        nf(entry(action="choose x in 1..2; f[tos] = x; f[ttl] = 9;")),
        nf(entry(action="choose y in 8..9; choose x in 1..4 where x < y; f[tos] = x; f[ttl] = y;")),
    ),
    "chosen early, shown late: b waits": (
        nf(
            "int x; int have;",
            entry("", "have == 0", "choose v in 1..2; x = v; have = 1;"),
            entry(action="f[tos] = x;"),
        ),
        nf(
            "int x; int have;",
            entry("", "have == 0", "have = 1;"),
            entry("", "have == 1", "choose v in 1..2; x = v; have = 2; f[tos] = x;"),
            entry(action="f[tos] = x;"),
        ),
    ),
    "not the one before": (
        nf("int last;", entry(action="last = 1 - last; f[tos] = last;")),
        nf("int last;", entry(action="choose x in 0..1 where x != last; last = x; f[tos] = x;")),
    ),
}

REFUSED: dict[str, tuple[Pair, int]] = {
    "any free port is not the next one": (
        (any_free(65534, IF_FREE), in_order("next < 65535")),
        1,
    ),
    "any server is not the one in turn": ((ANY_SERVER, IN_TURN), 1),
    "any server is not the least loaded": ((ANY_SERVER, LEAST), 1),
    "a wider range": ((mark("1..5"), mark("1..4")), 1),
    "a range that begins lower": ((mark("0..4"), mark("1..4")), 1),
    "a condition that excludes what a takes": ((mark("1..5"), mark("1..5 where x != 3")), 1),
    "a port that is in use": (
        (any_free(65534, STORE, "p >= 1024"), any_free(65534, IF_FREE)),
        2,
    ),
    "a choice used again": (
        (
            nf("int last;", entry(action="f[tos] = 1;")),
            nf(
                "int last;", entry(action="choose x in 0..1 where x != last; last = x; f[tos] = x;")
            ),
        ),
        2,
    ),
    "drops though something fits": ((nf(entry(action="drop;")), mark("1..3")), 1),
    "something fits where a finds nothing": (
        (mark("1..3 where x > 5"), mark("1..3 where x > 2")),
        1,
    ),
    "sends though nothing fits": ((mark("1..3"), mark("1..3 where x == 7")), 1),
    "a pool that is used up sooner": (
        (in_order("next < 1026"), any_free(1026, IF_FREE)),
        3,
    ),
    "a pool that is used up later": (
        (in_order("next < 1028"), any_free(1026, IF_FREE)),
        4,
    ),
    "what is stored though nothing fitted": (
        (in_order("next < 1026"), any_free(1025, STORE)),
        4,
    ),
    "signed bounds": (
        (
            nf(entry(action="f[tos] = 3;")),
            nf(entry(action="choose x in -1..2; f[tos] = x;")),
        ),
        1,
    ),
    "no more than 65,536 values are tried": (
        (
            nf(entry(action="f[seq] = 70000;")),
            nf(entry(action="choose x in f[ip_id] * bit32(0)..100000; f[seq] = x;")),
        ),
        1,
    ),
    "two choices that hang together": (
        (
            nf(entry(action="f[tos] = 1; f[ttl] = 1;")),
            nf(
                entry(
                    action="choose x in 1..2; choose y in 1..2 where y != x;f[tos] = x; f[ttl] = y;"
                )
            ),
        ),
        1,
    ),
    "chosen once, shown twice": (
        (
            mark("1..2"),
            nf(
                "int x;",
                entry("", "x == 0", "choose v in 1..2; x = v; f[tos] = x;"),
                entry(action="f[tos] = x;"),
            ),
        ),
        2,
    ),
}


@pytest.mark.parametrize("what", REFINES)
def test_allowed(what: str) -> None:
    verdict = ask(*REFINES[what])
    assert isinstance(verdict, Equivalent), verdict
    assert verdict.report.refine
    assert all(o.result == "proved" for o in verdict.proof.obligations)


@pytest.mark.parametrize("what", REFUSED)
def test_not_allowed(what: str) -> None:
    pair, length = REFUSED[what]
    verdict = ask(*pair)
    assert isinstance(verdict, Different), verdict
    example = verdict.counterexample
    assert (len(example.events), example.minimal) == (length, True)
    assert "whatever b chooses" in example.differences[-1]
