/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A vss_writer_call for tests: says what a test wants it to say, and keeps what the writer answers
 */

#include <linuxvss/writer.h>
#include "util/value.h"

struct vss_writer_call {
        void *userdata;
        const char *session_id; /* NULL: the usual one */
        uint32_t time_left_ms;
        const char *volumes[4];
        size_t n_volumes;
        vss_value *components; /* NULL: volume mode */
        enum vss_backup_type backup_type;
        const char *backup_options; /* of every component */
        bool one_instant;           /* of all paths on its volumes */
        const char *snapshot; /* where the copies are: this, and the path of the volume; NULL: nowhere */
        const char *scratch;
        bool dry_run;
        vss_result unit_result; /* of all calls about units */
        bool unit_active;
        /* answers */
        vss_result code;
        char message[2048];
        vss_value *failed; /* list of {"logical-path", "name", "code", "message"} */
        char units[1024];  /* what was done to units: "-UNIT " stopped, "+UNIT " started, "?UNIT " asked */
        vss_value *notes;  /* list of {"logical-path", "name", "text"} */
        char device[4096]; /* answered last */
        char backup_metadata[4096], restore_metadata[4096]; /* left last with a component */
        char restore_failure[2048]; /* the last message left with a component before or after a restore */
};

struct vss_metadata {
        vss_value *components; /* {"logical-path", "name", "owner", "crash-only", "files": [{"path",
                                  "filespec"}]} */
        vss_value *excludes, *excludes_from_snapshot;
        vss_value *warnings;
        vss_value *missing_rights; /* {"what", "remedy"} */
        enum vss_restore_method restore_method;
        enum vss_writer_restore writer_restore;
};

void fake_call_reset(vss_writer_call *call);
vss_metadata *fake_metadata_new(void);
vss_metadata *fake_metadata_free(vss_metadata *metadata);
DEFINE_CLEANUP(vss_metadata *, fake_metadata_free)
/* The component; NULL if there is none. */
const vss_value *fake_metadata_component(const vss_metadata *metadata, const char *logical_path,
                                         const char *name);
/* Does any warning have this text in it? */
bool fake_metadata_warns(const vss_metadata *metadata, const char *text);
/* Is there a missing right with this in its remedy? */
bool fake_metadata_misses(const vss_metadata *metadata, const char *text);
/* Has any note this text in it? */
bool fake_call_notes(const vss_writer_call *call, const char *text);
/* The message of a failed component; "" if it did not fail. */
const char *fake_call_failure(const vss_writer_call *call, const char *name);
