"""What the machine asks of an engine: one pass of a packet through one program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nfverify.lang.source import Diagnostic, ModelError
from nfverify.packet.packet import Packet
from nfverify.semantics.operators import Function
from nfverify.smat.ir import (
    Choose,
    Entry,
    Expr,
    Program,
    SetTag,
    Stmt,
    Tag,
    Value,
    children,
    walk,
)

Key = tuple[Value, ...]
Values = tuple[Value, ...]  # in an aged variable with a stamp behind: see semantics.aged
Store = list[dict[Key, Values]]  # one for each of `Program.state`, in its order
Tags = list[int]  # by the number that the machine gives each name
Counters = dict[str, int]

# How a pass ends: None is by the default port, a tuple holds the ports of the copies (empty:
# dropped), RESUBMIT is another pass, an int from 0 on is another pass after so many ns.
Outcome = tuple[int, ...] | int | None
FORWARD = None
DROP: tuple[int, ...] = ()
RESUBMIT = -1

# packet and tags are changed in place, store and counters too; the int is the time
Pass = Callable[[Packet, Tags, int, Store, Counters], Outcome]

MAX_DEPTH = 300  # of expressions and statements, so that no model can exhaust the stack


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program made executable: its `init` (the outcome means nothing) and its body."""

    init: Pass
    body: Pass


Chooser = Callable[[str, Choose, range, Callable[[int], bool]], int | None]
"""Of an instance's choice the value to take, or None: it is given the candidates in order, and
whether `where` holds of one. What it takes is not checked."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the program's code needs to know of the network: how many ports it has, the number of
    each tag, and the user's operators; who chooses (None: the first that fits), and for whom."""

    ports: int
    tags: Mapping[str, int]
    operators: Mapping[str, Function]
    chooser: Chooser | None = None
    instance: str = ""


Engine = Callable[[Program, Context], Compiled]


def check_supported(program: Program) -> None:
    """ModelError if the program is nested too deep to be run."""
    for statement in program.init + program.body:
        _check_depth(statement)


def _check_depth(root: Stmt) -> None:
    stack: list[tuple[Expr | Stmt | Entry, int]] = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            message = f"nested over {MAX_DEPTH} levels deep"
            raise ModelError(Diagnostic("error", "too-deep", message, node.span))
        stack.extend((child, depth + 1) for child in children(node))


def number_tags(programs: tuple[Program, ...]) -> dict[str, int]:
    """A number for each tag that the programs mention: tags travel along the whole chain."""
    names = {
        node.name
        for program in programs
        for node in walk(program.init + program.body)
        if isinstance(node, Tag | SetTag)
    }
    names.update(n for program in programs for timer in program.timers for n, _ in timer.tags)
    return {name: number for number, name in enumerate(sorted(names))}


def unreachable(value: object) -> AssertionError:
    """For constructs that stand only in properties."""
    return AssertionError(f"not executable: {value!r}")
