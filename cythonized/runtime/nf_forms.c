/* The forms of states, and the rest of what nf_shared.h names: compiled once, linked to each shared
 * library, and for size, for none of it is in a packet's way. */
#define NF_HOST_UNIT
#include "nf_shared.h"
#include "nf_exports.h"
#include "nf_state.h"
#include "nf_ticks.h"
#include "nf_host_json.h"

i32 nf_shared_initial(const nf_info *info, nf_core *core, u64 stamp)
{
    nf_seed(nf_unit_seed());
    return nf_state_initial(info, core, stamp);
}

void nf_shared_stamp(const nf_info *info, nf_core *core, u64 now)
{
    nf_state_stamp(info, core, now);
}

i32 nf_shared_write(const nf_info *info, nf_core *core, nf_buffer *buffer)
{
    return nf_state_write(info, core, buffer);
}

i32 nf_shared_read(const nf_info *info, nf_core *core, const u8 *data, u64 length)
{
    return nf_state_read(info, core, data, length);
}

void nf_shared_mark(const nf_info *info, nf_core *core)
{
    nf_state_mark(info, core);
}

u64 nf_shared_ticks_look(nf_ticks *t, const nf_info *info, nf_core *core, u64 until);
u64 nf_shared_ticks_look(nf_ticks *t, const nf_info *info, nf_core *core, u64 until)
{
    return nf_ticks_look(t, info, core, until);
}
