/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The portals of an array
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "array/portal.h"
#include "util/clock.h"

/* One that does not come up is not started again and again. */
#define AGAIN_USEC USEC_PER_SEC

typedef struct Portal {
        char host[ARRAY_NAME_MAX + 1];
        bool writable;
        pid_t pid;
        uint64_t started;
} Portal;

typedef struct Portals {
        const Settings *settings;
        const Store *store;
        Portal items[2 * STORE_HOSTS_MAX];
        size_t n;
} Portals;

static bool is_unix(const Settings *settings) {
        return strcmp(settings->listen, "unix") == 0;
}

static void socket_path(const Settings *settings, const char *host, bool writable, char *ret, size_t size) {
        (void)snprintf(ret, size, "%s/%s.%s", settings->run, host, writable ? "live" : "copies");
}

int portal_describe(const Settings *settings, const vss_value *host, bool writable, vss_value *portal) {
        const char *name = vss_value_get_string(host, "name", "");
        int64_t port = vss_value_get_integer(host, "port", 0) + !writable;
        char path[ARRAY_TEXT_MAX];

        if (is_unix(settings)) {
                socket_path(settings, name, writable, path, sizeof(path));
                return vss_value_set_string(portal, "socket", path) < 0 ? -ENOMEM : 0;
        }
        if (vss_value_set_string(portal, "address", settings->listen) < 0 ||
            vss_value_set_integer(portal, "port", port) < 0 ||
            vss_value_set_boolean(portal, "tls", settings->tls) < 0)
                return -ENOMEM;
        return 0;
}

/* What it runs: the words, of which those that are made are freed by the caller. */
static int make_argv(const Portals *p, const Portal *portal, char *words[static 16], char *made[static 4]) {
        _cleanup_value_ vss_value *host = NULL, *where = vss_value_new_dict();
        const char *links = portal->writable ? "live" : "copies";
        char path[ARRAY_TEXT_MAX];
        ArrayError error;
        size_t n = 0;
        int r = store_host_read(p->store, portal->host, &host, &error);

        if (r == 0)
                r = portal_describe(p->settings, host, portal->writable, where);
        if (r < 0)
                return r;
        socket_path(p->settings, portal->host, portal->writable, path, sizeof(path));
        if (asprintf(&made[0], "dir=%s/hosts/%s/%s", p->store->path, portal->host, links) < 0 ||
            asprintf(&made[1], "--tls-psk=%s/hosts/%s/psk", p->store->path, portal->host) < 0 ||
            asprintf(&made[2], "%lld", (long long)vss_value_get_integer(where, "port", 0)) < 0 ||
            asprintf(&made[3], "%s", path) < 0)
                return -ENOMEM;
        words[n++] = (char *)"nbdkit";
        words[n++] = (char *)"--foreground";
        if (!portal->writable)
                words[n++] = (char *)"--readonly";
        if (is_unix(p->settings)) {
                (void)unlink(path);
                words[n++] = (char *)"--unix";
                words[n++] = made[3];
        } else {
                words[n++] = (char *)"--ipaddr";
                words[n++] = (char *)p->settings->listen;
                words[n++] = (char *)"--port";
                words[n++] = made[2];
        }
        if (!is_unix(p->settings) && p->settings->tls) {
                words[n++] = (char *)"--tls=require";
                words[n++] = made[1];
        }
        words[n++] = (char *)"file";
        words[n++] = made[0];
        words[n] = NULL;
        return 0;
}

static void start(Portals *p, Portal *portal) {
        char *words[16], *made[4] = { NULL };
        pid_t parent = getpid();
        int r = make_argv(p, portal, words, made);

        portal->started = now_usec();
        portal->pid = r < 0 ? -1 : fork();
        if (portal->pid == 0) {
                sigset_t none;

                (void)sigemptyset(&none);
                (void)sigprocmask(SIG_SETMASK, &none, NULL);
                (void)umask(077);
                /* No host reaches what an array no longer looks after. */
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                        _exit(127);
                (void)execvp(words[0], words);
                fprintf(stderr, "nbdkit cannot be run: %s\n", strerror(errno));
                _exit(127);
        }
        if (portal->pid < 0)
                fprintf(stderr, "no portal for %s: %s\n", portal->host, strerror(r < 0 ? -r : errno));
        for (size_t i = 0; i < 4; i++)
                free(made[i]);
}

static bool has(const Portals *p, const char *host) {
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->items[i].host, host) == 0)
                        return true;
        return false;
}

/* Hosts that have come; and servers that have ended, after a while. Return: when to look again, 0: no need.
 */
static uint64_t look(Portals *p) {
        _cleanup_value_ vss_value *hosts = vss_value_new_list();
        uint64_t again = 0, now = now_usec();
        ArrayError error;

        if (store_list(p->store, p->store->hosts, STORE_HOSTS_MAX, hosts, &error) < 0)
                fprintf(stderr, "%s\n", error.text);
        for (size_t i = 0; i < vss_value_count(hosts); i++) {
                const char *host = vss_value_string(vss_value_at(hosts, i), "");
                _cleanup_value_ vss_value *info = NULL;

                if (has(p, host) || p->n + 2 > ELEMENTS(p->items))
                        continue;
                if (store_read_info(p->store->hosts, host, &info) < 0) {
                        again = now + AGAIN_USEC; /* it is being made */
                        continue;
                }
                for (int writable = 0; writable <= 1; writable++) {
                        Portal *portal = &p->items[p->n++];

                        *portal = (Portal){ .writable = writable, .pid = -1 };
                        (void)snprintf(portal->host, sizeof(portal->host), "%s", host);
                }
        }
        for (size_t i = 0; i < p->n; i++) {
                Portal *portal = &p->items[i];

                if (portal->pid > 0)
                        continue;
                if (portal->started && now < portal->started + AGAIN_USEC)
                        again = portal->started + AGAIN_USEC;
                else
                        start(p, portal);
        }
        return again;
}

static void reap(Portals *p) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                for (size_t i = 0; i < p->n; i++)
                        if (p->items[i].pid == pid) {
                                fprintf(stderr, "a portal of %s has ended (status %d)\n", p->items[i].host,
                                        status);
                                p->items[i].pid = -1;
                        }
}

static void end_all(Portals *p) {
        for (size_t i = 0; i < p->n; i++)
                if (p->items[i].pid > 0)
                        (void)kill(p->items[i].pid, SIGTERM);
        for (size_t i = 0; i < p->n; i++) {
                char path[ARRAY_TEXT_MAX];
                int status;

                while (p->items[i].pid > 0 && waitpid(p->items[i].pid, &status, 0) < 0 && errno == EINTR)
                        ;
                socket_path(p->settings, p->items[i].host, p->items[i].writable, path, sizeof(path));
                (void)unlink(path);
        }
}

static int prepare(const Settings *settings, const Store *store, int *ret_signals, int *ret_watch,
                   ArrayError *error) {
        char path[ARRAY_TEXT_MAX + 8];
        sigset_t signals;

        if (is_unix(settings) && mkdir(settings->run, 0700) < 0 && errno != EEXIST)
                return array_fail(error, -errno, "%s: %s", settings->run, strerror(errno));
        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        (void)sigaddset(&signals, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
        *ret_signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        *ret_watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        (void)snprintf(path, sizeof(path), "%s/hosts", store->path);
        if (*ret_signals < 0 || *ret_watch < 0 ||
            inotify_add_watch(*ret_watch, path, IN_CREATE | IN_MOVED_TO) < 0)
                return array_fail(error, -errno, "%s: %s", path, strerror(errno));
        return 0;
}

int portal_serve(const Settings *settings, const Store *store, ArrayError *error) {
        _cleanup_(closep) int signals = -1, watch = -1;
        Portals *p = calloc(1, sizeof(*p));
        bool end = false;
        int r;

        if (!p)
                return array_fail(error, -ENOMEM, "out of memory");
        *p = (Portals){ .settings = settings, .store = store };
        r = prepare(settings, store, &signals, &watch, error);
        while (r == 0 && !end) {
                struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
                                        { .fd = watch, .events = POLLIN } };
                uint64_t again = look(p), now = now_usec();
                struct signalfd_siginfo info;
                char events[4096];

                if (poll(fds, ELEMENTS(fds),
                         again ? (int)((again > now ? again - now : 0) / USEC_PER_MSEC) + 1 : -1) < 0 &&
                    errno != EINTR)
                        r = array_fail(error, -errno, "%s", strerror(errno));
                while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                        end = end || info.ssi_signo != SIGCHLD;
                while (read(watch, events, sizeof(events)) > 0)
                        ;
                reap(p);
        }
        end_all(p);
        free(p);
        return r;
}
