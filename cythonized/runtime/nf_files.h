/* Files that programs read and write: each output takes its name when all is done. */
#ifndef NF_FILES_H
#define NF_FILES_H
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include "nf_told.h"

/* A file that is written, and takes its name when all is done. */
typedef struct nf_target {
    int fd;
    char *path, *temporary; /* temporary NULL: written directly */
} nf_target;

/* FOLDER/NAME, or with a process's number a temporary name beside it; malloc'ed, or NULL. */
NF_COLD char *nf_beside(const char *folder, const char *name, int process)
{
    const size_t room = strlen(folder) + strlen(name) + 32;
    char *path = (char *)malloc(room);
    if (path && process)
        snprintf(path, room, "%s/.%s.%d.part", folder, name, process);
    else if (path)
        snprintf(path, room, "%s/%s", folder, name);
    return path;
}

/* The absolute name of a file that may not be there yet; malloc'ed, or NULL. */
NF_COLD char *nf_resolve(const char *file)
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
NF_COLD int nf_target_open(nf_target *target, const char *file)
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
NF_COLD int nf_target_close(nf_target *target, int keep)
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
NF_COLD int nf_slurp(const char *file, nf_buffer *b)
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

/* Files to be written, at most UINT8_MAX + 2: 0, or 2 after a message that two of them are one. */
NF_COLD int nf_check_written(const char *const *written, u32 n)
{
    char *paths[UINT8_MAX + 2];
    u32 out = 0;
    int bad = 0;
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

#endif
