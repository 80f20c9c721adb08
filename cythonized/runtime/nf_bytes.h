/* Bytes: scratch memory of one event, growable buffers, and strings kept in state. */
#ifndef NF_BYTES_H
#define NF_BYTES_H
#include <stdlib.h>
#include "nf_base.h"
#include "nf_hash.h"
#include "nf_table.h"

/* Arenas: memory that is all given back at once ----------------------------------------------- */

typedef struct nf_chunk {
    struct nf_chunk *next;
    u64 room;
    u8 data[] __attribute__((aligned(16)));
} nf_chunk;

typedef struct nf_arena {
    nf_chunk *first, *current;
    u64 used; /* bytes of the current chunk */
} nf_arena;

NF_COLD u8 *nf_arena_more(nf_arena *a, u64 n) {
    nf_chunk **link = a->current ? &a->current->next : &a->first;
    nf_chunk *chunk = *link;
    if (!chunk || chunk->room < n) {
        u64 room = n > 65536 ? n : 65536;
        chunk = room > PTRDIFF_MAX / 2 ? NULL : (nf_chunk *)malloc(sizeof *chunk + room);
        if (!chunk)
            return NULL;
        chunk->room = room;
        chunk->next = *link;
        *link = chunk;
    }
    a->current = chunk;
    a->used = n;
    return chunk->data;
}

/* Under ASan each piece is closed off from the next one. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define NF_ARENA_GAP 16
#define nf_arena_piece(p, n, size)                                                                 \
    (ASAN_POISON_MEMORY_REGION(p, size), ASAN_UNPOISON_MEMORY_REGION(p, n), p)
#else
#define NF_ARENA_GAP 0
#define nf_arena_piece(p, n, size) (p)
#endif

/* n bytes at a multiple of 16, until the next reset; NULL: no memory. */
NF_INL u8 *nf_arena_take(nf_arena *a, u64 n) {
    u64 size = ((n + 15) & ~(u64)15) + NF_ARENA_GAP;
    u8 *p;
    if (nf_unlikely(size < n))
        return NULL;
    if (nf_likely(a->current && a->current->room - a->used >= size)) {
        p = a->current->data + a->used;
        a->used += size;
    } else {
        p = nf_arena_more(a, size);
    }
    return p ? nf_arena_piece(p, n, size) : NULL;
}

/* Gives all back to the arena, which keeps its chunks. */
NF_INL void nf_arena_reset(nf_arena *a) {
    a->current = a->first;
    a->used = 0;
}

NF_COLD void nf_arena_free(nf_arena *a) {
    for (nf_chunk *chunk = a->first, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *a = (nf_arena){NULL, NULL, 0};
}

/* Buffers ------------------------------------------------------------------------------------- */

typedef struct nf_buffer {
    u8 *data;
    u64 length, room;
} nf_buffer;

/* Room for n further bytes: 0, or -1 with the buffer as it was. */
NF_COLD int nf_buffer_reserve(nf_buffer *b, u64 n) {
    u64 need = b->length + n, room = b->room < 256 ? 256 : b->room;
    if (need < n || need > PTRDIFF_MAX / 2)
        return -1;
    if (need <= b->room)
        return 0;
    while (room < need)
        room *= 2;
    u8 *data = (u8 *)realloc(b->data, room);
    if (!data)
        return -1;
    b->data = data;
    b->room = room;
    return 0;
}

/* Appends n bytes: 0, or -1 with the buffer as it was. */
NF_INL int nf_buffer_add(nf_buffer *b, const void *data, u64 n) {
    if (nf_unlikely(b->room - b->length < n) && nf_buffer_reserve(b, n))
        return -1;
    if (n)
        memcpy(b->data + b->length, data, n);
    b->length += n;
    return 0;
}

NF_COLD void nf_buffer_free(nf_buffer *b) {
    free(b->data);
    *b = (nf_buffer){NULL, 0, 0};
}

/* Strings kept in state: each is there once, and known by a number ------------------------------ */

typedef struct nf_string {
    u8 *data;   /* NULL: unused number */
    u64 length; /* unused: the next unused number */
    u8 marked;
} nf_string;

typedef struct nf_pool {
    nf_string *strings; /* 1, 2, …; 0 is the empty string */
    u32 count, room, unused; /* numbers given, at most; the first unused one or 0 */
    u64 bytes;          /* of the strings that are there */
    nf_table index;     /* top 32 bits of the hash, number */
} nf_pool;

/* An all-zero pool is ready; the first nf_intern allocates. */
NF_COLD void nf_pool_free(nf_pool *p) {
    for (u32 id = 1; id < p->count; id++)
        free(p->strings[id].data);
    free(p->strings);
    if (p->index.base)
        nf_table_free(&p->index);
    memset(p, 0, sizeof *p);
}

NF_INL nf_slice nf_interned(const nf_pool *p, u32 id) {
    if (id == 0 || id >= p->count) /* nf_intern had no memory: the run ended there */
        return (nf_slice){(const u8 *)"", 0};
    return (nf_slice){p->strings[id].data, p->strings[id].length};
}

static inline __attribute__((unused)) u32 nf_pool_find(const nf_pool *p, nf_slice s, u64 h) {
    for (const u8 *at = nf_place(&p->index, h & NF_SELF, 8);; at += 8) {
        u64 entry = nf_ld64(at);
        if (!entry)
            return UINT32_MAX;
        const nf_string *string = &p->strings[(u32)entry];
        if (entry >> 32 == h >> 32 && string->length == s.length &&
            !memcmp(string->data, s.data, s.length))
            return (u32)entry;
    }
}

/* The number of a string, or UINT32_MAX: it isn't there. */
static inline __attribute__((unused)) u32 nf_interned_id(const nf_pool *p, nf_slice s) {
    if (s.length == 0)
        return 0;
    return p->index.base ? nf_pool_find(p, s, nf_hash_bytes(s.data, s.length)) : UINT32_MAX;
}

NF_COLD int nf_pool_grow(nf_pool *p) {
    if (!p->index.base) {
        if (nf_table_init(&p->index, 1, 8))
            return -1;
        p->index.self = 1;
    }
    if (p->unused || p->count < p->room)
        return 0;
    u64 room = p->room ? 2 * (u64)p->room : 256;
    nf_string *strings = NULL;
    if (room <= UINT32_MAX)
        strings = (nf_string *)realloc(p->strings, room * sizeof *strings);
    if (!strings)
        return -1;
    p->strings = strings;
    p->room = (u32)room;
    if (!p->count)
        p->count = 1;
    return 0;
}

/* The number of a string, which is copied if it is new; UINT32_MAX: no memory. */
static inline __attribute__((unused)) u32 nf_intern(nf_pool *p, nf_slice s) {
    u64 h = nf_hash_bytes(s.data, s.length);
    u32 id = nf_interned_id(p, s), created;
    if (id != UINT32_MAX)
        return id;
    if (nf_pool_grow(p) || nf_table_reserve(&p->index, 1))
        return UINT32_MAX;
    nf_table_tick(&p->index);
    u8 *data = (u8 *)malloc(s.length);
    if (!data)
        return UINT32_MAX;
    memcpy(data, s.data, s.length);
    id = p->unused ? p->unused : p->count++;
    if (p->unused)
        p->unused = (u32)p->strings[id].length;
    p->strings[id] = (nf_string){data, s.length, 0};
    p->bytes += s.length;
    u64 place = h & NF_SELF, entry = place | id;
    nf_put(&p->index, &entry, place, 1, 8, &created);
    return id;
}

NF_COLD void nf_pool_unmark(nf_pool *p) {
    for (u32 id = 1; id < p->count; id++)
        p->strings[id].marked = 0;
}

NF_INL void nf_pool_mark(nf_pool *p, u32 id) {
    if (id)
        p->strings[id].marked = 1;
}

/* Frees the strings without a mark; their numbers are given anew later. */
NF_COLD void nf_pool_sweep(nf_pool *p) {
    for (u32 id = 1; id < p->count; id++) {
        nf_string *string = &p->strings[id];
        if (!string->data || string->marked)
            continue;
        u64 place = nf_hash_bytes(string->data, string->length) & NF_SELF, entry = place | id;
        nf_del(&p->index, &entry, place, 1, 8);
        p->bytes -= string->length;
        free(string->data);
        *string = (nf_string){NULL, p->unused, 0};
        p->unused = id;
    }
}

#endif
