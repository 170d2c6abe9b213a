/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Directories for the time of an import, where the other machine's volumes are to be seen and nothing is
 * here
 *
 * What is made stands in a record that is locked while its process lives. Records that are not locked are of
 * processes that were killed: the next vss that root starts removes what they had made.
 */

#include "vss/stringlist.h"

typedef struct ImportPlaces {
        Strings made;
        char *path; /* of the record; NULL: there is none */
        int fd;
} ImportPlaces;

/* @path, and what is missing on the way to it. Return: 0 or a negative errno. */
int import_places_make(ImportPlaces *places, const char *path);
/* Those of them that are empty, with the record. */
void import_places_remove(ImportPlaces *places);
/* What is left of others. */
void import_places_sweep(void);
