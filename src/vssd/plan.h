/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plans: what would join a set, who would take it, and what would be left out
 */

#include "vssd/failure.h"
#include "vssd/manager.h"

typedef void (*PlanDone)(void *userdata, const Failure *failure, vss_value *result);

/* @paths: list of absolute paths; empty for all volumes of the machine. @options: "provider", "context",
 * "writers" (true: also which writers would take part). Return: 0 or a negative errno; @done is not called
 * then. */
int plan_start(Manager *manager, const vss_value *paths, const vss_value *options, PlanDone done,
               void *userdata);
