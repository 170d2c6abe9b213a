/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Verification: the server itself, on a clone that is thrown away, and its own checker over all tables
 */

#include <limits.h>
#include <string.h>
#include "util/clock.h"
#include "util/value.h"
#include "writers/common/clone.h"
#include "writers/mariadb/private.h"
#include "writers/mariadb/writer.h"

#define VERIFY_USEC (24 * 3600 * USEC_PER_SEC)
#define FIND_USEC (5 * USEC_PER_SEC)

static bool map(void *userdata, const char *path, char *ret_path, size_t size) {
        return clone_path(userdata, path, ret_path, size);
}

static bool is_in_set(vss_writer_call *call, const Instance *instance) {
        char datadir[PATH_MAX];

        if (vss_writer_call_components_selected(call) &&
            !vss_writer_call_find_component(call, instance->logical_path, COMPONENT_NAME))
                return false;
        instance_path(instance, "datadir", datadir, sizeof(datadir));
        return vss_writer_call_snapshot_device(call, datadir);
}

/* A place that lies in another one, or is the same again. */
static bool is_in_another(const vss_value *places, size_t index) {
        const char *place = vss_value_string(vss_value_at(places, index), "");

        for (size_t i = 0; i < vss_value_count(places); i++) {
                const char *other = vss_value_string(vss_value_at(places, i), "");
                size_t n = strlen(other);

                if (i != index && strncmp(place, other, n) == 0 &&
                    (place[n] == '/' || (place[n] == '\0' && i < index)))
                        return true;
        }
        return false;
}

/* Recovery and the checker have every table opened for writing. */
static int check_space(vss_writer_call *call, const Instance *instance, char *ret_why, size_t size) {
        _cleanup_value_ vss_value *places = instance_places(instance);
        CloneSpace space = { 0 };
        char copy[PATH_MAX];

        for (size_t i = 0; i < vss_value_count(places); i++)
                if (!is_in_another(places, i) &&
                    clone_path(call, vss_value_string(vss_value_at(places, i), ""), copy, sizeof(copy)))
                        (void)clone_space_add(&space, copy);
        if (clone_space_fits(&space))
                return 0;
        (void)clone_space_text(&space, ret_why, size);
        return -ENOSPC;
}

static int verify(vss_writer_call *call, const Instance *instance, char *ret_why, size_t size) {
        PrivateServer server = { .instance = instance,
                                 .scratch = vss_writer_call_scratch(call),
                                 .map = map,
                                 .userdata = call,
                                 .throw_away = true };
        uint64_t deadline = event_deadline(call, VERIFY_USEC);
        int r;

        if (vss_value_count(instance->other_directories) > 0) {
                (void)snprintf(ret_why, size,
                               "it has databases on volumes of their own or behind links, which a server on "
                               "the clone would "
                               "not find there");
                return -ELOOP;
        }
        r = check_space(call, instance, ret_why, size);
        if (r < 0)
                return r;
        r = private_start(&server, deadline);
        if (r >= 0)
                r = private_check(&server, deadline);
        (void)private_stop(&server, deadline);
        (void)snprintf(ret_why, size, "%s", server.why);
        return r;
}

vss_result mariadb_verify(vss_writer_call *call) {
        MariadbWriter *writer = vss_writer_call_userdata(call);
        InstanceList list = { 0 };
        Settings settings = { 0 };
        vss_result result = VSS_S_OK;
        size_t n = 0, n_failed = 0;
        char why[1024] = "";
        int r;

        r = settings_read(writer->conf_path, &settings);
        if (r >= 0)
                r = instance_list_find(&settings, false, event_deadline(call, FIND_USEC), &list);
        if (r < 0)
                result = vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                              "the search for instances failed: %s", strerror(-r));
        for (size_t i = 0; i < list.n; i++) {
                const Instance *instance = &list.items[i];

                if (!is_in_set(call, instance))
                        continue;
                n++;
                r = verify(call, instance, why, sizeof(why));
                if (r >= 0) {
                        (void)vss_writer_call_add_note(
                                call, instance->logical_path, COMPONENT_NAME,
                                "a server was started on the clone, and its checker found all tables "
                                "sound");
                        continue;
                }
                n_failed++;
                (void)vss_writer_call_fail_component(call, instance->logical_path, COMPONENT_NAME,
                                                     r == -EBADMSG ? VSS_E_WRITERERROR_NONRETRYABLE
                                                                   : VSS_E_WRITERERROR_RETRYABLE,
                                                     "%s: %s", instance->logical_path, why);
        }
        if (n > 0 && n_failed == n && result >= 0)
                result = vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE, "%s", why);
        instance_list_clear(&list);
        settings_clear(&settings);
        return result;
}
