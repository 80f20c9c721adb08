"""The XDP platform: an eBPF program, its loader, its engine, and how it is attached."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from shutil import which
from typing import ClassVar

import nfverify
from nfverify.cythonized.compiler import RUNTIME
from nfverify.cythonized.names import comment, identifier
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.platforms.building import built
from nfverify.oracles.platforms.files import run_files
from nfverify.oracles.platforms.job import Job, Live, Outcome
from nfverify.oracles.platforms.platform import Build, Need, Platform, Sources
from nfverify.oracles.platforms.xdp.engine import XdpEngine
from nfverify.oracles.platforms.xdp.expressible import check
from nfverify.oracles.platforms.xdp.libbpf import PACKAGE, found
from nfverify.oracles.platforms.xdp.limits import refusing
from nfverify.oracles.platforms.xdp.live import OPTIONS, run_live
from nfverify.oracles.platforms.xdp.visitor import XdpVisitor

HERE = Path(__file__).with_name("runtime")
HEADERS = Path("/usr/include/bpf/bpf_helpers.h")
_INCLUDE = re.compile(r'^#include "(?:runtime/)?(\w+\.h)"', re.MULTILINE)
_MAKEFILE = """\
NAME = {name}
CLANG ?= clang
# Types of the kernel's headers that are this machine's own.
SYSTEM = -idirafter /usr/include/$(shell uname -m)-linux-gnu
FLAGS = -std=gnu11 -O2 -g -target bpf -mcpu=v3 -fno-strict-aliasing -fwrapv \\
    -I. -Iruntime $(SYSTEM) -Wall -Wextra -Wno-unknown-warning-option \\
    {quiet}

$(NAME).bpf.o: $(NAME).bpf.c $(wildcard runtime/*.h)
	$(CLANG) $(FLAGS) $(WERROR) -c $< -o $@

clean:
	$(RM) $(NAME).bpf.o

.PHONY: clean
"""
# What a model may say and a C programmer would not.
_QUIET = " \\\n    ".join(
    (
        "-Wno-unused-parameter -Wno-unused-function -Wno-unused-but-set-variable",
        "-Wno-sign-compare -Wno-tautological-compare -Wno-tautological-constant-compare",
        "-Wno-self-assign -Wno-bitwise-instead-of-logical -Wno-bool-operation",
        "-Wno-constant-logical-operand -Wno-parentheses-equality -Wno-missing-field-initializers",
    )
)
_README = """\
# {title} as an XDP program

Written by nfverify {version} from its model. `make` compiles {name}.bpf.c with clang;
`nfverify run --engine xdp --live IF0,IF1` loads and attaches the same program. The headers in
runtime/ are alike for every model.

* The program is `nf`. It knows the model's ports by the map `nf_ports` (interface number -> port),
  and sends by `nf_devices` (port -> interface number): fill both before it is attached.
* Variables stand in `nf_state` (the map `.data.state`), each table in a map of its name; names
  in the kernel are cut to 15 characters. `bpftool map dump name NAME` shows them.
* Entries that tables have at the start are written by the loader, not by the program.
"""


class Xdp(Platform):
    """Networks in the kernel, where packets come in; state in BPF maps."""

    name: ClassVar[str] = "xdp"
    text: ClassVar[str] = "an eBPF program at network interfaces (XDP), state in BPF maps"
    needs: ClassVar[tuple[Need, ...]] = (
        Need("clang", "clang", lambda: which("clang") is not None),
        Need("make", "make", lambda: which("make") is not None),
        Need("libbpf", PACKAGE, lambda: found() and HEADERS.is_file()),
        Need("Linux 6.9 or later", "", lambda: _kernel() >= (6, 9)),  # for may_goto
        Need("root", "", lambda: os.geteuid() == 0),
    )
    lives: ClassVar[bool] = True
    options: ClassVar[tuple[str, ...]] = tuple(OPTIONS)

    def check(self, build: Build) -> None:
        check(build.network, build.capacity)

    def sources(self, build: Build) -> Sources:
        self.check(build)
        name = identifier(build.network.name)
        program = XdpVisitor(build.capacity).visit_network(build.network)
        title = comment(build.network.name)
        readme = _README.format(title=title, version=nfverify.__version__, name=name)
        files = {
            f"{name}.bpf.c": program,
            "Makefile": _MAKEFILE.format(name=name, quiet=_QUIET),
            "README.md": readme,
        }
        headers = {f"runtime/{header}": text for header, text in _included(program).items()}
        return Sources(f"{name}.bpf.o", {**files, **headers})

    def engine(self, build: Build, setting: Setting) -> XdpEngine:
        made = XdpEngine(build.network, self.object(build), setting.non_ip == "drop")
        made.start()  # now, for the kernel may refuse it
        return made

    def run(self, build: Build, job: Job) -> Outcome:
        engine = self.engine(build, Setting(non_ip=job.non_ip))
        outcome = run_files(engine, build.network, job)
        counted = (f"; {name} {count:,}" for name, count in engine.counters().items() if count)
        return replace(outcome, summary=outcome.summary + "".join(counted))

    def prepare(self, build: Build) -> None:
        self.object(build)

    def live(self, build: Build, live: Live) -> Outcome:
        return run_live(build.network, self.object(build), live)

    def object(self, build: Build) -> bytes:
        """The compiled program. ModelError, BuildError."""
        with refusing(build.network):
            return built(self, self.sources(build)).read_bytes()


def _kernel() -> tuple[int, ...]:
    """The release of the system's kernel; nothing on others."""
    if os.uname().sysname != "Linux":
        return ()
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


@cache
def _headers() -> Mapping[str, str]:
    """All headers by name, our own before those of the runtime."""
    paths = (*sorted(RUNTIME.glob("*.h")), *sorted(HERE.glob("*.h")))
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def _included(text: str) -> Mapping[str, str]:
    """The headers that a program needs, by name."""
    wanted, taken = _INCLUDE.findall(text), dict[str, str]()
    while wanted:
        name = wanted.pop()
        if name not in taken:
            taken[name] = _headers()[name]
            wanted += _INCLUDE.findall(taken[name])
    return dict(sorted(taken.items()))
