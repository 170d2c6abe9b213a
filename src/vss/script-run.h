/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scripts at work: what a script knows while it runs, and its commands
 *
 * The service is asked for as little as possible before `create`: a set is begun, and the machine-wide slot taken,
 * only there. A session is kept as long as the script may need what lives with it.
 */

#include "vss/backup.h"
#include "vss/metadata.h"
#include "vss/script-parse.h"

/* What to do about a mistake in how a script is written. */
#define SCRIPT_REMEDY "Correct the line; vss-script(5) has the language."

/* A name and what it stands for. */
typedef struct ScriptAlias {
        char *name, *value;
} ScriptAlias;

/* `writer verify` or `writer exclude`. */
typedef struct ScriptRule {
        bool verify;
        char *writer; /* WRITER or WRITER:/COMPONENT */
        unsigned line;
} ScriptRule;

/* A volume for the next set. */
typedef struct ScriptVolume {
        char *path, *alias, *provider; /* the last two may be NULL */
        unsigned line;
} ScriptVolume;

/* A set that was made, with the session it lives in. */
typedef struct ScriptSet {
        BackupOptions options;
        ExactVolume *volumes;
        VerifiedWriter *verified; /* of the rules, which stay */
        char *documents;          /* where its documents are; NULL: nowhere */
        Backup backup;
} ScriptSet;

typedef enum ScriptMode {
        SCRIPT_MODE_NONE,
        SCRIPT_MODE_BACKUP,
        SCRIPT_MODE_RESTORE,
} ScriptMode;

typedef struct ScriptRun {
        Cli *cli;
        Strings arguments; /* %DISKSH_PARAM_1% ... */
        uint32_t wait;     /* for the turn to create a set, seconds */
        bool interactive;
        bool stdin_is_script; /* programs must not read the rest of it */
        bool verbose, ended;
        uint32_t context, attributes;
        char *metadata; /* `set metadata`; NULL: none */

        ScriptMode mode;
        unsigned begun; /* its line */
        ScriptAlias *aliases;
        size_t n_aliases;
        ScriptRule *rules;
        size_t n_rules;
        ScriptVolume *volumes;
        size_t n_volumes;
        ScriptSet **sets; /* the last one is that of the backup that was begun, if "set_made" */
        size_t n_sets;
        bool set_made;
        Metadata documents; /* `load metadata` */
        Selection restored; /* what the restore that was begun has */
        vss_session *restore;
        vss_session **imports; /* what was imported lives in them */
        size_t n_imports;
        bool partly;         /* something was done, but not all of it */
        vss_value *commands; /* for --json: what each said; NULL: in words */
} ScriptRun;

/*
 * Commands: @answer is a dictionary for what --json shall tell beside the command's name. Return: EXIT_DONE, or
 * another status after a message, which ends the script.
 */
typedef int (*ScriptHandler)(ScriptRun *run, const ScriptCommand *command, vss_value *answer);

int script_set(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_writer(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_add(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_backup(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_create(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_exec(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_list(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_expose(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_delete(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_transport(ScriptRun *run, const ScriptCommand *command, vss_value *answer);
int script_restore(ScriptRun *run, const ScriptCommand *command, vss_value *answer);

/* A call that was made: its failure, or its end with the answer. Takes the async over. */
int script_await(ScriptRun *run, vss_result r, vss_async *async, const char *step, vss_value **ret_result);
/* All that the service has answered belongs to the command's answer. */
int script_tell(ScriptRun *run, vss_value *answer, const vss_value *result);
/* Does this run print in words? */
bool script_in_words(const ScriptRun *run);
/* Gives @name the value, whatever it had before. Return: EXIT_DONE, or another status after a message. */
int script_set_alias(ScriptRun *run, const char *name, const char *value);
/* A set ends: its session with it. */
void script_free_set(ScriptSet *set);
/* Everything is as at the start; what lives with sessions is gone. */
void script_reset(ScriptRun *run);

/*
 * script_run() - the commands of @script, until one fails
 * script_interact() - what is typed; failures are told and end nothing
 * Return: an exit status.
 */
int script_run(ScriptRun *run, const Script *script);
int script_interact(ScriptRun *run);
/* At the end: what was begun and not ended is told. Return: @status, or a heavier one. */
int script_finish(ScriptRun *run, int status);
