/* States as JSON: the text that nfverify/semantics/state_json.py writes, character by character. */
#ifndef NF_JSON_H
#define NF_JSON_H
#include <stdio.h>
#include "nf_state.h"

#define NF_JSON_LINE 96u                 /* characters of a line, where parts fit */
#define NF_JSON_LARGEST ((u64)1 << 53)   /* integers above it are strings */

/* Values -------------------------------------------------------------------------------------- */

static int nf_json_text(nf_buffer *b, const char *text)
{
    return nf_buffer_add(b, text, strlen(text));
}

/* One code point of valid UTF-8, and how many bytes it takes. */
static u32 nf_utf8(const u8 *p, u32 *bytes)
{
    if (*p < 0x80)
        return *bytes = 1, *p;
    *bytes = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    u32 code = *p & (0x7fu >> *bytes);
    for (u32 i = 1; i < *bytes; i++)
        code = code << 6 | (p[i] & 0x3f);
    return code;
}

/* A name in quotes, ASCII only. */
static int nf_json_name(nf_buffer *b, const char *name)
{
    int bad = nf_json_text(b, "\"");
    for (u32 bytes; *name && !bad; name += bytes) {
        char text[16];
        const u32 code = nf_utf8((const u8 *)name, &bytes);
        const char *plain = strchr("\"\\\n\r\t\b\f", (int)(code < 128 ? code : 'x'));
        if (plain && code < 128)
            snprintf(text, sizeof text, "\\%c", "\"\\nrtbf"[plain - "\"\\\n\r\t\b\f"]);
        else if (code < 32)
            snprintf(text, sizeof text, "\\u%04x", code);
        else if (code < 128)
            snprintf(text, sizeof text, "%c", (char)code);
        else if (code < 0x10000)
            snprintf(text, sizeof text, "\\u%04x", code);
        else
            snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                     0xdc00 + (code & 0x3ff));
        bad = nf_json_text(b, text);
    }
    return bad || nf_json_text(b, "\"");
}

static int nf_json_hex(nf_buffer *b, const u8 *data, u64 length)
{
    static const char digits[] = "0123456789abcdef";
    if (nf_json_text(b, "\"") || nf_buffer_reserve(b, 2 * length + 1))
        return -1;
    for (u64 i = 0; i < length; i++) {
        b->data[b->length++] = (u8)digits[data[i] >> 4];
        b->data[b->length++] = (u8)digits[data[i] & 15];
    }
    return nf_json_text(b, "\"");
}

/* As RFC 5952 has it. */
static int nf_json_ip6(nf_buffer *b, u128 address)
{
    char text[48], *p = text;
    u32 groups[8], best = 8, length = 1; /* the longest run of zeros, of two groups at least */
    for (u32 i = 0; i < 8; i++)
        groups[i] = (u16)(address >> (112 - 16 * i));
    for (u32 i = 0; i < 8; i++) {
        u32 run = 0;
        while (i + run < 8 && !groups[i + run])
            run++;
        if (run > length) {
            best = i;
            length = run;
        }
    }
    *p++ = '"';
    for (u32 i = 0; i < 8; i++) {
        if (i == best) {
            *p++ = ':';
            if (i == 0)
                *p++ = ':';
            i += length - 1;
            continue;
        }
        p += snprintf(p, 8, i == 7 ? "%x" : "%x:", groups[i]);
    }
    *p++ = '"';
    return nf_buffer_add(b, text, (u64)(p - text));
}

static int nf_json_integer(nf_buffer *b, i128 value)
{
    char text[48], *p = text + sizeof text;
    const u128 size = value < 0 ? -(u128)value : (u128)value;
    u128 rest = size;
    const int quoted = size > NF_JSON_LARGEST;
    if (quoted)
        *--p = '"';
    do
        *--p = (char)('0' + (u32)(rest % 10));
    while (rest /= 10);
    if (value < 0)
        *--p = '-';
    if (quoted)
        *--p = '"';
    return nf_buffer_add(b, p, (u64)(text + sizeof text - p));
}

/* An unsigned number of 128 bits never is one in JSON that i128 can't hold but by its top bit. */
static int nf_json_number(nf_buffer *b, u128 value, u32 width, u32 shown)
{
    char text[32];
    if (width == 32 && shown == NF_SHOWN_IP) {
        const u32 ip = (u32)value;
        snprintf(text, sizeof text, "\"%u.%u.%u.%u\"", ip >> 24, ip >> 16 & 255, ip >> 8 & 255,
                 ip & 255);
        return nf_json_text(b, text);
    }
    if (width == 128 && shown == NF_SHOWN_IP6)
        return nf_json_ip6(b, value);
    if (width == 48 && shown == NF_SHOWN_MAC) {
        const u64 mac = (u64)value;
        snprintf(text, sizeof text, "\"%02x:%02x:%02x:%02x:%02x:%02x\"", (u8)(mac >> 40),
                 (u8)(mac >> 32), (u8)(mac >> 24), (u8)(mac >> 16), (u8)(mac >> 8), (u8)mac);
        return nf_json_text(b, text);
    }
    if (value >> 127) { /* the only numbers that i128 doesn't hold */
        const u128 tenth = value / 10;
        char last[4];
        if (nf_json_integer(b, (i128)tenth))
            return -1;
        snprintf(last, sizeof last, "%u\"", (u32)(value % 10));
        b->length--; /* the closing quote */
        return nf_json_text(b, last);
    }
    return nf_json_integer(b, (i128)value);
}

static int nf_json_part(nf_buffer *b, const nf_core *core, const nf_component *c, u128 bits)
{
    if (c->kind == NF_BOOL)
        return nf_json_text(b, bits ? "true" : "false");
    if (c->kind == NF_BYTES) {
        const nf_slice s = nf_interned(&core->pool, (u32)bits);
        return nf_json_hex(b, s.data, s.length);
    }
    return c->is_signed ? nf_json_integer(b, nf_signed_part(c, bits))
                        : nf_json_number(b, bits, c->width, c->shown);
}

/* Variables ----------------------------------------------------------------------------------- */

typedef struct nf_json_row {
    const nf_core *core;
    const nf_variable *variable;
    const nf_component *keys;
    const u64 *key;
    const u8 *value;
    u64 stamp;
} nf_json_row;

static int nf_json_compare(const void *a, const void *b)
{
    const nf_json_row *x = (const nf_json_row *)a, *y = (const nf_json_row *)b;
    for (u32 i = 0; i < x->variable->n_keys; i++) {
        const nf_component *c = &x->variable->keys[i];
        const u128 left = nf_key_part(&x->keys[i], x->key), right = nf_key_part(&y->keys[i], y->key);
        if (left == right)
            continue;
        if (c->kind == NF_BITS && c->is_signed)
            return nf_signed_part(c, left) < nf_signed_part(c, right) ? -1 : 1;
        if (c->kind != NF_BYTES)
            return left < right ? -1 : 1;
        const nf_slice s = nf_interned(&x->core->pool, (u32)left);
        const nf_slice t = nf_interned(&x->core->pool, (u32)right);
        const int order = memcmp(s.data, t.data, s.length < t.length ? s.length : t.length);
        return order ? order : s.length < t.length ? -1 : 1;
    }
    return 0;
}

static int nf_json_key(nf_buffer *b, const nf_json_row *row)
{
    const nf_variable *v = row->variable;
    int bad = v->n_keys == 1 ? 0 : nf_json_text(b, "[");
    for (u32 i = 0; i < v->n_keys && !bad; i++)
        bad = (i && nf_json_text(b, ", "))
              || nf_json_part(b, row->core, &v->keys[i], nf_key_part(&row->keys[i], row->key));
    return bad || (v->n_keys != 1 && nf_json_text(b, "]"));
}

static int nf_json_value(nf_buffer *b, const nf_json_row *row)
{
    const nf_variable *v = row->variable;
    int bad = v->n_values == 1 ? 0 : nf_json_text(b, "[");
    for (u32 i = 0; i < v->n_values && !bad; i++)
        bad = (i && nf_json_text(b, ", "))
              || nf_json_part(b, row->core, &v->values[i], nf_value_part(&v->values[i], row->value));
    return bad || (v->n_values != 1 && nf_json_text(b, "]"));
}

static int nf_json_write_row(nf_buffer *b, const nf_json_row *row)
{
    const nf_variable *v = row->variable;
    const int pair = v->n_values || v->kind == NF_AGED;
    if ((pair && nf_json_text(b, "[")) || nf_json_key(b, row))
        return -1;
    if (v->n_values && (nf_json_text(b, ", ") || nf_json_value(b, row)))
        return -1;
    if (v->kind == NF_AGED && (nf_json_text(b, ", ") || nf_json_integer(b, row->stamp)))
        return -1;
    return pair ? nf_json_text(b, "]") : 0;
}

static int nf_json_variable(nf_buffer *b, nf_core *core, const nf_variable *v)
{
    nf_rows rows = nf_rows_of(core, v);
    nf_buffer found = {};
    u64 n = 0;
    int bad = 0;
    while (!bad && nf_rows_next(&rows)) {
        const nf_json_row row = {core, v, rows.keys, rows.key, rows.value, rows.stamp};
        if (v->kind == NF_PLAIN)
            return nf_json_value(b, &row);
        bad = nf_buffer_add(&found, &row, sizeof row);
        n++;
    }
    nf_json_row *row = (nf_json_row *)(void *)found.data;
    if (v->kind == NF_TABLE && n && !bad)
        qsort(row, n, sizeof *row, nf_json_compare);
    bad = bad || nf_json_text(b, "[");
    for (u64 i = 0; i < n && !bad; i++)
        bad = (i && nf_json_text(b, ", ")) || nf_json_write_row(b, &row[i]);
    nf_buffer_free(&found);
    return bad || nf_json_text(b, "]");
}

/* Timers -------------------------------------------------------------------------------------- */

static int nf_json_fields(nf_buffer *b, const nf_info *info, const u8 *packet)
{
    const nf_head *h = (const nf_head *)packet;
    nf_head arrived;
    u32 n = 0;
    int bad = nf_parse(&arrived, h->frame, h->length) != NF_PARSED;
    for (u32 i = 0; i < NF_N_FIELDS && !bad; i++) {
        const nf_field *kept = nf_field_kept(info, i);
        if (!kept || !(arrived.bits & nf_fields[i].headers)
            || !nf_field_differs(kept, packet, &arrived, i))
            continue;
        bad = (n++ && nf_json_text(b, ", ")) || nf_json_name(b, nf_fields[i].name)
              || nf_json_text(b, ": ");
        if (i == NF_FIELD_PAYLOAD) {
            nf_slice now;
            memcpy(&now, packet + kept->at, sizeof now);
            bad = bad || nf_json_hex(b, now.data, now.length);
        } else {
            bad = bad || nf_json_number(b, nf_field_now(kept, packet, i), nf_fields[i].bits,
                                        nf_fields[i].shown);
        }
    }
    return bad;
}

static int nf_json_timer(nf_buffer *b, const nf_info *info, const nf_waiting *w)
{
    const u8 *packet = nf_held_packet(w);
    const nf_head *h = (const nf_head *)packet;
    u32 n = 0;
    int bad = nf_json_text(b, "{\"due\": ")
              || nf_json_integer(b, (i128)((u128)w->timer.over << 64 | w->timer.due))
              || nf_json_text(b, ", \"instance\": ")
              || nf_json_name(b, info->instances[w->instance].name)
              || nf_json_text(b, ", \"tags\": {");
    for (u32 i = 0; i < info->n_tags && !bad; i++)
        if (nf_tag_of(info, packet, i))
            bad = (n++ && nf_json_text(b, ", ")) || nf_json_name(b, info->tags[i])
                  || nf_json_text(b, ": ") || nf_json_integer(b, nf_tag_of(info, packet, i));
    bad = bad || nf_json_text(b, "}");
    if (!w->dummy)
        bad = bad || nf_json_text(b, ", \"iface\": ") || nf_json_integer(b, h->iface)
              || nf_json_text(b, ", \"frame\": ") || nf_json_hex(b, h->frame, h->length)
              || nf_json_text(b, ", \"fields\": {") || nf_json_fields(b, info, packet)
              || nf_json_text(b, "}");
    return bad || nf_json_text(b, "}");
}

static int nf_json_timers(nf_buffer *b, const nf_info *info, const nf_core *core)
{
    nf_waiting **timers = nf_timers_sorted(core);
    int bad = !timers;
    for (u64 i = 0; i < core->wheel.count && !bad; i++)
        bad = (i && nf_json_text(b, ", ")) || nf_json_timer(b, info, timers[i]);
    free(timers);
    return bad;
}

/* Layout -------------------------------------------------------------------------------------- */

/* The end of the value that begins at p, in JSON of one line. */
static const char *nf_json_skip(const char *p)
{
    u32 depth = 0;
    for (;; p++) {
        if (*p == '"')
            for (p++; *p != '"'; p++)
                p += *p == '\\';
        depth += *p == '[' || *p == '{';
        if (!depth && (*p == ',' || *p == ']' || *p == '}' || *p == '\n'))
            return p;
        depth -= *p == ']' || *p == '}';
    }
}

static int nf_json_indent(nf_buffer *b, u32 indent)
{
    return nf_buffer_add(b, "            ", indent < 12 ? indent : 12);
}

/* A value on one line where it fits, else one line for each part. */
static int nf_json_layout(nf_buffer *b, const char *text, u32 indent)
{
    const char *end = nf_json_skip(text), open = *text;
    if ((u64)(end - text) + indent <= NF_JSON_LINE || (open != '[' && open != '{'))
        return nf_buffer_add(b, text, (u64)(end - text));
    int bad = nf_buffer_add(b, text, 1) || nf_json_text(b, "\n");
    for (const char *p = text + 1; !bad;) {
        bad = nf_json_indent(b, indent + 2);
        if (open == '{') {
            const char *name = p;
            for (p++; *p != '"'; p++)
                p += *p == '\\';
            p += 3; /* the quote, a colon and a blank */
            bad = bad || nf_buffer_add(b, name, (u64)(p - name));
        }
        bad = bad || nf_json_layout(b, p, indent + 2);
        p = nf_json_skip(p);
        if (*p != ',')
            break;
        bad = bad || nf_json_text(b, ",\n");
        p += 2;
    }
    return bad || nf_json_text(b, "\n") || nf_json_indent(b, indent)
           || nf_json_text(b, open == '[' ? "]" : "}");
}

/* Adds the state as JSON to a buffer: NF_OK, or NF_NO_MEMORY with a part of it added. Nothing may
 * be in the pipeline. */
static __attribute__((unused)) i32 nf_json_write(const nf_info *info, nf_core *core, nf_buffer *out)
{
    nf_buffer line = {};
    int bad = nf_json_text(&line, "{\"version\": 1, \"now\": ")
              || (core->started ? nf_json_integer(&line, core->now) : nf_json_text(&line, "null"))
              || nf_json_text(&line, ", \"instances\": {");
    for (u32 i = 0; i < info->n_instances && !bad; i++) {
        u32 n = 0;
        bad = (i && nf_json_text(&line, ", ")) || nf_json_name(&line, info->instances[i].name)
              || nf_json_text(&line, ": {");
        for (u32 k = 0; k < info->n_variables && !bad; k++) {
            const nf_variable *v = &info->variables[k];
            if (strcmp(v->instance, info->instances[i].name))
                continue;
            bad = (n++ && nf_json_text(&line, ", ")) || nf_json_name(&line, v->name)
                  || nf_json_text(&line, ": ") || nf_json_variable(&line, core, v);
        }
        bad = bad || nf_json_text(&line, "}");
    }
    bad = bad || nf_json_text(&line, "}, \"timers\": [") || nf_json_timers(&line, info, core)
          || nf_json_text(&line, "]}\n") || nf_json_layout(out, (const char *)line.data, 0)
          || nf_json_text(out, "\n");
    nf_buffer_free(&line);
    return bad ? NF_NO_MEMORY : NF_OK;
}

#endif
