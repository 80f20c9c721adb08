/* A packet's fields, in host order, as they came in; the flow fields as they are now.
 *
 * `fast` is a constant: 1 for a head that nf_parse_fast took, whose offsets are constants. A field
 * whose header is absent is 0, and so is every field of a dummy. */
#ifndef NF_FIELDS_H
#define NF_FIELDS_H
#include "nf_parse.h"

/* 1 iff the frame, as it came in, has any of the headers (a constant mask). */
NF_INL u32 nf_has(const nf_head *h, const u32 fast, const u32 headers)
{
    if (!fast)
        return (h->bits & headers) != 0;
    if (headers & (NF_LINK | NF_IP4) || (headers & NF_TCP && headers & NF_UDP))
        return 1;
    if (headers & NF_TCP)
        return h->frame[23] == 6;
    if (headers & NF_UDP)
        return h->frame[23] == 17;
    return 0;
}

NF_INL u32 nf_sip(const nf_head *h, const u32 fast)
{
    (void)fast;
    return nf_swap32((u32)h->a);
}

NF_INL u32 nf_dip(const nf_head *h, const u32 fast)
{
    (void)fast;
    return nf_swap32((u32)(h->a >> 32));
}

NF_INL u32 nf_sport(const nf_head *h, const u32 fast)
{
    (void)fast;
    return nf_swap16((u16)h->b);
}

NF_INL u32 nf_dport(const nf_head *h, const u32 fast)
{
    (void)fast;
    return nf_swap16((u16)(h->b >> 16));
}

NF_INL u32 nf_proto(const nf_head *h, const u32 fast) { (void)fast; return (u8)(h->b >> 32); }
NF_INL u32 nf_iface(const nf_head *h, const u32 fast) { (void)fast; return h->iface; }

/* Writes of flow fields: into the head only, until nf_put_flow. */
NF_INL void nf_set_sip(nf_head *h, const u32 fast, u32 value)
{
    if (fast || h->bits & NF_IP4)
        h->a = (h->a & 0xffffffff00000000) | nf_swap32(value);
}

NF_INL void nf_set_dip(nf_head *h, const u32 fast, u32 value)
{
    if (fast || h->bits & NF_IP4)
        h->a = (u32)h->a | (u64)nf_swap32(value) << 32;
}

NF_INL void nf_set_sport(nf_head *h, const u32 fast, u32 value)
{
    if (fast || h->bits & (NF_TCP | NF_UDP))
        h->b = (h->b & 0xffffffffffff0000) | nf_swap16((u16)value);
}

NF_INL void nf_set_dport(nf_head *h, const u32 fast, u32 value)
{
    if (fast || h->bits & (NF_TCP | NF_UDP))
        h->b = (h->b & 0xffffffff0000ffff) | (u64)nf_swap16((u16)value) << 16;
}

NF_INL void nf_set_proto(nf_head *h, const u32 fast, u32 value)
{
    if (fast || h->bits & (NF_IP4 | NF_IP6))
        h->b = (u32)h->b | (u64)(u8)value << 32;
}

NF_INL u64 nf_dmac(const nf_head *h, const u32 fast)
{
    if (!nf_has(h, fast, NF_LINK))
        return 0;
    return (u64)nf_be32(h->frame) << 16 | nf_be16(h->frame + 4);
}

NF_INL u64 nf_smac(const nf_head *h, const u32 fast)
{
    if (!nf_has(h, fast, NF_LINK))
        return 0;
    return (u64)nf_be16(h->frame + 6) << 32 | nf_be32(h->frame + 8);
}

NF_INL u32 nf_ethertype(const nf_head *h, const u32 fast)
{
    if (fast)
        return 0x0800;
    return h->bits & NF_LINK ? nf_be16(h->frame + h->type_at) : 0;
}

NF_INL u32 nf_vlan(const nf_head *h, const u32 fast)
{
    return nf_has(h, fast, NF_VLAN) ? nf_be16(h->frame + 14) & 0xfffu : 0;
}

NF_INL u32 nf_IP4(const nf_head *h, const u32 fast) { return nf_has(h, fast, NF_IP4); }
NF_INL u32 nf_IP6(const nf_head *h, const u32 fast) { return nf_has(h, fast, NF_IP6); }
NF_INL u32 nf_L4(const nf_head *h, const u32 fast)
{
    return nf_has(h, fast, NF_TCP | NF_UDP | NF_ICMP);
}

NF_INL u32 nf_FRAG(const nf_head *h, const u32 fast) { return nf_has(h, fast, NF_FRAG); }

/* The port of VXLAN (RFC 7348). */
enum { NF_VXLAN_PORT = 4789 };

/* 1 iff a VXLAN header with a VNI stands behind the frame's UDP header. */
NF_INL u32 nf_has_vni(const nf_head *h, const u32 fast)
{
    const u8 *frame = h->frame;
    if (fast)
        return frame[23] == 17 && nf_be16(frame + 36) == NF_VXLAN_PORT && frame[42] & 8
               && nf_be16(frame + 16) >= 36;
    const u8 *l4 = frame + h->l4;
    return h->bits & NF_UDP && h->end - h->l4 >= 16 && nf_be16(l4 + 2) == NF_VXLAN_PORT
           && l4[8] & 8;
}

NF_INL u32 nf_vni(const nf_head *h, const u32 fast)
{
    if (!nf_has_vni(h, fast))
        return 0;
    return nf_be32(h->frame + (fast ? NF_PLAIN_L4 : h->l4) + 12) >> 8;
}

NF_INL u32 nf_ttl(const nf_head *h, const u32 fast)
{
    if (fast)
        return h->frame[22];
    if (h->bits & NF_IP4)
        return h->frame[h->l3 + 8];
    return h->bits & NF_IP6 ? h->frame[h->l3 + 7] : 0;
}

NF_INL u32 nf_tos(const nf_head *h, const u32 fast)
{
    if (fast)
        return h->frame[15];
    if (h->bits & NF_IP4)
        return h->frame[h->l3 + 1];
    return h->bits & NF_IP6 ? nf_be16(h->frame + h->l3) >> 4 & 0xffu : 0;
}

NF_INL u32 nf_iplen(const nf_head *h, const u32 fast)
{
    if (fast)
        return nf_be16(h->frame + 16);
    return h->bits & NF_IP4 ? nf_be16(h->frame + h->l3 + 2) : 0;
}

/* Of the whole IP packet, as its header says. */
NF_INL u32 nf_size(const nf_head *h, const u32 fast)
{
    if (!fast && h->bits & NF_IP6)
        return nf_be16(h->frame + h->l3 + 4) + 40u;
    return nf_iplen(h, fast);
}

NF_INL u32 nf_ip_id(const nf_head *h, const u32 fast)
{
    if (fast)
        return nf_be16(h->frame + 18);
    return h->bits & NF_IP4 ? nf_be16(h->frame + h->l3 + 4) : 0;
}

NF_INL u128 nf_sip6(const nf_head *h, const u32 fast)
{
    return nf_has(h, fast, NF_IP6) ? nf_be128(h->frame + h->l3 + 8) : 0;
}

NF_INL u128 nf_dip6(const nf_head *h, const u32 fast)
{
    return nf_has(h, fast, NF_IP6) ? nf_be128(h->frame + h->l3 + 24) : 0;
}

/* A field at offset `at` of the TCP header: a plain UDP frame has these bytes as well, unused. */
NF_INL u32 nf_tcp8(const nf_head *h, const u32 fast, const u32 at)
{
    if (fast)
        return h->frame[NF_PLAIN_L4 + at] & (0u - (u32)(h->frame[23] == 6));
    return h->bits & NF_TCP ? h->frame[h->l4 + at] : 0;
}

NF_INL u32 nf_tcp16(const nf_head *h, const u32 fast, const u32 at)
{
    if (fast)
        return nf_be16(h->frame + NF_PLAIN_L4 + at) & (0u - (u32)(h->frame[23] == 6));
    return h->bits & NF_TCP ? nf_be16(h->frame + h->l4 + at) : 0;
}

NF_INL u32 nf_tcp32(const nf_head *h, const u32 fast, const u32 at)
{
    if (fast)
        return nf_be32(h->frame + NF_PLAIN_L4 + at) & (0u - (u32)(h->frame[23] == 6));
    return h->bits & NF_TCP ? nf_be32(h->frame + h->l4 + at) : 0;
}

NF_INL u32 nf_seq(const nf_head *h, const u32 fast) { return nf_tcp32(h, fast, 4); }
NF_INL u32 nf_ack_no(const nf_head *h, const u32 fast) { return nf_tcp32(h, fast, 8); }
NF_INL u32 nf_window(const nf_head *h, const u32 fast) { return nf_tcp16(h, fast, 14); }
NF_INL u32 nf_flag_fin(const nf_head *h, const u32 fast) { return nf_tcp8(h, fast, 13) & 1; }
NF_INL u32 nf_flag_syn(const nf_head *h, const u32 fast) { return nf_tcp8(h, fast, 13) >> 1 & 1; }
NF_INL u32 nf_flag_rst(const nf_head *h, const u32 fast) { return nf_tcp8(h, fast, 13) >> 2 & 1; }
NF_INL u32 nf_flag_psh(const nf_head *h, const u32 fast) { return nf_tcp8(h, fast, 13) >> 3 & 1; }
NF_INL u32 nf_flag_ack(const nf_head *h, const u32 fast) { return nf_tcp8(h, fast, 13) >> 4 & 1; }
NF_INL u32 nf_flag_urg(const nf_head *h, const u32 fast) { return nf_tcp8(h, fast, 13) >> 5 & 1; }

NF_INL u32 nf_icmp_type(const nf_head *h, const u32 fast)
{
    return nf_has(h, fast, NF_ICMP) ? h->frame[h->l4] : 0;
}

NF_INL u32 nf_icmp_code(const nf_head *h, const u32 fast)
{
    return nf_has(h, fast, NF_ICMP) ? h->frame[h->l4 + 1] : 0;
}

NF_INL u32 nf_icmp_id(const nf_head *h, const u32 fast)
{
    return nf_has(h, fast, NF_ICMP) ? nf_be16(h->frame + h->l4 + 4) : 0;
}

NF_INL u32 nf_icmp_seq(const nf_head *h, const u32 fast)
{
    return nf_has(h, fast, NF_ICMP) ? nf_be16(h->frame + h->l4 + 6) : 0;
}

/* A plain frame's payload: where it begins, given the IP protocol of the frame as it came in. */
NF_INL u32 nf_plain_payload(const u8 *frame, u32 tcp)
{
    return NF_PLAIN_L4 + (tcp ? (frame[46] & 0xf0u) >> 2 : 8);
}

/* What follows the L4 header up to the IP length or the capture's end; never NULL. */
NF_INL nf_slice nf_payload_of(const nf_head *h, const u32 fast)
{
    if (fast) {
        u32 at = nf_plain_payload(h->frame, h->frame[23] == 6);
        u32 end = NF_PLAIN_L3 + nf_be16(h->frame + 16);
        end = end < h->length ? end : h->length;
        return (nf_slice){h->frame + at, end - at};
    }
    if (!(h->bits & (NF_IP4 | NF_IP6)))
        return (nf_slice){(const u8 *)"", 0};
    return (nf_slice){h->frame + h->payload, h->end - h->payload};
}

#endif
