/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the parts of the process that reads and stores need of each other
 */

#include "repository/scan.h"
#include "vss/archiver.h"
#include "vss/backup-files.h"

typedef struct ArchiverChild {
        Cli *cli;
        const ArchiverJob *job;
        int fd, live_root;
        Repository *repo;
        RepoLock *lock;
        Store *store;
        SnapshotList points;
        const Snapshot *parent; /* what is compared with */
        const Snapshot *base;   /* the full that a differential or log backup stands on */
        struct timespec begun;

        /* Of what is to be read. */
        vss_value *order;
        ArchiveDevice *devices;
        size_t n_devices;
        ArchivePath *paths;
        size_t n_paths;
        const char **excludes;
        Scan *scan; /* where no point tells how much there is, and somebody looks; or NULL */
        BackupFiles *files;
        bool stuck;     /* threads hang in a device */
        bool cancelled;                  /* by the other process, or because it has gone */
        ArchiveCounts counts;            /* of the sources */
        StoreCounts stored, before_late; /* all, and what the sources have added */
        uint64_t errors;
        BlobId tree, point;
} ArchiverChild;

/* archiver-parent.c: which of the points is compared with, and what it says. */
void archiver_choose_parent(ArchiverChild *child);
const Snapshot *archiver_find_like(const ArchiverChild *child);
/* The Backup Components Document of the backup that this one goes on top of; NULL if there is none. */
char *archiver_load_document(ArchiverChild *child);

/* archiver-point.c */
int archiver_save_point(ArchiverChild *child, Why *why);
/* What the answer says of it. NULL without memory. */
vss_value *archiver_describe_point(const ArchiverChild *child);
