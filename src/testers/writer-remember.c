/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the test writer notes of its files at a backup: lists with digests, one for each shadow copy set
 *
 * It looks where a requester has to look: in the shadow copy, at the alternate path of a file set if it has
 * one.
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "files/beneath.h"
#include "files/locate.h"
#include "files/walk.h"
#include "model/path.h"
#include "testers/places.h"
#include "testers/writer.h"

typedef struct Remember {
        TestWriter *writer;
        const TestComponent *component;
        const TestFiles *files;
        const char *directory; /* where its files belong, resolved */
        const char *source;    /* where they are read from, resolved; NULL: there */
        FILE *out;
        size_t n;
} Remember;

/* The root of the volume of the set that @path lies on. */
static const char *find_volume(vss_writer_call *call, const char *path) {
        const char *found = NULL;

        for (size_t i = 0; i < vss_writer_call_volume_count(call); i++) {
                const char *volume = vss_writer_call_volume(call, i);

                if (path_is_below(path, volume) && (!found || strlen(volume) > strlen(found)))
                        found = volume;
        }
        return found;
}

static int component_label(const TestComponent *c, char **ret_label) {
        return asprintf(ret_label, "%s%s%s", c->logical_path, c->logical_path[0] ? "/" : "", c->name) < 0
                       ? -ENOMEM
                       : 0;
}

static int complete_entry(const Remember *remember, ListEntry *entry) {
        const TestFiles *files = remember->files;

        if (component_label(remember->component, &entry->component) < 0)
                return -ENOMEM;
        if (!files)
                return 0;
        entry->set = strdup(files->path);
        entry->filespec = strdup(files->filespec);
        entry->recursive = files->recursive;
        if (remember->source)
                entry->source = strdup(remember->source);
        return entry->set && entry->filespec && (!remember->source || entry->source) ? 0 : -ENOMEM;
}

static bool is_excluded(const TestWriterConf *conf, const char *path) {
        for (size_t i = 0; i < conf->n_excludes; i++) {
                const TestPlace *place = &conf->excludes[i];

                if (locate_covers(place->path, place->filespec, place->recursive, path))
                        return true;
        }
        return false;
}

static int describe_walked(const WalkEntry *walked, const char *path, ListEntry *entry) {
        _cleanup_(closep) int fd = -1;

        if (walked->kind == WALK_FILE) {
                fd = walk_open(walked);
                return fd < 0 ? fd : place_read_fd(fd, path, NULL, entry);
        }
        entry->kind = walked->kind;
        entry->path = strdup(path);
        meta_from_stat(&walked->st, &entry->meta);
        if (!entry->path)
                return -ENOMEM;
        return walked->kind == WALK_SYMLINK ? walk_read_link(walked, &entry->target) : 0;
}

static int remember_walked(void *userdata, const WalkEntry *walked) {
        Remember *remember = userdata;
        _cleanup_list_entry_ ListEntry entry = { 0 };
        _cleanup_(freep) char *path = NULL;
        int r;

        if (walked->kind == WALK_ERROR) {
                test_writer_log(remember->writer, "cannot read %s: %s", walked->path,
                                strerror(-walked->error));
                return 0;
        }
        r = locate_join(remember->directory, walked->below, &path);
        if (r == 0)
                r = describe_walked(walked, path, &entry);
        if (r < 0) {
                test_writer_log(remember->writer, "cannot read %s: %s", walked->path, strerror(-r));
                return 0;
        }
        entry.excluded = walked->kind != WALK_DIRECTORY && is_excluded(&remember->writer->conf, path);
        r = complete_entry(remember, &entry);
        remember->n++;
        return r < 0 ? r : list_write(remember->out, &entry);
}

static int open_copy(vss_writer_call *call, const char *directory, const char **ret_volume,
                     const char **ret_below) {
        const char *volume = find_volume(call, directory);
        const char *device = volume ? vss_writer_call_snapshot_device(call, directory) : NULL;
        int fd;

        if (!device)
                return -ENODEV;
        fd = open(device, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *ret_volume = volume;
        *ret_below = path_relative(directory, volume);
        return fd < 0 ? -errno : fd;
}

static int remember_files(Remember *remember, vss_writer_call *call, const TestFiles *files) {
        _cleanup_(freep) char *directory = locate_resolve(files->path);
        _cleanup_(freep) char *source = files->alternate_path[0] ? locate_resolve(files->alternate_path)
                                                                 : NULL;
        const char *volume = NULL, *below = NULL;
        _cleanup_(closep) int root_fd = -1;
        char **mount_points = NULL;
        WalkSet set = { .filespec = files->filespec, .recursive = files->recursive };
        int r;

        if (!directory || (files->alternate_path[0] && !source))
                return -ENOMEM;
        root_fd = open_copy(call, source ?: directory, &volume, &below);
        if (root_fd < 0) {
                test_writer_log(remember->writer,
                                "cannot read %s: its volume is not in the set, or has no device: %s",
                                source ?: directory, strerror(-root_fd));
                return 0;
        }
        r = locate_mount_points(volume, "", &mount_points);
        if (r < 0)
                return r;
        set.root_fd = root_fd;
        set.directory = below;
        set.mount_points = (const char *const *)mount_points;
        remember->files = files;
        remember->directory = directory;
        remember->source = source;
        r = walk_files(&set, remember_walked, remember);
        locate_free(mount_points);
        return r;
}

/* A part of a file that may be in no file set. */
static int remember_part(Remember *remember, vss_writer_call *call, const TestPartialFile *part) {
        _cleanup_(freep) char *directory = locate_resolve(part->path), *path = NULL, *relative = NULL;
        _cleanup_list_entry_ ListEntry entry = { 0 };
        _cleanup_(closep) int root_fd = -1, fd = -1;
        const char *volume = NULL, *below = NULL;
        int r;

        if (strncmp(part->ranges, "File=", 5) == 0)
                return 0;
        if (!directory || locate_join(directory, part->filespec, &path) < 0)
                return -ENOMEM;
        root_fd = open_copy(call, directory, &volume, &below);
        if (root_fd >= 0 && locate_join(below, part->filespec, &relative) == 0)
                fd = beneath_open(root_fd, relative + (*relative == '/'), O_RDONLY | O_NONBLOCK, 0, 0);
        r = fd < 0 ? fd : place_read_fd(fd, path, part->ranges, &entry);
        if (r < 0) {
                test_writer_log(remember->writer, "cannot read parts of %s: %s", path, strerror(-r));
                return 0;
        }
        remember->files = NULL;
        remember->source = NULL;
        r = complete_entry(remember, &entry);
        return r < 0 ? r : list_write(remember->out, &entry);
}

static int remember_component(Remember *remember, vss_writer_call *call, const TestComponent *c) {
        int r = 0;

        remember->component = c;
        for (size_t i = 0; r == 0 && i < c->n_files; i++)
                /* What no backup needs is in none. */
                if (c->files[i].backup_required)
                        r = remember_files(remember, call, &c->files[i]);
        for (size_t i = 0; r == 0 && i < c->n_partial_files; i++)
                r = remember_part(remember, call, &c->partial_files[i]);
        return r;
}

static FILE *open_state(const TestWriter *writer, const char *name) {
        char path[PATH_MAX];
        int fd;

        if (mkdir(writer->conf.state, 0700) < 0 && errno != EEXIST)
                return NULL;
        if (snprintf(path, sizeof(path), "%s/%s", writer->conf.state, name) >= (int)sizeof(path))
                return NULL;
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? NULL : fdopen(fd, "we");
}

vss_result test_writer_remember(TestWriter *writer, vss_writer_call *call) {
        _cleanup_(fclosep) FILE *out = NULL;
        Remember remember = { .writer = writer };
        int r = 0;

        if (!writer->conf.check_includes && !writer->conf.check_excludes && !writer->conf.delete_files)
                return VSS_S_OK;
        out = open_state(writer, vss_writer_call_set_id(call));
        if (!out)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE,
                                            "%s: nothing can be kept in State=%s: %m", writer->conf_path,
                                            writer->conf.state);
        remember.out = out;
        for (size_t i = 0; r == 0 && i < writer->conf.n_components; i++)
                r = remember_component(&remember, call, &writer->conf.components[i]);
        if (r == 0 && fflush(out) != 0)
                r = -errno;
        if (r < 0)
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE, "%s/%s: %s",
                                            writer->conf.state, vss_writer_call_set_id(call), strerror(-r));
        test_writer_log(writer, "remembers %zu", remember.n);
        return VSS_S_OK;
}

/* What is deleted, of what was noted: files and links, at their place, not those that were left out. */
static int delete_original(void *userdata, ListEntry *entry) {
        TestWriter *writer = userdata;
        _cleanup_(closep) int root_fd = -1, directory_fd = -1;
        const char *name;

        if (entry->excluded || entry->ranges || (entry->kind != WALK_FILE && entry->kind != WALK_SYMLINK))
                return 0;
        root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        directory_fd = root_fd < 0 ? -1 : beneath_open_parent(root_fd, entry->path + 1, false, &name);
        if (directory_fd < 0 || unlinkat(directory_fd, name, 0) < 0)
                test_writer_log(writer, "cannot delete %s: %m", entry->path);
        else
                test_writer_log(writer, "deletes %s", entry->path);
        return 0;
}

static bool is_partial(const TestWriterConf *conf, const char *path) {
        for (size_t i = 0; i < conf->n_components; i++)
                for (size_t j = 0; j < conf->components[i].n_partial_files; j++) {
                        const TestPartialFile *p = &conf->components[i].partial_files[j];

                        if (locate_covers(p->path, p->filespec, false, path))
                                return true;
                }
        return false;
}

static bool is_differenced(const TestWriterConf *conf, const char *path) {
        for (size_t i = 0; i < conf->n_components; i++)
                for (size_t j = 0; j < conf->components[i].n_differenced_files; j++) {
                        const TestDifferencedFiles *d = &conf->components[i].differenced_files[j];

                        if (locate_covers(d->path, d->filespec, d->recursive, path))
                                return true;
                }
        return false;
}

static int delete_chosen(void *userdata, ListEntry *entry) {
        const TestWriterConf *conf = &((TestWriter *)userdata)->conf;
        bool partial = is_partial(conf, entry->path), differenced = is_differenced(conf, entry->path);

        if ((partial && conf->delete_partial_files) || (differenced && conf->delete_differenced_files) ||
            (!partial && !differenced && conf->delete_files))
                return delete_original(userdata, entry);
        return 0;
}

void test_writer_delete_originals(TestWriter *writer, vss_writer_call *call) {
        const TestWriterConf *conf = &writer->conf;
        char path[PATH_MAX];
        unsigned line;
        int fd, r;

        if (!conf->delete_files && !conf->delete_partial_files && !conf->delete_differenced_files)
                return;
        (void)snprintf(path, sizeof(path), "%s/%s", conf->state, vss_writer_call_set_id(call));
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : list_read(fd, delete_chosen, writer, &line);
        if (r < 0)
                test_writer_log(writer, "cannot delete what it noted in %s: %s", path, strerror(-r));
}
