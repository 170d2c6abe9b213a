/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Farewells: events that nobody waits for (Abort to one that failed, BackupShutdown)
 *
 * One that does not answer may still hold something, and is killed.
 */

#include "vssd/calls.h"

void farewell_writer(Participant *writer, const char *member, const vss_value *event);
