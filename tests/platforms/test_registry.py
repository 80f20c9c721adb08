"""Platforms of installed packages: found by their entry points, and named when they are broken."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_platforms import BAD, GOOD, install

from nfverify.cli.main import main
from nfverify.oracles.engines.table import is_known
from nfverify.oracles.platforms.platform import Platform
from nfverify.oracles.platforms.registry import (
    OWN,
    Broken,
    PlatformError,
    every,
    names,
    platform,
)

OURS = ("linux", "dpdk", "xdp", "onvm")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("fakes", "crashes"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_ours_are_there_and_first() -> None:
    assert names()[: len(OURS)] == OURS
    for name in OURS:
        found = platform(name)
        assert found.name == name
        assert found.text
        assert all(need.what for need in found.needs)


def test_ours_are_declared_in_the_project_as_in_the_registry() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    declared = project["project"]["entry-points"]["nfverify.platforms"]
    assert declared == {entry.name: entry.value for entry in OWN}


def test_packages_add_platforms(site: Path) -> None:
    install(site, "fakes", GOOD)
    assert set(GOOD) <= set(names())
    for name in GOOD:
        assert isinstance(platform(name), Platform)
        assert is_known(name)
        assert is_known(f"{name}+fastpath")
    assert not is_known("fpga")
    assert not is_known("reference+fastpath")


def test_a_broken_one_is_named_and_stops_no_other(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(site, "bad-ones", BAD)
    install(site / "second", "good-ones", GOOD)
    sys.path.insert(0, str(site / "second"))
    try:
        found = every()
        assert {name for name, each in found.items() if isinstance(each, Broken)} == set(BAD)
        assert main(["platforms"]) == 2
        out, err = capsys.readouterr()
        assert "right      present    the reference under another name" in out
        assert "crashing   broken     of bad-ones" in out
        assert "a quantum computer (missing: apt-get install quantum-dev)" in out
        assert "luck (missing)" in out
        for name, why in {
            "crashing": "RuntimeError: no such device",
            "gone": "ModuleNotFoundError: No module named 'nowhere'",
            "misnamed": "fakes:Other calls itself 'elsewhere'",
            "mute": "fakes:Mute is no platform",
            "nothing": "fakes:Engine is no platform",
            "shapeless": "AttributeError: ",
        }.items():
            assert f"error: the platform '{name}' of bad-ones can't be used: {why}" in err
        assert main(["test", "lib:napt", "--engines", "reference,gone"]) == 2
        assert "the platform 'gone' of bad-ones can't be used" in capsys.readouterr().err
    finally:
        sys.path.remove(str(site / "second"))


def test_two_of_one_name(site: Path) -> None:
    """The first stays; of the second it is said whose it is."""
    install(site, "a-package", {"right": "fakes:Right"})
    install(site, "b-package", {"right": "fakes:Wrong", "linux": "fakes:Right"})
    found = every()
    assert platform("right").text == "the reference under another name"
    assert platform("linux").name == "linux"
    clash = found["right (2)"]
    assert str(clash) == "the platform 'right' of b-package can't be used: " + (
        "a-package has one of that name"
    )
    assert isinstance(found["linux (2)"], Broken)


def test_unknown_ones_are_answered_with_what_there_is() -> None:
    with pytest.raises(PlatformError, match="no platform 'fpga'; there are linux, dpdk, xdp, onvm"):
        platform("fpga")


def test_the_list_for_programs(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(site, "mixed", {"absent": "fakes:Absent", "gone": "nowhere:Platform"})
    assert main(["platforms", "--format", "json"]) == 2
    document = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in document["platforms"]}
    assert document["version"] == 1
    assert set(rows) >= {*OURS, "absent", "gone"}
    assert rows["linux"]["live"] is True
    assert rows["absent"] == {
        "name": "absent",
        "text": "is never there",
        "present": False,
        "live": False,
        "needs": [{"what": "a quantum computer", "package": "quantum-dev", "present": False}],
    }
    assert rows["gone"]["package"] == "mixed"


def test_naming_platforms_loads_none() -> None:
    code = (
        "import sys; from nfverify.oracles.engines.table import names; names();"
        "print(*[m for m in sys.modules if m.startswith('nfverify.oracles.platforms.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert not loaded & {*OURS, "cpp", "program"}


LEAVING = """
from sys import exit
from nfverify.oracles.platforms.platform import Platform

class Leaving(Platform):
    name = "leaving"
    text = "ends Python"

    def check(self, build):
        exit(0)
"""


def test_one_that_ends_python_is_no_verdict(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "leaving.py").write_text(LEAVING)
    (site / "gone_at_once.py").write_text("import sys\nsys.exit(0)\n")
    install(site, "leaving", {"leaving": "leaving:Leaving", "at-once": "gone_at_once:X"})
    assert main(["platforms"]) == 2
    out, err = capsys.readouterr()
    assert "leaving  present" in out
    assert "SystemExit: 0" in err
    assert main(["test", "lib:napt", "--engines", "reference,leaving"]) == 4
    assert "ended by sys.exit(0)" in capsys.readouterr().err
