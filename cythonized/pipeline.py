"""How packets go through a simple network: one at once, or in a ring on which all NFs work.

The ring holds blocks of `depth` packets in order of arrival; when one is full, each NF works on the
block that is its distance behind. It stays open from one push to the next. Where nothing is looked
up there is nothing to fetch ahead, and a packet goes through all NFs at once.
"""

from __future__ import annotations

from nfverify.cythonized import fastdrive
from nfverify.cythonized.function import INDENT
from nfverify.cythonized.plan import MAX_PIPELINED_PUTS, Plan
from nfverify.cythonized.routing import default_port, targets
from nfverify.cythonized.tables import TableCode


def pipeline(plan: Plan) -> str:
    """`enter_odd`, a stage for each NF, `nf_push`, `nf_flush` and `nf_advance`."""
    parts = [_LEAVE, *(_stage(plan, index) for index in range(len(plan.instances)))]
    parts.append(_enter_odd(plan))
    parts += [_turn(plan), _ring(plan)] if plan.depth else [_direct(plan)]
    parts.append(_flush(plan))
    if plan.fast:
        parts.append(fastdrive.blocks(plan, plan.fast))
    return "\n\n".join(parts)


_LEAVE = """cdef inline void leave(Packet* p, i32 port, u32 fast) noexcept nogil:
    # Out of the network by a port: rewritten where it lies. No later stage knows its place.
    deparse(p, p.head.frame, fast)
    p.verdict[0] = port


cdef inline void vanish(Packet* p) noexcept nogil:
    # Dropped: the frame stays as it came in.
    p.verdict[0] = NF_DROPPED
"""


def _stage(plan: Plan, index: int) -> str:
    """What an NF does to a packet, and where the packet goes then: `head.at` is twice the number of
    the NF, and one more if the frame is plain."""
    instance = plan.instances[index]
    name = instance.name
    inline = "inline " if plan.options.fuse else ""
    visit = f"{name}_done(S, p, {name}_visit(S, p, 0), 0)"
    if plan.sees_non_ip[index]:
        odd = f"{INDENT}{visit}"
    else:
        odd = f"""    if not p.head.bits & (NF_IP4 | NF_IP6):
        {name}_done(S, p, NF_FORWARD, 0)
    else:
        {visit}"""
    route = "\n".join(INDENT + line for line in _route(plan, index))
    plain = f"""


cdef {inline}void {name}_plain(State* S, Packet* p) noexcept nogil:
    {name}_done(S, p, {name}_visit(S, p, 1), 1)
"""
    return f"""cdef inline void {name}_done(State* S, Packet* p, i32 out, u32 fast) noexcept nogil:
{route}


cdef void {name}_odd(State* S, Packet* p) noexcept nogil:
    # Options, tags, fragments, IPv6, what isn't IP.
{odd}
{plain if plan.plain else ""}"""


def _route(plan: Plan, index: int) -> list[str]:
    """By the port of an output, to the next NF or out."""
    found = targets(plan, index)
    if not plan.written and set(found.values()) == {None}:
        port = f"nf_choose(out == NF_FORWARD, {default_port(plan, index)}, out)"
        return [
            "# Without branches: drop or not is what the traffic decides.",
            f"p.verdict[0] = nf_choose(out == NF_DROP, NF_DROPPED, {port})",
        ]
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


def _parsed(plan: Plan) -> str:
    """Is the frame plain, and if so parsed."""
    writes = "1" if any(name != "size" for name in plan.written) else "0"
    if not plan.plain:
        return "nf_no()"
    return f"nf_parse_fast(&p.head, frames[i], lengths[i], {writes})"


def _enter_odd(plan: Plan) -> str:
    first = plan.instances[plan.network.ingress]
    head = "enter_odd(State* S, Packet* p, u8* frame, u32 length, u16 port)"
    return f"""cdef void {head} noexcept nogil:
    p.head.at = NF_IDLE
    if nf_parse(&p.head, frame, length) != NF_PARSED:
        S.core.counters[NF_MALFORMED_FRAMES] += 1
        vanish(p)
    elif S.core.non_ip_drop and not p.head.bits & (NF_IP4 | NF_IP6):
        S.core.counters[NF_NON_IP_FRAMES] += 1
        vanish(p)
    else:
        p.head.iface = port
        p.head.at = {2 * plan.network.ingress}
        arrive(p, 0)
        {first.name}_front(S, p, 0)
"""


def _enter(plan: Plan, depth: str) -> str:
    """A plain frame goes to the first NF."""
    first = plan.instances[plan.network.ingress]
    lines = [
        f"p.head.at = {2 * plan.network.ingress + 1}",
        "arrive(p, 1)",
        f"{first.name}_front(S, p, 1)",
    ]
    return "\n".join(depth + line for line in lines)


_BEGIN = """(nf_core* core, const nf_batch* batch) noexcept nogil:
    cdef State* S = <State*>core
    cdef Packet* p
    cdef u64 i, n = batch.n
    cdef u8** frames = batch.frames
    cdef const u32* lengths = batch.lengths
    cdef i32* verdicts = batch.verdicts
    cdef const u16* ports = batch.ports  # NULL: all came in by the first"""

_BEFORE = """
    if core.error != NF_OK:
        return core.error
    if n == 0:
        return NF_OK
    if reserve(S, {room}) != 0:
        return NF_NO_MEMORY
    if not core.started:
        start(S, batch.times[0], {room})
        if core.error != NF_OK:
            return core.error"""

_AFTER = """
    core.now = {now}
    tick(S)
    return core.error
"""


def _before(plan: Plan, room: str) -> str:
    declared, begun = ("\n    cdef u64 now", "\n    now = core.now") if plan.timed else ("", "")
    return declared + _BEFORE.format(room=room) + begun


def _after(plan: Plan) -> str:
    return _AFTER.format(now="now" if plan.timed else "nf_latest(core.now, batch.times, n)")


NEXT = "\n" + INDENT * 2


def _clock(plan: Plan) -> str:
    return "\n        now = nf_max(now, batch.times[i])\n        p.time = now" if plan.timed else ""


def _push(plan: Plan) -> str:
    """With a fast path, packets come by that; plans with faults never send whole blocks."""
    if plan.fast is None:
        return "cdef public i32 nf_push"
    return f"cdef {'public ' if plan.fast.faulty else ''}i32 chain_push"


# The ring -----------------------------------------------------------------------------------


def _turn(plan: Plan) -> str:
    """One step of the pipeline: each NF works on the block of packets that is its distance behind
    the one that has just been filled."""
    lines = [
        "cdef inline Packet* block(State* S, u32 number) noexcept nogil:",
        f"{INDENT}return &S.ring[(number & {plan.blocks - 1}) * {plan.depth}]",
        "",
        "",
        "cdef inline void turn(State* S) noexcept nogil:",
        f"{INDENT}cdef Packet* p",
        f"{INDENT}cdef u32 i",
    ]
    for index, instance in enumerate(plan.instances):
        lines.append(f"{INDENT}p = block(S, S.ring_block - {index + 1})")
        lines.append(f"{INDENT}for i in range({plan.depth}):")
        if plan.plain:
            lines += [
                f"{INDENT * 2}if nf_likely(p.head.at == {2 * index + 1}):",
                f"{INDENT * 3}{instance.name}_plain(S, p)",
            ]
        lines += [
            f"{INDENT * 2}{'elif' if plan.plain else 'if'} p.head.at == {2 * index}:",
            f"{INDENT * 3}{instance.name}_odd(S, p)",
            f"{INDENT * 2}p += 1",
        ]
    lines += [f"{INDENT}S.ring_block += 1", f"{INDENT}S.ring_filled = 0"]
    return "\n".join(lines) + "\n"


def _refresh(plan: Plan) -> str:
    """The homes of packets that wait in the ring, if a table grew since they were computed."""
    lines = ["cdef void refresh(State* S) noexcept nogil:", f"{INDENT}cdef Packet* p"]
    lines += [f"{INDENT}cdef u32 i, back", f"{INDENT}cdef u32 changed = 0"]
    for number, table in enumerate(plan.tables()):
        if not table.aged and not table.constant:
            place = f"&S.{TableCode.of(table).place}"
            lines.append(f"{INDENT}changed |= nf_form_changed(&S.form[{number}], {place})")
    lines += [
        f"{INDENT}if not changed:",
        f"{INDENT * 2}return",
        f"{INDENT}for back in range({len(plan.instances) + 1}):",
        f"{INDENT * 2}p = block(S, S.ring_block - back)",
        f"{INDENT * 2}for i in range({plan.depth}):",
        f"{INDENT * 3}if not back and i == S.ring_filled:",
        f"{INDENT * 4}break",
    ]
    for index, instance in enumerate(plan.instances):
        # Those on their way to this NF, and no others: what is done may be gone.
        lines += [
            f"{INDENT * 3}{'elif' if index else 'if'} p.head.at == {2 * index + 1}"
            f" and back <= {index + 1}:",
            f"{INDENT * 4}{instance.name}_front(S, p, 1)",
        ]
    lines.append(f"{INDENT * 3}p += 1")
    return "\n".join(lines) + "\n"


def _ring(plan: Plan) -> str:
    ahead = ""
    if plan.options.prefetch:
        ahead = f"""
        for k in range(until, until + {plan.depth} if until + {plan.depth} < n else n):
            nf_prefetch_at(frames[k])"""
    return f"""{_refresh(plan)}

{_push(plan)}{_BEGIN}
    cdef u64 k, until{_before(plan, f"n + {plan.ring}")}
    refresh(S)
    i = 0
    while i < n:
        p = block(S, S.ring_block) + S.ring_filled
        until = i + {plan.depth} - S.ring_filled
        until = until if until < n else n{ahead}
        if ports != NULL or S.ring_ported:  # what a place in the ring held before is 0 as a rule
            for k in range(until - i):
                p[k].head.iface = ports[i + k] if ports != NULL else 0
            S.ring_ported = {plan.ring} if ports != NULL else S.ring_ported - 1
        S.ring_filled += <u32>(until - i)
        while i < until:{_clock(plan).replace(NEXT, NEXT + INDENT)}
            p.verdict = &verdicts[i]
            if nf_likely({_parsed(plan)}):
{_enter(plan, INDENT * 4)}
            else:
                enter_odd(S, p, frames[i], lengths[i], ports[i] if ports != NULL else 0)
            p += 1
            i += 1
        if S.ring_filled == {plan.depth}:
            turn(S){_after(plan)}"""


# One at once --------------------------------------------------------------------------------


def _direct(plan: Plan) -> str:
    """Plain packets in a variable whose address goes nowhere, so that it lives in registers."""
    room, each = "n", ""
    if plan.puts > MAX_PIPELINED_PUTS:
        room = "1"
        each = """
        if reserve(S, 1) != 0:
            core.error = NF_NO_MEMORY"""
    stages = ["".join(_at_once(plan, kind)) for kind in ("plain", "odd")]
    ahead = ""
    if plan.options.prefetch:
        ahead = "\n        nf_prefetch_at(frames[i + 16 if i + 16 < n else n - 1])"
    scratch = "\n        nf_arena_reset(&core.scratch)" if plan.scratch else ""
    odd = "enter_odd(S, p, frames[i], lengths[i], ports[i] if ports != NULL else 0)"
    return f"""{_push(plan)}{_BEGIN}
    cdef Packet packet
    cdef Packet odd{_before(plan, room)}
    for i in range(n):{each}
        if core.error != NF_OK:
            break{ahead}
        p = &packet{_clock(plan)}
        p.verdict = &verdicts[i]
        if nf_likely({_parsed(plan)}):
            p.head.iface = ports[i] if ports != NULL else 0
{_enter(plan, INDENT * 3)}{stages[0]}
        else:
            p = &odd
            p.verdict = &verdicts[i]{_stamp(plan)}
            {odd}{stages[1]}{scratch}{_after(plan)}"""


def _stamp(plan: Plan) -> str:
    return f"\n{INDENT * 3}p.time = now" if plan.timed else ""


def _at_once(plan: Plan, kind: str) -> list[str]:
    if kind == "plain" and not plan.plain:
        return []
    return [
        f"\n{INDENT * 3}if p.head.at == {2 * index + (kind == 'plain')}:"
        f"\n{INDENT * 4}{instance.name}_{kind}(S, p)"
        for index, instance in enumerate(plan.instances)
    ]


def _flush(plan: Plan) -> str:
    drain, drained = "", ""
    if plan.depth:
        drained = "\n    drain(S)"
        drain = f"""cdef void drain(State* S) noexcept nogil:
    # All packets in the ring are done.
    cdef u32 i
    refresh(S)
    for i in range({len(plan.instances) + 1}):
        while S.ring_filled < {plan.depth}:
            (block(S, S.ring_block) + S.ring_filled).head.at = NF_IDLE
            S.ring_filled += 1
        turn(S)


"""
    return f"""{drain}cdef public i32 nf_flush(nf_core* core) noexcept nogil:
    cdef State* S = <State*>core{drained}
    tidy(S)
    return core.error


cdef public i32 nf_advance(nf_core* core, u64 time) noexcept nogil:
    cdef i32 error = nf_flush(core)
    if core.started:
        core.now = nf_max(core.now, time)
    return error
"""
