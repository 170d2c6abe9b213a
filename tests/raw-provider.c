/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * raw-provider: a provider on the bus itself, without the library that holds providers to their contract
 *
 *   raw-provider METHOD ERROR [TYPE]
 *
 * It owns org.linuxvss.Provider.Raw, takes every volume, and does nothing; METHOD answers
 * org.linuxvss.Error.ERROR. Its TYPE is a number, as provider.h has them (software).
 */

#include <stdio.h>
#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"

#define NAME BUS_PROVIDER_PREFIX "Raw"

static const char *failing, *error_name;
static int type = VSS_PROV_SOFTWARE;

static int reply_dict(sd_bus_message *m, const vss_value *dict) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = marshal_append_dict(reply, dict);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(m);
        _cleanup_value_ vss_value *dict = vss_value_new_dict();
        char name[128];

        if (!sd_bus_message_is_method_call(m, BUS_PROVIDER, NULL))
                return 0;
        if (strcmp(member, failing) == 0) {
                (void)snprintf(name, sizeof(name), BUS_ERROR_PREFIX "%s", error_name);
                return sd_bus_error_set(error, name, "as it was asked to");
        }
        if (strcmp(member, "GetInfo") == 0) {
                (void)vss_value_set_string(dict, "id", "5b8d54c0-7b1c-4b0a-9a34-0f6d3a1f7a11");
                (void)vss_value_set_string(dict, "version", "0");
                (void)vss_value_set_integer(dict, "type", type);
        }
        if (strcmp(member, "Query") == 0)
                return sd_bus_reply_method_return(m, "aa{sv}", 0);
        if (strcmp(member, "GetInfo") == 0 || strcmp(member, "IsVolumeSupported") == 0 ||
            strcmp(member, "EndPrepareSnapshots") == 0 || strcmp(member, "PostFinalCommitSnapshots") == 0)
                return reply_dict(m, dict);
        return sd_bus_reply_method_return(m, "");
}

int main(int argc, char **argv) {
        sd_bus *bus = NULL;
        int r;

        if (argc < 3 || argc > 4)
                return 2;
        if (argc == 4)
                type = argv[3][0] - '0';
        failing = argv[1];
        error_name = argv[2];
        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_add_object(bus, NULL, BUS_PROVIDER_PATH, on_call, NULL);
        if (r >= 0)
                r = sd_bus_request_name(bus, NAME, 0);
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        (void)fprintf(stderr, "raw-provider: %s\n", strerror(-r));
        return 1;
}
