/* Flow tables: open addressing, linear probing, no tombstones, growth in small steps.
 *
 * A key's home is hash * homes / 2^64, and a run of full slots never wraps: past the last home there
 * is a tail. So slots stand nearly in the order of their hashes, and growing is one sweep over the
 * old slots from the left, a run at a time, into a region that fills from the left as well: keys
 * whose hash is below `mark` are in the young region already. A sweep's step touches, and gives
 * back, a bounded piece of memory. An empty slot is all zero; the last word of a key never is.
 * A large table that has stopped growing is swept once more, into huge pages. */
#ifndef NF_SLOTS_H
#define NF_SLOTS_H
#include <emmintrin.h>
#include "nf_base.h"
#include "nf_hash.h"
#include "nf_warm.h"

#define NF_SELF 0xffffffff00000000ULL /* the part of a key that is its hash, in tables of such keys */

typedef struct nf_region {
    u64 bytes;  /* mapped, from the first home */
    u64 slots;  /* homes and tail; the last one stays empty */
    u64 top;    /* no slot from here on was ever used; at least the number of homes */
    u32 size;   /* the number of homes is nf_table_homes(size, slot) */
    u8 huge;    /* has huge pages, or is not to have any */
} nf_region;

typedef struct nf_table {
    u8 *base, *young_base;    /* first homes; young_base NULL: no sweep is under way */
    u64 homes, young_homes;
    u64 mark;                 /* hashes below are in the young region; 0: none */
    u8 *ahead;                /* the region with most of the keys: what is prefetched */
    u64 ahead_homes;
    u64 count;
    u64 limit, tail;          /* reserve: keys that may be there, free slots at the end */
    u8 *brim, *young_brim;    /* ends of the homes */
    u32 words, slot;          /* of a key, in u64; of a slot, in bytes */
    u32 part;                 /* homes for each key at most; 0: as nf_table_policy has it */
    u8 self;                  /* the hash of the (only) key word is its top half */
    nf_region region, young;
    u64 frontier, released;   /* slots swept; bytes at `base` given back */
    u64 swept_at;             /* count at the last tick */
    nf_warm *warm;            /* who touches the young region, or has */
    u32 busy, quiet;          /* a tick has something to do; ticks until the table is quiet */
} nf_table;

/* Access ------------------------------------------------------------------------------------ */

NF_INL u64 nf_home(u64 h, u64 homes) {
    return (u64)((u128)h * homes >> 64);
}

/* The home of a hash. */
NF_INL u8 *nf_place(const nf_table *t, u64 h, const u32 slot) {
    u8 *base = t->base;
    u64 homes = t->homes;
    if (nf_unlikely(t->mark)) {
        u64 young = (u64)0 - (u64)(h < t->mark);
        base = (u8 *)(((uintptr_t)t->young_base & young) | ((uintptr_t)base & ~young));
        homes = (t->young_homes & young) | (homes & ~young);
    }
    return base + nf_home(h, homes) * slot;
}

/* Where a key most likely is, without a look at whether the table grows: to be prefetched. */
NF_INL const u8 *nf_ahead(const nf_table *t, u64 h, const u32 slot) {
    return t->ahead + nf_home(h, t->ahead_homes) * slot;
}

NF_INL void nf_prefetch(const nf_table *t, u64 h, const u32 slot) {
    const u8 *p = nf_ahead(t, h, slot);
    __builtin_prefetch(p, 1, 3);
    if (slot > 64)
        __builtin_prefetch(p + slot - 1, 1, 3);
}

NF_INL int nf_key_equal(const u8 *p, const u64 *key, const u32 words) {
    if (words == 1)
        return nf_ld64(p) == key[0];
    u64 differ = 0;
    u32 i = 0;
    for (; i + 2 <= words; i += 2) {
        __m128i a = _mm_loadu_si128((const __m128i *)(p + 8 * i));
        /* From two registers: a 16-byte load would wait for two stores (store forwarding). */
        __m128i b = _mm_set_epi64x((long long)key[i + 1], (long long)key[i]);
        differ |= (u64)(_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) ^ 0xffff);
    }
    if (words & 1)
        differ |= nf_ld64(p + 8 * i) ^ key[i];
    return !differ;
}

NF_INL int nf_slot_full(const u8 *p, const u32 words) {
    return nf_ld64(p + 8 * (words - 1)) != 0;
}

/* The value part of a key's slot, or NULL; good until the next put, delete, reserve or tick. */
/* As nf_find, from the key's home: nf_place's answer, as long as nf_form_changed says no. */
NF_INL void *nf_find_at(u8 *home, const u64 *key, const u32 words, const u32 slot) {
    for (u8 *p = home;; p += slot) {
        if (nf_likely(nf_key_equal(p, key, words)))
            return p + 8 * words;
        if (!nf_slot_full(p, words))
            return NULL;
    }
}

NF_INL void *nf_find(nf_table *t, const u64 *key, u64 h, const u32 words, const u32 slot) {
    return nf_find_at(nf_place(t, h, slot), key, words, slot);
}

/* What the homes of a table follow from. It changes in reserve, tick and clear alone. */
typedef struct nf_form {
    u8 *base, *young_base;
    u64 homes, young_homes, mark;
} nf_form;

/* Whether homes are elsewhere than when this was asked last. */
NF_INL u32 nf_form_changed(nf_form *form, const nf_table *t) {
    const nf_form now = {t->base, t->young_base, t->homes, t->young_homes, t->mark};
    const u32 changed = memcmp(form, &now, sizeof now) != 0;
    *form = now;
    return changed;
}

/* A slot of a tail is used for the first time. */
NF_COLD void nf_table_spill(nf_table *t, u8 *p, u64 h) {
    int young = h < t->mark;
    nf_region *r = young ? &t->young : &t->region;
    u64 top = (u64)(p - (young ? t->young_base : t->base)) / t->slot + 1;
    if (top > r->top)
        r->top = top;
    if (r->slots - 1 - r->top < t->tail)
        t->tail = r->slots - 1 - r->top;
}

/* The value part of a key's slot, made (all zero) if it wasn't there. The room was reserved. */
NF_INL void *nf_put(nf_table *t, const u64 *key, u64 h, const u32 words, const u32 slot,
                    u32 *created) {
    for (u8 *p = nf_place(t, h, slot);; p += slot) {
        if (nf_likely(nf_key_equal(p, key, words))) {
            *created = 0;
            return p + 8 * words;
        }
        if (!nf_slot_full(p, words)) {
            if (nf_unlikely(p >= (h < t->mark ? t->young_brim : t->brim)))
                nf_table_spill(t, p, h);
            memcpy(p, key, 8 * words);
            t->count++;
            *created = 1;
            return p + 8 * words;
        }
    }
}

NF_INL u64 nf_table_rehash(const nf_table *t, const u8 *p, const u32 words) {
    const u64 *key = (const u64 *)p;
    return t->self ? key[0] & NF_SELF : nf_hashn(key, words);
}

/* Empties the slot at `hole` and draws later ones of its run back, so that none is cut off. */
static __attribute__((noinline, unused)) void nf_table_close(nf_table *t, u8 *hole, u64 h) {
    int young = h < t->mark;
    u8 *base = young ? t->young_base : t->base;
    u64 homes = young ? t->young_homes : t->homes;
    u32 slot = t->slot, words = t->words;
    for (u8 *p = hole + slot; nf_slot_full(p, words); p += slot)
        if (base + nf_home(nf_table_rehash(t, p, words), homes) * slot <= hole) {
            memcpy(hole, p, slot);
            hole = p;
        }
    memset(hole, 0, slot);
}

NF_INL void nf_del(nf_table *t, const u64 *key, u64 h, const u32 words, const u32 slot) {
    u8 *p = (u8 *)nf_find(t, key, h, words, slot);
    if (!p)
        return;
    p -= 8 * words;
    t->count--;
    if (nf_likely(!nf_slot_full(p + slot, words)))
        memset(p, 0, slot);
    else
        nf_table_close(t, p, h);
}

#endif
