"""The head of an XDP program: what it includes, its structs, its state as it begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import nfverify
from nfverify.cythonized.ctypes_of import stored
from nfverify.cythonized.layout import InstanceLayout
from nfverify.cythonized.names import comment
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.resources import c_literal
from nfverify.oracles.platforms.xdp.tables import MapCode

INDENT = "    "
Members = list[tuple[str, str]]  # C type, name


def opening(plan: Plan, *, fails: bool, apart: bool) -> str:
    """Comment, what the runtime is told, and the runtime. `fails`: a packet can end the run;
    `apart`: the code for plain frames has a stack of its own."""
    writes = int(any(name != "size" for name in plan.written))
    timers = sum(len(i.program.timers) for i in plan.instances)
    plain = ""
    if plan.plain:
        function = "NF_COLD" if apart else "NF_INL"
        plain = f"#define NF_HAS_PLAIN {function} /* plain frames have code of their own */\n"
    return f"""\
/* {comment(plan.network.name).replace("*/", "")}: generated from its model by nfverify \
{nfverify.__version__}. */
#define NF_WRITES {writes} /* are frames rewritten */
#define NF_FAILS {int(fails)} /* can a packet end the run */
{plain}#define NF_TIMERS {timers}
#define NF_TAGS {len(plan.tags)}
#include "runtime/nf_xdp.h"
"""


def struct(name: str, members: Members) -> str:
    lines = "".join(f"{INDENT}{ctype} {member};\n" for ctype, member in members)
    return f"typedef struct {name} {{\n{lines}}} {name};"


def state_members(instance: InstanceLayout) -> Members:
    """The variables without keys."""
    cells = [c for p in instance.plains for c in sorted(p.cells, key=lambda c: c.at)]
    return [(stored(c.type), c.name) for c in cells] or [("u8", "nothing")]


def state_of(plan: Plan, maps: Sequence[MapCode]) -> str:
    """The state, with what it begins with."""
    given = [
        f".{i.name} = {{{', '.join(found)}}}"
        for i in plan.instances
        if (found := list(_initial(i)))
    ]
    entries = sum(len(m.layout.members[0].variable.entries) for m in maps if m.layout.aged)
    if entries:  # the host puts them in, in this order
        given.insert(0, f".core = {{.order = {entries}}}")
    lines = "".join(f"{INDENT}{text},\n" for text in given)
    value = f"{{\n{lines}}}" if lines else "{0}"
    at = ""
    if plan.timed:
        at = "p->time = time;"
    return f"""\
State nf_state SEC(".data.state") = {value};
Packet nf_packet; /* one that isn't plain, on its way */

NF_INL void nf_at(Packet *p, u64 time)
{{
    {at or "(void)p, (void)time;"}
}}
"""


def _initial(instance: InstanceLayout) -> Iterator[str]:
    for plain in instance.plains:
        for cell, value in zip(plain.cells, plain.variable.default, strict=True):
            if value not in (0, False):
                assert not isinstance(value, bytes)
                yield f".{cell.name} = ({stored(cell.type)}){c_literal(int(value))}"


def externs(structs: Iterable[tuple[str, Members]], functions: Iterable[str]) -> str:
    """The structs for the printer, which tells pointers from values by them."""
    lines = ['cdef extern from "" nogil:']
    for name, members in structs:
        lines.append(f"{INDENT}ctypedef struct {name}:")
        lines += [f"{INDENT * 2}{ctype} {member}" for ctype, member in members]
    lines += [f"{INDENT}{function}" for function in functions]
    return "\n".join(["", *lines]) + "\n"
