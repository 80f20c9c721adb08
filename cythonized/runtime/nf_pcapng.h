/* Blocks of pcapng, the same subset as nfverify/packet/pcap.py reads. Included by nf_pcap.h. */
#ifndef NF_PCAPNG_H
#define NF_PCAPNG_H

enum { NF_MAX_INTERFACES = 65536 };
enum { NF_BLOCK_SECTION = 0x0a0d0d0a, NF_BLOCK_INTERFACE = 1, NF_BLOCK_OLD = 2, NF_BLOCK_SIMPLE = 3,
       NF_BLOCK_PACKET = 6 };

static int nf_check_block_length(nf_capture *c, u64 start, u32 length)
{
    if (length < 12 || length % 4)
        return nf_capture_fail(c, start + 4, "block length %u is not a multiple of 4 from 12 up",
                               length);
    return 0;
}

static int nf_check_block_end(nf_capture *c, u32 length)
{
    const u8 *end = nf_capture_take(c, 4, "a block");
    if (!end)
        return -1;
    if (nf_capture_32(c, end) != length)
        return nf_capture_fail(c, c->offset + c->at - 4,
                               "block length %u is repeated as %u at its end", length,
                               nf_capture_32(c, end));
    return 0;
}

/* A section header whose type, at `start`, was read, and whose length is at `raw` unless NULL. */
static int nf_section_header(nf_capture *c, u64 start, const u8 *raw)
{
    u8 kept[4];
    const u8 *p = raw ? raw : nf_capture_take(c, 4, "the section header");
    if (!p)
        return -1;
    memcpy(kept, p, 4);
    if (!(p = nf_capture_take(c, 4, "the section header")))
        return -1;
    const u32 magic = nf_ld32(p);
    if (magic != 0x1a2b3c4d && magic != 0x4d3c2b1a)
        return nf_capture_fail(c, start + 8, "no pcapng byte-order magic: %02x %02x %02x %02x",
                               p[0], p[1], p[2], p[3]);
    c->swapped = magic == 0x4d3c2b1a;
    const u32 length = nf_capture_32(c, kept);
    if (nf_check_block_length(c, start, length))
        return -1;
    if (length < 28)
        return nf_capture_fail(c, start + 4, "a section header of %u bytes, not at least 28",
                               length);
    if (!(p = nf_capture_take(c, 4, "the section header")))
        return -1;
    const u32 major = nf_capture_16(c, p), minor = nf_capture_16(c, p + 2);
    if (major != 1 || (minor != 0 && minor != 2))
        return nf_capture_fail(c, start + 12, "pcapng version %u.%u, not 1.0", major, minor);
    c->n_interfaces = 0;
    if (nf_capture_skip(c, length - 20, "the section header"))
        return -1;
    return nf_check_block_end(c, length);
}

static int nf_interface_block(nf_capture *c, u64 start, const u8 *body, u32 size)
{
    if (c->n_interfaces == NF_MAX_INTERFACES)
        return nf_capture_fail(c, start, "more than %d interfaces", NF_MAX_INTERFACES);
    if (size < 8)
        return nf_capture_fail(c, start, "an interface block of %u bytes, not at least 20",
                               size + 12);
    nf_interface found = {nf_capture_16(c, body), nf_capture_32(c, body + 4), 0, 6, 0};
    for (u32 at = 8; at + 4 <= size;) {
        const u32 code = nf_capture_16(c, body + at), length = nf_capture_16(c, body + at + 2);
        const u8 *value = body + at + 4;
        const u64 place = start + 8 + at;
        if (code == 0)
            break;
        if (at + 4 + length > size)
            return nf_capture_fail(c, place, "an option of %u bytes leaves its block", length);
        if (code == 9 && length != 1)
            return nf_capture_fail(c, place, "if_tsresol of %u bytes, not 1", length);
        if (code == 14 && length != 8)
            return nf_capture_fail(c, place, "if_tsoffset of %u bytes, not 8", length);
        if (code == 9) {
            found.binary = value[0] >> 7;
            found.exponent = value[0] & 0x7f;
        }
        if (code == 14)
            found.offset = (i64)(c->swapped ? nf_be64(value) : nf_ld64(value));
        at += 4 + ((length + 3) & ~3u);
    }
    if (found.exponent > (found.binary ? 19 : 6))
        c->finer = 1;
    if (c->n_interfaces == c->room) {
        const u32 room = c->room ? c->room * 2 : 4;
        nf_interface *grown = (nf_interface *)realloc(c->interfaces, room * sizeof *grown);
        if (!grown)
            return nf_capture_fail(c, start, "%s", strerror(ENOMEM));
        c->interfaces = grown;
        c->room = room;
    }
    c->interfaces[c->n_interfaces++] = found;
    return 0;
}

static const nf_interface *nf_find_interface(nf_capture *c, u64 start, u32 number)
{
    if (number >= c->n_interfaces) {
        nf_capture_fail(c, start + 8, "a packet of interface %u; %u are described", number,
                        c->n_interfaces);
        return NULL;
    }
    return nf_link_type(c, start, c->interfaces[number].link) ? NULL : &c->interfaces[number];
}

/* Ticks as ns: 0, or -1 if they are no time. */
static int nf_ticks_to_ns(const nf_interface *interface, u64 ticks, i128 *time)
{
    u128 ns = (u128)ticks * 1000000000;
    if (interface->binary) {
        ns >>= interface->exponent;
    } else if (interface->exponent > 28) { /* 10^29 is above all that ns can be here */
        ns = 0;
    } else {
        u128 unit = 1;
        for (u32 i = 0; i < interface->exponent; i++)
            unit *= 10;
        ns /= unit;
    }
    *time = (i128)ns + (i128)interface->offset * 1000000000;
    return *time >= 0 && *time < (i128)NF_TIME_LIMIT ? 0 : -1;
}

/* Decimal digits of any i128, for messages. */
static const char *nf_decimal(i128 value, char text[48])
{
    u128 rest = value < 0 ? -(u128)value : (u128)value;
    char *p = text + 47;
    *p = 0;
    do
        *--p = (char)('0' + (u32)(rest % 10));
    while (rest /= 10);
    if (value < 0)
        *--p = '-';
    return p;
}

/* An enhanced packet block, or the packet block that came before it. */
static int nf_packet_block(nf_capture *c, u64 start, u8 *body, u32 size, u32 kind, nf_record *r)
{
    if (size < 20)
        return nf_capture_fail(c, start, "a packet block of %u bytes, not at least 32", size + 12);
    /* The old block has two 16-bit numbers: the interface and a count of drops. */
    const u32 number = kind == NF_BLOCK_OLD ? nf_capture_16(c, body) : nf_capture_32(c, body);
    const nf_interface *interface = nf_find_interface(c, start, number);
    const u32 length = nf_capture_32(c, body + 12), original = nf_capture_32(c, body + 16);
    if (!interface || nf_check_captured(c, start + 20, length))
        return -1;
    if (20 + length > size)
        return nf_capture_fail(c, start + 20, "a packet of %u bytes leaves its block", length);
    const u64 ticks = (u64)nf_capture_32(c, body + 4) << 32 | nf_capture_32(c, body + 8);
    i128 time;
    if (nf_ticks_to_ns(interface, ticks, &time)) {
        char text[48];
        return nf_capture_fail(c, start + 12, "the time %s ns is not in 0 to 2**62 - 1",
                               nf_decimal(time, text));
    }
    *r = (nf_record){(u64)time, body + 20, length, original > length ? original : length};
    return 1;
}

/* A simple packet block; it has no stamp, and takes the latest one seen. */
static int nf_simple_block(nf_capture *c, u64 start, u8 *body, u32 size, nf_record *r)
{
    if (size < 4)
        return nf_capture_fail(c, start, "a simple packet block of %u bytes", size + 12);
    const nf_interface *interface = nf_find_interface(c, start, 0);
    if (!interface)
        return -1;
    const u32 original = nf_capture_32(c, body);
    const u32 length = interface->snap && interface->snap < original ? interface->snap : original;
    if (nf_check_captured(c, start + 8, length))
        return -1;
    if (4 + length > size)
        return nf_capture_fail(c, start + 8, "a packet of %u bytes leaves its block", length);
    *r = (nf_record){c->latest, body + 4, length, original};
    return 1;
}

/* The body of a block whose header, of `length` bytes all told, was read; NULL: c->error. */
static u8 *nf_block_body(nf_capture *c, u64 start, u32 length)
{
    if (nf_check_block_length(c, start, length))
        return NULL;
    if (length > NF_MAX_BLOCK) {
        nf_capture_fail(c, start + 4, "a block of %u bytes; at most %u are read", length,
                        NF_MAX_BLOCK);
        return NULL;
    }
    /* All of it at once: what is taken later must not move the body away. */
    if (nf_capture_has(c, length - 8) < 0 || !nf_capture_take(c, length - 12, "a block"))
        return NULL;
    if (nf_check_block_end(c, length))
        return NULL;
    return c->data + c->at - (length - 8);
}

/* Blocks up to the next packet: 1; 0: the end; -1. Sections have their own interfaces and order. */
static int nf_pcapng_next(nf_capture *c, nf_record *r)
{
    for (;;) {
        int got = nf_capture_has(c, 8);
        if (got == 0 && c->at != c->end)
            return nf_capture_fail(c, c->offset + c->end, "the file ends inside a block header");
        if (got != 1)
            return got;
        const u8 *head = c->data + c->at;
        const u64 start = c->offset + c->at;
        c->at += 8;
        if (nf_ld32(head) == NF_BLOCK_SECTION) { /* the same in both byte orders */
            if (nf_section_header(c, start, head + 4))
                return -1;
            continue;
        }
        const u32 kind = nf_capture_32(c, head), length = nf_capture_32(c, head + 4);
        if (kind != NF_BLOCK_INTERFACE && kind != NF_BLOCK_OLD && kind != NF_BLOCK_SIMPLE
            && kind != NF_BLOCK_PACKET) {
            if (nf_check_block_length(c, start, length)
                || nf_capture_skip(c, length - 12, "a block") || nf_check_block_end(c, length))
                return -1;
            continue;
        }
        u8 *body = nf_block_body(c, start, length);
        if (!body)
            return -1;
        if (kind == NF_BLOCK_INTERFACE) {
            if (nf_interface_block(c, start, body, length - 12))
                return -1;
            continue;
        }
        const int found = kind == NF_BLOCK_SIMPLE
                              ? nf_simple_block(c, start, body, length - 12, r)
                              : nf_packet_block(c, start, body, length - 12, kind, r);
        if (found == 1 && r->time > c->latest)
            c->latest = r->time;
        return found;
    }
}

#endif
