/* Arithmetic as the language means it (language.md): total, wrapping, the same on every engine. */
#ifndef NF_MATH_H
#define NF_MATH_H
#include "nf_base.h"

/* x / 0 = x % 0 = 0; the least number divided by -1 wraps to itself, with remainder 0. */
#define NF_DIVISION(U, I, N)                                                                       \
    NF_INL U nf_div_u##N(U a, U b) { return b ? a / b : 0; }                                       \
    NF_INL U nf_rem_u##N(U a, U b) { return b ? a % b : 0; }                                       \
    NF_INL I nf_div_i##N(I a, I b) { return b == 0 ? 0 : b == -1 ? (I)(0 - (U)a) : a / b; }        \
    NF_INL I nf_rem_i##N(I a, I b) { return b == 0 || b == -1 ? 0 : a % b; }                       \
    /* Amounts of `width` or more give 0, also for negative numbers. */                            \
    NF_INL U nf_shl_u##N(U a, U n, u32 width) { return n < width ? a << n : 0; }                   \
    NF_INL U nf_shr_u##N(U a, U n, u32 width) { return n < width ? a >> n : 0; }                   \
    NF_INL I nf_shr_i##N(I a, U n, u32 width) { return n < width ? a >> n : 0; }                   \
    /* The low `width` bits of `a` as a signed number. */                                          \
    NF_INL I nf_sign_##N(U a, u32 width) { return (I)(a << (N - width)) >> (N - width); }

NF_DIVISION(u32, i32, 32)
NF_DIVISION(u64, i64, 64)
NF_DIVISION(u128, i128, 128)

NF_INL u128 nf_u128(u64 high, u64 low) { return (u128)high << 64 | low; }
NF_INL u64 nf_high(u128 a) { return (u64)(a >> 64); }
NF_INL u64 nf_low(u128 a) { return (u64)a; }
/* `a` if c (0 or 1), else b: without a branch. */
NF_INL u64 nf_pick(u32 c, u64 a, u64 b) { return b ^ ((a ^ b) & (0 - (u64)c)); }
NF_INL u32 nf_same_bytes(nf_slice a, nf_slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}
NF_INL nf_slice nf_slice_of(const void *data, u64 length)
{
    nf_slice s = {(const u8 *)data, length};
    return s;
}
/* As nf_pick; compilers would see through it, and branch on what the traffic decides. */
NF_INL i32 nf_choose(u32 c, i32 a, i32 b)
{
    i32 mask = 0 - (i32)(c != 0);
    if (!__builtin_constant_p(mask))
        __asm__("" : "+r"(mask));
    return b ^ ((a ^ b) & mask);
}
NF_INL u32 nf_yes(void) { return 1; }
NF_INL u32 nf_no(void) { return 0; }

#endif
