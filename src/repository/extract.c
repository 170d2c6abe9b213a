/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: the walk
 *
 * Directories are made and opened one element at a time, by descriptors that no link leads astray; one that
 * is made here can be entered by nobody else until it gets its owner, mode and times, when all in it is
 * done. Of each directory first come the files and then the directories in it. The same walk plans, writes
 * and verifies.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/xattr.h>
#include "files/beneath.h"
#include "repository/extract-internal.h"
#include "repository/tree-measure.h"
#include "util/clock.h"

#define PROGRESS_USEC (200 * USEC_PER_MSEC)
#define DEFAULT_RULES "system.posix_acl_default"
/* Of each place that is open. */
#define PATH_SIZE_MAX (256u * 1024)
/* So many directories are gone into before it is asked how many there are. */
#define DIRECTORIES_TRUSTED 100000u

static void remember_told(Extract *extract, char *path) {
        char **grown = reallocarray(extract->told, extract->n_told + 1, sizeof(*grown));

        if (grown) {
                extract->told = grown;
                grown[extract->n_told++] = path;
        } else {
                free(path);
        }
}

/* Takes @path over. What is found while room is counted is found again. */
static void tell(Extract *extract, char *path, const char *name, const char *text) {
        if (extract->mode == MODE_PLAN && !extract->options->dry_run) {
                free(path);
                return;
        }
        (void)pthread_mutex_lock(&extract->mutex);
        extract->counts.errors++;
        if (extract->options->told)
                extract->options->told(extract->options->userdata, path ?: name, text);
        if (path)
                remember_told(extract, path);
        (void)pthread_mutex_unlock(&extract->mutex);
}

void extract_tell(Place *place, const char *name, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        char *path;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        if (asprintf(&path, "%s/%s", place->path, name) < 0)
                path = NULL;
        tell(place->extract, path, name, text ?: "out of memory");
}

void extract_count(Extract *extract, uint64_t *count, uint64_t more) {
        (void)pthread_mutex_lock(&extract->mutex);
        *count += more;
        (void)pthread_mutex_unlock(&extract->mutex);
}

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

void extract_sort_told(Extract *extract) {
        if (extract->told)
                qsort(extract->told, extract->n_told, sizeof(*extract->told), compare_texts);
        extract->n_sorted = extract->n_told;
}

bool extract_was_told(const Extract *extract, const char *path) {
        return extract->told &&
               bsearch(&path, extract->told, extract->n_sorted, sizeof(*extract->told), compare_texts);
}

static void count_fate(Extract *extract, const Node *node, ExtractFate fate) {
        ExtractCounts *counts = &extract->counts;
        uint64_t bytes = node->type == NODE_FILE && extract->mode == MODE_PLAN ? node->size : 0;

        if (fate == EXTRACT_LEFT || fate == EXTRACT_SET) {
                counts->left += node->type != NODE_DIR;
                counts->bytes_left += node->type == NODE_FILE ? node->size : 0;
                return;
        }
        counts->replaced += fate == EXTRACT_REPLACED;
        counts->bytes += bytes; /* what is written is counted as it is */
        if (node->type == NODE_FILE)
                counts->files++;
        else if (node->type == NODE_DIR)
                counts->directories++;
        else
                counts->others++;
}

void extract_done(Place *place, const Node *node, ExtractFate fate) {
        Extract *extract = place->extract;
        const ExtractOptions *options = extract->options;
        _cleanup_(freep) char *path = NULL;

        (void)pthread_mutex_lock(&extract->mutex);
        count_fate(extract, node, fate);
        if (extract->mode == MODE_PLAN && options->dry_run && options->planned &&
            asprintf(&path, "%s/%s", place->path, node->name) >= 0)
                options->planned(options->userdata, path, node, fate);
        (void)pthread_mutex_unlock(&extract->mutex);
}

/* ---- places ---- */

void place_hold(Place *place) {
        atomic_fetch_add(&place->pending, 1);
}

static void place_free(Place *place) {
        if (place->fd >= 0)
                (void)close(place->fd);
        tree_clear(&place->tree);
        free(place->path);
        free(place);
}

void place_release(Place *place) {
        while (place && atomic_fetch_sub(&place->pending, 1) == 1) {
                Place *parent = place->parent;

                if (place->unfinished && !place->extract->stopped)
                        extract_metadata(parent, place->node, place->fd, place->fresh);
                place_free(place);
                place = parent;
        }
}

typedef enum Relation {
        NOT_WANTED,
        ON_THE_WAY, /* something below it is */
        WANTED,
} Relation;

/* Is @path @base, or below it? */
static bool is_within(const char *path, const char *base) {
        size_t m = strlen(base);

        while (m > 0 && base[m - 1] == '/')
                m--;
        return strncmp(path, base, m) == 0 && (path[m] == '\0' || path[m] == '/');
}

static bool is_hidden(const ExtractOptions *options, const char *path) {
        if (!options->hidden || !is_within(path, options->hidden))
                return false;
        for (const char *const *wanted = options->paths; *wanted; wanted++)
                if (is_within(*wanted, options->hidden))
                        return false;
        return true;
}

static Relation relate(Extract *extract, const char *path) {
        const ExtractOptions *options = extract->options;
        Relation relation = NOT_WANTED;

        if (is_hidden(options, path))
                return NOT_WANTED;
        for (size_t i = 0; options->paths[i]; i++)
                if (is_within(path, options->paths[i])) {
                        extract->found[i] = true;
                        relation = WANTED;
                } else if (relation == NOT_WANTED && is_within(options->paths[i], path)) {
                        relation = ON_THE_WAY;
                }
        return relation;
}

/* Takes @fd over. */
int place_new(Extract *extract, Place *parent, const char *path, int fd, Place **ret_place) {
        Place *place = calloc(1, sizeof(*place));

        if (place)
                place->path = strdup(path);
        if (!place || !place->path) {
                if (fd >= 0)
                        (void)close(fd);
                free(place);
                return -ENOMEM;
        }
        place->extract = extract;
        place->parent = parent;
        place->depth = parent ? parent->depth + 1 : 0;
        place->fd = fd;
        atomic_init(&place->pending, 1);
        *ret_place = place;
        return 0;
}

/* The same for a directory of the tree. */
static int place_load(Extract *extract, Place *parent, const Node *node, const BlobId *id, int fd, Why *why,
                      Place **ret_place) {
        _cleanup_tree_ Tree tree = {};
        _cleanup_(freep) char *path = NULL;
        int r = repo_load_tree(extract->repo, id, &tree, why);

        if (r == 0 && asprintf(&path, "%s%s%s", parent ? parent->path : "", parent ? "/" : "",
                               node ? node->name : "") < 0) {
                path = NULL;
                r = -ENOMEM;
        }
        if (r < 0) {
                if (fd >= 0)
                        (void)close(fd);
                return r;
        }
        r = place_new(extract, parent, path, fd, ret_place);
        if (r < 0)
                return r;
        (*ret_place)->node = node;
        (*ret_place)->tree = tree;
        tree = (Tree){};
        return 0;
}

/* What is made in it inherits these, and it may not have been so. */
static bool has_default_rules(int fd) {
        return fgetxattr(fd, DEFAULT_RULES, NULL, 0) >= 0;
}

typedef struct Opened {
        int fd;
        bool fresh, unfinished, has_default, set_group;
} Opened;

/* The directory, made if it is not there. */
static int open_directory(const Place *place, const char *name, Opened *ret_opened) {
        bool write = place->extract->mode == MODE_WRITE;
        struct stat st;

        *ret_opened = (Opened){ .fd = -1 };
        if (place->fd < 0)
                return 0;
        if (write && mkdirat(place->fd, name, EXTRACT_UNFINISHED | 0700) == 0)
                ret_opened->fresh = true;
        else if (write && errno != EEXIST)
                return -errno;
        ret_opened->fd = beneath_open(place->fd, name, O_RDONLY | O_DIRECTORY, 0, 0);
        if (ret_opened->fd == -ENOENT && place->extract->mode == MODE_PLAN) {
                ret_opened->fd = -1;
                return 0;
        }
        if (ret_opened->fd < 0)
                return ret_opened->fd;
        if (ret_opened->fresh) {
                ret_opened->unfinished = true;
                ret_opened->set_group = place->set_group;
                /* Not what it inherited. */
                if (place->has_default)
                        (void)fremovexattr(ret_opened->fd, DEFAULT_RULES);
                return 0;
        }
        if (write && fstat(ret_opened->fd, &st) == 0) {
                ret_opened->unfinished = extract_is_unfinished(&st);
                ret_opened->set_group = st.st_mode & S_ISGID;
        }
        ret_opened->has_default = write && has_default_rules(ret_opened->fd);
        return 0;
}

static void tell_directory(Place *place, const char *name, int error) {
        if (error == -ELOOP)
                extract_tell(place, name,
                             "not restored, with all in it: a symbolic link stands there, which is not "
                             "followed; take it "
                             "away, or restore to another directory");
        else if (error == -ENOTDIR)
                extract_tell(place, name,
                             "not restored, with all in it: what stands there is no directory; take it "
                             "away, or restore to "
                             "another directory");
        else
                extract_fail(place, name, "not restored, with all in it", error);
}

/* Does it only lead to what the point is of? */
static bool is_above_roots(const Extract *extract, const char *path) {
        const char *const *roots = extract->options->roots;
        bool above = false;

        for (; roots && *roots; roots++) {
                if (is_within(path, *roots))
                        return false;
                above |= is_within(*roots, path);
        }
        return above;
}

static Place *enter(Place *place, const Node *node, bool wanted) {
        Extract *extract = place->extract;
        Place *child;
        Opened opened;
        Why why = {};
        int r;

        if (!node->has_subtree) {
                extract_tell(place, node->name, "not restored: the repository has no tree for it");
                return NULL;
        }
        if (place->depth == TREE_DEPTH_MAX || strlen(place->path) > PATH_SIZE_MAX) {
                extract_tell(place, node->name, "not restored, with all in it: too deep");
                return NULL;
        }
        extract->n_entered++;
        r = open_directory(place, node->name, &opened);
        if (r < 0 && extract->mode == MODE_VERIFY)
                extract_verify_missing(place, node, r);
        else if (r < 0)
                tell_directory(place, node->name, r);
        if (r < 0)
                return NULL;
        r = place_load(extract, place, node, &node->subtree, opened.fd, &why, &child);
        if (r < 0) {
                extract_tell(place, node->name, "not restored, with all in it: %s",
                             *why.text ? why.text : strerror(-r));
                return NULL;
        }
        child->wanted = wanted;
        wanted = wanted && !is_above_roots(extract, child->path);
        child->fresh = opened.fresh;
        child->has_default = opened.has_default;
        child->set_group = opened.set_group;
        /* What only leads to something is left as it is, if it was there. */
        child->unfinished = extract->mode == MODE_WRITE &&
                            (opened.unfinished || (wanted && extract->options->overwrite != EXTRACT_NEVER));
        place_hold(place);
        if (opened.fresh || opened.fd < 0)
                extract_done(place, node, EXTRACT_MADE);
        else if (extract->mode == MODE_VERIFY && wanted)
                extract_verify_directory(place, node, opened.fd);
        return child;
}

/* ---- the walk ---- */

static void do_file(Place *place, const Node *node) {
        if (node->type == NODE_SOCKET)
                return;
        if (node->type == NODE_UNKNOWN)
                extract_tell(place, node->name, "not restored: of a type that is not known");
        else if (extract_link_later(place, node))
                return;
        else if (place->extract->mode == MODE_VERIFY)
                extract_verify_entry(place, node);
        else if (node->type == NODE_FILE)
                extract_file(place, node);
        else
                extract_other(place, node);
}

/* Nodes stand in the order of their names, each once. */
static bool stands_twice(Place *place, const Node *node) {
        int order = node > place->tree.nodes ? strcmp(node[-1].name, node->name) : -1;

        if (order < 0 || place->extract->mode == MODE_VERIFY)
                return order == 0;
        extract_tell(place, node->name,
                     order == 0 ? "not restored: it stands there twice, and the first one counts"
                                : "stands out of order, which no backup does");
        return order == 0;
}

static Place *do_entry(Place *place, const Node *node) {
        _cleanup_(freep) char *path = NULL;
        Relation relation = WANTED;

        if (!node_name_is_safe(node->name)) {
                if (!place->directories || node->type == NODE_DIR)
                        extract_tell(place, node->name, "not restored: no file can have this name");
                return place;
        }
        if (!place->wanted || (place->extract->options->hidden && !*place->path)) {
                if (asprintf(&path, "%s/%s", place->path, node->name) < 0) {
                        path = NULL;
                        extract_tell(place, node->name, "not restored: out of memory");
                        return place;
                }
                relation = relate(place->extract, path);
        }
        if (relation == NOT_WANTED || stands_twice(place, node))
                return place;
        if (node->type == NODE_DIR)
                return enter(place, node, relation == WANTED) ?: place;
        if (relation == WANTED)
                do_file(place, node);
        return place;
}

/* The next entry: files first, so that what is gathered for the pool is given to it before others come. */
static const Node *next_entry(Place *place) {
        for (;;) {
                if (place->next == place->tree.n) {
                        if (place->directories)
                                return NULL;
                        extract_flush_batch(place);
                        place->directories = true;
                        place->next = 0;
                        continue;
                }
                if ((place->tree.nodes[place->next].type == NODE_DIR) == place->directories)
                        return &place->tree.nodes[place->next++];
                place->next++;
        }
}

void extract_report(Extract *extract, const char *path) {
        const ExtractOptions *options = extract->options;
        uint64_t now = now_usec();

        if (now - extract->shown <= PROGRESS_USEC)
                return;
        (void)pthread_mutex_lock(&extract->mutex);
        extract->shown = now;
        if (options->progress && options->progress(options->userdata, &extract->counts, path))
                extract->stopped = true;
        (void)pthread_mutex_unlock(&extract->mutex);
}

/* Is it a tree that a backup can have made? Asked once, when it has become many. */
static int check_size(Extract *extract, const BlobId *tree, Why *why) {
        uint64_t entries;
        int r;

        if (extract->measured || extract->n_entered < DIRECTORIES_TRUSTED)
                return 0;
        r = tree_measure(extract->repo, tree, &entries);
        extract->measured = true;
        if (r < 0 || entries <= TREE_ENTRIES_MAX)
                return r;
        return repo_fail(why, -EBADMSG,
                         "The point says that it has %s%" PRIu64 " files and directories, more than can be "
                         "restored: no backup has made it.",
                         entries == UINT64_MAX ? "more than " : "", entries);
}

/* Return: 0, or what ended it. */
static int walk(Extract *extract, Place *root, const BlobId *tree, Why *why) {
        Place *place = root;
        int r = 0;

        while (place) {
                Place *parent = place->parent;
                const Node *node;

                extract_report(extract, place->path);
                node = extract->stopped || r < 0 ? NULL : next_entry(place);
                if (node) {
                        place = do_entry(place, node);
                        r = check_size(extract, tree, why);
                        continue;
                }
                extract_flush_batch(place);
                place_release(place);
                place = parent;
        }
        return r;
}

/* Once over all of it, to plan, write or verify. */
static int pass(Extract *extract, const BlobId *tree, ExtractMode mode, Why *why) {
        bool missing = extract->options->dry_run && extract->options->target_missing;
        int fd = missing ? -1 : fcntl(extract->options->target_fd, F_DUPFD_CLOEXEC, 0), r;
        struct stat st;
        Why problem = {};
        Place *root;

        if (fd < 0 && !missing)
                return -errno;
        extract->mode = mode;
        r = place_load(extract, NULL, NULL, tree, fd, &problem, &root);
        if (r < 0)
                return repo_fail(why, r == -ENOENT ? -EBADMSG : r,
                                 "Nothing of this point can be restored: %s",
                                 *problem.text ? problem.text : strerror(-r));
        root->wanted = relate(extract, "") == WANTED;
        root->has_default = mode == MODE_WRITE && has_default_rules(fd);
        root->set_group = fstat(fd, &st) == 0 && (st.st_mode & S_ISGID);
        extract->n_entered = 0;
        r = walk(extract, root, tree, why);
        if (extract->pool)
                pool_wait(extract->pool);
        extract_make_links(extract);
        extract_free_inodes(extract);
        return r;
}

static int tell_missing(Extract *extract, Why *why) {
        bool any = false;

        for (size_t i = 0; extract->options->paths[i]; i++)
                any |= extract->found[i];
        if (!any)
                return repo_fail(why, -ENOENT,
                                 "The point has none of these paths; vss ls shows what it has.");
        for (size_t i = 0; extract->options->paths[i]; i++)
                if (!extract->found[i])
                        tell(extract, strdup(extract->options->paths[i]), extract->options->paths[i],
                             "the point has no such path; vss ls shows what it has");
        return 0;
}

static int verify(Extract *extract, const BlobId *tree, Why *why) {
        /* What is read again is to come from the disk. */
        if (syncfs(extract->options->target_fd) < 0)
                return repo_fail(why, -errno, "What was restored cannot be written to the disk: %s.",
                                 strerror(errno));
        extract_sort_told(extract);
        return pass(extract, tree, MODE_VERIFY, why);
}

static int run(Extract *extract, const BlobId *tree, Why *why) {
        const ExtractOptions *options = extract->options;
        bool enough = false;
        int r = options->dry_run ? 0 : extract_expect_room(options, &enough);

        if (r == 0 && !enough) {
                r = pass(extract, tree, MODE_PLAN, why);
                if (r == 0 && !extract->stopped)
                        extract_judge_room(extract);
                if (r == 0 && !options->dry_run)
                        /* What was found then is found again. */
                        extract->counts = (ExtractCounts){};
        }
        if (r == 0 && !options->dry_run && !extract->stopped)
                r = pass(extract, tree, MODE_WRITE, why);
        if (r == 0 && !extract->stopped)
                r = tell_missing(extract, why);
        if (r == 0 && !options->dry_run && options->verify && !extract->stopped)
                r = verify(extract, tree, why);
        return r < 0 ? r : extract_conclude(extract, why);
}

int extract_conclude(const Extract *extract, Why *why) {
        if (extract->full)
                return repo_fail(
                        why, -ENOSPC,
                        "There is no room left. Run it again when there is some: what is complete is not "
                        "written again.");
        if (extract->stopped)
                return repo_fail(why, -ECANCELED,
                                 "Interrupted. Run it again: what is complete is not written again.");
        return 0;
}

int extract_begin(Extract *extract, Repository *repo, const ExtractOptions *options) {
        *extract = (Extract){
                .repo = repo, .options = options, .owner = geteuid() == 0, .uid = geteuid(), .gid = getegid()
        };
        (void)pthread_mutex_init(&extract->mutex, NULL);
        extract->n_threads = options->threads ?: pool_processors();
        return pool_new(extract->n_threads, extract_work, extract, &extract->pool);
}

void extract_end(Extract *extract) {
        extract->pool = pool_free(extract->pool);
        scratches_free(extract);
        for (size_t i = 0; i < extract->n_told; i++)
                free(extract->told[i]);
        free(extract->told);
        free(extract->found);
        (void)pthread_mutex_destroy(&extract->mutex);
}

int extract_run(Repository *repo, const BlobId *tree, const ExtractOptions *options, Why *why,
                ExtractCounts *ret_counts) {
        Extract extract;
        size_t n = 0;
        int r = extract_begin(&extract, repo, options);

        while (options->paths[n])
                n++;
        extract.found = calloc(n + 1, sizeof(*extract.found));
        if (!extract.found)
                r = -ENOMEM;
        if (r == 0)
                r = run(&extract, tree, why);
        extract_end(&extract);
        *ret_counts = extract.counts;
        return r;
}
