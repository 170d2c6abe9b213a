/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: the calls that are about storage: which volumes can be copied, shadow copies that come from
 * elsewhere, and such that go back to where they came from
 */

#include <string.h>
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
