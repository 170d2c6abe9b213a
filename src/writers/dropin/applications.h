/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The applications of the drop-in files during an event: who takes part, and orders to all their guardians
 */

#include "writers/common/event.h"
#include "writers/dropin/writer.h"

/* The time of one command of @dropin. */
uint32_t application_limit_ms(const DropIn *dropin, uint32_t budget);
bool dropin_has_files(const DropIn *dropin, size_t component);

/* Read and judge the files. Return: 0 or a negative errno. */
int applications_load(const DropInWriter *writer, DropInSet *ret_set);
vss_result applications_fail_load(vss_writer_call *call, int error);
/* Read the files anew and find who takes part. */
int applications_begin(DropInWriter *writer, vss_writer_call *call, ApplicationsUse use);
void applications_forget(DropInWriter *writer);

bool application_all_succeeded(const vss_writer_call *call, const DropIn *dropin);
bool application_is_restored(const vss_writer_call *call, const DropInComponent *component);

void application_start(DropInWriter *writer, Application *application);
void application_order(Application *application, const GuardianOrder *order);
/* Wait for the replies of all that are awaited. */
void applications_collect(DropInWriter *writer, uint64_t deadline_usec);
/* A command of each application that takes part, all at once. */
void applications_run(DropInWriter *writer, DropInCommand command, uint32_t budget);
/* Leave out who has failed, and tell. Return: VSS_S_OK if anybody is left, or if nobody was there to begin
 * with. */
vss_result applications_sort_out(DropInWriter *writer, vss_writer_call *call);
