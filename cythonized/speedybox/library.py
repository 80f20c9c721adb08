"""The C library behind the binding: its names, its numbers, its types."""

from __future__ import annotations

import ctypes
from enum import IntEnum, IntFlag
from functools import cache

from nfverify.cythonized.speedybox.build import library


class Field(IntEnum):
    """Fields of packets; those up to DMAC can be written (speedybox.h, sb_field)."""

    SIP = 0
    DIP = 1
    SPORT = 2
    DPORT = 3
    TTL = 4
    TOS = 5
    SMAC = 6
    DMAC = 7
    PROTO = 8
    SIZE = 9
    FLAGS = 10
    VLAN = 11
    VNI = 12


class Header(IntEnum):
    """Headers to put in front: IPIP (sip, dip), VXLAN (sip, dip, vni), VLAN (vid)."""

    IPIP = 0
    VXLAN = 1
    VLAN = 2


class Action(IntEnum):
    """Header actions: MODIFY (field, value), ENCAP (header, arguments), DECAP (header)."""

    NONE = 0
    FORWARD = 1
    DROP = 2
    MODIFY = 3
    ENCAP = 4
    DECAP = 5


class Payload(IntFlag):
    """What a state function does to the payload; and that what it answers may drop the packet."""

    WRITE = 0
    READ = 1
    IGNORE = 2
    MAY_DROP = 4


class Go(IntEnum):
    """What a state function answers; None is GO."""

    GO = 0
    STOP = 1


class Headers(IntFlag):
    """Headers that a packet has."""

    LINK = 1
    VLAN = 2
    IP4 = 4
    IP6 = 8
    TCP = 16
    UDP = 32
    ICMP = 64
    FRAG = 128


class Args(ctypes.Structure):
    """sb_args."""

    _fields_ = (("at", ctypes.c_uint64 * 4),)


class Out(ctypes.Structure):
    """sb_out."""

    _fields_ = (("frame", ctypes.POINTER(ctypes.c_uint8)), ("length", ctypes.c_uint32))


class RawCounts(ctypes.Structure):
    """sb_counts."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("packets", "served", "recorded", "events", "removed", "evicted", "mistaken")
    )


_BOX = _PACKET = _NF = ctypes.c_void_p
_ARGS = ctypes.POINTER(Args)
Process = ctypes.CFUNCTYPE(None, _NF, _PACKET)
Function = ctypes.CFUNCTYPE(ctypes.c_uint32, _NF, _PACKET, _ARGS)
Update = ctypes.CFUNCTYPE(None, _NF, _PACKET, _ARGS)

_U32, _U64, _I32 = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32
_BYTES, _LENGTH = ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint64)
_SIGNATURES = {
    "nf_box_create": (_BOX, (_U32, _U32)),
    "nf_box_destroy": (None, (_BOX,)),
    "nf_box_add": (_I32, (_BOX, Process, _NF)),
    "nf_box_run": (_I32, (_BOX, _BYTES, _U32, _U64, _U32, ctypes.POINTER(Out))),
    "nf_box_counts": (ctypes.POINTER(RawCounts), (_BOX,)),
    "nf_box_outdate": (None, (_BOX,)),
    "nf_packet_get": (_U64, (_PACKET, _U32)),
    "nf_packet_set": (None, (_PACKET, _U32, _U64)),
    "nf_packet_drop": (None, (_PACKET,)),
    "nf_packet_headers": (_U32, (_PACKET,)),
    "nf_packet_payload": (ctypes.POINTER(ctypes.c_uint8), (_PACKET, _LENGTH)),
    "nf_packet_write": (_U32, (_PACKET, _BYTES, _U64)),
    "nf_packet_encap": (None, (_PACKET, _U32, _U64, _U64, _U64)),
    "nf_packet_decap": (None, (_PACKET, _U32)),
    "nf_packet_time": (_U64, (_PACKET,)),
    "nf_packet_port": (_U32, (_PACKET,)),
    "nf_packet_fid": (_I32, (_PACKET,)),
    "nf_add_HA": (None, (_I32, _U32, _ARGS)),
    "nf_add_SF": (None, (_I32, Function, _U32, _ARGS)),
    "nf_add_event": (None, (_I32, Function, _ARGS, _U32, Update)),
}


@cache
def loaded() -> ctypes.CDLL:
    """The library, built if need be. BuildError."""
    found = ctypes.CDLL(str(library()))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found
