"""A verdict on a fast path as files in a folder, as those of `equiv`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nfverify.equivalence.fastpath.verdict import FastDifferent, FastQuestion, FastVerdict
from nfverify.equivalence.verdict import Counterexample
from nfverify.report.captures import captures
from nfverify.report.fastpath import dump, text
from nfverify.report.pytest_file import LOCATED, Model, events_of, quoted
from nfverify.report.save import VERDICT, owned, replace_files
from nfverify.report.text import markdown
from nfverify.report.traces import example_of

if TYPE_CHECKING:
    from nfverify.report.confirmations import Replays

_ABOUT = """\
A chain must do the same with its fast path: a counterexample of `nfverify equiv --fastpath`.

It fails until it does. What differed when it was written (a: the chain, b: with its fast path):"""
_STEPS = """\
    for number, (time, port, frame) in enumerate(EVENTS, 1):
        frame = bytes.fromhex(frame)
        assert chain.step(time, port, frame) == fast.step(time, port, frame), f"packet {number}"
        assert chain.snapshot() == fast.snapshot(), f"packet {number}\""""


def save(
    folder: Path,
    verdict: FastVerdict,
    model: Model,
    operators: tuple[str, ...],
    source: str,
    replays: Replays | None = None,
) -> None:
    """Writes the files; those of an earlier verdict in the folder go. Raises OSError.

    `operators` are absolute paths of Python files; `source` is the text of a model that came by
    standard input.
    """
    target = model.target
    content = {
        VERDICT: dump(verdict, target, replays).encode(),
        "report.txt": text(verdict, target, replays).encode(),
    }
    if isinstance(verdict, FastDifferent):
        example, question = verdict.counterexample, verdict.report.question
        content |= captures(example_of(example))
        content["table.md"] = markdown(example, target, f"{target} with its fast path").encode()
        test = "\n".join(_test(example, question, model, operators)) + "\n"
        content["test_counterexample.py"] = test.encode()
        if model.beside:
            content[model.beside] = source.encode()
    replace_files(folder, content, owned(folder))


def _test(
    example: Counterexample, question: FastQuestion, model: Model, operators: tuple[str, ...]
) -> Iterator[str]:
    """A pytest file that replays the trace."""
    yield f'"""{_ABOUT}'
    yield ""
    yield from (f"    {quoted(text)}" for text in example.differences)
    yield '"""'
    yield ""
    yield "from pathlib import Path"
    yield ""
    yield "from nfverify import Machine, load"
    yield "from nfverify.equivalence.fastpath.derive import derive"
    yield "from nfverify.equivalence.fastpath.prove import with_fault"
    yield "from nfverify.fastpath.machine import FastMachine"
    if operators:
        yield "from nfverify.semantics.operators import load_operators"
    yield ""
    yield "HERE = Path(__file__).parent"
    yield from events_of(example, model.network.ports)
    yield ""
    yield ""
    yield LOCATED
    yield ""
    yield ""
    yield "def test_the_fast_path_does_the_same():"
    yield f"    network = load({model.expression()})"
    yield f"    plan = with_fault(derive(network, {question.policy or {}!r}), {question.fault!r})"
    options = f'non_ip="{"drop" if question.drop_non_ip else "bypass"}"'
    if operators:
        yield "    operators = {}"
        yield f"    for file in {operators!r}:"
        yield "        operators.update(load_operators(Path(file)))"
        options += ", operators=operators"
    yield f"    chain, fast = Machine(network, {options}), FastMachine(plan, {options})"
    yield _STEPS
