/* Operators: `hash`, pieces of byte strings, and calls into the Python of the user. */
#ifndef NF_OPS_H
#define NF_OPS_H
#include "nf_base.h"
#include "nf_bytes.h"

/* MurmurHash3_x86_32, seed 0, of big-endian 32-bit words that are given as numbers. */
NF_INL u32 nf_murmur_step(u32 h, u32 word) {
    u32 k = nf_swap32(word) * 0xcc9e2d51u;
    h ^= (k << 15 | k >> 17) * 0x1b873593u;
    return (h << 13 | h >> 19) * 5 + 0xe6546b64u;
}

NF_INL u32 nf_murmur_end(u32 h, u64 bytes) {
    h ^= (u32)bytes;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

NF_INL u32 nf_hash_words(const u32 *words, u32 n) {
    u32 h = 0;
#pragma GCC unroll 16
    for (u32 i = 0; i < n; i++) h = nf_murmur_step(h, words[i]);
    return nf_murmur_end(h, (u64)n * 4);
}

/* A string of bytes as whole words, with zeros before its first byte; adds to `length`. */
NF_INL u32 nf_murmur_string(u32 h, nf_slice s, u64 *length) {
    u64 first = s.length % 4;
    if (first) {
        u32 word = 0;
        for (u64 i = 0; i < first; i++) word = word << 8 | s.data[i];
        h = nf_murmur_step(h, word);
    }
    for (u64 at = first; at < s.length; at += 4) h = nf_murmur_step(h, nf_be32(s.data + at));
    *length += (s.length + 3) & ~(u64)3;
    return h;
}

/* glibc's and musl's, which string.h shows only with _GNU_SOURCE. */
extern void *memmem(const void *whole, size_t length, const void *part, size_t part_length);

/* Does `part` occur in `whole`? By its first byte while that is rare, else in bounded time. */
NF_INL u32 nf_contains(nf_slice whole, nf_slice part) {
    if (!part.length) return 1;
    if (whole.length < part.length) return 0;
    const u8 *at = whole.data, *last = whole.data + (whole.length - part.length);
    for (u32 tries = 0; tries < 16; tries++, at++) {
        at = at <= last ? (const u8 *)memchr(at, part.data[0], (size_t)(last - at) + 1) : NULL;
        if (!at) return 0;
        if (!memcmp(at, part.data, part.length)) return 1;
    }
    u64 rest = whole.length - (u64)(at - whole.data);
    return rest >= part.length && memmem(at, rest, part.data, part.length) != NULL;
}

/* Calls of Python: each argument and the result have 16 bytes, a number as little-endian two's
 * complement, a string of bytes as its address and length. Anything but 0: it failed. */
typedef i32 (*nf_python_operator)(const u8 *arguments, u8 *result);

NF_INL void nf_pass_number(u8 *at, u128 value) { memcpy(at, &value, 16); }
NF_INL void nf_pass_bytes(u8 *at, nf_slice s) {
    nf_st64(at, (u64)(uintptr_t)s.data);
    nf_st64(at + 8, s.length);
}
NF_INL u128 nf_passed_number(const u8 *at) {
    u128 value;
    memcpy(&value, at, 16);
    return value;
}

/* The string that Python returned, copied, for it is kept only until the next call. */
NF_INL nf_slice nf_passed_bytes(nf_arena *arena, const u8 *at, i32 *failed) {
    u64 length = nf_ld64(at + 8);
    u8 *copy = nf_arena_take(arena, length ? length : 1);
    nf_slice s = {copy, copy ? length : 0};
    if (!copy) *failed = 1;
    else if (length) memcpy(copy, (const void *)(uintptr_t)nf_ld64(at), length);
    return s;
}
#endif
