"""Models as text, lowered."""

from collections.abc import Callable

import pytest

from nfverify.lang.source import Diagnostic
from nfverify.smat import ir
from nfverify.smat.check import check_file
from nfverify.smat.load import load_text

Body = Callable[..., tuple[ir.Stmt, ...]]
Warned = Callable[[str], list[Diagnostic]]


@pytest.fixture
def program() -> Callable[[str], ir.Program]:
    """The IR of the only program of a text."""
    return lambda text: load_text(text).instances[0].program


@pytest.fixture
def actions(program: Callable[[str], ir.Program]) -> Body:
    """The statements of the actions of one entry, after some declarations."""

    def lowered(text: str, declarations: str = "") -> tuple[ir.Stmt, ...]:
        whole = program(f"program p {{ {declarations} entry {{ action_flow {{ {text} }} }} }}")
        (table,) = whole.body
        assert isinstance(table, ir.Table)
        return table.entries[0].body

    return lowered


@pytest.fixture
def guard(program: Callable[[str], ir.Program]) -> Callable[..., ir.Expr]:
    """The guard of one entry, a lone conjunct by itself."""

    def lowered(text: str, declarations: str = "") -> ir.Expr:
        whole = program(f"program p {{ {declarations} entry {{ match_flow {{ {text} }} }} }}")
        (table,) = whole.body
        assert isinstance(table, ir.Table)
        whole_guard = table.entries[-1].guard
        assert isinstance(whole_guard, ir.And)
        return whole_guard.operands[0] if len(whole_guard.operands) == 1 else whole_guard

    return lowered


@pytest.fixture
def warned(tmp_path_factory: pytest.TempPathFactory) -> Warned:
    """What `check` says about a text."""

    def check(text: str) -> list[Diagnostic]:
        path = tmp_path_factory.mktemp("model") / "model.nfd"
        path.write_text(text)
        return check_file(str(path))

    return check
