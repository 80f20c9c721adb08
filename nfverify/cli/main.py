"""The `nfverify` command: finds the subcommand, runs it, and turns what happens into an exit code.

Exit codes: what the command returns (0, 1, 3: verdicts), 2 for a wrong command, model or file,
4 for a fault of nfverify's own, 130 for Ctrl-C, 141 for an output closed early.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

import nfverify

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

USAGE_ERROR = 2
INTERNAL_ERROR = 4
INTERRUPTED = 130
OUTPUT_CLOSED = 141


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand: its module has `add_parser(subparsers)` and `run(args) -> int`."""

    name: str
    help: str
    module: str


COMMANDS = (
    Command("init", "write a first file for `nfverify gate`", "nfverify.cli.init"),
    Command("gate", "run all checks that a file names", "nfverify.cli.gate"),
    Command("watch", "run the gate again whenever a file changes", "nfverify.cli.watch"),
    Command("check", "report errors and warnings in models", "nfverify.cli.check"),
    Command("show", "draw a model as a table", "nfverify.cli.show"),
    Command("fmt", "write models in the canonical form", "nfverify.cli.fmt"),
    Command("run", "run a model on a packet capture", "nfverify.cli.run"),
    Command("bench", "measure how fast a model is", "nfverify.cli.bench"),
    Command("build", "compile a model", "nfverify.cli.build"),
    Command("prove", "prove properties of a model", "nfverify.cli.prove"),
    Command("equiv", "prove two models equal, or show the shortest trace", "nfverify.cli.equiv"),
    Command("diff", "say what a change does to traffic", "nfverify.cli.diff"),
    Command("explain", "say why a verdict is what it is", "nfverify.cli.explain"),
    Command("certify", "write a proof that can be checked again", "nfverify.cli.certify"),
    Command(
        "check-certificate",
        "check a certificate of equivalence",
        "nfverify.cli.check_certificate",
    ),
    Command("fastpath", "show the fast path of a chain", "nfverify.cli.fastpath"),
    Command("cover", "say what of a model a capture reaches", "nfverify.cli.cover"),
    Command("test", "hold engines, or your own program, against a model", "nfverify.cli.test"),
    Command("consolidate", "turn a chain into one table", "nfverify.cli.consolidate"),
    Command("gen", "make traces that reach everything in a model", "nfverify.cli.gen"),
    Command("mutate", "say how many small mistakes a suite notices", "nfverify.cli.mutate"),
    Command("platforms", "list the platforms, and what each needs", "nfverify.cli.platforms"),
    Command("cache", "show or empty the cache of builds and results", "nfverify.cli.cache"),
    Command("completion", "print a completion script for a shell", "nfverify.cli.completion"),
    Command("lsp", "serve an editor: the language server", "nfverify.cli.lsp"),
)


_ABOUT = """\
Prove network functions and chains of them equal, or see the shortest trace on which they part.

commands:
{commands}

A MODEL is FILE.nfd, FILE.nfd:NAME or lib:NAME (the library); - is standard input or output.
"""
_EPILOG = """\
Exit codes: 0 yes, 1 no, 2 wrong command or model, 3 unknown, 4 internal error, 130 Ctrl-C.
`nfverify COMMAND --help` says more about a command."""


class _Parser(argparse.ArgumentParser):
    """An argument parser that does not hide that its reader has gone."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is not sys.stdout:  # it quotes what was typed; a help doesn't, and starts at once
            from nfverify.lang.visible import several_lines

            message = several_lines(message)
        (file or sys.stderr).write(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; nothing escapes as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _dispatch(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _say("nfverify: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return OUTPUT_CLOSED
    except Exception as error:
        try:
            return report_error(error)
        except Exception:  # a fault in reporting must not end in Python's own exit code 1
            return INTERNAL_ERROR


def _dispatch(argv: list[str]) -> int:
    parser, subparsers = _parser()
    chosen = next((word for word in argv if not word.startswith("-")), None)
    run = None
    for command in COMMANDS:
        if command.name == chosen:
            module = import_module(command.module)
            module.add_parser(subparsers)
            _add_global_options(subparsers.choices[command.name], argparse.SUPPRESS)
            run = module.run
        else:
            subparsers.add_parser(command.name)
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has said what is wrong, or printed the help
        return stop.code if isinstance(stop.code, int) else USAGE_ERROR
    if run is None:
        parser.print_help(sys.stderr)
        return USAGE_ERROR
    args.no_color = args.no_color or bool(os.environ.get("NO_COLOR"))
    try:
        code: int = run(args)
    except SystemExit as stop:  # in a platform or an operator of another's: no verdict of ours
        raise RuntimeError(f"the run was ended by sys.exit({stop.code!r})") from stop
    return code


def full_parser() -> argparse.ArgumentParser:
    """The options of all commands: for completion and manual pages."""
    parser, subparsers = _parser()
    subparsers.help = "what to do"
    for command in COMMANDS:
        import_module(command.module).add_parser(subparsers)
        _add_global_options(subparsers.choices[command.name], argparse.SUPPRESS)
    return parser


def _parser() -> tuple[argparse.ArgumentParser, argparse._SubParsersAction[_Parser]]:
    width = max(len(command.name) for command in COMMANDS)
    table = "\n".join(f"  {command.name:{width}}  {command.help}" for command in COMMANDS)
    parser = _Parser(
        prog="nfverify",
        usage="%(prog)s [-h] [--version] [-q] [--no-color] COMMAND ...",
        description=_ABOUT.format(commands=table),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nfverify {nfverify.__version__}")
    _add_global_options(parser, False)
    subparsers = parser.add_subparsers(
        prog="nfverify", dest="command", metavar="COMMAND", help=argparse.SUPPRESS
    )
    return parser, subparsers


def _add_global_options(parser: argparse.ArgumentParser, default: object) -> None:
    """`--quiet` and `--no-color`, before or after the command's name."""
    parser.add_argument(
        "-q", "--quiet", action="store_true", default=default, help="print only what was asked for"
    )
    parser.add_argument(
        "--no-color",
        action="store_true",
        default=default,
        help="plain text (also: NO_COLOR in the environment)",
    )


def report_error(error: Exception) -> int:
    """Say what went wrong on standard error and return the exit code for it."""
    from nfverify.cli.options import UsageError
    from nfverify.cythonized.faults import BuildError
    from nfverify.executors.job import ExecutorError
    from nfverify.lang.render import render
    from nfverify.lang.source import ModelError
    from nfverify.lang.visible import one_line
    from nfverify.packet.pcap import CaptureError

    debugging = bool(os.environ.get("NFVERIFY_DEBUG"))
    match error:
        case ModelError():
            _say(render(error.diagnostics).removesuffix("\n"))
            code = USAGE_ERROR
        case BuildError() | CaptureError() | ExecutorError() | UsageError():
            _say(f"nfverify: error: {error}")
            code = USAGE_ERROR
        case MemoryError(args=[str(message), *_]):
            _say(f"nfverify: error: {message}")
            code = INTERNAL_ERROR
        case OSError(filename=str() as name, strerror=str() as reason):
            _say(f"nfverify: error: {one_line(name)}: {reason}")
            code = USAGE_ERROR
        case _:
            what = " ".join(str(error).split()) or "no message"
            hint = "" if debugging else "; NFVERIFY_DEBUG=1 shows where"
            _say(f"nfverify: internal error: {type(error).__name__}: {what} (no verdict{hint})")
            code = INTERNAL_ERROR
    if debugging:
        import traceback

        traceback.print_exception(error)
    return code


def _say(message: str) -> None:
    """A message on standard error, after what standard output holds already."""
    from nfverify.lang.visible import several_lines

    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError):
        print(several_lines(message), file=sys.stderr)


def _discard_stdout() -> None:
    """The reader of standard output has gone: let the interpreter's last flush go nowhere."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
