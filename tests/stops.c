/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The service's stops, compiled in whatever the build was told: only for test-stops.c, to be found
 */

#include "config.h"
#undef LINUXVSS_TEST_HOOKS
#define LINUXVSS_TEST_HOOKS 1
#include "vssd/set-run-storage.c"
