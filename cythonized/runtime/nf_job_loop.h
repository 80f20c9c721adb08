/* The loop of nf_job.h: packets in by captures, through a network, and out. Included by it. */
#ifndef NF_JOB_LOOP_H
#define NF_JOB_LOOP_H

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

/* One state, or several with a worker each: either is NULL. */
typedef struct nf_engine {
    nf_core *core;
    nf_shards *shards;
} nf_engine;

/* What came out of a network that is not simple. */
static i32 nf_job_put_sent(const nf_engine *engine, nf_job *job)
{
    i32 error = NF_OK;
    u32 count;
    const nf_output *items;
    if (engine->core) {
        count = engine->core->sent.count;
        items = engine->core->sent.items;
    } else {
        items = nf_shards_sent(engine->shards, &count);
        if (count && !items)
            return nf_job_fail(job, NF_NO_MEMORY);
    }
    for (u32 i = 0; i < count && !error; i++)
        error = nf_job_put(job, items[i].port, items[i].time, items[i].data, items[i].length,
                           items[i].original);
    if (engine->shards) {
        nf_shards_clear(engine->shards);
        return error;
    }
    engine->core->sent.count = 0;
    nf_arena_reset(&engine->core->sent.bytes);
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

/* The first n packets of the group, all done at the end. */
static i32 nf_job_push(const nf_engine *engine, nf_job *job, u32 n, const u32 simple)
{
    const u32 most = engine->shards ? n : NF_JOB_BATCH;
    i32 error = NF_OK;
    job->arrived += n;
    for (u32 at = 0; at < n; at += most) {
        const nf_batch batch = {
            job->frames + at, job->lengths + at, job->originals + at, job->times + at,
            job->ports + at, job->verdicts + at, n - at < most ? n - at : most,
        };
        error = engine->shards ? nf_shards_run(engine->shards, &batch)
                               : nf_push(engine->core, &batch);
        if (!error && !simple && engine->core)
            error = nf_flush(engine->core);
        if (error)
            return nf_job_fail(job, error);
        if (!simple && (error = nf_job_put_sent(engine, job)))
            return error;
    }
    if (engine->core)
        error = nf_flush(engine->core);
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
static i32 nf_job_merged(const nf_engine *engine, nf_job *job)
{
    const u32 simple = nf_describe()->simple;
    i32 end = NF_OK;
    nf_source *source = nf_job_earliest(job, &end);
    while (source && !job->stop) {
        u32 n = 0;
        u64 used = 0;
        while (source && n < job->group && used + source->head.length <= job->bytes) {
            memcpy(job->data + used, source->head.frame, source->head.length);
            nf_job_take(job, n++, &source->head, job->data + used, source->port);
            used += source->head.length;
            nf_source_next(source);
            source = nf_job_earliest(job, &end);
        }
        i32 error = nf_job_push(engine, job, n, simple);
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
static i32 nf_job_in_place(const nf_engine *engine, nf_job *job)
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
        nf_record r = {};
        u32 n = 0;
        /* Only the first record of a group may move what was read. */
        while (n < job->group && (state = nf_pcap_next(c, &r)) == 1) {
            nf_job_take(job, n++, &r, r.frame, source->port);
            const u64 rest = c->end - c->at;
            if (rest < NF_RECORD_HEADER
                || rest < (u64)NF_RECORD_HEADER + nf_capture_32(c, c->data + c->at + 8))
                break;
        }
        const i32 error = nf_job_push(engine, job, n, 1);
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

static i32 nf_job_execute(const nf_engine *engine, nf_job *job, u64 latest)
{
    job->latest = latest;
    nf_job_peek(job);
    const u32 one = engine->core && nf_describe()->simple && job->n_sources == 1
                    && !job->sources[0].capture.ng
                    && (!job->n_sinks || (job->n_sinks == 1 && job->sinks[0].writer.port < 0));
    i32 end = one ? nf_job_in_place(engine, job) : nf_job_merged(engine, job);
    if (end >= 0 && job->stop) {
        snprintf(job->error, sizeof job->error, "stopped");
        end = NF_STOPPED;
    }
    const i32 error = end == NF_OK || end == NF_BROKEN ? nf_job_finish(job) : NF_OK;
    return error ? error : end;
}

static i32 nf_job_let(const nf_engine *engine, nf_job *job, u64 now, u32 relative, u64 time)
{
    if (time >= NF_TIME_LIMIT || (relative && time + now >= NF_TIME_LIMIT)) {
        snprintf(job->error, sizeof job->error, "times are below 2^62 ns");
        return NF_FAILED;
    }
    time += relative ? now : 0;
    i32 error = engine->core ? nf_advance(engine->core, time)
                             : nf_shards_advance(engine->shards, time);
    if (error)
        return nf_job_fail(job, error);
    error = nf_job_put_sent(engine, job);
    return error ? error : nf_job_finish(job);
}

#endif
