"""Captures: both formats, both byte orders, every resolution, and what is no capture."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter, PcapReader, PcapWriter, RawPcapNgReader, RawPcapReader

from nfverify.packet.pcap import MAX_CAPTURED, Capture, CaptureError, Record, Writer, read

FRAMES = [bytes(14), bytes(range(60)), b"x" * 1514]


class Trickle(io.RawIOBase):
    """An unbuffered stream without seek that gives at most 3 bytes at a time, as pipes may."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        chunk, self.data = self.data[: min(3, len(view))], self.data[min(3, len(view)) :]
        view[: len(chunk)] = chunk
        return len(chunk)


def records(data: bytes) -> list[Record]:
    return list(read(io.BytesIO(data)))


def failure(data: bytes) -> tuple[list[Record], CaptureError]:
    """The packets before the error, and the error; the same from a stream that trickles."""
    results = [drain(stream) for stream in (io.BytesIO(data), Trickle(data))]
    (seen, error), (other, again) = results
    assert error is not None
    assert again is not None
    assert (seen, error.offset, error.reason) == (other, again.offset, again.reason)
    return seen, error


def drain(stream: io.IOBase) -> tuple[list[Record], CaptureError | None]:
    """The records of a stream, and the error that they ended with."""
    seen: list[Record] = []
    try:
        # `extend` keeps what came before the error.
        seen.extend(read(stream))  # type: ignore[arg-type]
    except CaptureError as e:
        return seen, e
    return seen, None


# pcap


def header(
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    *,
    version: tuple[int, int] = (2, 4),
    snap: int = 65_535,
    link: int = 1,
) -> bytes:
    return struct.pack(order + "IHHiIII", magic, *version, 0, 0, snap, link)


def record(
    frame: bytes,
    seconds: int = 1,
    fraction: int = 2,
    *,
    order: str = "<",
    length: int | None = None,
    original: int | None = None,
) -> bytes:
    captured = len(frame) if length is None else length
    on_wire = captured if original is None else original
    return struct.pack(order + "IIII", seconds, fraction, captured, on_wire) + frame


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("magic", "unit", "top"), [(0xA1B2C3D4, 1_000, 999_999), (0xA1B23C4D, 1, 999_999_999)]
)
def test_pcap_of_both_resolutions_and_byte_orders(
    order: str, magic: int, unit: int, top: int
) -> None:
    data = header(order, magic)
    data += record(FRAMES[0], 0, 0, order=order)
    data += record(FRAMES[1], 2**32 - 1, top, order=order, original=9_000)
    capture = read(io.BytesIO(data))
    assert capture.nanosecond == (unit == 1)
    assert list(capture) == [
        Record(0, FRAMES[0], 14),
        Record((2**32 - 1) * 10**9 + top * unit, FRAMES[1], 9_000),
    ]


def test_a_capture_without_packets_and_one_of_an_empty_packet() -> None:
    assert records(header()) == []
    assert records(header() + record(b"")) == [Record(1_000_002_000, b"", 0)]


def test_the_files_snap_length_is_not_held_against_its_records() -> None:
    """Tools write 0, or less than they captured; the bound on memory is our own."""
    assert len(records(header(snap=0) + record(FRAMES[2]))) == 1
    assert len(records(header(snap=10) + record(b"y" * MAX_CAPTURED))) == 1


def test_fcs_bits_of_the_link_type_are_no_other_link_type() -> None:
    assert len(records(header(link=0x5000_0001) + record(FRAMES[0]))) == 1


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        (b"", 0, "not a capture (pcap or pcapng): it is empty"),
        (b"PK\3\4 ...", 0, "not a capture (pcap or pcapng): it starts with 50 4b 03 04"),
        (b"\xd4\xc3", 0, "not a capture (pcap or pcapng): it starts with d4 c3"),
        (b"\x1f\x8b\x08\x00", 0, "gzip data: decompress it first"),
        (b"\x28\xb5\x2f\xfd", 0, "zstd data: decompress it first"),
        (header(magic=0xA1B2CD34), 0, "a modified pcap of old Linux systems: convert it, e.g. "
         "with editcap"),
        (header(version=(2, 3)), 4, "pcap version 2.3, not 2.4"),
        (header(version=(543, 0)), 4, "pcap version 543.0, not 2.4"),
        (header(link=101), 20, "link type 101 (raw IP), not Ethernet (1)"),
        (header(">", link=113), 20, "link type 113 (Linux cooked), not Ethernet (1)"),
        (header(link=147), 20, "link type 147 (unknown here), not Ethernet (1)"),
        (header()[:23], 23, "the file ends inside the file header: 19 of 20 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_capture_of_ethernet(data: bytes, offset: int, reason: str) -> None:
    seen, error = failure(data)
    assert seen == []
    assert (error.offset, error.reason) == (offset, reason)
    assert str(error) == f"<stream>: byte {offset}: {reason}"


@pytest.mark.parametrize(
    ("tail", "offset", "reason"),
    [
        (record(b"")[:15], 15, "the file ends inside a record header"),
        (record(b"abc")[:-1], 18, "the file ends inside a packet: 2 of 3 bytes"),
        (record(b"abc", length=2**18), 19, "the file ends inside a packet: 3 of 262144 bytes"),
        (record(b"abc", length=2**18 + 1), 8, "a packet of 262145 captured bytes; at most 262144 "
         "are read"),
        (record(b"abc", length=2**32 - 1), 8, "a packet of 4294967295 captured bytes; at most "
         "262144 are read"),
        (record(b"abc", 1, 10**6), 4, "fraction of a second 1000000 is not below 1000000"),
    ],
)  # fmt: skip
def test_a_broken_record_after_good_ones(tail: bytes, offset: int, reason: str) -> None:
    good = header() + record(FRAMES[0]) + record(FRAMES[1])
    seen, error = failure(good + tail)
    assert [r.frame for r in seen] == FRAMES[:2]
    assert (error.offset, error.reason) == (len(good) + offset, reason)


def test_ns_fractions_are_below_a_second() -> None:
    _, error = failure(header(magic=0xA1B23C4D) + record(b"", 0, 10**9))
    assert error.reason == "fraction of a second 1000000000 is not below 1000000000"


@pytest.mark.parametrize("nanosecond", [False, True])
def test_each_prefix_gives_its_whole_packets_then_an_error(nanosecond: bool) -> None:
    stream = io.BytesIO()
    writer = Writer(stream, nanosecond)
    ends = [stream.tell()]
    for frame in (b"", b"ab", b"cdefg"):
        writer.write(0, frame)
        ends.append(stream.tell())
    whole = stream.getvalue()
    for length in range(len(whole)):
        prefix = whole[:length]
        if length in ends:
            assert len(records(prefix)) == ends.index(length)
        else:
            seen, error = failure(prefix)
            assert len(seen) == max(sum(e <= length for e in ends) - 1, 0)
            assert error.offset <= length


# pcapng


def block(kind: int, body: bytes, order: str = "<", length: int | None = None) -> bytes:
    body += bytes(-len(body) % 4)
    total = struct.pack(order + "I", len(body) + 12 if length is None else length)
    return struct.pack(order + "I", kind) + total + body + total


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order: str = "<", *, version: tuple[int, int] = (1, 0), options: bytes = b"") -> bytes:
    body = struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1) + options
    return block(0x0A0D0D0A, body, order)


def interface(order: str = "<", *, link: int = 1, snap: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def resolution(value: int, order: str = "<") -> bytes:
    return option(9, bytes((value,)), order)


def enhanced(
    frame: bytes,
    stamp: int,
    *,
    order: str = "<",
    number: int = 0,
    length: int | None = None,
    original: int | None = None,
    options: bytes = b"",
) -> bytes:
    captured = len(frame) if length is None else length
    on_wire = captured if original is None else original
    head = struct.pack(order + "IIIII", number, stamp >> 32, stamp & 0xFFFFFFFF, captured, on_wire)
    return block(6, head + frame + bytes(-len(frame) % 4) + options, order)


@pytest.mark.parametrize("order", "<>")
def test_pcapng_in_both_byte_orders(order: str) -> None:
    data = section(order, options=option(4, b"tool", order))
    data += interface(order, options=option(2, b"eth0", order) + option(0, b"", order))
    data += enhanced(b"abcde", 1_700_000_000_123_456, order=order, original=77)
    assert records(data) == [Record(1_700_000_000_123_456_000, b"abcde", 77)]


@pytest.mark.parametrize(
    ("tsresol", "stamp", "time_ns", "nanosecond"),
    [
        (0, 3, 3_000_000_000, False),
        (3, 1_500, 1_500_000_000, False),
        (6, 1_500_001, 1_500_001_000, False),
        (7, 15_000_001, 1_500_000_100, True),
        (9, 1_500_000_001, 1_500_000_001, True),
        (12, 1_500_000_001_999, 1_500_000_001, True),
        (19, 2**64 - 1, 1_844_674_407, True),
        (127, 2**64 - 1, 0, True),
        (0x80, 3, 3_000_000_000, False),
        (0x80 | 10, 1_536, 1_500_000_000, False),
        (0x80 | 20, 1, 953, True),
        (0x80 | 32, 3 << 31, 1_500_000_000, True),
        (0xFF, 2**64 - 1, 0, True),
    ],
)
def test_time_resolutions_of_interfaces(
    tsresol: int, stamp: int, time_ns: int, nanosecond: bool
) -> None:
    data = section() + interface(options=resolution(tsresol)) + enhanced(b"", stamp)
    capture = read(io.BytesIO(data))
    assert capture.nanosecond == nanosecond
    assert [r.time_ns for r in capture] == [time_ns]


def test_options_are_padded_to_words_and_end_where_they_say() -> None:
    for length in range(6):
        options = option(2, b"x" * length) + resolution(9) + option(0, b"") + resolution(3)
        data = section() + interface(options=options) + enhanced(b"", 5)
        assert [r.time_ns for r in records(data)] == [5]


@pytest.mark.parametrize("order", "<>")
def test_time_offsets_of_interfaces(order: str) -> None:
    for seconds in (5, -1):
        options = option(14, struct.pack(order + "q", seconds), order)
        data = section(order) + interface(order, options=options)
        data += enhanced(b"", 1_000_001, order=order)
        assert [r.time_ns for r in records(data)] == [(seconds + 1) * 10**9 + 1_000]


def test_each_interface_has_its_own_resolution_and_each_section_its_own_interfaces() -> None:
    data = section() + interface() + interface(options=resolution(9))
    data += enhanced(b"a", 7, number=1) + enhanced(b"b", 7)
    data += section(">") + interface(">", options=resolution(3, ">")) + enhanced(b"c", 7, order=">")
    assert [(r.time_ns, r.frame) for r in records(data)] == [
        (7, b"a"),
        (7_000, b"b"),
        (7_000_000, b"c"),
    ]
    _, error = failure(data + enhanced(b"d", 0, number=1, order=">"))
    assert error.reason == "a packet of interface 1; 1 are described"


def test_simple_packets_take_the_latest_stamp_and_the_snap_length() -> None:
    simple = block(3, struct.pack("<I", 9) + b"abcd")
    data = section() + interface(snap=4) + simple + enhanced(b"", 5) + enhanced(b"", 3) + simple
    assert records(data) == [
        Record(0, b"abcd", 9),
        Record(5_000, b"", 0),
        Record(3_000, b"", 0),
        Record(5_000, b"abcd", 9),
    ]
    whole = block(3, struct.pack("<I", 3) + b"abc")
    assert records(section() + interface() + whole) == [Record(0, b"abc", 3)]


def test_the_packet_block_of_before() -> None:
    body = struct.pack("<HHIIII", 1, 3, 0, 9, 3, 5) + b"abc"
    data = section() + interface() + interface(options=resolution(9)) + block(2, body)
    assert records(data) == [Record(9, b"abc", 5)]


def test_other_blocks_are_skipped_whatever_their_length() -> None:
    big = block(0x0BAD, bytes(3_000_000)) + block(5, bytes(8)) + block(4, b"")
    data = section() + big + interface() + big + enhanced(b"ab", 1)
    assert [r.frame for r in records(data)] == [b"ab"]
    with read(Trickle(section() + interface() + block(5, bytes(999)) + enhanced(b"ab", 1))) as c:  # type: ignore[arg-type]
        assert [r.frame for r in c] == [b"ab"]


START = section() + interface()


@pytest.mark.parametrize(
    ("tail", "offset", "reason"),
    [
        (b"\6\0\0\0\0\0", 6, "the file ends inside a block header"),
        (enhanced(b"abcd", 0)[:-5], 31, "the file ends inside a block: 23 of 24 bytes"),
        (enhanced(b"abcd", 0)[:-1], 35, "the file ends inside a block: 3 of 4 bytes"),
        (block(6, bytes(20), length=8), 4, "block length 8 is not a multiple of 4 from 12 up"),
        (block(6, bytes(20), length=0), 4, "block length 0 is not a multiple of 4 from 12 up"),
        (block(5, bytes(20), length=33), 4, "block length 33 is not a multiple of 4 from 12 up"),
        (block(5, bytes(24), length=34), 4, "block length 34 is not a multiple of 4 from 12 up"),
        (block(6, b"", length=2**32 - 4), 4, "a block of 4294967292 bytes; at most 1048576 are "
         "read"),
        (block(6, bytes(16)), 0, "a packet block of 28 bytes, not at least 32"),
        (enhanced(b"abcd", 0, length=5), 20, "a packet of 5 bytes leaves its block"),
        (enhanced(b"abcd", 0, length=2**18 + 1), 20, "a packet of 262145 captured bytes; at most "
         "262144 are read"),
        (enhanced(b"abcd", 0, number=1), 8, "a packet of interface 1; 1 are described"),
        (enhanced(b"", 2**62 // 1000 + 1), 12, f"the time {(2**62 // 1000 + 1) * 1000} ns is not "
         "in 0 to 2**62 - 1"),
        (block(6, bytes(20))[:-4] + b"\x24\0\0\0", 28, "block length 32 is repeated as 36 at its "
         "end"),
        (block(5, bytes(20))[:-4] + b"\x24\0\0\0", 28, "block length 32 is repeated as 36 at its "
         "end"),
        (block(3, b""), 0, "a simple packet block of 12 bytes"),
        (block(3, struct.pack("<I", 5) + b"abcd"), 8, "a packet of 5 bytes leaves its block"),
        (block(3, struct.pack("<I", 2**31)), 8, "a packet of 2147483648 captured bytes; at most "
         "262144 are read"),
        (block(1, bytes(4)), 0, "an interface block of 16 bytes, not at least 20"),
        (interface(options=option(9, b"")), 16, "if_tsresol of 0 bytes, not 1"),
        (interface(options=option(14, b"1234")), 16, "if_tsoffset of 4 bytes, not 8"),
        (interface(options=b"\x02\0\x08\0abcd"), 16, "an option of 8 bytes leaves its block"),
        (section()[:8] + b"\1\2\3\4" + section()[12:], 8, "no pcapng byte-order magic: 01 02 03 "
         "04"),
        (section(version=(2, 0)), 12, "pcapng version 2.0, not 1.0"),
        (block(0x0A0D0D0A, struct.pack("<IHH", 0x1A2B3C4D, 1, 0)), 4, "a section header of 20 "
         "bytes, not at least 28"),
        (block(0x0A0D0D0A, struct.pack("<IHHI", 0x1A2B3C4D, 1, 0, 0)), 4, "a section header of 24 "
         "bytes, not at least 28"),
        (section()[:-1], 27, "the file ends inside a block: 3 of 4 bytes"),
    ],
)  # fmt: skip
def test_a_broken_block_after_good_ones(tail: bytes, offset: int, reason: str) -> None:
    good = START + enhanced(b"good", 1)
    seen, error = failure(good + tail)
    assert [r.frame for r in seen] == [b"good"]
    assert (error.offset, error.reason) == (len(good) + offset, reason)


def test_an_interface_that_is_not_ethernet_is_an_error_at_its_first_packet() -> None:
    data = START + interface(link=113) + enhanced(b"a", 0)
    assert len(records(data)) == 1
    seen, error = failure(data + enhanced(b"b", 0, number=1))
    assert len(seen) == 1
    assert error.reason == "link type 113 (Linux cooked), not Ethernet (1)"
    _, error = failure(section() + enhanced(b"", 0))
    assert error.reason == "a packet of interface 0; 0 are described"


def test_times_end_below_2_to_the_62() -> None:
    ns = section() + interface(options=resolution(9))
    assert records(ns + enhanced(b"", 2**62 - 1))[0].time_ns == 2**62 - 1
    _, error = failure(ns + enhanced(b"", 2**62))
    assert error.reason == f"the time {2**62} ns is not in 0 to 2**62 - 1"
    early = section() + interface(options=option(14, struct.pack("<q", -2)))
    _, error = failure(early + enhanced(b"", 1))
    assert error.reason == "the time -1999999000 ns is not in 0 to 2**62 - 1"


def test_the_number_of_interfaces_is_bounded() -> None:
    data = section() + interface() * 65_536
    assert records(data) == []
    _, error = drain(io.BytesIO(data + interface()))
    assert error is not None
    assert error.reason == "more than 65536 interfaces"


@given(
    st.sampled_from(
        [
            START + enhanced(b"abcd", 7) + block(5, bytes(8)) + enhanced(b"ef", 8),
            section(">") + interface(">", options=resolution(9, ">")) + enhanced(b"", 1, order=">"),
            header() + record(b"abc") + record(b"defg"),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 160), st.integers(0, 255)), max_size=6),
    st.integers(0, 200),
)
def test_no_file_does_harm(data: bytes, changes: list[tuple[int, int]], length: int) -> None:
    """Damaged files give records within their bounds, then end or raise a CaptureError."""
    damaged = bytearray(data)
    for at, value in changes:
        if at < len(damaged):
            damaged[at] = value
    damaged = damaged[:length]
    seen, error = drain(io.BytesIO(bytes(damaged)))
    assert all(0 <= r.time_ns < 2**62 for r in seen)
    assert sum(len(r.frame) for r in seen) <= len(damaged)
    assert error is None or 0 <= error.offset <= len(damaged)


# The reader as an object


def test_nanosecond_reads_ahead_without_losing_anything() -> None:
    data = START + enhanced(b"a", 1) + enhanced(b"b", 2)
    capture = read(io.BytesIO(data))
    assert next(capture).frame == b"a"
    assert not capture.nanosecond
    assert [r.frame for r in capture] == [b"b"]
    capture = read(io.BytesIO(section()))
    assert not capture.nanosecond
    assert list(capture) == []


def test_an_error_found_ahead_is_raised_by_the_iteration() -> None:
    capture = read(io.BytesIO(START + b"\6\0\0"))
    assert not capture.nanosecond
    with pytest.raises(CaptureError):
        next(capture)
    with pytest.raises(StopIteration):
        next(capture)


def test_files_are_closed_and_named(tmp_path: Path) -> None:
    """That they are closed shows in that no ResourceWarning is raised."""
    path = tmp_path / "a.pcap"
    path.write_bytes(header() + record(b"a") + b"\0")
    with pytest.raises(CaptureError, match=f"^{path}: byte 42: the file ends inside a record"):
        list(read(path))
    with read(str(path)) as capture:
        assert isinstance(capture, Capture)
        assert next(capture).frame == b"a"
    path.write_bytes(b"none")
    with pytest.raises(CaptureError, match="not a capture"):
        read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.pcap")


def test_a_minus_is_standard_input() -> None:
    code = "from nfverify.packet.pcap import read; print([r.frame for r in read('-')])"
    data = header() + record(b"abc")
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout == b"[b'abc']\n"


def test_packets_of_a_pipe_come_as_they_are_written() -> None:
    """Nothing waits for the end of the stream, or seeks."""
    out, into = os.pipe()
    arrived = threading.Event()
    seen: list[bytes] = []

    def consume() -> None:
        with os.fdopen(out, "rb", buffering=0) as stream:
            for r in read(stream):  # type: ignore[arg-type]
                seen.append(r.frame)
                arrived.set()

    reader = threading.Thread(target=consume)
    reader.start()
    with os.fdopen(into, "wb", buffering=0) as stream:
        writer = Writer(stream, nanosecond=True)  # type: ignore[arg-type]
        writer.write(1, b"first")
        assert arrived.wait(10)
        writer.write(2, b"second")
    reader.join(10)
    assert seen == [b"first", b"second"]


# Writing


@given(
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 2**32 * 10**9 - 1), st.binary(max_size=20)), max_size=5),
)
def test_what_is_written_is_read(nanosecond: bool, packets: list[tuple[int, bytes]]) -> None:
    stream = io.BytesIO()
    writer = Writer(stream, nanosecond)
    for time_ns, frame in packets:
        writer.write(time_ns, frame, original_length=len(frame) + 1)
    unit = 1 if nanosecond else 1_000
    capture = read(io.BytesIO(stream.getvalue()))
    assert capture.nanosecond == nanosecond
    assert list(capture) == [Record(t // unit * unit, f, len(f) + 1) for t, f in packets]


def test_what_a_pcap_file_cannot_hold() -> None:
    writer = Writer(io.BytesIO(), nanosecond=False)
    for time_ns in (-1, 2**32 * 10**9):
        with pytest.raises(ValueError, match=f"can't hold the time {time_ns} ns"):
            writer.write(time_ns, b"")
    with pytest.raises(ValueError, match="a frame of 262145 bytes exceeds 262144"):
        writer.write(0, bytes(2**18 + 1))


# Against scapy


@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("endianness", "<>")
def test_pcap_of_scapy(tmp_path: Path, nano: bool, endianness: str) -> None:
    path = str(tmp_path / "s.pcap")
    with PcapWriter(path, nano=nano, endianness=endianness, linktype=1) as writer:
        writer.write_header(None)
        for i, frame in enumerate(FRAMES):
            writer.write_packet(frame, sec=i, usec=i + 5, caplen=len(frame), wirelen=2_000)
    unit = 1 if nano else 1_000
    with read(path) as capture:
        assert capture.nanosecond == nano
        assert list(capture) == [
            Record(i * 10**9 + (i + 5) * unit, frame, 2_000) for i, frame in enumerate(FRAMES)
        ]


def test_pcapng_of_scapy(tmp_path: Path) -> None:
    path = str(tmp_path / "s.pcapng")
    with PcapNgWriter(path) as writer:
        for i, frame in enumerate(FRAMES):
            packet = Ether(frame)
            packet.time = 1_700_000_000 + i
            writer.write(packet)
    with read(path) as capture, RawPcapNgReader(path) as theirs:
        ours = list(capture)
        assert [r.frame for r in ours] == [frame for frame, _ in theirs] == FRAMES
    assert [r.time_ns for r in ours] == [(1_700_000_000 + i) * 10**9 for i in range(len(FRAMES))]


@pytest.mark.parametrize("nanosecond", [False, True])
def test_scapy_reads_what_is_written(tmp_path: Path, nanosecond: bool) -> None:
    path = tmp_path / "w.pcap"
    with path.open("wb") as stream:
        writer = Writer(stream, nanosecond)
        for i, frame in enumerate(FRAMES):
            writer.write(i * 10**9 + 123_456_789, frame, 3_000)
    fraction = 123_456_789 if nanosecond else 123_456
    with RawPcapReader(str(path)) as theirs:
        assert theirs.nano == nanosecond
        assert theirs.linktype == 1
        got = [(frame, m.sec, m.usec, m.wirelen) for frame, m in theirs]
    assert got == [(frame, i, fraction, 3_000) for i, frame in enumerate(FRAMES)]
    with PcapReader(str(path)) as packets:
        assert [bytes(p) for p in packets] == FRAMES
