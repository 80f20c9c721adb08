"""One BPF map: rows of bytes, and how they lie."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from ctypes import byref, c_uint32
from dataclasses import dataclass
from mmap import PROT_READ, mmap
from pathlib import Path

from nfverify.oracles.platforms.xdp.btf import Btf, Layout
from nfverify.oracles.platforms.xdp.libbpf import check, libbpf

HASH, ARRAY = 1, 2  # bpf_map_type
_BATCH = 4096  # rows at once
_READ_ONLY = ".rodata"


class FullError(Exception):
    """More rows than a map has room for."""


@dataclass(frozen=True, slots=True)
class Map:
    """A map by its descriptor; `key` and `value` are None where BTF says nothing of them."""

    name: str
    fd: int
    type: int
    key_size: int
    value_size: int
    capacity: int
    key: Layout | None
    value: Layout | None
    initial: bytes | None  # of a data section's map

    @classmethod
    def of(cls, btf: Btf, name: str, found: int, initial: bytes | None) -> Map:
        """A map of an object that is loaded."""
        lib = libbpf()
        numbers = lib.bpf_map__btf_key_type_id(found), lib.bpf_map__btf_value_type_id(found)
        key, value = (btf.layout(n) if n and initial is None else None for n in numbers)
        sizes = lib.bpf_map__key_size(found), lib.bpf_map__value_size(found)
        room = lib.bpf_map__max_entries(found)
        kind = lib.bpf_map__type(found)
        return cls(name, lib.bpf_map__fd(found), kind, *sizes, room, key, value, initial)

    @property
    def id(self) -> int:
        """The kernel's number for it, as bpftool shows it."""
        lines = Path(f"/proc/self/fdinfo/{self.fd}").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("map_id:"))

    def get(self, key: bytes) -> bytes | None:
        """The value of a key."""
        value = ctypes.create_string_buffer(self.value_size)
        failed = libbpf().bpf_map_lookup_elem(self.fd, key, value)
        if failed and _number(failed) == errno.ENOENT:
            return None
        check(failed, f"reading {self.name}")
        return value.raw

    def view(self) -> memoryview:
        """The value of a data section, as it is at each look."""
        return memoryview(mmap(self.fd, self.value_size, prot=PROT_READ))

    def put(self, key: bytes, value: bytes) -> None:
        """Assigns a key. FullError."""
        failed = libbpf().bpf_map_update_elem(self.fd, key, value, 0)
        if failed and _number(failed) == errno.E2BIG:
            raise FullError(f"{self.name} has room for {self.capacity:,} keys")
        check(failed, f"writing {self.name}")

    def delete(self, key: bytes) -> None:
        """Takes a key away, if it is there."""
        failed = libbpf().bpf_map_delete_elem(self.fd, key)
        if failed and _number(failed) != errno.ENOENT:
            check(failed, f"writing {self.name}")

    def pin(self, path: Path) -> None:
        """Gives it a name in a bpffs. OSError."""
        check(libbpf().bpf_obj_pin(self.fd, os.fsencode(path)), f"pinning {self.name}")

    def rows(self, *, take: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """All keys with their values, in no order; with `take`, they are gone then."""
        lib = libbpf()
        read = lib.bpf_map_lookup_and_delete_batch if take else lib.bpf_map_lookup_batch
        room = min(_BATCH, self.capacity)
        keys = ctypes.create_string_buffer(self.key_size * room)
        values = ctypes.create_string_buffer(self.value_size * room)
        place = ctypes.create_string_buffer(max(self.key_size, 8))
        before = None
        while True:
            count = c_uint32(room)
            failed = read(self.fd, before, place, keys, values, byref(count), None)
            number = _number(failed) if failed else 0
            if number == errno.ENOSPC and room < self.capacity:  # a bucket with more rows
                room = min(2 * room, self.capacity)
                keys = ctypes.create_string_buffer(self.key_size * room)
                values = ctypes.create_string_buffer(self.value_size * room)
                continue
            if number != errno.ENOENT:
                check(failed, f"reading {self.name}")
            found, texts = keys.raw, values.raw
            for index in range(count.value):
                k, v = index * self.key_size, index * self.value_size
                yield found[k : k + self.key_size], texts[v : v + self.value_size]
            if number == errno.ENOENT:
                return
            before = place

    def clear(self) -> None:
        """Takes all keys away."""
        for _ in self.rows(take=True):
            pass

    def reset(self) -> None:
        """As it was when it was loaded: data sections as written, tables empty."""
        if self.initial is not None:
            if _READ_ONLY not in self.name:
                self.put(bytes(4), self.initial)
        elif self.type == HASH:
            self.clear()
        elif self.type == ARRAY:
            zero = bytes(self.value_size)
            for index in range(self.capacity):
                self.put(index.to_bytes(4, "little"), zero)


def _number(failed: int) -> int:
    """The errno of a call that failed."""
    return ctypes.get_errno() if failed == -1 else -failed
