/* Flow tables: their memory, and how they grow (nf_slots.h: what they are). */
#ifndef NF_TABLE_H
#define NF_TABLE_H
#include <sys/mman.h>
#include "nf_slots.h"

#define NF_PAGE ((u64)4096)
#define NF_PIECE ((u64)1 << 20) /* bytes of old slots that are given back at once */
#define NF_TAIL 1280u           /* slots of a tail at least: address space, seldom memory */
#define NF_STEP 16384u          /* bytes of old slots that a tick sweeps */
#define NF_WARM_STEPS 8u        /* as many at once, where the new pages are there already */
#ifndef NF_QUIET
#define NF_QUIET 1024u          /* ticks with little growth, before a table goes to huge pages */
#endif
#define NF_HUGE_FROM ((u64)4 << 20) /* bytes of a table for which that is worth it */

/* Memory ------------------------------------------------------------------------------------ */

/* The sizes that tables have: powers of two up to 32 MB, then 5/4 of them (80 MB, 160 MB, …). */
NF_COLD u64 nf_table_homes(u32 size, u32 slot) {
    return (u64)slot << size <= 32 << 20 ? (u64)1 << size : (u64)5 << (size - 2);
}

/* How many keys a size is meant for: the smaller the table, the sparser. */
NF_COLD u64 nf_table_policy(u32 size, u32 slot) {
    u64 bytes = (u64)slot << size;
    u64 part = bytes <= 1 << 20 ? 16 : bytes <= 16 << 20 ? 8 : bytes <= 32 << 20 ? 4 : 2;
    return nf_table_homes(size, slot) / part;
}

/* How many keys a table has room for in a size. */
NF_COLD u64 nf_table_room(const nf_table *t, u32 size) {
    u64 sparse = nf_table_policy(size, t->slot);
    u64 dense = t->part ? nf_table_homes(size, t->slot) / t->part : 0;
    return dense > sparse ? dense : sparse;
}

/* Homes and a tail, all empty, in small pages: their address, or NULL. */
NF_COLD u8 *nf_region_make(nf_region *r, u32 size, u64 tail, u32 slot) {
    if (size > 40 || tail > (u64)1 << 40)
        return NULL;
    u64 homes = nf_table_homes(size, slot);
    u64 bytes = ((homes + tail) * slot + NF_PAGE - 1) & ~(NF_PAGE - 1);
    u64 spare = bytes >= NF_HUGE_FROM ? NF_HUGE_PAGE : 0;
    u8 *p = (u8 *)mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (spare) { /* it begins at a huge page */
        u64 before = -(uintptr_t)p & (NF_HUGE_PAGE - 1);
        if (before)
            munmap(p, before);
        p += before;
        if (spare - before)
            munmap(p + bytes, spare - before);
    }
    madvise(p, bytes, MADV_NOHUGEPAGE);
    *r = (nf_region){bytes, homes + tail, homes, size, 0};
    return p;
}

/* What follows from the regions. */
NF_COLD void nf_table_measure(nf_table *t) {
    t->homes = nf_table_homes(t->region.size, t->slot);
    t->brim = t->base + t->homes * t->slot;
    t->tail = t->region.slots - 1 - t->region.top;
    t->ahead = t->base;
    t->ahead_homes = t->homes;
    t->busy = t->young_base != NULL || t->quiet;
    if (t->young_base) {
        u64 tail = t->young.slots - 1 - t->young.top;
        t->tail = tail < t->tail ? tail : t->tail;
        t->young_homes = nf_table_homes(t->young.size, t->slot);
        t->young_brim = t->young_base + t->young_homes * t->slot;
        t->mark = (u64)((((u128)t->frontier << 64) + t->homes - 1) / t->homes);
        if (t->frontier > t->homes / 2) {
            t->ahead = t->young_base;
            t->ahead_homes = t->young_homes;
        }
    }
}

NF_COLD u32 nf_table_least(u32 slot) {
    u32 size = 6;
    while ((u64)slot << (size + 1) <= NF_PAGE)
        size++;
    return size;
}

/* A table of keys of `words` u64 in slots of `slot` bytes, at first a small one: 0, or -1. */
NF_COLD int nf_table_init(nf_table *t, u32 words, u32 slot) {
    memset(t, 0, sizeof *t);
    u32 size = nf_table_least(slot);
    t->words = words;
    t->slot = slot;
    t->base = nf_region_make(&t->region, size, NF_TAIL, slot);
    if (!t->base)
        return -1;
    t->limit = nf_table_policy(size, slot);
    nf_table_measure(t);
    return 0;
}

/* Waits until nobody else touches the table's memory. */
NF_COLD void nf_table_alone(nf_table *t) {
    if (t->warm)
        nf_warm_end(t->warm);
    t->warm = NULL;
}

NF_COLD void nf_table_free(nf_table *t) {
    nf_table_alone(t);
    if (t->base)
        munmap(t->base, t->region.bytes);
    if (t->young_base)
        munmap(t->young_base, t->young.bytes);
    memset(t, 0, sizeof *t);
}

/* The young region is all there is. */
NF_COLD void nf_table_mature(nf_table *t) {
    munmap(t->base, t->region.bytes);
    t->base = t->young_base;
    t->region = t->young;
    t->young_base = NULL;
    t->mark = t->frontier = t->released = 0;
    t->quiet = !t->region.huge && t->region.bytes >= NF_HUGE_FROM ? NF_QUIET : 0;
    nf_table_measure(t);
}

/* Removes all keys and gives the memory back but for what a new table has. Can't fail. */
NF_COLD void nf_table_clear(nf_table *t) {
    nf_table_alone(t);
    if (t->young_base)
        nf_table_mature(t);
    u32 size = nf_table_least(t->slot);
    u64 slots = ((u64)1 << size) + NF_TAIL;
    u64 kept = (slots * t->slot + NF_PAGE - 1) & ~(NF_PAGE - 1);
    t->count = t->quiet = 0;
    if (kept >= t->region.bytes || munmap(t->base + kept, t->region.bytes - kept)) {
        memset(t->base, 0, t->region.top * t->slot);
        return;
    }
    memset(t->base, 0, kept);
    t->region = (nf_region){kept, slots, (u64)1 << size, size, 0};
    t->limit = nf_table_room(t, size);
    nf_table_measure(t);
}

/* Growth ------------------------------------------------------------------------------------ */

/* Makes a region's tail longer by `more` slots: 0, or -1. Whoever knows no hash never needs it. */
NF_COLD int nf_region_widen(u8 **base, nf_region *r, u64 more, u32 slot) {
    nf_region wide;
    u64 tail = r->slots - nf_table_homes(r->size, slot) + more;
    u8 *p = nf_region_make(&wide, r->size, tail, slot);
    if (!p)
        return -1;
    memcpy(p, *base, r->top * slot);
    munmap(*base, r->bytes);
    wide.top = r->top;
    wide.huge = r->huge;
    *base = p;
    *r = wide;
    return 0;
}

/* Moves a run of full slots, from p up to `end`: 0, or -1 if memory for the tail is missing. */
NF_COLD int nf_table_move(nf_table *t, const u8 *p, const u8 *end) {
    const u32 slot = t->slot, words = t->words;
    u64 run = (u64)(end - p) / slot;
    if (nf_unlikely(t->young.slots - 1 - t->young.top < run)) {
        nf_table_alone(t);
        if (nf_region_widen(&t->young_base, &t->young, run + NF_TAIL, slot))
            return -1;
    }
    for (; p < end; p += slot) {
        u64 at = nf_home(nf_table_rehash(t, p, words), t->young_homes);
        u8 *to = t->young_base + at * slot;
        for (; nf_slot_full(to, words); to += slot)
            at++;
        memcpy(to, p, slot);
        if (nf_unlikely(at >= t->young.top))
            t->young.top = at + 1;
    }
    return 0;
}

/* Sweeps `budget` old slots or a few more, in whole runs: 0, or -1: memory for a tail is missing. */
NF_COLD int nf_table_sweep(nf_table *t, u64 budget) {
    const u32 slot = t->slot, words = t->words;
    u64 left = t->homes - t->frontier;
    u8 *p = t->base + t->frontier * slot, *stop = p + (budget < left ? budget : left) * slot;
    int failed = 0;
    while (p < stop && !failed) {
        u8 *end = p;
        while (nf_slot_full(end, words))
            end += slot;
        if (end == p)
            p += slot;
        else if (nf_table_move(t, p, end))
            failed = -1;
        else
            p = end;
    }
    if (p >= t->brim) {
        nf_table_mature(t);
        return 0;
    }
    t->frontier = (u64)(p - t->base) / slot;
    u64 done = t->frontier * slot & ~(NF_PIECE - 1);
    if (done > t->released && !madvise(t->base + t->released, done - t->released, MADV_DONTNEED))
        t->released = done;
    nf_table_measure(t);
    return failed;
}

/* Begins a sweep into a region of a size: 0, or -1. */
NF_COLD int nf_table_begin(nf_table *t, u32 size, u64 more) {
    u64 tail = t->region.slots - t->homes;
    if (more + NF_TAIL > tail)
        tail = more + NF_TAIL;
    nf_table_alone(t);
    t->young_base = nf_region_make(&t->young, size, tail, t->slot);
    if (!t->young_base)
        return -1;
    if (size > t->region.size)
        t->limit = nf_table_room(t, size);
    t->swept_at = t->count;
    t->frontier = t->released = 0;
    t->quiet = 0;
    nf_table_measure(t);
    return 0;
}

/* Begins to grow for `more` keys; without memory for that, fills up what there is: 0, or -1. */
NF_COLD int nf_table_grow(nf_table *t, u64 more) {
    u32 size = t->region.size + 1;
    u64 need = t->count + more;
    while (nf_table_room(t, size) < need)
        size++;
    for (;; size--) {
        u64 homes = nf_table_homes(size, t->slot), full = homes - homes / 8;
        if (full < need)
            return -1;
        if (size == t->region.size) { /* and try again a little later */
            t->limit = need + homes / 64 < full ? need + homes / 64 : full;
            return 0;
        }
        if (!nf_table_begin(t, size, more)) {
            if (t->limit < need)
                t->limit = need;
            return 0;
        }
    }
}

NF_COLD int nf_table_make_room(nf_table *t, u64 more) {
    if (more > (u64)1 << 36)
        return -1;
    while (t->count + more > t->limit) {
        if (t->young_base ? nf_table_sweep(t, UINT64_MAX) : nf_table_grow(t, more))
            return -1;
        if (t->young_base && t->homes * t->slot <= NF_STEP && nf_table_sweep(t, UINT64_MAX))
            return -1;
    }
    if (more <= t->tail)
        return 0;
    nf_table_alone(t);
    nf_region *r = &t->region;
    int failed = r->slots - 1 - r->top < more &&
                 nf_region_widen(&t->base, r, more + NF_TAIL, t->slot);
    r = &t->young;
    failed = failed || (t->young_base && r->slots - 1 - r->top < more &&
                        nf_region_widen(&t->young_base, r, more + NF_TAIL, t->slot));
    nf_table_measure(t);
    return failed ? -1 : 0;
}

/* Room for `more` puts of new keys: 0, or -1 with the table as it was. Not always inlined: of C++
 * gcc then takes everything behind it for as unlikely as the last line. */
static inline __attribute__((unused)) int nf_table_reserve(nf_table *t, u64 more) {
    if (nf_likely(t->count + more <= t->limit && more <= t->tail))
        return 0;
    return nf_table_make_room(t, more);
}

/* A large table waits until it is quiet, and begins a sweep into huge pages of the same size. */
NF_COLD void nf_table_settle(nf_table *t) {
    if (--t->quiet)
        return;
    u64 made = t->count > t->swept_at ? t->count - t->swept_at : 0;
    t->swept_at = t->count;
    if (made > 8 * NF_QUIET || t->count > t->limit - t->limit / 8) {
        t->quiet = NF_QUIET;
        return;
    }
    t->region.huge = 1; /* this is tried once */
    if (nf_warm_possible() && !nf_table_begin(t, t->region.size, 0)) {
        t->young.huge = 1;
        t->warm = nf_warm_start(t->young_base, t->young_homes * t->slot & ~(NF_HUGE_PAGE - 1));
    }
    t->busy = t->young_base != NULL;
}

/* How many slots of a sweep into huge pages can be swept without touching new ones. */
NF_COLD u64 nf_table_allowed(nf_table *t, u64 budget) {
    u64 ready = nf_warm_ready(t->warm);
    if (ready != UINT64_MAX && t->count > t->limit - t->limit / 16)
        nf_warm_stop(t->warm); /* growth is near, so there's no more time for it */
    if (ready == UINT64_MAX || ready >= t->warm->bytes)
        return budget;
    nf_warm_ask(t->warm, t->frontier * t->slot & ~(NF_HUGE_PAGE - 1));
    u64 limit = ready > 2 * NF_STEP ? (ready - 2 * NF_STEP) / t->slot : 0;
    u64 left = limit > t->frontier ? limit - t->frontier : 0;
    return budget < left ? budget : left;
}

NF_COLD void nf_table_step(nf_table *t) {
    if (!t->young_base) {
        nf_table_settle(t);
        return;
    }
    u64 made = t->count > t->swept_at ? t->count - t->swept_at : 0;
    /* Pages that were touched already cost no faults. */
    u64 budget = (t->warm ? NF_WARM_STEPS : 1) * NF_STEP / t->slot + 16 + 8 * made;
    t->swept_at = t->count;
    if (t->warm)
        budget = nf_table_allowed(t, budget);
    if (budget)
        nf_table_sweep(t, budget);
}

/* A bounded piece of the work under way, if any: once a batch. */
NF_INL void nf_table_tick(nf_table *t) {
    if (nf_unlikely(t->busy))
        nf_table_step(t);
}

/* Bytes of address space, memory once it has been touched. */
NF_COLD u64 nf_table_bytes(const nf_table *t) {
    return t->region.bytes - t->released + (t->young_base ? t->young.bytes : 0);
}

/* All slots, in any order: the start of the key, or NULL at the end; *position starts at 0. */
NF_COLD void *nf_table_next(const nf_table *t, u64 *position) {
    u64 young = t->young_base ? t->young.top : 0;
    for (;; ++*position) {
        u64 i = *position;
        u8 *p = i < young ? t->young_base + i * t->slot
                          : t->base + (t->frontier + i - young) * t->slot;
        if (i >= young && t->frontier + i - young >= t->region.top)
            return NULL;
        if (nf_slot_full(p, t->words)) {
            ++*position;
            return p;
        }
    }
}

#endif
