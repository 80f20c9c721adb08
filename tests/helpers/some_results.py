"""Results of every kind and status, with a text of the caller's where others may have written."""

from __future__ import annotations

from nfverify.equivalence.verdict import Emitted
from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.report.results import (
    Change,
    Example,
    Outcome,
    Place,
    Ratio,
    Result,
    Results,
    Series,
    Step,
)

ENDS = {"sip": 0x0A000001, "dip": 0x08080808, "sport": 3000, "dport": 53}
QUERY = build(Header.IP4 | Header.UDP, ENDS)
SENT = build(Header.IP4 | Header.UDP, ENDS | {"sip": 0xC0A80001, "ttl": 63})
OTHER = build(Header.IP4 | Header.UDP, ENDS | {"sip": 0xC0A80001, "ttl": 63, "sport": 3001})
LATER = 10**9 + 7

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\x1b]0;t\x07\n::error file=x::b\n"
    "]]>--><!--|`` `code` **b** [a](http://evil.example) @someone #1 \"'&amp;&\u202e\u2066\u200b"
    "\udc80\udfff\x00\x7f\x85\x9b2J\u2028##[group]x ##vso[task]{0}{{ x }}{% x %}\r%0A,:\ufffe\t"
)


def change(number: int, x: str = "") -> Change:
    """A class of packets, unlike that of any other number."""
    example = Example(
        (Step(5, "lan", QUERY, (Outcome("old", (Emitted(5, "wan", QUERY),)), Outcome("new", ()))),),
        (f"old sends 1 packet, new nothing{x}",),
    )
    return Change(
        f"{number:08x}",
        f"rule {number}{x}",
        f"rule {number + 3}",
        "accept" if number % 2 else f"drop{x}",
        "drop" if number % 2 else "accept",
        f"dip 10.{number}.0.0/16{x}",
        excluded=f"rule 1{x}" if number % 3 else "",
        count=None if number == 4 else 3 ** (7 * number),
        boxes=(f"dip 10.{number}.0.0/17{x}",),
        boxes_left_out=number * 1000,
        place_old=Place(f"rules{x}.csv", 2, 1, 2, 40, "rule"),
        place_new=Place(f"rules{x}.csv", 3 + number, 1, 3 + number, 40) if number != 5 else None,
        example=example if number < 2 else None,
        accepted=f"planned{x}" if number == 2 else "",
    )


def some_results(x: str = "") -> Results:
    """A run of a gate."""
    a = Outcome("a", (Emitted(LATER, f"wan{x}", SENT),), (f"nat{x}: known",))
    b = Outcome(f"b{x}", (Emitted(LATER + 9, "wan", OTHER),), ("nat: fresh",))
    trace = Example(
        (
            Step(5, f"lan{x}", QUERY, (Outcome("a", ()), Outcome(f"b{x}", ()))),
            Step(LATER, f"lan{x}", QUERY, (a, b)),
        ),
        (f"sport: a 3000, b 3001{x}",),
    )
    place = Place(f"models/edge{x}.nfd", 12, 3, 18, 5, f"a takes nat: known{x}")
    ratio = Ratio(f"all goals{x}", 118, 120, 0.95, (place,))
    points = ((1.0, 1.1e6), (2.0, 2.1e6), (4.0, 4.0e6))
    return Results(
        f"gate of edge{x}",
        "1.2.3",
        (
            Result(
                "same", "equiv", "passed", f"they do the same{x}", ("lib:edge", f"{x}.nfd"),
                ("proof: induction",), 1.32, cached=True, relation=(f"a.n == b.n{x}",),
            ),
            Result(
                f"nat{x}", "equiv", "different", f"nat.nfd{x} and b part", (f"nat.nfd{x}",),
                (f"trace: shortest{x}",), 0.62, places=(place, place), examples=(trace,),
                identity="0123abcd",
            ),
            Result(
                "rules", "diff", "different", "6 classes change", ("HEAD~1:rules.csv",), (), 0.41,
                changes=tuple(change(n, x) for n in range(6)), complete=False,
            ),
            Result(
                "isolated", "prove", "unknown", "nobody knows", ("edge.nfd",), (), 60.0,
                reason=f"time ran out{x}",
            ),
            Result(
                "planned", "diff", "accepted", "1 class changes", (), (), 0.1,
                changes=(change(2, x),), reason=f"planned{x}",
            ),
            Result(
                "wrong", "test", "error", f"edge.nfd:3:4: error: unknown name{x}", (), (), 0.02,
                places=(Place("edge.nfd", 3, 4, 3, 9),), reason=f"wrong{x}",
            ),
            Result(
                "coverage", "coverage", "passed", "118 of 120 goals", ("edge.nfd",), (), 3.2,
                ratios=(ratio, Ratio("entries", 30, 30)),
            ),
            Result(
                "scale", "mutation", "different", "too few", (), (), 3.2,
                ratios=(Ratio("mutants", 8, 10, 0.9), Ratio("none", 0, 0)),
                series=(Series(f"speed{x}", f"cores{x}", f"packets/s{x}", points),),
            ),
        ),
        71.2,
        (f"deadbeef{x}",),
        (f"unused: 1234{x}",),
    )  # fmt: skip
