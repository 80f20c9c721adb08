"""From a network to Cython: NAME.pyx, meant to be read, and NAME.h, its data and structs.

Generated functions are `noexcept nogil` and use no Python object, so that the compiled code needs
no interpreter. The text of a model reaches them only as checked identifiers, numbers and comments.
"""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.cythonized import fastdrive, fastlayout
from nfverify.cythonized.descriptors import describe, members_of, structs
from nfverify.cythonized.fastlayout import FastLayout
from nfverify.cythonized.fastpaths import codes
from nfverify.cythonized.fastrecord import Recording
from nfverify.cythonized.fold import folded_network
from nfverify.cythonized.function import INDENT
from nfverify.cythonized.layout import InstanceLayout
from nfverify.cythonized.names import comment, identifier
from nfverify.cythonized.operators import shape, user_applications
from nfverify.cythonized.options import Options
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.resources import Resources
from nfverify.cythonized.tables import TableCode
from nfverify.cythonized.visitor import Visitor
from nfverify.cythonized.wrapping import wrapping
from nfverify.fastpath.plan import Plan as FastPlan
from nfverify.semantics.engine import check_supported
from nfverify.smat.ir import Network


@dataclass(frozen=True, slots=True)
class Generated:
    """The sources of a network; `name` is a file name, `libraries` are what they link with."""

    name: str
    pyx: str
    header: str
    libraries: tuple[str, ...] = ()


def generate(
    network: Network,
    options: Options | None = None,
    fast: FastPlan | None = None,
    visitor: Visitor | None = None,
) -> Generated:
    """The Cython of a network, and of its fast path, as the visitor writes it. ModelError if it is
    nested too deep."""
    for program in {id(i.program): i.program for i in network.instances}.values():
        check_supported(program)
    applications = [shape(node) for node in user_applications(network)]
    # Whether frames that are not IP enter an NF is asked of its text, dead code included.
    sees_non_ip = tuple(instance.program.sees_non_ip for instance in network.instances)
    network = folded_network(network)
    visitor = visitor or Visitor()
    plan = Plan.of(network, options or Options(), sees_non_ip, visitor)
    if fast is not None and not plan.options.count_entries:
        plan = fastlayout.planned(plan, fast)
    resources = Resources(plan.options.classifier, applications)
    tables = [TableCode.of(table) for table in plan.tables()]
    code = [visitor.visit_state(t, resources) for t in tables if resources.dense(t.layout) is None]
    nfs = [_section(i, visitor.visit_instance(plan, i, resources)) for i in plan.instances]
    machine = visitor.visit_machine(plan)
    serving = [_fast(plan, plan.fast, resources)] if plan.fast else []
    description = describe(plan, resources)  # before nf_create: it names default strings
    parts = [
        visitor.visit_arrival(plan),
        visitor.visit_departure(plan),
        *([wrapping(plan)] if plan.wraps else []),
        *code,
        *nfs,
        _life(plan, resources, tables),
        *serving,
        machine,
        _exported(plan),
        *([fastdrive.EXPORTED] if plan.fast else []),
    ]
    name = identifier(network.name)
    pyx = "\n\n".join([_head(plan, name, resources), *parts])
    return Generated(name, pyx, _header(plan, resources, description), tuple(resources.libraries))


def _section(instance: InstanceLayout, text: str) -> str:
    source = instance.program.span.source.name.rpartition("/")[2]
    title = comment(f"{instance.title} ({source})" if source else instance.title)
    return f"# {title} {'-' * max(3, 96 - len(title))}\n\n{text}"


def _head(plan: Plan, name: str, resources: Resources) -> str:
    lines = [
        "# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True",
        f"# {comment(plan.network.name)}: generated from its model by nfverify, to be read and not"
        " to be edited.",
        "from libc.stdlib cimport calloc, free",
        "from libc.string cimport memcpy, memset",
        "from nf cimport *",
        "",
        f'cdef extern from "{name}.h" nogil:',
    ]
    for struct, members in members_of(plan, resources):
        lines.append(f"{INDENT}ctypedef struct {struct}:")
        for ctype, member in members:
            lines.append(f"{INDENT * 2}{ctype} {member}")
    lines += [f"{INDENT}{extern}" for extern in resources.externs]
    lines.append(f"{INDENT}const nf_info nf_info_data")
    if not plan.simple:
        lines.append(f"{INDENT}int grow_stack(State*) noexcept")
    return "\n".join(lines) + "\n"


_STACK = """
/* Room for one more packet in line; 0: no memory. */
static inline int grow_stack(State *state)
{
    if (state->stack_depth < state->stack_room)
        return 1;
    u32 room = state->stack_room ? 2 * state->stack_room : 16;
    Packet *stack = (Packet *)realloc(state->stack, room * sizeof *stack);
    if (!stack)
        return 0;
    state->stack = stack;
    state->stack_room = room;
    return 1;
}
"""


def _header(plan: Plan, resources: Resources, description: str) -> str:
    guard = f"NF_NETWORK_{identifier(plan.network.name).upper()}"
    parts = [
        f"/* {comment(plan.network.name)}: structs and data of the generated code. */".replace(
            "*/ ", ""
        ),
        f"#ifndef {guard}\n#define {guard}",
        '#include "nf_runtime.h"',
        *structs(plan, resources),
        *filter(None, [fastdrive.prototypes(plan)]),
        *resources.header,
        description,
    ]
    if not plan.simple:
        parts.append(_STACK)
    return "\n\n".join([*parts, "#endif"]) + "\n"


def _fast(plan: Plan, fast: FastLayout, resources: Resources) -> str:
    """The fast path but for how packets come to it."""
    return "\n\n".join(
        [
            Recording(plan, fast, resources).text(),
            codes(plan, fast, resources),
            fastdrive.tries(plan, fast, resources),
        ]
    )


# Beginning and end --------------------------------------------------------------------------


def _life(plan: Plan, resources: Resources, tables: list[TableCode]) -> str:
    """`reserve`, `tick`, `tidy`, `start`, `nf_create` and `nf_destroy`."""
    places: list[tuple[str, str, str]] = []  # kind, place, arguments of its init
    written: list[tuple[str, str]] = []
    for table in tables:
        layout = table.layout
        if resources.dense(table.layout) is not None:
            continue
        kind = "nf_aged" if layout.aged else "nf_table"
        keys = [(layout.key, "")] + ([(layout.wide, "_wide")] if layout.wide else [])
        for key, suffix in keys:
            assert key is not None
            place = f"&S.{table.place}{suffix}"
            if layout.aged:
                v = layout.members[0].variable
                timeout = "0xffffffffffffffffULL" if v.timeout is None else f"{v.timeout}ULL"
                capacity = "0xffffffffffffffffULL" if v.capacity is None else f"{v.capacity}ULL"
                evict = int(v.overflow == "evict oldest")
                sizes = f"{key.words}, {layout.value_bytes}, {timeout}, {capacity}, {evict}"
            else:
                sizes = f"{key.words}, {layout.slot(key)}"
            places.append((kind, place, sizes))
            if not layout.constant:
                written.append((kind, place))
    lines = ["cdef inline int reserve(State* S, u64 packets) noexcept nogil:"]
    lines.append(f"{INDENT}# Room for all that so many packets can add: then no assignment fails.")
    lines += [
        f"{INDENT}if {kind}_reserve({place}, packets * {plan.puts}) != 0:\n{INDENT * 2}return -1"
        for kind, place in written
        if plan.puts
    ]
    lines += [f"{INDENT}return 0", "", ""]
    if plan.init_puts:
        lines.append("cdef int reserve_first(State* S, u64 packets) noexcept nogil:")
        lines.append(f"{INDENT}# The same, and for what `init` adds before them.")
        lines += [
            f"{INDENT}if {kind}_reserve({place}, packets * {plan.puts} + {plan.init_puts}) != 0:\n"
            f"{INDENT * 2}return -1"
            for kind, place in written
        ]
        lines += [f"{INDENT}return 0", "", ""]
    lines.append("cdef inline void tick(State* S) noexcept nogil:")
    lines += [f"{INDENT}{kind}_tick({place})" for kind, place in written] or [f"{INDENT}pass"]
    lines += ["", "", "cdef void tidy(State* S) noexcept nogil:"]
    lines.append(f"{INDENT}nf_pool_tidy(&nf_info_data, &S.core, {len(resources.defaults)})")
    lines += ["", "", *_start(plan)]
    lines += ["", "", *_create(plan, resources, places)]
    lines += ["", "", "cdef public void nf_destroy(nf_core* core) noexcept nogil:"]
    lines.append(f"{INDENT}cdef State* S = <State*>core")
    lines += [f"{INDENT}{kind}_free({place})" for kind, place, _ in places]
    if plan.fast:
        lines.append(f"{INDENT}nf_mat_free(&S.mat)")
    if not plan.simple:
        lines.append(f"{INDENT}free(S.stack)")
    lines += [f"{INDENT}nf_core_free(core)", f"{INDENT}free(S)"]
    return "\n".join(lines) + "\n"


def _start(plan: Plan) -> list[str]:
    lines = ["cdef void start(State* S, u64 time, u64 packets) noexcept nogil:"]
    lines.append(f"{INDENT}# The first packet's stamp: `init` of each NF, then their first timers.")
    if any(i.program.init or i.program.timers for i in plan.instances):
        lines.append(f"{INDENT}cdef Packet p")
    if plan.init_puts:
        lines += [
            f"{INDENT}if reserve_first(S, packets) != 0:",
            f"{INDENT * 2}S.core.error = NF_NO_MEMORY",
            f"{INDENT * 2}return",
        ]
    lines += [
        f"{INDENT}S.core.now = time",
        f"{INDENT}S.core.started = 1",
        f"{INDENT}nf_state_stamp(&nf_info_data, &S.core, time)",
        f"{INDENT}nf_wheel_init(&S.core.wheel, time)",
    ]
    for instance in plan.instances:
        if instance.program.init:
            lines += [
                f"{INDENT}memset(&p, 0, sizeof(Packet))",
                *([f"{INDENT}p.time = time"] if plan.timed else []),
                f"{INDENT}{instance.name}_init(S, &p, 0)",
            ]
    for index, instance in enumerate(plan.instances):
        for timer in instance.program.timers:
            lines.append(f"{INDENT}memset(&p, 0, sizeof(Packet))")
            lines += [f"{INDENT}p.tags[{plan.tags[n]}] = {v}" for n, v in timer.tags]
            lines.append(f"{INDENT}hold(S, &p, {index}, {timer.delay}ULL)")
    return lines


def _create(plan: Plan, resources: Resources, places: list[tuple[str, str, str]]) -> list[str]:
    lines = ["cdef public nf_core* nf_create() noexcept nogil:"]
    lines += [
        f"{INDENT}cdef State* S = <State*>nf_new_state(sizeof(State), {len(resources.entries)})",
        f"{INDENT}cdef u32 failed = 0",
        f"{INDENT}if S == NULL:",
        f"{INDENT * 2}return NULL",
    ]
    lines += [
        f"{INDENT}failed |= {kind}_init({place}, {sizes}) != 0" for kind, place, sizes in places
    ]
    if plan.fast:
        lines.append(f"{INDENT}failed |= {fastdrive.init(plan, plan.fast)} != 0")
    lines += [f"{INDENT}failed |= {function}() != 0" for function in resources.initialisers]
    for value in resources.defaults:
        text = f"nf_slice_of({resources.string(value)}, {len(value)})"
        lines.append(f"{INDENT}nf_kept(&S.core, {text})")
    if plan.simple and plan.depth:
        lines += [
            f"{INDENT}for i in range({plan.ring}):",
            f"{INDENT * 2}S.ring[i].head.at = NF_IDLE",
        ]
        lines.insert(2, f"{INDENT}cdef u32 i")
    lines += [
        f"{INDENT}failed |= S.core.error != NF_OK",
        f"{INDENT}if failed or nf_state_initial(&nf_info_data, &S.core, 0) != NF_OK:",
        f"{INDENT * 2}nf_destroy(&S.core)",
        f"{INDENT * 2}return NULL",
        f"{INDENT}return &S.core",
    ]
    return lines


def _exported(plan: Plan) -> str:
    forget = ""
    if plan.fast:
        forget = """
    if error == NF_OK:
        nf_mat_clear(&(<State*>core).mat)"""
    return f"""cdef public const nf_info* nf_describe() noexcept nogil:
    return &nf_info_data


cdef public i32 nf_save(nf_core* core, nf_buffer* out) noexcept nogil:
    nf_flush(core)
    return nf_state_write(&nf_info_data, core, out)


cdef public i32 nf_load(nf_core* core, const u8* data, u64 length) noexcept nogil:
    nf_flush(core)
    cdef i32 error = nf_state_read(&nf_info_data, core, data, length){forget}
    return error
"""
