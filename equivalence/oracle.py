"""The symbolic semantics at a concrete state and packet: terms evaluated, nothing solved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nfverify.equivalence.concrete import Reality, Strings
from nfverify.equivalence.layers import Arrived
from nfverify.equivalence.packets import HEADERS, SymbolicPacket, has_vxlan
from nfverify.equivalence.simulate import Arrival, Snapshot
from nfverify.equivalence.state import State, width
from nfverify.equivalence.terms import Term, Terms, evaluate, signed
from nfverify.equivalence.wrapping import FRAMES, Wrapping, opened
from nfverify.packet.packet import Packet
from nfverify.packet.tunnel import has_vni
from nfverify.smat import ir


@dataclass(slots=True)
class Assignment:
    """Values of all symbols of a step: a snapshot of the state before it, and the packet."""

    terms: Terms
    state: State
    snapshot: Snapshot
    reality: Reality
    values: dict[str, int | bool] = field(default_factory=dict)
    strings: Strings = field(init=False)
    wrapping: Wrapping = field(init=False)
    _numbers: dict[bytes, int] = field(default_factory=lambda: {b"": 0})

    def __post_init__(self) -> None:
        for string, number in self.terms.strings.items():
            self._numbers[string] = number.data
        self.strings = Strings({n: s for s, n in self._numbers.items()})
        self.wrapping = Wrapping(self._number, self.strings.known.__getitem__)
        for name, terms in self.state.plain.items():
            held = self.snapshot.get(name, {}).get(())
            variable = self.state.variables[name]
            for i, term in enumerate(terms):
                if term.op == "var":
                    value = (held or variable.default)[i]
                    self.values[term.data] = self.raw(value, variable.values[i])

    def raw(self, value: ir.Value, type_: ir.Type) -> int | bool:
        """A value as terms hold it: unsigned, bytes by number."""
        if isinstance(value, bytes):
            return self._number(value)
        if isinstance(type_, ir.Bits):
            return int(value) & ((1 << type_.width) - 1)
        return value

    def _number(self, value: bytes) -> int:
        if value not in self._numbers:
            self._numbers[value] = 1_000_000 + len(self._numbers)
            self.strings.known[self._numbers[value]] = value
        return self._numbers[value]

    def back(self, value: int | bool, type_: ir.Type) -> ir.Value:
        """The value that a term's value stands for."""
        match type_:
            case ir.Bits(width=bits, signed=True):
                return signed(int(value), bits)
            case ir.Bytes():
                return self.strings.known[int(value)]
            case _:
                return value

    def arrive(self, packet: SymbolicPacket, now: Term, arrival: Arrival) -> None:
        """Binds the symbols of an arriving packet."""
        self.values[now.data] = arrival.time
        self._bind(packet, arrival.packet, arrival.port)
        if packet.arrived is not None:
            self._bind_layers(packet.arrived, arrival.packet, arrival.port)

    def _bind(self, packet: SymbolicPacket, concrete: Packet, port: int) -> None:
        for header in HEADERS:
            term = packet.present[header]
            here = bool(concrete.present & header)
            if term.op == "var":
                self.values[term.data] = here
        for name, term in packet.fields.items():
            symbol = _symbol(term)
            if symbol is not None:
                value = port if name == "iface" else getattr(concrete, name)
                self.values[symbol] = self.raw(value, ir.field_type(name))
        vni = _symbol(packet.fields["vni"])
        if vni is not None:
            self.values[has_vxlan(vni.removesuffix("vni"))] = has_vni(concrete)

    def _bind_layers(self, arrived: Arrived, concrete: Packet, port: int) -> None:
        self.values.update(self.wrapping.symbols(arrived, concrete))
        for kind, inner in arrived.inner.items():
            found = opened(concrete, kind)
            self.values[inner.valid.data] = found is not None
            real, header = found or (Packet(), 0)
            self.values[inner.header.data] = header
            self._bind(inner.packet, real, port)
            self._bind_layers(inner.inside, real, port)

    def evaluate(self, roots: list[Term]) -> list[int | bool]:
        return evaluate(roots, lambda t: self.values[t.data], self._apply)

    def _apply(self, name: str, args: tuple[Any, ...], term: Term) -> int | bool:
        if name.endswith("?") and name[:-1] in self.state.variables:
            return self._key(name[:-1], args) in self.snapshot.get(name[:-1], {})
        variable, _, index = name.rpartition(".")
        if variable in self.state.variables and index.isdigit():
            declared = self.state.variables[variable]
            held = self.snapshot.get(variable, {}).get(self._key(variable, args))
            value = (held or declared.default)[int(index)]
            return self.raw(value, declared.values[int(index)])
        if name.startswith(FRAMES):
            return self.wrapping.apply(name, args)
        real = self.reality.value(term, args, self.strings)
        if real is None:
            raise NotImplementedError(name)
        return real

    def _key(self, var: str, args: tuple[Any, ...]) -> tuple[ir.Value, ...]:
        types = self.state.variables[var].keys
        return tuple(self.back(a, t) for a, t in zip(args, types, strict=True))

    def key_terms(self, var: str, key: tuple[ir.Value, ...]) -> tuple[Term, ...]:
        """A concrete key as constant terms."""
        types = self.state.variables[var].keys
        return tuple(
            self.terms.const(int(self.raw(v, t)), width(t))
            if width(t)
            else self.terms.boolean(bool(v))
            for v, t in zip(key, types, strict=True)
        )


def _symbol(term: Term) -> str | None:
    """The symbol behind a field: itself, or what it is where its header is there."""
    if term.op == "ite":
        return _symbol(term.args[1]) or _symbol(term.args[2])
    return term.data if term.op == "var" else None
