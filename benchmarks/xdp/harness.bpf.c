/* Gives a program one frame after the other, from memory: run repeatedly on one buffer, it restores
 * the first 64 bytes of the next frame and its metadata, and goes on with the program in `next`. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define BYTES 64

struct meta { __u64 time; __u32 port; __u32 out; };
struct frame { __u64 words[BYTES / 8]; };

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} next SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1 << 20);
    __type(key, __u32);
    __type(value, struct frame);
} frames SEC(".maps");

const volatile __u32 count = 1;
__u32 at;
__u64 now = 1000000000;

SEC("xdp.frags")
int harness(struct xdp_md *ctx)
{
    struct meta *meta = (void *)(long)ctx->data_meta;
    struct frame *frame = (void *)(long)ctx->data, *kept;
    __u32 key = at;

    if ((void *)(meta + 1) > (void *)(long)ctx->data || (void *)(frame + 1) > (void *)(long)ctx->data_end)
        return XDP_ABORTED;
    kept = bpf_map_lookup_elem(&frames, &key);
    if (!kept)
        return XDP_ABORTED;
    at = key + 1 < count ? key + 1 : 0;
    *frame = *kept;
    meta->time = now++;
    meta->port = 0;
    bpf_tail_call(ctx, &next, 0);
    return XDP_ABORTED;
}

/* What the harness itself takes. */
SEC("xdp.frags")
int nothing(struct xdp_md *ctx)
{
    struct meta *meta = (void *)(long)ctx->data_meta;

    if ((void *)(meta + 1) > (void *)(long)ctx->data)
        return XDP_ABORTED;
    meta->out = 1;
    return XDP_TX;
}

char _license[] SEC("license") = "GPL";
