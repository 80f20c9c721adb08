/* A frame written back: the fields that differ, and the checksums that cover them (RFC 1624).
 *
 * `out` is the frame (rewritten in place) or a copy of it, whole. Between nf_rewrite_begin and
 * nf_rewrite_end come the nf_put_FIELD of those fields that can have been written, in any order,
 * the payload at most once; a field whose header is absent is left alone.
 *
 * Only if a checksum was 0xffff does it matter which words differ: then a copy of them is kept. */
#ifndef NF_DEPARSE_H
#define NF_DEPARSE_H
#include "nf_checksum.h"
#include "nf_fields.h"

/* Constant masks: the flow fields to write, and the checksums whose words can have changed. */
enum { NF_W_SIP = 1, NF_W_DIP = 2, NF_W_SPORT = 4, NF_W_DPORT = 8, NF_W_PROTO = 16 };
enum { NF_COVERS_IP4 = 1, NF_COVERS_L4 = 2 };

typedef struct nf_rewrite {
    u64 ip4, l4;   /* sums of the changes under the IPv4 and the L4 checksum */
    u32 tcp;       /* of a plain frame: all ones if it came in as TCP, else 0 */
    u32 end;       /* of a plain frame's payload as it came in */
    /* For checksums of 0xffff, not of plain frames: what they cover, as it came in. */
    u8 kept_ip4, kept_l4, payload_differs;
    u8 ip[40], transport[20];
} nf_rewrite;

/* What checksums of 0xffff cover is compared at the end; out's is rewritten by then. */
NF_CALL void nf_keep(nf_rewrite *rw, const u8 *out, const nf_head *h)
{
    u32 bits = h->bits;
    u32 header = bits & NF_TCP ? 20 : bits & NF_ICMP ? 8 : 0; /* UDP has no such special case */
    rw->kept_ip4 = bits & NF_IP4 && nf_ld16(out + h->l3 + 10) == 0xffff;
    rw->kept_l4 = header && nf_ld16(out + h->l4 + (bits & NF_TCP ? 16 : 2)) == 0xffff;
    /* Lengths are constants, for there is no memcpy in BPF. */
    if (rw->kept_l4 && header == 20)
        memcpy(rw->transport, out + h->l4, 20);
    else if (rw->kept_l4)
        memcpy(rw->transport, out + h->l4, 8);
    if (!rw->kept_ip4 && !rw->kept_l4)
        return;
    if (bits & NF_IP4)
        memcpy(rw->ip, out + h->l3, 20);
    else
        memcpy(rw->ip, out + h->l3, 40);
}

NF_INL void nf_rewrite_begin(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast)
{
    rw->ip4 = rw->l4 = 0;
    rw->kept_ip4 = rw->kept_l4 = rw->payload_differs = 0;
    if (fast) {
        u32 end = NF_PLAIN_L3 + nf_be16(out + 16);
        rw->tcp = 0u - (u32)(out[23] == 6);
        rw->end = end < h->length ? end : h->length;
    } else {
        nf_keep(rw, out, h);
    }
}

NF_INL void nf_put_dmac(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u64 value)
{
    (void)rw;
    if (nf_has(h, fast, NF_LINK)) {
        nf_put32(out, (u32)(value >> 16));
        nf_put16(out + 4, (u16)value);
    }
}

NF_INL void nf_put_smac(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u64 value)
{
    (void)rw;
    if (nf_has(h, fast, NF_LINK)) {
        nf_put16(out + 6, (u16)(value >> 32));
        nf_put32(out + 8, (u32)value);
    }
}

NF_INL void nf_put_ethertype(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    (void)rw;
    if (fast)
        nf_put16(out + 12, (u16)value);
    else if (h->bits & NF_LINK)
        nf_put16(out + h->type_at, (u16)value);
}

/* The outer tag's VID; its other bits stay. */
NF_INL void nf_put_vlan(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    (void)rw;
    if (nf_has(h, fast, NF_VLAN))
        nf_put16(out + 14, (u16)((out[14] & 0xf0u) << 8 | (value & 0xfff)));
}

NF_INL void nf_put_ttl(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (nf_has(h, fast, NF_IP4))
        rw->ip4 += nf_change8(out + (fast ? NF_PLAIN_L3 : h->l3) + 8, (u8)value, 0);
    else if (h->bits & NF_IP6)
        out[h->l3 + 7] = (u8)value;
}

NF_INL void nf_put_tos(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (nf_has(h, fast, NF_IP4)) {
        rw->ip4 += nf_change8(out + (fast ? NF_PLAIN_L3 : h->l3) + 1, (u8)value, 1);
    } else if (h->bits & NF_IP6) {
        u8 *ip = out + h->l3;
        ip[0] = (u8)(0x60 | (value >> 4 & 15));
        ip[1] = (u8)((value & 15) << 4 | (ip[1] & 15));
    }
}

NF_INL void nf_put_iplen(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (nf_has(h, fast, NF_IP4))
        rw->ip4 += nf_change16(out + (fast ? NF_PLAIN_L3 : h->l3) + 2, nf_swap16((u16)value));
}

NF_INL void nf_put_ip_id(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (nf_has(h, fast, NF_IP4))
        rw->ip4 += nf_change16(out + (fast ? NF_PLAIN_L3 : h->l3) + 4, nf_swap16((u16)value));
}

NF_CALL void nf_change_ip6(nf_rewrite *rw, u8 *at, u128 value)
{
    u8 bytes[16];
    nf_put128(bytes, value);
    for (u32 i = 0; i < 16; i += 4)
        rw->l4 += nf_change32(at + i, nf_ld32(bytes + i));
}

NF_INL void nf_put_sip6(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u128 value)
{
    if (nf_has(h, fast, NF_IP6))
        nf_change_ip6(rw, out + h->l3 + 8, value);
}

NF_INL void nf_put_dip6(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u128 value)
{
    if (nf_has(h, fast, NF_IP6))
        nf_change_ip6(rw, out + h->l3 + 24, value);
}

/* A plain frame has the bytes whatever its protocol: UDP's stay by a mask, not a branch. */
NF_INL void nf_put_tcp32(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, const u32 at,
                         u32 value)
{
    if (fast) {
        u32 old = nf_ld32(out + NF_PLAIN_L4 + at);
        value = old ^ ((old ^ nf_swap32(value)) & rw->tcp);
        rw->l4 += nf_change32(out + NF_PLAIN_L4 + at, value);
    } else if (h->bits & NF_TCP) {
        rw->l4 += nf_change32(out + h->l4 + at, nf_swap32(value));
    }
}

NF_INL void nf_put_seq(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    nf_put_tcp32(rw, out, h, fast, 4, value);
}

NF_INL void nf_put_ack_no(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    nf_put_tcp32(rw, out, h, fast, 8, value);
}

NF_INL void nf_put_window(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (fast) {
        u32 old = nf_ld16(out + 48);
        value = old ^ ((old ^ nf_swap16((u16)value)) & rw->tcp);
        rw->l4 += nf_change16(out + 48, (u16)value);
    } else if (h->bits & NF_TCP) {
        rw->l4 += nf_change16(out + h->l4 + 14, nf_swap16((u16)value));
    }
}

NF_INL void nf_put_flag(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, const u32 bit,
                        u32 value)
{
    u8 *at = out + (fast ? NF_PLAIN_L4 : h->l4) + 13;
    if (fast || h->bits & NF_TCP) {
        u32 mask = (fast ? rw->tcp : 0xff) & 1u << bit;
        rw->l4 += nf_change8(at, (u8)((*at & ~mask) | (value << bit & mask)), 1);
    }
}

#define NF_FLAG(name, bit)                                                                         \
    NF_INL void nf_put_flag_##name(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast,      \
                                   u32 value)                                                      \
    {                                                                                              \
        nf_put_flag(rw, out, h, fast, bit, value);                                                 \
    }
NF_FLAG(fin, 0)
NF_FLAG(syn, 1)
NF_FLAG(rst, 2)
NF_FLAG(psh, 3)
NF_FLAG(ack, 4)
NF_FLAG(urg, 5)
#undef NF_FLAG

NF_INL void nf_put_icmp_type(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (nf_has(h, fast, NF_ICMP))
        rw->l4 += nf_change8(out + h->l4, (u8)value, 0);
}

NF_INL void nf_put_icmp_code(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (nf_has(h, fast, NF_ICMP))
        rw->l4 += nf_change8(out + h->l4 + 1, (u8)value, 1);
}

NF_INL void nf_put_icmp_id(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (nf_has(h, fast, NF_ICMP))
        rw->l4 += nf_change16(out + h->l4 + 4, nf_swap16((u16)value));
}

NF_INL void nf_put_icmp_seq(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    if (nf_has(h, fast, NF_ICMP))
        rw->l4 += nf_change16(out + h->l4 + 6, nf_swap16((u16)value));
}

/* On no wire: `iplen` is. */
NF_INL void nf_put_size(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, u32 value)
{
    (void)rw, (void)out, (void)h, (void)fast, (void)value;
}

/* The first `covered` of the payload's bytes are under the checksum. */
NF_CALL u64 nf_change_payload(u8 *at, nf_slice value, u64 covered)
{
    u64 change = 0xffff - nf_sum(at, covered);
    change += nf_sum(value.data, covered);
    if (value.length)
        memmove(at, value.data, value.length);
    return change;
}

/* The slice may be (part of) `out`. One of another length than what came in is not written. */
NF_INL void nf_put_payload(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast,
                           nf_slice value)
{
    if (!fast && !(h->bits & (NF_IP4 | NF_IP6)))
        return;
    u32 start = fast ? nf_plain_payload(out, rw->tcp) : h->payload;
    u32 room = (fast ? rw->end : h->end) - start, covered = room;
    if (value.length != room)
        return;
    if (fast ? !rw->tcp : h->bits & NF_UDP) {
        /* The checksum covers what the UDP length says (RFC 768), if that is a length at all. */
        u32 length = nf_be16(out + (fast ? NF_PLAIN_L4 : h->l4) + 4);
        if (length >= 8 && length < covered + 8)
            covered = length - 8;
    }
    if (!fast && rw->kept_l4)
        rw->payload_differs = nf_differs(out + start, value.data, covered);
    rw->l4 += nf_change_payload(out + start, value, covered);
}

/* The flow fields named in `which` (a constant), from h->a and h->b. */
NF_INL void nf_put_flow(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast, const u32 which)
{
    if (fast || h->bits & NF_IP4) {
        u8 *ip = out + (fast ? NF_PLAIN_L3 : h->l3);
        u64 change = 0;
        if (which & NF_W_SIP)
            change += nf_change32(ip + 12, (u32)h->a);
        if (which & NF_W_DIP)
            change += nf_change32(ip + 16, (u32)(h->a >> 32));
        if (which & NF_W_PROTO) /* an odd byte in the header and in the pseudo header alike */
            change += nf_change8(ip + 9, (u8)(h->b >> 32), 1);
        rw->ip4 += change;
        if (fast || !(h->bits & NF_ICMP)) /* ICMP over IPv4 has no pseudo header */
            rw->l4 += change;
    } else if (which & NF_W_PROTO && h->bits & NF_IP6) {
        rw->l4 += nf_change8(out + h->proto_at, (u8)(h->b >> 32), 1);
    }
    if (which & (NF_W_SPORT | NF_W_DPORT) && (fast || h->bits & (NF_TCP | NF_UDP))) {
        u8 *l4 = out + (fast ? NF_PLAIN_L4 : h->l4);
        if ((which & (NF_W_SPORT | NF_W_DPORT)) == (NF_W_SPORT | NF_W_DPORT)) {
            rw->l4 += nf_change32(l4, (u32)h->b);
        } else {
            if (which & NF_W_SPORT)
                rw->l4 += nf_change16(l4, (u16)h->b);
            if (which & NF_W_DPORT)
                rw->l4 += nf_change16(l4 + 2, (u16)(h->b >> 16));
        }
    }
}

/* Whether any word under the L4 checksum went elsewhere than from 0xffff to 0. `proto` needs no
 * look: where it changes and the sum still comes out even, another word differs. */
NF_COLD u32 nf_l4_differs(const nf_rewrite *rw, const u8 *out, const nf_head *h)
{
    u32 bits = h->bits;
    if (rw->payload_differs || nf_differs(rw->transport, out + h->l4, bits & NF_TCP ? 20 : 8))
        return 1;
    if (bits & NF_IP6)
        return nf_differs(rw->ip + 8, out + h->l3 + 8, 32);
    if (bits & NF_ICMP)
        return 0;
    return nf_differs(rw->ip + 12, out + h->l3 + 12, 8);
}

NF_CALL void nf_rewrite_end_any(const nf_rewrite *rw, u8 *out, const nf_head *h)
{
    u32 bits = h->bits;
    /* Both are judged before a checksum is written. */
    u32 l4_differs = !rw->kept_l4 || nf_l4_differs(rw, out, h);
    if (bits & NF_IP4)
        nf_update(out + h->l3 + 10, rw->ip4,
                  !rw->kept_ip4 || nf_differs(rw->ip, out + h->l3, 20));
    if (bits & NF_TCP)
        nf_update(out + h->l4 + 16, rw->l4, l4_differs);
    if (bits & NF_ICMP)
        nf_update(out + h->l4 + 2, rw->l4, l4_differs);
    if (bits & NF_UDP) {
        u8 *at = out + h->l4 + 6;
        u16 old = nf_ld16(at), now = (u16)~nf_fold(rw->l4 + (u16)~old);
        if (old)
            nf_st16(at, now ? now : 0xffff);
    }
}

/* The checksums in `covers` (a constant) follow what was put. */
NF_INL void nf_rewrite_end(nf_rewrite *rw, u8 *out, const nf_head *h, const u32 fast,
                           const u32 covers)
{
    if (!fast) {
        if (covers)
            nf_rewrite_end_any(rw, out, h);
        return;
    }
    if (covers & NF_COVERS_IP4)
        nf_st16(out + 24, (u16)~nf_fold(rw->ip4 + (u16)~nf_ld16(out + 24)));
    if (covers & NF_COVERS_L4) {
        u8 *at = out + 40 + (rw->tcp & 10);
        u32 udp = ~rw->tcp & 0xffff;
        u32 old = nf_ld16(at), now = (u16)~nf_fold(rw->l4 + (u16)~old);
        now |= (0u - (u32)(now == 0)) & udp;  /* UDP sends a sum of 0 as 0xffff */
        now &= ~((0u - (u32)(old == 0)) & udp); /* and 0 means that there is none */
        nf_st16(at, (u16)now);
    }
}

#endif
