/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shadow copies that were lost
 *
 * The list is small, and written anew as a whole by a worker whenever it has changed.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "model/id.h"
#include "util/clock.h"
#include "util/value-codec.h"
#include "vssd/log.h"
#include "vssd/losses.h"
#include "vssd/worker.h"

/* The oldest make room. */
enum { LOSSES_MAX = 256, FILE_MAX = 1024 * 1024 };

#define LOSSES_FILE LINUXVSS_STATEDIR "/losses"
#define LOSSES_FILE_NEW LOSSES_FILE ".new"

struct Losses {
        vss_value *list;
        bool loading, saving, changed;
};

struct Losses *losses_free(struct Losses *losses) {
        if (losses)
                vss_value_free(losses->list);
        free(losses);
        return NULL;
}

const vss_value *losses_list(const Manager *manager) {
        return manager->losses ? manager->losses->list : NULL;
}

static size_t find(const vss_value *list, const char *id) {
        size_t i = 0;

        while (i < vss_value_count(list) &&
               strcasecmp(vss_value_get_string(vss_value_at(list, i), "id", ""), id) != 0)
                i++;
        return i;
}

const vss_value *losses_find(const Manager *manager, const char *id) {
        const vss_value *list = losses_list(manager);

        return vss_value_at(list, find(list, id));
}

/* The file */

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                data += n;
                size -= (size_t)n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

/* After a crash there is the one or the other. */
static int save_main(void *arg, WorkerAnswer *answer) {
        const struct Losses *losses = arg;
        _cleanup_(freep) uint8_t *data = NULL;
        _cleanup_(closep) int fd = -1;
        size_t size;
        int r = value_encode(losses->list, &data, &size);

        if (r < 0)
                return r;
        if (mkdir(LINUXVSS_STATEDIR, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(LOSSES_FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, data, size);
        if (r < 0)
                return r;
        return rename(LOSSES_FILE_NEW, LOSSES_FILE) < 0 ? -errno : 0;
}

static void save(Manager *manager);

static void on_saved(void *userdata, int error, WorkerAnswer *answer) {
        Manager *manager = userdata;

        manager->losses->saving = false;
        if (error < 0)
                log_error(LOSSES_FILE " cannot be written: %s", strerror(-error));
        if (manager->losses->changed)
                save(manager);
}

static void save(Manager *manager) {
        struct Losses *losses = manager->losses;
        int r;

        losses->changed = true;
        if (losses->loading || losses->saving)
                return;
        losses->changed = false;
        r = worker_start(manager, save_main, losses, manager->settings.worker_usec, on_saved, manager, NULL);
        if (r < 0)
                log_error(LOSSES_FILE " cannot be written: %s", strerror(-r));
        else
                losses->saving = true;
}

static int load_main(void *arg, WorkerAnswer *answer) {
        _cleanup_(freep) uint8_t *data = malloc(FILE_MAX);
        _cleanup_(closep) int fd = open(LOSSES_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_value_ vss_value *list = NULL;
        ssize_t n;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        n = data ? read(fd, data, FILE_MAX) : -1;
        if (n < 0)
                return data ? -errno : -ENOMEM;
        r = value_decode(data, (size_t)n, &list);
        if (r < 0)
                return r;
        return vss_value_set(answer->value, "losses", TAKE_PTR(list)) < 0 ? -ENOMEM : 0;
}

/* What was noted meanwhile is newer. */
static void on_loaded(void *userdata, int error, WorkerAnswer *answer) {
        const vss_value *kept = vss_value_get(answer->value, "losses");
        Manager *manager = userdata;
        struct Losses *losses = manager->losses;
        _cleanup_value_ vss_value *all = vss_value_new_list();

        losses->loading = false;
        if (error < 0)
                log_error(LOSSES_FILE " cannot be read: %s", strerror(-error));
        for (size_t i = 0; i < vss_value_count(kept) && i < LOSSES_MAX; i++) {
                const vss_value *loss = vss_value_at(kept, i);
                const char *id = vss_value_get_string(loss, "id", "");

                if (id_is_valid(id) && find(losses->list, id) == vss_value_count(losses->list))
                        (void)vss_value_append(all, vss_value_copy(loss));
        }
        for (size_t i = 0; i < vss_value_count(losses->list); i++)
                (void)vss_value_append(all, vss_value_copy(vss_value_at(losses->list, i)));
        if (all) {
                vss_value_free(losses->list);
                losses->list = TAKE_PTR(all);
        }
        if (losses->changed)
                save(manager);
}

int losses_start(Manager *manager) {
        struct Losses *losses = calloc(1, sizeof(*losses));
        int r;

        if (losses)
                losses->list = vss_value_new_list();
        if (!losses || !losses->list) {
                losses_free(losses);
                return -ENOMEM;
        }
        manager->losses = losses;
        r = worker_start(manager, load_main, NULL, manager->settings.worker_usec, on_loaded, manager, NULL);
        losses->loading = r >= 0;
        return r;
}

/* The list */

static void drop(struct Losses *losses, size_t index) {
        _cleanup_value_ vss_value *kept = vss_value_new_list();

        for (size_t i = 0; kept && i < vss_value_count(losses->list); i++)
                if (i != index)
                        (void)vss_value_append(kept, vss_value_copy(vss_value_at(losses->list, i)));
        if (!kept)
                return;
        vss_value_free(losses->list);
        losses->list = TAKE_PTR(kept);
}

bool losses_note(Manager *manager, const char *id, const char *volume, const char *provider,
                 const char *reason) {
        vss_value *loss;

        if (!id_is_valid(id) || losses_find(manager, id))
                return false;
        if (vss_value_count(manager->losses->list) >= LOSSES_MAX)
                drop(manager->losses, 0);
        loss = vss_value_new_dict();
        (void)vss_value_set_string(loss, "id", id);
        (void)vss_value_set_string(loss, "volume", volume);
        (void)vss_value_set_string(loss, "provider", provider);
        (void)vss_value_set_string(loss, "reason", reason);
        (void)vss_value_set_integer(loss, "time-usec", (int64_t)clock_usec(CLOCK_REALTIME));
        if (vss_value_append(manager->losses->list, loss) < 0)
                log_error("%s: out of memory", id);
        save(manager);
        return true;
}

bool losses_forget(Manager *manager, const char *id) {
        const vss_value *list = losses_list(manager);
        size_t index = find(list, id);

        if (index >= vss_value_count(list))
                return false;
        drop(manager->losses, index);
        save(manager);
        return true;
}
