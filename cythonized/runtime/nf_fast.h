/* What generated fast paths need besides the Global MAT: direct references to the chain's entries,
 * changes of checksums that are known beforehand, events. */
#ifndef NF_FAST_H
#define NF_FAST_H
#include "nf_checksum.h"
#include "nf_core.h"
#include "nf_mat.h"

enum { NF_FAST_SLOW = -2 }; /* no path of a record's class serves the packet */

/* The value part of a key's slot if `hint` is where it stands, else NULL. A hint may be any address
 * where the table, or one before it of slots as large, once had that slot. While a table grows, keys
 * that moved are still to be seen where they were. */
NF_INL void *nf_hinted(const nf_table *t, u8 *hint, const u64 *key, const u32 words, const u32 slot) {
    _Static_assert(NF_PAGE % 64 == 0, "slots of a power of two begin at multiples of it");
    (void)slot;
    if (nf_unlikely((u64)(hint - t->base) >= t->region.bytes || t->young_base))
        return NULL;
    return nf_likely(nf_key_equal(hint, key, words)) ? hint + 8 * words : NULL;
}

/* Where a value part's slot begins; of NULL anything that is no slot. */
NF_INL u8 *nf_hint(void *value, const u32 words, void *none) {
    return value ? (u8 *)value - 8 * words : none;
}

NF_INL void nf_fetch(const u8 *hint) { __builtin_prefetch(hint, 1, 3); }

/* How a sum changes with a word of it (nf_checksum.h). */
NF_INL u64 nf_delta32(u32 old, u32 value) { return (u32)~old + (u64)value; }
NF_INL u64 nf_delta16(u16 old, u16 value) { return (u16)~old + (u64)value; }

/* The event of a variable at a key with this hash. */
NF_INL u64 nf_event_of(u32 variable, u64 hash) {
    return hash + variable * 0x9E3779B97F4A7C15ULL;
}

/* Addresses and ports as they stand in a frame from byte 26 on, and in a record. */
typedef struct nf_image {
    u32 sip, dip;
    u16 sport, dport;
} nf_image;

NF_INL void nf_put_image(u8 *frame, const nf_image *image) {
    memcpy(frame + 26, image, sizeof *image);
}

/* The same record but for its epoch? */
NF_INL u32 nf_same_record(const nf_mat_head *a, const nf_mat_head *b, const u32 bytes) {
    return !memcmp((const u8 *)a + 4, (const u8 *)b + 4, bytes - 4);
}

NF_INL void nf_fill_record(nf_mat_head *r, const nf_mat_head *from, const u32 bytes) {
    memcpy((u8 *)r + 4, (const u8 *)from + 4, bytes - 4);
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
