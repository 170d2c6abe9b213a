/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sets that are to be taken back, and could not be yet
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "providers/common/info.h"
#include "providers/rbd/pending.h"
#include "util/clock.h"

#define TOP LINUXVSS_RUNDIR "/rbd"
#define PENDING TOP "/pending"
#define RETRY_USEC USEC_PER_SEC
#define SETS_MAX 1024u

DEFINE_CLEANUP(DIR *, closedir)

/* Return: 0, or the first error; all clusters are asked. */
static int remove_set(Clusters *clusters, const char *host, const char *set, bool keep_identity,
                      unsigned *removed) {
        int result = 0;

        for (size_t i = 0; i < clusters->settings.n_clusters; i++) {
                _cleanup_(request_freep)
                        Request *request = request_new(REQUEST_REMOVE_SET, clusters->settings.answer_usec);
                char why[WHY_SIZE] = "out of memory";
                int r = -ENOMEM;

                if (request) {
                        (void)snprintf(request->set, sizeof(request->set), "%s", set);
                        (void)snprintf(request->host, sizeof(request->host), "%s", host);
                        request->keep_identity = keep_identity;
                        r = cluster_do(clusters, i, &request, why);
                }
                if (r < 0)
                        fprintf(stderr, "set %s cannot be taken back on cluster %s yet: %s\n", set,
                                clusters->settings.clusters[i].name, why);
                *removed += r < 0 ? 0 : request->n_removed;
                result = result < 0 ? result : r;
        }
        return result;
}

/* @usec: when it was looked for with success, or 0. */
static void note(const char *set, uint64_t usec) {
        static const char *const paths[] = { LINUXVSS_RUNDIR, TOP, PENDING };
        _cleanup_(closep) int fd = -1;
        char path[PATH_MAX];

        FOREACH_ELEMENT (p, paths)
                (void)mkdir(*p, 0700);
        (void)snprintf(path, sizeof(path), PENDING "/%s", set);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || dprintf(fd, "%" PRIu64 "\n", usec) < 0)
                fprintf(stderr, "%s: %s: set %s may not be taken back\n", path, strerror(errno), set);
}

static uint64_t read_note(const char *set) {
        char path[PATH_MAX], text[32] = "";
        _cleanup_(closep) int fd = -1;

        (void)snprintf(path, sizeof(path), PENDING "/%s", set);
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? strtoull(text, NULL, 10) : 0;
}

bool pending_has(const char *set) {
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), PENDING "/%s", set);
        return access(path, F_OK) == 0;
}

void pending_abort(Clusters *clusters, const char *host, const char *set, bool doubtful) {
        unsigned removed = 0;

        if (!info_id_is_valid(set) || clusters->settings.n_clusters == 0)
                return;
        /* First, in case that this is the end of this process, too. */
        if (doubtful)
                note(set, 0);
        if (remove_set(clusters, host, set, doubtful, &removed) < 0)
                note(set, 0);
        else if (doubtful)
                note(set, now_usec());
}

static void work_on(Clusters *clusters, const char *host, const char *set) {
        uint64_t seen = read_note(set), now = now_usec();
        unsigned removed = 0;
        char path[PATH_MAX];

        /* As long as anything that was asked for lives: who asked gives it up then. */
        if (seen > 0 && seen <= now && now - seen < clusters->settings.answer_usec)
                return;
        if (remove_set(clusters, host, set, true, &removed) < 0)
                return;
        /* Where there was something, there may be more. */
        if (seen == 0 || removed > 0 || links_late() > 0) {
                note(set, now_usec());
                return;
        }
        if (remove_set(clusters, host, set, false, &removed) < 0)
                return;
        (void)snprintf(path, sizeof(path), PENDING "/%s", set);
        (void)unlink(path);
}

uint64_t pending_work(Clusters *clusters, const char *host) {
        _cleanup_(closedirp) DIR *dir = opendir(PENDING);
        struct dirent *entry;
        unsigned n = 0, left = 0;

        while (dir && n < SETS_MAX && (entry = readdir(dir))) {
                if (!info_id_is_valid(entry->d_name))
                        continue;
                n++;
                work_on(clusters, host, entry->d_name);
                left += pending_has(entry->d_name);
        }
        return left > 0 ? RETRY_USEC : 0;
}
