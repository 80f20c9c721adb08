"""`nfverify mutate`: how many small mistakes in a model a suite of traces notices."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from nfverify.cli.gen import progress, seed
from nfverify.cli.options import MODEL, UsageError, add_operators, operators, seconds
from nfverify.cli.report_options import add_reports, results_of, to_stdout, write_reports
from nfverify.lang.visible import several_lines

if TYPE_CHECKING:
    from nfverify.oracles.mutation.grading import Grade, Outcome
    from nfverify.oracles.trace import Trace
    from nfverify.semantics.operators import Function
    from nfverify.smat.ir import Network

Notify = Callable[[str], None]
_EPILOG = """\
A mutant is the model with one small change. Those that are proved equivalent are set aside; the
score is the share of the others that the suite notices, by what comes out.
Exit codes: 0 the score is as high as --at-least, 1 it is lower, 2 the command or a model is wrong,
3 it could be reached if the undecided mutants were equivalent, 130 Ctrl-C."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `mutate`."""
    parser = subparsers.add_parser(
        "mutate",
        help="say how many small mistakes a suite notices",
        description="Change a model in one place after the other, and say which changes a suite of"
        " traces notices.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=MODEL)
    what = "a folder of `nfverify gen` (default: what `gen --coverage full` makes)"
    add("--suite", metavar="DIR", help=what)
    what = "a trace of the suite: a capture that arrives by the first port (may be repeated)"
    add("--trace", metavar="FILE", action="append", default=[], help=what)
    add("--seed", type=seed, default=0, metavar="N", help="of the suite that is made (default: 0)")
    what = "only mutants of this operator (may be repeated; --list-operators names them)"
    add("--operator", metavar="NAME", action="append", default=[], help=what)
    add("--list-operators", action=_List, nargs=0, help="say what the operators do, and stop")
    what = "prove or refute each survivor within this time; 0: don't (default: 10)"
    add("--time-limit", type=_limit, default=10.0, metavar="SECONDS", help=what)
    what = "write the suite with a test for each survivor that can be told apart"
    add("-o", dest="output", metavar="DIR", help=what)
    add("--at-least", type=_percent, metavar="PERCENT", help="the score asked for")
    choices = ("text", "json", "markdown")
    add("--format", choices=choices, default="text", help="(default: text)")
    add_reports(parser)
    add_operators(parser)


class _List(argparse.Action):
    """Needs no model, as --help doesn't."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from nfverify.oracles.mutation.operators import OPERATORS

        width = max(map(len, OPERATORS))
        for name, what in OPERATORS.items():
            print(f"{name:{width}}  {what}")
        parser.exit()


def _limit(text: str) -> float:
    return 0.0 if text == "0" else seconds(text)


def _percent(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{text!a} is no percentage")
    return number


def run(args: argparse.Namespace) -> int:
    """Run the command; 0, or 1 or 3 for a score below --at-least."""
    from nfverify.oracles.mutation.operators import OPERATORS

    for name in args.operator:
        if name not in OPERATORS:
            raise UsageError(f"--operator {name!a}: one of {', '.join(OPERATORS)} is expected")
    from nfverify.oracles.mutation.grading import Effort, grade
    from nfverify.oracles.mutation.mutants import mutants
    from nfverify.oracles.mutation.report import as_json, markdown, text
    from nfverify.report.as_result import mutation_result
    from nfverify.smat.load import load

    folder = None if args.output is None else _free(Path(args.output))
    network = load(args.model)
    functions = operators(args.ops)
    with progress(args.quiet) as notify:
        traces = _suite(args, network, notify)
        chosen = [m for m in mutants(network) if not args.operator or m.operator in args.operator]

        def said(count: int, outcome: Outcome) -> None:
            notify(f"{count} of {len(chosen)} mutants")

        try:
            found = grade(
                network,
                traces,
                operators=functions,
                chosen=chosen,
                effort=Effort(args.time_limit),
                notify=said,
            )
        except ValueError as error:
            raise UsageError(str(error)) from error
    if folder is not None:
        _save(folder, found, args.model, functions)
    least = None if args.at_least is None else args.at_least / 100
    result = mutation_result(args.model, args.model, found, least=least)
    write_reports(args.report, results_of("nfverify mutate", result))
    match args.format:
        case _ if to_stdout(args.report):
            pass
        case "json":
            sys.stdout.write(as_json(found))
        case "markdown":
            sys.stdout.write(several_lines(markdown(found)))
        case _:
            sys.stdout.write(several_lines(text(found, brief=args.quiet)))
    return _code(found, args.at_least)


def _suite(args: argparse.Namespace, network: Network, notify: Notify) -> list[Trace]:
    """The traces that were named; without any, what `gen` makes."""
    from nfverify.oracles.generate.manifest import BadManifest
    from nfverify.oracles.given import given

    try:
        found = [trace for _, trace in given(args.suite, args.trace, network)]
    except BadManifest as error:
        raise UsageError(str(error)) from error
    if args.suite is not None or args.trace:
        if not any(found):
            raise UsageError("the suite has no packets")
        return found
    from nfverify.oracles.generate.packets import events
    from nfverify.oracles.generate.pipeline import Limits, generate

    limits = Limits(prove=False)  # what can't be reached is no part of the suite
    functions = operators(args.ops)
    made = generate(
        network, "full", seed=args.seed, operators=functions, limits=limits, notify=notify
    )
    return [events(item.script) for item in made.items]


def _code(found: Grade, wanted: float | None) -> int:
    if wanted is None or 100 * found.score >= wanted:
        return 0
    killed, undecided = found.count("killed"), found.count("undecided")
    rest = len(found.outcomes) - found.count("equivalent") - undecided
    return 3 if rest == 0 or 100 * killed / rest >= wanted else 1


def _free(folder: Path) -> Path:
    from nfverify.oracles.generate.folder import check_target

    try:
        check_target(folder)
    except FileExistsError as error:
        raise UsageError(f"{error.filename}: {error.strerror}") from error
    return folder


def _save(folder: Path, found: Grade, model: str, functions: dict[str, Function]) -> None:
    """The tests that were missing, as a suite."""
    from nfverify.oracles.generate.folder import save_tests
    from nfverify.oracles.mutation.report import missing_tests

    save_tests(folder, found.network, missing_tests(found), model, functions)
