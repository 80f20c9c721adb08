"""The life of the example repository: its changes, and what the gate says of each."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nfverify.packet.codec import Malformed, parse

EXAMPLE = Path(__file__).parents[2] / "examples" / "gate"
TRAFFIC = "traffic is treated as on main"
TABLE = "the table does the same"
PROMISES = "only answers come in"


class Repository:
    """A clone of the example, whose `origin` has it on `main`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        shutil.copytree(EXAMPLE, self.folder)
        self.environment = {
            **os.environ,
            "XDG_CACHE_HOME": str(folder / "cache"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "NO_COLOR": "1",
        }
        origin = folder / "origin.git"
        self.git("init", "--quiet", "--initial-branch=main", "--bare", str(origin))
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(origin))
        self.commit("The edge")
        self.git("push", "--quiet", "origin", "main")
        self.git("switch", "--quiet", "--create", "change")

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
        subprocess.run(["git", *who, *words], cwd=self.folder, env=self.environment, check=True)

    def commit(self, why: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", why)

    def gate(self, *options: str, code: int) -> dict[str, Any]:
        """All that the gate found, by name of the check; its exit code is `code`."""
        report = self.folder.parent / "report.json"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "nfverify", "gate", "--report", f"json={report}", *options]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        found = json.loads(report.read_text())
        self.text = done.stdout
        self.status = found["status"]
        return {one["name"]: one for one in found["results"]}

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("gate"))


@pytest.fixture
def clean(repository: Repository) -> Repository:
    """Without what the test before changed; results are kept, as on anybody's machine."""
    repository.git("checkout", "--quiet", "--force", "change")
    repository.git("reset", "--quiet", "--hard", "origin/main")
    return repository


def different(found: dict[str, Any]) -> set[str]:
    return {name for name, one in found.items() if one["status"] == "different"}


def test_as_it_is_and_once_more(clean: Repository) -> None:
    found = clean.gate(code=0)
    assert {one["status"] for one in found.values()} == {"passed"}
    again = clean.gate(code=0)
    assert all(one["cached"] for one in again.values())
    assert {name: one["title"] for name, one in again.items()} == {
        name: one["title"] for name, one in found.items()
    }


def test_a_harmless_refactoring_passes(clean: Repository) -> None:
    rules = (clean.folder / "acl.csv").read_text().splitlines(keepends=True)
    blocked, guests = 2, 3
    assert rules[blocked].startswith("drop,*,192.0.2.0/24")
    rules[blocked], rules[guests] = rules[guests], rules[blocked]
    rules.append("accept,10.7.0.0/16,*,*,443,6,lan\n")  # an earlier rule takes all of it
    (clean.folder / "acl.csv").write_text("".join(rules))
    clean.edit("answers.nfd", "set<flow> seen;", "map<flow, bool> seen;")
    clean.edit("answers.nfd", "seen = seen | {f};", "seen[f] = true;")
    clean.commit("Guests first; who has sent is a map")
    found = clean.gate(code=0)
    assert found[TRAFFIC]["title"].endswith("(proved)")
    assert not found[TRAFFIC]["cached"]


def test_a_change_in_meaning_fails_with_its_traffic(clean: Repository) -> None:
    web_before_blocked(clean)
    clean.commit("Web is most of it, so it comes first")
    found = clean.gate("--only", TRAFFIC, "--only", TABLE, code=1)
    assert different(found) == {TRAFFIC}
    assert found[TRAFFIC]["complete"]
    first, answers = found[TRAFFIC]["changes"]
    assert "drop dip 192.0.2.0/24" in first["decided_old"]
    assert "accept sip 10.0.0.0/8, dport 443, proto tcp" in first["decided_new"]
    assert (first["outcome_old"], first["outcome_new"]) == ("dropped", "forwarded")
    # All of 10/8 but the guests' 10.0.99/24, to 192.0.2/24, from any port to one, TCP, by the lan.
    assert first["count"] == (2**24 - 2**8) * 2**8 * 2**16
    assert (first["place_new"]["path"], first["place_new"]["line"]) == ("acl.csv", 4)
    [step] = first["example"]["steps"]
    packet = parse(bytes.fromhex(step["frame"]))
    assert not isinstance(packet, Malformed)
    assert (step["port"], packet.dport, packet.proto) == ("lan", 443, 6)
    assert packet.dip >> 8 == 0xC00002
    assert packet.sip >> 24 == 10
    assert [len(one["outputs"]) for one in step["outcomes"]] == [0, 1]
    # What went out is answered: that needs two packets, and fewer don't show it.
    assert "stranger" in answers["decided_old"]
    assert len(answers["example"]["steps"]) == 2
    assert answers["example"]["minimal"]


def web_before_blocked(clean: Repository) -> None:
    rules = (clean.folder / "acl.csv").read_text().splitlines(keepends=True)
    web = rules.pop(4)
    assert web == "accept,10.0.0.0/8,*,*,443,6,lan\n"
    rules.insert(2, web)
    rules.insert(2, rules.pop(4))  # but after the guests
    (clean.folder / "acl.csv").write_text("".join(rules))


def test_what_is_wanted_is_accepted_until_its_day(clean: Repository) -> None:
    web_before_blocked(clean)
    reason = "a partner's shop is there"
    only = ("--only", TRAFFIC)
    clean.gate(*only, "--accept", TRAFFIC, "--reason", reason, "--expires", "2999-12-31", code=0)
    clean.commit("Wanted")
    found = clean.gate(*only, code=0)
    assert clean.status == "accepted"
    assert found[TRAFFIC]["status"] == "accepted"
    assert found[TRAFFIC]["reason"] == reason
    # Something else is not accepted with it.
    clean.edit("acl.csv", "203.0.113.0/24,*,22", "203.0.0.0/16,*,22")
    found = clean.gate(*only, code=1)
    accepted = [change["accepted"] for change in found[TRAFFIC]["changes"]]
    assert reason in accepted
    assert "" in accepted
    clean.git("checkout", "--quiet", "acl.csv")
    # Nor is the same when its day is over.
    baseline = clean.folder / "nfverify-baseline.toml"
    baseline.write_text(re.sub("2999-12-31", "2020-01-31", baseline.read_text()))
    assert different(clean.gate(*only, code=1)) == {TRAFFIC}
    assert "2020-01-31" in clean.text


def test_a_broken_promise_fails_with_a_trace(clean: Repository) -> None:
    clean.edit("answers.nfd", "reverse(f) in seen", "reverse(f) in seen || f[dport] > 49151")
    found = clean.gate("--only", PROMISES, "--only", TABLE, code=1)
    assert different(found) == {PROMISES, TABLE}
    [example] = found[PROMISES]["examples"]
    [step] = example["steps"]
    packet = parse(bytes.fromhex(step["frame"]))
    assert not isinstance(packet, Malformed)
    assert step["port"] == "wan"
    assert packet.dport > 49151


def test_a_time_out_is_unknown(clean: Repository) -> None:
    clean.edit("nfverify.toml", "time-limit = 60", "time-limit = 0.001")
    found = clean.gate("--only", TABLE, "--only", PROMISES, code=3)
    assert {one["status"] for one in found.values()} == {"unknown"}
    assert all("time ran out" in one["reason"] for one in found.values())


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("acl.csv", "192.0.2.0/24", "192.0.2.0/33", 3),
        ("answers.nfd", "set<flow> seen;", "set<flow> seen", 4),
    ],
)
def test_a_broken_file_is_an_error(
    clean: Repository, name: str, old: str, new: str, line: int
) -> None:
    clean.edit(name, old, new)
    found = clean.gate("--only", TRAFFIC, "--only", TABLE, code=2)
    assert {one["status"] for one in found.values()} == {"error"}
    for one in found.values():
        assert any(f"{name}:{line}" in text for text in (one["title"], *one["lines"])), one


def test_the_worst_decides(clean: Repository) -> None:
    clean.edit("answers.nfd", "reverse(f) in seen", "true")
    clean.edit("nfverify.toml", 'b = "edge-table.nfd"', 'b = "edge-table.nfd"\ntime-limit = 0.001')
    found = clean.gate("--only", TABLE, "--only", TRAFFIC, code=1)
    assert found[TABLE]["status"] == "unknown"
    assert found[TRAFFIC]["status"] == "different"
