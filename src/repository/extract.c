/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: the walk
 *
 * Directories are made and opened one element at a time, by descriptors that no link leads astray; a
 * directory gets its owner, mode and times when all in it is done. Further names of a file are made last,
 * when the first has its content.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "files/beneath.h"
#include "repository/extract-internal.h"
#include "util/clock.h"

#define PROGRESS_USEC (200 * USEC_PER_MSEC)

void extract_tell(Place *place, const char *name, const char *format, ...) {
        Extract *extract = place->extract;
        _cleanup_(freep) char *path = NULL, *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        if (asprintf(&path, "%s/%s", place->path, name) < 0)
                path = NULL;
        (void)pthread_mutex_lock(&extract->mutex);
        extract->counts.errors++;
        if (extract->options->told)
                extract->options->told(extract->options->userdata, path ?: name, text ?: "out of memory");
        (void)pthread_mutex_unlock(&extract->mutex);
}

void extract_count(Extract *extract, uint64_t *count, uint64_t more) {
        (void)pthread_mutex_lock(&extract->mutex);
        *count += more;
        (void)pthread_mutex_unlock(&extract->mutex);
}

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

                if (place->node && !place->extract->stopped)
                        extract_metadata(parent, place->node, place->fd);
                place_free(place);
                place = parent;
        }
}

typedef enum Relation {
        NOT_WANTED,
        ON_THE_WAY, /* something below it is */
        WANTED,
} Relation;

static Relation relate(const ExtractOptions *options, const char *path) {
        size_t n = strlen(path);

        for (const char *const *wanted = options->paths; *wanted; wanted++) {
                size_t m = strlen(*wanted);

                while (m > 0 && (*wanted)[m - 1] == '/')
                        m--;
                if (n >= m && strncmp(path, *wanted, m) == 0 && (path[m] == '\0' || path[m] == '/'))
                        return WANTED;
                if (m > n && strncmp(path, *wanted, n) == 0 && (*wanted)[n] == '/')
                        return ON_THE_WAY;
        }
        return NOT_WANTED;
}

/* The directory, made if it is not there. */
static int open_directory(const Place *place, const char *name) {
        if (mkdirat(place->fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        return beneath_open(place->fd, name, O_RDONLY | O_DIRECTORY, 0, 0);
}

/* Takes @fd over. */
static int place_new(Extract *extract, Place *parent, const Node *node, const BlobId *tree, int fd, Why *why,
                     Place **ret_place) {
        Place *place = calloc(1, sizeof(*place));
        int r = place ? 0 : -ENOMEM;

        if (r == 0)
                r = repo_load_tree(extract->repo, tree, &place->tree, why);
        if (r == 0 && asprintf(&place->path, "%s%s%s", parent ? parent->path : "", parent ? "/" : "",
                               node ? node->name : "") < 0) {
                place->path = NULL;
                r = -ENOMEM;
        }
        if (r < 0) {
                (void)close(fd);
                if (place) {
                        place->fd = -1;
                        place_free(place);
                }
                return r;
        }
        place->extract = extract;
        place->parent = parent;
        place->node = node;
        place->fd = fd;
        atomic_init(&place->pending, 1);
        *ret_place = place;
        return 0;
}

static Place *enter(Place *place, const Node *node) {
        Extract *extract = place->extract;
        Place *child;
        Why why = {};
        int fd, r;

        if (!node->has_subtree) {
                extract_tell(place, node->name, "not restored: the repository has no tree for it");
                return NULL;
        }
        fd = open_directory(place, node->name);
        if (fd < 0) {
                extract_tell(place, node->name, "not restored, with all in it: %s",
                             fd == -ELOOP ? "a symbolic link stands there" : strerror(-fd));
                return NULL;
        }
        r = place_new(extract, place, node, &node->subtree, fd, &why, &child);
        if (r < 0) {
                extract_tell(place, node->name, "not restored, with all in it: %s",
                             *why.text ? why.text : strerror(-r));
                return NULL;
        }
        place_hold(place);
        extract_count(extract, &extract->counts.directories, 1);
        return child;
}

static Inode *find_slot(Inode *inodes, size_t capacity, const Node *node) {
        size_t i = (node->inode * UINT64_C(0x9e3779b97f4a7c15) ^ node->device_id) & (capacity - 1);

        while (inodes[i].place && (inodes[i].inode != node->inode || inodes[i].device != node->device_id))
                i = (i + 1) & (capacity - 1);
        return &inodes[i];
}

static int grow_inodes(Extract *extract) {
        size_t capacity = MAX(extract->inodes_capacity * 2, (size_t)64);
        Inode *inodes = calloc(capacity, sizeof(*inodes));

        if (!inodes)
                return -ENOMEM;
        for (size_t i = 0; i < extract->inodes_capacity; i++) {
                const Inode *old = &extract->inodes[i];
                const Node node = { .inode = old->inode, .device_id = old->device };

                if (old->place)
                        *find_slot(inodes, capacity, &node) = *old;
        }
        free(extract->inodes);
        extract->inodes = inodes;
        extract->inodes_capacity = capacity;
        return 0;
}

/* The first name of the same file that was restored; otherwise this one is remembered, as far as there is
 * memory. */
static const Inode *find_inode(Place *place, const Node *node) {
        Extract *extract = place->extract;
        Inode *slot;

        if (extract->n_inodes * 2 >= extract->inodes_capacity && grow_inodes(extract) < 0)
                return NULL;
        slot = find_slot(extract->inodes, extract->inodes_capacity, node);
        if (slot->place)
                return slot;
        place_hold(place);
        *slot = (Inode){ node->inode, node->device_id, place, node->name };
        extract->n_inodes++;
        return NULL;
}

/* true if it will be another name of a file that is there by then. */
static bool link_later(Place *place, const Node *node) {
        Extract *extract = place->extract;
        const Inode *first;
        Link *links;

        if (node->links < 2 || node->inode == 0)
                return false;
        first = find_inode(place, node);
        if (!first)
                return false;
        links = reallocarray(extract->links, extract->n_links + 1, sizeof(*links));
        if (!links)
                return false;
        extract->links = links;
        place_hold(place);
        links[extract->n_links++] = (Link){ place, first->place, node->name, first->name };
        return true;
}

static Place *do_entry(Place *place) {
        const Node *node = &place->tree.nodes[place->next++];
        Extract *extract = place->extract;
        _cleanup_(freep) char *path = NULL;
        Relation relation;
        int r;

        if (!node_name_is_safe(node->name)) {
                extract_tell(place, node->name, "not restored: no file can have this name");
                return place;
        }
        if (asprintf(&path, "%s/%s", place->path, node->name) < 0) {
                path = NULL;
                extract_tell(place, node->name, "not restored: out of memory");
                return place;
        }
        relation = relate(extract->options, path);
        if (relation == NOT_WANTED)
                return place;
        extract->found |= relation == WANTED;
        if (node->type == NODE_DIR)
                return enter(place, node) ?: place;
        if (relation != WANTED || node->type == NODE_SOCKET || link_later(place, node))
                return place;
        if (node->type == NODE_FILE) {
                extract_file(place, node);
        } else if (node->type == NODE_UNKNOWN) {
                extract_tell(place, node->name, "not restored: of a type that is not known");
        } else {
                r = extract_other(place, node);
                if (r < 0)
                        extract_tell(place, node->name, "not restored: %s", strerror(-r));
                else
                        extract_count(extract, &extract->counts.others, 1);
        }
        return place;
}

static void report(Extract *extract, const char *path) {
        const ExtractOptions *options = extract->options;

        (void)pthread_mutex_lock(&extract->mutex);
        if (options->progress && options->progress(options->userdata, &extract->counts, path))
                extract->stopped = true;
        (void)pthread_mutex_unlock(&extract->mutex);
}

static void walk(Extract *extract, Place *root) {
        uint64_t shown = 0;
        Place *place = root;

        while (place) {
                Place *parent = place->parent;

                if (now_usec() - shown > PROGRESS_USEC) {
                        report(extract, place->path);
                        shown = now_usec();
                }
                if (place->next < place->tree.n && !extract->stopped) {
                        place = do_entry(place);
                        continue;
                }
                place_release(place);
                place = parent;
        }
}

static int make_link(const Link *link) {
        char temporary[TEMPORARY_NAME_SIZE];
        int r = extract_temporary_name(temporary);

        if (r < 0)
                return r;
        if (linkat(link->target_place->fd, link->target, link->place->fd, temporary, 0) < 0)
                return -errno;
        r = extract_rename(link->place, temporary, link->name);
        /* Nothing happens where both are the same file already, and the name stays. */
        (void)unlinkat(link->place->fd, temporary, 0);
        return r;
}

static void make_links(Extract *extract) {
        for (size_t i = 0; i < extract->n_links; i++) {
                const Link *link = &extract->links[i];
                int r = extract->stopped ? 0 : make_link(link);

                if (r < 0)
                        extract_tell(link->place, link->name, "not restored as another name of %s/%s: %s",
                                     link->target_place->path, link->target, strerror(-r));
                else
                        extract_count(extract, &extract->counts.files, 1);
                place_release(link->place);
        }
        for (size_t i = 0; i < extract->inodes_capacity; i++)
                place_release(extract->inodes[i].place);
        free(extract->links);
        free(extract->inodes);
}

int extract_run(Repository *repo, const BlobId *tree, const ExtractOptions *options, Why *why,
                ExtractCounts *ret_counts) {
        Extract extract = { .repo = repo, .options = options, .owner = geteuid() == 0 };
        int fd = fcntl(options->target_fd, F_DUPFD_CLOEXEC, 0), r;
        Place *root;

        if (fd < 0)
                return -errno;
        (void)pthread_mutex_init(&extract.mutex, NULL);
        r = place_new(&extract, NULL, NULL, tree, fd, why, &root);
        if (r == 0) {
                r = pool_new(options->threads, extract_work, &extract, &extract.pool);
                if (r == 0)
                        walk(&extract, root);
                else
                        place_release(root);
                if (extract.pool)
                        pool_wait(extract.pool);
                make_links(&extract);
                extract.pool = pool_free(extract.pool);
        }
        extract.found |= relate(options, "") == WANTED;
        (void)pthread_mutex_destroy(&extract.mutex);
        *ret_counts = extract.counts;
        if (r == 0 && extract.stopped)
                return repo_fail(why, -ECANCELED, "Interrupted.");
        if (r == 0 && !extract.found)
                return repo_fail(why, -ENOENT, "The point has none of these paths.");
        return r;
}
