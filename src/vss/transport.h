/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Shadow copies from another machine: what `vss import` and scripts have in common
 */

#include "vss/metadata.h"

/* Do the copies that the documents describe go with the session that imports them? */
bool transport_is_volatile(const Metadata *metadata);
/*
 * transport_import() - the copies of the documents become this machine's
 * @label: what lists of sessions call it. @lease: seconds, 0 for a session that ends with this program.
 * @ret_result: "snapshots" and "failed". Each that failed is told.
 * Return: EXIT_DONE; EXIT_PARTLY if some were not imported; else another status after a message.
 */
int transport_import(Cli *cli, const Metadata *metadata, const char *label, uint32_t lease,
                     vss_session **ret_session, vss_value **ret_result);
/* In words. */
void transport_show(const vss_value *result);
