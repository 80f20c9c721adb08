/* What programs tell their users: messages, and what errors mean; and the times that they are told. */
#ifndef NF_TOLD_H
#define NF_TOLD_H
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "nf_core.h"

static const char *nf_program = "nf"; /* its name */

__attribute__((format(printf, 1, 2))) NF_COLD int nf_complain(const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "%s: error: ", nf_program);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return 2;
}

/* What an error of nf_core.h means. */
NF_COLD const char *nf_error_text(i32 error)
{
    switch (error) {
    case NF_NO_MEMORY: return "out of memory";
    case NF_RUNAWAY: return "the timers fire over 1,048,576 times between two packets";
    case NF_COPIES: return "copies of one packet went through over 1,048,576 NFs";
    case NF_OPERATOR: return "an operator failed";
    case NF_FORMAT: return "not a state of this network";
    }
    return "";
}

/* [+]N[unit] in ns: 0, or -1. */
NF_COLD int nf_parse_time(const char *text, u8 *relative, u64 *time)
{
    static const struct { const char *unit; u64 ns; } units[] = {
        {"", 1}, {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000},
        {"m", 60000000000}, {"h", 3600000000000},
    };
    *relative = *text == '+';
    text += *relative;
    const size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 19)
        return -1;
    const u64 number = strtoull(text, NULL, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(text + digits, units[i].unit)) {
            const u128 ns = (u128)number * units[i].ns;
            *time = ns < NF_TIME_LIMIT ? (u64)ns : NF_TIME_LIMIT;
            return 0;
        }
    return -1;
}

#endif
