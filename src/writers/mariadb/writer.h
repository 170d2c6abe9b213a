/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The MariaDB writer: its table of events, and what it remembers between them
 */

#include "writers/common/event.h"
#include "writers/mariadb/hold.h"

typedef struct MariadbWriter {
        const char *conf_path;
        Settings settings;
        InstanceList list; /* as found for the set under way */
        HoldSet holds;
        char session[VSS_ID_SIZE]; /* whose they are */
        bool frozen;
} MariadbWriter;

extern const struct vss_writer mariadb_writer;

/* metadata.c: what is left with a component, lines of key=value. */
#define METADATA_MAX 65536u
void metadata_write(const Hold *hold, char *ret_text, size_t size);
/* The stamp: "FILE:POSITION" of the binary log; "" if there is none. */
void metadata_stamp(const Hold *hold, char *ret_text, size_t size);
/* Return: whether @key is there. */
bool metadata_get(const char *text, const char *key, char *ret_value, size_t size);

/* restore.c, verify.c */
vss_result mariadb_pre_restore(vss_writer_call *call);
vss_result mariadb_post_restore(vss_writer_call *call);
vss_result mariadb_verify(vss_writer_call *call);
