/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Documents inside the project: what <linuxvss/documents.h> has, from a stream
 */

#include <sys/types.h>
#include <linuxvss/documents.h>
#include "util/value.h"

#define DOCUMENT_SIZE_MAX VSS_DOCUMENT_SIZE_MAX
#define DOCUMENT_DEPTH_MAX 32u

/* Gives up to @size bytes. Return: how many, 0 at the end, -errno. */
typedef ssize_t (*DocumentRead)(void *userdata, char *buffer, size_t size);

/* vss_document_parse() of what @read gives, and no more of it than is needed to see that it is wrong. */
vss_result document_read(DocumentRead read, void *userdata, vss_value **ret_document, char **ret_error);
