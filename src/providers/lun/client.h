/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A session with an array: a command that speaks for it (array-wire.h), kept open from the first call on
 *
 * The array may lie, hang and die. Each call has a deadline; one that misses it, or whose answer is none,
 * ends the session, and the array takes back what was not finished in it.
 */

#include "providers/common/image-chain.h"
#include "providers/lun/settings.h"

typedef struct Client {
        const LunSettings *settings;
        const ArraySettings *array;
        pid_t pid; /* of the command; 0: there is no session */
        int in, out;
        bool making; /* a set is being made in this session: another one would know nothing of it */
        vss_value *hello;
        char error[700]; /* what went wrong last, with the array's name */
} Client;

void client_init(Client *client, const LunSettings *settings, const ArraySettings *array);
void client_close(Client *client);

/* A dictionary {"call": @name}; NULL without memory. */
vss_value *client_request(const char *name);

/*
 * client_call() - @request, whose answer is there after @usec at the latest
 * Return: 0; -ENOMEM; what the array answered, a negative errno; -ECOMM if it did not answer, or not as it
 * should.
 */
int client_call(Client *client, const vss_value *request, uint64_t usec, vss_value **ret_answer);
/* The same in two steps, in a session that stands, for calls to several arrays at once. */
int client_send(Client *client, const vss_value *request, uint64_t deadline);
int client_receive(Client *client, uint64_t deadline, vss_value **ret_answer);
int client_open(Client *client);

/* The array's identity, once there was a session; "" before. */
const char *client_array_id(const Client *client);
/* Where @name is to be had, as nbd_connect_uri(3) takes it. -EBADMSG: the array did not tell, or told
 * nonsense. */
typedef struct ClientSource {
        ImageSource image;
        ImageTls tls;
        char *uri;
        char port[8];
        char address[72], user[ARRAY_NAME_MAX + 1], name[ARRAY_NAME_MAX + 1];
} ClientSource;

/* Where an image is to be had; for client_source_done(). */
int client_source(Client *client, bool writable, const char *name, ClientSource *ret_source);
void client_source_done(ClientSource *source);
#define _cleanup_source_ _cleanup_(client_source_done)

/* Where @name is to be had, as a URI. -EBADMSG: the array did not tell, or told nonsense. */
int client_uri(Client *client, bool writable, const char *name, char **ret_uri);
