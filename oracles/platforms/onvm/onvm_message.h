/* Messages that a network function of nfverify understands (onvm_nflib_send_msg_to_nf; the data is
 * of rte_malloc, and the receiver frees it). All others are freed and ignored. */
#ifndef ONVM_MESSAGE_H
#define ONVM_MESSAGE_H
#include "nf_base.h"

#define NF_MESSAGE_MAGIC 0x4e46564du

enum { NF_MESSAGE_ADVANCE = 1, /* time goes on to `time`, ns: timers that are due fire */
       NF_MESSAGE_SAVE = 2 };  /* the state is written into `file`, by a temporary name first */

typedef struct nf_message {
    u32 magic, what;
    u64 time;
    char file[240];
} nf_message;

#endif
