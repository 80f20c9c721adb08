/* A network as a program of its own: captures in, captures and a state out. The last part of a
 * translation unit that begins with the generated code. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "nf_command.h"
#include "nf_cpu.h"
#include "nf_exports.h"
#include "nf_job.h"
#include "nf_json.h"

/* A file that is written, and takes its name when all is done. */
typedef struct nf_target {
    int fd;
    char *path, *temporary; /* temporary NULL: written directly */
} nf_target;

static nf_job *nf_running;
static volatile sig_atomic_t nf_signal;
static const char *const nf_counter_names[NF_COUNTERS] = {
    "malformed", "non_ip", "resubmit_limit", "loop_limit", "payload_length", "bad_port", "no_choice",
    "malformed_inner", "too_deep", "too_big",
};

/* Files --------------------------------------------------------------------------------------- */

/* FOLDER/NAME, or with a process's number a temporary name beside it; malloc'ed, or NULL. */
static char *nf_beside(const char *folder, const char *name, int process)
{
    const size_t room = strlen(folder) + strlen(name) + 32;
    char *path = malloc(room);
    if (path && process)
        snprintf(path, room, "%s/.%s.%d.part", folder, name, process);
    else if (path)
        snprintf(path, room, "%s/%s", folder, name);
    return path;
}

/* The absolute name of a file that may not be there yet; malloc'ed, or NULL. */
static char *nf_resolve(const char *file)
{
    char *path = realpath(file, NULL);
    if (path || errno != ENOENT)
        return path;
    const char *slash = strrchr(file, '/');
    const size_t length = slash ? (size_t)(slash - file) : 0;
    char *folder = slash ? strndup(file, length ? length : 1) : strdup(".");
    char *whole = folder ? realpath(folder, NULL) : NULL;
    free(folder);
    if (whole)
        path = nf_beside(whole, slash ? slash + 1 : file, 0);
    free(whole);
    return path;
}

/* Opens a file to be written: 0, or 2 after a message. */
static int nf_target_open(nf_target *target, const char *file)
{
    struct stat found;
    *target = (nf_target){STDOUT_FILENO, NULL, NULL};
    if (!strcmp(file, "-"))
        return 0;
    target->fd = -1;
    if (!(target->path = nf_resolve(file)))
        return nf_complain("%s: %s", file, strerror(errno));
    if (!stat(target->path, &found) && !S_ISREG(found.st_mode)) {
        target->fd = open(target->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    } else {
        char *slash = strrchr(target->path, '/');
        *slash = 0;
        target->temporary = nf_beside(target->path, slash + 1, (int)getpid());
        *slash = '/';
        if (target->temporary)
            target->fd = open(target->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (target->fd < 0) { /* nothing of ours is there */
            free(target->temporary);
            target->temporary = NULL;
        }
    }
    return target->fd < 0 ? nf_complain("%s: %s", file, strerror(errno)) : 0;
}

/* The file takes its name, or (`keep` 0) vanishes: 0, or 2 after a message. */
static int nf_target_close(nf_target *target, int keep)
{
    int bad = 0;
    if (target->fd > STDERR_FILENO && close(target->fd) && keep)
        bad = nf_complain("%s: %s", target->path, strerror(errno));
    if (target->temporary && keep && !bad && rename(target->temporary, target->path))
        bad = nf_complain("%s: %s", target->path, strerror(errno));
    if (target->temporary && (!keep || bad))
        unlink(target->temporary);
    free(target->temporary);
    free(target->path);
    return bad;
}

/* Everything in a file: 0, or 2 after a message. */
static int nf_slurp(const char *file, nf_buffer *b)
{
    const int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0) {
        if (nf_buffer_reserve(b, 1 << 20)) {
            errno = ENOMEM;
            got = -1;
            break;
        }
        got = read(fd, b->data + b->length, 1 << 20);
        b->length += got > 0 ? (u64)got : 0;
    }
    const int error = errno;
    if (fd > STDERR_FILENO)
        close(fd);
    return got < 0 ? nf_complain("%s: %s", file, strerror(error)) : 0;
}

/* What can't be as the command says: 0, or 2 after a message. */
static int nf_check_files(const nf_command *command)
{
    u32 in = command->start && !strcmp(command->start, "-"), out = 0, n = 0;
    const char *written[UINT8_MAX + 2];
    char *paths[UINT8_MAX + 2];
    int bad = 0;
    if (!command->n_inputs)
        return nf_complain("no packets: name IN.pcap or --in PORT=FILE");
    for (u32 i = 0; i < command->n_inputs; i++)
        in += !strcmp(command->inputs[i].file, "-");
    if (in > 1)
        return nf_complain("standard input is named twice");
    if (command->n_outputs > UINT8_MAX)
        return nf_complain("over %d outputs", UINT8_MAX);
    for (u32 i = 0; i < command->n_outputs; i++)
        written[n++] = command->outputs[i].file;
    if (command->state)
        written[n++] = command->state;
    for (u32 i = 0; i < n; i++) {
        out += !strcmp(written[i], "-");
        paths[i] = strcmp(written[i], "-") ? nf_resolve(written[i]) : NULL;
        struct stat found;
        const int regular = paths[i] && (stat(paths[i], &found) || S_ISREG(found.st_mode));
        for (u32 k = 0; k < i && regular && !bad; k++)
            if (paths[k] && !strcmp(paths[k], paths[i]))
                bad = nf_complain("%s would be written twice", written[i]);
    }
    for (u32 i = 0; i < n; i++)
        free(paths[i]);
    return bad ? bad : out > 1 ? nf_complain("standard output is used twice") : 0;
}

/* The run ------------------------------------------------------------------------------------- */

static void nf_interrupted(int number)
{
    nf_signal = number;
    nf_job_stop(nf_running);
}

static int nf_restore(nf_core *core, const char *file)
{
    nf_buffer b = {0};
    int bad = nf_slurp(file, &b);
    if (!bad && (b.length < 8 || memcmp(b.data, "NFVSTATE", 8))) {
        bad = nf_complain("%s: not a state in the binary form (`nfverify run … --state S.bin` "
                          "makes one of any)", file);
    } else if (!bad) {
        const i32 error = nf_load(core, b.data, b.length);
        if (error)
            bad = nf_complain("%s: %s", file, nf_error_text(error));
    }
    nf_buffer_free(&b);
    return bad;
}

/* The state into a file: 0, or 2 after a message. */
static int nf_write_state(nf_core *core, const nf_target *target, const char *file)
{
    nf_buffer b = {0};
    char error[400];
    const size_t length = strlen(file);
    const int binary = length >= 4 && !strcmp(file + length - 4, ".bin");
    i32 failed = binary ? nf_save(core, &b) : nf_flush(core);
    if (!failed && !binary)
        failed = nf_json_write(nf_describe(), core, &b);
    int bad = failed ? nf_complain("%s: %s", file, nf_error_text(failed)) : 0;
    nf_writer w = {.fd = target->fd, .name = file, .error = error};
    if (!bad && nf_write_all(&w, b.data, b.length))
        bad = nf_complain("%s", error);
    nf_buffer_free(&b);
    return bad;
}

/* 1234567 as 1,234,567. */
static const char *nf_grouped(u64 value, char text[32])
{
    char *p = text + 31;
    *p = 0;
    for (u32 digits = 0; value || !digits; digits++, value /= 10) {
        if (digits && digits % 3 == 0)
            *--p = ',';
        *--p = (char)('0' + value % 10);
    }
    return p;
}

static void nf_summary(const nf_core *core, const nf_job *job)
{
    char a[32], b[32];
    fprintf(stderr, "%s packets in, %s out", nf_grouped(job->arrived, a), nf_grouped(job->left, b));
    const char *between = "; ";
    for (u32 i = 0; i < NF_COUNTERS; i++) {
        if (!core->counters[i])
            continue;
        fprintf(stderr, "%s%s %s", between, nf_counter_names[i], nf_grouped(core->counters[i], a));
        between = ", ";
    }
    fputc('\n', stderr);
}

/* Inputs and outputs to the job: 0, or 2 after a message. */
static int nf_open_all(const nf_command *command, nf_job *job, nf_target *targets)
{
    for (u32 i = 0; i < command->n_inputs; i++) {
        const char *file = command->inputs[i].file;
        const int standard = !strcmp(file, "-");
        const int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return nf_complain("%s: %s", file, strerror(errno));
        if (nf_job_input(job, fd, standard ? "<stdin>" : file, (u16)command->inputs[i].port))
            return nf_complain("%s", nf_job_error(job));
    }
    for (u32 i = 0; i < command->n_outputs; i++) {
        const char *file = command->outputs[i].file;
        if (nf_target_open(&targets[i], file))
            return 2;
        if (nf_job_output(job, targets[i].fd, file, command->outputs[i].port))
            return nf_complain("%s", nf_job_error(job));
    }
    return command->state ? nf_target_open(&targets[command->n_outputs], command->state) : 0;
}

/* All of it but for what is freed by the caller: the exit code. */
static int nf_execute(const nf_command *command, nf_core *core, nf_job *job, nf_target *targets)
{
    core->non_ip_drop = command->drop;
    if (command->start && nf_restore(core, command->start))
        return 2;
    if (nf_check_files(command) || nf_open_all(command, job, targets))
        return 2;
    i32 end = nf_job_run(core, job);
    if (end && end != NF_BROKEN)
        return nf_complain("%s", nf_job_error(job));
    if (end == NF_OK && command->waits && nf_job_wait(core, job, command->relative, command->until))
        return nf_complain("--until: %s", nf_job_error(job));
    if (command->state && nf_write_state(core, &targets[command->n_outputs], command->state))
        return 2;
    const u32 n = command->n_outputs + (command->state != NULL);
    int bad = 0;
    for (u32 i = 0; i < n; i++) {
        bad |= nf_target_close(&targets[i], 1);
        targets[i] = (nf_target){-1, NULL, NULL};
    }
    if (bad)
        return 2;
    if (!command->quiet)
        nf_summary(core, job);
    if (end == NF_BROKEN) {
        nf_complain("%s", nf_job_error(job));
        fprintf(stderr, "What was before it was run, and its outputs are written.\n");
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argc ? argv[0] : "nf", '/');
    nf_program = slash ? slash + 1 : argc ? argv[0] : "nf";
    const char *lacks = nf_cpu_lacks();
    if (lacks)
        return nf_complain("needs a processor with %s", lacks);
    nf_command command = {0};
    const u32 room = (u32)argc + 2;
    command.inputs = calloc(room, sizeof *command.inputs);
    command.outputs = calloc(room, sizeof *command.outputs);
    nf_target *targets = calloc(room, sizeof *targets);
    if (!command.inputs || !command.outputs || !targets)
        return nf_complain("out of memory");
    for (u32 i = 0; i < room; i++)
        targets[i].fd = -1;
    /* IN.pcap comes before --in, and -o before --out. */
    command.n_inputs = command.n_outputs = 1;
    int code = nf_parse_command(&command, argc, argv);
    if (code == 0) {
        command.inputs[0] = (nf_named){0, command.input};
        command.outputs[0] = (nf_named){-1, command.output};
        command.inputs += command.input == NULL;
        command.n_inputs -= command.input == NULL;
        command.outputs += command.output == NULL;
        command.n_outputs -= command.output == NULL;
        nf_core *core = nf_create();
        nf_running = nf_job_new();
        struct sigaction action = {.sa_handler = nf_interrupted};
        if (!core || !nf_running) {
            code = nf_complain("out of memory");
        } else {
            signal(SIGPIPE, SIG_IGN);
            sigaction(SIGINT, &action, NULL);
            sigaction(SIGTERM, &action, NULL);
            sigaction(SIGHUP, &action, NULL);
            code = nf_execute(&command, core, nf_running, targets);
        }
        for (u32 i = 0; i < room; i++)
            nf_target_close(&targets[i], 0);
        command.inputs -= command.input == NULL;
        command.outputs -= command.output == NULL;
        if (nf_running)
            for (u32 i = 0; i < nf_running->n_sources; i++)
                close(nf_running->sources[i].capture.fd);
        nf_job_free(nf_running);
        if (core)
            nf_destroy(core);
    }
    free(command.inputs);
    free(command.outputs);
    free(targets);
    return nf_signal ? 128 + nf_signal : code == 1 ? 0 : code;
}
