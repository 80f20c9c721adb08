"""The trace of `nfverify run --trace`: a line for each packet, and one for each NF on its way."""

from __future__ import annotations

from typing import TextIO

from nfverify.packet.codec import Malformed, Packet, parse
from nfverify.packet.packet import ICMP, IP4, IP6, TCP, UDP
from nfverify.packet.tunnel import inside
from nfverify.semantics.shown import show
from nfverify.semantics.tracing import FieldChange, Visit
from nfverify.semantics.walk import StateWrite
from nfverify.smat.ir import INT, IP, Bits, Network, StateVar, Type, Value, field_type

_PROTOCOLS = {TCP: "tcp", UDP: "udp", ICMP: "icmp"}
_LENGTHS = {"payload", "iplen", "size"}
_IP6 = Bits(128, shown="ip6")


class Printer:
    """Writes to `stream` what a machine's hook and its outputs tell."""

    def __init__(self, network: Network, stream: TextIO) -> None:
        self._stream = stream
        self._ports = network.ports or ("0", "1")
        self._variables = {
            (instance.name, variable.name): variable
            for instance in network.instances
            for variable in instance.program.state
        }
        self._packets = 0
        self._timer = True  # are the visits those of a timer?
        self._quiet = True  # did nothing come out for the packet yet?

    def arrival(self, time: int, port: int, frame: bytes) -> None:
        """A packet is about to enter."""
        self._packets += 1
        self._timer, self._quiet = False, True
        packet = parse(frame)
        what = f"malformed ({packet.reason})" if isinstance(packet, Malformed) else summary(packet)
        self._line(f"packet {self._packets} at {clock(time)} by {self._ports[port]}: {what}")

    def visit(self, visit: Visit) -> None:
        """A pass through an NF."""
        head = f"timer at {clock(visit.time)}: " if self._timer else "  "
        taken = ", ".join(visit.entries) or "no entry"
        again = f", pass {visit.number}" if visit.number > 1 else ""
        # What a header brings along shows in what comes out.
        shown = [f for f in visit.fields if not visit.headers or f.name not in _LENGTHS]
        changes = ", ".join([*map(_header, visit.headers), *map(_change, shown)])
        text = f"{head}{visit.instance}{again}: {taken}{': ' if changes else ''}{changes}"
        self._line(text + self._outcome(visit))
        for write in visit.state:
            self._line(f"    {self._write(visit.instance, write)}")

    def output(self, port: int, packet: Packet) -> None:
        """A packet came out."""
        self._quiet = False
        self._line(f"  out by {self._ports[port]}: {summary(packet)}")

    def settled(self) -> None:
        """All that follows is the work of timers."""
        if not self._timer and self._quiet:
            self._line("  nothing comes out")
        self._timer = True

    def _outcome(self, visit: Visit) -> str:
        match visit.outcome:
            case ():
                return " -> drop"
            case -1:
                return " -> resubmit"
            case int() as delay:
                return f" -> again in {delay} ns"
            case tuple() as ports:
                return f" -> {', '.join(self._ports[port] for port in ports)}"
            case _:
                return ""

    def _write(self, instance: str, write: StateWrite) -> str:
        variable = self._variables[instance, write.variable]
        name = variable.name
        if variable.keys:
            name += f"[{_row(write.key, variable.keys)}]"
        before = "absent" if write.before is None else _value(variable, write.before)
        after = "absent" if write.after is None else _value(variable, write.after)
        return f"{name} = {after}" if before == after else f"{name} {before} -> {after}"

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")


def clock(time: int) -> str:
    """Seconds with nine digits behind the point."""
    return f"{time // 10**9}.{time % 10**9:09d}"


def summary(packet: Packet) -> str:
    """Who sends what to whom."""
    if packet.bits & IP4:
        ends = [show(packet.sip, IP), show(packet.dip, IP)]
    elif packet.bits & IP6:
        ends = [f"[{show(address, _IP6)}]" for address in (packet.sip6, packet.dip6)]
    else:
        return f"ethertype {packet.ethertype:#06x}, {len(packet.frame)} bytes"
    if packet.bits & (TCP | UDP):
        ends = [f"{ends[0]}:{packet.sport}", f"{ends[1]}:{packet.dport}"]
    names = [name for bit, name in _PROTOCOLS.items() if packet.bits & bit]
    what = names[0] if names else f"protocol {packet.proto}"
    inner = inside(packet)
    tail = "" if inner is None else f" [{summary(inner)}]"
    return f"{ends[0]} > {ends[1]} {what}, {len(packet.frame)} bytes{tail}"


def _header(change: str) -> str:
    return f"{'push' if change[0] == '+' else 'pop'} {change[1:]}"


def _change(change: FieldChange) -> str:
    type_ = INT if change.is_tag else field_type(change.name)
    return f"{change.name} {show(change.before, type_)} -> {show(change.after, type_)}"


def _value(variable: StateVar, values: tuple[Value, ...]) -> str:
    return _row(values, variable.values) if variable.values else "present"


def _row(values: tuple[Value, ...], types: tuple[Type, ...]) -> str:
    return ", ".join(show(v, t) for v, t in zip(values, types, strict=True))
