/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SFTP, version 3, as much of it as a repository needs, spoken to `ssh -s sftp`
 *
 * One connection, requests in the order in which they are made. Reads and writes of a file are many requests
 * on their way at once, so that a long way costs its delay once. Functions return 0 or a negative errno and
 * may be called from several threads; each has the connection for its time. A server that says nothing for
 * SFTP_SILENCE seconds is gone: -ETIMEDOUT, and so is everything after that.
 */

#include <sys/stat.h>
#include "repository/bytes.h"

#define SFTP_SILENCE 120u

typedef struct Sftp Sftp;

/* @command: NULL-terminated words; what it says on standard error goes to ours. */
int sftp_start(const char *const *command, Sftp **ret_sftp);
Sftp *sftp_free(Sftp *sftp);
DEFINE_CLEANUP(Sftp *, sftp_free)

/* A new file, written, made durable if the server can, closed. -EEXIST. */
int sftp_write(Sftp *sftp, const char *path, const void *data, size_t size, mode_t mode);
/* @length bytes at @offset, appended; 0: up to the end. -ENODATA for a file that is shorter. */
int sftp_read(Sftp *sftp, const char *path, uint64_t offset, size_t length, uint64_t limit, Bytes *data);
/* Size and type; links are not followed. */
int sftp_stat(Sftp *sftp, const char *path, uint64_t *ret_size, mode_t *ret_mode);
int sftp_rename(Sftp *sftp, const char *from, const char *to);
int sftp_remove(Sftp *sftp, const char *path);
int sftp_make_directory(Sftp *sftp, const char *path, mode_t mode);

typedef int (*SftpHandler)(void *userdata, const char *name, uint64_t size, mode_t mode);
/* The handler must not use the connection. */
int sftp_list(Sftp *sftp, const char *path, SftpHandler handler, void *userdata);
