"""Headers pushed and popped: what generated networks have for it besides their NFs.

A packet keeps the one that it holds (`under`, a whole Packet) and comes out as that again. Fields
that the network writes are members of a packet, and so are saved and brought back with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from nfverify.cythonized.function import INDENT
from nfverify.cythonized.plan import Plan
from nfverify.packet.fields import LINK_FIELDS

ADDRESSES = ("dmac", "smac", "vlan")  # of the link header, apart from the ethertype


def wrapping(plan: Plan) -> str:
    """`push_tag`, `pop_tag`, `push_header` and `pop_header`, each 1 if the packet drops for good;
    nothing for networks that don't wrap."""
    if not plan.wraps:
        return ""
    uses = plan.wraps
    parts = [_COMMON]
    if "push_header" in uses or "pop_header" in uses:
        parts.append(_fields(plan))
    if "pop_header" in uses or ("push_tag" in uses and "vlan" in plan.held):
        parts.append(_link(plan))
    made = {
        "push_tag": _push_tag,
        "pop_tag": _pop_tag,
        "push_header": _push,
        "pop_header": _pop,
    }
    return "\n\n".join([*parts, *(write(plan) for name, write in made.items() if name in uses)])


_COMMON = """cdef u32 not_wrapped(State* S, i32 found) noexcept nogil:
    if found == NF_IGNORED:
        return 0
    S.core.counters[found] += 1
    return 1
"""


def _lines(lines: Iterable[str], depth: int) -> str:
    return "".join(f"{INDENT * depth}{line}\n" for line in lines)


def _fields(plan: Plan) -> str:
    """The members of a packet from the frame that it has now."""
    reads = [
        f"p.f_{name} = {'nf_payload_of' if name == 'payload' else f'nf_{name}'}(&p.head, 0)"
        for name in plan.held
    ]
    head = "cdef void refill(Packet* p) noexcept nogil:\n"
    return head + _lines(reads or ["pass"], 1)


def _link(plan: Plan) -> str:
    """Written addresses and tags into a link header like the packet's."""
    puts = [
        f"nf_put_{name}(&rewrite, frame, &p.head, 0, p.f_{name})"
        for name in ADDRESSES
        if name in plan.held
    ]
    head = "cdef void put_link(Packet* p, u8* frame) noexcept nogil:\n"
    if puts:
        puts = ["cdef nf_rewrite rewrite", "nf_rewrite_begin(&rewrite, frame, &p.head, 0)", *puts]
    return head + _lines(puts or ["pass"], 1)


def _push_tag(plan: Plan) -> str:
    before, after = "", ""
    if "vlan" in plan.held:
        before = _lines(["put_link(p, p.head.frame)"], 1)
        after = _lines(["p.f_vlan = vid"], 1)
    return f"""cdef u32 push_tag(State* S, Packet* p, u32 vid) noexcept nogil:
    cdef i32 found = nf_push_tag_may(&p.head)
    if found != NF_WRAPPED:
        return not_wrapped(S, found)
    if nf_own(&S.core, &p.wraps, &p.head) != 0:
        return 1
{before}\
    nf_push_tag(&p.head, vid)
{after}\
    p.original += 4
    return 0
"""


def _pop_tag(plan: Plan) -> str:
    after = _lines(["p.f_vlan = nf_vlan(&p.head, 0)"], 1) if "vlan" in plan.held else ""
    return f"""cdef u32 pop_tag(State* S, Packet* p) noexcept nogil:
    cdef i32 found = nf_pop_tag_may(&p.head)
    if found != NF_WRAPPED:
        return not_wrapped(S, found)
    if nf_own(&S.core, &p.wraps, &p.head) != 0:
        return 1
    nf_pop_tag(&p.head)
{after}\
    p.original -= 4
    return 0
"""


def _push(plan: Plan) -> str:
    arguments = "State* S, Packet* p, u32 kind, u32 sip, u32 dip, u32 vni"
    return f"""cdef u32 push_header({arguments}) noexcept nogil:
    cdef i32 found = nf_push_may(&p.wraps, &p.head, kind)
    cdef Packet* under
    cdef u8* frame
    if found != NF_WRAPPED:
        return not_wrapped(S, found)
    frame = nf_push_room(&S.core, &p.head, kind)
    under = <Packet*>nf_arena_take(&S.core.scratch, sizeof(Packet))
    if frame == NULL or under == NULL:
        S.core.error = NF_NO_MEMORY
        return 1
    deparse(p, frame, 0)
    under[0] = p[0]
    under.wraps.own = 0
    found = nf_push_header(&p.head, frame, kind, sip, dip, vni)
    if found != NF_WRAPPED:
        return not_wrapped(S, found)
    p.wraps.under = under
    p.wraps.tunnels += 1
    p.wraps.own = 1
    p.original += nf_outer(kind)
    refill(p)
    return 0
"""


def _pop(plan: Plan) -> str:
    payload = "nf_payload_of(&p.head, 0)"
    same = "under != NULL"
    if "payload" in plan.held:
        same += f" and nf_same_bytes(p.f_payload, {payload})"
        payload = "p.f_payload"
    kept = [name for name in plan.held if name not in LINK_FIELDS]
    link = [name for name in plan.held if name in LINK_FIELDS]
    copied = [f"p.f_{name} = under.f_{name}" for name in kept]
    around = [f"p.f_{name} = under.f_{name}" for name in link]
    type_ = ["p.f_ethertype = nf_ethertype(&made, 0)"] if "ethertype" in plan.held else []
    return f"""cdef u32 pop_header(State* S, Packet* p, u32 kind) noexcept nogil:
    cdef i32 found = nf_pop_may(&p.wraps, &p.head, kind)
    cdef Packet* under = <Packet*>p.wraps.under
    cdef nf_head made
    cdef nf_slice payload
    cdef u32 length = p.head.length
    cdef u8* frame
    if found != NF_WRAPPED:
        return not_wrapped(S, found)
    if {same}:
        if kind == NF_IPIP:  # the link header stays
            frame = nf_pop_ipip_under(&S.core, &p.head, &under.head, &made)
            if frame == NULL:
                return 1
            put_link(p, frame)
{_lines(type_, 3)}\
        else:
            made = under.head
            made.iface = p.head.iface
            made.at = p.head.at
{_lines(around, 3)}\
{_lines(copied, 2)}\
        p.head = made
        p.wraps.under = under.wraps.under
    else:
        payload = {payload}
        if kind == NF_IPIP:
            frame = nf_pop_ipip_frame(&S.core, &p.head, payload, &made.length)
            if frame == NULL:
                return 1
            put_link(p, frame)
        else:
            frame = <u8*>payload.data + 8
            made.length = <u32>payload.length - 8
        found = nf_popped(&p.head, frame, made.length, kind)
        if found != NF_WRAPPED:
            return not_wrapped(S, found)
        p.wraps.under = NULL
        refill(p)
    p.wraps.tunnels += 1
    p.wraps.own = kind == NF_IPIP
    p.original += p.head.length - length
    return 0
"""
