"""A verdict of each kind."""

from nfverify.equivalence.verdict import (
    Counterexample,
    Different,
    Emitted,
    Equivalent,
    Event,
    Obligation,
    Proof,
    Report,
    SideOfEvent,
    Unknown,
)
from nfverify.packet.codec import build
from nfverify.packet.fields import Header

FRAME = build(Header.IP4 | Header.UDP, {"sip": 1, "dip": 2, "sport": 3, "dport": 4})
REPORT = Report("x", "y", "packets", (), "", "bypass", ("a: a note",), 1.25)
PROVED = Obligation("equal outputs", 0.5, "proved")
NOTHING = SideOfEvent((), ("x: first",))
SENT = SideOfEvent((Emitted(5, "out", FRAME), Emitted(9, "out", FRAME)), ("y: a|b", "y: c"))
EVENTS = (Event(5, "in", FRAME, SENT, NOTHING), Event(7, "in", FRAME, NOTHING, SENT))
EXAMPLE = Counterexample(EVENTS, True, 1, ("a sends nothing, b 2 packets",))
EQUIVALENT = Equivalent(REPORT, Proof("induction", 3, ("a.n == b.n",), (PROVED,)))
DIFFERENT = Different(REPORT, EXAMPLE)
UNKNOWN = Unknown(REPORT, "time ran out", 2, (PROVED, Obligation("(1)", 1.0, "unknown")))
VERDICTS = [EQUIVALENT, DIFFERENT, UNKNOWN]
