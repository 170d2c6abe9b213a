/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vss-hold --guard and --swap: what is suspended outside of a cut
 *
 *      vss-hold --guard --limit MS --report FD MAJOR:MINOR... -- COMMAND [ARGUMENT...]
 *      vss-hold --swap --limit MS --report FD MAJOR:MINOR...
 *
 * A guard runs a command that suspends the devices by itself, as LVM's do, and watches. If the command ends
 * with one suspended, or leaves one suspended for longer than the limit, or is stopped, it is killed, and
 * the devices are resumed with the tables they had. A swap makes inactive tables the live ones: each device
 * is suspended without freezing what is on it, and resumed. Of both, an acting process and a watcher stand,
 * as of a hold, with a file in /run/linuxvss of their own; so neither needs anybody to live.
 *
 * On FD comes, line by line, how long each device was seen suspended, all in all ("MAJOR:MINOR USEC"),
 * "late" if the limit was reached, and "error ERRNO" if it could not be done or one of the processes died.
 * The exit status is the command's, 124 if it was late, 125 with an error.
 */

int guard_main(int argc, char **argv);
