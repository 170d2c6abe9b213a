/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Locks of a repository
 */

#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include "repository/go-text.h"
#include "repository/pull.h"
#include "repository/lock.h"

#define REFRESH_SECONDS 300
#define FORGOTTEN_SECONDS (30 * 60)
/* Three quarters of that: whoever has not refreshed for so long asks whether anybody has given it up. */
#define DOUBT_SECONDS (FORGOTTEN_SECONDS * 3 / 4)
#define SETTLE_MS 200
#define HOSTNAME_SIZE 256u
#define LOCKS_MAX 10000u

struct RepoLock {
        Repository *repo;
        bool exclusive;
        BlobId id;
        struct timespec refreshed; /* CLOCK_BOOTTIME: it goes on while the machine sleeps */
        bool lost, ending, running;
        pthread_mutex_t mutex;
        pthread_cond_t wake;
        pthread_t thread;
        struct sigaction hangup; /* as it was */
};

int lock_decode(const void *text, size_t size, Arena *arena, LockInfo *ret_info) {
        LockInfo info = { .hostname = "", .username = "" };
        char key[PULL_KEY_SIZE];
        bool time = false;
        size_t n;
        Pull pull;

        pull_init(&pull, text, size);
        pull_object(&pull);
        while (pull_member(&pull, key)) {
                if (strcmp(key, "time") == 0) {
                        const char *at = pull_plain(&pull, &n);

                        time = go_parse_time(at, n, &info.time) == 0;
                } else if (strcmp(key, "exclusive") == 0) {
                        info.exclusive = pull_boolean(&pull);
                } else if (strcmp(key, "hostname") == 0) {
                        info.hostname = pull_string(&pull, arena, NULL) ?: "";
                } else if (strcmp(key, "username") == 0) {
                        info.username = pull_string(&pull, arena, NULL) ?: "";
                } else if (strcmp(key, "pid") == 0) {
                        info.pid = pull_unsigned(&pull);
                } else {
                        pull_skip(&pull);
                }
        }
        if (pull_end(&pull) < 0 || !time)
                return -EBADMSG;
        *ret_info = info;
        return 0;
}

LockState lock_judge(const LockInfo *info, const char *hostname, const struct timespec *now,
                     const struct timespec *boot) {
        if (strcmp(info->hostname, hostname) == 0 && *hostname) {
                if (info->time.tv_sec < boot->tv_sec)
                        return LOCK_DEAD;
                if (info->pid > 0 && info->pid <= INT32_MAX && kill((pid_t)info->pid, 0) < 0 &&
                    errno == ESRCH)
                        return LOCK_DEAD;
        }
        return now->tv_sec - info->time.tv_sec > FORGOTTEN_SECONDS ? LOCK_FORGOTTEN : LOCK_HELD;
}

static int format_lock(bool exclusive, Bytes *text) {
        char hostname[HOSTNAME_SIZE] = "";
        struct passwd *user = getpwuid(geteuid());
        struct timespec now;
        int r = bytes_append_text(text, "{\"time\":\"");

        (void)gethostname(hostname, sizeof(hostname) - 1);
        (void)clock_gettime(CLOCK_REALTIME, &now);
        if (r == 0)
                r = go_append_time(text, &now);
        if (r == 0)
                r = bytes_printf(text, "\",\"exclusive\":%s,\"hostname\":", exclusive ? "true" : "false");
        if (r == 0)
                r = go_append_json(text, hostname, strlen(hostname));
        if (r == 0)
                r = bytes_append_text(text, ",\"username\":");
        if (r == 0)
                r = go_append_json(text, user ? user->pw_name : "", user ? strlen(user->pw_name) : 0);
        if (r == 0)
                r = bytes_printf(text, ",\"pid\":%d", getpid());
        if (r == 0 && getuid() != 0)
                r = bytes_printf(text, ",\"uid\":%u", getuid());
        if (r == 0 && getgid() != 0)
                r = bytes_printf(text, ",\"gid\":%u", getgid());
        return r < 0 ? r : bytes_append(text, "}", 1);
}

static int write_lock(RepoLock *lock, Why *why, BlobId *ret_id) {
        _cleanup_bytes_ Bytes text = {};
        int r = format_lock(lock->exclusive, &text);

        return r < 0 ? r : repo_save_file(lock->repo, STORE_LOCK, text.data, text.size, ret_id, why);
}

static int fail_busy(const RepoLock *lock, const LockInfo *info, LockState state, Why *why) {
        _cleanup_bytes_ Bytes when = {};

        if (go_append_time(&when, &info->time) < 0 || bytes_append(&when, "", 1) < 0)
                return -ENOMEM;
        if (state == LOCK_FORGOTTEN)
                return repo_fail(why, -EBUSY,
                                 "%s: locked by %s@%s (process %llu) at %s, and not refreshed since: if "
                                 "that program does not run any more, `restic unlock` removes its lock.",
                                 lock->repo->location, info->username, info->hostname,
                                 (unsigned long long)info->pid, (const char *)when.data);
        return repo_fail(why, -EBUSY, "%s: in use%s by %s@%s (process %llu) since %s.", lock->repo->location,
                         info->exclusive ? " by itself alone" : "", info->username, info->hostname,
                         (unsigned long long)info->pid, (const char *)when.data);
}

typedef struct Look {
        char hostname[HOSTNAME_SIZE];
        struct timespec now, boot;
        bool found_dead, remove_dead;
} Look;

static void look_around(Look *ret_look) {
        struct timespec up;

        *ret_look = (Look){};
        (void)gethostname(ret_look->hostname, sizeof(ret_look->hostname) - 1);
        (void)clock_gettime(CLOCK_REALTIME, &ret_look->now);
        (void)clock_gettime(CLOCK_BOOTTIME, &up);
        /* A minute of doubt, for clocks that were set meanwhile. */
        ret_look->boot.tv_sec = ret_look->now.tv_sec - up.tv_sec - 60;
}

/* One that is written at this moment can be read a little later. */
static int load_lock(Repository *repo, const BlobId *id, Bytes *text, Why *why) {
        static const int pauses_ms[] = { 100, 1000, 4000 };
        int r = repo_load_file(repo, STORE_LOCK, id, text, why);

        for (size_t i = 0; r == -EBADMSG && i < ELEMENTS(pauses_ms); i++) {
                (void)poll(NULL, 0, pauses_ms[i]);
                text->size = 0;
                r = repo_load_file(repo, STORE_LOCK, id, text, why);
        }
        return r;
}

/* 0 if it does not stand in our way. */
static int examine(RepoLock *lock, const BlobId *id, Look *look, Why *why) {
        _cleanup_(arena_clear) Arena arena = {};
        _cleanup_bytes_ Bytes text = {};
        char path[STORE_PATH_SIZE];
        LockState state;
        LockInfo info;
        int r = load_lock(lock->repo, id, &text, why);

        if (r == -ENOENT)
                return 0;
        if (r == 0)
                r = lock_decode(text.data, text.size, &arena, &info);
        if (r == -EBADMSG)
                return repo_fail(why, -EBUSY,
                                 "%s/%s: this lock cannot be read; `restic unlock --remove-all` removes it.",
                                 lock->repo->location, store_path(STORE_LOCK, id, path));
        if (r < 0)
                return r;
        state = lock_judge(&info, look->hostname, &look->now, &look->boot);
        if (state == LOCK_DEAD) {
                look->found_dead = true;
                /* It is a sign for the next backup: only that takes it away, and who has to be alone. */
                if (!lock->exclusive && !look->remove_dead)
                        return 0;
                return lock->repo->backend->ops->remove(lock->repo->backend, STORE_LOCK, id, why);
        }
        return info.exclusive || lock->exclusive ? fail_busy(lock, &info, state, why) : 0;
}

static int look_at_others(RepoLock *lock, const BlobId *ours, Look *look, Why *why) {
        _cleanup_(freep) StoreFile *files = NULL;
        size_t n = 0;
        int r = repo_list_files(lock->repo, STORE_LOCK, &files, &n, why);

        if (r == 0 && n > LOCKS_MAX)
                return repo_fail(why, -EBUSY, "%s: more than %u locks.", lock->repo->location, LOCKS_MAX);
        for (size_t i = 0; r == 0 && i < n; i++)
                if (files[i].size > 0 && !(ours && blob_id_equals(&files[i].id, ours)))
                        r = examine(lock, &files[i].id, look, why);
        return r;
}

/* A new file, then the old one goes. */
static int refresh(RepoLock *lock) {
        BlobId id, old;
        int r = write_lock(lock, NULL, &id);

        if (r < 0)
                return r;
        (void)pthread_mutex_lock(&lock->mutex);
        old = lock->id;
        lock->id = id;
        (void)clock_gettime(CLOCK_BOOTTIME, &lock->refreshed);
        (void)pthread_mutex_unlock(&lock->mutex);
        return blob_id_equals(&id, &old)
                       ? 0
                       : lock->repo->backend->ops->remove(lock->repo->backend, STORE_LOCK, &old, NULL);
}

static bool is_in_doubt(RepoLock *lock) {
        struct timespec now;
        bool doubt;

        (void)clock_gettime(CLOCK_BOOTTIME, &now);
        (void)pthread_mutex_lock(&lock->mutex);
        doubt = now.tv_sec - lock->refreshed.tv_sec > DOUBT_SECONDS;
        (void)pthread_mutex_unlock(&lock->mutex);
        return doubt;
}

int repo_lock_check(RepoLock *lock, Why *why) {
        uint64_t size;
        BlobId id;
        bool lost;

        (void)pthread_mutex_lock(&lock->mutex);
        id = lock->id;
        lost = lock->lost;
        (void)pthread_mutex_unlock(&lock->mutex);
        if (!lost && is_in_doubt(lock))
                lost = lock->repo->backend->ops->size(lock->repo->backend, STORE_LOCK, &id, &size, NULL) <
                               0 ||
                       refresh(lock) < 0;
        if (!lost)
                return 0;
        (void)pthread_mutex_lock(&lock->mutex);
        lock->lost = true;
        (void)pthread_mutex_unlock(&lock->mutex);
        return repo_fail(why, -ESTALE,
                         "%s: our lock is lost; others may have deleted what this run relies on.",
                         lock->repo->location);
}

static void *keep_fresh(void *userdata) {
        RepoLock *lock = userdata;
        struct timespec until;

        (void)pthread_mutex_lock(&lock->mutex);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += REFRESH_SECONDS;
        while (!lock->ending) {
                if (pthread_cond_timedwait(&lock->wake, &lock->mutex, &until) != ETIMEDOUT)
                        continue;
                (void)pthread_mutex_unlock(&lock->mutex);
                /* After a sleep of the machine others may have given the lock up: looked at before a new
                 * one. */
                if (!is_in_doubt(lock))
                        (void)refresh(lock);
                else
                        (void)repo_lock_check(lock, NULL);
                (void)pthread_mutex_lock(&lock->mutex);
                (void)clock_gettime(CLOCK_MONOTONIC, &until);
                until.tv_sec += REFRESH_SECONDS;
        }
        (void)pthread_mutex_unlock(&lock->mutex);
        return NULL;
}

static int start_thread(RepoLock *lock) {
        pthread_condattr_t attributes;
        int r;

        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&lock->wake, &attributes);
        (void)pthread_condattr_destroy(&attributes);
        r = pthread_create(&lock->thread, NULL, keep_fresh, lock);
        lock->running = r == 0;
        return -r;
}

static int acquire(RepoLock *lock, Why *why, bool *ret_found_dead) {
        Look look;
        int r;

        look_around(&look);
        look.remove_dead = ret_found_dead;
        r = look_at_others(lock, NULL, &look, why);
        if (r == 0)
                r = write_lock(lock, why, &lock->id);
        if (r < 0)
                return r;
        (void)clock_gettime(CLOCK_BOOTTIME, &lock->refreshed);
        (void)poll(NULL, 0, SETTLE_MS);
        r = look_at_others(lock, &lock->id, &look, why);
        if (r == 0)
                r = start_thread(lock);
        if (r < 0)
                (void)lock->repo->backend->ops->remove(lock->repo->backend, STORE_LOCK, &lock->id, NULL);
        else if (ret_found_dead)
                *ret_found_dead = look.found_dead;
        return r;
}

int repo_lock(Repository *repo, bool exclusive, Why *why, bool *ret_found_dead, RepoLock **ret_lock) {
        struct sigaction ignore = { .sa_handler = SIG_IGN };
        RepoLock *lock = calloc(1, sizeof(*lock));
        int r;

        if (!lock)
                return -ENOMEM;
        lock->repo = repo;
        lock->exclusive = exclusive;
        (void)pthread_mutex_init(&lock->mutex, NULL);
        (void)sigemptyset(&ignore.sa_mask);
        (void)sigaction(SIGHUP, &ignore, &lock->hangup);
        r = acquire(lock, why, ret_found_dead);
        if (r < 0) {
                (void)sigaction(SIGHUP, &lock->hangup, NULL);
                (void)pthread_mutex_destroy(&lock->mutex);
                free(lock);
                return r;
        }
        *ret_lock = lock;
        return 0;
}

RepoLock *repo_unlock(RepoLock *lock) {
        if (!lock)
                return NULL;
        (void)pthread_mutex_lock(&lock->mutex);
        lock->ending = true;
        (void)pthread_cond_signal(&lock->wake);
        (void)pthread_mutex_unlock(&lock->mutex);
        if (lock->running)
                (void)pthread_join(lock->thread, NULL);
        (void)lock->repo->backend->ops->remove(lock->repo->backend, STORE_LOCK, &lock->id, NULL);
        (void)sigaction(SIGHUP, &lock->hangup, NULL);
        (void)pthread_cond_destroy(&lock->wake);
        (void)pthread_mutex_destroy(&lock->mutex);
        free(lock);
        return NULL;
}
