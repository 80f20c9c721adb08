/* The tables' hash: keyed per process, so that nobody outside can aim at one place of a table.
 * Four AES rounds a 16-byte block; without AES instructions, wide multiplications. */
#ifndef NF_HASH_H
#define NF_HASH_H
#include <sys/random.h>
#include <time.h>
#include "nf_base.h"
#ifdef __AES__
#include <wmmintrin.h>
#endif

static u64 nf_hash_key[8] __attribute__((aligned(16), unused));
static u8 nf_hash_seeded __attribute__((unused));

/* Sets the key, before any table is made. NULL: from the system's randomness, unless it is set. */
NF_COLD void nf_seed(const u8 seed[64]) {
    if (seed) {
        memcpy(nf_hash_key, seed, 64);
    } else if (!nf_hash_seeded && getrandom(nf_hash_key, 64, 0) != 64) {
        struct timespec t;  /* no source of randomness here: what is hard to guess from outside */
        clock_gettime(CLOCK_MONOTONIC, &t);
        for (u32 i = 0; i < 8; i++)
            nf_hash_key[i] = ((u64)t.tv_nsec << 32 ^ (u64)t.tv_sec ^ (u64)(uintptr_t)&t) *
                             (0x9E3779B97F4A7C15ULL + 2 * i);
    }
    nf_hash_seeded = 1;
}

#ifdef __AES__
typedef __m128i nf_hash_state;

NF_INL nf_hash_state nf_hash_start(void) {
    return _mm_load_si128((const __m128i *)nf_hash_key);
}

NF_INL nf_hash_state nf_hash_block(nf_hash_state x, u64 a, u64 b) {
    const __m128i *k = (const __m128i *)nf_hash_key;
    x = _mm_xor_si128(x, _mm_set_epi64x((long long)b, (long long)a));
    x = _mm_aesenc_si128(x, _mm_load_si128(k + 1));
    x = _mm_aesenc_si128(x, _mm_load_si128(k + 2));
    x = _mm_aesenc_si128(x, _mm_load_si128(k + 3));
    return _mm_aesenc_si128(x, _mm_load_si128(k));
}

NF_INL u64 nf_hash_end(nf_hash_state x) {
    return (u64)_mm_cvtsi128_si64(x);
}
#else
typedef u64 nf_hash_state;

NF_INL u64 nf_hash_multiply(u64 a, u64 b) {
    u128 p = (u128)a * b;
    return (u64)p ^ (u64)(p >> 64);
}

NF_INL nf_hash_state nf_hash_start(void) {
    return nf_hash_key[0];
}

NF_INL nf_hash_state nf_hash_block(nf_hash_state x, u64 a, u64 b) {
    return nf_hash_multiply(a ^ x ^ nf_hash_key[1], b ^ nf_hash_key[2]) ^ nf_hash_key[3];
}

NF_INL u64 nf_hash_end(nf_hash_state x) {
    return nf_hash_multiply(x ^ nf_hash_key[4], nf_hash_key[5] | 1);
}
#endif

NF_INL u64 nf_hash2(u64 a, u64 b) {
    return nf_hash_end(nf_hash_block(nf_hash_start(), a, b));
}

NF_INL u64 nf_hash1(u64 a) {
    return nf_hash2(a, 0);
}

/* n words, at least one; equal to nf_hash1 and nf_hash2 for one and two. */
NF_INL u64 nf_hashn(const u64 *key, const u32 n) {
    nf_hash_state x = nf_hash_start();
    u32 i = 0;
    for (; i + 2 <= n; i += 2)
        x = nf_hash_block(x, key[i], key[i + 1]);
    if (n & 1)
        x = nf_hash_block(x, key[i], 0);
    return nf_hash_end(x);
}

/* A string of bytes: its length is part of what is hashed. */
static inline __attribute__((unused)) u64 nf_hash_bytes(const u8 *data, u64 length) {
    nf_hash_state x = nf_hash_block(nf_hash_start(), length, 1);
    u64 i = 0;
    for (; length - i >= 16; i += 16)
        x = nf_hash_block(x, nf_ld64(data + i), nf_ld64(data + i + 8));
    if (i < length) {
        u64 last[2] = {0, 0};
        memcpy(last, data + i, length - i);
        x = nf_hash_block(x, last[0], last[1]);
    }
    return nf_hash_end(x);
}

#endif
