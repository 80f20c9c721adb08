"""Strategies for states: those that a trace leads to, and any that the types allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nfverify.oracles.aim import Aim, aim_at, field_of, lets_of, neighbours
from nfverify.oracles.pools import HOSTS, HOSTS6, PORTS, thinned
from nfverify.oracles.wire import Values, wire
from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.semantics.engine import Key
from nfverify.semantics.engine import Values as Row
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.semantics.state import SavedState
from nfverify.smat import ir
from nfverify.strategies.aimed import Aimed, Model, aim
from nfverify.strategies.traces import trace_strategy

MAX_KEYS = 5  # of one variable
MAX_NUMBERS = 40  # of one width
AGES = st.sampled_from((0, 1, 1_000_000, 1_000_000_000))  # ns

Rows = dict[Key, Row]
Shape = tuple[str | None, ...]  # the field behind each part of a key


def states(
    model: Model,
    *,
    reachable: bool = True,
    max_size: int = 30,
    operators: Mapping[str, Function] | None = None,
) -> SearchStrategy[SavedState]:
    """States to begin from: `Machine(network, state=state)`.

    Reachable ones come of a trace of at most `max_size` packets. Others have any keys and values,
    close to the model's constants, but the timers that it starts with.
    """
    aimed = aim(model, operators)
    if reachable:
        return trace_strategy(aimed, 0, max_size).map(lambda trace: _after(aimed, trace))
    network = _machine(aimed).network
    rows = {
        instance.name: {v.name: r for v, r in _variables(instance.program, aimed, network)}
        for instance in network.instances
    }
    return _states(aimed, rows)


def _machine(aimed: Aimed) -> Machine:
    machine = aimed.machine()
    assert machine is not None  # `states` has a model
    return machine


def _after(aimed: Aimed, trace: Sequence[tuple[int, int, bytes]]) -> SavedState:
    machine = _machine(aimed)
    for event in trace:
        machine.receive(*event)
    return machine.save()


@st.composite
def _states(
    draw: st.DrawFn, aimed: Aimed, rows: Mapping[str, Mapping[str, SearchStrategy[Rows]]]
) -> SavedState:
    machine = _machine(aimed)
    machine.wait(draw(aimed.starts), start=True)
    saved = machine.save()
    now = saved.now or 0
    instances = {name: dict(content) for name, content in saved.instances.items()}
    for instance in machine.network.instances:
        for variable in instance.program.state:
            if (strategy := rows[instance.name].get(variable.name)) is not None:
                drawn = draw(strategy)
                if variable.aged:
                    youngest = min(now, (variable.timeout or now + 1) - 1)
                    drawn = {
                        key: (*row, now - min(draw(AGES), youngest)) for key, row in drawn.items()
                    }
                instances[instance.name][variable.name] = drawn
    return replace(saved, instances=instances)


# Rows -------------------------------------------------------------------------------------


def _variables(
    program: ir.Program, aimed: Aimed, network: ir.Network
) -> list[tuple[ir.StateVar, SearchStrategy[Rows]]]:
    """What each variable that a program assigns may hold."""
    looked_at, shapes = aim_at(network), _shapes(program)
    found: list[tuple[ir.StateVar, SearchStrategy[Rows]]] = []
    for variable in program.state:
        if variable.constant:
            continue
        values = st.tuples(*(_of_type(type_, looked_at) for type_ in variable.values))
        if not variable.keys:
            found.append((variable, values.map(_plain)))
            continue
        keys = st.tuples(*(_of_type(type_, looked_at) for type_ in variable.keys))
        if variable.name in shapes:
            filed = _filed(aimed.pools.bases, variable, shapes[variable.name])
            keys = st.one_of(*([st.sampled_from(filed)] if filed else []), keys)
        most = MAX_KEYS if variable.capacity is None else min(MAX_KEYS, variable.capacity)
        found.append((variable, st.dictionaries(keys, values, max_size=most)))
    return found


def _plain(row: Row) -> Rows:
    return {(): row}


def _shapes(program: ir.Program) -> dict[str, list[Shape]]:
    """By variable, under which fields the program files its keys."""
    lets = lets_of(program)
    found: dict[str, dict[Shape, None]] = {}
    for node in ir.walk(program.body):
        match node:
            case ir.Read() | ir.Has() | ir.Write() | ir.Delete() | ir.Touch() if node.keys:
                shape = tuple(field_of(key, lets) or _first_field(key) for key in node.keys)
                found.setdefault(node.var, {})[shape] = None
            case _:
                pass
    return {name: list(shapes) for name, shapes in found.items()}


def _first_field(key: ir.Expr) -> str | None:
    """What a part like `f[sport] | f[icmp_id]` mostly is."""
    names = (node.name for node in ir.walk((key,)) if isinstance(node, ir.Field))
    return next((name for name in names if name != "payload"), None)


def _filed(bases: Sequence[Values], variable: ir.StateVar, shapes: Sequence[Shape]) -> list[Key]:
    """The keys under which packets of the pool are filed, the plainest first."""
    found: dict[Key, None] = {}
    for base in bases:
        packet = parse(wire(base))
        if not isinstance(packet, Malformed):
            for shape in shapes:
                if (key := _key(packet, shape, variable.keys)) is not None:
                    found[key] = None
    return list(found)


def _key(packet: Packet, shape: Shape, types: Sequence[ir.Type]) -> Key | None:
    """None where a part is no field."""
    parts: list[ir.Value] = []
    for name, type_ in zip(shape, types, strict=True):
        if name is None or not isinstance(type_, ir.Bits):
            return None
        parts.append(ir.wrap(getattr(packet, name), type_))
    return tuple(parts)


def _of_type(type_: ir.Type, aim: Aim) -> SearchStrategy[ir.Value]:
    """Small values and constants of the model first, then any."""
    match type_:
        case ir.Bool():
            return st.booleans()
        case ir.Bytes():
            return st.sampled_from((b"", *aim.patterns)) | st.binary(max_size=8)
        case ir.Bits():
            plain = {32: HOSTS, 128: HOSTS6, 16: PORTS}.get(type_.width, ())
            if type_ == ir.INT:
                plain = ()
            near = neighbours(aim.numbers.get(type_.width, ()), type_.width)
            known = dict.fromkeys((0, 1, 2, *plain, *thinned(near, MAX_NUMBERS)))
            low = -(1 << type_.width - 1) if type_.signed else 0
            fitting = tuple(dict.fromkeys(ir.wrap(value, type_) for value in known))
            return st.sampled_from(fitting) | st.integers(low, low + (1 << type_.width) - 1)
