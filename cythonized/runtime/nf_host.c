/* What every shared library has and no model changes: compiled once, linked to each. */
#include "nf_exports.h"
#include "nf_host.h"
#include "nf_job.h"
#include "nf_host_shards.h"
#include "nf_bench.h"
