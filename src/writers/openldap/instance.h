/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which directory servers there are, and where their databases lie
 *
 * An instance is known by its configuration: a directory (slapd.d) or a file (slapd.conf). Found are the
 * servers that run, what /etc/default/slapd starts, and what openldap.conf names. Nothing is remembered: the
 * answer is made anew each time, by a child with a deadline, since file systems and servers may hang.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "writers/common/child.h"

#define INSTANCES_MAX 32u
#define INSTANCE_DATABASES_MAX 64u
#define FOUND_NOTES_MAX 64u
#define COMPONENT_NAME "directory"
#define SLAPD_UNIT "slapd.service"

typedef struct LdapDatabase {
        char *suffix;
        char *directory;
        bool lmdb;   /* else a tree of LDIF files */
        bool nosync; /* slapd does not wait for the disk */
        char *csn;   /* contextCSN, where it was asked for and can be read */
} LdapDatabase;

typedef struct Instance {
        char *config;             /* absolute */
        const char *logical_path; /* the same without its leading slash */
        bool conf_file;           /* it is no directory */
        char *url;                /* ldapi; "": it does not listen there */
        char *unit;               /* "": none is known */
        pid_t pid;                /* 0: it does not run */
        char *crash_only;         /* why it cannot be held, or NULL */
        LdapDatabase databases[INSTANCE_DATABASES_MAX];
        size_t n_databases;
} Instance;

/* Something for people: a warning, or a right that is missing with the statement that grants it. */
typedef struct FoundNote {
        char *text;
        char *remedy; /* NULL: a warning */
} FoundNote;

typedef struct InstanceList {
        Instance *items; /* INSTANCES_MAX of them; NULL while there are none */
        size_t n;
        FoundNote notes[FOUND_NOTES_MAX];
        size_t n_notes;
        char version[32]; /* of slapd, where it was asked for: "2.5.13"; or "" */
} InstanceList;

void instance_list_clear(InstanceList *list);
const Instance *instance_find(const InstanceList *list, const char *logical_path);

typedef struct FindOrder {
        const char *conf_path;    /* openldap.conf */
        const char *default_path; /* /etc/default/slapd */
        uint64_t deadline_usec;
        bool details; /* contextCSN and version, too */
        pid_t broker;
} FindOrder;

/* What was found when the time is over counts, with a warning. Return: 0 or a negative errno. */
int instance_scan(const FindOrder *order, InstanceList *ret_list);

/* find.c: the child, and its messages. Texts follow each other, each with its NUL. */
enum {
        FOUND_INSTANCE = 1,
        FOUND_DATABASE,
        FOUND_CRASH_ONLY,
        FOUND_WARNING,
        FOUND_RIGHT,
        FOUND_VERSION,
        FOUND_END
};
enum { FOUND_CONF_FILE = 1, FOUND_LMDB = 2, FOUND_NOSYNC = 4 };

typedef struct FoundMessage {
        uint32_t kind;
        uint32_t flags;
        uint32_t pid;
        uint32_t size; /* of the texts */
        char texts[16384];
} FoundMessage;

int find_main(int fd, void *order);

/* cmdline.c: what slapd was started with */
typedef struct SlapdOptions {
        const char *config_dir, *config_file; /* -F, -f; NULL: not given */
        const char *urls;                     /* -h */
        const char *chroot;                   /* -r */
} SlapdOptions;

/* @cmdline as in /proc/PID/cmdline, with a NUL after its end; the options point into it. False: it is no
 * slapd. */
bool slapd_options_parse(const char *cmdline, size_t size, SlapdOptions *ret_options);
/* The first ldapi URL of a list parted by blanks; "" if there is none or it does not fit. */
void slapd_find_ldapi(const char *urls, char *ret_url, size_t size);
/* The value of NAME="value" in a file of shell variables, without its quotes; the last one counts. False:
 * not there. */
bool shell_variable(const char *text, const char *name, char *ret_value, size_t size);
/* "slapd 2.5.13+dfsg-5 (..." -> "2.5.13"; "" if there is none. */
void slapd_parse_version(const char *text, char *ret_version, size_t size);
/* The first two numbers, which change when the files' format may: does "2.5.13" go with "2.5.16"? */
bool slapd_same_series(const char *a, const char *b);
