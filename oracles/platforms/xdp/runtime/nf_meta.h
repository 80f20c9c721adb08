/* What stands before a frame in test runs (data_meta): when and where it came in, and where it
 * leaves. */
#ifndef NF_META_H
#define NF_META_H

struct nf_meta {
    unsigned long long time; /* ns */
    unsigned int port;
    unsigned int out; /* written where the program ends with XDP_TX */
};

#define NF_NO_PORT 0xffffffffu /* no packet comes: only time passes */

#endif
