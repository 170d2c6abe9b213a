/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making a set: the hold, and what is done to volumes by workers
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include "bus/marshal.h"
#include "config.h"
#include "hold/stack.h"
#include "model/hold-order.h"
#include "vssd/catalog.h"
#include "vssd/door.h"
#include "vssd/log.h"
#include "vssd/set-run-internal.h"

/* Devices below one volume; more are an error. */
enum { LOWER_MAX = 64 };

#define SYNC_USEC (300 * USEC_PER_SEC)

/* Workers of a step */

StepWork *set_run_work_new(SetRun *run, size_t index) {
        StepWork *work = calloc(1, sizeof(*work));

        if (!work) {
                failure_set_first(&run->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
                return NULL;
        }
        *work = (StepWork){ .run = run, .index = index, .fd = -1, .began_usec = now_usec() };
        (void)snprintf(work->mount.id, sizeof(work->mount.id), "%s", run->set->volumes[index].id);
        return work;
}

void set_run_work_free(StepWork *work) {
        if (work->fd >= 0)
                close(work->fd);
        free(work->owned);
        free(work);
}

void set_run_work_start(StepWork *work, WorkerMain run_main, void *arg, uint64_t limit_usec,
                        WorkerDone done) {
        SetRun *run = work->run;
        int r = worker_start(run->manager, run_main, arg, limit_usec, done, work, &work->worker);

        if (r < 0) {
                failure_set_first(&run->failure, VSS_E_UNEXPECTED,
                                  run->set->n_volumes > 0 ? run->set->volumes[work->index].volume->path : "",
                                  "A worker cannot be started: %s", strerror(-r));
                set_run_work_free(work);
                return;
        }
        work->next = run->works;
        run->works = work;
        calls_hold(&run->calls);
}

void set_run_work_unlink(StepWork *work) {
        StepWork **link;

        for (link = &work->run->works; *link && *link != work; link = &(*link)->next)
                ;
        if (*link)
                *link = work->next;
}

void set_run_cancel_works(SetRun *run) {
        while (run->works) {
                StepWork *work = run->works;

                run->works = work->next;
                worker_cancel(work->worker);
                set_run_work_free(work);
        }
}

/* syncfs */

static void on_synced(void *userdata, int error, WorkerAnswer *answer) {
        StepWork *work = userdata;
        SetRun *run = work->run;
        const char *path = run->set->volumes[work->index].volume->path;
        uint64_t took = (uint64_t)vss_value_get_integer(answer->value, "took-usec", 0);

        set_run_work_unlink(work);
        if (error < 0)
                failure_set_first(
                        &run->failure, error == -ETIMEDOUT ? VSS_E_FLUSH_WRITES_TIMEOUT : VSS_E_UNEXPECTED,
                        path, "%s cannot be written back: %s. Nothing was frozen.", path, strerror(-error));
        else if (took > run->manager->settings.sync_limit_usec)
                failure_set_first(&run->failure, VSS_E_FLUSH_WRITES_TIMEOUT, path,
                                  "Writing %s back still took %.1f s in the last of several rounds; nothing "
                                  "was frozen. "
                                  "Try when less is written.",
                                  path, (double)took / (double)USEC_PER_SEC);
        set_run_work_free(work);
        calls_drop(&run->calls);
}

void set_run_sync(SetRun *run) {
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                StepWork *work = set_run_work_new(run, i);

                if (work)
                        set_run_work_start(work, volume_sync_main, &run->set->volumes[i].volume->fd,
                                           SYNC_USEC, on_synced);
        }
}

/* The hold */

static bool needs_hold(const SetVolume *volume) {
        return volume->hold == VSS_HOLD_FILESYSTEM || volume->hold == VSS_HOLD_DEVICE;
}

static bool set_needs_hold(const Set *set) {
        bool needed = set->n_cgroups > 0;

        for (size_t i = 0; !needed && i < set->n_volumes; i++)
                needed = needs_hold(&set->volumes[i]);
        return needed;
}

static uint64_t superblock(const SetVolume *volume) {
        return (uint64_t)vss_value_get_integer(volume->volume->facts, "superblock",
                                               (int64_t)volume->volume->device);
}

/* In a worker: how the targets stand on each other. Answer: "ranks" and "same-as", by volume. */
static int order_main(void *arg, WorkerAnswer *answer) {
        const Set *set = arg;
        static uint64_t lower[VSS_VOLUMES_MAX][LOWER_MAX];
        HoldOrderTarget targets[VSS_VOLUMES_MAX];
        HoldOrder order[VSS_VOLUMES_MAX];
        vss_value *ranks = value_require(answer->value, "ranks", VSS_KIND_LIST);
        vss_value *same = value_require(answer->value, "same-as", VSS_KIND_LIST);
        size_t n = 0;
        int r;

        for (size_t i = 0; i < set->n_volumes; i++) {
                dev_t devices[LOWER_MAX];
                size_t n_lower = 0;

                if (!needs_hold(&set->volumes[i]))
                        continue;
                r = stack_lower_devices((dev_t)superblock(&set->volumes[i]), devices, LOWER_MAX, &n_lower);
                if (r < 0)
                        return r;
                for (size_t k = 0; k < n_lower; k++)
                        lower[n][k] = devices[k];
                targets[n] = (HoldOrderTarget){ .kind = set->volumes[i].hold,
                                                .device = superblock(&set->volumes[i]),
                                                .lower = lower[n],
                                                .n_lower = n_lower };
                n++;
        }
        r = hold_order(targets, n, order);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (vss_value_append(ranks, vss_value_new_integer(order[i].rank)) < 0 ||
                    vss_value_append(same, vss_value_new_integer((int64_t)order[i].same_as)) < 0)
                        r = -ENOMEM;
        return r;
}

static void mark_broken(SetRun *run, const char *why) {
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                SetVolume *volume = &run->set->volumes[i];

                if (volume->target >= 0 && !volume->broken)
                        volume->broken = strdup(why);
        }
}

void set_run_hold_closed(SetRun *run) {
        if (!run->hold_open)
                return;
        run->hold_open = false;
        door_hold(run->manager, false);
}

static const char *target_label(const Set *set, size_t target) {
        if (target < set->n_cgroups)
                return set->cgroups[target].path;
        for (size_t i = 0; i < set->n_volumes; i++)
                if (set->volumes[i].target == (int)target)
                        return set->volumes[i].volume->path;
        return "?";
}

static void fail_freeze(SetRun *run, const HoldReply *reply) {
        for (size_t i = 0; i < reply->n_targets; i++) {
                int error = reply->targets[i].freeze_error;
                const char *label = target_label(run->set, i);

                if (error == 0)
                        continue;
                if (error == EBUSY)
                        failure_set_first(
                                &run->failure, VSS_E_HOLD_WRITES_TIMEOUT, label,
                                "%s is frozen by somebody else, and stays so. Find who froze it, or thaw it "
                                "with fsfreeze --unfreeze.",
                                label);
                else if (error == EALREADY)
                        failure_set_first(&run->failure, VSS_E_SNAPSHOT_SET_IN_PROGRESS, label,
                                          "Another hold stands (see " LINUXVSS_RUNDIR "/hold).");
                else
                        failure_set_first(&run->failure, VSS_E_HOLD_WRITES_TIMEOUT, label,
                                          "%s cannot be held: %s", label, strerror(error));
        }
        failure_set_first(&run->failure, VSS_E_HOLD_WRITES_TIMEOUT, "hold",
                          "The volumes could not be held in time; everything was released.");
}

/* What the hold says of each target at the end. */
static void take_over_targets(SetRun *run, const HoldReply *reply) {
        vss_value *targets = value_require(run->result, "targets", VSS_KIND_LIST);

        if (reply->began_usec > 0 && reply->ended_usec > reply->began_usec)
                run->hold_usec = reply->ended_usec - reply->began_usec;
        for (size_t i = 0; i < reply->n_targets; i++) {
                const HoldTargetReply *target = &reply->targets[i];
                vss_value *told = vss_value_new_dict();

                (void)vss_value_set_string(told, "what", target_label(run->set, i));
                (void)vss_value_set_integer(told, "held-usec",
                                            target->frozen_usec > 0 &&
                                                            target->released_usec > target->frozen_usec
                                                    ? (int64_t)(target->released_usec - target->frozen_usec)
                                                    : 0);
                (void)vss_value_set_string(told, "reason",
                                           target->release_error  ? strerror(target->release_error)
                                           : target->freeze_error ? strerror(target->freeze_error)
                                                                  : "");
                (void)vss_value_append(targets, told);
        }
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                SetVolume *volume = &run->set->volumes[i];

                if (volume->target >= 0 && (uint32_t)volume->target < reply->n_targets && !volume->broken &&
                    reply->targets[volume->target].release_error == EINVAL)
                        volume->broken = strdup("somebody thawed it while it was held");
        }
}

/* RELEASED or LOST that nobody asked for: the hold did not hold. */
static void broke(SetRun *run, const char *why, vss_result code) {
        char late[256] = "";

        if (code == VSS_E_HOLD_WRITES_TIMEOUT)
                calls_name_pending(&run->calls, late, sizeof(late));
        mark_broken(run, why);
        (void)vss_value_set_boolean(run->result, "held-to-the-end", false);
        if (run->machine.step == SET_STEP_LEASED) {
                set_run_thaw(run);
                return;
        }
        failure_set_first(&run->failure, code, *late ? late : "hold",
                          "The hold ended before its time: %s%s%s. There is no shadow copy.", why,
                          *late ? ", not answered by " : "", late);
        set_run_fail(run);
}

static const char *cause_text(uint32_t cause) {
        switch (cause) {
        case HOLD_CAUSE_LIMIT:
                return "it lasted longer than it may";
        case HOLD_CAUSE_DIED:
                return "the acting hold process died or stopped";
        case HOLD_CAUSE_WATCHER:
                return "the watching hold process died or stopped";
        default:
                return "it was released";
        }
}

static void on_released(SetRun *run, const HoldReply *reply) {
        SetStep step = run->machine.step;

        if (reply)
                take_over_targets(run, reply);
        set_run_hold_closed(run);
        if (step == SET_STEP_RELEASE || step == SET_STEP_UNDO_RELEASE) {
                if (step == SET_STEP_RELEASE && (!reply || reply->cause != HOLD_CAUSE_ASKED))
                        failure_set_first(&run->failure, VSS_E_HOLD_WRITES_TIMEOUT, "hold",
                                          "The hold ended before its time: %s. There is no shadow copy.",
                                          reply ? cause_text(reply->cause) : "it died");
                calls_drop(&run->calls);
        } else if (step == SET_STEP_HOLD || step == SET_STEP_ARM) {
                if (!reply)
                        failure_set_first(&run->failure, VSS_E_UNEXPECTED, "hold",
                                          "The hold died before it held. Is vss-hold installed?");
                else if (reply->cause == HOLD_CAUSE_LIMIT)
                        failure_set_first(
                                &run->failure, VSS_E_HOLD_WRITES_TIMEOUT, "hold",
                                "The volumes could not be held within the limit; everything was released.");
                else
                        fail_freeze(run, reply);
                calls_drop(&run->calls);
        } else if (!run->machine.undoing)
                broke(run, reply ? cause_text(reply->cause) : "both hold processes died",
                      reply && reply->cause == HOLD_CAUSE_LIMIT ? VSS_E_HOLD_WRITES_TIMEOUT
                                                                : VSS_E_UNEXPECTED);
}

static void note_unprotected(SetRun *run, uint32_t unprotected) {
        static const char *const names[] = { "memory lock", "real-time priority", "OOM protection",
                                             "control group of its own", "memory without I/O" };
        vss_value *list = value_require(run->result, "hold-unprotected", VSS_KIND_LIST);

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (unprotected & (1u << i))
                        (void)value_append_string(list, names[i]);
}

static void on_hold(void *userdata, HoldEvent event, const HoldReply *reply) {
        SetRun *run = userdata;

        switch (event) {
        case HOLD_EVENT_READY:
                note_unprotected(run, reply->unprotected);
                if (run->machine.step == SET_STEP_ARM)
                        calls_drop(&run->calls);
                break;
        case HOLD_EVENT_HELD:
                if (run->machine.step == SET_STEP_HOLD)
                        calls_drop(&run->calls);
                break;
        case HOLD_EVENT_RELEASED:
        case HOLD_EVENT_LOST:
                on_released(run, reply);
                break;
        }
}

/* Control groups first, then volumes, each superblock once: the order of ADD is the order of targets. */
static int add_targets(SetRun *run, const vss_value *ranks, const vss_value *same) {
        Set *set = run->set;
        int held[VSS_VOLUMES_MAX]; /* target by its index in the worker's answer */
        int n = 0, target = 0, r = 0;

        for (size_t i = 0; r >= 0 && i < set->n_cgroups; i++, target++)
                r = hold_client_add(run->hold, VSS_HOLD_CGROUP, 0, set->cgroups[i].fd, 0,
                                    set->cgroups[i].path);
        for (size_t i = 0; r >= 0 && i < set->n_volumes; i++) {
                SetVolume *volume = &set->volumes[i];
                int64_t same_as = vss_value_integer(vss_value_at(same, (size_t)n), n);

                if (!needs_hold(volume))
                        continue;
                if (same_as != n) {
                        volume->target = held[same_as];
                } else {
                        r = hold_client_add(run->hold, volume->hold,
                                            (uint32_t)vss_value_integer(vss_value_at(ranks, (size_t)n), 0) +
                                                    1,
                                            volume->volume->fd, superblock(volume), volume->volume->path);
                        volume->target = target++;
                }
                held[n++] = volume->target;
        }
        return r;
}

static void on_ordered(void *userdata, int error, WorkerAnswer *answer) {
        StepWork *work = userdata;
        SetRun *run = work->run;
        uint64_t limit = run->options.mode == SET_MODE_LEASE ? run->options.lease_usec
                                                             : run->manager->settings.hold_usec;
        int r = error;

        set_run_work_unlink(work);
        set_run_work_free(work);
        if (r >= 0)
                r = hold_client_new(run->manager, on_hold, run, &run->hold);
        if (r >= 0)
                r = add_targets(run, vss_value_get(answer->value, "ranks"),
                                vss_value_get(answer->value, "same-as"));
        if (r >= 0)
                r = hold_client_arm(run->hold, limit);
        if (r >= 0)
                return; /* READY drops the step */
        failure_set_first(&run->failure, VSS_E_UNEXPECTED, "hold", "The hold cannot be made ready: %s",
                          r == -ELOOP ? "the volumes stand on each other in a circle" : strerror(-r));
        calls_drop(&run->calls);
}

void set_run_arm(SetRun *run) {
        StepWork *work;

        if (!set_needs_hold(run->set))
                return;
        work = set_run_work_new(run, 0);
        if (work)
                set_run_work_start(work, order_main, run->set, run->manager->settings.worker_usec,
                                   on_ordered);
}

void set_run_hold(SetRun *run) {
        int r;

        if (!run->hold)
                return;
        run->hold_open = true;
        run->hold_began_usec = now_usec();
        door_hold(run->manager, true);
        calls_hold(&run->calls);
        r = hold_client_freeze(run->hold);
        if (r < 0) {
                failure_set_first(&run->failure, VSS_E_UNEXPECTED, "hold", "The hold died: %s",
                                  strerror(-r));
                calls_drop(&run->calls);
        }
}

void set_run_release(SetRun *run) {
        /* Armed, and never used: it goes, with its record, before anybody is waited for. */
        if (run->hold && run->hold_began_usec == 0)
                run->hold = hold_client_free(run->hold);
        if (!run->hold || !run->hold_open)
                return;
        calls_hold(&run->calls);
        /* If it cannot be asked, its silence is noticed: the client then releases by other means. */
        if (hold_client_release(run->hold) < 0)
                log_error("the hold cannot be asked to release");
}

/* Device objects */

static void on_attached(void *userdata, int error, WorkerAnswer *answer) {
        StepWork *work = userdata;
        SetRun *run = work->run;
        SetVolume *volume = &run->set->volumes[work->index];

        set_run_work_unlink(work);
        if (error < 0)
                failure_set_first(&run->failure, VSS_E_UNEXPECTED, volume->volume->path,
                                  "The device object of %s cannot be mounted: %s", volume->volume->path,
                                  vss_value_get_string(answer->value, "message", strerror(-error)));
        else {
                volume->attached = true;
                catalog_mark(run->manager, volume->id, true);
        }
        set_run_work_free(work);
        calls_drop(&run->calls);
}

static void on_opened(void *userdata, const CallAnswer *answer) {
        SetRun *run = userdata;
        size_t index = (size_t)((SetVolume *)answer->cookie - run->set->volumes);
        StepWork *work;
        int fd = -1;

        if (answer->result < 0 || sd_bus_message_read(answer->reply, "h", &fd) < 0) {
                failure_set_first(
                        &run->failure, answer->result < 0 ? answer->result : VSS_E_UNEXPECTED_PROVIDER_ERROR,
                        answer->participant->name, "The shadow copy of %s cannot be opened: %s",
                        run->set->volumes[index].volume->path, answer->message ?: "no mount was given");
                return;
        }
        work = set_run_work_new(run, index);
        if (!work)
                return;
        work->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        work->mount.fd = work->fd;
        set_run_work_start(work, mounts_attach_main, &work->mount, run->manager->settings.worker_usec,
                           on_attached);
}

static void on_kept(void *userdata, const CallAnswer *answer) {
        /* The document has it, too. */
        if (answer->result < 0 && answer->result != VSS_E_NOT_SUPPORTED)
                log_warning("%s does not keep on which LUN a shadow copy is: %s", answer->participant->name,
                            answer->message);
}

static int keep_luns(SetRun *run, const SetVolume *volume, const vss_value *luns) {
        _cleanup_value_ vss_value *properties = vss_value_new_dict();
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = vss_value_set(properties, "luns", vss_value_copy(luns)) < 0 ||
                                vss_value_set(volume->properties, "luns", vss_value_copy(luns)) < 0
                        ? -ENOMEM
                        : participant_message(volume->provider, "SetSnapshotProperty", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", volume->id);
        if (r >= 0)
                r = marshal_append_dict(m, properties);
        return r < 0 ? r
                     : calls_add(&run->calls, volume->provider, m, run->manager->settings.provider_usec,
                                 on_kept, NULL);
}

static void on_luns(void *userdata, const CallAnswer *answer) {
        SetRun *run = userdata;
        _cleanup_value_ vss_value *luns = NULL;

        if (answer->result < 0 || marshal_read_dict(answer->reply, &luns) < 0) {
                failure_set_first(&run->failure,
                                  answer->result < 0 ? answer->result : VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                  answer->participant->name, "%s",
                                  answer->message ?: "What it says of its LUNs cannot be read.");
                if (answer->late)
                        participant_kill(answer->participant, answer->message);
                return;
        }
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                SetVolume *volume = &run->set->volumes[i];
                const vss_value *own = vss_value_get(luns, volume->id);
                int r;

                if (strcmp(volume->provider->bus_name, answer->participant->bus_name) != 0)
                        continue;
                r = vss_value_count(own) == 0 ? -ENODATA : keep_luns(run, volume, own);
                if (r < 0)
                        failure_set_first(&run->failure, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                          volume->provider->name,
                                          "%s did not say on which LUN the shadow copy of %s is: %s",
                                          volume->provider->name, volume->volume->path, strerror(-r));
        }
}

/* Not for this machine: another one is told by the document where the copies are. */
static void locate(SetRun *run) {
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                Participant *provider = run->set->volumes[i].provider;
                _cleanup_message_ sd_bus_message *m = NULL;
                int r;

                if (!set_is_first_of_provider(run->set, i))
                        continue;
                r = participant_message(provider, "GetTargetLuns", &m);
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", run->set->id);
                if (r >= 0)
                        r = calls_add(&run->calls, provider, m, run->manager->settings.provider_usec,
                                      on_luns, NULL);
                if (r < 0)
                        failure_set_first(&run->failure, VSS_E_UNEXPECTED, provider->name,
                                          "%s cannot be called: %s", provider->name, strerror(-r));
        }
}

void set_run_mount(SetRun *run) {
        if (run->set->context & VSS_VOLSNAP_ATTR_TRANSPORTABLE) {
                locate(run);
                return;
        }
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                SetVolume *volume = &run->set->volumes[i];
                _cleanup_message_ sd_bus_message *m = NULL;
                int r = participant_message(volume->provider, "OpenSnapshot", &m);

                if (r >= 0)
                        r = sd_bus_message_append(m, "sb", volume->id, false);
                if (r >= 0)
                        r = calls_add(&run->calls, volume->provider, m, run->manager->settings.provider_usec,
                                      on_opened, volume);
                if (r < 0)
                        failure_set_first(&run->failure, VSS_E_UNEXPECTED, volume->provider->name,
                                          "%s cannot be called: %s", volume->provider->name, strerror(-r));
        }
}

static void on_detached(void *userdata, int error, WorkerAnswer *answer) {
        StepWork *work = userdata;
        SetRun *run = work->run;

        set_run_work_unlink(work);
        if (error < 0)
                log_error("%s", vss_value_get_string(answer->value, "message", strerror(-error)));
        catalog_mark(run->manager, work->mount.id, false);
        set_run_work_free(work);
        calls_drop(&run->calls);
}

void set_run_unmount(SetRun *run) {
        set_run_drop_handovers(run);
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                StepWork *work = set_run_work_new(run, i);

                if (work)
                        set_run_work_start(work, mounts_detach_main, &work->mount,
                                           run->manager->settings.worker_usec, on_detached);
                run->set->volumes[i].attached = false;
        }
}

/* Small things */

bool set_step_ends_freeze(SetStep step) {
        return step == SET_STEP_THAW_SYSTEM_RM || step == SET_STEP_THAW_SYSTEM ||
               step == SET_STEP_THAW_BACK_END || step == SET_STEP_THAW_FRONT_END ||
               step == SET_STEP_UNDO_WRITERS;
}

static const char *reason_at(const vss_value *list, const char *level) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "level", ""), level) == 0)
                        return vss_value_get_string(vss_value_at(list, i), "reason", "");
        return NULL;
}

const char *set_run_worst_reason(const vss_value *result) {
        const char *level = vss_value_get_string(result, "level", "");
        const vss_value *components = vss_value_get(result, "components");
        const char *reason = vss_value_get_string(result, "reason", NULL);

        if (reason)
                return reason;
        if (vss_value_count(components) == 0 && strcmp(level, vss_level_name(VSS_LEVEL_GROUP)) == 0)
                return "No writer speaks for what is on these volumes.";
        return reason_at(components, level) ?: reason_at(vss_value_get(result, "snapshots"), level) ?: "";
}

void set_run_test_stop(SetStep step) {
#if LINUXVSS_TEST_HOOKS
        const char *at = getenv("VSSD_STOP_AT"), *name = set_step_name(step);
        size_t n = strlen(name);

        if (!at || strncmp(at, name, n) != 0 || at[n] != ':')
                return;
        (void)raise(strcmp(at + n + 1, "stop") == 0 ? SIGSTOP : SIGKILL);
#endif
}
