/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making a set: what is done to volumes by workers, and their device objects
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include "bus/marshal.h"
#include "config.h"
#include "vssd/catalog.h"
#include "vssd/log.h"
#include "vssd/set-run-internal.h"

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

/* Is it of the same file system as one before it? To write that back once is enough, and each time costs
 * those who write. What is not known to be the same is another one. */
static bool is_synced_with_another(const Set *set, size_t index) {
        const vss_value *facts = set->volumes[index].volume->facts;
        const char *source = vss_value_get_string(facts, "source", "");

        if (strncmp(source, "/dev/", strlen("/dev/")) != 0)
                return false;
        for (size_t i = 0; i < index; i++)
                if (strcmp(vss_value_get_string(set->volumes[i].volume->facts, "source", ""), source) == 0)
                        return true;
        return false;
}

void set_run_sync(SetRun *run) {
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                StepWork *work;

                if (is_synced_with_another(run->set, i))
                        continue;
                work = set_run_work_new(run, i);
                if (work)
                        set_run_work_start(work, volume_sync_main, &run->set->volumes[i].volume->fd,
                                           SYNC_USEC, on_synced);
        }
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
        work->mount.hidden = vss_value_get(run->set->volumes[index].properties, "hidden");
        set_run_work_start(work, mounts_attach_main, &work->mount, run->manager->settings.worker_usec,
                           on_attached);
}

static void on_kept(void *userdata, const CallAnswer *answer) {
        /* The document has it, too. */
        if (answer->result < 0 && answer->result != VSS_E_NOT_SUPPORTED)
                log_warning("%s does not keep on which LUN a shadow copy is: %s", answer->participant->name,
                            answer->message);
}

int set_run_set_properties(SetRun *run, SetVolume *volume, const vss_value *properties,
                           CallAnswered answered) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = participant_message(volume->provider, "SetSnapshotProperty", &m);

        if (r >= 0)
                r = sd_bus_message_append(m, "s", volume->id);
        if (r >= 0)
                r = marshal_append_dict(m, properties);
        return r < 0 ? r
                     : calls_add(&run->calls, volume->provider, m, run->manager->settings.provider_usec,
                                 answered, volume);
}

static int keep_luns(SetRun *run, SetVolume *volume, const vss_value *luns) {
        _cleanup_value_ vss_value *properties = vss_value_new_dict();

        if (vss_value_set(properties, "luns", vss_value_copy(luns)) < 0 ||
            vss_value_set(volume->properties, "luns", vss_value_copy(luns)) < 0)
                return -ENOMEM;
        return set_run_set_properties(run, volume, properties, on_kept);
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
