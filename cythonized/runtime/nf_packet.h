/* Packets: frames parsed, their fields read, and frames written back. The judge of every byte is
 * nfverify/packet/codec.py. */
#ifndef NF_PACKET_H
#define NF_PACKET_H
#include "nf_parse.h"
#include "nf_fields.h"
#include "nf_deparse.h"
#endif
