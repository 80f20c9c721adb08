/* Prints figures of the runtime's tables, for bench_tables.py. `fill N`: the longest batch while N
 * flows enter in batches of 32, by the clock and by the thread's own time (ns), and the mean of a
 * flow; `memory N`: kB that a table of N flows takes; both also for aged maps, `fill-aged` and
 * `memory-aged`. `lookup N`: hundredths of a ns a lookup in a table of N flows, keys 16 ahead. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "nf_aged.h"
#include "nf_table.h"

enum { WORDS = 2, SLOT = 32, BATCH = 32, AHEAD = 16, RING = 64 };

static u64 clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

typedef struct {
    u64 last, own_last, longest, own_longest;
} waits;

static void wait_over(waits *w) {
    u64 now = clock_ns(CLOCK_MONOTONIC), own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (w->last && now - w->last > w->longest)
        w->longest = now - w->last;
    if (w->last && own - w->own_last > w->own_longest)
        w->own_longest = own - w->own_last;
    w->last = clock_ns(CLOCK_MONOTONIC);
    w->own_last = own;
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

static waits fill(nf_table *t, u64 n) {
    waits w = {0, 0, 0, 0};
    must(nf_table_init(t, WORDS, SLOT));
    for (u64 i = 0; i < n; i += BATCH) {
        wait_over(&w);
        must(nf_table_reserve(t, BATCH));
        for (u64 j = i; j < i + BATCH && j < n; j++)
            put(t, j);
        nf_table_tick(t);
    }
    wait_over(&w);
    return w;
}

static waits fill_aged(nf_aged *a, u64 n) {
    waits w = {0, 0, 0, 0};
    must(nf_aged_init(a, WORDS, 16, 1000000000, UINT64_MAX, 0));
    for (u64 i = 0; i < n; i += BATCH) {
        wait_over(&w);
        must(nf_aged_reserve(a, BATCH));
        for (u64 j = i; j < i + BATCH && j < n; j++) {
            u64 key[WORDS];
            u32 created;
            flow(key, j);
            *(u64 *)nf_aged_put(a, key, nf_hash2(key[0], key[1]), WORDS, j, &created) = 1;
        }
        nf_aged_tick(a);
    }
    wait_over(&w);
    return w;
}

static u64 lookup(nf_table *t, u64 n, u64 rounds) {
    enum { PACKETS = 1 << 18 };
    static u64 packets[PACKETS][WORDS], keys[RING][WORDS], hashes[RING];
    u64 least = UINT64_MAX, x = 1;
    for (u64 i = 0; i < PACKETS; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        flow(packets[i], (x >> 33) % n);
    }
    for (; rounds; rounds--) {
        u64 start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (u64 i = 0; i < PACKETS + AHEAD; i++) {
            if (i < PACKETS) {
                u64 j = i % RING, low = packets[i][0], high = packets[i][1];
                hashes[j] = nf_hash2(low, high);
                keys[j][0] = low;
                keys[j][1] = high;
                nf_prefetch(t, hashes[j], SLOT);
            }
            if (i >= AHEAD) {
                u64 j = (i - AHEAD) % RING;
                u64 *value = nf_find(t, keys[j], hashes[j], WORDS, SLOT);
                value[0]++;
                value[1] += 100;
            }
        }
        u64 taken = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
        least = taken < least ? taken : least;
    }
    return least * 100 / PACKETS;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    u64 n = strtoull(argv[2], NULL, 10), before = resident(), start = clock_ns(CLOCK_MONOTONIC);
    int aged = strstr(argv[1], "-aged") != NULL;
    nf_table t;
    nf_aged a;
    nf_seed(NULL);
    waits w = aged ? fill_aged(&a, n) : fill(&t, n);
    u64 mean = n ? (clock_ns(CLOCK_MONOTONIC) - start) / n : 0;
    if (!strncmp(argv[1], "fill", 4)) {
        printf("%llu %llu %llu\n", (unsigned long long)w.longest,
               (unsigned long long)w.own_longest, (unsigned long long)mean);
    } else if (!strncmp(argv[1], "memory", 6)) {
        printf("%llu\n", (unsigned long long)(resident() - before));
    } else if (!strcmp(argv[1], "lookup")) {
        for (u64 i = 0; i < n + 100000; i++)
            nf_table_tick(&t);
        printf("%llu\n", (unsigned long long)lookup(&t, n, 200));
    } else {
        return 2;
    }
    return 0;
}
