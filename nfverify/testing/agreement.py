"""What the tests call that `nfverify test` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal


def agree(
    model: str,
    events: Sequence[tuple[int, int, str | bytes]],
    *,
    engines: Sequence[str] = ("reference", "cython"),
    against: str | None = None,
    compare: Sequence[str] = ("exact",),
    ignore: Sequence[str] = (),
    non_ip: Literal["bypass", "drop"] = "bypass",
    operators: Sequence[str] = (),
    capacity: int | None = None,
) -> None:
    """AssertionError, with the table of packets, unless all do the same on these (time in ns, port,
    frame): as `nfverify test` with such options; a relative command is run from the folder where
    pytest is. ModelError, CommandError, BuildError, OSError for what can't be run."""
    __tracebackhide__ = True
    from nfverify.oracles.comparators import Comparison
    from nfverify.oracles.story import tell
    from nfverify.oracles.tester import Options, contest_of
    from nfverify.oracles.trace import Event
    from nfverify.report.finding import table
    from nfverify.semantics.operators import Function, load_operators
    from nfverify.smat.load import load

    functions: dict[str, Function] = {}
    user: list[tuple[str, str]] = []
    for file in operators:
        if file.endswith(".c"):
            user.append((Path(file).name, Path(file).read_text(encoding="utf-8")))
        else:
            functions.update(load_operators(Path(file)))
    network = load(model)
    options = Options(
        tuple(engines),
        against,
        Comparison.of(compare, ignore),
        non_ip=non_ip,
        operators=functions,
        user=tuple(user),
        capacity=capacity,
    )
    contest = contest_of(network, options)
    trace = tuple(
        Event(time, port, bytes.fromhex(frame) if isinstance(frame, str) else frame)
        for time, port, frame in events
    )
    found = contest.run(trace)
    if found is not None:
        story = tell(contest, found)
        names = f"{found.left} and {found.right}"
        what = f"{names} part at packet {len(found.trace)}"
        if found.kind == "undecided":
            what = f"whether {names} do the same isn't known from packet {len(found.trace)} on"
        lines = [f"{what}:", ""]
        raise AssertionError("\n".join([*lines, *table(story, network)]))
