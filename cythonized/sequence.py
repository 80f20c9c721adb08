"""Networks whose packets go one by one: those with timers, delays, or several copies."""

from __future__ import annotations

from nfverify.cythonized import fastdrive
from nfverify.cythonized.function import INDENT
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.routing import default_port, targets


def sequence(plan: Plan) -> str:
    """`visit`, `send`, `fire`, `nf_push`, `nf_flush` and `nf_advance`."""
    return "\n\n".join(
        [_stack(), _visit(plan), _leave(), _send(plan), _hold(plan), _fire(), _push(plan)]
    )


def _stack() -> str:
    return """cdef i32 wait_in_line(State* S, const Packet* p, i32 target, i32 port) noexcept nogil:
    # A copy that goes on once what stands behind it in the stack is done.
    cdef Packet* top
    if not grow_stack(S):
        S.core.error = NF_NO_MEMORY
        return NF_NO_MEMORY
    top = &S.stack[S.stack_depth]
    top[0] = p[0]
    top.head.at = <u16>target
    top.port = port
    S.stack_depth += 1
    return NF_OK
"""


def _visit(plan: Plan) -> str:
    lines = ["cdef i32 visit(State* S, Packet* p, i32 target) noexcept nogil:"]
    for index, instance in enumerate(plan.instances):
        name = instance.name
        test = "elif" if index else "if"
        lines.append(f"{INDENT}{test} target == {index}:")
        if not plan.sees_non_ip[index]:
            lines += [
                f"{INDENT * 2}if p.head.bits and not p.head.bits & (NF_IP4 | NF_IP6):",
                f"{INDENT * 3}return NF_FORWARD",
            ]
        if plan.plain:
            lines += [f"{INDENT * 2}if p.plain:"]
            lines += [
                f"{INDENT * 3}{name}_front(S, p, 1)",
                f"{INDENT * 3}return {name}_visit(S, p, 1)",
            ]
        lines += [f"{INDENT * 2}{name}_front(S, p, 0)", f"{INDENT * 2}return {name}_visit(S, p, 0)"]
    lines.append(f"{INDENT}return NF_DROP")
    return "\n".join(lines) + "\n"


def _leave() -> str:
    return """cdef void leave(State* S, Packet* p, i32 port) noexcept nogil:
    cdef u8* frame = nf_sent_add(
        &S.core, S.core.now, <u32>port, p.head.frame, p.head.length, S.cause, p.origin, p.original)
    if frame != NULL:
        if p.plain:
            deparse(p, frame, 1)
        else:
            deparse(p, frame, 0)
"""


def _send(plan: Plan) -> str:
    lines = [
        "cdef i32 successor(i32 target, i32 port) noexcept nogil:",
        f"{INDENT}# NF_IDLE: out of the network.",
    ]
    for index in range(len(plan.instances)):
        for port, target in targets(plan, index).items():
            if target is not None:
                lines.append(f"{INDENT}if target == {index} and port == {port}:")
                lines.append(f"{INDENT * 2}return {target}")
    lines += [f"{INDENT}return NF_IDLE", "", ""]
    lines.append("cdef i32 forwarded(i32 target, const Packet* p) noexcept nogil:")
    for index in range(len(plan.instances)):
        lines.append(f"{INDENT}if target == {index}:")
        lines.append(f"{INDENT * 2}return {default_port(plan, index)}")
    lines.append(f"{INDENT}return 0")
    shared = "\n            p.wraps.own = 0" if plan.wraps else ""
    several = (
        f"""        elif out == NF_SEVERAL:
            i = p.copies{shared}
            while i > 0:
                i -= 1
                wait_in_line(S, &p, successor(target, p.ports[i]), p.ports[i])
"""
        if plan.copies > 1
        else ""
    )
    return (
        "\n".join(lines)
        + f"""


cdef void send(State* S, const Packet* first, i32 target) noexcept nogil:
    # Through the NFs from `target` on, each copy through all of them before the next.
    cdef Packet p
    cdef i32 out
    cdef u32 i, visits = 0
    cdef u32 dummy = not first.head.bits
    S.stack_depth = 0
    wait_in_line(S, first, target, 0)
    while S.stack_depth and S.core.error == NF_OK:
        if visits == NF_MAX_VISITS:
            S.core.error = NF_COPIES
            return
        visits += 1
        S.stack_depth -= 1
        p = S.stack[S.stack_depth]
        if p.head.at == NF_IDLE:
            leave(S, &p, p.port)
            continue
        target = p.head.at
        if reserve(S, 1) != 0:
            S.core.error = NF_NO_MEMORY
            return
        out = visit(S, &p, target)
        if out == NF_DELAY:
            hold(S, &p, target, p.delay)
        elif dummy:
            pass
        elif out == NF_FORWARD:
            out = forwarded(target, &p)
            wait_in_line(S, &p, successor(target, out), out)
{several}        elif out >= 0:
            wait_in_line(S, &p, successor(target, out), out)
"""
    )


def _hold(plan: Plan) -> str:
    payload = "payload" in plan.written
    whole = "nf_slice_of(NULL, 0)"
    if payload:
        whole = "p.f_payload"
    keep = "\n        held.f_payload.data = payload" if payload else ""
    if plan.wraps:  # what waits is a packet like one that has come in
        keep += "\n        memset(&held.wraps, 0, sizeof(nf_wraps))"
    return f"""cdef void hold(State* S, Packet* p, i32 target, u64 delay) noexcept nogil:
    # Off the wire until `delay` ns from now, with the writes made and the tags.
    cdef u8* frame = NULL
    cdef u8* payload = NULL
    cdef Packet* held
    if p.plain:
        nf_complete(&p.head)
    held = <Packet*>nf_hold(
        &S.core, p, sizeof(Packet), &p.head, <u32>target, p.original, delay, {whole},
        &frame, &payload)
    if held != NULL:
        held.plain = 0
        held.origin = UINT32_MAX
        held.head.frame = frame{keep}
"""


def _fire() -> str:
    return """cdef void fire(State* S, u64 until) noexcept nogil:
    # The timers due, earliest first, ties in the order of their setting.
    cdef nf_timer* timer
    cdef Packet p
    cdef nf_ticks ticks
    if nf_wheel_next(&S.core.wheel) > until:
        return
    nf_ticks_begin(&ticks)
    while S.core.error == NF_OK and nf_wheel_next(&S.core.wheel) <= until:
        nf_ticks_skipped(&ticks, &nf_info_data, &S.core, until)
        if S.core.error != NF_OK:
            break
        if reserve(S, 1) != 0:
            S.core.error = NF_NO_MEMORY
            break
        timer = nf_wheel_pop(&S.core.wheel, until)
        S.core.now = nf_timer_due(timer)
        p = (<Packet*>nf_waiting_packet(timer))[0]
        p.time = S.core.now
        p.original = nf_waiting_original(timer)
        send(S, &p, <i32>nf_waiting_instance(timer))
        free(timer)
        nf_arena_reset(&S.core.scratch)
"""


def _push(plan: Plan) -> str:
    plain = "0"
    if plan.plain:
        writes = "1" if any(name != "size" for name in plan.written) else "0"
        plain = f"nf_parse_fast(&p.head, frame, length, {writes})"
    declared, before, after, ticked = fastdrive.hooks(plan)
    arguments = "State* S, u64 time, u16 port, u8* frame, u32 length, u32 original"
    return f"""cdef void event({arguments}) noexcept nogil:
    # A frame that arrives: the timers due before it, then all that it causes.
    cdef Packet p{declared}
    if not S.core.started:
        start(S, time, 1)
    time = nf_max(S.core.now, time)
    fire(S, time)
    if S.core.error != NF_OK:
        return
    S.core.now = time{before}
    memset(&p, 0, sizeof(Packet))
    p.time = time
    p.cause = S.cause
    p.origin = S.cause
    p.original = original
    if {plain}:
        p.plain = 1
        p.head.iface = port
        p.head.bits = 255  # known to be IP; nf_complete sets them
        arrive(&p, 1)
    else:
        p.plain = 0
        if nf_parse(&p.head, frame, length) != NF_PARSED:
            S.core.counters[NF_MALFORMED_FRAMES] += 1
            return
        if S.core.non_ip_drop and not p.head.bits & (NF_IP4 | NF_IP6):
            S.core.counters[NF_NON_IP_FRAMES] += 1
            return
        p.head.iface = port
        arrive(&p, 0)
    send(S, &p, {plan.network.ingress}){after}


cdef public i32 nf_push(nf_core* core, const nf_batch* batch) noexcept nogil:
    cdef State* S = <State*>core
    cdef u32 i
    for i in range(batch.n):
        if core.error != NF_OK:
            break
        if reserve(S, 1) != 0:
            core.error = NF_NO_MEMORY
            break
        S.cause = i
        event(
            S, batch.times[i], batch.ports[i] if batch.ports != NULL else 0, batch.frames[i],
            batch.lengths[i],
            batch.originals[i] if batch.originals != NULL else batch.lengths[i])
        nf_arena_reset(&core.scratch)
        tick(S){ticked}
    return core.error


cdef public i32 nf_flush(nf_core* core) noexcept nogil:
    tidy(<State*>core)
    return core.error


cdef public i32 nf_advance(nf_core* core, u64 time) noexcept nogil:
    cdef State* S = <State*>core
    if not core.started or core.error != NF_OK:
        return core.error
    time = nf_max(core.now, time)
    S.cause = 0
    fire(S, time)
    if core.error == NF_OK:
        core.now = time
    return core.error
"""
