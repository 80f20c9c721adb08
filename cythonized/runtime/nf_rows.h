/* The rows of a state's variables, whatever their types: walked, taken apart and put together. */
#ifndef NF_ROWS_H
#define NF_ROWS_H
#include "nf_core.h"

#define NF_MAX_PARTS 255                  /* components of a key, or of a value */
#define NF_MAX_KEY_WORDS (2 * NF_MAX_PARTS + 2)

NF_INL u32 nf_component_bits(const nf_component *c)
{
    return c->kind == NF_BOOL ? 1 : c->kind == NF_BYTES ? 32 : c->width;
}

NF_INL u128 nf_low_bits(u128 value, u32 width)
{
    return width < 128 ? value & (((u128)1 << width) - 1) : value;
}

NF_INL u64 nf_net(const nf_component *c, u64 value)
{
    return c->net == 16 ? nf_swap16((u16)value) : c->net == 32 ? nf_swap32((u32)value) : value;
}

/* A component of a packed key: its bits (two's complement, nothing above its width), or an id. */
static u128 nf_key_part(const nf_component *c, const u64 *key)
{
    const u32 bits = nf_component_bits(c);
    if (c->word == NF_NOT_STORED)
        return 0;
    if (bits > 64)
        return (u128)key[c->word + 1] << 64 | key[c->word];
    return nf_net(c, (u64)nf_low_bits(key[c->word] >> c->shift, bits));
}

/* Puts it into a key that is 0 there. */
static void nf_key_put(const nf_component *c, u64 *key, u128 value)
{
    if (c->word == NF_NOT_STORED)
        return;
    if (nf_component_bits(c) > 64) {
        key[c->word] |= (u64)value;
        key[c->word + 1] |= (u64)(value >> 64);
    } else {
        key[c->word] |= nf_net(c, (u64)value) << c->shift;
    }
}

/* Bytes of a value's component in memory. */
NF_INL u32 nf_value_size(const nf_component *c)
{
    const u32 bits = nf_component_bits(c);
    return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : bits <= 64 ? 8 : 16;
}

/* A component of a value: its bits, as of a key. */
static u128 nf_value_part(const nf_component *c, const u8 *value)
{
    u128 found = 0;
    memcpy(&found, value + c->at, nf_value_size(c));
    if (c->net)
        found = nf_net(c, (u64)found);
    return nf_low_bits(found, nf_component_bits(c));
}

/* The value in 128 bits, sign extended. */
NF_INL i128 nf_signed_part(const nf_component *c, u128 bits)
{
    if (!c->is_signed || c->kind != NF_BITS || !c->width || c->width >= 128)
        return (i128)bits;
    const u128 sign = (u128)1 << (c->width - 1);
    return (i128)((bits ^ sign) - sign);
}

static void nf_value_put(const nf_component *c, u8 *value, u128 bits)
{
    const i128 stored = c->net ? (i128)nf_net(c, (u64)bits) : nf_signed_part(c, bits);
    memcpy(value + c->at, &stored, nf_value_size(c));
}

/* Walking ------------------------------------------------------------------------------------- */

/* The rows of one variable; those of aged ones that live, oldest first. */
typedef struct nf_rows {
    nf_core *core;
    const nf_variable *variable;
    u64 position;
    u8 wide, over;
    /* The row: */
    const u64 *key;
    const nf_component *keys;
    u8 *value;
    u64 stamp;
} nf_rows;

NF_INL void *nf_part_at(nf_core *core, u32 at)
{
    return (u8 *)core + at;
}

static nf_rows nf_rows_of(nf_core *core, const nf_variable *variable)
{
    nf_rows rows = {};
    rows.core = core;
    rows.variable = variable;
    rows.keys = variable->keys;
    return rows;
}

NF_INL int nf_present(const nf_variable *variable, const u8 *value)
{
    return variable->presence == 0xff || value[variable->presence_at] >> variable->presence & 1;
}

/* 1: a row; 0: there are no more. Nothing may change meanwhile. */
static int nf_rows_next(nf_rows *r)
{
    const nf_variable *v = r->variable;
    if (v->kind == NF_PLAIN) {
        r->value = (u8 *)nf_part_at(r->core, v->at);
        return !r->over && (r->over = 1);
    }
    if (v->kind == NF_AGED) {
        const nf_aged *aged = (const nf_aged *)nf_part_at(r->core, v->at);
        r->key = (const u64 *)nf_aged_next(aged, &r->position, r->core->now, &r->stamp);
        r->value = r->key ? (u8 *)(r->key + v->words) : NULL;
        return r->key != NULL;
    }
    while (!r->over) {
        const nf_table *t = (const nf_table *)nf_part_at(r->core, r->wide ? v->wide_at : v->at);
        while ((r->key = (const u64 *)nf_table_next(t, &r->position))) {
            r->value = (u8 *)(r->key + t->words);
            if (nf_present(v, r->value))
                return 1;
        }
        r->over = r->wide || !v->wide_keys;
        r->wide = 1;
        r->keys = v->wide_keys;
        r->position = 0;
    }
    return 0;
}

/* Filling ------------------------------------------------------------------------------------- */

/* The bits of a row's components: keys, then values. */
typedef struct nf_parts {
    u128 keys[NF_MAX_PARTS], values[NF_MAX_PARTS];
} nf_parts;

/* Adds a row: NF_OK, NF_NO_MEMORY, or NF_FORMAT: its key is there already, or the map is full. */
static i32 nf_row_add(nf_core *core, const nf_variable *v, const nf_parts *parts, u64 stamp)
{
    u64 key[NF_MAX_KEY_WORDS] = {0};
    u8 *value;
    u32 created = 1;
    if (v->kind == NF_PLAIN) {
        value = (u8 *)nf_part_at(core, v->at);
    } else {
        u32 wide = 0;
        for (u32 i = 0; i < v->n_keys; i++)
            wide |= v->wide_keys && v->keys[i].word == NF_NOT_STORED && parts->keys[i] != 0;
        const u32 words = wide ? v->wide_words : v->words;
        const nf_component *keys = wide ? v->wide_keys : v->keys;
        memcpy(key, wide ? v->wide_blank : v->blank, words * sizeof *key);
        for (u32 i = 0; i < v->n_keys; i++)
            nf_key_put(&keys[i], key, parts->keys[i]);
        const u64 hash = nf_hashn(key, words);
        if (v->kind == NF_AGED) {
            nf_aged *aged = (nf_aged *)nf_part_at(core, v->at);
            if (nf_aged_reserve(aged, 1))
                return NF_NO_MEMORY;
            if (nf_aged_find(aged, key, hash, words, stamp) || aged->count >= aged->capacity)
                return NF_FORMAT;
            value = (u8 *)nf_aged_restore(aged, key, hash, words, stamp);
            nf_aged_tick(aged);
        } else {
            nf_table *t = (nf_table *)nf_part_at(core, wide ? v->wide_at : v->at);
            if (nf_table_reserve(t, 1))
                return NF_NO_MEMORY;
            nf_table_tick(t);
            value = (u8 *)nf_put(t, key, hash, words, t->slot, &created);
        }
        if (created && v->value_bytes)
            memcpy(value, v->defaults, v->value_bytes);
        if (!created && nf_present(v, value))
            return NF_FORMAT;
        if (v->presence != 0xff)
            value[v->presence_at] |= (u8)(1 << v->presence);
    }
    for (u32 i = 0; i < v->n_values; i++)
        nf_value_put(&v->values[i], value, parts->values[i]);
    return NF_OK;
}

/* Marking ------------------------------------------------------------------------------------- */

/* Marks the byte strings in the variables and their defaults; nf_pool_sweep keeps what is marked. */
static __attribute__((unused)) void nf_state_mark(const nf_info *info, nf_core *core)
{
    for (u32 i = 0; i < info->n_variables + info->n_constants; i++) {
        const nf_variable *v = &info->variables[i];
        u32 any = 0;
        for (u32 k = 0; k < v->n_values; k++)
            if (v->values[k].kind == NF_BYTES) {
                any = 1;
                nf_pool_mark(&core->pool, (u32)nf_value_part(&v->values[k], v->defaults));
            }
        for (u32 k = 0; k < v->n_keys; k++)
            any |= v->keys[k].kind == NF_BYTES;
        nf_rows rows = nf_rows_of(core, v);
        while (any && nf_rows_next(&rows)) {
            for (u32 k = 0; k < v->n_keys; k++)
                if (v->keys[k].kind == NF_BYTES)
                    nf_pool_mark(&core->pool, (u32)nf_key_part(&rows.keys[k], rows.key));
            for (u32 k = 0; k < v->n_values; k++)
                if (v->values[k].kind == NF_BYTES)
                    nf_pool_mark(&core->pool, (u32)nf_value_part(&v->values[k], rows.value));
        }
    }
}

#endif
