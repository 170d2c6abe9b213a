/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Logging: standard error (the journal), and memory while a hold stands open
 *
 * What is held may be what the log is written to. So between log_hold(true) and log_hold(false) lines go to
 * a ring in memory and are written afterwards.
 */

#include <stdbool.h>
#include "util/macro.h"

void log_info(const char *format, ...) _printf_(1, 2);
void log_warning(const char *format, ...) _printf_(1, 2);
void log_error(const char *format, ...) _printf_(1, 2);
void log_hold(bool held);
