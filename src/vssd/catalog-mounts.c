/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The catalog: device objects and exposures
 */

#include <fcntl.h>
#include <string.h>
#include "bus/marshal.h"
#include "vssd/catalog-internal.h"
#include "vssd/log.h"
#include "vssd/mounts.h"
#include "vssd/worker.h"

typedef struct MountWork {
        Manager *manager;
        CatalogDone done;
        CatalogOpened opened;
        void *userdata;
        MountArgs args;
        enum { ATTACH, DETACH, EXPOSE, UNEXPOSE, OPEN } what;
} MountWork;

static const WorkerMain mount_mains[] = {
        [ATTACH] = mounts_attach_main,     [DETACH] = mounts_detach_main, [EXPOSE] = mounts_expose_main,
        [UNEXPOSE] = mounts_unexpose_main, [OPEN] = mounts_clone_main,
};

void catalog_mark(Manager *manager, const char *id, bool attached) {
        if (!attached)
                value_unset(manager->catalog->attached, id);
        else if (vss_value_set_boolean(manager->catalog->attached, id, true) < 0)
                log_error("%s: out of memory", id);
}

static void remember(MountWork *work, const vss_value *answer) {
        struct Catalog *catalog = work->manager->catalog;
        const char *id = work->args.id;

        switch (work->what) {
        case ATTACH:
                catalog_mark(work->manager, id, true);
                break;
        case DETACH:
                catalog_mark(work->manager, id, false);
                break;
        case EXPOSE:
                (void)vss_value_set_string(catalog->exposed, id,
                                           vss_value_get_string(answer, "directory", work->args.directory));
                value_unset(catalog->wanted, id);
                break;
        case UNEXPOSE:
                value_unset(catalog->exposed, id);
                value_unset(catalog->wanted, id);
                break;
        case OPEN:
                break;
        }
}

static void on_mounted(void *userdata, int error, WorkerAnswer *answer) {
        _cleanup_(freep) MountWork *work = userdata;
        Failure failure = { 0 };

        if (error < 0)
                failure_set(&failure,
                            error == -ENOTEMPTY || error == -ENOTDIR || error == -ENOENT || error == -ELOOP
                                    ? VSS_E_INVALIDARG
                                    : VSS_E_UNEXPECTED,
                            work->args.id, "%s",
                            vss_value_get_string(answer->value, "message",
                                                 error == -ETIMEDOUT ? "Mounting took too long."
                                                                     : strerror(-error)));
        else
                remember(work, answer->value);
        if (work->opened)
                work->opened(work->userdata, &failure,
                             error < 0 || answer->n_fds < 1 ? -1 : TAKE_FD(answer->fds[0]));
        else
                work->done(work->userdata, &failure, NULL);
        failure_clear(&failure);
}

static int mount_start(Manager *manager, int what, const MountArgs *args, CatalogDone done,
                       CatalogOpened opened, void *userdata) {
        MountWork *work = calloc(1, sizeof(*work));
        int r;

        if (!work)
                return -ENOMEM;
        *work = (MountWork){ .manager = manager,
                             .done = done,
                             .opened = opened,
                             .userdata = userdata,
                             .what = what,
                             .args = *args };
        r = worker_start(manager, mount_mains[what], &work->args, manager->settings.worker_usec, on_mounted,
                         work, NULL);
        if (r < 0)
                free(work);
        return r;
}

static MountArgs args_of(const char *id) {
        MountArgs args = { .fd = -1 };

        (void)snprintf(args.id, sizeof(args.id), "%s", id);
        return args;
}

int catalog_attach(Manager *manager, const char *id, int mount_fd, const vss_value *hidden, CatalogDone done,
                   void *userdata) {
        MountArgs args = args_of(id);

        args.fd = mount_fd;
        args.hidden = hidden; /* of use to the worker alone, which has begun when this returns */
        return mount_start(manager, ATTACH, &args, done, NULL, userdata);
}

int catalog_detach(Manager *manager, const char *id, CatalogDone done, void *userdata) {
        MountArgs args = args_of(id);

        return mount_start(manager, DETACH, &args, done, NULL, userdata);
}

int catalog_open(Manager *manager, const char *id, CatalogOpened done, void *userdata) {
        MountArgs args = args_of(id);

        return mount_start(manager, OPEN, &args, NULL, done, userdata);
}

static int expose(Manager *manager, const char *id, const char *directory, bool persistent, bool again,
                  CatalogDone done, void *userdata) {
        MountArgs args = args_of(id);

        if (strlen(directory) >= sizeof(args.directory))
                return -ENAMETOOLONG;
        args.again = again;
        args.persistent = persistent;
        (void)snprintf(args.directory, sizeof(args.directory), "%s", directory);
        return mount_start(manager, EXPOSE, &args, done, NULL, userdata);
}

int catalog_expose(Manager *manager, const char *id, const char *directory, bool persistent,
                   CatalogDone done, void *userdata) {
        return expose(manager, id, directory, persistent, false, done, userdata);
}

int catalog_unexpose(Manager *manager, const char *id, CatalogDone done, void *userdata) {
        const char *directory = vss_value_get_string(manager->catalog->exposed, id, NULL)
                                        ?: vss_value_get_string(manager->catalog->wanted, id, NULL);
        MountArgs args = args_of(id);

        if (!directory)
                return -ENOENT;
        (void)snprintf(args.directory, sizeof(args.directory), "%s", directory);
        return mount_start(manager, UNEXPOSE, &args, done, NULL, userdata);
}

/* Device objects given back, and with them exposures */

typedef struct Return {
        Manager *manager;
        CatalogDone done;
        void *userdata;
        Failure failure;
        char id[VSS_ID_SIZE];
        bool persistent;
        vss_value *hidden;
        Calls calls;
        int fd;
} Return;

static void return_done(Return *back) {
        if (back->done)
                back->done(back->userdata, &back->failure, NULL);
        failure_clear(&back->failure);
        vss_value_free(back->hidden);
        closep(&back->fd);
        free(back);
}

static void on_exposed_again(void *userdata, const Failure *failure, vss_value *result) {
        Return *back = userdata;

        if (failure->code < 0)
                log_error("shadow copy %s is not exposed again: %s", back->id, failure_message(failure));
        else
                log_info("shadow copy %s is exposed again, at %s", back->id,
                         vss_value_get_string(back->manager->catalog->exposed, back->id, "?"));
        return_done(back);
}

static void on_attached_again(void *userdata, const Failure *failure, vss_value *result) {
        Return *back = userdata;
        const char *directory = vss_value_get_string(back->manager->catalog->wanted, back->id, NULL);

        if (failure->code < 0)
                log_error("%s: %s", failure_culprit(failure), failure_message(failure));
        else if (directory && expose(back->manager, back->id, directory, back->persistent, true,
                                     on_exposed_again, back) >= 0)
                return;
        failure_copy(&back->failure, failure);
        return_done(back);
}

static void on_opened_again(void *userdata, const CallAnswer *answer) {
        Return *back = userdata;
        int fd = -1;

        if (answer->late)
                participant_kill(answer->participant, answer->message);
        if (answer->result < 0 || sd_bus_message_read(answer->reply, "h", &fd) < 0) {
                log_error("%s: its device object cannot be given back: %s", back->id,
                          answer->message ?: "no mount");
                failure_set(&back->failure,
                            answer->result < 0 ? answer->result : VSS_E_UNEXPECTED_PROVIDER_ERROR, back->id,
                            "%s", answer->message ?: "no mount was given");
        } else
                back->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static void on_returned(void *userdata) {
        Return *back = userdata;

        if (back->fd >= 0 &&
            catalog_attach(back->manager, back->id, back->fd, back->hidden, on_attached_again, back) >= 0)
                return;
        return_done(back);
}

int catalog_return(Manager *manager, Participant *provider, const vss_value *snapshot, CatalogDone done,
                   void *userdata) {
        const char *id = vss_value_get_string(snapshot, "id", "");
        int64_t context = vss_value_get_integer(snapshot, "context", 0);
        _cleanup_message_ sd_bus_message *m = NULL;
        Return *back = calloc(1, sizeof(*back));
        int r;

        if (!back)
                return -ENOMEM;
        *back = (Return){ .manager = manager,
                          .done = done,
                          .userdata = userdata,
                          .persistent = context & VSS_VOLSNAP_ATTR_PERSISTENT,
                          .hidden = vss_value_copy(vss_value_get(snapshot, "hidden")),
                          .fd = -1 };
        (void)snprintf(back->id, sizeof(back->id), "%s", id);
        r = participant_message(provider, "OpenSnapshot", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sb", id, false);
        if (r < 0) {
                vss_value_free(back->hidden);
                free(back);
                return r;
        }
        calls_begin(&back->calls, on_returned, back);
        r = calls_add(&back->calls, provider, m, manager->settings.provider_usec, on_opened_again, NULL);
        if (r < 0) {
                calls_cancel(&back->calls);
                vss_value_free(back->hidden);
                free(back);
                return r;
        }
        calls_drop(&back->calls);
        return 0;
}
