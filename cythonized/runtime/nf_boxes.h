/* First-match lists as a tree of bounding boxes, eight a node, built at load time: its size is
 * linear in the rows, whatever they are. For lists that are too long for bits, or not prefixes. */
#ifndef NF_BOXES_H
#define NF_BOXES_H
#include "nf_classify.h"

#define NF_LANES 8
#define NF_MAX_COLUMNS 8
#define NF_BOX_STACK 512 /* 7 a level; a lane has at most (7/8)^7 of its node's rows: 25 levels */

/* First and last value of each row: u32 pairs in `narrow`, or u64 pairs (high first) in `wide`. */
typedef struct nf_column {
    const u32 *narrow;
    const u64 *wide;
} nf_column;

/* A node is, for each column, NF_LANES lowest values and NF_LANES highest; then the first row
 * below each lane, ascending (UINT32_MAX: the lane is empty); then its child, 0: a row. */
typedef struct nf_boxes {
    u32 users, rows, columns;
    const nf_column *plan;
    u32 *nodes;
    u64 count, room;            /* of nodes */
    u64 bytes;
    u128 *cuts[NF_MAX_COLUMNS]; /* where the intervals of a wide column start; boxes hold ranks */
    u32 n_cuts[NF_MAX_COLUMNS];
} nf_boxes;

NF_INL u32 nf_box_words(u32 columns) { return (2 * columns + 2) * NF_LANES; }

/* The interval of a wide column that holds a value. */
NF_INL u32 nf_boxes_rank(const nf_boxes *b, u32 column, u128 value) {
    const u128 *base = b->cuts[column];
    for (u32 n = b->n_cuts[column]; n > 1;) {
        u32 half = n / 2;
        base += base[half] <= value ? half : 0;
        n -= half;
    }
    return (u32)(base - b->cuts[column]);
}

/* The lanes whose box holds the point and that begin before row `best`. */
NF_INL u32 nf_box_lanes(const u32 *node, const u32 *point, u32 columns, u32 best) {
    const u32 *first = node + columns * 2 * NF_LANES;
#ifdef __AVX2__
    typedef u32 nf_v8 __attribute__((vector_size(32), aligned(4), may_alias));
    typedef float nf_f8 __attribute__((vector_size(32)));
    nf_v8 in = (nf_v8)(*(const nf_v8 *)first < best);
#pragma GCC unroll 8
    for (u32 k = 0; k < columns; k++, node += 2 * NF_LANES)
        in &= (nf_v8)(*(const nf_v8 *)node <= point[k]) &
              (nf_v8)(*(const nf_v8 *)(node + NF_LANES) >= point[k]);
    return (u32)__builtin_ia32_movmskps256((nf_f8)in);
#else
    u32 lanes = 0;
    for (u32 lane = 0; lane < NF_LANES; lane++) {
        u32 in = first[lane] < best;
        for (u32 k = 0; k < columns; k++)
            in &= (node[2 * k * NF_LANES + lane] <= point[k]) &
                  (node[(2 * k + 1) * NF_LANES + lane] >= point[k]);
        lanes |= in << lane;
    }
    return lanes;
#endif
}

/* The first row whose box holds the point, or UINT32_MAX. */
NF_INL u32 nf_boxes_first(const nf_boxes *b, const u32 *point, u32 columns) {
    u64 stack[NF_BOX_STACK]; /* first row << 32 | node */
    u32 depth = 1, best = UINT32_MAX, words = nf_box_words(columns);
    stack[0] = 0;
    do {
        u64 top = stack[--depth];
        if (top >> 32 >= best) continue;
        const u32 *node = b->nodes + (top & UINT32_MAX) * words;
        const u32 *first = node + columns * 2 * NF_LANES, *child = first + NF_LANES;
        u32 lanes = nf_box_lanes(node, point, columns, best), inner = 0;
        for (; lanes; lanes &= lanes - 1) { /* a lane behind a row that matches comes too late */
            u32 lane = (u32)__builtin_ctz(lanes);
            if (!child[lane]) {
                best = first[lane];
                break;
            }
            inner |= 1u << lane;
        }
        while (inner) { /* the last first, so that the first is taken up next */
            u32 lane = 31 - (u32)__builtin_clz(inner);
            inner ^= 1u << lane;
            stack[depth++] = (u64)first[lane] << 32 | child[lane];
        }
    } while (depth);
    return best;
}

/* Building --------------------------------------------------------------------------------- */

/* The rows to place: `boxes` has 2 * columns numbers a row, `order` is what a node has of them. */
typedef struct nf_boxing {
    nf_boxes *tree;
    u32 *boxes;
    u32 column; /* to sort by */
} nf_boxing;

NF_COLD u64 nf_box_centre(const nf_boxing *g, u32 row) {
    const u32 *box = g->boxes + ((u64)row * g->tree->columns + g->column) * 2;
    return (u64)box[0] + box[1];
}

NF_COLD u32 nf_box_span(const nf_boxing *g, u32 row, u32 column) {
    const u32 *box = g->boxes + ((u64)row * g->tree->columns + column) * 2;
    return box[1] - box[0];
}

NF_COLD int nf_box_before(const nf_boxing *g, u32 a, u32 b) {
    u64 x = nf_box_centre(g, a), y = nf_box_centre(g, b);
    return x != y ? x < y : a < b;
}

/* Moves the `half` rows with the lowest centres to the front. */
NF_COLD void nf_box_select(const nf_boxing *g, u32 *order, u32 n, u32 half) {
    u32 low = 0, high = n; /* the cut is in order[low, high) */
    while (high - low > 1) {
        u32 pivot = order[low + (high - low) / 2], i = low, j = high - 1;
        for (;;) {
            while (nf_box_before(g, order[i], pivot)) i++;
            while (nf_box_before(g, pivot, order[j])) j--;
            if (i >= j) break;
            u32 row = order[i];
            order[i++] = order[j];
            order[j--] = row;
        }
        if (i == j && (half == j || half == j + 1)) return; /* the pivot is in its place */
        if (half <= j) high = i;
        else low = i == j ? j + 1 : i;
    }
}

/* Splits rows in two by the column that tells them apart best; the size of the first part. */
NF_COLD u32 nf_box_split(nf_boxing *g, u32 *order, u32 n) {
    u32 columns = g->tree->columns, limit = 0;
    double best = 2;
    for (u32 k = 0; k < columns; k++) {
        u32 low = UINT32_MAX, high = 0;
        double spans = 0;
        for (u32 i = 0; i < n; i++) {
            const u32 *box = g->boxes + ((u64)order[i] * columns + k) * 2;
            low = box[0] < low ? box[0] : low;
            high = box[1] > high ? box[1] : high;
            spans += box[1] - box[0];
        }
        double score = high > low ? spans / n / (high - low) : 1;
        if (score < best) {
            best = score;
            g->column = k;
            limit = (high - low) / 2;
        }
    }
    u32 narrow = 0;
    for (u32 i = 0; i < n; i++) {
        u32 row = order[i];
        if (nf_box_span(g, row, g->column) > limit) continue;
        order[i] = order[narrow];
        order[narrow++] = row;
    }
    if (narrow > n / 8 && n - narrow > n / 8) return narrow;
    nf_box_select(g, order, n, n / 2);
    return n / 2;
}

/* The box around the rows of a lane, and the first of them. */
NF_COLD void nf_box_lane(const nf_boxing *g, u32 *node, u32 lane, const u32 *order, u32 n) {
    u32 columns = g->tree->columns, first = UINT32_MAX;
    for (u32 k = 0; k < columns; k++) {
        u32 low = UINT32_MAX, high = 0;
        for (u32 i = 0; i < n; i++) {
            const u32 *box = g->boxes + ((u64)order[i] * columns + k) * 2;
            low = box[0] < low ? box[0] : low;
            high = box[1] > high ? box[1] : high;
        }
        node[2 * k * NF_LANES + lane] = low;
        node[(2 * k + 1) * NF_LANES + lane] = high;
    }
    for (u32 i = 0; i < n; i++) first = order[i] < first ? order[i] : first;
    node[2 * columns * NF_LANES + lane] = first;
}

NF_COLD u32 nf_box_first(const u32 *order, u32 n) {
    u32 first = UINT32_MAX;
    for (u32 i = 0; i < n; i++) first = order[i] < first ? order[i] : first;
    return first;
}

/* Makes a node of n rows, and what is below it. Its number, or UINT32_MAX: no memory. */
NF_COLD u32 nf_box_node(nf_boxing *g, u32 *order, u32 n) {
    nf_boxes *b = g->tree;
    u32 words = nf_box_words(b->columns);
    if (b->count == b->room) {
        u64 room = b->room ? b->room * 2 : 16;
        u32 *nodes = (u32 *)realloc(b->nodes, room * words * 4);
        if (!nodes) return UINT32_MAX;
        b->nodes = nodes;
        b->room = room;
    }
    u32 number = (u32)b->count++, groups = 1, at[NF_LANES] = {0}, size[NF_LANES] = {n};
    u32 wanted = n <= NF_LANES ? n : n <= NF_LANES * NF_LANES ? (n + 7) / 8 : NF_LANES;
    memset(b->nodes + (u64)number * words, 0, words * 4);
    memset(b->nodes + (u64)number * words + 2 * b->columns * NF_LANES, 0xff, NF_LANES * 4);
    while (groups < wanted) {
        u32 largest = 0;
        for (u32 i = 1; i < groups; i++) largest = size[i] > size[largest] ? i : largest;
        u32 part = nf_box_split(g, order + at[largest], size[largest]);
        at[groups] = at[largest] + part;
        size[groups] = size[largest] - part;
        size[largest] = part;
        groups++;
    }
    for (u32 lane = 0; lane < groups; lane++) { /* in order of their first rows */
        u32 next = lane;
        for (u32 i = lane + 1; i < groups; i++)
            if (nf_box_first(order + at[i], size[i]) < nf_box_first(order + at[next], size[next]))
                next = i;
        u32 a = at[lane], s = size[lane];
        at[lane] = at[next], size[lane] = size[next];
        at[next] = a, size[next] = s;
        nf_box_lane(g, b->nodes + (u64)number * words, lane, order + at[lane], size[lane]);
        if (size[lane] > 1) {
            u32 child = nf_box_node(g, order + at[lane], size[lane]);
            if (child == UINT32_MAX) return UINT32_MAX;
            b->nodes[(u64)number * words + (2 * b->columns + 1) * NF_LANES + lane] = child;
        }
    }
    return number;
}

NF_COLD int nf_cut_order(const void *a, const void *b) {
    u128 x = *(const u128 *)a, y = *(const u128 *)b;
    return (x > y) - (x < y);
}

NF_INL u128 nf_wide_bound(const u64 *wide, u64 at) {
    return (u128)wide[2 * at] << 64 | wide[2 * at + 1];
}

/* The starts of the intervals of a wide column. 0, or -1. */
NF_COLD int nf_boxes_cuts(nf_boxes *b, u32 k) {
    u128 *cuts = (u128 *)malloc(((u64)b->rows * 2 + 1) * sizeof(u128));
    u32 n = 1;
    b->cuts[k] = cuts;
    if (!cuts) return -1;
    cuts[0] = 0;
    for (u64 row = 0; row < b->rows; row++) {
        u128 low = nf_wide_bound(b->plan[k].wide, 2 * row);
        u128 behind = nf_wide_bound(b->plan[k].wide, 2 * row + 1) + 1;
        if (low) cuts[n++] = low;
        if (behind) cuts[n++] = behind;
    }
    qsort(cuts, n, sizeof(u128), nf_cut_order);
    u32 kept = 1;
    for (u32 i = 1; i < n; i++)
        if (cuts[i] != cuts[kept - 1]) cuts[kept++] = cuts[i];
    b->n_cuts[k] = kept;
    b->bytes += kept * sizeof(u128);
    return 0;
}

NF_COLD void nf_boxes_free(nf_boxes *b) {
    free(b->nodes);
    for (u32 k = 0; k < b->columns; k++) free(b->cuts[k]);
    memset(b->cuts, 0, sizeof b->cuts);
    b->nodes = NULL;
    b->count = b->room = b->bytes = 0;
}

NF_COLD int nf_boxes_build(nf_boxes *b) {
    u32 *boxes = (u32 *)malloc((u64)b->rows * b->columns * 8);
    u32 *order = (u32 *)malloc((u64)b->rows * 4);
    nf_boxing g = {b, boxes, 0};
    int failed = !boxes || !order;
    for (u32 k = 0; k < b->columns && !failed; k++) {
        const nf_column *c = &b->plan[k];
        failed = c->wide && nf_boxes_cuts(b, k);
        for (u64 i = 0; i < 2 * (u64)b->rows && !failed; i++) {
            u32 value = c->wide ? nf_boxes_rank(b, k, nf_wide_bound(c->wide, i)) : c->narrow[i];
            boxes[(i / 2 * b->columns + k) * 2 + i % 2] = value;
        }
    }
    for (u32 row = 0; row < b->rows && !failed; row++) order[row] = row;
    failed = failed || nf_box_node(&g, order, b->rows) == UINT32_MAX;
    b->bytes += b->count * nf_box_words(b->columns) * 4;
    free(boxes);
    free(order);
    if (failed) nf_boxes_free(b);
    return failed ? -1 : 0;
}

/* Builds the index for its first user. 0, or -1: no memory. */
NF_COLD int nf_boxes_open(nf_boxes *b) {
    pthread_mutex_lock(&nf_index_lock);
    int failed = b->users == 0 && nf_boxes_build(b);
    b->users += !failed;
    pthread_mutex_unlock(&nf_index_lock);
    return failed ? -1 : 0;
}

NF_COLD void nf_boxes_close(nf_boxes *b) {
    pthread_mutex_lock(&nf_index_lock);
    if (b->users && --b->users == 0) nf_boxes_free(b);
    pthread_mutex_unlock(&nf_index_lock);
}
#endif
