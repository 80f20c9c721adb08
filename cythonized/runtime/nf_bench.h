/* Packets from memory through a build, with the clock around them: for `nfverify bench`. Included
 * behind nf_host.h. */
#ifndef NF_BENCH_H
#define NF_BENCH_H
#include <time.h>
#include "nf_host.h"

enum { NF_BENCH_LINE = 64, NF_BENCH_BURST = 1024 };

i32 nf_bench_pass(nf_core *core, u8 *frames, const u32 *lengths, const u64 *times, i32 *verdicts,
                  u32 n, u32 burst, u32 stride, u64 *ns);

/* n frames, each `stride` bytes behind the one before (0: from the next multiple of 64 on), pushed by
 * `burst` (at most NF_BENCH_BURST) at a time; the pipeline stays open between bursts, and all are done
 * at the end.
 * `times` NULL: all packets come at the time that it is. What comes out of networks that are not
 * simple is dropped. */
i32 nf_bench_pass(nf_core *core, u8 *frames, const u32 *lengths, const u64 *times, i32 *verdicts,
                  u32 n, u32 burst, u32 stride, u64 *ns)
{
    const u32 simple = nf_describe()->simple;
    u8 *pointers[NF_BENCH_BURST];
    u64 stamps[NF_BENCH_BURST];
    struct timespec from, to;
    i32 error = NF_OK;
    if (!burst || burst > NF_BENCH_BURST)
        burst = NF_BENCH_BURST;
    for (u32 i = 0; i < burst; i++)
        stamps[i] = core->now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (u32 base = 0; base < n && !error; base += burst) {
        const nf_batch batch = {
            pointers, lengths + base, NULL, times ? times + base : stamps, NULL, verdicts + base,
            n - base < burst ? n - base : burst,
        };
        if (stride) {
            for (u32 i = 0; i < batch.n; i++, frames += stride)
                pointers[i] = frames;
        } else {
            for (u32 i = 0; i < batch.n; i++) {
                pointers[i] = frames;
                frames += (lengths[base + i] + NF_BENCH_LINE - 1) & ~(u64)(NF_BENCH_LINE - 1);
            }
        }
        error = nf_push(core, &batch);
        if (!simple)
            nf_host_clear(core);
    }
    if (!error)
        error = nf_flush(core);
    clock_gettime(CLOCK_MONOTONIC, &to);
    nf_host_clear(core);
    *ns = (u64)(to.tv_sec - from.tv_sec) * 1000000000 + (u64)to.tv_nsec - (u64)from.tv_nsec;
    return error;
}
#endif
