/* Where a frame's headers lie: exactly codec.parse, and a cheap test for plain frames. */
#ifndef NF_PARSE_H
#define NF_PARSE_H
#ifdef __SSSE3__
#include <tmmintrin.h>
#endif
#include "nf_checksum.h"

/* Headers that a frame has; packet.py's bits. */
enum { NF_LINK = 1, NF_VLAN = 2, NF_IP4 = 4, NF_IP6 = 8, NF_TCP = 16, NF_UDP = 32, NF_ICMP = 64,
       NF_FRAG = 128 };

enum { NF_PARSED = 0, NF_MALFORMED = 1 };

/* A plain frame: untagged IPv4 without options that is no fragment, with a TCP or UDP header. */
#define NF_PLAIN_L3 14u
#define NF_PLAIN_L4 34u
#define NF_PLAIN_LENGTH 54u

/* A packet: its frame as it came in, and the flow fields as they are now. All 0: a dummy.
 * nf_parse_fast sets the first four; nf_complete the others. */
typedef struct nf_head {
    u8 *frame;
    u64 a;          /* sip | dip << 32, as loaded from the wire; 0 unless IPv4 */
    u64 b;          /* sport | dport << 16 as loaded, proto << 32; absent ones 0 */
    u32 length;     /* captured bytes */
    u16 iface;
    u8 bits;        /* NF_LINK etc. */
    u32 end;        /* of the payload, in the frame */
    u16 l3, l4;     /* offsets in the frame: the IP header, and what follows it */
    u16 payload;
    u16 proto_at;   /* the byte that holds `proto` */
    u16 type_at;    /* the ethertype after the tags */
    u16 at;         /* where it is in a pipeline; nothing here reads or writes it */
} nf_head;
static_assert(sizeof(nf_head) <= 48, "a head fits a cache line with room for a key");

/* Bytes that an IPv4 packet without options must have, by the upper half of byte 12 of what
 * follows its header: rows of UDP, TCP (the data offset) and other protocols (never enough). */
#define NF_NEVER 0xffff
#define NF_4(...) __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__
#define NF_16(...) NF_4(NF_4(__VA_ARGS__))
#define NF_64(...) NF_4(NF_16(__VA_ARGS__))
#define NF_256(...) NF_16(NF_16(__VA_ARGS__))
static const u16 nf_plain_needs[4096] = {
    NF_64(NF_NEVER), NF_16(NF_NEVER), NF_16(NF_NEVER), NF_4(NF_NEVER), NF_NEVER, /* 0 to 100 */
    40, 44, 48, 52, 56, 60, 64, 68, 72, 76, 80,                                 /* to 111 */
    NF_64(NF_NEVER), NF_64(NF_NEVER), NF_16(NF_NEVER), NF_16(NF_NEVER),         /* to 271 */
    NF_16(28),                                                                  /* to 287 */
    NF_4(NF_256(NF_NEVER)), NF_4(NF_256(NF_NEVER)), NF_4(NF_256(NF_NEVER)), NF_256(NF_NEVER),
    NF_256(NF_NEVER), NF_64(NF_NEVER), NF_64(NF_NEVER), NF_64(NF_NEVER), NF_16(NF_NEVER),
    NF_16(NF_NEVER),
};
#undef NF_256
#undef NF_64
#undef NF_16
#undef NF_4
#undef NF_NEVER

/* Bytes that the IPv4 packet must have to be plain; over all that there can be: it isn't. */
NF_INL u32 nf_plain_least(const u8 *frame, u32 proto)
{
#ifdef __bpf__ /* where everything is done by branches */
    u32 words = frame[46] >> 4;
    if (proto == 6)
        return words < 5 ? 0xffff : 20 + 4 * words;
    return proto == 17 ? 28 : 0xffff;
#else
    return nf_plain_needs[proto << 4 | frame[46] >> 4];
#endif
}

/* 1 iff the frame is plain: h's frame, length, a and b are set. With `writes` (a constant), frames
 * are left to nf_parse too whose checksum is 0xffff, where RFC 1624 needs to know which words
 * differ. Each branch leads to nf_parse, so they are as predictable as the odd frames are rare; in
 * what TCP and UDP differ there is none. */
NF_INL u32 nf_parse_fast(nf_head *h, u8 *frame, u32 length, const u32 writes)
{
    if (nf_unlikely(length < NF_PLAIN_LENGTH))
        return 0;
    u32 proto = frame[23];
    u32 needs = nf_plain_least(frame, proto);
    h->frame = frame;
    h->length = length;
#ifdef __SSSE3__ /* from TTL, proto, checksum, addresses and ports to a and b at once */
    const __m128i order = _mm_setr_epi8(4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1, -1, -1, -1);
    const __m128i words = _mm_loadu_si128((const __m128i *)(frame + 22));
    _mm_storeu_si128((__m128i *)&h->a, _mm_shuffle_epi8(words, order));
#else
    h->a = nf_ld64(frame + 26);
    h->b = (u64)proto << 32 | nf_ld32(frame + 34);
#endif
    if (nf_unlikely((nf_ld32(frame + 12) & 0xffffff) != 0x450008)) /* ethertype, version, IHL */
        return 0;
    if (nf_unlikely(nf_ld32(frame + 20) & 0xff3f)) /* of the fragment word all but DF and RF */
        return 0;
    if (nf_unlikely((nf_be32(frame + 14) & 0xffff) < needs)) /* the total length */
        return 0;
    if (nf_unlikely(length < NF_PLAIN_L3 + needs))
        return 0;
    if (writes) { /* over UDP 0xffff is an ordinary value: no sum is sent as 0 */
        if (nf_unlikely(nf_ld16(frame + 24) == 0xffff))
            return 0;
        if (nf_unlikely(nf_ld16(frame + 50) == 0xffff) && proto == 6)
            return 0;
    }
    return 1;
}

/* The extension headers of an IPv6 packet from h->l4 on: 1 unless one is not inside h->end. */
NF_CALL u32 nf_walk_extensions(nf_head *h, u32 *proto, u32 *fragment)
{
    const u8 *frame = h->frame;
    u32 at = h->l4;
    for (u32 i = 0; i < 8; i++) {
        if (*proto != 0 && *proto != 43 && *proto != 44 && *proto != 60)
            break;
        if (at + 8 > h->end)
            return 0;
        u32 length = *proto == 44 ? 8 : (frame[at + 1] + 1u) * 8;
        if (at + length > h->end)
            return 0;
        if (*proto == 44)
            *fragment |= nf_be16(frame + at + 2);
        h->proto_at = (u16)at;
        *proto = frame[at];
        at += length;
        if (*fragment & 0xfff8) /* a later fragment: what follows is anything */
            break;
    }
    h->l4 = (u16)at;
    return 1;
}

/* Any frame: NF_PARSED with all of h set (iface 0), or NF_MALFORMED (decision 18). A frame that is
 * neither IPv4 nor IPv6 after at most two tags is NF_PARSED, with neither in h->bits. */
NF_CALL i32 nf_parse(nf_head *h, u8 *frame, u32 length)
{
    if (length < 14)
        return NF_MALFORMED;
    u32 type = nf_be16(frame + 12), at = 14, bits = NF_LINK;
    if (type == 0x8100 || type == 0x88a8) {
        if (length < 18)
            return NF_MALFORMED;
        bits |= NF_VLAN;
        type = nf_be16(frame + 16);
        at = 18;
        if (type == 0x8100 || type == 0x88a8) {
            if (length < 22)
                return NF_MALFORMED;
            type = nf_be16(frame + 20);
            at = 22;
        }
    }
    h->a = h->b = 0;
    h->iface = 0;
    h->frame = frame;
    h->length = length;
    h->type_at = (u16)(at - 2);
    h->l3 = h->l4 = h->payload = h->proto_at = (u16)at;
    h->end = at;
    h->bits = (u8)bits;
    u8 *ip = frame + at;
    u32 room = length - at, proto, later, fragment = 0, icmp;
    if (type == 0x0800) {
        if (room < 20 || ip[0] < 0x45 || ip[0] > 0x4f)
            return NF_MALFORMED;
        u32 header = (ip[0] & 15) * 4u, size = nf_be16(ip + 2);
        if (size < header || room < header)
            return NF_MALFORMED;
        h->end = at + (size < room ? size : room);
        h->l4 = (u16)(at + header);
        h->proto_at = (u16)(at + 9);
        h->a = nf_ld64(ip + 12);
        fragment = nf_be16(ip + 6);
        later = fragment & 0x1fff;
        bits |= NF_IP4 | (fragment & 0x3fff ? NF_FRAG : 0);
        proto = ip[9];
        icmp = 1;
    } else if (type == 0x86dd) {
        if (room < 40 || ip[0] >> 4 != 6)
            return NF_MALFORMED;
        u32 size = nf_be16(ip + 4) + 40u;
        h->end = at + (size < room ? size : room);
        h->l4 = (u16)(at + 40);
        h->proto_at = (u16)(at + 6);
        proto = ip[6];
        if (!nf_walk_extensions(h, &proto, &fragment))
            return NF_MALFORMED;
        later = fragment >> 3;
        bits |= NF_IP6 | (fragment & 0xfff9 ? NF_FRAG : 0);
        icmp = 58;
    } else {
        return NF_PARSED;
    }

    u32 header = 0;
    u8 *l4 = frame + h->l4;
    room = h->end - h->l4;
    h->b = (u64)proto << 32;
    if (later) {
    } else if (proto == 6) {
        if (room < 20 || l4[12] < 0x50)
            return NF_MALFORMED;
        header = (u32)(l4[12] >> 4) * 4;
        bits |= NF_TCP;
        h->b |= nf_ld32(l4);
    } else if (proto == 17) {
        header = 8;
        bits |= NF_UDP;
    } else if (proto == icmp) {
        header = 8;
        bits |= NF_ICMP;
    }
    if (room < header)
        return NF_MALFORMED;
    if (bits & NF_UDP)
        h->b |= nf_ld32(l4);
    h->payload = (u16)(h->l4 + header);
    h->bits = (u8)bits;
    return NF_PARSED;
}

/* Sets what nf_parse_fast left out, of a frame that it took; a, b and iface stay. */
NF_CALL void nf_complete(nf_head *h)
{
    u64 a = h->a, b = h->b;
    u16 iface = h->iface;
    nf_parse(h, h->frame, h->length);
    h->a = a;
    h->b = b;
    h->iface = iface;
}

#endif
