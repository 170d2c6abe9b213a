/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is restored or verified: a server as the backup recorded it, or as it is found now
 */

#include <linuxvss/writer.h>
#include "writers/openldap/record.h"

typedef struct Target {
        const vss_value *component;
        const char *logical_path;
        bool recorded;  /* the backup was held, and says what it has */
        bool conf_file; /* as found, or as it looks */
        Record record;  /* config, url, unit and databases */
        pid_t pid;      /* of the server that runs now; 0: none */
} Target;

/* Return: VSS_S_OK, or a failure of the component that was told. */
vss_result target_find(vss_writer_call *call, const vss_value *component, const InstanceList *found,
                       Target *ret_target);
void target_done(Target *target);
/* Marks the component as failed, and says so to whoever restores. Return: @code. */
vss_result target_fail(vss_writer_call *call, const Target *target, vss_result code, const char *format, ...)
        _printf_(4, 5);

/* Is all of @want there, of each server, or something later? Both are contextCSNs parted by blanks. */
bool csn_covers(const char *have, const char *want);

/* What a child found out, which may have died from it. */
enum { PROBE_DATABASE = 1, PROBE_COUNT, PROBE_ALIVE, PROBE_CSN };

typedef struct Probe {
        uint32_t what;
        const char *path;   /* DATABASE and COUNT: the directory */
        const char *url;    /* ALIVE and CSN */
        const char *suffix; /* CSN */
        uint64_t deadline_usec;
} Probe;

typedef struct ProbeAnswer {
        int32_t error; /* 0 or a negative errno */
        uint32_t reserved;
        uint64_t txnid, entries;
        char text[2048]; /* the CSN, or what is wrong */
} ProbeAnswer;

/* Return: 0, or a negative errno with a sentence in the answer. */
int probe(const Probe *what, ProbeAnswer *ret_answer);
/* Do database and record agree? @directory: where it lies now. Return: 0, or a negative errno with a
 * sentence. */
int probe_database(const RecordDatabase *recorded, const char *directory, bool count, uint64_t deadline_usec,
                   ProbeAnswer *ret_answer);
/* Wait until the server answers, and has what was recorded. Return: 0; 1 with a sentence if its contextCSN
 * is an older one; or a negative errno with a sentence. */
int probe_server(const Record *record, const char *url, uint64_t deadline_usec, ProbeAnswer *ret_answer);
