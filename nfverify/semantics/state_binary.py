"""States as compact bytes, the twin of `cythonized/runtime/nf_state.h`; little-endian.

"NFVSTATE", u32 version, u8 has_now, u64 now; u32 variables, each: instance, name, u8 aged, u8 keys,
u8 values, for each component u8 kind (0 bool, 1 bits, 2 bytes), u8 signed, u16 width; u64 rows,
each: its components (bool: 1 byte; bits: whole bytes, two's complement; bytes: u32 length, data),
then, if aged, the u64 stamp of its last assignment. Rows of aged variables stand oldest first,
others anyhow. u32 timers, each: u64 and u8 due, instance, u8 dummy, u16 tags (name, i32), u16
iface, u32 length and frame, u32 original length, u8 fields that differ from the frame's (name, u32
length, big-endian bytes). Names are u16 length and UTF-8. Variables that it doesn't mention begin
as usual.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import itemgetter
from struct import Struct

from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.pcap import CutFrame
from nfverify.semantics import aged
from nfverify.semantics.engine import Key, Tags, Values, number_tags
from nfverify.semantics.rows_binary import Row, fixed_rows, numbers, rows, types_of
from nfverify.semantics.state import SavedState, Snapshot, Timer
from nfverify.smat.ir import Bits, Bool, Bytes, Network, StateVar, Type, Value

__all__ = ["MAGIC", "VERSION", "dump", "load", "rows"]

MAGIC = b"NFVSTATE"
VERSION = 1
TIME_LIMIT = 1 << 62

_U8, _U16, _U32, _U64 = (Struct(code) for code in ("<B", "<H", "<I", "<Q"))
_I32 = Struct("<i")
_COMPONENT = Struct("<BBH")
_WRITABLE = {name: info for name, info in FIELDS.items() if info.writable}


def _kind(type_: Type) -> tuple[int, int, int]:
    """(kind, signed, width) as the file describes a component."""
    match type_:
        case Bool():
            return 0, 0, 0
        case Bits():
            return 1, type_.signed, type_.width
        case Bytes():
            return 2, 0, 0


def _truth(data: int) -> bool:
    if data > 1:
        raise ValueError(f"{data} is no truth value (0 or 1)")
    return bool(data)


# Writing ----------------------------------------------------------------------------------


def dump(network: Network, state: SavedState) -> bytes:
    """The bytes of a state; the same for equal states."""
    out = bytearray(MAGIC)
    out += _U32.pack(VERSION) + _U8.pack(state.now is not None) + _U64.pack(state.now or 0)
    found = [
        (instance.name, variable, state.instances[instance.name][variable.name])
        for instance in network.instances
        for variable in instance.program.state
        if variable.name in state.instances.get(instance.name, {})
    ]
    out += _U32.pack(len(found))
    for instance_name, variable, values in found:
        out += _name(instance_name) + _header(variable) + _U64.pack(len(values))
        order = values.items() if variable.aged else sorted(values.items(), key=itemgetter(0))
        out += rows(variable, order)
    out += _U32.pack(len(state.timers))
    tags = _tag_numbers(network)
    for timer in sorted(state.timers):
        out += _timer(network, tags, timer)
    return bytes(out)


def _name(text: str) -> bytes:
    data = text.encode()
    if len(data) >> 16:
        source = Source(f"{text[:40]}...", "")
        message = f"a name of {len(data)} bytes; the binary form of states holds 65,535"
        raise ModelError(Diagnostic("error", "state", message, Span(source, 0, 0)))
    return _U16.pack(len(data)) + data


def _header(variable: StateVar) -> bytes:
    keys, values = len(variable.keys), len(variable.values)
    if max(keys, values) > 255:
        message = f"{variable.name} has over 255 components, too many for the binary form of states"
        raise ModelError(Diagnostic("error", "state", message, variable.span))
    described = b"".join(_COMPONENT.pack(*_kind(type_)) for type_ in types_of(variable))
    return _name(variable.name) + bytes((variable.aged, keys, values)) + described


def _tag_numbers(network: Network) -> dict[str, int]:
    return number_tags(tuple(instance.program for instance in network.instances))


def _timer(network: Network, numbers: Mapping[str, int], timer: Timer) -> bytes:
    packet = timer.packet
    tags = [(name, timer.tags[i]) for name, i in numbers.items() if timer.tags[i]]
    out = bytearray(_U64.pack(timer.due & (1 << 64) - 1) + _U8.pack(timer.due >> 64))
    out += _name(network.instances[timer.instance].name)
    out += _U8.pack(not packet.bits) + _U16.pack(len(tags))
    for name, value in tags:
        out += _name(name) + _I32.pack(value)
    frame = packet.frame
    original = frame.original_length if isinstance(frame, CutFrame) else len(frame)
    out += _U16.pack(packet.iface) + _U32.pack(len(frame)) + frame + _U32.pack(original)
    fields = _changed(packet)
    out += _U8.pack(len(fields))
    for name, data in fields:
        out += _name(name) + _U32.pack(len(data)) + data
    return bytes(out)


def _changed(packet: Packet) -> list[tuple[str, bytes]]:
    """The fields that differ from the frame's by now."""
    if not packet.bits:
        return []
    arrived = parse(packet.frame)
    found = []
    for name, info in _WRITABLE.items():
        value = getattr(packet, name)
        if value != getattr(arrived, name):
            size = (info.width + 7) // 8
            found.append((name, value if isinstance(value, bytes) else value.to_bytes(size, "big")))
    return found


# Reading ----------------------------------------------------------------------------------


def load(network: Network, data: bytes, name: str) -> SavedState:
    """The inverse of `dump`; `name` is how messages call the data. Raises ModelError."""
    reader = _Reader(network, data)
    try:
        return reader.state()
    except ValueError as error:
        message = f"byte {reader.start}: {error}"
        span = Span(Source(name, ""), 0, 0)
        raise ModelError(Diagnostic("error", "state", message, span)) from None


class _Reader:
    """Goes through the bytes once; `start` is where what was read last begins."""

    def __init__(self, network: Network, data: bytes) -> None:
        self.network = network
        self.data = data
        self.start = 0
        self.at = 0
        self.tags = _tag_numbers(network)
        self.numbers = {instance.name: i for i, instance in enumerate(network.instances)}

    def take(self, length: int) -> bytes:
        self.start = self.at
        if length > len(self.data) - self.at:
            raise ValueError("the state ends too early")
        self.at += length
        return self.data[self.start : self.at]

    def number(self, struct: Struct) -> int:
        value: int = struct.unpack(self.take(struct.size))[0]
        return value

    def bit(self) -> bool:
        return _truth(self.number(_U8))

    def name(self) -> str:
        start = self.at
        data = self.take(self.number(_U16))
        self.start = start
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ValueError("a name is not UTF-8") from None

    def state(self) -> SavedState:
        if self.take(len(MAGIC)) != MAGIC:
            raise ValueError("not a state in the binary form")
        if (version := self.number(_U32)) != VERSION:
            raise ValueError(f"version {version} is not {VERSION}")
        has_now, time = self.bit(), self.number(_U64)
        if time >= (TIME_LIMIT if has_now else 1):
            raise ValueError("times are below 2^62 ns" if has_now else "a time before the first")
        now = time if has_now else None
        instances: Snapshot = {name: {} for name in self.numbers}
        for _ in range(self.number(_U32)):
            instance, variable = self.variable()
            known = instances[instance]
            if variable.name in known:
                raise ValueError(f"{instance}.{variable.name} stands twice")
            known[variable.name] = self.rows(variable, now)
        timers = tuple(self.timer(number, now) for number in range(self.number(_U32)))
        if self.at < len(self.data):
            self.start = self.at
            raise ValueError("more bytes follow the state")
        return SavedState(now, instances, timers)

    def instance(self) -> str:
        name = self.name()
        if name not in self.numbers:
            raise ValueError(f"the network has no instance {name[:60]!a}")
        return name

    def variable(self) -> tuple[str, StateVar]:
        """A header: the instance's name, and the variable; its types must be the network's."""
        instance, name = self.instance(), self.name()
        for variable in self.network.instances[self.numbers[instance]].program.state:
            if variable.name == name and not variable.constant:
                break
        else:
            raise ValueError(f"{instance} has no variable {name[:60]!a}")
        expected = _header(variable)[len(_name(name)) :]
        start = self.at
        if self.take(len(expected)) != expected:
            self.start = start
            raise ValueError(f"{instance}.{name} has another type in the network")
        return instance, variable

    def rows(self, variable: StateVar, now: int | None) -> dict[Key, Values]:
        count, begin = self.number(_U64), self.start
        if not variable.keys and count != 1:
            raise ValueError(f"{variable.name} has {count} values, not 1")
        width, found, latest, expired = len(variable.keys), {}, 0, 0
        for row in self.all_rows(variable, count):
            key, values = row[:width], row[width:]
            if variable.aged:
                if not latest <= (stamp := int(values[-1])) <= (now or 0):
                    raise ValueError(f"the stamp {stamp} ns is before the last one, or after now")
                latest = stamp
                if not aged.alive(variable, values, now or 0):
                    expired += 1
                    continue
            found[key] = values
        self.start = begin
        if len(found) + expired != count:
            raise ValueError(f"a key of {variable.name} stands twice")
        if variable.capacity is not None and len(found) > variable.capacity:
            raise ValueError(f"{variable.name} has {len(found)} keys, over max {variable.capacity}")
        return found

    def all_rows(self, variable: StateVar, count: int) -> Iterable[Row]:
        fixed = fixed_rows(variable)
        if fixed is None:
            return (self.row(variable) for _ in range(count))
        size, read = fixed
        return read(self.take(count * size))

    def row(self, variable: StateVar) -> Row:
        """A row with byte strings."""
        found: list[Value] = []
        for type_ in types_of(variable):
            match type_:
                case Bool():
                    found.append(self.bit())
                case Bits():
                    found += numbers([self.take((type_.width + 7) // 8)], type_)
                case Bytes():
                    found.append(self.take(self.number(_U32)))
        if variable.aged:
            found.append(self.number(_U64))
        return tuple(found)

    # Timers -------------------------------------------------------------------------------

    def timer(self, number: int, now: int | None) -> Timer:
        due = self.number(_U64) | self.number(_U8) << 64
        if now is None or not now <= due < 1 << 65:
            raise ValueError("a timer is due at a time from now on")
        instance = self.instance()
        dummy = self.bit()
        tags: Tags = [0] * len(self.tags)
        seen: set[str] = set()
        for _ in range(self.number(_U16)):
            tag = self.name()
            if tag not in self.tags or tag in seen:
                raise ValueError(f"no tag of the network, or twice: {tag[:60]!a}")
            seen.add(tag)
            tags[self.tags[tag]] = self.number(_I32)
        return Timer(due, number, self.numbers[instance], self.packet(dummy), tags)

    def packet(self, dummy: bool) -> Packet:
        port = self.number(_U16)
        if port >= (1 if dummy else max(2, len(self.network.ports))):
            raise ValueError(f"the network has no port {port}")
        length = self.number(_U32)
        if length and dummy:
            raise ValueError("a packet without headers has no frame")
        frame, start = self.take(length), self.start
        original = self.number(_U32)
        if original > length and not dummy:
            frame = CutFrame(frame)
            frame.original_length = original
        elif original != length:
            raise ValueError(f"a frame of {length} bytes was {original} bytes long")
        packet = Packet() if dummy else parse(frame)
        if isinstance(packet, Malformed):
            self.start = start
            raise ValueError(f"the frame is {packet.reason}")
        packet.iface = port
        seen: set[str] = set()
        for _ in range(self.number(_U8)):
            name = self.name()
            if name not in _WRITABLE or name in seen:
                raise ValueError(f"no field that can be written, or twice: {name[:60]!a}")
            seen.add(name)
            if not packet.bits & FIELDS[name].headers.value:
                raise ValueError(f"the frame has no header for {name}")
            setattr(packet, name, self.field(name, packet))
        return packet

    def field(self, name: str, packet: Packet) -> Value:
        width = FIELDS[name].width
        size = (width + 7) // 8 if width else len(packet.payload)
        if self.number(_U32) != size:
            raise ValueError(f"{name} has {size} bytes")
        data = self.take(size)
        if not width:
            return data
        value = int.from_bytes(data, "big")
        if value >> width:
            raise ValueError(f"{name} can't hold {value}")
        return value
