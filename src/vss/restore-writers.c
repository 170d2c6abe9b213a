/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss restore --writer: components, by their documents and with their writers
 *
 * The documents and the record of files are in the point. A session is opened with them, writers hear of the
 * restore before and after, and say where files have to go; a writer that does not run changes nothing else.
 * What a document says of places counts if the writer as it runs, or its descriptor, vouches for it.
 */

#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "model/component.h"
#include "util/utf8.h"
#include "vss/output.h"
#include "vss/restore-writers.h"

void restore_complain(Restore *restore, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        vss_value *entry = vss_value_new_dict();
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        restore->partly = true;
        cli_note("%s", text ?: "out of memory");
        if (!entry || vss_value_set_string(entry, "path", "") < 0 ||
            vss_value_set_string(entry, "message", text ? text_make_utf8(text) : "out of memory") < 0)
                vss_value_free(entry);
        else
                (void)vss_value_append(restore->failed, entry);
}

const vss_value *restore_find_writer(const vss_value *writers, const char *name) {
        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (strcmp(vss_value_get_string(vss_value_at(writers, i), "name", ""), name) == 0)
                        return vss_value_at(writers, i);
        return NULL;
}

static int wait_for(ComponentRestore *all, vss_result begun, vss_async *async, const char *step,
                    vss_value **ret_result) {
        _cleanup_async_ vss_async *owned = async;
        vss_result r = begun;

        if (r >= 0)
                r = cli_wait(all->restore->cli, owned, step, ret_result);
        return r < 0 || r == VSS_S_ASYNC_CANCELLED ? cli_fail(all->restore->cli, r) : EXIT_DONE;
}

/* ---- documents ---- */

/* A directory for documents that goes again. Whatever happens to us, it is for its owner alone. */
static int make_directory(Cli *cli, char path[static 64], int *ret_fd) {
        (void)snprintf(path, 64, "%s",
                       access("/run/linuxvss", W_OK) == 0 ? "/run/linuxvss/restore-XXXXXX"
                                                          : "/tmp/vss-restore-XXXXXX");
        if (!mkdtemp(path))
                return cli_error(cli, VSS_E_ACCESSDENIED, path, "cannot be made: %s", strerror(errno));
        *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return *ret_fd < 0 ? cli_error(cli, VSS_E_ACCESSDENIED, path, "%s", strerror(errno)) : EXIT_DONE;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
        return remove(path);
}

static int load_record(ComponentRestore *all, const char *path) {
        _cleanup_(freep) char *name = NULL;
        _cleanup_(closep) int fd = -1;
        unsigned line = 0;
        int r;

        if (asprintf(&name, "%s" RESTORE_HIDDEN "/files.jsonl", path) < 0) {
                name = NULL;
                return cli_out_of_memory(all->restore->cli);
        }
        fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : record_read(fd, &all->record, &line);
        if (r == -ENOMEM)
                return cli_out_of_memory(all->restore->cli);
        if (r < 0)
                return cli_error_remedy(
                        all->restore->cli, VSS_E_INVALIDARG, RESTORE_HIDDEN "/files.jsonl",
                        "Restore the files by their paths: vss restore POINT PATH... --target DIRECTORY",
                        "line %u of the point's record of files cannot be used: %s", line, strerror(-r));
        return EXIT_DONE;
}

static int no_documents(ComponentRestore *all, const char *reason) {
        char id[BLOB_ID_TEXT];

        (void)blob_id_text(&all->restore->point->id, id);
        id[8] = '\0';
        return cli_error_remedy(all->restore->cli, VSS_E_OBJECT_NOT_FOUND, id,
                                "Name another point (vss points), or paths of this one instead of writers.",
                                "the point has no documents of writers%s%s", *reason ? ": " : "", reason);
}

static int load_documents(ComponentRestore *all) {
        static const char *const paths[] = { RESTORE_HIDDEN, NULL };
        Restore *restore = all->restore;
        ExtractOptions options = restore_extract_options(restore);
        _cleanup_(freep) char *documents = NULL;
        _cleanup_(closep) int fd = -1;
        ExtractCounts counts = {};
        char path[64];
        Why why = {};
        int status = make_directory(restore->cli, path, &fd), r;

        if (status != EXIT_DONE)
                return status;
        options.target_fd = fd;
        options.paths = paths;
        options.dry_run = options.verify = false;
        options.progress = NULL;
        r = extract_run(restore->repo, &restore->point->tree, &options, &why, &counts);
        if (r < 0)
                status = r == -ENOENT ? no_documents(all, "") : cli_fail_repository(restore->cli, r, &why);
        else if (asprintf(&documents, "%s" RESTORE_HIDDEN "/documents", path) < 0)
                status = cli_out_of_memory(restore->cli);
        else
                status = metadata_load(restore->cli, documents, &all->documents);
        if (status == EXIT_DONE)
                status = load_record(all, path);
        (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return status;
}

/* ---- the session ---- */

static void tell_dropped(ComponentRestore *all, const vss_value *result) {
        const vss_value *dropped = vss_value_get(result, "dropped");

        for (size_t i = 0; i < vss_value_count(dropped); i++) {
                const vss_value *d = vss_value_at(dropped, i);

                restore_complain(all->restore, "%s: %s: the service does not believe the document: %s",
                                 vss_value_get_string(d, "writer", "?"),
                                 vss_value_get_string(d, "path", "?"),
                                 vss_value_get_string(d, "reason", ""));
        }
}

static int open_session(ComponentRestore *all) {
        _cleanup_value_ vss_value *options = vss_value_new_dict(), *result = NULL;
        Cli *cli = all->restore->cli;
        vss_async *async = NULL;
        vss_result r;
        int status = cli_connect(cli);

        if (status != EXIT_DONE) {
                cli_note("--without-writers restores by the documents alone");
                return status;
        }
        if (vss_value_set_string(options, "label", "vss restore") < 0)
                return cli_out_of_memory(cli);
        r = vss_session_create(cli->service, options, &all->session);
        if (r < 0)
                return cli_fail(cli, r);
        r = vss_session_initialize_for_restore(all->session, all->documents.document, all->documents.size,
                                               &async);
        status = wait_for(all, r, async, "reading the document", NULL);
        if (status != EXIT_DONE)
                return status;
        r = vss_session_set_restore_state(all->session, VSS_RTYPE_BY_COPY);
        if (r < 0)
                return cli_fail(cli, r);
        async = NULL;
        r = vss_session_gather_writer_metadata(all->session, &async);
        status = wait_for(all, r, async, "asking the writers", &result);
        if (status != EXIT_DONE)
                return status;
        tell_dropped(all, result);
        r = vss_session_get_writer_metadata(all->session, &all->running);
        return r < 0 ? cli_fail(cli, r) : EXIT_DONE;
}

static const vss_value *saved_metadata(const ComponentRestore *all, const char *name) {
        for (size_t i = 0; i < all->documents.n_writers; i++) {
                const vss_value *parsed = all->documents.writers[i].parsed;

                if (strcmp(vss_value_get_string(parsed, "name", ""), name) == 0)
                        return parsed;
        }
        return NULL;
}

static int add_writers(ComponentRestore *all) {
        const vss_value *writers = vss_value_get(all->documents.parsed, "writers");
        size_t n = vss_value_count(writers);

        all->writers = calloc(n + 1, sizeof(*all->writers));
        if (!all->writers)
                return cli_out_of_memory(all->restore->cli);
        for (size_t i = 0; i < n; i++) {
                const vss_value *writer = vss_value_at(writers, i);
                WriterPart *part = &all->writers[all->n++];

                part->all = all;
                part->name = vss_value_get_string(writer, "name", "");
                part->metadata = saved_metadata(all, part->name);
                part->components = vss_value_copy(vss_value_get(writer, "components"));
                if (!part->components ||
                    vouch_init(&part->vouch, part->name, restore_find_writer(all->running, part->name),
                               all->restore->trust_documents) < 0)
                        return cli_out_of_memory(all->restore->cli);
        }
        return EXIT_DONE;
}

/* ---- before and after ---- */

/* What writers said in an event has changed the document. */
static int read_back(ComponentRestore *all) {
        _cleanup_value_ vss_value *writers = NULL;
        vss_result r = vss_session_get_writer_components(all->session, &writers);

        if (r < 0)
                return cli_fail(all->restore->cli, r);
        for (size_t i = 0; i < all->n; i++) {
                WriterPart *part = &all->writers[i];
                const vss_value *now = restore_find_writer(writers, part->name);

                if (!part->present || !now)
                        continue;
                vss_value_free(part->components);
                part->components = vss_value_copy(vss_value_get(now, "components"));
                if (!part->components)
                        return cli_out_of_memory(all->restore->cli);
        }
        return EXIT_DONE;
}

static WriterPart *find_part(ComponentRestore *all, const char *name) {
        for (size_t i = 0; i < all->n; i++)
                if (strcmp(all->writers[i].name, name) == 0)
                        return &all->writers[i];
        return NULL;
}

/* What writers did, or would do; and who has failed. Calls to writers succeed whatever these answer. */
static void tell_writers(ComponentRestore *all, const vss_value *result, enum vss_writer_state failed) {
        const vss_value *notes = vss_value_get(result, "notes"), *writers = vss_value_get(result, "writers");

        for (size_t i = 0; i < vss_value_count(notes); i++) {
                const vss_value *note = vss_value_at(notes, i);
                const char *name = component_name(note);

                cli_note("%s%s%s: %s", vss_value_get_string(note, "writer", "?"), *name ? ":/" : "",
                         *name ? component_label(component_logical_path(note), name).text : "",
                         vss_value_get_string(note, "text", ""));
        }
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);
                const char *said = vss_value_get_string(writer, "application-message", "");
                WriterPart *part = find_part(all, vss_value_get_string(writer, "name", ""));

                if (vss_value_get_integer(writer, "state", 0) != (int64_t)failed || !part || !part->present)
                        continue;
                part->refused = part->refused || failed == VSS_WS_FAILED_AT_PRE_RESTORE;
                restore_complain(all->restore, "%s: %s: %s%s%s%s", part->name, vss_writer_state_name(failed),
                                 vss_value_get_string(writer, "message", ""), *said ? " (" : "", said,
                                 *said ? ")" : "");
        }
}

static bool anybody_present(const ComponentRestore *all) {
        for (size_t i = 0; i < all->n; i++)
                if (all->writers[i].present)
                        return true;
        return false;
}

static int pre_restore(ComponentRestore *all) {
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        vss_result r = VSS_S_OK;
        int status;

        if (!anybody_present(all))
                return EXIT_DONE;
        for (size_t i = 0; i < all->n && !all->restore->dry_run; i++) {
                status = all->writers[i].present ? restore_make_directories(&all->writers[i]) : EXIT_DONE;
                if (status != EXIT_DONE)
                        return status;
        }
        if (all->restore->dry_run)
                r = vss_session_set_dry_run(all->session, true);
        if (r < 0)
                return cli_fail(all->restore->cli, r);
        r = vss_session_pre_restore(all->session, &async);
        status = wait_for(all, r, async, "telling the writers", &result);
        tell_writers(all, result, VSS_WS_FAILED_AT_PRE_RESTORE);
        return status == EXIT_DONE ? read_back(all) : status;
}

static int post_restore(ComponentRestore *all) {
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status;

        if (!anybody_present(all))
                return EXIT_DONE;
        r = vss_session_post_restore(all->session, &async);
        status = wait_for(all, r, async, "telling the writers", &result);
        tell_writers(all, result, VSS_WS_FAILED_AT_POST_RESTORE);
        if (status == EXIT_DONE)
                status = read_back(all);
        for (size_t i = 0; i < all->n; i++) {
                const WriterPart *part = &all->writers[i];

                for (size_t j = 0; part->present && j < vss_value_count(part->components); j++) {
                        const vss_value *c = vss_value_at(part->components, j);
                        const char *message = vss_value_get_string(c, "post-restore-failure", "");

                        if (*message)
                                restore_complain(
                                        all->restore, "%s:/%s: %s", part->name,
                                        component_label(component_logical_path(c), component_name(c)).text,
                                        message);
                }
        }
        return status;
}

static int put_all(ComponentRestore *all) {
        int status = EXIT_DONE, posted;

        for (size_t i = 0; status == EXIT_DONE && i < all->n; i++)
                if (all->writers[i].metadata)
                        status = restore_put_writer(&all->writers[i]);
        /* Writers that were told of the beginning hear of the end, whatever came in between. */
        posted = post_restore(all);
        for (size_t i = 0; i < all->n; i++) {
                restore_control_unit(&all->writers[i], "stop", all->writers[i].restart);
                restore_control_unit(&all->writers[i], "start", all->writers[i].restart);
        }
        return status != EXIT_DONE ? status : posted;
}

static void clear(ComponentRestore *all) {
        all->session = vss_session_release(all->session);
        for (size_t i = 0; i < all->n; i++) {
                vss_value_free(all->writers[i].components);
                vouch_clear(&all->writers[i].vouch);
        }
        free(all->writers);
        vss_value_free(all->running);
        record_clear(&all->record);
        metadata_clear(&all->documents);
        if (all->pending)
                (void)fclose(all->pending);
        if (all->root_fd >= 0)
                (void)close(all->root_fd);
        if (all->staging_fd >= 0)
                (void)close(all->staging_fd);
}

int restore_components(Restore *restore, bool additional) {
        ComponentRestore all = {
                .restore = restore, .additional = additional, .root_fd = -1, .staging_fd = -1
        };
        int status = load_documents(&all);

        if (status == EXIT_DONE)
                status = restore_open_target(restore, &all.root_fd);
        /* Elsewhere the files are only looked at: no writer has to know. */
        if (status == EXIT_DONE && restore->original && !restore->without_writers)
                status = open_session(&all);
        if (status == EXIT_DONE)
                status = add_writers(&all);
        if (status == EXIT_DONE)
                status = restore_select(&all);
        if (status == EXIT_DONE)
                status = pre_restore(&all);
        if (status == EXIT_DONE)
                status = put_all(&all);
        clear(&all);
        return status;
}
