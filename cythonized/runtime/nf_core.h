/* What a generated network and its hosts agree on: its state's common part, and what describes it. */
#ifndef NF_CORE_H
#define NF_CORE_H
#include "nf_base.h"
#include "nf_bytes.h"
#include "nf_table.h"
#include "nf_aged.h"
#include "nf_wheel.h"
#include "nf_packet.h"

#define NF_ABI 1

/* Errors that end a run; the state is as it was before the packet (NF_NO_MEMORY: the batch). */
enum { NF_OK = 0, NF_NO_MEMORY = -1, NF_RUNAWAY = -2, NF_COPIES = -3, NF_OPERATOR = -4, NF_FORMAT = -5 };

/* Error counters, in the order of nfverify.semantics.machine.ERRORS. */
enum { NF_MALFORMED_FRAMES, NF_NON_IP_FRAMES, NF_RESUBMIT_LIMIT, NF_LOOP_LIMIT, NF_PAYLOAD_LENGTH,
       NF_BAD_PORT, NF_NO_CHOICE, NF_MALFORMED_INNER, NF_TOO_DEEP, NF_TOO_BIG, NF_COUNTERS };

/* Verdicts of a simple network (each packet comes out at most once, at the time it came in). */
enum { NF_DROPPED = -1 };

/* One frame that came out; `data` is owned by nf_core.sent until nf_sent_clear. */
typedef struct nf_output {
    u64 time;
    u8 *data;
    u32 length;
    u32 cause;   /* the packet of the batch at whose step it came out */
    u32 origin;  /* the packet of the batch that it was once, or UINT32_MAX (held since an earlier one) */
    u32 original; /* length on the wire of the captured frame that it comes from */
    u16 port;
} nf_output;

typedef struct nf_outputs {
    nf_output *items;
    u32 count, room;
    nf_arena bytes;
} nf_outputs;

/* The first member of every generated state. */
typedef struct nf_core {
    u64 now;                  /* ns; the latest stamp */
    u8 started;               /* init has run */
    u8 non_ip_drop;           /* --non-ip drop */
    i32 error;                /* NF_OK, or what ended the run */
    u64 counters[NF_COUNTERS];
    u64 timers_made;          /* the next timer's number */
    nf_wheel wheel;
    nf_arena scratch;         /* bytes made during one event */
    nf_pool pool;             /* byte strings kept in state */
    u64 pool_kept;            /* its bytes beyond which it is worth a look what is unused */
    nf_outputs sent;          /* of networks that are not simple */
    void *operators;          /* table of the user's Python operators */
    u64 *hits;                /* packets per entry, when built with count_entries */
} nf_core;

/* A batch of n frames, rewritten in place. ports NULL: all 0. verdicts: a port or NF_DROPPED,
 * written when the packet is done, for simple networks only. originals NULL: the lengths. */
typedef struct nf_batch {
    u8 **frames;
    const u32 *lengths;
    const u32 *originals;
    const u64 *times;
    const u16 *ports;
    i32 *verdicts;
    u32 n;
} nf_batch;

/* A scalar of a key or value. Keys: `word` and `shift` in the packed key (over 64 bits: two whole
 * words, low first); `net`: 16 or 32 bits stored in network order. Values: byte offset `at`. */
enum { NF_BOOL = 0, NF_BITS = 1, NF_BYTES = 2 };  /* NF_BYTES: a u32 of nf_pool */
enum { NF_SHOWN_INT = 0, NF_SHOWN_IP = 1, NF_SHOWN_IP6 = 2, NF_SHOWN_MAC = 3 }; /* in JSON */
enum { NF_NOT_STORED = 0xff }; /* a key's `word`: over 64 bits, where the variable has wide keys */
typedef struct nf_component {
    u8 kind, is_signed, width, net;
    u8 word, shift;
    u16 at;
    u8 shown;
} nf_component;

enum { NF_PLAIN = 0, NF_TABLE = 1, NF_AGED = 2 };
typedef struct nf_variable {
    const char *instance, *name;
    u8 kind;
    u8 presence;       /* bit of the presence byte of a fused table; 0xff: the slot itself */
    u16 presence_at;   /* its byte offset in the value */
    u16 n_keys, n_values;
    const nf_component *keys, *values;
    const nf_component *wide_keys; /* NULL: one table; else keys with a 128-bit part != 0 are there */
    u32 at, wide_at;   /* offsets in the state: nf_table, nf_aged; plain: the value */
    u32 words, slot;   /* of the key, in u64; bytes of a slot */
    u32 wide_words, wide_slot;
    u32 value_bytes;   /* of the whole value part of a slot (all variables of a fused table) */
    const u8 *defaults; /* the value part of a fresh slot; plain: the value at the start */
    const u64 *blank, *wide_blank; /* packed keys whose components are all 0 */
    const u8 *entries;  /* what is there at the start: rows of the binary form, without stamps */
    u64 n_entries;
} nf_variable;

/* A field that the network writes and that stands in its packet at `at` (flow fields: in head). */
typedef struct nf_field {
    const char *name;
    u32 at;
    u8 bytes;          /* 1, 2, 4, 8, 16; 0: payload, an nf_slice */
} nf_field;

typedef struct nf_instance {
    const char *name;
    u8 tells_time;     /* reads the clock, or its keys grow old */
} nf_instance;

typedef struct nf_info {
    u32 abi;
    const char *name;
    u32 n_ports, n_instances, n_variables, n_tags, n_fields, n_entries;
    const char *const *ports;
    const nf_instance *instances;
    u32 n_constants;
    const nf_variable *variables;   /* n_constants more follow: tables that nothing assigns */
    const char *const *tags;        /* sorted */
    const nf_field *fields;
    const char *const *entries;     /* "instance: line 12", when built with count_entries */
    u32 simple;                     /* verdicts suffice */
    u32 has_timers;
    u64 state_bytes, packet_bytes, tags_at; /* tags_at: i32[n_tags] in the packet */
} nf_info;

/* A packet that waits: the node, then the generated packet (nf_head first), then its frame. */
typedef struct nf_waiting {
    nf_timer timer;
    u32 instance;
    u32 original;
    u8 dummy;
} nf_waiting;
#define NF_WAITING_PACKET ((sizeof(nf_waiting) + 15) & ~(size_t)15)

/* Exported by every build (the state is opaque to hosts; its first member is nf_core):
 *   const nf_info *nf_describe(void);
 *   nf_core *nf_create(void);                      NULL: no memory
 *   void nf_destroy(nf_core *);
 *   i32 nf_push(nf_core *, const nf_batch *);      packets enter the pipeline; NF_OK or an error
 *   i32 nf_flush(nf_core *);                       all packets that entered are done
 *   i32 nf_advance(nf_core *, u64 time);           flush, then the timers due
 *   i32 nf_save(nf_core *, nf_buffer *);           the compact binary form (flushes)
 *   i32 nf_load(nf_core *, const u8 *, u64);       NF_FORMAT leaves the state as it was
 */
#endif
