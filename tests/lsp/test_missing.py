"""Without the extra `editor`."""

import sys

import pytest

from nfverify.cli.main import main


@pytest.mark.parametrize(("command", "package"), [("lsp", "pygls"), ("watch", "watchfiles")])
def test_what_is_missing_is_named_with_the_extra_that_brings_it(
    command: str,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [n for n in sys.modules if n.startswith(("nfverify.lsp.server", f"{package}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert main([command]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"needs {package}: pip install 'nfverify[editor]'" in captured.err
