/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Documents: read and written by a program of their own
 *
 * What a requester hands in may come from anybody, so it is parsed by vss-documents, which is nobody, has no
 * file but its input and output, and little time. Both functions are worker mains.
 */

#include "vssd/worker.h"

/* Time for either. A call that waits for it must not be late itself. */
#define DOCUMENT_SECONDS 20u
/* Bytes of a document. */
#define DOCUMENT_SIZE_MAX (64u << 20)

/* @arg: int, the document's descriptor. Answer: "document", or "code" and "message". */
int documents_parse_main(void *arg, WorkerAnswer *answer);
/* @arg: the document, a value. Answer: a sealed memfd with its text, or "code" and "message". */
int documents_format_main(void *arg, WorkerAnswer *answer);
