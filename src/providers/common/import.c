/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Importing the shadow copies of a set, one after the other
 */

#include <errno.h>
#include <stdio.h>
#include "providers/common/import.h"

static int note_failed(vss_value *failed, const char *id, const char *why) {
        vss_value *failure = vss_value_new_dict();

        if (vss_value_set_string(failure, "id", id) < 0 ||
            vss_value_set_string(failure, "reason", why) < 0) {
                vss_value_free(failure);
                return -ENOMEM;
        }
        /* It may quote what came from elsewhere. */
        value_make_utf8(failure);
        return vss_value_append(failed, failure);
}

vss_result import_each(const vss_value *set, vss_value *result, ImportOne import_one, void *userdata) {
        const vss_value *snapshots = vss_value_get(set, "snapshots");
        vss_value *imported = value_require(result, "imported", VSS_KIND_LIST),
                  *failed = value_require(result, "failed", VSS_KIND_LIST);
        bool is_taken = false;

        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);
                const char *id = vss_value_get_string(snapshot, "id", "");
                char why[IMPORT_WHY_SIZE] = "";
                int r = -EEXIST;

                if (is_taken)
                        (void)snprintf(why, sizeof(why), "another machine imports its set");
                else
                        r = import_one(userdata, snapshot, why);
                is_taken = is_taken || (i == 0 && r == -EEXIST);
                r = r == 0 ? value_append_string(imported, id) : note_failed(failed, id, why);
                if (r < 0)
                        return VSS_E_OUTOFMEMORY;
        }
        return VSS_S_OK;
}
