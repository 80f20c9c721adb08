/* Maps with a timeout or a capacity: keys in the order of their last assignment.
 *
 * Nodes stand still, in chunks, in a doubly linked list from the oldest to the newest assignment;
 * the index is a table of (top half of the hash, number of the node). `now` never goes back, so
 * the expired keys are the first of the list; they are dropped when room is needed, a few a tick. */
#ifndef NF_AGED_H
#define NF_AGED_H
#include <stdlib.h>
#include "nf_base.h"
#include "nf_hash.h"
#include "nf_table.h"

#define NF_CHUNK_LOG 10u

/* The head of a node; its key and value follow. Number 0 is none. */
typedef struct nf_node {
    u64 stamp;
    u32 before, after; /* assigned before it, after it; free nodes: `after` is the next free one */
} nf_node;

typedef struct nf_aged {
    nf_table index;
    u8 **chunks;
    u64 count;              /* keys there, live or not */
    u64 timeout, capacity;  /* UINT64_MAX: none */
    u64 now;                /* the latest seen */
    u32 words, value_bytes, node_bytes;
    u32 oldest, newest, spare;   /* of the list; the first free node */
    u32 n_spare, n_chunks, room; /* free nodes; chunks; room in `chunks` */
    u8 evict;
} nf_aged;

NF_INL nf_node *nf_aged_node(const nf_aged *a, u32 id) {
    u8 *chunk = a->chunks[id >> NF_CHUNK_LOG];
    return (nf_node *)(chunk + (u64)(id & ((1U << NF_CHUNK_LOG) - 1)) * a->node_bytes);
}

NF_INL u64 *nf_node_key(nf_node *node) {
    return (u64 *)(node + 1);
}

NF_INL void *nf_node_value(nf_node *node, const u32 words) {
    return (u64 *)(node + 1) + words;
}

NF_INL int nf_aged_expired(const nf_aged *a, const nf_node *node, u64 now) {
    return now >= node->stamp && now - node->stamp >= a->timeout && a->timeout != UINT64_MAX;
}

/* A map of keys of `words` u64: 0, or -1: no memory. */
NF_COLD int nf_aged_init(nf_aged *a, u32 words, u32 value_bytes, u64 timeout, u64 capacity,
                         u32 evict) {
    memset(a, 0, sizeof *a);
    a->words = words;
    a->value_bytes = value_bytes;
    a->node_bytes = ((u32)sizeof(nf_node) + 8 * words + value_bytes + 15) & ~15U;
    a->timeout = timeout;
    a->capacity = capacity;
    a->evict = evict != 0;
    if (nf_table_init(&a->index, 1, 8))
        return -1;
    a->index.self = 1;
    return 0;
}

NF_COLD void nf_aged_drop_chunks(nf_aged *a) {
    for (u32 i = 0; i < a->n_chunks; i++)
        free(a->chunks[i]);
    free(a->chunks);
    a->chunks = NULL;
    a->n_chunks = a->room = a->n_spare = 0;
    a->oldest = a->newest = a->spare = 0;
    a->count = 0;
}

NF_COLD void nf_aged_free(nf_aged *a) {
    nf_aged_drop_chunks(a);
    nf_table_free(&a->index);
}

/* Removes all keys and gives the memory back. */
NF_COLD void nf_aged_clear(nf_aged *a) {
    nf_aged_drop_chunks(a);
    nf_table_clear(&a->index);
}

/* One more chunk of free nodes: 0, or -1. Number 0 is never given. */
NF_COLD int nf_aged_more_nodes(nf_aged *a) {
    u32 size = 1U << NF_CHUNK_LOG;
    if (a->n_chunks == UINT32_MAX >> NF_CHUNK_LOG)
        return -1;
    if (a->n_chunks == a->room) {
        u32 room = a->room ? 2 * a->room : 16;
        u8 **chunks = (u8 **)realloc(a->chunks, room * sizeof *chunks);
        if (!chunks)
            return -1;
        a->chunks = chunks;
        a->room = room;
    }
    u8 *chunk = (u8 *)aligned_alloc(64, ((u64)size * a->node_bytes + 63) & ~(u64)63);
    if (!chunk)
        return -1;
    u32 first = a->n_chunks << NF_CHUNK_LOG;
    a->chunks[a->n_chunks++] = chunk;
    for (u32 id = first + size - 1; id >= first && id; id--) {
        nf_aged_node(a, id)->after = a->spare;
        a->spare = id;
        a->n_spare++;
    }
    return 0;
}

NF_COLD int nf_aged_make_room(nf_aged *a, u64 more) {
    while (a->n_spare < more)
        if (nf_aged_more_nodes(a))
            return -1;
    return 0;
}

/* Room for `more` puts of new keys: 0, or -1 with the map as it was. */
NF_INL int nf_aged_reserve(nf_aged *a, u64 more) {
    u64 most = a->capacity > a->count ? a->capacity - a->count : 0;
    if (nf_unlikely(nf_table_reserve(&a->index, more)))
        return -1;
    if (nf_likely((more < most ? more : most) <= a->n_spare))
        return 0;
    return nf_aged_make_room(a, more < most ? more : most);
}

NF_INL void nf_aged_prefetch(const nf_aged *a, u64 h) {
    nf_prefetch(&a->index, h, 8);
}

/* The number of a key's node, live or not, or 0. */
NF_INL u32 nf_aged_lookup(const nf_aged *a, const u64 *key, u64 h, const u32 words) {
    for (const u8 *p = nf_place(&a->index, h & NF_SELF, 8);; p += 8) {
        u64 entry = nf_ld64(p);
        if (!entry)
            return 0;
        if (entry >> 32 == h >> 32) {
            u32 id = (u32)entry;
            if (nf_likely(nf_key_equal((u8 *)nf_node_key(nf_aged_node(a, id)), key, words)))
                return id;
        }
    }
}

/* The value part of a live key, or NULL. */
NF_INL void *nf_aged_find(nf_aged *a, const u64 *key, u64 h, const u32 words, u64 now) {
    u32 id = nf_aged_lookup(a, key, h, words);
    if (!id)
        return NULL;
    nf_node *node = nf_aged_node(a, id);
    return nf_aged_expired(a, node, now) ? NULL : nf_node_value(node, words);
}

NF_INL void nf_aged_unlink(nf_aged *a, nf_node *node) {
    if (node->before)
        nf_aged_node(a, node->before)->after = node->after;
    else
        a->oldest = node->after;
    if (node->after)
        nf_aged_node(a, node->after)->before = node->before;
    else
        a->newest = node->before;
}

NF_INL void nf_aged_append(nf_aged *a, nf_node *node, u32 id, u64 stamp) {
    node->stamp = stamp;
    node->before = a->newest;
    node->after = 0;
    if (a->newest)
        nf_aged_node(a, a->newest)->after = id;
    else
        a->oldest = id;
    a->newest = id;
}

NF_INL void nf_aged_refresh(nf_aged *a, nf_node *node, u32 id, u64 now) {
    if (a->newest != id) {
        nf_aged_unlink(a, node);
        nf_aged_append(a, node, id, now);
    }
    node->stamp = now;
}

static __attribute__((noinline, unused)) void nf_aged_remove(nf_aged *a, u32 id) {
    nf_node *node = nf_aged_node(a, id);
    u64 place = nf_hashn(nf_node_key(node), a->words) & NF_SELF, entry = place | id;
    nf_del(&a->index, &entry, place, 1, 8);
    nf_aged_unlink(a, node);
    node->after = a->spare;
    a->spare = id;
    a->n_spare++;
    a->count--;
}

/* Drops up to `most` expired keys. */
NF_COLD void nf_aged_expire(nf_aged *a, u64 now, u64 most) {
    while (most-- && a->oldest && nf_aged_expired(a, nf_aged_node(a, a->oldest), now))
        nf_aged_remove(a, a->oldest);
}

/* A new node at the end of the list, its value all zero; the index and the nodes have room. */
static __attribute__((noinline, unused)) void *nf_aged_make(nf_aged *a, const u64 *key, u64 h,
                                                            u64 stamp) {
    u32 id = a->spare, created;
    nf_node *node = nf_aged_node(a, id);
    u64 place = h & NF_SELF, entry = place | id;
    a->spare = node->after;
    a->n_spare--;
    a->count++;
    nf_put(&a->index, &entry, place, 1, 8, &created);
    memcpy(nf_node_key(node), key, 8 * a->words);
    memset(nf_node_value(node, a->words), 0, a->value_bytes);
    nf_aged_append(a, node, id, stamp);
    return nf_node_value(node, a->words);
}

/* What makes room for a new key when the map is full: 0, or -1: it is rejected. */
NF_COLD int nf_aged_full(nf_aged *a, u64 now) {
    nf_aged_expire(a, now, 2);
    if (a->count < a->capacity)
        return 0;
    if (!a->evict || !a->oldest)
        return -1;
    nf_aged_remove(a, a->oldest);
    return 0;
}

/* An assignment at `now`: the value part, all zero if the key is new or had expired. NULL: the map
 * is full of live keys and rejects new ones. */
NF_INL void *nf_aged_put(nf_aged *a, const u64 *key, u64 h, const u32 words, u64 now,
                         u32 *created) {
    u32 id = nf_aged_lookup(a, key, h, words);
    a->now = now;
    if (nf_likely(id)) {
        nf_node *node = nf_aged_node(a, id);
        int expired = nf_aged_expired(a, node, now);
        *created = (u32)expired;
        if (!expired) {
            nf_aged_refresh(a, node, id, now);
            return nf_node_value(node, words);
        }
        nf_aged_remove(a, id);
    }
    *created = 1;
    if (nf_unlikely(a->count >= a->capacity) && nf_aged_full(a, now))
        return NULL;
    return nf_aged_make(a, key, h, now);
}

/* Refreshes a live key; nothing for others. */
NF_INL void nf_aged_touch(nf_aged *a, const u64 *key, u64 h, const u32 words, u64 now) {
    u32 id = nf_aged_lookup(a, key, h, words);
    if (id && !nf_aged_expired(a, nf_aged_node(a, id), now))
        nf_aged_refresh(a, nf_aged_node(a, id), id, now);
}

NF_INL void nf_aged_del(nf_aged *a, const u64 *key, u64 h, const u32 words) {
    u32 id = nf_aged_lookup(a, key, h, words);
    if (id)
        nf_aged_remove(a, id);
}

/* Live keys from the oldest assignment on: the start of the key, its value behind, and its stamp;
 * NULL at the end. *position starts at 0, and nothing may change meanwhile. */
NF_COLD void *nf_aged_next(const nf_aged *a, u64 *position, u64 now, u64 *stamp) {
    u32 id = *position ? nf_aged_node(a, (u32)*position)->after : a->oldest;
    while (id && nf_aged_expired(a, nf_aged_node(a, id), now))
        id = nf_aged_node(a, id)->after;
    if (!id)
        return NULL;
    *position = id;
    *stamp = nf_aged_node(a, id)->stamp;
    return nf_node_key(nf_aged_node(a, id));
}

/* A key of a saved state, oldest first, at most `capacity` of them. The room was reserved. */
NF_COLD void *nf_aged_restore(nf_aged *a, const u64 *key, u64 h, const u32 words, u64 stamp) {
    u32 id = nf_aged_lookup(a, key, h, words);
    if (id)
        nf_aged_remove(a, id);
    return nf_aged_make(a, key, h, stamp);
}

/* A bounded piece of growth, and a few of the expired keys; once a batch. */
NF_INL void nf_aged_tick(nf_aged *a) {
    nf_table_tick(&a->index);
    if (nf_unlikely(a->oldest && nf_aged_expired(a, nf_aged_node(a, a->oldest), a->now)))
        nf_aged_expire(a, a->now, 64);
}

/* Bytes of address space, memory once it has been touched. */
NF_COLD u64 nf_aged_bytes(const nf_aged *a) {
    u64 chunk = (u64)a->node_bytes << NF_CHUNK_LOG;
    return nf_table_bytes(&a->index) + a->n_chunks * chunk + a->room * sizeof *a->chunks;
}

#endif
