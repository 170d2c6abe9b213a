/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which of several providers that take a volume makes its copy
 */

#include "model/provider-choice.h"

int provider_preference(enum vss_provider_type type, enum vss_atomic_scope scope) {
        const int types = 1 + VSS_PROV_FILESHARE;

        return type >= VSS_PROV_HARDWARE || scope == VSS_ATOMIC_VOLUME ? types + (int)type : (int)type;
}
