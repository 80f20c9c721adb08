/* nf_shard alone, for Python; nothing is run. */
#include "nf_exports.h"
#include "nf_shard.h"

const nf_info *nf_describe(void) { return NULL; }
i32 nf_push(nf_core *core, const nf_batch *batch) { return core && batch ? NF_OK : NF_FORMAT; }
i32 nf_flush(nf_core *core) { return core ? NF_OK : NF_FORMAT; }
i32 nf_advance(nf_core *core, u64 time) { return core && time ? NF_OK : NF_FORMAT; }
