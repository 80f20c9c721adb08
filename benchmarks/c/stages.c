/* Builds one after the other, as a modular chain runs its functions: each takes a burst, parses its
 * packets itself, and hands on what it doesn't drop. With one build, that build. */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>
#include "nf_core.h"

enum { MOST = 1024 };

typedef struct stage {
    nf_core *core;
    i32 (*push)(nf_core *, const nf_batch *);
    i32 (*flush)(nf_core *);
} stage;

/* A counter of this thread's cycles, or -1: the machine (or its host) counts none. */
int nf_cycles_open(void) {
    struct perf_event_attr what = {.type = PERF_TYPE_HARDWARE, .size = sizeof what,
                                   .config = PERF_COUNT_HW_CPU_CYCLES, .exclude_kernel = 1};
    return (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}

static u64 cycles_now(int counter) {
    u64 value = 0;
    return counter >= 0 && read(counter, &value, sizeof value) == sizeof value ? value : 0;
}

/* All packets once, `burst` at a time; `alone`: nothing else is in the pipeline meanwhile. The ticks
 * (TSC) of each burst; ns and cycles of the whole. `stamps`: as many zeros as a burst has. */
i32 nf_stages_pass(const stage *stages, u32 n_stages, u8 *const *frames, const u32 *lengths,
                   i32 *verdicts, u32 n, u32 burst, u32 alone, u64 *ticks, int counter,
                   u64 *totals) {
    u8 *pointers[MOST];
    u32 sizes[MOST], numbers[MOST];
    i32 left[MOST], error = NF_OK;
    u64 stamps[MOST] = {0};
    struct timespec from, to;
    if (!burst || burst > MOST)
        return NF_FORMAT;
    u64 cycles = cycles_now(counter);
    clock_gettime(CLOCK_MONOTONIC, &from);
    u64 tick = __rdtsc();
    for (u32 base = 0; base < n && !error; base += burst) {
        u32 count = n - base < burst ? n - base : burst;
        if (n_stages == 1) {
            for (u32 i = 0; i < count; i++)
                pointers[i] = frames[base + i];
            error = stages->push(stages->core, &(nf_batch){pointers, lengths + base, NULL, stamps,
                                                          NULL, verdicts + base, count});
            if (alone && !error)
                error = stages->flush(stages->core);
        } else {
            for (u32 i = 0; i < count; i++) {
                pointers[i] = frames[base + i];
                sizes[i] = lengths[base + i];
                numbers[i] = base + i;
                verdicts[base + i] = 0;
            }
            for (u32 s = 0; s < n_stages && count && !error; s++) {
                error = stages[s].push(stages[s].core, &(nf_batch){pointers, sizes, NULL, stamps,
                                                                  NULL, left, count});
                error = error ? error : stages[s].flush(stages[s].core);
                u32 kept = 0;
                for (u32 i = 0; i < count; i++) {
                    verdicts[numbers[i]] = left[i];
                    pointers[kept] = pointers[i];
                    sizes[kept] = sizes[i];
                    numbers[kept] = numbers[i];
                    kept += left[i] >= 0;
                }
                count = kept;
            }
        }
        u64 now = __rdtsc();
        *ticks++ = now - tick;
        tick = now;
    }
    if (n_stages == 1 && !error)
        error = stages->flush(stages->core);
    clock_gettime(CLOCK_MONOTONIC, &to);
    totals[0] = (u64)(to.tv_sec - from.tv_sec) * 1000000000 + (u64)to.tv_nsec - (u64)from.tv_nsec;
    totals[1] = cycles_now(counter) - cycles;
    return error;
}
