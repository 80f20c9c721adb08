"""What holds for every file of the library."""

import re
from pathlib import Path

import pytest

from nfverify.lang.formatter import format_text
from nfverify.lang.source import Source
from nfverify.smat.check import check_file
from nfverify.smat.load import load

ROOT = Path(__file__).parents[2]
MODELS = sorted((ROOT / "models").glob("*.nfd"), key=lambda path: path.stem)
EXAMPLES = sorted((ROOT / "examples").glob("*/*.nfd"))
KEPT_AS_THEY_ARE = ("fastpath", "speedybox")  # what `check` warns of there is meant
CHAINS = {"edge", "edge-table", "inspect", "lb-blacklist"}


def name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", [*MODELS, *EXAMPLES], ids=name)
def test_models_check_without_a_warning(path: Path) -> None:
    found = check_file(str(path))
    if path.parent.name in KEPT_AS_THEY_ARE:
        found = [d for d in found if d.severity == "error"]
    assert [d.message for d in found] == []


@pytest.mark.parametrize("path", MODELS, ids=name)
def test_models_are_in_canonical_form(path: Path) -> None:
    text = path.read_text()
    assert format_text(Source(str(path), text)) == text


@pytest.mark.parametrize("path", MODELS, ids=name)
def test_names_on_the_command_line(path: Path) -> None:
    assert load(f"lib:{path.stem}") == load(str(path))


def test_the_readme_has_a_row_for_each() -> None:
    text = (ROOT / "models/README.md").read_text()
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = re.findall(r"`([a-z-]+)`", " ".join(cells))
    assert sorted(named) == [path.stem for path in MODELS]


@pytest.mark.parametrize("path", [m for m in MODELS if m.stem not in CHAINS], ids=name)
def test_heads_say_what_happens_to_what_has_no_ports(path: Path) -> None:
    head = path.read_text().partition("program")[0]
    for word in ("IPv6", "ICMP", "ragments"):
        assert word in head
