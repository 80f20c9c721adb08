"""Differences that somebody has accepted: each with a reason and a date, after which it counts
again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from nfverify.gate.spec import AnyCheck, Diff
from nfverify.lang.source import ModelError
from nfverify.packet.files import replacing
from nfverify.report.results import Change, Result, Results
from nfverify.smat.report import did_you_mean
from nfverify.testing.places import places
from nfverify.testing.toml import quoted, read_toml
from nfverify.testing.values import Table

TABLE = "accepted"
_KEYS = ("check", "change", "reason", "expires")
_HINT = "strings stand in quotes; `[[accepted]]` begins an entry"
_HEAD = "# Differences that are accepted until a date: `nfverify gate --accept` writes them.\n"


@dataclass(frozen=True, slots=True)
class Accepted:
    """One difference of one check, by its identity."""

    check: str
    change: str
    reason: str
    expires: date  # the last day on which it is accepted

    def __str__(self) -> str:
        return f"{self.check}: {self.change} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The entries of a file, in its order."""

    path: Path
    entries: tuple[Accepted, ...] = ()
    lines: tuple[int, ...] = ()  # of the entries


def read_baseline(path: Path) -> Baseline:
    """The entries of a file, none if there is no file. ModelError, OSError."""
    if not path.exists():
        return Baseline(path)
    document, source = read_toml(path, _HINT)
    where = places(source.text)
    whole = Table("", document, source, where, path.parent, "baseline")
    content = document.get(TABLE, [])
    for name in document:
        if name != TABLE:
            whole.name = name
            whole.wrong(f"{name[:60]!a} stands in no entry", "write [[accepted]]")
    if not isinstance(content, list):
        whole.wrong("`accepted` is no list of entries", "write [[accepted]], with two brackets")
        content = []
    entries, lines, wrong = [], [], whole.diagnostics
    seen: set[tuple[str, str]] = set()
    for number, item in enumerate(content, 1):
        given = item if isinstance(item, dict) else {}
        table = Table(f"{TABLE}[{number}]", given, source, where, path.parent, "baseline")
        for key in given:
            if key not in _KEYS:
                told = f"is no key of an entry{did_you_mean(key, _KEYS)}"
                table.bad(key[:60], told, f"it has {', '.join(_KEYS)}")
        check, change, reason = (table.text(key) for key in _KEYS[:3])
        if reason and not reason.strip():
            table.bad("reason", "is empty", "say why this difference is wanted")
        expires = given.get("expires")
        if not isinstance(expires, date) or isinstance(expires, datetime):
            table.bad("expires", "is not a date", "write expires = 2027-01-31, without quotes")
            expires = date.min
        if (check, change) in seen:
            table.bad("change", "is accepted twice by this check", "keep one entry")
        seen.add((check, change))
        entries.append(Accepted(check, change, reason, expires))
        lines.append(table.span().line)
        wrong += table.diagnostics
    if wrong:
        raise ModelError(*sorted(wrong, key=lambda one: one.span.start))
    return Baseline(path, tuple(entries), tuple(lines))


# Judging ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Judging:
    """What of a baseline was needed."""

    baseline: Baseline
    today: date
    used: set[Accepted] = field(default_factory=set)

    def reasons(self, check: str) -> Mapping[str, Accepted]:
        return {one.change: one for one in self.baseline.entries if one.check == check}

    def reason(self, found: Accepted | None) -> str:
        """Why it is accepted; "" if it is not, or no longer."""
        if found is None:
            return ""
        self.used.add(found)
        return "" if found.expires < self.today else found.reason


def judge(
    checks: Sequence[AnyCheck],
    found: Sequence[Result],
    baseline: Baseline,
    today: date,
    names: Sequence[str] = (),
) -> Results:
    """The results, in which what is accepted is no longer different; `names` are those of all
    checks that there are. Title, version and seconds are for the caller to fill in."""
    judging = _Judging(baseline, today)
    results, notes = [], []
    for check, result in zip(checks, found, strict=True):
        allowed = check.allow if isinstance(check, Diff) else ()
        results.append(_judged(judging, result, allowed))
        if result.status in ("different", "passed"):
            there = {change.identity for change in result.changes}
            notes += [
                f"{check.common.name}: nothing needs `allow` of {identity} any more"
                for identity in allowed
                if identity not in there
            ]
    decided = {result.name for result in found if result.status in ("different", "passed")}
    expired = []
    for entry in baseline.entries:
        if entry.expires < today:
            gone = "" if entry in judging.used else "; no difference needs it"
            expired.append(f"{entry} expired on {entry.expires}{gone}")
        elif names and entry.check not in names:
            meant = did_you_mean(entry.check, names)
            notes.append(f"{baseline.path}: {entry}: no check has this name{meant}")
        elif entry not in judging.used and entry.check in decided:
            notes.append(f"{baseline.path}: nothing needs {entry} any more")
    return Results("", "", tuple(results), expired=tuple(expired), notes=tuple(notes))


def _judged(judging: _Judging, result: Result, allowed: Sequence[str]) -> Result:
    if result.status != "different":
        return result
    entries = judging.reasons(result.name)
    if not result.changes:
        reason = judging.reason(entries.get(result.identity)) if result.identity else ""
        return replace(result, status="accepted", reason=reason) if reason else result

    def told(change: Change) -> Change:
        reason = judging.reason(entries.get(change.identity))
        if change.identity in allowed:
            reason = reason or "allowed by the config"
        return replace(change, accepted=reason)

    changes = tuple(told(change) for change in result.changes)
    result = replace(result, changes=changes)
    if not all(change.accepted for change in changes):
        return result
    if not result.complete:
        reason = "all changes that were found are accepted, but there may be more"
        return replace(result, status="unknown", reason=reason)
    reasons = dict.fromkeys(change.accepted for change in changes)
    return replace(result, status="accepted", reason="; ".join(reasons))


# Writing ------------------------------------------------------------------------------------


def accept(baseline: Baseline, entries: Sequence[Accepted]) -> None:
    """Adds entries to the file, in the place of older ones of the same differences. OSError."""
    text = baseline.path.read_text(encoding="utf-8") if baseline.path.exists() else _HEAD
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    renewed = {(one.check, one.change) for one in entries}
    starts = [*baseline.lines, len(lines) + 1]
    for number, old in reversed(list(enumerate(baseline.entries))):
        if (old.check, old.change) in renewed:
            block = lines[starts[number] - 1 : starts[number + 1] - 1]
            kept = [line for line in block if line.startswith("#")]
            lines[starts[number] - 1 : starts[number + 1] - 1] = kept
    for one in entries:
        lines.append(
            f"\n[[{TABLE}]]\ncheck = {quoted(one.check)}\nchange = {quoted(one.change)}\n"
            f"reason = {quoted(one.reason)}\nexpires = {one.expires.isoformat()}\n"
        )
    with replacing(str(baseline.path)) as stream:
        stream.write("".join(lines).encode())
