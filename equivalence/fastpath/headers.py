"""Headers pushed and popped on a way: what fields are in the packet as it then is.

A pop of what was pushed before gives back the packet as it was, so that both leave no trace. What
is inside a frame that arrived tunnelled is not looked at: such ways are slow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from nfverify.equivalence.consolidate.path import Path
from nfverify.equivalence.consolidate.rewrite import convert
from nfverify.equivalence.encapsulation import FIRST_PORT, PORT_BITS
from nfverify.equivalence.layers import IPV4
from nfverify.equivalence.packets import ETHERTYPE_IP4, PROTO_IP4, VXLAN_PORT
from nfverify.packet.fields import FIELDS, FLOW_FIELDS, Header
from nfverify.packet.tunnel import MAX_TUNNELS
from nfverify.smat import ir

LINK = ("smac", "dmac")
NEEDED = (*FLOW_FIELDS, *LINK, "tos", "iplen")  # of the packet that a header is pushed in front of
MAX_TAGS = 2
Failure = Literal["too_deep"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A packet that a header was pushed in front of. `base`: what fields are that weren't written
    (None: as they arrived); `tags`: VIDs, the outermost last."""

    kind: ir.HeaderKind  # of the header in front of it
    args: tuple[ir.Expr, ...]
    fields: Mapping[str, ir.Expr]
    base: Mapping[str, ir.Expr] | None
    tags: tuple[ir.Expr, ...]


@dataclass(slots=True)
class LayeredPath(Path):
    """A path with the headers that were pushed on it. `lost`: nothing is known of any field;
    `followed` are the entries until then."""

    under: tuple[Layer, ...] = ()
    base: Mapping[str, ir.Expr] | None = None
    tags_in_front: tuple[ir.Expr, ...] = ()
    tunnels: int = 0
    lost: bool = False
    followed: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> Header:
        """Those of the outermost packet, once one was pushed."""
        kinds = {"ipip": Header.IP4, "vxlan": Header.IP4 | Header.UDP}
        found = Header.LINK | kinds[self.under[-1].kind]
        return found | Header.VLAN if self.tags_in_front else found

    def push_tag(self, vid: ir.Expr) -> Failure | None:
        """An 802.1Q tag; the frame arrived without any."""
        if len(self.tags_in_front) == MAX_TAGS:
            return "too_deep"
        self.tags_in_front = (*self._tags(), convert(vid, ir.Bits(12)))
        self.fields["vlan"] = self.tags_in_front[-1]
        return None

    def pop_tag(self) -> None:
        """The outermost tag goes, if there is one."""
        if self.tags_in_front:
            self.tags_in_front = self.tags_in_front[:-1]
            self.fields.pop("vlan")
            if self.tags_in_front:
                self.fields["vlan"] = self.tags_in_front[-1]

    def _tags(self) -> tuple[ir.Expr, ...]:
        """With what was written to the outermost."""
        if not self.tags_in_front:
            return ()
        return (*self.tags_in_front[:-1], self.fields["vlan"])

    def push(
        self,
        kind: ir.HeaderKind,
        args: tuple[ir.Expr, ...],
        now: Mapping[str, ir.Expr],
        unknown: ir.Expr,
        length: ir.Expr,
    ) -> Failure | None:
        """IPv4 or VXLAN in front. `now` are the flow's fields, smac, dmac, tos and iplen as they
        are, `unknown` is the new payload, `length` a length that no field tells."""
        if self.tunnels == MAX_TUNNELS:
            return "too_deep"
        self.tunnels += 1
        tags = self._tags()
        layer = Layer(kind, args, dict(self.fields), self.base, tags)
        self.under = (*self.under, layer)
        base = {n: _number(n, 0) for n in FIELDS if n not in ("iface", "payload")}
        base |= {n: _number(n, 1) for n in ("IP4",)} | {n: now[n] for n in (*LINK, "tos")}
        base |= {
            "ethertype": _number("ethertype", ETHERTYPE_IP4),
            "sip": convert(args[0], ir.IP),
            "dip": convert(args[1], ir.IP),
            "ttl": _number("ttl", 64),
            "payload": unknown,
        }
        self.fields = {}
        if kind == "ipip":
            size = ir.Arithmetic("+", now["iplen"], _number("iplen", IPV4), now["iplen"].type)
            base |= {"proto": _number("proto", PROTO_IP4), "iplen": size}
            base["size"] = convert(size, ir.field_type("size"))
            if tags:
                self.fields["vlan"] = tags[-1]
            self.tags_in_front = tags
        else:
            flow = ir.Apply("hash", tuple(now[n] for n in FLOW_FIELDS), ir.Bits(32))
            low = ir.Arithmetic("&", flow, ir.Const(PORT_BITS, flow.type), flow.type)
            port = ir.Arithmetic("+", low, ir.Const(FIRST_PORT, flow.type), flow.type)
            base |= {
                "proto": _number("proto", 17),
                "sport": convert(port, ir.PORT),
                "dport": _number("dport", VXLAN_PORT),
                "vni": convert(args[2], ir.field_type("vni")),
                "L4": _number("L4", 1),
                "iplen": convert(length, ir.field_type("iplen")),
                "size": convert(length, ir.field_type("size")),
            }
            self.tags_in_front = ()
        self.base = base
        return None

    def pop(self, kind: ir.HeaderKind) -> Failure | None:
        """The outermost header, one that was pushed; nothing if it is of another kind."""
        layer = self.under[-1]
        if layer.kind != kind:
            return None
        if self.tunnels == MAX_TUNNELS:
            return "too_deep"
        self.tunnels += 1
        tags, written = self._tags(), self.fields
        self.under, self.fields, self.base = self.under[:-1], dict(layer.fields), layer.base
        if kind == "vxlan":
            self.tags_in_front = layer.tags
            return None
        self.fields.pop("ethertype", None)
        self.tags_in_front = tags
        self.fields.pop("vlan", None)
        if tags:
            self.fields["vlan"] = tags[-1]
        for name in LINK:
            if name in written:
                self.fields[name] = written[name]
        return None

    def _written(self) -> Iterator[tuple[Layer, Mapping[str, ir.Expr]]]:
        """Each packet beneath, and what was written to the header in front of it."""
        above = [*(layer.fields for layer in self.under[1:]), self.fields]
        return zip(self.under, above, strict=False)

    def pushes(self) -> tuple[tuple[ir.HeaderKind, tuple[ir.Expr, ...]], ...] | None:
        """What is left in front of the packet that arrived, innermost first; None if a plan can't
        say it: other fields of a pushed header were written than its arguments."""
        found: list[tuple[ir.HeaderKind, tuple[ir.Expr, ...]]] = []
        for layer, written in self._written():
            names = set(written) - {"sip", "dip", "size", "vlan"}
            if layer.kind == "ipip":
                names -= set(LINK)
            else:
                found += [("vlan", (vid,)) for vid in layer.tags]
            if names:
                return None
            ends = (written.get("sip", layer.args[0]), written.get("dip", layer.args[1]))
            found.append((layer.kind, (*ends, *layer.args[2:])))
        found += [("vlan", (vid,)) for vid in self._tags()]
        return tuple(found)

    def arrived_fields(self) -> Mapping[str, ir.Expr]:
        """What was written to the packet that arrived; IPv4 in front of it keeps its Ethernet
        header."""
        if not self.under:
            return self.fields
        found = dict(self.under[0].fields)
        for layer, written in self._written():
            if layer.kind != "ipip":
                break
            found |= {n: written[n] for n in LINK if n in written}
        return found


def _number(name: str, value: int) -> ir.Expr:
    type_ = ir.field_type(name)
    return ir.Const(value, type_) if isinstance(type_, ir.Bits) else ir.Const(b"", type_)
