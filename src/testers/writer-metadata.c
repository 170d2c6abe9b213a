/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the test writer says about itself: its file, in the words of the contract
 */

#include <fcntl.h>
#include "testers/writer.h"

typedef struct Icon {
        void *data;
        size_t size;
} Icon;

static int read_icon(const char *path, Icon *ret_icon) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        _cleanup_(freep) void *data = malloc(VSS_ICON_MAX + 1);
        ssize_t n;

        if (fd < 0)
                return -errno;
        if (!data)
                return -ENOMEM;
        n = read(fd, data, VSS_ICON_MAX + 1);
        if (n < 0)
                return -errno;
        *ret_icon = (Icon){ .data = TAKE_PTR(data), .size = (size_t)n };
        return 0;
}

static vss_result add_files(vss_metadata *metadata, const TestComponent *c) {
        static const enum vss_file_kind file_kinds[] = {
                [TEST_FILE] = VSS_FK_FILE, [TEST_DATABASE] = VSS_FK_DATABASE, [TEST_LOG] = VSS_FK_LOG
        };

        for (size_t i = 0; i < c->n_files; i++) {
                const TestFiles *f = &c->files[i];
                struct vss_file_set set = {
                        .size = sizeof(set),
                        .path = f->path,
                        .filespec = f->filespec,
                        .recursive = f->recursive,
                        .alternate_path = f->alternate_path[0] ? f->alternate_path : NULL,
                        .backup_mask = f->backup_required | f->snapshot_required << 8 |
                                       (f->created_during_backup ? VSS_FSBT_CREATED_DURING_BACKUP : 0),
                        .kind = file_kinds[f->kind],
                };
                vss_result r = vss_metadata_add_file_set(metadata, c->logical_path, c->name, &set);

                if (r < 0)
                        return r;
        }
        return VSS_S_OK;
}

static vss_result add_component(vss_metadata *metadata, const TestComponent *c) {
        Icon icon = { 0 };
        struct vss_component_info info = {
                .size = sizeof(info),
                .type = (enum vss_component_type)c->type,
                .logical_path = c->logical_path,
                .name = c->name,
                .caption = c->caption,
                .selectable = c->selectable,
                .selectable_for_restore = c->selectable_for_restore,
                .flags = c->flags,
                .needs_one_instant = c->needs_one_instant,
                .owner = c->owner,
                .crash_only = c->crash_only,
                .restore_metadata = c->restore_metadata != NULL,
                .notify_on_backup_complete = c->notify_on_backup_complete,
        };
        vss_result r = VSS_S_OK;

        if (c->icon && read_icon(c->icon, &icon) < 0)
                r = vss_metadata_add_warning(metadata, "%s: Icon=%s cannot be read: %m", c->name, c->icon);
        info.icon = icon.data;
        info.icon_size = icon.size;
        if (r >= 0)
                r = vss_metadata_add_component(metadata, &info);
        free(icon.data);
        if (r >= 0)
                r = add_files(metadata, c);
        for (size_t i = 0; r >= 0 && i < c->n_dependencies; i++)
                r = vss_metadata_add_dependency(metadata, c->logical_path, c->name,
                                                c->dependencies[i].writer_id,
                                                c->dependencies[i].logical_path, c->dependencies[i].name);
        return r;
}

static vss_result add_places(vss_metadata *metadata, const TestWriterConf *conf,
                             const TestPlace **ret_culprit) {
        vss_result r = VSS_S_OK;

        for (size_t i = 0; r >= 0 && i < conf->n_mappings; i++) {
                const TestPlace *p = *ret_culprit = &conf->mappings[i];

                r = vss_metadata_add_alternate_mapping(metadata, p->path, p->filespec, p->recursive,
                                                       p->alternate_path);
        }
        for (size_t i = 0; r >= 0 && i < conf->n_excludes; i++) {
                const TestPlace *p = *ret_culprit = &conf->excludes[i];

                r = vss_metadata_add_exclude(metadata, p->path, p->filespec, p->recursive);
        }
        for (size_t i = 0; r >= 0 && i < conf->n_snapshot_excludes; i++) {
                const TestPlace *p = *ret_culprit = &conf->snapshot_excludes[i];

                r = vss_metadata_add_exclude_from_snapshot(metadata, p->path, p->filespec, p->recursive);
        }
        return r;
}

vss_result test_writer_describe(TestWriter *writer, vss_writer_call *call, vss_metadata *metadata) {
        const TestWriterConf *conf = &writer->conf;
        const TestPlace *culprit = NULL;
        vss_result r = VSS_S_OK;

        for (size_t i = 0; i < conf->n_components; i++) {
                r = add_component(metadata, &conf->components[i]);
                if (r < 0)
                        return vss_writer_call_fail(call, r,
                                                    "%s: component \"%s\", or a file set or dependency "
                                                    "of it, is not accepted: %s",
                                                    writer->conf_path, conf->components[i].name,
                                                    vss_result_text(r));
        }
        r = add_places(metadata, conf, &culprit);
        if (r < 0)
                return vss_writer_call_fail(
                        call, r, "%s: the mapping or exclusion of %s in %s is not accepted: %s",
                        writer->conf_path, culprit->filespec, culprit->path, vss_result_text(r));
        r = vss_metadata_set_backup_schema(metadata, conf->schema);
        if (r >= 0 && conf->method)
                r = vss_metadata_set_restore_method(
                        metadata, (enum vss_restore_method)conf->method, conf->service, conf->user_procedure,
                        (enum vss_writer_restore)conf->writer_restore, conf->reboot_required);
        return r < 0 ? vss_writer_call_fail(call, r,
                                            "%s: the schema or the restore method is not accepted: %s",
                                            writer->conf_path, vss_result_text(r))
                     : VSS_S_OK;
}
