"""Rulesets as values: content, first match by index and by scan, and loading from CSV."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from nfverify.lang.source import ModelError, Source, Span
from nfverify.smat.ruleset import (
    MAX_BYTES,
    MAX_LINE,
    MAX_LINES,
    Row,
    Ruleset,
    full,
    load_csv,
    read_cells,
)

HERE = Span(Source("model.nfd", 'ruleset A = load("t.csv");'), 12, 25)
ACL = Path(__file__).resolve().parents[2] / "examples" / "acl"


def load(folder, text, **options):
    (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_csv("t.csv", folder, {"inside": 1, "outside": 2}, HERE, **options)


def errors(folder, text):
    with pytest.raises(ModelError) as caught:
        load(folder, text)
    return [f"{d.span.line}:{d.span.column} {d.message}" for d in caught.value.diagnostics]


# Values -----------------------------------------------------------------------------------


def test_content_and_not_the_name_makes_a_ruleset():
    rows = (Row(True, ((1, 2),), 7),)
    a, b = Ruleset("a", ("sip",), rows), Ruleset("b", ("sip",), (Row(True, ((1, 2),), 8),))
    assert a == b
    assert hash(a) == hash(b)
    assert a.digest == b.digest
    assert a != Ruleset("a", ("dip",), rows)
    assert a != Ruleset("a", ("sip",), (Row(False, ((1, 2),)),))
    assert a != Ruleset("a", ("sip",), rows * 2)
    with pytest.raises(ValueError, match="columns"):
        Ruleset("a", ("ttl",), ())


@pytest.mark.parametrize(("count", "points"), [(0, 5), (1, 50), (300, 300), (9000, 60)])
def test_the_index_says_what_the_scan_says(count, points):
    rng = random.Random(count)
    columns = ("sip", "sip6", "dport", "proto")

    def bounds(column):
        lo, hi = sorted(
            rng.choices((rng.randint(0, full(column)[1]), 0, 1, 9, full(column)[1]), k=2)
        )
        return (lo, hi) if rng.random() < 0.6 else (hi, hi)

    rows = tuple(Row(rng.random() < 0.5, tuple(map(bounds, columns))) for _ in range(count))
    ruleset = Ruleset("", columns, rows)
    hits = 0
    for _ in range(points):
        point = [rng.choice((0, 1, 5, 9, full(c)[1])) for c in columns]
        index = ruleset.scan(point)
        hits += index is not None
        assert ruleset.first_match(point) == index
        assert ruleset.accepts(point) == (index is not None and rows[index].accept)
    assert hits or count < 300


def test_lists_too_long_for_one_block_of_masks_find_late_rows():
    rows = tuple(Row(i % 2 == 0, ((i, i),)) for i in range(33_000))
    ruleset = Ruleset("", ("sip",), rows)
    for value in (0, 255, 256, 4096, 32_999):
        assert ruleset.first_match((value,)) == value
    assert ruleset.first_match((33_000,)) is None
    assert Ruleset("", ("sip",), rows[:9000]).first_match((8999,)) == 8999


# CSV --------------------------------------------------------------------------------------


def test_each_kind_of_cell(tmp_path):
    text = (
        "# our edge\n\naction, sip ,dport,proto,iface\r\n"
        "accept,10.0.0.0/8,80,tcp,inside\r\n"
        "DENY,1.2.3.4,1000-2000,17,*\n"
        "permit,10.0.0.3-10.0.0.9,*,UDP,outside\n"
    )
    rules = load(tmp_path, text)
    assert rules.columns == ("sip", "dport", "proto", "iface")
    assert [(row.accept, row.bounds, row.line) for row in rules.rows] == [
        (True, ((0x0A000000, 0x0AFFFFFF), (80, 80), (6, 6), (1, 1)), 4),
        (False, ((0x01020304, 0x01020304), (1000, 2000), (17, 17), (0, 65535)), 5),
        (True, ((0x0A000003, 0x0A000009), (0, 65535), (17, 17), (2, 2)), 6),
    ]


def test_without_actions_every_row_accepts_and_columns_are_ordered(tmp_path):
    rules = load(tmp_path, "dport,dip\n53,8.8.8.8\n")
    assert rules.columns == ("dip", "dport")
    assert rules.rows == (Row(True, ((0x08080808, 0x08080808), (53, 53))),)


def test_ipv6_text_constrains_the_ipv6_field_only(tmp_path):
    rules = load(tmp_path, "sip,dip\n2001:db8::/32,*\n1.1.1.1,2.2.2.2\n::/0,0.0.0.0/0\n")
    anything4, anything6 = full("sip"), full("sip6")
    prefix = 0x20010DB8 << 96
    assert rules.columns == ("sip", "dip", "sip6")
    assert [row.bounds for row in rules.rows] == [
        (anything4, anything4, (prefix, prefix + (1 << 96) - 1)),
        ((0x01010101, 0x01010101), (0x02020202, 0x02020202), anything6),
        (anything4, anything4, anything6),
    ]
    assert load(tmp_path, "sip6\n::1\n").rows[0].bounds == ((1, 1),)


def test_a_bom_and_a_missing_last_newline_do_no_harm(tmp_path):
    assert len(load(tmp_path, b"\xef\xbb\xbfsip\n1.1.1.1").rows) == 1


def test_warnings(tmp_path):
    warnings = []
    load(tmp_path, "sip,dport\n10.0.0.1/8,*\n*,0-5\n*,0-9\n", warnings=warnings)
    load(tmp_path, "sip\n2001:db8::1/64\n", warnings=warnings)
    load(tmp_path, "sip\n", warnings=warnings)
    assert [(w.severity, w.span.line, w.message, w.hint) for w in warnings] == [
        ("warning", 2, "'10.0.0.1/8' has bits set behind its prefix", "it is read as 10.0.0.0/8"),
        (
            "warning",
            3,
            "a port range with 0 also matches packets that have no ports (and 1 more rules)",
            "name a proto, or begin at 1",
        ),
        (
            "warning",
            2,
            "'2001:db8::1/64' has bits set behind its prefix",
            "it is read as 2001:db8::/64",
        ),
        ("warning", 1, "no rules: nothing matches", ""),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1 the file is empty"),
        ("\n# nothing\n", "1:1 the file is empty"),
        ("sip,dprt\n", "1:5 unknown column 'dprt'"),
        ("sip,sip\n", "1:5 column sip stands twice"),
        ("sip,dip\n1.1.1.1\n", "2:1 1 cells where the first line has 2 columns"),
        ("sip\n1.1.1.1,\n", "2:1 2 cells where the first line has 1 columns"),
        ("action\nmaybe\n", "2:1 unknown action 'maybe'"),
        ("sip\n10.0.0\n", "2:1 '10.0.0' is not an address"),
        ("sip\n10.0.0.010\n", "2:1 '10.0.0.010' is not an address"),
        ("sip\n10.0.0.0/33\n", "2:1 '10.0.0.0/33' has no good prefix length"),
        ("sip\n10.0.0.0/\n", "2:1 '10.0.0.0/' has no good prefix length"),
        (
            "sip\n10.0.0.9-10.0.0.1\n",
            "2:1 the range '10.0.0.9-10.0.0.1' is empty: it ends below its start",
        ),
        ("sip\n1.1.1.1-x\n", "2:1 '1.1.1.1-x' is not a range of addresses"),
        ("sip\n:::1\n", "2:1 ':::1' is not an address"),
        ("sip\nfe80::1%eth0\n", "2:1 'fe80::1%eth0' is not an address"),
        ("sip,sip6\n::1,*\n", "2:1 '::1' is IPv6 in a column of IPv4"),
        ("sip6\n1.1.1.1\n", "2:1 '1.1.1.1' is not an IPv6 address"),
        ("sip,dport\n*,70000\n", "2:3 '70000' does not fit: a port is at most 65535"),
        (
            "dport\n99999999999999999999\n",
            "2:1 '99999999999999999999' does not fit: a port is at most 65535",
        ),
        ("dport\n9-1\n", "2:1 the range '9-1' is empty: it ends below its start"),
        ("dport\n\u0661\n", "2:1 '\\u0661' is not a port"),
        ("dport\n80-\n", "2:1 '80-' is not a port"),
        ("sip,dport\n*, \n", "2:3 '' is not a port"),
        ("proto\n256\n", "2:1 '256' does not fit: a protocol is at most 255"),
        ("proto\ntpc\n", "2:1 'tpc' is not a protocol"),
        ("iface\nmiddle\n", "2:1 unknown port 'middle'"),
        ("sip\n1.1.\x001.1\n", "2:5 a NUL character"),
        (b"sip\n1.\xff1.1.1\n", "2:3 not UTF-8"),
        ("sip\n" + "1" * (MAX_LINE + 1), f"2:1 a line of over {MAX_LINE} characters"),
    ],
)
def test_each_error_has_its_place(tmp_path, text, expected):
    assert errors(tmp_path, text) == [expected]


def test_many_errors_in_one_run_and_not_too_many(tmp_path):
    assert errors(tmp_path, "sip,dport\nx,70000\n*,*\n1.1.1.1,-\n") == [
        "2:1 'x' is not an address",
        "2:3 '70000' does not fit: a port is at most 65535",
        "4:9 '-' is not a port",
    ]
    assert len(errors(tmp_path, "sip\n" + "".join(f"bad{i}\n" for i in range(1000)))) == 20


def test_a_misspelt_column_gets_a_suggestion(tmp_path):
    with pytest.raises(ModelError) as caught:
        load(tmp_path, "dprt\n1\n")
    assert caught.value.diagnostics[0].hint == "did you mean dport?"


def test_too_big_a_file_is_refused(tmp_path):
    with (tmp_path / "t.csv").open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(ModelError, match="over 64 MB"):
        load_csv("t.csv", tmp_path, {}, HERE)
    (tmp_path / "t.csv").write_bytes(b"\n" * (MAX_LINES + 1))
    with pytest.raises(ModelError, match="1,048,576 lines"):
        load_csv("t.csv", tmp_path, {}, HERE)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../secret.csv", "leaves the model's folder"),
        ("/etc/passwd", "only files named"),
        ("link.csv", "leaves the model's folder"),
        ("disguise.csv", "leaves the model's folder"),
        ("folder/../../secret.csv", "leaves the model's folder"),
        ("missing.csv", "there is no file"),
        ("folder.csv", "there is no file"),
        ("a\0.csv", "only files named"),
        ("circle.csv", "there is no file|links in a circle"),
        ("x" * 300 + ".csv", "there is no file|cannot read"),
    ],
)
def test_loading_stays_in_the_model_s_folder(tmp_path, path, message):
    (tmp_path / "secret.csv").write_text("sip\nTOPSECRET\n")
    base = tmp_path / "model"
    (base / "folder").mkdir(parents=True)
    (base / "folder.csv").mkdir()
    (base / "notes.txt").write_text("TOPSECRET\n")
    (base / "link.csv").symlink_to("../secret.csv")
    (base / "disguise.csv").symlink_to("notes.txt")
    (base / "circle.csv").symlink_to("circle.csv")
    with pytest.raises(ModelError, match=message) as caught:
        load_csv(path, base, {}, HERE)
    (finding,) = caught.value.diagnostics
    assert finding.span == HERE
    assert "TOPSECRET" not in str(caught.value) + finding.hint


def test_a_link_inside_the_folder_is_followed(tmp_path):
    (tmp_path / "real.csv").write_text("sip\n1.1.1.1\n")
    (tmp_path / "alias.csv").symlink_to("real.csv")
    assert len(load_csv("alias.csv", tmp_path, {}, HERE).rows) == 1


def test_cells_of_a_constant_table(tmp_path):
    (tmp_path / "t.csv").write_text("key,value\n# a comment\n 1.1.1.1 , 7\n")
    cells = read_cells("t.csv", tmp_path, HERE)
    assert [[text for text, _ in row] for row in cells] == [["key", "value"], ["1.1.1.1", "7"]]
    assert [(span.line, span.column) for _, span in cells[1]] == [(3, 2), (3, 12)]
    (tmp_path / "t.csv").write_text("\n")
    with pytest.raises(ModelError, match="empty"):
        read_cells("t.csv", tmp_path, HERE)


def test_classbench_loads_whole():
    rules = load_csv("acl1.5k.csv", ACL, {}, HERE)
    assert len(rules.rows) == 4496
    assert rules.columns == ("sip", "dip", "sport", "dport", "proto")
    assert rules.rows[0].line == 2
