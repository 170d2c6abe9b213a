/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* As vss_document_parse() of <linuxvss/documents.h>; VSS_E_UNEXPECTED: its library is not there. */
#include <linuxvss/documents.h>

vss_result document_parse(const char *text, size_t size, vss_value **ret_document, char **ret_error);
