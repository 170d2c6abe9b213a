/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: are the shadow copies still what was promised, now that they have been read?
 *
 * A copy can be lost while it is backed up, and what was read of it then is worth nothing. So before writers
 * are told that the backup is complete, which makes them truncate their logs, its copies are looked at once
 * more.
 */

#include <string.h>
#include "vssd/catalog.h"
#include "vssd/losses.h"
#include "vssd/session.h"
#include "vssd/support.h"

enum { NAMED_MAX = 3 };

static const vss_value *find(const vss_value *snapshots, const char *id) {
        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcasecmp(vss_value_get_string(vss_value_at(snapshots, i), "id", ""), id) == 0)
                        return vss_value_at(snapshots, i);
        return NULL;
}

static bool is_left_out(const vss_value *result, const char *provider) {
        const vss_value *left = vss_value_get(result, "left-out");

        for (size_t i = 0; i < vss_value_count(left); i++)
                if (strcmp(vss_value_get_string(vss_value_at(left, i), "what", ""), provider) == 0)
                        return true;
        return false;
}

static void note(vss_value *lost, const char *id, const char *volume, const char *reason) {
        vss_value *one = vss_value_new_dict();

        (void)vss_value_set_string(one, "id", id);
        (void)vss_value_set_string(one, "volume", volume);
        (void)vss_value_set_string(one, "reason", reason);
        (void)vss_value_append(lost, one);
}

/* Why it cannot be believed; NULL: it can. @provider: "" if it is not known here. */
static const char *doubt(const Session *session, const char *id, const char *provider, bool deleted,
                         const vss_value *result) {
        const vss_value *snapshot = find(vss_value_get(result, "snapshots"), id);
        const vss_value *loss = losses_find(session->manager, id);

        if (snapshot && strcmp(vss_value_get_string(snapshot, "state", ""), "lost") == 0)
                return vss_value_get_string(snapshot, "reason", "its provider does not say why");
        if (loss)
                return vss_value_get_string(loss, "reason", "its provider does not say why");
        if (snapshot || deleted || !*provider)
                return NULL;
        return is_left_out(result, provider) ? "its provider cannot say any more whether it stands"
                                             : "it is not there any more, and nobody has ordered that";
}

static void judge(const Session *session, const vss_value *result, vss_value *lost) {
        const vss_value *of_document = vss_value_get(session->document, "snapshots");
        /* The machine that it was made for deletes it when it has been read, and here it is seen no more
         * from the moment that it is imported there. */
        const bool for_another = session->set.context & VSS_VOLSNAP_ATTR_TRANSPORTABLE;

        for (size_t i = 0; i < session->set.n_volumes; i++) {
                const SetVolume *volume = &session->set.volumes[i];
                const char *why = !support_can(volume->provider, "check-storage")
                                          ? NULL
                                          : doubt(session, volume->id, volume->provider->name,
                                                  volume->deleted || for_another, result);

                if (why)
                        note(lost, volume->id, volume->volume->path, why);
        }
        for (size_t i = 0; session->facts & SESSION_DOCUMENT && i < vss_value_count(of_document); i++) {
                const vss_value *snapshot = vss_value_at(of_document, i);
                const char *id = vss_value_get_string(snapshot, "id", "");
                const char *why = doubt(session, id, "", false, result);

                if (why)
                        note(lost, id, vss_value_get_string(snapshot, "volume", "?"), why);
        }
}

static void tell(const vss_value *lost, Failure *ret_failure) {
        _cleanup_(freep) char *text = NULL;
        size_t size, n = vss_value_count(lost);
        FILE *stream = open_memstream(&text, &size);

        for (size_t i = 0; stream && i < n && i < NAMED_MAX; i++) {
                const vss_value *one = vss_value_at(lost, i);

                (void)fprintf(stream, "%sshadow copy %s of %s: %s", i > 0 ? "; " : "",
                              vss_value_get_string(one, "id", ""), vss_value_get_string(one, "volume", ""),
                              vss_value_get_string(one, "reason", ""));
        }
        if (stream && n > NAMED_MAX)
                (void)fprintf(stream, "; and %zu more", n - NAMED_MAX);
        if (stream)
                (void)fclose(stream);
        failure_set(
                ret_failure, VSS_E_SNAPSHOT_LOST, vss_value_get_string(vss_value_at(lost, 0), "volume", ""),
                "The backup is worth nothing, and no writer was told that it is complete: lost while it was "
                "made: %s.",
                text ?: "out of memory");
}

static void on_queried(void *userdata, const Failure *failure, vss_value *found) {
        Session *session = userdata;
        _cleanup_value_ vss_value *result = vss_value_new_dict();
        vss_value *lost = value_require(result, "lost", VSS_KIND_LIST);
        Failure of_lost = { 0 };

        session->querying = NULL;
        if (failure->code >= 0)
                judge(session, found, lost);
        if (failure->code < 0)
                session_end_job(session, failure, NULL);
        else if (vss_value_count(lost) > 0) {
                tell(lost, &of_lost);
                session_end_job(session, &of_lost, result);
                failure_clear(&of_lost);
        } else
                session->checked(session);
}

/* Only of those that can lose copies unasked: others are not called for it. */
static bool is_doubtful(const Session *session) {
        for (size_t i = 0; i < session->set.n_volumes; i++)
                if (support_can(session->set.volumes[i].provider, "check-storage"))
                        return true;
        return (session->facts & SESSION_DOCUMENT) && vss_value_count(losses_list(session->manager)) > 0;
}

int session_check_copies(Session *session, SessionUnwound done) {
        session->checked = done;
        if (!is_doubtful(session))
                return 0;
        return catalog_query(session->manager, NULL, on_queried, session, &session->querying) < 0 ? -ENOMEM
                                                                                                  : 1;
}

void session_note_deleted(Manager *manager, const char *id) {
        for (Session *session = manager->sessions; session; session = session->next) {
                SetVolume *volume = set_find_snapshot(&session->set, id);

                if (volume)
                        volume->deleted = true;
        }
}
