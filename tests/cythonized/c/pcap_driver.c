/* Reads captures out of a container (u32 length, bytes; again and again) and says what is in them.
 *
 * pcap_driver CONTAINER OUT MOST: MOST bytes a read, from a pipe (0: from a file). For each capture:
 * u32 records, each u64 time, u32 length, u32 original, frame; u8 finer; u32 length and the error. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>

static size_t most;
#include <unistd.h>
static ssize_t test_read(int fd, void *p, size_t n) { return read(fd, p, most && n > most ? most : n); }
#define read test_read
#include "nf_pcap.h"
#undef read

static void put(FILE *out, const void *p, size_t n)
{
    if (fwrite(p, 1, n, out) != n)
        abort();
}

static void one(int fd, FILE *out)
{
    nf_capture c;
    nf_record r;
    char *text = NULL;
    size_t size = 0;
    u32 count = 0;
    FILE *records = open_memstream(&text, &size);
    int state = nf_capture_open(&c, fd, "<stream>") ? -1 : nf_capture_next(&c, &r);
    const u8 finer = c.finer;
    for (; state == 1; state = nf_capture_next(&c, &r)) {
        put(records, &r.time, 8);
        put(records, &r.length, 4);
        put(records, &r.original, 4);
        put(records, r.frame, r.length);
        memset(r.frame, 0xee, r.length); /* it may be written */
        count++;
    }
    fclose(records);
    put(out, &count, 4);
    put(out, text, size);
    put(out, &finer, 1);
    const u32 length = state ? (u32)strlen(c.error) : 0;
    put(out, &length, 4);
    put(out, c.error, length);
    free(text);
    nf_capture_close(&c);
}

int main(int argc, char **argv)
{
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    u32 length;
    most = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    while (fread(&length, 1, 4, in) == 4) {
        u8 *data = malloc(length + 1);
        int fd = memfd_create("capture", 0);
        if (fread(data, 1, length, in) != length || write(fd, data, length) != (ssize_t)length
            || lseek(fd, 0, SEEK_SET))
            return 1;
        one(fd, out);
        close(fd);
        free(data);
    }
    nf_writer w;
    char error[400];
    if (nf_writer_open(&w, -1, "x", -1, 0, error) || nf_writer_flush(&w) != -1)
        return 1;
    nf_writer_close(&w);
    return fclose(in) || fclose(out);
}
