/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The portals of an array: for each host two, one over what it may write to, one over what it may read
 *
 * Each connection is served by an nbdkit of its own, which ends with vss-array serve, however that ends.
 */

#include "array/settings.h"
#include "array/store.h"

/* Until SIGTERM or SIGINT. */
int portal_serve(const Settings *settings, const Store *store, ArrayError *error);
/* Where a host finds one of its portals: {"socket"} or {"address", "port", "tls"}. */
int portal_describe(const Settings *settings, const vss_value *host, bool writable, vss_value *portal);
