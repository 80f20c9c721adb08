"""Frames that show themselves as the fields in which they are not plain."""

from __future__ import annotations

from nfverify.oracles.wire import plainly, values_of, wire
from nfverify.packet.fields import FIELDS
from nfverify.semantics.shown import from_json, to_json
from nfverify.smat.ir import field_type

READ_ONLY = frozenset({"iface", "IP4", "IP6"})


class Frame(bytes):
    """The bytes of an Ethernet frame; its `repr` is the call of `frame` that makes it."""

    def __repr__(self) -> str:
        values = values_of(self)
        if values is None or wire(values) != self:
            return f"Frame.fromhex('{self.hex()}')"
        shown = ", ".join(f"{n}={_shown(n, v)!r}" for n, v in plainly(values).items())
        return f"frame({shown})"

    __str__ = __repr__


def _shown(name: str, value: int | bytes) -> object:
    return value if isinstance(value, bytes) else to_json(value, field_type(name))


def frame(**fields: int | str | bytes) -> Frame:
    """A TCP SYN from 10.0.0.1:1024 to 10.0.0.2:80, but for these fields: numbers, addresses as
    text, `payload` as bytes; `sip6` or `dip6` makes it IPv6. ValueError says what is wrong."""
    return Frame(wire({name: field_value(name, value) for name, value in fields.items()}))


def field_value(name: str, value: int | str | bytes) -> int | bytes:
    """A value that field `name` can have, from a number, bytes or text. ValueError."""
    info = FIELDS.get(name)
    if info is None or name in READ_ONLY:
        raise ValueError(f"no frame has a field {name!r} to choose")
    if isinstance(value, str):
        read = from_json(value, field_type(name))
        assert not isinstance(read, bool)
        return read
    if isinstance(value, bytes) != (name == "payload"):
        raise ValueError(f"{name} can't be {value!r}")
    if isinstance(value, int) and not 0 <= value < 1 << info.width:
        raise ValueError(f"{name} has {info.width} bits, {value} does not fit")
    return value
