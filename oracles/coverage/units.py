"""Who touches which keys: the rows and branches of a program, and its classes of keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nfverify.lang.source import Span
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir
from nfverify.smat.unparse import Printer

KeyClass = tuple[tuple[ir.Type, str], ...]
"""The types of a key, addresses apart from numbers: maps with equal ones share their keys."""

Access = tuple[str, tuple[ir.Expr, ...]]
"""A variable and the key at which it is read or written."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A row of a table, a branch, the body of a loop, or the program outside them."""

    title: str
    classes: frozenset[KeyClass]


@dataclass(slots=True)
class Keys:
    """The state of a program that is filed under keys; what nothing writes is left out."""

    variables: dict[str, KeyClass] = field(default_factory=dict)

    @staticmethod
    def of(program: ir.Program) -> Keys:
        return Keys(
            {
                variable.name: tuple(
                    (type_, type_.shown if isinstance(type_, ir.Bits) else "")
                    for type_ in variable.keys
                )
                for variable in program.state
                if variable.keys and not variable.constant
            }
        )

    def classes(self) -> dict[KeyClass, list[str]]:
        """The classes in the order of the program's variables, and the variables of each."""
        found: dict[KeyClass, list[str]] = {}
        for name, key_class in self.variables.items():
            found.setdefault(key_class, []).append(name)
        return found

    def accesses(self, parts: Sequence[ir.Expr | ir.Stmt]) -> Iterator[tuple[Access, Span]]:
        """The keyed reads and writes in expressions or plain statements."""
        for node in ir.walk(tuple(parts)):
            match node:
                case (
                    ir.Read(var=var, keys=keys)
                    | ir.Has(var=var, keys=keys)
                    | ir.Write(var=var, keys=keys)
                    | ir.Delete(var=var, keys=keys)
                    | ir.Touch(var=var, keys=keys)
                ) if var in self.variables:
                    yield (var, keys), node.span
                case _:
                    pass


def units(program: ir.Program, keys: Keys, out: Printer) -> list[Unit]:
    """All units; instrumentation counts them in the same order: each before what is in it, rows by
    place, the first branch before the second."""
    found: list[Unit] = []

    def unit(
        title: str, guard: Sequence[ir.Expr], body: Sequence[ir.Stmt]
    ) -> None:  # at most MAX_DEPTH deep
        number = len(found)
        found.append(Unit(title, frozenset()))
        own: list[ir.Expr | ir.Stmt] = list(guard)
        for node in body:
            match node:
                case ir.Table():
                    for place, entry in enumerate(node.entries, 1):
                        unit(entry_title(entry, place), (entry.guard,), entry.body)
                case ir.If():
                    own.append(node.condition)
                    text = out.natural(node.condition).text
                    unit(f"if {text}", (), node.then)
                    unit(f"unless {text}", (), node.otherwise)
                case ir.While():
                    own.append(node.condition)
                    unit(f"while {out.natural(node.condition).text}", (), node.body)
                case _:
                    own.append(node)
        touched = frozenset(keys.variables[var] for (var, _), _ in keys.accesses(own))
        found[number] = Unit(title, touched)

    unit("", (), program.body)
    return found
