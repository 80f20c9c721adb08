"""Which state functions of a path may run side by side: SpeedyBox's Table I, and what it lacks.

Table I looks at the payload: two may run side by side unless one writes it and the other reads or
writes it. (In the paper a reader before a writer may; that is a race, unless the writer works on a
copy.) Whoever shares state is left to a conflict in the table's second half, which the paper lacks:
one function's writes must be nothing that the other reads or writes. That a drop of one NF decides
whether the next runs at all is settled before: the path is chosen first.
"""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.fastpath.plan import StateFunction
from nfverify.smat import ir


def conflict(first: StateFunction, second: StateFunction) -> str:
    """Why two must run one after the other; "" if they need not."""
    if "write" in (first.payload, second.payload) and "ignore" not in (
        first.payload,
        second.payload,
    ):
        one = "both write" if first.payload == second.payload else "one writes"
        return f"{one} the payload"
    both = _written(first) & _written(second)
    if both:
        return f"both write {min(both)}"
    for reader, writer in ((first, second), (second, first)):
        shared = read_by(reader) & _written(writer)
        if shared:
            return f"{reader.instance} reads {min(shared)}, which {writer.instance} writes"
    return ""


def groups(functions: Sequence[StateFunction]) -> tuple[tuple[int, ...], ...]:
    """Neighbours that may all run side by side, as `Path.parallel` has them; of two or more."""
    found: list[list[int]] = []
    for index, function in enumerate(functions):
        if found and not any(conflict(functions[i], function) for i in found[-1]):
            found[-1].append(index)
        else:
            found.append([index])
    return tuple(tuple(group) for group in found if len(group) > 1)


def _written(function: StateFunction) -> frozenset[str]:
    return frozenset(write.var for write in function.writes)


def read_by(function: StateFunction) -> frozenset[str]:
    """The variables that its keys and values rest on."""
    nodes = ir.walk(function.writes)
    return frozenset(n.var for n in nodes if isinstance(n, ir.Read | ir.Has))
