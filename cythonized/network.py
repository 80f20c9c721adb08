"""The code around the NFs: how a packet arrives, goes from one to the next, and leaves.

A network is *simple* if each packet comes out at most once, at the time it came in. Its packets go
through a pipeline: the ring holds them in order of arrival, and each NF works `depth` packets
behind the one before it, so that keys are hashed and slots prefetched long before they are needed.
Every NF still sees the packets in order, and NFs share no state, so nothing can tell. In other
networks packets go one by one, each with all that it causes, as in the reference machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from nfverify.cythonized import access
from nfverify.cythonized.body import Body
from nfverify.cythonized.expressions import expression
from nfverify.cythonized.function import INDENT, Function
from nfverify.cythonized.layout import InstanceLayout
from nfverify.cythonized.plan import NARROW_FLOW, Plan, resubmits
from nfverify.cythonized.probes import Alternative, Probe, probes
from nfverify.cythonized.resources import Resources
from nfverify.cythonized.tables import TableCode
from nfverify.smat.ir import Stmt

Write = Callable[[Body, tuple[Stmt, ...]], None]
_SIGNATURE = "(State* S, Packet* p, u32 fast) noexcept nogil:"
_W = {"sip": "SIP", "dip": "DIP", "sport": "SPORT", "dport": "DPORT", "proto": "PROTO"}
_IP4_COVERED = {"tos", "ttl", "iplen", "ip_id", "sip", "dip", "proto"}
_LINK = {"dmac", "smac", "ethertype", "vlan"}


def nf(plan: Plan, instance: InstanceLayout, resources: Resources) -> str:
    """The functions of one NF: its front, a pass, a visit, its init."""
    found: list[Probe] = []
    front = _front(plan, instance, resources, found)
    body = _body(plan, instance, resources, found)
    parts = [front, body, _visit(plan, instance)]
    if instance.program.init:
        parts.append(_init(plan, instance, resources))
    return "\n\n".join(parts)


def _new(
    plan: Plan, instance: InstanceLayout, resources: Resources, name: str, result: str
) -> Body:
    function = Function(f"cdef inline {result} {name}{_SIGNATURE}")
    function.declarations.append("cdef nf_head* h = &p.head")
    body = Body(plan, instance, function, resources, expression)
    if plan.fast:
        found = [(name.rpartition("."), event) for name, event in plan.fast.events.items()]
        body.events = {name: event for (title, _, name), event in found if title == instance.title}
        if plan.simple:
            places = [name.rpartition(".") for name in plan.fast.touching]
            body.touching = frozenset(n for title, _, n in places if title == instance.title)
    return body


def _body(plan: Plan, instance: InstanceLayout, resources: Resources, found: list[Probe]) -> str:
    body = _new(plan, instance, resources, f"{instance.name}_pass", "i32")
    for number, probe in enumerate(found):
        sure = len(probe.alternatives) == 1
        for which, use in enumerate(probe.alternatives):
            if not use.table.aged:
                test = "fast" if sure else f"fast and p.which[{number}] == {which}"
                body.homes[use.table.id, use.keys] = (f"p.home[{number}]", test)
    return _finished(body, instance.program.body, body.plan.visitor.visit_program)


def _init(plan: Plan, instance: InstanceLayout, resources: Resources) -> str:
    body = _new(plan, instance, resources, f"{instance.name}_init", "i32")
    return _finished(body, instance.program.init, body.plan.visitor.visit_init)


def _finished(body: Body, nodes: tuple[Stmt, ...], write: Write) -> str:
    function = body.function
    function.declarations.append("cdef i32 out = NF_FORWARD")
    with function.captured() as lines:
        write(body, nodes)
    text = "\n".join(lines)
    if body.plan.timed and re.search(r"\bnow\b", text):
        function.declarations.append("cdef u64 now = p.time")
    function.lines.extend(lines)
    if "failed = 1" in text:
        function.declarations.append("cdef u32 failed = 0")
        function.emit("return NF_DROP if failed else out")
    else:
        function.emit("return out")
    return function.text()


def _visit(plan: Plan, instance: InstanceLayout) -> str:
    """All passes of a packet through the NF: how the last one ended, never NF_RESUBMIT."""
    head = f"cdef inline i32 {instance.name}_visit{_SIGNATURE}"
    if not resubmits(instance.program):
        return f"{head}\n{INDENT}return {instance.name}_pass(S, p, fast)\n"
    return f"""{head}
    cdef i32 out
    cdef u32 i
    for i in range(16):  # the 17th pass drops it
        if i:
            {instance.name}_front(S, p, fast)
        out = {instance.name}_pass(S, p, fast)
        if out != NF_RESUBMIT:
            return out
    S.core.counters[NF_RESUBMIT_LIMIT] += 1
    return NF_DROP
"""


# The front ----------------------------------------------------------------------------------


def _front(plan: Plan, instance: InstanceLayout, resources: Resources, found: list[Probe]) -> str:
    """Where the keys of a plain packet lie that the NF will look up, and prefetches of them;
    `found` gets the probes."""
    body = _new(plan, instance, resources, f"{instance.name}_front", "void")
    if plan.plain and plan.depth:
        found.extend(probes(body))
        resources.probes = max(resources.probes, len(found))
    if found:
        with body.function.block("if fast:"):
            for number, probe in enumerate(found):
                _probe(body, number, probe)
    return body.function.text()


def _probe(body: Body, number: int, probe: Probe) -> None:
    uses = probe.alternatives
    codes = [TableCode.of(use.table) for use in uses]
    if len(uses) == 1:
        _place(body, number, uses[0], access.pack(body, uses[0].table, uses[0].keys))
        return
    condition = body.temporary("u32", "first", body.value(probe.conditions[0]))
    flows = [access.flow_words(body, c, u.keys) for c, u in zip(codes, uses, strict=True)]
    if len(uses) == 2 and codes[0].prefix == codes[1].prefix and flows[0] and flows[1]:
        # One key in either direction: the words are picked, so that no branch is mispredicted.
        words = [
            f"nf_pick({condition}, {a}, {b})" if place < 2 else f"({a} if {condition} else {b})"
            for place, (a, b) in enumerate(zip(flows[0], flows[1], strict=True))
        ]
        key = body.function.declare(f"{codes[0].prefix}_key", "k")
        body.emit(f"{codes[0].prefix}_pack_flow(&{', '.join([key, *words])})")
        _place(body, number, uses[0], key)
        body.emit(f"p.which[{number}] = 1 - {condition}")
        return
    if len(uses) == 2 and all(use.table.key.words <= 2 and not use.table.aged for use in uses):
        _place_either(body, number, probe, condition)
        return
    for which, use in enumerate(uses):
        test = ""
        if which < len(uses) - 1:
            test = condition if which == 0 else body.value(probe.conditions[which])
        with body.function.block(
            f"{'elif' if which and test else 'if'} {test}:" if test else "else:"
        ):
            _place(body, number, use, access.pack(body, use.table, use.keys))
            body.emit(f"p.which[{number}] = {which}")


def _place(body: Body, number: int, use: Alternative, key: str) -> None:
    """The home of a packed key, which is prefetched."""
    prefix = TableCode.of(use.table).prefix
    access.hash_key(body, use.table, key)
    prefetch = body.plan.options.prefetch
    if use.table.aged:
        if prefetch:
            body.emit(f"{prefix}_prefetch(S, &{key})")
        return
    body.emit(f"p.home[{number}] = {prefix}_home(S, &{key})")
    if prefetch:
        body.emit(f"nf_prefetch_at(p.home[{number}])")


def _place_either(body: Body, number: int, probe: Probe, condition: str) -> None:
    """One hash and one prefetch for a key of either table, without a branch on which."""
    words, places = [], []
    for use in probe.alternatives:
        key = access.pack(body, use.table, use.keys)
        words.append([f"{key}.k[{i}]" if i < use.table.key.words else "0" for i in (0, 1)])
        place = TableCode.of(use.table).place
        places.append(f"&S.{place}, {use.table.slot(use.table.key)}")
    pick = ", ".join(f"nf_pick({condition}, {a}, {b})" for a, b in zip(*words, strict=True))
    home = f"nf_place_either({condition}, {', '.join(places)}, nf_hash2({pick}))"
    body.emit(f"p.home[{number}] = {home}", f"p.which[{number}] = 1 - {condition}")
    if body.plan.options.prefetch:
        body.emit(f"nf_prefetch_at(p.home[{number}])")


# A frame comes and goes -----------------------------------------------------------------------


def arrive(plan: Plan) -> str:
    """The members of a packet for the fields that the network writes, from its frame."""
    lines = ["cdef inline void arrive(Packet* p, u32 fast) noexcept nogil:"]
    lines.append(f"{INDENT}cdef nf_head* h = &p.head")
    for name in plan.held:
        read = "nf_payload_of" if name == "payload" else f"nf_{name}"
        lines.append(f"{INDENT}p.f_{name} = {read}(h, fast)")
    lines += [f"{INDENT}p.tags[{number}] = 0" for number in range(len(plan.tags))]
    return "\n".join(lines) + "\n"


def deparse(plan: Plan) -> str:
    """The fields written back, checksums updated from how the packet came in (RFC 1624)."""
    head = "cdef inline void deparse(Packet* p, u8* frame, u32 fast) noexcept nogil:"
    if not plan.written:
        return f"{head}\n{INDENT}pass\n"
    lines = [head, f"{INDENT}cdef nf_head* h = &p.head", f"{INDENT}cdef nf_rewrite rewrite"]
    lines.append(f"{INDENT}nf_rewrite_begin(&rewrite, frame, h, fast)")
    flow = [f"NF_W_{_W[name]}" for name in plan.written if name in NARROW_FLOW]
    if flow:
        lines.append(f"{INDENT}nf_put_flow(&rewrite, frame, h, fast, {' | '.join(flow)})")
    lines += [
        f"{INDENT}nf_put_{name}(&rewrite, frame, h, fast, p.f_{name})"
        for name in plan.held
        if name != "size"
    ]
    lines.append(f"{INDENT}nf_rewrite_end(&rewrite, frame, h, fast, {covers(plan.written)})")
    return "\n".join(lines) + "\n"


def covers(written: Iterable[str]) -> str:
    """The checksums under which the fields lie."""
    names = set(written)
    found = ["NF_COVERS_IP4"] if names & _IP4_COVERED else []
    if names - _LINK - (_IP4_COVERED - {"sip", "dip", "proto"}):
        found.append("NF_COVERS_L4")
    return " | ".join(found) or "0"
