/* What the NFs of this folder share: keys, and maps with values that stay where they are. */
#ifndef COMMON_H
#define COMMON_H
#include <stdio.h>
#include <stdlib.h>
#include "speedybox.h"

/* From a key of two words (the second is never 0) to memory of its own. */
typedef struct map {
    nf_table table;
    u32 size;
} map;

static inline void map_init(map *m, u32 size) {
    m->size = size;
    if (nf_table_init(&m->table, 2, 24))
        abort();
}

static inline void *map_get(map *m, const u64 *key) {
    void **at = nf_find(&m->table, key, nf_hash2(key[0], key[1]), 2, 24);
    return at ? *at : NULL;
}

/* All zero if it is new. */
static inline void *map_make(map *m, const u64 *key) {
    u32 made;
    if (nf_table_reserve(&m->table, 1))
        abort();
    void **at = nf_put(&m->table, key, nf_hash2(key[0], key[1]), 2, 24, &made);
    if (made && !(*at = calloc(1, m->size)))
        abort();
    return *at;
}

/* The flow of a packet, as it is now: addresses; ports and protocol. */
static inline void flow_key(sb_packet *p, u64 *key) {
    key[0] = sb_get(p, SB_SIP) << 32 | sb_get(p, SB_DIP);
    key[1] = sb_get(p, SB_PROTO) << 32 | sb_get(p, SB_SPORT) << 16 | sb_get(p, SB_DPORT);
}

/* Whether these NFs do anything with it: unfragmented TCP and UDP over IPv4. */
static inline u32 has_ports(sb_packet *p) {
    u32 bits = sb_headers(p);
    return bits & NF_IP4 && bits & (NF_TCP | NF_UDP) && !(bits & NF_FRAG);
}

/* The map in order of its keys, each with `n` u64 of its value. */
typedef struct shown { u64 key[2]; u64 *value; } shown;
static int shown_order(const void *a, const void *b) {
    const shown *x = a, *y = b;
    int first = (x->key[0] > y->key[0]) - (x->key[0] < y->key[0]);
    return first ? first : (x->key[1] > y->key[1]) - (x->key[1] < y->key[1]);
}

static inline void map_show(FILE *to, const char *name, map *m, u32 n) {
    shown *all = malloc((m->table.count + 1) * sizeof *all);
    u64 position = 0, count = 0;
    for (u64 *key; all && (key = nf_table_next(&m->table, &position)); count++)
        all[count] = (shown){{key[0], key[1]}, *(u64 **)(key + 2)};
    if (count)
        qsort(all, count, sizeof *all, shown_order);
    for (u64 i = 0; i < count; i++) {
        fprintf(to, "%s %016llx %012llx", name, (unsigned long long)all[i].key[0],
                (unsigned long long)all[i].key[1]);
        for (u32 j = 0; j < n; j++)
            fprintf(to, " %llu", (unsigned long long)all[i].value[j]);
        fputc('\n', to);
    }
    free(all);
}

#endif
