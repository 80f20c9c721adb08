/* For hosts that are not C: frames in one buffer, and what else spares them the layout of nf_core
 * behind its first members. Included last, when the generated functions are there. */
#ifndef NF_HOST_H
#define NF_HOST_H
#include <stdlib.h>
#include "nf_core.h"
#include "nf_cpu.h"

#define NF_HOST_BATCH 256

i32 nf_host_run(nf_core *core, u8 *data, const u32 *lengths, const u32 *originals, const u64 *times,
                const u16 *ports, i32 *verdicts, u32 n);
const nf_output *nf_host_sent(nf_core *core, u32 *count);
void nf_host_clear(nf_core *core);
i32 nf_host_save(nf_core *core, u8 **data, u64 *length);
void nf_host_free(u8 *data);
const char *nf_host_lacks(void);
void nf_host_about(u64 *about);
const char *nf_host_name(u32 what, u32 index);
void nf_host_read(const nf_core *core, u64 *now, u32 *started, u64 *counters);
void nf_host_non_ip(nf_core *core, u32 drop);
const u64 *nf_host_hits(const nf_core *core);
void nf_host_operators(nf_core *core, void *table);

/* n frames, one behind the other in `data`, rewritten there; all are done at the end. Outputs of networks that are not simple are added to nf_host_sent,
 * `cause` and `origin` counted from the first frame of this call. */
i32 nf_host_run(nf_core *core, u8 *data, const u32 *lengths, const u32 *originals, const u64 *times,
                const u16 *ports, i32 *verdicts, u32 n)
{
    const u32 simple = nf_describe()->simple;
    u8 **frames = malloc(((size_t)n + 1) * sizeof *frames);
    i32 error = frames ? NF_OK : NF_NO_MEMORY;
    for (u32 i = 0; i < n && !error; i++) {
        frames[i] = data;
        data += lengths[i];
    }
    for (u32 base = 0; base < n && !error; base += NF_HOST_BATCH) {
        const u32 rest = n - base;
        const nf_batch batch = {
            frames + base, lengths + base, originals ? originals + base : NULL, times + base,
            ports ? ports + base : NULL, verdicts ? verdicts + base : NULL,
            rest < NF_HOST_BATCH ? rest : NF_HOST_BATCH,
        };
        const u32 first = core->sent.count;
        error = nf_push(core, &batch);
        if (!simple && !error)
            error = nf_flush(core);
        for (u32 k = first; k < core->sent.count; k++) {
            core->sent.items[k].cause += base;
            if (core->sent.items[k].origin != UINT32_MAX)
                core->sent.items[k].origin += base;
        }
    }
    if (!error)
        error = nf_flush(core);
    free(frames);
    return error;
}

const nf_output *nf_host_sent(nf_core *core, u32 *count)
{
    *count = core->sent.count;
    return core->sent.items;
}

/* Forgets what came out, and an error that has been told: the run may go on. */
void nf_host_clear(nf_core *core)
{
    core->error = NF_OK;
    core->sent.count = 0;
    nf_arena_reset(&core->sent.bytes);
}

/* The state in the binary form, to be given back by nf_host_free. */
i32 nf_host_save(nf_core *core, u8 **data, u64 *length)
{
    nf_buffer buffer = {};
    const i32 error = nf_save(core, &buffer);
    if (error) {
        free(buffer.data);
        return error;
    }
    *data = buffer.data;
    *length = buffer.length;
    return NF_OK;
}

void nf_host_free(u8 *data)
{
    free(data);
}

const char *nf_host_lacks(void)
{
    return nf_cpu_lacks();
}

/* In this order: what nfverify/cythonized/library.py calls its names for these numbers. */
void nf_host_about(u64 *about)
{
    const nf_info *info = nf_describe();
    const u64 values[] = {info->abi, sizeof(nf_output), NF_COUNTERS, info->simple, info->has_timers,
                          info->state_bytes, info->n_ports, info->n_instances, info->n_entries};
    memcpy(about, values, sizeof values);
}

/* 0: the network's name, 1: a port's, 2: an instance's, 3: an entry's. */
const char *nf_host_name(u32 what, u32 index)
{
    const nf_info *info = nf_describe();
    switch (what) {
    case 0: return info->name;
    case 1: return info->ports[index];
    case 2: return info->instances[index].name;
    default: return info->entries[index];
    }
}

void nf_host_read(const nf_core *core, u64 *now, u32 *started, u64 *counters)
{
    *now = core->now;
    *started = core->started;
    memcpy(counters, core->counters, sizeof core->counters);
}

void nf_host_non_ip(nf_core *core, u32 drop)
{
    core->non_ip_drop = drop != 0;
}

const u64 *nf_host_hits(const nf_core *core)
{
    return core->hits;
}

/* The user's operators in Python; the table stays the caller's. */
void nf_host_operators(nf_core *core, void *table)
{
    core->operators = table;
}
#endif
