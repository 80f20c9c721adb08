"""`*.nftest.toml` files as pytest sees them: a file of items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never

import pytest

from nfverify.lang.source import ModelError
from nfverify.testing.faults import WORDED, said
from nfverify.testing.reading import read_tests
from nfverify.testing.settings import settings
from nfverify.testing.spec import AnyTest, EngineTest, EquivTest, ReplayTest


class TestFile(pytest.File):
    """One file; each of its tables is a test."""

    __test__ = False  # for pytest, which looks at names

    def collect(self) -> Iterator[TestItem]:
        """The tests, in the file's order."""
        try:
            tests = read_tests(self.path)
        except (ModelError, OSError) as error:
            raise self.CollectError(said(error)) from None
        for test in tests:
            item: TestItem = TestItem.from_parent(self, name=test.common.name, test=test)
            if test.common.skip is not None:
                item.add_marker(pytest.mark.skip(reason=test.common.skip))
            if test.common.xfail is not None:
                item.add_marker(pytest.mark.xfail(reason=test.common.xfail, strict=True))
            yield item


class TestItem(pytest.Item):
    """One test of a file."""

    __test__ = False

    def __init__(self, *, test: AnyTest, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.test = test

    def runtest(self) -> None:
        """Runs it; a failure shows what differs."""
        options = settings(self.config)
        store = options.store(self.path, self.name)
        match self.test:
            case EquivTest():
                from nfverify.testing.check_equiv import check_equiv

                check_equiv(self.test, options, store)
            case EngineTest():
                from nfverify.testing.check_engines import check_engines

                check_engines(self.test, options, store)
            case ReplayTest():
                from nfverify.testing.check_replay import check_replay

                check_replay(self.test, options)
            case _:
                assert_never(self.test)

    def repr_failure(  # type: ignore[override]
        self, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> object:
        """What is wrong with a model, a capture or a build in the words of the command line."""
        if isinstance(excinfo.value, WORDED):
            return said(excinfo.value)
        excinfo.traceback = excinfo.traceback.cut(path=__file__)
        return super().repr_failure(excinfo, style="short")

    def reportinfo(self) -> tuple[Path, int, str]:
        """The line of the table in the file."""
        return self.path, self.test.common.span.line - 1, self.name
