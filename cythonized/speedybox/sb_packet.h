/* Packet descriptors: fields read and written, headers put in front and taken off, as the language's
 * `f[field]`, `push` and `pop` do (docs/semantics.md). A packet is written back once. */
#ifndef SB_PACKET_H
#define SB_PACKET_H
#include "nf_core.h"
#include "nf_math.h"
#include "nf_ops.h"
#include "nf_mat.h"
#include "nf_wrap.h"

/* Fields. The first ones can be written; an absent header's are 0, and stay. */
typedef enum sb_field {
    SB_SIP, SB_DIP, SB_SPORT, SB_DPORT, SB_TTL, SB_TOS, SB_SMAC, SB_DMAC,
    SB_WRITABLE,
    SB_PROTO = SB_WRITABLE, SB_SIZE, SB_FLAGS, SB_VLAN, SB_VNI,
    SB_FIELDS
} sb_field;

/* Headers, with their arguments: VLAN (vid), IPIP (sip, dip), VXLAN (sip, dip, vni). */
typedef enum sb_header { SB_HEADER_IPIP = NF_IPIP, SB_HEADER_VXLAN = NF_VXLAN, SB_HEADER_VLAN } sb_header;

typedef struct sb_box sb_box;
typedef struct sb_flow sb_flow;

typedef struct sb_packet {
    nf_head head;      /* the frame as it came in, or as it was last parsed; the flow fields as now */
    nf_wraps wraps;
    u32 written;       /* bits of fields that were */
    u32 tos_ttl;       /* ttl | tos << 8 */
    u64 smac, dmac;
    nf_slice payload;  /* as now, once it was written */
    u8 payload_written;
    u8 dropped;
    u8 port;           /* it came in by; its box says how many there are */
    u8 plain;          /* nf_parse_fast took it */
    u64 time;          /* ns */
    sb_box *box;
    /* While a flow's record serves it: what NF `nf` sees, before the flow's operation `position`. */
    const sb_flow *served;
    struct sb_packet *shadow; /* the packet as it is there, if headers were put before it */
    u32 position, nf;
    i32 fid;           /* SB_NO_FLOW: nothing is recorded */
} sb_packet;

/* The paper's name of it. */
typedef sb_packet packet_descriptor;

enum { SB_NO_FLOW = -1, SB_UNASKED = -2 };

static nf_core *sb_core(sb_box *box);
static sb_packet *sb_seen(sb_packet *p, u32 field, u64 *value);

/* Reading ------------------------------------------------------------------------------------- */

/* What nobody has written comes from the frame. */
static u64 sb_read(const sb_packet *p, sb_field field) {
    const nf_head *h = &p->head;
    switch (field) {
    case SB_SIP: return nf_sip(h, 0);
    case SB_DIP: return nf_dip(h, 0);
    case SB_SPORT: return nf_sport(h, 0);
    case SB_DPORT: return nf_dport(h, 0);
    case SB_PROTO: return nf_proto(h, 0);
    case SB_SIZE: return nf_size(h, 0);
    case SB_FLAGS: return nf_tcp8(h, 0, 13) & 0x3f;
    case SB_VLAN: return nf_vlan(h, 0);
    case SB_VNI: return nf_vni(h, 0);
    case SB_TTL: return p->written >> SB_TTL & 1 ? p->tos_ttl & 0xff : nf_ttl(h, 0);
    case SB_TOS: return p->written >> SB_TOS & 1 ? p->tos_ttl >> 8 : nf_tos(h, 0);
    case SB_SMAC: return p->written >> SB_SMAC & 1 ? p->smac : nf_smac(h, 0);
    case SB_DMAC: return p->written >> SB_DMAC & 1 ? p->dmac : nf_dmac(h, 0);
    case SB_FIELDS: break;
    }
    return 0;
}

/* A field as it is for the NF that asks. */
static inline __attribute__((unused)) u64 sb_get(sb_packet *p, sb_field field) {
    u64 value;
    sb_packet *at = p->served ? sb_seen(p, field, &value) : p;
    return at ? sb_read(at, field) : value;
}

/* The headers that it has for the NF that asks: NF_IP4, NF_TCP, NF_FRAG and others. */
static inline __attribute__((unused)) u32 sb_headers(sb_packet *p) {
    return (p->served ? sb_seen(p, SB_FIELDS, NULL) : p)->head.bits;
}

/* The payload as it is for the NF that asks; good until it is written. */
static inline __attribute__((unused)) nf_slice sb_payload(sb_packet *p) {
    sb_packet *at = p->served ? sb_seen(p, SB_FIELDS, NULL) : p;
    return at->payload_written ? at->payload : nf_payload_of(&at->head, 0);
}

/* Writing ------------------------------------------------------------------------------------- */

/* What a field of that width holds of a value. */
static u64 sb_cut(sb_field field, u64 value) {
    static const u64 masks[SB_WRITABLE] = {
        0xffffffff, 0xffffffff, 0xffff, 0xffff, 0xff, 0xff, 0xffffffffffff, 0xffffffffffff,
    };
    return value & masks[field];
}

static __attribute__((unused)) void sb_set(sb_packet *p, sb_field field, u64 value) {
    nf_head *h = &p->head;
    if (field >= SB_WRITABLE)
        return;
    value = sb_cut(field, value);
    switch (field) {
    case SB_SIP: nf_set_sip(h, 0, (u32)value); break;
    case SB_DIP: nf_set_dip(h, 0, (u32)value); break;
    case SB_SPORT: nf_set_sport(h, 0, (u32)value); break;
    case SB_DPORT: nf_set_dport(h, 0, (u32)value); break;
    case SB_TTL: p->tos_ttl = (p->tos_ttl & 0xff00) | (u32)value; break;
    case SB_TOS: p->tos_ttl = (p->tos_ttl & 0xff) | (u32)value << 8; break;
    case SB_SMAC: p->smac = value; break;
    case SB_DMAC: p->dmac = value; break;
    default: return;
    }
    p->written |= 1u << field;
}

/* The packet's fate. What an NF does to it after this is done to nobody. */
static inline __attribute__((unused)) void sb_drop(sb_packet *p) {
    p->dropped = 1;
}

/* The payload to be written to, as many bytes as sb_payload has; NULL: no memory. */
static __attribute__((unused)) u8 *sb_payload_to_write(sb_packet *p) {
    nf_slice now = p->payload_written ? p->payload : nf_payload_of(&p->head, 0);
    if (!p->payload_written) {
        u8 *copy = nf_arena_take(&sb_core(p->box)->scratch, now.length + 1);
        if (!copy) {
            sb_core(p->box)->error = NF_NO_MEMORY;
            return NULL;
        }
        if (now.length)
            memcpy(copy, now.data, now.length);
        p->payload = (nf_slice){copy, now.length};
        p->payload_written = 1;
    }
    return (u8 *)p->payload.data;
}

/* Addresses that were written, into a link header like the packet's. */
static void sb_put_link(const sb_packet *p, nf_rewrite *rw, u8 *out) {
    if (p->written >> SB_SMAC & 1)
        nf_put_smac(rw, out, &p->head, 0, p->smac);
    if (p->written >> SB_DMAC & 1)
        nf_put_dmac(rw, out, &p->head, 0, p->dmac);
}

/* What was written goes into `out`, the frame or a copy of it. */
static void sb_write_back(const sb_packet *p, u8 *out) {
    if (!p->written && !p->payload_written)
        return;
    const nf_head *h = &p->head;
    const u32 which = p->written & (NF_W_SIP | NF_W_DIP | NF_W_SPORT | NF_W_DPORT);
    nf_rewrite rw;
    nf_rewrite_begin(&rw, out, h, 0);
    sb_put_link(p, &rw, out);
    if (p->written >> SB_TTL & 1)
        nf_put_ttl(&rw, out, h, 0, p->tos_ttl & 0xff);
    if (p->written >> SB_TOS & 1)
        nf_put_tos(&rw, out, h, 0, p->tos_ttl >> 8);
    if (which)
        nf_put_flow(&rw, out, h, 0, NF_W_SIP | NF_W_DIP | NF_W_SPORT | NF_W_DPORT);
    if (p->payload_written)
        nf_put_payload(&rw, out, h, 0, p->payload);
    nf_rewrite_end(&rw, out, h, 0, NF_COVERS_IP4 | NF_COVERS_L4);
}
_Static_assert(1 << SB_SIP == NF_W_SIP && 1 << SB_DPORT == NF_W_DPORT, "bits of flow fields");

/* Headers ------------------------------------------------------------------------------------- */

/* 1 if the packet drops for good by what became of a header. */
static u32 sb_not_wrapped(sb_packet *p, i32 found) {
    if (found == NF_IGNORED)
        return 0;
    sb_core(p->box)->counters[found]++;
    p->dropped = 1;
    return 1;
}

static void sb_out_of_memory(sb_packet *p) {
    sb_core(p->box)->error = NF_NO_MEMORY;
    p->dropped = 1;
}

static void sb_push(sb_packet *p, sb_header kind, u32 sip, u32 dip, u32 vni) {
    i32 found = nf_push_may(&p->wraps, &p->head, kind);
    if (found != NF_WRAPPED) {
        sb_not_wrapped(p, found);
        return;
    }
    nf_core *core = sb_core(p->box);
    u8 *frame = nf_wrap_room(core, nf_outer(kind) + p->head.length);
    sb_packet *under = (sb_packet *)nf_arena_take(&core->scratch, sizeof *under);
    if (!frame || !under) {
        sb_out_of_memory(p);
        return;
    }
    frame += nf_outer(kind);
    memcpy(frame, p->head.frame, p->head.length);
    sb_write_back(p, frame);
    *under = *p;
    under->wraps.own = 0;
    found = nf_push_header(&p->head, frame, kind, sip, dip, vni);
    if (found != NF_WRAPPED) {
        sb_not_wrapped(p, found);
        return;
    }
    p->wraps = (nf_wraps){under, p->wraps.tunnels + 1, 1};
    p->written = 0;
    p->payload_written = 0;
}

/* A header in front: `push` of the language. */
static __attribute__((unused)) void sb_encap(sb_packet *p, sb_header kind, u64 a, u64 b, u64 c) {
    if (kind != SB_HEADER_VLAN) {
        sb_push(p, kind, (u32)a, (u32)b, (u32)c & 0xffffff);
        return;
    }
    i32 found = nf_push_tag_may(&p->head);
    if (found != NF_WRAPPED)
        sb_not_wrapped(p, found);
    else if (nf_own(sb_core(p->box), &p->wraps, &p->head))
        sb_out_of_memory(p);
    else
        nf_push_tag(&p->head, (u32)a);
}

/* What is in the packet's tunnel, as it was before it was put there, but for the link header. */
static void sb_back(sb_packet *p, sb_header kind) {
    const sb_packet *under = p->wraps.under;
    sb_packet back = *p;
    back.head = under->head;
    back.written = under->written;
    back.tos_ttl = under->tos_ttl;
    back.payload = under->payload;
    back.payload_written = under->payload_written;
    if (kind == SB_HEADER_IPIP) {
        nf_rewrite rw;
        u8 *frame = nf_pop_ipip_under(sb_core(p->box), &p->head, &under->head, &back.head);
        if (!frame) {
            sb_out_of_memory(p);
            return;
        }
        nf_rewrite_begin(&rw, frame, &p->head, 0);
        sb_put_link(p, &rw, frame);
        back.head.frame = frame;
        back.written &= ~(1u << SB_SMAC | 1u << SB_DMAC);
        back.head.a = under->head.a;
        back.head.b = under->head.b;
    } else {
        back.smac = under->smac;
        back.dmac = under->dmac;
    }
    back.wraps = (nf_wraps){under->wraps.under, p->wraps.tunnels + 1, kind == SB_HEADER_IPIP};
    *p = back;
}

/* A header off: `pop` of the language. */
static __attribute__((unused)) void sb_decap(sb_packet *p, sb_header kind) {
    nf_core *core = sb_core(p->box);
    if (kind == SB_HEADER_VLAN) {
        i32 found = nf_pop_tag_may(&p->head);
        if (found != NF_WRAPPED)
            sb_not_wrapped(p, found);
        else if (nf_own(core, &p->wraps, &p->head))
            sb_out_of_memory(p);
        else
            nf_pop_tag(&p->head);
        return;
    }
    i32 found = nf_pop_may(&p->wraps, &p->head, kind);
    if (found != NF_WRAPPED) {
        sb_not_wrapped(p, found);
        return;
    }
    nf_slice payload = nf_payload_of(&p->head, 0);
    u32 same = !p->payload_written || nf_same_bytes(p->payload, payload);
    if (p->wraps.under && same) {
        sb_back(p, kind);
        return;
    }
    payload = p->payload_written ? p->payload : payload;
    u8 *frame = (u8 *)payload.data + 8;
    u32 length = (u32)payload.length - 8;
    if (kind == SB_HEADER_IPIP) {
        nf_rewrite rw;
        frame = nf_pop_ipip_frame(core, &p->head, payload, &length);
        if (!frame) {
            sb_out_of_memory(p);
            return;
        }
        nf_rewrite_begin(&rw, frame, &p->head, 0);
        sb_put_link(p, &rw, frame);
    }
    found = nf_popped(&p->head, frame, length, kind);
    if (found != NF_WRAPPED) {
        sb_not_wrapped(p, found);
        return;
    }
    p->wraps = (nf_wraps){NULL, p->wraps.tunnels + 1, kind == SB_HEADER_IPIP};
    p->written = 0;
    p->payload_written = 0;
}

#endif
