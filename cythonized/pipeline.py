"""The pipeline of a simple network: a ring of packets, and the NFs working on it one behind another."""

from __future__ import annotations

from nfverify.cythonized.function import INDENT
from nfverify.cythonized.plan import MAX_PIPELINED_PUTS, Plan
from nfverify.cythonized.routing import default_port, targets


def pipeline(plan: Plan) -> str:
    """`enter`, a stage for each NF, `turn`, `nf_push` and `nf_flush`."""
    parts = [_leave(plan), _stages(plan), _enter(plan), _turn(plan), _push(plan), _flush(plan)]
    return "\n\n".join(parts)


def _leave(plan: Plan) -> str:
    return """cdef inline void leave(Packet* p, i32 port, u32 fast) noexcept nogil:
    # Out of the network by a port: rewritten where it lies. No later stage knows its place.
    deparse(p, p.head.frame, fast)
    p.verdict[0] = port


cdef inline void vanish(Packet* p) noexcept nogil:
    # Dropped: the frame stays as it came in.
    p.verdict[0] = NF_DROPPED
"""


def _stages(plan: Plan) -> str:
    return "\n\n".join(_stage(plan, index) for index in range(len(plan.instances)))


def _stage(plan: Plan, index: int) -> str:
    """What an NF does to a packet of the ring, and where the packet goes then."""
    instance = plan.instances[index]
    name = instance.name
    inline = "inline " if plan.options.fuse else ""
    skip = "" if instance.program.sees_non_ip else "not p.head.bits & (NF_IP4 | NF_IP6)"
    lines = [f"cdef inline void {name}_done(State* S, Packet* p, i32 out, u32 fast) noexcept nogil:"]
    lines += [INDENT + line for line in _route(plan, index)]
    lines += ["", "", f"cdef void {name}_odd(State* S, Packet* p) noexcept nogil:"]
    lines.append(f"{INDENT}# Options, tags, fragments, IPv6, what isn't IP.")
    if skip:
        lines += [f"{INDENT}if {skip}:", f"{INDENT * 2}{name}_done(S, p, NF_FORWARD, 0)"]
        lines += [f"{INDENT}else:", f"{INDENT * 2}{name}_done(S, p, {name}_visit(S, p, 0), 0)"]
    else:
        lines.append(f"{INDENT}{name}_done(S, p, {name}_visit(S, p, 0), 0)")
    lines += ["", "", f"cdef {inline}void {name}_stage(State* S, Packet* p) noexcept nogil:"]
    if plan.plain:
        lines += [
            f"{INDENT}if nf_likely(p.head.at == {2 * index + 1}):",
            f"{INDENT * 2}{name}_done(S, p, {name}_visit(S, p, 1), 1)",
        ]
    lines += [
        f"{INDENT}{'elif' if plan.plain else 'if'} p.head.at == {2 * index}:",
        f"{INDENT * 2}{name}_odd(S, p)",
    ]
    return "\n".join(lines) + "\n"


def _route(plan: Plan, index: int) -> list[str]:
    """By the port of an output, to the next NF or out."""
    found = targets(plan, index)
    lines = ["if out == NF_DROP:", f"{INDENT}vanish(p)", "else:"]
    inner: list[str] = []
    if len(set(found.values())) > 1 or None in found.values():
        inner += ["if out == NF_FORWARD:", f"{INDENT}out = {default_port(plan, index)}"]
    distinct = sorted(set(found.values()), key=lambda t: (t is not None, t or 0))
    for place, target in enumerate(distinct):
        ports = [port for port, t in found.items() if t == target]
        test = " or ".join(f"out == {port}" for port in ports)
        indent = ""
        if place < len(distinct) - 1:
            inner.append(f"{'elif' if place else 'if'} {test}:")
            indent = INDENT
        elif place:
            inner.append("else:")
            indent = INDENT
        if target is None:
            inner.append(f"{indent}leave(p, out, fast)")
        else:
            inner.append(f"{indent}p.head.at = {2 * target} + fast")
            inner.append(f"{indent}{plan.instances[target].name}_front(S, p, fast)")
    return lines + [INDENT + line for line in inner]


def _enter(plan: Plan) -> str:
    first = plan.instances[plan.network.ingress]
    at = 2 * plan.network.ingress
    writes = "1" if any(name != "size" for name in plan.written) else "0"
    plain = f"nf_parse_fast(&p.head, frame, length, {writes})" if plan.plain else "nf_no()"
    return f"""cdef void enter_odd(State* S, Packet* p, u8* frame, u32 length, u16 port) noexcept nogil:
    p.head.at = NF_IDLE
    if nf_parse(&p.head, frame, length) != NF_PARSED:
        S.core.counters[NF_MALFORMED_FRAMES] += 1
        vanish(p)
    elif S.core.non_ip_drop and not p.head.bits & (NF_IP4 | NF_IP6):
        S.core.counters[NF_NON_IP_FRAMES] += 1
        vanish(p)
    else:
        p.head.iface = port
        p.head.at = {at}
        arrive(p, 0)
        {first.name}_front(S, p, 0)


cdef inline void enter(State* S, Packet* p, u8* frame, u32 length, u16 port) noexcept nogil:
    if nf_likely({plain}):
        p.head.iface = port
        p.head.at = {at + 1}
        arrive(p, 1)
        {first.name}_front(S, p, 1)
    else:
        enter_odd(S, p, frame, length, port)
"""


def _turn(plan: Plan) -> str:
    """One step of the pipeline: each NF works on the packet that is its distance behind."""
    depth = plan.depth
    lines = ["cdef inline void turn(State* S, u32 head) noexcept nogil:"]
    for index, instance in enumerate(plan.instances):
        back = f" - {(index + 1) * depth}" if depth else ""
        place = f"(head{back}) & {plan.ring - 1}"
        lines.append(f"{INDENT}{instance.name}_stage(S, &S.ring[{place}])")
    if plan.scratch:
        lines.append(f"{INDENT}nf_arena_reset(&S.core.scratch)")
    return "\n".join(lines) + "\n"


def _push(plan: Plan) -> str:
    clock = "\n        now = nf_max(now, batch.times[i])"
    if plan.timed:
        clock += "\n        p.time = now"
    single = plan.puts > MAX_PIPELINED_PUTS
    each = ""
    if single:
        each = """
        if reserve(S, 1) != 0:
            core.error = NF_NO_MEMORY
            break"""
    room = "1" if single else f"batch.n + {plan.ring}"
    return f"""cdef public i32 nf_push(nf_core* core, const nf_batch* batch) noexcept nogil:
    cdef State* S = <State*>core
    cdef Packet* p
    cdef u32 i, head
    cdef u64 now
    cdef u16 first_port = 0
    # Without ports, all packets came in by the first: one number is read again and again.
    cdef const u16* ports = batch.ports if batch.ports != NULL else &first_port
    cdef u32 every = 0xffffffffU if batch.ports != NULL else 0
    if core.error != NF_OK:
        return core.error
    if batch.n == 0:
        return NF_OK
    if reserve(S, {room}) != 0:
        return NF_NO_MEMORY
    if not core.started:
        start(S, batch.times[0])
    now = core.now
    head = S.ring_head
    for i in range(batch.n):{each}
        p = &S.ring[head & {plan.ring - 1}]{clock}
        p.verdict = &batch.verdicts[i]
        enter(S, p, batch.frames[i], batch.lengths[i], ports[i & every])
        turn(S, head)
        head += 1
    S.ring_head = head
    core.now = now
    tick(S)
    return core.error
"""


def _flush(plan: Plan) -> str:
    steps = len(plan.instances) * plan.depth
    drain = ""
    if steps:
        drain = f"""
    cdef u32 i
    for i in range({steps}):
        S.ring[S.ring_head & {plan.ring - 1}].head.at = NF_IDLE
        turn(S, S.ring_head)
        S.ring_head += 1"""
    return f"""cdef public i32 nf_flush(nf_core* core) noexcept nogil:
    cdef State* S = <State*>core{drain}
    tidy(S)
    return core.error


cdef public i32 nf_advance(nf_core* core, u64 time) noexcept nogil:
    cdef i32 error = nf_flush(core)
    if core.started:
        core.now = nf_max(core.now, time)
    return error
"""
