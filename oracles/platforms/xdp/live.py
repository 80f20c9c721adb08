"""A network on interfaces: attached, watched, its state read when it ends."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nfverify.cythonized.faults import BuildError
from nfverify.oracles.platforms.files import FAILED
from nfverify.oracles.platforms.job import Live, Outcome
from nfverify.oracles.platforms.xdp.attach import MODES, Attached, AttachError, Mode, index_of
from nfverify.oracles.platforms.xdp.engine import PROGRAM, failure
from nfverify.oracles.platforms.xdp.limits import refusing
from nfverify.oracles.platforms.xdp.loader import Loaded
from nfverify.oracles.platforms.xdp.state import MapState
from nfverify.semantics import state_binary
from nfverify.semantics.machine import ERRORS
from nfverify.smat.ir import Network

OPTIONS = {
    "mode": "auto (the default), native or generic",
    "pin": "a new folder of a bpffs, into which the maps are pinned while it runs",
}
_TICK = 0.02  # s between two looks
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_DEVICES, _PORTS = "nf_devices", "nf_ports"


def run_live(network: Network, data: bytes, live: Live) -> Outcome:
    """The compiled object at interfaces until a signal, a count or silence ends it.

    BuildError: the kernel refuses it, or an interface. ModelError: so does the state.
    """
    mode = _mode(live.options)
    settings = {
        "nf_clock": time.clock_gettime_ns(time.CLOCK_REALTIME) - time.monotonic_ns(),
        "nf_non_ip_drop": int(live.non_ip == "drop"),
        "nf_count": live.count or 0,
    }
    with ExitStack() as stack:
        try:
            indices = {interface: index_of(interface) for interface in live.interfaces}
            with refusing(network):
                loaded = stack.enter_context(Loaded(data, network.name, settings))
            maps = MapState(network, loaded)
            if live.start is None:
                maps.begin()
            else:
                maps.load(state_binary.load(network, live.start, "the state"))
            for port, index in enumerate(indices.values()):
                number = port.to_bytes(4, "little"), index.to_bytes(4, "little")
                loaded.maps[_DEVICES].put(*number)
                loaded.maps[_PORTS].put(*reversed(number))
            if "pin" in live.options:
                stack.enter_context(_pinned(loaded, Path(live.options["pin"])))
            stack.enter_context(_blocked())
            with Attached(loaded.programs[PROGRAM], live.interfaces, mode) as attached:
                _say(live, f"live on {', '.join(live.interfaces)}{_helped(attached)}")
                code, why = _watch(live, maps, indices)
        except AttachError as error:
            raise BuildError(str(error)) from error
        failed = failure(network, maps)
        code, why = (code, why) if failed is None else (FAILED, failed.what)
        _say(live, _statistics(maps))
        state = state_binary.dump(network, maps.save()) if live.saves else None
        return Outcome(code, broken=why, state=state)


def _mode(options: Mapping[str, str]) -> Mode:
    mode = options.get("mode", "auto")
    if mode not in MODES:
        raise BuildError(f"mode={mode!a} is none of {', '.join(MODES)}")
    return mode  # type: ignore[return-value]


def _watch(live: Live, maps: MapState, indices: Mapping[str, int]) -> tuple[int, str]:
    """The exit code, 128 and the signal if one ended it, and what went wrong."""
    seen, since = maps.frames()[0], time.monotonic()
    told = since
    while True:
        got = signal.sigtimedwait(_SIGNALS, _TICK)
        if got is not None:
            return 128 + got.si_signo, ""
        arrived, now = maps.frames()[0], time.monotonic()
        if arrived != seen:
            seen, since = arrived, now
        if live.count is not None and arrived >= live.count:
            return 0, ""
        if live.idle is not None and now - since >= live.idle:
            return 0, ""
        if maps.trouble() != (0, 0):
            return FAILED, ""
        gone = [each for each, index in indices.items() if not _there(index)]
        if gone:
            return FAILED, f"the interface {gone[0]} went away"
        if live.every is not None and now - told >= live.every:
            _say(live, _statistics(maps))
            told = now


def _there(index: int) -> bool:
    try:
        return bool(socket.if_indextoname(index))
    except OSError:
        return False


def _statistics(maps: MapState) -> str:
    arrived, left = maps.frames()
    errors = maps.counters()
    parts = [f"{arrived:,} packets in, {left:,} out"]
    parts += [f"{name} {errors[name]:,}" for name in ERRORS if errors[name]]
    return "; ".join(parts)


def _helped(attached: Attached) -> str:
    return f" (and passing all on at {', '.join(attached.helped)})" if attached.helped else ""


def _say(live: Live, text: str) -> None:
    if not live.quiet:
        print(f"nfverify: {text}", file=sys.stderr, flush=True)


@contextmanager
def _blocked() -> Iterator[None]:
    """Signals that end a run wait until they are asked for."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _pinned(loaded: Loaded, folder: Path) -> Iterator[None]:
    """The maps in a new folder, under their names; gone at the end."""
    try:
        folder.mkdir()
        with ExitStack() as stack:
            stack.callback(folder.rmdir)
            for name, found in loaded.maps.items():
                path = folder / name.replace(".", "_")
                found.pin(path)
                stack.callback(path.unlink)
            yield
    except FileExistsError:
        raise BuildError(f"{folder} is there already") from None
    except OSError as error:
        raise BuildError(f"pinning below {folder}: {error} (is it a bpffs?)") from error
