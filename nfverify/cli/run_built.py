"""`nfverify run --engine cython`: the model compiled, and captures through its own reader."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nfverify.cli import states
from nfverify.cli.fast_options import fast_plan
from nfverify.cli.options import UsageError, compiled
from nfverify.packet.files import STANDARD, replacing

if TYPE_CHECKING:
    from nfverify.cli.run import Files
    from nfverify.cythonized.captures import Passed
    from nfverify.cythonized.host import NetworkFunction
    from nfverify.smat.ir import Network

Progress = AbstractContextManager[Callable[[int], None]]


def run_built(
    args: argparse.Namespace,
    network: Network,
    files: Files,
    until: tuple[bool, int] | None,
    progress: Progress,
) -> tuple[str, str | None]:
    """Runs the captures: a summary, and what an input broke off with."""
    from nfverify.cythonized.captures import CaptureBroken

    function = compiled(args, network, fast_plan(args, network))
    if args.start is not None:
        function.load_any(states.read(args.start), args.start)
    broken = None
    with ExitStack() as stack:
        job = stack.enter_context(function.job())
        for port, file in files.inputs:
            stream = stack.enter_context(_opened(file))
            try:
                job.input(stream.fileno(), "<stdin>" if file == STANDARD else file, port)
            except CaptureBroken as fault:
                raise UsageError(str(fault)) from fault
        for port_or_all, file in files.outputs:
            out = stack.enter_context(replacing(file))
            job.output(out.fileno(), file, port_or_all)
        state = stack.enter_context(replacing(args.state)) if args.state else None
        look = stack.enter_context(progress)
        try:
            _ended(function, job.run(look))
            if until is not None:
                _ended(function, job.wait(*until))
        except CaptureBroken as fault:
            broken = str(fault)
        except OSError as fault:
            raise UsageError(str(fault)) from fault
        if state is not None:
            state.write(_state(function, args.state))
        passed = job.passed
    return _summary(function, passed), broken


def _ended(function: NetworkFunction, error: int) -> None:
    if error:
        raise function.failure(error)


def _opened(file: str) -> BinaryIO:
    if file == STANDARD:
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    return Path(file).open("rb", buffering=0)


def _state(function: NetworkFunction, file: str) -> bytes:
    if states.is_binary(file):
        return function.save_binary()
    return states.encode(function.network, function.save(), file)


def _summary(function: NetworkFunction, passed: Passed) -> str:
    errors = [f"{name} {n:,}" for name, n in function.counters.items() if n]
    text = f"{passed.arrived:,} packets in, {passed.left:,} out"
    return f"{text}; {', '.join(errors)}" if errors else text
