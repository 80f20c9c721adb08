/* Prints one figure of the runtime's tables: `fill N`: the longest batch while N flows enter in
 * batches of 32 (ns), and the mean of a flow; `memory N`: kB resident that a table of N flows adds;
 * `lookup N`: ns a lookup in a table of N flows, 16 keys ahead of the table. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "nf_aged.h"
#include "nf_table.h"

enum { WORDS = 2, SLOT = 32, BATCH = 32, AHEAD = 16, RING = 64 };

static u64 clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static u64 resident(void) {
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*u %llu", &pages) != 1)
        exit(1);
    fclose(f);
    return pages * 4;
}

/* An IPv4 5-tuple as the generated code packs it. */
static void flow(u64 key[WORDS], u64 i) {
    u64 x = i * 0x9E3779B97F4A7C15ULL;
    key[0] = x >> 32 << 16 | 6;
    key[1] = x << 32 | (i & 0xffff) << 16 | 1;
}

static void put(nf_table *t, u64 i) {
    u64 key[WORDS];
    u32 created;
    flow(key, i);
    u64 *value = nf_put(t, key, nf_hash2(key[0], key[1]), WORDS, SLOT, &created);
    value[0]++;
    value[1] += 100;
}

static void must(int failed) {
    if (failed) {
        fputs("no memory\n", stderr);
        exit(1);
    }
}

static u64 fill(nf_table *t, u64 n) {
    u64 longest = 0, before = clock_ns();
    must(nf_table_init(t, WORDS, SLOT));
    for (u64 i = 0; i < n; i += BATCH) {
        must(nf_table_reserve(t, BATCH));
        for (u64 j = i; j < i + BATCH && j < n; j++)
            put(t, j);
        nf_table_tick(t);
        u64 now = clock_ns();
        if (now - before > longest)
            longest = now - before;
        before = now;
    }
    return longest;
}

static u64 fill_aged(nf_aged *a, u64 n) {
    u64 longest = 0, before = clock_ns();
    must(nf_aged_init(a, WORDS, 16, 1000000000, UINT64_MAX, 0));
    for (u64 i = 0; i < n; i += BATCH) {
        must(nf_aged_reserve(a, BATCH));
        for (u64 j = i; j < i + BATCH && j < n; j++) {
            u64 key[WORDS];
            u32 created;
            flow(key, j);
            *(u64 *)nf_aged_put(a, key, nf_hash2(key[0], key[1]), WORDS, j, &created) = 1;
        }
        nf_aged_tick(a);
        u64 now = clock_ns();
        if (now - before > longest)
            longest = now - before;
        before = now;
    }
    return longest;
}

static u64 lookup(nf_table *t, u64 n, u64 rounds) {
    enum { PACKETS = 1 << 18 };
    static u64 keys[RING][WORDS], hashes[RING], order[PACKETS];
    u64 least = UINT64_MAX, x = 1;
    for (u64 i = 0; i < PACKETS; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        order[i] = (x >> 33) % n;
    }
    for (; rounds; rounds--) {
        u64 start = clock_ns();
        for (u64 i = 0; i < PACKETS + AHEAD; i++) {
            if (i < PACKETS) {
                u64 j = i % RING;
                flow(keys[j], order[i]);
                hashes[j] = nf_hash2(keys[j][0], keys[j][1]);
                nf_prefetch(t, hashes[j], SLOT);
            }
            if (i >= AHEAD) {
                u64 j = (i - AHEAD) % RING;
                u64 *value = nf_find(t, keys[j], hashes[j], WORDS, SLOT);
                value[0]++;
                value[1] += 100;
            }
        }
        u64 taken = clock_ns() - start;
        least = taken < least ? taken : least;
    }
    return least * 100 / PACKETS;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    u64 n = strtoull(argv[2], NULL, 10), before = resident(), start = clock_ns();
    nf_table t;
    nf_aged a;
    nf_seed(NULL);
    if (!strcmp(argv[1], "fill")) {
        printf("%llu", (unsigned long long)fill(&t, n));
    } else if (!strcmp(argv[1], "fill-aged")) {
        printf("%llu", (unsigned long long)fill_aged(&a, n));
    } else if (!strcmp(argv[1], "memory")) {
        fill(&t, n);
        printf("%llu", (unsigned long long)(resident() - before));
    } else if (!strcmp(argv[1], "memory-aged")) {
        fill_aged(&a, n);
        printf("%llu", (unsigned long long)(resident() - before));
    } else if (!strcmp(argv[1], "lookup")) {
        fill(&t, n);
        for (u64 i = 0; i < n; i++)
            nf_table_tick(&t);
        printf("%llu", (unsigned long long)lookup(&t, n, 40));
    } else {
        return 2;
    }
    printf(" %llu\n", (unsigned long long)((clock_ns() - start) / (n ? n : 1)));
    return 0;
}
