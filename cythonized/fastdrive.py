"""How packets go through a network with a fast path: by their record, or through the chain.

In a simple network packets come in blocks: all are parsed, and their records and the entries that
these refer to fetched, before the first is served. Where many of a block have no record, all of it
goes through the chain's pipeline and is recorded from the state behind it: a packet that a record
could serve may always go through the chain.
"""

from __future__ import annotations

from nfverify.cythonized.fastlayout import HEAD_BYTES, KEY_BYTES, SLOTS, FastLayout
from nfverify.cythonized.fastpaths import fast_body, fast_function
from nfverify.cythonized.fold import expression as folded
from nfverify.cythonized.function import INDENT
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.resources import Resources
from nfverify.fastpath.plan import LONGEST
from nfverify.smat.ir import INT, Apply, Field

BLOCK = 32
COPY = 256  # bytes of a packet that a plan with faults may record
# Where a head holds the fields of a flow's key: which word, which of its bits.
_FLOW_BITS = {
    "sip": (0, 0xFFFFFFFF),
    "dip": (0, 0xFFFFFFFF << 32),
    "sport": (1, 0xFFFF),
    "dport": (1, 0xFFFF << 16),
    "proto": (1, 0xFF << 32),
}
MANY = BLOCK // 6  # packets of a block without records, from which on the pipeline costs less
WIDE = 256  # packets of a block that goes through the chain's pipeline
FORCED = 16  # such blocks, once packets have records that don't serve them
FEW = 16  # packets of a block in which each is asked for its record, however many have none


def init(plan: Plan, layout: FastLayout) -> str:
    """A call that makes an empty Global MAT: 0, or -1."""
    most = f"{plan.options.records}ULL" if plan.options.records else "0xffffffffffffffffULL"
    return f"nf_mat_init(&S.mat, {layout.slot}, {layout.watches}, {most})"


EXPORTED = """cdef public void nf_fast_counts(const nf_core* core, u64* out) noexcept nogil:
    nf_mat_counts(&(<State*>core).mat, out)


cdef public void nf_fast_evict(nf_core* core, u64 n) noexcept nogil:
    nf_mat_evict(&(<State*>core).mat, n)
"""


def writes(plan: Plan) -> str:
    """Whether frames are left to nf_parse whose checksum is 0xffff."""
    return "1" if any(name != "size" for name in plan.written) else "0"


def parsed(plan: Plan, layout: FastLayout, head: str, frame: str, length: str) -> str:
    """Is the frame one that records may serve, and if so parsed."""
    test = f"nf_parse_fast({head}, {frame}, {length}, {writes(plan)})"
    return f"({test} and {length} <= {LONGEST}U)" if layout.plan.plain else test


def tries(plan: Plan, layout: FastLayout, resources: Resources) -> str:
    """`fast_key`, `fast_kept`, `fast_found`, `fast_begin` and `fast_end`: one packet."""
    return "\n\n".join(
        [
            _key(plan, layout, resources),
            _kept(plan, layout, resources),
            _found(layout),
            _begin_end(plan, layout),
        ]
    )


def _key(plan: Plan, layout: FastLayout, resources: Resources) -> str:
    """What a flow's record is filed under."""
    head = "State* S, nf_head* h, u64* key"
    function = fast_function(f"cdef inline void fast_key({head}) noexcept nogil:")
    body = fast_body(plan, layout, resources, function)
    bits = layout.plan.hashed
    if bits:
        flow = tuple(Field(name) for name in layout.plan.key)
        text = body.value(Apply("hash", flow, INT))
        mask = (1 << bits) - 1
        body.emit(f"key[0] = <u64>(<u32>{text}) & {mask}ULL", "key[1] = 1")
    elif set(layout.plan.key) == set(_FLOW_BITS):
        body.emit("key[0] = h.a", "key[1] = h.b")
    else:  # a word that is 0 would be an empty slot
        masks = [
            sum(_FLOW_BITS[f][1] for f in layout.plan.key if _FLOW_BITS[f][0] == w) for w in (0, 1)
        ]
        body.emit(
            f"key[0] = h.a & {masks[0]:#x}ULL", f"key[1] = h.b & {masks[1]:#x}ULL | 1ULL << 63"
        )
    return function.text()


def _kept(plan: Plan, layout: FastLayout, resources: Resources) -> str:
    head = "State* S, nf_head* h, u64 now"
    function = fast_function(f"cdef inline bint fast_kept({head}) noexcept nogil:")
    body = fast_body(plan, layout, resources, function)
    body.emit(f"return {body.value(folded(layout.plan.kept))}")
    return function.text()


def _found(layout: FastLayout) -> str:
    """Of one packet by itself: its port, NF_DROPPED or NF_FAST_SLOW."""
    slot = layout.slot
    serves = "nf_mat_serves(&S.mat, r)"
    test = "r == NULL" if layout.plan.checked == "after" else f"r == NULL or not {serves}"
    late = ""
    if layout.plan.checked == "after":
        late = f"""
        if not {serves}:
            nf_mat_remove(&S.mat, key, hash, {slot})"""
    head = "State* S, nf_head* h, u64 now, u32 original"
    return f"""cdef inline i32 fast_found({head}) noexcept nogil:
    cdef nf_mat_head* r
    cdef i32 out
    cdef u64 key[2]
    cdef u64 hash
    fast_key(S, h, key)
    hash = nf_mat_hash(key)
    r = nf_mat_find(&S.mat, key, hash, {slot})
    if {test}:
        return NF_FAST_SLOW
    out = fast_serve(S, h, r, now, original)
    if out != NF_FAST_SLOW:
        S.mat.served += 1{late}
    return out
"""


def _begin_end(plan: Plan, layout: FastLayout) -> str:
    """Before and after a packet goes through the chain; `flow` keeps what is needed between."""
    p = layout.plan
    begin = [
        "cdef inline void fast_begin("
        "State* S, fast_flow* flow, nf_head* h, u64 now) noexcept nogil:",
        f"{INDENT}flow.head = h[0]",
        f"{INDENT}fast_key(S, h, flow.key)",
        f"{INDENT}flow.hash = nf_mat_hash(flow.key)",
    ]
    if layout.faulty:
        begin += [
            f"{INDENT}flow.head.frame = flow.copy",
            f"{INDENT}flow.head.length = h.length if h.length < {COPY} else {COPY}",
            f"{INDENT}memcpy(flow.copy, h.frame, flow.head.length)",
            f"{INDENT}flow.kept = fast_kept(S, &flow.head, now)",
        ]
    draft = f"{INDENT}flow.watches = fast_draft(S, &flow.head, &flow.room.head, flow.watch)"
    if p.recorded == "before":
        begin.append(draft)
    end = [
        "cdef inline void fast_end("
        "State* S, fast_flow* flow, u8* left, u32 length) noexcept nogil:",
        f"{INDENT}# `left`: what came out first, or NULL.",
    ]
    if p.filed == "departing":
        end.append(f"{INDENT}cdef nf_head out")
    if layout.faulty:
        end += [f"{INDENT}if flow.kept:", f"{INDENT * 2}return"]
    if p.recorded == "after":
        end.append(draft)
    if p.filed == "departing":
        end += [
            f"{INDENT}if left != NULL and nf_parse(&out, left, length) == NF_PARSED:",
            f"{INDENT * 2}fast_key(S, &out, flow.key)",
            f"{INDENT * 2}flow.hash = nf_mat_hash(flow.key)",
        ]
    end += [f"{INDENT}fast_file(S, flow.key, flow.hash, &flow.room.head, flow.watch, flow.watches)"]
    return "\n".join(begin) + "\n\n\n" + "\n".join(end) + "\n"


Members = list[tuple[str, str]]  # of a struct: C type, name


def structs(layout: FastLayout, memo: Members) -> list[tuple[str, Members]]:
    """Of the fast path, as (name, members)."""
    value = layout.slot - KEY_BYTES
    room = [("nf_mat_head", "head"), ("u8", f"rest[{value - HEAD_BYTES}]")]
    flow = [("nf_head", "head"), ("u64", "key[2]"), ("u64", "hash"), ("u32", "watches")]
    flow += [("u32", "kept"), ("u64", f"watch[{max(1, layout.watches)}]"), ("fast_room", "room")]
    flow.append(("u8", f"copy[{COPY if layout.faulty else 1}]"))
    have = [("u64", f"have[{len(memo) // 64 + 1}]")]
    found = [(code.struct, list(code.members)) for code in layout.codes]
    return [("fast_room", room), ("fast_flow", flow), *found, ("fast_memo", have + memo)]


def members(plan: Plan) -> Members:
    """What a state has besides."""
    if not plan.fast:
        return []
    found = [("nf_mat", "mat"), ("u8", f"nowhere[{SLOTS[-1]}]")]
    if plan.simple:
        found += [("u32", "ported"), ("u32", "missed"), ("nf_head", f"heads[{BLOCK}]")]
        found += [("i32*", "first"), ("u8", f"touched[{WIDE}]"), ("nf_judge", "judge")]
        found += [("u32", "epoch"), ("u32", "tried"), ("u32", "forced")]
    return found


def prototypes(plan: Plan) -> str:
    """C: what is to be compiled out of line."""
    if not plan.fast or not plan.simple:
        return ""
    functions = [
        "nf_mat_head *nf_fast_again(State *, nf_head *)",
        "i32 nf_fast_chain(State *, nf_head *, const nf_batch *, u64, u64)",
    ]
    if not plan.fast.faulty:
        functions += [
            "i32 nf_fast_wide(State *, const nf_batch *)",
        ]
    return "\n".join(f"static __attribute__((noinline)) {f};" for f in functions)


NEXT = "\n" + INDENT * 2


# Simple networks ------------------------------------------------------------------------------


def blocks(plan: Plan, layout: FastLayout) -> str:
    """`chain_one` and `nf_push`, of a simple network."""
    parts = [_one(plan), _one_slow(plan, layout), _block(plan, layout), _push(plan, layout)]
    return "\n\n".join(part for part in parts if part)


def _one(plan: Plan) -> str:
    """One packet through all NFs at once."""
    first = plan.instances[plan.network.ingress]
    lines = []
    if plan.plain:
        for i in plan.instances:
            lines.append(f"cdef void {i.name}_alone(State* S, Packet* p) noexcept nogil:")
            lines += [f"{INDENT}{i.name}_plain(S, p)", "", ""]
    head = "State* S, u8* frame, u32 length, u16 port, i32* verdict, u64 now"
    lines += [
        f"cdef void chain_one({head}) noexcept nogil:",
        f"{INDENT}cdef Packet packet",
        f"{INDENT}cdef Packet* p = &packet",
        f"{INDENT}p.verdict = verdict",
        f"{INDENT}S.first = verdict",
    ]
    if plan.timed:
        lines.append(f"{INDENT}p.time = now")
    odd = "enter_odd(S, p, frame, length, port)"
    if plan.plain:
        lines += [
            f"{INDENT}if nf_parse_fast(&p.head, frame, length, {writes(plan)}):",
            f"{INDENT * 2}p.head.iface = port",
            f"{INDENT * 2}p.head.at = {2 * plan.network.ingress + 1}",
            f"{INDENT * 2}arrive(p, 1)",
            f"{INDENT * 2}{first.name}_front(S, p, 1)",
            f"{INDENT}else:",
            f"{INDENT * 2}{odd}",
        ]
    else:
        lines.append(INDENT + odd)
    for index, instance in enumerate(plan.instances):
        if plan.plain:
            lines.append(f"{INDENT}if p.head.at == {2 * index + 1}:")
            lines.append(f"{INDENT * 2}{instance.name}_alone(S, p)")
        lines.append(f"{INDENT}{'elif' if plan.plain else 'if'} p.head.at == {2 * index}:")
        lines.append(f"{INDENT * 2}{instance.name}_odd(S, p)")
    if plan.scratch:
        lines.append(f"{INDENT}nf_arena_reset(&S.core.scratch)")
    return "\n".join(lines) + "\n"


def _block(plan: Plan, layout: FastLayout) -> str:
    slot = layout.slot
    usable = "r != NULL" if layout.plan.checked == "after" else _SERVES
    begin, now = "0", ""
    if plan.timed:
        begin = "S.core.now"
        now = "\n        now = nf_max(now, batch.times[i])\n        S.core.now = now"
    scratch = "\n                nf_arena_reset(&S.core.scratch)" if plan.scratch else ""
    hints = (f"<u8*>r + {layout.bytes + 8 * k}" for k in range(layout.hints))
    fetch = [f"nf_fetch(nf_pointer({hint}))" for hint in hints]
    head = "State* S, const nf_batch* batch, u8** ahead, u32 coming"
    return f"""cdef i32 fast_block({head}) noexcept nogil:
    cdef u8* homes[{BLOCK}]
    cdef nf_mat_head* found[{BLOCK}]
    cdef u8** frames = batch.frames
    cdef const u32* lengths = batch.lengths
    cdef i32* verdicts = batch.verdicts
    cdef u64 key[2]
    cdef nf_head* h = S.heads
    cdef nf_mat_head* r
    cdef u64 i, n = batch.n
    cdef u32 misses = 0
    cdef i32 out
    cdef u64 now = {begin}
    for i in range(coming):
        nf_prefetch_at(ahead[i])
    if batch.ports != NULL or S.ported:  # else they are 0
        for i in range({BLOCK}):
            h[i].iface = batch.ports[i] if batch.ports != NULL and i < n else 0
        S.ported = batch.ports != NULL
    for i in range(n):
        h.bits = <u8>{parsed(plan, layout, "h", "frames[i]", "lengths[i]")}
        if nf_likely(h.bits):
            fast_key(S, h, key)
            homes[i] = nf_mat_home(&S.mat, nf_mat_hash(key), {slot})
            nf_prefetch_at(homes[i])
        h += 1
    h = S.heads
    for i in range(n):
        r = NULL
        if nf_likely(h.bits):
            fast_key(S, h, key)
            r = nf_mat_at(homes[i], key, {slot})
            if nf_likely(r != NULL):
                {(NEXT + INDENT * 2).join(fetch) or "pass"}
        found[i] = r
        h += 1
    h = S.heads
    for i in range(n):{now}
        r = found[i]
        if nf_unlikely(misses):  # records may have come, gone or moved
            r = fast_again(S, h)
        if nf_likely({usable}):
            out = fast_serve(S, h, r, now, 0){_late(layout)}{scratch}
            if nf_likely(out != NF_FAST_SLOW):
                verdicts[i] = out
                h += 1
                continue
        misses += 1
        if fast_chain(S, h, batch, i, now) != NF_OK:
            break
        h += 1
    S.missed = misses
    if S.tried:  # there are records, but do they serve?
        S.tried = 0
        S.forced = {FORCED} if misses > {MANY} else 0
    S.mat.served += n - misses
    return S.core.error
"""


_SERVES = "r != NULL and nf_mat_serves(&S.mat, r)"


def _one_slow(plan: Plan, layout: FastLayout) -> str:
    """What packets without a record need, out of the way of those that have one."""
    usable = "r != NULL" if layout.plan.checked == "after" else _SERVES
    chain = "chain_one(S, batch.frames[i], batch.lengths[i], port, &batch.verdicts[i], now)"
    signature = "State* S, nf_head* h, const nf_batch* batch, u64 i, u64 now"
    return f"""cdef nf_mat_head* fast_again "nf_fast_again"(State* S, nf_head* h) noexcept nogil:
    # The record, looked up anew.
    cdef nf_mat_head* r = NULL
    cdef u64 key[2]
    if h.bits:
        fast_key(S, h, key)
        r = nf_mat_find(&S.mat, key, nf_mat_hash(key), {layout.slot})
        if not ({usable}):
            r = NULL
    return r


cdef i32 fast_chain "nf_fast_chain"({signature}) noexcept nogil:
    # One packet through the chain, which is recorded then.
    cdef fast_flow flow
    cdef u16 port = batch.ports[i] if batch.ports != NULL else 0
    if S.core.error != NF_OK:
        return S.core.error
    if h.bits:
        fast_begin(S, &flow, h, now)
    {chain}
    if h.bits and S.core.error == NF_OK:
        fast_end(S, &flow, batch.frames[i] if batch.verdicts[i] >= 0 else NULL, batch.lengths[i])
    return S.core.error


{_wide(plan, layout)}"""


def _late(layout: FastLayout) -> str:
    """Where records are asked too late, those that were outdated go now."""
    if layout.plan.checked == "before":
        return ""
    return f"""
            if out != NF_FAST_SLOW and not nf_mat_serves(&S.mat, r):
                fast_key(S, h, key)
                nf_mat_remove(&S.mat, key, nf_mat_hash(key), {layout.slot})
                misses += 1
                S.mat.served += 1"""


def _wide(plan: Plan, layout: FastLayout) -> str:
    """Many packets at once through the pipeline, if many have no record. Plans with faults are run
    as they are written down."""
    if layout.faulty:
        return ""
    slot = layout.slot
    drain = "\n    drain(S)" if plan.depth else ""
    signature = "State* S, const nf_batch* batch"
    plain = parsed(plan, layout, "&heads[i]", "batch.frames[i]", "batch.lengths[i]")
    return f"""cdef i32 fast_wide "nf_fast_wide"({signature}) noexcept nogil:
    # 1: all packets went through the chain and are recorded; 0: enough have records; else an error.
    cdef nf_head heads[{WIDE}]
    cdef u64 hashes[{WIDE}]
    cdef nf_mat_head* found[{WIDE}]
    cdef fast_flow flow
    cdef nf_mat_head* r
    cdef u64 key[2]
    cdef u64 i, n = batch.n
    cdef u32 misses = 0
    for i in range(n):
        heads[i].bits = <u8>{plain}
        if heads[i].bits:
            heads[i].iface = batch.ports[i] if batch.ports != NULL else 0
            fast_key(S, &heads[i], key)
            hashes[i] = nf_mat_hash(key)
            nf_prefetch_at(nf_mat_home(&S.mat, hashes[i], {slot}))
    for i in range(n):
        r = NULL
        if heads[i].bits:
            fast_key(S, &heads[i], key)
            r = nf_mat_find(&S.mat, key, hashes[i], {slot})
            if not ({_SERVES}):
                r = NULL
        found[i] = r
        misses += r == NULL
    if S.forced:
        S.forced -= 1
    else:
        S.missed = misses * {BLOCK} / <u32>n
        if S.missed <= {MANY}:
            S.tried = 1
            return 0
    S.first = batch.verdicts
    memset(S.touched, 0, sizeof(S.touched))
    if chain_push(&S.core, batch) != NF_OK:
        return S.core.error if S.core.error != NF_OK else NF_NO_MEMORY{drain}
    for i in range(n):
        if found[i] != NULL and S.touched[i]:
            found[i].epoch = 0  # what it rests on may be another, and that is no event
    for i in range(n):
        if heads[i].bits:
            fast_key(S, &heads[i], flow.key)
            r = nf_mat_find(&S.mat, flow.key, hashes[i], {slot})
            if not ({_SERVES}):
                flow.head = heads[i]
                flow.hash = hashes[i]
                fast_end(S, &flow, NULL, 0)
    return S.core.error if S.core.error != NF_OK else 1


"""


def _push(plan: Plan, layout: FastLayout) -> str:
    room = f"n + {plan.ring}" if plan.depth else "n"
    wide, judged = "", ""
    if not layout.faulty:
        drain = f"{NEXT}    drain(S)" if plan.depth else ""
        judged = f"\n{INDENT}nf_judge_after(&S.judge, &S.mat, n)"
        wide = f"""
        if nf_unlikely(S.judge.resting):
            part.n = {WIDE} if left > {WIDE} else <u32>left
            S.judge.resting -= part.n if part.n < S.judge.resting else S.judge.resting
            S.first = part.verdicts
            error = chain_push(&S.core, &part){drain}
            at += part.n
            continue
        if nf_unlikely(S.epoch != S.mat.epoch):  # all records are old at once
            S.epoch = S.mat.epoch
            S.missed = {BLOCK}
        if nf_unlikely(S.missed > {MANY}) and left >= {FEW}:  # most likely now, too
            part.n = {WIDE} if left > {WIDE} else <u32>left
            error = fast_wide(S, &part)
            if error:
                error = NF_OK if error == 1 else error
                at += part.n
                continue"""
    return f"""cdef public i32 nf_push(nf_core* core, const nf_batch* batch) noexcept nogil:
    cdef State* S = <State*>core
    cdef nf_batch part = batch[0]
    cdef u64 at = 0, n = batch.n, left
    cdef i32 error = NF_OK
    if core.error != NF_OK:
        return core.error
    if n == 0:
        return NF_OK
    if reserve(S, {room}) != 0:
        return NF_NO_MEMORY
    S.first = NULL
    if not core.started:
        start(S, batch.times[0], {room})
        if core.error != NF_OK:
            return core.error
    while at < n and error == NF_OK:
        left = n - at
        part.frames = batch.frames + at
        part.lengths = batch.lengths + at
        part.times = batch.times + at
        part.ports = batch.ports + at if batch.ports != NULL else NULL
        part.verdicts = batch.verdicts + at{wide}
        part.n = {BLOCK} if left > {BLOCK} else <u32>left
        left -= part.n
        error = fast_block(
            S, &part, part.frames + part.n, {BLOCK} if left > {BLOCK} else <u32>left)
        at += part.n
    core.now = nf_latest(core.now, batch.times, n)
    tick(S)
    nf_mat_tick(&S.mat){judged}
    return error
"""


# Other networks -------------------------------------------------------------------------------


def hooks(plan: Plan) -> tuple[str, str, str, str]:
    """For packets that go one by one: declarations, before the chain, after it, each time."""
    if plan.fast is None:
        return "", "", "", ""
    declared = """
    cdef nf_head arriving
    cdef fast_flow flow
    cdef u32 plain, sent = 0, left_length = 0
    cdef u8* left"""
    before = f"""
    plain = {parsed(plan, plan.fast, "&arriving", "frame", "length")}
    if plain:
        arriving.iface = port
        arriving.bits = 1
        if fast_found(S, &arriving, time, original) != NF_FAST_SLOW:
            return
        if S.core.error != NF_OK:
            return
        fast_begin(S, &flow, &arriving, time)
        sent = nf_sent_count(&S.core)"""
    after = """
    if plain and S.core.error == NF_OK:
        left = nf_sent_first(&S.core, sent, &left_length)
        fast_end(S, &flow, left, left_length)"""
    return declared, before, after, f"\n{INDENT * 2}nf_mat_tick(&S.mat)"
