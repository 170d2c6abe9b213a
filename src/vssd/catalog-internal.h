/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

/*
 * The catalog inside: what its query, device objects, deletion and start share
 */

#include "vssd/catalog.h"

struct Catalog {
        vss_value *attached; /* ids with a device object: dictionary id -> true */
        vss_value *exposed;  /* dictionary id -> directory, mounted there */
        vss_value
                *wanted; /* dictionary id -> directory: to be mounted there once the device object is back */
};

struct CatalogQuery {
        Manager *manager;
        CatalogDone done;
        void *userdata;
        Discover *discover;
        Discovery providers;
        Calls calls;
        vss_value *filter, *result;
        Failure failure;
        bool keep_providers; /* whoever goes on to call them needs them afterwards */
};

/* A provider did not say what it has. Of a query that keeps its providers. */
bool catalog_query_is_incomplete(const CatalogQuery *query, const vss_value *result);
/* The provider of a shadow copy; NULL if it has gone. Of a query that keeps its providers. */
Participant *catalog_query_provider(const CatalogQuery *query, const vss_value *snapshot);
