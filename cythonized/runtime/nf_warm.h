/* Huge pages without waiting for them: a thread touches them before the table that wants them does.
 * The first touch of a huge page clears 2 MB, which takes a virtual machine several milliseconds if
 * its host has to find the memory; nobody may wait for that between two packets. */
#ifndef NF_WARM_H
#define NF_WARM_H
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "nf_base.h"

#define NF_HUGE_PAGE ((u64)2 << 20)
#define NF_WARM_AHEAD 2 /* pages: what is touched early is memory that the old table still has, too */

/* Shared by the owner of the memory and the thread; whoever leaves last frees it. */
typedef struct nf_warm {
    u8 *base;
    u64 bytes;
    u64 ready;    /* bytes that have been touched */
    u64 asked;    /* bytes that the owner has asked for */
    sem_t more;   /* a count of pages to touch */
    u32 stop, finished, users;
    pid_t process; /* threads don't survive a fork */
} nf_warm;

NF_COLD void nf_warm_leave(nf_warm *w) {
    if (__atomic_sub_fetch(&w->users, 1, __ATOMIC_ACQ_REL) == 0) {
        sem_destroy(&w->more);
        free(w);
    }
}

NF_COLD void *nf_warm_run(void *argument) {
    nf_warm *w = (nf_warm *)argument;
    for (u64 at = 0; at < w->bytes;) {
        while (sem_wait(&w->more))
            ; /* interrupted */
        if (__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
            break;
        __atomic_fetch_or(w->base + at, 0, __ATOMIC_RELAXED); /* whatever stands there stays */
        at += NF_HUGE_PAGE;
        __atomic_store_n(&w->ready, at, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&w->finished, 1, __ATOMIC_RELEASE);
    nf_warm_leave(w);
    return NULL;
}

/* Whether the system gives huge pages to those who ask. */
NF_COLD int nf_warm_possible(void) {
    char text[64] = "";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    if (!f)
        return 0;
    int known = fgets(text, sizeof text, f) != NULL && !strstr(text, "[never]");
    fclose(f);
    return known;
}

/* Starts the thread for memory that begins at a huge page; NULL: it can't be. */
NF_COLD nf_warm *nf_warm_start(u8 *base, u64 bytes) {
    nf_warm *w = (nf_warm *)malloc(sizeof *w);
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (!w)
        return NULL;
    memset(w, 0, sizeof *w);
    w->base = base;
    w->bytes = bytes;
    w->users = 2;
    w->process = getpid();
    w->asked = NF_WARM_AHEAD * NF_HUGE_PAGE;
    sem_init(&w->more, 0, NF_WARM_AHEAD);
    madvise(base, bytes, MADV_HUGEPAGE);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attributes, nf_warm_run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed) {
        sem_destroy(&w->more);
        free(w);
        return NULL;
    }
    return w;
}

/* The owner has come to `at`: the pages before aren't ahead any more. */
NF_COLD void nf_warm_ask(nf_warm *w, u64 at) {
    for (; w->asked < at + NF_WARM_AHEAD * NF_HUGE_PAGE; w->asked += NF_HUGE_PAGE)
        sem_post(&w->more);
}

/* Bytes that can be touched without waiting; all, once the thread is gone. */
NF_COLD u64 nf_warm_ready(const nf_warm *w) {
    if (__atomic_load_n(&w->finished, __ATOMIC_ACQUIRE) || w->process != getpid())
        return UINT64_MAX;
    return __atomic_load_n(&w->ready, __ATOMIC_ACQUIRE);
}

/* No more huge pages: the rest is to be touched in small pages, by its owner. */
NF_COLD void nf_warm_stop(nf_warm *w) {
    u64 from = __atomic_load_n(&w->ready, __ATOMIC_ACQUIRE) + NF_HUGE_PAGE;
    __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
    sem_post(&w->more);
    if (from < w->bytes)
        madvise(w->base + from, w->bytes - from, MADV_NOHUGEPAGE);
}

/* Returns when the thread touches nothing any more: the memory may be unmapped. */
NF_COLD void nf_warm_end(nf_warm *w) {
    __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
    sem_post(&w->more);
    while (nf_warm_ready(w) != UINT64_MAX)
        sched_yield();
    nf_warm_leave(w);
}

#endif
