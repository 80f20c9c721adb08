/* The state as JSON, for hosts that are not C. Included when the generated functions are there. */
#ifndef NF_HOST_JSON_H
#define NF_HOST_JSON_H
#include <stdlib.h>
#include "nf_core.h"
#include "nf_json.h"

i32 nf_host_json(nf_core *core, u8 **data, u64 *length);

/* To be given back by nf_host_free. */
i32 nf_host_json(nf_core *core, u8 **data, u64 *length)
{
    nf_buffer buffer = {};
    i32 error = nf_flush(core);
    if (!error)
        error = nf_json_write(nf_describe(), core, &buffer);
    if (error) {
        free(buffer.data);
        return error;
    }
    *data = buffer.data;
    *length = buffer.length;
    return NF_OK;
}
#endif
