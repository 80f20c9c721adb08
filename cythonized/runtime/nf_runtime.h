/* Everything that generated code uses, and the pieces of the machine that are the same for all. */
#ifndef NF_RUNTIME_H
#define NF_RUNTIME_H
#include <stdlib.h>
#include "nf_core.h"
#include "nf_math.h"
#include "nf_ops.h"
#include "nf_state.h"
#include "nf_ticks.h"
#include "nf_fast.h"
#include "nf_wrap.h"

/* How a pass through an NF ends; 0 and up: by that port. */
enum { NF_FORWARD = -1, NF_DROP = -2, NF_RESUBMIT = -3, NF_DELAY = -4, NF_SEVERAL = -5 };

enum { NF_MAX_FIRINGS = 1 << 20, NF_MAX_VISITS = 1 << 20, NF_MAX_PASSES = 16 };

/* Where a packet of the pipeline is: the number of an NF, or out of it. */
enum { NF_IDLE = 0xffff };

NF_INL u64 nf_turned(u64 a) { return a >> 32 | a << 32; }
NF_INL u64 nf_swapped_ports(u64 b)
{
    return (b & ~(u64)0xffffffff) | (b >> 16 & 0xffff) | (b & 0xffff) << 16;
}

NF_INL nf_slice nf_slice_if(u32 c, nf_slice a, nf_slice b) { return c ? a : b; }

/* The number of a byte string that goes into the state; without memory the run ends. */
NF_INL u32 nf_kept(nf_core *core, nf_slice s)
{
    u32 id = nf_intern(&core->pool, s);
    if (nf_unlikely(id == UINT32_MAX))
        core->error = NF_NO_MEMORY;
    return id;
}

/* A frame that comes out: room for it in core->sent with a copy of its bytes, or NULL. */
NF_INL u8 *nf_sent_add(nf_core *core, u64 time, u32 port, const u8 *frame, u32 length, u32 cause,
                       u32 origin, u32 original)
{
    nf_outputs *sent = &core->sent;
    if (nf_unlikely(sent->count == sent->room)) {
        u32 room = sent->room ? 2 * sent->room : 256;
        nf_output *items = (nf_output *)realloc(sent->items, room * sizeof *items);
        if (!items) {
            core->error = NF_NO_MEMORY;
            return NULL;
        }
        sent->items = items;
        sent->room = room;
    }
    u8 *data = nf_arena_take(&sent->bytes, length);
    if (!data) {
        core->error = NF_NO_MEMORY;
        return NULL;
    }
    memcpy(data, frame, length);
    nf_output *o = &sent->items[sent->count++];
    o->time = time;
    o->data = data;
    o->length = length;
    o->cause = cause;
    o->origin = origin;
    o->original = original;
    o->port = (u16)port;
    return data;
}

/* A packet of `bytes` set aside until `delay` from now, with its frame and payload; or NULL. The
 * caller sets the packet's frame to *frame and, if it has one of its own, its payload to *payload. */
NF_COLD void *nf_hold(nf_core *core, const void *packet, u64 bytes, const nf_head *head,
                      u32 instance, u32 original, u64 delay, nf_slice written, u8 **frame,
                      u8 **payload)
{
    u64 at = NF_WAITING_PACKET + bytes;
    nf_waiting *w = (nf_waiting *)calloc(1, at + head->length + written.length);
    if (!w) {
        core->error = NF_NO_MEMORY;
        return NULL;
    }
    u64 due = core->now + delay;
    w->timer.due = due;
    w->timer.over = due < delay;
    w->timer.number = core->timers_made++;
    w->instance = instance;
    w->original = original;
    w->dummy = head->bits == 0;
    memcpy((u8 *)w + NF_WAITING_PACKET, packet, bytes);
    *frame = (u8 *)w + at;
    if (head->length)
        memcpy(*frame, head->frame, head->length);
    *payload = *frame + head->length;
    if (written.length)
        memcpy(*payload, written.data, written.length);
    nf_wheel_add(&core->wheel, &w->timer);
    return (u8 *)w + NF_WAITING_PACKET;
}

NF_INL void *nf_waiting_packet(nf_timer *timer) { return (u8 *)timer + NF_WAITING_PACKET; }
NF_INL u32 nf_waiting_instance(nf_timer *timer) { return ((nf_waiting *)timer)->instance; }
NF_INL u32 nf_waiting_original(nf_timer *timer) { return ((nf_waiting *)timer)->original; }
NF_INL u64 nf_timer_due(const nf_timer *timer) { return timer->due; }
NF_INL u64 nf_max(u64 a, u64 b) { return a > b ? a : b; }

NF_COLD void nf_core_free(nf_core *core)
{
    u64 position = 0;
    for (nf_timer *timer = nf_wheel_walk(&core->wheel, &position), *next; timer; timer = next) {
        next = nf_wheel_walk(&core->wheel, &position);
        free(timer);
    }
    nf_arena_free(&core->scratch);
    nf_arena_free(&core->sent.bytes);
    free(core->sent.items);
    nf_pool_free(&core->pool);
    free(core->hits);
}

/* The latest of `now` and n stamps. */
NF_INL u64 nf_latest(u64 now, const u64 *times, u64 n)
{
    u64 a = now, b = now, c = now, d = now, i = 0;
    for (; i + 4 <= n; i += 4) {
        a = nf_max(a, times[i]);
        b = nf_max(b, times[i + 1]);
        c = nf_max(c, times[i + 2]);
        d = nf_max(d, times[i + 3]);
    }
    for (; i < n; i++)
        a = nf_max(a, times[i]);
    return nf_max(nf_max(a, b), nf_max(c, d));
}

/* A home in either of two tables, without a branch on which. */
NF_INL u8 *nf_place_either(u32 first, const nf_table *a, const u32 slot_a, const nf_table *b,
                           const u32 slot_b, u64 h)
{
    u64 p = (u64)(uintptr_t)nf_place(a, h, slot_a), q = (u64)(uintptr_t)nf_place(b, h, slot_b);
    return (u8 *)(uintptr_t)nf_pick(first, p, q);
}

NF_INL void nf_prefetch_at(const u8 *home) { __builtin_prefetch(home, 1, 3); }

/* A zeroed state of so many bytes, whose first member is its nf_core; or NULL. */
NF_COLD void *nf_new_state(u64 bytes, u32 entries)
{
    void *state = aligned_alloc(4096, (bytes + 4095) & ~(u64)4095);
    if (!state)
        return NULL;
    memset(state, 0, bytes);
    nf_core *core = (nf_core *)state;
    nf_wheel_init(&core->wheel, 0);
    if (!nf_hash_seeded)
        nf_seed(NULL);
    if (entries && !(core->hits = (u64 *)calloc(entries, sizeof *core->hits))) {
        free(state);
        return NULL;
    }
    return state;
}

/* Forget the byte strings that nothing in the state holds, now and then; the first `fixed` stay. */
NF_COLD void nf_pool_tidy(const nf_info *info, nf_core *core, u32 fixed)
{
    nf_pool *pool = &core->pool;
    if (pool->bytes <= core->pool_kept)
        return;
    nf_pool_unmark(pool);
    for (u32 id = 1; id <= fixed; id++)
        nf_pool_mark(pool, id);
    nf_state_mark(info, core);
    nf_pool_sweep(pool);
    core->pool_kept = 2 * pool->bytes + (1 << 20);
}

#endif
