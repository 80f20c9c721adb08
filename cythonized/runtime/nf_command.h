/* The command line of a program made of a network, as of `nfverify run`. Included by nf_main.c. */
#ifndef NF_COMMAND_H
#define NF_COMMAND_H
#include "nf_exports.h"
#include "nf_told.h"

typedef struct nf_named { /* PORT=FILE */
    i32 port;             /* -1: any */
    const char *file;
} nf_named;

/* The command line. */
typedef struct nf_command {
    nf_named *inputs, *outputs;
    u32 n_inputs, n_outputs;
    const char *input, *output, *state, *start;
    u8 waits, relative, drop, quiet;
    u64 until;
} nf_command;

static void nf_help(void)
{
    const nf_info *info = nf_describe();
    printf("usage: %s [options] [IN.pcap]\n\n"
           "Runs the network %s on packets, and writes what comes out.\n\n"
           "  IN.pcap             what arrives by the first port\n"
           "  -o OUT.pcap         everything that comes out\n"
           "  --in PORT=FILE      what arrives by a port; several are merged by time\n"
           "  --out PORT=FILE     what comes out by a port\n"
           "  --state FILE        write the state at the end, as JSON; S.bin: in binary\n"
           "  --from S.bin        start from this state, in binary\n"
           "  --until T           let time go on to T after the last packet: 5s, or +5s after it\n"
           "  --non-ip WHAT       frames that are not IP: bypass (default) or drop\n"
           "  --quiet             say nothing but errors\n"
           "  --help              this text\n\n"
           "Ports:",
           nf_program, info->name);
    for (u32 i = 0; i < info->n_ports; i++)
        printf(" %s", info->ports[i]);
    printf("\nTimes are in ns, or with a unit (ns us ms s m h). `-` is standard input or output.\n"
           "A capture that breaks off: what was before it is run and written, exit 2.\n");
}

static int nf_parse_named(const char *text, nf_named *list, u32 *n)
{
    const nf_info *info = nf_describe();
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return nf_complain("'%s' is not PORT=FILE", text);
    const size_t length = (size_t)(equals - text);
    for (u32 i = 0; i < info->n_ports; i++)
        if (strlen(info->ports[i]) == length && !memcmp(info->ports[i], text, length)) {
            list[(*n)++] = (nf_named){(i32)i, equals + 1};
            return 0;
        }
    nf_complain("%s has no port '%.*s'; --help lists them", info->name, (int)length, text);
    return 2;
}

static int nf_parse_option(nf_command *command, const char *name, const char *value)
{
    if (!strcmp(name, "-o"))
        command->output = value;
    else if (!strcmp(name, "--in"))
        return nf_parse_named(value, command->inputs, &command->n_inputs);
    else if (!strcmp(name, "--out"))
        return nf_parse_named(value, command->outputs, &command->n_outputs);
    else if (!strcmp(name, "--state"))
        command->state = value;
    else if (!strcmp(name, "--from"))
        command->start = value;
    else if (!strcmp(name, "--until")) {
        command->waits = 1;
        if (nf_parse_time(value, &command->relative, &command->until))
            return nf_complain("--until '%s' is no time; write 5s, or +5s after the last packet",
                               value);
    } else if (!strcmp(name, "--non-ip")) {
        command->drop = !strcmp(value, "drop");
        if (!command->drop && strcmp(value, "bypass"))
            return nf_complain("--non-ip is bypass or drop, not '%s'", value);
    } else {
        return nf_complain("there is no option %s; --help lists them", name);
    }
    return 0;
}

/* 0; 1: nothing is left to do; 2: an error was told. */
static int nf_parse_command(nf_command *command, int argc, char **argv)
{
    u8 options = 1;
    for (int i = 1; i < argc; i++) {
        char *text = argv[i], name[16];
        if (!options || text[0] != '-' || !text[1]) {
            if (command->input)
                return nf_complain("'%s': only one IN.pcap; more come by --in PORT=FILE", text);
            command->input = text;
            continue;
        }
        if (!strcmp(text, "--")) {
            options = 0;
        } else if (!strcmp(text, "--help") || !strcmp(text, "-h")) {
            nf_help();
            return 1;
        } else if (!strcmp(text, "--quiet")) {
            command->quiet = 1;
        } else {
            const char *value = text[1] == '-' ? strchr(text, '=') : text[2] ? text + 2 : NULL;
            const size_t length = value ? (size_t)(value - text) : strlen(text);
            snprintf(name, sizeof name, "%.*s", (int)length, text);
            if (value)
                value += text[1] == '-';
            else if (i + 1 < argc)
                value = argv[++i];
            else
                return nf_complain("there is no option %s, or it needs a value; --help lists them",
                                   name);
            const int bad = nf_parse_option(command, name, value);
            if (bad)
                return bad;
        }
    }
    return 0;
}

#endif
