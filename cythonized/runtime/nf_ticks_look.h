/* Whether timers only repeat themselves: the state and the waiting packets against earlier ones. */
#ifndef NF_TICKS_LOOK_H
#define NF_TICKS_LOOK_H
#include "nf_state.h"

static u128 nf_ticks_row(u64 place, const void *data, u64 length)
{
    const u64 h = nf_hash_bytes((const u8 *)data, length);
    return (u128)nf_hash2(h, place) << 64 | nf_hash2(place + 1, h);
}

static u128 nf_ticks_table(nf_ticks *t, const nf_table *table, u64 place, u64 bytes)
{
    u128 sum = 0;
    u64 position = 0;
    const void *slot;
    while ((slot = nf_table_next(table, &position)) != NULL) {
        sum += nf_ticks_row(place, slot, bytes);
        t->compared++;
    }
    return sum;
}

static u128 nf_ticks_aged(nf_ticks *t, const nf_aged *aged, u64 place, u64 now)
{
    u128 sum = 0;
    u64 position = 0, stamp, order = 0;
    const u8 *key;
    while ((key = (const u8 *)nf_aged_next(aged, &position, now, &stamp)) != NULL) {
        const u64 bytes = 8 * (u64)aged->words + aged->value_bytes;
        order++;
        sum += nf_ticks_row(place, key, bytes) * (2 * order + 1) + (u128)stamp * order;
        t->compared++;
    }
    return sum;
}

/* All variables. Fused ones share a table, which then counts several times: alike on both sides. */
static u128 nf_ticks_state(nf_ticks *t, const nf_info *info, nf_core *core)
{
    u128 sum = 0;
    for (u32 i = 0; i < info->n_variables; i++) {
        const nf_variable *v = &info->variables[i];
        const void *at = nf_part_at(core, v->at);
        if (v->kind == NF_PLAIN) {
            sum += nf_ticks_row(3 * i, at, v->value_bytes);
        } else if (v->kind == NF_AGED) {
            sum += nf_ticks_aged(t, (const nf_aged *)at, 3 * i, core->now);
        } else {
            sum += nf_ticks_table(t, (const nf_table *)at, 3 * i, 8 * v->words + v->value_bytes);
            if (v->wide_keys)
                sum += nf_ticks_table(t, (const nf_table *)nf_part_at(core, v->wide_at), 3 * i + 2,
                                      8 * v->wide_words + v->value_bytes);
        }
    }
    return sum;
}

/* The waiting packets in the order of their firing, due times from the first one on; `tells`: may
 * an NF with a timer tell the time? */
static u128 nf_ticks_timers(const nf_info *info, nf_core *core, u32 *tells)
{
    u128 sum = 0;
    nf_waiting **sorted = nf_timers_sorted(core);
    nf_buffer text = {};
    *tells = 0;
    if (!sorted) {
        core->error = NF_NO_MEMORY;
        return 0;
    }
    for (u64 i = 0; i < core->wheel.count; i++) {
        const nf_timer *timer = &sorted[i]->timer;
        const u64 after = timer->due - sorted[0]->timer.due;
        text.length = 0;
        if (nf_buffer_add(&text, &after, 8) || nf_buffer_add(&text, &timer->over, 1) ||
            nf_write_timer(&text, info, sorted[i]))
            core->error = NF_NO_MEMORY;
        else /* without the due time, which stands first in what was written */
            memset(text.data + 9, 0, 9);
        sum += nf_ticks_row(i, text.data, text.length) * (2 * (u128)i + 1);
        *tells |= info->instances[sorted[i]->instance].tells_time;
    }
    nf_buffer_free(&text);
    free(sorted);
    return sum;
}

/* All timers move on by so many ns, in their order. */
static void nf_ticks_move(nf_core *core, u64 by)
{
    const u64 count = core->wheel.count;
    nf_waiting **sorted = nf_timers_sorted(core);
    if (!sorted) {
        core->error = NF_NO_MEMORY;
        return;
    }
    nf_wheel_init(&core->wheel, core->now);
    for (u64 i = 0; i < count; i++) {
        nf_timer *timer = &sorted[i]->timer;
        timer->next = NULL;
        timer->due += by;
        timer->over = (u8)(timer->over + (timer->due < by));
        nf_wheel_add(&core->wheel, timer);
    }
    free(sorted);
}

static __attribute__((unused)) u64 nf_ticks_look(nf_ticks *t, const nf_info *info, nf_core *core, u64 until)
{
    const u64 due = nf_wheel_next(&core->wheel);
    u32 tells;
    if (t->has_reference && t->outputs == core->sent.count && t->timers == core->wheel.count &&
        t->state == nf_ticks_timers(info, core, &tells) + nf_ticks_state(t, info, core)) {
        const u64 period = due - t->due;
        if (!period) {
            core->error = NF_RUNAWAY;
            return 0;
        }
        if (!tells) {
            const u64 times = (until - due) / period;
            for (u32 i = 0; i < NF_COUNTERS; i++)
                core->counters[i] += times * (core->counters[i] - t->counters[i]);
            t->has_reference = 0;
            if (times)
                nf_ticks_move(core, times * period);
            return times * period;
        }
    }
    if (t->since >= t->lap) {
        t->due = due;
        t->state = nf_ticks_timers(info, core, &tells) + nf_ticks_state(t, info, core);
        memcpy(t->counters, core->counters, sizeof t->counters);
        t->outputs = core->sent.count;
        t->timers = core->wheel.count;
        t->has_reference = 1;
        t->since = 0;
        t->lap *= 2;
    }
    return 0;
}

#endif
