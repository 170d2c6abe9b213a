/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The doctor: what is amiss on this machine
 */

#include "vssd/worker.h"

/* Worker main. @arg: the manager. Answer: "checks": list of {name, ok, text, remedy}. */
int doctor_main(void *arg, WorkerAnswer *answer);
