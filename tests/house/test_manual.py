"""What shells and `man` know of the command line: completion in real shells, manual pages."""

import shutil
import subprocess
from pathlib import Path

import pytest

from nfverify.cli import completion, manual
from nfverify.cli.main import COMMANDS, main


def done(*command: str, cwd: Path) -> str:
    """What a command prints; its failure is the test's."""
    ended = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    return ended.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with models, a capture and a folder."""
    for name in ("napt.nfd", "nat.nfd", "notes.txt", "in.pcap"):
        (tmp_path / name).write_text("")
    (tmp_path / "network").mkdir()
    return tmp_path


CASES = (
    ("nfverify equ", {"equiv"}),
    ("nfverify equiv --form", {"--format"}),
    ("nfverify equiv --format ", {"text", "json"}),
    ("nfverify equiv n", {"napt.nfd", "nat.nfd", "network"}),
    ("nfverify equiv lib:edge-t", {"lib:edge-table"}),
    ("nfverify equiv lib:edge na", {"napt.nfd", "nat.nfd"}),
    ("nfverify run lib:edge i", {"in.pcap"}),
    ("nfverify build nat.nfd -o n", {"network"}),
    ("nfverify completion z", {"zsh"}),
)


def test_bash_completes(folder: Path) -> None:
    (folder / "script").write_text(completion.script("bash"))
    (folder / "ask").write_text(
        'source ./script\nwhile IFS= read -r line; do read -ra COMP_WORDS <<< "$line"\n'
        "[[ $line == *' ' ]] && COMP_WORDS+=('')\nCOMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))\n"
        "_shtab_nfverify; printf '%s ' \"${COMPREPLY[@]%/}\"; echo; done < cases\n"
    )
    (folder / "cases").write_text("".join(f"{line}\n" for line, _ in CASES))
    answers = done("bash", "--norc", "ask", cwd=folder).splitlines()
    assert [set(answer.split()) for answer in answers] == [wanted for _, wanted in CASES]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes(folder: Path) -> None:
    (folder / "script").write_text(completion.script("fish"))
    for line, wanted in CASES:
        asked = done(
            "fish", "--no-config", "-c", f"source script; complete -C '{line}'", cwd=folder
        )
        assert wanted <= {one.partition("\t")[0].rstrip("/") for one in asked.splitlines()}, line


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes(folder: Path) -> None:
    """In a terminal of its own: what stands on the line after a tab."""
    (folder / "_nfverify").write_text(completion.script("zsh"))
    (folder / "ask").write_text(
        "zmodload zsh/zpty; zpty z 'PS1= zsh -f -i'\n"
        "look() { local got= more; for i in {1..100}; do sleep 0.1;"
        " while zpty -rt z more; do got+=$more; done; [[ $got == *$1* ]] && return; done;"
        " print -r -- $got; exit 1 }\n"
        "zpty -w z 'autoload -Uz compinit; compinit -u -D; fpath=($PWD $fpath); "
        'autoload -U _nfverify; compdef _nfverify nfverify; bindkey "^I" complete-word; '
        "print rea''dy'\nlook ready\n"
        "zpty -n -w z $'nfverify equ\\t'; look equiv\nzpty -n -w z $'--form\\t'; look --format\n"
        "zpty -n -w z $'js\\t'; look json\nzpty -n -w z $'lib:edge-t\\t'; look lib:edge-table\n"
        "zpty -n -w z $'nap\\t'; look napt.nfd\nzpty -d z\n"
    )
    done("zsh", "-f", "ask", cwd=folder)


def test_tcsh_has_a_script_as_well() -> None:
    assert completion.script("tcsh").startswith("#")


def test_another_shell_is_a_wrong_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "cmd.exe"]) == 2
    assert "invalid choice" in capsys.readouterr().err


def test_each_command_has_a_manual_page(tmp_path: Path) -> None:
    manual.write(tmp_path)
    pages = {page.name: page.read_text() for page in tmp_path.iterdir()}
    assert set(pages) == {"nfverify.1", *(f"nfverify-{command.name}.1" for command in COMMANDS)}
    for name, page in pages.items():
        assert page.isascii(), name
        for section in ("NAME", "SYNOPSIS", "DESCRIPTION"):
            assert f"\n.SH {section}\n" in page, name
    assert r"\fB\-\-cross\-check\fR" in pages["nfverify-equiv.1"]
    assert r".BR nfverify\-equiv (1)" in pages["nfverify.1"]


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_manual_pages_are_good_roff(tmp_path: Path) -> None:
    manual.write(tmp_path)
    pages = sorted(map(str, tmp_path.iterdir()))
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True
    )
    # A page without a date is the same whenever it is built.
    assert [line for line in lint.stdout.splitlines() if "missing date" not in line] == []
