/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The parts of a backup into a repository: what its files need of each other
 */

#include <time.h>
#include "vss/archiver.h"
#include "vss/backup-view.h"
#include "vss/progress.h"

typedef struct BackupRun {
        Cli *cli;
        const RepositoryBackupOptions *options;
        ArchiverJob job;
        Archiver archiver;
        BackupOptions backup_options;
        Backup backup;
        BackupView view;
        bool required, copies; /* shadow copies: are they a must, are there any */
        const char *why_live;  /* why there are none */
        Progress progress;
        uint64_t since, looked; /* when it was looked last whether the shadow copies are still there */
        struct timespec begun;
        vss_value *ready, *components; /* as the archiver told them */
        vss_value *failed, *mount_points;
        char *last_path;
        bool partly;
        char host[65];
} BackupRun;

/* repository-backup-documents.c */
/*
 * run_save_documents() - all that is said of the run, in a new directory
 * @ret_fd: of the directory; @ret_path: to be given to run_remove_documents()
 */
int run_save_documents(BackupRun *run, char **ret_path, int *ret_fd);
void run_remove_documents(const char *path);
/* Gives the writers the stamps of the last backup. */
int run_set_stamps(BackupRun *run, Backup *backup);

/* repository-backup-import.c: with --import, the options and what is read */
int run_check_import(BackupRun *run);
int run_take_import(BackupRun *run);
