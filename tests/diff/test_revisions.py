"""Models and rulesets out of a git repository, as `git show` reads them."""

import subprocess
from pathlib import Path

import pytest

from nfverify.lang.revision import commit_of, versioned
from nfverify.lang.source import ModelError
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset
from nfverify.smat.versions import load_version

MODEL = 'import "part.nfd";\nchain main = part -> part;\n'
PART = """program part { ruleset ACL = load("rules/acl.csv");
    entry { match_flow { f matches ACL } action_flow { pass; } } }
"""
IDENTITY = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")


def git(*words: str) -> None:
    subprocess.run(["git", *IDENTITY, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits and something staged: a list of one, two and three rules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git("init", "-q", "-b", "trunk")
    folder = tmp_path / "edge"
    (folder / "rules").mkdir(parents=True)
    (folder / "main.nfd").write_text(MODEL)
    (folder / "part.nfd").write_text(PART)
    (folder / "link.nfd").symlink_to("part.nfd")
    for count in (1, 2, 3, 4):
        rules = "".join(f"accept,{80 + n}\n" for n in range(count))
        (folder / "rules" / "acl.csv").write_text(f"action,dport\n{rules}")
        if count < 4:
            git("add", ".")
        if count < 3:
            git("commit", "-q", "-m", f"rules: {count}: more")
    return tmp_path


def rows(target: str) -> int:
    loaded = load_version(target)
    if isinstance(loaded, Ruleset):
        return len(loaded.rows)
    (first, *_) = [n for n in ir.walk(loaded.instances[0].program.body) if isinstance(n, ir.Match)]
    return len(first.ruleset.rows)


def test_everything_is_of_one_revision(repository: Path) -> None:
    """Imports and lists come from the revision too; nothing before the colon is what is staged."""
    revisions = {"HEAD~1": 1, "HEAD": 2, "trunk": 2, "HEAD^{/rules: 1: m}": 1, "": 3}
    for revision, count in revisions.items():
        for path in ("edge/main.nfd", "edge/main.nfd:part", "edge/rules/acl.csv"):
            assert rows(f"{revision}:{path}") == count, (revision, path)
    assert rows("edge/main.nfd") == rows("edge/rules/acl.csv") == 4


def test_places_name_the_revision(repository: Path) -> None:
    network = load_version("HEAD~1:edge/main.nfd")
    assert isinstance(network, ir.Network)
    program = network.instances[0].program
    assert program.span.source.name == "HEAD~1:edge/part.nfd"
    (match, *_) = [n for n in ir.walk(program.body) if isinstance(n, ir.Match)]
    assert match.ruleset.file == "HEAD~1:edge/rules/acl.csv"
    (repository / "edge" / "part.nfd").write_text("program part { entry { mtch_flow { } } }")
    git("commit", "-q", "-a", "-m", "broken")
    with pytest.raises(ModelError, match=r"HEAD:edge/part\.nfd:1:"):
        load_version("HEAD:edge/main.nfd")


def test_paths_are_as_git_reads_them(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the top; with ./ or ../ from here."""
    monkeypatch.chdir(repository / "edge")
    assert rows("HEAD:edge/main.nfd") == rows("HEAD:./main.nfd") == rows("HEAD:../edge/main.nfd")
    with pytest.raises(ModelError) as caught:
        load_version("HEAD:main.nfd")
    assert "has no file 'main.nfd'" in str(caught.value)
    assert caught.value.diagnostics[0].hint.startswith("did you mean HEAD:./main.nfd?")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("nowhere:edge/main.nfd", "no revision 'nowhere'"),
        ("--upload-pack=x:edge/main.nfd", "is no revision"),
        ("-h:edge/main.nfd", "is no revision"),
        ("HEAD\n:edge/main.nfd", "is no revision"),
        ("HEAD:edge/gone.nfd", "has no file 'edge/gone.nfd'"),
        ("HEAD:../main.nfd", "leaves the repository"),
        ("HEAD:/etc/main.nfd", "is no path in a repository"),
        ("HEAD:edge/\nmain.nfd", "is no path in a repository"),
        ("HEAD:edge/link.nfd", "has no file"),
        ("HEAD:edge/main.nfd:other", "there is no NF or chain `other`"),
        ("HEAD:edge/*.nfd", "has no file"),
        (":edge/gone.nfd", "what is staged has no file"),
    ],
)
def test_what_is_wrong_is_said(repository: Path, target: str, why: str) -> None:
    with pytest.raises(ModelError, match=why.replace("*", r"\*")):
        load_version(target)


def test_what_is_no_revision_is_left_alone(repository: Path) -> None:
    assert versioned("edge/main.nfd") is None
    assert versioned("lib:nat") is None
    assert versioned("edge/main.nfd:part") is None
    assert versioned("-") is None
    (repository / "HEAD:odd.nfd").write_text("program p { entry { } }")
    assert versioned("HEAD:odd.nfd") is None
    assert isinstance(load_version("HEAD:odd.nfd"), ir.Network)


def test_a_commit_pins_a_revision(repository: Path) -> None:
    first, second = (commit_of(name, repository) for name in ("HEAD~1", "HEAD"))
    assert len(first) == len(second) == 40
    assert first != second == commit_of("trunk", repository)
    staged = commit_of("", repository)
    git("add", ".")
    assert commit_of("", repository) != staged


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ModelError, match="not a git repository"):
        load_version("HEAD:main.nfd")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match="there is no git here"):
        load_version("HEAD:main.nfd")
