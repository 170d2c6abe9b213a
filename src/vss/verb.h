/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The verbs, one file each. Return: an exit status.
 */

#include "vss/cli.h"

int verb_abort(Cli *cli, int argc, char **argv);
int verb_attach(Cli *cli, int argc, char **argv);
int verb_backup(Cli *cli, int argc, char **argv);
int verb_break(Cli *cli, int argc, char **argv);
int verb_complete(Cli *cli, int argc, char **argv);
int verb_create(Cli *cli, int argc, char **argv);
int verb_delete(Cli *cli, int argc, char **argv);
int verb_detach(Cli *cli, int argc, char **argv);
int verb_diff(Cli *cli, int argc, char **argv);
int verb_doctor(Cli *cli, int argc, char **argv);
int verb_events(Cli *cli, int argc, char **argv);
int verb_transport(Cli *cli, int argc, char **argv);
int verb_exec(Cli *cli, int argc, char **argv);
int verb_explain(Cli *cli, int argc, char **argv);
int verb_expose(Cli *cli, int argc, char **argv);
int verb_forget(Cli *cli, int argc, char **argv);
int verb_freeze(Cli *cli, int argc, char **argv);
int verb_history(Cli *cli, int argc, char **argv);
int verb_import(Cli *cli, int argc, char **argv);
int verb_init(Cli *cli, int argc, char **argv);
int verb_key(Cli *cli, int argc, char **argv);
int verb_list(Cli *cli, int argc, char **argv);
int verb_ls(Cli *cli, int argc, char **argv);
int verb_plan(Cli *cli, int argc, char **argv);
int verb_points(Cli *cli, int argc, char **argv);
int verb_restore(Cli *cli, int argc, char **argv);
int verb_revert(Cli *cli, int argc, char **argv);
int verb_run(Cli *cli, int argc, char **argv);
int verb_script(Cli *cli, int argc, char **argv);
int verb_storage(Cli *cli, int argc, char **argv);
int verb_task(Cli *cli, int argc, char **argv);
int verb_thaw(Cli *cli, int argc, char **argv);
int verb_unexpose(Cli *cli, int argc, char **argv);
int verb_verify(Cli *cli, int argc, char **argv);
