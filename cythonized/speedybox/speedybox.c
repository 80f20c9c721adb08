/* What the Python binding calls (nfverify/cythonized/speedybox/library.py). */
#include "speedybox.h"

sb_box *nf_box_create(u32 fast, u32 most) {
    sb_box *b = malloc(sizeof *b);
    if (b && sb_init(b, fast, most)) {
        free(b);
        b = NULL;
    }
    return b;
}

void nf_box_destroy(sb_box *b) {
    sb_free(b);
    free(b);
}

i32 nf_box_add(sb_box *b, sb_process *process, void *nf) {
    return sb_add(b, "", process, nf);
}

/* 1 and what leaves, 0: it drops, -1: no memory. The frame may be written to. */
i32 nf_box_run(sb_box *b, u8 *frame, u32 length, u64 time, u32 port, sb_out *out) {
    u32 leaves = sb_run(b, frame, length, time, port, out);
    return b->core.error ? -1 : (i32)leaves;
}

const sb_counts *nf_box_counts(const sb_box *b) {
    return &b->counts;
}

void nf_box_outdate(sb_box *b) {
    sb_outdate_all(b);
}

/* Packets ------------------------------------------------------------------------------------ */

u64 nf_packet_get(sb_packet *p, u32 field) {
    return field < SB_FIELDS ? sb_get(p, (sb_field)field) : 0;
}

void nf_packet_set(sb_packet *p, u32 field, u64 value) {
    if (!p->served)
        sb_set(p, (sb_field)field, value);
}

void nf_packet_drop(sb_packet *p) {
    if (!p->served)
        sb_drop(p);
}

u32 nf_packet_headers(sb_packet *p) {
    return sb_headers(p);
}

const u8 *nf_packet_payload(sb_packet *p, u64 *length) {
    nf_slice payload = sb_payload(p);
    *length = payload.length;
    return payload.data;
}

/* As many bytes as there are: 1, or 0: another length, or no memory. */
u32 nf_packet_write(sb_packet *p, const u8 *data, u64 length) {
    u64 now;
    nf_packet_payload(p, &now);
    u8 *to = now == length ? sb_payload_to_write(p) : NULL;
    if (to && length)
        memcpy(to, data, length);
    return to != NULL;
}

void nf_packet_encap(sb_packet *p, u32 kind, u64 a, u64 b, u64 c) {
    if (!p->served && kind <= SB_HEADER_VLAN)
        sb_encap(p, (sb_header)kind, a, b, c);
}

void nf_packet_decap(sb_packet *p, u32 kind) {
    if (!p->served && kind <= SB_HEADER_VLAN)
        sb_decap(p, (sb_header)kind);
}

u64 nf_packet_time(const sb_packet *p) {
    return p->time;
}

u32 nf_packet_port(const sb_packet *p) {
    return p->port;
}

/* Figure 2 ----------------------------------------------------------------------------------- */

i32 nf_packet_fid(sb_packet *p) {
    return nf_extract_fid(p);
}

void nf_add_HA(i32 fid, u32 action, const sb_args *args) {
    localmat_add_HA(fid, (header_action)action, args);
}

void nf_add_SF(i32 fid, sb_function *handler, u32 type, const sb_args *args) {
    localmat_add_SF(fid, handler, type, args);
}

void nf_add_event(i32 fid, sb_condition *condition, const sb_args *args, u32 action,
                  sb_update *update) {
    register_event(fid, condition, args, (header_action)action, update);
}
