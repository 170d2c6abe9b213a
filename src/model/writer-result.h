/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a writer may fail with: the library holds writers to it, and the service those that are written
 * without the library
 */

#include <linuxvss/types.h>

/**
 * writer_result() - the failure that is told when a writer says @result
 *
 * Return: @result if it is one that a writer may say, VSS_E_WRITERERROR_OUTOFRESOURCES for a lack of memory,
 * else VSS_E_UNEXPECTED_WRITER_ERROR.
 */
vss_result writer_result(vss_result result);
