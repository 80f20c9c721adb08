/* The runtime's tables for ctypes: keys are (number, 1), values one u64. */
#include <stdlib.h>
#include "nf_aged.h"
#include "nf_table.h"

#define SHOWN __attribute__((visibility("default")))
enum { WORDS = 2, SLOT = 32 };
#define KEY(id)                                                                          \
    const u64 key[WORDS] = {id, 1};                                                      \
    const u64 h = nf_hashn(key, WORDS)

SHOWN u64 hash_words(const u64 *words, u32 n) { return nf_hashn(words, n); }
SHOWN u64 hash_one(u64 a) { return nf_hash1(a); }
SHOWN u64 hash_two(u64 a, u64 b) { return nf_hash2(a, b); }
SHOWN void seed(const u8 *bytes) { nf_seed(bytes); }

SHOWN nf_table *table_new(void) {
    nf_table *t = malloc(sizeof *t);
    if (t && nf_table_init(t, WORDS, SLOT))
        abort();
    return t;
}
SHOWN void table_free(nf_table *t) {
    nf_table_free(t);
    free(t);
}
SHOWN u64 table_put(nf_table *t, u64 id, u64 value) {
    KEY(id);
    u32 created;
    if (nf_table_reserve(t, 1))
        abort();
    u64 *at = nf_put(t, key, h, WORDS, SLOT, &created), before = *at;
    *at = value;
    return before;
}
SHOWN u64 table_get(nf_table *t, u64 id) {
    KEY(id);
    const u64 *at = nf_find(t, key, h, WORDS, SLOT);
    return at ? *at : UINT64_MAX;
}
SHOWN void table_del(nf_table *t, u64 id) {
    KEY(id);
    nf_del(t, key, h, WORDS, SLOT);
}
SHOWN void table_tick(nf_table *t) { nf_table_tick(t); }
SHOWN void table_clear(nf_table *t) { nf_table_clear(t); }
SHOWN int table_reserve(nf_table *t, u64 more) { return nf_table_reserve(t, more); }
SHOWN u64 table_items(const nf_table *t, u64 *rows, u64 room) {
    u64 position = 0, n = 0;
    for (const u64 *key; (key = nf_table_next(t, &position)) != NULL && 2 * n + 2 <= room; n++) {
        rows[2 * n] = key[0];
        rows[2 * n + 1] = key[WORDS];
    }
    return n;
}

SHOWN nf_aged *aged_new(u64 timeout, u64 capacity, u32 evict) {
    nf_aged *a = malloc(sizeof *a);
    if (a && nf_aged_init(a, WORDS, 8, timeout, capacity, evict))
        abort();
    return a;
}
SHOWN void aged_free(nf_aged *a) {
    nf_aged_free(a);
    free(a);
}
SHOWN u64 aged_put(nf_aged *a, u64 id, u64 value, u64 now) {
    KEY(id);
    u32 created;
    if (nf_aged_reserve(a, 1))
        abort();
    u64 *at = nf_aged_put(a, key, h, WORDS, now, &created);
    if (!at)
        return UINT64_MAX;
    u64 before = *at;
    if (created != (before == 0))
        abort();
    *at = value;
    return before;
}
SHOWN u64 aged_get(nf_aged *a, u64 id, u64 now) {
    KEY(id);
    const u64 *at = nf_aged_find(a, key, h, WORDS, now);
    return at ? *at : UINT64_MAX;
}
SHOWN void aged_touch(nf_aged *a, u64 id, u64 now) {
    KEY(id);
    nf_aged_touch(a, key, h, WORDS, now);
}
SHOWN void aged_del(nf_aged *a, u64 id) {
    KEY(id);
    nf_aged_del(a, key, h, WORDS);
}
SHOWN void aged_tick(nf_aged *a) { nf_aged_tick(a); }
SHOWN u64 aged_items(const nf_aged *a, u64 now, u64 *rows, u64 room) {
    u64 position = 0, stamp, n = 0;
    for (const u64 *key;
         (key = nf_aged_next(a, &position, now, &stamp)) != NULL && 3 * n + 3 <= room; n++) {
        rows[3 * n] = key[0];
        rows[3 * n + 1] = key[WORDS];
        rows[3 * n + 2] = stamp;
    }
    return n;
}
