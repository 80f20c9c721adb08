/* What generated XDP programs use: frames, state, counters, the machine's common part.
 *
 * A plain frame (nf_parse.h) is worked on where it lies. The headers of any other are copied to
 * nf_frame, which is one for all CPUs, parsed and rewritten there, and stored back. */
#ifndef NF_XDP_H
#define NF_XDP_H
#include "nf_base.h"
#include "nf_meta.h"
#include "nf_parse.h"
#include "nf_fields.h"
#include "nf_deparse.h"

/* How a pass through an NF ends; 0 and up: by that port. */
enum { NF_FORWARD = -1, NF_DROP = -2, NF_RESUBMIT = -3, NF_DELAY = -4 };

/* Error counters and errors: those of nf_core.h. */
enum { NF_MALFORMED_FRAMES, NF_NON_IP_FRAMES, NF_RESUBMIT_LIMIT, NF_LOOP_LIMIT, NF_PAYLOAD_LENGTH,
       NF_BAD_PORT, NF_NO_CHOICE, NF_MALFORMED_INNER, NF_TOO_DEEP, NF_TOO_BIG, NF_COUNTERS };
enum { NF_OK = 0, NF_RUNAWAY = -2 };
enum { NF_MAX_FIRINGS = 1 << 20 };
enum { NF_FULL = -7 }; /* -E2BIG: what an update of a full map gives */

/* A timer set by `init` or `every`; `due` UINT64_MAX: none. `number`: ties fire in its order. */
typedef struct nf_timer {
    u64 due, number;
#if NF_TAGS
    i32 tags[NF_TAGS];
#endif
} nf_timer;

/* What the state of every network begins with. */
typedef struct nf_core {
    u64 now;          /* ns: the latest stamp */
    u32 started;      /* init has run */
    i32 error;        /* NF_OK, or what ended the run: all frames are dropped from then on */
    u64 order;        /* of assignments to maps with `timeout` or `max` */
    u64 timers_made;
    u64 arrived, left; /* frames, while the program is attached */
#if NF_TIMERS
    nf_timer timers[NF_TIMERS];
#endif
    u64 overflow;     /* assignments that found their map full */
    u64 counters[NF_COUNTERS];
} nf_core;

/* Set before the program is loaded. In test runs, struct nf_meta stands before each frame; else time
 * is the monotonic clock plus nf_clock, and ports are found by the interface. */
const volatile u32 nf_test_run = 0;
const volatile u32 nf_non_ip_drop = 0;
const volatile u64 nf_clock = 0;
const volatile u64 nf_count = 0; /* so many frames, and no more; 0: all */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, u32); /* ifindex */
    __type(value, u32);
} nf_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, 64);
    __type(key, u32); /* port */
    __type(value, u32);
} nf_devices SEC(".maps");

#define NF_HEADERS 17408 /* no more of a frame is looked at: 8 extension headers of 2 KiB, and others */

/* Any 16-bit offset and what stands there. */
u8 nf_frame[65536 + 64];
u32 nf_lock;
volatile u32 nf_zero; /* what the verifier doesn't know: so it looks at a loop's body once */

NF_INL u64 nf_turned(u64 a) { return a >> 32 | a << 32; }
NF_INL u64 nf_swapped_ports(u64 b)
{
    return (b & ~(u64)0xffffffff) | (b >> 16 & 0xffff) | (b & 0xffff) << 16;
}

/* A loop whose bound is checked where it stands; false if the kernel's patience is over. */
#define nf_loop(core) (nf_may_loop || ((core)->error = NF_RUNAWAY, false))

/* A bit of an array of `words`. */
NF_INL u32 nf_bit(const u64 *bits, u64 number, const u64 words)
{
    u64 word = number / 64;
    nf_settled(word);
    if (word >= words)
        return 0;
    nf_settled(word);
    return bits[word] >> number % 64 & 1;
}

/* One CPU at a time: the state is one, and packets are processed one after the other. */
NF_INL bool nf_enter(void)
{
    while (__sync_val_compare_and_swap(&nf_lock, 0, 1))
        if (!nf_may_loop)
            return false;
    return true;
}

NF_INL int nf_leave(int action)
{
    __sync_lock_test_and_set(&nf_lock, 0);
    return action;
}

#endif
