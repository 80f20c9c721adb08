/* Random operations on a Global MAT against a trivial model; exit 1 with a line if they differ.
 * Arguments: mat SEED STEPS HASH SLOT MOST, or events SEED STEPS HASH. */
#include "driver.h"
#include "nf_mat.h"

enum { FLOWS = 3000, PLACES = 20000, WATCHES = 3 };

typedef struct { nf_mat_head head; u64 value, last; } record;

/* What the model knows: a record that serves holds what was recorded last, and only as long as
 * nothing that it watches has changed since. It may serve less than the model, never more. */
static u64 value_of[FLOWS], flow_key[FLOWS];
static u8 may_serve[FLOWS];
static u32 watching[FLOWS][WATCHES];


static void run_mat(u64 steps, u32 slot, u64 most) {
    nf_mat m;
    u64 served = 0, missed = 0;
    CHECK(!nf_mat_init(&m, slot, WATCHES, most));
    for (u64 i = 0; i < FLOWS; i++)
        flow_key[i] = 6ULL << 32 | rnd(1ULL << 32);
    u64 active = 1 + rnd(FLOWS);
    for (step = 0; step < steps; step++) {
        u64 id = rnd(active), key[2] = {id, flow_key[id]}, h = nf_mat_hash(key), what = rnd(1000);
        if (rnd(5000) == 0)
            active = 1 + rnd(FLOWS);
        nf_mat_prefetch(&m, h, slot);
        record *r = (record *)nf_mat_find(&m, key, h, slot);
        if (what < 600) {
            if (r && nf_mat_serves(&m, &r->head)) {
                CHECK(may_serve[id] && r->value == value_of[id] && r->head.number == id % 7);
                CHECK((slot == 64 ? &r->last : (u64 *)r + slot / 8 - 3)[0] == ~value_of[id]);
                served++;
                continue;
            }
            missed += may_serve[id];
            u64 n = rnd(WATCHES + 1);
            r = (record *)nf_mat_put(&m, key, h, slot);
            CHECK(r && !nf_mat_serves(&m, &r->head));
            r->value = value_of[id] = rnd(UINT64_MAX);
            r->head.number = id % 7;
            (slot == 64 ? &r->last : (u64 *)r + slot / 8 - 3)[0] = ~r->value;
            for (u64 i = 0; i < WATCHES; i++) {
                watching[id][i] = i < n ? (u32)rnd(PLACES) : UINT32_MAX;
                CHECK(i >= n || nf_mat_watch(&m, nf_hash1(watching[id][i]), h));
            }
            nf_mat_live(&m, &r->head);
            may_serve[id] = 1;
        } else if (what < 850) {
            u32 place = (u32)rnd(PLACES);
            nf_mat_event(&m, nf_hash1(place));
            for (u64 i = 0; i < FLOWS; i++)
                for (u32 j = 0; j < WATCHES; j++)
                    may_serve[i] &= watching[i][j] != place;
        } else if (what < 950) {
            nf_mat_remove(&m, key, h, slot);
            may_serve[id] = 0;
            CHECK(!nf_mat_find(&m, key, h, slot));
        } else if (what < 970) {
            nf_mat_outdate(&m, h);
            may_serve[id] = 0;
        } else if (what < 990) {
            nf_mat_tick(&m);
        } else if (what < 995) {
            nf_mat_evict(&m, rnd(4));
        } else if (what == 999 && rnd(20) == 0) {
            if (rnd(4)) {
                if (rnd(2))
                    m.epoch = rnd(2) ? UINT32_MAX : m.epoch;
                else
                    nf_mat_outdate_all(&m);
            } else {
                nf_mat_clear(&m);
            }
            nf_mat_outdate_all(&m);
            memset(may_serve, 0, sizeof may_serve);
        }
        CHECK(m.table.count <= most);
        CHECK(m.events.count <= NF_EVENTS_LEAST + 2 * WATCHES * (FLOWS + 1) + WATCHES);
    }
    CHECK(hash_kind || most < FLOWS || (served > steps / 10 && missed < served / 10));
    nf_mat_free(&m);
}

/* The index by itself: each flow that watches is told once, and nobody is forgotten. */
static void run_events(u64 steps) {
    enum { KEYS = 4000 };
    static u32 told[KEYS], expected[KEYS];
    nf_events e;
    u64 live = 0;
    CHECK(!nf_events_init(&e));
    for (step = 0; step < steps; step++) {
        u64 key = rnd(step % 50000 < 25000 ? KEYS : 40);
        u32 where = (u32)(key * 0x9E3779B1u);
        if (rnd(10) < 7) {
            CHECK(!nf_events_watch(&e, where, key << 32 | expected[key]));
            expected[key]++;
            live++;
        } else {
            told[key] = 0;
            if (nf_events_any(&e, where)) {
                u64 flow, seen = 0;
                for (u32 i = nf_events_take(&e, where); i; told[key]++) {
                    i = nf_events_next(&e, i, &flow);
                    CHECK(flow >> 32 == key && (u32)flow < expected[key]);
                    seen += (u32)flow;
                }
                CHECK(seen == (u64)expected[key] * (expected[key] - (expected[key] > 0)) / 2);
            }
            CHECK(told[key] == expected[key]);
            live -= expected[key];
            expected[key] = 0;
        }
        CHECK(e.count == live && e.buckets <= e.room && e.used <= e.room);
        if (rnd(300000) == 0) {
            nf_events_clear(&e);
            memset(expected, 0, sizeof expected);
            live = 0;
        }
    }
    nf_events_free(&e);
}

int main(int argc, char **argv) {
    u64 steps = begin(argc, argv);
    if (!strcmp(argv[1], "events"))
        run_events(steps);
    else
        run_mat(steps, (u32)atoi(argv[5]), strtoull(argv[6], NULL, 10));
    puts("ok");
    return 0;
}
