"""What became of a counterexample on platforms, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nfverify.oracles.platforms.confirming import Confirmation, Replayed
from nfverify.oracles.trace import Trace
from nfverify.report.document import JSON
from nfverify.report.packets import changes, clock
from nfverify.semantics.machine import Output


@dataclass(frozen=True, slots=True)
class Replays:
    """A trace on platforms; `ports` are the names of those by which packets come and go."""

    found: tuple[Confirmation, ...]
    trace: Trace
    ports: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Each platform with its answer, and what came out there of each side at last."""
        yield ""
        yield f"On platforms, at packet {len(self.trace)}:"
        for each in self.found:
            why = f": {each.why}" if each.why else ""
            yield f"  {each.platform}: {each.answer}{why}"
            for side in each.sides:
                yield from (f"    {side.side}  {line}" for line in self._last(side))

    def _last(self, side: Replayed) -> Iterator[str]:
        if len(side.steps) < len(self.trace):
            yield "no answer"
            return
        event, outputs = self.trace[-1], side.steps[len(self.trace) - 1]
        if not outputs:
            yield "nothing comes out"
        for out in outputs:
            later = f" at {clock(out.time)}" if out.time != event.time else ""
            yield f"{self.ports[out.port]}{later}  {changes(event.frame, out.frame)}"

    def document(self) -> JSON:
        """Each platform with its answer, and all that came out there."""
        return [
            {
                "platform": each.platform,
                "answer": each.answer,
                "why": each.why or None,
                "sides": [
                    {
                        "side": side.side,
                        "difference": side.what or None,
                        "events": [[self._output(out) for out in step] for step in side.steps],
                    }
                    for side in each.sides
                ],
            }
            for each in self.found
        ]

    def _output(self, out: Output) -> JSON:
        return {"time": out.time, "port": self.ports[out.port], "packet": out.frame.hex()}
