/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The components of a backup
 *
 * What is named is chosen once the writers have been asked; what of it can be had is known once the volumes
 * are. What cannot is left out and told, never in silence.
 */

#include <errno.h>
#include <sys/stat.h>
#include "vss/backup-internal.h"
#include "vss/report.h"

bool backup_selects_components(const Backup *backup) {
        const BackupOptions *o = backup->options;

        return !(o->context & VSS_VOLSNAP_ATTR_NO_WRITERS) &&
               (o->writers.n > 0 || o->excluded.n > 0 || o->all_components);
}

/* Of the volumes that will be in the set. To be freed; NULL without memory. */
static int64_t *list_devices(const Backup *backup, size_t *ret_n) {
        const BackupOptions *o = backup->options;
        const vss_value *volumes = vss_value_get(backup->plan, "volumes");
        int64_t *devices = calloc(o->n_exact + vss_value_count(volumes) + 1, sizeof(*devices));
        size_t n = 0;
        struct stat st;

        for (size_t i = 0; devices && i < o->n_exact; i++)
                if (stat(o->exact[i].path, &st) == 0)
                        devices[n++] = (int64_t)st.st_dev;
        for (size_t i = 0; devices && i < vss_value_count(volumes); i++)
                if (backup_joins_set(backup, vss_value_at(volumes, i)))
                        devices[n++] = vss_value_get_integer(vss_value_at(volumes, i), "device", -1);
        *ret_n = n;
        return devices;
}

/* A selection that could not be made. */
static int tell_problem(Backup *backup, int r, const char *problem) {
        return problem ? cli_error(backup->cli, r == -EINVAL ? VSS_E_INVALIDARG : VSS_E_OBJECT_NOT_FOUND,
                                   NULL, "%s", problem)
                       : cli_out_of_memory(backup->cli);
}

int backup_choose_components(Backup *backup) {
        _cleanup_(freep) char *problem = NULL;
        vss_result r;
        int ret;

        if (!backup_selects_components(backup))
                return EXIT_DONE;
        r = vss_session_get_writer_metadata(backup->session, &backup->writers);
        if (r < 0)
                return cli_fail(backup->cli, r);
        if (backup->options->writers.n == 0)
                return EXIT_DONE;
        ret = selection_make(backup->writers, &backup->options->writers, &backup->selection, &problem);
        /* What is excluded asks for no volume. */
        if (ret >= 0 && backup->options->excluded.n > 0)
                ret = selection_limit(&backup->selection, backup->writers, NULL, &backup->options->excluded,
                                      &problem);
        return ret < 0 ? tell_problem(backup, ret, problem) : backup_check_interrupt(backup);
}

static int verify_writers(Backup *backup) {
        const BackupOptions *o = backup->options;

        for (size_t i = 0; i < o->n_verified; i++) {
                _cleanup_(freep) char *problem = NULL;
                int r = selection_verify(&backup->selection, backup->writers, o->verified[i].writer,
                                         &problem);

                if (r < 0)
                        return problem ? cli_error(backup->cli, VSS_E_OBJECT_NOT_FOUND,
                                                   o->verified[i].writer,
                                                   "line %u wants it to take part: %s", o->verified[i].line,
                                                   problem)
                                       : cli_out_of_memory(backup->cli);
        }
        return EXIT_DONE;
}

int backup_limit_components(Backup *backup) {
        const BackupOptions *o = backup->options;
        _cleanup_(freep) int64_t *devices = NULL;
        _cleanup_(freep) char *problem = NULL;
        SelectionVolumes volumes = {};
        int r;

        if (!backup_selects_components(backup))
                return EXIT_DONE;
        devices = list_devices(backup, &volumes.n);
        if (!devices)
                return cli_out_of_memory(backup->cli);
        volumes.devices = devices;
        if (o->writers.n > 0)
                r = selection_limit(&backup->selection, backup->writers, &volumes, &o->excluded, &problem);
        else
                r = selection_make_all(backup->writers, &volumes, &o->excluded, &backup->selection,
                                       &problem);
        if (r < 0)
                return tell_problem(backup, r, problem);
        if (o->writers.n > 0 && backup->selection.n == 0)
                return cli_error_remedy(backup->cli, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, NULL,
                                        "vss plan with the same options shows the volumes, and why one of "
                                        "them is not taken.",
                                        "nothing of what was chosen can be backed up: %s",
                                        vss_value_get_string(vss_value_at(backup->selection.left_out, 0),
                                                             "reason", "all of it was excluded"));
        return verify_writers(backup);
}

int backup_add_components(Backup *backup) {
        for (size_t i = 0; i < backup->selection.n; i++) {
                const Chosen *chosen = &backup->selection.items[i];
                vss_result r = vss_session_add_component(backup->session, chosen->writer,
                                                         chosen->logical_path, chosen->name);

                if (r < 0 && r != VSS_E_OBJECT_ALREADY_EXISTS)
                        return cli_fail(backup->cli, r);
        }
        return backup_check_interrupt(backup);
}

int backup_add_participation(Backup *backup) {
        const vss_value *left_out = backup->selection.left_out;
        vss_value *list = value_require(backup->set, "left-out", VSS_KIND_LIST);

        for (size_t i = 0; i < vss_value_count(left_out); i++)
                if (!list || vss_value_append(list, vss_value_copy(vss_value_at(left_out, i))) < 0)
                        return cli_out_of_memory(backup->cli);
        if (backup->selection.participation &&
            vss_value_set(backup->set, "participation", vss_value_copy(backup->selection.participation)) < 0)
                return cli_out_of_memory(backup->cli);
        return EXIT_DONE;
}
