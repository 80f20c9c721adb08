/* Random operations on tables and aged maps against trivial models; exit 1 with a line if they
 * differ. Arguments: table|aged|memory|huge SEED STEPS HASH, and SHAPE for tables. */
#include "driver.h"
#include <sys/resource.h>
#include <sys/wait.h>

/* Tables ------------------------------------------------------------------------------------ */

static const struct { u32 words, slot; } SHAPES[] = {
    {1, 8}, {1, 16}, {2, 16}, {2, 32}, {2, 64}, {3, 32}, {4, 48}, {5, 64}, {6, 80}, {9, 144},
};

static void check_table(const nf_table *t, const u64 *model, const u8 *there, u64 universe, u64 n) {
    u64 position = 0, seen = 0;
    static u8 *found;
    if (!found)
        found = malloc(universe);
    memset(found, 0, universe);
    for (u64 *key; (key = nf_table_next(t, &position)) != NULL; seen++) {
        u64 id = key_id(key, t->words), expected[MOST_WORDS];
        CHECK(id < universe && there[id] && !found[id]);
        make_key(expected, t->words, id);
        CHECK(!memcmp(key, expected, 8 * t->words));
        CHECK(t->slot == 8 * t->words || key[t->words] == model[id]);
        found[id] = 1;
    }
    CHECK(seen == n && t->count == n);
    CHECK(nf_table_next(t, &position) == NULL);
}

static void run_table(u64 steps, u32 words, u32 slot) {
    u64 universe = hash_kind == 0 ? 300000 : hash_kind == 4 ? 12000 : hash_kind == 5 ? 6000 : 1700;
    u64 *model = calloc(universe, 8), n = 0, reserved = 0, target = universe / 4;
    u8 *there = calloc(universe, 1);
    nf_table t;
    CHECK(!nf_table_init(&t, words, slot));
    u32 ticks = 1 + (u32)rnd(40), fill = 70;
    for (step = 0; step < steps; step++) {
        u64 id = rnd(universe), key[MOST_WORDS], what = rnd(100);
        make_key(key, words, id);
        u64 h = nf_hashn(key, words);
        if (rnd(20000) == 0) {
            fill = rnd(2) ? 20 : 70;
            ticks = rnd(4) ? 1 + (u32)rnd(40) : 1 + (u32)rnd(4000);
            target = rnd(universe) + 1;
        }
        if (n > target)
            fill = 20;
        nf_prefetch(&t, h, slot);
        if (what < fill) {
            u32 created = 7;
            if (!reserved) {
                reserved = 1 + rnd(rnd(5) ? 64 : rnd(50) ? 300 : 3000);
                CHECK(!nf_table_reserve(&t, reserved));
            }
            reserved--;
            u64 *value = nf_put(&t, key, h, words, slot, &created);
            CHECK(created == !there[id]);
            if (slot > 8 * words) {
                CHECK(*value == (created ? 0 : model[id]));
                for (u32 i = 1; created && i < slot / 8 - words; i++)
                    CHECK(value[i] == 0);
                model[id] = *value = rnd(UINT64_MAX);
                value[slot / 8 - words - 1] = model[id];
            }
            n += created;
            there[id] = 1;
        } else if (what < 90) {
            nf_del(&t, key, h, words, slot);
            n -= there[id];
            there[id] = 0;
        } else {
            u64 *value = nf_find(&t, key, h, words, slot);
            CHECK((value != NULL) == there[id]);
            CHECK(!value || slot == 8 * words || *value == model[id]);
        }
        CHECK(t.count == n);
        if (rnd(ticks) == 0)
            nf_table_tick(&t);
        if (rnd(steps / 12) == 0)
            check_table(&t, model, there, universe, n);
        if (rnd(steps / 3) == 0) {
            nf_table_clear(&t);
            memset(there, 0, universe);
            n = 0;
            reserved = 0;
            check_table(&t, model, there, universe, n);
        }
        if (rnd(steps / 3) == 0) { /* empty it key by key, in the midst of whatever */
            for (u64 i = 0; i < universe; i++) {
                make_key(key, words, i);
                nf_del(&t, key, nf_hashn(key, words), words, slot);
                if (rnd(64) == 0)
                    nf_table_tick(&t);
                there[i] = 0;
            }
            n = 0;
            check_table(&t, model, there, universe, n);
        }
    }
    check_table(&t, model, there, universe, n);
    nf_table_free(&t);
    free(model);
    free(there);
}

/* Aged maps --------------------------------------------------------------------------------- */

static void run_aged(u64 steps) {
    const u32 words = 1 + (u32)rnd(3), universe = hash_kind ? 300 : 1 + (u32)rnd(4000);
    u64 timeout = rnd(3) ? 1 + rnd(20 * universe) : UINT64_MAX;
    u64 capacity = rnd(3) ? rnd(universe) : UINT64_MAX;
    u32 evict = (u32)rnd(2);
    struct { u64 stamp, order, value; int there; } *model = calloc(universe, sizeof *model);
    u64 now = rnd(1000), order = 0, reserved = 0;
    nf_aged a;
    CHECK(!nf_aged_init(&a, words, 16, timeout, capacity, evict));
    for (step = 0; step < steps; step++) {
        u64 id = rnd(universe), key[MOST_WORDS], what = rnd(100), *value;
        make_key(key, words, id);
        u64 h = nf_hashn(key, words);
        now += rnd(rnd(500) ? 20 : 40 * universe);
#define LIVE(i) (model[i].there && (timeout == UINT64_MAX || now - model[i].stamp < timeout))
        int live = LIVE(id);
        nf_aged_prefetch(&a, h);
        if (what < 50) {
            u32 created = 7;
            if (!reserved) {
                reserved = 1 + rnd(100);
                CHECK(!nf_aged_reserve(&a, reserved));
            }
            reserved--;
            value = nf_aged_put(&a, key, h, words, now, &created);
            if (!live && capacity != UINT64_MAX) {
                u64 n = 0, oldest = UINT64_MAX;
                for (u32 i = 0; i < universe; i++)
                    if (LIVE(i)) {
                        n++;
                        if (oldest == UINT64_MAX || model[i].order < model[oldest].order)
                            oldest = i;
                    }
                if (n >= capacity && (!evict || n == 0)) {
                    CHECK(value == NULL);
                    continue;
                }
                if (n >= capacity)
                    model[oldest].there = 0;
            }
            CHECK(value != NULL && created == !live);
            CHECK(value[0] == (live ? model[id].value : 0) && (live || value[1] == 0));
            value[0] = value[1] = model[id].value = rnd(UINT64_MAX);
            model[id].there = 1;
            model[id].stamp = now;
            model[id].order = order++;
        } else if (what < 60) {
            nf_aged_del(&a, key, h, words);
            model[id].there = 0;
        } else if (what < 70) {
            nf_aged_touch(&a, key, h, words, now);
            if (live) {
                model[id].stamp = now;
                model[id].order = order++;
            }
        } else {
            value = nf_aged_find(&a, key, h, words, now);
            CHECK((value != NULL) == live && (!value || *value == model[id].value));
        }
        if (rnd(30) == 0)
            nf_aged_tick(&a);
        if (rnd(steps / 4) == 0) {
            nf_aged_clear(&a);
            for (u32 i = 0; i < universe; i++)
                model[i].there = 0;
            reserved = 0;
        }
        if (rnd(2000) == 0 || step + 1 == steps) {
            u64 position = 0, stamp = 0, last = 0, n = 0, expected = 0, *at;
            for (; (at = nf_aged_next(&a, &position, now, &stamp)) != NULL; n++) {
                id = key_id(at, words);
                CHECK(LIVE(id) && stamp == model[id].stamp && at[words] == model[id].value);
                CHECK(n == 0 || model[id].order > last);
                last = model[id].order;
            }
            for (u32 i = 0; i < universe; i++)
                expected += (u64)LIVE(i);
            CHECK(n == expected);
        }
    }
    CHECK(nf_aged_bytes(&a) > 0);
    nf_aged_clear(&a);
    CHECK(!nf_aged_reserve(&a, 10)); /* what a state file brings */
    u64 rows = universe < 10 ? universe : 10;
    rows = rows < capacity ? rows : capacity;
    for (u64 id = 0; id < rows; id++) {
        u64 key[MOST_WORDS];
        make_key(key, words, id);
        *(u64 *)nf_aged_restore(&a, key, nf_hashn(key, words), words, now + id) = id;
    }
    u64 position = 0, stamp = 0, n = 0, *at;
    for (; (at = nf_aged_next(&a, &position, now, &stamp)) != NULL; n++)
        CHECK(key_id(at, words) == n && stamp == now + n && at[words] == n);
    CHECK(n == rows);
    nf_aged_free(&a);
    free(model);
}

/* Out of memory ----------------------------------------------------------------------------- */

static void limit_memory(u64 more) {
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long long pages = 0;
    CHECK(f && fscanf(f, "%llu", &pages) == 1);
    fclose(f);
    struct rlimit limit = {pages * 4096 + more, RLIM_INFINITY};
    CHECK(!setrlimit(RLIMIT_AS, &limit));
}

static void run_memory(void) {
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    const u32 words = 2, slot = 32;
    u64 n = 0, full, key[2];
    u32 created;
    nf_table t;
    CHECK(!nf_table_init(&t, words, slot));
    limit_memory(24 << 20);
    for (; !nf_table_reserve(&t, 32); nf_table_tick(&t))
        for (u32 i = 0; i < 32; i++, n++) {
            make_key(key, words, n);
            *(u64 *)nf_put(&t, key, nf_hashn(key, words), words, slot, &created) = 3 * n;
            CHECK(created);
        }
    CHECK(n > 100000); /* it filled up what there was before it gave up */
    full = n;
    CHECK(nf_table_reserve(&t, 32) && nf_table_reserve(&t, UINT64_MAX));
    for (int again = 0; again < 3; again++) {
        for (u64 i = 0; i < full; i++) { /* all there, and to be written */
            make_key(key, words, i);
            u64 *value = nf_find(&t, key, nf_hashn(key, words), words, slot);
            CHECK(value && *value == 3 * i);
        }
        u64 position = 0, seen = 0;
        while (nf_table_next(&t, &position))
            seen++;
        CHECK(seen == full && t.count == full);
        nf_table_tick(&t);
    }
    for (u64 i = 0; i < 64; i++) { /* deleting makes room */
        make_key(key, words, i);
        nf_del(&t, key, nf_hashn(key, words), words, slot);
    }
    CHECK(!nf_table_reserve(&t, 64));
    nf_aged a;
    CHECK(!setrlimit(RLIMIT_AS, &all) && !nf_aged_init(&a, 2, 16, 1000, UINT64_MAX, 0));
    CHECK(!nf_table_reserve(&t, 1000000)); /* and so does more memory */
    for (u64 i = 64; i < full; i++) {
        make_key(key, words, i);
        u64 *value = nf_find(&t, key, nf_hashn(key, words), words, slot);
        CHECK(value && *value == 3 * i);
    }
    nf_table_free(&t);

    limit_memory(24 << 20);
    for (n = 0; !nf_aged_reserve(&a, 32); nf_aged_tick(&a))
        for (u32 i = 0; i < 32; i++, n++) {
            make_key(key, words, n);
            u64 *value = nf_aged_put(&a, key, nf_hashn(key, words), words, 5, &created);
            CHECK(value && created);
            *value = n;
        }
    CHECK(n > 50000);
    u64 position = 0, stamp = 0, seen = 0;
    for (u64 *at; (at = nf_aged_next(&a, &position, 6, &stamp)) != NULL; seen++)
        CHECK(at[0] == seen && at[2] == seen && stamp == 5);
    CHECK(seen == n && a.count == n);
    CHECK(!setrlimit(RLIMIT_AS, &all));
    limit_memory(8 << 20);
    nf_pool pool;
    memset(&pool, 0, sizeof pool);
    char text[2000];
    memset(text, 'x', sizeof text);
    u32 id = 0, last = 0;
    for (n = 0; id != UINT32_MAX; n++) {
        memcpy(text, &n, sizeof n);
        last = id;
        id = nf_intern(&pool, (nf_slice){(u8 *)text, sizeof text});
    }
    n -= 2;
    memcpy(text, &n, sizeof n);
    CHECK(n > 100 && nf_interned_id(&pool, (nf_slice){(u8 *)text, sizeof text}) == last);
    CHECK(!setrlimit(RLIMIT_AS, &all));
    nf_pool_free(&pool);
    nf_aged_free(&a);
}

/* Huge pages -------------------------------------------------------------------------------- */

static void fill_keys(nf_table *t, u64 from, u64 to) {
    u32 created;
    u64 key[2];
    for (u64 i = from; i < to; i++) {
        make_key(key, 2, i);
        CHECK(!nf_table_reserve(t, 1));
        *(u64 *)nf_put(t, key, nf_hashn(key, 2), 2, 32, &created) = 3 * i;
        CHECK(created && t->count == i + 1);
        if (i % 8 == 0)
            nf_table_tick(t);
    }
}

static void check_keys(nf_table *t, u64 n) {
    u64 key[2], position = 0, seen = 0;
    for (u64 i = 0; i < n; i++) {
        make_key(key, 2, i);
        u64 *value = nf_find(t, key, nf_hashn(key, 2), 2, 32);
        CHECK(value && *value == 3 * i);
    }
    while (nf_table_next(t, &position))
        seen++;
    CHECK(seen == n);
}

/* Ticks until a thread touches pages for the table; 0: it never does here. */
static int until_warm(nf_table *t) {
    for (step = 0; step < 100000 && !t->warm; step++)
        nf_table_tick(t);
    return t->warm != NULL;
}

static void run_huge(void) {
    const u64 n = 120000;
    nf_table t;
    CHECK(!nf_table_init(&t, 2, 32));
    fill_keys(&t, 0, n);
    if (!until_warm(&t)) {
        CHECK(!nf_warm_possible());
        return;
    }
    for (u64 i = 0; i < 300; i++)
        nf_table_tick(&t);
    pid_t child = fork(); /* which has no such thread */
    CHECK(child >= 0);
    for (step = 0; t.busy; step++) {
        nf_table_tick(&t);
        sched_yield();
    }
    check_keys(&t, n);
    CHECK(t.region.huge);
    if (child == 0) {
        nf_table_free(&t);
        exit(0);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    for (int way = 0; way < 5; way++) { /* what may come while it is under way */
        nf_table u;
        CHECK(!nf_table_init(&u, 2, 32));
        fill_keys(&u, 0, n);
        CHECK(until_warm(&u));
        for (u64 i = rnd(400); i; i--)
            nf_table_tick(&u);
        if (way == 0) {
            fill_keys(&u, n, 3 * n); /* it has to grow */
            check_keys(&u, 3 * n);
        } else if (way == 1) {
            nf_table_clear(&u);
            fill_keys(&u, 0, n);
            check_keys(&u, n);
        } else if (way == 2) {
            CHECK(!nf_table_reserve(&u, 4 * n));
            check_keys(&u, n);
        } else if (way == 3) {
            nf_table moved = u; /* a table is not where it was */
            memset(&u, 0xff, sizeof u);
            u = moved;
            while (u.busy)
                nf_table_tick(&u);
            check_keys(&u, n);
        }
        nf_table_free(&u);
    }
    nf_table_free(&t);
}

int main(int argc, char **argv) {
    u64 steps = begin(argc, argv);
    u32 shape = argc > 5 ? (u32)atoi(argv[5]) : 0;
    if (!strcmp(argv[1], "table"))
        run_table(steps, SHAPES[shape].words, SHAPES[shape].slot);
    else if (!strcmp(argv[1], "aged"))
        for (u64 rounds = 8; rounds; rounds--)
            run_aged(steps / 8);
    else if (!strcmp(argv[1], "memory"))
        run_memory();
    else if (!strcmp(argv[1], "huge"))
        run_huge();
    else
        return 2;
    puts("ok");
    return 0;
}
