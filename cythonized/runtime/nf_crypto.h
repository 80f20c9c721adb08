/* Encrypt and Decrypt: AES-128 in counter mode, by OpenSSL. */
#ifndef NF_CRYPTO_H
#define NF_CRYPTO_H
#include <openssl/evp.h>
#include "nf_bytes.h"

#define NF_SPARE_CIPHERS 4

typedef struct nf_cipher {
    EVP_CIPHER_CTX *context;
    u8 keyed; /* the context has `key` */
    u8 key[16];
} nf_cipher;

/* Contexts of calls that are over, of one place in the model, where keys often stay the same. */
typedef struct nf_ciphers {
    nf_cipher *spare[NF_SPARE_CIPHERS];
} nf_ciphers;

/* A key or iv: cut to 16 bytes, or filled up with zeros; of a number: big-endian. */
NF_INL void nf_block_of_bytes(u8 block[16], nf_slice s) {
    u64 n = s.length < 16 ? s.length : 16;
    memset(block, 0, 16);
    if (n) memcpy(block, s.data, n);
}
NF_INL void nf_block_of_number(u8 block[16], u128 value) { nf_put128(block, value); }

NF_COLD void nf_cipher_free(nf_cipher *c) {
    if (!c) return;
    EVP_CIPHER_CTX_free(c->context);
    free(c);
}

NF_COLD nf_cipher *nf_cipher_new(void) {
    nf_cipher *c = (nf_cipher *)calloc(1, sizeof *c);
    if (c) c->context = EVP_CIPHER_CTX_new();
    if (c && c->context) return c;
    free(c);
    return NULL;
}

NF_INL int nf_cipher_run(nf_cipher *c, u8 *out, nf_slice in, const u8 key[16], const u8 iv[16]) {
    int same = c->keyed && !memcmp(c->key, key, 16);
    c->keyed = 0;
    if (!EVP_EncryptInit_ex(c->context, same ? NULL : EVP_aes_128_ctr(), NULL, same ? NULL : key, iv))
        return -1;
    for (u64 at = 0; at < in.length;) {
        int made, n = in.length - at < (1u << 30) ? (int)(in.length - at) : 1 << 30;
        if (!EVP_EncryptUpdate(c->context, out + at, &made, in.data + at, n) || made != n) return -1;
        at += (u64)n;
    }
    memcpy(c->key, key, 16);
    c->keyed = 1;
    return 0;
}

/* The bytes en- or decrypted, which is the same, in the arena; data NULL: no memory. */
static __attribute__((noinline, unused)) nf_slice nf_aes_ctr(nf_ciphers *pool, nf_arena *arena,
                                                             nf_slice in, const u8 key[16],
                                                             const u8 iv[16]) {
    nf_cipher *c = NULL;
    nf_slice out = {nf_arena_take(arena, in.length ? in.length : 1), in.length};
    for (u32 i = 0; i < NF_SPARE_CIPHERS && !c; i++)
        c = __atomic_exchange_n(&pool->spare[i], NULL, __ATOMIC_ACQUIRE);
    if (!c) c = nf_cipher_new();
    if (!c || !out.data || nf_cipher_run(c, (u8 *)(uintptr_t)out.data, in, key, iv))
        out = (nf_slice){NULL, 0};
    for (u32 i = 0; i < NF_SPARE_CIPHERS && c; i++) {
        nf_cipher *none = NULL;
        if (__atomic_compare_exchange_n(&pool->spare[i], &none, c, 0, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            c = NULL;
    }
    nf_cipher_free(c);
    return out;
}
#endif
