/* The program: a frame's time and port, the timers due before it, the network, where it leaves.
 *
 * Generated code defines nf_state, network_plain, network_odd, start and nf_fire before. */
#ifndef NF_XDP_MAIN_H
#define NF_XDP_MAIN_H

/* Where and when a frame came in. */
NF_INL bool nf_arrival(struct xdp_md *ctx, const bool test, u64 *time, u32 *port)
{
    if (test) {
        const struct nf_meta *meta = (void *)(long)ctx->data_meta;
        if ((void *)(meta + 1) > (void *)(long)ctx->data)
            return false;
        *time = meta->time;
        *port = meta->port;
        return true;
    }
    u32 device = ctx->ingress_ifindex;
    const u32 *found = bpf_map_lookup_elem(&nf_ports, &device);
    if (!found)
        return false;
    *time = bpf_ktime_get_ns() + nf_clock;
    *port = *found;
    return true;
}

NF_INL int nf_departure(struct xdp_md *ctx, const bool test, u32 in, i32 out)
{
    if (out < 0)
        return XDP_DROP;
    if (test) {
        struct nf_meta *meta = (void *)(long)ctx->data_meta;
        if ((void *)(meta + 1) > (void *)(long)ctx->data)
            return XDP_ABORTED;
        meta->out = (u32)out;
        return XDP_TX;
    }
    if ((u32)out == in)
        return XDP_TX;
    return (int)bpf_redirect_map(&nf_devices, (u32)out, XDP_DROP);
}

/* The first `copied` bytes stand in nf_frame: parsed, through the network, and rewritten there. */
NF_GLOBAL int nf_parsed(u64 time, u32 length, u32 port)
{
    Packet p;
    nf_settled(time);
    memset(&p, 0, sizeof p);
    if (nf_parse(&p.head, nf_frame, length) != NF_PARSED) {
        nf_state.core.counters[NF_MALFORMED_FRAMES]++;
        return 0;
    }
    if (nf_non_ip_drop && !(p.head.bits & (NF_IP4 | NF_IP6))) {
        nf_state.core.counters[NF_NON_IP_FRAMES]++;
        return 0;
    }
    p.head.iface = (u16)port;
    nf_at(&p, time);
    arrive(&p, 0);
    p.head.frame = NULL;
    nf_packet = p;
    return 1;
}

#if NF_WRITES
NF_GLOBAL int nf_rewritten(void)
{
    Packet p = nf_packet;
    p.head.frame = nf_frame;
    deparse(&p, nf_frame, 0);
    return 0;
}
#endif

/* Options, tags, fragments, IPv6, what isn't IP, frames shorter than 54 bytes: NF_DROP or a port. */
NF_GLOBAL int nf_odd(struct xdp_md *ctx, u64 time, u32 port)
{
    nf_settled(time); /* clang passes anything for what isn't used, the verifier wants a number */
    nf_settled(port);
    u64 whole = bpf_xdp_get_buff_len(ctx);
    u32 length = whole < 65535 ? (u32)whole : 65535;
    u32 copied = length < NF_HEADERS ? length : NF_HEADERS;
    if (copied < 1 || bpf_xdp_load_bytes(ctx, 0, nf_frame, copied))
        return NF_DROP;
    if (!nf_parsed(time, length, port))
        return NF_DROP;
    i32 out = network_odd();
#if NF_WRITES
    if (out >= 0) {
        nf_rewritten();
        if (bpf_xdp_store_bytes(ctx, 0, nf_frame, copied))
            return NF_DROP;
    }
#endif
    return out;
}

#define NF_NOT_PLAIN (-6)
#ifdef NF_HAS_PLAIN
/* Untagged IPv4 with TCP or UDP, no options, no fragment: worked on where it lies. */
NF_HAS_PLAIN i32 nf_plain(struct xdp_md *ctx, u64 time, u32 port)
{
    u8 *frame = (u8 *)(long)ctx->data, *end = (u8 *)(long)ctx->data_end;
    Packet p;
    if (frame + NF_PLAIN_LENGTH > end)
        return NF_NOT_PLAIN;
    if (!nf_parse_fast(&p.head, frame, (u32)(end - frame), NF_WRITES))
        return NF_NOT_PLAIN;
    p.head.iface = (u16)port;
    nf_at(&p, time);
    arrive(&p, 1);
    i32 out = network_plain(&nf_state, &p);
#if NF_WRITES
    if (out >= 0)
        deparse(&p, frame, 1);
#endif
    return out;
}
#endif

/* Before the first packet, and once the run is over: 0 if there is nothing to be done. */
NF_COLD int nf_unusual(u64 time, u32 port)
{
    if (nf_state.core.error || (nf_test_run && port == NF_NO_PORT))
        return 0;
    start(time);
    return 1;
}

NF_INL i32 nf_network(struct xdp_md *ctx, const bool test, u64 time, u32 port)
{
    nf_core *core = &nf_state.core;
    static_assert(offsetof(nf_core, error) == offsetof(nf_core, started) + 4, "one word");
    if (nf_unlikely(nf_ld64(&core->started) != 1) && !nf_unusual(time, port)) /* and no error */
        return NF_DROP;
    if (time < core->now)
        time = core->now;
#if NF_TIMERS
    nf_fire(time);
#endif
    core->now = time;
    i32 out;
    if (test && nf_unlikely(port == NF_NO_PORT))
        return NF_DROP;
#ifdef NF_HAS_PLAIN
    out = nf_plain(ctx, time, port);
    if (nf_unlikely(out == NF_NOT_PLAIN))
#endif
        out = nf_odd(ctx, time, port);
#if NF_FAILS
    if (core->error)
        return NF_DROP;
#endif
    return out;
}

SEC("xdp.frags")
int nf(struct xdp_md *ctx)
{
    const bool test = nf_test_run; /* read once: it is volatile */
    u64 time;
    u32 port;
    if (!nf_arrival(ctx, test, &time, &port))
        return test ? XDP_ABORTED : XDP_PASS;
    nf_core *core = &nf_state.core;
    if (!test) {
        if (!nf_enter())
            return XDP_ABORTED;
        if (nf_count && core->arrived >= nf_count)
            return nf_leave(XDP_PASS);
        core->arrived++;
    }
    int action = nf_departure(ctx, test, port, nf_network(ctx, test, time, port));
    if (test)
        return action;
    core->left += action != XDP_DROP;
    return nf_leave(action);
}

char nf_license[] SEC("license") = "GPL";

#endif
