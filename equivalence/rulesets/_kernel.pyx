# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The search of kernel.py in C: the same recursion, step for step, with the same result.

A rule is 2k + 1 ints: its half-open bounds in each of k fields, then its action. A side is such
rules and the action `rest` of what none of them holds.
"""

from time import monotonic

from cpython cimport array
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcmp, memcpy

from nfverify.equivalence.rulesets.kernel import (
    ARENA,
    SIEVE_MIN,
    SIEVE_WORK,
    TIDY,
    Outcome,
)

cdef enum:
    MAX_FIELDS = 8
    CHECK = 200000  # steps between looks at the clock

cdef enum:
    EQUAL = 0
    DIFFERENT = 1
    STOP = 2

cdef struct Side:
    int32_t* rules
    int32_t n
    int32_t rest

cdef struct Search:
    int k
    int stride
    int stopped
    int64_t nodes
    int64_t max_nodes
    int64_t used
    int64_t max_bytes
    int64_t steps
    double deadline
    int32_t point[MAX_FIELDS]
    int32_t* cells
    int64_t n_cells
    int64_t max_cells
    PyObject* raised
    int64_t arena
    int sieve_min
    int64_t sieve_work
    int tidy


cdef void* take(Search* s, int64_t size) noexcept nogil:
    """Memory within the budget, or NULL and the search stops; give it back with the size."""
    cdef void* p
    if s.stopped:
        return NULL
    s.used += size
    if s.used > s.max_bytes:
        s.used -= size
        s.stopped = 2
        return NULL
    p = malloc(size if size > 0 else 1)
    if p == NULL:
        s.used -= size
        s.stopped = 2
    return p


cdef void give(Search* s, void* p, int64_t size) noexcept nogil:
    if p != NULL:
        s.used -= size
        free(p)


cdef void work(Search* s, int64_t steps) noexcept nogil:
    """Count steps; now and then look at the clock and at signals."""
    s.steps += steps
    if s.steps > CHECK:
        s.steps = 0
        with gil:
            look(s)


cdef void look(Search* s) noexcept:
    """Stop at the deadline; what a signal handler raises is kept until the memory is freed."""
    try:
        PyErr_CheckSignals()
    except BaseException as error:
        (<list>s.raised).append(error)
        s.stopped = 5
    if monotonic() > s.deadline and not s.stopped:
        s.stopped = 3


cdef inline bint covers(const int32_t* outer, const int32_t* inner, int k) noexcept nogil:
    cdef int f
    for f in range(k):
        if inner[2 * f] < outer[2 * f] or inner[2 * f + 1] > outer[2 * f + 1]:
            return False
    return True


cdef inline bint overlap(const int32_t* x, const int32_t* y, int k) noexcept nogil:
    cdef int f
    for f in range(k):
        if x[2 * f] >= y[2 * f + 1] or y[2 * f] >= x[2 * f + 1]:
            return False
    return True


cdef void strip(Search* s, Side* side) noexcept nogil:
    """Rules at the end that do what happens anyway."""
    cdef int k2 = 2 * s.k
    while side.n and side.rules[<int64_t>(side.n - 1) * s.stride + k2] == side.rest:
        side.n -= 1


cdef void cut_covering(Search* s, const int32_t* cell, Side* side) noexcept nogil:
    """A rule that covers the cell ends the list."""
    cdef int32_t i
    cdef int32_t* r
    for i in range(side.n):
        r = side.rules + <int64_t>i * s.stride
        if covers(r, cell, s.k):
            side.rest = r[2 * s.k]
            side.n = i
            break
    strip(s, side)


cdef void clip(
    Search* s, const Side* side, int f, const int32_t* cell, Side* out
) noexcept nogil:
    """The side inside a child cell that differs from its parent's in field f only."""
    cdef int stride = s.stride
    cdef int k2 = 2 * s.k
    cdef int32_t i, m = 0
    cdef const int32_t* r
    cdef int32_t* w
    cdef int32_t lo = cell[2 * f], hi = cell[2 * f + 1]
    out.rules = <int32_t*>take(s, <int64_t>side.n * stride * 4)
    out.n = 0
    out.rest = side.rest
    if out.rules == NULL:
        return
    w = out.rules
    for i in range(side.n):
        r = side.rules + <int64_t>i * stride
        if r[2 * f] >= hi or r[2 * f + 1] <= lo:
            continue
        memcpy(w, r, stride * 4)
        if w[2 * f] < lo:
            w[2 * f] = lo
        if w[2 * f + 1] > hi:
            w[2 * f + 1] = hi
        if covers(w, cell, s.k):
            out.rest = w[k2]
            break
        w += stride
        m += 1
    out.n = m
    strip(s, out)
    work(s, side.n)


cdef void tidy(Search* s, Side* side) noexcept nogil:
    """In short lists: drop rules inside an earlier one, and those with action `rest` that no
    later opposite rule overlaps."""
    cdef int stride = s.stride, k = s.k, k2 = 2 * s.k
    cdef int32_t i, j, m = 0
    cdef int32_t* r
    cdef bint keep
    if side.n > s.tidy:
        return
    for i in range(side.n):
        r = side.rules + i * stride
        keep = True
        for j in range(m):
            if covers(side.rules + j * stride, r, k):
                keep = False
                break
        if keep:
            if m != i:
                memcpy(side.rules + m * stride, r, stride * 4)
            m += 1
    side.n = m
    m = 0
    for i in range(side.n):
        r = side.rules + i * stride
        keep = True
        if r[k2] == side.rest:
            keep = False
            for j in range(i + 1, side.n):
                if side.rules[j * stride + k2] != side.rest and overlap(
                    r, side.rules + j * stride, k
                ):
                    keep = True
                    break
        if keep:
            if m != i:
                memcpy(side.rules + m * stride, r, stride * 4)
            m += 1
    side.n = m


cdef int32_t select(int32_t* v, int32_t n, int32_t want) noexcept nogil:
    """The value that would stand at `want` if v were sorted."""
    cdef int32_t lo = 0, hi = n - 1, i, j, pivot, swap
    while lo < hi:
        pivot = v[(lo + hi) >> 1]
        i = lo
        j = hi
        while i <= j:
            while v[i] < pivot:
                i += 1
            while v[j] > pivot:
                j -= 1
            if i <= j:
                swap = v[i]
                v[i] = v[j]
                v[j] = swap
                i += 1
                j -= 1
        if want <= j:
            hi = j
        elif want >= i:
            lo = i
        else:
            return v[want]
    return v[want]


cdef void choose(
    Search* s, const int32_t* cell, const Side* a, const Side* b, int* field, int32_t* cut
) noexcept nogil:
    """The cut: per field the median endpoint; the field that leaves least constrained bounds."""
    cdef int f, g, k = s.k, stride = s.stride, side, q
    cdef int32_t i, m, c, lo, hi, n = a.n + b.n
    cdef int64_t cost, best = -1
    cdef const int32_t* r
    cdef const Side* l
    cdef int32_t* ends = <int32_t*>take(s, <int64_t>n * 8)
    cdef int32_t* loose = <int32_t*>take(s, <int64_t>n * 4)
    field[0] = -1
    if ends != NULL and loose != NULL:
        m = 0
        for side in range(2):
            l = b if side else a
            for i in range(l.n):
                r = l.rules + <int64_t>i * stride
                q = 0
                for g in range(k):
                    q += r[2 * g] > cell[2 * g] or r[2 * g + 1] < cell[2 * g + 1]
                loose[m] = q
                m += 1
        for f in range(k):
            lo = cell[2 * f]
            hi = cell[2 * f + 1]
            m = 0
            for side in range(2):
                l = b if side else a
                for i in range(l.n):
                    r = l.rules + <int64_t>i * stride
                    if r[2 * f] > lo:
                        ends[m] = r[2 * f]
                        m += 1
                    if r[2 * f + 1] < hi:
                        ends[m] = r[2 * f + 1]
                        m += 1
            if not m:
                continue
            c = select(ends, m, m >> 1)
            cost = 0
            m = 0
            for side in range(2):
                l = b if side else a
                for i in range(l.n):
                    r = l.rules + <int64_t>i * stride
                    q = loose[m] - (r[2 * f] > lo or r[2 * f + 1] < hi)
                    if r[2 * f] < c:
                        cost += q + (r[2 * f] > lo or r[2 * f + 1] < c)
                    if r[2 * f + 1] > c:
                        cost += q + (r[2 * f] > c or r[2 * f + 1] < hi)
                    m += 1
            if best < 0 or cost < best:
                best = cost
                field[0] = f
                cut[0] = c
    give(s, ends, <int64_t>n * 8)
    give(s, loose, <int64_t>n * 4)
    work(s, <int64_t>n * k)


# The sieve --------------------------------------------------------------------------------

cdef int by_value(const void* x, const void* y) noexcept nogil:
    cdef int32_t p = (<const int32_t*>x)[0], q = (<const int32_t*>y)[0]
    return (p > q) - (p < q)


cdef inline int32_t position(const int32_t* v, int32_t n, int32_t x) noexcept nogil:
    """Index of x, which is there, in the ascending v."""
    cdef int32_t lo = 0, hi = n - 1, mid
    while lo < hi:
        mid = (lo + hi) >> 1
        if v[mid] < x:
            lo = mid + 1
        else:
            hi = mid
    return lo


cdef inline const int32_t* rule_at(Search* s, const Side* a, const Side* b, int32_t i) noexcept nogil:
    if i < a.n:
        return a.rules + <int64_t>i * s.stride
    return b.rules + <int64_t>(i - a.n) * s.stride


cdef inline bint same_but(const int32_t* x, const int32_t* y, int f, int k) noexcept nogil:
    cdef int g
    for g in range(2 * k):
        if g >> 1 != f and x[g] != y[g]:
            return False
    return True


cdef inline uint64_t mix(uint64_t h, uint64_t x) noexcept nogil:
    h = (h ^ x) * <uint64_t>0x9E3779B97F4A7C15
    return h ^ (h >> 29)


cdef void name_boxes(
    Search* s, int f, const Side* a, const Side* b, int32_t* ids
) noexcept nogil:
    """Number the rules so that two have one number iff they agree in all fields but f."""
    cdef int32_t n = a.n + b.n, i, count = 0
    cdef int64_t size = 4, slot
    cdef int g, k = s.k
    cdef uint64_t h
    cdef const int32_t* r
    cdef int32_t* table
    while size < 2 * <int64_t>n:
        size *= 2
    table = <int32_t*>take(s, size * 4)
    if table == NULL:
        return
    for slot in range(size):
        table[slot] = -1
    for i in range(n):
        r = rule_at(s, a, b, i)
        h = 1
        for g in range(2 * k):
            if g >> 1 != f:
                h = mix(h, <uint64_t>r[g])
        slot = <int64_t>(h & <uint64_t>(size - 1))
        while table[slot] >= 0 and not same_but(rule_at(s, a, b, table[slot]), r, f, k):
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = i
            ids[i] = count
            count += 1
        else:
            ids[i] = ids[table[slot]]
    give(s, table, size * 4)


cdef extern from *:
    int __builtin_ctzll(unsigned long long) nogil


cdef int32_t slice_of(
    Search* s, const Side* side, int32_t first, const uint64_t* alive, int64_t words,
    const int32_t* ids, const char* slab, int32_t* seen, int32_t stamp, int32_t* out
) noexcept nogil:
    """One slice as a list: its `rest`, then 2 * box + action of each rule. Returns the length."""
    cdef int64_t w = 0
    cdef uint64_t bits
    cdef int32_t i, n = 1, action
    out[0] = side.rest
    while w < words:
        bits = alive[w]
        while bits:
            i = <int32_t>(64 * w) + __builtin_ctzll(bits)
            bits &= bits - 1
            action = side.rules[<int64_t>i * s.stride + 2 * s.k]
            if slab[first + i]:  # holds the whole slice: nothing after it counts
                out[0] = action
                w = words
                break
            if seen[ids[first + i]] != stamp:
                seen[ids[first + i]] = stamp
                out[n] = 2 * ids[first + i] + action
                n += 1
        w += 1
    while n > 1 and (out[n - 1] & 1) == out[0]:
        n -= 1
    return n


cdef void sieve_field(
    Search* s, int f, int32_t* cell, Side* a, Side* b, int32_t** origin, int64_t* origin_size
) noexcept nogil:
    """Delete each slice of field f that is the same list on both sides, or a copy of another.

    What remains is numbered anew from 0; `origin`, if any went, leads back.
    """
    cdef int32_t n = a.n + b.n, i, m, v, kept, la, lb, total, hit
    cdef int g, k = s.k, deleted = 0
    cdef int64_t wa = (a.n + 63) // 64, wb = (b.n + 63) // 64, size = 4, slot, used = 0, cap, spans
    cdef int64_t bytes_n = <int64_t>n * 4
    cdef uint64_t h
    cdef int32_t* r
    cdef int32_t* ends = NULL
    cdef int32_t* ids = NULL
    cdef int32_t* seen = NULL
    cdef int32_t* head = NULL
    cdef int32_t* nexts = NULL
    cdef int32_t* renumber = NULL
    cdef int32_t* buffer = NULL
    cdef int32_t* arena = NULL
    cdef int64_t* table = NULL
    cdef int32_t* fresh = NULL
    cdef uint64_t* alive = NULL
    cdef char* slab = NULL
    cdef bint full

    ends = <int32_t*>take(s, 2 * bytes_n + 8)
    if ends == NULL:
        return
    ends[0] = cell[2 * f]
    ends[1] = cell[2 * f + 1]
    m = 2
    for i in range(n):
        r = <int32_t*>rule_at(s, a, b, i)
        ends[m] = r[2 * f]
        ends[m + 1] = r[2 * f + 1]
        m += 2
    qsort(ends, m, 4, by_value)
    v = 0
    for i in range(m):
        if not i or ends[i] != ends[v - 1]:
            ends[v] = ends[i]
            v += 1
    m = v - 1  # the number of slices
    spans = (wa + wb) * m
    for i in range(n):
        r = <int32_t*>rule_at(s, a, b, i)
        spans += position(ends, m + 1, r[2 * f + 1]) - position(ends, m + 1, r[2 * f])
    if m < 2 or spans > s.sieve_work * n:
        give(s, ends, 2 * bytes_n + 8)
        return
    while size < 2 * <int64_t>m:
        size *= 2
    cap = min(s.arena, 256 * <int64_t>n)
    ids = <int32_t*>take(s, bytes_n)
    seen = <int32_t*>take(s, bytes_n)
    slab = <char*>take(s, n)
    head = <int32_t*>take(s, <int64_t>(m + 1) * 4)
    nexts = <int32_t*>take(s, 2 * bytes_n)
    renumber = <int32_t*>take(s, <int64_t>(m + 1) * 4)
    buffer = <int32_t*>take(s, bytes_n + 16)
    table = <int64_t*>take(s, size * 8)
    alive = <uint64_t*>take(s, (wa + wb) * 8)
    arena = <int32_t*>take(s, cap * 4)
    if not s.stopped:
        name_boxes(s, f, a, b, ids)
    if not s.stopped:
        for i in range(n):
            seen[i] = -1
            r = <int32_t*>rule_at(s, a, b, i)
            full = True
            for g in range(k):
                if g != f and (r[2 * g] > cell[2 * g] or r[2 * g + 1] < cell[2 * g + 1]):
                    full = False
                    break
            slab[i] = full
        for slot in range(size):
            table[slot] = -1
        for slot in range(wa + wb):
            alive[slot] = 0
        for v in range(m + 1):
            head[v] = -1
        for i in range(n):  # chains of rules that begin (2i) or end (2i + 1) at a slice
            r = <int32_t*>rule_at(s, a, b, i)
            v = position(ends, m + 1, r[2 * f])
            nexts[2 * i] = head[v]
            head[v] = 2 * i
            v = position(ends, m + 1, r[2 * f + 1])
            nexts[2 * i + 1] = head[v]
            head[v] = 2 * i + 1
        kept = 0
        for v in range(m):
            renumber[v] = kept
            i = head[v]
            while i >= 0:
                if i >> 1 < a.n:
                    alive[i >> 7] ^= <uint64_t>1 << ((i >> 1) & 63)
                else:
                    alive[wa + (((i >> 1) - a.n) >> 6)] ^= <uint64_t>1 << (((i >> 1) - a.n) & 63)
                i = nexts[i]
            la = slice_of(s, a, 0, alive, wa, ids, slab, seen, 2 * v, buffer)
            lb = slice_of(s, b, a.n, alive + wa, wb, ids, slab, seen, 2 * v + 1, buffer + la)
            total = la + lb
            work(s, wa + wb + 4 * total)
            if s.stopped:
                break
            if la == lb and not memcmp(buffer, buffer + la, la * 4):
                deleted += 1
                continue
            buffer[0] += 2 * la  # keeps where the one ends and the other begins
            h = 1
            for i in range(total):
                h = mix(h, <uint64_t>buffer[i])
            slot = <int64_t>(h & <uint64_t>(size - 1))
            hit = 0
            while table[slot] >= 0:
                if arena[table[slot]] == total and not memcmp(
                    arena + table[slot] + 1, buffer, total * 4
                ):
                    hit = 1
                    break
                slot = (slot + 1) & (size - 1)
            if hit:
                deleted += 1
                continue
            kept += 1
            if used + total + 1 <= cap:
                table[slot] = used
                arena[used] = total
                memcpy(arena + used + 1, buffer, total * 4)
                used += total + 1
        renumber[m] = kept
        if deleted and not s.stopped:
            fresh = <int32_t*>take(s, <int64_t>(kept + 1) * 4)
            if fresh != NULL:
                for v in range(m):
                    if renumber[v + 1] > renumber[v]:
                        fresh[renumber[v]] = ends[v]
                origin[0] = fresh
                origin_size[0] = <int64_t>(kept + 1) * 4
                renumber_side(s, f, ends, renumber, m, a)
                renumber_side(s, f, ends, renumber, m, b)
                cell[2 * f] = 0
                cell[2 * f + 1] = kept
                if kept:
                    cut_covering(s, cell, a)
                    cut_covering(s, cell, b)
    give(s, ends, 2 * bytes_n + 8)
    give(s, ids, bytes_n)
    give(s, seen, bytes_n)
    give(s, slab, n)
    give(s, head, <int64_t>(m + 1) * 4)
    give(s, nexts, 2 * bytes_n)
    give(s, renumber, <int64_t>(m + 1) * 4)
    give(s, buffer, bytes_n + 16)
    give(s, table, size * 8)
    give(s, alive, (wa + wb) * 8)
    give(s, arena, cap * 4)


cdef void renumber_side(
    Search* s, int f, const int32_t* ends, const int32_t* renumber, int32_t m, Side* side
) noexcept nogil:
    """Bounds of field f in the new numbers; rules that hold none of them go."""
    cdef int32_t i, n = 0, lo, hi
    cdef int32_t* r
    for i in range(side.n):
        r = side.rules + <int64_t>i * s.stride
        lo = renumber[position(ends, m + 1, r[2 * f])]
        hi = renumber[position(ends, m + 1, r[2 * f + 1])]
        if lo == hi:
            continue
        r[2 * f] = lo
        r[2 * f + 1] = hi
        if n != i:
            memcpy(side.rules + <int64_t>n * s.stride, r, s.stride * 4)
        n += 1
    side.n = n


# The recursion ----------------------------------------------------------------------------

cdef int sieved(Search* s, const int32_t* outer, Side* a, Side* b) noexcept nogil:
    """Sieve each field, then search what remains."""
    cdef int32_t cell[2 * MAX_FIELDS]
    cdef int32_t* origin[MAX_FIELDS]
    cdef int64_t sizes[MAX_FIELDS]
    cdef int f, result = EQUAL
    cdef bint empty = False
    memcpy(cell, outer, s.k * 8)
    for f in range(s.k):
        origin[f] = NULL
        sizes[f] = 0
    for f in range(s.k):
        if not empty and not s.stopped:
            sieve_field(s, f, cell, a, b, &origin[f], &sizes[f])
            empty = cell[2 * f] == cell[2 * f + 1]
    if s.stopped:
        result = STOP
    elif not empty:
        result = search(s, cell, a, b, a.n + b.n)
        if result == DIFFERENT:
            for f in range(s.k):
                if origin[f] != NULL:
                    s.point[f] = origin[f][s.point[f]]
    for f in range(s.k):
        give(s, origin[f], sizes[f])
    return result


cdef int search(Search* s, const int32_t* cell, Side* a, Side* b, int64_t last) noexcept nogil:
    """EQUAL, DIFFERENT (and s.point), or STOP (and s.stopped). `last` is the size last sieved."""
    cdef int f = -1, result, half
    cdef int32_t c = 0
    cdef int32_t child[2 * MAX_FIELDS]
    cdef Side ca, cb
    cdef int64_t n
    s.nodes += 1
    if s.nodes > s.max_nodes and not s.stopped:
        s.stopped = 1
    if s.stopped:
        return STOP
    tidy(s, a)
    tidy(s, b)
    if a.rest == b.rest and a.n == b.n and not memcmp(
        a.rules, b.rules, <int64_t>a.n * s.stride * 4
    ):
        return EQUAL
    if not a.n and not b.n:
        if s.max_cells:
            return collect(s, cell, a.rest, b.rest)
        for f in range(s.k):
            s.point[f] = cell[2 * f]
        return DIFFERENT
    if not s.max_cells:
        if not a.n and b.rules[2 * s.k] != a.rest:
            for f in range(s.k):
                s.point[f] = b.rules[2 * f]
            return DIFFERENT
        if not b.n and a.rules[2 * s.k] != b.rest:
            for f in range(s.k):
                s.point[f] = a.rules[2 * f]
            return DIFFERENT
    n = a.n + b.n
    if s.sieve_min and n >= s.sieve_min and 2 * n <= last:
        return sieved(s, cell, a, b)
    choose(s, cell, a, b, &f, &c)
    if s.stopped:
        return STOP
    result = EQUAL
    memcpy(child, cell, s.k * 8)
    for half in range(2):
        child[2 * f] = c if half else cell[2 * f]
        child[2 * f + 1] = cell[2 * f + 1] if half else c
        ca.rules = NULL
        cb.rules = NULL
        clip(s, a, f, child, &ca)
        clip(s, b, f, child, &cb)
        result = STOP if s.stopped else search(s, child, &ca, &cb, last)
        give(s, ca.rules, <int64_t>a.n * s.stride * 4)
        give(s, cb.rules, <int64_t>b.n * s.stride * 4)
        if result != EQUAL:
            break
    return result


cdef int collect(Search* s, const int32_t* cell, int32_t ra, int32_t rb) noexcept nogil:
    """Note a cell where the sides differ, and go on."""
    cdef int64_t width = 2 * s.k + 2
    if s.n_cells == s.max_cells:
        s.stopped = 4
        return STOP
    memcpy(s.cells + s.n_cells * width, cell, s.k * 8)
    s.cells[s.n_cells * width + 2 * s.k] = ra
    s.cells[s.n_cells * width + 2 * s.k + 1] = rb
    s.n_cells += 1
    return EQUAL


def solve(
    dims, array.array a not None, bint rest_a, array.array b not None, bint rest_b, *, int64_t nodes, int64_t memory, double deadline,
    int sieve=SIEVE_MIN, int tidy=TIDY, int64_t cells=0
):
    """See kernel.solve: `dims` ranks per field, `a` and `b` arrays of int of rules."""
    cdef Search s
    cdef Side sa, sb
    cdef list raised = []
    cdef int32_t cell[2 * MAX_FIELDS]
    cdef int f, result
    cdef int64_t width, i
    if not 1 <= len(dims) <= MAX_FIELDS:
        raise ValueError("1 to 8 fields")
    s.k = len(dims)
    s.stride = 2 * s.k + 1
    if a.typecode != "i" or b.typecode != "i":
        raise ValueError("rules are arrays of int")
    if len(a) % s.stride or len(b) % s.stride:
        raise ValueError("a rule is 2k + 1 ints")
    s.stopped = 0
    s.nodes = 0
    s.max_nodes = nodes
    s.used = 0
    s.max_bytes = memory
    s.steps = 0
    s.raised = <PyObject*>raised
    s.deadline = deadline
    s.n_cells = 0
    s.max_cells = cells
    s.arena = ARENA
    s.sieve_min = 0 if cells else sieve
    s.sieve_work = SIEVE_WORK
    s.tidy = tidy
    width = 2 * s.k + 2
    s.cells = <int32_t*>malloc((cells * width + 1) * 4)
    sa.n = len(a) // s.stride
    sb.n = len(b) // s.stride
    sa.rest = rest_a
    sb.rest = rest_b
    sa.rules = <int32_t*>malloc(len(a) * 4 + 1)
    sb.rules = <int32_t*>malloc(len(b) * 4 + 1)
    try:
        if s.cells == NULL or sa.rules == NULL or sb.rules == NULL:
            raise MemoryError
        if sa.n:
            memcpy(sa.rules, a.data.as_ints, <int64_t>sa.n * s.stride * 4)
        if sb.n:
            memcpy(sb.rules, b.data.as_ints, <int64_t>sb.n * s.stride * 4)
        for f in range(s.k):
            cell[2 * f] = 0
            cell[2 * f + 1] = dims[f]
        with nogil:
            cut_covering(&s, cell, &sa)
            cut_covering(&s, cell, &sb)
            result = search(&s, cell, &sa, &sb, 1 << 62)
        if raised:
            raise raised[0]
        status = ("equal", "different", "")[result]
        if result == STOP:
            status = ("", "nodes", "memory", "seconds", "cells")[s.stopped]
        point = tuple([s.point[f] for f in range(s.k)]) if result == DIFFERENT else ()
        found = [
            tuple([s.cells[i * width + f] for f in range(width)]) for i in range(s.n_cells)
        ]
        return Outcome(status, point, s.nodes, found)
    finally:
        free(s.cells)
        free(sa.rules)
        free(sb.rules)
