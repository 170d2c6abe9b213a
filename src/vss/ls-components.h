/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files of components as they are now: `vss ls --writer`
 */

#include "vss/cli.h"
#include "vss/stringlist.h"

/*
 * ls_components() - print what a backup of these components would read
 * @writers: NAME[:/logical/path/component]
 * @full: with size and time
 * Return: EXIT_DONE; EXIT_PARTLY: something of them would fail, and is told; or another status after a
 * message.
 */
int ls_components(Cli *cli, const Strings *writers, bool full);
