/* What every generated module exports, as nf_core.h says. */
#ifndef NF_EXPORTS_H
#define NF_EXPORTS_H
#include "nf_core.h"

#ifdef __cplusplus
extern "C" {
#endif
const nf_info *nf_describe(void);
nf_core *nf_create(void);
void nf_destroy(nf_core *core);
i32 nf_push(nf_core *core, const nf_batch *batch);
i32 nf_flush(nf_core *core);
i32 nf_advance(nf_core *core, u64 time);
i32 nf_save(nf_core *core, nf_buffer *buffer);
i32 nf_load(nf_core *core, const u8 *data, u64 length);
#ifdef __cplusplus
}
#endif
#endif
