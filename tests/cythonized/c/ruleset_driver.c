/* Looks packets up in a generated ruleset. RULES is its header, which defines the classifier `fast`
 * and the scan `slow`, the number of COLUMNS, and CALL(f, v): f of the values v[0], v[1], ...
 *
 *   check ROWS N     N packets at and around the rows: both have to agree; prints how many accept
 *   verdicts POINTS  a byte per packet
 *   time ROWS N      prints ns a lookup, KB and ms to build, ns a lookup of the scan (0: too slow)
 *
 * ROWS has two 128-bit numbers per column and row, POINTS one per column and packet. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include RULES

static u64 state = 0x9e3779b97f4a7c15u;

static u64 drawn(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1du;
}

static u128 *numbers(const char *path, u64 *count) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) exit(2);
    u64 size = (u64)ftell(file);
    u128 *all = malloc(size + sizeof(u128));
    rewind(file);
    if (!all || fread(all, 1, size, file) != size) exit(2);
    fclose(file);
    *count = size / sizeof(u128);
    return all;
}

/* A packet inside a row, at its corners, just outside, with some values of another row, or any. */
static void draw(u128 *v, const u128 *rows, u64 n) {
    u64 row = n ? drawn() % n : 0, how = drawn() % 10;
    for (u32 k = 0; k < COLUMNS; k++) {
        u128 any = (u128)drawn() << 64 | drawn();
        v[k] = any;
        if (!n || how == 0) continue;
        u64 source = how == 1 && drawn() % 3 == 0 ? drawn() % n : row;
        u128 lo = rows[(source * COLUMNS + k) * 2], hi = rows[(source * COLUMNS + k) * 2 + 1];
        u64 kind = drawn() % (how < 5 ? 5 : 3);
        u128 span = hi - lo + 1;
        v[k] = kind == 0 ? lo : kind == 1 ? hi : kind == 3 ? lo - 1 : kind == 4 ? hi + 1
             : span ? lo + any % span : any;
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    u64 count, n = argc > 3 ? strtoull(argv[3], NULL, 10) : 0, accepted = 0;
    u128 *rows = numbers(argv[2], &count);
    count /= COLUMNS;
    double before = now();
    if (fast_init() || slow_init()) return 3;
    double built = now() - before;
    if (argv[1][0] == 'c') {
        for (u64 i = 0; i < n; i++) {
            u128 v[COLUMNS + 1];
            draw(v, rows, count / 2);
            u32 want = CALL(slow, v), got = CALL(fast, v);
            accepted += got;
            if (got == want) continue;
            fprintf(stderr, "packet %llu: %u, not %u:", (unsigned long long)i, got, want);
            for (u32 k = 0; k < COLUMNS; k++)
                fprintf(stderr, " %llx%016llx", (unsigned long long)(v[k] >> 64),
                        (unsigned long long)v[k]);
            fprintf(stderr, "\n");
            return 1;
        }
        printf("%llu\n", (unsigned long long)accepted);
    } else if (argv[1][0] == 'v') {
        for (u64 i = 0; i < count; i++) putchar((int)(CALL(fast, (rows + i * COLUMNS))));
    } else {
        u128 *v = malloc((n + 1) * (COLUMNS + 1) * sizeof(u128));
        if (!v) return 3;
        double best = 1e18, scan = 0;
        for (u64 i = 0; i < n; i++) draw(v + i * COLUMNS, rows, count / 2);
        for (u32 round = 0; round < 5; round++) {
            double start = now();
            for (u64 i = 0; i < n; i++) accepted += CALL(fast, (v + i * COLUMNS));
            double took = now() - start;
            best = took < best ? took : best;
        }
        u64 few = n * (count / 2) < 1000000000 ? n : 1000000000 / (count + 1);
        double start = now();
        for (u64 i = 0; i < few; i++) accepted += CALL(slow, (v + i * COLUMNS));
        scan = now() - start;
        printf("%.1f %llu %.2f %.1f %llu\n", best / (double)n, (unsigned long long)fast_bytes() / 1024,
               built / 1e6, scan / (double)few, (unsigned long long)accepted);
        free(v);
    }
    fast_free();
    slow_free();
    free(rows);
    return 0;
}
