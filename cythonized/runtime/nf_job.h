/* Captures through a network into captures, as `nfverify run` does it. Included last, when the
 * generated functions are there. */
#ifndef NF_JOB_H
#define NF_JOB_H
#include "nf_core.h"
#include "nf_pcap.h"

#define NF_JOB_GROUP 4096u  /* packets between two flushes of the pipeline */
#define NF_JOB_BATCH 256u

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
    u8 *data, *frames[NF_JOB_GROUP];
    u64 times[NF_JOB_GROUP];
    u32 lengths[NF_JOB_GROUP], originals[NF_JOB_GROUP];
    u16 ports[NF_JOB_GROUP];
    i32 verdicts[NF_JOB_GROUP];
} nf_job;

nf_job *nf_job_new(void);
void nf_job_free(nf_job *job);
i32 nf_job_input(nf_job *job, int fd, const char *name, u16 port);
i32 nf_job_output(nf_job *job, int fd, const char *name, i32 port);
i32 nf_job_run(nf_core *core, nf_job *job);
i32 nf_job_wait(nf_core *core, nf_job *job, u32 relative, u64 time);
const char *nf_job_error(const nf_job *job);
u64 nf_job_arrived(const nf_job *job);
u64 nf_job_left(const nf_job *job);
void nf_job_stop(nf_job *job);
const char *nf_error_text(i32 error);

/* What an error of nf_core.h means. */
const char *nf_error_text(i32 error)
{
    switch (error) {
    case NF_NO_MEMORY: return "out of memory";
    case NF_RUNAWAY: return "the timers fire over 1,048,576 times between two packets";
    case NF_COPIES: return "copies of one packet went through over 1,048,576 NFs";
    case NF_OPERATOR: return "an operator failed";
    case NF_FORMAT: return "not a state of this network";
    }
    return "";
}

/* NULL: no memory. */
nf_job *nf_job_new(void)
{
    nf_job *job = calloc(1, sizeof *job);
    if (job && !(job->data = malloc(NF_CAPTURE_ROOM))) {
        free(job);
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
    free(job->data);
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

/* Writing ------------------------------------------------------------------------------------- */

static i32 nf_job_put(nf_job *job, i32 port, u64 time, const u8 *frame, u32 length, u32 original)
{
    job->left++;
    for (u32 i = 0; i < job->n_sinks; i++) {
        nf_writer *writer = &job->sinks[i].writer;
        if ((writer->port < 0 || writer->port == port)
            && nf_writer_add(writer, time, frame, length, original))
            return NF_FAILED;
    }
    return NF_OK;
}

/* What came out of a network that is not simple. */
static i32 nf_job_put_sent(nf_core *core, nf_job *job)
{
    i32 error = NF_OK;
    for (u32 i = 0; i < core->sent.count && !error; i++) {
        const nf_output *out = &core->sent.items[i];
        error = nf_job_put(job, out->port, out->time, out->data, out->length, out->original);
    }
    core->sent.count = 0;
    nf_arena_reset(&core->sent.bytes);
    return error;
}

static i32 nf_job_finish(nf_job *job)
{
    for (u32 i = 0; i < job->n_sinks; i++)
        if (nf_writer_flush(&job->sinks[i].writer))
            return NF_FAILED;
    return NF_OK;
}

/* Running ------------------------------------------------------------------------------------- */

/* The first n packets of the group, and the pipeline flushed. */
static i32 nf_job_push(nf_core *core, nf_job *job, u32 n, const u32 simple)
{
    job->arrived += n;
    for (u32 at = 0; at < n; at += NF_JOB_BATCH) {
        const nf_batch batch = {
            job->frames + at, job->lengths + at, job->originals + at, job->times + at,
            job->ports + at, job->verdicts + at, n - at < NF_JOB_BATCH ? n - at : NF_JOB_BATCH,
        };
        i32 error = nf_push(core, &batch);
        if (!error && !simple) {
            error = nf_flush(core);
            if (!error && (error = nf_job_put_sent(core, job)))
                return error;
        }
        if (error)
            return nf_job_fail(job, error);
    }
    const i32 error = nf_flush(core);
    return error ? nf_job_fail(job, error) : NF_OK;
}

/* Takes the record as packet `at` of the group; its frame stays where `frame` is. */
NF_INL void nf_job_take(nf_job *job, u32 at, const nf_record *r, u8 *frame, u16 port)
{
    job->latest = r->time > job->latest ? r->time : job->latest;
    job->frames[at] = frame;
    job->times[at] = job->latest;
    job->lengths[at] = r->length;
    job->originals[at] = r->original;
    job->ports[at] = port;
}

/* The earliest of the records at the inputs' heads; the first input where stamps are equal. NULL:
 * all are at their end, or `*error`. */
static nf_source *nf_job_earliest(nf_job *job, i32 *error)
{
    nf_source *found = NULL;
    for (u32 i = 0; i < job->n_sources; i++) {
        nf_source *source = &job->sources[i];
        if (source->state < 0) {
            memcpy(job->error, source->capture.error, sizeof job->error);
            *error = NF_BROKEN;
            return NULL;
        }
        if (source->state && (!found || source->head.time < found->head.time))
            found = source;
    }
    return found;
}

/* Any inputs and outputs: frames are copied into the group, and from there. */
static i32 nf_job_merged(nf_core *core, nf_job *job)
{
    const u32 simple = nf_describe()->simple;
    i32 end = NF_OK;
    nf_source *source = nf_job_earliest(job, &end);
    while (source && !job->stop) {
        u32 n = 0;
        u64 used = 0;
        while (source && n < NF_JOB_GROUP && used + source->head.length <= NF_CAPTURE_ROOM) {
            memcpy(job->data + used, source->head.frame, source->head.length);
            nf_job_take(job, n++, &source->head, job->data + used, source->port);
            used += source->head.length;
            nf_source_next(source);
            source = nf_job_earliest(job, &end);
        }
        i32 error = nf_job_push(core, job, n, simple);
        for (u32 i = 0; simple && i < n && !error; i++)
            if (job->verdicts[i] >= 0)
                error = nf_job_put(job, job->verdicts[i], job->times[i], job->frames[i],
                                   job->lengths[i], job->originals[i]);
        if (error)
            return error;
    }
    return end;
}

/* One pcap file into at most one, through a simple network: frames are rewritten where they were
 * read, what is dropped is closed up, and the rest is written from there. */
static i32 nf_job_in_place(nf_core *core, nf_job *job)
{
    nf_source *source = &job->sources[0];
    nf_capture *c = &source->capture;
    nf_writer *w = job->n_sinks ? &job->sinks[0].writer : NULL;
    i32 state = source->state;
    if (w && nf_writer_flush(w))
        return NF_FAILED;
    if (state == 1) /* that record again, as the first of its group */
        c->at = (u64)(source->head.frame - c->data) - NF_RECORD_HEADER;
    while (state == 1 && !job->stop) {
        nf_record r;
        u32 n = 0;
        /* Only the first record of a group may move what was read. */
        while (n < NF_JOB_GROUP && (state = nf_pcap_next(c, &r)) == 1) {
            nf_job_take(job, n++, &r, r.frame, source->port);
            const u64 rest = c->end - c->at;
            if (rest < NF_RECORD_HEADER
                || rest < (u64)NF_RECORD_HEADER + nf_capture_32(c, c->data + c->at + 8))
                break;
        }
        const i32 error = nf_job_push(core, job, n, 1);
        if (error)
            return error;
        u8 *first = n ? job->frames[0] - NF_RECORD_HEADER : NULL, *out = first;
        for (u32 i = 0; i < n; i++) {
            if (job->verdicts[i] < 0)
                continue;
            u8 *record = job->frames[i] - NF_RECORD_HEADER;
            const u32 length = job->lengths[i];
            job->left++;
            if (!w)
                continue;
            if (nf_record_header(w, record, job->times[i], length, job->originals[i]))
                return NF_FAILED;
            if (out != record)
                memmove(out, record, NF_RECORD_HEADER + length);
            out += NF_RECORD_HEADER + length;
        }
        if (out != first && nf_write_all(w, first, (u64)(out - first)))
            return NF_FAILED;
    }
    if (state < 0) {
        memcpy(job->error, c->error, sizeof job->error);
        return NF_BROKEN;
    }
    return NF_OK;
}

/* Runs every packet in order of time (of equal stamps, that of the input named first), and writes
 * what comes out. NF_BROKEN: the packets before the fault are run, and what came out is written. */
i32 nf_job_run(nf_core *core, nf_job *job)
{
    job->latest = core->started ? core->now : 0;
    nf_job_peek(job);
    const u32 one = nf_describe()->simple && job->n_sources == 1 && !job->sources[0].capture.ng
                    && (!job->n_sinks || (job->n_sinks == 1 && job->sinks[0].writer.port < 0));
    i32 end = one ? nf_job_in_place(core, job) : nf_job_merged(core, job);
    if (end >= 0 && job->stop) {
        snprintf(job->error, sizeof job->error, "stopped");
        end = NF_STOPPED;
    }
    const i32 error = end == NF_OK || end == NF_BROKEN ? nf_job_finish(job) : NF_OK;
    return error ? error : end;
}

/* Time goes on to `time`, ns (relative: after the latest stamp), and what comes out is written. */
i32 nf_job_wait(nf_core *core, nf_job *job, u32 relative, u64 time)
{
    const u64 now = core->started ? core->now : 0;
    if (time >= NF_TIME_LIMIT || (relative && time + now >= NF_TIME_LIMIT)) {
        snprintf(job->error, sizeof job->error, "times are below 2^62 ns");
        return NF_FAILED;
    }
    i32 error = nf_advance(core, relative ? time + now : time);
    if (error)
        return nf_job_fail(job, error);
    error = nf_job_put_sent(core, job);
    return error ? error : nf_job_finish(job);
}
#endif
