/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A connection to one server: hiredis, with deadlines
 */

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include "util/clock.h"
#include "writers/redis/server.h"

#define WORDS_MAX 16u
#define TCP_TABLE_LINES_MAX 65536u

struct redisReply *server_reply_free(struct redisReply *reply) {
        if (reply)
                freeReplyObject(reply);
        return NULL;
}

static int _printf_(3, 4) fail(Server *server, int error, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(server->why, sizeof(server->why), format, args);
        va_end(args);
        return error;
}

static struct timeval time_left(const Server *server) {
        uint64_t now = now_usec(), left = server->deadline_usec > now ? server->deadline_usec - now : 1000;

        return (struct timeval){ (time_t)(left / USEC_PER_SEC), (suseconds_t)(left % USEC_PER_SEC) };
}

/* Does a process of this user listen there? The table of the kernel has whose each socket is. */
static bool is_ours_in(const char *table, uint16_t port) {
        _cleanup_(fclosep) FILE *file = fopen(table, "re");
        char line[512];

        if (!file)
                return false;
        for (unsigned i = 0; i < TCP_TABLE_LINES_MAX && fgets(line, sizeof(line), file); i++) {
                unsigned local, state, uid;

                if (sscanf(line, "%*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %u", &local,
                           &state, &uid) == 3 &&
                    local == port && state == 0x0a && uid == geteuid())
                        return true;
        }
        return false;
}

static bool is_ours(int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

int server_connect(Server *server, const char *socket, uint16_t port) {
        char place[REDIS_PATH_SIZE + 16];
        redisContext *context;

        if (socket[0])
                (void)snprintf(place, sizeof(place), "%s", socket);
        else
                (void)snprintf(place, sizeof(place), "port %u", (unsigned)port);
        if (!socket[0] && !is_ours_in("/proc/net/tcp", port) && !is_ours_in("/proc/net/tcp6", port))
                return fail(server, -ECONNREFUSED, "%.200s: no process of this user listens there", place);
        context = socket[0] ? redisConnectUnixWithTimeout(socket, time_left(server))
                            : redisConnectWithTimeout("127.0.0.1", port, time_left(server));
        server->context = context;
        if (!context)
                return fail(server, -ENOMEM, "there is no memory");
        if (context->err) {
                int error = context->err == REDIS_ERR_IO && errno > 0 ? -errno : -ECONNREFUSED;

                return fail(server, error, "%.200s: %.128s", place, context->errstr);
        }
        if (socket[0] && !is_ours(context->fd))
                return fail(server, -EPERM, "%.200s: it is a process of another user that listens there",
                            place);
        return 0;
}

void server_close(Server *server) {
        if (server->context)
                redisFree(server->context);
        server->context = NULL;
}

int server_queue_words(Server *server, const char *const *words) {
        const char *argv[WORDS_MAX];
        int n = 0;

        while (words[n] && n < (int)WORDS_MAX) {
                argv[n] = words[n];
                n++;
        }
        if (redisAppendCommandArgv(server->context, n, argv, NULL) != REDIS_OK)
                return fail(server, -ENOMEM, "there is no memory");
        return 0;
}

static int judge_error(Server *server, const char *text) {
        static const struct {
                const char *begin;
                int error;
        } errors[] = {
                { "NOPERM", -EACCES },  { "NOAUTH", -EACCES }, { "WRONGPASS", -EACCES },
                { "LOADING", -EAGAIN }, { "BUSY", -EBUSY },    { "MISCONF", -EIO },
        };
        int error = -EPROTO;

        FOREACH_ELEMENT (e, errors)
                if (strncmp(text, e->begin, strlen(e->begin)) == 0)
                        error = e->error;
        /* Renamed away: not ours to use. */
        if (strncmp(text, "ERR unknown command", 19) == 0 || strncmp(text, "ERR invalid password", 20) == 0)
                error = -EACCES;
        return fail(server, error, "%.300s", text);
}

int server_next(Server *server, struct redisReply **ret_reply) {
        _cleanup_reply_ redisReply *reply = NULL;
        void *result = NULL;

        if (server->deadline_usec <= now_usec())
                return fail(server, -ETIMEDOUT, "it did not answer in time");
        (void)redisSetTimeout(server->context, time_left(server));
        if (redisGetReply(server->context, &result) != REDIS_OK) {
                int error = errno == EAGAIN || errno == EINTR ? -ETIMEDOUT : -ECONNRESET;

                return fail(server, error, "%s",
                            error == -ETIMEDOUT ? "it did not answer in time" : server->context->errstr);
        }
        reply = result;
        if (reply->type == REDIS_REPLY_ERROR)
                return judge_error(server, reply->str);
        if (ret_reply)
                *ret_reply = TAKE_PTR(reply);
        return 0;
}

int server_ask_words(Server *server, const char *const *words, struct redisReply **ret_reply) {
        int r = server_queue_words(server, words);

        return r < 0 ? r : server_next(server, ret_reply);
}

int server_log_in(Server *server, const char *user, const char *password) {
        if (!password[0] && !user[0])
                return 0;
        return user[0] ? server_do(server, "AUTH", user, password) : server_do(server, "AUTH", password);
}

int server_next_text(Server *server, char **ret_text) {
        _cleanup_reply_ redisReply *reply = NULL;
        char *text;
        int r = server_next(server, &reply);

        if (r < 0)
                return r;
        if (reply->type != REDIS_REPLY_STRING)
                return fail(server, -EPROTO, "it does not answer as Redis does");
        text = strdup(reply->str);
        if (!text)
                return fail(server, -ENOMEM, "there is no memory");
        *ret_text = text;
        return 0;
}

int server_info(Server *server, const char *section, char **ret_text) {
        int r = server_queue(server, "INFO", section);

        return r < 0 ? r : server_next_text(server, ret_text);
}

int server_config(Server *server, const char *key, char *value, size_t size) {
        _cleanup_reply_ redisReply *reply = NULL;
        int r = server_ask(server, &reply, "CONFIG", "GET", key);

        if (r < 0)
                return r;
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 ||
            reply->element[1]->type != REDIS_REPLY_STRING)
                return fail(server, -ENOENT, "it has no setting %s", key);
        if ((size_t)reply->element[1]->len >= size)
                return fail(server, -E2BIG, "its setting %s is too long", key);
        memcpy(value, reply->element[1]->str, (size_t)reply->element[1]->len + 1);
        return 0;
}

bool info_text(const char *info, const char *key, char *value, size_t size) {
        size_t length = strlen(key);

        for (const char *line = info; line; line = strchr(line, '\n')) {
                line += line[0] == '\n';
                if (strncmp(line, key, length) == 0 && line[length] == ':') {
                        size_t n = strcspn(line + length + 1, "\r\n");

                        if (n >= size)
                                return false;
                        memcpy(value, line + length + 1, n);
                        value[n] = '\0';
                        return true;
                }
        }
        return false;
}

int64_t info_number(const char *info, const char *key, int64_t otherwise) {
        char text[32], *end;
        long long number;

        if (!info_text(info, key, text, sizeof(text)))
                return otherwise;
        errno = 0;
        number = strtoll(text, &end, 10);
        return errno || end == text || *end ? otherwise : number;
}
