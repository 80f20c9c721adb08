"""libbpf by ctypes: objects are opened, loaded, and their maps read and written."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache, partial

from nfverify.cythonized.faults import BuildError

LIBRARY = "libbpf.so.1"
PACKAGE = "libbpf-dev"


class OpenOpts(ctypes.Structure):
    """bpf_object_open_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", c_char_p),
        ("attach_prog_fd", c_uint32),
        ("kconfig", c_char_p),
        ("btf_custom_path", c_char_p),
        ("kernel_log_buf", c_void_p),
        ("kernel_log_size", c_size_t),
        ("kernel_log_level", c_uint32),
    )


class TestRunOpts(ctypes.Structure):
    """bpf_test_run_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


class LinkOpts(ctypes.Structure):
    """The beginning of bpf_link_create_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("flags", c_uint32),
        ("iter_info", c_void_p),
        ("iter_info_len", c_uint32),
        ("target_btf_id", c_uint32),
    )


class LoadOpts(ctypes.Structure):
    """The beginning of bpf_prog_load_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("attempts", c_int),
        ("expected_attach_type", c_int),
        ("prog_btf_fd", c_uint32),
        ("prog_flags", c_uint32),
    )


class XdpContext(ctypes.Structure):
    """xdp_md."""

    _fields_ = (
        ("data", c_uint32),
        ("data_end", c_uint32),
        ("data_meta", c_uint32),
        ("ingress_ifindex", c_uint32),
        ("rx_queue_index", c_uint32),
        ("egress_ifindex", c_uint32),
    )


_Print = ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_void_p)  # level, format, va_list
_WARNING = 0
_KEPT, _LONGEST = 8, 400  # warnings, and characters of each

# Results and arguments of what is used.
_P, _S, _I, _U = c_void_p, c_char_p, c_int, c_uint32
_FUNCTIONS: dict[str, tuple[object, tuple[object, ...]]] = {
    "libbpf_set_print": (_P, (_Print,)),
    "bpf_object__open_mem": (_P, (_P, c_size_t, POINTER(OpenOpts))),
    "bpf_object__load": (_I, (_P,)),
    "bpf_object__close": (None, (_P,)),
    "bpf_object__next_program": (_P, (_P, _P)),
    "bpf_object__next_map": (_P, (_P, _P)),
    "bpf_object__btf": (_P, (_P,)),
    "bpf_program__name": (_S, (_P,)),
    "bpf_program__fd": (_I, (_P,)),
    "bpf_program__set_log_buf": (_I, (_P, _P, c_size_t)),
    "bpf_map__name": (_S, (_P,)),
    "bpf_map__fd": (_I, (_P,)),
    "bpf_map__type": (_U, (_P,)),
    "bpf_map__key_size": (_U, (_P,)),
    "bpf_map__value_size": (_U, (_P,)),
    "bpf_map__max_entries": (_U, (_P,)),
    "bpf_map__btf_key_type_id": (_U, (_P,)),
    "bpf_map__btf_value_type_id": (_U, (_P,)),
    "bpf_map__initial_value": (_P, (_P, POINTER(c_size_t))),
    "btf__raw_data": (_P, (_P, POINTER(_U))),
    "bpf_obj_pin": (_I, (_I, _S)),
    "bpf_map_lookup_elem": (_I, (_I, _P, _P)),
    "bpf_map_update_elem": (_I, (_I, _P, _P, c_uint64)),
    "bpf_map_delete_elem": (_I, (_I, _P)),
    "bpf_map_get_next_key": (_I, (_I, _P, _P)),
    "bpf_map_lookup_batch": (_I, (_I, _P, _P, _P, _P, POINTER(_U), _P)),
    "bpf_map_lookup_and_delete_batch": (_I, (_I, _P, _P, _P, _P, POINTER(_U), _P)),
    "bpf_map_update_batch": (_I, (_I, _P, _P, POINTER(_U), _P)),
    "bpf_prog_test_run_opts": (_I, (_I, POINTER(TestRunOpts))),
    "bpf_link_create": (_I, (_I, _I, _I, POINTER(LinkOpts))),
    "bpf_prog_load": (_I, (_I, _S, _S, _P, c_size_t, POINTER(LoadOpts))),
}


class Library(ctypes.CDLL):
    """libbpf with its last warnings."""

    said: deque[str]
    print: object  # what it calls with them: kept, for the library doesn't


@cache
def libbpf() -> Library:
    """The library. BuildError if it isn't here."""
    try:
        library = Library(LIBRARY, use_errno=True)
    except OSError as error:
        raise BuildError(
            f"{LIBRARY} is needed (Debian, Ubuntu: apt-get install libbpf1)"
        ) from error
    for name, (result, arguments) in _FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise BuildError(f"{LIBRARY} has no {name}: it is older than 1.0") from None
        function.restype, function.argtypes = result, arguments
    library.said = deque(maxlen=_KEPT)
    library.print = _Print(partial(_print, ctypes.CDLL(None), library.said))
    library.libbpf_set_print(library.print)
    return library


def _print(libc: ctypes.CDLL, said: deque[str], level: int, form: int, values: int) -> int:
    """Keeps the warnings, without the log of the verifier, which comes another way."""
    if level == _WARNING:
        text = ctypes.create_string_buffer(_LONGEST)
        libc.vsnprintf(text, c_size_t(_LONGEST), c_void_p(form), c_void_p(values))
        line = text.value.decode(errors="replace").strip()
        if "BEGIN PROG LOAD LOG" not in line:
            said.append(line)
    return 0


def found() -> bool:
    """Is the library here?"""
    try:
        return libbpf() is not None
    except BuildError:
        return False


def check(result: int, what: str) -> int:
    """A result that is not an error. OSError: `what` failed."""
    if result < 0:
        number = -result if result != -1 else ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
