/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The end of a backup: its documents, and what its writers are told
 */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include "vss/backup-import.h"
#include "vss/backup-internal.h"
#include "vss/report.h"

/* BackupComplete goes on after a writer's failure. */
static int tell_failed_writers(const vss_value *result) {
        const vss_value *writers = vss_value_get(result, "writers");
        int status = EXIT_DONE;

        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);

                if (vss_value_get_integer(writer, "state", 0) != VSS_WS_FAILED_AT_BACKUP_COMPLETE)
                        continue;
                cli_note("%s: failed when it was told that the backup is complete: %s",
                         vss_value_get_string(writer, "name", "?"),
                         vss_value_get_string(writer, "message", ""));
                status = EXIT_PARTLY;
        }
        return status;
}

/* Whole volumes have no components whose failure could be told: the writers are told that the backup has
 * ended. */
static int abort_backup(Cli *cli, vss_session *session) {
        _cleanup_async_ vss_async *async = NULL;
        vss_result r = vss_session_abort_backup(session, &async);

        if (r >= 0)
                r = cli_wait(cli, async, "telling the writers", NULL);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(cli, r);
}

vss_result session_give_up(vss_session *session) {
        return vss_session_abort_backup(session, NULL);
}

static int set_succeeded(Cli *cli, vss_session *session, const char *writer, const char *logical_path,
                         const char *name, bool succeeded) {
        vss_result r = vss_session_set_backup_succeeded(session, writer, logical_path, name, succeeded);

        return r < 0 ? cli_fail(cli, r) : EXIT_DONE;
}

static int end_session(Cli *cli, vss_session *session) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_value_ vss_value *result = NULL;
        vss_result r = vss_session_backup_complete(session, &async);

        if (r >= 0)
                r = cli_wait(cli, async, "telling the writers", &result);
        if (r == VSS_E_SNAPSHOT_LOST) {
                (void)cli_fail(cli, r);
                (void)session_give_up(session);
                return EXIT_FAILED;
        }
        if (r != VSS_S_OK)
                return cli_fail(cli, r);
        return tell_failed_writers(result);
}

int session_complete(Cli *cli, vss_session *session, const Selection *selection, const vss_value *set,
                     bool succeeded) {
        if (!succeeded && selection->n == 0)
                return abort_backup(cli, session);
        for (size_t i = 0; i < selection->n; i++) {
                const Chosen *chosen = &selection->items[i];
                bool component_succeeded = succeeded &&
                                           !report_component_failed(set, chosen->writer,
                                                                    chosen->logical_path, chosen->name);
                int status = set_succeeded(cli, session, chosen->writer, chosen->logical_path, chosen->name,
                                           component_succeeded);

                if (status != EXIT_DONE)
                        return status;
        }
        return end_session(cli, session);
}

int backup_set_succeeded(Backup *backup, const char *writer, const char *logical_path, const char *name,
                         bool succeeded) {
        return set_succeeded(backup->cli, backup->session, writer, logical_path, name, succeeded);
}

int backup_end(Backup *backup) {
        if (backup->options->import)
                return import_end(backup);
        if (backup->options->context & VSS_VOLSNAP_ATTR_NO_WRITERS)
                return EXIT_DONE;
        return end_session(backup->cli, backup->session);
}

int backup_complete(Backup *backup, bool succeeded) {
        if (backup->options->import)
                return import_complete(backup, succeeded);
        /* Without writers there is nobody to be told. */
        if (backup->options->context & VSS_VOLSNAP_ATTR_NO_WRITERS)
                return EXIT_DONE;
        return session_complete(backup->cli, backup->session, &backup->selection, backup->set, succeeded);
}

/* ---- documents ---- */

static int take_document(Backup *backup, Metadata *metadata) {
        vss_result r = vss_session_save_as_xml(backup->session, &metadata->document, &metadata->size);

        return r < 0 ? cli_fail(backup->cli, r) : EXIT_DONE;
}

/* Whoever imports the set has to know whose data in it is as an application left it. */
static int take_failure(const Backup *backup, MetadataWriter *writer) {
        const char *reason = report_writer_failure(backup->set, writer->name);

        if (!reason)
                return 0;
        writer->failed = strdup(*reason ? reason : "it failed in the set");
        return writer->failed ? 0 : -ENOMEM;
}

static int take_writers(Backup *backup, Metadata *metadata) {
        _cleanup_value_ vss_value *writers = NULL;
        vss_result r = vss_session_get_writer_metadata(backup->session, &writers);

        if (r < 0)
                return cli_fail(backup->cli, r);
        metadata->writers = calloc(vss_value_count(writers) + 1, sizeof(*metadata->writers));
        if (!metadata->writers)
                return cli_out_of_memory(backup->cli);
        for (size_t i = 0; i < vss_value_count(writers) && i < METADATA_WRITERS_MAX; i++) {
                const char *name = vss_value_get_string(vss_value_at(writers, i), "name", "");
                MetadataWriter *writer = &metadata->writers[metadata->n_writers++];

                r = vss_session_save_writer_metadata(backup->session, name, &writer->text, &writer->size);
                if (r < 0)
                        return cli_fail(backup->cli, r);
                writer->name = strdup(name);
                if (!writer->name || take_failure(backup, writer) < 0)
                        return cli_out_of_memory(backup->cli);
        }
        return EXIT_DONE;
}

/* The set and its copies for the index; aliases are the caller's. */
static int take_index(Backup *backup, vss_value *manifest) {
        const vss_value *snapshots = vss_value_get(backup->set, "snapshots");
        vss_value *list = value_require(manifest, "snapshots", VSS_KIND_LIST);
        char host[HOST_NAME_MAX + 1] = "";

        (void)gethostname(host, sizeof(host) - 1);
        if (!list ||
            vss_value_set_string(manifest, "set", vss_value_get_string(backup->set, "set", "")) < 0 ||
            vss_value_set_string(manifest, "level", vss_value_get_string(backup->set, "level", "")) < 0 ||
            vss_value_set_string(manifest, "host", host) < 0)
                return cli_out_of_memory(backup->cli);
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);
                _cleanup_value_ vss_value *entry = vss_value_new_dict();

                if (vss_value_set_string(entry, "id", vss_value_get_string(snapshot, "id", "")) < 0 ||
                    vss_value_set_string(entry, "alias", "") < 0 ||
                    vss_value_set_string(entry, "volume", vss_value_get_string(snapshot, "volume", "")) <
                            0 ||
                    vss_value_set_string(entry, "provider", vss_value_get_string(snapshot, "provider", "")) <
                            0 ||
                    vss_value_append(list, TAKE_PTR(entry)) < 0)
                        return cli_out_of_memory(backup->cli);
        }
        return EXIT_DONE;
}

int backup_take_documents(Backup *backup, Metadata *metadata) {
        int status;

        metadata->manifest = vss_value_new_dict();
        status = metadata->manifest ? take_document(backup, metadata) : cli_out_of_memory(backup->cli);
        if (status == EXIT_DONE && backup->options->import)
                return import_take_writers(backup, metadata);
        if (status == EXIT_DONE && !(backup->options->context & VSS_VOLSNAP_ATTR_NO_WRITERS))
                status = take_writers(backup, metadata);
        return status == EXIT_DONE ? take_index(backup, metadata->manifest) : status;
}

int backup_save_documents(Backup *backup, const char *directory, const vss_value *aliases) {
        _cleanup_(metadata_clear) Metadata metadata = {};
        int status = backup_take_documents(backup, &metadata);

        if (status == EXIT_DONE && aliases &&
            vss_value_set(metadata.manifest, "aliases", vss_value_copy(aliases)) < 0)
                return cli_out_of_memory(backup->cli);
        return status == EXIT_DONE ? metadata_save(backup->cli, directory, &metadata) : status;
}

int backup_save_again(Backup *backup, const char *directory) {
        _cleanup_(metadata_clear) Metadata metadata = {};
        int status = take_document(backup, &metadata);

        return status == EXIT_DONE
                       ? metadata_replace_document(backup->cli, directory, metadata.document, metadata.size)
                       : status;
}
