/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Locks of a repository
 */

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include "config.h"
#include "repository/go-text.h"
#include "repository/pull.h"
#include "repository/lock.h"

#define REFRESH_SECONDS 300
#define FORGOTTEN_SECONDS (30 * 60)
/* Three quarters of that: whoever has not refreshed for so long asks whether anybody has given it up. */
#define DOUBT_SECONDS (FORGOTTEN_SECONDS * 3 / 4)
#define SETTLE_MS 200
#define LOCKS_MAX 10000u
/* A member that only we write and read; others pass it over. */
#define OURS "linuxvss_machine"

struct RepoLock {
        Repository *repo;
        bool exclusive;
        BlobId id;
        struct timespec refreshed; /* CLOCK_BOOTTIME: it goes on while the machine sleeps */
        bool lost, ending, running;
        bool settled, removes_dead; /* settled: we have looked again after it was written */
        int refused;                /* what we saw then, with its words */
        Why refusal;
        pthread_mutex_t mutex;
        pthread_cond_t wake, calm;
        pthread_t thread;
        struct sigaction hangup; /* as it was */
};

int lock_decode(const void *text, size_t size, Arena *arena, LockInfo *ret_info) {
        LockInfo info = { .hostname = "", .username = "", .machine = "" };
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
                } else if (strcmp(key, OURS) == 0) {
                        info.machine = pull_string(&pull, arena, NULL) ?: "";
                } else {
                        pull_skip(&pull);
                }
        }
        if (pull_end(&pull) < 0 || !time)
                return -EBADMSG;
        *ret_info = info;
        return 0;
}

/* Of what machine, and there of which boot and which space of process numbers. Names of machines say less:
 * copies of a machine, and containers, share them. */
static void name_machine(char machine[static LOCK_MACHINE_SIZE]) {
        char boot[64] = "", space[64] = "";
        _cleanup_(closep) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, boot, sizeof(boot) - 1);

        machine[0] = '\0';
        if (n <= 0 || readlink("/proc/self/ns/pid", space, sizeof(space) - 1) < 0)
                return;
        boot[strcspn(boot, "\n")] = '\0';
        (void)snprintf(machine, LOCK_MACHINE_SIZE, "%s %s", boot, space);
}

static bool has_gone(uint64_t pid) {
        return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

LockState lock_judge(const LockInfo *info, const LockPlace *place, const struct timespec *now) {
        int64_t age = now->tv_sec - info->time.tv_sec;
        bool forgotten = age > FORGOTTEN_SECONDS || age < -FORGOTTEN_SECONDS;

        if (*info->machine && *place->machine) {
                if (strcmp(info->machine, place->machine) == 0)
                        return has_gone(info->pid) ? LOCK_DEAD : forgotten ? LOCK_FORGOTTEN : LOCK_HELD;
                /* Before this machine was started anew; or another one of the same name, that would have
                 * refreshed it. */
                return !forgotten                                                ? LOCK_HELD
                       : strcmp(info->hostname, place->hostname) == 0 && age > 0 ? LOCK_DEAD
                                                                                 : LOCK_FORGOTTEN;
        }
        /* restic's: its own unlock looks at no more. */
        if (*place->hostname && strcmp(info->hostname, place->hostname) == 0 && has_gone(info->pid))
                return LOCK_DEAD;
        return forgotten ? LOCK_FORGOTTEN : LOCK_HELD;
}

static int format_lock(bool exclusive, Bytes *text) {
        char hostname[LOCK_HOSTNAME_SIZE] = "", machine[LOCK_MACHINE_SIZE];
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
        name_machine(machine);
        if (r == 0 && *machine) {
                r = bytes_append_text(text, ",\"" OURS "\":");
                if (r == 0)
                        r = go_append_json(text, machine, strlen(machine));
        }
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
                                 "%s: locked by %s@%s (process %llu) at %s by its clock, and not refreshed "
                                 "since: if that program does not run any more, `restic unlock` removes its "
                                 "lock.",
                                 lock->repo->location, info->username, info->hostname,
                                 (unsigned long long)info->pid, (const char *)when.data);
        return repo_fail(why, -EBUSY, "%s: in use%s by %s@%s (process %llu) since %s.", lock->repo->location,
                         info->exclusive ? " by itself alone" : "", info->username, info->hostname,
                         (unsigned long long)info->pid, (const char *)when.data);
}

typedef struct Look {
        LockPlace place;
        struct timespec now;
        bool found_dead, found_others, remove_dead;
} Look;

static void look_around(Look *ret_look) {
        *ret_look = (Look){};
        (void)gethostname(ret_look->place.hostname, sizeof(ret_look->place.hostname) - 1);
        name_machine(ret_look->place.machine);
        (void)clock_gettime(CLOCK_REALTIME, &ret_look->now);
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
                return repo_fail(why, -EUCLEAN, "%s/%s: this lock cannot be read.", lock->repo->location,
                                 store_path(STORE_LOCK, id, path));
        if (r < 0)
                return r;
        state = lock_judge(&info, &look->place, &look->now);
        if (state == LOCK_DEAD) {
                look->found_dead = true;
                /* It is a sign for the next backup: only that takes it away, and who has to be alone. */
                if (!lock->exclusive && !look->remove_dead)
                        return 0;
                return lock->repo->backend->ops->remove(lock->repo->backend, STORE_LOCK, id, why);
        }
        look->found_others = true;
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

/* A test does not wait for minutes. */
static unsigned seconds_of(const char *hook, unsigned seconds) {
#if REPO_TEST_HOOKS
        const char *other = getenv(hook);

        if (other)
                return (unsigned)strtoul(other, NULL, 10);
#endif
        (void)hook;
        return seconds;
}

static bool is_in_doubt(RepoLock *lock) {
        struct timespec now;
        bool doubt;

        (void)clock_gettime(CLOCK_BOOTTIME, &now);
        (void)pthread_mutex_lock(&lock->mutex);
        doubt = now.tv_sec - lock->refreshed.tv_sec > seconds_of("VSS_LOCK_DOUBT", DOUBT_SECONDS);
        (void)pthread_mutex_unlock(&lock->mutex);
        return doubt;
}

int repo_lock_check(RepoLock *lock, Why *why) {
        uint64_t size;
        BlobId id;
        bool lost;

        (void)pthread_mutex_lock(&lock->mutex);
        while (!lock->settled)
                (void)pthread_cond_wait(&lock->calm, &lock->mutex);
        id = lock->id;
        lost = lock->lost;
        (void)pthread_mutex_unlock(&lock->mutex);
        if (lock->refused < 0)
                return repo_fail(why, lock->refused, "%s", lock->refusal.text);
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

static int look_again(RepoLock *lock, Look *look, Why *why) {
        look_around(look);
        look->remove_dead = lock->removes_dead;
        return look_at_others(lock, &lock->id, look, why);
}

/* With the mutex. */
static void settle(RepoLock *lock) {
        struct timespec until;
        Look look;
        int r;

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SETTLE_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        while (!lock->ending && pthread_cond_timedwait(&lock->wake, &lock->mutex, &until) != ETIMEDOUT)
                ;
        (void)pthread_mutex_unlock(&lock->mutex);
        r = look_again(lock, &look, &lock->refusal);
        (void)pthread_mutex_lock(&lock->mutex);
        lock->refused = MIN(r, 0);
        lock->settled = true;
        (void)pthread_cond_broadcast(&lock->calm);
}

static void *keep_fresh(void *userdata) {
        RepoLock *lock = userdata;
        unsigned seconds = seconds_of("VSS_LOCK_REFRESH", REFRESH_SECONDS);
        struct timespec until;

        (void)pthread_mutex_lock(&lock->mutex);
        if (!lock->settled)
                settle(lock);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += seconds;
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
                until.tv_sec += seconds;
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

static int acquire(RepoLock *lock, Why *why, bool *ret_settle) {
        Look look;
        int r;

        look_around(&look);
        look.remove_dead = lock->removes_dead = ret_settle;
        r = look_at_others(lock, NULL, &look, why);
        if (r == 0)
                r = write_lock(lock, why, &lock->id);
        if (r < 0)
                return r;
        (void)clock_gettime(CLOCK_BOOTTIME, &lock->refreshed);
        /* Who only adds goes on reading meanwhile, and asks before it writes. */
        lock->settled = !ret_settle || lock->exclusive || lock->repo->backend->prompt;
        if (lock->settled) {
                /* Of two that lock at the same time one writes last, and then sees the other, where lists
                 * are true. */
                if (!lock->repo->backend->prompt)
                        (void)poll(NULL, 0, SETTLE_MS);
                r = look_again(lock, &look, why);
        }
        if (r == 0)
                r = start_thread(lock);
        if (r < 0)
                (void)lock->repo->backend->ops->remove(lock->repo->backend, STORE_LOCK, &lock->id, NULL);
        else if (ret_settle)
                *ret_settle = !look.found_others && (look.found_dead || lock->repo->backend->near);
        return r;
}

int repo_lock(Repository *repo, bool exclusive, Why *why, bool *ret_settle, RepoLock **ret_lock) {
        struct sigaction ignore = { .sa_handler = SIG_IGN };
        RepoLock *lock = calloc(1, sizeof(*lock));
        int r;

        if (!lock)
                return -ENOMEM;
        lock->repo = repo;
        lock->exclusive = exclusive;
        (void)pthread_mutex_init(&lock->mutex, NULL);
        (void)pthread_cond_init(&lock->calm, NULL);
        (void)sigemptyset(&ignore.sa_mask);
        (void)sigaction(SIGHUP, &ignore, &lock->hangup);
        r = acquire(lock, why, ret_settle);
        if (r < 0) {
                (void)sigaction(SIGHUP, &lock->hangup, NULL);
                (void)pthread_cond_destroy(&lock->calm);
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
        (void)pthread_cond_destroy(&lock->calm);
        (void)pthread_mutex_destroy(&lock->mutex);
        free(lock);
        return NULL;
}
