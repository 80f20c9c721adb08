/* Packets that wait, in states: written, read, freed. Names and numbers of states. */
#ifndef NF_HELD_H
#define NF_HELD_H
#include <stdlib.h>
#include "nf_core.h"

/* Numbers and names --------------------------------------------------------------------------- */

/* Bytes of a state; `bad` once they ended too early, and then everything reads as 0. */
typedef struct nf_reader {
    const u8 *data;
    u64 length, at;
    u8 bad;
} nf_reader;

static const u8 *nf_read(nf_reader *r, u64 n)
{
    if (r->bad || n > r->length - r->at) {
        r->bad = 1;
        return NULL;
    }
    r->at += n;
    return r->data + r->at - n;
}

static u64 nf_read_number(nf_reader *r, u32 bytes)
{
    u64 value = 0;
    const u8 *p = nf_read(r, bytes);
    if (p)
        memcpy(&value, p, bytes);
    return value;
}

static nf_slice nf_read_name(nf_reader *r)
{
    const u64 length = nf_read_number(r, 2);
    const u8 *data = nf_read(r, length);
    return (nf_slice){data, data ? length : 0};
}

NF_INL int nf_is_name(nf_slice s, const char *name)
{
    return s.data && strlen(name) == s.length && !memcmp(s.data, name, s.length);
}

static int nf_write_number(nf_buffer *b, u64 value, u32 bytes)
{
    return nf_buffer_add(b, &value, bytes);
}

static int nf_write_name(nf_buffer *b, const char *name)
{
    const u64 length = strlen(name);
    return nf_write_number(b, length, 2) || nf_buffer_add(b, name, length);
}

/* Fields -------------------------------------------------------------------------------------- */

/* The fields that can be written, as nfverify/packet/fields.py has them; payload: 0 bits. */
static const struct { const char *name; u8 bits, headers, shown; } nf_fields[] = {
    {"dmac", 48, NF_LINK, NF_SHOWN_MAC}, {"smac", 48, NF_LINK, NF_SHOWN_MAC},
    {"ethertype", 16, NF_LINK, 0}, {"vlan", 12, NF_VLAN, 0},
    {"sip", 32, NF_IP4, NF_SHOWN_IP}, {"dip", 32, NF_IP4, NF_SHOWN_IP},
    {"sip6", 128, NF_IP6, NF_SHOWN_IP6}, {"dip6", 128, NF_IP6, NF_SHOWN_IP6},
    {"proto", 8, NF_IP4 | NF_IP6, 0}, {"ttl", 8, NF_IP4 | NF_IP6, 0},
    {"tos", 8, NF_IP4 | NF_IP6, 0}, {"iplen", 16, NF_IP4, 0}, {"ip_id", 16, NF_IP4, 0},
    {"sport", 16, NF_TCP | NF_UDP, 0}, {"dport", 16, NF_TCP | NF_UDP, 0},
    {"seq", 32, NF_TCP, 0}, {"ack_no", 32, NF_TCP, 0},
    {"flag_fin", 1, NF_TCP, 0}, {"flag_syn", 1, NF_TCP, 0}, {"flag_rst", 1, NF_TCP, 0},
    {"flag_psh", 1, NF_TCP, 0}, {"flag_ack", 1, NF_TCP, 0}, {"flag_urg", 1, NF_TCP, 0},
    {"window", 16, NF_TCP, 0},
    {"icmp_type", 8, NF_ICMP, 0}, {"icmp_code", 8, NF_ICMP, 0}, {"icmp_id", 16, NF_ICMP, 0},
    {"icmp_seq", 16, NF_ICMP, 0},
    {"size", 17, NF_IP4 | NF_IP6, 0}, {"payload", 0, NF_IP4 | NF_IP6, 0},
};
enum { NF_N_FIELDS = sizeof nf_fields / sizeof *nf_fields };
enum { NF_FIELD_SIP = 4, NF_FIELD_DIP, NF_FIELD_PROTO = 8, NF_FIELD_SPORT = 13, NF_FIELD_DPORT,
       NF_FIELD_PAYLOAD = NF_N_FIELDS - 1 };

/* A field but payload, of a frame as it came in. */
static u128 nf_field_arrived(const nf_head *h, u32 field)
{
    switch (field) {
    case 0: return nf_dmac(h, 0);
    case 1: return nf_smac(h, 0);
    case 2: return nf_ethertype(h, 0);
    case 3: return nf_vlan(h, 0);
    case NF_FIELD_SIP: return nf_sip(h, 0);
    case NF_FIELD_DIP: return nf_dip(h, 0);
    case 6: return nf_sip6(h, 0);
    case 7: return nf_dip6(h, 0);
    case NF_FIELD_PROTO: return nf_proto(h, 0);
    case 9: return nf_ttl(h, 0);
    case 10: return nf_tos(h, 0);
    case 11: return nf_iplen(h, 0);
    case 12: return nf_ip_id(h, 0);
    case NF_FIELD_SPORT: return nf_sport(h, 0);
    case NF_FIELD_DPORT: return nf_dport(h, 0);
    case 15: return nf_seq(h, 0);
    case 16: return nf_ack_no(h, 0);
    case 17: return nf_flag_fin(h, 0);
    case 18: return nf_flag_syn(h, 0);
    case 19: return nf_flag_rst(h, 0);
    case 20: return nf_flag_psh(h, 0);
    case 21: return nf_flag_ack(h, 0);
    case 22: return nf_flag_urg(h, 0);
    case 23: return nf_window(h, 0);
    case 24: return nf_icmp_type(h, 0);
    case 25: return nf_icmp_code(h, 0);
    case 26: return nf_icmp_id(h, 0);
    case 27: return nf_icmp_seq(h, 0);
    case 28: return nf_size(h, 0);
    }
    return 0;
}

/* Is it one of the five fields that a head holds? */
NF_INL int nf_field_in_head(u32 field)
{
    return field == NF_FIELD_SIP || field == NF_FIELD_DIP || field == NF_FIELD_PROTO
           || field == NF_FIELD_SPORT || field == NF_FIELD_DPORT;
}

/* Where the network keeps a field that it writes, or NULL. */
static const nf_field *nf_field_kept(const nf_info *info, u32 field)
{
    for (u32 i = 0; i < info->n_fields; i++)
        if (!strcmp(info->fields[i].name, nf_fields[field].name))
            return &info->fields[i];
    return NULL;
}

/* A field but payload as it is now. */
static u128 nf_field_now(const nf_field *kept, const u8 *packet, u32 field)
{
    u128 value = 0;
    if (nf_field_in_head(field))
        return nf_field_arrived((const nf_head *)packet, field);
    memcpy(&value, packet + kept->at, kept->bytes);
    return value;
}

static void nf_field_set(const nf_field *kept, u8 *packet, u32 field, u128 value)
{
    nf_head *h = (nf_head *)packet;
    switch (field) {
    case NF_FIELD_SIP: nf_set_sip(h, 0, (u32)value); return;
    case NF_FIELD_DIP: nf_set_dip(h, 0, (u32)value); return;
    case NF_FIELD_SPORT: nf_set_sport(h, 0, (u32)value); return;
    case NF_FIELD_DPORT: nf_set_dport(h, 0, (u32)value); return;
    case NF_FIELD_PROTO: nf_set_proto(h, 0, (u32)value); return;
    }
    memcpy(packet + kept->at, &value, kept->bytes);
}

/* Has a field of a waiting packet another value than its frame? `arrived` is the frame's head. */
static int nf_field_differs(const nf_field *kept, const u8 *packet, const nf_head *arrived,
                            u32 field)
{
    if (field == NF_FIELD_PAYLOAD) {
        nf_slice now, then = nf_payload_of(arrived, 0);
        memcpy(&now, packet + kept->at, sizeof now);
        return then.length && memcmp(now.data, then.data, then.length);
    }
    return nf_field_now(kept, packet, field) != nf_field_arrived(arrived, field);
}

/* Waiting packets ----------------------------------------------------------------------------- */

NF_INL u8 *nf_held_packet(const nf_waiting *w)
{
    return (u8 *)w + NF_WAITING_PACKET;
}

/* Frees all that waits. */
static void nf_held_free(nf_core *core)
{
    u64 position = 0;
    nf_timer *timer = nf_wheel_walk(&core->wheel, &position), *next;
    for (; timer; timer = next) {
        next = nf_wheel_walk(&core->wheel, &position);
        free(timer);
    }
    nf_wheel_init(&core->wheel, core->now);
}

static int nf_timers_compare(const void *a, const void *b)
{
    const nf_timer *x = *(nf_timer *const *)a, *y = *(nf_timer *const *)b;
    if (x->over != y->over)
        return x->over < y->over ? -1 : 1;
    if (x->due != y->due)
        return x->due < y->due ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The timers in the order in which they will fire; NULL: no memory, or none. */
static nf_waiting **nf_timers_sorted(const nf_core *core)
{
    nf_waiting **found = (nf_waiting **)malloc((core->wheel.count + 1) * sizeof *found);
    u64 position = 0;
    for (u64 i = 0; found && i < core->wheel.count; i++)
        found[i] = (nf_waiting *)nf_wheel_walk(&core->wheel, &position);
    if (found)
        qsort(found, core->wheel.count, sizeof *found, nf_timers_compare);
    return found;
}

NF_INL i32 nf_tag_of(const nf_info *info, const u8 *packet, u32 tag)
{
    i32 value;
    memcpy(&value, packet + info->tags_at + 4 * tag, 4);
    return value;
}

static int nf_write_timer(nf_buffer *b, const nf_info *info, const nf_waiting *w)
{
    const u8 *packet = nf_held_packet(w);
    const nf_head *h = (const nf_head *)packet;
    u64 tags = 0, fields = 0;
    for (u32 i = 0; i < info->n_tags; i++)
        tags += nf_tag_of(info, packet, i) != 0;
    int bad = nf_write_number(b, w->timer.due, 8) || nf_write_number(b, w->timer.over, 1)
              || nf_write_name(b, info->instances[w->instance].name)
              || nf_write_number(b, w->dummy, 1) || nf_write_number(b, tags, 2);
    for (u32 i = 0; i < info->n_tags && !bad; i++)
        if (nf_tag_of(info, packet, i))
            bad = nf_write_name(b, info->tags[i])
                  || nf_write_number(b, (u32)nf_tag_of(info, packet, i), 4);
    if (w->dummy)
        return bad || nf_write_number(b, 0, 8) || nf_write_number(b, 0, 3);
    bad = bad || nf_write_number(b, h->iface, 2) || nf_write_number(b, h->length, 4)
          || nf_buffer_add(b, h->frame, h->length) || nf_write_number(b, w->original, 4)
          || nf_write_number(b, 0, 1);
    const u64 place = b->length - 1;
    nf_head arrived;
    nf_parse(&arrived, h->frame, h->length);
    for (u32 i = 0; i < NF_N_FIELDS && !bad; i++) {
        const nf_field *kept = nf_field_kept(info, i);
        if (!kept || !(arrived.bits & nf_fields[i].headers)
            || !nf_field_differs(kept, packet, &arrived, i))
            continue;
        fields++;
        bad = nf_write_name(b, nf_fields[i].name);
        if (i == NF_FIELD_PAYLOAD) {
            nf_slice now;
            memcpy(&now, packet + kept->at, sizeof now);
            bad = bad || nf_write_number(b, now.length, 4) || nf_buffer_add(b, now.data, now.length);
            continue;
        }
        const u32 bytes = (nf_fields[i].bits + 7u) / 8;
        u8 big[16];
        nf_put128(big, nf_field_now(kept, packet, i));
        bad = bad || nf_write_number(b, bytes, 4) || nf_buffer_add(b, big + 16 - bytes, bytes);
    }
    if (!bad)
        b->data[place] = (u8)fields;
    return bad;
}

/* 0, or -1: no memory. */
static int nf_write_timers(nf_buffer *b, const nf_info *info, const nf_core *core)
{
    nf_waiting **timers = nf_timers_sorted(core);
    int bad = !timers || nf_write_number(b, core->wheel.count, 4);
    for (u64 i = 0; i < core->wheel.count && !bad; i++)
        bad = nf_write_timer(b, info, timers[i]);
    free(timers);
    return bad ? -1 : 0;
}

/* Reading ------------------------------------------------------------------------------------- */

static int nf_find_tag(const nf_info *info, nf_slice name)
{
    for (u32 i = 0; i < info->n_tags; i++)
        if (nf_is_name(name, info->tags[i]))
            return (int)i;
    return -1;
}

/* The fields that differ from the frame's; `spare` has room for a payload behind the frame. */
static i32 nf_read_fields(const nf_info *info, u8 *packet, nf_reader *r, u8 *spare)
{
    const nf_head arrived = *(const nf_head *)packet;
    u64 seen = 0;
    for (u64 n = nf_read_number(r, 1); n; n--) {
        const nf_slice name = nf_read_name(r);
        u32 field = 0;
        while (field < NF_N_FIELDS && !nf_is_name(name, nf_fields[field].name))
            field++;
        if (field == NF_N_FIELDS || seen >> field & 1
            || !(arrived.bits & nf_fields[field].headers))
            return NF_FORMAT;
        seen |= (u64)1 << field;
        const nf_field *kept = nf_field_kept(info, field);
        const u64 bytes = nf_read_number(r, 4);
        const u8 *data = nf_read(r, bytes);
        if (!kept || !data)
            return NF_FORMAT;
        if (field == NF_FIELD_PAYLOAD) {
            if (bytes != nf_payload_of(&arrived, 0).length)
                return NF_FORMAT;
            const nf_slice now = {spare, bytes};
            memcpy(spare, data, bytes);
            memcpy(packet + kept->at, &now, sizeof now);
            continue;
        }
        u128 value = 0;
        if (bytes != (nf_fields[field].bits + 7u) / 8)
            return NF_FORMAT;
        for (u64 i = 0; i < bytes; i++)
            value = value << 8 | data[i];
        if (nf_fields[field].bits < 128 && value >> nf_fields[field].bits)
            return NF_FORMAT;
        nf_field_set(kept, packet, field, value);
    }
    return NF_OK;
}

/* The packet of a timer whose tags begin at `r`. */
static i32 nf_read_packet(const nf_info *info, nf_waiting *w, nf_reader *r, const i32 *tags)
{
    u8 *packet = nf_held_packet(w), *frame = packet + info->packet_bytes;
    nf_head *h = (nf_head *)packet;
    const u64 port = nf_read_number(r, 2), length = nf_read_number(r, 4);
    const u8 *data = nf_read(r, length);
    const u64 original = nf_read_number(r, 4);
    const u32 ports = info->n_ports > 2 ? info->n_ports : 2;
    memset(packet, 0, info->packet_bytes);
    if (info->n_tags)
        memcpy(packet + info->tags_at, tags, 4 * (size_t)info->n_tags);
    w->original = (u32)original;
    if (!data || port >= (w->dummy ? 1 : ports) || original < length)
        return NF_FORMAT;
    if (w->dummy)
        return length || original || nf_read_number(r, 1) ? NF_FORMAT : NF_OK;
    memcpy(frame, data, length);
    if (nf_parse(h, frame, (u32)length) != NF_PARSED)
        return NF_FORMAT;
    for (u32 i = 0; i < NF_FIELD_PAYLOAD; i++) {
        const nf_field *kept = nf_field_kept(info, i);
        if (kept && !nf_field_in_head(i))
            nf_field_set(kept, packet, i, nf_field_arrived(h, i));
    }
    const nf_field *kept = nf_field_kept(info, NF_FIELD_PAYLOAD);
    if (kept) {
        const nf_slice payload = nf_payload_of(h, 0);
        memcpy(packet + kept->at, &payload, sizeof payload);
    }
    const i32 error = nf_read_fields(info, packet, r, frame + length);
    h->iface = (u16)port;
    return error;
}

static i32 nf_read_timer(const nf_info *info, nf_core *core, nf_reader *r, i32 *tags)
{
    const u64 due = nf_read_number(r, 8), over = nf_read_number(r, 1);
    const nf_slice name = nf_read_name(r);
    const u64 dummy = nf_read_number(r, 1);
    u32 instance = 0;
    while (instance < info->n_instances && !nf_is_name(name, info->instances[instance].name))
        instance++;
    if (r->bad || over > 1 || dummy > 1 || !core->started || (!over && due < core->now)
        || instance == info->n_instances)
        return NF_FORMAT;
    memset(tags, 0, 5 * (size_t)info->n_tags);
    u8 *seen = (u8 *)(tags + info->n_tags);
    for (u64 n = nf_read_number(r, 2); n; n--) {
        const int tag = nf_find_tag(info, nf_read_name(r));
        const u64 value = nf_read_number(r, 4);
        if (tag < 0 || seen[tag]++)
            return NF_FORMAT;
        tags[tag] = (i32)(u32)value;
    }
    /* Room for the frame, and for a payload, by what is left to read at most. */
    const u64 length = r->at + 6 <= r->length ? nf_ld32(r->data + r->at + 2) : 0;
    if (r->bad || length > r->length - r->at)
        return NF_FORMAT;
    nf_waiting *w = (nf_waiting *)malloc(NF_WAITING_PACKET + info->packet_bytes + 2 * length);
    if (!w)
        return NF_NO_MEMORY;
    memset(w, 0, sizeof *w);
    w->timer.due = due;
    w->timer.over = (u8)over;
    w->timer.number = core->timers_made++;
    w->instance = instance;
    w->dummy = (u8)dummy;
    const i32 error = nf_read_packet(info, w, r, tags);
    if (error)
        free(w);
    else
        nf_wheel_add(&core->wheel, &w->timer);
    return error;
}

/* The timers of a state into an empty wheel: NF_OK, NF_FORMAT, NF_NO_MEMORY. */
static i32 nf_read_timers(const nf_info *info, nf_core *core, nf_reader *r)
{
    i32 *tags = (i32 *)malloc(5 * (size_t)info->n_tags + 1), error = tags ? NF_OK : NF_NO_MEMORY;
    core->timers_made = 0;
    for (u64 n = nf_read_number(r, 4); n && !error; n--)
        error = nf_read_timer(info, core, r, tags);
    free(tags);
    return error;
}

#endif
