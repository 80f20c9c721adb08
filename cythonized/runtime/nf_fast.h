/* What generated fast paths need besides the Global MAT: direct references to the chain's entries,
 * changes of checksums that are known beforehand, events. */
#ifndef NF_FAST_H
#define NF_FAST_H
#include "nf_checksum.h"
#include "nf_core.h"
#include "nf_mat.h"

/* Records there are, packets that they served, records made, outdated by events, evicted. */
NF_INL void nf_mat_counts(const nf_mat *m, u64 *out) {
    const u64 counts[5] = {m->table.count, m->served, m->recorded, m->outdated, m->evicted};
    memcpy(out, counts, sizeof counts);
}

enum { NF_FAST_SLOW = -2 }; /* no path of a record's class serves the packet */

/* The value part of a key's slot if `hint` is where it stands, else NULL. A hint may be any address
 * where the table, or one before it of slots as large, once had that slot. While a table grows, keys
 * that moved are still to be seen where they were. */
NF_INL void *nf_hinted(const nf_table *t, u8 *hint, const u64 *key, const u32 words, const u32 slot) {
    static_assert(NF_PAGE % 64 == 0, "slots of a power of two begin at multiples of it");
    (void)slot;
    if (nf_unlikely((u64)(hint - t->base) >= t->region.bytes || t->young_base))
        return NULL;
    return nf_likely(nf_key_equal(hint, key, words)) ? hint + 8 * words : NULL;
}

/* Where a value part's slot begins; of NULL anything that is no slot. */
NF_INL u8 *nf_hint(void *value, const u32 words, void *none) {
    return value ? (u8 *)value - 8 * words : (u8 *)none;
}

NF_INL u8 *nf_pointer(const u8 *at) { return *(u8 *const *)at; }
NF_INL void nf_fetch(const u8 *hint) { __builtin_prefetch(hint, 1, 3); }

/* How a sum changes with a word of it (nf_checksum.h). */
NF_INL u64 nf_delta32(u32 old, u32 value) { return (u32)~old + (u64)value; }
NF_INL u64 nf_delta16(u16 old, u16 value) { return (u16)~old + (u64)value; }

/* The event of a variable at a key with this hash. */
NF_INL u64 nf_event_of(u32 variable, u64 hash) {
    return hash + variable * 0x9E3779B97F4A7C15ULL;
}

/* Addresses and ports as they stand in a frame from byte 26 on; with `rest` behind them the packed
 * key of a flow, as the chain's tables have it. */
typedef struct nf_image {
    u32 sip, dip;
    u16 sport, dport;
    u32 rest;
} nf_image;
enum { NF_IMAGE_BYTES = 12 };

NF_INL u32 nf_image_rest(u64 b) { return (u32)(b >> 32) | 1u << 31; }

NF_INL void nf_put_image(u8 *frame, const nf_image *image) {
    memcpy(frame + 26, image, NF_IMAGE_BYTES);
}

/* What the head's `more` says: whether a packet goes out, and where its L4 checksum stands. */
NF_INL u16 nf_more(u32 out, u64 b) { return (u16)(out | ((u32)(b >> 32) == 6 ? 50 : 40) << 8); }
NF_INL u32 nf_goes_out(const nf_mat_head *r) { return (u8)r->more; }

/* A checksum less the change of what it covers (RFC 1624): never 0xffff but of 0xffff by 0. */
NF_INL u16 nf_less(u16 sum, u16 change) {
    u16 less;
    const u16 borrow = __builtin_sub_overflow(sum, change, &less);
    return (u16)(less - borrow);
}

/* Addresses and ports as recorded, into a plain frame, and its checksums by what is recorded: equal
 * to nf_put_flow and nf_rewrite_end. */
NF_INL void nf_put_record(u8 *frame, const nf_mat_head *r, const nf_image *image) {
    u8 *at = frame + (r->more >> 8);
    const u16 udp = r->more >> 8 == 40, ip4 = nf_ld16(frame + 24), l4 = nf_ld16(at);
    nf_put_image(frame, image);
    nf_st16(frame + 24, nf_less(ip4, r->ip));
    /* UDP: 0 means that there is no sum, and a sum of 0 is sent as 0xffff. */
    const u16 sum = (u16)(nf_less((u16)(l4 - udp), r->l4) + udp);
    nf_st16(at, sum & (u16)(0 - (u32)((l4 | !udp) != 0)));
}

NF_INL u8 *nf_either(u32 first, u8 *a, u8 *b) {
    return __builtin_expect_with_probability(first != 0, 1, 0.5) ? a : b;
}

/* The same record but for its epoch? */
NF_INL u32 nf_same_record(const nf_mat_head *a, const nf_mat_head *b, const u32 bytes) {
    return !memcmp((const u8 *)a + 4, (const u8 *)b + 4, bytes - 4);
}

NF_INL void nf_fill_record(nf_mat_head *r, const nf_mat_head *from, const u32 bytes) {
    memcpy((u8 *)r + 4, (const u8 *)from + 4, bytes - 4);
}

/* Whether recording pays: where events outdate records before these serve, packets go through the
 * chain alone for a while, and longer each time. */
typedef struct nf_judge {
    u64 seen, made, served, outdated; /* packets since it was judged last; what the MAT counted then */
    u64 rest, resting;                /* how long it rested last; packets that it is to rest yet */
    u32 epoch;
} nf_judge;
#ifndef NF_JUDGED
#define NF_JUDGED 4096u /* packets after which it is judged */
#define NF_REST 16384u  /* packets of the first rest */
#endif
#define NF_REST_MOST (1u << 18)

NF_COLD void nf_judge_now(nf_judge *j, nf_mat *m) {
    const u64 made = m->recorded - j->made, served = m->served - j->served;
    const u32 bumped = m->epoch != j->epoch;
    if ((bumped && served < made) || m->outdated - j->outdated > served) {
        j->rest = j->rest >= NF_REST_MOST / 2 ? NF_REST_MOST : j->rest ? 2 * j->rest : NF_REST;
        j->resting = j->rest;
        nf_mat_outdate_all(m); /* packets of a flow write what its record rests on, and tell nobody */
    } else {
        j->rest = 0;
    }
    j->seen = 0;
    j->made = m->recorded;
    j->served = m->served;
    j->outdated = m->outdated;
    j->epoch = m->epoch;
}

NF_INL void nf_judge_after(nf_judge *j, nf_mat *m, u64 packets) {
    j->seen += packets;
    if (nf_unlikely(j->seen >= NF_JUDGED))
        nf_judge_now(j, m);
}

/* The frames that came out so far, and the first one after `before` of them, or NULL. */
NF_INL u32 nf_sent_count(const nf_core *core) { return core->sent.count; }

NF_INL u8 *nf_sent_first(const nf_core *core, u32 before, u32 *length) {
    if (core->sent.count <= before)
        return NULL;
    *length = core->sent.items[before].length;
    return core->sent.items[before].data;
}

#endif
