/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A connection to one server, with a deadline for everything
 *
 * Used in children only: one that trickles its answers is ended with the child. Functions return 0 or a
 * negative errno; @why has a sentence then. -EACCES: it does not let us in, or not do that.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "writers/redis/redisconf.h"

struct redisContext;
struct redisReply;

#define SERVER_WHY_SIZE 400u

typedef struct Server {
        struct redisContext *context;
        uint64_t deadline_usec; /* of what is asked next */
        char why[SERVER_WHY_SIZE];
} Server;

struct redisReply *server_reply_free(struct redisReply *reply);
DEFINE_CLEANUP(struct redisReply *, server_reply_free)
#define _cleanup_reply_ _cleanup_(server_reply_freep)

/* By @socket if it has one, else by @port on this host. Only to a process of this user: nobody else hears a
 * password. -ECONNREFUSED: nobody listens there. */
int server_connect(Server *server, const char *socket, uint16_t port);
void server_close(Server *server);
/* @user and @password may be empty. */
int server_log_in(Server *server, const char *user, const char *password);

/* A command, its words ending with NULL. Errors of the server are failures, too. */
int server_ask_words(Server *server, const char *const *words, struct redisReply **ret_reply);
#define server_ask(server, ret_reply, ...) \
        server_ask_words(server, (const char *const[]){ __VA_ARGS__, NULL }, ret_reply)
#define server_do(server, ...) server_ask_words(server, (const char *const[]){ __VA_ARGS__, NULL }, NULL)
/* The same in two parts: what is queued goes out together, and is carried out without a gap. */
int server_queue_words(Server *server, const char *const *words);
#define server_queue(server, ...) server_queue_words(server, (const char *const[]){ __VA_ARGS__, NULL })
int server_next(Server *server, struct redisReply **ret_reply);
/* As server_next(), and server_ask() with INFO: the text, to be freed. */
int server_next_text(Server *server, char **ret_text);
int server_info(Server *server, const char *section, char **ret_text);
/* One value of CONFIG GET. */
int server_config(Server *server, const char *key, char *value, size_t size);

/* Of the text that INFO gives. */
bool info_text(const char *info, const char *key, char *value, size_t size);
int64_t info_number(const char *info, const char *key, int64_t otherwise);
