"""The C reader of captures: the same records, or the same complaint, as the reference's."""

import io
import struct
import subprocess
from pathlib import Path
from random import Random

import pytest
from hostile_captures import MAGIC, block, damaged, pcap, pcapng

from nfverify.packet.pcap import CaptureError, read

DRIVER = Path(__file__).parent / "c" / "pcap_driver.c"


@pytest.fixture
def driver(compile_c, tmp_path):
    """What the C reader finds in each capture: records, finer than us, the error's text."""
    binary = compile_c(DRIVER, flags=("-Wno-unused-function", "-O1"))

    def run(captures, most):
        container, out = tmp_path / "in", tmp_path / "out"
        container.write_bytes(b"".join(struct.pack("<I", len(c)) + c for c in captures))
        done = subprocess.run(
            [str(binary), str(container), str(out), str(most)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        data, at = out.read_bytes(), 0
        for _ in captures:
            (count,) = struct.unpack_from("<I", data, at)
            at, found = at + 4, []
            for _ in range(count):
                time, length, original = struct.unpack_from("<QII", data, at)
                found.append((time, data[at + 16 : at + 16 + length], original))
                at += 16 + length
            finer, length = struct.unpack_from("<BI", data, at)
            yield found, bool(finer), data[at + 5 : at + 5 + length].decode()
            at += 5 + length
        assert at == len(data)

    return run


def reference(data):
    """The same from the reference's reader."""
    found, finer, error = [], False, ""
    try:
        with read(io.BytesIO(data)) as capture:
            finer = capture.nanosecond
            for time, frame, original in capture:
                found.append((time, frame, max(original, len(frame))))
    except CaptureError as e:
        error = str(e)
    return found, finer, error


def compare(driver, captures, most=0):
    for data, (found, finer, error) in zip(captures, driver(captures, most), strict=True):
        expected, expected_finer, message = reference(data)
        assert error == message
        assert found == expected
        if found:
            assert finer == expected_finer


@pytest.mark.parametrize("most", [0, 1, 7, 4_096])
def test_captures_are_read_as_by_the_reference(driver, most):
    rng = Random(most)
    captures = []
    for _ in range(400):
        whole = rng.choice((pcap, pcapng))(rng)
        captures.append(whole)
        captures += [damaged(rng, whole) for _ in range(3)]
    compare(driver, captures, most)


def test_every_truncation(driver):
    rng = Random(1)
    for make in (pcap, pcapng):
        whole = max((make(rng) for _ in range(20)), key=len)[:2_000]
        compare(driver, [whole[:n] for n in range(len(whole))])


def test_what_is_no_capture(driver):
    magics = (b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\x34\xcd\xb2\xa1", b"\xa1\xb2\xcd\x34")
    other = [b"PK\3\4 ...", b"\xd4\xc3", b"\x1f\x8b", b"\x0a\x0d\x0d\x0a", b"\n"]
    links = [struct.pack("<IHHiIII", MAGIC[0], 2, 4, 0, 0, 9, n) for n in (0, 9, 12, 113, 276, 999)]
    versions = [struct.pack("<IHHiIII", MAGIC[0], a, b, 0, 0, 9, 1) for a, b in ((2, 3), (543, 4))]
    compare(driver, [b"", *(m + bytes(60) for m in magics), *other, *links, *versions])


def test_large_records_and_blocks(driver):
    """As large as they may be, larger, and beyond what is read at once."""
    captures = []
    for length in (262_143, 262_144, 262_145, 2**32 - 1):
        frame = bytes(min(length, 262_145))
        record = struct.pack("<IIII", 1, 2, length, length) + frame
        head = struct.pack("<IHHiIII", MAGIC[0], 2, 4, 0, 0, 65_535, 1)
        captures += [head + record * 3, head + struct.pack("<IIII", 0, 0, 3, 3) + b"abc" + record]
    section = block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block("<", 1, struct.pack("<HHI", 1, 0, 0))
    for size in ((1 << 20) - 12 - 20 - 8, (1 << 20) - 12 - 20, 3_000_000):
        head = struct.pack("<IIIII", 0, 0, 5, 4, 4) + b"abcd" + bytes(size)
        for kind in (6, 0x0BAD):
            last = block("<", 6, struct.pack("<IIIII", 0, 0, 5, 4, 4) + b"efgh")
            captures.append(section + interface + block("<", kind, head) + last)
    compare(driver, captures)


def test_too_many_interfaces(driver):
    section = block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block("<", 1, struct.pack("<HHI", 1, 0, 0))
    packet = block("<", 6, struct.pack("<IIIII", 65_535, 0, 5, 0, 0))
    compare(driver, [section + interface * n + packet for n in (65_535, 65_536, 65_537)])
