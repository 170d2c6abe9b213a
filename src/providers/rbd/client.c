/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Providers that died while they had an image open
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "providers/rbd/client.h"

#define TOP LINUXVSS_RUNDIR "/rbd"
#define CLIENTS TOP "/clients"
#define CLIENTS_MAX 256
#define WATCHERS_MAX 64u
/* A client that is refused for longer than it could have any use of a lock. */
#define FORGET_SECONDS 300

DEFINE_CLEANUP(DIR *, closedir)

/* The number that it has chosen for itself is the last thing in an address: "v2:10.0.0.1:0/4060381837". */
static const char *nonce_of(const char *address) {
        const char *slash = strrchr(address, '/');

        return slash ? slash + 1 : "";
}

/* When it began, which tells it from a later process of that number. */
static uint64_t start_time(pid_t pid) {
        char path[64], text[1024] = "", *at;
        _cleanup_(closep) int fd = -1;
        uint64_t began = 0;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
                return 0;
        at = strrchr(text, ')');
        if (!at ||
            sscanf(at + 1,
                   " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
                   &began) != 1)
                return 0;
        return began;
}

void client_record(rados_t cluster) {
        static const char *const paths[] = { LINUXVSS_RUNDIR, TOP, CLIENTS };
        _cleanup_(closep) int fd = -1;
        char path[PATH_MAX], *addresses = NULL;

        if (rados_getaddrs(cluster, &addresses) < 0)
                return;
        FOREACH_ELEMENT (p, paths)
                (void)mkdir(*p, 0700);
        /* More than one address has the same number. */
        (void)snprintf(path, sizeof(path), CLIENTS "/%.*s", (int)strspn(nonce_of(addresses), "0123456789"),
                       nonce_of(addresses));
        rados_buffer_free(addresses);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0)
                (void)dprintf(fd, "%d %" PRIu64 "\n", (int)getpid(), start_time(getpid()));
}

/* Was it a provider's of this machine, and is that no more? */
static bool is_dead(const char *nonce) {
        _cleanup_(closep) int fd = -1;
        char path[PATH_MAX], text[64] = "";
        uint64_t began;
        int pid;

        if (!*nonce || strspn(nonce, "0123456789") != strlen(nonce))
                return false;
        (void)snprintf(path, sizeof(path), CLIENTS "/%s", nonce);
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
            sscanf(text, "%d %" SCNu64, &pid, &began) != 2)
                return false;
        return start_time(pid) != began;
}

/* What a client that is refused was waiting for, nobody waits for any longer. Return: are there such? */
static bool refuse_watchers(rados_t cluster, rbd_image_t image) {
        rbd_image_watcher_t watchers[WATCHERS_MAX];
        size_t n = WATCHERS_MAX;
        bool refused = false;

        if (rbd_watchers_list(image, watchers, &n) < 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (is_dead(nonce_of(watchers[i].addr)))
                        refused |= rados_blocklist_add(cluster, watchers[i].addr, FORGET_SECONDS) == 0;
        rbd_watchers_list_cleanup(watchers, n);
        return refused;
}

static void break_locks(rbd_image_t image) {
        char *owners[4] = { NULL };
        size_t n = ELEMENTS(owners);
        rbd_lock_mode_t mode;

        if (rbd_lock_get_owners(image, &mode, owners, &n) < 0)
                return;
        for (size_t i = 0; i < n; i++)
                if (is_dead(nonce_of(owners[i])))
                        (void)rbd_lock_break(image, mode, owners[i]);
        rbd_lock_get_owners_cleanup(owners, n);
}

void client_forget_dead(rados_t cluster, rbd_image_t image) {
        /* What is asked of an OSD from then on waits until it knows of it, too. */
        if (refuse_watchers(cluster, image))
                (void)rados_wait_for_latest_osdmap(cluster);
        break_locks(image);
}

void client_sweep(void) {
        _cleanup_(closedirp) DIR *dir = opendir(CLIENTS);
        struct dirent *entry;
        int n = 0;

        while (dir && n++ < CLIENTS_MAX && (entry = readdir(dir))) {
                struct stat st;

                if (entry->d_name[0] != '.' && is_dead(entry->d_name) &&
                    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    time(NULL) - st.st_mtime > FORGET_SECONDS)
                        (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
}
