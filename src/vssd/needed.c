/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Processes that have a part in letting go
 *
 * A writer that stops control groups is told of them, and refuses a group that has one of them in it.
 */

#include "bus/marshal.h"
#include "vssd/log.h"
#include "vssd/needed.h"

static int on_bus_process(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Manager *manager = userdata;
        uint32_t pid;

        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "u", &pid) >= 0)
                manager->bus_pid = (pid_t)pid;
        return 1;
}

void needed_start(Manager *manager) {
        int r = sd_bus_call_method_async(manager->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", "GetConnectionUnixProcessID",
                                         on_bus_process, manager, "s", "org.freedesktop.DBus");

        if (r < 0)
                log_warning("the bus cannot be asked for its process: %s", strerror(-r));
}

pid_t needed_bus(const Manager *manager) {
        sd_bus_creds *creds = NULL;
        pid_t pid = 0;

        if (manager->bus_pid > 0)
                return manager->bus_pid;
        /* Who made its socket: systemd, perhaps, and then this is right as well. */
        if (sd_bus_get_owner_creds(manager->bus, SD_BUS_CREDS_PID, &creds) >= 0)
                (void)sd_bus_creds_get_pid(creds, &pid);
        sd_bus_creds_unref(creds);
        return pid;
}

static int add(vss_value *list, const char *name, pid_t pid) {
        vss_value *process;

        if (pid <= 0)
                return 0;
        process = vss_value_new_dict();
        if (vss_value_set_string(process, "name", name) < 0 ||
            vss_value_set_integer(process, "pid", pid) < 0) {
                vss_value_free(process);
                return -ENOMEM;
        }
        return vss_value_append(list, process) < 0 ? -ENOMEM : 0;
}

vss_value *needed_list(const Set *set) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        int r = list ? add(list, "the service", getpid()) : -ENOMEM;

        if (r >= 0)
                r = add(list, "the message bus", needed_bus(set->manager));
        if (r >= 0)
                r = add(list, "the requester", set->requester);
        for (size_t i = 0; r >= 0 && i < set->n_writers; i++)
                if (set_calls_writer(&set->writers[i]))
                        r = add(list, set->writers[i].participant->name, set->writers[i].participant->pid);
        for (size_t i = 0; r >= 0 && i < set->n_volumes; i++)
                if (set->volumes[i].provider)
                        r = add(list, set->volumes[i].provider->name, set->volumes[i].provider->pid);
        return r < 0 ? NULL : TAKE_PTR(list);
}
