/* A hierarchical timer wheel: exact to the nanosecond, first come first served among equals.
 *
 * A timer stands at the level of the highest 6-bit digit in which its due time differs from `base`,
 * in the slot of that digit. `base` moves only to the due time of a timer that is popped; then the
 * slot that it stood in is spread over the levels below, in order. */
#ifndef NF_WHEEL_H
#define NF_WHEEL_H
#include "nf_base.h"

#define NF_WHEEL_LEVELS 11
#define NF_WHEEL_LATE (NF_WHEEL_LEVELS * 64)      /* due before `base`, sorted */
#define NF_WHEEL_NEVER (NF_WHEEL_LEVELS * 64 + 1) /* due at 2^64 or later */

/* Part of what waits. Due at over * 2^64 + due; `number` is the owner's. */
typedef struct nf_timer {
    struct nf_timer *next;
    u64 due;
    u64 number;
    u16 place;
    u8 over;
} nf_timer;

typedef struct nf_wheel_slot {
    nf_timer *first, *last;
    u64 least; /* the earliest due time in it */
} nf_wheel_slot;

typedef struct nf_wheel {
    u64 base, next, count;
    u64 used[NF_WHEEL_LEVELS]; /* a bit per slot */
    nf_wheel_slot slots[NF_WHEEL_LEVELS * 64 + 2];
} nf_wheel;

NF_COLD void nf_wheel_init(nf_wheel *w, u64 now) {
    memset(w, 0, sizeof *w);
    w->base = now;
    w->next = UINT64_MAX;
}

/* When the next timer is due: exact; UINT64_MAX: never. */
NF_INL u64 nf_wheel_next(const nf_wheel *w) {
    return w->next;
}

NF_INL void nf_wheel_append(nf_wheel *w, nf_timer *timer, u32 place) {
    nf_wheel_slot *slot = &w->slots[place];
    timer->place = (u16)place;
    timer->next = NULL;
    if (slot->first) {
        slot->last->next = timer;
        if (timer->due < slot->least)
            slot->least = timer->due;
    } else {
        slot->first = timer;
        slot->least = timer->due;
        if (place < NF_WHEEL_LATE)
            w->used[place >> 6] |= 1ULL << (place & 63);
    }
    slot->last = timer;
}

NF_INL void nf_wheel_place(nf_wheel *w, nf_timer *timer) {
    u64 differ = timer->due ^ w->base;
    u32 level = differ ? (63U - (u32)__builtin_clzll(differ)) / 6 : 0;
    nf_wheel_append(w, timer, level << 6 | (u32)(timer->due >> (6 * level) & 63));
}

/* Only a state file can bring a timer that should have fired already. */
NF_COLD void nf_wheel_add_late(nf_wheel *w, nf_timer *timer) {
    nf_wheel_slot *slot = &w->slots[NF_WHEEL_LATE];
    nf_timer **at = &slot->first;
    while (*at && (*at)->due <= timer->due)
        at = &(*at)->next;
    timer->place = NF_WHEEL_LATE;
    timer->next = *at;
    *at = timer;
    if (!timer->next)
        slot->last = timer;
}

static inline __attribute__((unused)) void nf_wheel_add(nf_wheel *w, nf_timer *timer) {
    w->count++;
    if (nf_unlikely(timer->over)) {
        nf_wheel_append(w, timer, NF_WHEEL_NEVER);
        return;
    }
    if (timer->due < w->next)
        w->next = timer->due;
    if (nf_unlikely(timer->due < w->base))
        nf_wheel_add_late(w, timer);
    else
        nf_wheel_place(w, timer);
}

/* The place of the earliest timer that is not late, or NF_WHEEL_NEVER. */
NF_INL u32 nf_wheel_earliest(const nf_wheel *w) {
    for (u32 level = 0; level < NF_WHEEL_LEVELS; level++)
        if (w->used[level])
            return level << 6 | (u32)__builtin_ctzll(w->used[level]);
    return NF_WHEEL_NEVER;
}

/* The earliest timer due at `until` or before, taken out; or NULL. `until` is no later than now:
 * what is added afterwards is due at the returned timer's time or later. */
static inline __attribute__((unused)) nf_timer *nf_wheel_pop(nf_wheel *w, u64 until) {
    if (w->next > until)
        return NULL;
    nf_wheel_slot *slot = &w->slots[NF_WHEEL_LATE];
    if (nf_likely(!slot->first)) {
        u32 place = nf_wheel_earliest(w);
        if (place == NF_WHEEL_NEVER) /* next is UINT64_MAX, and so is until */
            return NULL;
        slot = &w->slots[place];
        if (place >= 64) {
            nf_timer *timer = slot->first, *after;
            slot->first = slot->last = NULL;
            w->used[place >> 6] &= ~(1ULL << (place & 63));
            w->base = w->next;
            for (; timer; timer = after) {
                after = timer->next;
                nf_wheel_place(w, timer);
            }
            slot = &w->slots[w->base & 63];
        }
        w->base = w->next;
    }
    nf_timer *timer = slot->first;
    slot->first = timer->next;
    if (!slot->first) {
        slot->last = NULL;
        if (timer->place < NF_WHEEL_LATE)
            w->used[timer->place >> 6] &= ~(1ULL << (timer->place & 63));
    }
    w->count--;
    if (w->slots[NF_WHEEL_LATE].first) {
        w->next = w->slots[NF_WHEEL_LATE].first->due;
    } else {
        u32 place = nf_wheel_earliest(w);
        w->next = place == NF_WHEEL_NEVER ? UINT64_MAX : w->slots[place].least;
    }
    timer->next = NULL;
    return timer;
}

/* All timers, in any order; *position starts at 0, and nothing may change meanwhile. */
NF_COLD nf_timer *nf_wheel_walk(const nf_wheel *w, u64 *position) {
    nf_timer *timer = (nf_timer *)(uintptr_t)*position;
    u32 place = timer ? timer->place + 1U : 0;
    timer = timer ? timer->next : NULL;
    for (; !timer && place <= NF_WHEEL_NEVER; place++)
        timer = w->slots[place].first;
    *position = (u64)(uintptr_t)timer;
    return timer;
}

#endif
