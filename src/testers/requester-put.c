/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The test requester puts files back: from its store to where the plan says
 *
 * Directories first, so that files have a place; their owners and times again at the end, as files change
 * them.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "files/copy.h"
#include "files/locate.h"
#include "files/put.h"
#include "model/component.h"
#include "model/path.h"
#include "restore/place.h"
#include "testers/requester-restore.h"

/* ---- what was saved
 * ------------------------------------------------------------------------------------------ */

typedef struct Load {
        WriterRestore *restore;
        const StoreComponent *stored;
} Load;

static int load_entry(void *userdata, ListEntry *entry) {
        Load *load = userdata;
        WriterRestore *restore = load->restore;
        SavedFile *file = array_add(&restore->files, &restore->n_files, sizeof(*restore->files),
                                    WALK_ENTRIES_MAX);

        if (!file)
                return -ENOMEM;
        file->stored = load->stored;
        file->entry = *entry;
        *entry = (ListEntry){ 0 };
        return 0;
}

int restore_load_files(WriterRestore *restore, const Store *store) {
        unsigned line = 0;
        int r = store_list_components(store, &restore->stored, &restore->n_stored);

        for (size_t i = 0; r == 0 && i < restore->n_stored; i++) {
                Load load = { .restore = restore, .stored = &restore->stored[i] };
                int fd;

                if (strcmp(restore->stored[i].writer, restore->name) != 0)
                        continue;
                fd = store_open_list(&restore->stored[i]);
                r = fd < 0 ? fd : list_read(fd, load_entry, &load, &line);
                if (r < 0)
                        (void)fprintf(stderr, "vss-test-requester: %s/components/%s/list, line %u: %s\n",
                                      restore->requester->conf->store, restore->stored[i].directory, line,
                                      strerror(-r));
        }
        if (r < 0 && !restore->stored)
                (void)fprintf(stderr, "vss-test-requester: the store %s cannot be read: %s\n",
                              restore->requester->conf->store, strerror(-r));
        return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

const SavedFile *restore_find_file(const WriterRestore *restore, const char *path) {
        for (size_t i = 0; i < restore->n_files; i++)
                if (restore->files[i].entry.kind == WALK_FILE &&
                    strcmp(restore->files[i].entry.path, path) == 0)
                        return &restore->files[i];
        return NULL;
}

static bool is_of_set(const ListEntry *entry, const vss_value *set) {
        return entry->set && entry->filespec &&
               file_set_is(set, entry->set, entry->filespec, entry->recursive);
}

RestoreFacts restore_look(void *userdata, const vss_value *component, const vss_value *set,
                          const char *directory) {
        WriterRestore *restore = userdata;
        RestoreFacts facts = { .replaceable = true };
        _cleanup_(freep) char *real = locate_resolve(directory);

        for (size_t i = 0; real && i < restore->n_files; i++) {
                const ListEntry *entry = &restore->files[i].entry;
                _cleanup_(freep) char *place = NULL;
                PutFacts now;

                if (entry->kind == WALK_DIRECTORY || entry->kind == WALK_MOUNT_POINT ||
                    !place_is_of(entry->component, component) || !is_of_set(entry, set))
                        continue;
                place = place_below(entry->path, vss_value_get_string(set, "path", ""), real);
                if (!place || put_examine(restore->root_fd, place + 1, &now) < 0)
                        continue;
                facts.exists = facts.exists || now.exists;
                if (!now.replaceable) {
                        facts.replaceable = false;
                        requester_say(restore->requester, "%s cannot be replaced: %s", place, now.reason);
                }
        }
        return facts;
}

const char *restore_refuse(void *userdata, RestorePlace place, const char *directory) {
        WriterRestore *restore = userdata;

        /* New targets were named by whoever runs this; directed ones by the running writer, and the service
         * has judged them. */
        if (place == RESTORE_PLACE_NEW_TARGET || (place == RESTORE_PLACE_DIRECTED && restore->present))
                return NULL;
        return vouch_refuse(&restore->vouch, directory);
}

/* ---- one file
 * ------------------------------------------------------------------------------------------------ */

typedef struct Put {
        Requester *requester;
        const char *writer;
        int root_fd, staging_fd;
        FILE *pending;
        StepResult *result;
        PutSync later;
} Put;

static void _printf_(3, 4) fail_file(Put *put, const char *path, const char *format, ...) {
        char why[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        put->result->n_failed++;
        requester_complain(put->requester, "%s: %s: %s", put->writer, path, why);
}

/* Parts of a file into one that is there. */
static int put_parts(Put *put, int from, const char *ranges, const char *to_ranges, const char *place) {
        _cleanup_(freep) PutRange *parts = NULL;
        _cleanup_(freep) uint64_t *offsets = NULL;
        size_t n = 0;
        int r = place_pair_ranges(ranges, to_ranges, &parts, &offsets, &n);

        if (r == -EBADMSG)
                fail_file(put, place, "its ranges \"%.100s\" and \"%.100s\" do not fit together", ranges,
                          to_ranges);
        if (r < 0)
                return r;
        r = put_ranges(put->root_fd, place + 1, from, parts, offsets, n);
        if (r == -ENOENT)
                fail_file(put, place,
                          "only parts of it were saved, and the file that they belong to is not there: "
                          "restore the backup that this one goes on top of first");
        else if (r < 0)
                fail_file(put, place, "cannot be written to: %s", strerror(-r));
        return r;
}

/* Beside its place, with a line that says what a reboot has to do. */
static int stage(Put *put, int from, const ListEntry *entry, const char *place) {
        _cleanup_(freep) char *escaped = list_escape(place, strlen(place), "/._-+,:@");
        int r;

        if (put->staging_fd < 0) {
                fail_file(put, place,
                          "it can only be replaced at the next start, and there is no --staging=DIR for it");
                return -EBUSY;
        }
        r = put_file(put->staging_fd, place + 1, from, &entry->meta, NULL);
        if (r < 0 || !escaped) {
                fail_file(put, place, "cannot be staged: %s", strerror(r < 0 ? -r : ENOMEM));
                return -EIO;
        }
        (void)fprintf(put->pending, "rename %s\n", escaped);
        put->result->n_staged++;
        return 0;
}

static int put_content(Put *put, const SavedFile *file, const RestoreAction *action, const char *place) {
        const ListEntry *entry = &file->entry;
        const char *ranges = action ? action->ranges : "",
                   *to_ranges = action ? action->destination_ranges : "";
        _cleanup_(closep) int from = store_open_file(file->stored, entry->path);
        int r;

        if (from < 0) {
                fail_file(put, place, "it is not in the store any more: %s", strerror(-from));
                return from;
        }
        if (action && action->at_reboot && !entry->ranges)
                return stage(put, from, entry, place);
        if ((ranges && *ranges) || entry->ranges)
                return put_parts(put, from, ranges && *ranges ? ranges : entry->ranges, to_ranges ?: "",
                                 place);
        r = put_file(put->root_fd, place + 1, from, &entry->meta, &put->later);
        if (r < 0)
                fail_file(put, place, "cannot be restored: %s", strerror(-r));
        return r;
}

static void put_entry(Put *put, const SavedFile *file, const RestoreAction *action, const char *place) {
        const ListEntry *entry = &file->entry;
        size_t staged = put->result->n_staged;
        int r;

        switch (entry->kind) {
        case WALK_FILE:
                r = put_content(put, file, action, place);
                break;
        case WALK_SYMLINK:
                r = put_symlink(put->root_fd, place + 1, entry->target, &entry->meta);
                if (r < 0)
                        fail_file(put, place, "the link cannot be made: %s", strerror(-r));
                break;
        case WALK_SPECIAL:
                r = put_special(put->root_fd, place + 1, &entry->meta);
                if (r < 0)
                        fail_file(put, place, "the device, FIFO or socket cannot be made: %s", strerror(-r));
                break;
        default:
                return;
        }
        if (r == 0 && put->result->n_staged == staged) {
                put->result->n_written++;
                requester_say(put->requester, "%s: restored", place);
        }
}

/* ---- all files of a step
 * ------------------------------------------------------------------------------------- */

/* The action of the file set that a directory was found in; of directed targets none is. */
static const RestoreAction *find_set_action(const RestorePlan *plan, const RestoreStep *step,
                                            const ListEntry *entry) {
        for (size_t i = step->first; i < step->first + step->n; i++) {
                const RestoreAction *action = restore_plan_action(plan, i);

                if (action->place != RESTORE_PLACE_DIRECTED && is_of_set(entry, action->set) &&
                    place_is_of(entry->component, action->component))
                        return action;
        }
        return NULL;
}

static void put_directories(Put *put, const WriterRestore *restore, const RestorePlan *plan,
                            const RestoreStep *step, bool again) {
        for (size_t i = 0; i < restore->n_files; i++) {
                const SavedFile *file = &restore->files[again ? restore->n_files - 1 - i : i];
                const RestoreAction *action;
                _cleanup_(freep) char *place = NULL;
                int r;

                if (file->entry.kind != WALK_DIRECTORY ||
                    !place_is_of(file->stored->component, step->component))
                        continue;
                action = find_set_action(plan, step, &file->entry);
                place = action ? place_find(file->entry.path, action) : NULL;
                /* What was a mount point is one again some day. */
                if (!place || (file->entry.kind == WALK_MOUNT_POINT && access(place, F_OK) == 0))
                        continue;
                r = put_directory(put->root_fd, place + 1, &file->entry.meta);
                if (r < 0 && !again)
                        fail_file(put, place, "the directory cannot be made: %s", strerror(-r));
        }
}

static void put_file_everywhere(Put *put, const RestorePlan *plan, const RestoreStep *step,
                                const SavedFile *file) {
        size_t from = 0;

        for (;;) {
                ssize_t index = restore_plan_find(plan, step, file->entry.path, from);
                const RestoreAction *action = index < 0 ? NULL : restore_plan_action(plan, (size_t)index);
                _cleanup_(freep) char *place = action ? place_find(file->entry.path, action) : NULL;

                if (!action)
                        return;
                if (place)
                        put_entry(put, file, action, place);
                else
                        fail_file(put, file->entry.path, "its place in %s cannot be found",
                                  action->destination);
                from = (size_t)index + 1;
        }
}

/* Writers are told what is on the disk. */
static void flush(Put *put) {
        int r = put_sync(&put->later);

        if (r < 0)
                fail_file(put, "/", "what was restored cannot be written to the disk: %s", strerror(-r));
}

static void conclude(StepResult *result) {
        result->status = result->n_failed == 0 && result->n_staged == 0 ? VSS_RS_ALL
                         : result->n_written > 0                        ? VSS_RS_FAILED
                                                                        : VSS_RS_NONE;
}

void restore_put_step(WriterRestore *restore, const RestorePlan *plan, const RestoreStep *step,
                      StepResult *ret_result) {
        Put put = { .requester = restore->requester,
                    .writer = restore->name,
                    .root_fd = restore->root_fd,
                    .staging_fd = restore->staging_fd,
                    .pending = restore->pending,
                    .result = ret_result };

        *ret_result = (StepResult){ 0 };
        put_directories(&put, restore, plan, step, false);
        for (size_t i = 0; i < restore->n_files; i++) {
                const SavedFile *file = &restore->files[i];

                if (file->entry.kind != WALK_DIRECTORY && file->entry.kind != WALK_MOUNT_POINT &&
                    place_is_of(file->stored->component, step->component))
                        put_file_everywhere(&put, plan, step, file);
        }
        put_directories(&put, restore, plan, step, true);
        flush(&put);
        conclude(ret_result);
}

int restore_put_back(WriterRestore *restore, const SavedFile *file) {
        StepResult result = { 0 };
        Put put = { .requester = restore->requester,
                    .writer = restore->name,
                    .root_fd = restore->root_fd,
                    .staging_fd = -1,
                    .result = &result };
        const char *slash = strrchr(file->entry.path, '/');
        _cleanup_(freep) char *directory = strndup(file->entry.path,
                                                   (size_t)MAX(slash - file->entry.path, 1));
        const char *why = directory ? restore_refuse(restore, RESTORE_PLACE_ORIGINAL, directory) : NULL;

        if (why)
                fail_file(&put, file->entry.path, "%s", why);
        else if (directory)
                put_entry(&put, file, NULL, file->entry.path);
        flush(&put);
        return result.n_failed > 0 || !directory ? -EIO : 0;
}

void restore_put_all(Requester *requester, const StoreComponent *stored, StepResult *ret_result) {
        WriterRestore restore = { .requester = requester, .name = "-" };
        Put put = { .requester = requester, .writer = "-", .staging_fd = -1, .result = ret_result };
        Load load = { .restore = &restore, .stored = stored };
        _cleanup_(closep) int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd = store_open_list(stored);
        unsigned line = 0;
        int r = fd < 0 ? fd : list_read(fd, load_entry, &load, &line);

        *ret_result = (StepResult){ 0 };
        put.root_fd = root_fd;
        if (r < 0 || root_fd < 0)
                fail_file(&put, stored->directory, "its list, line %u: %s", line,
                          strerror(r < 0 ? -r : errno));
        for (size_t i = 0; i < 2 * restore.n_files; i++) {
                bool again = i >= restore.n_files;
                const SavedFile *file = &restore.files[again ? 2 * restore.n_files - 1 - i : i];
                const char *path = file->entry.path;

                if (file->entry.kind != WALK_DIRECTORY) {
                        if (!again)
                                put_entry(&put, file, NULL, path);
                        continue;
                }
                r = put_directory(root_fd, path + 1, &file->entry.meta);
                if (r < 0 && !again)
                        fail_file(&put, path, "the directory cannot be made: %s", strerror(-r));
        }
        flush(&put);
        for (size_t i = 0; i < restore.n_files; i++)
                list_entry_clear(&restore.files[i].entry);
        free(restore.files);
        conclude(ret_result);
}
