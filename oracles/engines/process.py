"""A program run on some input, with limits on its time and output, and ended with all that it
started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from nfverify.oracles.engines.base import Failure

MAX_OUTPUT = 64 << 20  # bytes that a program may write in one run
MAX_SAID = 4096  # bytes of its standard error that are kept
WHOLE = 20  # a run may take so many times as long as a silence
_CHUNK = 1 << 16
_NAP = 0.002  # s


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program wrote, and what was wrong with how it ended."""

    output: bytes
    failure: Failure | None


class Process:
    """A program with its three streams. OSError if it can't be started.

    `silence` is how long, in s, it may neither read nor write before it counts as hanging.
    """

    def __init__(self, command: Sequence[str], silence: float) -> None:
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        stdin, stdout, stderr = self._popen.stdin, self._popen.stdout, self._popen.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        self._in, self._out, self._err = stdin, stdout, stderr
        self._selector = selectors.DefaultSelector()
        for stream in (stdin, stdout, stderr):
            os.set_blocking(stream.fileno(), False)
            if stream is not stdin:
                self._selector.register(stream, selectors.EVENT_READ)
        self._silence = silence
        self._rest = bytearray()
        self._ending = self._killed = False
        self._written = 0
        self._said = bytearray()
        self.output = bytearray()

    def send(self, data: bytes) -> None:
        """Data for its standard input, read as it likes."""
        if not self._in.closed and data:
            if not self._rest:
                self._selector.register(self._in, selectors.EVENT_WRITE)
            self._rest += data

    def end_input(self) -> None:
        """No more data: its input ends behind what was sent."""
        self._ending = True
        if not self._rest:
            self._in.close()

    @property
    def closed(self) -> bool:
        """Did it close its standard output?"""
        return self._out not in self._selector.get_map()

    def pump(self) -> Failure | None:
        """Waits until it reads or writes something."""
        ready = self._selector.select(self._silence)
        if not ready:
            return Failure("hang", f"no answer within {self._silence:g} s", self.said)
        for key, _ in ready:
            if key.fileobj is self._in:
                self._feed()
            elif key.fileobj is self._out:
                self.output += self._take(self._out)
            else:
                self._said += self._take(self._err)
                del self._said[:-MAX_SAID]
        if self._written > MAX_OUTPUT:
            return Failure("output", f"over {MAX_OUTPUT >> 20} MB of output", self.said)
        return None

    def _feed(self) -> None:
        try:
            del self._rest[: os.write(self._in.fileno(), self._rest[:_CHUNK])]
        except BlockingIOError:
            return
        except OSError:  # it reads no more; how it ends will tell
            self._rest.clear()
            self._ending = True
        if not self._rest:
            self._selector.unregister(self._in)
            if self._ending:
                self._in.close()

    def _take(self, stream: object) -> bytes:
        source = self._out if stream is self._out else self._err
        try:
            data = os.read(source.fileno(), _CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            self._selector.unregister(source)
        self._written += len(data)
        return data

    @property
    def said(self) -> str:
        """The end of its standard error."""
        return self._said.decode(errors="replace").strip()

    def finish(self) -> Failure | None:
        """Waits for its end: what was wrong with its exit status, or that it didn't end."""
        gone = self._gone()
        self.kill()
        if not gone:
            return Failure("hang", f"no end within {self._silence:g} s of that of its output")
        status = self._popen.returncode
        if status < 0:
            return Failure("crash", f"ended by {_signal(-status)}", self.said)
        if status:
            return Failure("crash", f"ended with exit status {status}", self.said)
        return None

    def _gone(self) -> bool:
        """Waits for its end, without taking note of it: its number stays its own."""
        try:
            handle = os.pidfd_open(self._popen.pid)
        except OSError:  # an old kernel, or a sandbox
            deadline = time.monotonic() + self._silence
            how = os.WEXITED | os.WNOWAIT | os.WNOHANG
            while (gone := os.waitid(os.P_PID, self._popen.pid, how)) is None:
                if time.monotonic() > deadline:
                    break
                time.sleep(_NAP)
            return gone is not None
        try:
            with selectors.DefaultSelector() as ended:
                ended.register(handle, selectors.EVENT_READ)
                return bool(ended.select(self._silence))
        finally:
            os.close(handle)

    def kill(self) -> None:
        """It and its group, while its number is still its own; gives the streams back."""
        if self._killed:
            return
        self._killed = True
        if self._popen.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        while self._err in self._selector.get_map():
            data = self._take(self._err)
            if not data:
                break
            self._said += data
        del self._said[:-MAX_SAID]
        self._selector.close()
        for stream in (self._in, self._out, self._err):
            with suppress(OSError):
                stream.close()


def run_to_end(command: Sequence[str], data: bytes, silence: float) -> Finished:
    """The program on all of its input. OSError if it can't be started."""
    process = Process(command, silence)
    deadline = time.monotonic() + WHOLE * silence
    failure = None
    try:
        process.send(data)
        process.end_input()
        while not process.closed and failure is None:
            failure = process.pump()
            if failure is None and time.monotonic() > deadline:
                failure = Failure("hang", f"no end within {WHOLE * silence:g} s", process.said)
        failure = failure or process.finish()
    finally:
        process.kill()
    return Finished(bytes(process.output), failure)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
