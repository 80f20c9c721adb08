"""Well-formed frames from field values, for counterexamples and generated traffic."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

from nfverify.packet.checksum import internet_checksum
from nfverify.packet.fields import FIELDS, IP, L4, VXLAN_PORT, Header, carried

_TAGS = (0x8100, 0x88A8)
_EXTENSIONS = (0, 43, 44, 60)
_NON_IP = 0x88B5  # the IEEE's "local experimental" ethertype
_NO_L4 = 253  # RFC 3692's protocol number for experiments
_PLAIN = {"ttl": 64}
_PAD_OPTION = b"\x01\x04\0\0\0\0"  # PadN filling an 8-byte destination options header


def build(present: Header, values: Mapping[str, int | bytes]) -> bytes:
    """A frame with exactly the headers `present` and these values, and right checksums.

    Fields not named are 0, but `ttl` 64, and `proto`, `ethertype`, `size` and `iplen` as they must
    be; without `payload` it is the VXLAN header of a `vni`, and zeros up to `size`; `size` beyond a
    given payload makes a frame cut by the snap length. FRAG makes a first fragment if there is an
    L4 header, else a later one.
    ValueError, saying why, where no frame of that kind has these values.
    """
    present |= Header.LINK
    _check(present, values)
    fields = {**dict.fromkeys(FIELDS, 0), **_PLAIN}
    payload = b""
    for name, value in values.items():
        if isinstance(value, bytes):
            payload = value
        else:
            fields[name] = value
    fields["proto"] = _proto(present, values)
    l4 = _L4_BYTES.get(present & L4, 0)
    extensions = _extensions(present, fields["proto"])
    headers = _ip_bytes(present) + len(extensions) + l4
    if fields["vni"]:
        payload = _vxlan(fields, payload)
    size = _size(present, values, headers, len(payload))
    if "payload" not in values:
        payload += bytes(size - headers - len(payload))

    ethernet = _link(present, fields, _ethertype(present, values))
    if not present & IP:
        return ethernet
    if present & Header.IP4:
        addresses = pack("!II", fields["sip"], fields["dip"])
        network = _ipv4(present, fields, size, addresses)
    else:
        addresses = fields["sip6"].to_bytes(16, "big") + fields["dip6"].to_bytes(16, "big")
        next_header = fields["proto"]
        if extensions:
            next_header = 44 if present & Header.FRAG else 60
        first = 6 << 28 | fields["tos"] << 20
        network = pack("!IHBB", first, size - 40, next_header, fields["ttl"]) + addresses
        network += extensions
    length = size - headers + l4
    pseudo = b"" if present & Header.IP4 and present & Header.ICMP else addresses
    if pseudo:
        pseudo += pack("!IHBB", length, 0, 0, fields["proto"])
    return ethernet + network + _transport(present, fields, length, pseudo, payload) + payload


def header_bytes(present: Header, proto: int = _NO_L4) -> int:
    """IP, extension and L4 header bytes of what `build` makes: the least `size` of its frames."""
    if not present & IP:
        return 0
    extensions = len(_extensions(present, proto))
    return _ip_bytes(present) + extensions + _L4_BYTES.get(present & L4, 0)


_L4_BYTES = {Header.TCP: 20, Header.UDP: 8, Header.ICMP: 8}


def _check(present: Header, values: Mapping[str, int | bytes]) -> None:
    """ValueError for headers that don't go together, and for values that a field can't have."""
    if present & IP == IP:
        raise ValueError("a frame is IPv4 or IPv6, not both")
    if present & L4 not in (Header(0), *_L4_BYTES):
        raise ValueError("a frame has one of TCP, UDP and ICMP at most")
    if present & (L4 | Header.FRAG) and not present & IP:
        raise ValueError("TCP, UDP, ICMP and fragments need IPv4 or IPv6")
    bits = {
        "IP4": bool(present & Header.IP4),
        "IP6": bool(present & Header.IP6),
        "L4": bool(present & L4),
        "FRAG": bool(present & Header.FRAG),
    }
    there = carried(present)
    for name, value in values.items():
        field = FIELDS.get(name)
        if field is None:
            raise ValueError(f"no field is called {name!r}")
        if isinstance(value, bytes) != (name == "payload"):
            raise ValueError(f"{name} can't be {value!r}")
        if value and name not in there:
            raise ValueError(f"{name} is 0 in a frame without its header, not {value!r}")
        if isinstance(value, int) and not 0 <= value < 1 << field.width:
            raise ValueError(f"{name} has {field.width} bits, {value} does not fit")
        if name in bits and value != bits[name]:
            raise ValueError(f"{name} is {int(bits[name])} with these headers, not {value!r}")


def _number(values: Mapping[str, int | bytes], name: str, default: int) -> int:
    value = values.get(name, default)
    assert isinstance(value, int)  # by _check
    return value


def _ethertype(present: Header, values: Mapping[str, int | bytes]) -> int:
    if present & Header.IP4:
        wanted = 0x0800
    elif present & Header.IP6:
        wanted = 0x86DD
    else:
        ethertype = _number(values, "ethertype", _NON_IP)
        if ethertype in (0x0800, 0x86DD):
            raise ValueError(f"ethertype {ethertype:#06x} makes it an IP frame")
        if ethertype in _TAGS and not present & Header.VLAN:
            raise ValueError(f"ethertype {ethertype:#06x} makes it a tagged frame")
        return ethertype
    if _number(values, "ethertype", wanted) != wanted:
        raise ValueError(f"the ethertype of an IP frame with these headers is {wanted:#06x}")
    return wanted


def _proto(present: Header, values: Mapping[str, int | bytes]) -> int:
    if not present & IP:
        return 0
    icmp = 1 if present & Header.IP4 else 58
    wanted = {Header.TCP: 6, Header.UDP: 17, Header.ICMP: icmp}.get(present & L4)
    proto = _number(values, "proto", _NO_L4 if wanted is None else wanted)
    if wanted is not None and proto != wanted:
        raise ValueError(f"proto is {wanted} with these headers, not {proto}")
    if wanted is None and proto in (6, 17, icmp) and not present & Header.FRAG:
        raise ValueError(f"proto {proto} without its header is a later fragment: FRAG is missing")
    return proto


def _ip_bytes(present: Header) -> int:
    if present & IP:
        return 20 if present & Header.IP4 else 40
    return 0


def _extensions(present: Header, proto: int) -> bytes:
    """IPv6: a fragment header; or, as `proto` itself names one, the eight that may stand before."""
    if not present & Header.IP6:
        return b""
    if present & Header.FRAG:
        return pack("!BBHI", proto, 0, 1 if present & L4 else 1 << 3, 0)
    if proto in _EXTENSIONS:
        return (b"\x3c\0" + _PAD_OPTION) * 7 + bytes((proto, 0)) + _PAD_OPTION
    return b""


def _vxlan(fields: dict[str, int], payload: bytes) -> bytes:
    """The payload that has the `vni`; the port is VXLAN's unless it is given."""
    fields["dport"] = fields["dport"] or VXLAN_PORT
    start = b"\x08\0\0\0" + fields["vni"].to_bytes(3, "big")
    payload = payload or start + b"\0"
    if fields["dport"] != VXLAN_PORT:
        raise ValueError(f"vni is 0 unless dport is {VXLAN_PORT}")
    if len(payload) < 8 or not payload[0] & 8 or payload[4:7] != start[4:]:
        raise ValueError(f"the payload is no VXLAN header with the vni {fields['vni']}")
    return payload


def _size(
    present: Header, values: Mapping[str, int | bytes], headers: int, payload_length: int
) -> int:
    """IP bytes; ValueError unless the headers and the payload fit."""
    if not present & IP:
        return 0
    least = headers + payload_length
    size = _number(values, "size", least)
    if present & Header.IP4:
        size = _number(values, "iplen", size)
        if _number(values, "size", size) != size:
            raise ValueError("iplen and size of an IPv4 frame differ")
    limit = 0xFFFF + (0 if present & Header.IP4 else 40)
    if not least <= size <= limit:
        raise ValueError(f"size is {least} to {limit} bytes with these headers, not {size}")
    return size


def _link(present: Header, fields: Mapping[str, int], ethertype: int) -> bytes:
    ethernet = (fields["dmac"] << 48 | fields["smac"]).to_bytes(12, "big")
    if present & Header.VLAN:
        ethernet += pack("!HH", 0x8100, fields["vlan"])
        if ethertype in _TAGS:  # it can only be a third tag's
            ethernet += pack("!HH", 0x8100, 0)
    return ethernet + pack("!H", ethertype)


def _ipv4(present: Header, fields: Mapping[str, int], size: int, addresses: bytes) -> bytes:
    fragment = 0
    if present & Header.FRAG:
        fragment = 0x2000 if present & L4 else 1
    start = pack("!BBHHH", 0x45, fields["tos"], size, fields["ip_id"], fragment)
    start += bytes((fields["ttl"], fields["proto"]))
    checksum = internet_checksum(start + b"\0\0" + addresses)
    return start + pack("!H", checksum) + addresses


def _transport(
    present: Header, fields: Mapping[str, int], length: int, pseudo: bytes, payload: bytes
) -> bytes:
    """The L4 header; its checksum takes what a snap length cut off as zeros."""
    if present & Header.TCP:
        flags = (
            fields["flag_fin"]
            | fields["flag_syn"] << 1
            | fields["flag_rst"] << 2
            | fields["flag_psh"] << 3
            | fields["flag_ack"] << 4
            | fields["flag_urg"] << 5
        )
        numbers = pack("!HHII", fields["sport"], fields["dport"], fields["seq"], fields["ack_no"])
        start, end = numbers + pack("!BBH", 0x50, flags, fields["window"]), b"\0\0"
    elif present & Header.UDP:
        start, end = pack("!HHH", fields["sport"], fields["dport"], length & 0xFFFF), b""
    elif present & Header.ICMP:
        start = bytes((fields["icmp_type"], fields["icmp_code"]))
        end = pack("!HH", fields["icmp_id"], fields["icmp_seq"])
    else:
        return b""
    checksum = internet_checksum(pseudo + start + b"\0\0" + end + payload)
    if checksum == 0 and present & Header.UDP:
        checksum = 0xFFFF
    return start + pack("!H", checksum) + end
