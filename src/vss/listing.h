/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lists in words: what `vss list` and the list commands of scripts show
 *
 * Each takes the answer as the service gives it, with the list under its name.
 */

#include <stdbool.h>
#include "util/value.h"

/* What of a list is wanted; NULL: all. */
typedef struct Filter {
        const char *set, *volume, *provider, *writer;
} Filter;

void show_writers(const vss_value *result, const Filter *filter);
/* How each stands, and what it last failed with. */
void show_writer_status(const vss_value *result, const Filter *filter);
/* All that a writer says of itself, a block for each; with @files also what its components are made of. */
void show_writer_metadata(const vss_value *result, const Filter *filter, bool files);
/* As a tree, with what has to be chosen to have each. */
void show_components(const vss_value *result, const Filter *filter);
void show_providers(const vss_value *result, const Filter *filter);
void show_volumes(const vss_value *result, const Filter *filter);
void show_shadows(const vss_value *result, const Filter *filter);
/* Shadow copies that were lost, on standard error. Return: true if there are any. */
bool listing_tell_losses(const vss_value *result);
void show_sessions(const vss_value *result, const Filter *filter);
void show_attached(const vss_value *result, const Filter *filter);
void show_diff_areas(const vss_value *result, const Filter *filter);

/* "if it can replace": enum vss_restore_method in words; "" for none. */
const char *restore_method_name(int64_t method);
/* Adds "context-name" and "attribute-names" to each shadow copy. Return: VSS_S_OK or VSS_E_OUTOFMEMORY. */
vss_result listing_name_attributes(vss_value *result);
