/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Attaching and detaching volumes at run time
 *
 * A volume can be attached only while it is not mounted, since the kernel gives a device to a file system or
 * to device-mapper, not to both. On request it is unmounted everywhere, attached, and mounted again at the
 * same places in the same way; what was is put back if that fails. What is under way is written down, so
 * that the next start of the provider puts it back after a crash, too.
 */

#include <linuxvss/provider.h>

vss_result attach_device(vss_provider_call *call, const char *device, const vss_value *options,
                         vss_value *result);
vss_result attach_detach(vss_provider_call *call, const char *device, const vss_value *options,
                         vss_value *result);
vss_result attach_query(vss_provider_call *call, vss_value *list);
/* Puts back what a crash in the middle left unmounted. */
void attach_recover(void);
