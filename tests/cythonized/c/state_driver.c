/* States of a network that is described in a text file: what a build's tables would say.
 *
 * state_driver DESCRIPTION COMMAND...: load F, save F, json F, start NOW (as the first packet does),
 * mark (sweep the strings), starve F (load without memory), many F (load all of a container,
 * results to F.out). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Allocations fail once the budget is spent. */
static long budget = -1;
static int granted(void) { return budget < 0 || budget-- > 0; }
static void *test_malloc(size_t n) { return granted() ? malloc(n) : NULL; }
static void *test_calloc(size_t n, size_t m) { return granted() ? calloc(n, m) : NULL; }
static void *test_realloc(void *p, size_t n) { return granted() ? realloc(p, n) : NULL; }
static void *test_aligned(size_t a, size_t n) { return granted() ? aligned_alloc(a, n) : NULL; }
static void *test_mmap(void *p, size_t n, int a, int b, int c, long d)
{
    return granted() ? mmap(p, n, a, b, c, d) : MAP_FAILED;
}
#define malloc test_malloc
#define calloc test_calloc
#define realloc test_realloc
#define aligned_alloc test_aligned
#define mmap test_mmap
#include "nf_core.h"
#include "nf_state.h"
#include "nf_json.h"
#undef malloc
#undef calloc
#undef realloc
#undef aligned_alloc
#undef mmap

#define BASE ((sizeof(nf_core) + 63) & ~(size_t)63)
#define CHECK(x) do { if (!(x)) { fprintf(stderr, "%d: %s\n", __LINE__, #x); exit(9); } } while (0)

static nf_info info;
static nf_core *core;
static nf_variable variables[64];
static nf_field fields[32];
static nf_instance instances[8];
static const char *tags[16], *ports[16];
static u64 aged_settings[64][3];
static void *owned[4096];
static u32 n_owned;

static void *own(void *p)
{
    CHECK(n_owned < 4096 && p);
    return owned[n_owned++] = p;
}

static u64 number(FILE *f)
{
    unsigned long long value;
    CHECK(fscanf(f, "%llu", &value) == 1);
    return value;
}

/* "x" and hexadecimal digits; a zero byte follows what is returned. */
static u8 *hex(FILE *f, u64 *length)
{
    char *text = NULL;
    CHECK(fscanf(f, " x%m[0-9a-f]", &text) >= 0);
    u64 n = text ? strlen(text) / 2 : 0;
    u8 *data = own(calloc(1, n + 1));
    for (u64 i = 0; i < n; i++) {
        unsigned byte;
        CHECK(sscanf(text + 2 * i, "%2x", &byte) == 1);
        data[i] = (u8)byte;
    }
    free(text);
    if (length)
        *length = n;
    return data;
}

static const nf_component *components(FILE *f, u32 n)
{
    nf_component *found = own(calloc(n + 1, sizeof *found));
    for (u32 i = 0; i < n; i++) {
        nf_component *c = &found[i];
        c->kind = (u8)number(f);
        c->is_signed = (u8)number(f);
        c->width = (u8)number(f);
        c->net = (u8)number(f);
        c->word = (u8)number(f);
        c->shift = (u8)number(f);
        c->at = (u16)number(f);
        c->shown = (u8)number(f);
    }
    return found;
}

static void variable(FILE *f, nf_variable *v, u64 settings[3])
{
    v->instance = (char *)hex(f, NULL);
    v->name = (char *)hex(f, NULL);
    v->kind = (u8)number(f);
    v->at = (u32)(BASE + number(f));
    v->presence = (u8)number(f);
    v->presence_at = (u16)number(f);
    v->words = (u32)number(f);
    v->slot = (u32)number(f);
    v->wide_at = (u32)(BASE + number(f));
    v->wide_words = (u32)number(f);
    v->wide_slot = (u32)number(f);
    v->value_bytes = (u32)number(f);
    for (u32 i = 0; i < 3; i++)
        settings[i] = number(f);
    v->n_keys = (u16)number(f);
    v->n_values = (u16)number(f);
    v->keys = components(f, v->n_keys);
    v->values = components(f, v->n_values);
    v->wide_keys = v->wide_words ? components(f, v->n_keys) : NULL;
    v->blank = (u64 *)(void *)hex(f, NULL);
    v->wide_blank = (u64 *)(void *)hex(f, NULL);
    v->defaults = hex(f, NULL);
    v->n_entries = number(f);
    v->entries = hex(f, NULL);
}

static void describe(const char *name)
{
    FILE *f = fopen(name, "r");
    CHECK(f);
    info.n_ports = (u32)number(f);
    info.state_bytes = BASE + number(f);
    info.packet_bytes = number(f);
    info.tags_at = number(f);
    info.n_instances = (u32)number(f);
    for (u32 i = 0; i < info.n_instances; i++)
        instances[i].name = (char *)hex(f, NULL);
    info.n_tags = (u32)number(f);
    for (u32 i = 0; i < info.n_tags; i++)
        tags[i] = (char *)hex(f, NULL);
    info.n_fields = (u32)number(f);
    for (u32 i = 0; i < info.n_fields; i++) {
        fields[i].name = (char *)hex(f, NULL);
        fields[i].at = (u32)number(f);
        fields[i].bytes = (u8)number(f);
    }
    info.n_variables = (u32)number(f);
    for (u32 i = 0; i < info.n_variables; i++)
        variable(f, &variables[i], aged_settings[i]);
    info.ports = ports;
    info.instances = instances;
    info.tags = tags;
    info.fields = fields;
    info.variables = variables;
    fclose(f);
}

static u32 first_of_table(u32 index)
{
    for (u32 i = 0; i < index; i++)
        if (variables[i].at == variables[index].at)
            return 0;
    return variables[index].kind != NF_PLAIN;
}

static void create(void)
{
    core = calloc(1, info.state_bytes);
    nf_wheel_init(&core->wheel, 0);
    for (u32 i = 0; i < info.n_variables; i++) {
        const nf_variable *v = &variables[i];
        const u64 *s = aged_settings[i];
        if (!first_of_table(i))
            continue;
        if (v->kind == NF_AGED)
            CHECK(!nf_aged_init(nf_part_at(core, v->at), v->words, v->value_bytes, s[0], s[1],
                                (u32)s[2]));
        else
            CHECK(!nf_table_init(nf_part_at(core, v->at), v->words, v->slot));
        if (v->kind == NF_TABLE && v->wide_keys)
            CHECK(!nf_table_init(nf_part_at(core, v->wide_at), v->wide_words, v->wide_slot));
    }
    CHECK(nf_state_initial(&info, core, 0) == NF_OK);
}

static void destroy(void)
{
    nf_state_drop(&info, core, info.n_variables);
    nf_pool_free(&core->pool);
    free(core);
    for (u32 i = 0; i < n_owned; i++)
        free(owned[i]);
}

static u8 *slurp(const char *name, u64 *length)
{
    FILE *f = fopen(name, "rb");
    CHECK(f && !fseek(f, 0, SEEK_END));
    *length = (u64)ftell(f);
    rewind(f);
    u8 *data = malloc(*length + 1);
    CHECK(fread(data, 1, *length, f) == *length);
    fclose(f);
    return data;
}

static void spill(const char *name, const nf_buffer *b)
{
    FILE *f = fopen(name, "wb");
    CHECK(f && fwrite(b->data, 1, b->length, f) == b->length);
    fclose(f);
}

static nf_buffer saved(void)
{
    nf_buffer b = {0};
    CHECK(nf_state_write(&info, core, &b) == NF_OK);
    return b;
}

/* A load; if it fails, the state must be what it was. The data stand alone, so that a read beyond
 * them is seen. */
static i32 load(const u8 *data, u64 length)
{
    u8 *alone = malloc(length ? length : 1);
    memcpy(alone, data, length);
    const long left = budget;
    budget = -1;
    nf_buffer before = saved();
    budget = left;
    i32 error = nf_state_read(&info, core, alone, length);
    budget = -1;
    nf_buffer after = saved();
    if (error)
        CHECK(before.length == after.length && !memcmp(before.data, after.data, after.length));
    nf_buffer_free(&before);
    nf_buffer_free(&after);
    free(alone);
    return error;
}

static void many(const char *name)
{
    u64 length, at = 0;
    u8 *data = slurp(name, &length);
    nf_buffer out = {0};
    while (at < length) {
        const u32 n = nf_ld32(data + at);
        const i32 error = load(data + at + 4, n);
        nf_buffer after = {0};
        if (!error)
            after = saved();
        CHECK(!nf_write_number(&out, (u32)error, 4) && !nf_write_number(&out, after.length, 4)
              && !nf_buffer_add(&out, after.data, after.length));
        nf_buffer_free(&after);
        at += 4 + n;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s.out", name);
    spill(path, &out);
    nf_buffer_free(&out);
    free(data);
}

static void starve(const char *name)
{
    u64 length;
    u8 *data = slurp(name, &length);
    for (long most = 0;; most++) {
        budget = most;
        const i32 error = load(data, length);
        if (!error)
            break;
        CHECK(error == NF_NO_MEMORY && most < 100000);
    }
    free(data);
}

int main(int argc, char **argv)
{
    u8 seed[64] = {1, 2, 3};
    nf_seed(seed);
    describe(argv[1]);
    create();
    for (int i = 2; i + 1 < argc; i += 2) {
        const char *command = argv[i], *name = argv[i + 1];
        nf_buffer b = {0};
        if (!strcmp(command, "load")) {
            u64 length;
            u8 *data = slurp(name, &length);
            printf("%d\n", load(data, length));
            free(data);
        } else if (!strcmp(command, "save")) {
            b = saved();
            spill(name, &b);
        } else if (!strcmp(command, "json")) {
            CHECK(nf_json_write(&info, core, &b) == NF_OK);
            spill(name, &b);
        } else if (!strcmp(command, "start")) {
            core->now = strtoull(name, NULL, 10);
            core->started = 1;
            nf_state_stamp(&info, core, core->now);
        } else if (!strcmp(command, "mark")) {
            nf_pool_unmark(&core->pool);
            nf_state_mark(&info, core);
            nf_pool_sweep(&core->pool);
        } else if (!strcmp(command, "many")) {
            many(name);
        } else {
            CHECK(!strcmp(command, "starve"));
            starve(name);
        }
        nf_buffer_free(&b);
    }
    destroy();
    return 0;
}
