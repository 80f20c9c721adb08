/* Local MATs: what each NF of the chain does to the packets of a flow, as it said on the first one.
 * All rows of one flow stand behind each other, NF by NF, each in the order of its calls. */
#ifndef SB_FLOW_H
#define SB_FLOW_H
#include "sb_packet.h"

enum { SB_MAX_NFS = 32, SB_MAX_OPERATIONS = 128, SB_ARGUMENTS = 4 };

/* HA: what an NF does to the header. MODIFY (field, value), ENCAP (header, arguments), DECAP
 * (header); the values are the same for all packets of the flow. */
typedef enum header_action {
    SB_NONE, SB_FORWARD, SB_DROP, SB_MODIFY, SB_ENCAP, SB_DECAP
} header_action;

/* What a state function does to the payload; and that it may answer SB_STOP. */
enum { SB_WRITE = 0, SB_READ = 1, SB_IGNORE = 2, SB_MAY_DROP = 4 };
enum { SB_GO = 0, SB_STOP = 1 };

typedef struct sb_args { u64 at[SB_ARGUMENTS]; } sb_args;
#define sb_list(...) (&(const sb_args){{__VA_ARGS__}})

/* An NF: what it does to a packet, and what it says of it by the calls of speedybox.h. */
typedef void sb_process(void *nf, sb_packet *p);

typedef struct sb_nf {
    const char *name;
    void *state;
    sb_process *process;
} sb_nf;

/* A state function: SB_GO, or SB_STOP if the NF drops this packet (SB_MAY_DROP). */
typedef u32 sb_function(void *nf, sb_packet *p, const sb_args *args);
/* Whether the flow's row is to change before this packet. It may read its NF's own state. */
typedef u32 sb_condition(void *nf, sb_packet *p, const sb_args *args);
/* Writes the NF's row of the flow anew, which is empty, by the calls that wrote the first one. */
typedef void sb_update(void *nf, sb_packet *p, const sb_args *args);

enum { SB_HA, SB_SF, SB_EVENT };

typedef struct sb_operation {
    u8 kind;
    u8 nf;
    u8 what;      /* HA: the action; SF: what of the payload; event: the action of its update */
    u8 drops;     /* SF: it may */
    u8 beside;    /* SF: the batch that begins here may run beside those before it */
    union {
        sb_function *function;
        sb_condition *condition;
    } call;
    sb_update *update;
    sb_args args;
} sb_operation;

/* How the flow's packets are served. */
enum { SB_SLOW, SB_DROPPED, SB_PLAIN, SB_CALLS, SB_ANY };

/* A flow's rows and what they come to. */
struct sb_flow {
    u64 key[NF_MAT_WORDS], hash;
    sb_operation *operations;
    u32 count;
    u32 said;      /* bits of the NFs that have said something */
    i32 next;      /* free numbers */
    u8 used, events, wrong;
    u8 beside;     /* some batch */
    u8 drops;      /* the header action */
    u32 bare;      /* from this operation on the header actions are done one by one */
    u32 written;   /* what is modified in the packet before that */
    u64 values[SB_WRITABLE];
};

/* Whether a field is of the link header, which only VXLAN puts another one in front of. */
NF_INL u32 sb_link_field(u64 field) {
    return field == SB_SMAC || field == SB_DMAC;
}

/* Consolidation (SpeedyBox, V-B): later values win, per field; a header that is put in front and
 * taken off again leaves no trace; a drop ends it. What one action for all packets of the flow can't
 * be is SB_SLOW. Records are of frames without tags, and of TCP and UDP. */
static u32 sb_consolidate(sb_flow *f) {
    u8 stack[SB_MAX_OPERATIONS];
    u32 depth = 0, calls = 0, tunnels = 0, tags = 0, inside = 0, vxlans = 0;
    f->written = 0;
    f->drops = f->events = 0;
    f->bare = f->count;
    for (u32 i = 0; i < f->count; i++) {
        const sb_operation *o = f->operations + i;
        const u64 *at = o->args.at;
        if (o->kind != SB_HA) {
            calls = 1;
            f->events |= o->kind == SB_EVENT;
            if (o->kind == SB_SF && o->what == SB_WRITE && depth)
                return SB_SLOW;
        } else if (f->drops) {
            continue;
        } else if (o->what == SB_DROP) {
            f->drops = 1;
        } else if (o->what == SB_MODIFY) {
            if (inside && at[0] == SB_DPORT) /* whether it is VXLAN may hang on it */
                return SB_SLOW;
            if (sb_link_field(at[0]) ? !vxlans : !inside) {
                f->written |= 1u << at[0];
                f->values[at[0]] = at[1];
            }
        } else if (o->what == SB_ENCAP) {
            if (!depth)
                f->bare = i;
            tags += at[0] == SB_HEADER_VLAN;
            vxlans += at[0] == SB_HEADER_VXLAN;
            tunnels += at[0] != SB_HEADER_VLAN;
            inside += at[0] != SB_HEADER_VLAN;
            stack[depth++] = (u8)at[0];
        } else if (o->what == SB_DECAP && depth && stack[depth - 1] == at[0]) {
            tags -= at[0] == SB_HEADER_VLAN;
            vxlans -= at[0] == SB_HEADER_VXLAN;
            tunnels += at[0] != SB_HEADER_VLAN;
            inside -= at[0] != SB_HEADER_VLAN;
            if (!--depth)
                f->bare = f->count;
        } else if (o->what == SB_DECAP && (depth || at[0] == SB_HEADER_VXLAN)) {
            return SB_SLOW;
        }
        if (tunnels > NF_MAX_TUNNELS || tags > NF_MAX_TAGS)
            return SB_SLOW;
    }
    if (f->drops)
        return calls ? SB_CALLS : SB_DROPPED;
    if (depth || f->written >> SB_TTL)
        return SB_ANY;
    return calls ? SB_CALLS : SB_PLAIN;
}

/* One header action done to a packet. */
static void sb_act(sb_packet *p, const sb_operation *o) {
    const u64 *at = o->args.at;
    if (o->what == SB_DROP)
        sb_drop(p);
    else if (o->what == SB_MODIFY)
        sb_set(p, (sb_field)at[0], at[1]);
    else if (o->what == SB_ENCAP)
        sb_encap(p, (sb_header)at[0], at[1], at[2], at[3]);
    else if (o->what == SB_DECAP)
        sb_decap(p, (sb_header)at[0]);
}

/* The header actions among operations `i` to `end`, one by one. */
static void sb_act_each(sb_packet *p, const sb_flow *f, u32 i, u32 end) {
    for (; i < end && !p->dropped; i++)
        if (f->operations[i].kind == SB_HA)
            sb_act(p, f->operations + i);
}

/* Where an NF that is served finds a field: NULL and its value, or the packet that has it. */
static sb_packet *sb_seen(sb_packet *p, u32 field, u64 *value) {
    const sb_flow *f = p->served;
    u32 written = 0, headers = 0;
    for (u32 i = p->position; i--;) {
        const sb_operation *o = f->operations + i;
        if (o->kind != SB_HA)
            continue;
        headers |= o->what == SB_ENCAP || o->what == SB_DECAP;
        if (o->what == SB_MODIFY && o->args.at[0] == field && !headers && !written) {
            *value = o->args.at[1];
            written = 1;
        }
    }
    if (!headers)
        return written ? NULL : p;
    if (!p->shadow || p->shadow->position != p->position) {
        sb_packet *s = (sb_packet *)nf_arena_take(&sb_core(p->box)->scratch, sizeof *s);
        if (!s) {
            sb_core(p->box)->error = NF_NO_MEMORY;
            return p;
        }
        *s = *p;
        s->served = NULL;
        s->shadow = NULL;
        sb_act_each(s, f, 0, p->position);
        p->shadow = s;
    }
    return p->shadow;
}

#endif
