/* Does this processor have what the code was compiled for? To be asked before anything else. */
#ifndef NF_CPU_H
#define NF_CPU_H
#include "nf_base.h"

/* What it lacks, for a message; NULL if nothing. */
NF_COLD const char *nf_cpu_lacks(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
#if defined(__AVX2__) && defined(__BMI2__)
    if (!__builtin_cpu_supports("x86-64-v3"))
        return "AVX2 and BMI2 (x86-64-v3)";
#elif defined(__SSE4_2__)
    if (!__builtin_cpu_supports("x86-64-v2"))
        return "SSE4.2 (x86-64-v2)";
#endif
#ifdef __AES__
    if (!__builtin_cpu_supports("aes"))
        return "AES instructions";
#endif
#endif
    return NULL;
}
#endif
