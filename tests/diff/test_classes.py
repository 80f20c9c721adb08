"""Classes of packets of two models: against every trace of tiny worlds, and by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tiny_explore import Explorer
from tiny_worlds import Pair, make_pair

from nfverify.cli.main import main
from nfverify.equivalence.constants import collect
from nfverify.equivalence.diff import Changed, DiffQuestion
from nfverify.equivalence.diff.complete import Completeness
from nfverify.equivalence.diff.grouping import Grouping, Key
from nfverify.equivalence.diff.models import Work, diff_networks
from nfverify.equivalence.diff.partition import partition
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Options
from nfverify.equivalence.question import Question
from nfverify.equivalence.simulate import Arrival, Trace, make_packet
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.load import load_text


def no_news(what: str) -> None:
    pass


def asked(pair: Pair) -> DiffQuestion:
    return DiffQuestion(Question(Options(assume=pair.world.assumption), time_limit=6))


def work_of(old: ir.Network, new: ir.Network, question: DiffQuestion) -> Work:
    return Work(old, new, question, 0.0, no_news, (), RulesetPlan())


def differing(pair: Pair, limit: int = 1500) -> Iterator[Trace]:
    """A shortest trace to every pair of states and every packet that fares otherwise there, also
    behind packets that did."""
    events = pair.world.events
    left, right = (Explorer(n, events, limit) for n in (pair.a, pair.b))
    seen: dict[tuple[int, int], Trace] = {(0, 0): ()}
    level = [(0, 0)]
    while level:
        following = []
        for x, y in level:
            before = seen[x, y]
            for number, event in enumerate(events):
                if before and event.time < before[-1].time:
                    continue
                (p, out), (q, other) = left.step(x, number), right.step(y, number)
                trace = (*before, Arrival(event.time, event.port, event.packet))
                if out != other:
                    yield trace
                if (p, q) not in seen:
                    seen[p, q] = trace
                    following.append((p, q))
        level = following


def covers(known: Key, key: Key) -> bool:
    """Is what happened at `key` a case of the class `known`?"""
    if known.kind.counts != key.kind.counts:
        return False
    if not known.instances or not key.instances:
        return known == key
    mine = {
        place
        for place in key.places
        if any(place[1] == pair["ab".index(place[0])] for pair in known.instances)
    }
    return set(known.instances) <= set(key.instances) and mine == known.places


SEEDS = (15, 21, 43, 49, 58)  # of pairs with several classes, some behind others


def test_tiny_worlds() -> None:
    """No class is made up, none is missing of those said to be all, none has a shorter trace."""
    complete = classes = 0
    for seed in SEEDS:
        pair = make_pair(f"classes {seed}", "mutation")
        assert pair is not None
        found = list(differing(pair))
        answer = diff_networks(pair.a, pair.b, asked(pair), no_news, lambda *a: None)
        assert isinstance(answer, Changed)
        work = work_of(pair.a, pair.b, asked(pair))
        keys = {}
        for trace in found:
            key = work.grouping.key_of(work.pair, trace)
            assert key is not None
            keys.setdefault(key, len(trace))
        shown = {}
        for one in answer.classes:
            assert one.example is not None
            events = one.example.events
            arrivals = tuple(
                Arrival(e.time, pair.a.ports.index(e.port), parsed(e.frame)) for e in events
            )
            key = work.grouping.key_of(work.pair, arrivals)
            assert key is not None
            shown[key] = len(events), one.example.minimal
        for key in keys:
            cases = [k for k in shown if covers(k, key)]
            assert cases or not answer.complete, f"{pair.seed}: {key} is missing"
        for known, (length, minimal) in shown.items():
            shortest = min((n for k, n in keys.items() if covers(known, k)), default=None)
            if minimal:
                assert shortest is None or length <= shortest, f"{pair.seed}: {known}"
        complete += answer.complete
        classes += len(shown)
    assert classes >= 8
    assert complete >= 3


def parsed(frame: bytes):  # type: ignore[no-untyped-def]
    from nfverify.packet.codec import parse

    return parse(frame)


KNOCK = """
program knock {
    set<IP> open;
    entry first { match_flow { f[dport] == 7000 } action_state { open = open | {f[sip]}; }
                  action_flow { drop; } }
    entry shut  { match_flow { f[dport] == 22 } match_state { ~(f[sip] in open) }
                  action_flow { drop; } }
    entry other { action_flow { pass; } }
}
"""
FILTER = """
program filter {
    rule LAN = sip:10.0.0.0/8;
    entry dns  { match_flow { f matches LAN && f[dport] == 53 && f[UDP] == 1 }
                 action_flow { pass; } }
    entry web  { match_flow { f matches LAN && (f[dport] == 80 || f[dport] == 443) && f[TCP] == 1 }
                 action_flow { pass; } }
    entry rest { action_flow { drop; } }
}
"""


def changed(old: str, new: str) -> Changed:
    question = DiffQuestion(Question(time_limit=60), boxes=8)
    a, b = load_text(old), load_text(new)
    answer = diff_networks(a, b, question, no_news, lambda *a: None)
    assert isinstance(answer, Changed)
    return answer


def test_a_class_behind_another_difference() -> None:
    """22 opens for who knocked at 7001: found although the knock itself already fares otherwise."""
    answer = changed(KNOCK, KNOCK.replace("7000", "7001"))
    ways = {
        (c.old.text, c.new.text, c.outcome_old, c.outcome_new): c.example for c in answer.classes
    }
    assert set(ways) == {
        ("first", "other", "dropped", "forwarded"),
        ("other", "first", "forwarded", "dropped"),
        ("shut", "other", "dropped", "forwarded"),
        ("other", "shut", "forwarded", "dropped"),
    }
    assert [len(e.events) for e in ways.values() if e is not None] == [1, 1, 2, 2]
    assert all(e is not None and e.minimal for e in ways.values())


def test_counts_and_boxes_of_entries() -> None:
    new = FILTER.replace("443", "8443").replace("10.0.0.0/8", "10.0.0.0/9")
    answer = changed(FILTER, new)
    assert answer.complete
    assert answer.counted == ("sip", "dport", "proto")
    found = {(c.old.text, c.new.text): (c.count, c.boxes) for c in answer.classes}
    assert found == {
        ("web", "rest"): (
            3 << 23,
            ("sip 10.0.0.0/8, dport 443, proto tcp", "sip 10.128.0.0/9, dport 80, proto tcp"),
        ),
        ("rest", "web"): (1 << 23, ("sip 10.0.0.0/9, dport 8443, proto tcp",)),
        ("dns", "rest"): (1 << 23, ("sip 10.128.0.0/9, dport 53, proto udp",)),
    }


def test_no_count_where_more_than_points_decides() -> None:
    """A flag is no point, and neither is a class of which a part fares alike."""
    flags = FILTER.replace("f[TCP] == 1", "f[flag_syn] == 1")
    answer = changed(flags, flags.replace("443", "444"))
    assert [c.count for c in answer.classes] == [None, None]
    half = FILTER.replace("{ drop; }", "{ if (f[ttl] > 1) { drop; } }")
    answer = changed(half, half.replace("443", "444"))
    assert answer.complete
    assert all(c.count is None for c in answer.classes)


def test_identities_outlive_unrelated_changes() -> None:
    """Lines moved, comments, an entry that has nothing to do with it: the same identities."""
    new = KNOCK.replace("7000", "7001")
    plain = {c.identity for c in changed(KNOCK, new).classes}
    moved = [t.replace("program knock {", "// moved\n\n\nprogram knock {") for t in (KNOCK, new)]
    assert {c.identity for c in changed(*moved).classes} == plain
    assert len(plain) == 4
    other = new.replace("f[sip] in open", "f[dip] in open")
    assert {c.identity for c in changed(KNOCK, other).classes} != plain


def test_a_class_that_has_grown_is_another_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same two rules decide, but an earlier one no longer takes SSH out of it."""
    identities = []
    for earlier in ("drop,10.0.0.1,22\n", ""):
        for name, own in (("old", "accept,10.0.0.1,*\n"), ("new", "")):
            text = f"action,sip,dport\n{earlier}{own}drop,*,*\n"
            (tmp_path / f"{name}.csv").write_text(text)
        files = [str(tmp_path / f"{name}.csv") for name in ("old", "new")]
        assert main(["diff", *files, "--format", "json"]) == 1
        (change,) = json.loads(capsys.readouterr().out)["results"][0]["changes"]
        identities.append(change["identity"])
    assert identities[0] != identities[1]


def test_completeness_is_refused_when_a_class_is_missing() -> None:
    """The proof that there are no other classes must fail for all but one of them."""
    old, new = load_text(KNOCK), load_text(KNOCK.replace("7000", "7001"))
    question = DiffQuestion(Question(time_limit=60))
    answer = changed(KNOCK, KNOCK.replace("7000", "7001"))
    work = work_of(old, new, question)
    keys = []
    for one in answer.classes:
        assert one.example is not None
        arrivals = tuple(
            Arrival(e.time, old.ports.index(e.port), parsed(e.frame)) for e in one.example.events
        )
        key = work.grouping.key_of(work.pair, arrivals)
        assert key is not None
        keys.append(key)
    grouping = Grouping.of(work.problem, ())
    constants = collect((old, new))
    proof = Completeness(work.problem, constants, grouping, float("inf"), 5.0, no_news)
    proof.snapshots = [work.pair.snapshot()]
    for gone in keys:
        assert proof.settled([k for k in keys if k != gone]) == ""


def test_partition_by_enumeration() -> None:
    """Which entry takes a point, against the reference, and how many points there are."""
    rng = Random("partition")
    for _ in range(12):
        texts = [random_filter(rng) for _ in range(2)]
        old, new = (load_text(t) for t in texts)
        found = partition(old, new, 2)
        assert found is not None, texts
        machines = [Machine(n) for n in (old, new)]
        total = 0
        for pair, cells in found.cells.items():
            for cell in cells:
                point = found.task.point(cell[::2])
                total += 1
                assert tuple(taken(m, point) for m in machines) == pair, (texts, point)
        assert total > 1
        assert sum(map(found.count, found.cells)) == real_points(found.task.columns)


COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def random_filter(rng: Random) -> str:
    def test() -> str:
        return rng.choice(
            (
                f"f[dport] {rng.choice(COMPARISONS)} {rng.choice((0, 1, 80))}",
                f"f[sip] matches {rng.choice(('10.0.0.0/8', '10.1.0.0/16', '0.0.0.0/1'))}",
                f"{rng.choice(('f[TCP]', 'f[UDP]', 'f[ICMP]'))} == {rng.choice((0, 1))}",
                "f matches R",
                "~(f matches R)",
            )
        )

    entries = "\n".join(
        f"entry e{n} {{ match_flow {{ {rng.choice((' && ', ' || ')).join((test(), test()))} }} }}"
        for n in range(3)
    )
    rules = "rule A = dport:80-90, proto:tcp; rule B = sip:10.2.0.0/16; ruleset R = {A, B};"
    return f"program p {{ {rules} {entries} }}"


def taken(machine: Machine, point: dict[str, int]) -> int:
    proto = point.get("proto", 6)
    l4 = {6: Header.TCP, 17: Header.UDP, 1: Header.ICMP}.get(proto, Header(0))
    packet = make_packet(Header.LINK | Header.IP4 | l4, {"proto": proto, **point})
    assert packet is not None
    visits: list[str] = []
    machine.trace = lambda visit: visits.extend(visit.entries)
    machine.process(packet, 1, point.get("iface", 0))
    return int(visits[0][1:]) if visits else -1


def real_points(columns: tuple[str, ...]) -> int:
    """Ports but 0 only in TCP and UDP; two interfaces."""
    sizes = {"sip": 1 << 32, "iface": 2}
    count = 1
    for column in columns:
        count *= sizes.get(column, 1)
    match "dport" in columns, "proto" in columns:
        case True, True:
            return count * (2 * 65536 + 254)
        case True, False:
            return count * 65536
        case False, True:
            return count * 256
        case _:
            return count
