/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

/*
 * The doctor inside
 */

#include "util/value.h"

/* Appends checks of block storage to the list. */
int doctor_add_storage(vss_value *list);
