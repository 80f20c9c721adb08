/* Captures through a network into captures, as `nfverify run` does it. Included last, when the
 * generated functions are there. */
#ifndef NF_JOB_H
#define NF_JOB_H
#include "nf_core.h"
#include "nf_pcap.h"
#include "nf_shard.h"
#include "nf_told.h"

#define NF_JOB_GROUP 4096u          /* packets between two flushes of the pipeline */
#define NF_JOB_BATCH 256u
#define NF_JOB_SHARDED 32768u       /* packets of a group for several workers */
#define NF_JOB_SHARDED_ROOM ((u64)4 << 20)

/* How a run ends besides NF_OK and the errors of nf_core.h; all but NF_OK leave a message. */
enum { NF_BROKEN = 1,   /* a capture breaks off: what was before it is run and written */
       NF_FAILED = 2,   /* an output can't be written */
       NF_STOPPED = 3 };/* nf_job_stop was called */

typedef struct nf_source {
    nf_capture capture;
    char *name;
    u16 port;
    i32 state;          /* 1: `head` is the next record; 0: the end; -1: broken; 2: not looked yet */
    nf_record head;
} nf_source;

typedef struct nf_sink {
    nf_writer writer;
    char *name;
} nf_sink;

typedef struct nf_job {
    nf_source *sources;
    nf_sink *sinks;
    u32 n_sources, n_sinks;
    u64 arrived, left;  /* packets in, packets out */
    u64 latest;         /* stamp so far */
    volatile u8 stop;
    char error[400];
    /* One group of packets: they stay where they are until the pipeline is flushed. */
    u32 group;          /* packets that it has room for */
    u64 bytes;          /* of their frames, in `data` */
    u8 *data, **frames;
    u64 *times;
    u32 *lengths, *originals;
    u16 *ports;
    i32 *verdicts;
} nf_job;

nf_job *nf_job_new(void);
void nf_job_free(nf_job *job);
i32 nf_job_input(nf_job *job, int fd, const char *name, u16 port);
i32 nf_job_output(nf_job *job, int fd, const char *name, i32 port);
i32 nf_job_run(nf_core *core, nf_job *job);
i32 nf_job_wait(nf_core *core, nf_job *job, u32 relative, u64 time);
i32 nf_job_run_shards(nf_shards *shards, nf_job *job);
i32 nf_job_wait_shards(nf_shards *shards, nf_job *job, u32 relative, u64 time);
const char *nf_job_error(const nf_job *job);
u64 nf_job_arrived(const nf_job *job);
u64 nf_job_left(const nf_job *job);
void nf_job_stop(nf_job *job);

static void nf_group_free(nf_job *job)
{
    free(job->data);
    free(job->frames);
    free(job->times);
    free(job->lengths);
    free(job->originals);
    free(job->ports);
    free(job->verdicts);
}

/* Room for a group of n packets: 0, or -1. */
static int nf_group_make(nf_job *job, u32 n, u64 bytes)
{
    nf_group_free(job);
    job->group = n;
    job->bytes = bytes;
    job->data = malloc(bytes);
    job->frames = malloc(n * sizeof *job->frames);
    job->times = malloc(n * sizeof *job->times);
    job->lengths = malloc(n * sizeof *job->lengths);
    job->originals = malloc(n * sizeof *job->originals);
    job->ports = malloc(n * sizeof *job->ports);
    job->verdicts = malloc(n * sizeof *job->verdicts);
    return job->data && job->frames && job->times && job->lengths && job->originals && job->ports
                   && job->verdicts
               ? 0
               : -1;
}

/* NULL: no memory. */
nf_job *nf_job_new(void)
{
    nf_job *job = calloc(1, sizeof *job);
    if (job && nf_group_make(job, NF_JOB_GROUP, NF_CAPTURE_ROOM)) {
        nf_job_free(job);
        job = NULL;
    }
    return job;
}

void nf_job_free(nf_job *job)
{
    if (!job)
        return;
    for (u32 i = 0; i < job->n_sources; i++) {
        nf_capture_close(&job->sources[i].capture);
        free(job->sources[i].name);
    }
    for (u32 i = 0; i < job->n_sinks; i++) {
        nf_writer_close(&job->sinks[i].writer);
        free(job->sinks[i].name);
    }
    free(job->sources);
    free(job->sinks);
    nf_group_free(job);
    free(job);
}

const char *nf_job_error(const nf_job *job) { return job->error; }
u64 nf_job_arrived(const nf_job *job) { return job->arrived; }
u64 nf_job_left(const nf_job *job) { return job->left; }
void nf_job_stop(nf_job *job) { job->stop = 1; }

static i32 nf_job_fail(nf_job *job, i32 error)
{
    snprintf(job->error, sizeof job->error, "%s", nf_error_text(error));
    return error;
}

/* What arrives by a port. The descriptor stays the caller's, and open while the job runs.
 * NF_BROKEN: no capture of Ethernet. */
i32 nf_job_input(nf_job *job, int fd, const char *name, u16 port)
{
    nf_source *grown = realloc(job->sources, (job->n_sources + 1) * sizeof *grown);
    if (!grown)
        return nf_job_fail(job, NF_NO_MEMORY);
    job->sources = grown;
    nf_source *source = &grown[job->n_sources];
    *source = (nf_source){.name = strdup(name), .port = port, .state = 2};
    if (!source->name)
        return nf_job_fail(job, NF_NO_MEMORY);
    job->n_sources++;
    i32 state = nf_capture_open(&source->capture, fd, source->name);
    source->capture.stop = &job->stop;
    if (state) {
        memcpy(job->error, source->capture.error, sizeof job->error);
        return NF_BROKEN;
    }
    return NF_OK;
}

static i32 nf_source_next(nf_source *source)
{
    return source->state = nf_capture_next(&source->capture, &source->head);
}

/* Looks at the first record of each input, which is where stamps finer than us show. */
static u8 nf_job_peek(nf_job *job)
{
    u8 finer = 0;
    for (u32 i = 0; i < job->n_sources; i++) {
        if (job->sources[i].state == 2)
            nf_source_next(&job->sources[i]);
        finer |= job->sources[i].capture.finer;
    }
    return finer;
}

/* Where what leaves by a port goes (-1: by any), after all inputs are named; the resolution is
 * theirs. NF_NO_MEMORY. */
i32 nf_job_output(nf_job *job, int fd, const char *name, i32 port)
{
    const u8 finer = nf_job_peek(job);
    nf_sink *grown = realloc(job->sinks, (job->n_sinks + 1) * sizeof *grown);
    if (!grown)
        return nf_job_fail(job, NF_NO_MEMORY);
    job->sinks = grown;
    nf_sink *sink = &grown[job->n_sinks];
    *sink = (nf_sink){.name = strdup(name)};
    if (!sink->name)
        return nf_job_fail(job, NF_NO_MEMORY);
    job->n_sinks++;
    if (nf_writer_open(&sink->writer, fd, sink->name, port, finer, job->error))
        return NF_NO_MEMORY;
    sink->writer.stop = &job->stop;
    return NF_OK;
}

#include "nf_job_loop.h"

/* Runs every packet in order of time (of equal stamps, that of the input named first), and writes
 * what comes out. NF_BROKEN: the packets before the fault are run, and what came out is written. */
i32 nf_job_run(nf_core *core, nf_job *job)
{
    const nf_engine engine = {core, NULL};
    return nf_job_execute(&engine, job, core->started ? core->now : 0);
}

/* Time goes on to `time`, ns (relative: after the latest stamp), and what comes out is written. */
i32 nf_job_wait(nf_core *core, nf_job *job, u32 relative, u64 time)
{
    const nf_engine engine = {core, NULL};
    return nf_job_let(&engine, job, core->started ? core->now : 0, relative, time);
}

/* As nf_job_run, by several workers; at the end all are at the latest stamp. */
i32 nf_job_run_shards(nf_shards *shards, nf_job *job)
{
    const nf_engine engine = {NULL, shards};
    if (nf_group_make(job, NF_JOB_SHARDED, NF_JOB_SHARDED_ROOM))
        return nf_job_fail(job, NF_NO_MEMORY);
    return nf_job_execute(&engine, job, shards->latest);
}

/* As nf_job_wait, by several workers. */
i32 nf_job_wait_shards(nf_shards *shards, nf_job *job, u32 relative, u64 time)
{
    const nf_engine engine = {NULL, shards};
    return nf_job_let(&engine, job, shards->latest, relative, time);
}
#endif
