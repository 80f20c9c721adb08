"""Small programs in which choices decide state, outputs and later choices; and traffic for them."""

from __future__ import annotations

from random import Random

from nfverify.oracles.trace import Event
from nfverify.packet.build import build
from nfverify.packet.fields import Header
from nfverify.smat import ir
from nfverify.smat.load import load_text

RANGES = ("0..3", "1..2", "0..5", "f[sport]..f[sport] + 2", "c..3", "c..1")
WHERE = (
    "true", "!(x in s)", "x != c", "m[x] < 2", "x != m[f[sport]]", "x & 1 == f[ttl] & 1",
    "hash(x) % 3 == 0", "!(x in m)", "m[x] == 0 && x > c",
)  # fmt: skip
WRITES = (
    "s = s ∪ {x};", "m[x] = f[sport];", "m[f[sport]] = x;", "c = x;", "delete m[x];",
    "m[x] = m[x] + 1;", "c = c + x;", "touch m[x];", "m[c] = x;", "if (x > 1) { c = 0; }",
)  # fmt: skip
SHOWN = (
    "f[dport] = x;", "f[dport] = x / 2;", "f[tos] = c;", "f[output] = x % 2;",
    "if (x == c) { drop; }", "pass;", "drop;", "f[tos] = m[f[dport]];", "f[dport] = m[x];",
    "if (f[dport] in s) { f[ttl] = 9; }",
)  # fmt: skip
GUARDS = (
    "true", "c > 1", "f[sport] in m", "m[f[sport]] == f[dport]", "f[sport] in s", "c == f[dport]",
)  # fmt: skip
AGES = ("", "", "timeout 3ns", "max 2", "max 1 evict oldest", "timeout 4ns max 2 evict oldest")


def choosing_network(rng: Random) -> ir.Network:
    """A program of two or three entries, of which most choose; now and then a chain of two."""

    def entry() -> str:
        choose = f"choose x in {rng.choice(RANGES)} where {rng.choice(WHERE)};"
        actions = [rng.choice(WRITES) for _ in range(rng.randrange(3))]
        actions += [rng.choice(SHOWN) for _ in range(rng.randrange(1, 3))]
        rng.shuffle(actions)
        return (
            f"entry {{ match_state {{ {rng.choice(GUARDS)} }} "
            f"action_state {{ {choose} {' '.join(actions)} }} }}"
        )

    def program(name: str) -> str:
        timer = "every 3ns { choose x in 0..1; c = c + x; }" if rng.random() < 0.2 else ""
        state = f"map<int, int> m {rng.choice(AGES)}; set<int> s {rng.choice(AGES)}; int c = 0;"
        entries = " ".join(entry() for _ in range(rng.randrange(2, 4)))
        return f"program {name} {{ {state} {timer} {entries} }}"

    text = program("nf")
    if rng.random() < 0.2:
        text += f" {program('other')} chain main = nf -> other;"
    return load_text(text)


def choosing_events(rng: Random, count: int) -> list[Event]:
    """Packets whose few values are those of the programs, a few ns apart."""
    time, events = 0, []
    for _ in range(count):
        time += rng.choice((0, 1, 1, 2, 5))
        fields = {"sport": rng.randrange(4), "dport": rng.randrange(4), "ttl": rng.randrange(2)}
        frame = build(Header.LINK | Header.IP4 | Header.UDP, {**fields, "proto": 17})
        events.append(Event(time, rng.randrange(2), frame))
    return events
