"""Pairs of rows on one key: which last toucher is seen, when, and for which key."""

from collections.abc import Iterable

from ir_build import udp

from nfverify.oracles.coverage.goals import REACHED
from nfverify.oracles.coverage.instrument import instrument
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load_text

Ends = tuple[int, int]
"""Source and destination port."""

SEEN = """
program p {
    set<int> s;
    entry old { match_state { f[sport] in s } action_state { s = s \\ {f[sport]}; } }
    entry new { action_state { s = s | {f[sport]}; } }
}
"""


def pairs(text: str, trace: Iterable[Ends]) -> list[str]:
    """The pairs that each packet adds, in words."""
    found = instrument(load_text(text), "pairs")
    machine = Machine(found.network)
    known: set[int] = set()
    told = []
    for time, (sport, dport) in enumerate(trace):
        machine.step(time, 0, udp(sport=sport, dport=dport))
        now = {int(key[0]) for rows in machine.live(REACHED) for key in rows}
        goals = [found.goals[n] for n in sorted(now - known)]
        told.append("; ".join(f"{g.entry} {g.text}" for g in goals if g.kind == "pair"))
        known = now
    return told


def after(row: str, before: str, names: str = "s") -> str:
    return f"{row} after {before} on the same key of {names}"


def test_the_last_toucher_is_the_one_before_the_packet() -> None:
    assert pairs(SEEN, [(1, 0), (1, 0), (1, 0), (1, 0)]) == [
        "",
        after("old", "new"),
        after("new", "old"),
        "",
    ]


def test_another_key_makes_no_pair() -> None:
    assert pairs(SEEN, [(1, 0), (2, 0), (3, 0), (2, 0)]) == ["", "", "", after("old", "new")]


def test_all_pairs_of_rows_that_touch_a_key_are_goals() -> None:
    goals = [g for g in instrument(load_text(SEEN), "pairs").goals if g.kind == "pair"]
    assert [(g.entry, g.text.split()[1]) for g in goals] == [
        ("old", "old"),
        ("old", "new"),
        ("new", "old"),
        ("new", "new"),
    ]


def test_a_row_that_is_not_taken_touches_nothing() -> None:
    text = """
    program p {
        set<int> s;
        entry old { match_state { f[sport] in s } action_flow { drop; } }
        entry free { match_flow { f[dport] == 9 } action_flow { pass; } }
        entry new { action_state { s = s | {f[sport]}; } }
    }
    """
    assert pairs(text, [(1, 9), (1, 5), (1, 5)]) == ["", "", after("old", "new")]


def test_the_reverse_key_meets_the_same_state() -> None:
    text = """
    program p {
        set<(int, int)> s;
        entry back { match_state { (f[dport], f[sport]) in s } }
        entry out { action_state { s = s | {(f[sport], f[dport])}; } }
    }
    """
    assert pairs(text, [(1, 2), (2, 1)]) == ["", after("back", "out")]


def test_the_key_is_taken_where_the_access_stands() -> None:
    """The second access is at the rewritten port, so it meets what the port 7 left."""
    text = """
    program p {
        map<int, int> m;
        entry change {
            match_flow { f[dport] == 9 }
            action_flow { f[sport] = 7; }
            action_state { m[f[sport]] = 1; }
        }
        entry plain { action_state { m[f[sport]] = 2; } }
    }
    """
    assert pairs(text, [(7, 1), (3, 9), (3, 1)]) == [
        "",
        after("change", "plain", "m"),
        "",
    ]
    assert pairs(text, [(3, 9), (7, 1)]) == ["", after("plain", "change", "m")]


def test_keys_of_different_types_are_kept_apart() -> None:
    text = """
    program p {
        set<int> ports;
        set<IP> hosts;
        entry one { match_flow { f[dport] == 1 } action_state { ports = ports | {f[sport]}; } }
        entry two { action_state { hosts = hosts | {f[sip]}; } }
    }
    """
    assert pairs(text, [(0x0A01, 1), (5, 2), (5, 2)])[1:] == [
        "",
        after("two", "two", "hosts"),
    ]
    names = [g.text for g in instrument(load_text(text), "pairs").goals if g.kind == "pair"]
    assert len(names) == 2


def test_maps_with_the_same_keys_share_their_last_toucher() -> None:
    text = """
    program p {
        map<int, int> a;
        map<int, int> b;
        entry one { match_flow { f[dport] == 1 } action_state { a[f[sport]] = 1; } }
        entry two { action_state { b[f[sport]] = 1; } }
    }
    """
    assert pairs(text, [(5, 1), (5, 2)]) == ["", after("two", "one", "a and b")]


def test_a_row_that_touches_its_key_twice_is_no_pair_of_itself() -> None:
    text = """
    program p {
        map<int, int> m;
        entry twice { action_state { m[f[sport]] = m[f[sport]] + 1; m[f[sport]] = 2; } }
    }
    """
    assert pairs(text, [(5, 1), (5, 1)]) == ["", after("twice", "twice", "m")]


def test_branches_count_for_themselves() -> None:
    text = """
    program p {
        set<int> s;
        if (f[sport] in s) {
            if (f[dport] == 1) { s = s \\ {f[sport]}; }
        } else {
            s = s | {f[sport]};
        }
    }
    """
    told = pairs(text, [(5, 2), (5, 1), (5, 2)])
    unless, inner = "unless f[sport] in s", "if f[dport] == 1"
    outside = "what stands outside the tables"
    first, second, third = told
    assert first == ""
    assert f"after {unless} on the same key of s" in second
    assert f"after {inner} on the same key of s" in third
    assert outside not in second + third


def test_a_constant_table_has_no_pairs() -> None:
    text = """
    program p {
        map<int, int> fixed = {1: 2};
        entry a { match_flow { fixed[f[sport]] == 2 } }
        entry b { action_flow { drop; } }
    }
    """
    assert not [g for g in instrument(load_text(text), "full").goals if g.kind == "pair"]


def test_a_loop_looks_at_each_of_its_keys() -> None:
    text = """
    program p {
        set<int> s;
        int i = 0;
        i = 0;
        while (i < 3) bound 3 { s = s | {i + f[sport]}; i = i + 1; }
    }
    """
    found = instrument(load_text(text), "pairs")
    machine = Machine(found.network)
    machine.step(0, 0, udp(sport=10))

    def reached() -> list[str]:
        return [
            found.goals[int(key[0])].text
            for rows in machine.live(REACHED)
            for key in rows
            if found.goals[int(key[0])].kind == "pair"
        ]

    assert reached() == []
    machine.step(1, 0, udp(sport=12))
    assert reached() == ["after while i < 3 on the same key of s"]
