/* Random NFs in a chain, on random traffic: with and without SpeedyBox, outputs and states are equal.
 * Arguments: SEED PACKETS FLOWS (that are recorded at a time) THREADS. Exit 1 if they differ. */
#include <stdio.h>
#include "speedybox.h"

#define CHECK(what)                                                                          \
    do {                                                                                     \
        if (!(what)) {                                                                       \
            fprintf(stderr, "line %d, packet %llu: not %s\n", __LINE__,                      \
                    (unsigned long long)step, #what);                                        \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

static u64 seed, step;
static u64 mix(u64 z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
}
static u64 rnd(u64 n) {
    seed += 0x9E3779B97F4A7C15ULL;
    return mix(seed) % n;
}

/* NFs ------------------------------------------------------------------------------------------ */

enum { MOST_FLOWS = 4096 };

/* What an NF keeps of a flow as it sees it. */
typedef struct flow {
    u64 key[2];
    u64 packets, sum, version;
} flow;

typedef struct nf {
    u64 salt;
    u32 tame;     /* writes nothing */
    flow flows[MOST_FLOWS];
    u32 count;
    u64 log;      /* of all flows, in order */
} nf;

static flow *flow_of(nf *n, const u64 *key) {
    for (u32 i = 0; i < n->count; i++)
        if (n->flows[i].key[0] == key[0] && n->flows[i].key[1] == key[1])
            return n->flows + i;
    CHECK(n->count < MOST_FLOWS);
    n->flows[n->count] = (flow){.key = {key[0], key[1]}};
    return n->flows + n->count++;
}

/* A number below `most` that hangs on the NF, the flow as it sees it, and what it is for. */
static u64 pick(const nf *n, const flow *f, u64 what, u64 most) {
    return mix(n->salt ^ mix(f->key[0] ^ mix(f->key[1] ^ mix(what ^ f->version << 32)))) % most;
}

/* All that is seen of a packet, in one number. */
static u64 seen(sb_packet *p) {
    u64 h = sb_headers(p);
    for (u32 field = 0; field < SB_FIELDS; field++)
        h = mix(h ^ sb_get(p, (sb_field)field)) + field;
    nf_slice payload = sb_payload(p);
    for (u64 i = 0; i < payload.length; i++)
        h = mix(h ^ payload.data[i]);
    return h;
}

static u32 count(void *state, sb_packet *p, const sb_args *args) {
    nf *n = state;
    flow *f = (flow *)(uintptr_t)args->at[0];
    f->packets++;
    f->sum = mix(f->sum ^ seen(p));
    n->log = mix(n->log ^ f->sum);
    return SB_GO;
}

static u32 cipher(void *state, sb_packet *p, const sb_args *args) {
    u64 length = sb_payload(p).length;
    u8 *payload = sb_payload_to_write(p);
    (void)state;
    for (u64 i = 0; i < length; i++)
        payload[i] ^= (u8)(args->at[1] + i);
    return SB_GO;
}

static u32 judge(void *state, sb_packet *p, const sb_args *args) {
    ((nf *)state)->log += args->at[0] != 0;
    return seen(p) % 5 == 0 ? SB_STOP : SB_GO;
}

static u32 is_due(const nf *n, const flow *f) {
    return f->version < 3 && pick(n, f, 4, 3) &&
           f->packets >= (f->version + 1) * (2 + pick(n, f, 1, 9));
}

/* The row is another one: also because another flow, which the NF sees as this one, made it so. */
static u32 has_changed(void *state, sb_packet *p, const sb_args *args) {
    const flow *f = (const flow *)(uintptr_t)args->at[0];
    (void)p;
    return f->version != args->at[2] || is_due(state, f);
}

/* An NF's row: what it says, and does if `act`. 1: it dropped the packet. */
static u32 row(nf *n, sb_packet *p, flow *f, u32 act);

static void renew(void *state, sb_packet *p, const sb_args *args) {
    flow *f = (flow *)(uintptr_t)args->at[0];
    f->version += is_due(state, f);
    row(state, p, f, 0);
}

static u32 row(nf *n, sb_packet *p, flow *f, u32 act) {
    int fid = nf_extract_fid(p);
    const sb_args *args = sb_list((u64)(uintptr_t)f, pick(n, f, 2, 256), f->version);
    u32 steps = 1 + (u32)pick(n, f, 3, 4);
    if (f->version < 3)
        register_event(fid, has_changed, args, SB_NONE, pick(n, f, 5, 2) ? renew : NULL);
    if (f->version == 3) { /* blocked for good: SB_DROP was what is_due announced, or renew says */
        localmat_add_HA(fid, SB_DROP, NULL);
        if (act)
            sb_drop(p);
        return 1;
    }
    for (u32 i = 0; i < steps; i++) {
        u64 what = pick(n, f, 10 + i, 100), which = pick(n, f, 20 + i, 8), value = pick(n, f, 30 + i, 1 << 16);
        if (what < 40) {
            localmat_add_SF(fid, count, SB_READ, args);
            if (act)
                count(n, p, args);
        } else if (n->tame || what < 50) {
            localmat_add_HA(fid, SB_FORWARD, NULL);
        } else if (what < 75) {
            which = which == SB_DPORT && value % 3 == 0 ? SB_TTL : which;
            localmat_add_HA(fid, SB_MODIFY, sb_list(which, value));
            if (act)
                sb_set(p, (sb_field)which, value);
        } else if (what < 83) {
            localmat_add_HA(fid, SB_ENCAP, sb_list(which % 3, value, value * 3, value * 5));
            if (act)
                sb_encap(p, (sb_header)(which % 3), value, value * 3, value * 5);
        } else if (what < 91) {
            localmat_add_HA(fid, SB_DECAP, sb_list(which % 3));
            if (act)
                sb_decap(p, (sb_header)(which % 3));
        } else if (what < 93) {
            localmat_add_HA(fid, SB_DROP, NULL);
            if (act)
                sb_drop(p);
            return 1;
        } else if (what < 97) {
            localmat_add_SF(fid, cipher, SB_WRITE, args);
            if (act)
                cipher(n, p, args);
        } else {
            localmat_add_SF(fid, judge, SB_READ | SB_MAY_DROP, args);
            if (act && judge(n, p, args) == SB_STOP) {
                sb_drop(p);
                return 1;
            }
        }
        if (act && p->dropped) /* by a header that was too much */
            return 1;
    }
    return 0;
}

static void process(void *state, sb_packet *p) {
    nf *n = state;
    u64 key[2] = {sb_get(p, SB_SIP) << 32 | sb_get(p, SB_DIP),
                  sb_get(p, SB_PROTO) << 32 | sb_get(p, SB_SPORT) << 16 | sb_get(p, SB_DPORT)};
    flow *f = flow_of(n, key);
    if (mix(n->salt ^ key[0] ^ mix(key[1])) % 20 == 0)
        return; /* says nothing of this flow */
    f->version += is_due(n, f);
    row(n, p, f, 1);
}

/* Traffic -------------------------------------------------------------------------------------- */

enum { LONGEST = 300 };

static u32 put_ip4(u8 *at, u32 payload, u32 id) {
    u32 options = rnd(30) == 0 ? 4 : 0, l4, proto = id % 3 == 0 ? 17 : 6;
    u8 *ip = at;
    ip[0] = (u8)(0x45 + options / 4);
    ip[1] = (u8)(rnd(4) ? 0 : rnd(256));
    nf_put16(ip + 4, (u16)rnd(65536));
    nf_put16(ip + 6, (u16)(rnd(40) ? (rnd(2) ? 0x4000 : 0) : rnd(2) ? 0x2000 : 100));
    ip[8] = (u8)(rnd(3) ? 64 : rnd(256));
    ip[9] = (u8)(rnd(60) ? proto : 1 + rnd(5));
    nf_put16(ip + 10, (u16)(rnd(20) ? rnd(65536) : rnd(2) * 0xffff));
    nf_put32(ip + 12, 0x0a000001 + id % 5);
    nf_put32(ip + 16, 0xc6336401 + id / 5 % 3);
    memset(ip + 20, 1, options);
    u8 *t = ip + 20 + options;
    nf_put16(t, (u16)(1000 + id % 7));
    nf_put16(t + 2, (u16)(id % 11 == 0 ? 4789 : 80));
    if (proto == 6) {
        l4 = 20;
        nf_put32(t + 4, (u32)rnd(1 << 30));
        nf_put32(t + 8, (u32)rnd(1 << 30));
        t[12] = 0x50;
        t[13] = (u8)(rnd(30) ? (u64[]){2, 16, 16, 24}[rnd(4)] : rnd(64));
        nf_put16(t + 14, (u16)rnd(65536));
        nf_put16(t + 16, (u16)(rnd(20) ? rnd(65536) : rnd(2) * 0xffff));
        nf_put16(t + 18, 0);
    } else {
        l4 = 8;
        nf_put16(t + 4, (u16)(8 + payload));
        nf_put16(t + 6, (u16)(rnd(5) ? rnd(65536) : rnd(2) * 0xffff));
    }
    for (u32 i = 0; i < payload; i++)
        t[l4 + i] = (u8)rnd(256);
    u32 size = 20 + options + l4 + payload;
    nf_put16(ip + 2, (u16)size);
    return size;
}

static u32 put_frame(u8 *frame, u32 flows) {
    u32 at = 14, id = (u32)rnd(rnd(4) ? flows / 4 + 1 : flows), length;
    for (u32 i = 0; i < 12; i++)
        frame[i] = (u8)(i * 3);
    if (rnd(40) == 0) {
        nf_put32(frame + 12, 0x81000000 | (u32)rnd(4096));
        at = 18;
    }
    nf_put16(frame + at - 2, 0x0800);
    length = put_ip4(frame + at, (u32)rnd(100), id);
    if (rnd(50) == 0)
        nf_put16(frame + at - 2, (u16)(rnd(2) ? 0x86dd : 0x0806));
    if (id % 33 == 0 && frame[at] == 0x45 && frame[at + 9] == 17) { /* in a VXLAN tunnel */
        u8 *vxlan = frame + at + 28;
        nf_put32(vxlan, 0x08000000);
        nf_put32(vxlan + 4, (u32)rnd(3) << 8);
        memcpy(vxlan + 8, frame, 12);
        nf_put16(vxlan + 20, 0x0800);
        u32 inner = put_ip4(vxlan + 22, (u32)rnd(60), (u32)rnd(flows));
        length = 28 + 8 + 14 + inner;
        nf_put16(frame + at + 2, (u16)length);
        nf_put16(frame + at + 24, (u16)(length - 20));
    }
    return at + length + (u32)(rnd(10) ? 0 : rnd(6)) - (rnd(60) ? 0 : (u32)rnd(20));
}

int main(int argc, char **argv) {
    static nf states[2][SB_MAX_NFS];
    static sb_box boxes[2];
    static u8 frames[2][2 * LONGEST + 200];
    if (argc < 5)
        return 2;
    seed = strtoull(argv[1], NULL, 10);
    u64 packets = strtoull(argv[2], NULL, 10), served = 0;
    u32 n = 1 + (u32)rnd(5), flows = 1 + (u32)rnd(60), limit = (u32)strtoul(argv[3], NULL, 10);
    for (u32 i = 0; i < 2; i++)
        CHECK(!sb_init(boxes + i, i, limit));
    for (u32 j = 0; j < n; j++) {
        states[0][j].salt = states[1][j].salt = rnd(UINT64_MAX);
        states[0][j].tame = states[1][j].tame = rnd(3) == 0;
        for (u32 i = 0; i < 2; i++)
            CHECK(!sb_add(boxes + i, "", process, states[i] + j));
    }
    CHECK(!sb_threads(boxes + 1, (u32)strtoul(argv[4], NULL, 10), rnd(2) ? 0 : 50));
    for (step = 0; step < packets; step++) {
        u32 length = put_frame(frames[0], flows), left[2];
        sb_out out[2];
        memcpy(frames[1], frames[0], sizeof frames[0]);
        for (u32 i = 0; i < 2; i++)
            left[i] = sb_run(boxes + i, frames[i], length, step, 0, out + i);
        CHECK(left[0] == left[1]);
        if (left[0]) {
            CHECK(out[0].length == out[1].length);
            CHECK(!memcmp(out[0].frame, out[1].frame, out[0].length));
        }
        if (rnd(500) == 0)
            sb_outdate_all(boxes + 1);
    }
    for (u32 j = 0; j < n; j++) {
        CHECK(states[0][j].count == states[1][j].count && states[0][j].log == states[1][j].log);
        for (u32 i = 0; i < states[0][j].count; i++)
            CHECK(!memcmp(states[0][j].flows + i, states[1][j].flows + i, sizeof(flow)));
    }
    CHECK(boxes[1].counts.mistaken == 0);
    CHECK(!memcmp(boxes[0].core.counters, boxes[1].core.counters, sizeof boxes[0].core.counters));
    served = boxes[1].counts.served;
    printf("ok %llu %llu\n", (unsigned long long)served, (unsigned long long)boxes[1].counts.events);
    for (u32 i = 0; i < 2; i++)
        sb_free(boxes + i);
    return 0;
}
