/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The portals of an array
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "array/portal.h"
#include "util/clock.h"

/* What fails is not tried again and again. */
#define AGAIN_USEC USEC_PER_SEC
/* Of one portal, beside each other: a device of a host has four. */
#define CONNECTIONS_MAX 512u

typedef struct Portal {
        char host[ARRAY_NAME_MAX + 1];
        bool writable;
        int fd; /* listens; -1: not yet */
        uint64_t tried;
        bool failed; /* it listens, and then */
        unsigned n_connections;
} Portal;

typedef struct Connection {
        pid_t pid;
        size_t portal;
} Connection;

typedef struct Portals {
        const Settings *settings;
        const Store *store;
        Portal items[2 * STORE_HOSTS_MAX];
        size_t n;
        Connection *connections;
        size_t n_connections;
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

/* ---- connections ---- */

static int make_argv(const Portals *p, const Portal *portal, const char *words[static 10],
                     char *made[static 2]) {
        size_t n = 0;

        if (asprintf(&made[0], "dir=%s/hosts/%s/%s", p->store->path, portal->host,
                     portal->writable ? "live" : "copies") < 0 ||
            asprintf(&made[1], "--tls-psk=%s/hosts/%s/psk", p->store->path, portal->host) < 0)
                return -ENOMEM;
        words[n++] = "nbdkit";
        words[n++] = "--foreground";
        words[n++] = "--single";
        if (!portal->writable)
                words[n++] = "--readonly";
        if (!is_unix(p->settings) && p->settings->tls) {
                words[n++] = "--tls=require";
                words[n++] = made[1];
        }
        words[n++] = "file";
        words[n++] = made[0];
        words[n] = NULL;
        return 0;
}

static _Noreturn void be_server(int fd, pid_t parent, const char *const *words) {
        sigset_t none;

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)umask(077);
        /* No host reaches what an array no longer looks after. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || dup2(fd, 0) < 0 ||
            dup2(fd, 1) < 0)
                _exit(127);
        /* POSIX promises that the words are left as they are. */
        (void)execvp(words[0], (char *const *)(uintptr_t)words);
        fprintf(stderr, "nbdkit cannot be run: %s\n", strerror(errno));
        _exit(127);
}

/* A process for each connection: what a host may no longer see is cut by ending the processes that have it
 * open, and all its others go on. */
static int serve_connection(Portals *p, size_t index, int fd) {
        const char *words[10];
        char *made[2] = { NULL };
        Connection *connections = reallocarray(p->connections, p->n_connections + 1, sizeof(*connections));
        pid_t parent = getpid(), pid;
        int r;

        if (!connections)
                return -ENOMEM;
        p->connections = connections;
        r = make_argv(p, &p->items[index], words, made);
        pid = r < 0 ? -1 : fork();
        if (pid == 0)
                be_server(fd, parent, words);
        free(made[0]);
        free(made[1]);
        if (pid < 0)
                return r < 0 ? r : -errno;
        p->connections[p->n_connections++] = (Connection){ .pid = pid, .portal = index };
        p->items[index].n_connections++;
        return 0;
}

/* A host that has gone without a word does not keep its LUNs open for good. */
static void watch_over(int fd) {
        const int on = 1, idle = 30, interval = 10, count = 3, timeout_ms = 60000;

        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

static void accept_some(Portals *p, size_t index) {
        Portal *portal = &p->items[index];

        while (portal->n_connections < CONNECTIONS_MAX) {
                _cleanup_(closep) int fd = accept4(portal->fd, NULL, NULL, SOCK_CLOEXEC);
                int r = fd < 0 ? -errno : 0;

                if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
                        return;
                if (r == 0 && !is_unix(p->settings))
                        watch_over(fd);
                if (r == 0)
                        r = serve_connection(p, index, fd);
                portal->failed = r < 0;
                if (r == 0)
                        continue;
                fprintf(stderr, "no connection for %s: %s\n", portal->host, strerror(-r));
                portal->tried = now_usec();
                return;
        }
}

static void reap(Portals *p) {
        pid_t pid;

        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                for (size_t i = 0; i < p->n_connections; i++)
                        if (p->connections[i].pid == pid) {
                                p->items[p->connections[i].portal].n_connections--;
                                p->connections[i] = p->connections[--p->n_connections];
                                break;
                        }
}

/* ---- portals ---- */

static int bind_unix(const Portals *p, const Portal *portal, int fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char path[ARRAY_TEXT_MAX];
        mode_t mask;
        int r;

        socket_path(p->settings, portal->host, portal->writable, path, sizeof(path));
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        (void)unlink(path);
        mask = umask(077);
        r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
        (void)umask(mask);
        return r;
}

static int bind_address(const Portals *p, const vss_value *portal, int fd, bool six) {
        uint16_t port = htons((uint16_t)vss_value_get_integer(portal, "port", 0));
        struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = port };
        struct sockaddr_in6 other = { .sin6_family = AF_INET6, .sin6_port = port };
        const int on = 1;
        int r;

        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (inet_pton(six ? AF_INET6 : AF_INET, p->settings->listen,
                      six ? (void *)&other.sin6_addr : (void *)&four.sin_addr) != 1)
                return -EINVAL;
        r = six ? bind(fd, (struct sockaddr *)&other, sizeof(other))
                : bind(fd, (struct sockaddr *)&four, sizeof(four));
        return r < 0 ? -errno : 0;
}

static int start(Portals *p, Portal *portal) {
        bool local = is_unix(p->settings), six = strchr(p->settings->listen, ':');
        _cleanup_value_ vss_value *host = NULL, *where = vss_value_new_dict();
        _cleanup_(closep) int fd = -1;
        ArrayError error;
        int r = store_host_read(p->store, portal->host, &host, &error);

        if (r == 0)
                r = portal_describe(p->settings, host, portal->writable, where);
        if (r < 0)
                return r;
        fd = socket(local ? AF_UNIX
                    : six ? AF_INET6
                          : AF_INET,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        r = local ? bind_unix(p, portal, fd) : bind_address(p, where, fd, six);
        if (r == 0 && listen(fd, SOMAXCONN) < 0)
                r = -errno;
        if (r == 0)
                portal->fd = TAKE_FD(fd);
        return r;
}

static bool has(const Portals *p, const char *host) {
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->items[i].host, host) == 0)
                        return true;
        return false;
}

/* Hosts that have come, and what failed a while ago. Return: when to look again, 0: no need. */
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

                        *portal = (Portal){ .writable = writable, .fd = -1 };
                        (void)snprintf(portal->host, sizeof(portal->host), "%s", host);
                }
        }
        for (size_t i = 0; i < p->n; i++) {
                Portal *portal = &p->items[i];

                int r;

                if (portal->fd >= 0)
                        continue;
                if (!portal->tried || now >= portal->tried + AGAIN_USEC) {
                        r = start(p, portal);
                        portal->tried = now;
                        if (r == 0)
                                continue;
                        fprintf(stderr, "no portal for %s: %s\n", portal->host, strerror(-r));
                }
                again = portal->tried + AGAIN_USEC;
        }
        return again;
}

/* What was written is the file's: nothing is lost with a server. */
static void end_all(Portals *p) {
        for (size_t i = 0; i < p->n_connections; i++)
                (void)kill(p->connections[i].pid, SIGKILL);
        for (size_t i = 0; i < p->n_connections; i++)
                while (waitpid(p->connections[i].pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        for (size_t i = 0; i < p->n; i++) {
                char path[ARRAY_TEXT_MAX];

                closep(&p->items[i].fd);
                socket_path(p->settings, p->items[i].host, p->items[i].writable, path, sizeof(path));
                (void)unlink(path);
        }
        free(p->connections);
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

/* Listeners behind signals and watch: those that take more, and where nothing failed a moment ago. */
static nfds_t prepare_poll(const Portals *p, struct pollfd *fds, uint64_t *again) {
        uint64_t now = now_usec();

        for (size_t i = 0; i < p->n; i++) {
                const Portal *portal = &p->items[i];
                uint64_t until = portal->tried + AGAIN_USEC;
                bool waits = portal->fd >= 0 && portal->failed && now < until;

                fds[2 + i] = (struct pollfd){ .fd = waits || portal->n_connections >= CONNECTIONS_MAX
                                                            ? -1
                                                            : portal->fd,
                                              .events = POLLIN };
                if (waits && (!*again || until < *again))
                        *again = until;
        }
        return 2 + p->n;
}

static int serve_once(Portals *p, int signals, int watch, bool *end, ArrayError *error) {
        struct pollfd fds[2 + ELEMENTS(p->items)] = { { .fd = signals, .events = POLLIN },
                                                      { .fd = watch, .events = POLLIN } };
        uint64_t again = look(p), now;
        struct signalfd_siginfo info;
        char events[4096];
        nfds_t n = prepare_poll(p, fds, &again);

        now = now_usec();
        if (poll(fds, n, again ? (int)((again > now ? again - now : 0) / USEC_PER_MSEC) + 1 : -1) < 0)
                return errno == EINTR ? 0 : array_fail(error, -errno, "%s", strerror(errno));
        while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                *end = *end || info.ssi_signo != SIGCHLD;
        while (read(watch, events, sizeof(events)) > 0)
                ;
        reap(p);
        for (size_t i = 0; i + 2 < n; i++)
                if (fds[2 + i].fd >= 0 && fds[2 + i].revents)
                        accept_some(p, i);
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
        while (r == 0 && !end)
                r = serve_once(p, signals, watch, &end, error);
        end_all(p);
        free(p);
        return r;
}
