/* Types, loads and arithmetic that every other header uses. Little-endian hosts only. */
#ifndef NF_BASE_H
#define NF_BASE_H
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned __int128 u128;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef __int128 i128;

#ifdef __cplusplus
#define NF_C extern "C"
#else
#define NF_C extern
#endif
#define NF_INL static inline __attribute__((always_inline, unused))
#define NF_COLD static __attribute__((noinline, cold, unused))
#define nf_likely(x) __builtin_expect(!!(x), 1)
#define nf_unlikely(x) __builtin_expect(!!(x), 0)

#define NF_TIME_LIMIT ((u64)1 << 62) /* ns; all stamps are below it */

/* A run of bytes that somebody else owns. */
typedef struct nf_slice {
    const u8 *data;
    u64 length;
} nf_slice;

NF_INL u16 nf_ld16(const void *p) { u16 v; memcpy(&v, p, 2); return v; }
NF_INL u32 nf_ld32(const void *p) { u32 v; memcpy(&v, p, 4); return v; }
NF_INL u64 nf_ld64(const void *p) { u64 v; memcpy(&v, p, 8); return v; }
NF_INL void nf_st16(void *p, u16 v) { memcpy(p, &v, 2); }
NF_INL void nf_st32(void *p, u32 v) { memcpy(p, &v, 4); }
NF_INL void nf_st64(void *p, u64 v) { memcpy(p, &v, 8); }

NF_INL u16 nf_swap16(u16 v) { return __builtin_bswap16(v); }
NF_INL u32 nf_swap32(u32 v) { return __builtin_bswap32(v); }
NF_INL u64 nf_swap64(u64 v) { return __builtin_bswap64(v); }

/* Big-endian loads and stores: the values as a model sees them. */
NF_INL u16 nf_be16(const void *p) { return nf_swap16(nf_ld16(p)); }
NF_INL u32 nf_be32(const void *p) { return nf_swap32(nf_ld32(p)); }
NF_INL u64 nf_be64(const void *p) { return nf_swap64(nf_ld64(p)); }
NF_INL u128 nf_be128(const u8 *p) { return (u128)nf_be64(p) << 64 | nf_be64(p + 8); }
NF_INL void nf_put16(void *p, u16 v) { nf_st16(p, nf_swap16(v)); }
NF_INL void nf_put32(void *p, u32 v) { nf_st32(p, nf_swap32(v)); }
NF_INL void nf_put64(void *p, u64 v) { nf_st64(p, nf_swap64(v)); }
NF_INL void nf_put128(u8 *p, u128 v) { nf_put64(p, (u64)(v >> 64)); nf_put64(p + 8, (u64)v); }

#endif
