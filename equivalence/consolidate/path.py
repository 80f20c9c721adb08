"""One path of a packet through a chain: what it assumes, what it has done, what it has yet to do.

Everything that later conditions may ask of the packet and the state is kept as an expression over
the packet as it arrived and the state before it: a guard of the consolidated table sees no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from nfverify.equivalence.terms import Term
from nfverify.lang.source import NOWHERE, Span
from nfverify.smat import ir


@dataclass(frozen=True, slots=True)
class Enter:
    """The packet comes to instance `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class EndPass:
    """The body of the instance has run."""


@dataclass(frozen=True, slots=True)
class Again:
    """A loop after `rounds` rounds."""

    loop: ir.While
    rounds: int


@dataclass(frozen=True, slots=True)
class Fail:
    """The packet is dropped for good once the pass is over."""


@dataclass(frozen=True, slots=True)
class ToPort:
    """Out by this port of the instance: to its successor, or out of the chain."""

    port: int


@dataclass(frozen=True, slots=True)
class SetPorts:
    """The output is these ports, all of them ports of the NF: rewritten, and as an action."""

    ports: tuple[ir.Expr, ...]
    statement: ir.SetOutput


@dataclass(frozen=True, slots=True)
class Unclear:
    """From here on it isn't known what the packet is."""

    reason: str


Item = ir.Stmt | Enter | EndPass | Again | Fail | ToPort | SetPorts | Unclear
Todo = tuple[Item, "Todo"] | None  # a linked list, so that paths share their futures


def prepend(items: tuple[Item, ...], rest: Todo) -> Todo:
    for item in reversed(items):
        rest = (item, rest)
    return rest


@dataclass(frozen=True, slots=True)
class StateWrite:
    """`keys` of a variable got `values`, or were deleted (None)."""

    keys: tuple[ir.Expr, ...]
    values: tuple[ir.Expr, ...] | None


@dataclass(slots=True)
class Path:
    """`guard` holds the positive conditions, `context` also those of earlier rows, negated.

    `fields`, `tags`, `locals` and `writes` (oldest first) hold what was assigned, rewritten;
    `statements` are the actions of the row as they will stand in it. `asked` is the context as
    expressions, `entries` are what was taken of which instance.
    """

    todo: Todo
    instance: int
    dummy: bool = False
    passes: int = 1
    failed: bool = False
    output: ir.Output = field(default_factory=ir.Forward)
    output_span: Span = NOWHERE
    unsure_length: Span | None = None
    names: tuple[str, ...] = ()
    entries: tuple[tuple[str, str], ...] = ()
    asked: tuple[ir.Expr, ...] = ()
    refused: str = ""  # why it is no row
    guard: tuple[ir.Expr, ...] = ()
    guard_terms: tuple[Term, ...] = ()
    context: tuple[Term, ...] = ()
    statements: tuple[ir.Stmt, ...] = ()
    fields: dict[str, ir.Expr] = field(default_factory=dict)
    tags: dict[str, ir.Expr] = field(default_factory=dict)
    locals: dict[str, ir.Expr] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    bound: int = 0
    writes: dict[str, tuple[StateWrite, ...]] = field(default_factory=dict)

    def fork(self) -> Path:
        """An independent copy."""
        return replace(
            self,
            fields=dict(self.fields),
            tags=dict(self.tags),
            locals=dict(self.locals),
            renamed=dict(self.renamed),
            writes=dict(self.writes),
        )

    def emit(self, statement: ir.Stmt) -> None:
        """One more action of the row."""
        self.statements = (*self.statements, statement)

    def bind(self, name: str, value: ir.Expr) -> str:
        """A `let`: its name in the row, `name#n`, for one name may be bound in several passes."""
        self.locals[name] = value
        self.renamed[name] = f"{name}#{self.bound}"
        self.bound += 1
        return self.renamed[name]

    def forget_output(self) -> None:
        """The last assignment to the output wins (decision 3), unless one before it failed."""
        self.statements = tuple(s for s in self.statements if not is_plain_output(s))

    def begin_pass(self, number: int) -> None:
        """Each pass starts with the default output again."""
        self.passes = number
        self.output = ir.Forward()
        self.forget_output()
        self.locals, self.renamed = {}, {}

    def enter(self, instance: int) -> None:
        """The first pass through another instance."""
        self.instance = instance
        self.begin_pass(1)


def is_plain_output(statement: ir.Stmt) -> bool:
    """Does it set the output, and no more? A computed port that is none drops for good."""
    match statement:
        case ir.SetOutput(output=ir.Ports(ports=ports)):
            return all(isinstance(p, ir.Const) for p in ports)
        case ir.SetOutput():
            return True
        case _:
            return False


@dataclass(frozen=True, slots=True)
class Row:
    """A finished path: a row of the consolidated table, but for its final names."""

    names: tuple[str, ...]
    guard: tuple[ir.Expr, ...]
    statements: tuple[ir.Stmt, ...]
    output: ir.Output
    dummy: bool
