"""Choices to events: a few bytes say what a packet is like, most of all in terms of earlier ones.

Byte 0 says what happens, byte 1 to which earlier packet, 2-3 which packet of the pool, 4-5 which
second one lies over it, 6-7 and 8-9 what is changed, 10 when, 11 by which port, 12 which oddity,
13-15 how many of what kind a burst or session has, and its gap. Zeros are always the plainest, and
a 0 in byte 0 is the end, so that Hypothesis, which lowers bytes, shrinks to short, plain traces.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import cache
from typing import Final

from nfverify.oracles.flows import ENDPOINTS, End, exchange, tcp_steps
from nfverify.oracles.oddities import ODDITIES
from nfverify.oracles.pools import Pools
from nfverify.oracles.trace import Event
from nfverify.oracles.wire import PLAIN, Values, answered, merged, values_of, values_of_packet, wire
from nfverify.packet.fields import FIELDS
from nfverify.semantics.machine import Emission, Machine
from nfverify.strategies.frame import Frame

LENGTH: Final = 16  # bytes of choices for one event
LATEST: Final = (1 << 62) - 1  # ns
MEMORY: Final = 64  # outputs that may be answered
PLAIN_FRAMES: Final = 160  # the last choice without an oddity
OTHER_PORT: Final = 208  # the last choice of the port where a packet is expected
ALONE: Final = 160  # the last choice of a packet without another one over it
_NONE: Values = {}


class Act(Enum):
    """What one group of choices makes happen."""

    END = auto()
    REPEAT = auto()
    ANSWER = auto()
    FRESH = auto()
    REPLY = auto()  # to what the network sent
    BURST = auto()
    SESSION = auto()


_WEIGHTS = (
    (Act.REPEAT, 40),
    (Act.ANSWER, 45),
    (Act.FRESH, 100),
    (Act.REPLY, 40),
    (Act.BURST, 15),
    (Act.SESSION, 15),
)
_ACTS = tuple(act for act, weight in _WEIGHTS for _ in range(weight))
DATA: Final = ((b"request", b"response"), (), (b"a", b"b", b"c"))
ENDS: Final[tuple[End, ...]] = ("fin", "rst", "none")
VARIED: Final = (
    (),
    ("sport",),
    ("sip", "sip6"),
    ("dport",),
    ("dip", "dip6"),
    ("sip", "sip6", "sport"),
)


@cache
def acts_for(most: int) -> tuple[Act, ...]:
    """What byte 0 means where a trace has at most so many packets: half of them on average."""
    ends = max(1, min(64, 512 // max(1, most)))
    rest = 256 - ends
    return (Act.END,) * ends + tuple(_ACTS[at * len(_ACTS) // rest] for at in range(rest))


def picked(high: int, low: int, count: int, whole: int = 256) -> int:
    """One of `count` by two bytes, the first below `whole`: by the second alone where that will do,
    so that neighbouring choices are neighbouring picks, which Hypothesis tries."""
    if count <= 256:
        return low % count
    return (high << 8 | low) * count // (whole << 8)


class Scene:
    """Events as they are chosen. With a machine, which it steps only if an answer to what the
    network sent is chosen."""

    def __init__(
        self,
        pools: Pools,
        machine: Machine | None,
        start: int,
        most: int,
        hostile: bool,
        bursts: bool = False,
    ) -> None:
        self.pools, self.machine, self.most = pools, machine, most
        self.hostile, self.bursts = hostile, bursts
        self.acts = acts_for(most)
        self.now = start
        rest = [(gap, False) for gap in pools.gaps[1:]]
        rest += [(span, anchored) for anchored in (True, False) for span in pools.spans]
        self.whens = [(pools.gaps[0], False)] * (len(rest) // 2 + 1) + rest
        self.events: list[Event] = []
        self.frames: list[Frame] = []  # those of the events
        self.values: list[Values] = []  # of the events
        self.stepped = 0  # events that the machine has seen
        self.outputs: list[Emission] = []

    # Choices ------------------------------------------------------------------------------

    def play(self, choice: bytes, *, must: bool = False) -> bool:
        """One more group of choices; False at the end, which `must` forbids."""
        act = self.acts[choice[0]]
        if act is Act.END:
            if not must:
                return False
            act = Act.REPEAT
        elif not self.bursts and act in (Act.BURST, Act.SESSION):
            act = Act.FRESH
        back = self._back(choice[1])
        values, port, frame = self._subject(act, choice, back)
        changes = self.changes(choice)
        if changes:
            values, frame = merged(values, changes), None
        self._wait(choice[10], back)
        # An answer by the wrong port is worth a try, but not half of all.
        own = back is None or act in (Act.FRESH, Act.SESSION)
        shift = choice[11] if own else max(0, choice[11] - OTHER_PORT)
        port = (port + shift) % self.pools.ports
        if act is Act.BURST:
            self._burst(choice, values, port)
        elif act is Act.SESSION:
            self._session(choice, values, port)
        else:
            self._add(values, port, self._framed(choice, values, frame))
        return True

    def burst(self, choice: bytes) -> None:
        """A burst of a packet without a past."""
        values = merged(self.fresh(choice), self.changes(choice))
        self._burst(choice, values, choice[11] % self.pools.ports)

    def _subject(
        self, act: Act, choice: bytes, back: int | None
    ) -> tuple[Values, int, Frame | None]:
        """The packet that the choice is about, before changes, and the port by which it comes."""
        if act is Act.REPLY and (reply := self._reply(choice[1])) is not None:
            return *reply, None
        if act is Act.FRESH or act is Act.SESSION or (act is Act.BURST and back is None):
            values = self.fresh(choice)
            port = values.get("iface", 0)
            return values, port if isinstance(port, int) else 0, None
        if back is None:
            return _NONE, 0, None
        port, frame = self.events[back].port, self.frames[back]
        if act is Act.REPEAT or act is Act.BURST:
            return self.values[back], port, frame
        return answered(self.values[back]), 1 - port if port < 2 else 0, None

    def single(self, choice: bytes, fixed: Values) -> Frame:
        """A packet without a past, with some values fixed."""
        values = merged(merged(self.fresh(choice), self.changes(choice)), fixed.items())
        return self._framed(choice, values)

    def ends(self, choice: bytes) -> dict[str, int | bytes]:
        """Who talks to whom."""
        values = merged(self.fresh(choice), self.changes(choice))
        return {name: values[name] for name in ENDPOINTS if name in values}

    def fresh(self, choice: bytes) -> Values:
        """A packet of the pool, in some cases with another one over it."""
        bases = self.pools.bases
        values = bases[picked(choice[2], choice[3], len(bases))]
        if choice[4] > ALONE:
            over = picked(choice[4] - ALONE - 1, choice[5], len(bases), 255 - ALONE)
            values = merged(values, bases[over].items())
        return values

    def changes(self, choice: bytes) -> list[tuple[str, int | bytes]]:
        """Of a field or two, mostly of none."""
        found, tweaks = [], self.pools.tweaks
        for high, low, none in ((choice[6], choice[7], 127), (choice[8], choice[9], 191)):
            if high > none:
                found.append(tweaks[picked(high - none - 1, low, len(tweaks), 255 - none)])
        return found

    def _framed(self, choice: bytes, values: Values, frame: Frame | None = None) -> Frame:
        """The packet, odd if that is chosen; `frame` if it is one already."""
        if self.hostile and choice[12] > PLAIN_FRAMES:
            odd = (choice[12] - PLAIN_FRAMES - 1) % len(ODDITIES)
            return Frame(ODDITIES[odd](wire(values)))
        return frame or Frame(wire(values))

    def _back(self, choice: int) -> int | None:
        """An earlier event; 0 chooses the last."""
        count = len(self.events)
        return count - 1 - choice % count if count else None

    def _wait(self, choice: int, back: int | None) -> None:
        """Mostly a gap; else a span, counted from the earlier event or from now."""
        step, anchored = self.whens[choice % len(self.whens)]
        base = self.events[back].time if anchored and back is not None else self.now
        self.now = min(max(self.now, base + step), LATEST)

    def _add(self, values: Values, port: int, frame: Frame) -> Event:
        event = Event(self.now, port, frame)
        self.events.append(event)
        self.values.append(values)
        self.frames.append(frame)
        return event

    # What one choice makes many of --------------------------------------------------------

    def _burst(self, choice: bytes, values: Values, port: int) -> None:
        """The packet several times, the same, counted up in some field, or with its answers."""
        counts, how = self.pools.counts, choice[14] % (len(VARIED) + 1)
        count = min(counts[choice[13] % len(counts)], self.most - len(self.events))
        gap = self.pools.gaps[choice[15] % len(self.pools.gaps)]
        frame = Frame(wire(values))
        if how == len(VARIED):
            back = answered(values)
            pair = (values, port, frame), (back, 1 - port if port < 2 else 0, Frame(wire(back)))
            for number in range(count):
                self._add(*pair[number % 2])
                self.now = min(self.now + gap, LATEST)
            return
        six = "sip6" in values or "dip6" in values
        names = [name for name in VARIED[how] if name[1:3] != "ip" or name.endswith("6") == six]
        firsts = [(name, values.get(name, PLAIN.get(name, 0))) for name in names]
        for number in range(count):
            if names:
                values = {**values, **{name: _counted(name, at, number) for name, at in firsts}}
                frame = Frame(wire(values))
            self._add(values, port, frame)
            self.now = min(self.now + gap, LATEST)

    def _session(self, choice: bytes, values: Values, port: int) -> None:
        """A conversation of TCP, UDP or ICMP, whole or some of its packets (a bit for each, so that
        it shrinks to those that matter), cut where the trace has enough."""
        proto = values.get("proto", 6)
        data = DATA[choice[14] % len(DATA)]
        match proto:
            case 6:
                steps = tcp_steps(data, ENDS[choice[9] % len(ENDS)])
            case 17:
                steps = [(not at % 2, {"payload": part}) for at, part in enumerate(data or (b"",))]
            case _:
                steps = [(True, {}), (False, {})]
        if choice[13] < 128:
            steps = [step for at, step in enumerate(steps) if choice[13] >> at & 1]
        gap = self.pools.gaps[choice[15] % len(self.pools.gaps)]
        ports = port, 1 - port if port < 2 else 0
        room = self.most - len(self.events)
        through = None if self.machine is None else self._through
        for event in exchange(values, steps[:room], self.now, gap, ports, through):
            if through is None:
                self._record(event)

    def _through(self, event: Event) -> list[tuple[int, Values]]:
        self._record(event)
        return [(out.port, values_of_packet(out.packet)) for out in self._catch_up()]

    def _record(self, event: Event) -> None:
        self.now = min(event.time, LATEST)
        self._add(values_of(event.frame) or _NONE, event.port, Frame(event.frame))

    # The network --------------------------------------------------------------------------

    def _reply(self, choice: int) -> tuple[Values, int] | None:
        """The answer to something that the network sent, by the port that it was sent by."""
        self._catch_up()
        count = min(len(self.outputs), MEMORY)
        if not count:
            return None
        output = self.outputs[-1 - choice % count]
        return answered(values_of_packet(output.packet)), output.port

    def _catch_up(self) -> list[Emission]:
        """What the network sends at the last event."""
        out: list[Emission] = []
        if self.machine is not None:
            while self.stepped < len(self.events):
                out = self.machine.receive(*self.events[self.stepped])
                self.outputs += out[:4]
                self.stepped += 1
        return out


def _counted(name: str, first: int | bytes, number: int) -> int:
    assert isinstance(first, int)
    return (first + number) & (1 << FIELDS[name].width) - 1
