/* The arithmetic of Internet checksums, updated by what changes under them (RFC 1624).
 *
 * A checksum changes by the sum of new - old over 16-bit words. The sums here are of words as
 * loaded from the wire (one's complement sums do not mind the byte order, RFC 1071), never negative
 * (-old is ~old modulo 0xffff) and of any multiple of 16 bits, since 2^16 = 1 modulo 0xffff. */
#ifndef NF_CHECKSUM_H
#define NF_CHECKSUM_H
#include "nf_base.h"

/* Not inlined, but as fast as can be: frames that are not plain may well be all of the traffic, and
 * what is `cold` gcc optimizes for size. */
#define NF_CALL static __attribute__((noinline, unused))

/* The one's complement sum in 16 bits; 0 only for 0. */
NF_INL u32 nf_fold(u64 sum)
{
    u32 half = (u32)((sum + (sum << 32 | sum >> 32)) >> 32);
    return (half + (half << 16 | half >> 16)) >> 16;
}

/* Of the bytes as words loaded from the wire, a zero byte added if they are odd. */
NF_CALL u32 nf_sum(const u8 *data, u64 length)
{
    u64 sum = 0, i = 0;
    for (; i + 4 <= length; i += 4)
        sum += nf_ld32(data + i);
    if (length & 2) {
        sum += nf_ld16(data + i);
        i += 2;
    }
    if (length & 1)
        sum += data[i];
    return nf_fold(sum);
}

/* Words at an even offset of what a checksum covers: written, and the sum of their change. */
NF_INL u64 nf_change16(u8 *at, u16 value)
{
    u64 change = (u16)~nf_ld16(at) + (u64)value;
    nf_st16(at, value);
    return change;
}

NF_INL u64 nf_change32(u8 *at, u32 value)
{
    u64 change = (u32)~nf_ld32(at) + (u64)value;
    nf_st32(at, value);
    return change;
}

/* One byte of such a word: its low half as loaded if the byte's offset is even. */
NF_INL u64 nf_change8(u8 *at, u8 value, const u32 odd)
{
    u64 change = (0xffu - *at + (u64)value) << 8 * odd;
    *at = value;
    return change + (odd ? 0xff : 0xff00);
}

/* Whether a word differs that did not go from 0xffff to 0; an odd byte is a word's first half. */
NF_COLD u8 nf_differs(const u8 *old, const u8 *now, u64 length)
{
    for (u64 i = 0; i < length; i += 2) {
        u16 was = old[i], is = now[i];
        if (i + 1 < length) {
            was |= (u16)(old[i + 1] << 8);
            is |= (u16)(now[i + 1] << 8);
        }
        if (was != is && (was != 0xffff || is != 0))
            return 1;
    }
    return 0;
}

/* The checksum at `at` updated by the sum of changes; `differs`: as if it had not been 0xffff. */
NF_INL void nf_update(u8 *at, u64 sum, u32 differs)
{
    u32 folded = nf_fold(sum + (u16)~nf_ld16(at));
    nf_st16(at, folded == 0xffff && !differs ? 0xffff : (u16)~folded);
}

#endif
