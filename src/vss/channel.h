/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages between this program's own processes: values, each with at most one descriptor
 *
 * Return: 0, or a negative errno; -ECONNRESET when the other side has gone.
 */

#include "util/value.h"

int channel_pair(int *ret_ours, int *ret_theirs);

/* @passed: a descriptor that goes with it; -1: none. It stays the caller's. */
int channel_send(int fd, const vss_value *value, int passed);
/*
 * channel_receive() - the next message
 * @timeout_ms:  how long to wait for its beginning; -1: until there is one. A signal ends the wait.
 * @ret_passed:  -1 if no descriptor came with it; may be NULL
 * Return: also -ETIMEDOUT, -EINTR.
 */
int channel_receive(int fd, int timeout_ms, vss_value **ret_value, int *ret_passed);

/* So many bytes, as they are. */
int channel_send_bytes(int fd, const void *data, size_t size, int passed);
int channel_receive_bytes(int fd, void *data, size_t size, int *ret_passed);
