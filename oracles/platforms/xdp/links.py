"""Network interfaces of this namespace, as rtnetlink lists them (/sys may show another's)."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import calcsize, pack, unpack_from

_GET_LINK, _NEW_LINK, _DONE, _ERROR = 18, 16, 3, 2
_REQUEST_DUMP = 0x301
_NAME, _LINK, _NAMESPACE = 3, 5, 37  # IFLA_*: _NAMESPACE says that _LINK is of another one
_HEADER, _INFO = "=IHHII", "=BxHiII"  # nlmsghdr, ifinfomsg
_ROOM = 1 << 18


@dataclass(frozen=True, slots=True)
class Interface:
    """`link`: the number of the one behind it, of veth its other end; None: it isn't here."""

    index: int
    name: str
    link: int | None


def interfaces() -> Iterator[Interface]:
    """All of this namespace. OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        body = pack(_INFO, socket.AF_UNSPEC, 0, 0, 0, 0)
        size = calcsize(_HEADER) + len(body)
        asked.send(pack(_HEADER, size, _GET_LINK, _REQUEST_DUMP, 1, 0) + body)
        while True:
            data, at = asked.recv(_ROOM), 0
            while at < len(data):
                length, kind, _, _, _ = unpack_from(_HEADER, data, at)
                if kind in (_DONE, _ERROR):
                    return
                if kind == _NEW_LINK:
                    yield _interface(data[at + calcsize(_HEADER) : at + length])
                at += -(-length // 4) * 4


def _interface(data: bytes) -> Interface:
    _, _, index, _, _ = unpack_from(_INFO, data)
    at, found = calcsize(_INFO), dict[int, bytes]()
    while at + 4 <= len(data):
        length, kind = unpack_from("=HH", data, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += -(-length // 4) * 4
    name = found.get(_NAME, b"").rstrip(b"\0").decode(errors="replace")
    link = found.get(_LINK) if _NAMESPACE not in found else None
    return Interface(index, name, unpack_from("=i", link)[0] if link else None)


def other_ends(names: Iterable[str]) -> Iterator[str]:
    """The other ends of those that are veth, as far as they are in this namespace."""
    known = {each.index: each for each in interfaces()}
    by_name = {each.name: each for each in known.values()}
    for name in names:
        own = by_name.get(name)
        end = known.get(own.link) if own is not None and own.link is not None else None
        if own is not None and end is not None and end is not own and end.link == own.index:
            yield end.name
