"""A network without the state that no output depends on: a monitor's counters, say.

A state variable is kept if something else than assignments to variables that are not kept reads it.
What is left out has no effect that a packet can show: assignments to state can't fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nfverify.smat import ir


def observable(network: ir.Network) -> ir.Network:
    """The network with all that outputs depend on, and nothing else of its state."""
    done = {p: _program(p) for p in dict.fromkeys(i.program for i in network.instances)}
    instances = tuple(replace(i, program=done[i.program]) for i in network.instances)
    return replace(network, instances=instances)


def _program(program: ir.Program) -> ir.Program:
    kept = _kept(program)
    found = replace(
        program,
        state=tuple(v for v in program.state if v.name in kept),
        init=_body(program.init, kept),
        body=_body(program.body, kept),
        config=(),
        invariants=(),
        properties=(),
    )
    # Whether frames that are not IP enter it is asked of its text, of what goes nowhere too.
    return found if found.sees_non_ip == program.sees_non_ip else program


def _kept(program: ir.Program) -> frozenset[str]:
    """Names of variables and of locals (`let`) that something observable reads."""
    names: frozenset[str] = frozenset()
    while True:
        found = frozenset(_read(program.init, names)) | frozenset(_read(program.body, names))
        if found <= names:
            return names
        names |= found


def _read(body: Iterable[ir.Stmt], kept: frozenset[str]) -> Iterator[str]:
    """What the observable statements read, as far as `kept` says which those are."""
    for node in body:
        match node:
            case ir.Write(var=name) | ir.Delete(var=name) | ir.Touch(var=name):
                if name in kept:
                    yield from _names((node,))
                    yield name
            case ir.Let(name=name, value=value):
                if _local(name) in kept:
                    yield from _names((value,))
            case ir.Table(entries=entries):
                for entry in entries:
                    yield from _names(entry.match_flow + entry.match_state)
                    yield from _read(entry.body, kept)
            case ir.If(condition=test, then=then, otherwise=otherwise):
                yield from _names((test,))
                yield from _read(then + otherwise, kept)
            case ir.While(condition=test, body=inner):
                yield from _names((test,))
                yield from _read(inner, kept)
            case (
                ir.SetField() | ir.SetTag() | ir.SetOutput() | ir.Choose() | ir.Push() | ir.Pop()
            ):  # fmt: skip
                yield from _names((node,))


def _names(nodes: tuple[ir.Expr | ir.Stmt, ...]) -> Iterator[str]:
    for node in ir.walk(nodes):
        match node:
            case ir.Read(var=name) | ir.Has(var=name):
                yield name
            case ir.Local(name=name):
                yield _local(name)
            case _:
                pass


def _local(name: str) -> str:
    return f"let {name}"  # no variable is called so


def _body(body: tuple[ir.Stmt, ...], kept: frozenset[str]) -> tuple[ir.Stmt, ...]:
    found: list[ir.Stmt] = []
    for node in body:
        match node:
            case ir.Write(var=name) | ir.Delete(var=name) | ir.Touch(var=name):
                if name not in kept:
                    continue
            case ir.Let(name=name):
                if _local(name) not in kept:
                    continue
            case ir.Table(entries=entries):
                node = replace(
                    node, entries=tuple(replace(e, body=_body(e.body, kept)) for e in entries)
                )
            case ir.If(then=then, otherwise=otherwise):
                node = replace(node, then=_body(then, kept), otherwise=_body(otherwise, kept))
            case ir.While(body=inner):
                node = replace(node, body=_body(inner, kept))
            case _:
                pass
        found.append(node)
    return tuple(found)
