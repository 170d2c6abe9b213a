/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * --host: the verb of the command line, on another machine
 */

#include "vss/host.h"

/* cli->words on cli->host. Return: the exit status. */
int host_verb(Cli *cli);
