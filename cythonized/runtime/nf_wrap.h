/* Headers put in front of packets and taken off them: `push` and `pop` (docs/semantics.md). The judge
 * of every byte is nfverify/packet/tunnels.py.
 *
 * A packet in a tunnel keeps the one beneath it as it was, and comes out of it as that; its frame is
 * made once, when the header is pushed. Tags go into the frame and out of it. All memory is of the
 * event (nf_core.scratch); nobody writes to a frame that two packets share. */
#ifndef NF_WRAP_H
#define NF_WRAP_H
#include "nf_core.h"
#include "nf_ops.h"

enum { NF_IPIP, NF_VXLAN };
enum { NF_IGNORED = -1, NF_WRAPPED = -2 }; /* what became of it; 0 and up: the counter of a failure */

enum { NF_TAG = 4, NF_OUTER_IP4 = 20, NF_OUTER_VXLAN = 14 + NF_OUTER_IP4 + 8 + 8 };
enum { NF_MAX_TUNNELS = 4, NF_MAX_TAGS = 2, NF_MOST_IP4 = 65535 };

/* What packets of networks that wrap have besides. */
typedef struct nf_wraps {
    void *under; /* the packet that this one holds, if the network has pushed its outermost header */
    u32 tunnels; /* pushed and popped since it came in, or its timer fired */
    u32 own;     /* its frame is nobody else's, with room for tags before it */
} nf_wraps;

/* Tags -------------------------------------------------------------------------------------- */

NF_INL u32 nf_tags(const nf_head *h) { return (h->type_at - 12u) / NF_TAG; }

/* The frame and its offsets `by` bytes further on, or back. */
NF_INL void nf_move(nf_head *h, u8 *frame, i32 by)
{
    h->frame = frame;
    h->length += (u32)by;
    h->end += (u32)by;
    h->l3 = (u16)(h->l3 + by);
    h->l4 = (u16)(h->l4 + by);
    h->payload = (u16)(h->payload + by);
    h->proto_at = (u16)(h->proto_at + by);
    h->type_at = (u16)(h->type_at + by);
}

/* `length` bytes with room before them for the tags that a frame may get; NULL: no memory. */
NF_CALL u8 *nf_wrap_room(nf_core *core, u64 length)
{
    u8 *data = nf_arena_take(&core->scratch, length + NF_MAX_TAGS * NF_TAG);
    if (!data) {
        core->error = NF_NO_MEMORY;
        return NULL;
    }
    return data + NF_MAX_TAGS * NF_TAG;
}

/* The frame as the packet's own: 0, or -1: no memory. */
NF_CALL i32 nf_own(nf_core *core, nf_wraps *w, nf_head *h)
{
    if (w->own)
        return 0;
    u8 *frame = nf_wrap_room(core, h->length);
    if (!frame)
        return -1;
    memcpy(frame, h->frame, h->length);
    h->frame = frame;
    w->own = 1;
    return 0;
}

/* May a tag be pushed: NF_WRAPPED, NF_IGNORED, or the counter. */
NF_INL i32 nf_push_tag_may(const nf_head *h)
{
    return !h->bits ? NF_IGNORED : nf_tags(h) == NF_MAX_TAGS ? (i32)NF_TOO_DEEP : NF_WRAPPED;
}

NF_INL i32 nf_pop_tag_may(const nf_head *h)
{
    if (!(h->bits & NF_VLAN))
        return NF_IGNORED;
    u32 type = nf_be16(h->frame + h->type_at);
    return nf_tags(h) == NF_MAX_TAGS && (type == 0x8100 || type == 0x88a8) ? (i32)NF_TOO_DEEP
                                                                           : NF_WRAPPED;
}

/* Of a frame that is the packet's own. */
NF_CALL void nf_push_tag(nf_head *h, u32 vid)
{
    u8 *frame = h->frame - NF_TAG;
    memmove(frame, h->frame, 12);
    nf_put32(frame + 12, 0x81000000 | (vid & 0xfff));
    nf_move(h, frame, NF_TAG);
    h->bits |= NF_VLAN;
}

NF_CALL void nf_pop_tag(nf_head *h)
{
    u8 *frame = h->frame + NF_TAG;
    memmove(frame, h->frame, 12);
    nf_move(h, frame, -NF_TAG);
    if (!nf_tags(h))
        h->bits &= (u8)~NF_VLAN;
}

/* Pushing ----------------------------------------------------------------------------------- */

NF_INL i32 nf_push_may(const nf_wraps *w, const nf_head *h, u32 kind)
{
    if (!h->bits || (kind == NF_IPIP && !(h->bits & (NF_IP4 | NF_IP6))))
        return NF_IGNORED;
    return w->tunnels == NF_MAX_TUNNELS ? (i32)NF_TOO_DEEP : NF_WRAPPED;
}

NF_INL u32 nf_outer(u32 kind) { return kind == NF_IPIP ? NF_OUTER_IP4 : NF_OUTER_VXLAN; }

/* A copy of the frame, with room for a header and for tags before it; NULL: no memory. */
NF_CALL u8 *nf_push_room(nf_core *core, const nf_head *h, u32 kind)
{
    u8 *frame = nf_wrap_room(core, (u64)h->length + nf_outer(kind));
    return frame ? (u8 *)memcpy(frame + nf_outer(kind), h->frame, h->length) : NULL;
}

/* An outer IPv4 header for `size` bytes (RFC 2003, 3.1): identification 0, DF. */
static void nf_outer_ip4(u8 *ip, u32 size, u32 tos, u32 proto, u32 sip, u32 dip)
{
    ip[0] = 0x45;
    ip[1] = (u8)tos;
    nf_put16(ip + 2, (u16)size);
    nf_put32(ip + 4, 0x4000);
    ip[8] = 64;
    ip[9] = (u8)proto;
    nf_put16(ip + 10, 0);
    nf_put32(ip + 12, sip);
    nf_put32(ip + 16, dip);
    nf_st16(ip + 10, (u16)~nf_sum(ip, NF_OUTER_IP4));
}

/* hash(f), of fields as they are in the head and the frame. */
static u32 nf_hash_flow(const nf_head *h)
{
    u128 sip6 = nf_sip6(h, 0), dip6 = nf_dip6(h, 0);
    const u32 words[] = {
        nf_sip(h, 0), nf_dip(h, 0), (u32)(sip6 >> 96), (u32)(sip6 >> 64), (u32)(sip6 >> 32),
        (u32)sip6, (u32)(dip6 >> 96), (u32)(dip6 >> 64), (u32)(dip6 >> 32), (u32)dip6,
        nf_sport(h, 0), nf_dport(h, 0), nf_proto(h, 0),
    };
    return nf_hash_words(words, sizeof words / sizeof *words);
}

/* The header before `frame`, which is of nf_push_room and now what the packet of `h` would leave
 * as. NF_WRAPPED: h is of the packet that then is. */
NF_CALL i32 nf_push_header(nf_head *h, u8 *frame, u32 kind, u32 sip, u32 dip, u32 vni)
{
    nf_head inner = *h;
    inner.frame = frame;
    const u32 ip = inner.bits & (NF_IP4 | NF_IP6), l3 = inner.l3;
    const u32 size = nf_size(&inner, 0), tos = nf_tos(&inner, 0);
    u8 *out = frame - nf_outer(kind);
    if (kind == NF_IPIP) {
        if (size + NF_OUTER_IP4 > NF_MOST_IP4)
            return NF_TOO_BIG;
        memmove(out, frame, l3);
        nf_put16(out + inner.type_at, 0x0800);
        nf_outer_ip4(out + l3, size + NF_OUTER_IP4, tos, ip == NF_IP4 ? 4 : 41, sip, dip);
    } else {
        /* As long as its headers say, for of a frame that was cut not all is here. */
        u32 whole = ip && l3 + size > inner.length ? l3 + size : inner.length;
        u32 outer = whole + NF_OUTER_VXLAN - 14;
        if (outer > NF_MOST_IP4)
            return NF_TOO_BIG;
        memcpy(out, frame, 12);
        nf_put16(out + 12, 0x0800);
        nf_outer_ip4(out + 14, outer, tos, 17, sip, dip);
        nf_put16(out + 34, (u16)(49152 + (nf_hash_flow(&inner) & 16383)));
        nf_put16(out + 36, NF_VXLAN_PORT);
        nf_put16(out + 38, (u16)(outer - NF_OUTER_IP4));
        nf_put16(out + 40, 0);
        nf_put32(out + 42, 0x08000000);
        nf_put32(out + 46, vni << 8);
    }
    nf_parse(h, out, inner.length + nf_outer(kind));
    h->iface = inner.iface;
    h->at = inner.at;
    return NF_WRAPPED;
}

/* Popping ----------------------------------------------------------------------------------- */

NF_INL i32 nf_pop_may(const nf_wraps *w, const nf_head *h, u32 kind)
{
    u32 there = !(h->bits & NF_FRAG);
    if (kind == NF_IPIP)
        there = there && h->bits & NF_IP4
                && (h->frame[h->l3 + 9] == 4 || h->frame[h->l3 + 9] == 41);
    else
        there = there && nf_has_vni(h, 0);
    return !there ? NF_IGNORED : w->tunnels == NF_MAX_TUNNELS ? (i32)NF_TOO_DEEP : NF_WRAPPED;
}

/* The head of the packet beneath, with the link header of the one around it; NULL: no memory. The
 * addresses and tags that have been written are still to be put into the frame. */
NF_CALL u8 *nf_pop_ipip_under(nf_core *core, const nf_head *h, const nf_head *under, nf_head *made)
{
    const u32 rest = under->length - under->l3;
    const i32 by = (i32)h->l3 - (i32)under->l3;
    u8 *frame = nf_wrap_room(core, h->l3 + rest);
    if (!frame)
        return NULL;
    memcpy(frame, h->frame, h->l3);
    memcpy(frame + h->l3, under->frame + under->l3, rest);
    nf_put16(frame + h->type_at, under->bits & NF_IP4 ? 0x0800 : 0x86dd);
    *made = *under;
    nf_move(made, frame, by);
    made->bits = (u8)((under->bits & ~NF_VLAN) | (h->bits & NF_VLAN));
    made->iface = h->iface;
    made->at = h->at;
    return frame;
}

/* The frame in IPv4, with this payload: where it goes. */
NF_CALL u8 *nf_pop_ipip_frame(nf_core *core, const nf_head *h, nf_slice payload, u32 *length)
{
    const u32 trailer = h->length - h->end;
    *length = h->l3 + (u32)payload.length + trailer;
    u8 *frame = nf_wrap_room(core, *length);
    if (!frame)
        return NULL;
    memcpy(frame, h->frame, h->l3);
    memcpy(frame + h->l3, payload.data, payload.length);
    memcpy(frame + h->l3 + payload.length, h->frame + h->end, trailer);
    nf_put16(frame + h->type_at, h->frame[h->l3 + 9] == 4 ? 0x0800 : 0x86dd);
    return frame;
}

/* The packet of a frame that came out of a tunnel by which it arrived. */
NF_CALL i32 nf_popped(nf_head *h, u8 *frame, u32 length, u32 kind)
{
    nf_head made;
    if (nf_parse(&made, frame, length) != NF_PARSED)
        return NF_MALFORMED_INNER;
    const u8 *ip = h->frame + h->l3;
    if (kind == NF_IPIP && nf_size(&made, 0) + (ip[0] & 15) * 4u > nf_be16(ip + 2))
        return NF_MALFORMED_INNER;
    made.iface = h->iface;
    made.at = h->at;
    *h = made;
    return NF_WRAPPED;
}

#endif
