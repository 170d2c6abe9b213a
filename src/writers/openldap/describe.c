/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Components, file sets and excludes
 *
 * One component per server: its databases are worth nothing one by one (a log of changes without the
 * changes), and its configuration says where they lie.
 */

#include <string.h>
#include "util/macro.h"
#include "writers/common/aside.h"
#include "writers/openldap/describe.h"

/* "dc=example,dc=org, cn=accesslog" */
static void make_caption(const Instance *instance, char *caption, size_t size) {
        size_t n = (size_t)snprintf(caption, size, "%s%s", instance->config,
                                    instance->n_databases > 0 ? ": " : "");

        for (size_t i = 0; i < instance->n_databases && n < size; i++)
                n += (size_t)snprintf(caption + n, size - n, "%s%s", i > 0 ? ", " : "",
                                      instance->databases[i].suffix);
}

/* The whole tree, but not what a restore put aside. */
static vss_result add_tree(vss_metadata *metadata, const Instance *instance, const char *directory) {
        vss_result r = vss_metadata_add_files(metadata, instance->logical_path, COMPONENT_NAME, directory,
                                              "*", true);

        return r < 0 ? r : VSS_S_OK;
}

static vss_result exclude_old(vss_metadata *metadata, const char *directory) {
        static const char *const names[] = { ASIDE_NAME, ASIDE_DROPPED };

        FOREACH_ELEMENT (name, names) {
                _cleanup_(freep) char *old = NULL;
                vss_result r;

                if (asprintf(&old, "%s/%s", directory, *name) < 0)
                        return VSS_E_OUTOFMEMORY;
                r = vss_metadata_add_exclude(metadata, old, "*", true);
                if (r < 0)
                        return r;
        }
        return VSS_S_OK;
}

/* A slapd.conf is root's, and belongs to the system. */
static vss_result add_config(vss_metadata *metadata, const Instance *instance) {
        vss_result r;

        if (instance->conf_file)
                return VSS_S_OK;
        r = add_tree(metadata, instance, instance->config);
        return r < 0 ? r : exclude_old(metadata, instance->config);
}

static vss_result add_database(vss_metadata *metadata, const Instance *instance,
                               const LdapDatabase *database) {
        vss_result r;

        if (!database->lmdb)
                r = add_tree(metadata, instance, database->directory);
        else
                r = vss_metadata_add_files(metadata, instance->logical_path, COMPONENT_NAME,
                                           database->directory, "data.mdb", false);
        /* It has processes' numbers and futexes in it, and is made anew. */
        if (r >= 0 && database->lmdb)
                r = vss_metadata_add_exclude(metadata, database->directory, "lock.mdb", false);
        return r < 0 ? r : exclude_old(metadata, database->directory);
}

static vss_result add_instance(vss_metadata *metadata, const Instance *instance) {
        char caption[1024];
        struct vss_component_info info = {
                .size = sizeof(info),
                .type = VSS_CT_FILEGROUP,
                .logical_path = instance->logical_path,
                .name = COMPONENT_NAME,
                .caption = caption,
                .selectable = true,
                .selectable_for_restore = true,
                .crash_only = instance->crash_only,
        };
        vss_result r;

        make_caption(instance, caption, sizeof(caption));
        r = vss_metadata_add_component(metadata, &info);
        if (r >= 0)
                r = add_config(metadata, instance);
        for (size_t i = 0; r >= 0 && i < instance->n_databases; i++)
                r = add_database(metadata, instance, &instance->databases[i]);
        return r;
}

vss_result describe_instances(vss_metadata *metadata, const InstanceList *list) {
        vss_result r = vss_metadata_set_restore_method(metadata, VSS_RME_RESTORE_IF_CAN_REPLACE, NULL, NULL,
                                                       VSS_WRE_ALWAYS, false);

        for (size_t i = 0; r >= 0 && i < list->n; i++)
                r = add_instance(metadata, &list->items[i]);
        for (size_t i = 0; r >= 0 && i < list->n_notes; i++) {
                const FoundNote *note = &list->notes[i];

                r = note->remedy ? vss_metadata_add_missing_right(metadata, note->text, note->remedy)
                                 : vss_metadata_add_warning(metadata, "%s", note->text);
        }
        return r;
}
