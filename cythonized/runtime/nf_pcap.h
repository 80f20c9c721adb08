/* Captures of Ethernet frames: pcap and pcapng in, pcap out; the twin of nfverify/packet/pcap.py.
 *
 * Files are read in pieces, never mapped: it is faster (no page faults), and a file that somebody
 * cuts meanwhile does no harm. Nothing seeks, so that pipes work. */
#ifndef NF_PCAP_H
#define NF_PCAP_H
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "nf_base.h"

#define NF_MAX_CAPTURED 262144u          /* bytes of one packet; the MAXIMUM_SNAPLEN of libpcap */
#define NF_MAX_BLOCK ((u32)1 << 20)      /* of pcapng */
#define NF_CAPTURE_PIECE ((u64)1 << 18)  /* read at once: it stays in the second-level cache */
#define NF_CAPTURE_ROOM (NF_CAPTURE_PIECE + NF_MAX_BLOCK)
#define NF_PCAP_HEADER 24u
#define NF_RECORD_HEADER 16u
#define NF_ETHERNET 1u

typedef struct nf_record {
    u64 time;                            /* ns */
    u8 *frame;                           /* until the next record is asked for; may be written */
    u32 length, original;
} nf_record;

/* How pcapng describes an interface: ticks in a second are 10^exponent, or 2^exponent. */
typedef struct nf_interface {
    u32 link, snap;
    u8 binary, exponent;
    i64 offset;                          /* seconds to add */
} nf_interface;

typedef struct nf_capture {
    int fd;
    const char *name;                    /* for messages; the caller's */
    u8 *data;                            /* what was read: data[at..end) is still to come */
    u64 at, end, offset;                 /* offset: of data[0] in the stream */
    u8 ng, swapped, finer, over;         /* finer: stamps finer than us; over: the stream ended */
    nf_interface *interfaces;
    u32 n_interfaces, room;
    u64 latest;                          /* a simple packet block has no stamp */
    const volatile u8 *stop;             /* set: a read that a signal interrupts ends; or NULL */
    char error[400];
} nf_capture;

/* Says what is wrong at a byte of the stream; -1. */
__attribute__((format(printf, 3, 4))) NF_COLD int
nf_capture_fail(nf_capture *c, u64 offset, const char *format, ...)
{
    va_list arguments;
    int used = snprintf(c->error, sizeof c->error, "%.200s: byte %llu: ", c->name,
                        (unsigned long long)offset);
    va_start(arguments, format);
    vsnprintf(c->error + used, sizeof c->error - (size_t)used, format, arguments);
    va_end(arguments);
    return -1;
}

/* Reads on until n bytes are there (at most NF_MAX_BLOCK): 1, 0: the stream ends before, -1. */
NF_COLD int nf_capture_fill(nf_capture *c, u64 n)
{
    memmove(c->data, c->data + c->at, c->end - c->at); /* less than n bytes */
    c->offset += c->at;
    c->end -= c->at;
    c->at = 0;
    while (c->end - c->at < n && !c->over) {
        u64 room = NF_CAPTURE_ROOM - c->end;
        ssize_t got = read(c->fd, c->data + c->end, room < NF_CAPTURE_PIECE ? room : NF_CAPTURE_PIECE);
        if (got < 0 && errno == EINTR && !(c->stop && *c->stop))
            continue;
        if (got < 0 && errno == EAGAIN)
            return nf_capture_fail(c, c->offset + c->end,
                                   "the stream is non-blocking and has no data yet");
        if (got < 0)
            return nf_capture_fail(c, c->offset + c->end, "%s", strerror(errno));
        c->over = got == 0;
        c->end += (u64)got;
    }
    return c->end - c->at >= n;
}

NF_INL int nf_capture_has(nf_capture *c, u64 n)
{
    return nf_likely(c->end - c->at >= n) ? 1 : nf_capture_fill(c, n);
}

/* The next n bytes, which are then behind us; NULL and an error if the stream ends inside. */
static const u8 *nf_capture_take(nf_capture *c, u32 n, const char *what)
{
    int has = nf_capture_has(c, n);
    if (has == 0)
        nf_capture_fail(c, c->offset + c->end, "the file ends inside %s: %u of %u bytes", what,
                        (u32)(c->end - c->at), n);
    if (has != 1)
        return NULL;
    c->at += n;
    return c->data + c->at - n;
}

static int nf_capture_skip(nf_capture *c, u64 n, const char *what)
{
    while (n) {
        u32 part = n < 65536 ? (u32)n : 65536;
        if (!nf_capture_take(c, part, what))
            return -1;
        n -= part;
    }
    return 0;
}

NF_INL u16 nf_capture_16(const nf_capture *c, const u8 *p)
{
    return c->swapped ? nf_be16(p) : nf_ld16(p);
}

NF_INL u32 nf_capture_32(const nf_capture *c, const u8 *p)
{
    return c->swapped ? nf_be32(p) : nf_ld32(p);
}

static int nf_link_type(nf_capture *c, u64 offset, u32 number)
{
    static const struct { u32 number; const char *name; } known[] = {
        {0, "BSD loopback"}, {9, "PPP"}, {12, "raw IP"}, {101, "raw IP"}, {105, "IEEE 802.11"},
        {113, "Linux cooked"}, {127, "radiotap"}, {276, "Linux cooked v2"},
    };
    if (number == NF_ETHERNET)
        return 0;
    const char *name = "unknown here";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].number == number)
            name = known[i].name;
    return nf_capture_fail(c, offset, "link type %u (%s), not Ethernet (1)", number, name);
}

static int nf_check_captured(nf_capture *c, u64 offset, u32 length)
{
    if (nf_unlikely(length > NF_MAX_CAPTURED))
        return nf_capture_fail(c, offset, "a packet of %u captured bytes; at most %u are read",
                               length, NF_MAX_CAPTURED);
    return 0;
}

#include "nf_pcapng.h"

/* Opens what a descriptor gives, which stays the caller's: 0; -1: no capture of Ethernet, or no
 * memory, as c->error says. nf_capture_close in either case. */
__attribute__((unused)) static int nf_capture_open(nf_capture *c, int fd, const char *name)
{
    static const struct { u8 magic[4]; u8 length; const char *what; } others[] = {
        {{0x1f, 0x8b}, 2, "gzip data: decompress it first"},
        {{0x28, 0xb5, 0x2f, 0xfd}, 4, "zstd data: decompress it first"},
        {{0x34, 0xcd, 0xb2, 0xa1}, 4, "a modified pcap of old Linux systems: convert it, e.g. with editcap"},
        {{0xa1, 0xb2, 0xcd, 0x34}, 4, "a modified pcap of old Linux systems: convert it, e.g. with editcap"},
    };
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->name = name;
    c->data = (u8 *)malloc(NF_CAPTURE_ROOM);
    if (!c->data)
        return nf_capture_fail(c, 0, "%s", strerror(ENOMEM));
    if (nf_capture_has(c, 4) < 0)
        return -1;
    const u32 got = c->end < 4 ? (u32)c->end : 4;
    const u32 magic = got == 4 ? nf_ld32(c->data) : 0;
    if (magic == 0x0a0d0d0a) {
        c->ng = 1;
        c->at = 4;
        return nf_section_header(c, 0, NULL);
    }
    if (magic == 0xa1b2c3d4 || magic == 0xd4c3b2a1 || magic == 0xa1b23c4d || magic == 0x4d3cb2a1) {
        c->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
        c->finer = magic == 0xa1b23c4d || magic == 0x4d3cb2a1;
        c->at = 4;
        const u8 *header = nf_capture_take(c, 20, "the file header");
        if (!header)
            return -1;
        u32 major = nf_capture_16(c, header), minor = nf_capture_16(c, header + 2);
        if (major != 2 || minor != 4)
            return nf_capture_fail(c, 4, "pcap version %u.%u, not 2.4", major, minor);
        return nf_link_type(c, 20, nf_capture_32(c, header + 16) & 0x03ffffff); /* above: the FCS */
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (got >= others[i].length && !memcmp(c->data, others[i].magic, others[i].length))
            return nf_capture_fail(c, 0, "%s", others[i].what);
    if (!got)
        return nf_capture_fail(c, 0, "not a capture (pcap or pcapng): it is empty");
    char shown[16];
    for (u32 i = 0; i < got; i++)
        snprintf(shown + 3 * i, 4, "%02x ", c->data[i]);
    shown[3 * got - 1] = 0;
    return nf_capture_fail(c, 0, "not a capture (pcap or pcapng): it starts with %s", shown);
}

__attribute__((unused)) static void nf_capture_close(nf_capture *c)
{
    free(c->data);
    free(c->interfaces);
    c->data = NULL;
    c->interfaces = NULL;
}

/* The next record of a pcap file, its header before its frame: 1; 0: the end; -1: c->error. */
NF_INL int nf_pcap_next(nf_capture *c, nf_record *r)
{
    int has = nf_capture_has(c, NF_RECORD_HEADER);
    if (nf_unlikely(has != 1)) {
        if (has == 0 && c->at != c->end)
            return nf_capture_fail(c, c->offset + c->end, "the file ends inside a record header");
        return has;
    }
    const u8 *header = c->data + c->at;
    const u64 start = c->offset + c->at;
    const u64 seconds = nf_capture_32(c, header);
    const u32 fraction = nf_capture_32(c, header + 4), units = c->finer ? 1000000000 : 1000000;
    const u32 length = nf_capture_32(c, header + 8), original = nf_capture_32(c, header + 12);
    if (nf_unlikely(fraction >= units))
        return nf_capture_fail(c, start + 4, "fraction of a second %u is not below %u", fraction,
                               units);
    if (nf_check_captured(c, start + 8, length))
        return -1;
    has = nf_capture_has(c, NF_RECORD_HEADER + length);
    if (nf_unlikely(has != 1)) {
        if (has == 0)
            nf_capture_fail(c, c->offset + c->end, "the file ends inside a packet: %u of %u bytes",
                            (u32)(c->end - c->at) - NF_RECORD_HEADER, length);
        return -1;
    }
    r->time = seconds * 1000000000 + (c->finer ? fraction : fraction * (u64)1000);
    r->frame = c->data + c->at + NF_RECORD_HEADER;
    r->length = length;
    r->original = original > length ? original : length;
    c->at += NF_RECORD_HEADER + length;
    return 1;
}

/* The next record: 1; 0: the end; -1: the capture breaks off, as c->error says. */
__attribute__((unused)) static int nf_capture_next(nf_capture *c, nf_record *r)
{
    return c->ng ? nf_pcapng_next(c, r) : nf_pcap_next(c, r);
}

/* Writing ------------------------------------------------------------------------------------- */

/* Little-endian pcap to a descriptor, which stays the caller's. */
typedef struct nf_writer {
    int fd;
    const char *name;
    i32 port;       /* whose outputs; -1: all */
    u8 finer;       /* stamps in ns, not us */
    u8 *data;       /* NF_CAPTURE_ROOM bytes */
    u64 used;
    char *error;    /* where messages go: 400 bytes */
    const volatile u8 *stop; /* as nf_capture's */
} nf_writer;

/* Everything, or -1 and a message. */
static int nf_write_all(nf_writer *w, const u8 *data, u64 length)
{
    while (length) {
        ssize_t done = write(w->fd, data, length);
        if (done < 0 && errno == EINTR && !(w->stop && *w->stop))
            continue;
        if (done < 0) {
            snprintf(w->error, 400, "%.300s: %s", w->name, strerror(errno));
            return -1;
        }
        data += done;
        length -= (u64)done;
    }
    return 0;
}

static int nf_writer_flush(nf_writer *w)
{
    u64 used = w->used;
    w->used = 0;
    return nf_write_all(w, w->data, used);
}

/* 0, or -1 and a message in `error`; nf_writer_close in either case. */
__attribute__((unused)) static int nf_writer_open(nf_writer *w, int fd, const char *name, i32 port, u8 finer, char *error)
{
    *w = (nf_writer){fd, name, port, finer, (u8 *)malloc(NF_CAPTURE_ROOM), NF_PCAP_HEADER, error,
                     NULL};
    if (!w->data) {
        snprintf(error, 400, "%.300s: %s", name, strerror(ENOMEM));
        return -1;
    }
    const u32 header[6] = {finer ? 0xa1b23c4d : 0xa1b2c3d4, 2 | 4 << 16, 0, 0, NF_MAX_CAPTURED,
                           NF_ETHERNET};
    memcpy(w->data, header, sizeof header);
    return 0;
}

__attribute__((unused)) static void nf_writer_close(nf_writer *w)
{
    free(w->data);
    w->data = NULL;
}

/* A record's header at p; us files cut the stamp. -1: the format can't hold it. */
NF_INL int nf_record_header(const nf_writer *w, u8 *p, u64 time, u32 length, u32 original)
{
    const u64 seconds = time / 1000000000;
    if (nf_unlikely(seconds >> 32)) {
        snprintf(w->error, 400, "%.300s: a pcap file can't hold the time %llu ns", w->name,
                 (unsigned long long)time);
        return -1;
    }
    const u32 fraction = (u32)(time - seconds * 1000000000);
    nf_st32(p, (u32)seconds);
    nf_st32(p + 4, w->finer ? fraction : fraction / 1000);
    nf_st32(p + 8, length);
    nf_st32(p + 12, original);
    return 0;
}

/* One packet; -1: a message. Frames are at most NF_MAX_CAPTURED long. */
__attribute__((unused)) static int nf_writer_add(nf_writer *w, u64 time, const u8 *frame, u32 length, u32 original)
{
    if (length > NF_MAX_CAPTURED) {
        snprintf(w->error, 400, "%.300s: a frame of %u bytes exceeds %u", w->name, length,
                 NF_MAX_CAPTURED);
        return -1;
    }
    if (w->used + NF_RECORD_HEADER + length > NF_CAPTURE_ROOM && nf_writer_flush(w))
        return -1;
    if (nf_record_header(w, w->data + w->used, time, length, original))
        return -1;
    memcpy(w->data + w->used + NF_RECORD_HEADER, frame, length);
    w->used += NF_RECORD_HEADER + length;
    return w->used < NF_CAPTURE_PIECE ? 0 : nf_writer_flush(w);
}

#endif
