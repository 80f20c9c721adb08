/* Figures of DPDK's rte_hash on the flows of bench_tables.c, for bench_tables.py: `fill N`, the mean of
 * a flow in ns; `lookup N`, hundredths of a ns a lookup, keys in bulks of 32 and values fetched ahead;
 * `memory N`, kB. Keys and values of 16 bytes, hashed by CRC. A table can't grow, so it has room for
 * N flows and a quarter. Its memory is on huge pages, as that of the project's tables. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

typedef unsigned long long u64;
enum { BULK = 32, PACKETS = 1 << 18, HUGE = 2 << 20 };

static u64 clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static void flow(u64 key[2], u64 i) {
    u64 x = i * 0x9E3779B97F4A7C15ULL;
    key[0] = x >> 32 << 16 | 6;
    key[1] = x << 32 | (i & 0xffff) << 16 | 1;
}

static void must(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

/* Huge pages, where the system has them; 0 in all. */
static void *pages(size_t size) {
    char *p = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(p != MAP_FAILED, "no memory");
    p += -(uintptr_t)p & (HUGE - 1);
    madvise(p, size, MADV_HUGEPAGE);
    return p;
}

static int heap(size_t size) {
    char *words[] = {"bench", "--no-huge", "-m", "32", "--no-pci", "--no-shconf", "--no-telemetry",
                     "--iova-mode=va", "--log-level=error"};
    must(rte_eal_init(sizeof words / sizeof *words, words) >= 0, "DPDK doesn't start");
    must(!rte_malloc_heap_create("huge"), "no heap");
    must(!rte_malloc_heap_memory_add("huge", pages(size), size, NULL, (unsigned)(size / HUGE), HUGE),
         "no memory in the heap");
    return rte_malloc_heap_get_socket("huge");
}

static u64 lookup(const struct rte_hash *h, u64 (*values)[2], u64 n, u64 rounds) {
    static u64 packets[PACKETS][2];
    u64 least = ~0ULL, x = 1;
    for (u64 i = 0; i < PACKETS; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        flow(packets[i], (x >> 33) % n);
    }
    for (; rounds; rounds--) {
        u64 start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (u64 i = 0; i < PACKETS; i += BULK) {
            const void *keys[BULK];
            int at[BULK];
            for (u64 j = 0; j < BULK; j++)
                keys[j] = packets[i + j];
            rte_hash_lookup_bulk(h, keys, BULK, at);
            for (u64 j = 0; j < BULK; j++)
                rte_prefetch0(values[at[j]]);
            for (u64 j = 0; j < BULK; j++) {
                values[at[j]][0]++;
                values[at[j]][1] += 100;
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
    const u64 n = strtoull(argv[2], NULL, 10), room = n + n / 4;
    const size_t size = (256 * room + ((size_t)64 << 20)) & ~(size_t)(HUGE - 1);
    struct rte_hash_parameters parameters = {
        .name = "flows", .entries = (uint32_t)room, .key_len = 16, .hash_func = rte_hash_crc,
        .socket_id = heap(size),
    };
    struct rte_hash *h = rte_hash_create(&parameters);
    u64(*values)[2] = pages(16 * (room + 1));
    must(h != NULL, "no table");
    u64 start = clock_ns(CLOCK_MONOTONIC);
    for (u64 i = 0; i < n; i++) {
        u64 key[2];
        flow(key, i);
        int at = rte_hash_add_key(h, key);
        must(at >= 0, "the table is full");
        values[at][0]++;
        values[at][1] += 100;
    }
    u64 mean = (clock_ns(CLOCK_MONOTONIC) - start) / n;
    if (!strcmp(argv[1], "fill")) {
        printf("%llu\n", mean);
    } else if (!strcmp(argv[1], "lookup")) {
        printf("%llu\n", lookup(h, values, n, 200));
    } else if (!strcmp(argv[1], "memory")) {
        struct rte_malloc_socket_stats stats;
        rte_malloc_get_socket_stats(parameters.socket_id, &stats);
        printf("%llu\n", (u64)(stats.heap_allocsz_bytes + 16 * room) / 1024);
    } else {
        return 2;
    }
    return 0;
}
