/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the test requester shall do: its file and its command line; see vss-test-conf(5),
 * vss-test-requester(1)
 */

#include <linuxvss/types.h>
#include "testers/fields.h"

#define REQUESTER_RECORDS_MAX 1000u

typedef struct RequesterSubcomponent {
        const char *logical_path, *name;
} RequesterSubcomponent;

typedef struct RequesterTarget {
        const char *path, *filespec, *alternate_path;
        bool recursive;
} RequesterTarget;

/* One that is selected, or (with @select off) only has settings. */
typedef struct RequesterComponent {
        const char *writer, *logical_path; /* both may be all there is: all of the writer */
        const char *name;                  /* NULL: all of the writer */
        bool select;
        const char *backup_options, *previous_stamp, *restore_options, *restore_name, *roll_forward_point;
        int roll_forward;
        bool authoritative, additional_restores;
        size_t n_subcomponents, n_targets;
        RequesterSubcomponent *subcomponents;
        RequesterTarget *targets;
} RequesterComponent;

typedef struct RequesterPath {
        const char *path;
} RequesterPath;

typedef enum RequesterVerb { VERB_BACKUP, VERB_RESTORE, VERB_SNAPSHOT } RequesterVerb;

typedef struct RequesterConf {
        RequesterVerb verb;
        int type;      /* enum vss_backup_type */
        int cancel_at; /* TestEvent; -1: none */
        uint32_t context;
        const char *documents, *store, *previous, *provider, *label, *staging;
        bool select_components, bootable_system_state, partial_files, trust_documents, without_writers,
                dry_run, verbose;
        bool additional_restores; /* of every component */
        bool delete_after;        /* snapshot: take it away again */
        unsigned long retries, wait;
        size_t n_components, n_paths;
        RequesterComponent *components;
        RequesterPath *paths;
        Conf *conf;   /* what texts of the file belong to */
        char **words; /* and those of the command line that were cut */
        size_t n_words;
} RequesterConf;

#define REQUESTER_CONF_INIT                                                                  \
        {                                                                                    \
                .type = VSS_BT_COPY, .cancel_at = -1, .select_components = true, .wait = 60, \
                .label = "vss-test-requester"                                                \
        }

void requester_conf_clear(RequesterConf *conf);
/* Adds what a file says. 0 or a negative errno with @error. */
int requester_conf_read(const char *path, ConfError *error, RequesterConf *conf);
/* Takes @text over, also on failure. */
int requester_conf_from_conf(Conf *text, ConfError *error, RequesterConf *conf);
/* "WRITER" or "WRITER:[/]logical/path/name" joins the selection. 0, -EINVAL, -ENOMEM, -E2BIG. */
int requester_conf_select(RequesterConf *conf, const char *text);
int requester_conf_add_path(RequesterConf *conf, const char *path);

/*
 * requester_conf_parse() - the command line, with the file that it may name
 * Return: 0; 1 after --help or --version; -EINVAL after a message.
 */
int requester_conf_parse(int argc, char **argv, RequesterConf *ret_conf);
/* The settings of a component; NULL if there are none. */
const RequesterComponent *requester_conf_component(const RequesterConf *conf, const char *writer,
                                                   const char *logical_path, const char *name);
