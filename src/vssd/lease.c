/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Freeze leases
 *
 * A lease is a set without providers: its writers, file systems and control groups are frozen by the same
 * steps, and stay so until Thaw, or until the lease is over, whatever became of who asked. It belongs to a
 * user, not to a connection: agents freeze with one command and thaw with another.
 */

#include <string.h>
#include "bus/marshal.h"
#include "model/id.h"
#include "util/clock.h"
#include "vssd/door.h"
#include "vssd/lease.h"
#include "vssd/event.h"
#include "vssd/log.h"
#include "vssd/session.h"
#include "vssd/set-run.h"

/* Looked up one after the other, while nobody else may create a set. */
enum { PATHS_MAX = 4 * VSS_VOLUMES_MAX };

typedef struct Lease {
        Manager *manager;
        char token[VSS_ID_SIZE];
        char session[VSS_ID_SIZE]; /* writers know events by session and set */
        uid_t uid;
        uint64_t seconds;
        uint64_t leased_usec; /* since when everything stands still */
        vss_value *options;
        size_t next_path;
        Set set;
        Job *freezing, *thawing;
        Worker *worker;
        Discover *discover;
        SetRun *run;
        Failure failure;
} Lease;

struct Lease *lease_free(struct Lease *lease) {
        if (!lease)
                return NULL;
        worker_cancel(lease->worker);
        discover_cancel(lease->discover);
        set_clear(&lease->set);
        vss_value_free(lease->options);
        failure_clear(&lease->failure);
        free(lease);
        return NULL;
}

static void end_lease(Lease *lease, const Failure *failure, vss_value *result) {
        lease->manager->lease = NULL;
        job_done(TAKE_PTR(lease->freezing), failure, result);
        job_done(TAKE_PTR(lease->thawing), failure, result);
        session_pass_turn(lease->manager);
        lease_free(lease);
}

static void on_run_done(void *userdata, const Failure *failure, vss_value *result) {
        Lease *lease = userdata;
        _cleanup_value_ vss_value *writers = set_writer_status(&lease->set);
        int64_t held = vss_value_get_integer(result, "hold-usec", 0);

        lease->run = NULL;
        (void)vss_value_set(result, "writers", TAKE_PTR(writers));
        /* Without a volume or a control group it is the writers that were held. */
        if (held == 0)
                held = vss_value_get_integer(result, "freeze-window-usec", 0);
        (void)vss_value_set_integer(result, "held-usec", held);
        event_send(lease->manager, "thawed", result, "the freeze lease ended%s%s",
                   failure->code < 0 ? ": " : "", failure->code < 0 ? failure_message(failure) : "");
        end_lease(lease, failure, result);
}

static void on_leased(void *userdata) {
        Lease *lease = userdata;
        _cleanup_value_ vss_value *result = vss_value_new_dict();

        lease->leased_usec = now_usec();
        (void)vss_value_set_string(result, "token", lease->token);
        (void)vss_value_set_integer(result, "lease-usec", (int64_t)(lease->seconds * USEC_PER_SEC));
        (void)vss_value_set(result, "writers", set_writer_status(&lease->set));
        set_run_forget_job(lease->run);
        job_done(TAKE_PTR(lease->freezing), NULL, result);
}

static void fail_lease(Lease *lease) {
        end_lease(lease, &lease->failure, NULL);
}

static void start_run(Lease *lease) {
        SetRunOptions options = { .mode = SET_MODE_LEASE,
                                  .session_id = lease->session,
                                  .job = lease->freezing,
                                  .lease_usec = lease->seconds * USEC_PER_SEC,
                                  .done = on_run_done,
                                  .leased = on_leased,
                                  .userdata = lease };
        int r;

        if (lease->manager->run) {
                failure_set(&lease->failure, VSS_E_SNAPSHOT_SET_IN_PROGRESS, "",
                            "A shadow copy set is being created. Try again when it is done.");
                fail_lease(lease);
                return;
        }
        r = set_run_start(lease->manager, &lease->set, &options, &lease->run);
        if (r < 0) {
                failure_set(&lease->failure, VSS_E_OUTOFMEMORY, "", "The freeze cannot be begun: %s",
                            strerror(-r));
                fail_lease(lease);
        }
}

/* With names, those writers and all of their components; without, whoever has files on the paths. */
static void choose_writers(Lease *lease, const vss_value *names) {
        for (size_t i = 0; i < vss_value_count(names); i++) {
                const char *name = vss_value_string(vss_value_at(names, i), "");
                SetWriter *writer = set_find_writer(&lease->set, name);

                if (!writer) {
                        failure_set(&lease->failure, VSS_E_OBJECT_NOT_FOUND, name,
                                    "There is no writer %s. See vss list writers.", name);
                        return;
                }
                if (writer->participant->express) {
                        failure_set(&lease->failure, VSS_E_NOT_SUPPORTED, name,
                                    "%s is described by a document alone: nobody can hold what it names.",
                                    name);
                        return;
                }
                writer->takes_part = true;
                lease->set.everywhere = true;
        }
        if (vss_value_count(names) == 0)
                set_choose_writers(&lease->set);
}

static void on_writers(void *userdata, const Failure *failure, Discovery *found) {
        Lease *lease = userdata;

        lease->discover = NULL;
        failure_copy(&lease->failure, failure);
        set_adopt_writers(&lease->set, found, NULL, NULL);
        if (failure->code >= 0)
                choose_writers(lease, vss_value_get(lease->options, "writers"));
        if (lease->failure.code < 0)
                fail_lease(lease);
        else
                start_run(lease);
}

static void find_next_path(Lease *lease);

static void on_found(void *userdata, int error, WorkerAnswer *answer) {
        Lease *lease = userdata;
        Set *set = &lease->set;
        const char *path = vss_value_string(
                vss_value_at(vss_value_get(lease->options, "paths"), lease->next_path), "");
        Volume *volume;
        int r = error;

        lease->worker = NULL;
        if (r >= 0)
                r = volume_new(TAKE_FD(answer->fds[0]), TAKE_PTR(answer->value), &volume);
        if (r < 0)
                failure_set(&lease->failure, r == -ENOENT ? VSS_E_OBJECT_NOT_FOUND : VSS_E_UNEXPECTED, path,
                            "%s", vss_value_get_string(answer->value, "message", strerror(-r)));
        else if (set->n_volumes >= VSS_VOLUMES_MAX) {
                volume_unref(volume);
                failure_set(&lease->failure, VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED, path,
                            "A freeze holds %u volumes at most.", VSS_VOLUMES_MAX);
        } else if (set_find_device(set, volume->device))
                volume_unref(volume);
        else {
                SetVolume *added = &set->volumes[set->n_volumes++];

                *added = (SetVolume){ .volume = volume, .hold = VSS_HOLD_FILESYSTEM, .target = -1 };
        }
        if (lease->failure.code < 0) {
                fail_lease(lease);
                return;
        }
        lease->next_path++;
        find_next_path(lease);
}

static void find_next_path(Lease *lease) {
        const vss_value *paths = vss_value_get(lease->options, "paths");
        int r;

        if (lease->next_path < vss_value_count(paths))
                r = worker_start(lease->manager, volume_find_main,
                                 (void *)vss_value_string(vss_value_at(paths, lease->next_path), ""),
                                 lease->manager->settings.worker_usec, on_found, lease, &lease->worker);
        else
                r = discover_start(lease->manager, false, on_writers, lease, &lease->discover);
        if (r < 0) {
                failure_set(&lease->failure, VSS_E_OUTOFMEMORY, "", "The freeze cannot be begun: %s",
                            strerror(-r));
                fail_lease(lease);
        }
}

static void cancel_lease(void *userdata) {
        Lease *lease = userdata;
        Failure failure = { 0 };

        failure_set(&failure, VSS_E_UNEXPECTED, "requester", "The freeze was cancelled.");
        if (lease->run)
                set_run_abort(lease->run, &failure);
        else
                end_lease(lease, &failure, NULL);
        failure_clear(&failure);
}

static vss_result add_cgroups(Lease *lease, Failure *failure) {
        const vss_value *cgroups = vss_value_get(lease->options, "cgroups");

        for (size_t i = 0; i < vss_value_count(cgroups); i++)
                if (set_hold_cgroup(&lease->set, vss_value_string(vss_value_at(cgroups, i), ""), failure) <
                    0)
                        return failure->code;
        return VSS_S_OK;
}

int lease_freeze(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        uint64_t max = manager->settings.lease_freeze_usec / USEC_PER_SEC;
        Failure failure = { 0 };
        uint32_t seconds;
        Lease *lease;
        int r;

        if (manager->run || manager->lease || manager->creating)
                return bus_error_setf(error, VSS_E_SNAPSHOT_SET_IN_PROGRESS,
                                      "%s. One at a time: try again when it is over.",
                                      manager->lease ? "A freeze lease stands"
                                                     : "A shadow copy set is being created");
        lease = calloc(1, sizeof(*lease));
        if (!lease)
                return -ENOMEM;
        *lease = (Lease){ .manager = manager, .set = { .manager = manager, .backup_type = VSS_BT_COPY } };
        r = sd_bus_message_read(m, "u", &seconds);
        if (r >= 0)
                r = marshal_read_dict(m, &lease->options);
        if (r >= 0)
                r = door_sender_uid(m, &lease->uid);
        lease->set.requester = door_sender_pid(m);
        if (r >= 0)
                r = id_new(lease->token);
        if (r >= 0)
                r = id_new(lease->session);
        if (r >= 0)
                r = id_new(lease->set.id);
        if (r >= 0 && (seconds == 0 || seconds > max))
                r = bus_error_setf(error, VSS_E_INVALIDARG,
                                   "A freeze lease is 1 to %lu seconds (LeaseLimit).", (unsigned long)max);
        else if (r >= 0 && vss_value_count(vss_value_get(lease->options, "paths")) > PATHS_MAX)
                r = bus_error_setf(error, VSS_E_INVALIDARG, "A freeze takes %d paths at most.", PATHS_MAX);
        else if (r >= 0 && add_cgroups(lease, &failure) < 0)
                r = bus_error_setf(error, failure.code, "%s", failure_message(&failure));
        failure_clear(&failure);
        if (r >= 0)
                r = job_start(manager, m, cancel_lease, lease, &lease->freezing);
        if (r < 0) {
                lease_free(lease);
                return r;
        }
        lease->seconds = seconds;
        manager->lease = lease;
        find_next_path(lease);
        return 0;
}

bool lease_renew(Manager *manager, const char *token, uid_t uid, uint32_t seconds, sd_bus_message *m,
                 sd_bus_error *error, int *ret_r) {
        Lease *lease = manager->lease;
        uint64_t until = now_usec() + seconds * USEC_PER_SEC;
        uint64_t limit = manager->settings.lease_freeze_usec;

        if (!lease || strcmp(token, lease->token) != 0 || (uid != 0 && uid != lease->uid))
                return false;
        if (!lease->run || !set_run_is_leased(lease->run))
                *ret_r = bus_error_setf(error, VSS_E_BAD_STATE, "Nothing is held yet, or no longer.");
        else if (seconds == 0 || until > lease->leased_usec + limit)
                *ret_r = bus_error_setf(error, VSS_E_INVALIDARG,
                                        "A freeze lasts %lu seconds at most in all (LeaseLimit).",
                                        (unsigned long)(limit / USEC_PER_SEC));
        else {
                *ret_r = set_run_renew(lease->run, seconds * USEC_PER_SEC);
                if (*ret_r >= 0)
                        *ret_r = sd_bus_reply_method_return(m, "");
        }
        return true;
}

int lease_thaw(Manager *manager, sd_bus_message *m, sd_bus_error *error) {
        Lease *lease = manager->lease;
        const char *token;
        uid_t uid;
        int r = sd_bus_message_read(m, "s", &token);

        if (r >= 0)
                r = door_sender_uid(m, &uid);
        if (r < 0)
                return r;
        if (!lease || lease->thawing ||
            (*token ? strcmp(token, lease->token) != 0 || (uid != 0 && uid != lease->uid) : uid != 0))
                return bus_error_setf(
                        error, VSS_E_OBJECT_NOT_FOUND,
                        "Nothing is held under this token: it is wrong, of another user, or the lease is "
                        "over.");
        r = job_start(manager, m, NULL, NULL, &lease->thawing);
        if (r < 0)
                return r;
        if (lease->run && set_run_is_leased(lease->run))
                set_run_thaw(lease->run);
        else
                cancel_lease(lease);
        return 0;
}
