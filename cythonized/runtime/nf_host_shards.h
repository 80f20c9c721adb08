/* Several workers, for hosts that are not C. Included behind nf_job.h. */
#ifndef NF_HOST_SHARDS_H
#define NF_HOST_SHARDS_H
#include <stdlib.h>
#include "nf_core.h"
#include "nf_shard.h"

enum { NF_HOST_TURN = 1 << 16 };  /* packets between two meetings of the workers */

i32 nf_host_run_shards(nf_shards *shards, u8 *data, const u32 *lengths, const u32 *originals,
                       const u64 *times, const u16 *ports, i32 *verdicts, u32 n);

/* As nf_host_run; networks that are not simple take all packets in one turn, so that nf_shards_sent
 * counts from the first. */
i32 nf_host_run_shards(nf_shards *shards, u8 *data, const u32 *lengths, const u32 *originals,
                       const u64 *times, const u16 *ports, i32 *verdicts, u32 n)
{
    const u32 turn = nf_describe()->simple ? NF_HOST_TURN : n;
    u8 **frames = malloc(((size_t)n + 1) * sizeof *frames);
    i32 error = frames ? NF_OK : NF_NO_MEMORY;
    for (u32 i = 0; i < n && !error; i++) {
        frames[i] = data;
        data += lengths[i];
    }
    for (u32 base = 0; base < n && !error; base += turn) {
        const nf_batch batch = {
            frames + base, lengths + base, originals ? originals + base : NULL, times + base,
            ports ? ports + base : NULL, verdicts + base, n - base < turn ? n - base : turn,
        };
        error = nf_shards_run(shards, &batch);
        if (n - base <= turn)
            break;
    }
    free(frames);
    return error;
}
#endif
