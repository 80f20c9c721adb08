/* PatternMatch: does any of several byte strings occur? By Hyperscan. */
#ifndef NF_MATCH_H
#define NF_MATCH_H
#include <hs/hs.h>
#include <pthread.h>
#include "nf_ops.h"

#define NF_SPARE_SCRATCHES 8

/* Strings of 1 to 1,024 bytes, none of which holds another one. */
typedef struct nf_patterns {
    const char *const *data;
    const size_t *lengths;
    u32 count;
    size_t shortest;
    hs_database_t *database;
    hs_scratch_t *spare[NF_SPARE_SCRATCHES]; /* of calls that are over: each call takes its own */
} nf_patterns;

static pthread_mutex_t nf_patterns_lock = PTHREAD_MUTEX_INITIALIZER;

/* Compiles the patterns, once. 0, or -1: no memory. */
NF_COLD int nf_patterns_open(nf_patterns *p) {
    int failed = 0;
    pthread_mutex_lock(&nf_patterns_lock);
    if (!p->database) {
        unsigned *flags = (unsigned *)calloc(p->count, sizeof *flags);
        unsigned *ids = (unsigned *)calloc(p->count, sizeof *ids);
        hs_compile_error_t *error = NULL;
        for (u32 i = 0; flags && i < p->count; i++) flags[i] = HS_FLAG_SINGLEMATCH;
        failed = !flags || !ids ||
                 hs_compile_lit_multi(p->data, flags, ids, p->lengths, p->count, HS_MODE_BLOCK,
                                      NULL, &p->database, &error) != HS_SUCCESS;
        if (error) hs_free_compile_error(error);
        free(flags);
        free(ids);
    }
    pthread_mutex_unlock(&nf_patterns_lock);
    return failed ? -1 : 0;
}

static int nf_matched(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                      void *found) {
    (void)id, (void)from, (void)to, (void)flags;
    *(u32 *)found = 1;
    return 1;
}

/* Without memory for Hyperscan's scratch: the patterns one by one. */
NF_COLD u32 nf_match_slowly(const nf_patterns *p, nf_slice text) {
    u32 found = 0;
    for (u32 i = 0; i < p->count && !found; i++) {
        nf_slice part = {(const u8 *)p->data[i], p->lengths[i]};
        found = nf_contains(text, part);
    }
    return found;
}

static __attribute__((noinline, unused)) u32 nf_match(nf_patterns *p, nf_slice text) {
    hs_scratch_t *scratch = NULL;
    u32 found = 0;
    if (text.length < p->shortest) return 0;
    if (text.length > UINT32_MAX) return nf_match_slowly(p, text);
    for (u32 i = 0; i < NF_SPARE_SCRATCHES && !scratch; i++)
        scratch = __atomic_exchange_n(&p->spare[i], NULL, __ATOMIC_ACQUIRE);
    if (!scratch && hs_alloc_scratch(p->database, &scratch) != HS_SUCCESS)
        return nf_match_slowly(p, text);
    hs_error_t end = hs_scan(p->database, (const char *)text.data, (unsigned)text.length, 0,
                             scratch, nf_matched, &found);
    for (u32 i = 0; i < NF_SPARE_SCRATCHES && scratch; i++) {
        hs_scratch_t *none = NULL;
        if (__atomic_compare_exchange_n(&p->spare[i], &none, scratch, 0, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            scratch = NULL;
    }
    hs_free_scratch(scratch);
    if (nf_unlikely(end != HS_SUCCESS && end != HS_SCAN_TERMINATED)) return nf_match_slowly(p, text);
    return found;
}
#endif
