"""What the tests of this folder share."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tested_programs


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """The command line of a program in Python with this body."""
    return lambda body: tested_programs.program(tmp_path, body)
