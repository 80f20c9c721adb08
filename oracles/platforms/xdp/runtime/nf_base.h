/* For BPF, in place of the host's nf_base.h and nf_math.h: types, loads, arithmetic; and loops.
 *
 * Loads are of words wherever they lie, which the verifier allows where the CPU does. */
#ifndef NF_BASE_H
#define NF_BASE_H
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef unsigned __int128 u128;
typedef __s8 i8;
typedef __s16 i16;
typedef __s32 i32;
typedef __s64 i64;
typedef __int128 i128;

#define NF_INL static inline __attribute__((always_inline, unused))
#define NF_COLD static __attribute__((noinline, unused))
#define NF_UNUSED __attribute__((unused))
/* One that the verifier looks at once, for all its calls. */
#define NF_GLOBAL __attribute__((noinline))
#define nf_likely(x) __builtin_expect(!!(x), 1)
#define nf_unlikely(x) __builtin_expect(!!(x), 0)
#define static_assert _Static_assert
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#define memmove __builtin_memmove
#define UINT32_MAX 0xffffffffu

typedef struct nf_slice {
    const u8 *data;
    u64 length;
} nf_slice;

typedef u16 nf_u16 __attribute__((may_alias));
typedef u32 nf_u32 __attribute__((may_alias));
typedef u64 nf_u64 __attribute__((may_alias));

NF_INL u16 nf_ld16(const void *p) { return *(const nf_u16 *)p; }
NF_INL u32 nf_ld32(const void *p) { return *(const nf_u32 *)p; }
NF_INL u64 nf_ld64(const void *p) { return *(const nf_u64 *)p; }
NF_INL void nf_st16(void *p, u16 v) { *(nf_u16 *)p = v; }
NF_INL void nf_st32(void *p, u32 v) { *(nf_u32 *)p = v; }
NF_INL void nf_st64(void *p, u64 v) { *(nf_u64 *)p = v; }

NF_INL u16 nf_swap16(u16 v) { return __builtin_bswap16(v); }
NF_INL u32 nf_swap32(u32 v) { return __builtin_bswap32(v); }
NF_INL u64 nf_swap64(u64 v) { return __builtin_bswap64(v); }
NF_INL u16 nf_be16(const void *p) { return nf_swap16(nf_ld16(p)); }
NF_INL u32 nf_be32(const void *p) { return nf_swap32(nf_ld32(p)); }
NF_INL u64 nf_be64(const void *p) { return nf_swap64(nf_ld64(p)); }
NF_INL u128 nf_be128(const u8 *p) { return (u128)nf_be64(p) << 64 | nf_be64(p + 8); }
NF_INL void nf_put16(void *p, u16 v) { nf_st16(p, nf_swap16(v)); }
NF_INL void nf_put32(void *p, u32 v) { nf_st32(p, nf_swap32(v)); }
NF_INL void nf_put64(void *p, u64 v) { nf_st64(p, nf_swap64(v)); }
NF_INL void nf_put128(u8 *p, u128 v)
{
    nf_put64(p, (u64)(v >> 64));
    nf_put64(p + 8, (u64)v);
}
NF_INL void nf_put48(u8 *p, u64 v)
{
    nf_put16(p, (u16)(v >> 32));
    nf_put16(p + 2, (u16)(v >> 16));
    nf_put16(p + 4, (u16)v);
}

/* Arithmetic as the language means it: x / 0 = x % 0 = 0, both truncate toward zero. BPF divides
 * unsigned numbers only. */
#define NF_ARITHMETIC(U, I, N)                                                                     \
    NF_INL U nf_div_u##N(U a, U b) { return b ? a / b : 0; }                                       \
    NF_INL U nf_rem_u##N(U a, U b) { return b ? a % b : 0; }                                       \
    NF_INL U nf_size_i##N(I a) { return a < 0 ? 0 - (U)a : (U)a; }                                 \
    NF_INL I nf_div_i##N(I a, I b)                                                                 \
    {                                                                                              \
        U q = nf_div_u##N(nf_size_i##N(a), nf_size_i##N(b));                                       \
        return (I)((a < 0) != (b < 0) ? 0 - q : q);                                                \
    }                                                                                              \
    NF_INL I nf_rem_i##N(I a, I b)                                                                 \
    {                                                                                              \
        U r = nf_rem_u##N(nf_size_i##N(a), nf_size_i##N(b));                                       \
        return (I)(a < 0 ? 0 - r : r);                                                             \
    }                                                                                              \
    NF_INL U nf_shl_u##N(U a, U n, u32 width) { return n < width ? a << n : 0; }                   \
    NF_INL U nf_shr_u##N(U a, U n, u32 width) { return n < width ? a >> n : 0; }                   \
    NF_INL I nf_shr_i##N(I a, U n, u32 width) { return n < width ? a >> n : 0; }                   \
    NF_INL I nf_sign_##N(U a, u32 width) { return (I)(a << (N - width)) >> (N - width); }

NF_ARITHMETIC(u32, i32, 32)
NF_ARITHMETIC(u64, i64, 64)

NF_INL u128 nf_u128(u64 high, u64 low) { return (u128)high << 64 | low; }
NF_INL u64 nf_high(u128 a) { return (u64)(a >> 64); }
NF_INL u64 nf_low(u128 a) { return (u64)a; }

/* Shifts of 128 bits by halves: clang has no others. */
NF_INL u128 nf_shl_u128(u128 a, u128 n, u32 width)
{
    u64 high = nf_high(a), low = nf_low(a), by = nf_low(n);
    if (n >= width)
        return 0;
    if (by >= 64)
        return nf_u128(low << (by - 64), 0);
    return by ? nf_u128(high << by | low >> (64 - by), low << by) : a;
}

NF_INL u128 nf_shr_u128(u128 a, u128 n, u32 width)
{
    u64 high = nf_high(a), low = nf_low(a), by = nf_low(n);
    if (n >= width)
        return 0;
    if (by >= 64)
        return nf_u128(0, high >> (by - 64));
    return by ? nf_u128(high >> by, low >> by | high << (64 - by)) : a;
}

NF_INL i128 nf_shr_i128(i128 a, u128 n, u32 width)
{
    u64 by = nf_low(n);
    u128 signs = 0;
    if (n >= width)
        return 0;
    if (a < 0 && by)
        signs = by >= 64 ? nf_u128(~0ULL, ~0ULL << 1 << (127 - by)) : nf_u128(~0ULL << (64 - by), 0);
    return (i128)(nf_shr_u128((u128)a, n, 128) | signs);
}

NF_INL i128 nf_sign_128(u128 a, u32 width)
{
    return nf_shr_i128((i128)nf_shl_u128(a, 128 - width, 128), 128 - width, 128);
}
NF_INL u64 nf_pick(u32 c, u64 a, u64 b) { return c ? a : b; }
NF_INL i32 nf_choose(u32 c, i32 a, i32 b) { return c ? a : b; }
NF_INL u32 nf_yes(void) { return 1; }
NF_INL u32 nf_no(void) { return 0; }

/* MurmurHash3_x86_32, seed 0, of big-endian 32-bit words given as numbers (decision 12). */
NF_INL u32 nf_hash_words(const u32 *words, const u32 n)
{
    u32 h = 0;
#pragma clang loop unroll(full)
    for (u32 i = 0; i < n; i++) {
        u32 k = nf_swap32(words[i]) * 0xcc9e2d51u;
        h ^= (k << 15 | k >> 17) * 0x1b873593u;
        h = (h << 13 | h >> 19) * 5 + 0xe6546b64u;
    }
    h ^= 4 * n;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

/* Keeps clang from knowing a value, so that it is computed here and used after. */
#define nf_settled(x) asm volatile("" : "+r"(x))

/* Whether the kernel lets the loop go on, as it does for a quarter of a second. The instruction
 * (may_goto, Linux 6.9) is written as bytes, for compilers that don't know it. */
#define nf_may_loop                                                                                \
    ({                                                                                             \
        __label__ stop, go;                                                                        \
        bool may = true;                                                                           \
        asm volatile goto("1:.byte 0xe5; .byte 0;"                                                 \
                          ".long ((%l[stop] - 1b - 8) / 8) & 0xffff; .short 0" ::::stop);          \
        goto go;                                                                                   \
    stop:                                                                                          \
        may = false;                                                                               \
    go:;                                                                                           \
        may;                                                                                       \
    })

#endif
