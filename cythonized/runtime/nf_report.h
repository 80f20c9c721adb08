/* The last line of a program: how many packets came and left, and errors of the model. */
#ifndef NF_REPORT_H
#define NF_REPORT_H
#include "nf_told.h"

static const char *const nf_counter_names[NF_COUNTERS] = {
    "malformed", "non_ip", "resubmit_limit", "loop_limit", "payload_length", "bad_port", "no_choice",
    "malformed_inner", "too_deep", "too_big",
};

/* 1234567 as 1,234,567. */
NF_COLD const char *nf_grouped(u64 value, char text[32])
{
    char *p = text + 31;
    *p = 0;
    for (u32 digits = 0; value || !digits; digits++, value /= 10) {
        if (digits && digits % 3 == 0)
            *--p = ',';
        *--p = (char)('0' + value % 10);
    }
    return p;
}

NF_COLD void nf_summary(const u64 *counters, u64 arrived, u64 left)
{
    char a[32], b[32];
    fprintf(stderr, "%s packets in, %s out", nf_grouped(arrived, a), nf_grouped(left, b));
    const char *between = "; ";
    for (u32 i = 0; i < NF_COUNTERS; i++) {
        if (!counters[i])
            continue;
        fprintf(stderr, "%s%s %s", between, nf_counter_names[i], nf_grouped(counters[i], a));
        between = ", ";
    }
    fputc('\n', stderr);
}

#endif
