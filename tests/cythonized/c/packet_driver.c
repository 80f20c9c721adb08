/* Parses, reads and rewrites the frames on standard input; what came of it on standard output.
 *
 * A request: u32 length, frame, u16 iface, u8 shift (of the buffer's alignment), u8 which,
 * u8 covers, u8 count, then writes: u8 field, then u128 or, of the payload, u32 length + bytes;
 * field 255 is nf_put_flow. An answer: u8 parsed (0 or 1 for malformed), u8 fast without and u8
 * with writes to come, u8 bits, and of a parsed frame its fields (u128 each), u32 payload length +
 * bytes, and the frame rewritten. Whatever has to agree in here (in place and a copy, fast and
 * slow) is checked in here: the program aborts with the line. */
#include "nf_packet.h"
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define READ_ONLY(X) X(iface) X(IP4) X(IP6) X(L4) X(FRAG) X(vni)
#define FLOW(X) X(sip) X(dip) X(sport) X(dport) X(proto)
#define PUT(X)                                                                                     \
    X(dmac) X(smac) X(ethertype) X(vlan) X(sip6) X(dip6) X(ttl) X(tos) X(iplen) X(ip_id) X(seq)    \
    X(ack_no) X(flag_fin) X(flag_syn) X(flag_rst) X(flag_psh) X(flag_ack) X(flag_urg) X(window)    \
    X(icmp_type) X(icmp_code) X(icmp_id) X(icmp_seq) X(size)

#define NUMBER(name) F_##name,
enum { FLOW(NUMBER) PUT(NUMBER) READ_ONLY(NUMBER) FIELD_COUNT, F_payload = 254, F_put_flow = 255 };

typedef struct write_to {
    u32 field;
    u128 value;
    nf_slice payload;
} write_to;

typedef struct request {
    u8 *frame; /* on the heap, its end at the end of `base` */
    u8 *base;
    u32 length, shift, which, covers, count;
    u16 iface;
    write_to writes[255];
} request;

static void get(void *to, size_t n) { CHECK(n == 0 || fread(to, n, 1, stdin) == 1); }
static void put(const void *from, size_t n) { CHECK(n == 0 || fwrite(from, n, 1, stdout) == 1); }
static u32 get8(void) { u8 v; get(&v, 1); return v; }
static u32 get16(void) { u16 v; get(&v, 2); return v; }
static u32 get32(void) { u32 v; get(&v, 4); return v; }

/* So that any access beyond the frame is seen, whatever its alignment. */
static u8 *exact(u32 length, u32 shift, u8 **base)
{
    *base = malloc(length + shift + !(length + shift));
    CHECK(*base);
    return *base + shift;
}

static u32 get_request(request *r)
{
    u32 length;
    if (fread(&length, 4, 1, stdin) != 1)
        return 0;
    r->length = length;
    u8 *bytes = malloc(length + 1);
    CHECK(bytes);
    get(bytes, length);
    r->iface = (u16)get16();
    r->shift = get8();
    r->frame = exact(length, r->shift, &r->base);
    memcpy(r->frame, bytes, length);
    free(bytes);
    r->which = get8();
    r->covers = get8();
    r->count = get8();
    for (u32 i = 0; i < r->count; i++) {
        write_to *w = &r->writes[i];
        w->field = get8();
        w->payload = (nf_slice){NULL, 0};
        if (w->field == F_payload) {
            w->payload.length = get32();
            u8 *data = w->payload.length ? malloc(w->payload.length) : NULL;
            get(data, w->payload.length);
            w->payload.data = data;
        } else if (w->field != F_put_flow) {
            get(&w->value, 16);
        }
    }
    return 1;
}

NF_INL void read_fields(const nf_head *h, const u32 fast, u128 *to)
{
#define READ(name) to[F_##name] = nf_##name(h, fast);
    FLOW(READ) PUT(READ) READ_ONLY(READ)
}

NF_INL void rewrite(const request *r, nf_head h, u8 *out, const u32 fast)
{
    for (u32 i = 0; i < r->count; i++)
        switch (r->writes[i].field) {
#define SET(name)                                                                                  \
    case F_##name:                                                                                 \
        nf_set_##name(&h, fast, (u32)r->writes[i].value);                                          \
        break;
            FLOW(SET)
        }
    nf_rewrite rw;
    nf_rewrite_begin(&rw, out, &h, fast);
    for (u32 i = 0; i < r->count; i++)
        switch (r->writes[i].field) {
#define WRITE(name)                                                                                \
    case F_##name:                                                                                 \
        nf_put_##name(&rw, out, &h, fast, r->writes[i].value);                                     \
        break;
            PUT(WRITE)
        case F_payload:
            nf_put_payload(&rw, out, &h, fast, r->writes[i].payload);
            break;
        case F_put_flow:
            nf_put_flow(&rw, out, &h, fast, r->which);
            break;
        }
    nf_rewrite_end(&rw, out, &h, fast, r->covers);
}

/* What a generated function looks like, where masks are constants. */
static __attribute__((noinline)) void rewrite_all_flow(nf_head h, u8 *out, const u32 fast)
{
    nf_rewrite rw;
    nf_rewrite_begin(&rw, out, &h, fast);
    if (fast)
        nf_put_flow(&rw, out, &h, 1, 31);
    else
        nf_put_flow(&rw, out, &h, 0, 31);
    if (fast)
        nf_rewrite_end(&rw, out, &h, 1, 3);
    else
        nf_rewrite_end(&rw, out, &h, 0, 3);
}

static void same_heads(const nf_head *a, const nf_head *b)
{
    CHECK(a->frame == b->frame && a->length == b->length && a->a == b->a && a->b == b->b);
    CHECK(a->iface == b->iface && a->bits == b->bits && a->end == b->end && a->l3 == b->l3);
    CHECK(a->l4 == b->l4 && a->payload == b->payload && a->proto_at == b->proto_at);
    CHECK(a->type_at == b->type_at);
}

static void answer(request *r)
{
    nf_head head, plain[2];
    memset(&head, 0, sizeof head);
    u8 status[4];
    status[0] = (u8)nf_parse(&head, r->frame, r->length);
    for (u32 writes = 0; writes < 2; writes++) {
        memset(&plain[writes], 0xa5, sizeof plain[writes]);
        status[1 + writes] = (u8)(writes ? nf_parse_fast(&plain[1], r->frame, r->length, 1)
                                         : nf_parse_fast(&plain[0], r->frame, r->length, 0));
        CHECK(status[1 + writes] <= !status[0]);
    }
    status[3] = status[0] ? 0 : head.bits;
    put(status, 4);
    if (status[0])
        return;
    head.iface = plain[0].iface = plain[1].iface = r->iface;

    u128 fields[FIELD_COUNT], fast_fields[FIELD_COUNT];
    read_fields(&head, 0, fields);
    nf_slice payload = nf_payload_of(&head, 0);
    for (u32 writes = 0; writes < 2; writes++)
        if (status[1 + writes]) {
            const nf_head *h = &plain[writes];
            read_fields(h, 1, fast_fields);
            CHECK(!memcmp(fields, fast_fields, sizeof fields));
            nf_slice again = nf_payload_of(h, 1);
            CHECK(again.data == payload.data && again.length == payload.length);
#define HAS(mask) CHECK(nf_has(h, 1, mask) == nf_has(&head, 0, mask));
            HAS(NF_LINK) HAS(NF_VLAN) HAS(NF_IP4) HAS(NF_IP6) HAS(NF_TCP) HAS(NF_UDP) HAS(NF_ICMP)
            HAS(NF_FRAG) HAS(NF_IP4 | NF_IP6) HAS(NF_TCP | NF_UDP) HAS(NF_UDP | NF_ICMP)
            nf_head completed = *h;
            nf_complete(&completed);
            same_heads(&completed, &head);
        }
    put(fields, sizeof fields);
    u32 length = (u32)payload.length;
    put(&length, 4);
    put(payload.data, length);

    u8 *base, *copy = exact(r->length, 7 - r->shift, &base);
    u8 *before = malloc(r->length), *result = malloc(r->length);
    CHECK(before && result);
    memcpy(before, r->frame, r->length);
    memcpy(copy, before, r->length);
    rewrite(r, head, copy, 0);
    memcpy(result, copy, r->length);
    CHECK(!memcmp(r->frame, before, r->length));
    if (status[2]) {
        memcpy(copy, before, r->length);
        rewrite(r, plain[1], copy, 1);
        CHECK(!memcmp(copy, result, r->length));
        CHECK(!memcmp(r->frame, before, r->length));
        rewrite(r, plain[1], r->frame, 1);
        CHECK(!memcmp(r->frame, result, r->length));
        memcpy(r->frame, before, r->length);
        rewrite_all_flow(plain[1], r->frame, 1);
        CHECK(!memcmp(r->frame, before, r->length));
    }
    rewrite_all_flow(head, r->frame, 0);
    CHECK(!memcmp(r->frame, before, r->length));
    rewrite(r, head, r->frame, 0);
    CHECK(!memcmp(r->frame, result, r->length));
    put(result, r->length);
    free(before);
    free(result);
    free(base);
}

static void dummy(void)
{
    nf_head h;
    u128 fields[FIELD_COUNT];
    memset(&h, 0, sizeof h);
#define SET_ONES(name) nf_set_##name(&h, 0, UINT32_MAX);
    FLOW(SET_ONES)
    read_fields(&h, 0, fields);
    for (u32 i = 0; i < FIELD_COUNT; i++)
        CHECK(fields[i] == 0);
    CHECK(nf_payload_of(&h, 0).data && nf_payload_of(&h, 0).length == 0);
    CHECK(!nf_has(&h, 0, 0xff));
    nf_rewrite rw;
    nf_rewrite_begin(&rw, NULL, &h, 0);
#define PUT_ONES(name) nf_put_##name(&rw, NULL, &h, 0, (u32)1);
    PUT(PUT_ONES)
    nf_put_payload(&rw, NULL, &h, 0, (nf_slice){(const u8 *)"x", 1});
    nf_put_flow(&rw, NULL, &h, 0, 31);
    nf_rewrite_end(&rw, NULL, &h, 0, 3);
}

int main(void)
{
    static request r;
    dummy();
    while (get_request(&r)) {
        answer(&r);
        free(r.base);
        for (u32 i = 0; i < r.count; i++)
            free((void *)r.writes[i].payload.data);
    }
    CHECK(fflush(stdout) == 0);
    return 0;
}
