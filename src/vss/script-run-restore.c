/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of scripts: load metadata, begin restore, end restore, simulate restore
 *
 * Files are put back by the programs that the script runs between begin and end. Here the writers of the components
 * are found and told. The saved documents alone say what there is to restore.
 */

#include <string.h>
#include "vss/listing.h"
#include "vss/output.h"
#include "vss/script-run.h"

/* ---- load metadata ---- */

/* Names that `create` gives. */
static bool is_own_alias(const char *name) {
        static const char prefix[] = "VSS_SHADOW_";
        const char *digits = name + strlen(prefix);

        return strcmp(name, "VSS_SHADOW_SET") == 0 ||
               (strncmp(name, prefix, strlen(prefix)) == 0 && *digits && strlen(digits) < 5 &&
                strspn(digits, "0123456789") == strlen(digits));
}

/* The index may be a stranger's: only names that a script could have given come into the programs' environment. */
static int take_aliases(ScriptRun *run, const vss_value *aliases) {
        int status = EXIT_DONE;

        for (size_t i = 0; status == EXIT_DONE && i < vss_value_count(aliases); i++) {
                const char *name = vss_value_get_string(vss_value_at(aliases, i), "name", "");

                if (is_own_alias(name) || script_name_is_alias(name))
                        status = script_set_alias(
                                run, name, vss_value_get_string(vss_value_at(aliases, i), "value", ""));
                else
                        cli_note("%s: the alias '%s' is left out: it cannot be one here", run->cli->script,
                                 name);
        }
        return status;
}

static int load_metadata(ScriptRun *run, const char *path) {
        int status;

        if (run->mode == SCRIPT_MODE_RESTORE)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "the restore that line %u began has to end first", run->begun);
        status = metadata_load(run->cli, path, &run->documents);
        return status == EXIT_DONE ? take_aliases(run, vss_value_get(run->documents.manifest, "aliases"))
                                   : status;
}

/* ---- choosing ---- */

static const char *text_of(const vss_value *dict, const char *key) {
        return vss_value_get_string(dict, key, "");
}

/* In documents of other systems writers may have no name of ours. */
static const char *writer_name(const vss_value *writer) {
        return vss_value_get_string(writer, "name", text_of(writer, "id"));
}

static int open_session(ScriptRun *run, vss_session **ret_session) {
        _cleanup_value_ vss_value *options = vss_value_new_dict();
        _cleanup_(vss_session_releasep) vss_session *session = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status = cli_connect(run->cli);

        if (status != EXIT_DONE)
                return status;
        if (vss_value_set_string(options, "label", run->cli->script) < 0)
                return cli_out_of_memory(run->cli);
        r = vss_session_create(run->cli->service, options, &session);
        if (r < 0)
                return cli_fail(run->cli, r);
        r = vss_session_initialize_for_restore(session, run->documents.document, run->documents.size,
                                               &async);
        status = script_await(run, r, async, "reading the document", NULL);
        if (status != EXIT_DONE)
                return status;
        r = vss_session_set_restore_state(session, VSS_RTYPE_BY_COPY);
        if (r < 0)
                return cli_fail(run->cli, r);
        async = NULL;
        r = vss_session_gather_writer_metadata(session, &async);
        status = script_await(run, r, async, "asking the writers", NULL);
        if (status == EXIT_DONE)
                *ret_session = TAKE_PTR(session);
        return status;
}

/* What `writer exclude` names, among the writers of the document. */
static int find_excluded(ScriptRun *run, vss_value **ret_keys) {
        _cleanup_(strings_clear) Strings specs = {};
        _cleanup_(freep) char *problem = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < run->n_rules; i++)
                if (!run->rules[i].verify)
                        r = strings_add(&specs, run->rules[i].writer);
        if (r >= 0)
                r = selection_resolve(vss_value_get(run->documents.parsed, "writers"), &specs, ret_keys,
                                      &problem);
        if (r < 0 && problem)
                return cli_error(run->cli, VSS_E_OBJECT_NOT_FOUND, NULL, "the documents: %s", problem);
        return r < 0 ? cli_out_of_memory(run->cli) : EXIT_DONE;
}

static int select_component(ScriptRun *run, vss_session *session, const char *writer,
                            const vss_value *component, const vss_value *excluded) {
        const char *path = text_of(component, "logical-path"), *name = text_of(component, "name"),
                   *reason = "";
        vss_result r;

        if (selection_names(excluded, writer, path, name))
                return selection_add_part(&run->restored, writer, path, name, "left-out",
                                          "It was left out on request.") < 0
                               ? cli_out_of_memory(run->cli)
                               : EXIT_DONE;
        r = vss_session_set_selected_for_restore(session, writer, path, name, true);
        if (r < 0 && r != VSS_E_OBJECT_NOT_FOUND)
                return cli_fail(run->cli, r);
        if (r < 0) {
                run->partly = true;
                reason = vss_service_error_message(run->cli->service) ?: "The writer is not there.";
                cli_note("%s:%u: %s: %s is not restored: %s", run->cli->script, run->cli->line, writer, name,
                         reason);
        }
        return selection_add_part(&run->restored, writer, path, name, r < 0 ? "left-out" : "explicit",
                                  reason) < 0
                       ? cli_out_of_memory(run->cli)
                       : EXIT_DONE;
}

static bool is_any_selected(const ScriptRun *run) {
        for (size_t i = 0; i < vss_value_count(run->restored.participation); i++)
                if (strcmp(text_of(vss_value_at(run->restored.participation, i), "part"), "explicit") == 0)
                        return true;
        return false;
}

static int verify_rules(ScriptRun *run) {
        for (size_t i = 0; i < run->n_rules; i++) {
                _cleanup_(freep) char *problem = NULL;
                const ScriptRule *rule = &run->rules[i];

                if (rule->verify &&
                    selection_verify(&run->restored, vss_value_get(run->documents.parsed, "writers"),
                                     rule->writer, &problem) < 0)
                        return cli_error(run->cli, VSS_E_OBJECT_NOT_FOUND, rule->writer,
                                         "line %u wants it to take part: %s", rule->line,
                                         problem ?: "out of memory");
        }
        return EXIT_DONE;
}

static int select_components(ScriptRun *run, vss_session *session) {
        const vss_value *writers = vss_value_get(run->documents.parsed, "writers");
        _cleanup_value_ vss_value *excluded = NULL;
        int status = find_excluded(run, &excluded);

        selection_clear(&run->restored);
        for (size_t i = 0; status == EXIT_DONE && i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i),
                                *components = vss_value_get(writer, "components");

                for (size_t j = 0; status == EXIT_DONE && j < vss_value_count(components); j++)
                        status = select_component(run, session, writer_name(writer),
                                                  vss_value_at(components, j), excluded);
        }
        if (status == EXIT_DONE)
                status = verify_rules(run);
        if (status == EXIT_DONE && !is_any_selected(run))
                return cli_error(run->cli, VSS_E_OBJECT_NOT_FOUND, NULL,
                                 "nothing of the backup can be restored with its writer");
        return status;
}

/* ---- telling ---- */

/* How the writer wants its files back, by its saved document. */
static int64_t saved_method(const ScriptRun *run, const char *writer) {
        for (size_t i = 0; i < run->documents.n_writers; i++)
                if (strcmp(writer_name(run->documents.writers[i].parsed), writer) == 0)
                        return vss_value_get_integer(
                                vss_value_get(run->documents.writers[i].parsed, "restore-method"), "method",
                                0);
        return 0;
}

/* What its writer has said of the component in PreRestore. */
static const vss_value *find_component(const vss_value *writers, const vss_value *key) {
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *components = vss_value_get(vss_value_at(writers, i), "components");

                if (strcmp(writer_name(vss_value_at(writers, i)), text_of(key, "writer")) != 0)
                        continue;
                for (size_t j = 0; j < vss_value_count(components); j++) {
                        const vss_value *c = vss_value_at(components, j);

                        if (strcmp(text_of(c, "name"), text_of(key, "name")) == 0 &&
                            strcmp(text_of(c, "logical-path"), text_of(key, "logical-path")) == 0)
                                return c;
                }
        }
        return NULL;
}

static const char *target_name(int64_t target) {
        static const char *const names[] = {
                [VSS_RT_UNDEFINED] = "",
                [VSS_RT_ORIGINAL] = "as the method says",
                [VSS_RT_ALTERNATE] = "to alternate locations",
                [VSS_RT_DIRECTED] = "where the writer directs",
                [VSS_RT_ORIGINAL_LOCATION] = "to the original location",
        };

        return target >= 0 && (size_t)target < ELEMENTS(names) ? names[target] : "unknown";
}

static int tell_components(ScriptRun *run, const vss_value *writers, vss_value *answer) {
        vss_value *list = value_require(answer, "components", VSS_KIND_LIST);
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "WRITER", "COMPONENT", "RESTORED", "METHOD", "TARGET", "NOTE", NULL);
        for (size_t i = 0; i < vss_value_count(run->restored.participation); i++) {
                const vss_value *part = vss_value_at(run->restored.participation, i);
                bool selected = strcmp(text_of(part, "part"), "left-out") != 0;
                int64_t method = saved_method(run, text_of(part, "writer")),
                        target = vss_value_get_integer(find_component(writers, part), "restore-target", 0);
                _cleanup_(freep) char *path = component_path(text_of(part, "logical-path"),
                                                             text_of(part, "name"));
                vss_value *entry = vss_value_copy(part);

                table_add(&table, text_of(part, "writer"), path ?: "?", selected ? "yes" : "no",
                          restore_method_name(method), target_name(target), text_of(part, "reason"), NULL);
                if (vss_value_set_integer(entry, "restore-method", method) < 0 ||
                    vss_value_set_integer(entry, "restore-target", target) < 0 ||
                    vss_value_set_boolean(entry, "selected", selected) < 0) {
                        (void)vss_value_free(entry);
                        return cli_out_of_memory(run->cli);
                }
                if (!list || vss_value_append(list, entry) < 0)
                        return cli_out_of_memory(run->cli);
        }
        if (script_in_words(run))
                table_print(&table, stdout);
        return EXIT_DONE;
}

/* Calls to writers succeed whatever these answer. One that refuses ends the script. */
static int judge_writers(ScriptRun *run, const vss_value *result, enum vss_writer_state failed) {
        const vss_value *writers = vss_value_get(result, "writers");
        int status = EXIT_DONE;

        for (size_t i = 0; i < vss_value_count(writers); i++) {
                const vss_value *writer = vss_value_at(writers, i);
                const char *said = text_of(writer, "application-message");
                vss_result code = (vss_result)vss_value_get_integer(writer, "code", 0);

                if (vss_value_get_integer(writer, "state", 0) != (int64_t)failed)
                        continue;
                status = cli_error(run->cli, code < 0 ? code : VSS_E_UNEXPECTED_WRITER_ERROR,
                                   text_of(writer, "name"), "%s: %s%s%s%s", vss_writer_state_name(failed),
                                   text_of(writer, "message"), *said ? " (" : "", said, *said ? ")" : "");
        }
        return status;
}

/* ---- the commands ---- */

static int check_begin(ScriptRun *run) {
        if (run->mode != SCRIPT_MODE_NONE)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "line %u has begun a %s; it has to end first", run->begun,
                                 run->mode == SCRIPT_MODE_BACKUP ? "backup" : "restore");
        if (!run->documents.document)
                return cli_error(
                        run->cli, VSS_E_BAD_STATE, NULL,
                        "the documents of a backup say what there is to restore; load metadata comes first");
        return EXIT_DONE;
}

static int simulate(ScriptRun *run, vss_value *answer) {
        _cleanup_(vss_session_releasep) vss_session *session = NULL;
        bool partly = run->partly;
        int status = check_begin(run);

        if (status == EXIT_DONE)
                status = open_session(run, &session);
        if (status == EXIT_DONE)
                status = select_components(run, session);
        if (status == EXIT_DONE)
                status = tell_components(run, NULL, answer);
        selection_clear(&run->restored);
        if (status == EXIT_DONE && run->partly && !partly)
                return cli_error(
                        run->cli, VSS_E_OBJECT_NOT_FOUND, NULL,
                        "a restore would not have all of the backup; what is missing is named above");
        return status;
}

static int begin_restore(ScriptRun *run, vss_value *answer) {
        _cleanup_(vss_session_releasep) vss_session *session = NULL;
        _cleanup_value_ vss_value *result = NULL, *writers = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status = check_begin(run);

        if (status == EXIT_DONE)
                status = open_session(run, &session);
        if (status == EXIT_DONE)
                status = select_components(run, session);
        if (status != EXIT_DONE)
                return status;
        r = vss_session_pre_restore(session, &async);
        status = script_await(run, r, async, "telling the writers", &result);
        if (status == EXIT_DONE)
                status = judge_writers(run, result, VSS_WS_FAILED_AT_PRE_RESTORE);
        if (status != EXIT_DONE)
                return status;
        r = vss_session_get_writer_components(session, &writers);
        if (r < 0)
                return cli_fail(run->cli, r);
        status = tell_components(run, writers, answer);
        if (status != EXIT_DONE)
                return status;
        run->restore = TAKE_PTR(session);
        run->mode = SCRIPT_MODE_RESTORE;
        run->begun = run->cli->line;
        return EXIT_DONE;
}

/* The script has come as far as here, so its programs have put everything back. */
static int report_files(ScriptRun *run) {
        for (size_t i = 0; i < vss_value_count(run->restored.participation); i++) {
                const vss_value *part = vss_value_at(run->restored.participation, i);
                vss_result r;

                if (strcmp(text_of(part, "part"), "left-out") == 0)
                        continue;
                r = vss_session_set_file_restore_status(run->restore, text_of(part, "writer"),
                                                        text_of(part, "logical-path"), text_of(part, "name"),
                                                        VSS_RS_ALL);
                if (r < 0)
                        return cli_fail(run->cli, r);
        }
        return EXIT_DONE;
}

static int end_restore(ScriptRun *run) {
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status;

        if (run->mode != SCRIPT_MODE_RESTORE)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "no restore was begun; begin restore comes first");
        status = report_files(run);
        if (status != EXIT_DONE)
                return status;
        r = vss_session_post_restore(run->restore, &async);
        status = script_await(run, r, async, "telling the writers", &result);
        if (status != EXIT_DONE)
                return status;
        run->mode = SCRIPT_MODE_NONE;
        run->restore = vss_session_release(run->restore);
        selection_clear(&run->restored);
        return judge_writers(run, result, VSS_WS_FAILED_AT_POST_RESTORE);
}

int script_restore(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        switch (command->verb) {
        case SCRIPT_LOAD_METADATA:
                return load_metadata(run, command->object);
        case SCRIPT_BEGIN_RESTORE:
                return begin_restore(run, answer);
        case SCRIPT_END_RESTORE:
                return end_restore(run);
        default:
                return simulate(run, answer);
        }
}
