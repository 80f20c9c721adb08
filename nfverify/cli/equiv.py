"""`nfverify equiv`: two models proved equal, or the shortest trace on which they part."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.cli import audit_options, confirm, equiv_fastpath
from nfverify.cli.options import (
    MODEL,
    UsageError,
    add_executor,
    add_limits,
    add_operators,
    assumption,
    executor,
    ignored,
    load_pair,
    operators,
    positive,
    proposed,
    read_text,
    split_operators,
)
from nfverify.cli.report_options import add_reports, results_of, to_stdout, write_reports
from nfverify.lang.visible import one_line

if TYPE_CHECKING:
    from nfverify.equivalence.problem import Options
    from nfverify.equivalence.question import Question
    from nfverify.equivalence.verdict import Verdict
    from nfverify.report.confirmations import Replays
    from nfverify.report.pytest_file import Model
    from nfverify.smat.ir import Network

_EPILOG = """\
Exit codes: 0 equivalent (proved, for traces of any length), 1 different (with the trace), 2 the
command or a model is wrong, 3 unknown (time, memory or depth ran out), 130 Ctrl-C. With --refine:
0 if B allows all that A does, 1 if A does what B does not allow (with the trace). With --fastpath:
1 also if the fast path does the same, but doesn't serve all that it could."""
_STYLE = {
    "equivalent": "bold green",
    "refines": "bold green",
    "different": "bold red",
    "not refined": "bold red",
    "idle": "bold red",
    "unknown": "bold yellow",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `equiv`."""
    parser = subparsers.add_parser(
        "equiv",
        help="prove two models equal, or show the shortest trace",
        description="Prove that two models do the same for every sequence of packets, or show the"
        " shortest sequence for which they don't.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("a", metavar="A", help=f"{MODEL}; - is standard input")
    add("b", metavar="B", nargs="?", help="the other model")
    choices: tuple[str, ...] = ("packets", "packets+state")
    what = "what must be equal (default: packets); +state: variables of the same name, too"
    add("--observe", choices=choices, default="packets", help=what)
    what = "a header field that need not be equal (may be repeated)"
    add("--ignore", metavar="FIELD", action="append", default=[], help=what)
    what = "look only at packets for which this holds (may be repeated)"
    add("--assume", metavar="EXPR", action="append", default=[], help=what)
    what = "what may hold of both states, as `a.n == b.m`: a proof may use it if it is proved"
    add("--invariant", metavar="EXPR", action="append", default=[], help=what)
    add("--from", dest="start", metavar="S.json", help="start from this state")
    choices = ("bypass", "drop")
    what = "what becomes of frames that are not IP (default: bypass)"
    add("--non-ip", choices=choices, default="bypass", help=what)
    add_limits(parser, "answer")
    what = "search for a difference in traces of up to N packets only"
    add("--depth", type=positive, metavar="N", help=what)
    add("--format", choices=("text", "json"), default="text", help="(default: text)")
    add_reports(parser)
    what = "write the verdict there, and a counterexample as captures, a table and a test"
    add("--save", metavar="DIR", help=what)
    add_executor(parser, "the obligations of a proof are proved")
    add_operators(parser, c=True)
    confirm.add_confirm(parser)
    what = "ask whether B allows all that A does: for models with `choose`"
    add("--refine", action="store_true", help=what)
    audit_options.add_audit(parser)
    equiv_fastpath.add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit code of the verdict."""
    started = time.monotonic()
    from nfverify.equivalence.supervise import supervise
    from nfverify.equivalence.verdict import EXIT_CODE

    if args.refine and args.observe != "packets":
        raise UsageError("--refine compares packets only, not state")
    if executor(args) and (args.refine or args.fastpath):
        raise UsageError("--executor doesn't go with --refine and --fastpath")
    equiv_fastpath.check(args)
    confirm.check_confirm(args)
    if args.confirm_on is None and any(file.endswith(".c") for file in args.ops):
        raise UsageError("--ops FILE.c is of platforms: add --confirm-on P")
    if args.save is not None and Path(args.save).exists() and not Path(args.save).is_dir():
        raise UsageError(f"--save {args.save}: it is there, and is no folder")
    if args.fastpath:
        return _fastpath(args)
    a, b, notes, origin = _sides(args)
    question = _question(args, a.network, b.network, origin, started)
    with progress(args.quiet) as notify:
        verdict = supervise(a.network, b.network, question, memory=args.memory_limit, notify=notify)
    verdict = replace(
        verdict, report=replace(verdict.report, notes=(*verdict.report.notes, *notes))
    )
    replays = _replays(args, verdict, a, b)
    if args.save is not None:
        _save(args, verdict, (a, b), question.options, replays)
    from nfverify.report.as_result import verdict_result
    from nfverify.report.document import dump
    from nfverify.report.text import text

    networks = a.network, b.network
    found = verdict_result(f"{args.a} {args.b}", verdict, args.a, args.b, networks)
    write_reports(args.report, results_of("nfverify equiv", found))
    given = verdict, args.a, args.b, replays
    _print(args, lambda: dump(*given), lambda: text(*given))
    return EXIT_CODE[type(verdict)]


def _fastpath(args: argparse.Namespace) -> int:
    from nfverify.equivalence.fastpath.verdict import FAST_EXIT_CODE
    from nfverify.report.fastpath import dump, text
    from nfverify.report.fastpath_result import fast_result

    verdict, replays = equiv_fastpath.run(args)
    found = fast_result(f"{args.a} --fastpath", verdict, args.a)
    write_reports(args.report, results_of("nfverify equiv --fastpath", found))
    given = verdict, args.a, replays
    _print(args, lambda: dump(*given), lambda: text(*given))
    return FAST_EXIT_CODE[type(verdict)]


def _replays(args: argparse.Namespace, verdict: Verdict, a: Side, b: Side) -> Replays | None:
    """The counterexample on platforms. Of a refinement, A alone: B may have done anything else."""
    from nfverify.equivalence.verdict import Different

    if args.confirm_on is None or not isinstance(verdict, Different):
        return None
    example = verdict.counterexample
    steps = confirm.steps_of(example, a.network)
    sides = [confirm.side(args, "a", a.network, a.state, steps=steps)]
    if not args.refine:
        sides.append(confirm.side(args, "b", b.network, b.state))
    return confirm.replays(args, confirm.trace_of(example, a.network), *sides)


@dataclass(frozen=True, slots=True)
class Side:
    """A model as the user named it, and the state from which it starts, as JSON."""

    target: str
    network: Network
    state: str | None = None


def _sides(args: argparse.Namespace) -> tuple[Side, Side, list[str], int | None]:
    """Both models, notes on how they are paired, and the time from which on they are compared."""
    a, b = load_pair(args.a, args.b)
    notes = list(_port_notes(a, b))
    if args.start is None:
        return Side(args.a, a), Side(args.b, b), notes, None
    if args.start == "-" and "-" in (args.a.partition(":")[0], args.b.partition(":")[0]):
        raise UsageError("standard input can be a model or the state, not both")
    from nfverify.equivalence.start import starts

    first, second = starts(a, b, read_text(args.start), args.start, refine=args.refine)
    notes.insert(0, f"both start from the state in {args.start}")
    for letter, side in (("a", first), ("b", second)):
        if side.missing:
            notes.append(f"{letter} has no {', '.join(side.missing)}, which {args.start} gives")
    sides = Side(args.a, first.network, first.text), Side(args.b, second.network, second.text)
    return *sides, notes, first.state.now


def _question(
    args: argparse.Namespace, a: Network, b: Network, origin: int | None, started: float
) -> Question:
    from nfverify.equivalence.problem import Options
    from nfverify.equivalence.question import Question

    options = Options(
        observe_state=args.observe == "packets+state",
        ignore=ignored(args.ignore),
        assume=assumption(args.assume, a),
        drop_non_ip=args.non_ip == "drop",
        origin=origin,
        proposed=proposed(args.invariant, a, b),
    )
    return Question(
        options=options,
        operators=operators(split_operators(args.ops)[0]) or None,
        time_limit=args.time_limit,
        depth=args.depth,
        assumption=" && ".join(args.assume),
        started=started,
        refine=args.refine,
        executor=args.executor,
        audit=audit_options.audit(args, f"Question: does {args.a} do what {args.b} does?"),
    )


def _port_notes(a: Network, b: Network) -> tuple[str, ...]:
    """How ports were paired, where that is not plain."""
    if a.ports == b.ports:
        return ()
    pairs = [f"{x} is {y}" for x, y in zip(a.ports, b.ports, strict=False) if x != y]
    more = a.ports[len(b.ports) :] or b.ports[len(a.ports) :]
    if more:
        side = "a" if len(a.ports) > len(b.ports) else "b"
        pairs.append(f"only {side} has {', '.join(more)}")
    return (f"ports are compared by number: {'; '.join(pairs)}",)


# Output -----------------------------------------------------------------------------------


def _print(args: argparse.Namespace, document: Callable[[], str], text: Callable[[], str]) -> None:
    if to_stdout(args.report):
        return
    if args.format == "json":
        sys.stdout.write(document())
        return
    shown = text()
    if args.quiet:
        shown = shown.partition("\n")[0] + "\n"
    if args.no_color or not sys.stdout.isatty():
        sys.stdout.write(shown)
        return
    from rich.console import Console
    from rich.text import Text as Rich

    word = shown.partition(":")[0]
    styled = Rich(shown)
    styled.stylize(_STYLE[word], 0, len(word))
    styled.highlight_regex(r"(?m)^[A-Z][^:]*:$", "bold")
    Console(soft_wrap=True, highlight=False).print(styled, end="")


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Shows on a terminal what is being tried."""
    if quiet or not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console
    from rich.markup import escape

    status = Console(stderr=True).status("")

    def show(what: str) -> None:
        status.update(escape(one_line(what)))
        status.start()  # only now: its thread must not be there when the prover is forked

    try:
        yield show
    finally:
        status.stop()


def _save(
    args: argparse.Namespace,
    verdict: Verdict,
    sides: tuple[Side, Side],
    options: Options,
    replays: Replays | None,
) -> None:
    from nfverify.report.pytest_file import Setting
    from nfverify.report.save import save

    files = tuple(str(Path(file).resolve()) for file in split_operators(args.ops)[0])
    a, b = (named(letter, side) for letter, side in zip("ab", sides, strict=True))
    sources = {
        model.beside: side.network.instances[0].program.span.source.text
        for model, side in zip((a, b), sides, strict=True)
        if model.beside
    }
    save(Path(args.save), verdict, Setting(a, b, options, files), sources, replays)


def named(letter: str, side: Side) -> Model:
    """What a saved test needs to find the model again."""
    from nfverify.report.pytest_file import Model
    from nfverify.smat.load import LIBRARY

    target, file, beside = side.target, "", ""
    if target.partition(":")[0] == "-":
        beside = f"{letter}.nfd"
    elif not target.startswith(LIBRARY):
        file = target if Path(target).exists() else target.rpartition(":")[0]
    absolute = str(Path(file).resolve()) if file else ""
    return Model(target, side.network, file, absolute, beside, side.state)
