/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The files of components as they are now
 *
 * The same list that a backup makes once its shadow copies stand, of the live files: who chooses components
 * sees what they consist of, and what would fail.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include "model/component.h"
#include "vss/backup-files-internal.h"
#include "vss/ls-components.h"
#include "vss/output.h"
#include "vss/selection.h"
#include "vss/size.h"

DEFINE_CLEANUP(BackupFiles *, backup_files_free)

typedef struct Listing {
        Cli *cli;
        BackupFiles *files;
        bool full;
        vss_value *entries; /* with --json */
} Listing;

/* Of the list by writers, as the document has it. */
static vss_value *require_writer(vss_value *list, const char *name) {
        vss_value *writer;

        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "name", ""), name) == 0)
                        return (vss_value *)vss_value_at(list, i);
        writer = vss_value_new_dict();
        if (!writer || vss_value_set_string(writer, "name", name) < 0) {
                vss_value_free(writer);
                return NULL;
        }
        return vss_value_append(list, writer) < 0 ? NULL : writer;
}

static int add_chosen(vss_value *order, const Selection *selection) {
        vss_value *list = value_require(order, "components", VSS_KIND_LIST);

        for (size_t i = 0; list && i < selection->n; i++) {
                const Chosen *chosen = &selection->items[i];
                _cleanup_value_ vss_value *component = vss_value_new_dict();
                vss_value *writer = require_writer(list, chosen->writer),
                          *components = writer ? value_require(writer, "components", VSS_KIND_LIST) : NULL;

                if (!components ||
                    vss_value_set_string(component, "logical-path", chosen->logical_path) < 0 ||
                    vss_value_set_string(component, "name", chosen->name) < 0 ||
                    vss_value_append(components, TAKE_PTR(component)) < 0)
                        return -ENOMEM;
        }
        return list ? 0 : -ENOMEM;
}

/* @order is borrowed by the files. */
static int find_files(Cli *cli, const vss_value *writers, const Selection *selection, vss_value *order,
                      BackupFiles **ret_files) {
        _cleanup_(closep) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (vss_value_set_integer(order, "type", VSS_BT_FULL) < 0 ||
            vss_value_set(order, "writers", vss_value_copy(writers)) < 0 ||
            add_chosen(order, selection) < 0 || backup_files_new(order, root, ret_files) < 0)
                return cli_out_of_memory(cli);
        return EXIT_DONE;
}

static int append_file(Listing *listing, const FileOwner *owner, const FileRecord *record,
                       const struct stat *st) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();

        if (vss_value_set_string(entry, "writer", files_writer_name(listing->files, owner->plan)) < 0 ||
            vss_value_set_string(entry, "logical-path", component_logical_path(owner->component)) < 0 ||
            vss_value_set_string(entry, "name", component_name(owner->component)) < 0 ||
            vss_value_set_string(entry, "path", record->path) < 0 ||
            (record->source && vss_value_set_string(entry, "read-from", record->source) < 0) ||
            vss_value_set_string(entry, "type", record->is_directory ? "dir" : "file") < 0 ||
            vss_value_set_integer(entry, "size", S_ISREG(st->st_mode) ? st->st_size : 0) < 0 ||
            vss_value_append(listing->entries, TAKE_PTR(entry)) < 0)
                return cli_out_of_memory(listing->cli);
        return EXIT_DONE;
}

static void print_file(const Listing *listing, const FileRecord *record, const struct stat *st) {
        char date[DATE_SIZE];

        fputs("  ", stdout);
        if (listing->full)
                printf("%14" PRIu64 " %s ", S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
                       format_date((int64_t)st->st_mtim.tv_sec * 1000000, date));
        print_text(stdout, record->path);
        if (record->source) {
                fputs(", read from ", stdout);
                print_text(stdout, record->source);
        }
        (void)putchar('\n');
}

/* The files of one component; directories that are only on the way are not shown to people. */
static int list_owner(Listing *listing, const FileOwner *owner) {
        const char *writer = files_writer_name(listing->files, owner->plan);
        _cleanup_(freep) char *path = component_path(component_logical_path(owner->component),
                                                     component_name(owner->component));
        int status = EXIT_DONE;

        if (!path)
                return cli_out_of_memory(listing->cli);
        if (!listing->entries) {
                print_text(stdout, writer);
                (void)putchar(':');
                print_text(stdout, path);
                (void)putchar('\n');
        }
        for (size_t i = 0; status == EXIT_DONE && i < listing->files->n_records; i++) {
                const FileRecord *record = &listing->files->records[i];
                struct stat st = {};

                if (files_find_owner(listing->files, record->plan, record->job->explicit_component) != owner)
                        continue;
                (void)lstat(record->source ?: record->path, &st);
                if (listing->entries)
                        status = append_file(listing, owner, record, &st);
                else if (!record->is_directory || listing->full)
                        print_file(listing, record, &st);
        }
        if (owner->n_failed > 0)
                cli_note("%s:%s would fail: %s", writer, path, owner->reason ?: "out of memory");
        return status;
}

static int print_all(Listing *listing) {
        _cleanup_value_ vss_value *answer = NULL;
        bool failed = false;
        int status = EXIT_DONE;

        if (listing->cli->json) {
                answer = vss_value_new_dict();
                listing->entries = value_require(answer, "entries", VSS_KIND_LIST);
                if (!listing->entries)
                        return cli_out_of_memory(listing->cli);
        }
        for (size_t i = 0; status == EXIT_DONE && i < listing->files->n_owners; i++) {
                if (interrupt_pending())
                        return cli_fail(listing->cli, VSS_S_ASYNC_CANCELLED);
                status = list_owner(listing, &listing->files->owners[i]);
                failed |= listing->files->owners[i].n_failed > 0;
        }
        if (status == EXIT_DONE && answer)
                status = cli_print_json(listing->cli, answer, false);
        return status == EXIT_DONE && failed ? EXIT_PARTLY : status;
}

int ls_components(Cli *cli, const Strings *writers, bool full) {
        _cleanup_(selection_clear) Selection selection = {};
        _cleanup_value_ vss_value *metadata = NULL, *order = vss_value_new_dict();
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_(backup_files_freep) BackupFiles *files = NULL;
        _cleanup_(freep) char *problem = NULL;
        int status = cli_connect(cli), r;

        if (status != EXIT_DONE)
                return status;
        r = vss_service_list_writers(cli->service, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "asking the writers", &metadata);
        if (r != VSS_S_OK)
                return cli_fail(cli, r);
        if (selection_make(vss_value_get(metadata, "writers"), writers, &selection, &problem) < 0)
                return problem ? cli_error(cli, VSS_E_OBJECT_NOT_FOUND, NULL, "%s", problem)
                               : cli_out_of_memory(cli);
        status = find_files(cli, vss_value_get(metadata, "writers"), &selection, order, &files);
        if (status != EXIT_DONE)
                return status;
        return print_all(&(Listing){ .cli = cli, .files = files, .full = full });
}
