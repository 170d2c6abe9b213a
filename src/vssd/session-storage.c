/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: the calls that are about storage: which volumes can be copied, shadow copies that come from
 * elsewhere, and such that go back to where they came from
 */

#include <string.h>
#include "bus/marshal.h"
#include "model/context.h"
#include "vssd/import.h"
#include "vssd/log.h"
#include "vssd/session.h"
#include "vssd/support.h"

/* IsVolumeSupported */

static void on_supported(void *userdata, const Failure *failure, Volume *volume, Support *support) {
        Session *session = userdata;
        _cleanup_value_ vss_value *result = vss_value_new_dict();
        Failure none = { 0 };

        session->finding = NULL;
        /* That nobody takes it is the answer, and no failure. */
        if (failure->code == VSS_E_VOLUME_NOT_SUPPORTED ||
            failure->code == VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER)
                (void)vss_value_set_string(result, "reason", failure_message(failure));
        (void)vss_value_set_boolean(result, "supported", support->provider != NULL);
        (void)vss_value_set_string(result, "provider", support->provider ? support->provider->name : "");
        (void)vss_value_set_string(result, "volume", volume ? volume->path : "");
        session_end_job(session, vss_value_get(result, "reason") ? &none : failure, result);
}

int session_is_volume_supported(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const char *path, *provider;
        int r = sd_bus_message_read(m, "ss", &path, &provider);

        if (r >= 0)
                r = support_find(session->manager, path, provider, session->set.context, on_supported,
                                 session, &session->finding);
        if (r >= 0)
                r = session_begin_job(session, m, SESSION_CALL_IS_VOLUME_SUPPORTED);
        if (r < 0)
                session->finding = support_find_cancel(session->finding);
        return r;
}

/* ImportSnapshots */

static void on_imported(void *userdata, const Failure *failure, vss_value *result) {
        Session *session = userdata;
        const vss_value *snapshots = vss_value_get(result, "snapshots");

        session->import = NULL;
        if (!session->imported)
                session->imported = vss_value_new_list();
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                if (!context_keeps((uint32_t)vss_value_get_integer(snapshot, "attributes", 0)) &&
                    value_append_string(session->imported, vss_value_get_string(snapshot, "id", "")) < 0)
                        log_error("%s: out of memory", vss_value_get_string(snapshot, "id", ""));
        }
        session_end_job(session, failure, result);
}

int session_import(Session *session, sd_bus_message *m, sd_bus_error *error) {
        int r;

        if (!import_is_transportable(session->document))
                return bus_error_setf(
                        error, VSS_E_NONTRANSPORTABLE_BCD,
                        "The document describes no shadow copy that can be imported: it says of none where "
                        "its storage is. Make the set with TRANSPORTABLE in its context, and save the "
                        "document after DoSnapshotSet.");
        r = import_start(session->manager, session->id, session->document, on_imported, session,
                         &session->import);
        if (r >= 0)
                r = session_begin_job(session, m, SESSION_CALL_IMPORT_SNAPSHOTS);
        if (r < 0)
                session->import = import_abandon(session->import);
        return r;
}
