/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Restore options: the text of SetRestoreOptions
 *
 * Pure. Groups parted by ';', each with a component or for all of them:
 *
 *     "Path\Component": "Name"="Value", "Name2"="Value2"; "Name3"="Value3"
 *
 * A quote within quotes is doubled. Components are parted by '\' or '/'. Blanks between the parts do not
 * count. Writers and requesters may agree on other texts; these are theirs alone.
 */

#include "model/why.h"
#include "util/value.h"

#define RESTORE_OPTIONS_SIZE_MAX (64u << 10)
#define RESTORE_OPTIONS_MAX 1000u

/**
 * restore_options_parse() - the options of a text
 * @ret_options: list of {logical-path, name, option, value} in their order; name "": for all components
 *
 * Return: VSS_S_OK; VSS_E_INVALIDARG for other texts, and for an option that is given twice for the same
 * component; VSS_E_OUTOFMEMORY.
 */
vss_result restore_options_parse(const char *text, vss_value **ret_options, Why *why);
/* The reverse. Return: 0, -ENOMEM. */
int restore_options_format(const vss_value *options, char **ret_text);
/* The value for a component: its own, else the one for all; borrowed. Names of options are compared without
 * regard to case. NULL if it is not given. */
const char *restore_options_get(const vss_value *options, const char *logical_path, const char *name,
                                const char *option);
/**
 * restore_options_typed() - the common options as the calls that have replaced them would set them
 *
 * "Authoritative"="All" or "Item: ...", "Roll Forward"="None", "All" or "Partial: ...", "New Component
 * Name"="...".
 *
 * Return: VSS_S_OK with a dictionary: authoritative (boolean), authoritative-item, roll-forward {type,
 * point}, restore-name, each if it is given; VSS_E_INVALIDARG for other values of these; VSS_E_OUTOFMEMORY.
 */
vss_result restore_options_typed(const vss_value *options, const char *logical_path, const char *name,
                                 vss_value **ret_typed, Why *why);
