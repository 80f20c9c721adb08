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
#include "nf_exports.h"
#include "nf_files.hpp"
#include "nf_report.h"

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
template <class Packet, class Nf>
auto meta_of(Packet *packet, Nf *, int) -> decltype(onvm_get_pkt_meta(packet))
{
    return onvm_get_pkt_meta(packet);
}
template <class Packet, class Nf>
auto meta_of(Packet *packet, Nf *nf, long)
    -> decltype(onvm_get_pkt_meta(packet, nf->dynfield_offset))
{
    return onvm_get_pkt_meta(packet, nf->dynfield_offset);
}

void fail(Function &nf, const char *what)
{
    if (!nf.failed && *what)
        nf_complain("%s", what);
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

/* The function's own arguments. */
struct Arguments {
    const char *start = nullptr, *state = nullptr;
    bool drop = false, quiet = false;

    Arguments(int argc, char **argv)
    {
        for (int i = 1; i < argc; i++) {
            const std::string name = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
            const char **file = name == "--start" ? &start : name == "--state" ? &state : nullptr;
            if (name == "--quiet") {
                quiet = true;
            } else if (file && !value.empty()) {
                *file = argv[++i];
            } else if (name == "--non-ip" && (value == "drop" || value == "bypass")) {
                drop = argv[++i][0] == 'd';
            } else {
                throw Failure(name + ": there are --start S.bin, --state FILE, --non-ip drop|bypass "
                              "and --quiet");
            }
        }
    }
};

/* What was counted, if anything was. */
void tell(const Function &nf)
{
    for (u32 i = 0; i < NF_COUNTERS; i++)
        if (nf.core->counters[i])
            fprintf(stderr, "%s: %s %llu\n", nf_program, nf_counter_names[i],
                    static_cast<unsigned long long>(nf.core->counters[i]));
}

/* Until it is stopped: the exit code. */
int serve(Function &nf, onvm_nf_local_ctx *context, int argc, char **argv)
{
    try {
        const Arguments given(argc, argv);
        nf.core->non_ip_drop = given.drop;
        if (given.start)
            nf::load(nf.core, given.start);
        onvm_nflib_run(context);
        if (given.state && !nf.failed)
            nf::save(nf.core, std::string(given.state));
        if (!given.quiet)
            tell(nf);
    } catch (const Failure &failure) {
        fail(nf, failure.what());
    }
    return nf.failed ? 2 : 0;
}

}

int main(int argc, char *argv[])
{
    const nf_info *info = nf_describe();
    nf_program = info->name;
    onvm_nf_local_ctx *context = onvm_nflib_init_nf_local_ctx();
    onvm_nflib_start_signal_handler(context, nullptr);
    onvm_nf_function_table *table = onvm_nflib_init_nf_function_table();
    table->pkt_handler = handle;
    table->user_actions = act;
    table->msg_handler = hear;
    const int parsed = onvm_nflib_init(argc, argv, info->name, context, table);
    if (parsed < 0) {
        onvm_nflib_stop(context);
        return parsed == ONVM_SIGNAL_TERMINATION ? 0 : 2;
    }
    auto *nf = static_cast<Function *>(rte_zmalloc("nf", sizeof(Function), 0));
    nf_core *core = nf_create();
    int code = 2;
    if (!nf || !core) {
        nf_complain("out of memory");
        rte_free(nf);
    } else {
        *nf = {info, core, rte_mempool_lookup(PKTMBUF_POOL_NAME),
               rte_mbuf_dynfield_lookup("nf_time", nullptr), false};
        context->nf->data = nf;
        code = serve(*nf, context, argc - parsed, argv + parsed);
    }
    if (core)
        nf_destroy(core);
    onvm_nflib_stop(context);
    return code;
}
