/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss restore --writer: which components, with which settings
 *
 * Each setting is made in the document as it is here, which the plan looks at, and told to the service if
 * the writer hears of the restore.
 */

#include <string.h>
#include "model/backup-components.h"
#include "model/component.h"
#include "model/restore-options.h"
#include "model/selection.h"
#include "vss/restore-writers.h"
#include "vss/selection.h"

static BcWriter bc_writer(const WriterPart *part) {
        return (BcWriter){ .name = part->name,
                           .metadata = part->metadata,
                           .components = part->components,
                           .schema = (uint32_t)vss_value_get_integer(part->metadata, "backup-schema", 0) };
}

/* What cannot be set fails: the restore would be another one than was asked for. */
#define SET(part, local, remote)                                                                        \
        do {                                                                                            \
                Why _why = { 0 };                                                                       \
                vss_result _r = local;                                                                  \
                if (_r < 0 && _r != VSS_E_OBJECT_ALREADY_EXISTS)                                        \
                        return cli_error((part)->all->restore->cli, _r, (part)->name, "%s", _why.text); \
                _r = (part)->present ? remote : VSS_S_OK;                                               \
                if (_r < 0 && _r != VSS_E_OBJECT_ALREADY_EXISTS)                                        \
                        return cli_fail((part)->all->restore->cli, _r);                                 \
        } while (false)

static int set_typed(WriterPart *part, vss_value *c, const vss_value *options) {
        const char *path = component_logical_path(c), *name = component_name(c);
        vss_session *session = part->all->session;
        _cleanup_value_ vss_value *typed = NULL;
        const BcWriter bc = bc_writer(part);
        const vss_value *roll;
        const char *new_name;
        Why why = {};

        if (restore_options_typed(options, path, name, &typed, &why) < 0)
                return cli_error(part->all->restore->cli, VSS_E_INVALIDARG, "--option", "%s", why.text);
        roll = vss_value_get(typed, "roll-forward");
        new_name = vss_value_get_string(typed, "restore-name", "");
        if (vss_value_get_boolean(typed, "authoritative", false))
                SET(part, bc_set_authoritative_restore(&bc, c, true, &_why),
                    vss_session_set_authoritative_restore(session, part->name, path, name, true));
        if (roll)
                SET(part,
                    bc_set_roll_forward(&bc, c, (uint32_t)vss_value_get_integer(roll, "type", 0),
                                        vss_value_get_string(roll, "point", ""), &_why),
                    vss_session_set_roll_forward(
                            session, part->name, path, name,
                            (enum vss_rollforward_type)vss_value_get_integer(roll, "type", 0),
                            vss_value_get_string(roll, "point", "")));
        if (*new_name)
                SET(part, bc_set_restore_name(&bc, c, new_name, &_why),
                    vss_session_set_restore_name(session, part->name, path, name, new_name));
        return EXIT_DONE;
}

/* "Name=Value" of the options that the contract knows are calls; all others are the writer's own. */
static bool is_typed(const char *option) {
        static const char *const names[] = { "Authoritative", "Roll Forward", "New Component Name" };

        FOREACH_ELEMENT (name, names)
                if (strncasecmp(option, *name, strlen(*name)) == 0 && option[strlen(*name)] == '=')
                        return true;
        return false;
}

static int add_typed(vss_value *list, const char *option) {
        const char *equals = strchr(option, '=');
        _cleanup_(freep) char *key = strndup(option, (size_t)(equals - option));
        vss_value *entry = vss_value_new_dict();

        if (!key || vss_value_set_string(entry, "logical-path", "") < 0 ||
            vss_value_set_string(entry, "name", "") < 0 || vss_value_set_string(entry, "option", key) < 0 ||
            vss_value_set_string(entry, "value", equals + 1) < 0) {
                vss_value_free(entry);
                return -ENOMEM;
        }
        return vss_value_append(list, entry) < 0 ? -ENOMEM : 0;
}

static int set_options(WriterPart *part, vss_value *c) {
        const Strings *options = &part->all->restore->options;
        const char *path = component_logical_path(c), *name = component_name(c);
        _cleanup_value_ vss_value *typed = vss_value_new_list();
        _cleanup_(freep) char *text = strdup("");
        int r = text && typed ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < options->n; i++) {
                char *joined = NULL;

                if (is_typed(options->items[i])) {
                        r = add_typed(typed, options->items[i]);
                        continue;
                }
                if (asprintf(&joined, "%s%s%s", text, *text ? ";" : "", options->items[i]) < 0)
                        return cli_out_of_memory(part->all->restore->cli);
                free(text);
                text = joined;
        }
        if (r < 0)
                return cli_out_of_memory(part->all->restore->cli);
        if (*text)
                SET(part, bc_set_restore_options(c, text, &_why),
                    vss_session_set_restore_options(part->all->session, part->name, path, name, text));
        return vss_value_count(typed) > 0 ? set_typed(part, c, typed) : EXIT_DONE;
}

/* "PATH=DIRECTORY": all file sets of the path go there. */
static int set_new_target(WriterPart *part, vss_value *c, const char *text, bool *found) {
        const vss_value *components = vss_value_get(part->metadata, "components");
        const char *equals = strchr(text, '='), *path = component_logical_path(c), *name = component_name(c);
        _cleanup_(freep) char *from = strndup(text, (size_t)(equals - text));
        const BcWriter bc = bc_writer(part);

        if (!from)
                return cli_out_of_memory(part->all->restore->cli);
        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *owner = vss_value_at(components, i), *files = vss_value_get(owner, "files");

                if (!component_is(owner, path, name) && !component_is_below(owner, path, name))
                        continue;
                for (size_t j = 0; j < vss_value_count(files); j++) {
                        const vss_value *set = vss_value_at(files, j);

                        if (strcmp(file_set_path(set), from) != 0)
                                continue;
                        *found = true;
                        SET(part,
                            bc_add_new_target(&bc, c, from, file_set_filespec(set),
                                              file_set_is_recursive(set), equals + 1, &_why),
                            vss_session_add_new_target(part->all->session, part->name, path, name, from,
                                                       file_set_filespec(set), file_set_is_recursive(set),
                                                       equals + 1));
                }
        }
        return EXIT_DONE;
}

static int set_new_targets(ComponentRestore *all) {
        const Strings *targets = &all->restore->new_targets;

        for (size_t i = 0; i < targets->n; i++) {
                bool found = false;

                for (size_t j = 0; j < all->n; j++)
                        for (size_t k = 0; k < vss_value_count(all->writers[j].components); k++) {
                                vss_value *c = value_at_mutable(all->writers[j].components, k);
                                int status = vss_value_get_boolean(c, "selected-for-restore", false)
                                                     ? set_new_target(&all->writers[j], c, targets->items[i],
                                                                      &found)
                                                     : EXIT_DONE;

                                if (status != EXIT_DONE)
                                        return status;
                        }
                if (!found)
                        return cli_error(all->restore->cli, VSS_E_OBJECT_NOT_FOUND, targets->items[i],
                                         "no component that is restored has a file set with this path");
        }
        return EXIT_DONE;
}

/* Selects an explicit component. */
static int select_component(WriterPart *part, vss_value *c) {
        const char *path = component_logical_path(c), *name = component_name(c);
        ComponentRestore *all = part->all;
        Why why = {};
        vss_result r;

        if (vss_value_get_boolean(c, "selected-for-restore", false))
                return EXIT_DONE;
        if (bc_set_selected_for_restore(c, true, &why) < 0)
                return cli_error(all->restore->cli, VSS_E_UNEXPECTED, part->name, "%s", why.text);
        if (all->session) {
                r = vss_session_set_selected_for_restore(all->session, part->name, path, name, true);
                if (r < 0 && r != VSS_E_OBJECT_NOT_FOUND)
                        return cli_fail(all->restore->cli, r);
                if (r < 0)
                        cli_note("%s does not run: its files are restored by its documents alone",
                                 part->name);
                else
                        part->present = true;
        }
        if (all->additional)
                SET(part, bc_set_additional_restores(c, true, &_why),
                    vss_session_set_additional_restores(all->session, part->name, path, name, true));
        return set_options(part, c);
}

/* One that was an explicit component at the backup, or came with one. */
static int select_named(WriterPart *part, const char *logical_path, const char *name) {
        const vss_value *found = NULL;
        const BcWriter bc = bc_writer(part);
        vss_value *c = NULL;
        bool sub = false;
        Why why = {};
        int status;

        if (selection_find_for_restore(part->metadata, part->components, logical_path, name, &found, &sub,
                                       &why) < 0 ||
            bc_find(&bc, component_logical_path(found), component_name(found), &c, &why) < 0)
                return cli_error_remedy(
                        part->all->restore->cli, VSS_E_OBJECT_NOT_FOUND, part->name,
                        "--dry-run with the writer's name alone shows what the point has of it.",
                        "%s cannot be restored: %s", component_label(logical_path, name).text, why.text);
        status = select_component(part, c);
        if (status != EXIT_DONE || !sub)
                return status;
        SET(part, bc_add_restore_subcomponent(&bc, c, logical_path, name, &_why),
            vss_session_add_restore_subcomponent(part->all->session, part->name, component_logical_path(c),
                                                 component_name(c), logical_path, name));
        return EXIT_DONE;
}

static int select_key(WriterPart *part, const vss_value *key) {
        int status = EXIT_DONE;

        if (!part->metadata)
                return cli_error(
                        part->all->restore->cli, VSS_E_OBJECT_NOT_FOUND, part->name,
                        "the point has no metadata document of it, so nothing of it can be restored; "
                        "name its files by their paths");
        if (vss_value_get(key, "name"))
                return select_named(part, vss_value_get_string(key, "logical-path", ""),
                                    vss_value_get_string(key, "name", ""));
        for (size_t i = 0; status == EXIT_DONE && i < vss_value_count(part->components); i++)
                status = select_component(part, value_at_mutable(part->components, i));
        return status;
}

int restore_select(ComponentRestore *all) {
        const vss_value *writers = vss_value_get(all->documents.parsed, "writers");
        _cleanup_value_ vss_value *keys = NULL;
        _cleanup_(freep) char *problem = NULL;
        int r = selection_resolve(writers, &all->restore->writers, &keys, &problem), status = EXIT_DONE;

        if (r == -ENOMEM)
                return cli_out_of_memory(all->restore->cli);
        if (r < 0)
                return cli_error_remedy(all->restore->cli, VSS_E_OBJECT_NOT_FOUND, NULL,
                                        "Those of the point are in its " RESTORE_HIDDEN "/documents.",
                                        "the point's documents: %s", problem ?: "no such writer");
        for (size_t i = 0; status == EXIT_DONE && i < vss_value_count(keys); i++) {
                const vss_value *key = vss_value_at(keys, i);

                for (size_t j = 0; status == EXIT_DONE && j < all->n; j++)
                        if (strcmp(all->writers[j].name, vss_value_get_string(key, "writer", "")) == 0)
                                status = select_key(&all->writers[j], key);
        }
        return status == EXIT_DONE ? set_new_targets(all) : status;
}
