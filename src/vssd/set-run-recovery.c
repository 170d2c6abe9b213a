/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making a set: the time in which its copies are not complete yet
 *
 * From PreFinal to PostFinal some copies can be written to: by writers that repair or clean what is theirs,
 * and by the service, which takes out what writers want excluded. Each writer gets mounts of its own,
 * nowhere attached, so that each can be made read-only again, and one that goes on writing is known by name.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "bus/marshal.h"
#include "files/beneath.h"
#include "util/clock.h"
#include "vssd/exclude.h"
#include "vssd/log.h"
#include "vssd/seal.h"
#include "vssd/set-run-internal.h"

#define RECOVERY_FLAGS (VSS_CF_BACKUP_RECOVERY | VSS_CF_APP_ROLLBACK_RECOVERY)
#define NO_WINDOW (VSS_VOLSNAP_ATTR_NO_AUTORECOVERY | VSS_VOLSNAP_ATTR_TRANSPORTABLE)

void set_run_drop_handovers(SetRun *run) {
        while (run->handovers) {
                Handover *handover = run->handovers;

                run->handovers = handover->next;
                for (size_t i = 0; i < handover->n; i++) {
                        closep(&handover->mounts[i].fd);
                        closep(&handover->mounts[i].root);
                }
                free(handover);
        }
        for (size_t i = 0; i < run->n_own; i++)
                closep(&run->own[i].fd);
        run->n_own = 0;
}

/* Who needs what */

static bool is_called(const SetWriter *writer) {
        return set_calls_writer(writer) && writer->failure.code >= 0;
}

static void add_volume(Handover *handover, size_t index) {
        for (size_t i = 0; i < handover->n; i++)
                if (handover->mounts[i].volume == index)
                        return;
        if (handover->n < ELEMENTS(handover->mounts))
                handover->mounts[handover->n++] = (Handed){ .volume = index, .fd = -1, .root = -1 };
        else
                log_warning("%s is given %zu mounts, as many as one message carries",
                            handover->writer->participant->name, handover->n);
}

static void add_volumes_of(void *userdata, const SetWriter *writer, const vss_value *component) {
        Handover *handover = userdata;
        const vss_value *files = vss_value_get(component, "files");

        for (size_t i = 0; i < vss_value_count(files); i++) {
                SetVolume *volume = set_find_files(handover->run->set, vss_value_at(files, i));

                if (volume)
                        add_volume(handover, (size_t)(volume - handover->run->set->volumes));
        }
}

static void check_flags(void *userdata, const SetWriter *writer, const vss_value *component) {
        if (vss_value_get_integer(component, "flags", 0) & (int64_t)RECOVERY_FLAGS)
                *(bool *)userdata = true;
}

static const vss_value *excludes_of(const SetWriter *writer) {
        return vss_value_get(writer->participant->info, "excludes-from-snapshot");
}

static SetVolume *find_exclude(Set *set, const vss_value *exclude) {
        return set_find_device(set, (uint64_t)vss_value_get_integer(exclude, "device", 0));
}

static bool needs_to_write(const Set *set, const SetWriter *writer) {
        bool needs = vss_value_count(excludes_of(writer)) > 0;

        set_each_component(set, writer, check_flags, &needs);
        return needs;
}

/* Those it has, and @more. */
static int set_attributes(SetRun *run, SetVolume *volume, unsigned more, CallAnswered answered) {
        int64_t attributes = vss_value_get_integer(volume->properties, "attributes", 0) | (int64_t)more;
        _cleanup_value_ vss_value *properties = vss_value_new_dict();

        if (!properties || vss_value_set_integer(properties, "attributes", attributes) < 0)
                return -ENOMEM;
        return set_run_set_properties(run, volume, properties, answered);
}

static Handover *handover_new(SetRun *run, SetWriter *writer) {
        Handover *handover = calloc(1, sizeof(*handover));

        if (!handover) {
                failure_set_first(&run->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
                return NULL;
        }
        *handover = (Handover){ .next = run->handovers, .run = run, .writer = writer };
        run->handovers = handover;
        set_each_component(run->set, writer, add_volumes_of, handover);
        return handover;
}

/*
 * Foreseeing it
 *
 * A copy that somebody will write to has that mark in its identity. It gets it before it is made, so that
 * its provider can make all others what they are to be at once: to make one read-only afterwards costs a
 * btrfs file system a commit, and all who write to it the time of that.
 */

static void foresee_files(void *userdata, const SetWriter *writer, const vss_value *component) {
        const SetRun *run = userdata;
        const vss_value *files = vss_value_get(component, "files");

        for (size_t i = 0; i < vss_value_count(files); i++) {
                SetVolume *volume = set_find_files(run->set, vss_value_at(files, i));

                if (volume)
                        volume->foreseen = true;
        }
}

static void foresee_excludes(SetRun *run, const SetWriter *writer) {
        const vss_value *excludes = excludes_of(writer);

        for (size_t i = 0; i < vss_value_count(excludes); i++) {
                SetVolume *volume = find_exclude(run->set, vss_value_at(excludes, i));

                if (volume)
                        volume->foreseen = true;
        }
}

/* If it was not taken, the mark comes as late as where nothing was foreseen. */
static void on_foreseen(void *userdata, const CallAnswer *answer) {
        SetRun *run = userdata;
        SetVolume *volume = answer->cookie;

        volume->foreseen = answer->result >= 0;
        if (answer->late) {
                participant_kill(answer->participant, answer->message);
                failure_set_first(&run->failure, answer->result, answer->participant->name, "%s",
                                  answer->message);
        }
}

void set_run_foresee(SetRun *run) {
        if (run->options.mode == SET_MODE_LEASE || run->set->context & NO_WINDOW)
                return;
        for (size_t i = 0; i < run->set->n_writers; i++) {
                const SetWriter *writer = &run->set->writers[i];

                if (writer->takes_part && writer->failure.code >= 0)
                        foresee_excludes(run, writer);
                if (is_called(writer) && needs_to_write(run->set, writer))
                        set_each_component(run->set, writer, foresee_files, run);
        }
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                SetVolume *volume = &run->set->volumes[i];

                if (volume->foreseen)
                        volume->foreseen = set_attributes(run, volume, VSS_VOLSNAP_ATTR_AUTORECOVER,
                                                          on_foreseen) >= 0;
        }
}

/* Opening the copies */

static void tell_closed(SetVolume *volume, const char *reason) {
        if (vss_value_get(volume->properties, "auto-recovery"))
                return;
        log_info("%s: its shadow copy cannot be written to: %s", volume->volume->path, reason);
        (void)vss_value_set_boolean(volume->properties, "auto-recovery", false);
        (void)vss_value_set_string(volume->properties, "auto-recovery-reason", reason);
}

static bool is_own(const SetRun *run, const Handed *handed) {
        return handed >= run->own && handed < run->own + ELEMENTS(run->own);
}

/* On the original's device lies what was copied file by file; then the directory that is mounted must be
 * another one than the volume's. */
static bool leads_to_original(const SetVolume *volume, const struct stat *mounted) {
        struct stat st;

        if (mounted->st_dev != volume->volume->device)
                return false;
        return volume->scope != VSS_ATOMIC_FILE || fstat(volume->volume->fd, &st) < 0 ||
               mounted->st_ino == st.st_ino;
}

/* A mount that leads to the original must never be written to, whatever its provider says. */
static int take_mount(const SetVolume *volume, sd_bus_message *reply, int *ret_fd) {
        struct stat st;
        int fd = -1, r = sd_bus_message_read(reply, "h", &fd);

        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (leads_to_original(volume, &st))
                return -EXDEV;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static void on_open(void *userdata, const CallAnswer *answer) {
        SetRun *run = userdata;
        Handed *handed = answer->cookie;
        SetVolume *volume = &run->set->volumes[handed->volume];
        int r;

        set_run_note_time(run, answer->participant->name, answer->began_usec, answer->took_usec,
                          answer->result);
        if (answer->late) {
                participant_kill(answer->participant, answer->message);
                failure_set_first(&run->failure, answer->result, answer->participant->name, "%s",
                                  answer->message);
                return;
        }
        if (answer->result < 0) {
                tell_closed(volume, answer->message ?: vss_result_text(answer->result));
                return;
        }
        r = take_mount(volume, answer->reply, &handed->fd);
        if (r < 0) {
                tell_closed(volume, r == -EXDEV ? "its provider gave the live volume" : strerror(-r));
                return;
        }
        handed->writable = true;
        if (!is_own(run, handed)) {
                int64_t attributes = vss_value_get_integer(volume->properties, "attributes", 0);

                (void)vss_value_set_integer(volume->properties, "attributes",
                                            attributes | (int64_t)VSS_VOLSNAP_ATTR_AUTORECOVER);
                (void)vss_value_set_boolean(volume->properties, "auto-recovery", true);
        }
}

static void open_copy(SetRun *run, Handed *handed) {
        SetVolume *volume = &run->set->volumes[handed->volume];
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        if (run->set->context & NO_WINDOW) {
                tell_closed(volume, run->set->context & VSS_VOLSNAP_ATTR_TRANSPORTABLE
                                            ? "the set is transportable"
                                            : "the requester wants no auto-recovery");
                return;
        }
        if (volume->no_copy) {
                tell_closed(volume, "its provider copies nothing: it is the live volume");
                return;
        }
        r = participant_message(volume->provider, "OpenSnapshot", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", volume->id, true);
        if (r >= 0)
                r = calls_add(&run->calls, volume->provider, m, run->manager->settings.provider_usec,
                              on_open, handed);
        if (r < 0)
                tell_closed(volume, strerror(-r));
}

/* For what is excluded: one mount of each copy concerned, which no writer has. */
static void open_own(SetRun *run, const SetWriter *writer) {
        const vss_value *excludes = excludes_of(writer);

        for (size_t i = 0; i < vss_value_count(excludes); i++) {
                SetVolume *volume = find_exclude(run->set, vss_value_at(excludes, i));
                size_t index = volume ? (size_t)(volume - run->set->volumes) : 0;
                bool there = !volume;

                for (size_t k = 0; !there && k < run->n_own; k++)
                        there = run->own[k].volume == index;
                if (there)
                        continue;
                run->own[run->n_own] = (Handed){ .volume = index, .fd = -1, .root = -1 };
                open_copy(run, &run->own[run->n_own++]);
        }
}

void set_run_open_copies(SetRun *run) {
        for (size_t i = 0; i < run->set->n_writers; i++) {
                SetWriter *writer = &run->set->writers[i];
                Handover *handover;

                if (writer->takes_part && writer->failure.code >= 0)
                        open_own(run, writer);
                handover = is_called(writer) ? handover_new(run, writer) : NULL;
                if (!handover || !needs_to_write(run->set, writer))
                        continue;
                for (size_t k = 0; k < handover->n; k++)
                        open_copy(run, &handover->mounts[k]);
        }
}

/* PostSnapshot */

/* The root of the volume, where only a part of the file system is mounted. */
static const char *below_of(const SetVolume *volume) {
        return vss_value_get_string(volume->properties, "below", "");
}

static int protect(int fd) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };

        return mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int answer_fd(WorkerAnswer *answer, const char *list, size_t index, int fd) {
        vss_value *told = vss_value_new_dict();

        answer->fds[answer->n_fds++] = fd;
        return vss_value_set_integer(told, list, (int64_t)index) < 0 ||
                               vss_value_append(value_require(answer->value, "fds", VSS_KIND_LIST), told) < 0
                       ? -ENOMEM
                       : 0;
}

/* What is opened for writing is only protected, or, where something is hidden, made writable of a clone of
 * the device object; of the others the device object is cloned. */
static int hand_over(const SetVolume *volume, const Handed *handed, size_t index, WorkerAnswer *answer) {
        int fd = handed->fd, r = 0;

        if (fd < 0) {
                r = mounts_clone(volume->id, below_of(volume), answer, &fd);
                if (r >= 0)
                        r = answer_fd(answer, "mount", index, fd);
                return r < 0 ? r : protect(fd);
        }
        if (vss_value_count(vss_value_get(volume->properties, "hidden")) > 0) {
                r = mounts_clone_writable(volume->id, handed->fd, answer, &fd);
                if (r >= 0)
                        r = answer_fd(answer, "mount", index, fd);
        }
        if (r >= 0)
                r = protect(fd);
        if (r < 0 || !*below_of(volume))
                return r;
        fd = beneath_open(fd, below_of(volume), O_PATH | O_DIRECTORY, 0, BENEATH_ONE_MOUNT);
        return fd < 0 ? fd : answer_fd(answer, "root", index, fd);
}

static int hand_over_main(void *arg, WorkerAnswer *answer) {
        const Handover *handover = arg;

        for (size_t i = 0; i < handover->n; i++) {
                const Handed *handed = &handover->mounts[i];
                const SetVolume *volume = &handover->run->set->volumes[handed->volume];
                int r = 0;

                /* What is to be imported elsewhere cannot be seen here. */
                if (handed->fd >= 0 || volume->attached)
                        r = hand_over(volume, handed, i, answer);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void take_fds(Handover *handover, WorkerAnswer *answer) {
        const vss_value *fds = vss_value_get(answer->value, "fds");

        for (size_t i = 0; i < answer->n_fds; i++) {
                const vss_value *told = vss_value_at(fds, i);
                int64_t mount = vss_value_get_integer(told, "mount", -1);
                int64_t root = vss_value_get_integer(told, "root", -1);

                if (mount >= 0 && (size_t)mount < handover->n) {
                        /* In place of the one that shows what is hidden. */
                        closep(&handover->mounts[mount].fd);
                        handover->mounts[mount].fd = TAKE_FD(answer->fds[i]);
                } else if (root >= 0 && (size_t)root < handover->n)
                        handover->mounts[root].root = TAKE_FD(answer->fds[i]);
        }
}

/* Only what is to be made read-only later is kept; @all: nothing. */
static void let_go(Handover *handover, bool all) {
        for (size_t i = 0; i < handover->n; i++) {
                Handed *handed = &handover->mounts[i];

                closep(&handed->root);
                handed->root = -1;
                if (!all && handed->writable)
                        continue;
                closep(&handed->fd);
                handed->fd = -1;
        }
}

static void on_handed_over(void *userdata, int error, WorkerAnswer *answer) {
        StepWork *work = userdata;
        SetRun *run = work->run;
        Handover *handover = work->data;

        set_run_work_unlink(work);
        if (error >= 0)
                take_fds(handover, answer);
        else {
                /* Without protection it is not handed out. */
                let_go(handover, true);
                log_error("%s gets no mounts of the shadow copies: %s", handover->writer->participant->name,
                          vss_value_get_string(answer->value, "message", strerror(-error)));
        }
        set_run_call_writer(run, handover->writer, "PostSnapshot", run->manager->settings.writer_usec,
                            handover);
        let_go(handover, false);
        set_run_work_free(work);
        calls_drop(&run->calls);
}

void set_run_post_writers(SetRun *run) {
        for (Handover *handover = run->handovers; handover; handover = handover->next) {
                StepWork *work;

                if (handover->n == 0) {
                        set_run_call_writer(run, handover->writer, "PostSnapshot",
                                            run->manager->settings.writer_usec, handover);
                        continue;
                }
                work = set_run_work_new(run, handover->mounts[0].volume);
                if (!work)
                        return;
                work->data = handover;
                set_run_work_start(work, hand_over_main, handover, run->manager->settings.worker_usec,
                                   on_handed_over);
        }
}

/* Nobody writes any more */

static void seal(SetRun *run);
static void start_excluding(SetRun *run);

static void on_sealed(void *userdata, int error, WorkerAnswer *answer) {
        StepWork *work = userdata;
        SetRun *run = work->run;
        const vss_value *busy = vss_value_get(answer->value, "busy");

        set_run_work_unlink(work);
        if (error < 0 || (vss_value_count(busy) > 0 && run->seal_tries > 1))
                failure_set_first(&run->failure, VSS_E_AUTORECOVERY_FAILED,
                                  vss_value_string(vss_value_at(busy, 0), ""),
                                  "The shadow copies cannot be made read-only: %s%s.",
                                  error < 0 ? strerror(-error) : "a file is still open for writing by ",
                                  error < 0 ? "" : vss_value_string(vss_value_at(busy, 0), ""));
        else if (vss_value_count(busy) > 0) {
                for (size_t i = 0; i < vss_value_count(busy); i++) {
                        const char *name = vss_value_string(vss_value_at(busy, i), "");
                        SetWriter *writer = set_find_writer(run->set, name);

                        if (!writer)
                                continue;
                        failure_set_first(&writer->failure, VSS_E_WRITERERROR_NONRETRYABLE, name,
                                          "%s goes on writing to the shadow copy after PostSnapshot.", name);
                        writer->state = VSS_WS_FAILED_AT_POST_SNAPSHOT;
                        participant_kill(writer->participant, failure_message(&writer->failure));
                }
                seal(run);
        } else
                start_excluding(run);
        set_run_work_free(work);
        calls_drop(&run->calls);
}

static void seal(SetRun *run) {
        SealArgs *args = calloc(1, sizeof(*args) + sizeof(*args->seals) * run->n_handed);
        StepWork *work = args ? set_run_work_new(run, 0) : NULL;

        if (!work) {
                free(args);
                failure_set_first(&run->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
                return;
        }
        args->forcibly = run->seal_tries++ > 0;
        for (const Handover *handover = run->handovers; handover; handover = handover->next)
                for (size_t i = 0; i < handover->n; i++)
                        if (handover->mounts[i].fd >= 0)
                                args->seals[args->n++] = (Seal){ handover->mounts[i].fd,
                                                                 handover->writer->participant->name,
                                                                 handover->writer->participant->uid };
        work->owned = args;
        set_run_work_start(work, seal_main, args, run->manager->settings.worker_usec, on_sealed);
}

/* What is excluded goes */

static void on_excluded(void *userdata, int error, WorkerAnswer *answer) {
        StepWork *work = userdata;
        SetRun *run = work->run;

        set_run_work_unlink(work);
        exclude_tell(run->result, work->owned, error, answer->value);
        set_run_work_free(work);
        calls_drop(&run->calls);
}

static void start_excluding(SetRun *run) {
        for (size_t i = 0; i < run->set->n_writers; i++) {
                SetWriter *writer = &run->set->writers[i];
                ExcludeArgs *args;
                StepWork *work;

                if (!writer->takes_part || vss_value_count(excludes_of(writer)) == 0)
                        continue;
                args = calloc(1, sizeof(*args));
                work = args ? set_run_work_new(run, 0) : NULL;
                if (!work) {
                        free(args);
                        failure_set_first(&run->failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
                        return;
                }
                *args = (ExcludeArgs){ .set = run->set, .writer = writer };
                for (size_t k = 0; k < ELEMENTS(args->fds); k++)
                        args->fds[k] = -1;
                for (size_t k = 0; k < run->n_own; k++)
                        args->fds[run->own[k].volume] = run->own[k].fd;
                work->owned = args;
                set_run_work_start(work, exclude_main, args, run->manager->settings.writer_usec,
                                   on_excluded);
        }
}

/* The mark of a copy that writers could write to belongs to its identity. */

static void on_marked(void *userdata, const CallAnswer *answer) {
        SetRun *run = userdata;

        if (answer->late) {
                participant_kill(answer->participant, answer->message);
                failure_set_first(&run->failure, answer->result, answer->participant->name, "%s",
                                  answer->message);
        } else if (answer->result < 0)
                log_warning("%s does not keep that writers could write to a shadow copy: %s",
                            answer->participant->name, answer->message);
}

/* It has the mark already if that was foreseen, and loses it if nobody could write to it after all. */
static void mark(SetRun *run, SetVolume *volume) {
        int r;

        if (vss_value_get_boolean(volume->properties, "auto-recovery", false) == volume->foreseen)
                return;
        r = set_attributes(run, volume, 0, on_marked);
        if (r < 0)
                log_warning("%s cannot be called: %s", volume->provider->name, strerror(-r));
}

void set_run_exclude(SetRun *run) {
        for (size_t i = 0; i < run->set->n_volumes; i++)
                mark(run, &run->set->volumes[i]);
        for (const Handover *handover = run->handovers; handover; handover = handover->next)
                for (size_t i = 0; i < handover->n; i++)
                        run->n_handed += handover->mounts[i].fd >= 0;
        if (run->n_handed > 0)
                seal(run);
        else
                start_excluding(run);
}
