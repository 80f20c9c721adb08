"""How packets go from NF to NF in an XDP program, how it begins, and its timers."""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.cythonized.layout import InstanceLayout
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.routing import targets
from nfverify.oracles.platforms.xdp.tables import MapCode
from nfverify.smat.ir import (
    FALSE,
    Compare,
    Const,
    Delete,
    If,
    Now,
    Program,
    SetTag,
    Stmt,
    Table,
    Tag,
    Touch,
    Write,
    walk,
)

INDENT = "    "


def machine(plan: Plan) -> str:
    """`network_plain` and `network_odd`: a packet through all NFs; NF_DROP, or by which port."""
    parts = [_odd(plan, number) for number in range(len(plan.instances))]
    if plan.plain:
        parts.append(_network(plan, "NF_INL i32 network_plain(State *S, Packet *p)", 1))
    return "\n".join([*parts, _network(plan, "NF_GLOBAL int network_odd(void)", 0)])


def _odd(plan: Plan, number: int) -> str:
    """A function that the verifier looks at once, wherever it is called: it works on nf_packet."""
    name = plan.instances[number].name
    bypass = (
        ""
        if plan.sees_non_ip[number]
        else f"{INDENT}if (p.head.bits && !(p.head.bits & (NF_IP4 | NF_IP6)))\n"
        f"{INDENT * 2}return NF_FORWARD;\n"
    )
    return (
        f"NF_GLOBAL int {name}_odd(void)\n{{\n{INDENT}Packet p = nf_packet;\n"
        f"{bypass}{INDENT}p.head.frame = nf_frame;\n"
        f"{INDENT}i32 out = {name}_visit(&nf_state, &p, 0);\n"
        f"{INDENT}p.head.frame = NULL;\n{INDENT}nf_packet = p;\n{INDENT}return out;\n}}\n"
    )


def _network(plan: Plan, head: str, fast: int) -> str:
    first = plan.network.ingress
    lines = [head, "{", f"{INDENT}i32 out;"]
    if not fast:
        lines.append(f"{INDENT}const Packet *p = &nf_packet;")
    single = len(plan.instances) == 1
    if not single:
        lines.append(f"{INDENT}u32 at = {first};")
    for number, instance in enumerate(plan.instances):
        visit = f"{instance.name}_visit(S, p, 1)" if fast else f"{instance.name}_odd()"
        inner = [
            f"out = {visit};",
            "if (out == NF_DROP)",
            f"{INDENT}return NF_DROP;",
            "if (out == NF_FORWARD)",
            f"{INDENT}out = {_default_port(plan, number)};",
            *_successor(plan, number, single=single),
        ]
        if not single:
            inner = [f"if (at == {number}) {{", *(INDENT + line for line in inner), "}"]
        lines += [INDENT + line for line in inner]
    if not single:
        lines.append(f"{INDENT}return out;")
    return "\n".join([*lines, "}"]) + "\n"


def _default_port(plan: Plan, number: int) -> str:
    program = plan.network.instances[number].program
    first, second = program.ports[:2] if program.ports else (0, 1)
    return f"p->head.iface == {first} ? {second} : {first}"


def _successor(plan: Plan, number: int, *, single: bool) -> list[str]:
    found = targets(plan, number)
    if single:
        return ["return out;"]
    distinct = set(found.values())
    if len(distinct) == 1:
        target = distinct.pop()
        return ["return out;"] if target is None else [f"at = {target};"]
    lines = []
    for target in sorted(distinct, key=lambda t: (t is not None, t or 0)):
        test = " || ".join(f"out == {port}" for port, t in found.items() if t == target)
        lines += [f"if ({test})", INDENT + ("return out;" if target is None else f"at = {target};")]
    return lines


# The beginning ------------------------------------------------------------------------------


def start(plan: Plan, maps: Sequence[MapCode]) -> str:
    """`start`: the first packet's stamp, `init` of each NF, then their first timers."""
    lines = ["S->core.now = time;", "S->core.started = 1;"]
    functions = []
    for code in maps:
        if code.layout.aged:  # what it begins with, or a state of before the first packet has
            name = f"{code.code.prefix}_restamp"
            functions.append(
                f"static long {name}(void *map, const void *key, {code.value} *e, u64 *time)\n{{\n"
                f"{INDENT}e->stamp = *time;\n{INDENT}return 0;\n}}\n"
            )
            lines.append(f"bpf_for_each_map_elem(&{code.map}, {name}, &time, 0);")
    for instance in plan.instances:
        if instance.program.init:
            lines += [*_dummy("time"), "p.head.frame = nf_frame;"]
            lines.append(f"{instance.name}_init(S, &p, 0);")
    number = 0
    for instance in plan.instances:
        for timer in instance.program.timers:
            slot = f"S->core.timers[{number}]"
            lines += [
                f"{slot}.due = time + {timer.delay}ULL;",
                f"{slot}.number = S->core.timers_made++;",
            ]
            given = dict(timer.tags)
            lines += [f"{slot}.tags[{at}] = {given.get(n, 0)};" for n, at in plan.tags.items()]
            number += 1
    packet = f"{INDENT}Packet p;\n" if any(i.program.init for i in plan.instances) else ""
    body = "".join(f"{INDENT}{line}\n" for line in lines)
    head = f"NF_GLOBAL int start(u64 time)\n{{\n{INDENT}State *S = &nf_state;\n{packet}"
    return "\n".join([*functions, f"{head}{body}{INDENT}return 0;\n}}\n"])


def _dummy(time: str) -> list[str]:
    return ["memset(&p, 0, sizeof p);", f"nf_at(&p, {time});"]


# Timers -------------------------------------------------------------------------------------


def firing(plan: Plan) -> str:
    """`fire`: the timers due, earliest first, ties in the order of their setting."""
    slots = [i for i in plan.instances for _ in i.program.timers]
    steady = _STEADY if quiet(plan) else _RESTLESS
    return "\n".join([_STEADILY, steady, _fire_one(plan, slots), _FIRE])


def quiet(plan: Plan) -> bool:
    """Do timers assign no keys of maps, and not look at the clock? Then those that change nothing
    once will change nothing (decision 23)."""
    programs = [i.program for i in plan.instances if i.program.timers]
    return not any(
        isinstance(node, Now | SetTag) or (isinstance(node, Write | Delete | Touch) and node.keys)
        for program in programs
        for node in walk(of_timers(program))
    ) and not any(variable.aged for program in programs for variable in program.state)


def of_timers(program: Program) -> tuple[Stmt, ...]:
    """What packets of timers can come to: of a body that is one table, nothing behind an entry
    whose guard tests only what their tags are."""
    body = tuple(s for s in program.body if not (isinstance(s, If) and s.condition == FALSE))
    match body:
        case (Table(entries=(first, *_)),):
            assigned = {n.name for n in walk(body) if isinstance(n, SetTag)}
            tags = [dict(timer.tags) for timer in program.timers]
            match first.match_flow, first.match_state:
                case (Compare(op="==", left=Tag(name=name), right=Const(value=value)),), ():
                    if name not in assigned and all(t.get(name, 0) == value for t in tags):
                        return first.body
    return body


def _fire_one(plan: Plan, slots: Sequence[InstanceLayout]) -> str:
    tests = []
    for number, instance in enumerate(slots):
        tests += [f"if (slot == {number})", f"{INDENT}out = {instance.name}_odd();"]
    lines = [
        "Packet p;",
        "i32 out = NF_DROP;",
        "if (slot >= NF_TIMERS)",
        f"{INDENT}return 0;",
        "nf_timer *timer = &nf_state.core.timers[slot];",
        "u64 due = timer->due;",
        *_dummy("due"),
        *(f"p.tags[{i}] = timer->tags[{i}];" for i in range(len(plan.tags))),
        "nf_packet = p;",
        "nf_state.core.now = due;",
        *tests,
        "timer->due = ~0ULL;",
        "if (out != NF_DELAY) {",
        f"{INDENT}nf_fire_period = 0;",
        f"{INDENT}return 0;",
        "}",
        "timer->due = due + nf_packet.delay;",
        "timer->number = nf_state.core.timers_made++;",
        *(f"timer->tags[{i}] = nf_packet.tags[{i}];" for i in range(len(plan.tags))),
        "if (timer->due < due || timer->due == ~0ULL)",
        f"{INDENT}nf_state.core.error = NF_RUNAWAY;",
        "nf_fire_steady(timer->due - due);",
        "return 0;",
    ]
    body = "".join(f"{INDENT}{line}\n" for line in lines)
    return f"NF_GLOBAL int nf_fire_one(u32 slot)\n{{\n{body}}}\n"


_STEADILY = """\
/* How many firings in a row, all of this period, changed no variable and no counter. */
static volatile u32 nf_fire_steadily;
static volatile u64 nf_fire_period;
"""

_RESTLESS = """\
NF_INL void nf_fire_steady(u64 period)
{
    (void)period;
}
"""

_STEADY = """\
static State nf_fire_before; /* the variables as they were */

NF_INL void nf_fire_steady(u64 period)
{
    const u64 *now = (const u64 *)&nf_state;
    u64 *before = (u64 *)&nf_fire_before, differ = period ^ nf_fire_period;
    for (u32 i = offsetof(State, core.overflow) / 8; i < sizeof(State) / 8; i++) {
        differ |= now[i] ^ before[i];
        before[i] = now[i];
    }
    nf_fire_period = period;
    nf_fire_steadily = differ ? 0 : nf_fire_steadily + 1;
}
"""

_FIRE = """\
NF_GLOBAL int nf_fire_all(u64 until)
{
    nf_core *core = &nf_state.core;
    nf_fire_steadily = 0;
    nf_fire_period = 0; /* the first firing has nothing to be compared with */
    for (u32 fired = nf_zero; fired <= NF_MAX_FIRINGS; fired++) {
        u32 slot = NF_TIMERS;
        u64 due = until, number = ~0ULL;
        for (u32 i = 0; i < NF_TIMERS; i++) {
            const nf_timer *timer = &core->timers[i];
            if (timer->due < due || (timer->due == due && timer->number < number)) {
                slot = i;
                due = timer->due;
                number = timer->number;
            }
        }
        if (slot >= NF_TIMERS || core->error || !nf_loop(core))
            return 0;
        if (nf_fire_steadily >= NF_TIMERS && nf_fire_period) { /* the rest does the same */
            u64 skipped = (until - due) / nf_fire_period * nf_fire_period;
            for (u32 i = 0; i < NF_TIMERS; i++)
                if (core->timers[i].due != ~0ULL)
                    core->timers[i].due += skipped;
            nf_fire_steadily = 0;
        } else {
            nf_fire_one(slot);
        }
    }
    core->error = NF_RUNAWAY;
    return 0;
}

NF_INL void nf_fire(u64 until)
{
    for (u32 i = 0; i < NF_TIMERS; i++)
        if (nf_unlikely(nf_state.core.timers[i].due <= until)) {
            nf_fire_all(until);
            return;
        }
}
"""
