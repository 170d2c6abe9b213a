/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Copies of LUNs: made at one instant, kept, shown to one host, given to another, written back
 *
 * In the identity of a copy the key "array" is the array's own: of which LUN it is ("lun", "serial"), who
 * made it ("owner") and whose it is now ("holder"). A host sees and changes copies that it holds, and no
 * other. One that was made to be transported passes, once, to the host that knows its identity and that of
 * its set.
 *
 * Functions return 0 or a negative errno, and @error then has a sentence.
 */

#include "array/store.h"

typedef struct Making {
        char id[VSS_ID_SIZE], set[VSS_ID_SIZE];
        char lun[ARRAY_NAME_MAX + 1];
        int from, to; /* the LUN's bytes; the copy's, locked while it is being made */
        uint64_t usec;
        int error;
        bool committed;
} Making;

typedef struct Copies {
        const Store *store;
        const char *host;
        unsigned reserve; /* percent of what is copied that must be free */
        Making making[VSS_VOLUMES_MAX];
        size_t n_making;
} Copies;

/* @copies: a list of {"id", "lun", "properties"}. */
int copies_prepare(Copies *c, const char *set, const vss_value *copies, ArrayError *error);
/* The instant: all of the set at once, with a system call each. */
int copies_commit(Copies *c, const char *set, vss_value *answer, ArrayError *error);
/* Down to the disk. @properties: by id, what else belongs to the identity. */
int copies_finish(Copies *c, const char *set, const vss_value *properties, ArrayError *error);
void copies_abort(Copies *c, const char *set);
/* What this process has not finished. */
void copies_done(Copies *c);

int copies_held(const Copies *c, vss_value *list, ArrayError *error);
/* The copy passes to this host. @answer: what it is. */
int copies_take(Copies *c, const char *id, const char *set, const vss_value *properties, vss_value *answer,
                ArrayError *error);
/* After a take that came to nothing. */
int copies_give_back(Copies *c, const char *id, ArrayError *error);
int copies_set_identity(Copies *c, const char *id, const vss_value *properties, ArrayError *error);
int copies_unmask(Copies *c, const char *id, bool writable, ArrayError *error);
int copies_mask(Copies *c, const char *id, ArrayError *error);
int copies_delete(Copies *c, const char *id, ArrayError *error);
/* It becomes LUN @name, of the original's serial number if @revert_identity, and is granted to this host
 * unless @masked. -EEXIST: there is such a LUN. */
typedef struct CopiesBreak {
        const char *name; /* NULL with revert_identity */
        bool masked, writable, revert_identity;
        bool check_only; /* only whether it could be done */
} CopiesBreak;
int copies_break(Copies *c, const char *id, const CopiesBreak *how, vss_value *answer, ArrayError *error);
/* The LUN becomes what the copy is. -EBUSY: somebody has it open. */
int copies_write_back(Copies *c, const char *id, const char *lun, ArrayError *error);
/* Copies that nobody makes any more, and that were never done. */
int copies_sweep(const Store *store, ArrayError *error);
