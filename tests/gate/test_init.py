"""The first config that `nfverify init` writes."""

import subprocess
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.gate import spec
from nfverify.gate.config import read_config

NF = "program {name} {{ entry {{ action_flow {{ pass; }} }} }}\n"
CONFIG = Path("nfverify.toml")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def _git(*words: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


def _checks() -> list[tuple[str, tuple[str, ...]]]:
    return [(c.common.kind, tuple(spec.targets(c))) for c in read_config(CONFIG).checks]


def test_all_that_is_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("nf").mkdir()
    Path("nf/one.nfd").write_text(NF.format(name="one"))
    both = NF.format(name="a") + NF.format(name="b")
    Path("nf/two.nfd").write_text(both + "chain both = a -> b;\n")
    Path("rules.csv").write_text("action,dport\naccept,80\n")
    Path("people.csv").write_text("name,age\nx,3\n")
    Path("it.pcap").touch()
    Path(".hidden").mkdir()
    Path(".hidden/x.nfd").write_text("{")
    assert main(["init"]) == 0
    out = capsys.readouterr().out
    assert "2 network functions and chains, 1 ruleset, 1 capture" in out
    assert _checks() == [
        ("check", ("nf/one.nfd", "nf/two.nfd")),
        ("test", ("nf/one.nfd",)),
        ("test", ("nf/two.nfd:both",)),
    ]
    assert '# old = "origin/main:./rules.csv"' in CONFIG.read_text()


def test_the_branch_is_what_changes_are_held_against() -> None:
    Path("sub").mkdir()
    Path("sub/one.nfd").write_text(NF.format(name="one"))
    Path("sub/rules.csv").write_text("action,dport\naccept,80\n")
    _git("init", "-q", "-b", "main", "sub")
    _git("-C", "sub", "add", ".")
    _git("-C", "sub", "commit", "-q", "-m", "x")
    Path("sub/new.nfd").write_text(NF.format(name="new"))
    assert main(["init", "-q", "sub"]) == 0
    diffs = [c for c in read_config(Path("sub") / CONFIG).checks if isinstance(c, spec.Diff)]
    assert [(d.old, d.new) for d in diffs] == [
        ("main:./one.nfd", "sub/one.nfd"),
        ("main:./rules.csv", "sub/rules.csv"),
    ]
    assert main(["gate", "-q", "sub", "--only", diffs[0].common.name]) == 0


def test_a_model_with_errors_is_not_passed_over() -> None:
    Path("bad.nfd").write_text("program {\n")
    assert main(["init", "-q"]) == 0
    assert _checks() == [("check", ("bad.nfd",))]
    assert main(["gate", "-q"]) == 2


def test_a_file_that_is_there_stays(capsys: pytest.CaptureFixture[str]) -> None:
    Path("one.nfd").write_text(NF.format(name="one"))
    CONFIG.write_text("# mine\n")
    assert main(["init"]) == 2
    assert "is left as it is" in capsys.readouterr().err
    assert CONFIG.read_text() == "# mine\n"
    CONFIG.unlink()
    CONFIG.symlink_to("nowhere")
    assert main(["init"]) == 2
    assert not Path("nowhere").exists()


def test_nothing_to_check_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.csv").write_text("a,b\n")
    assert main(["init"]) == 2
    assert "holds no model" in capsys.readouterr().err
    assert main(["init", "nowhere"]) == 2
    assert not CONFIG.exists()


def test_odd_names_are_written_so_that_they_can_be_read() -> None:
    for name in ('a "b" \\.nfd', "c]] # =.nfd", "é ü.nfd"):
        Path(name).write_text(NF.format(name="one"))
    Path("x\ny.nfd").write_text("{")
    assert main(["init", "-q"]) == 0
    assert ("check", ('a "b" \\.nfd', "c]] # =.nfd", "é ü.nfd")) in _checks()
