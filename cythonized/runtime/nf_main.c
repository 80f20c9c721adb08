/* A network as a program of its own: captures in, captures and a state out. The last part of a
 * translation unit that begins with the generated code. */
#include <signal.h>
#include "nf_command.h"
#include "nf_cpu.h"
#include "nf_exports.h"
#include "nf_files.h"
#include "nf_job.h"
#include "nf_json.h"
#include "nf_report.h"

static nf_job *nf_running;
static volatile sig_atomic_t nf_signal;

/* What can't be as the command says: 0, or 2 after a message. */
static int nf_check_files(const nf_command *command)
{
    u32 in = command->start && !strcmp(command->start, "-"), n = 0;
    const char *written[UINT8_MAX + 2];
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
    return nf_check_written(written, n);
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
        nf_summary(core->counters, job->arrived, job->left);
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
