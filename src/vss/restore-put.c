/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss restore --writer: the files of components, from the point to where the plan says
 *
 * A component is restored wholly or not at all; what became of its files is told to its writer, and to
 * people.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "files/locate.h"
#include "model/component.h"
#include "restore/place.h"
#include "restore/unit-control.h"
#include "vss/restore-writers.h"

DEFINE_CLEANUP(RestorePlan *, restore_plan_free)

typedef struct Items {
        ExtractItem *items;
        char **places; /* owned */
        size_t n, capacity;
} Items;

typedef struct Outcome {
        size_t n_written, n_failed, n_staged;
} Outcome;

static void items_clear(Items *items) {
        for (size_t i = 0; i < items->n; i++)
                free(items->places[i]);
        free(items->places);
        free(items->items);
        *items = (Items){};
}

/* Takes @place over. */
static int items_add(Items *items, const char *path, char *place) {
        if (place && items->n == items->capacity) {
                size_t more = MAX(items->capacity * 2, (size_t)64);
                ExtractItem *list = reallocarray(items->items, more, sizeof(*list));
                char **places = list ? reallocarray(items->places, more, sizeof(*places)) : NULL;

                items->items = list ?: items->items;
                items->places = places ?: items->places;
                if (!list || !places) {
                        free(place);
                        return -ENOMEM;
                }
                items->capacity = more;
        }
        if (!place)
                return -ENOMEM;
        items->items[items->n] = (ExtractItem){ path, place + strspn(place, "/") };
        items->places[items->n++] = place;
        return 0;
}

/* What goes where it was. Takes @path over. */
static int items_add_itself(Items *items, char *path) {
        return items_add(items, path, path);
}

/* ---- facts for the plan ---- */

static const char *from_environment(void *userdata, const char *name) {
        return getenv(name);
}

static bool is_of(const WriterPart *part, const RecordFile *file) {
        return strcmp(file->writer, part->name) == 0;
}

static RestoreFacts look(void *userdata, const vss_value *component, const vss_value *set,
                         const char *directory) {
        const WriterPart *part = userdata;
        RestoreFacts facts = { .replaceable = true };
        _cleanup_(freep) char *real = locate_resolve(directory), *source = NULL;

        /* What cannot be looked at counts as being there. */
        if (!real || filespec_expand(file_set_path(set), from_environment, NULL, &source, NULL) < 0)
                return (RestoreFacts){ .exists = true, .replaceable = false };
        for (size_t i = 0; i < part->all->record.n; i++) {
                const RecordFile *file = &part->all->record.files[i];
                _cleanup_(freep) char *place = NULL;
                PutFacts now;

                if (file->directory || !is_of(part, file) || !place_is_of(file->component, component) ||
                    strcmp(file->pattern, file_set_filespec(set)) != 0 ||
                    file->recursive != file_set_is_recursive(set))
                        continue;
                place = place_below(file->path, source, real);
                if (!place || put_examine(part->all->root_fd, place + 1, &now) < 0)
                        continue;
                facts.exists = facts.exists || now.exists;
                if (!now.replaceable) {
                        facts.replaceable = false;
                        cli_note("%s cannot be replaced: %s", place, now.reason);
                }
        }
        return facts;
}

static const char *refuse(void *userdata, RestorePlace place, const char *directory) {
        WriterPart *part = userdata;

        /* New targets were named by whoever runs this; directed ones by the running writer, and the service
         * has judged them. */
        if (place == RESTORE_PLACE_NEW_TARGET || (place == RESTORE_PLACE_DIRECTED && part->present))
                return NULL;
        return vouch_refuse(&part->vouch, directory);
}

void restore_control_unit(WriterPart *part, const char *verb, const char *unit) {
        Restore *restore = part->all->restore;
        int r;

        if (!unit || !*unit)
                return;
        if (restore->dry_run) {
                cli_note("%s: systemctl %s %s would be run", part->name, verb, unit);
                return;
        }
        if (!vouch_has_unit(&part->vouch, unit)) {
                restore_complain(
                        restore,
                        "%s: %s %s: its descriptor (Units=) does not have this unit; it is left alone",
                        part->name, verb, unit);
                return;
        }
        r = unit_control(verb, unit);
        if (r == -ENOENT)
                restore_complain(restore, "%s: %s %s by hand: systemd does not run here", part->name, verb,
                                 unit);
        else if (r < 0)
                restore_complain(restore, "%s: systemctl %s %s has failed", part->name, verb, unit);
}

/* ---- files ---- */

static int extract(WriterPart *part, const Items *items, int root_fd, Outcome *outcome) {
        Restore *restore = part->all->restore;
        ExtractOptions options = restore_extract_options(restore);
        ExtractCounts counts = {};
        Why why = {};
        int r;

        if (items->n == 0)
                return EXIT_DONE;
        options.target_fd = root_fd;
        options.overwrite = EXTRACT_ALWAYS;
        r = extract_items(restore->repo, &restore->point->tree, &options, items->items, items->n, &why,
                          &counts);
        outcome->n_written += counts.files + counts.others;
        outcome->n_failed += counts.errors;
        restore->counts.files += counts.files;
        restore->counts.others += counts.others;
        restore->counts.directories += counts.directories;
        restore->counts.bytes += counts.bytes;
        restore->counts.replaced += counts.replaced;
        restore->counts.verified += counts.verified;
        restore->counts.bytes_verified += counts.bytes_verified;
        restore->counts.errors += counts.errors;
        if (r == 0)
                return EXIT_DONE;
        outcome->n_failed++;
        return r == -ECANCELED ? cli_fail_repository(restore->cli, r, &why)
                               : (restore_complain(restore, "%s: %s", part->name,
                                                   *why.text ? why.text : strerror(-r)),
                                  EXIT_DONE);
}

/* Parts of the file in the point, into one that is there: where its writer has directed them. */
static void put_parts(WriterPart *part, const RecordFile *file, const char *ranges, const char *to_ranges,
                      const char *place, Outcome *outcome) {
        Restore *restore = part->all->restore;
        _cleanup_(freep) PutRange *parts = NULL;
        _cleanup_(freep) uint64_t *offsets = NULL;
        _cleanup_(closep) int fd = open("/var/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        const char *problem = NULL;
        size_t n = 0;
        Why why = {};
        int r = place_pair_ranges(ranges, to_ranges, &parts, &offsets, &n);

        if (r == -EBADMSG)
                problem = "its ranges do not fit together";
        if (r == 0 && fd < 0)
                r = -errno;
        if (r == 0)
                r = extract_content(restore->repo, &restore->point->tree, file->tree_path, fd, &why);
        if (r == 0) {
                r = put_ranges(part->all->root_fd, place + 1, fd, parts, offsets, n);
                if (r == -ENOENT)
                        problem = "its writer wants parts of a file put into this one, which is not there";
        }
        if (r < 0) {
                restore_complain(restore, "%s: %s: %s", part->name, place,
                                 problem     ? problem
                                 : *why.text ? why.text
                                             : strerror(-r));
                outcome->n_failed++;
        } else {
                outcome->n_written++;
        }
}

static int stage(WriterPart *part, Items *staged, const RecordFile *file, char *place) {
        if (part->all->staging_fd < 0) {
                restore_complain(part->all->restore,
                                 "%s: %s can only be replaced at the next start, and there is no --staging "
                                 "DIRECTORY for it",
                                 part->name, place);
                free(place);
                return -EBUSY;
        }
        if (fprintf(part->all->pending, "rename %s\n", place) < 0) {
                free(place);
                return -EIO;
        }
        return items_add(staged, file->tree_path, place);
}

/* One saved file to wherever the plan has it; it may be several places. */
static void place_file(WriterPart *part, const RestorePlan *plan, const RestoreStep *step,
                       const RecordFile *file, Items *now, Items *staged, Outcome *outcome) {
        size_t from = 0;

        for (;;) {
                ssize_t index = restore_plan_find(plan, step, file->path, from);
                const RestoreAction *action = index < 0 ? NULL : restore_plan_action(plan, (size_t)index);
                char *place = action ? place_find(file->path, action) : NULL;
                /* The ranges of the backup do not count: the point has the whole file. */
                const char *ranges = action ? action->ranges : "";

                if (!action)
                        return;
                from = (size_t)index + 1;
                if (!place) {
                        restore_complain(part->all->restore, "%s: %s: its place in %s cannot be found",
                                         part->name, file->path, action->destination);
                        outcome->n_failed++;
                } else if (action->at_reboot && !*ranges) {
                        if (stage(part, staged, file, place) < 0)
                                outcome->n_failed++;
                        else
                                outcome->n_staged++;
                } else if (*ranges) {
                        put_parts(part, file, ranges, action->destination_ranges ?: "", place, outcome);
                        free(place);
                } else if (items_add(now, file->tree_path, place) < 0) {
                        outcome->n_failed++;
                }
        }
}

/* A directory goes where what is in it goes. */
static void place_directory(const RestorePlan *plan, const RestoreStep *step, const RecordFile *file,
                            Items *now) {
        for (size_t i = step->first; i < step->first + step->n; i++) {
                const RestoreAction *action = restore_plan_action(plan, i);
                char *place;

                if (action->place == RESTORE_PLACE_DIRECTED || action->at_reboot ||
                    strcmp(action->filespec, file->pattern) != 0 ||
                    !place_is_of(file->component, action->component))
                        continue;
                place = place_find(file->path, action);
                if (place && items_add(now, file->tree_path, place) == 0)
                        return;
        }
}

/* The file that holds the ranges of a partial file; NULL: they are in none, or it was not saved. */
static const RecordFile *find_ranges_file(const WriterPart *part, const vss_value *partial) {
        const char *ranges = vss_value_get_string(partial, "ranges", "");
        const Record *record = &part->all->record;

        for (size_t i = 0; strncmp(ranges, "File=", 5) == 0 && i < record->n; i++)
                if (is_of(part, &record->files[i]) && record->files[i].ok &&
                    strcmp(record->files[i].path, ranges + 5) == 0)
                        return &record->files[i];
        return NULL;
}

/* Writers may read it again, so it goes back even if no file set has it. */
static void place_ranges_files(WriterPart *part, const RestorePlan *plan, const RestoreStep *step,
                               Items *now, Outcome *outcome) {
        const vss_value *partial = vss_value_get(step->component, "partial-files");

        for (size_t i = 0; i < vss_value_count(partial); i++) {
                const RecordFile *file = find_ranges_file(part, vss_value_at(partial, i));
                _cleanup_(freep) char *directory =
                        file ? strndup(file->path, (size_t)(strrchr(file->path, '/') - file->path)) : NULL;
                const char *refused = directory ? vouch_refuse(&part->vouch, directory) : NULL;

                if (!file || restore_plan_find(plan, step, file->path, 0) >= 0)
                        continue;
                if (!directory || refused)
                        restore_complain(part->all->restore, "%s: %s: %s", part->name, file->path,
                                         refused ?: "out of memory");
                if (!directory || refused || items_add(now, file->tree_path, strdup(file->path)) < 0)
                        outcome->n_failed++;
        }
}

/* What writers are told is on the disk. */
static void flush(WriterPart *part, const Items *items) {
        dev_t done = 0;

        for (size_t i = 0; i < items->n; i++) {
                _cleanup_(freep) char *near = locate_nearest(items->places[i]);
                _cleanup_(closep) int fd = near ? open(near, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                                                : -1;
                struct stat st;

                if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev == done)
                        continue;
                done = st.st_dev;
                if (syncfs(fd) < 0)
                        restore_complain(part->all->restore,
                                         "%s: what was restored cannot be written to the disk: %m", near);
        }
}

static int put_files(WriterPart *part, const RestorePlan *plan, const RestoreStep *step, Outcome *outcome) {
        const Record *record = &part->all->record;
        _cleanup_(items_clear) Items now = {}, staged = {};
        int status;

        for (size_t i = 0; i < record->n; i++) {
                const RecordFile *file = &record->files[i];

                if (!is_of(part, file) || !place_is_of(file->set, step->component))
                        continue;
                if (file->directory) {
                        place_directory(plan, step, file, &now);
                } else if (file->ok) {
                        place_file(part, plan, step, file, &now, &staged, outcome);
                } else {
                        restore_complain(part->all->restore, "%s: %s was not saved: its backup had failed",
                                         part->name, file->path);
                        outcome->n_failed++;
                }
        }
        place_ranges_files(part, plan, step, &now, outcome);
        (void)snprintf(part->all->restore->component, RESTORE_COMPONENT_SIZE, "%s:%s%s/%s", part->name,
                       *component_logical_path(step->component) ? "/" : "",
                       component_logical_path(step->component), component_name(step->component));
        status = extract(part, &now, part->all->root_fd, outcome);
        if (status == EXIT_DONE && staged.n > 0)
                status = extract(part, &staged, part->all->staging_fd, outcome);
        if (status == EXIT_DONE && !part->all->restore->dry_run)
                flush(part, &now);
        return status;
}

/* ---- steps ---- */

static enum vss_file_restore_status status_of(const Outcome *outcome) {
        return outcome->n_failed == 0 && outcome->n_staged == 0 ? VSS_RS_ALL
               : outcome->n_written > 0                         ? VSS_RS_FAILED
                                                                : VSS_RS_NONE;
}

static int add_answer(WriterPart *part, const RestoreStep *step, const char *status, const char *reason,
                      const Outcome *outcome) {
        vss_value *entry = vss_value_new_dict();

        if (!entry || vss_value_set_string(entry, "writer", part->name) < 0 ||
            vss_value_set_string(entry, "logical-path", component_logical_path(step->component)) < 0 ||
            vss_value_set_string(entry, "name", component_name(step->component)) < 0 ||
            vss_value_set_string(entry, "status", status) < 0 ||
            vss_value_set_string(entry, "reason", reason) < 0 ||
            vss_value_set_integer(entry, "files", (int64_t)outcome->n_written) < 0 ||
            vss_value_set_integer(entry, "files-failed", (int64_t)outcome->n_failed) < 0) {
                vss_value_free(entry);
                return cli_out_of_memory(part->all->restore->cli);
        }
        return vss_value_append(part->all->restore->components, entry) < 0
                       ? cli_out_of_memory(part->all->restore->cli)
                       : EXIT_DONE;
}

/* Which file sets went to a mapping, and where the ranges of partial files lie now. */
static int tell_places(WriterPart *part, const RestorePlan *plan, const RestoreStep *step) {
        const vss_value *partial = vss_value_get(step->component, "partial-files");

        for (size_t i = step->first; i < step->first + step->n; i++) {
                const RestoreAction *action = restore_plan_action(plan, i);
                vss_result r = VSS_S_OK;

                if (action->place == RESTORE_PLACE_MAPPING)
                        r = vss_session_add_alternative_location_mapping(
                                part->all->session, part->name, component_logical_path(step->component),
                                component_name(step->component),
                                vss_value_get_string(action->set, "path", ""), action->filespec,
                                action->recursive, action->destination);
                if (r < 0 && r != VSS_E_OBJECT_ALREADY_EXISTS)
                        return cli_fail(part->all->restore->cli, r);
        }
        for (size_t i = 0; i < vss_value_count(partial); i++) {
                const RecordFile *file = find_ranges_file(part, vss_value_at(partial, i));
                vss_result r = !file ? VSS_S_OK
                                     : vss_session_set_ranges_file_path(
                                               part->all->session, part->name,
                                               component_logical_path(step->component),
                                               component_name(step->component), (uint32_t)i, file->path);

                if (r < 0)
                        return cli_fail(part->all->restore->cli, r);
        }
        return EXIT_DONE;
}

static bool is_in_record(const WriterPart *part, const vss_value *component) {
        for (size_t i = 0; i < part->all->record.n; i++)
                if (is_of(part, &part->all->record.files[i]) &&
                    place_is_of(part->all->record.files[i].set, component))
                        return true;
        return false;
}

/* Why nothing of it is restored; NULL if it is. */
static const char *why_not(const WriterPart *part, const RestoreStep *step) {
        const char *failure = vss_value_get_string(step->component, "pre-restore-failure", "");

        return part->refused                          ? "its writer has refused it"
               : *failure                             ? failure
               : !is_in_record(part, step->component) ? "the point has no file of it"
               : step->outcome == RESTORE_NOTHING || step->outcome == RESTORE_BY_APPLICATION ? step->reason
                                                                                             : NULL;
}

static const char *status_name(enum vss_file_restore_status status) {
        return status == VSS_RS_ALL ? "all" : status == VSS_RS_FAILED ? "failed" : "none";
}

static int put_step(WriterPart *part, const RestorePlan *plan, const RestoreStep *step) {
        Restore *restore = part->all->restore;
        ComponentLabel label = component_label(component_logical_path(step->component),
                                               component_name(step->component));
        enum vss_file_restore_status result = VSS_RS_NONE;
        const char *why = why_not(part, step);
        Outcome outcome = {};
        int status = EXIT_DONE;
        vss_result r;

        if (why)
                restore_complain(restore, "%s:/%s: nothing %s: %s", part->name, label.text,
                                 restore->dry_run ? "would be restored" : "is restored", why);
        else {
                if (!restore->cli->json)
                        printf("%s:/%s: %s%s\n", part->name, label.text,
                               restore->dry_run ? "would be restored: " : "", step->reason);
                status = put_files(part, plan, step, &outcome);
                result = status_of(&outcome);
                if (status == EXIT_DONE && part->present && outcome.n_failed == 0 && !restore->dry_run)
                        status = tell_places(part, plan, step);
        }
        if (outcome.n_failed > 0)
                restore_complain(restore,
                                 "%s:/%s: %zu of its files could not be restored; they are named above",
                                 part->name, label.text, outcome.n_failed);
        if (outcome.n_staged > 0 || (step->reboot && outcome.n_written > 0))
                restore_complain(restore, "%s:/%s: takes effect when the machine has been started anew%s%s",
                                 part->name, label.text,
                                 outcome.n_staged > 0 ? "; what is to be renamed then is in " : "",
                                 outcome.n_staged > 0 ? restore->staging : "");
        if (add_answer(part, step, status_name(result), why ?: step->reason, &outcome) != EXIT_DONE)
                return EXIT_FAILED;
        if (!part->present || restore->dry_run)
                return status;
        /* Whatever happened: the writer hears the truth. */
        r = vss_session_set_file_restore_status(part->all->session, part->name,
                                                component_logical_path(step->component),
                                                component_name(step->component), result);
        return r < 0 && status == EXIT_DONE ? cli_fail(restore->cli, r) : status;
}

static int open_staging(ComponentRestore *all) {
        const char *directory = all->restore->staging;
        int fd;

        if (!directory || all->staging_fd >= 0 || all->restore->dry_run)
                return EXIT_DONE;
        if (mkdir(directory, 0700) < 0 && errno != EEXIST)
                return cli_error(all->restore->cli, VSS_E_ACCESSDENIED, directory, "cannot be made: %s",
                                 strerror(errno));
        all->staging_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fd = all->staging_fd < 0 ? -1
                                 : openat(all->staging_fd, ".pending",
                                          O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        all->pending = fd < 0 ? NULL : fdopen(fd, "a");
        return all->pending ? EXIT_DONE
                            : cli_error(all->restore->cli, VSS_E_ACCESSDENIED, directory,
                                        "cannot be opened: %s", strerror(errno));
}

static bool is_selected(const WriterPart *part, const RecordFile *file) {
        for (size_t i = 0; i < vss_value_count(part->components); i++) {
                const vss_value *c = vss_value_at(part->components, i);

                if (vss_value_get_boolean(c, "selected-for-restore", false) && place_is_of(file->set, c))
                        return true;
        }
        return false;
}

int restore_make_directories(WriterPart *part) {
        const Record *record = &part->all->record;
        _cleanup_(items_clear) Items items = {};
        _cleanup_(freep) char *before = NULL;
        Outcome outcome = {};

        for (size_t i = 0; i < record->n; i++) {
                const RecordFile *file = &record->files[i];
                _cleanup_(freep) char *directory = strndup(
                        file->tree_path, (size_t)(strrchr(file->tree_path, '/') - file->tree_path));

                if (!directory)
                        return cli_out_of_memory(part->all->restore->cli);
                if (!is_of(part, file) || file->directory || !*directory ||
                    (before && strcmp(before, directory) == 0) || !is_selected(part, file))
                        continue;
                free(before);
                before = strdup(directory);
                if (access(directory, F_OK) == 0 || errno != ENOENT)
                        continue;
                if (vouch_refuse(&part->vouch, directory)) {
                        restore_complain(part->all->restore,
                                         "%s: %s is not there, and nobody vouches that it is a place of "
                                         "this writer's; "
                                         "--trust-documents makes it",
                                         part->name, directory);
                        continue;
                }
                if (items_add_itself(&items, strdup(directory)) < 0)
                        return cli_out_of_memory(part->all->restore->cli);
        }
        return extract(part, &items, part->all->root_fd, &outcome);
}

/* Below a directory of the administrator's choice: the files as they were, whatever methods say. */
static int put_below_target(WriterPart *part) {
        const Record *record = &part->all->record;
        _cleanup_(items_clear) Items items = {};
        Outcome outcome = {};

        for (size_t i = 0; i < record->n; i++) {
                const RecordFile *file = &record->files[i];

                if (!is_of(part, file))
                        continue;
                if (is_selected(part, file) &&
                    items_add(&items, file->tree_path, strdup(file->tree_path)) < 0)
                        return cli_out_of_memory(part->all->restore->cli);
        }
        return extract(part, &items, part->all->root_fd, &outcome);
}

int restore_put_writer(WriterPart *part) {
        _cleanup_(restore_plan_freep) RestorePlan *plan = NULL;
        const RestorePlanInput input = { .metadata = part->metadata,
                                         .components = part->components,
                                         .writer_present = part->present,
                                         .lookup = from_environment,
                                         .look = look,
                                         .refuse = refuse,
                                         .userdata = part };
        Cli *cli = part->all->restore->cli;
        int status;

        if (!part->all->restore->original)
                return put_below_target(part);
        status = open_staging(part->all);
        if (status != EXIT_DONE)
                return status;
        /* Whoever has its files open lets go of them before it is looked at what can be replaced. */
        if (restore_plan_new(&input, &plan) < 0)
                return cli_out_of_memory(cli);
        if (restore_plan_stop_unit(plan) && !part->refused) {
                restore_control_unit(part, "stop", restore_plan_stop_unit(plan));
                plan = restore_plan_free(plan);
                if (restore_plan_new(&input, &plan) < 0)
                        return cli_out_of_memory(cli);
        }
        for (size_t i = 0; status == EXIT_DONE && i < restore_plan_count(plan); i++)
                status = put_step(part, plan, restore_plan_step(plan, i));
        if (!part->refused) {
                restore_control_unit(part, "start", restore_plan_stop_unit(plan));
                part->restart = restore_plan_restart_unit(plan);
        }
        if (part->all->pending && fflush(part->all->pending) != 0)
                restore_complain(part->all->restore, "%s cannot be written: %m",
                                 part->all->restore->staging);
        return status;
}
