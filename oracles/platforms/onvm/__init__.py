"""OpenNetVM: a network as one of its functions, and a small host with its interface to run it."""

from __future__ import annotations

from pathlib import Path
from shutil import which
from typing import ClassVar

import nfverify
from nfverify.cythonized.generate import Generated
from nfverify.cythonized.names import comment
from nfverify.oracles.needs import Needs
from nfverify.oracles.platforms.cpp import Cpp, has_package
from nfverify.oracles.platforms.platform import Build, Need, Sources

FILES = Path(__file__).parent
_MAIN = "onvm_nf_main"  # the function's program within the host's


class Onvm(Cpp):
    """The function is built into a program with the host, or (`make nf`) for OpenNetVM."""

    name: ClassVar[str] = "onvm"
    text: ClassVar[str] = "a network function of OpenNetVM, and a host on DPDK that runs it"
    needs: ClassVar[tuple[Need, ...]] = (
        *Cpp.needs,
        Need("pkg-config", "pkg-config", lambda: which("pkg-config") is not None),
        Need("DPDK", "libdpdk-dev", lambda: has_package("libdpdk", "21.11")),
    )
    packages: ClassVar[tuple[str, ...]] = ("libdpdk",)
    libraries: ClassVar[tuple[str, ...]] = ("pcap",)
    runtime: ClassVar[tuple[Path, ...]] = (FILES.parent / "dpdk" / "runtime",)
    lives = True
    given = Needs(monotone=True, longest=65_535)
    objects: ClassVar[tuple[str, ...]] = ("onvm_nf.o", "host/onvm_host.o", "host/main.o")
    rules: ClassVar[str] = f"""\

INCLUDES += -I. -Ihost
onvm_nf.o: CHECKS += -Dmain={_MAIN}

# The function for OpenNetVM's manager: make nf ONVM_HOME=... [RTE_TARGET=...]
RTE_TARGET ?= x86_64-native-linuxapp-gcc
ONVM := $(ONVM_HOME)/onvm

.PHONY: nf clean-nf
nf: $(NAME)_nf

$(NAME)_nf: $(NAME).o nf.o
\t$(CXX) -o $@ $^ $(ONVM)/onvm_nflib/$(RTE_TARGET)/libonvm.a \\
\t    $(ONVM)/lib/$(RTE_TARGET)/lib/libonvmhelper.a $(LDLIBS) -lm

nf.o: onvm_nf.cpp $(wildcard *.h runtime/*)
\t$(CXX) $(FLAGS) $(filter-out -Ihost,$(INCLUDES)) $(CXXFLAGS) $(ARCH) $(WERROR) \\
\t    -I$(ONVM)/onvm_nflib -I$(ONVM)/lib -c -o $@ $<

clean: clean-nf
clean-nf:
\trm -f $(NAME)_nf nf.o
"""

    def visit_network(self, build: Build) -> Sources:
        made = super().visit_network(build)
        files = dict(made.files)
        del files["main.cpp"]
        for path in sorted((*FILES.glob("*.[ch]*"), *FILES.glob("host/*"))):
            files[path.relative_to(FILES).as_posix()] = path.read_text(encoding="utf-8")
        return Sources(made.name, files)

    def visit_main(self) -> str:
        return ""

    def visit_readme(self, made: Generated) -> str:
        title = comment(made.name)
        return f"""\
# {title} on OpenNetVM

Written by nfverify {nfverify.__version__}: {self.text}.

    make                            # builds ./{title}: the function in the host of host/
    ./{title} --help
    ./{title} IN.pcap -o OUT.pcap --state END.json
    make SANITIZE=1                 # with checks of memory and arithmetic, slower

    make nf ONVM_HOME=…             # builds ./{title}_nf for OpenNetVM's manager
    ./{title}_nf -l 5 -n 3 --proc-type=secondary -- -r 1 -- --state END.json

`onvm_nf.cpp` is the network function: what OpenNetVM calls for each packet, for messages, and
between packets. It calls `{title}.cpp`, which has for each table of its state the functions that
find, put and delete a key, and for each NF a function `NF_pass` with its entries in the model's
order, each with its name and line. Port i of the model is port i of the manager.

Its own arguments: `--start S.bin` (a state in the binary form), `--state FILE` (written at the
end: JSON, or S.bin), `--non-ip drop`. Other functions may send it the messages of
`onvm_message.h`: let time go on, save the state.

`host/` stands in for the manager: `onvm_nflib.h` declares what the function uses of OpenNetVM's
interface, `onvm_host.cpp` implements it, `main.cpp` brings packets by DPDK.
"""
