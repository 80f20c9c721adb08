/* ns for each hash of a flow key, keys in the first-level cache, many in flight: what a batch pays. */
#include <stdio.h>
#include <time.h>
#include "nf_hash.h"

enum { KEYS = 1024, TURNS = 50000 };

int main(void)
{
    static u64 keys[KEYS][2];
    struct timespec from, to;
    u64 sum = 0;
    nf_seed(NULL);
    for (u64 i = 0; i < KEYS; i++) {
        keys[i][0] = i * 0x9E3779B97F4A7C15ULL;
        keys[i][1] = ~i;
    }
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < KEYS; i++)
            sum += nf_hash2(keys[i][0], keys[i][1]);
        __asm__ volatile("" : : "r"(sum) : "memory");
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    const double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    printf("ns=%.3f sum=%llu\n", ns / ((double)KEYS * TURNS), (unsigned long long)sum);
}
