"""States as JSON (decision 26): `{version, now, instances, timers}`.

A map is a list of [key, value] sorted by key, a set a list of its keys; tuples are arrays, a single
component stands alone. With `timeout` or `max` a map is a list of [key, value, ns], a set one of
[key, ns], of when the key was assigned last, oldest first. A waiting packet is its frame, and the
fields that differ from it by now.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.packet.fields import FIELDS
from nfverify.semantics import aged
from nfverify.semantics.engine import Tags, number_tags
from nfverify.semantics.shown import JSON, LARGEST_NUMBER, from_json, to_json
from nfverify.semantics.state import SavedState, Timer
from nfverify.smat.ir import INT, TIME, Bits, Network, StateVar, Type, Value, field_type

VERSION = 1
MAX_LINE = 96
_DUE = Bits(65)  # now + a delay of 64 bits
_WRITABLE = tuple(name for name, info in FIELDS.items() if info.writable)


def dump(network: Network, state: SavedState) -> str:
    """The text of a state, with a newline at its end."""
    instances: dict[str, JSON] = {}
    for instance in network.instances:
        variables = state.instances.get(instance.name, {})
        instances[instance.name] = {
            v.name: _variable(v, variables[v.name])
            for v in instance.program.state
            if v.name in variables
        }
    timers: list[JSON] = [_timer(network, timer) for timer in sorted(state.timers)]
    now = None if state.now is None else _big(state.now)
    data: JSON = {"version": VERSION, "now": now, "instances": instances, "timers": timers}
    return _layout(data, 0) + "\n"


def _variable(variable: StateVar, values: Mapping[tuple[Value, ...], tuple[Value, ...]]) -> JSON:
    if not variable.keys:
        return _row(values[()], variable.values)
    if variable.aged:
        return [_aged_row(variable, key, row) for key, row in values.items()]
    rows = sorted(values.items())
    if not variable.values:
        return [_row(key, variable.keys) for key, _ in rows]
    return [[_row(key, variable.keys), _row(value, variable.values)] for key, value in rows]


def _aged_row(variable: StateVar, key: tuple[Value, ...], row: tuple[Value, ...]) -> JSON:
    *values, stamp = row
    shown = [_row(tuple(values), variable.values)] if variable.values else []
    return [_row(key, variable.keys), *shown, to_json(stamp, TIME)]


def _row(values: tuple[Value, ...], types: tuple[Type, ...]) -> JSON:
    if len(types) == 1:
        return to_json(values[0], types[0])
    return [to_json(v, t) for v, t in zip(values, types, strict=True)]


def _timer(network: Network, timer: Timer) -> JSON:
    numbers = _tag_numbers(network)
    data: dict[str, JSON] = {
        "due": _big(timer.due),
        "instance": network.instances[timer.instance].name,
        "tags": {name: timer.tags[i] for name, i in numbers.items() if timer.tags[i]},
    }
    packet = timer.packet
    if packet.bits:
        arrived = parse(packet.frame)
        data["iface"] = packet.iface
        data["frame"] = packet.frame.hex()
        data["fields"] = {
            name: to_json(getattr(packet, name), field_type(name))
            for name in _WRITABLE
            if getattr(packet, name) != getattr(arrived, name)
        }
    return data


def _tag_numbers(network: Network) -> dict[str, int]:
    return number_tags(tuple(instance.program for instance in network.instances))


def _big(value: int) -> JSON:
    return value if value <= LARGEST_NUMBER else str(value)


def _layout(data: JSON, indent: int) -> str:
    """JSON on one line where it fits, else one line for each part."""
    line = json.dumps(data)
    if len(line) + indent <= MAX_LINE or not isinstance(data, list | dict):
        return line
    inner = " " * (indent + 2)
    if isinstance(data, list):
        parts = [inner + _layout(item, indent + 2) for item in data]
        opening, closing = "[", "]"
    else:
        parts = [f"{inner}{json.dumps(k)}: {_layout(v, indent + 2)}" for k, v in data.items()]
        opening, closing = "{", "}"
    return f"{opening}\n" + ",\n".join(parts) + f"\n{' ' * indent}{closing}"


# Reading ----------------------------------------------------------------------------------


def load(network: Network, text: str, name: str) -> SavedState:
    """The state in a JSON text; `name` is how messages call it. Raises ModelError.

    Variables that it doesn't mention begin as usual.
    """
    source = Source(name, text)
    try:
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        _fail(source, f"not JSON: {error.msg}", error.pos)
    except RecursionError:
        _fail(source, "not a state: nested too deep")
    except ValueError as error:  # from the hooks, or an integer of thousands of digits
        _fail(source, f"not a state: {error}")
    try:
        return _Reader(network).state(data)
    except _StateError as error:
        _fail(source, str(error))


class _StateError(ValueError):
    """A place in the state, and what is wrong there."""


def _fail(source: Source, message: str, offset: int = 0) -> NoReturn:
    span = Span(source, offset, offset)
    raise ModelError(Diagnostic("error", "state", message, span))


def _unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number here")


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Says where in the state a fault lies, from the inside out."""
    try:
        yield
    except _StateError as error:
        raise _StateError(f"{place}{'' if str(error)[0] in '[:' else '.'}{error}") from None
    except ValueError as error:
        raise _StateError(f"{place}: {error}") from None


def _object(data: JSON, allowed: set[str]) -> dict[str, JSON]:
    if not isinstance(data, dict):
        raise ValueError("an object is expected")
    unknown = sorted(set(data) - allowed)
    if unknown:
        raise ValueError(f"unknown name {unknown[0]!a}; known: {', '.join(sorted(allowed))}")
    return data


def _list(data: JSON) -> list[JSON]:
    if not isinstance(data, list):
        raise ValueError("a list is expected")
    return data


class _Reader:
    def __init__(self, network: Network) -> None:
        self.network = network
        self.tags = _tag_numbers(network)
        self.numbers = {instance.name: i for i, instance in enumerate(network.instances)}

    def state(self, data: JSON) -> SavedState:
        with _at("state"):
            top = _object(data, {"version", "now", "instances", "timers"})
            if top.get("version") != VERSION:
                raise ValueError(f"version {top.get('version')!a} is not {VERSION}")
        with _at("now"):
            now = None if top.get("now") is None else _time(top["now"])
        instances = {}
        with _at("instances"):
            for name, variables in _object(top.get("instances", {}), set(self.numbers)).items():
                with _at(name):
                    instances[name] = self.variables(name, variables, now)
        with _at("timers"):
            waiting = _list(top.get("timers", []))
        timers = []
        for number, timer in enumerate(waiting):
            with _at(f"timers[{number}]"):
                timers.append(self.timer(number, timer, now))
        return SavedState(now, instances, tuple(timers))

    def variables(
        self, instance: str, data: JSON, now: int | None
    ) -> dict[str, dict[tuple[Value, ...], tuple[Value, ...]]]:
        program = self.network.instances[self.numbers[instance]].program
        known = {v.name: v for v in program.state if not v.constant}
        found = {}
        for name, value in _object(data, set(known)).items():
            with _at(name):
                found[name] = self.variable(known[name], value)
                if known[name].aged:
                    aged.given(known[name], found[name], now or 0)
        return found

    def variable(
        self, variable: StateVar, data: JSON
    ) -> dict[tuple[Value, ...], tuple[Value, ...]]:
        if not variable.keys:
            return {(): _values(data, variable.values)}
        found: dict[tuple[Value, ...], tuple[Value, ...]] = {}
        parts = (
            ["key"] + ["value"] * bool(variable.values) + ["ns of its assignment"] * variable.aged
        )
        latest = 0
        for number, row in enumerate(_list(data)):
            with _at(f"[{number}]"):
                cells = [row] if len(parts) == 1 else row
                if not isinstance(cells, list) or len(cells) != len(parts):
                    raise ValueError(f"[{', '.join(parts)}] is expected")
                key = _values(cells[0], variable.keys)
                if key in found:
                    raise ValueError("the key stands twice")
                found[key] = _values(cells[1], variable.values) if variable.values else ()
                if variable.aged:
                    stamp = _time(cells[-1])
                    if stamp < latest:
                        raise ValueError("the key assigned last comes last")
                    latest = stamp
                    found[key] += (stamp,)
        return found

    def timer(self, number: int, data: JSON, now: int | None) -> Timer:
        timer = _object(data, {"due", "instance", "tags", "iface", "frame", "fields"})
        with _at("due"):
            due = from_json(timer.get("due"), _DUE)
            if not isinstance(due, int) or now is None or due < now:
                raise ValueError("a timer is due at a time from now on")
        with _at("instance"):
            name = timer.get("instance")
            if not isinstance(name, str) or name not in self.numbers:
                raise ValueError(f"the network has no instance {name!a}")
        with _at("tags"):
            tags: Tags = [0] * len(self.tags)
            for tag, value in _object(timer.get("tags", {}), set(self.tags)).items():
                decoded = from_json(value, INT)
                tags[self.tags[tag]] = int(decoded) if isinstance(decoded, int) else 0
        packet = Packet() if timer.get("frame") is None else self.packet(timer)
        return Timer(due, number, self.numbers[name], packet, tags)

    def packet(self, timer: dict[str, JSON]) -> Packet:
        frame = timer["frame"]
        with _at("frame"):
            packet = parse(bytes.fromhex(frame)) if isinstance(frame, str) else None
            if packet is None or isinstance(packet, Malformed):
                raise ValueError("no well-formed frame in hexadecimal digits")
        with _at("iface"):
            port = timer.get("iface", 0)
            if isinstance(port, bool) or not isinstance(port, int):
                raise ValueError("a port number is expected")
            if not 0 <= port < max(2, len(self.network.ports)):
                raise ValueError(f"the network has no port {port}")
            packet.iface = port
        with _at("fields"):
            for name, value in _object(timer.get("fields", {}), set(_WRITABLE)).items():
                with _at(name):
                    decoded = from_json(value, field_type(name))
                    if isinstance(decoded, bytes) and len(decoded) != len(packet.payload):
                        raise ValueError("the payload has another length than in the frame")
                    if not packet.bits & FIELDS[name].headers.value:
                        raise ValueError("the frame has no header for it")
                    setattr(packet, name, decoded)
        return packet


def _time(data: JSON) -> int:
    value = from_json(data, TIME)
    if not isinstance(value, int) or value >= 1 << 62:
        raise ValueError("times are below 2^62 ns")
    return value


def _values(data: JSON, types: tuple[Type, ...]) -> tuple[Value, ...]:
    items = [data] if len(types) == 1 else _list(data)
    if len(items) != len(types):
        raise ValueError(f"{len(types)} values are expected, not {len(items)}")
    return tuple(from_json(item, type_) for item, type_ in zip(items, types, strict=True))
