"""eBPF objects in the kernel: loaded, run on frames, their maps read and written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from platforms import needs, require

from nfverify.cythonized.faults import BuildError
from nfverify.oracles.platforms.xdp.btf import Array, Btf, Scalar, Struct
from nfverify.oracles.platforms.xdp.loader import LONGEST, SHORTEST, Loaded
from nfverify.oracles.platforms.xdp.maps import FullError

pytestmark = needs("xdp")

PROGRAM = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef __u16 be16;
struct key { __u32 number; be16 port; __u8 pad0[2], address[4]; __u64 wide[2]; };
struct meta { __u64 time; __u32 port, out; };

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 3000);
    __type(key, struct key);
    __type(value, __u64);
} table SEC(".maps");

struct { __u64 now; struct { __s32 a; __u8 b[6]; } in; } state SEC(".data.state") = {.in.a = -5};
const volatile __u32 setting = 1;
__u32 runs;

SEC("xdp.frags")
int look(struct xdp_md *ctx)
{
    struct meta *meta = (void *)(long)ctx->data_meta;
    __u8 *data = (void *)(long)ctx->data;

    if ((void *)(meta + 1) > (void *)data || (void *)(data + 14) > (void *)(long)ctx->data_end)
        return XDP_ABORTED;
    state.now = meta->time;
    runs += setting;
    meta->out = meta->port + 1;
    data[0] ^= 0xff;
    return XDP_TX;
}

char _license[] SEC("license") = "GPL";
"""
UNSAFE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int reckless(struct xdp_md *ctx)
{
    return *(__u8 *)(long)ctx->data;
}
"""


def compiled(folder: Path, text: str, *flags: str) -> bytes:
    source = folder / "program.bpf.c"
    source.write_text(text)
    command = ["clang", "-O2", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu", *flags]
    done = subprocess.run([*command, "-c", str(source), "-o", "-"], capture_output=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    require("xdp")
    return compiled(tmp_path_factory.mktemp("xdp"), PROGRAM, "-g")


def test_frames_come_back_with_metadata(program: bytes) -> None:
    with Loaded(program, "seen", {"setting": 7, "unknown": 3}) as loaded:
        look = loaded.programs["look"]
        for length in (SHORTEST, 60, 1514, 3505, 9000, LONGEST):
            frame = bytes(index % 251 for index in range(length))
            verdict = loaded.test(look, frame, 1 << 61, 4)
            assert verdict == (3, 5, bytes([0xFF]) + frame[1:])
        with pytest.raises(OSError, match="test run"):
            loaded.test(look, bytes(SHORTEST - 1), 0, 0)
        held, at, _ = loaded.variable("runs") or pytest.fail("no variable")
        assert int.from_bytes((held.get(bytes(4)) or b"")[at : at + 4], "little") == 6 * 7


def test_layouts_are_those_of_the_compiler(program: bytes) -> None:
    with Loaded(program, "seen", {}) as loaded:
        key = loaded.maps["table"].key
        assert isinstance(key, Struct)
        assert dict(key.members) == {
            "number": (0, Scalar(4)),
            "port": (4, Scalar(2, big=True)),
            "pad0": (6, Array(Scalar(1), 2)),
            "address": (8, Array(Scalar(1), 4)),
            "wide": (16, Array(Scalar(8), 2)),
        }
        assert loaded.maps["table"].value == Scalar(8)
        held, at, layout = loaded.variable("state") or pytest.fail("no variable")
        assert isinstance(layout, Struct)
        where, inner = layout.members["in"]
        assert inner == Struct(12, {"a": (0, Scalar(4)), "b": (4, Array(Scalar(1), 6))})
        live = held.view()
        assert int.from_bytes(live[at + where : at + where + 4], "little", signed=True) == -5
        loaded.test(loaded.programs["look"], bytes(64), 99, 0)
        assert int.from_bytes(live[at : at + 8], "little") == 99
        loaded.reset()
        assert int.from_bytes(live[at : at + 8], "little") == 0


def test_tables_are_read_written_and_emptied(program: bytes) -> None:
    with Loaded(program, "seen", {}) as loaded:
        table = loaded.maps["table"]
        rows = {n.to_bytes(table.key_size, "big"): n.to_bytes(8, "little") for n in range(3000)}
        for key, value in rows.items():
            table.put(key, value)
        with pytest.raises(FullError, match="3,000 keys"):
            table.put(b"\1" * table.key_size, bytes(8))
        assert dict(table.rows()) == rows
        first = next(iter(rows))
        table.delete(first)
        table.delete(first)
        assert table.get(first) is None
        assert len(list(table.rows(take=True))) == 2999
        assert list(table.rows()) == []


def test_what_the_verifier_says_is_shown(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)wild: the kernel refuses.*invalid access to packet"):
        Loaded(compiled(tmp_path, UNSAFE, "-g"), "wild", {})
    with pytest.raises(BuildError, match="no BTF"):
        Loaded(compiled(tmp_path, UNSAFE), "bare", {})
    with pytest.raises(BuildError, match="can't open"):
        Loaded(b"no object", "broken", {})


def test_no_btf() -> None:
    with pytest.raises(ValueError, match="no BTF"):
        Btf(bytes(24))
