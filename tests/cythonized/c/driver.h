/* What the drivers share: weak hashes, checks, random numbers, keys. */
#ifndef DRIVER_H
#define DRIVER_H
#define NF_QUIET 40u /* huge pages soon */
#include <stdio.h>
#include <stdlib.h>
#include "nf_hash.h"

/* 0: the real hash. Others put keys where a table has its edges. */
static int hash_kind;
static u64 any_hash(const u64 *key, u32 n) {
    u64 h = nf_hashn(key, n);
    switch (hash_kind) {
    case 1: return UINT64_MAX;                           /* all at the end */
    case 2: return h | 0xffffULL << 48;                  /* the end, with different low bits */
    case 3: return h & 0x80ffffffffffffffULL;            /* two runs */
    case 4: return h % 5 ? h : h | 0xfffULL << 52;       /* a fifth of them near the end */
    case 5: return h & 0xfc00000000000000ULL;            /* 64 runs */
    default: return h;
    }
}
#define nf_hashn(key, n) any_hash(key, n)
#include "nf_aged.h"
#include "nf_bytes.h"
#include "nf_table.h"
#include "nf_wheel.h"

#define CHECK(what)                                                                      \
    do {                                                                                 \
        if (!(what)) {                                                                   \
            fprintf(stderr, "line %d, step %llu: not %s\n", __LINE__,                    \
                    (unsigned long long)step, #what);                                    \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

static u64 seed, step;
static u64 rnd(u64 n) {
    seed += 0x9E3779B97F4A7C15ULL;
    u64 z = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return (z ^ z >> 31) % n;
}

#define MOST_WORDS 9
static __attribute__((unused)) void make_key(u64 *key, u32 words, u64 id) {
    for (u32 i = 0; i < words; i++)
        key[i] = i + 1 < words && id % 3 == i % 3 ? 0 : (id << 8 | 1) + i * 0x100000001ULL;
    if (words > 1)
        key[0] = id;
}
static __attribute__((unused)) u64 key_id(const u64 *key, u32 words) {
    return words > 1 ? key[0] : key[0] >> 8;
}

/* Arguments of all drivers: what to run, SEED, STEPS, HASH; then what is its own. */
static u64 begin(int argc, char **argv) {
    u64 key[8];
    if (argc < 5)
        exit(2);
    seed = strtoull(argv[2], NULL, 10);
    for (u32 i = 0; i < 8; i++)
        key[i] = rnd(UINT64_MAX);
    nf_seed((const u8 *)key);
    hash_kind = atoi(argv[4]);
    return strtoull(argv[3], NULL, 10);
}

#endif
