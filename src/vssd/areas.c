/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Difference areas
 *
 * Where the differences of a volume's shadow copies are kept, and how much may be used for them. A provider
 * decides; here paths become volumes, by workers, and the provider is found that is to be asked: the one
 * that is named, or the one that takes the volume.
 */

#include <inttypes.h>
#include <string.h>
#include "bus/marshal.h"
#include "vssd/areas.h"
#include "vssd/catalog.h"
#include "vssd/event.h"
#include "vssd/job.h"
#include "vssd/log.h"
#include "vssd/support.h"
#include "vssd/worker.h"

enum { AREAS_MAX = 4096 };

typedef struct Areas {
        Manager *manager;
        Job *job;
        const char *member; /* of the provider */
        char *path, *diff_path;
        uint64_t maximum;
        vss_value *options; /* of a query its filter */
        SupportFind *find;
        Discover *discover;
        Discovery providers;
        Calls calls;
        Volume *volume, *diff_volume;
        Participant *provider;
        vss_value *result;
        Failure failure;
        CatalogQuery *query;
        vss_value *candidates; /* ids of what takes more than the new maximum */
        bool shrinks;          /* there is less room than its copies take: the oldest makes some */
} Areas;

static Areas *areas_free(Areas *areas) {
        if (!areas)
                return NULL;
        calls_cancel(&areas->calls);
        catalog_query_cancel(areas->query);
        vss_value_free(areas->candidates);
        discovery_clear(&areas->providers);
        volume_unref(areas->volume);
        volume_unref(areas->diff_volume);
        participant_unref(areas->provider);
        vss_value_free(areas->options);
        vss_value_free(areas->result);
        failure_clear(&areas->failure);
        free(areas->path);
        free(areas->diff_path);
        free(areas);
        return NULL;
}

DEFINE_CLEANUP(Areas *, areas_free)

static void areas_done(void *userdata) {
        Areas *areas = userdata;

        job_done(areas->job, &areas->failure, areas->result);
        areas_free(areas);
}

static void areas_fail(Areas *areas, int r) {
        failure_set_first(&areas->failure, r == -ENOMEM ? VSS_E_OUTOFMEMORY : VSS_E_UNEXPECTED, "", "%s",
                          strerror(-r));
        areas_done(areas);
}

static Areas *areas_new(Manager *manager, const char *member, const char *path, const char *diff_path) {
        _cleanup_(areas_freep) Areas *areas = calloc(1, sizeof(*areas));

        if (!areas)
                return NULL;
        *areas = (Areas){ .manager = manager,
                          .member = member,
                          .path = strdup(path),
                          .diff_path = strdup(diff_path),
                          .result = vss_value_new_dict() };
        return areas->path && areas->diff_path && areas->result ? TAKE_PTR(areas) : NULL;
}

static void note_failure(Areas *areas, const CallAnswer *answer) {
        if (answer->late)
                participant_kill(answer->participant, answer->message);
        failure_set_first(&areas->failure, answer->result, answer->participant->name, "%s",
                          answer->message ?: vss_result_text(answer->result));
}

/* QueryDiffAreas */

static bool has_snapshot(const vss_value *area, const char *id) {
        const vss_value *snapshots = vss_value_get(area, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcasecmp(vss_value_string(vss_value_at(snapshots, i), ""), id) == 0)
                        return true;
        return false;
}

static bool is_wanted(const Areas *areas, const vss_value *area) {
        const char *snapshot = vss_value_get_string(areas->options, "snapshot", "");

        return (!*areas->path || strcmp(vss_value_get_string(area, "volume", ""), areas->path) == 0) &&
               (!*areas->diff_path ||
                strcmp(vss_value_get_string(area, "diff-volume", ""), areas->diff_path) == 0) &&
               (!*snapshot || has_snapshot(area, snapshot));
}

static void on_areas(void *userdata, const CallAnswer *answer) {
        Areas *areas = userdata;
        vss_value *list = value_require(areas->result, "diff-areas", VSS_KIND_LIST);
        _cleanup_value_ vss_value *found = NULL;

        if (answer->result < 0 || marshal_read_dicts(answer->reply, &found) < 0) {
                if (answer->late)
                        participant_kill(answer->participant, answer->message);
                support_leave_out(areas->result, answer->participant->name,
                                  answer->message ?: "its answer cannot be read");
                return;
        }
        for (size_t i = 0; i < vss_value_count(found) && vss_value_count(list) < AREAS_MAX; i++) {
                vss_value *area = value_at_mutable(found, i);

                if (!is_wanted(areas, area))
                        continue;
                (void)vss_value_set_string(area, "provider", answer->participant->name);
                (void)vss_value_append(list, vss_value_copy(area));
        }
}

static void on_providers(void *userdata, const Failure *failure, Discovery *providers) {
        Areas *areas = userdata;
        const char *named = vss_value_get_string(areas->options, "provider", "");

        areas->discover = NULL;
        areas->providers = *providers;
        *providers = (Discovery){ 0 };
        failure_copy(&areas->failure, failure);
        calls_begin(&areas->calls, areas_done, areas);
        for (size_t i = 0; failure->code >= 0 && i < areas->providers.n_participants; i++) {
                Participant *provider = areas->providers.participants[i];
                _cleanup_message_ sd_bus_message *m = NULL;
                int r;

                if (!support_can(provider, "query-diff-areas") ||
                    (*named && strcasecmp(named, provider->name) != 0))
                        continue;
                r = participant_message(provider, "QueryDiffAreas", &m);
                if (r >= 0)
                        r = calls_add(&areas->calls, provider, m, areas->manager->settings.provider_usec,
                                      on_areas, NULL);
                if (r < 0)
                        support_leave_out(areas->result, provider->name, strerror(-r));
        }
        calls_drop(&areas->calls);
}

static void discover_areas(Areas *areas) {
        int r = discover_start(areas->manager, true, on_providers, areas, &areas->discover);

        if (r < 0)
                areas_fail(areas, r);
}

/* A volume that is in nobody's reach is what it was called. */
static void take_path(const WorkerAnswer *answer, char **path) {
        const char *found = vss_value_get_string(answer->value, "path", NULL);
        char *copy = found ? strdup(found) : NULL;

        if (!copy)
                return;
        free(*path);
        *path = copy;
}

static void on_diff_path(void *userdata, int error, WorkerAnswer *answer) {
        Areas *areas = userdata;

        if (error >= 0)
                take_path(answer, &areas->diff_path);
        discover_areas(areas);
}

static void find_diff_path(Areas *areas) {
        int r = 0;

        if (*areas->diff_path)
                r = worker_start(areas->manager, volume_find_main, areas->diff_path,
                                 areas->manager->settings.worker_usec, on_diff_path, areas, NULL);
        else
                discover_areas(areas);
        if (r < 0)
                areas_fail(areas, r);
}

static void on_path(void *userdata, int error, WorkerAnswer *answer) {
        Areas *areas = userdata;

        if (error >= 0)
                take_path(answer, &areas->path);
        find_diff_path(areas);
}

int areas_query(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *filter = NULL;
        _cleanup_(areas_freep) Areas *areas = NULL;
        const char *volume, *on;
        Areas *work;
        int r = marshal_read_dict(m, &filter);

        if (r < 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "The filter cannot be read.");
        volume = vss_value_get_string(filter, "volume", "");
        on = vss_value_get_string(filter, "on-volume", "");
        if ((*volume && volume[0] != '/') || (*on && on[0] != '/'))
                return bus_error_setf(error, VSS_E_INVALIDARG, "%s is not an absolute path.",
                                      *volume && volume[0] != '/' ? volume : on);
        areas = areas_new(manager, "QueryDiffAreas", volume, on);
        if (!areas || !value_require(areas->result, "diff-areas", VSS_KIND_LIST))
                return -ENOMEM;
        areas->options = TAKE_PTR(filter);
        r = job_start(manager, m, NULL, NULL, &areas->job);
        if (r < 0)
                return r;
        work = TAKE_PTR(areas);
        if (!*work->path)
                find_diff_path(work);
        else if ((r = worker_start(manager, volume_find_main, work->path, manager->settings.worker_usec,
                                   on_path, work, NULL)) < 0)
                areas_fail(work, r);
        return 0;
}

/* AddDiffArea, ChangeDiffAreaMaximumSize */

static void tell(const Areas *areas) {
        const char *of = areas->volume->path, *on = areas->diff_volume->path;

        if (areas->maximum == 0)
                event_send(areas->manager, "storage-changed", areas->result,
                           "differences of %s are no longer kept on %s", of, on);
        else if (areas->maximum == UINT64_MAX)
                event_send(areas->manager, "storage-changed", areas->result,
                           "differences of %s are kept on %s, without a limit", of, on);
        else
                event_send(areas->manager, "storage-changed", areas->result,
                           "differences of %s are kept on %s, at most %" PRIu64 " bytes of them", of, on,
                           areas->maximum);
}

static void on_changed(void *userdata, const CallAnswer *answer) {
        Areas *areas = userdata;

        if (answer->result < 0) {
                note_failure(areas, answer);
                areas->shrinks = answer->result == VSS_E_INSUFFICIENT_STORAGE && areas->maximum > 0 &&
                                 strcmp(areas->member, "ChangeDiffAreaMaximumSize") == 0 &&
                                 support_can(areas->provider, "query-diff-areas");
                return;
        }
        (void)vss_value_set_string(areas->result, "volume", areas->volume->path);
        (void)vss_value_set_string(areas->result, "diff-volume", areas->diff_volume->path);
        (void)vss_value_set_integer(areas->result, "maximum", (int64_t)areas->maximum);
        (void)vss_value_set_string(areas->result, "provider", answer->participant->name);
        tell(areas);
}

static void call_provider(Areas *areas);

/* What was deleted is gone, whatever became of the rest. */
static void on_dropped(void *userdata, const Failure *failure, vss_value *result) {
        Areas *areas = userdata;

        if (failure->code < 0 || vss_value_count(vss_value_get(result, "deleted")) == 0) {
                areas_done(areas);
                return;
        }
        failure_clear(&areas->failure);
        areas->failure = (Failure){ 0 };
        call_provider(areas);
}

static void on_copies(void *userdata, const Failure *failure, vss_value *result) {
        Areas *areas = userdata;
        const vss_value *snapshots = vss_value_get(result, "snapshots");
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        vss_value *chosen = value_require(selection, "snapshots", VSS_KIND_LIST);

        areas->query = NULL;
        for (size_t i = 0; chosen && i < vss_value_count(snapshots) && vss_value_count(chosen) == 0; i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);
                const char *id = vss_value_get_string(snapshot, "id", "");

                if (value_contains(areas->candidates, id) <= 0 || value_append_string(chosen, id) < 0)
                        continue;
                (void)value_append_string(value_require(areas->result, "deleted", VSS_KIND_LIST), id);
                event_send(areas->manager, "shadow-copy-dropped", snapshot,
                           "shadow copy %s, the oldest of %s, is dropped: there may be no more than %" PRIu64
                           " bytes of differences",
                           id, areas->volume->path, areas->maximum);
        }
        if (vss_value_count(chosen) == 0 || catalog_delete(areas->manager, selection, on_dropped, areas) < 0)
                areas_done(areas);
}

/* Only what takes more than there may be: a provider may refuse a size for other reasons. */
static void on_taken(void *userdata, const CallAnswer *answer) {
        _cleanup_value_ vss_value *found = NULL;
        Areas *areas = userdata;

        if (answer->result < 0 || marshal_read_dicts(answer->reply, &found) < 0)
                return;
        for (size_t i = 0; i < vss_value_count(found) && i < AREAS_MAX; i++) {
                const vss_value *area = vss_value_at(found, i);
                int64_t allocated = vss_value_get_integer(area, "allocated", 0);

                if (strcmp(vss_value_get_string(area, "volume", ""), areas->volume->path) == 0 &&
                    strcmp(vss_value_get_string(area, "diff-volume", ""), areas->diff_volume->path) == 0 &&
                    allocated > 0 && (uint64_t)allocated > areas->maximum)
                        areas->candidates = vss_value_copy(vss_value_get(area, "snapshots"));
        }
}

static void on_taken_done(void *userdata) {
        Areas *areas = userdata;

        if (vss_value_count(areas->candidates) == 0 ||
            catalog_query(areas->manager, NULL, on_copies, areas, &areas->query) < 0)
                areas_done(areas);
}

static void shrink(Areas *areas) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        areas->candidates = vss_value_free(areas->candidates);
        calls_begin(&areas->calls, on_taken_done, areas);
        r = participant_message(areas->provider, "QueryDiffAreas", &m);
        if (r >= 0)
                r = calls_add(&areas->calls, areas->provider, m, areas->manager->settings.provider_usec,
                              on_taken, NULL);
        if (r < 0)
                log_error("%s cannot be asked what shadow copies of %s take: %s", areas->provider->name,
                          areas->volume->path, strerror(-r));
        calls_drop(&areas->calls);
}

static void on_called(void *userdata) {
        Areas *areas = userdata;

        if (areas->shrinks)
                shrink(areas);
        else
                areas_done(areas);
}

static void call_provider(Areas *areas) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        areas->shrinks = false;
        calls_begin(&areas->calls, on_called, areas);
        r = participant_message(areas->provider, areas->member, &m);
        if (r >= 0)
                r = support_append_volume(m, areas->volume);
        if (r >= 0)
                r = support_append_volume(m, areas->diff_volume);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", areas->maximum);
        if (r >= 0)
                r = calls_add(&areas->calls, areas->provider, m, areas->manager->settings.provider_usec,
                              on_changed, NULL);
        if (r < 0)
                failure_set_first(&areas->failure, VSS_E_UNEXPECTED, areas->provider->name,
                                  "%s cannot be called: %s", areas->provider->name, strerror(-r));
        calls_drop(&areas->calls);
}

static void on_diff_volume(void *userdata, int error, WorkerAnswer *answer) {
        Areas *areas = userdata;
        int r = error;

        if (r >= 0)
                r = volume_new(TAKE_FD(answer->fds[0]), TAKE_PTR(answer->value), &areas->diff_volume);
        if (r >= 0) {
                call_provider(areas);
                return;
        }
        failure_set(&areas->failure,
                    r == -ENOENT || r == -ENOTDIR ? VSS_E_OBJECT_NOT_FOUND : VSS_E_UNEXPECTED,
                    areas->diff_path, "%s",
                    vss_value_get_string(answer->value, "message",
                                         r == -ETIMEDOUT ? "The path could not be looked at in time."
                                                         : strerror(-r)));
        areas_done(areas);
}

static void on_supported(void *userdata, const Failure *failure, Volume *volume, Support *support) {
        Areas *areas = userdata;
        int r;

        areas->find = NULL;
        failure_copy(&areas->failure, failure);
        if (failure->code >= 0 && !support_can(support->provider, strcmp(areas->member, "AddDiffArea") == 0
                                                                          ? "add-diff-area"
                                                                          : "change-diff-area-maximum-size"))
                failure_set(&areas->failure, VSS_E_NOT_SUPPORTED, support->provider->name,
                            "%s is taken by %s, which keeps no differences that could be limited or lie "
                            "elsewhere.",
                            volume->path, support->provider->name);
        if (areas->failure.code < 0) {
                areas_done(areas);
                return;
        }
        areas->volume = volume_ref(volume);
        areas->provider = participant_ref(support->provider);
        r = worker_start(areas->manager, volume_find_main, areas->diff_path,
                         areas->manager->settings.worker_usec, on_diff_volume, areas, NULL);
        if (r < 0)
                areas_fail(areas, r);
}

static int start(Manager *manager, sd_bus_message *m, const char *member, sd_bus_error *error) {
        _cleanup_(areas_freep) Areas *areas = NULL;
        _cleanup_value_ vss_value *options = NULL;
        const char *path, *diff_path;
        uint64_t maximum;
        Areas *work;
        int r = sd_bus_message_read(m, "sst", &path, &diff_path, &maximum);

        if (r >= 0)
                r = marshal_read_dict(m, &options);
        if (r < 0)
                return r;
        if (path[0] != '/' || diff_path[0] != '/')
                return bus_error_setf(error, VSS_E_INVALIDARG, "%s is not an absolute path.",
                                      path[0] != '/' ? path : diff_path);
        if (maximum > INT64_MAX && maximum != UINT64_MAX)
                return bus_error_setf(error, VSS_E_INVALIDARG, "%" PRIu64 " bytes are no size.", maximum);
        if (maximum == 0 && strcmp(member, "AddDiffArea") == 0)
                return bus_error_setf(error, VSS_E_INVALIDARG, "A difference area cannot have no size.");
        areas = areas_new(manager, member, path, diff_path);
        if (!areas)
                return -ENOMEM;
        areas->options = TAKE_PTR(options);
        areas->maximum = maximum;
        r = job_start(manager, m, NULL, NULL, &areas->job);
        if (r < 0)
                return r;
        work = TAKE_PTR(areas);
        r = support_find(manager, work->path, vss_value_get_string(work->options, "provider", ""), 0,
                         on_supported, work, &work->find);
        if (r < 0)
                areas_fail(work, r);
        return 0;
}

int areas_add(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        return start(manager, m, "AddDiffArea", error);
}

int areas_change(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        return start(manager, m, "ChangeDiffAreaMaximumSize", error);
}
