/* Chains written by hand against SpeedyBox's API: inspectors, and one with a monitor behind it.
 *
 *     inspectors COUNT MONITOR MODE PAYLOAD THREADS PACKETS    MODE: original, fast
 *
 * ns/packet in batches of 32 (of the best half of nine passes) and the median of single packets. */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>
#include "speedybox.h"

enum { FLOWS = 256, PASSES = 9, TEXTS = 12 };

/* Twelve contents, one search for each: what a Snort rule without a fast pattern matcher does. */
static const char *const CONTENTS[TEXTS] = {
    "/etc/passwd", "cmd.exe", "<script>", "union select", "../..", "powershell",
    "eval(", "base64,", "wget http", "xp_cmdshell", "%00", "login",
};

typedef struct inspector { u64 alerts; u8 pad[56]; } inspector;
typedef struct monitor { u64 packets[FLOWS], bytes[FLOWS]; } monitor;

static u32 inspect(void *nf, sb_packet *p, const sb_args *args) {
    nf_slice payload = sb_payload(p);
    (void)args;
    for (u32 i = 0; i < TEXTS; i++)
        ((inspector *)nf)->alerts +=
            nf_contains(payload, (nf_slice){(const u8 *)CONTENTS[i], strlen(CONTENTS[i])});
    return SB_GO;
}

static void inspect_packet(void *nf, sb_packet *p) {
    localmat_add_SF(nf_extract_fid(p), inspect, SB_READ, NULL);
    inspect(nf, p, NULL);
}

static u32 count(void *nf, sb_packet *p, const sb_args *args) {
    monitor *m = nf;
    m->packets[args->at[0]]++;
    m->bytes[args->at[0]] += sb_get(p, SB_SIZE);
    return SB_GO;
}

static void count_packet(void *nf, sb_packet *p) {
    const sb_args *args = sb_list(sb_get(p, SB_SPORT) % FLOWS);
    localmat_add_SF(nf_extract_fid(p), count, SB_IGNORE, args);
    count(nf, p, args);
}

static u64 now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static int order(const void *a, const void *b) {
    return (*(const u64 *)a > *(const u64 *)b) - (*(const u64 *)a < *(const u64 *)b);
}

static u64 left_count;
static void leave(void *to, u32 i, const sb_out *out) {
    (void)to, (void)i, (void)out;
    left_count++;
}

int main(int argc, char **argv) {
    static sb_box box;
    static inspector inspectors[8];
    static monitor one;
    if (argc < 7)
        return 2;
    u32 n = (u32)atoi(argv[1]), payload = (u32)atoi(argv[4]), packets = (u32)atoi(argv[6]);
    u32 length = 54 + payload, step = (length + 63) & ~63u;
    u8 *frames = aligned_alloc(64, (u64)packets * step), *frame = frames;
    u64 *single = malloc(packets * sizeof *single);
    if (n > 8 || packets % 32 || !frames || !single ||
        sb_init(&box, !strcmp(argv[3], "fast"), 1 << 16))
        return 2;
    for (u32 i = 0; i < n; i++)
        sb_add(&box, "inspector", inspect_packet, inspectors + i);
    if (atoi(argv[2]))
        sb_add(&box, "monitor", count_packet, &one);
    if (sb_threads(&box, (u32)atoi(argv[5]), 0))
        return 2;
    for (u32 i = 0; i < packets; i++, frame += step) {
        memset(frame, 0, step);
        nf_put16(frame + 12, 0x0800);
        frame[14] = 0x45;
        nf_put16(frame + 16, (u16)(40 + payload));
        frame[22] = 64;
        frame[23] = 6;
        nf_put32(frame + 26, 0x0a000001);
        nf_put32(frame + 30, 0x0a000002);
        nf_put16(frame + 34, (u16)(1024 + i * 7 % FLOWS));
        nf_put16(frame + 36, 80);
        frame[46] = 0x50;
        frame[47] = 16;
        for (u32 j = 0; j < payload; j++) /* text, with many first letters of the contents */
            frame[54 + j] = (u8)" abcdefghijklmnopqrstuvwxyz/.%<"[(i * 31 + j * j) % 31];
    }
    u64 times[PASSES];
    for (u32 pass = 0; pass < PASSES; pass++) {
        u64 from = now();
        for (u32 i = 0; i < packets; i += 32) {
            u8 *batch[32];
            u32 lengths[32];
            for (u32 j = 0; j < 32; j++) {
                batch[j] = frames + (u64)(i + j) * step;
                lengths[j] = length;
            }
            sb_run_batch(&box, batch, lengths, 32, 0, 0, leave, NULL);
        }
        times[pass] = now() - from;
    }
    u64 from = now(), ticks = __rdtsc(), all = ticks;
    for (u32 i = 0; i < packets; i++) {
        sb_out out;
        left_count += sb_run(&box, frames + (u64)i * step, length, 0, 0, &out);
        u64 t = __rdtsc();
        single[i] = t - ticks;
        ticks = t;
    }
    double tick = (double)(now() - from) / (double)(ticks - all);
    qsort(times, PASSES, sizeof *times, order);
    qsort(single, packets, sizeof *single, order);
    u64 alerts = 0;
    for (u32 i = 0; i < n; i++)
        alerts = alerts * 31 + inspectors[i].alerts;
    printf("batch %.2f single %.2f alerts %llu left %llu\n",
           (double)times[PASSES / 4] / packets, (double)single[packets / 2] * tick,
           (unsigned long long)(alerts * 31 + one.packets[7] + one.bytes[9]),
           (unsigned long long)left_count);
    sb_free(&box);
    free(frames);
    free(single);
    return 0;
}
