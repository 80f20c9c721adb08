"""What an execution can be given: traces are made so that all that take part can have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nfverify.oracles.trace import Event, Trace
from nfverify.packet.pcap import TIME_LIMIT

LONGEST = 1 << 32  # bytes of a frame: more than any


@dataclass(frozen=True, slots=True)
class Needs:
    """`monotone`: no stamp before an earlier one; `ports` by which packets may come (None: any);
    `apart`: ns between packets of different ports, so that captures keep their order; `latest`
    stamp, ns; `shortest` and `longest` frame, bytes."""

    monotone: bool = False
    ports: frozenset[int] | None = None
    apart: int = 0
    latest: int = TIME_LIMIT - 1
    shortest: int = 0
    longest: int = LONGEST

    def fit(self, event: Event, before: Event | None) -> Event | None:
        """The event as it can be given behind another; None: not at all."""
        if self.ports is not None and event.port not in self.ports:
            return None
        if not self.shortest <= len(event.frame) <= self.longest:
            return None
        time = event.time
        if before is not None and self.monotone:
            time = max(time, before.time)
            if self.apart and before.port != event.port:
                time = max(time, before.time + self.apart)
        return event._replace(time=min(time, self.latest))


def together(needs: Iterable[Needs]) -> Needs:
    """What all of them can be given."""
    found = Needs()
    for one in needs:
        ports = found.ports if one.ports is None else one.ports
        if one.ports is not None and found.ports is not None:
            ports = one.ports & found.ports
        found = Needs(
            found.monotone or one.monotone,
            ports,
            max(found.apart, one.apart),
            min(found.latest, one.latest),
            max(found.shortest, one.shortest),
            min(found.longest, one.longest),
        )
    return found


def fitted(trace: Iterable[Event], needs: Needs) -> Trace:
    """The events of a trace that can be given, as they can."""
    found: list[Event] = []
    for event in trace:
        fit = needs.fit(event, found[-1] if found else None)
        if fit is not None:
            found.append(fit)
    return tuple(found)
