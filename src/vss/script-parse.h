/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The language of vss-script(5): lines into words, words into commands
 *
 * Pure: text in, commands or the mistake out. A line is read in three steps. It is split into words, in
 * which a reference to a variable still stands as %NAME% and a per cent sign as %%. Then the words are
 * expanded; a value is never split again, so that no value can become another command. Then the words are a
 * command. A script as a whole is checked before its first command runs, as far as its words do not depend
 * on variables.
 *
 * Functions return 0 or a negative errno: -EBADMSG for a mistake in the script, with @error filled in, or
 * -ENOMEM.
 */

#include <stdint.h>
#include "util/macro.h"
#include "vss/stringlist.h"

#define SCRIPT_SIZE_MAX (1u << 20)
#define SCRIPT_LINE_MAX 8192u
#define SCRIPT_LINES_MAX 10000u
#define SCRIPT_WORDS_MAX 64u
#define SCRIPT_WORD_MAX 32768u /* after expansion */
#define SCRIPT_NAME_MAX 64u    /* of an alias or a variable */

typedef enum ScriptVerb {
        SCRIPT_SET,
        SCRIPT_SET_CONTEXT,
        SCRIPT_SET_OPTION,
        SCRIPT_SET_METADATA,
        SCRIPT_SET_VERBOSE,
        SCRIPT_LOAD_METADATA,
        SCRIPT_WRITER_VERIFY,
        SCRIPT_WRITER_EXCLUDE,
        SCRIPT_BEGIN_BACKUP,
        SCRIPT_END_BACKUP,
        SCRIPT_BEGIN_RESTORE,
        SCRIPT_END_RESTORE,
        SCRIPT_SIMULATE_RESTORE,
        SCRIPT_ADD,
        SCRIPT_ADD_VOLUME,
        SCRIPT_ADD_ALIAS,
        SCRIPT_CREATE,
        SCRIPT_EXEC,
        SCRIPT_IMPORT,
        SCRIPT_MASK,
        SCRIPT_BREAK,
        SCRIPT_EXPOSE,
        SCRIPT_UNEXPOSE,
        SCRIPT_REVERT,
        SCRIPT_LIST_WRITERS,
        SCRIPT_LIST_SHADOWS,
        SCRIPT_LIST_PROVIDERS,
        SCRIPT_DELETE_SHADOWS,
        SCRIPT_RESET,
        SCRIPT_EXIT,
        SCRIPT_HELP,
        SCRIPT_VERBS
} ScriptVerb;

/* What `list writers` shows. */
typedef enum ScriptDetail {
        SCRIPT_BRIEF,
        SCRIPT_METADATA,
        SCRIPT_DETAILED,
        SCRIPT_STATUS,
} ScriptDetail;

/* Which shadow copies `list shadows` and `delete shadows` mean; all but the first have an object. */
typedef enum ScriptChoice {
        SCRIPT_ALL,
        SCRIPT_VOLUME,
        SCRIPT_OLDEST,
        SCRIPT_OF_SET,
        SCRIPT_ID,
        SCRIPT_EXPOSED,
} ScriptChoice;

/* Texts are borrowed from the words. */
typedef struct ScriptCommand {
        ScriptVerb verb;
        uint32_t attributes;    /* set context, set option: VSS_VOLSNAP_ATTR_... */
        bool on;                /* set verbose; break: writable */
        ScriptDetail detail;    /* list writers */
        ScriptChoice choice;    /* list shadows, delete shadows */
        const char *object;     /* the volume, file, writer, shadow copy, set or alias that it is about */
        const char *target;     /* expose: the directory; add alias: the value */
        const char *alias;      /* add volume; NULL: none */
        const char *provider;   /* add volume; NULL: the service's choice */
        char *const *arguments; /* exec: the program and its arguments */
        size_t n_arguments;
} ScriptCommand;

typedef struct ScriptError {
        unsigned line; /* 0: the script as a whole */
        char message[240];
} ScriptError;

typedef struct ScriptLine {
        unsigned line;
        Strings words; /* not expanded; at least one */
} ScriptLine;

typedef struct Script {
        ScriptLine *lines;
        size_t n;
} Script;

/* The value of a variable, borrowed; NULL if there is none. */
typedef const char *(*ScriptLookup)(void *userdata, const char *name);

/* A whole script; blank lines and comments are dropped. */
int script_parse(const char *text, size_t size, ScriptError *error, Script *ret_script);
void script_clear(Script *script);

/* One line without its end; no words for a blank one. */
int script_split(const char *line, size_t size, ScriptError *error, Strings *ret_words);
/* -EBADMSG also for a variable that there is not. */
int script_expand(const Strings *words, ScriptLookup lookup, void *userdata, ScriptError *error,
                  Strings *ret_words);
/*
 * script_command() - the command that @words are
 * @expanded: have they been through script_expand()? If not, what depends on a variable is -EAGAIN.
 */
int script_command(const Strings *words, bool expanded, ScriptError *error, ScriptCommand *ret_command);

/* "add volume" */
const char *script_verb_name(ScriptVerb verb);
/* "add volume VOLUME [alias NAME] [provider NAME]" */
const char *script_verb_usage(ScriptVerb verb);

/* May this name be given to something, so that programs find it in their environment? */
bool script_name_is_alias(const char *name);
/* The same name, whatever its case? In ASCII alone, so that no locale changes a script. */
bool script_name_equal(const char *a, const char *b);
/* Does a word that is not expanded refer to a variable? */
bool script_has_variable(const char *word);
/* Fills @error in. Return: -EBADMSG. */
int script_mistake(ScriptError *error, const char *format, ...) _printf_(2, 3);
