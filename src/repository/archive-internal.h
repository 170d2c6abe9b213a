/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the parts of the archiver share
 */

#include <stdatomic.h>
#include <sys/stat.h>
#include "repository/archive.h"

typedef struct Archive Archive;
typedef struct Dir Dir;
typedef struct File File;
typedef struct Reader Reader;

#define THREADS_MAX 64u
#define LEFT_MAX 64u

/* What was asked for below a directory, by name. */
typedef struct Wanted {
        const char *name;
        bool mount_point;        /* not crossed */
        bool asked;              /* by its own path */
        bool whole;              /* with all that is in it, besides what is below it here */
        bool made_up;            /* all that is wanted below is read from elsewhere: it need not be there */
        const ArchivePath *from; /* where it is read; NULL: where it is called */
        struct Wanted **children;
        size_t n, capacity;
} Wanted;

/* Where an entry is read. */
typedef struct Place {
        int fd; /* of a directory */
        const char *name;
        int owned; /* to be closed */
} Place;

struct Dir {
        Archive *archive;
        Dir *parent;
        size_t slot; /* its node there */
        char *path;
        int fd;
        const Wanted *wanted;  /* NULL: everything, as it is found */
        dev_t device;          /* what lies on another one is not crossed; 0: nothing is left out */
        Node *nodes;           /* in the order of their names; without a name: left out */
        size_t n, next;        /* the walker's place */
        atomic_size_t pending; /* entries that are not done, and the walker */
        bool failed;           /* it cannot be read, which has been told */
        bool has_old;
        BlobId old_id;    /* of its tree in the parent */
        Arena arena;      /* the walker's */
        Arena attributes; /* the threads', under the archive's mutex */
        Tree old;         /* of the parent */
};

typedef struct Name {
        uint32_t id;
        const char *text; /* NULL: nobody has it */
} Name;

typedef struct NameCache {
        Name *items;
        size_t n;
} NameCache;

typedef struct Buffer Buffer;
struct Buffer {
        Buffer *next;
        size_t size;
        uint8_t data[CHUNK_MAX];
};

/* A directory, a file or, with a buffer, one chunk of a file. */
typedef struct Task {
        bool walk; /* in @dir */
        Dir *dir;  /* a file that has not been opened */
        size_t slot;
        File *file; /* a chunk */
        Buffer *buffer;
        size_t index;
} Task;

#define FILE_QUEUE 256u
#define CHUNK_QUEUE_MAX 64u
#define DIR_QUEUE 64u
#define CURRENT_SIZE 512u

struct Archive {
        Repository *repo;
        Store *store;
        const ArchiveOptions *options;
        Chunker chunker;
        unsigned n_threads, chunk_queue_size;
        pthread_t threads[THREADS_MAX];
        Reader *readers[THREADS_MAX];
        unsigned n_left; /* threads that were left behind */
        bool stuck;      /* a thread is where it cannot be left: nothing is waited for or freed any more */

        pthread_mutex_t mutex; /* of all below */
        pthread_cond_t work, room;
        Task files[FILE_QUEUE], chunks[CHUNK_QUEUE_MAX], dirs[DIR_QUEUE];
        size_t files_first, n_files, n_chunks, n_dirs;
        size_t busy;                /* tasks being done */
        atomic_uint hungry;         /* threads that wait for one */
        char current[CURRENT_SIZE]; /* where somebody walks, for the progress */
        Buffer *buffers;
        bool ending;
        atomic_int error; /* the first that ends everything; written with the mutex */
        Why why;
        ArchiveCounts counts; /* see archive_count() */
        BlobId root;

        pthread_mutex_t names; /* of what is asked for while directories are read */
        Arena arena;
        NameCache users, groups;
};

/* Numbers that many threads write. */
static inline void archive_count(uint64_t *number, uint64_t more) {
        (void)__atomic_fetch_add(number, more, __ATOMIC_RELAXED);
}
void archive_get_counts(Archive *archive, ArchiveCounts *ret_counts);

/* archive-wanted.c: what was asked for, and where it is read. */
int wanted_add(Arena *arena, Wanted *root, const ArchivePath *path);
void wanted_spread(Wanted *wanted);
const Wanted *wanted_find(const Wanted *wanted, const char *name);
/* What of an entry was asked for by itself. */
const Wanted *dir_find_wanted(const Dir *dir, size_t slot);
/* 0 or a negative errno. */
int dir_find_place(const Dir *dir, size_t slot, Place *ret_place);
void place_close(Place *place);
#define _cleanup_place_ _cleanup_(place_close)

/* archive-watch.c: devices that do not answer. Of the thread that calls: */
void reader_walks(bool walks);
void reader_looks(Dir *dir, size_t slot);
void reader_reads(Dir *dir, size_t slot, File *file);
/* Does not return if nobody waits for the thread any more. */
void reader_is_back(void);
/* A thread in this place. With the mutex, or before there are others. */
int reader_start(Archive *archive, size_t index);
/* With the mutex, by the caller's thread. */
void archive_watch(Archive *archive);

/* archive-names.c: which names of a directory are taken. */
/* As nodes without anything else yet, in their order, each once. 0 or a negative errno. */
int dir_list_names(Dir *dir);
/* Allocated. */
char *dir_join_path(const char *directory, const char *name);

/* archive-node.c: what belongs to an entry besides its content. */
/* @name is borrowed. */
void node_from_stat(Archive *archive, const char *name, const struct stat *st, Node *ret_node);
/* Who has one chunk keeps its id in the node itself, which must not be copied then. */
void node_set_content(Node *node, BlobId *content, size_t n);
void node_free_content(Node *node);
void node_set_times(Node *node, const struct stat *st);
/* A negative errno; attributes that cannot be had here are none. */
int node_read_xattrs_fd(Arena *arena, int fd, Node *node);
int node_read_xattrs_at(Arena *arena, int dir_fd, const char *name, Node *node);
int node_read_link(Arena *arena, int dir_fd, const char *name, Node *node);
bool node_is_unchanged(const Node *node, const Node *old);

/* archive-file.c: the threads and what they do. */
int archive_start(Archive *archive);
void archive_stop(Archive *archive, unsigned n);
void archive_work(Archive *archive);
/* The last one frees it. */
void file_release(File *file);
void file_give_up(File *file);
/* Somebody will read it: another thread, or ours right now. */
void archive_take_file(Archive *archive, Dir *dir, size_t slot);
/* true if another thread walks in it. */
bool archive_offer_dir(Archive *archive, Dir *dir);
/* By the caller's thread: the same, and until all that there was to do is done. Tells the progress. */
void archive_do_all(Archive *archive, Dir *dir);

/* archive.c */
/* Walks in a directory and in what is below it, and gives it up. */
void dir_walk(Dir *dir);
/* One entry of the directory is done; with the last one so is the directory. */
void dir_release(Dir *dir);
/* Leaves an entry out, told with its path. */
void dir_fail(Dir *dir, size_t slot, int error, const char *what);
void archive_fail(Archive *archive, int error, const Why *why);
static inline bool archive_has_ended(Archive *archive) {
        return archive->error != 0;
}
