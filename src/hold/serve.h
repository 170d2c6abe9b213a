/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the service asks for over the socket
 */

#include "hold/state.h"

/* Until everything is released. @hold: a new one, with the socket HOLD_FD. Return: the exit status. */
int hold_serve(Hold *hold);
