/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stopping and starting the units of applications around a restore
 */

/* By systemctl; @verb: "stop", "start". 0; -ENOENT: systemd does not run here; -ETIMEDOUT; -EIO: it has
 * failed. */
int unit_control(const char *verb, const char *unit);
