/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Times as systemd's calendars have them: "Sun 02:00", "*:0/15", "daily" (systemd.time(7))
 *
 * A timer with an expression that systemd cannot read is one that never elapses, and nobody hears of it. So
 * what is no expression is found before.
 */

#include <stdbool.h>

bool calendar_is_valid(const char *text);
