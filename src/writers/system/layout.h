/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How the machine's storage is laid out, written down beside the system: files for people and for tools
 *
 *      manifest        a line for each of the others: NAME done, NAME missing TOOL, NAME failed WHY
 *      DISK.sfdisk     partition tables (sfdisk --dump)
 *      VG.vgcfg        volume groups (vgcfgbackup)
 *      mdadm.conf      RAIDs (mdadm --detail --scan)
 *      blkid, lsblk.json, efibootmgr, mountinfo, swaps, cmdline, fstab, os-release
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_MISSING_SIZE 256u

/* Which tools are missing here that would be needed: "sfdisk (partition tables; package fdisk), ...".
 * Return: how many. */
size_t layout_missing(char text[static LAYOUT_MISSING_SIZE]);
/*
 * layout_write() - write all of it anew
 * @directory: made, root's alone; what was there is replaced as a whole
 * Return: how many of the files could not be made (the manifest says why), or a negative errno.
 */
int layout_write(const char *directory, uint64_t deadline_usec);
