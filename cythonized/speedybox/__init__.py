"""SpeedyBox's API for network functions written by hand, in C (speedybox.h) and in Python."""

from nfverify.cythonized.speedybox.box import Box, Counts
from nfverify.cythonized.speedybox.calls import (
    Fid,
    localmat_add_HA,
    localmat_add_SF,
    nf_extract_fid,
    register_event,
)
from nfverify.cythonized.speedybox.library import (
    Action,
    Field,
    Go,
    Header,
    Headers,
    Payload,
)
from nfverify.cythonized.speedybox.packet import Packet

__all__ = [
    "Action",
    "Box",
    "Counts",
    "Fid",
    "Field",
    "Go",
    "Header",
    "Headers",
    "Packet",
    "Payload",
    "localmat_add_HA",
    "localmat_add_SF",
    "nf_extract_fid",
    "register_event",
]
