"""Values as people and JSON see them: 10.0.0.1, 2001:db8::1, 02:00:00:00:00:01 (decision 26)."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from nfverify.smat.ir import Bits, Bool, Bytes, Type, Value, wrap

JSON = bool | int | str | None | list["JSON"] | dict[str, "JSON"]
LARGEST_NUMBER = 1 << 53  # that every reader of JSON keeps exactly
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"-?[0-9]{1,100}", re.ASCII)


def to_json(value: Value, type_: Type) -> JSON:
    """Integers above 2^53 are strings, bytes are hexadecimal."""
    match type_, value:
        case Bytes(), bytes():
            return value.hex()
        case Bool(), bool():
            return value
        case Bits(width=32, shown="ip"), int():
            return str(IPv4Address(value))
        case Bits(width=128, shown="ip6"), int():
            return str(IPv6Address(value))
        case Bits(width=48, shown="mac"), int():
            return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))
        case Bits(), int():
            return value if abs(value) <= LARGEST_NUMBER else str(value)
    raise TypeError(f"{value!r} is not of type {type_}")


def from_json(data: JSON, type_: Type) -> Value:
    """The inverse of `to_json`. ValueError says what is wrong."""
    match type_, data:
        case Bytes(), str():
            try:
                return bytes.fromhex(data)
            except ValueError:
                raise ValueError(f"{_brief(data)} is not hexadecimal") from None
        case Bool(), bool():
            return data
        case Bits(width=32, shown="ip"), str():
            try:
                return int(IPv4Address(data))
            except AddressValueError:
                raise ValueError(f"{_brief(data)} is no IPv4 address") from None
        case Bits(width=128, shown="ip6"), str():
            try:
                address = IPv6Address(data)
                if address.scope_id is None:
                    return int(address)
            except AddressValueError:
                pass
            raise ValueError(f"{_brief(data)} is no IPv6 address")
        case Bits(width=48, shown="mac"), str():
            if not _MAC.fullmatch(data):
                raise ValueError(f"{_brief(data)} is no MAC address")
            return int(data.replace(":", ""), 16)
        case Bits(), int() | str() if not isinstance(data, bool):
            return _integer(data, type_)
    raise ValueError(f"{_brief(data)} is no {_named(type_)}")


def show(value: Value, type_: Type) -> str:
    """One value in a trace or a report."""
    shown = to_json(value, type_)
    match shown:
        case bool():
            return "true" if shown else "false"
        case str() if isinstance(type_, Bytes):
            return (
                f'"{shown}"' if len(shown) <= 64 else f'"{shown[:64]}…" ({len(shown) // 2} bytes)'
            )
        case _:
            return str(shown)


def _integer(data: int | str, type_: Bits) -> int:
    if isinstance(data, str) and not _INTEGER.fullmatch(data):
        raise ValueError(f"{_brief(data)} is no {_named(type_)}")
    value = int(data)
    if wrap(value, type_) != value:
        raise ValueError(f"{_brief(data)} does not fit {_named(type_)}")
    return value


def _named(type_: Type) -> str:
    match type_:
        case Bool():
            return "truth value (true or false)"
        case Bytes():
            return "string of hexadecimal digits"
        case Bits(width=width, signed=signed, shown=shown):
            names = {"ip": "IPv4 address", "ip6": "IPv6 address", "mac": "MAC address"}
            return names.get(shown, f"{'signed ' if signed else ''}integer of {width} bits")


def _brief(data: JSON) -> str:
    text = ascii(data)
    return text if len(text) <= 60 else text[:57] + "..."
