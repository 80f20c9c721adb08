/* First-match lists as bits, built at load time: each 16-bit digit of a column is a dimension; its
 * values fall into classes, and a class has a bit per row: may the row match? The lowest bit that
 * the classes of a packet share is its first match. */
#ifndef NF_CLASSIFY_H
#define NF_CLASSIFY_H
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "nf_base.h"

#define NF_MAX_DIMENSIONS 24
#define NF_FLAT_WORDS 16 /* up to so many words of bits: all of them, without branches */

static pthread_mutex_t nf_index_lock = PTHREAD_MUTEX_INITIALIZER;

/* Zeroed memory for an index of `bytes`, in huge pages where they are worth it; NULL: none. */
NF_COLD u8 *nf_index_take(u64 bytes) {
    u64 page = (u64)1 << 21;
    if (bytes < page / 2) return (u8 *)calloc(1, bytes ? bytes : 1);
    bytes = (bytes + page - 1) & ~(page - 1);
    u8 *memory = (u8 *)aligned_alloc(page, bytes);
    if (!memory) return NULL;
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    return memory;
}

/* `ranges`: first and last value of each row. `values`: 65,536 or 256. `wide`: classes are u16. */
typedef struct nf_dimension {
    const u16 *ranges;
    u32 values;
    u8 wide;
} nf_dimension;

typedef struct nf_bits {
    u32 users, rows, dimensions;
    u32 words;   /* of 64 rows */
    u32 summary; /* words of a bit per word that isn't 0, before the others; 0: none */
    const nf_dimension *plan;
    u8 *memory;
    u64 bytes;
    const void *classes[NF_MAX_DIMENSIONS];
    const u64 *maps[NF_MAX_DIMENSIONS];
} nf_bits;

NF_INL u32 nf_bits_stride(u32 words, u32 summary) {
    u32 all = words + summary;
    return all < 4 ? all : (all + 3) & ~3u;
}

/* The bits of the class that `value` has in a dimension. */
NF_INL const u64 *nf_bits_of(const nf_bits *b, u32 dimension, u32 wide, u32 stride, u32 value) {
    const void *classes = b->classes[dimension];
    u32 which = wide ? ((const u16 *)classes)[value] : ((const u8 *)classes)[value];
    return b->maps[dimension] + (u64)which * stride;
}

NF_INL u64 nf_bits_and(const u64 *const *maps, u32 dimensions, u32 word) {
    u64 x = maps[0][word];
#pragma GCC unroll 24
    for (u32 k = 1; k < dimensions; k++) x &= maps[k][word];
    return x;
}

/* Does the first row that all maps have accept? No row: 0. Up to NF_FLAT_WORDS words, behind which
 * a map has zeros up to its stride. */
NF_INL u32 nf_bits_flat(const u64 *const *maps, u32 dimensions, u32 words, const u64 *accept) {
    if (words == 1) {
        u64 x = nf_bits_and(maps, dimensions, 0);
        return (x & -x & accept[0]) != 0;
    }
    if (words == 2) {
        u64 x = nf_bits_and(maps, dimensions, 0), y = nf_bits_and(maps, dimensions, 1);
        u64 a = x ? accept[0] : accept[1];
        x = x ? x : y;
        return (x & -x & a) != 0;
    }
    u64 found[NF_FLAT_WORDS + 1];
    u32 some = 1u << words;
    found[words] = 0;
#ifdef __AVX2__
    typedef long long nf_v4 __attribute__((vector_size(32), aligned(8), may_alias));
    typedef double nf_d4 __attribute__((vector_size(32)));
#pragma GCC unroll 4
    for (u32 w = 0; w < words; w += 4) {
        nf_v4 x = *(const nf_v4 *)(maps[0] + w);
#pragma GCC unroll 24
        for (u32 k = 1; k < dimensions; k++) x &= *(const nf_v4 *)(maps[k] + w);
        some |= (u32)(~__builtin_ia32_movmskpd256((nf_d4)(x == 0)) & 15) << w;
        memcpy(found + w, &x, w + 4 <= words ? 32 : (words - w) * 8);
    }
#else
    for (u32 w = 0; w < words; w++) {
        found[w] = nf_bits_and(maps, dimensions, w);
        some |= (u32)(found[w] != 0) << w;
    }
#endif
    u32 w = (u32)__builtin_ctz(some);
    u64 x = found[w];
    return (x & -x & accept[w < words ? w : 0]) != 0;
}

/* The same for any number of words: only those are looked at that all summaries have. */
NF_INL u32 nf_bits_guided(const u64 *const *maps, u32 dimensions, u32 summary, const u64 *accept) {
    for (u32 s = 0; s < summary; s++) {
        for (u64 some = nf_bits_and(maps, dimensions, s); some; some &= some - 1) {
            u32 w = s * 64 + (u32)__builtin_ctzll(some);
            u64 x = nf_bits_and(maps, dimensions, summary + w);
            if (x) return (x & -x & accept[w]) != 0;
        }
    }
    return 0;
}

typedef struct nf_classing {
    u64 *maps;            /* of the classes so far */
    u32 count, room;
    u32 *known, mask;     /* open addressing: 1 + class */
    u64 *hashes;
    u32 *head, *next;     /* toggles at each value: 1 + 2 * row + end */
} nf_classing;

NF_COLD void nf_classing_free(nf_classing *c) {
    free(c->maps);
    free(c->known);
    free(c->hashes);
    free(c->head);
    free(c->next);
}

/* The class that has exactly these bits, made if there is none; UINT32_MAX: no memory. */
NF_COLD u32 nf_class_of(nf_classing *c, const u64 *bits, u64 hash, u32 stride) {
    u64 at = hash & c->mask;
    for (; c->known[at]; at = (at + 1) & c->mask) {
        u32 which = c->known[at] - 1;
        if (c->hashes[which] == hash &&
            !memcmp(c->maps + (u64)which * stride, bits, (u64)stride * 8))
            return which;
    }
    if (c->count == c->room) {
        u32 room = c->room ? c->room * 2 : 16;
        u64 *maps = (u64 *)realloc(c->maps, (u64)room * stride * 8);
        if (!maps) return UINT32_MAX;
        c->maps = maps;
        u64 *hashes = (u64 *)realloc(c->hashes, (u64)room * 8);
        if (!hashes) return UINT32_MAX;
        c->hashes = hashes;
        c->room = room;
    }
    memcpy(c->maps + (u64)c->count * stride, bits, (u64)stride * 8);
    c->hashes[c->count] = hash;
    c->known[at] = ++c->count;
    return c->count - 1;
}

NF_COLD u64 nf_row_hash(u32 row) {
    u64 x = (row + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Fills the class of each value of dimension k, and the bits of the classes. 0, or -1. */
NF_COLD int nf_bits_classes(nf_bits *b, u32 k, u16 *classes, nf_classing *c) {
    const nf_dimension *d = &b->plan[k];
    u32 stride = nf_bits_stride(b->words, b->summary), slots = 16;
    while (slots < 4 * ((u64)b->rows + 1) && slots < 4 * d->values) slots *= 2;
    c->mask = slots - 1;
    c->known = (u32 *)calloc(slots, 4);
    c->head = (u32 *)calloc((size_t)d->values + 1, 4);
    c->next = (u32 *)calloc((size_t)b->rows * 2 + 1, 4);
    u64 *bits = (u64 *)calloc(stride, 8), hash = 0;
    u32 which = 0;
    if (!c->known || !c->head || !c->next || !bits) goto no_memory;
    for (u32 row = 0; row < b->rows; row++) {
        for (u32 end = 0; end < 2; end++) {
            u32 *head = &c->head[d->ranges[2 * row + end] + end];
            c->next[2 * row + end] = *head;
            *head = 1 + 2 * row + end;
        }
    }
    for (u32 value = 0; value < d->values; value++) {
        for (u32 toggle = c->head[value]; toggle; toggle = c->next[toggle - 1]) {
            u32 row = (toggle - 1) / 2, word = row / 64;
            bits[b->summary + word] ^= (u64)1 << row % 64;
            hash ^= nf_row_hash(row);
            if (b->summary) {
                u64 bit = (u64)1 << word % 64, *summary = &bits[word / 64];
                *summary = bits[b->summary + word] ? *summary | bit : *summary & ~bit;
            }
        }
        if (c->head[value] || !value) {
            which = nf_class_of(c, bits, hash, stride);
            if (which == UINT32_MAX) goto no_memory;
        }
        classes[value] = (u16)which;
    }
    free(bits);
    return 0;
no_memory:
    free(bits);
    return -1;
}

/* Puts all that was found into one piece of memory. 0, or -1. */
NF_COLD int nf_bits_pack(nf_bits *b, u16 *const *classes, nf_classing *found) {
    u32 stride = nf_bits_stride(b->words, b->summary);
    b->bytes = 0;
    for (u32 k = 0; k < b->dimensions; k++) {
        u64 table = (u64)b->plan[k].values << b->plan[k].wide;
        b->bytes += ((table + 63) & ~(u64)63) + (((u64)found[k].count * stride * 8 + 63) & ~(u64)63);
    }
    b->memory = nf_index_take(b->bytes + 64);
    if (!b->memory) return -1;
    u8 *at = b->memory + (-(uintptr_t)b->memory & 63);
    for (u32 k = 0; k < b->dimensions; k++) {
        const nf_dimension *d = &b->plan[k];
        u64 table = (u64)d->values << d->wide, maps = (u64)found[k].count * stride * 8;
        b->classes[k] = at;
        for (u32 value = 0; value < d->values; value++) {
            if (d->wide) ((u16 *)(void *)at)[value] = classes[k][value];
            else at[value] = (u8)classes[k][value];
        }
        at += (table + 63) & ~(u64)63;
        b->maps[k] = (const u64 *)(const void *)at;
        memcpy(at, found[k].maps, maps);
        at += (maps + 63) & ~(u64)63;
    }
    return 0;
}

NF_COLD int nf_bits_build(nf_bits *b) {
    nf_classing found[NF_MAX_DIMENSIONS];
    u16 *classes[NF_MAX_DIMENSIONS];
    int failed = 0;
    memset(found, 0, sizeof found);
    for (u32 k = 0; k < b->dimensions; k++) {
        classes[k] = (u16 *)calloc(b->plan[k].values, 2);
        failed = failed || !classes[k] || nf_bits_classes(b, k, classes[k], &found[k]);
    }
    failed = failed || nf_bits_pack(b, classes, found);
    for (u32 k = 0; k < b->dimensions; k++) {
        nf_classing_free(&found[k]);
        free(classes[k]);
    }
    return failed ? -1 : 0;
}

/* Builds the index for its first user. 0, or -1: no memory. */
NF_COLD int nf_bits_open(nf_bits *b) {
    pthread_mutex_lock(&nf_index_lock);
    int failed = b->users == 0 && nf_bits_build(b);
    b->users += !failed;
    pthread_mutex_unlock(&nf_index_lock);
    return failed ? -1 : 0;
}

NF_COLD void nf_bits_close(nf_bits *b) {
    pthread_mutex_lock(&nf_index_lock);
    if (b->users && --b->users == 0) {
        free(b->memory);
        b->memory = NULL;
        b->bytes = 0;
    }
    pthread_mutex_unlock(&nf_index_lock);
}
#endif
