"""A compiled eBPF object in the kernel: loaded, its maps read and written, run on single frames."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import suppress
from ctypes import byref, c_size_t, c_uint32, sizeof
from struct import Struct as Packing
from types import TracebackType
from typing import NamedTuple, Self

from nfverify.cythonized.faults import BuildError
from nfverify.oracles.platforms.xdp.btf import Btf, Layout
from nfverify.oracles.platforms.xdp.libbpf import OpenOpts, TestRunOpts, XdpContext, check, libbpf
from nfverify.oracles.platforms.xdp.maps import Map

META = Packing("=QII")  # struct nf_meta: time in ns, port, where the verdict's port comes
LONGEST = 65_535  # bytes of a frame
SHORTEST = 14
_LOG = 1 << 22  # bytes of what the verifier says
_SHOWN = 30  # its last lines
_SECTIONS = (".data", ".bss", ".rodata")


class Verdict(NamedTuple):
    """What a program says of a frame: its return code, the port in the metadata, the frame now."""

    code: int
    out: int
    frame: bytes


class Loaded:
    """The programs and maps of one object. Close it, or use it as a context manager.

    `settings` are variables of .rodata by name, set before the verifier looks.
    """

    def __init__(self, data: bytes, name: str, settings: Mapping[str, int]) -> None:
        self._lib = libbpf()
        self._data = ctypes.create_string_buffer(data, len(data))
        self._lib.said.clear()
        options = OpenOpts(sz=sizeof(OpenOpts), object_name=name.encode())
        self._object = self._lib.bpf_object__open_mem(self._data, len(data), byref(options))
        if not self._object:
            raise BuildError("\n".join([f"{name}: libbpf can't open the object", *self._lib.said]))
        try:
            self._load(name, settings)
        except BaseException:
            self.close()
            raise
        frame = LONGEST + META.size
        self._in = ctypes.create_string_buffer(frame)
        self._out = ctypes.create_string_buffer(frame)
        self._context, self._after = XdpContext(), XdpContext()
        self._run = TestRunOpts(sz=sizeof(TestRunOpts))

    def _load(self, name: str, settings: Mapping[str, int]) -> None:
        size = c_uint32()
        btf = self._lib.bpf_object__btf(self._object)
        if not btf:
            raise BuildError(f"{name}: the object has no BTF; compile it with -g")
        self.btf = Btf(ctypes.string_at(self._lib.btf__raw_data(btf, byref(size)), size.value))
        maps = {self._lib.bpf_map__name(m).decode(): m for m in self._each("map")}
        programs = {self._lib.bpf_program__name(p).decode(): p for p in self._each("program")}
        for title, value in settings.items():
            self._set(maps, title, value)
        initial = {title: self._initial(found) for title, found in maps.items()}
        logs = {title: ctypes.create_string_buffer(_LOG) for title in programs}
        for title, program in programs.items():
            self._lib.bpf_program__set_log_buf(program, logs[title], _LOG)
        failed = self._lib.bpf_object__load(self._object)
        if failed:
            said = "".join(log.value.decode(errors="replace") for log in logs.values())
            lines = said.strip().splitlines()[-_SHOWN:] or [*self._lib.said, f"errno {-failed}"]
            raise BuildError(f"{name}: the kernel refuses the program\n" + "\n".join(lines))
        self.programs = {
            title: self._lib.bpf_program__fd(found) for title, found in programs.items()
        }
        self.maps = {
            title: Map.of(self.btf, title, found, initial[title]) for title, found in maps.items()
        }

    def _each(self, what: str) -> Iterator[int]:
        step = getattr(self._lib, f"bpf_object__next_{what}")
        found = step(self._object, None)
        while found:
            yield found
            found = step(self._object, found)

    def _initial(self, found: int) -> bytes | None:
        """What a section's map holds at the start."""
        size = c_size_t()
        value = self._lib.bpf_map__initial_value(found, byref(size))
        return ctypes.string_at(value, size.value) if value else None

    def _set(self, maps: Mapping[str, int], title: str, value: int) -> None:
        """A variable of .rodata; those that a program doesn't have are left out."""
        at, layout = self.btf.section(".rodata").get(title, (0, None))
        section = next((m for n, m in maps.items() if n.endswith(".rodata")), None)
        if layout is None or section is None:
            return
        size = c_size_t()
        start = self._lib.bpf_map__initial_value(section, byref(size))
        ctypes.memmove(start + at, value.to_bytes(layout.size, "little"), layout.size)

    # Variables -----------------------------------------------------------------------------

    def variable(self, name: str) -> tuple[Map, int, Layout] | None:
        """Where a global variable lies: the map of its section, its offset there, its layout."""
        for found in self.maps.values():
            for section in self.sections(found.name):
                at, layout = self.btf.section(section).get(name, (0, None))
                if layout is not None:
                    return found, at, layout
        return None

    @staticmethod
    def sections(title: str) -> Iterator[str]:
        """By which names the section of a map may stand in BTF."""
        yield title
        for name in _SECTIONS:
            if title.endswith(name):
                yield name

    def reset(self) -> None:
        """All maps as they were when the object was loaded."""
        for found in self.maps.values():
            found.reset()

    # Frames --------------------------------------------------------------------------------

    def test(self, program: int, frame: bytes, time: int, port: int, *, repeat: int = 1) -> Verdict:
        """A program on one frame that came at a time, ns, by a port; with `repeat`, again and again
        on what it made of it. OSError: the kernel can't."""
        size = META.size + len(frame)
        META.pack_into(self._in, 0, time, port, 0)
        ctypes.memmove(ctypes.byref(self._in, META.size), frame, len(frame))
        self._context.data, self._context.data_end = META.size, size
        run = self._run
        run.data_in, run.data_size_in = ctypes.addressof(self._in), size
        run.data_out, run.data_size_out = ctypes.addressof(self._out), len(self._out)
        run.ctx_in, run.ctx_size_in = ctypes.addressof(self._context), sizeof(XdpContext)
        run.ctx_out, run.ctx_size_out = ctypes.addressof(self._after), sizeof(XdpContext)
        run.repeat = repeat
        check(self._lib.bpf_prog_test_run_opts(program, byref(run)), "the test run of a program")
        data = ctypes.string_at(self._out, run.data_size_out)
        _, _, out = META.unpack_from(data)
        return Verdict(run.retval, out, data[META.size :])

    # The end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Unloads what nothing else holds."""
        if self._object:
            self._lib.bpf_object__close(self._object)
            self._object = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(AttributeError):
            self.close()
