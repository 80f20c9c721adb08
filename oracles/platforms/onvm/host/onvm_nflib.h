/* The interface of OpenNetVM's NF library as of its releases 19.05 to 21.10 (onvm_nflib.h,
 * onvm_common.h, onvm_msg_common.h): the functions and members that a network function of nfverify
 * uses, declared anew for the host beside it. OpenNetVM's own headers take this one's place where
 * the same source is built for its manager. */
#ifndef ONVM_NFLIB_H
#define ONVM_NFLIB_H
#include <stdint.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PACKET_READ_SIZE ((uint16_t)32)
#define PKTMBUF_POOL_NAME "MProc_pktmbuf_pool"
#define MAX_SERVICES 32

#define ONVM_NF_ACTION_DROP 0
#define ONVM_NF_ACTION_NEXT 1 /* where the chain of services says */
#define ONVM_NF_ACTION_TONF 2 /* to the service `destination` */
#define ONVM_NF_ACTION_OUT 3  /* by the port `destination` */

#define ONVM_SIGNAL_TERMINATION -999

#define MSG_NOOP 0
#define MSG_STOP 1
#define MSG_NF_STARTING 2
#define MSG_NF_STOPPING 3
#define MSG_NF_READY 4
#define MSG_SCALE 5
#define MSG_FROM_NF 6

struct onvm_pkt_meta {
    uint8_t action;
    uint16_t destination;
    uint16_t src; /* the NF that had it last */
    uint8_t chain_index;
    uint8_t flags;
};

struct onvm_nf_msg {
    uint8_t msg_type;
    void *msg_data; /* of rte_malloc; who gets a message frees it */
};

struct onvm_nf_local_ctx;
typedef int (*nf_pkt_handler_fn)(struct rte_mbuf *pkt, struct onvm_pkt_meta *meta,
                                 struct onvm_nf_local_ctx *nf_local_ctx);
typedef int (*nf_user_actions_fn)(struct onvm_nf_local_ctx *nf_local_ctx);
typedef void (*nf_setup_fn)(struct onvm_nf_local_ctx *nf_local_ctx);
typedef void (*nf_msg_handler_fn)(void *msg_data, struct onvm_nf_local_ctx *nf_local_ctx);
typedef void (*handle_signal_func)(int);

struct onvm_nf_function_table {
    nf_setup_fn setup;
    nf_msg_handler_fn msg_handler;
    nf_user_actions_fn user_actions;
    nf_pkt_handler_fn pkt_handler;
};

struct onvm_nf {
    struct rte_ring *rx_q, *tx_q, *msg_q;
    uint16_t instance_id, service_id;
    char *tag;
    void *data; /* of rte_malloc; onvm_nflib_stop frees it */
    struct onvm_nf_function_table *function_table;
    struct {
        uint64_t rx, rx_drop, tx, tx_drop, tx_buffer, tx_returned;
        uint64_t act_out, act_tonf, act_drop, act_next, act_buffer;
    } stats;
};

struct onvm_nf_local_ctx {
    struct onvm_nf *nf;
    volatile int16_t keep_running;
};

/* Where the meta data of a packet is: in a dynamic field, as mbufs have no member for it now. */
extern int onvm_meta_offset;

static inline struct onvm_pkt_meta *onvm_get_pkt_meta(struct rte_mbuf *pkt)
{
    return RTE_MBUF_DYNFIELD(pkt, onvm_meta_offset, struct onvm_pkt_meta *);
}

struct onvm_nf_local_ctx *onvm_nflib_init_nf_local_ctx(void);
struct onvm_nf_function_table *onvm_nflib_init_nf_function_table(void);
int onvm_nflib_start_signal_handler(struct onvm_nf_local_ctx *nf_local_ctx,
                                    handle_signal_func signal_handler);
/* How many arguments were parsed, or below 0. */
int onvm_nflib_init(int argc, char *argv[], const char *nf_tag,
                    struct onvm_nf_local_ctx *nf_local_ctx,
                    struct onvm_nf_function_table *nf_function_table);
int onvm_nflib_run(struct onvm_nf_local_ctx *nf_local_ctx);
int onvm_nflib_return_pkt(struct onvm_nf *nf, struct rte_mbuf *pkt);
int onvm_nflib_return_pkt_bulk(struct onvm_nf *nf, struct rte_mbuf **pkts, uint16_t count);
int onvm_nflib_send_msg_to_nf(uint16_t dest_nf, void *msg_data);
void onvm_nflib_stop(struct onvm_nf_local_ctx *nf_local_ctx);

#ifdef __cplusplus
}
#endif
#endif
