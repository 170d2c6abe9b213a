/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A session with an array
 */

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "providers/common/info.h"
#include "providers/lun/client.h"
#include "util/clock.h"

/* Of an address or a path that the array tells; they become parts of a URI. */
#define PATH_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-"
#define ADDRESS_CHARACTERS "0123456789abcdefABCDEF.:"
#define SOCKET_PATH_MAX 100u
/* A command that was killed is gone after that. */
#define REAP_TRIES 400

static int fail(Client *client, int r, const char *format, ...) _printf_(3, 4);

static int fail(Client *client, int r, const char *format, ...) {
        char text[600];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)snprintf(client->error, sizeof(client->error), "array %s: %s", client->array->name, text);
        return r;
}

void client_init(Client *client, const LunSettings *settings, const ArraySettings *array) {
        *client = (Client){ .settings = settings, .array = array, .in = -1, .out = -1 };
}

void client_close(Client *client) {
        static const struct timespec pause = { .tv_nsec = 2500000 };

        closep(&client->in);
        closep(&client->out);
        client->in = client->out = -1;
        client->making = false;
        /* It is only who speaks for the array: what the array has to take back, it takes back by itself. */
        if (client->pid > 0) {
                int status;

                (void)kill(client->pid, SIGKILL);
                for (int i = 0; i < REAP_TRIES && waitpid(client->pid, &status, WNOHANG) == 0; i++)
                        (void)nanosleep(&pause, NULL);
        }
        client->pid = 0;
        vss_value_free(client->hello);
        client->hello = NULL;
}

vss_value *client_request(const char *name) {
        vss_value *request = vss_value_new_dict();

        return request && vss_value_set_string(request, "call", name) < 0 ? vss_value_free(request)
                                                                          : request;
}

static int spawn(Client *client) {
        char *const *argv = client->array->session;
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, pipe_signal;
        int ends[2], r;

        /* One socket is both ways. */
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        (void)sigemptyset(&none);
        (void)sigemptyset(&pipe_signal);
        (void)sigaddset(&pipe_signal, SIGPIPE);
        r = posix_spawn_file_actions_init(&actions);
        if (r == 0)
                r = posix_spawnattr_init(&attributes);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
        if (r == 0)
                r = posix_spawnattr_setpgroup(&attributes, 0);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                                  POSIX_SPAWN_SETPGROUP);
        if (r == 0)
                r = posix_spawnp(&client->pid, argv[0], &actions, &attributes, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)posix_spawnattr_destroy(&attributes);
        (void)close(ends[1]);
        if (r != 0) {
                client->pid = 0;
                (void)close(ends[0]);
                return -r;
        }
        client->in = ends[0];
        client->out = fcntl(ends[0], F_DUPFD_CLOEXEC, 3);
        return client->out < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

/* The session ends with it. */
static int broken(Client *client, int r, const char *call) {
        client_close(client);
        switch (r) {
        case -ETIMEDOUT:
                return fail(client, -ECOMM, "it did not answer \"%s\" in time", call);
        case -EPIPE:
        case -ECONNRESET:
                return fail(
                        client, -ECOMM,
                        "its session (%s) ended at \"%s\". Is the array there, and this host known to it?",
                        client->array->session[0], call);
        case -ENOMEM:
                return fail(client, -ENOMEM, "out of memory");
        default:
                return fail(client, -ECOMM, "what it answered to \"%s\" cannot be read: %s", call,
                            strerror(-r));
        }
}

int client_send(Client *client, const vss_value *request, uint64_t deadline) {
        int r = client->pid > 0 ? array_wire_send(client->out, request, deadline) : -EPIPE;

        return r < 0 ? broken(client, r, vss_value_get_string(request, "call", "")) : 0;
}

static int receive(Client *client, const char *call, uint64_t deadline, vss_value **ret_answer) {
        _cleanup_value_ vss_value *answer = NULL;
        int r = client->pid > 0 ? array_wire_receive(client->in, deadline, &answer) : -EPIPE;
        int64_t number;

        if (r < 0)
                return broken(client, r, call);
        if (!vss_value_get(answer, "error")) {
                *ret_answer = TAKE_PTR(answer);
                return 0;
        }
        value_make_utf8(answer);
        number = vss_value_get_integer(answer, "errno", 0);
        return fail(client, number > 0 && number < 4096 && number != ECOMM ? (int)-number : -EIO, "%s",
                    vss_value_get_string(answer, "error", "it refused, and did not say why"));
}

int client_receive(Client *client, uint64_t deadline, vss_value **ret_answer) {
        return receive(client, "commit", deadline, ret_answer);
}

/* What everything else is built on is looked at once. */
static int check_hello(Client *client, vss_value *hello) {
        if (vss_value_get_integer(hello, "version", 0) != ARRAY_WIRE_VERSION)
                return fail(client, -ECOMM,
                            "it speaks another version than this host. Update the older of both.");
        if (!info_id_is_valid(vss_value_get_string(hello, "array", "")) ||
            !array_name_is_valid(vss_value_get_string(hello, "host", "")))
                return fail(client, -ECOMM, "it does not say who it is");
        return 0;
}

int client_open(Client *client) {
        uint64_t deadline = now_usec() + client->settings->call_usec;
        _cleanup_value_ vss_value *request = NULL, *hello = NULL;
        int r;

        if (client->pid > 0)
                return 0;
        request = client_request("hello");
        if (!request || vss_value_set_integer(request, "version", ARRAY_WIRE_VERSION) < 0)
                return fail(client, -ENOMEM, "out of memory");
        r = spawn(client);
        if (r < 0) {
                client_close(client);
                return fail(client, -ECOMM, "%s cannot be run: %s", client->array->session[0], strerror(-r));
        }
        r = client_send(client, request, deadline);
        if (r == 0)
                r = receive(client, "hello", deadline, &hello);
        if (r == 0)
                r = check_hello(client, hello);
        if (r < 0) {
                client_close(client);
                return r;
        }
        client->hello = TAKE_PTR(hello);
        return 0;
}

int client_call(Client *client, const vss_value *request, uint64_t usec, vss_value **ret_answer) {
        const char *call = vss_value_get_string(request, "call", "");
        bool fresh = client->pid == 0, making = client->making;
        uint64_t deadline = now_usec() + usec;
        vss_value *answer = NULL;
        int r = client_open(client);

        if (r == 0)
                r = client_send(client, request, deadline);
        if (r == 0)
                r = receive(client, call, deadline, &answer);
        /* A session that stood since who knows when may have gone with the array's last start. */
        if (r == -ECOMM && !fresh && !making && now_usec() < deadline) {
                r = client_open(client);
                if (r == 0)
                        r = client_send(client, request, deadline);
                if (r == 0)
                        r = receive(client, call, deadline, &answer);
        }
        if (r < 0)
                return r;
        if (ret_answer)
                *ret_answer = answer;
        else
                vss_value_free(answer);
        return 0;
}

const char *client_array_id(const Client *client) {
        return vss_value_get_string(client->hello, "array", "");
}

static int socket_uri(const char *path, const char *name, char **ret_uri) {
        size_t n = strlen(path);

        if (path[0] != '/' || n > SOCKET_PATH_MAX || strspn(path, PATH_CHARACTERS) != n ||
            strstr(path, ".."))
                return -EBADMSG;
        return asprintf(ret_uri, "nbd+unix:///%s?socket=%s", name, path) < 0 ? -ENOMEM : 0;
}

static int address_uri(const Client *client, const vss_value *portal, const char *name, char **ret_uri) {
        const char *address = vss_value_get_string(portal, "address", ""), *psk = client->array->psk;
        const char *host = vss_value_get_string(client->hello, "host", "");
        int64_t port = vss_value_get_integer(portal, "port", 0);
        size_t n = strlen(address);
        const char *open = "", *close_ = "";

        if (n == 0 || n > 64 || strspn(address, ADDRESS_CHARACTERS) != n || port < 1 || port > 65535)
                return -EBADMSG;
        if (strchr(address, ':')) {
                open = "[";
                close_ = "]";
        }
        /* Who has a key uses it, whatever the array says: nobody in between turns TLS off. */
        if (psk)
                n = (size_t)asprintf(ret_uri, "nbds://%s@%s%s%s:%" PRId64 "/%s", host, open, address, close_,
                                     port, name);
        else
                n = (size_t)asprintf(ret_uri, "nbd://%s%s%s:%" PRId64 "/%s", open, address, close_, port,
                                     name);
        return n == (size_t)-1 ? -ENOMEM : 0;
}

int client_uri(Client *client, bool writable, const char *name, char **ret_uri) {
        const vss_value *portal = vss_value_get(client->hello, writable ? "live" : "copies");
        const char *path = vss_value_get_string(portal, "socket", "");
        int r;

        if (!array_name_is_valid(name))
                return fail(client, -EBADMSG, "\"%.80s\" is no name of a LUN", name);
        r = *path ? socket_uri(path, name, ret_uri) : address_uri(client, portal, name, ret_uri);
        return r < 0 ? fail(client, r, "where %s is to be had cannot be understood", name) : 0;
}

void client_source_done(ClientSource *source) {
        free(source->uri);
        *source = (ClientSource){ .uri = NULL };
}

int client_source(Client *client, bool writable, const char *name, ClientSource *ret_source) {
        const vss_value *portal = vss_value_get(client->hello, writable ? "live" : "copies");
        ClientSource *s = ret_source;
        int r;

        *s = (ClientSource){ .uri = NULL };
        /* It looks at everything that the array has told. */
        r = client_uri(client, writable, name, &s->uri);
        if (r < 0)
                return r;
        s->image.uri = s->uri;
        if (*vss_value_get_string(portal, "socket", "") || !client->array->psk)
                return 0;
        (void)snprintf(s->address, sizeof(s->address), "%s", vss_value_get_string(portal, "address", ""));
        (void)snprintf(s->port, sizeof(s->port), "%u",
                       (unsigned)vss_value_get_integer(portal, "port", 0) & 0xffffu);
        (void)snprintf(s->user, sizeof(s->user), "%s", vss_value_get_string(client->hello, "host", ""));
        (void)snprintf(s->name, sizeof(s->name), "%s", name);
        s->tls = (ImageTls){ .address = s->address,
                             .port = s->port,
                             .name = s->name,
                             .user = s->user,
                             .psk = client->array->psk };
        s->image.tls = &s->tls;
        return 0;
}
