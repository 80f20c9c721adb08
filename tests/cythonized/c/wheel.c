/* Random operations on the timer wheel against a heap, and on arenas, buffers and interned strings
 * against what they should hold; exit 1 with a line if they differ. Arguments: wheel|bytes SEED
 * STEPS HASH. */
#include "driver.h"

/* The wheel --------------------------------------------------------------------------------- */

typedef struct { u64 due, order; nf_timer *timer; } waiting;

static int earlier(const waiting *a, const waiting *b) {
    return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static void run_wheel(u64 steps) {
    enum { MOST = 3000 };
    static waiting heap[MOST + 1];
    nf_timer *timers = calloc(MOST, sizeof *timers), *spare[MOST], *never[8];
    u64 n = 0, free_timers = MOST, order = 0, now = rnd(2) ? 0 : rnd(UINT64_MAX >> 2), nevers = 0;
    nf_wheel *w = malloc(sizeof *w);
    for (u64 i = 0; i < MOST; i++)
        spare[i] = &timers[i];
    nf_wheel_init(w, now);
    u64 start = now;
    for (step = 0; step < steps; step++) {
        if (rnd(1000) == 0 && nevers < 8) {
            never[nevers] = spare[--free_timers];
            *never[nevers] = (nf_timer){.due = rnd(2) ? now : rnd(UINT64_MAX), .over = 1};
            nf_wheel_add(w, never[nevers++]);
        } else if (rnd(5) < 3 && free_timers) {
            nf_timer *timer = spare[--free_timers];
            u64 far = rnd(6) ? (u64)1 << rnd(40) : (u64)1 << rnd(64);
            u64 due = rnd(8) == 0 ? now : now + rnd(far);
            if (rnd(4) == 0)
                due = due & ~(u64)63; /* ties, and the edges of slots */
            if (due < now && !(step < 100 && due >= start / 2))
                due = now;
            if (step < 100 && rnd(10) == 0)
                due = start / 2 + rnd(3); /* late: what a state file may bring */
            *timer = (nf_timer){.due = due, .number = order};
            nf_wheel_add(w, timer);
            u64 i = ++n;
            heap[i] = (waiting){due, order++, timer};
            for (; i > 1 && earlier(&heap[i], &heap[i / 2]); i /= 2) {
                waiting swap = heap[i];
                heap[i] = heap[i / 2];
                heap[i / 2] = swap;
            }
        } else {
            u64 until = rnd(3) ? now + rnd((u64)1 << rnd(42)) : now;
            if (rnd(50) == 0)
                until = nf_wheel_next(w) == UINT64_MAX ? now : nf_wheel_next(w);
            if (until < now)
                until = now;
            now = until;
            for (u64 most = rnd(20) ? UINT64_MAX : 1; most; most--) {
                CHECK(nf_wheel_next(w) == (n ? heap[1].due : UINT64_MAX));
                nf_timer *timer = nf_wheel_pop(w, until);
                if (!n || heap[1].due > until) {
                    CHECK(!timer);
                    break;
                }
                CHECK(timer == heap[1].timer && timer->number == heap[1].order);
                spare[free_timers++] = timer;
                heap[1] = heap[n--];
                for (u64 i = 1, least;; i = least) {
                    least = i;
                    if (2 * i <= n && earlier(&heap[2 * i], &heap[least]))
                        least = 2 * i;
                    if (2 * i + 1 <= n && earlier(&heap[2 * i + 1], &heap[least]))
                        least = 2 * i + 1;
                    if (least == i)
                        break;
                    waiting swap = heap[i];
                    heap[i] = heap[least];
                    heap[least] = swap;
                }
            }
        }
        CHECK(w->count == n + nevers);
        CHECK(nf_wheel_next(w) == (n ? heap[1].due : UINT64_MAX));
        if (rnd(5000) == 0 || step + 1 == steps) {
            u64 position = 0, seen = 0, sum = 0;
            for (nf_timer *timer; (timer = nf_wheel_walk(w, &position)) != NULL; seen++)
                sum += (u64)(uintptr_t)timer;
            for (u64 i = 1; i <= n; i++)
                sum -= (u64)(uintptr_t)heap[i].timer;
            for (u64 i = 0; i < nevers; i++)
                sum -= (u64)(uintptr_t)never[i];
            CHECK(seen == n + nevers && sum == 0);
        }
    }
    free(timers);
    free(w);
}

/* Arenas, buffers, the pool ----------------------------------------------------------------- */

static void run_bytes(u64 steps) {
    nf_arena arena = {NULL, NULL, 0};
    nf_buffer buffer = {NULL, 0, 0};
    struct { u8 *data; u64 length; u8 fill; } taken[64];
    u64 n = 0, total = 0;
    for (step = 0; step < steps; step++) {
        if (n == 64 || rnd(40) == 0) {
            nf_arena_reset(&arena);
            n = 0;
        }
        u64 length = rnd(10) ? rnd(3000) : rnd(200000);
        u8 *data = nf_arena_take(&arena, length);
        CHECK(data && (uintptr_t)data % 16 == 0);
        memset(data, (u8)step, length);
        taken[n].data = data;
        taken[n].length = length;
        taken[n++].fill = (u8)step;
        for (u64 i = 0; i < n; i++) {
            CHECK(!taken[i].length || (taken[i].data[0] == taken[i].fill &&
                                       taken[i].data[taken[i].length - 1] == taken[i].fill));
        }
        CHECK(nf_arena_take(&arena, UINT64_MAX - 3) == NULL);
        CHECK(nf_arena_take(&arena, UINT64_MAX / 2) == NULL);
        u8 few[40];
        length = rnd(40);
        memset(few, (int)step, sizeof few);
        CHECK(!nf_buffer_add(&buffer, few, length));
        total += length;
        CHECK(buffer.length == total && (!length || buffer.data[total - 1] == (u8)step));
        CHECK(nf_buffer_reserve(&buffer, UINT64_MAX - 10) && buffer.length == total);
    }
    nf_arena_free(&arena);
    nf_buffer_free(&buffer);

    enum { STRINGS = 2000 };
    static char text[STRINGS][32];
    static u64 lengths[STRINGS];
    static u32 ids[STRINGS];
    nf_pool pool;
    memset(&pool, 0, sizeof pool);
    CHECK(nf_interned_id(&pool, (nf_slice){(const u8 *)"abc", 3}) == UINT32_MAX);
    for (u32 i = 0; i < STRINGS; i++) {
        lengths[i] = i == 0 ? 0 : 5 + rnd(18);
        snprintf(text[i], sizeof text[i], "%05u__________________", i);
        ids[i] = i == 0 ? 0 : UINT32_MAX;
    }
    for (step = 0; step < steps; step++) {
        u32 i = (u32)rnd(STRINGS);
        nf_slice s = {(const u8 *)text[i], lengths[i]};
        CHECK(nf_interned_id(&pool, s) == ids[i]);
        if (rnd(2)) {
            u32 id = nf_intern(&pool, s);
            CHECK(id != UINT32_MAX && (ids[i] == UINT32_MAX || id == ids[i]));
            ids[i] = id;
        }
        if (ids[i] != UINT32_MAX) {
            nf_slice back = nf_interned(&pool, ids[i]);
            CHECK(back.length == lengths[i] && !memcmp(back.data, text[i], lengths[i]));
        }
        if (rnd(3000) == 0) {
            u64 bytes = 0;
            nf_pool_unmark(&pool);
            for (i = 0; i < STRINGS; i++)
                if (ids[i] != UINT32_MAX && rnd(2)) {
                    nf_pool_mark(&pool, ids[i]);
                    bytes += lengths[i];
                } else if (i) {
                    ids[i] = UINT32_MAX;
                }
            nf_pool_sweep(&pool);
            CHECK(pool.bytes == bytes);
        }
    }
    for (u32 i = 0; i < STRINGS; i++)
        for (u32 j = 0; j < i; j++)
            CHECK(ids[i] == UINT32_MAX || ids[i] != ids[j]);
    nf_pool_free(&pool);
}

int main(int argc, char **argv) {
    u64 steps = begin(argc, argv);
    if (!strcmp(argv[1], "wheel"))
        for (u64 rounds = 8; rounds; rounds--)
            run_wheel(steps / 8);
    else if (!strcmp(argv[1], "bytes"))
        run_bytes(steps);
    else
        return 2;
    puts("ok");
    return 0;
}
