/* Fast-forward over timers that only repeat themselves (decision 23): nfverify/semantics/ticks.py.
 *
 * If variables, waiting packets (relative to the clock) and outputs are back where they were some
 * firings ago, and no NF with a timer can tell the time, every further period does the same. States
 * are compared by sums of keyed 64-bit hashes of their rows, which do not depend on their order. */
#ifndef NF_TICKS_H
#define NF_TICKS_H
#include "nf_core.h"

#define NF_TICKS_MOST ((u32)1 << 20)      /* firings that are executed between two packets */
#define NF_TICKS_PATIENCE ((u32)1 << 10)  /* firings before it is worth a look */
#define NF_TICKS_COMPARED ((u64)1 << 27)  /* rows; then there is no more looking */

typedef struct nf_ticks {
    u32 firings, since, lap, outputs;
    u64 compared, due, timers;
    u8 has_reference;
    u128 state;
    u64 counters[NF_COUNTERS];
} nf_ticks;

NF_INL void nf_ticks_begin(nf_ticks *t)
{
    t->firings = t->since = 0;
    t->lap = NF_TICKS_PATIENCE;
    t->compared = 0;
    t->has_reference = 0;
}

/* Looks whether all is as it was (nf_ticks_look.h; in a library it is compiled once for all). */
#ifdef nf_ticks_look
u64 nf_ticks_look(nf_ticks *t, const nf_info *info, nf_core *core, u64 until);
#else
#include "nf_ticks_look.h"
#endif

/* Called before each firing: by how many ns all timers were moved on, not beyond `until`. */
NF_INL u64 nf_ticks_skipped(nf_ticks *t, const nf_info *info, nf_core *core, u64 until)
{
    t->since++;
    if (nf_unlikely(++t->firings > NF_TICKS_MOST)) {
        core->error = NF_RUNAWAY;
        return 0;
    }
    if (nf_likely(t->firings <= NF_TICKS_PATIENCE) || t->compared > NF_TICKS_COMPARED)
        return 0;
    return nf_ticks_look(t, info, core, until);
}

#endif
