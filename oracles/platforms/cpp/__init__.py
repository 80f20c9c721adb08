"""Plain C++: the visitor that every platform of programs inherits, with packet I/O left open.

The functions of a network are those of the Cython build, printed as C++; a platform adds how
packets come and go, and overrides what else its environment changes (NFD, §V).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from shutil import which
from typing import ClassVar

import nfverify
from nfverify.cythonized.build import lacking
from nfverify.cythonized.compiler import LIBRARIES, RUNTIME
from nfverify.cythonized.generate import Generated, generate
from nfverify.cythonized.names import comment
from nfverify.cythonized.operators import c_source
from nfverify.cythonized.visitor import Visitor
from nfverify.oracles.platforms.cpp.printer import CPP, Dialect, Printer
from nfverify.oracles.platforms.platform import Build, Need, Sources, refuse
from nfverify.oracles.platforms.program import ProgramPlatform

HERE = Path(__file__).with_name("runtime")
COMPILER = Need("g++", "g++", lambda: which("g++") is not None)
MAKE = Need("make", "make", lambda: which("make") is not None)
# Hosts of a library, in C; a program has nf_program.hpp in their place.
_HOSTS = re.compile(r"nf_(host|job|shard|bench|shared)\w*\.h")
_FLAGS = """\
-std=c++17 -pipe -fwrapv -fno-strict-aliasing -Iruntime \\
    -Wall -Wextra -Wno-unused-parameter -Wno-type-limits -Wno-tautological-compare \\
    -Wno-bool-compare -Wno-sign-compare -Wno-missing-field-initializers \\
    -Wno-unused-but-set-variable"""


class Cpp(Visitor, ProgramPlatform):
    """Writes NAME.cpp, NAME.h, main.cpp and a Makefile. `packages` are of pkg-config, for what
    main.cpp includes; `runtime` are folders with more headers; `objects` are of more files that
    `sources` has, the same for all networks, and `rules` stand at the Makefile's end. `mixed`: also
    NAME.cpp includes headers of the packages, and so its object is that of one platform only."""

    needs: ClassVar[tuple[Need, ...]] = (COMPILER, MAKE)
    packages: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    runtime: ClassVar[tuple[Path, ...]] = ()
    objects: ClassVar[tuple[str, ...]] = ("main.o",)
    rules: ClassVar[str] = ""
    mixed: ClassVar[bool] = False
    dialect: ClassVar[Dialect] = CPP

    def check(self, build: Build) -> None:
        for node in lacking(build.network, build.user):
            hint = f"name a C file that defines {node.op} by --ops FILE.c"
            raise refuse(self.name, f"the operator {node.op}", node.span, hint)

    def sources(self, build: Build) -> Sources:
        self.check(build)
        return type(self)().visit_network(build)  # anew: a visitor may collect things

    # The files ------------------------------------------------------------------------------

    def visit_network(self, build: Build) -> Sources:
        """All files of a network."""
        made = generate(build.network, build.options, build.fast, self)
        users = {
            f"{made.name}_operators{number}.c": c_source(build.network, name, text)
            for number, (name, text) in enumerate(build.user)
        }
        files = {
            f"{made.name}.cpp": self.visit_code(made),
            f"{made.name}.h": made.header,
            "main.cpp": self.visit_main(),
            **users,
            "Makefile": self.visit_makefile(made, tuple(users)),
            "README.md": self.visit_readme(made),
        }
        headers = {f"runtime/{name}": text for name, text in self.headers().items()}
        return Sources(made.name, {**files, **headers})

    def headers(self) -> Mapping[str, str]:
        """The runtime, by file name."""
        found = {}
        for folder in (RUNTIME, HERE, *self.runtime):
            for path in sorted((*folder.glob("*.h"), *folder.glob("*.hpp"))):
                if not _HOSTS.fullmatch(path.name):
                    found[path.name] = path.read_text(encoding="utf-8")
        return found

    def visit_code(self, made: Generated) -> str:
        """NAME.cpp: the network."""
        head = f"// {made.name}: generated from its model by nfverify {nfverify.__version__}.\n"
        includes = f'#include "{made.name}.h"\n#include "nf_exports.h"\n'
        return f"{head}{includes}\n{Printer(self.dialect).text(made.pyx)}"

    # The program ----------------------------------------------------------------------------

    def visit_main(self) -> str:
        """main.cpp, the same for all networks."""
        parts = (self.visit_setup(), self.visit_receive(), self.visit_send(), self.visit_teardown())
        members = "\n\n".join(part.strip("\n") for part in parts if part)
        return f"""\
// {self.name}: how packets come and go.
#include "nf_program.hpp"
{self.visit_includes().strip()}

using namespace nf;

class Io : public Platform {{
public:
{members}

private:
{self.visit_members().strip(chr(10))}
}};

int main(int argc, char **argv)
{{
    return nf::run<Io>(argc, argv);
}}
"""

    def visit_includes(self) -> str:
        """What stands in front of the class Io."""
        return ""

    def visit_setup(self) -> str:
        """Of the class Io: its constructor, which opens what packets come by."""
        return "    explicit Io(Options &) {}"

    def visit_receive(self) -> str:
        """Of the class Io: `bool receive(Burst &)`."""
        raise NotImplementedError

    def visit_send(self) -> str:
        """Of the class Io: `send`, `copy`, `drop` and `finish`."""
        raise NotImplementedError

    def visit_teardown(self) -> str:
        """Of the class Io: `void close()`."""
        return "    void close() {}"

    def visit_members(self) -> str:
        """Of the class Io: its members, and what only it calls."""
        return ""

    # What builds it -------------------------------------------------------------------------

    def visit_makefile(self, made: Generated, users: tuple[str, ...]) -> str:
        """A Makefile: `make`, `make SANITIZE=1`, `make clean`."""
        libraries = (*self.libraries, *made.libraries)
        packages = " ".join(self.packages)
        flags = f" $(shell pkg-config --cflags {packages})" if packages else ""
        links = f" $(shell pkg-config --libs {packages})" if packages else ""
        mixed = "$(NAME).o: FLAGS += $(INCLUDES)\n" if self.mixed else ""
        own = [f"{user.removesuffix('.c')}.o" for user in users]
        objects = " ".join(["$(NAME).o", *self.objects, *own])
        debian = [LIBRARIES[name] for name in made.libraries if name in LIBRARIES]
        wanted = ", ".join(dict.fromkeys([*(n.package for n in self.needs), *debian]))
        return f"""\
# Builds ./$(NAME) for {self.name}. Debian and Ubuntu packages: {wanted}.
NAME := {made.name}
LDLIBS :={links}{"".join(f" -l{name}" for name in libraries)}
CXX ?= g++
CC ?= gcc
ARCH ?= -march=native
CXXFLAGS ?= -O2
WERROR ?=
FLAGS := {_FLAGS}
INCLUDES :={flags}

ifdef SANITIZE
CHECKS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \\
    -fno-wrapv -g1
endif

$(NAME): {objects}
\t$(CXX) $(CHECKS) -o $@ $^ $(LDLIBS)

{mixed}$(NAME).o: $(NAME).cpp $(NAME).h $(wildcard runtime/*.h)
\t$(CXX) $(FLAGS) $(CXXFLAGS) $(ARCH) $(WERROR) $(CHECKS) -c -o $@ $<

%.o: %.cpp $(wildcard *.h runtime/*)
\t$(CXX) $(FLAGS) $(INCLUDES) $(CXXFLAGS) $(ARCH) $(WERROR) $(CHECKS) -c -o $@ $<

%.o: %.c $(wildcard runtime/*)
\t$(CC) -std=gnu11 -Iruntime -O2 $(ARCH) $(CHECKS) -c -o $@ $<

.PHONY: clean
clean:
\trm -f $(NAME) $(NAME).o {" ".join([*self.objects, *own])}
{self.rules}"""

    def visit_readme(self, made: Generated) -> str:
        """README.md: what the files are, how to build and run it."""
        title = comment(made.name)
        return f"""\
# {title} on {self.name}

Written by nfverify {nfverify.__version__}: {self.text}.

    make                            # builds ./{title}
    ./{title} --help
    ./{title} IN.pcap -o OUT.pcap --state END.json
    make SANITIZE=1                 # with checks of memory and arithmetic, slower

`{title}.cpp` is the network function: for each table of its state the functions that find, put and
delete a key, and for each NF a function `NF_pass` with its entries in the model's order, each with
its name and line. `{title}.h` has its structs and data; `main.cpp` how packets come and go;
`runtime/` what all networks share.
"""


def has_header(name: str) -> bool:
    """Is there a header of that name where compilers look first?"""
    return any(Path(folder, name).is_file() for folder in ("/usr/include", "/usr/local/include"))


@cache
def has_package(name: str, version: str = "0") -> bool:
    """Does pkg-config know a library, of that version at least?"""
    tool = which("pkg-config")
    return tool is not None and not subprocess.call([tool, "--exists", f"{name} >= {version}"])
