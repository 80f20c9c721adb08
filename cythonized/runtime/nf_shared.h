/* In a library, what no model changes is compiled once for all (nf_forms.c): that halves a build.
 * Included before all else, by the generated unit and by that file, which defines NF_HOST_UNIT. */
#ifndef NF_SHARED_H
#define NF_SHARED_H
#include "nf_core.h"

i32 nf_shared_initial(const nf_info *info, nf_core *core, u64 stamp);
void nf_shared_stamp(const nf_info *info, nf_core *core, u64 now);
i32 nf_shared_write(const nf_info *info, nf_core *core, nf_buffer *buffer);
i32 nf_shared_read(const nf_info *info, nf_core *core, const u8 *data, u64 length);
void nf_shared_mark(const nf_info *info, nf_core *core);
const u8 *nf_unit_seed(void);

#ifndef NF_HOST_UNIT
#define NF_STATE_H /* so that nf_state.h is left out */
#define nf_state_initial nf_shared_initial
#define nf_state_stamp nf_shared_stamp
#define nf_state_write nf_shared_write
#define nf_state_read nf_shared_read
#define nf_state_mark nf_shared_mark
#define nf_ticks_look nf_shared_ticks_look

/* The key of this unit's hashes: the other one must put rows where this one looks for them. */
const u8 *nf_unit_seed(void)
{
    return (const u8 *)nf_hash_key;
}
#endif
#endif
