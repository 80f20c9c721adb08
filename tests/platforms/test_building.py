"""Builds of sources: each object is compiled once for all that have what it is made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from platforms import needs

from nfverify.cythonized.faults import BuildError, GeneratedCodeError
from nfverify.oracles.platforms.building import built, write
from nfverify.oracles.platforms.platform import Platform, Sources

pytestmark = needs("g++")
MAKEFILE = """\
FLAGS := -O0
INCLUDES := -include extra.h
NAME := {name}

$(NAME): $(NAME).o main.o
\tg++ -o $@ $^

$(NAME).o: $(NAME).cpp
\tg++ $(FLAGS) -c -o $@ $<

%.o: %.cpp
\tg++ $(FLAGS) \\
\t    $(INCLUDES) -c -o $@ $<
"""
FILES = {
    "main.cpp": '#include "lib.h"\nint main() { return lib(); }\n',
    "lib.h": '#include "deep.hpp"\n',
    "runtime/deep.hpp": "int lib();\n",
    "extra.h": "\n",
    "README.md": "one\n",
}


class Small(Platform):
    name = "small"
    text = "a test"


def sources(name: str, **other: str) -> Sources:
    own = {f"{name}.cpp": "int lib() { return 7; }\n", "Makefile": MAKEFILE.format(name=name)}
    changed = {path.replace("__", "/").replace("_", "."): text for path, text in other.items()}
    return Sources(name, {**FILES, "lib.h": '#include "runtime/deep.hpp"\n', **own, **changed})


def objects(folder: Path) -> int:
    return len(list(folder.glob("**/*.o")))


def test_objects_are_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    counts = []
    for made in (
        sources("one"),
        sources("two"),  # main.o is there
        sources("one", README_md="two\n"),  # so are both
        sources("one", runtime__deep_hpp="int lib(); // changed\n"),  # of main.o
        sources("one", extra_h="// changed\n"),  # of main.o, by the command
        sources("one", one_cpp="int lib() { return 8; }\n"),
    ):
        assert built(Small(), made).is_file()
        counts.append(objects(tmp_path))
    assert counts == [2, 3, 3, 4, 5, 6]


def test_what_is_refused_is_no_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(GeneratedCodeError, match=r"make refuses main\.o of small"):
        built(Small(), sources("one", main_cpp="int main() { return other(); }\n"))
    assert objects(tmp_path) == 1


@pytest.mark.parametrize("path", ["../above.c", "/tmp/above.c", "runtime/../../above.c"])
def test_no_file_is_written_elsewhere(tmp_path: Path, path: str) -> None:
    with pytest.raises(BuildError, match="is not inside the folder"):
        write(Sources("x", {path: ""}), tmp_path / "into" / "it")
    assert not list(tmp_path.rglob("above.c"))
