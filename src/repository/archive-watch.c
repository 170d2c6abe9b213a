/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Devices that do not answer
 *
 * A thread that waits for a device may wait for ever, and nothing can wake it. So each says where it waits,
 * and the caller's thread looks. A thread that reads a file is left behind: it owns what it still may touch
 * when it comes back, its buffer and what is here, and ends then without looking at anything else; the file
 * is told, and another thread takes its place. One that walks holds a directory that everything above
 * depends on: that ends the run.
 */

#include <string.h>
#include "repository/archive-internal.h"
#include "util/clock.h"

typedef enum ReaderState {
        READER_IDLE,
        READER_LOOKS, /* at an entry of a directory, or opens a file */
        READER_READS, /* a file that is its only task */
        READER_LEFT,
} ReaderState;

struct Reader {
        atomic_int state;
        atomic_uint_fast64_t since; /* now_usec() */
        bool walks;                 /* it has a directory: its file is not its only task */
        Dir *dir;
        size_t slot;
        File *file;
};

static __thread Reader *self;

void reader_walks(bool walks) {
        self->walks = walks;
        atomic_store(&self->state, READER_IDLE);
}

void reader_looks(Dir *dir, size_t slot) {
        self->dir = dir;
        self->slot = slot;
        atomic_store(&self->since, now_usec());
        atomic_store(&self->state, READER_LOOKS);
}

void reader_reads(Dir *dir, size_t slot, File *file) {
        self->dir = dir;
        self->slot = slot;
        self->file = file;
        atomic_store(&self->since, now_usec());
        atomic_store(&self->state, self->walks ? READER_LOOKS : READER_READS);
}

void reader_is_back(void) {
        int state = atomic_load(&self->state);

        if (state == READER_LEFT || !atomic_compare_exchange_strong(&self->state, &state, READER_IDLE))
                pthread_exit(NULL);
}

/* Everything of it is leaked that it may still touch. */
static int leave_behind(Archive *archive, size_t index, Reader *reader) {
        int expected = READER_READS, r;
        Dir *dir = reader->dir;
        size_t slot = reader->slot;
        File *file = reader->file;

        if (!atomic_compare_exchange_strong(&reader->state, &expected, READER_LEFT))
                return 0;
        (void)pthread_detach(archive->threads[index]);
        r = reader_start(archive, index);
        (void)pthread_mutex_unlock(&archive->mutex);
        file_give_up(file);
        dir_fail(dir, slot, -ETIMEDOUT, "is left out: its device does not answer");
        file_release(file);
        (void)pthread_mutex_lock(&archive->mutex);
        archive->busy--;
        return r;
}

static void end_run(Archive *archive, const Reader *reader) {
        _cleanup_(freep) char *path = reader->slot < reader->dir->n
                                              ? dir_join_path(reader->dir->path,
                                                              reader->dir->nodes[reader->slot].name ?: "")
                                              : strdup(reader->dir->path);

        archive->stuck = true;
        if (archive->error == 0)
                archive->error = -ETIMEDOUT;
        (void)repo_fail(&archive->why, -ETIMEDOUT, "%s: its device has not answered for %u seconds.",
                        path ?: reader->dir->path, archive->options->read_timeout);
}

void archive_watch(Archive *archive) {
        uint64_t now = now_usec(), limit = archive->options->read_timeout * USEC_PER_SEC;

        for (size_t i = 0; limit > 0 && !archive->stuck && i < archive->n_threads; i++) {
                Reader *reader = archive->readers[i];
                int state = atomic_load(&reader->state);
                uint64_t since = atomic_load(&reader->since);

                if (state == READER_IDLE || now < since + limit)
                        continue;
                if (state == READER_LOOKS || archive->n_left == LEFT_MAX ||
                    leave_behind(archive, i, reader) < 0)
                        end_run(archive, reader);
                else
                        archive->n_left++;
        }
}

typedef struct Start {
        Archive *archive;
        Reader *reader;
} Start;

static void *run(void *userdata) {
        _cleanup_(freep) Start *start = userdata;

        self = start->reader;
        archive_work(start->archive);
        return NULL;
}

int reader_start(Archive *archive, size_t index) {
        Reader *reader = calloc(1, sizeof(*reader));
        Start *start = calloc(1, sizeof(*start));
        int r;

        if (!reader || !start) {
                free(reader);
                free(start);
                return -ENOMEM;
        }
        *start = (Start){ archive, reader };
        archive->readers[index] = reader;
        r = pthread_create(&archive->threads[index], NULL, run, start);
        if (r != 0)
                free(start);
        return -r;
}
