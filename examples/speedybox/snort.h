/* A Snort-like inspector: the first rule whose content is in the payload says what becomes of the
 * packet's record: Pass (none), Alert or Log. It forwards everything. */
#ifndef SNORT_H
#define SNORT_H
#include "common.h"

typedef enum snort_action { SNORT_PASS, SNORT_ALERT, SNORT_LOG } snort_action;

static const struct { snort_action action; const char *content; } SNORT_RULES[] = {
    {SNORT_PASS, "healthcheck"},
    {SNORT_ALERT, "/etc/passwd"},
    {SNORT_ALERT, "cmd.exe"},
    {SNORT_LOG, "login"},
};

typedef struct snort {
    map flows;  /* flow -> alerts, logged packets, the number of its last log entry */
    u64 entries;
} snort;

static void snort_init(snort *ids) {
    map_init(&ids->flows, 24);
    ids->entries = 0;
}

static u32 snort_inspect(void *nf, sb_packet *p, const sb_args *args) {
    snort *ids = nf;
    u64 *flow = (u64 *)(uintptr_t)args->at[0];
    nf_slice payload = sb_payload(p);
    for (u32 i = 0; i < sizeof SNORT_RULES / sizeof *SNORT_RULES; i++) {
        const char *content = SNORT_RULES[i].content;
        if (!nf_contains(payload, (nf_slice){(const u8 *)content, strlen(content)}))
            continue;
        if (SNORT_RULES[i].action != SNORT_PASS) {
            flow[SNORT_RULES[i].action == SNORT_LOG]++;
            flow[2] = ++ids->entries;
        }
        break;
    }
    return SB_GO;
}

static void snort_process(void *nf, sb_packet *p) {
    snort *ids = nf;
    u64 key[2];
    if (!has_ports(p))
        return;
    flow_key(p, key);
    const sb_args *args = sb_list((u64)(uintptr_t)map_make(&ids->flows, key));
    localmat_add_SF(nf_extract_fid(p), snort_inspect, SB_READ, args);
    snort_inspect(nf, p, args);
}

static void snort_show(FILE *to, void *nf) {
    snort *ids = nf;
    fprintf(to, "snort.entries %llu\n", (unsigned long long)ids->entries);
    map_show(to, "snort.flows", &ids->flows, 3);
}

#endif
