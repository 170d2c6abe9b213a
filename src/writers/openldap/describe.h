/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Components, file sets and excludes of the directory servers that were found
 */

#include <linuxvss/writer.h>
#include "writers/openldap/instance.h"

vss_result describe_instances(vss_metadata *metadata, const InstanceList *list);
