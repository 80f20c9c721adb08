/* A network as a network function of OpenNetVM: port i of the model is port i of the manager. Each
 * packet is done when its handler returns. What leaves otherwise than where it came in, copies and
 * what timers release, leaves as new packets. */
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
extern "C" {
#include <onvm_nflib.h>
}
#include "onvm_message.h"
#include "runtime/nf_exports.h"
#include "runtime/nf_files.hpp"

namespace {

using nf::Failure;

/* Lies in nf->data, of rte_malloc: the library frees it. */
struct Function {
    const nf_info *info;
    nf_core *core;
    rte_mempool *packets;
    int stamp;     /* offset of a packet's time, ns, in a dynamic field; below 0: there is none */
    bool failed;   /* an error was told, and no packet goes through any more */
};

Function &function(onvm_nf_local_ctx *context) { return *static_cast<Function *>(context->nf->data); }

/* Where meta data is: releases on a DPDK without mbufs' user data say it by an offset. */
template <class Nf>
auto meta_of(rte_mbuf *packet, Nf *, int) -> decltype(onvm_get_pkt_meta(packet))
{
    return onvm_get_pkt_meta(packet);
}
template <class Nf>
auto meta_of(rte_mbuf *packet, Nf *nf, long)
    -> decltype(onvm_get_pkt_meta(packet, nf->dynfield_offset))
{
    return onvm_get_pkt_meta(packet, nf->dynfield_offset);
}

void fail(Function &nf, const char *what)
{
    if (!nf.failed)
        fprintf(stderr, "%s: error: %s\n", nf.info->name, what);
    nf.failed = true;
}

bool succeeded(Function &nf, i32 error)
{
    if (error)
        fail(nf, nf_error_text(error));
    return !error;
}

u64 clock_now()
{
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return u64(now.tv_sec) * 1000000000 + u64(now.tv_nsec);
}

u64 time_of(const Function &nf, const rte_mbuf *packet)
{
    return nf.stamp < 0 ? clock_now() : *RTE_MBUF_DYNFIELD(packet, nf.stamp, const u64 *);
}

/* What came out of a network that is not simple, in order. */
void release(Function &nf, onvm_nf *self)
{
    nf_outputs &sent = nf.core->sent;
    for (u32 i = 0; i < sent.count && !nf.failed; i++) {
        const nf_output &out = sent.items[i];
        rte_mbuf *packet = rte_pktmbuf_alloc(nf.packets);
        if (packet && out.length > rte_pktmbuf_tailroom(packet))
            packet->data_off = 0;
        char *frame = packet && out.length <= UINT16_MAX
                          ? rte_pktmbuf_append(packet, u16(out.length)) : nullptr;
        if (!frame) {
            rte_pktmbuf_free(packet);
            fail(nf, packet ? "a frame is longer than a packet may be" : "no packets are left");
            break;
        }
        memcpy(frame, out.data, out.length);
        if (nf.stamp >= 0)
            *RTE_MBUF_DYNFIELD(packet, nf.stamp, u64 *) = out.time;
        onvm_pkt_meta *meta = meta_of(packet, self, 0);
        meta->action = ONVM_NF_ACTION_OUT;
        meta->destination = out.port;
        if (onvm_nflib_return_pkt(self, packet))
            fail(nf, "the ring of returned packets is full");
    }
    sent.count = 0;
    nf_arena_reset(&sent.bytes);
}

int handle(rte_mbuf *packet, onvm_pkt_meta *meta, onvm_nf_local_ctx *context)
{
    Function &nf = function(context);
    meta->action = ONVM_NF_ACTION_DROP;
    if (nf.failed || packet->port >= nf.info->n_ports)
        return 0;
    if (rte_pktmbuf_linearize(packet)) {
        fail(nf, "a packet in parts is longer than one part may be");
        return 0;
    }
    u8 *frame = rte_pktmbuf_mtod(packet, u8 *);
    const u32 length = packet->pkt_len;
    const u64 time = time_of(nf, packet);
    const u16 port = packet->port;
    i32 verdict = NF_DROPPED;
    const nf_batch batch = {&frame, &length, &length, &time, &port, &verdict, 1};
    if (!succeeded(nf, nf_push(nf.core, &batch)) || !succeeded(nf, nf_flush(nf.core)))
        return 0;
    if (!nf.info->simple) {
        release(nf, context->nf);
    } else if (verdict != NF_DROPPED) {
        meta->action = ONVM_NF_ACTION_OUT;
        meta->destination = u16(verdict);
    }
    return 0;
}

void advance(Function &nf, onvm_nf *self, u64 time)
{
    if (!nf.failed && succeeded(nf, nf_advance(nf.core, time)))
        release(nf, self);
}

/* Between bursts: timers that are due by the clock. Anything but 0 ends the function. */
int act(onvm_nf_local_ctx *context)
{
    Function &nf = function(context);
    if (nf.stamp < 0 && nf.info->has_timers && nf.core->started)
        advance(nf, context->nf, clock_now());
    return nf.failed;
}

void save(Function &nf, const char *file)
{
    try {
        nf::save(nf.core, file);
    } catch (const Failure &failure) {
        fail(nf, failure.what());
    }
}

void hear(void *data, onvm_nf_local_ctx *context)
{
    Function &nf = function(context);
    size_t room = 0;
    auto *message = static_cast<nf_message *>(data);
    if (data && !rte_malloc_validate(data, &room) && room >= sizeof *message
        && message->magic == NF_MESSAGE_MAGIC) {
        if (message->what == NF_MESSAGE_ADVANCE)
            advance(nf, context->nf, message->time);
        else if (message->what == NF_MESSAGE_SAVE && memchr(message->file, 0, sizeof message->file))
            save(nf, message->file);
    }
    rte_free(data);
}

/* [--start S.bin] [--state FILE] [--non-ip drop|bypass] */
struct Options {
    const char *start = nullptr, *state = nullptr;
    bool drop = false;
    Options(int argc, char **argv)
    {
        for (int i = 1; i < argc; i += 2) {
            const char *value = i + 1 < argc ? argv[i + 1] : "";
            if (!strcmp(argv[i], "--start") && *value)
                start = value;
            else if (!strcmp(argv[i], "--state") && *value)
                state = value;
            else if (!strcmp(argv[i], "--non-ip") && (!strcmp(value, "drop") || !strcmp(value, "bypass")))
                drop = *value == 'd';
            else
                throw Failure(std::string(argv[i]) + ": there are --start S.bin, --state FILE, "
                              "--non-ip drop|bypass");
        }
    }
};

}

int main(int argc, char *argv[])
{
    onvm_nf_local_ctx *context = onvm_nflib_init_nf_local_ctx();
    onvm_nflib_start_signal_handler(context, nullptr);
    onvm_nf_function_table *table = onvm_nflib_init_nf_function_table();
    table->pkt_handler = handle;
    table->user_actions = act;
    table->msg_handler = hear;
    const nf_info *info = nf_describe();
    const int parsed = onvm_nflib_init(argc, argv, info->name, context, table);
    if (parsed < 0) {
        onvm_nflib_stop(context);
        return parsed == ONVM_SIGNAL_TERMINATION ? 0 : 2;
    }
    auto *nf = static_cast<Function *>(rte_zmalloc("nf", sizeof(Function), 0));
    int code = 2;
    if (nf && (nf->core = nf_create())) {
        nf->info = info;
        nf->packets = rte_mempool_lookup(PKTMBUF_POOL_NAME);
        nf->stamp = rte_mbuf_dynfield_lookup("nf_time", nullptr);
        context->nf->data = nf;
        try {
            const Options options(argc - parsed, argv + parsed);
            nf->core->non_ip_drop = options.drop;
            if (options.start)
                nf::load(nf->core, options.start);
            onvm_nflib_run(context);
            if (options.state)
                nf::save(nf->core, options.state);
            nf::tell(stderr, nf->core);
            code = nf->failed ? 2 : 0;
        } catch (const Failure &failure) {
            fail(*nf, failure.what());
        }
        nf_destroy(nf->core);
    }
    onvm_nflib_stop(context);
    return code;
}
