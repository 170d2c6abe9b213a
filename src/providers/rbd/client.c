/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Clients that died while they had an image open: providers here, and other machines
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "providers/rbd/client.h"
#include "util/clock.h"

#define TOP LINUXVSS_RUNDIR "/rbd"
#define CLIENTS TOP "/clients"
#define CLIENTS_MAX 256
#define WATCHERS_MAX 64u
/* How long one may take to hear of a change, and how long one that does not is waited for. */
#define NOTIFY_MSEC 2000
#define WATCHERS_USEC (10 * USEC_PER_SEC)
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

static void write_record(const char *nonce, pid_t pid, uint64_t began) {
        static const char *const paths[] = { LINUXVSS_RUNDIR, TOP, CLIENTS };
        _cleanup_(closep) int fd = -1;
        char path[PATH_MAX];

        FOREACH_ELEMENT (p, paths)
                (void)mkdir(*p, 0700);
        (void)snprintf(path, sizeof(path), CLIENTS "/%s", nonce);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0)
                (void)dprintf(fd, "%d %" PRIu64 "\n", (int)pid, began);
}

void client_record(rados_t cluster, char ret_nonce[static CLIENT_NONCE_SIZE]) {
        char *addresses = NULL;
        const char *nonce;

        ret_nonce[0] = 0;
        if (rados_getaddrs(cluster, &addresses) < 0)
                return;
        /* More than one address has the same number. */
        nonce = nonce_of(addresses);
        (void)snprintf(ret_nonce, CLIENT_NONCE_SIZE, "%.*s", (int)strspn(nonce, "0123456789"), nonce);
        rados_buffer_free(addresses);
        if (*ret_nonce)
                write_record(ret_nonce, getpid(), start_time(getpid()));
}

void client_record_end(const char *nonce) {
        /* There is no such process. */
        if (*nonce)
                write_record(nonce, 0, 1);
}

/* Was it a provider's of this machine, and has that ended, or its connection? */
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

/* @ret_address: of one that has not heard it; "" if it is nobody in particular. */
static void find_silent(rbd_image_t image, char *reply, size_t size, char ret_address[static 128]) {
        rbd_image_watcher_t watchers[WATCHERS_MAX];
        struct notify_timeout_t *silent = NULL;
        struct notify_ack_t *heard = NULL;
        size_t n = WATCHERS_MAX, n_heard = 0, n_silent = 0;

        ret_address[0] = 0;
        if (!reply || rados_decode_notify_response(reply, size, &heard, &n_heard, &silent, &n_silent) < 0)
                return;
        if (rbd_watchers_list(image, watchers, &n) == 0) {
                for (size_t i = 0; i < n * n_silent; i++)
                        if ((uint64_t)watchers[i / n_silent].id == silent[i % n_silent].notifier_id)
                                (void)snprintf(ret_address, 128, "%s", watchers[i / n_silent].addr);
                rbd_watchers_list_cleanup(watchers, n);
        }
        rados_free_notify_response(heard, n_heard, silent);
}

int client_await_watchers(LinkJob *job, Pool *pool, rbd_image_t image, const Place *place) {
        uint64_t deadline = now_usec() + WATCHERS_USEC;
        char header[IMAGE_ID_SIZE + 16], address[128];

        (void)snprintf(header, sizeof(header), "rbd_header.%s", place->image_id);
        for (;;) {
                char *reply = NULL;
                size_t size = 0;
                /* With nothing in it: that the image may have changed. */
                int r = rados_notify2(pool->io, header, "", 0, NOTIFY_MSEC, &reply, &size);
                bool heard = reply != NULL;

                if (r == -ETIMEDOUT)
                        find_silent(image, reply, size, address);
                rados_buffer_free(reply);
                if (r != -ETIMEDOUT)
                        return 0; /* whatever it is, the next call tells it better */
                if (!heard)
                        return job_fail(job, r, "who keeps image %s does not answer", place->image);
                if (now_usec() >= deadline)
                        return job_fail(job, -EBUSY,
                                        "%s has image %s open, or a shadow copy of it, and does not "
                                        "answer. If that machine is down, Ceph forgets it within half a "
                                        "minute; at once by: ceph osd blocklist add %s",
                                        *address ? address : "another machine", place->image,
                                        *address ? address : "ADDRESS");
        }
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
