/* States as compact bytes, written and read; the form is that of nfverify/semantics/state_binary.py. */
#ifndef NF_STATE_H
#define NF_STATE_H
#include <stdlib.h>
#include "nf_core.h"
#include "nf_rows.h"
#include "nf_held.h"

#define NF_STATE_VERSION 1u

/* The start ----------------------------------------------------------------------------------- */

static i32 nf_read_row(nf_core *core, const nf_variable *v, nf_reader *r, nf_parts *parts);

/* What one variable is at the start; its tables are empty. Stamps of aged keys are `stamp`. */
static i32 nf_variable_initial(nf_core *core, const nf_variable *v, u64 stamp)
{
    nf_parts parts;
    nf_reader r = {v->entries, UINT64_MAX, 0, 0};
    i32 error = NF_OK;
    if (v->kind == NF_PLAIN)
        memcpy(nf_part_at(core, v->at), v->defaults, v->value_bytes);
    for (u64 i = 0; i < v->n_entries && !error; i++) {
        error = nf_read_row(core, v, &r, &parts);
        if (!error)
            error = nf_row_add(core, v, &parts, stamp);
    }
    return error;
}

/* Fills the variables of a new state, whose tables are empty, constants too: NF_OK, NF_NO_MEMORY. */
static __attribute__((unused)) i32 nf_state_initial(const nf_info *info, nf_core *core, u64 stamp)
{
    i32 error = NF_OK;
    for (u32 i = 0; i < info->n_variables + info->n_constants && !error; i++)
        error = nf_variable_initial(core, &info->variables[i], stamp);
    return error;
}

/* All aged keys become assigned `now`. */
static __attribute__((unused)) void nf_state_stamp(const nf_info *info, nf_core *core, u64 now)
{
    for (u32 i = 0; i < info->n_variables; i++) {
        if (info->variables[i].kind != NF_AGED)
            continue;
        nf_aged *aged = (nf_aged *)nf_part_at(core, info->variables[i].at);
        for (u32 id = aged->oldest; id; id = nf_aged_node(aged, id)->after)
            nf_aged_node(aged, id)->stamp = now;
        aged->now = now;
    }
}

/* Writing ------------------------------------------------------------------------------------- */

static int nf_write_part(nf_buffer *b, const nf_core *core, const nf_component *c, u128 bits)
{
    if (c->kind == NF_BYTES) {
        const nf_slice s = nf_interned(&core->pool, (u32)bits);
        return nf_write_number(b, s.length, 4) || nf_buffer_add(b, s.data, s.length);
    }
    const i128 value = nf_signed_part(c, bits);
    return nf_buffer_add(b, &value, c->kind == NF_BOOL ? 1 : (c->width + 7u) / 8);
}

static int nf_write_header(nf_buffer *b, const nf_variable *v)
{
    const u8 shape[3] = {v->kind == NF_AGED, (u8)v->n_keys, (u8)v->n_values};
    if (nf_write_name(b, v->instance) || nf_write_name(b, v->name) || nf_buffer_add(b, shape, 3))
        return -1;
    for (u32 i = 0; i < v->n_keys + v->n_values; i++) {
        const nf_component *c = i < v->n_keys ? &v->keys[i] : &v->values[i - v->n_keys];
        const u8 type[4] = {c->kind, c->kind == NF_BITS && c->is_signed,
                            (u8)(c->kind == NF_BITS ? c->width : 0), 0};
        if (nf_buffer_add(b, type, 4))
            return -1;
    }
    return 0;
}

static int nf_write_variable(nf_buffer *b, nf_core *core, const nf_variable *v)
{
    if (nf_write_header(b, v) || nf_write_number(b, 0, 8))
        return -1;
    const u64 place = b->length - 8;
    u64 count = 0;
    nf_rows rows = nf_rows_of(core, v);
    for (; nf_rows_next(&rows); count++) {
        for (u32 i = 0; i < v->n_keys; i++)
            if (nf_write_part(b, core, &v->keys[i], nf_key_part(&rows.keys[i], rows.key)))
                return -1;
        for (u32 i = 0; i < v->n_values; i++)
            if (nf_write_part(b, core, &v->values[i], nf_value_part(&v->values[i], rows.value)))
                return -1;
        if (v->kind == NF_AGED && nf_write_number(b, rows.stamp, 8))
            return -1;
    }
    memcpy(b->data + place, &count, 8);
    return 0;
}

/* Adds the state to a buffer: NF_OK, or NF_NO_MEMORY with a part of it added. */
static __attribute__((unused)) i32 nf_state_write(const nf_info *info, nf_core *core, nf_buffer *b)
{
    int bad = nf_buffer_add(b, "NFVSTATE", 8) || nf_write_number(b, NF_STATE_VERSION, 4)
              || nf_write_number(b, core->started, 1)
              || nf_write_number(b, core->started ? core->now : 0, 8)
              || nf_write_number(b, info->n_variables, 4);
    for (u32 i = 0; i < info->n_variables && !bad; i++)
        bad = nf_write_variable(b, core, &info->variables[i]);
    return bad || nf_write_timers(b, info, core) ? NF_NO_MEMORY : NF_OK;
}

/* Reading ------------------------------------------------------------------------------------- */

static i32 nf_read_part(nf_core *core, const nf_component *c, nf_reader *r, u128 *bits)
{
    if (c->kind == NF_BYTES) {
        const u64 length = nf_read_number(r, 4);
        const u8 *data = nf_read(r, length);
        if (!data)
            return NF_FORMAT;
        const u32 id = nf_intern(&core->pool, (nf_slice){data, length});
        *bits = id;
        return id == UINT32_MAX ? NF_NO_MEMORY : NF_OK;
    }
    const u32 bytes = c->kind == NF_BOOL ? 1 : (c->width + 7u) / 8;
    const u8 *data = nf_read(r, bytes);
    if (!data)
        return NF_FORMAT;
    u128 value = 0;
    memcpy(&value, data, bytes);
    *bits = nf_low_bits(value, nf_component_bits(c));
    return nf_low_bits((u128)nf_signed_part(c, *bits), 8 * bytes) == value ? NF_OK : NF_FORMAT;
}

/* The components of a row, without its stamp: NF_OK, NF_FORMAT, NF_NO_MEMORY. */
static i32 nf_read_row(nf_core *core, const nf_variable *v, nf_reader *r, nf_parts *parts)
{
    i32 error = NF_OK;
    for (u32 i = 0; i < v->n_keys && !error; i++)
        error = nf_read_part(core, &v->keys[i], r, &parts->keys[i]);
    for (u32 i = 0; i < v->n_values && !error; i++)
        error = nf_read_part(core, &v->values[i], r, &parts->values[i]);
    return error;
}

/* The variable of a header, whose types must be the file's, or NULL. */
static const nf_variable *nf_read_header(const nf_info *info, nf_reader *r)
{
    const nf_slice instance = nf_read_name(r), name = nf_read_name(r);
    for (u32 i = 0; i < info->n_variables; i++) {
        const nf_variable *v = &info->variables[i];
        if (!nf_is_name(instance, v->instance) || !nf_is_name(name, v->name))
            continue;
        u32 same = nf_read_number(r, 1) == (v->kind == NF_AGED);
        same &= nf_read_number(r, 1) == v->n_keys;
        same &= nf_read_number(r, 1) == v->n_values;
        for (u32 k = 0; same && k < (u32)v->n_keys + v->n_values; k++) {
            const nf_component *c = k < v->n_keys ? &v->keys[k] : &v->values[k - v->n_keys];
            same &= nf_read_number(r, 1) == c->kind;
            same &= nf_read_number(r, 1) == (c->kind == NF_BITS && c->is_signed);
            same &= nf_read_number(r, 2) == (c->kind == NF_BITS ? c->width : 0u);
        }
        return same && !r->bad ? v : NULL;
    }
    return NULL;
}

/* Bytes of a row at least. */
static u64 nf_row_bytes(const nf_variable *v)
{
    u64 bytes = v->kind == NF_AGED ? 8 : 0;
    for (u32 i = 0; i < (u32)v->n_keys + v->n_values; i++) {
        const nf_component *c = i < v->n_keys ? &v->keys[i] : &v->values[i - v->n_keys];
        bytes += c->kind == NF_BYTES ? 4 : c->kind == NF_BOOL ? 1 : (c->width + 7u) / 8;
    }
    return bytes;
}

/* Room for all rows at once. A file of this process has them in the order of their hashes: the
 * first ones would crowd the beginning of a small table. What other variables of the same table
 * brought is counted, since it is mostly the same keys. */
static i32 nf_reserve_rows(nf_core *core, const nf_variable *v, nf_reader r, u64 rows,
                           nf_parts *parts)
{
    u64 counts[2] = {rows, 0};
    for (u64 i = 0; v->wide_keys && i < rows; i++) {
        const i32 error = nf_read_row(core, v, &r, parts);
        if (error)
            return error;
        u32 wide = 0;
        for (u32 k = 0; k < v->n_keys; k++)
            wide |= v->keys[k].word == NF_NOT_STORED && parts->keys[k] != 0;
        counts[1] += wide;
    }
    counts[0] -= counts[1];
    for (u32 i = 0; i < (v->wide_keys ? 2u : 1u); i++) {
        nf_table *t = (nf_table *)nf_part_at(core, i ? v->wide_at : v->at);
        if (counts[i] > t->count && nf_table_reserve(t, counts[i] - t->count))
            return NF_NO_MEMORY;
    }
    return NF_OK;
}

/* A variable's rows; `seen` is set for it. */
static i32 nf_read_variable(const nf_info *info, nf_core *core, nf_reader *r, u8 *seen)
{
    nf_parts parts;
    const nf_variable *v = nf_read_header(info, r);
    if (!v || seen[v - info->variables]++)
        return NF_FORMAT;
    const u64 rows = nf_read_number(r, 8);
    u64 latest = 0;
    if ((v->kind == NF_PLAIN && rows != 1) || rows > (r->length - r->at) / nf_row_bytes(v))
        return NF_FORMAT;
    if (v->kind == NF_TABLE) {
        const i32 error = nf_reserve_rows(core, v, *r, rows, &parts);
        if (error)
            return error;
    }
    for (u64 i = 0; i < rows; i++) {
        i32 error = nf_read_row(core, v, r, &parts);
        u64 stamp = 0;
        if (v->kind == NF_AGED) {
            const nf_aged *aged = (const nf_aged *)nf_part_at(core, v->at);
            stamp = nf_read_number(r, 8);
            if (r->bad || stamp < latest || stamp > core->now)
                return NF_FORMAT;
            latest = stamp;
            if (!error && aged->timeout != UINT64_MAX && core->now - stamp >= aged->timeout)
                continue;
        }
        if (!error)
            error = nf_row_add(core, v, &parts, stamp);
        if (error)
            return error;
    }
    return NF_OK;
}

/* Does an earlier variable share its table? */
static u32 nf_table_shared(const nf_info *info, u32 index)
{
    for (u32 i = 0; i < index; i++)
        if (info->variables[i].at == info->variables[index].at)
            return 1;
    return 0;
}

/* Empty tables in place of a variable's, which are forgotten: 0, or -1: nothing was made. */
static int nf_tables_open(nf_core *core, const nf_variable *v)
{
    if (v->kind == NF_AGED) {
        nf_aged *a = (nf_aged *)nf_part_at(core, v->at);
        return nf_aged_init(a, a->words, a->value_bytes, a->timeout, a->capacity, a->evict);
    }
    nf_table *narrow = (nf_table *)nf_part_at(core, v->at);
    if (nf_table_init(narrow, narrow->words, narrow->slot))
        return -1;
    if (v->wide_keys) {
        nf_table *wide = (nf_table *)nf_part_at(core, v->wide_at);
        if (nf_table_init(wide, wide->words, wide->slot)) {
            nf_table_free(narrow);
            return -1;
        }
    }
    return 0;
}

/* Frees the tables of the first n variables, and all that waits. */
static void nf_state_drop(const nf_info *info, nf_core *core, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        const nf_variable *v = &info->variables[i];
        if (v->kind == NF_PLAIN || nf_table_shared(info, i))
            continue;
        if (v->kind == NF_AGED) {
            nf_aged_free((nf_aged *)nf_part_at(core, v->at));
            continue;
        }
        nf_table_free((nf_table *)nf_part_at(core, v->at));
        if (v->wide_keys)
            nf_table_free((nf_table *)nf_part_at(core, v->wide_at));
    }
    nf_held_free(core);
}

/* A state into tables that are empty: NF_OK, NF_FORMAT, NF_NO_MEMORY. */
static i32 nf_state_fill(const nf_info *info, nf_core *core, nf_reader *r, u8 *seen)
{
    const u8 *magic = nf_read(r, 8);
    if (!magic || memcmp(magic, "NFVSTATE", 8) || nf_read_number(r, 4) != NF_STATE_VERSION)
        return NF_FORMAT;
    const u64 started = nf_read_number(r, 1), now = nf_read_number(r, 8);
    if (started > 1 || now >= (started ? (u64)1 << 62 : 1))
        return NF_FORMAT;
    core->started = (u8)started;
    core->now = now;
    i32 error = NF_OK;
    for (u64 n = nf_read_number(r, 4); n && !error; n--)
        error = nf_read_variable(info, core, r, seen);
    for (u32 i = 0; i < info->n_variables && !error; i++)
        if (!seen[i])
            error = nf_variable_initial(core, &info->variables[i], now);
    nf_wheel_init(&core->wheel, now);
    if (!error)
        error = nf_read_timers(info, core, r);
    return error ? error : r->bad || r->at != r->length ? NF_FORMAT : NF_OK;
}

/* The state in a file takes the place of what there is; what it doesn't mention is as at the start.
 * NF_OK; NF_FORMAT, NF_NO_MEMORY: all is as it was (but for strings in the pool that nothing uses).
 * Nothing may be in the pipeline. */
static __attribute__((unused)) i32 nf_state_read(const nf_info *info, nf_core *core, const u8 *data,
                                                 u64 length)
{
    nf_reader r = {data, length, 0, 0};
    nf_core *old = (nf_core *)malloc(info->state_bytes);
    u8 *seen = (u8 *)calloc(1, info->n_variables + 1);
    u32 opened = 0;
    i32 error = old && seen ? NF_OK : NF_NO_MEMORY;
    if (!error) {
        memcpy(old, core, info->state_bytes);
        nf_wheel_init(&core->wheel, 0);
        for (; opened < info->n_variables && !error; opened++) {
            const nf_variable *v = &info->variables[opened];
            if (v->kind != NF_PLAIN && !nf_table_shared(info, opened) && nf_tables_open(core, v)) {
                error = NF_NO_MEMORY;
                break;
            }
        }
        if (!error)
            error = nf_state_fill(info, core, &r, seen);
        if (error) {
            nf_state_drop(info, core, opened);
            old->pool = core->pool;
            old->scratch = core->scratch;
            memcpy(core, old, info->state_bytes);
        } else {
            nf_state_drop(info, old, info->n_variables);
        }
    }
    free(old);
    free(seen);
    return error;
}

#endif
