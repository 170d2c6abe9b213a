/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A configuration for a server on copies of the databases, which speaks to nobody
 *
 * The entries of a slapd.d as one LDIF for slapadd. What is changed in them: database directories lead to
 * the copies; what pulls changes from other servers, what refers to them, certificates, logs and the PID
 * file are left out.
 */

#include <limits.h>
#include <stddef.h>

/* Where a directory's copy lies. Return: 0 or a negative errno. */
typedef int (*clone_path_fn)(const char *directory, char *ret_path, size_t size, void *userdata);

/* @config: the copy's slapd.d; @output is made. Return: 0 or a negative errno. */
int clone_config_write(const char *config, const char *output, clone_path_fn clone_path, void *userdata);

/* The same for a slapd.conf, and what it includes, as files in @directory; @ret_path: the first. Only the
 * directories are changed. -ELOOP: it includes too many. */
int clone_conf_write(const char *conf, const char *directory, clone_path_fn clone_path, void *userdata,
                     char *ret_path, size_t size);
