"""Every model in tests/wrong gives exactly the errors that its first comments announce.

`# expect: LINE:COLUMN error: text` — the text must occur in the message; a file beside the model is
named before the line, `rules.csv:LINE:COLUMN`.
"""

import re
from pathlib import Path

import pytest

from nfverify.lang.render import render
from nfverify.smat.check import check_file

FOLDER = Path(__file__).parent.parent / "wrong"
MODELS = sorted(FOLDER.glob("*.nfd"))
EXPECT = re.compile(r"# expect: (?:([^\s:]+):)?(\d+):(\d+):? error:? (.+)")


def test_there_are_many() -> None:
    assert len(MODELS) >= 80


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_wrong_model(path: Path) -> None:
    expected = []
    for line in path.read_text().splitlines():
        match = EXPECT.fullmatch(line)
        if match is None:
            break
        expected.append((match[1] or path.name, int(match[2]), int(match[3]), match[4]))
    assert expected, "the file begins with what is expected"

    diagnostics = [d for d in check_file(str(path)) if d.severity == "error"]
    found = [(Path(d.span.source.name).name, d.span.line, d.span.column) for d in diagnostics]
    assert found == [where[:3] for where in expected], render(diagnostics)
    for (*_, text), diagnostic in zip(expected, diagnostics, strict=True):
        assert text in diagnostic.message
