/* Chains of the NFs in this folder, by the line protocol: TIME PORT HEX in, PORTS HEX out.
 *
 *     chain [--original] [--flows N] [--state FILE] NF...
 *
 * --original: without SpeedyBox. --flows: that are recorded at a time. --state: what the NFs hold in
 * the end, and how many packets records have served (in a line that begins with #). */
#include "dos.h"
#include "ipfilter.h"
#include "maglev.h"
#include "mazunat.h"
#include "monitor.h"
#include "snort.h"

typedef struct kind {
    const char *name;
    sb_process *process;
    void (*show)(FILE *, void *);
} kind;

static const kind KINDS[] = {
    {"dos", dos_process, dos_show},          {"ipfilter", ipfilter_process, NULL},
    {"maglev", maglev_process, maglev_show}, {"mazunat", mazunat_process, mazunat_show},
    {"monitor", monitor_process, monitor_show}, {"snort", snort_process, snort_show},
};

static void *state_of(const char *name) {
    void *made = calloc(1, 1024);
    if (!made)
        abort();
    if (!strcmp(name, "dos"))
        dos_init(made);
    else if (!strcmp(name, "maglev"))
        maglev_init(made);
    else if (!strcmp(name, "mazunat"))
        mazunat_init(made);
    else if (!strcmp(name, "monitor"))
        monitor_init(made);
    else if (!strcmp(name, "snort"))
        snort_init(made);
    return made;
}

static int digit(int c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One line: its packet runs and the answer is written. 0 at the end of the input. */
static int answer(sb_box *box, char **line, size_t *room, u8 **frame, size_t *frame_room) {
    ssize_t length = getline(line, room, stdin);
    if (length < 0)
        return 0;
    char *at = *line;
    u64 time = strtoull(at, &at, 10);
    u32 port = (u32)strtoul(at, &at, 10), n = 0;
    while (*at == ' ')
        at++;
    if (*frame_room < (size_t)length) {
        *frame_room = (size_t)length;
        *frame = realloc(*frame, *frame_room);
        if (!*frame)
            abort();
    }
    for (; digit(at[0]) >= 0 && digit(at[1]) >= 0; at += 2)
        (*frame)[n++] = (u8)(digit(at[0]) << 4 | digit(at[1]));
    sb_out out;
    if (sb_run(box, *frame, n, time, port, &out)) {
        printf("%u ", port ^ 1);
        for (u32 i = 0; i < out.length; i++)
            printf("%02x", out.frame[i]);
    } else {
        putchar('-');
    }
    putchar('\n');
    fflush(stdout);
    return 1;
}

int main(int argc, char **argv) {
    static sb_box box;
    const kind *kinds[SB_MAX_NFS];
    const char *state = NULL;
    u32 fast = 1, flows = 1 << 20;
    char *line = NULL;
    u8 *frame = NULL;
    size_t room = 0, frame_room = 0;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--original"))
            fast = 0;
        else if (!strcmp(argv[i], "--flows") && i + 1 < argc)
            flows = (u32)strtoul(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--state") && i + 1 < argc)
            state = argv[++i];
        else
            return fprintf(stderr, "%s: what is %s?\n", argv[0], argv[i]), 2;
    }
    if (sb_init(&box, fast, flows))
        abort();
    for (; i < argc; i++) {
        const kind *k = KINDS, *end = KINDS + sizeof KINDS / sizeof *KINDS;
        while (k < end && strcmp(k->name, argv[i]))
            k++;
        if (k == end)
            return fprintf(stderr, "%s: no NF is called %s\n", argv[0], argv[i]), 2;
        kinds[box.count] = k;
        if (sb_add(&box, k->name, k->process, state_of(k->name)))
            return fprintf(stderr, "%s: too many NFs\n", argv[0]), 2;
    }
    while (answer(&box, &line, &room, &frame, &frame_room))
        continue;
    FILE *to = state ? fopen(state, "w") : NULL;
    if (state && !to)
        return perror(state), 2;
    for (u32 j = 0; to && j < box.count; j++)
        if (kinds[j]->show)
            kinds[j]->show(to, box.nfs[j].state);
    if (to) {
        const sb_counts *c = &box.counts;
        fprintf(to, "# served %llu of %llu, recorded %llu, events %llu, mistaken %llu\n",
                (unsigned long long)c->served, (unsigned long long)c->packets,
                (unsigned long long)c->recorded, (unsigned long long)c->events,
                (unsigned long long)c->mistaken);
        if (fclose(to))
            return perror(state), 2;
    }
    return 0;
}
