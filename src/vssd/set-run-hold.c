/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making a set: the hold
 *
 * File systems and control groups are held while the providers commit. Devices are cut behind that, by the
 * hold itself, and only then is anything released: so all of them share one instant.
 */

#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "config.h"
#include "hold/stack.h"
#include "model/hold-order.h"
#include "vssd/door.h"
#include "vssd/log.h"
#include "vssd/set-run-internal.h"

/* Devices below one volume; more are an error. */
enum { LOWER_MAX = 64 };

static bool needs_hold(const SetVolume *volume) {
        return volume->hold == VSS_HOLD_FILESYSTEM || volume->hold == VSS_HOLD_DEVICE;
}

static bool set_needs_hold(const Set *set) {
        bool needed = set->n_cgroups > 0;

        for (size_t i = 0; !needed && i < set->n_volumes; i++)
                needed = needs_hold(&set->volumes[i]);
        return needed;
}

static bool has_devices(const Set *set) {
        for (size_t i = 0; i < set->n_volumes; i++)
                if (set->volumes[i].hold == VSS_HOLD_DEVICE)
                        return true;
        return false;
}

static uint64_t superblock(const SetVolume *volume) {
        return (uint64_t)vss_value_get_integer(volume->volume->facts, "superblock",
                                               (int64_t)volume->volume->device);
}

static int check_device_mapper(const SetVolume *volume, uint64_t device, WorkerAnswer *answer) {
        char path[64];

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm", major(device), minor(device));
        if (access(path, F_OK) == 0)
                return 0;
        (void)vss_value_set_string(answer->value, "culprit", volume->provider->name);
        (void)value_set_printf(answer->value, "message",
                               "%s handed over a cut of %s with %u:%u, which is no device of device-mapper",
                               volume->provider->name, volume->volume->path, major(device), minor(device));
        return -ENODEV;
}

static int check_cut(const SetVolume *volume, WorkerAnswer *answer) {
        int r = check_device_mapper(volume, volume->cut.device, answer);

        for (size_t i = 0; r >= 0 && i < volume->cut.n; i++)
                r = check_device_mapper(volume, volume->cut.operations[i].device, answer);
        return r;
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
                r = set->volumes[i].hold == VSS_HOLD_DEVICE ? check_cut(&set->volumes[i], answer) : 0;
                if (r < 0)
                        return r;
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

/* What was only given up with another one is not told. */
static void fail_targets(SetRun *run, const HoldReply *reply) {
        for (size_t i = 0; i < reply->n_targets; i++) {
                int error = reply->targets[i].freeze_error;
                const char *label = target_label(run->set, i);

                if (error == 0 || error == ECANCELED)
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
}

static void fail_freeze(SetRun *run, const HoldReply *reply) {
        fail_targets(run, reply);
        failure_set_first(&run->failure, VSS_E_HOLD_WRITES_TIMEOUT, "hold",
                          "The volumes could not be held in time; everything was released.");
}

/* The volume whose operation is number @done of those of @target; of that volume's own afterwards. */
static const SetVolume *find_operation(const Set *set, size_t target, size_t *done) {
        const SetVolume *last = NULL;

        for (size_t i = 0; i < set->n_volumes; i++) {
                const SetVolume *volume = &set->volumes[i];

                if (volume->target != (int)target || volume->hold != VSS_HOLD_DEVICE)
                        continue;
                if (*done < volume->cut.n)
                        return volume;
                *done -= volume->cut.n;
                last = volume;
        }
        *done = SIZE_MAX; /* all were done */
        return last;
}

static void fail_target_cut(SetRun *run, size_t target, const HoldTargetReply *reply) {
        size_t done = reply->n_done;
        const SetVolume *volume = find_operation(run->set, target, &done);
        char text[CUT_TEXT_SIZE] = "resume";
        vss_result code = reply->cut_error == ENOSPC      ? VSS_E_INSUFFICIENT_STORAGE
                          : reply->cut_error == ETIMEDOUT ? VSS_E_HOLD_WRITES_TIMEOUT
                                                          : VSS_E_UNEXPECTED_PROVIDER_ERROR;

        if (!volume)
                return;
        if (done < volume->cut.n)
                cut_describe(&volume->cut.operations[done], text);
        failure_set_first(
                &run->failure, code, volume->volume->path,
                "The cut of %s failed at its operation %s, which %s handed over: %s. It goes on with "
                "what it was before.",
                volume->volume->path, text, volume->provider->name, strerror(reply->cut_error));
}

static void fail_cut(SetRun *run, const HoldReply *reply) {
        for (size_t i = 0; i < reply->n_targets; i++)
                if (reply->targets[i].cut_error > 0 && reply->targets[i].cut_error != ECANCELED)
                        fail_target_cut(run, i, &reply->targets[i]);
        fail_targets(run, reply);
}

/* Were all devices cut? What the hold says of it is not all that there is to believe. */
static bool is_cut(const SetRun *run, const HoldReply *reply) {
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                const SetVolume *volume = &run->set->volumes[i];
                const HoldTargetReply *target;

                if (volume->hold != VSS_HOLD_DEVICE)
                        continue;
                if (volume->target < 0 || (uint32_t)volume->target >= reply->n_targets)
                        return false;
                target = &reply->targets[volume->target];
                if (target->freeze_error || target->cut_error || target->frozen_usec == 0 ||
                    target->released_usec == 0 || target->n_done < volume->cut.n)
                        return false;
        }
        return true;
}

static bool is_device(const Set *set, size_t target) {
        for (size_t i = 0; i < set->n_volumes; i++)
                if (set->volumes[i].target == (int)target)
                        return set->volumes[i].hold == VSS_HOLD_DEVICE;
        return false;
}

/* While a device is suspended nobody reads from it either. */
static void tell_suspended(SetRun *run, size_t index, const HoldTargetReply *target, vss_value *told) {
        uint64_t took = target->released_usec > target->began_usec
                                ? target->released_usec - target->began_usec
                                : 0;

        if (target->began_usec == 0)
                return;
        set_run_note_suspended(run, target_label(run->set, index), target->began_usec, took, "the cut");
        (void)vss_value_set_integer(told, "suspended-usec", (int64_t)took);
        (void)vss_value_set_integer(told, "operations", target->n_done);
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
                                           : target->cut_error    ? strerror(target->cut_error)
                                           : target->freeze_error ? strerror(target->freeze_error)
                                                                  : "");
                if (is_device(run->set, i))
                        tell_suspended(run, i, target, told);
                (void)vss_value_append(targets, told);
        }
        if (has_devices(run->set)) {
                (void)vss_value_set_integer(run->result, "cut-minor-faults", (int64_t)reply->minor_faults);
                (void)vss_value_set_integer(run->result, "cut-major-faults", (int64_t)reply->major_faults);
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
                if (step == SET_STEP_RELEASE && reply)
                        fail_cut(run, reply);
                if (step == SET_STEP_RELEASE &&
                    (!reply || reply->cause != HOLD_CAUSE_ASKED || !is_cut(run, reply)))
                        failure_set_first(&run->failure, VSS_E_HOLD_WRITES_TIMEOUT, "hold",
                                          "The hold ended before its time: %s. There is no shadow copy.",
                                          !reply                             ? "it died"
                                          : reply->cause == HOLD_CAUSE_ASKED ? "not every device was cut"
                                                                             : cause_text(reply->cause));
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

static int add_operations(SetRun *run, const SetVolume *volume) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < volume->cut.n; i++) {
                const CutOperation *operation = &volume->cut.operations[i];

                r = operation->what == CUT_RESUME
                            ? hold_client_operation(run->hold, (uint32_t)volume->target, HOLD_OP_RESUME,
                                                    operation->device, NULL)
                            : hold_client_operation(run->hold, (uint32_t)volume->target, HOLD_OP_MESSAGE,
                                                    operation->device, operation->message);
        }
        return r;
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
                                            volume->hold == VSS_HOLD_DEVICE ? -1 : volume->volume->fd,
                                            superblock(volume), volume->volume->path);
                        volume->target = target++;
                }
                held[n++] = volume->target;
                if (r >= 0 && volume->hold == VSS_HOLD_DEVICE)
                        r = add_operations(run, volume);
        }
        return r;
}

static void on_ordered(void *userdata, int error, WorkerAnswer *answer) {
        StepWork *work = userdata;
        SetRun *run = work->run;
        uint64_t limit = run->options.mode == SET_MODE_LEASE ? run->options.lease_usec
                                                             : run->manager->settings.hold_usec;
        char message[512], culprit[NAME_MAX + 1];
        int r = error;

        (void)snprintf(message, sizeof(message), "%s", vss_value_get_string(answer->value, "message", ""));
        (void)snprintf(culprit, sizeof(culprit), "%s",
                       vss_value_get_string(answer->value, "culprit", "hold"));
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
        failure_set_first(
                &run->failure, r == -ENODEV ? VSS_E_UNEXPECTED_PROVIDER_ERROR : VSS_E_UNEXPECTED, culprit,
                "The hold cannot be made ready: %s",
                message[0]      ? message
                : r == -ELOOP   ? "the volumes stand on each other in a circle"
                : r == -EDEADLK ? "a volume that is cut by device-mapper stands on one that is frozen "
                                  "before; put them into sets of their own"
                : r == -EEXIST  ? "one file system is to be frozen and cut by device-mapper; name one "
                                  "provider for all of its volumes"
                                : strerror(-r));
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
        if ((run->machine.step == SET_STEP_RELEASE && has_devices(run->set)
                     ? hold_client_cut(run->hold)
                     : hold_client_release(run->hold)) < 0)
                log_error("the hold cannot be asked to release");
}
