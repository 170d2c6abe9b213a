/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shadow copies are looked after
 *
 * Storage fills up, has to grow, or is taken away. Providers that have to look after what stands are asked
 * to, as often as they want, and what they tell goes to the events, to the log, and, where a copy is lost,
 * to whoever asks for it next. Where nothing stands, nobody is asked and nothing wakes up.
 */

#include "vssd/calls.h"

/* Copies of @provider stand: it is asked soon, and then as often as it says. Nothing happens if it does not
 * want to be. */
void watch_begin(Manager *manager, Participant *provider);
/* As watch_begin(), unless it is watched already. */
void watch_keep(Manager *manager, Participant *provider);
/* A copy was found to be lost. Tells it, once. */
void watch_note_lost(Manager *manager, const vss_value *snapshot);
void watch_end(Manager *manager);
