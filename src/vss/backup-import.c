/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A backup of a set that another machine made
 *
 * Paths are those of that machine. Where a mount point of it does not exist here, an empty directory is made
 * for the time of the backup: what is mounted on it is seen in the view alone.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "model/path.h"
#include "vss/backup-import.h"
#include "vss/backup-internal.h"
#include "vss/host.h"
#include "vss/json.h"
#include "vss/report.h"
#include "vss/transport.h"

const char *import_host(const Metadata *metadata) {
        return vss_value_get_string(metadata->manifest, "host",
                                    vss_value_get_string(metadata->parsed, "host", ""));
}

bool import_has_components(const Metadata *metadata) {
        const vss_value *writers = vss_value_get(metadata->parsed, "writers");

        /* Of whole volumes the document may have those that happened to lie on them. */
        if (!vss_value_get_boolean(metadata->parsed, "select-components", false))
                return false;
        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (vss_value_count(vss_value_get(vss_value_at(writers, i), "components")) > 0)
                        return true;
        return false;
}

vss_value *import_writer_metadata(const Backup *backup) {
        const Metadata *metadata = backup->options->import;
        _cleanup_value_ vss_value *writers = vss_value_new_list();

        for (size_t i = 0; i < metadata->n_writers; i++)
                if (vss_value_append(writers, vss_value_copy(metadata->writers[i].parsed)) < 0)
                        return NULL;
        return TAKE_PTR(writers);
}

/* ---- where the volumes are to be seen ---- */

static bool lies_in_another(const Backup *backup, const BackupVolume *volume) {
        for (size_t i = 0; i < backup->n_volumes; i++)
                if (strcmp(backup->volumes[i].target, volume->target) != 0 &&
                    path_is_within(volume->target, backup->volumes[i].target))
                        return true;
        return false;
}

static int make_targets(Backup *backup) {
        for (size_t i = 0; i < backup->n_volumes; i++) {
                const BackupVolume *volume = &backup->volumes[i];
                int r;

                if (strings_contain(&backup->system_live, volume->target))
                        return cli_error_remedy(
                                backup->cli, VSS_E_INVALID_XML_DOCUMENT, volume->target,
                                "Take the documents as they were saved.",
                                "the documents want this to be covered by a shadow copy, and "
                                "every command here needs it");
                if (lies_in_another(backup, volume))
                        continue;
                r = import_places_make(&backup->places, volume->target);
                if (r < 0)
                        return cli_error_remedy(
                                backup->cli, VSS_E_UNEXPECTED, volume->target,
                                r == -ENOTDIR || r == -ELOOP
                                        ? "Make it a directory here, without symbolic links on the way."
                                        : "Make this directory here.",
                                "the files lay there on %s, and there can be no such directory here: %s",
                                *import_host(backup->options->import) ? import_host(backup->options->import)
                                                                      : "the other machine",
                                strerror(-r));
        }
        return EXIT_DONE;
}

/* ---- what the documents say ---- */

static int take_volumes(Backup *backup) {
        const vss_value *snapshots = vss_value_get(backup->options->import->parsed, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);
                const char *volume = vss_value_get_string(snapshot, "volume", "");
                int status;

                if (!path_is_normal(volume))
                        return cli_error_remedy(backup->cli, VSS_E_INVALID_XML_DOCUMENT, volume,
                                                "Take the documents as they were saved.",
                                                "this is no path that files could have lain at");
                status = backup_remember_volume(backup, volume, vss_value_get_string(snapshot, "below", ""),
                                                vss_value_get_string(snapshot, "id", ""));

                if (status != EXIT_DONE)
                        return status;
                if (strings_add_once(&backup->wanted, volume) < 0)
                        return cli_out_of_memory(backup->cli);
        }
        return EXIT_DONE;
}

static int add_chosen(Selection *selection, const char *writer, const vss_value *component) {
        Chosen *items = reallocarray(selection->items, selection->n + 1, sizeof(*items)), *item;

        if (!items)
                return -ENOMEM;
        selection->items = items;
        item = &items[selection->n++];
        *item = (Chosen){ strdup(writer), strdup(vss_value_get_string(component, "logical-path", "")),
                          strdup(vss_value_get_string(component, "name", "")) };
        return item->writer && item->logical_path && item->name ? 0 : -ENOMEM;
}

/* As it stood when the documents were saved: a component that had failed by then is no success here. */
static int add_component(vss_value *list, const char *writer, const vss_value *component) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        const vss_value *failure = vss_value_get(component, "failure");

        if (vss_value_set_string(entry, "writer", writer) < 0 ||
            vss_value_set_string(entry, "logical-path",
                                 vss_value_get_string(component, "logical-path", "")) < 0 ||
            vss_value_set_string(entry, "name", vss_value_get_string(component, "name", "")) < 0 ||
            vss_value_set_integer(entry, "code", vss_value_get_integer(failure, "code", 0)) < 0 ||
            vss_value_set_string(entry, "reason", vss_value_get_string(failure, "message", "")) < 0)
                return -ENOMEM;
        return vss_value_append(list, TAKE_PTR(entry)) < 0 ? -ENOMEM : 0;
}

static int take_components(Backup *backup) {
        const vss_value *writers = vss_value_get(backup->options->import->parsed, "writers");
        vss_value *list = value_require(backup->set, "components", VSS_KIND_LIST);
        int r = list ? 0 : -ENOMEM;

        if (!import_has_components(backup->options->import))
                return r < 0 ? cli_out_of_memory(backup->cli) : EXIT_DONE;
        for (size_t i = 0; r == 0 && i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i),
                                *components = vss_value_get(writer, "components");
                const char *name = vss_value_get_string(writer, "name", "");

                for (size_t k = 0; r == 0 && k < vss_value_count(components); k++) {
                        r = add_chosen(&backup->selection, name, vss_value_at(components, k));
                        if (r == 0)
                                r = add_component(list, name, vss_value_at(components, k));
                }
        }
        return r < 0 ? cli_out_of_memory(backup->cli) : EXIT_DONE;
}

/* Those that failed in the set: the index says so. */
static int take_failures(Backup *backup) {
        const vss_value *manifest = backup->options->import->manifest,
                        *writers = vss_value_get(manifest, "writers");
        vss_value *list = value_require(backup->set, "writers", VSS_KIND_LIST);

        if (!list ||
            vss_value_set_string(backup->set, "set",
                                 vss_value_get_string(backup->options->import->parsed, "set", "")) < 0 ||
            vss_value_set_string(backup->set, "host", import_host(backup->options->import)) < 0 ||
            (vss_value_get(manifest, "level") &&
             vss_value_set_string(backup->set, "level", vss_value_get_string(manifest, "level", "")) < 0))
                return cli_out_of_memory(backup->cli);
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                _cleanup_value_ vss_value *entry = vss_value_new_dict();
                const char *failed = vss_value_get_string(vss_value_at(writers, i), "failed", NULL);

                if (vss_value_set_string(entry, "name",
                                         vss_value_get_string(vss_value_at(writers, i), "name", "")) < 0 ||
                    vss_value_set_integer(entry, "code", failed ? VSS_E_WRITERERROR_NONRETRYABLE : 0) < 0 ||
                    vss_value_set_string(entry, "message", failed ?: "") < 0 ||
                    vss_value_append(list, TAKE_PTR(entry)) < 0)
                        return cli_out_of_memory(backup->cli);
        }
        return EXIT_DONE;
}

static int check_paths(Backup *backup) {
        for (size_t i = 0; i < backup->options->paths.n; i++) {
                const char *path = backup->options->paths.items[i];

                if (!path_is_normal(path))
                        return cli_usage(backup->cli,
                                         "%s: name paths as they are on the other machine, from / on", path);
                if (strings_add_once(&backup->asked, path) < 0)
                        return cli_out_of_memory(backup->cli);
        }
        return EXIT_DONE;
}

static int check_asked(Backup *backup) {
        for (size_t i = 0; i < backup->asked.n; i++)
                if (path_longest_base(backup->asked.items[i], &backup->wanted) == 0)
                        return cli_error_remedy(backup->cli, VSS_E_OBJECT_NOT_FOUND, backup->asked.items[i],
                                                "Name paths on its volumes: vss import shows them.",
                                                "this does not lie on a volume of the set");
        return EXIT_DONE;
}

static int refuse_part(Backup *backup) {
        return cli_error_remedy(
                backup->cli, VSS_E_SOME_SNAPSHOTS_NOT_IMPORTED, NULL,
                "See above for the reasons; what was imported is deleted.",
                "%zu of %zu shadow copies were not imported, and the backup would not be whole",
                vss_value_count(vss_value_get(backup->set, "failed")),
                vss_value_count(vss_value_get(backup->set, "failed")) +
                        vss_value_count(vss_value_get(backup->set, "snapshots")));
}

int import_make(Backup *backup) {
        int status = check_paths(backup);

        if (status == EXIT_DONE && system_directories(&backup->system_live) < 0)
                status = cli_out_of_memory(backup->cli);
        /* What can be refused is refused before: a copy is imported once. */
        if (status == EXIT_DONE)
                status = take_volumes(backup);
        if (status == EXIT_DONE)
                status = check_asked(backup);
        if (status == EXIT_DONE)
                status = make_targets(backup);
        if (status == EXIT_DONE)
                status = transport_import(backup->cli, backup->options->import, backup->options->label,
                                          backup->options->lease, &backup->session, &backup->set);
        if (status == EXIT_PARTLY)
                status = refuse_part(backup);
        if (status == EXIT_DONE)
                status = take_components(backup);
        if (status == EXIT_DONE)
                status = take_failures(backup);
        return status == EXIT_DONE ? backup_check_interrupt(backup) : status;
}

int import_take_writers(Backup *backup, Metadata *metadata) {
        const Metadata *import = backup->options->import;

        (void)vss_value_free(metadata->manifest);
        metadata->manifest = vss_value_copy(import->manifest);
        metadata->writers = calloc(import->n_writers + 1, sizeof(*metadata->writers));
        if (!metadata->writers || !metadata->manifest)
                return cli_out_of_memory(backup->cli);
        for (size_t i = 0; i < import->n_writers; i++) {
                MetadataWriter *writer = &metadata->writers[metadata->n_writers++];
                const char *failed = report_writer_failure(backup->set, import->writers[i].name);

                writer->name = strdup(import->writers[i].name);
                writer->text = strndup(import->writers[i].text, import->writers[i].size);
                writer->size = import->writers[i].size;
                writer->failed = failed ? strdup(failed) : NULL;
                if (!writer->name || !writer->text || (failed && !writer->failed))
                        return cli_out_of_memory(backup->cli);
        }
        return EXIT_DONE;
}

/* ---- the end ---- */

/* Those that outlive the session. Return: the failure of the call, or VSS_S_OK. */
static vss_result delete_copies(Backup *backup, bool wait, vss_value **ret_result) {
        const vss_value *snapshots = vss_value_get(backup->set, "snapshots");
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        _cleanup_async_ vss_async *async = NULL;
        vss_value *ids = value_require(selection, "snapshots", VSS_KIND_LIST);
        size_t n = 0;
        vss_result r;

        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                if (!(vss_value_get_integer(snapshot, "context", 0) & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE))
                        continue;
                if (!ids || value_append_string(ids, vss_value_get_string(snapshot, "id", "")) < 0)
                        return VSS_E_OUTOFMEMORY;
                n++;
        }
        if (n == 0)
                return VSS_S_OK;
        r = vss_service_delete_snapshots(backup->cli->service, selection, &async);
        if (r >= 0)
                r = wait ? cli_wait(backup->cli, async, "deleting the shadow copies", ret_result)
                         : cli_wait_at_end(async);
        return r;
}

static void forget(Backup *backup) {
        backup->session = vss_session_release(backup->session);
        import_places_remove(&backup->places);
}

int import_end(Backup *backup) {
        _cleanup_value_ vss_value *result = NULL;
        const vss_value *failed;
        vss_result r = delete_copies(backup, true, &result);

        forget(backup);
        if (r != VSS_S_OK)
                return cli_fail(backup->cli, r);
        failed = vss_value_get(result, "failed");
        for (size_t i = 0; i < vss_value_count(failed); i++)
                cli_note("%s: could not be deleted: %s",
                         vss_value_get_string(vss_value_at(failed, i), "id", "?"),
                         vss_value_get_string(vss_value_at(failed, i), "reason", "no reason given"));
        return vss_value_count(failed) > 0 ? EXIT_PARTLY : EXIT_DONE;
}

void import_dispose(Backup *backup) {
        if (backup->session && !backup->cli->service_lost)
                (void)delete_copies(backup, false, NULL);
        forget(backup);
}

int import_complete(Backup *backup, bool succeeded) {
        vss_value *components = value_get_mutable(backup->set, "components");

        for (size_t i = 0; i < vss_value_count(components); i++) {
                vss_value *component = value_at_mutable(components, i);
                const char *writer = vss_value_get_string(component, "writer", ""),
                           *logical_path = vss_value_get_string(component, "logical-path", ""),
                           *name = vss_value_get_string(component, "name", "");
                bool well = succeeded && !report_component_failed(backup->set, writer, logical_path, name);
                int status = backup_set_succeeded(backup, writer, logical_path, name, well);

                if (status != EXIT_DONE)
                        return status;
                if (vss_value_set_boolean(component, "succeeded", well) < 0)
                        return cli_out_of_memory(backup->cli);
        }
        return import_end(backup);
}

/* ---- the answer to another machine ---- */

int import_answer_fd(void) {
        const char *text = getenv(HOST_CHANNEL_VARIABLE);
        char *end;
        long fd = text ? strtol(text, &end, 10) : -1;
        bool valid = text && *text && !*end && fd > 2 && fd <= INT32_MAX &&
                     fcntl((int)fd, F_SETFD, FD_CLOEXEC) >= 0;

        (void)unsetenv(HOST_CHANNEL_VARIABLE);
        return valid ? (int)fd : -1;
}

void import_answer(Cli *cli, int fd, const vss_value *answer) {
        json_t *json = fd >= 0 ? json_from_value(answer) : NULL;

        if (json && json_dumpfd(json, fd, JSON_COMPACT) < 0)
                cli_note("the other machine cannot be told how it went: %s", strerror(errno));
        json_decref(json);
}
