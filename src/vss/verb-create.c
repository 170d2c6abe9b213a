/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss create: a set of shadow copies that stays
 *
 * Without --keep the backup is over when the set stands: the writers are told, and copies of a persistent
 * context remain. With --keep the session stays open for its lease, and whoever has the token ends it by
 * `vss complete`.
 */

#include <string.h>
#include <sys/stat.h>
#include "vss/attributes.h"
#include "vss/backup.h"
#include "vss/metadata.h"
#include "vss/report.h"
#include "vss/verb.h"

/* "/srv/data" is "srv-data": the directory of one shadow copy below --expose, when there are several. */
static char *expose_directory(const char *base, const BackupVolume *volume, size_t n_volumes) {
        char *directory, *name;

        if (n_volumes == 1)
                return strdup(base);
        if (asprintf(&directory, "%s/%s", base,
                     strcmp(volume->target, "/") == 0 ? "root" : volume->target + 1) < 0)
                return NULL;
        for (name = directory + strlen(base) + 1; *name; name++)
                if (*name == '/')
                        *name = '-';
        return directory;
}

static int expose_one(Backup *backup, const BackupVolume *volume, const char *directory,
                      vss_value *exposed) {
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        vss_result r;

        r = vss_service_expose_snapshot(backup->cli->service, volume->snapshot, directory, &async);
        if (r >= 0)
                r = cli_wait(backup->cli, async, "exposing", NULL);
        if (r != VSS_S_OK) {
                cli_note("%s could not be exposed at %s: %s", volume->target, directory,
                         vss_service_error_message(backup->cli->service) ?: vss_result_text(r));
                return EXIT_PARTLY;
        }
        if (vss_value_set_string(entry, "id", volume->snapshot) < 0 ||
            vss_value_set_string(entry, "volume", volume->target) < 0 ||
            vss_value_set_string(entry, "directory", directory) < 0 ||
            vss_value_append(exposed, TAKE_PTR(entry)) < 0)
                return cli_out_of_memory(backup->cli);
        return EXIT_DONE;
}

static int expose_all(Backup *backup, const char *base) {
        vss_value *exposed = value_require(backup->set, "exposed", VSS_KIND_LIST);
        int status = EXIT_DONE;

        if (!exposed)
                return cli_out_of_memory(backup->cli);
        for (size_t i = 0; i < backup->n_volumes; i++) {
                const BackupVolume *volume = &backup->volumes[i];
                _cleanup_(freep) char *directory = expose_directory(base, volume, backup->n_volumes);
                int r;

                if (!directory)
                        return cli_out_of_memory(backup->cli);
                if (backup->n_volumes > 1 && mkdir(directory, 0755) < 0 && errno != EEXIST) {
                        cli_note("%s: %s", directory, strerror(errno));
                        r = EXIT_PARTLY;
                } else
                        r = expose_one(backup, volume, directory, exposed);
                if (r != EXIT_DONE)
                        status = r;
        }
        return status;
}

static int keep_session(Backup *backup) {
        if (vss_value_set_string(backup->set, "session", vss_session_id(backup->session)) < 0 ||
            vss_value_set_string(backup->set, "token", vss_session_token(backup->session)) < 0 ||
            vss_value_set_integer(backup->set, "lease-seconds", backup->options->lease) < 0)
                return cli_out_of_memory(backup->cli);
        backup->session = vss_session_free(backup->session);
        return EXIT_DONE;
}

static int report(Backup *backup) {
        _cleanup_(freep) char *line = report_closing_line(backup->set);

        if (backup->cli->json)
                return cli_print_json(backup->cli, backup->set, false);
        report_set(stdout, backup->set);
        printf("%s\n", line ?: "");
        if (backup->options->lease > 0)
                printf("kept for %u s; end it with: vss complete %s\n", backup->options->lease,
                       vss_value_get_string(backup->set, "token", ""));
        return line ? EXIT_DONE : cli_out_of_memory(backup->cli);
}

/* What is saved before the end is saved again with how it ended. */
static int complete(Backup *backup, const char *documents) {
        int status;

        if (backup->options->lease > 0)
                return keep_session(backup);
        status = backup_complete(backup, true);
        if (documents && (status == EXIT_DONE || status == EXIT_PARTLY) &&
            backup_save_again(backup, documents) != EXIT_DONE)
                return EXIT_FAILED;
        return status;
}

static int create(Cli *cli, const BackupOptions *o, const char *expose, const char *documents) {
        _cleanup_(backup_clear) Backup backup = {};
        _cleanup_(freep) char *directory = NULL;
        int status, completing, exposing = EXIT_DONE;

        if (expose) {
                directory = realpath(expose, NULL);
                if (!directory)
                        return cli_error(cli, VSS_E_OBJECT_NOT_FOUND, expose, "%s",
                                         errno == ENOENT ? "there is no such directory to expose at"
                                                         : strerror(errno));
        }
        if (documents) {
                status = metadata_check_new(cli, documents);
                if (status != EXIT_DONE)
                        return status;
        }
        status = backup_make(&backup, cli, o);
        if (status == EXIT_DONE && documents)
                status = backup_save_documents(&backup, documents, NULL);
        if (status == EXIT_DONE && documents && vss_value_set_string(backup.set, "documents", documents) < 0)
                return cli_out_of_memory(cli);
        if (status != EXIT_DONE)
                return status;

        if (directory)
                exposing = expose_all(&backup, directory);
        completing = complete(&backup, documents);
        if (completing != EXIT_DONE && completing != EXIT_PARTLY) {
                /* The set stands all the same; it has to be known by name to be deleted. */
                if (o->context & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE)
                        cli_note("the set %s stands, but could not be completed",
                                 vss_value_get_string(backup.set, "set", "?"));
                return completing;
        }
        backup_release(&backup);
        status = report(&backup);
        if (status != EXIT_DONE)
                return status;
        if (exposing == EXIT_DONE)
                exposing = completing;
        return exposing != EXIT_DONE ? exposing : backup.below_promise ? EXIT_PARTLY : EXIT_DONE;
}

/* Those that a requester may add to a context. */
static int add_attributes(Cli *cli, const Strings *names, bool transportable, uint32_t *context) {
        if (transportable)
                *context |= VSS_VOLSNAP_ATTR_TRANSPORTABLE;
        for (size_t i = 0; i < names->n; i++) {
                uint32_t attribute;

                if (!attribute_from_name(names->items[i], &attribute) || !attribute_is_requesters(attribute))
                        return cli_usage(
                                cli,
                                "--attribute: '%s' cannot be asked for; transportable, differential, plex, "
                                "no-autorecovery, not-transacted, rollback-recovery, txf-recovery and "
                                "delayed-postsnapshot can",
                                names->items[i]);
                *context |= attribute;
        }
        return EXIT_DONE;
}

int verb_create(Cli *cli, int argc, char **argv) {
        _cleanup_(strings_clear) Strings attributes = {};
        bool transportable = false;
        _cleanup_(backup_options_clear) BackupOptions o = {
                .context = VSS_CTX_APP_ROLLBACK,
                .type = VSS_BT_COPY,
        };
        const char *expose = NULL, *documents = NULL;
        const Option options[] = {
                BACKUP_OPTIONS(&o),
                OPTION("context", OPTION_CONTEXT, "CONTEXT",
                       "app-rollback (default), nas-rollback, client-accessible, backup, ...", &o.context),
                OPTION_RANGE("keep", OPTION_NUMBER, "SECONDS",
                             "leave the session open this long, for vss complete", &o.lease, 1, 604800),
                OPTION("expose", OPTION_TEXT, "DIR", "mount the shadow copies at, or for several below, DIR",
                       &expose),
                OPTION("documents", OPTION_TEXT, "DIR", "make DIR, and save the backup's documents in it",
                       &documents),
                OPTION("transportable", OPTION_FLAG, NULL, "for another machine, which imports them",
                       &transportable),
                OPTION("attribute", OPTION_LIST, "NAME",
                       "ask for this attribute (see vss explain attributes)", &attributes),
        };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        status = add_attributes(cli, &attributes, transportable, &o.context);
        if (status != EXIT_DONE)
                return status;
        for (int i = index; i < argc; i++)
                if (strings_add(&o.paths, argv[i]) < 0)
                        return cli_out_of_memory(cli);
        if (!(o.context & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE) && o.lease == 0)
                return cli_usage(
                        cli,
                        "shadow copies of context %s are gone when the session ends; add --keep SECONDS, or "
                        "use vss exec",
                        context_name(o.context));
        return create(cli, &o, expose, documents);
}
