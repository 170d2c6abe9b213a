/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The threads that read files
 *
 * A thread that reads a large file cuts it, and offers the chunks to the others; what nobody takes at once
 * it does itself. So one file is worked on by all, nobody waits for a place, and the buffers are few.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "repository/archive-internal.h"

#define READ_STEP (1024u * 1024)
/* What doubles, and then grows by so much, while it is read, does so faster than it can be read. */
#define GROWTH_MAX (256u * 1024 * 1024)
#define WAIT_MS 200
#define BUFFER_KEPT (3u << 20) /* and more than a page */
#define PAGE 4096u

struct File {
        Dir *dir;
        size_t slot;
        int fd;
        uint64_t size, limit;
        pthread_mutex_t mutex; /* of the list */
        BlobId *ids;
        size_t n, capacity;
        atomic_size_t pending; /* chunks, and who reads */
        atomic_bool failed;
};

static Buffer *take_buffer(Archive *archive) {
        Buffer *buffer;

        (void)pthread_mutex_lock(&archive->mutex);
        buffer = archive->buffers;
        if (buffer)
                archive->buffers = buffer->next;
        (void)pthread_mutex_unlock(&archive->mutex);
        if (!buffer)
                buffer = malloc(sizeof(*buffer));
        if (buffer)
                buffer->size = 0;
        return buffer;
}

static void give_buffer(Archive *archive, Buffer *buffer) {
        if (!buffer)
                return;
        /* A large chunk is rare: its memory is not kept for the next one. */
        if (buffer->size > BUFFER_KEPT) {
                uintptr_t from = ((uintptr_t)buffer->data + BUFFER_KEPT) & ~(uintptr_t)(PAGE - 1),
                          end = ((uintptr_t)buffer->data + buffer->size) & ~(uintptr_t)(PAGE - 1);

                (void)madvise((void *)from, end - from, MADV_DONTNEED);
        }
        (void)pthread_mutex_lock(&archive->mutex);
        buffer->next = archive->buffers;
        archive->buffers = buffer;
        (void)pthread_mutex_unlock(&archive->mutex);
}

void file_release(File *file) {
        Dir *dir = file->dir;
        Node *node = &dir->nodes[file->slot];

        if (atomic_fetch_sub(&file->pending, 1) > 1)
                return;
        if (file->fd >= 0)
                (void)close(file->fd);
        if (!file->failed) {
                node->size = file->size;
                node_set_content(node, TAKE_PTR(file->ids), file->n);
        }
        free(file->ids);
        (void)pthread_mutex_destroy(&file->mutex);
        free(file);
        dir_release(dir);
}

void file_give_up(File *file) {
        file->failed = true;
}

static void store_failed(File *file) {
        Archive *archive = file->dir->archive;
        Why why = { .text = "The repository cannot be written to." };

        file->failed = true;
        archive_fail(archive, store_status(archive->store) ?: -EIO, &why);
}

/* The chunk's place in the list; lists of large files grow while others write into them. */
static int reserve_chunk(File *file, size_t *ret_index) {
        int r = 0;

        (void)pthread_mutex_lock(&file->mutex);
        if (file->n == file->capacity) {
                size_t capacity = file->capacity ? file->capacity * 2 : 1;
                BlobId *ids = reallocarray(file->ids, capacity, sizeof(*ids));

                if (ids) {
                        file->ids = ids;
                        file->capacity = capacity;
                } else {
                        r = -ENOMEM;
                }
        }
        if (r == 0)
                *ret_index = file->n++;
        (void)pthread_mutex_unlock(&file->mutex);
        return r;
}

static void do_chunk(Archive *archive, File *file, size_t index, const void *data, size_t size) {
        BlobId id;

        if (archive_has_ended(archive)) {
                file->failed = true;
                return;
        }
        if (store_add(archive->store, BLOB_DATA, data, size, &id, NULL) < 0) {
                store_failed(file);
                return;
        }
        (void)pthread_mutex_lock(&file->mutex);
        file->ids[index] = id;
        (void)pthread_mutex_unlock(&file->mutex);
        archive_count(&archive->counts.bytes, size);
}

/* Takes the buffer over. */
static void offer_chunk(Archive *archive, File *file, size_t index, Buffer *buffer) {
        bool taken;

        (void)pthread_mutex_lock(&archive->mutex);
        taken = archive->n_chunks < archive->chunk_queue_size;
        if (taken) {
                atomic_fetch_add(&file->pending, 1);
                archive->chunks[archive->n_chunks++] = (Task){ .file = file,
                                                               .buffer = buffer,
                                                               .index = index };
                (void)pthread_cond_signal(&archive->work);
        }
        (void)pthread_mutex_unlock(&archive->mutex);
        if (taken)
                return;
        do_chunk(archive, file, index, buffer->data, buffer->size);
        give_buffer(archive, buffer);
}

/* Up to READ_STEP more bytes. 0 at the end. */
static ssize_t read_more(int fd, Buffer *buffer) {
        size_t room = MIN(CHUNK_MAX - buffer->size, (size_t)READ_STEP);
        ssize_t n;

        do
                n = read(fd, buffer->data + buffer->size, room);
        while (n < 0 && errno == EINTR);
        if (n > 0)
                buffer->size += (size_t)n;
        return n < 0 ? -errno : n;
}

/* Cuts the buffer's first chunk off; what follows it is in the new buffer. */
static int hand_out(Archive *archive, File *file, Buffer **buffer, size_t length, bool last) {
        Buffer *rest = take_buffer(archive), *chunk = *buffer;
        size_t index;
        int r = rest ? reserve_chunk(file, &index) : -ENOMEM;

        if (r < 0) {
                give_buffer(archive, rest);
                return r;
        }
        rest->size = chunk->size - length;
        memcpy(rest->data, chunk->data + length, rest->size);
        chunk->size = length;
        file->size += length;
        *buffer = rest;
        /* The end of a file is no work for two. */
        if (last && rest->size == 0) {
                do_chunk(archive, file, index, chunk->data, chunk->size);
                give_buffer(archive, chunk);
        } else {
                offer_chunk(archive, file, index, chunk);
        }
        return 0;
}

static int read_content(Archive *archive, File *file, Buffer **buffer) {
        size_t known = 0;
        bool last = false;

        while (!archive_has_ended(archive)) {
                size_t length = (*buffer)->size > 0 ? chunker_cut(&archive->chunker, (*buffer)->data,
                                                                  (*buffer)->size, known, last)
                                                    : 0;
                int r;

                if (length > 0) {
                        r = hand_out(archive, file, buffer, length, last);
                        known = 0;
                        if (r < 0)
                                return r;
                        continue;
                }
                if (last)
                        return 0;
                if (file->size > file->limit)
                        return -EFBIG;
                known = (*buffer)->size + 1;
                reader_reads(file->dir, file->slot, file);
                r = (int)read_more(file->fd, *buffer);
                reader_is_back();
                if (r < 0)
                        return r;
                last = r == 0;
        }
        return -ECANCELED;
}

/* The open file, and what belongs to it. */
static int open_file(Dir *dir, size_t slot, File *file, Arena *arena) {
        _cleanup_place_ Place place;
        Node *node = &dir->nodes[slot];
        struct stat st;
        int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
            r = dir_find_place(dir, slot, &place);

        if (r < 0)
                return r;
        file->fd = openat(place.fd, place.name, flags | O_NOATIME);
        if (file->fd < 0 && errno == EPERM)
                file->fd = openat(place.fd, place.name, flags);
        if (file->fd < 0 || fstat(file->fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -ESTALE;
        /* It may be another one than that which was looked at before. */
        node_from_stat(dir->archive, node->name, &st, node);
        file->limit = (uint64_t)st.st_size * 2 + GROWTH_MAX;
        (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        return node_read_xattrs_fd(arena, file->fd, node);
}

/* Many threads read files of one directory: what they found is joined under the lock. */
static int open_with_attributes(Archive *archive, Dir *dir, size_t slot, File *file) {
        _cleanup_(arena_clear) Arena arena = {};
        Node *node = &dir->nodes[slot];
        int r = open_file(dir, slot, file, &arena);

        if (r < 0 || node->n_xattrs == 0)
                return r;
        (void)pthread_mutex_lock(&archive->mutex);
        arena_join(&dir->attributes, &arena);
        (void)pthread_mutex_unlock(&archive->mutex);
        return 0;
}

static void do_file(Archive *archive, Dir *dir, size_t slot) {
        File *file = calloc(1, sizeof(*file));
        Buffer *buffer = take_buffer(archive);
        int r;

        if (!file || !buffer) {
                free(file);
                give_buffer(archive, buffer);
                dir_fail(dir, slot, -ENOMEM, "cannot be read");
                dir_release(dir);
                return;
        }
        *file = (File){ .dir = dir, .slot = slot, .fd = -1 };
        (void)pthread_mutex_init(&file->mutex, NULL);
        atomic_init(&file->pending, 1);
        reader_looks(dir, slot);
        r = open_with_attributes(archive, dir, slot, file);
        reader_is_back();
        if (r == 0)
                r = read_content(archive, file, &buffer);
        give_buffer(archive, buffer);
        if (r < 0) {
                file->failed = true;
                if (r != -ECANCELED)
                        dir_fail(dir, slot, r,
                                 r == -ESTALE  ? "is no file any more"
                                 : r == -EFBIG ? "grows faster than it can be read"
                                               : "cannot be read");
        }
        file_release(file);
}

static bool has_tasks(const Archive *archive) {
        return archive->n_chunks > 0 || archive->n_files > 0 || archive->n_dirs > 0;
}

/* First what is begun, last what brings more. With the mutex. */
static bool take_task(Archive *archive, Task *ret_task) {
        while (!has_tasks(archive)) {
                if (archive->ending)
                        return false;
                archive->hungry++;
                (void)pthread_cond_wait(&archive->work, &archive->mutex);
                archive->hungry--;
        }
        if (archive->n_chunks > 0) {
                *ret_task = archive->chunks[--archive->n_chunks];
        } else if (archive->n_files > 0) {
                *ret_task = archive->files[archive->files_first];
                archive->files_first = (archive->files_first + 1) % FILE_QUEUE;
                archive->n_files--;
        } else {
                *ret_task = archive->dirs[--archive->n_dirs];
        }
        return true;
}

static void do_task(Archive *archive, Task *task) {
        if (task->file) {
                do_chunk(archive, task->file, task->index, task->buffer->data, task->buffer->size);
                give_buffer(archive, task->buffer);
                file_release(task->file);
        } else if (task->walk) {
                dir_walk(task->dir);
        } else {
                do_file(archive, task->dir, task->slot);
        }
}

void archive_work(Archive *archive) {
        Task task;

        (void)pthread_mutex_lock(&archive->mutex);
        while (take_task(archive, &task)) {
                archive->busy++;
                (void)pthread_mutex_unlock(&archive->mutex);
                do_task(archive, &task);
                (void)pthread_mutex_lock(&archive->mutex);
                archive->busy--;
                if (archive->busy == 0 && !has_tasks(archive))
                        (void)pthread_cond_signal(&archive->room);
        }
        (void)pthread_mutex_unlock(&archive->mutex);
}

int archive_start(Archive *archive) {
        for (unsigned i = 0; i < archive->n_threads; i++) {
                int r = reader_start(archive, i);

                if (r < 0) {
                        archive_stop(archive, i);
                        return r;
                }
        }
        return 0;
}

void archive_stop(Archive *archive, unsigned n) {
        (void)pthread_mutex_lock(&archive->mutex);
        archive->ending = true;
        (void)pthread_cond_broadcast(&archive->work);
        (void)pthread_mutex_unlock(&archive->mutex);
        for (unsigned i = 0; i < n; i++) {
                (void)pthread_join(archive->threads[i], NULL);
                free(archive->readers[i]);
        }
}

void archive_take_file(Archive *archive, Dir *dir, size_t slot) {
        bool queued;

        (void)pthread_mutex_lock(&archive->mutex);
        queued = archive->n_files < FILE_QUEUE && archive->error == 0;
        if (queued) {
                archive->files[(archive->files_first + archive->n_files) % FILE_QUEUE] = (Task){
                        .dir = dir, .slot = slot
                };
                archive->n_files++;
                if (archive->hungry > 0)
                        (void)pthread_cond_signal(&archive->work);
        }
        (void)pthread_mutex_unlock(&archive->mutex);
        if (!queued)
                do_file(archive, dir, slot);
}

/* A queue of directories is open directories and memory: only for who would take one at once. */
bool archive_offer_dir(Archive *archive, Dir *dir) {
        bool taken;

        if (archive->hungry == 0)
                return false;
        (void)pthread_mutex_lock(&archive->mutex);
        taken = archive->n_dirs < MIN(archive->hungry, DIR_QUEUE);
        if (taken) {
                archive->dirs[archive->n_dirs++] = (Task){ .walk = true, .dir = dir };
                (void)pthread_cond_signal(&archive->work);
        }
        (void)pthread_mutex_unlock(&archive->mutex);
        return taken;
}

void archive_get_counts(Archive *archive, ArchiveCounts *ret_counts) {
        const uint64_t *from = (const uint64_t *)&archive->counts;
        uint64_t *to = (uint64_t *)ret_counts;

        for (size_t i = 0; i < sizeof(*ret_counts) / sizeof(*to); i++)
                to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* With the mutex. */
static void report_progress(Archive *archive) {
        const ArchiveOptions *options = archive->options;
        ArchiveCounts counts;

        archive_get_counts(archive, &counts);
        if (!options->progress || !options->progress(options->userdata, &counts, archive->current) ||
            archive->error < 0)
                return;
        archive->error = -ECANCELED;
        (void)repo_fail(&archive->why, -ECANCELED, "Interrupted.");
}

void archive_do_all(Archive *archive, Dir *dir) {
        struct timespec until;

        (void)pthread_mutex_lock(&archive->mutex);
        archive->dirs[archive->n_dirs++] = (Task){ .walk = true, .dir = dir };
        (void)pthread_cond_signal(&archive->work);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        while (!archive->stuck && (archive->busy > 0 || has_tasks(archive))) {
                if (pthread_cond_timedwait(&archive->room, &archive->mutex, &until) != ETIMEDOUT)
                        continue;
                archive_watch(archive);
                report_progress(archive);
                (void)clock_gettime(CLOCK_MONOTONIC, &until);
                until.tv_nsec += WAIT_MS * 1000000;
                until.tv_sec += until.tv_nsec / 1000000000;
                until.tv_nsec %= 1000000000;
        }
        (void)pthread_mutex_unlock(&archive->mutex);
}
