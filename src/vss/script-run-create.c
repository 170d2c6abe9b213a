/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of scripts: begin backup, create, end backup
 *
 * A backup that was begun is a full one, and ends where the script says so. Without, `create` is a backup of its own,
 * a copy, which is complete when the set stands. Shadow copies that go with their session are kept to the end of the
 * script, or to `reset`.
 */

#include <string.h>
#include "vss/attributes.h"
#include "vss/report.h"
#include "vss/script-run.h"

#define SETS_MAX 256u

static int check_create(ScriptRun *run) {
        if (run->mode == SCRIPT_MODE_RESTORE)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "the restore that line %u began has to end first", run->begun);
        if (run->set_made)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "a backup has one set, and that of line %u has it; end backup comes first",
                                 run->begun);
        if (run->n_volumes == 0)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "there is no volume yet; add volume comes first");
        if (run->n_sets == SETS_MAX)
                return cli_error(run->cli, VSS_E_MAXIMUM_NUMBER_OF_SETS_REACHED, NULL,
                                 "a script keeps %u sets at most; reset gives them up", SETS_MAX);
        if (run->metadata)
                return metadata_check_new(run->cli, run->metadata);
        return EXIT_DONE;
}

/* `writer exclude` and `writer verify`, where there are writers at all. */
static int take_rules(const ScriptRun *run, ScriptSet *set) {
        set->verified = calloc(run->n_rules + 1, sizeof(*set->verified));
        if (!set->verified)
                return -ENOMEM;
        set->options.verified = set->verified;
        for (size_t i = 0; i < run->n_rules; i++) {
                const ScriptRule *rule = &run->rules[i];

                if (rule->verify)
                        set->verified[set->options.n_verified++] = (VerifiedWriter){ rule->writer,
                                                                                     rule->line };
                else if (strings_add(&set->options.excluded, rule->writer) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static ScriptSet *new_set(const ScriptRun *run) {
        ScriptSet *set = calloc(1, sizeof(*set));

        if (!set)
                return NULL;
        set->options = (BackupOptions){
                .label = run->cli->script,
                .context = run->context | run->attributes,
                .type = run->mode == SCRIPT_MODE_BACKUP ? VSS_BT_FULL : VSS_BT_COPY,
                .wait = run->wait,
                .all_components = true,
        };
        set->volumes = calloc(run->n_volumes, sizeof(*set->volumes));
        set->options.exact = set->volumes;
        for (size_t i = 0; set->volumes && i < run->n_volumes; i++) {
                const ScriptVolume *from = &run->volumes[i];
                ExactVolume *to = &set->volumes[set->options.n_exact++];

                to->path = strdup(from->path);
                to->provider = from->provider ? strdup(from->provider) : NULL;
                if (!to->path || (from->provider && !to->provider)) {
                        script_free_set(set);
                        return NULL;
                }
        }
        if (!set->volumes || take_rules(run, set) < 0) {
                script_free_set(set);
                return NULL;
        }
        return set;
}

/* VSS_SHADOW_SET, VSS_SHADOW_1 ..., and the aliases that the volumes were given. */
static int name_copies(ScriptRun *run, const ScriptSet *set) {
        int status = script_set_alias(run, "VSS_SHADOW_SET",
                                      vss_value_get_string(set->backup.set, "set", ""));

        for (size_t i = 0; status == EXIT_DONE && i < set->backup.n_volumes; i++) {
                const char *id = set->backup.volumes[i].snapshot;
                char name[32];

                (void)snprintf(name, sizeof(name), "VSS_SHADOW_%zu", i + 1);
                status = script_set_alias(run, name, id);
                if (status == EXIT_DONE && run->volumes[i].alias)
                        status = script_set_alias(run, run->volumes[i].alias, id);
        }
        return status;
}

static int report(ScriptRun *run, const ScriptSet *set, vss_value *answer) {
        const vss_value *result = set->backup.set;
        _cleanup_(freep) char *line = report_closing_line(result);

        for (size_t i = 0; i < vss_value_count(result); i++)
                if (vss_value_set(answer, vss_value_key_at(result, i),
                                  vss_value_copy(vss_value_at(result, i))) < 0)
                        return cli_out_of_memory(run->cli);
        if (!script_in_words(run))
                return EXIT_DONE;
        for (size_t i = 0; i < set->backup.n_volumes; i++)
                if (run->volumes[i].alias)
                        printf("alias %s is %s\n", run->volumes[i].alias, set->backup.volumes[i].snapshot);
        if (run->verbose)
                report_participation(stdout, vss_value_get(result, "participation"));
        report_set(stdout, result);
        printf("%s\n", line ?: "");
        return EXIT_DONE;
}

static void forget_volumes(ScriptRun *run) {
        for (size_t i = 0; i < run->n_volumes; i++) {
                free(run->volumes[i].path);
                free(run->volumes[i].alias);
                free(run->volumes[i].provider);
        }
        run->n_volumes = 0;
}

/* The writers are told that it is over; copies that stay need no session any more. */
static int complete(ScriptRun *run, ScriptSet *set) {
        int status = backup_complete(&set->backup, true);

        if (status != EXIT_DONE && status != EXIT_PARTLY)
                return status;
        /* Now it has how each component went, too. */
        if (set->documents && backup_save_again(&set->backup, set->documents) != EXIT_DONE)
                return EXIT_FAILED;
        if (set->options.context & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE)
                backup_release(&set->backup);
        return status;
}

static vss_value *list_aliases(const ScriptRun *run) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < run->n_aliases; i++) {
                _cleanup_value_ vss_value *entry = vss_value_new_dict();

                if (vss_value_set_string(entry, "name", run->aliases[i].name) < 0 ||
                    vss_value_set_string(entry, "value", run->aliases[i].value) < 0 ||
                    vss_value_append(list, TAKE_PTR(entry)) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

/* Of each set its own directory: the name is used up. */
static int save_documents(ScriptRun *run, ScriptSet *set) {
        _cleanup_value_ vss_value *aliases = NULL;
        int status;

        if (!run->metadata)
                return EXIT_DONE;
        aliases = list_aliases(run);
        if (!aliases)
                return cli_out_of_memory(run->cli);
        status = backup_save_documents(&set->backup, run->metadata, aliases);
        if (status == EXIT_DONE)
                set->documents = TAKE_PTR(run->metadata);
        return status;
}

static int make_set(ScriptRun *run, ScriptSet *set, vss_value *answer) {
        int status = backup_make(&set->backup, run->cli, &set->options);

        if (status == EXIT_DONE)
                status = name_copies(run, set);
        if (status == EXIT_DONE)
                status = save_documents(run, set);
        if (status == EXIT_DONE)
                status = report(run, set, answer);
        if (status != EXIT_DONE)
                return status;
        forget_volumes(run);
        if (run->mode == SCRIPT_MODE_BACKUP)
                run->set_made = true;
        else
                status = complete(run, set);
        return status == EXIT_DONE && set->backup.below_promise ? EXIT_PARTLY : status;
}

int script_create(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        ScriptSet *set, **sets;
        int status = check_create(run);

        if (status != EXIT_DONE)
                return status;
        sets = reallocarray(run->sets, run->n_sets + 1, sizeof(ScriptSet *));
        if (!sets)
                return cli_out_of_memory(run->cli);
        run->sets = sets;
        set = new_set(run);
        if (!set)
                return cli_out_of_memory(run->cli);
        status = make_set(run, set, answer);
        if (status == EXIT_DONE || status == EXIT_PARTLY)
                run->sets[run->n_sets++] = set;
        else
                script_free_set(set);
        return status;
}

static int begin_backup(ScriptRun *run) {
        if (run->mode != SCRIPT_MODE_NONE)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "line %u has begun a %s; it has to end first", run->begun,
                                 run->mode == SCRIPT_MODE_BACKUP ? "backup" : "restore");
        run->mode = SCRIPT_MODE_BACKUP;
        run->begun = run->cli->line;
        return EXIT_DONE;
}

static int end_backup(ScriptRun *run) {
        int status;

        if (run->mode != SCRIPT_MODE_BACKUP)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "no backup was begun; begin backup comes first");
        if (!run->set_made)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "the backup that line %u began has no set; create comes first", run->begun);
        status = complete(run, run->sets[run->n_sets - 1]);
        if (status == EXIT_DONE || status == EXIT_PARTLY) {
                run->mode = SCRIPT_MODE_NONE;
                run->set_made = false;
        }
        return status;
}

int script_backup(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        return command->verb == SCRIPT_BEGIN_BACKUP ? begin_backup(run) : end_backup(run);
}
