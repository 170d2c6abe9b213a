/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is read of a set that another machine made, and what the point is called: as a backup there would
 * have it
 */

#include <errno.h>
#include "model/path.h"
#include "vss/backup-import.h"
#include "vss/repository-backup-internal.h"

int run_check_import(BackupRun *run) {
        const RepositoryBackupOptions *o = run->options;

        if (!run->copies || o->backup.writers.n > 0 || o->backup.excluded.n > 0 || o->backup.cgroups.n > 0 ||
            o->backup.provider || o->backup.require || o->backup.wait > 0)
                return cli_usage(run->cli, "--import: what is in the set was settled when it was made");
        run->required = true;
        return EXIT_DONE;
}

static int name_components(BackupRun *run, const vss_value *writer) {
        const vss_value *components = vss_value_get(writer, "components");

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *component = vss_value_at(components, i);
                _cleanup_(freep) char *path = component_path(
                                              vss_value_get_string(component, "logical-path", ""),
                                              vss_value_get_string(component, "name", "")),
                                      *name = NULL;

                if (!path ||
                    asprintf(&name, "writer:%s%s", vss_value_get_string(writer, "name", ""), path) < 0) {
                        name = NULL;
                        return -ENOMEM;
                }
                if (strings_add_once(&run->job.point_paths, name) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int run_take_import(BackupRun *run) {
        const Metadata *import = run->options->backup.import;
        const vss_value *snapshots = vss_value_get(import->parsed, "snapshots"),
                        *writers = vss_value_get(import->parsed, "writers");
        const Strings *paths = &run->options->backup.paths;
        int r = 0;

        for (size_t i = 0; r == 0 && i < paths->n; i++)
                r = path_is_normal(paths->items[i])
                            ? strings_add_once(&run->job.paths, paths->items[i])
                            : cli_usage(run->cli,
                                        "%s: name paths as they are on the other machine, from / on",
                                        paths->items[i]);
        if (r > 0)
                return r;
        for (size_t i = 0;
             r == 0 && paths->n == 0 && !import_has_components(import) && i < vss_value_count(snapshots);
             i++)
                r = strings_add_once(&run->job.paths,
                                     vss_value_get_string(vss_value_at(snapshots, i), "volume", ""));
        for (size_t i = 0; r == 0 && i < run->job.paths.n; i++)
                r = strings_add(&run->job.point_paths, run->job.paths.items[i]);
        for (size_t i = 0; r == 0 && import_has_components(import) && i < vss_value_count(writers); i++)
                r = name_components(run, vss_value_at(writers, i));
        return r < 0 ? cli_out_of_memory(run->cli) : EXIT_DONE;
}
