"""Accesses to state, and which parts of their keys are fields of the packet as it arrived.

A field is as it arrived where nothing on the way has written it: no NF before, no statement before
in this one, and no earlier pass (`resubmit`, `timer`) of the packet through it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from nfverify.lang.source import Span
from nfverify.packet.fields import FIELDS
from nfverify.smat.ir import (
    Bits,
    Cast,
    Choose,
    Delay,
    Delete,
    Expr,
    Field,
    Has,
    If,
    Let,
    Local,
    Network,
    Pop,
    Ports,
    Program,
    Push,
    Read,
    Resubmit,
    SetField,
    SetOutput,
    SetTag,
    Stmt,
    Table,
    Touch,
    Type,
    While,
    Write,
    field_type,
    walk,
)


class Label(NamedTuple):
    """A field as it arrived, converted to a type that holds all of its values (None: as it is)."""

    field: str
    type: Type | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """One access: (instance, variable), what is known of each part of the key, and where."""

    name: tuple[str, str]
    labels: tuple[Label | None, ...]
    span: Span
    changes: bool  # it is no read


def sites(network: Network) -> list[Site]:
    """The accesses of all bodies that packets reach, along the wires."""
    everything = frozenset(FIELDS)
    entries: dict[int, frozenset[str]] = {network.ingress: everything}
    found: list[Site] = []
    for number, instance in enumerate(network.instances):
        if number not in entries:
            continue
        unwritten = entries[number] - _carried(instance.program)
        body = _Body(instance.name, set(unwritten), found)
        body.run(instance.program.body)
        for wire in network.wires:
            if wire.source == number:
                known = entries.get(wire.target, everything)
                entries[wire.target] = known & body.unwritten
    return found


def _carried(program: Program) -> set[str]:
    """The fields that an earlier pass of the same packet may have written."""
    again = any(
        isinstance(node, SetOutput) and isinstance(node.output, Resubmit | Delay)
        for node in walk(program.body)
    )
    return _written(program.body) if again else set()


def _written(statements: tuple[Stmt, ...]) -> set[str]:
    """A tunnel changes all fields, but not where the packet came in."""
    found = {node.name for node in walk(statements) if isinstance(node, SetField)}
    for node in walk(statements):
        if isinstance(node, Push | Pop):
            found |= {"vlan"} if node.kind == "vlan" else FIELDS.keys() - {"iface"}
    return found


@dataclass(slots=True)
class _Body:
    """Goes through statements in order; `unwritten` are the fields that are as they arrived."""

    instance: str
    unwritten: set[str]
    found: list[Site]
    locals: dict[str, Label | None] = field(default_factory=dict)

    def run(self, statements: Iterable[Stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: Stmt) -> None:
        match node:
            case SetField():
                self.read(node.value)
                self.unwritten.discard(node.name)
            case SetTag():
                self.read(node.value)
            case Push(args=args):
                self.read(*args)
                self.unwritten -= _written((node,))
            case Pop():
                self.unwritten -= _written((node,))
            case SetOutput(output=Ports(ports=ports)):
                self.read(*ports)
            case SetOutput(output=Delay(delay=delay)):
                self.read(delay)
            case SetOutput():
                pass
            case Write():
                self.read(*node.keys, *node.values)
                self.access(node)
            case Delete() | Touch():
                self.read(*node.keys)
                self.access(node)
            case Let():
                self.read(node.value)
                self.locals[node.name] = self.label(node.value)
            case Choose():
                self.read(node.low, node.high)
                self.locals[node.name] = None
                self.read(node.where)
            case If():
                self.read(node.condition)
                self.branches([node.then, node.otherwise])
            case While():
                self.unwritten -= _written(node.body)
                self.read(node.condition)
                self.run(node.body)
            case Table():
                for entry in node.entries:
                    self.read(entry.guard)
                self.branches([entry.body for entry in node.entries])
            case _:
                assert_never(node)

    def branches(self, bodies: Iterable[tuple[Stmt, ...]]) -> None:
        """Any of them, or none."""
        before, after = set(self.unwritten), set(self.unwritten)
        for body in bodies:
            self.unwritten = set(before)
            self.run(body)
            after &= self.unwritten
        self.unwritten = after

    def read(self, *expressions: Expr) -> None:
        for node in walk(expressions):
            if isinstance(node, Read | Has):
                self.access(node)

    def access(self, node: Read | Has | Write | Delete | Touch) -> None:
        labels = tuple(map(self.label, node.keys))
        changes = not isinstance(node, Read | Has)
        self.found.append(Site((self.instance, node.var), labels, node.span, changes))

    def label(self, node: Expr) -> Label | None:
        match node:
            case Field(name=name) if name in self.unwritten and FIELDS[name].width:
                return Label(name)
            case Local(name=name):
                return self.locals.get(name)
            case Cast(operand=operand, type=Bits(width=width) as type_):
                known = self.label(operand)
                if known and known.type is None and width >= FIELDS[known.field].width:
                    return known if type_ == field_type(known.field) else Label(known.field, type_)
        return None
