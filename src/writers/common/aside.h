/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What was there before a restore is put aside, not deleted
 *
 * Before files are restored to a directory, what is in it is moved into ASIDE_NAME below it: by renames, so
 * it costs nothing and stands at once. When the restored application was found sound, that is dropped. If
 * anything goes wrong in between it stays, and says of which restore it is; another restore over the
 * half-done one keeps it, and throws away what the half-done one has put there. Exclude ASIDE_NAME and
 * ASIDE_DROPPED from backups.
 *
 * @dir_fd is the directory, opened for reading. No symbolic link is followed. Functions return 0 or a
 * negative errno, unless it is said otherwise; -ETIMEDOUT when the monotonic @deadline_usec has passed (call
 * again, and it goes on), -EBUSY if something in the directory is mounted on and is not kept, -EEXIST if
 * ASIDE_NAME is there and is nobody's here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASIDE_NAME ".linuxvss-old"
/* What is being dropped. */
#define ASIDE_DROPPED ".linuxvss-dropped"
/* Bytes of a session's id that are kept, with the NUL. */
#define ASIDE_SESSION_SIZE 64

typedef struct AsideInfo {
        uint64_t when_usec; /* a date: when it was begun */
        char session[ASIDE_SESSION_SIZE];
        bool whole; /* all is aside, and what is in the directory is of the restore; else it was being moved
                     */
} AsideInfo;

/* @keep: names that stay, ended by NULL; or NULL. What lies below ".linuxvss" (shadow copies) and
 * "lost+found" always stay. */
int aside_move(int dir_fd, const char *session, const char *const *keep, uint64_t deadline_usec);
/* Fine if there is nothing. */
int aside_drop(int dir_fd, uint64_t deadline_usec);
/* Return: 1 if there is something, 0 if not. */
int aside_look(int dir_fd, AsideInfo *ret_info);
/* What is aside takes its places again, and what the restore has put there goes. Fine if there is nothing.
 * @keep as in aside_move(). */
int aside_put_back(int dir_fd, const char *const *keep, uint64_t deadline_usec);
/* For people, one sentence: what was begun when in @path, and what can be done. Return: @text. */
const char *aside_text(const AsideInfo *info, const char *path, char *text, size_t size);
