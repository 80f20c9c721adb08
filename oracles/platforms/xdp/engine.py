"""A network as an eBPF program, run on single frames by the kernel's test run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nfverify.oracles.engines.base import Failure, Run
from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.xdp.limits import refusing
from nfverify.oracles.platforms.xdp.loader import LONGEST, SHORTEST, Loaded
from nfverify.oracles.platforms.xdp.state import MapState
from nfverify.oracles.trace import Event, port_names
from nfverify.semantics.machine import MAX_TIME, Output
from nfverify.semantics.state import SavedState
from nfverify.smat.ir import Network

PROGRAM = "nf"
DROP, TX = 1, 3  # XDP's verdicts
NO_PORT = (1 << 32) - 1  # stands for "no packet comes: time passes"
RUNAWAY = -2


def failure(network: Network, maps: MapState) -> Failure | None:
    """What ended a run, if anything."""
    error, lost = maps.trouble()
    if error == RUNAWAY:
        what = f"timers of {network.name} go on for ever between two packets"
        return Failure("refused", what)
    if error:
        return Failure("crash", f"the program ended with error {error}")
    if lost:
        return Failure("refused", f"a table is full: no room for {lost:,} of its keys (--capacity)")
    return None


@dataclass(slots=True)
class XdpSession:
    """A loaded program, begun anew or from a state; sessions of one engine must not overlap."""

    network: Network
    loaded: Loaded
    maps: MapState
    _now: int = 0

    def step(self, event: Event) -> tuple[Output, ...] | Failure:
        if not SHORTEST <= len(event.frame) <= LONGEST:
            what = f"a frame of {len(event.frame)} bytes can't be given to XDP"
            return Failure("refused", what)
        if not 0 <= event.time < MAX_TIME or event.port >= len(port_names(self.network)):
            raise ValueError(f"no such time or port: {event.time}, {event.port}")
        self._now = max(self._now, event.time)
        verdict = self.loaded.test(
            self.loaded.programs[PROGRAM], event.frame, event.time, event.port
        )
        failed = failure(self.network, self.maps)
        if failed is not None:
            return failed
        if verdict.code == DROP:
            return ()
        if verdict.code == TX:
            return (Output(self._now, verdict.out, verdict.frame),)
        return Failure("crash", f"the program returned {verdict.code}")

    def wait(self, time: int) -> Failure | None:
        """Time passes, and no packet comes."""
        self._now = max(self._now, time)
        self.loaded.test(self.loaded.programs[PROGRAM], bytes(SHORTEST), time, NO_PORT)
        return failure(self.network, self.maps)

    def close(self) -> None:
        """The program stays loaded."""


@dataclass(slots=True)
class XdpEngine:
    """One object, loaded when it is first run."""

    network: Network
    data: bytes  # the compiled object
    drop_non_ip: bool = False
    name: str = "xdp"
    _loaded: list[XdpSession] = field(default_factory=list)

    @property
    def needs(self) -> Needs:
        """What traces must be like."""
        return Needs(shortest=SHORTEST, longest=LONGEST)

    def start(self, state: SavedState | None = None) -> XdpSession:
        """The only session, begun anew. ModelError: the kernel refuses a program of this size."""
        if not self._loaded:
            settings = {"nf_test_run": 1, "nf_non_ip_drop": int(self.drop_non_ip)}
            with refusing(self.network):
                loaded = Loaded(self.data, self.network.name, settings)
            self._loaded.append(XdpSession(self.network, loaded, MapState(self.network, loaded)))
        session = self._loaded[0]
        if state is None:
            session.maps.begin()
        else:
            session.maps.load(state)
        session._now = 0 if state is None or state.now is None else state.now
        return session

    def run(
        self, trace: Sequence[Event], start: SavedState | None = None, until: int | None = None
    ) -> Run:
        """The trace from a state (None: from the beginning), and then up to a time, ns."""
        session = self.start(start)
        steps: list[tuple[Output, ...]] = []
        for event in trace:
            out = session.step(event)
            if isinstance(out, Failure):
                return Run(tuple(steps), failure=out)
            steps.append(out)
        if until is not None:
            failed = session.wait(until)
            if failed is not None:
                return Run(tuple(steps), failure=failed)
            steps.append(())
        return Run(tuple(steps), session.maps.save())

    def counters(self) -> Mapping[str, int]:
        """Error counters of the last run, by name."""
        return self._loaded[0].maps.counters() if self._loaded else {}
