/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the verbs of repositories share: which one, its password, its lock, and how its failures are told
 */

#include "repository/lock.h"
#include "vss/options.h"

typedef struct RepoArgs {
        const char *repository, *password_file, *password_command, *sftp_command;
        uint32_t keyring;
        bool new_password; /* ask twice */
} RepoArgs;

/* Rows for the table of a verb. */
#define REPO_OPTIONS(args)                                                                               \
        OPTION("repository", OPTION_TEXT, "REPOSITORY",                                                  \
               "a directory, or sftp:[USER@]HOST:PATH; with --host, here:... is on this side; default: " \
               "$VSS_REPOSITORY",                                                                        \
               &(args)->repository),                                                                     \
                REPO_PASSWORD_OPTIONS(args)
#define REPO_PASSWORD_OPTIONS(args)                                                                    \
        OPTION("password-file", OPTION_TEXT, "FILE",                                                   \
               "read the password from it; default: $VSS_PASSWORD_FILE", &(args)->password_file),      \
                OPTION("password-command", OPTION_TEXT, "COMMAND",                                     \
                       "what it prints is the password; default: $VSS_PASSWORD_COMMAND",               \
                       &(args)->password_command),                                                     \
                OPTION("sftp-command", OPTION_TEXT, "COMMAND",                                         \
                       "reach the SFTP server by it instead of ssh", &(args)->sftp_command),           \
                OPTION_RANGE("keyring", OPTION_NUMBER, "SECONDS",                                      \
                             "keep the repository's key in the kernel's keyring of this user so long", \
                             &(args)->keyring, 1, 30 * 24 * 3600)

/* From where @args, or the environment, say, or the terminal. */
int cli_get_password(const RepoArgs *args, char **ret_password, Why *why);
/* A password that is to be a new one: from the file or command that @args name, or the terminal, twice. */
int cli_new_password(const RepoArgs *args, char **ret_password, Why *why);

/* Functions return EXIT_DONE, or another status after a message. */
int cli_open_repository(Cli *cli, const RepoArgs *args, Repository **ret_repo);
/* The same, for who has to read what the repository itself has, and nothing that is kept here. */
int cli_open_repository_itself(Cli *cli, const RepoArgs *args, Repository **ret_repo);
int cli_init_repository(Cli *cli, const RepoArgs *args, Repository **ret_repo);
/* Who only reads (not @exclusive, and without @ret_settle) goes on without a lock where none can be written:
 * on what is read-only or full. */
int cli_lock_repository(Cli *cli, Repository *repo, bool exclusive, bool *ret_settle, RepoLock **ret_lock);
/* What is damaged is noted, and passed over. */
int cli_load_index(Cli *cli, Repository *repo);
/* After reading: that packs which no index names were needed. */
void cli_note_unnamed(const Repository *repo);
int cli_load_points(Cli *cli, Repository *repo, SnapshotList *ret_points);

/* vss verify --repository: a repository is looked at, and not applications. */
int verify_repository(Cli *cli, const RepoArgs *args, bool read_data);

/* A failure of a repository, a negative errno, as one of ours. Return: EXIT_FAILED. */
int cli_fail_repository(Cli *cli, int error, const Why *why);

/* A point as --json shows it. NULL without memory. */
vss_value *point_to_value(const Snapshot *point);
