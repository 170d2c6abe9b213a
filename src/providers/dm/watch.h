/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Looking after the areas of copies that stand: how full they are, growth ahead of need, loss
 *
 * The kernel says nothing before an area is full, and then the copy is lost: so it is asked every second. An
 * area that has to grow does so while there is still room in it, since growing writes to the volume, which
 * is copied, too.
 */

#include "util/value.h"

/*
 * watch_check() - look once, and do what is needed
 * @told: by id, how full an area was when that was told last; kept by the caller
 * @suspended: what was suspended before (may be NULL): is told, too
 * @results: as check_storage() of a provider
 */
int watch_check(vss_value *told, const vss_value *suspended, vss_value *results);
