/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the parts of a restore share
 */

#include <stdatomic.h>
#include <sys/stat.h>
#include "repository/extract.h"
#include "repository/pool.h"

typedef struct Extract Extract;
typedef struct Place Place;
typedef struct Inode Inode;

typedef enum ExtractMode {
        MODE_WRITE,
        MODE_PLAN,   /* what would be done */
        MODE_VERIFY, /* is it there as it has to be? */
} ExtractMode;

/* A directory that is being filled. */
struct Place {
        Extract *extract;
        Place *parent;
        char *path; /* in the tree; "" for the root */
        int fd;     /* -1: it is not there, and would be made */
        Tree tree;
        size_t next;
        unsigned depth;
        bool directories; /* files are done: now those */
        const Node *node; /* its own, in the parent's tree; NULL for the target */
        bool wanted;      /* with all that is in it */
        bool fresh;       /* made here: there is nothing in it, and nobody else can come in */
        bool unfinished;  /* it gets its attributes when all in it is done */
        bool has_default; /* access rules that what is made in it inherits */
        bool set_group;   /* ... and its group */
        struct Batch *batch;
        atomic_size_t pending; /* entries that are not done, and the walker */
};

/* Another name of a file that is restored. */
typedef struct Link {
        Place *place; /* held */
        const Node *node;
        Inode *first;
} Link;

typedef enum InodeState { INODE_PENDING, INODE_THERE, INODE_FAILED } InodeState;

struct Inode {
        uint64_t inode, device; /* in the tree */
        char *path;             /* of its first name there */
        _Atomic InodeState state;
        dev_t st_dev; /* as it is now */
        ino_t st_ino;
        Inode *next; /* with the same hash */
};

/* What a thread reads into; kept from one piece of work to the next. */
typedef struct Scratch Scratch;
struct Scratch {
        Bytes sealed, frame, plain, there;
        Scratch *next;
};

typedef struct Room {
        dev_t device;
        uint64_t free, needed;
} Room;
#define ROOMS_MAX 64u

struct Extract {
        Repository *repo;
        const ExtractOptions *options;
        ExtractMode mode;
        Pool *pool;
        unsigned n_threads;
        bool owner; /* may we give files away? */
        uid_t uid;
        gid_t gid;
        bool *found; /* of each path */
        Link *links;
        size_t n_links;
        Inode **inodes;
        size_t n_inodes, inodes_capacity;
        uint64_t n_entered; /* directories of this pass */
        bool measured;      /* there are not more than there can be */
        Room rooms[ROOMS_MAX];
        size_t n_rooms;
        char **told; /* paths of failures */
        size_t n_told, n_sorted;

        pthread_mutex_t mutex; /* of counts, of telling, and of what is below */
        ExtractCounts counts;
        Scratch *scratches;
        atomic_bool stopped, full;
        atomic_uint_fast64_t shown; /* the progress, now_usec() */
};

/* extract.c */
/* What a run needs, and to give it back. */
int extract_begin(Extract *extract, Repository *repo, const ExtractOptions *options);
void extract_end(Extract *extract);
/* What was told so far is found by extract_was_told(). */
void extract_sort_told(Extract *extract);
int extract_conclude(const Extract *extract, Why *why);
int place_new(Extract *extract, Place *parent, const char *path, int fd, Place **ret_place);
void place_hold(Place *place);
void place_release(Place *place);
void extract_tell(Place *place, const char *name, const char *format, ...) _printf_(3, 4);
/* A failure at an entry: what it was, and what to do about it. */
void extract_fail(Place *place, const char *name, const char *what, int error);
/* Where somebody is at work. Who walks may wait for long until there is room for more work. */
void extract_report(Extract *extract, const char *path);
void extract_count(Extract *extract, uint64_t *count, uint64_t more);
/* One entry is done: counted, and in a dry run told. */
void extract_done(Place *place, const Node *node, ExtractFate fate);
bool extract_was_told(const Extract *extract, const char *path);

/* extract-room.c */
/* So much will be written below this place. */
void extract_need_room(Place *place, uint64_t bytes);
uint64_t extract_stored_size(const Extract *extract, const Node *node);
/* Fails, or tells, if it is more than there is. */
void extract_judge_room(Extract *extract);
int extract_expect_room(const ExtractOptions *options, bool *ret_enough);

/* extract-place.c: under which name, and with what belongs to it */
#define TEMPORARY_NAME_SIZE 40u
typedef struct Slot {
        int fd;
        bool named;  /* "temporary" is its name */
        bool direct; /* it has its own name already */
        char temporary[TEMPORARY_NAME_SIZE];
} Slot;
/* A file to be written. @there: something has the name. -EEXIST if it has become so. */
int slot_open(Place *place, const Node *node, bool there, Slot *ret_slot);
/* It is whole: it gets what belongs to it and its name. What is wrong is told. */
void slot_finish(Place *place, const Node *node, Slot *slot, ExtractFate fate);
void slot_abandon(Place *place, const Node *node, Slot *slot);
/* Owner, attributes, mode and times of what is open. What cannot be set is told. @is_new: it was made here.
 */
void extract_metadata(Place *place, const Node *node, int fd, bool is_new);
/* Links, devices, fifos; told. */
void extract_other(Place *place, const Node *node);
/* Over what is there, unless that is a directory. */
int extract_rename(Place *place, const char *temporary, const char *name);
int extract_temporary_name(const Place *place, const char *name, unsigned try,
                           char ret_name[static TEMPORARY_NAME_SIZE]);

/* extract-compare.c: what is there */
typedef enum Decision {
        DECIDE_MAKE,
        DECIDE_REPLACE,
        DECIDE_SET, /* only what belongs to it differs */
        DECIDE_LEAVE,
        DECIDE_KEEP, /* nobody looks: EXTRACT_NEVER */
        DECIDE_FAIL, /* told */
} Decision;
/* @scratch: NULL, and content is not looked at: DECIDE_LEAVE and DECIDE_SET are of size and time alone then.
 */
Decision extract_decide(Place *place, const Node *node, Scratch *scratch);
/* Do these chunks of the open file have their content? 0; -EBADMSG, and where it differs; another negative
 * errno. */
int extract_compare_content(Extract *extract, const Node *node, int fd, size_t from, size_t to,
                            uint64_t offset, Scratch *scratch, uint64_t *ret_where);
/* What is different of an entry as it is; NULL if nothing is. Content, targets and attributes aside. */
const char *extract_difference(const Extract *extract, const Node *node, const struct stat *st);
bool extract_same_target(int directory, const Node *node);
bool extract_same_xattrs(const Extract *extract, const Node *node, int fd);
bool extract_is_unfinished(const struct stat *st);

/* extract-links.c */
/* true if it will be another name of a file that is there by then. */
bool extract_link_later(Place *place, const Node *node);
void extract_make_links(Extract *extract);
/* What became of the file that other names may be of. @st: NULL if it is not there. */
void extract_settle_inode(Place *place, const Node *node, const struct stat *st);
void extract_free_inodes(Extract *extract);

/* extract-read.c */
Scratch *scratch_take(Extract *extract);
void scratch_give(Extract *extract, Scratch *scratch);
void scratches_free(Extract *extract);
/* One blob that is wanted. */
typedef struct Want {
        PackBlob blob;
        BlobId pack;
        bool located;
        size_t number; /* the caller's */
} Want;
/*
 * extract_fetch() - the data blobs of @wants, in the order in which they lie
 * @take: gets each, plain, or why it cannot be had. Return: false to stop.
 */
void extract_fetch(Extract *extract, Scratch *scratch, Want *wants, size_t n,
                   bool (*take)(void *userdata, size_t number, const Bytes *plain, int error,
                                const Why *why),
                   void *userdata);
int extract_locate(Extract *extract, const BlobId *id, size_t number, Want *ret_want);
/* These will be fetched soon. */
void extract_expect(Extract *extract, Want *wants, size_t n);

/* extract-file.c */
typedef enum JobKind { JOB_BATCH, JOB_PIECE, JOB_WHOLE, JOB_CHECK } JobKind;
/* The head of each item of the pool. */
typedef struct Job {
        JobKind kind;
} Job;
#define EXTRACT_RUN 16u /* chunks of one piece of work */
/* The file, by the pool. Holds the place until it is done. */
void extract_file(Place *place, const Node *node);
/* The sum of its chunks; which is missing. */
int extract_measure(const Extract *extract, const Node *node, uint64_t *ret_size, size_t *ret_missing);
/* Gives the pool what was gathered. */
void extract_flush_batch(Place *place);
void extract_work(void *userdata, void *item);

/* extract-verify.c */
typedef struct CheckPiece CheckPiece;
void extract_verify_entry(Place *place, const Node *node);
void extract_verify_missing(Place *place, const Node *node, int error);
void extract_verify_directory(Place *place, const Node *node, int fd);
void extract_check(Extract *extract, CheckPiece *piece, Scratch *scratch);
