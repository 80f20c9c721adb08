/* SpeedyBox's API for network functions written by hand (Jiang et al., SpeedyBox, Fig. 2).
 *
 * A chain (sb_box) of NFs, each a function that does its work on a packet and, on the first packet of
 * a flow, says what it does: header actions, state functions, events. Later packets of the flow are
 * served by what was said, consolidated. docs/speedybox.md has the rules. */
#ifndef SPEEDYBOX_H
#define SPEEDYBOX_H
#include "sb_run.h"

/* The number of the packet's flow, the same for all NFs of the chain and for all of its packets,
 * whatever is rewritten; SB_NO_FLOW if nothing is recorded of it, which the other calls take. Flows
 * with different addresses, ports or protocols have different numbers. */
static __attribute__((unused)) int nf_extract_fid(packet_descriptor *p) {
    sb_box *b = p->box;
    if (p->fid != SB_UNASKED)
        return p->fid;
    p->fid = sb_flow_of(b, b->now->key, b->now->hash);
    sb_open(b, p, p->nf, p->fid);
    if (b->recording) {
        b->recording->count = b->recording->said = 0;
        b->recording->wrong = 0;
    }
    return p->fid;
}

/* The row that is being written, if it is the flow's. */
static sb_flow *sb_row(int fid) {
    sb_box *b = sb_now;
    return b && fid >= 0 && b->recording == b->flows + fid ? b->recording : NULL;
}

/* The NF does this to the header of all packets of the flow: FORWARD, DROP, MODIFY (field, value),
 * ENCAP (header, arguments), DECAP (header). */
static __attribute__((unused)) void localmat_add_HA(int fid, header_action action,
                                                    const sb_args *args) {
    sb_flow *f = sb_row(fid);
    sb_operation o = {.kind = SB_HA, .what = (u8)action};
    if (!f)
        return;
    if (args)
        o.args = *args;
    f->wrong |= action == SB_NONE || (action == SB_MODIFY && o.args.at[0] >= SB_WRITABLE) ||
                (action >= SB_ENCAP && o.args.at[0] > SB_HEADER_VLAN);
    if (action == SB_MODIFY && !f->wrong)
        o.args.at[1] = sb_cut((sb_field)o.args.at[0], o.args.at[1]);
    sb_say(sb_now, &o);
}

/* The NF calls this for all packets of the flow, in the order in which it was added. Type: what it
 * does to the payload, SB_WRITE, SB_READ or SB_IGNORE; with SB_MAY_DROP its SB_STOP counts. */
static __attribute__((unused)) void localmat_add_SF(int fid, sb_function *handler, u32 type,
                                                    const sb_args *args) {
    sb_operation o = {.kind = SB_SF, .what = type & 3, .drops = (type & SB_MAY_DROP) != 0};
    if (!sb_row(fid))
        return;
    o.call.function = handler;
    if (args)
        o.args = *args;
    sb_say(sb_now, &o);
}

/* Before each packet of the flow the condition is asked, with these arguments. When it holds, the
 * NF's header actions are replaced by the update's (SB_FORWARD, SB_DROP; SB_NONE: none), or, with an
 * update function, its whole row is what that writes. Neither: the NF sees the packet itself. */
static __attribute__((unused)) void register_event(int fid, sb_condition *condition,
                                                   const sb_args *args,
                                                   header_action update_action,
                                                   sb_update *update) {
    sb_flow *f = sb_row(fid);
    sb_operation o = {.kind = SB_EVENT, .what = (u8)update_action, .update = update};
    if (!f)
        return;
    o.call.condition = condition;
    if (args)
        o.args = *args;
    f->wrong |= update_action > SB_DROP;
    sb_say(sb_now, &o);
}

/* What the rows rest on has changed for flows unknown: all are written anew. */
static __attribute__((unused)) void sb_outdate_all(sb_box *b) {
    nf_mat_outdate_all(&b->mat);
}

#endif
