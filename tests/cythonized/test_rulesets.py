"""Compiled rulesets against their own rows: a scan in C on many packets, the reference on some."""

import os
import random
import subprocess
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import pytest

from nfverify.cythonized import rulesets
from nfverify.cythonized.rulesets import RulesetCode, ruleset_code, simplified
from nfverify.lang.source import NOWHERE
from nfverify.packet.fields import FIELDS
from nfverify.smat.ruleset import COLUMNS, Bounds, Row, Ruleset, full, load_csv

ACL = Path(__file__).resolve().parents[2] / "examples" / "acl"
FILES = sorted(ACL.rglob("*.csv"))
DRIVER = Path(__file__).parent / "c" / "ruleset_driver.c"
TYPES = {8: "u8", 16: "u16", 32: "u32", 128: "u128"}
Make = Callable[[Ruleset, str], RulesetCode]
# Rows that one check scans, of all its packets: a quarter of a second. As many as asked for with
# NFVERIFY_SEEK=1.
SEEK = bool(os.environ.get("NFVERIFY_SEEK"))
SCANNED = 1 << 50 if SEEK else 100_000_000


class Classifier:
    """A ruleset compiled beside its scan."""

    def __init__(
        self,
        compile_c: Callable[..., Path],
        folder: Path,
        ruleset: Ruleset,
        make: Make,
        flags: tuple[str, ...],
    ) -> None:
        fast, slow = make(ruleset, "fast"), ruleset_code(ruleset, "slow", classifier=False)
        self.ruleset, self.kind, self.folder = ruleset, fast.kind, folder
        values = ", ".join(
            f"({TYPES[FIELDS[c].width]})(v)[{i}]" for i, c in enumerate(ruleset.columns)
        )
        header = folder / "rules.h"
        header.write_text(
            f'#include "nf_base.h"\n#define COLUMNS {len(ruleset.columns)}\n'
            f"#define CALL(f, v) ((void)(v), f({values}))\n{fast.header}{slow.header}"
        )
        self.program = compile_c(DRIVER, flags=(f'-DRULES="{header}"', *flags))

    def check(self, packets: int) -> int:
        """How many of so many packets (of fewer with many rows) accept; fails where the classifier
        isn't the scan."""
        packets = min(packets, SCANNED // max(1, len(self.ruleset.rows)))
        bounds = [b for row in self.ruleset.rows for pair in row.bounds for b in pair]
        done = self._run("check", bounds, str(packets))
        return int(done)

    def verdicts(self, points: Sequence[Sequence[int]]) -> list[bool]:
        return [bool(byte) for byte in self._run("verdicts", [v for p in points for v in p])]

    def kilobytes(self) -> int:
        return int(self._run("time", [], "1").split()[1])

    def _run(self, mode: str, numbers: Sequence[int], *more: str) -> bytes:
        file = self.folder / mode
        file.write_bytes(b"".join((n % (1 << 128)).to_bytes(16, "little") for n in numbers))
        done = subprocess.run([self.program, mode, file, *more], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


Compiled = Callable[..., Classifier]


@pytest.fixture
def compiled(compile_c: Callable[..., Path], tmp_path: Path) -> Compiled:
    def one(ruleset: Ruleset, make: Make = ruleset_code, flags: tuple[str, ...] = ()) -> Classifier:
        return Classifier(compile_c, tmp_path, ruleset, make, flags)

    return one


def as_boxes(ruleset: Ruleset, name: str) -> RulesetCode:
    return rulesets._boxes(ruleset, name, simplified(ruleset))


def as_bits(ruleset: Ruleset, name: str) -> RulesetCode:
    code = rulesets._bits(ruleset, name, simplified(ruleset))
    assert code is not None
    return code


def points(ruleset: Ruleset, count: int, rng: random.Random) -> list[list[int]]:
    """Packets at, inside, next to and away from the rows."""
    tops = [full(column)[1] for column in ruleset.columns]
    found = []
    for _ in range(count):
        row = rng.choice(ruleset.rows) if ruleset.rows else Row(True, tuple((0, t) for t in tops))
        point = []
        for (lo, hi), top in zip(row.bounds, tops, strict=True):
            inside = rng.randint(min(lo, hi), max(lo, hi))
            value = rng.choice((lo, hi, inside, inside, lo - 1, hi + 1, rng.randint(0, top)))
            point.append(min(max(value, 0), top))
        found.append(point)
    return found


def load(path: Path) -> Ruleset:
    return load_csv(path.name, path.parent, {}, NOWHERE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_classbench(path: Path, compiled: Compiled) -> None:
    ruleset = load(path)
    classifier = compiled(ruleset)
    assert classifier.kind == "bits"
    rows = len(ruleset.rows)
    assert classifier.check(1_000_000 if rows < 1000 else 200_000) > 0
    sample = points(ruleset, 2000, random.Random(rows))
    assert classifier.verdicts(sample) == [ruleset.accepts(p) for p in sample]


@pytest.mark.parametrize("name", ["acl1.1k", "fw1.1k", "ipc1.1k"])
def test_boxes(name: str, compiled: Compiled) -> None:
    classifier = compiled(load(next(p for p in FILES if p.stem == name)), as_boxes)
    assert classifier.kind == "boxes"
    assert classifier.check(500_000) > 0


def drawn_bounds(column: str, rng: random.Random, *, prefixes: bool) -> Bounds:
    """Anything, one value, a prefix, or any range, of which some hold nothing."""
    top, width = full(column)[1], FIELDS[column].width
    at = rng.getrandbits(width)
    match rng.randrange(5):
        case 0 | 1:
            return 0, top
        case 2:
            return at, at
        case 3 if not prefixes:
            return at, rng.getrandbits(width)
    low = rng.randrange(width + 1)
    return at >> low << low, (at >> low << low) + (1 << low) - 1


def drawn_ruleset(columns: tuple[str, ...], rows: int, seed: int, *, prefixes: bool) -> Ruleset:
    rng = random.Random(seed)
    drawn = [
        Row(rng.random() < 0.5, tuple(drawn_bounds(c, rng, prefixes=prefixes) for c in columns))
        for _ in range(rows)
    ]
    drawn += [rng.choice(drawn) for _ in range(rows // 8)]
    return Ruleset("drawn", columns, tuple(drawn))


FIVE = ("sip", "dip", "sport", "dport", "proto")


DRAWN = [
    *product((FIVE, COLUMNS), (1, 5, 12, 31, 60, 130, 700, 1500), (False, True)),
    *product((("sip6", "iface"), ("proto",), ("dport",)), (12, 200), (False, True)),
]


# Every other one, in turn ranges and prefixes; all with NFVERIFY_SEEK=1: each is a build.
@pytest.mark.parametrize(
    ("columns", "rows", "prefixes"), DRAWN if SEEK else DRAWN[::4] + DRAWN[3::4]
)
def test_drawn(columns: tuple[str, ...], rows: int, prefixes: bool, compiled: Compiled) -> None:
    ruleset = drawn_ruleset(columns, rows, rows, prefixes=prefixes)
    classifier = compiled(ruleset)
    classifier.check(100_000)
    sample = points(ruleset, 500, random.Random(rows))
    assert classifier.verdicts(sample) == [ruleset.accepts(p) for p in sample]


SIZES = [*product((as_boxes, as_bits), (1, 9, 64, 65, 70, 129, 1025))]


@pytest.mark.parametrize(("make", "rows"), SIZES if SEEK else SIZES[::2])
def test_every_index(make: Make, rows: int, compiled: Compiled) -> None:
    """Also of lists that would not get one, at sizes where words and nodes begin."""
    compiled(drawn_ruleset(COLUMNS, rows, rows, prefixes=True), make).check(100_000)


def hand_made(*rows: tuple[bool, Bounds, Bounds]) -> Ruleset:
    return Ruleset("made", ("sip", "dport"), tuple(Row(a, (s, d)) for a, s, d in rows))


ANY, PORTS = full("sip"), full("dport")


@pytest.mark.parametrize(
    ("ruleset", "kind"),
    [
        (Ruleset("none", FIVE, ()), "constant"),
        (hand_made((True, ANY, PORTS)), "constant"),
        (hand_made((False, ANY, PORTS), (True, ANY, PORTS)), "constant"),
        (hand_made((False, (5, 9), PORTS), (False, ANY, (1, 2))), "constant"),
        (hand_made((True, (9, 5), PORTS)), "constant"),
        (hand_made((True, (5, 9), PORTS), (False, ANY, (8, 8)), (True, ANY, PORTS)), "comparisons"),
        (hand_made((False, (5, 9), (80, 80)), (True, (5, 9), (80, 80))), "constant"),
        (hand_made((True, (5, 9), (80, 80)), (True, (8, 20), (80, 80))), "comparisons"),
        (hand_made((True, (0, ANY[1] - 1), (0, 0)), (True, (1, ANY[1]), (9, 99))), "comparisons"),
    ],
)  # fmt: skip
def test_hand_made(ruleset: Ruleset, kind: str, compiled: Compiled) -> None:
    classifier = compiled(ruleset)
    assert classifier.kind == kind
    classifier.check(20_000)
    sample = points(ruleset, 300, random.Random(1))
    assert classifier.verdicts(sample) == [ruleset.accepts(p) for p in sample]


def test_rows_that_decide_nothing_are_left_out() -> None:
    ruleset = hand_made(
        (True, (0, 9), (80, 80)),
        (True, (10, 15), (80, 80)),  # goes on where the first ends
        (False, (3, 4), (80, 80)),
        (True, (3, 4), (80, 80)),  # the same box
        (True, (9, 1), (1, 1)),  # empty
        (False, ANY, (7, 7)),
        (False, ANY, PORTS),
        (True, ANY, (9, 9)),  # behind everything
    )
    assert simplified(ruleset) == [Row(True, ((0, 15), (80, 80)))]


@pytest.mark.parametrize("rows", [40, 100, 200])
def test_no_row_holds_zero(rows: int, compiled: Compiled) -> None:
    made = [(i % 3 == 0, (5 * i + 5, 5 * i + 7), (1000 + i, 1000 + i)) for i in range(rows)]
    classifier = compiled(hand_made(*made))
    assert classifier.kind == "bits"
    assert classifier.check(20_000) > 0
    assert classifier.verdicts([(0, 0), (5, 0), (0, 1000)]) == [False] * 3


@pytest.mark.parametrize("rows", [255, 256, 257])
def test_as_many_classes_as_a_byte_holds(rows: int, compiled: Compiled) -> None:
    made = [
        Row(i % 3 > 0, ((i, i if i < rows - 1 else 65535), (i % 2, 255)))  # so that none are merged
        for i in range(rows)
    ]
    classifier = compiled(Ruleset("classes", ("dport", "proto"), tuple(made)), as_bits)
    values = [(v, 1) for v in range(300)]
    assert classifier.verdicts(values) == [classifier.ruleset.accepts(v) for v in values]


def test_values_of_one_class_share_their_bits(compiled: Compiled) -> None:
    """An index has bits per class, and not per range of values."""
    rows = [(True, (2 * i, 2 * i), PORTS) for i in range(1000)]
    classifier = compiled(hand_made(*rows, (False, ANY, (80, 80)), (True, ANY, (1, 1))))
    classes, bits = 4 * 65536, 1000 * 128  # 64 KB, 128 KB and 64 KB; a class of each row
    assert classes + bits <= classifier.kilobytes() * 1024 < classes + bits + 4096


def test_ranges_that_would_be_many_prefixes_become_boxes(compiled: Compiled) -> None:
    rng = random.Random(1)
    rows = [
        Row(rng.random() < 0.5, tuple((lo, rng.randint(lo, top)) for lo, top in lows))
        for lows in [[(rng.randint(0, full(c)[1]), full(c)[1]) for c in FIVE] for _ in range(2000)]
    ]
    classifier = compiled(Ruleset("ranges", FIVE, tuple(rows)))
    assert classifier.kind == "boxes"
    classifier.check(100_000)


def test_long_lists_become_boxes(compiled: Compiled) -> None:
    rng = random.Random(1)
    rows = [
        Row(rng.random() < 0.5, ((at, at | (1 << rng.randrange(12)) - 1), full("dport")))
        for at in (rng.getrandbits(32) & ~0xFFF for _ in range(20_000))
    ]
    classifier = compiled(Ruleset("long", ("sip", "dport"), tuple(rows)))
    assert classifier.kind == "boxes"
    assert classifier.check(20_000) > 0


@pytest.mark.parametrize("make", [as_boxes, as_bits])
@pytest.mark.parametrize("rows", [60, 130, 700, 1500])
def test_without_avx(make: Make, rows: int, compiled: Compiled) -> None:
    ruleset = drawn_ruleset(FIVE, rows, rows, prefixes=True)
    compiled(ruleset, make, ("-march=x86-64",)).check(100_000)


@pytest.mark.parametrize("accept", [False, True])
def test_no_columns(accept: bool) -> None:
    code = ruleset_code(Ruleset("rest", (), (Row(accept, ()), Row(True, ()))), "rest")
    assert f"rest(void) {{\n    return {int(accept)};" in code.header
