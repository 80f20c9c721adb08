"""Differences that somebody has accepted: read, applied, renewed."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from nfverify.gate import spec
from nfverify.gate.baseline import Accepted, Baseline, accept, judge, read_baseline
from nfverify.lang.render import render
from nfverify.lang.source import ModelError
from nfverify.report.results import Change, Place, Result, Results, Status

TODAY = date(2026, 11, 22)
LATER = TODAY + timedelta(days=30)


def _check(name: str = "edge", allow: tuple[str, ...] = ()) -> spec.Diff:
    common = spec.Common(name, "diff", Place("nfverify.toml", 1), 60, 1 << 30, "bypass", ())
    return spec.Diff(common, "old.nfd", "new.nfd", allow, (), (), "", "")


def _changed(*identities: str, complete: bool = True, status: Status = "different") -> Result:
    changes = tuple(Change(name, "r1", "r2", "passed", "dropped", "all") for name in identities)
    return Result("edge", "diff", status, "changed", changes=changes, complete=complete)


def _entry(change: str, expires: date = LATER, check: str = "edge") -> Accepted:
    return Accepted(check, change, f"ticket for {change}", expires)


def _judged(result: Result, *entries: Accepted, allow: tuple[str, ...] = ()) -> Results:
    baseline = Baseline(Path("nfverify-baseline.toml"), entries)
    return judge([_check(allow=allow)], [result], baseline, TODAY)


def test_a_difference_is_accepted_if_each_of_its_changes_is() -> None:
    (both,) = _judged(_changed("aa", "bb"), _entry("aa"), _entry("bb")).results
    assert both.status == "accepted"
    assert both.reason == "ticket for aa; ticket for bb"
    (one,) = _judged(_changed("aa", "bb"), _entry("aa")).results
    assert one.status == "different"
    assert [change.accepted for change in one.changes] == ["ticket for aa", ""]


def test_what_is_accepted_for_one_check_is_not_for_another() -> None:
    results = _judged(_changed("aa"), _entry("aa", check="core"))
    assert results.status == "different"
    assert results.notes == ()  # the other check was not run


def test_an_entry_counts_on_its_last_day_and_not_after() -> None:
    assert _judged(_changed("aa"), _entry("aa", TODAY)).status == "accepted"
    over = _judged(_changed("aa"), _entry("aa", TODAY - timedelta(days=1)))
    assert over.status == "different"
    assert over.expired == ("edge: aa (ticket for aa) expired on 2026-11-21",)


def test_changes_that_may_not_be_all_are_unknown_when_accepted() -> None:
    (result,) = _judged(_changed("aa", complete=False), _entry("aa")).results
    assert result.status == "unknown"
    assert "there may be more" in result.reason


def test_what_nothing_needs_is_told() -> None:
    results = _judged(_changed("aa"), _entry("aa"), _entry("zz"))
    assert results.status == "accepted"
    assert results.notes == (
        "nfverify-baseline.toml: nothing needs edge: zz (ticket for zz) any more",
    )
    passed = Result("edge", "diff", "passed", "the same")
    assert "nothing needs" in _judged(passed, _entry("aa")).notes[0]
    assert _judged(_changed(status="unknown"), _entry("aa")).notes == ()


def test_an_entry_of_no_check_is_told() -> None:
    baseline = Baseline(Path("b.toml"), (_entry("aa", check="edgy"),))
    notes = judge([_check()], [_changed("aa")], baseline, TODAY, ["edge", "core"]).notes
    assert notes == (
        "b.toml: edgy: aa (ticket for aa): no check has this name; did you mean `edge`?",
    )


def test_the_config_allows_changes_too() -> None:
    (result,) = _judged(_changed("aa"), allow=("aa",)).results
    assert (result.status, result.reason) == ("accepted", "allowed by the config")
    assert "`allow` of zz" in _judged(_changed("aa"), allow=("aa", "zz")).notes[0]


@pytest.mark.parametrize("status", ["unknown", "error"])
def test_only_a_difference_can_be_accepted(status: Status) -> None:
    result = Result("edge", "diff", status, "?", identity="aa")
    assert _judged(result, _entry("aa")).results == (result,)


def test_a_difference_without_a_name_can_not_be_accepted() -> None:
    result = Result("edge", "diff", "different", "?")
    assert _judged(result, _entry("")).status == "different"


# The file -----------------------------------------------------------------------------------

HEAD = "[[accepted]]\ncheck = 'edge'\nchange = 'aa'\n"


def test_written_entries_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "nfverify-baseline.toml"
    odd = Accepted('a "b"\\', "aa", "why\nnot\x7f ]] é", LATER)
    accept(read_baseline(path), [odd])
    accept(read_baseline(path), [_entry("bb")])
    assert read_baseline(path).entries == (odd, _entry("bb"))
    path.write_text("# mine\n" + path.read_text() + "# the end")
    renewed = Accepted(odd.check, odd.change, "again", LATER + timedelta(days=1))
    accept(read_baseline(path), [renewed])
    assert set(read_baseline(path).entries) == {_entry("bb"), renewed}
    assert path.read_text().startswith("# mine\n")
    assert "# the end" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_no_file_is_an_empty_baseline(tmp_path: Path) -> None:
    assert read_baseline(tmp_path / "none.toml").entries == ()


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (HEAD + "reason = 'x'\n", "1:3", "`expires` is not a date"),
        (HEAD + "reason = 'x'\nexpires = '2027-01-01'\n", "5:1", "without quotes"),
        (HEAD + "reason = 'x'\nexpires = 2027-01-01T00:00:00\n", "5:1", "is not a date"),
        (HEAD + "expires = 2027-01-01\n", "1:3", "`reason` is not there"),
        (HEAD + "reason = ' '\nexpires = 2027-01-01\n", "4:1", "say why"),
        (HEAD + "reson = 'x'\n", "4:1", "did you mean `reason`?"),
        ("accepted = 3\n", "1:1", "is no list of entries"),
        ("accepted = [3]\n", "1:1", "`check` is not there"),
        ("[[acepted]]\n", "1:3", "stands in no entry"),
    ],
)
def test_each_mistake_is_told_at_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.toml").write_text(text)
    with pytest.raises(ModelError) as caught:
        read_baseline(Path("b.toml"))
    told = render(caught.value.diagnostics)
    assert f"b.toml:{place}: error: " in told
    assert said in told


def test_an_entry_stands_once(tmp_path: Path) -> None:
    whole = HEAD + "reason = 'x'\nexpires = 2027-01-01\n"
    (tmp_path / "b.toml").write_text(whole + whole)
    with pytest.raises(ModelError, match="accepted twice"):
        read_baseline(tmp_path / "b.toml")
