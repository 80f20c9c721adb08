"""`nfverify explain`: why a verdict of `equiv` is what it is."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nfverify.cli.equiv import progress
from nfverify.cli.options import (
    UsageError,
    add_limits,
    add_operators,
    assumption,
    ignored,
    operators,
    proposed,
    read_text,
)
from nfverify.lang.files import DISK

if TYPE_CHECKING:
    from nfverify.equivalence.explain.answer import Explanation
    from nfverify.equivalence.explain.lines import Line
    from nfverify.equivalence.question import Question
    from nfverify.lang.files import Files
    from nfverify.report.verdict_file import Told
    from nfverify.smat.ir import Network

_EPILOG = """\
Exit codes: 0 explained, 2 the command, the verdict or a model is wrong, 3 the proof of an
equivalence could not be found again within the time, 130 Ctrl-C."""
_UNDECIDED = 3
# A verdict may come from others: what it names is opened only if it can be a model.
_MODEL = re.compile(r"(?:lib:[\w-]+|(?!-).*\.nfd)(?::[A-Za-z_]\w*)?", re.ASCII | re.DOTALL)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of `explain`."""
    parser = subparsers.add_parser(
        "explain",
        help="say why a verdict is what it is",
        description="Say why `nfverify equiv` answered as it did: of `different` where the two part"
        " and which condition or state makes them, of `equivalent` which lines do the same, of"
        " `unknown` the step that no proof excluded and a line that decides it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    what = "what `equiv --format json` wrote, or a folder of `equiv --save`; - is standard input"
    add("verdict", metavar="VERDICT.json", help=what)
    add("--a", metavar="MODEL", help="the first model, if it isn't where the verdict says")
    add("--b", metavar="MODEL", help="the other one")
    what = "as `equiv` was given it (may be repeated)"
    add("--invariant", metavar="EXPR", action="append", default=[], help=what)
    add("--from", dest="start", metavar="S.json", help="the state that `equiv` started from")
    add_operators(parser)
    add_limits(parser, "look for lines and proofs")
    add("--format", choices=("text", "json"), default="text", help="(default: text)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from nfverify.report.document import text_of
    from nfverify.report.explain import document, text
    from nfverify.report.verdict_file import read_verdict

    file = args.verdict
    if file != "-" and Path(file).is_dir():
        file = str(Path(file) / "verdict.json")
    told = read_verdict(read_text(file), "<stdin>" if file == "-" else file)
    asked = _asked(args, told)
    with progress(args.quiet) as notify:
        found = _explanation(args, told, asked, notify)
    if isinstance(found, str):
        print(f"unknown: {found}")
        return _UNDECIDED
    given = found, asked.names[0], asked.names[1]
    if args.format == "json":
        sys.stdout.write(text_of(document(*given)))
    else:
        sys.stdout.write(text(*given))
    return 0


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that the verdict answers, asked again."""

    names: tuple[str, str]
    a: Network
    b: Network
    question: Question
    start: Start | None

    def pasted(self, lines: Sequence[tuple[str, Line]]) -> tuple[Network, Network]:
        """Both models with lines in them. ModelError."""
        from nfverify.equivalence.explain.lines import Pasted

        a, b, _ = _networks(self.names, self.start, Pasted(tuple(line for _, line in lines)))
        return a, b


def _networks(
    names: tuple[str, str], start: Start | None, files: Files
) -> tuple[Network, Network, int | None]:
    """Both models, from the state of --from on, and since when."""
    from nfverify.equivalence.start import starts
    from nfverify.smat.load import load

    a = load(names[0], files=files)
    b = load(names[1], ports=a.ports, files=files)
    if start is None:
        return a, b, None
    first, second = starts(a, b, start.text, start.name)
    return first.network, second.network, first.state.now


class Start(NamedTuple):
    """The state of --from: the file and its text."""

    name: str
    text: str


def _asked(args: argparse.Namespace, told: Told) -> Asked:
    from nfverify.equivalence.problem import Options
    from nfverify.equivalence.question import Question

    report = told.verdict.report
    if report.refine:
        raise UsageError("verdicts of --refine can't be explained yet")
    names = args.a or _name(told.a, "a"), args.b or _name(told.b, "b")
    if any(name.partition(":")[0] == "-" for name in names):
        raise UsageError("the models are read more than once: name files")
    start = None if args.start is None else Start(args.start, read_text(args.start))
    a, b, origin = _networks(names, start, DISK)
    options = Options(
        observe_state=report.observe == "packets+state",
        ignore=ignored(report.ignored),
        assume=assumption([report.assumption] if report.assumption else [], a),
        drop_non_ip=report.non_ip == "drop",
        origin=origin,
        proposed=proposed(args.invariant, a, b),
    )
    question = Question(
        options=options,
        operators=operators(args.ops) or None,
        time_limit=args.time_limit,
        assumption=report.assumption,
        started=time.monotonic(),
    )
    return Asked(names, a, b, question, start)


def _name(name: str, letter: str) -> str:
    if not _MODEL.fullmatch(name):
        message = f"the verdict's model {letter} is {name!a}, which is no file of a model"
        raise UsageError(f"{message}: name it by --{letter}")
    return name


def _explanation(
    args: argparse.Namespace, told: Told, asked: Asked, notify: Callable[[str], None]
) -> Explanation | str:
    """In a process of its own, within its limits; a text says why there is none."""
    from nfverify.equivalence.explain.explaining import explain
    from nfverify.equivalence.supervise import Known, supervised

    started = asked.question.started
    assert started is not None

    def answer(notify: Callable[[str], None], known: Known) -> Explanation | str:
        return explain(told.verdict, asked.a, asked.b, asked.question, asked.pasted, notify)

    def unknown(reason: str, depth: int) -> Explanation | str:
        from nfverify.equivalence.explain.answer import Lacking
        from nfverify.equivalence.verdict import Unknown

        verdict = told.verdict
        if isinstance(verdict, Unknown):
            note = f"no line was looked for to the end: {reason}"
            return Lacking(verdict.reason, verdict.depth, verdict.resisting, (), (note,))
        return reason

    return supervised(
        answer, unknown, asked.question.time_limit, started,
        memory=args.memory_limit, notify=notify,
    )  # fmt: skip
