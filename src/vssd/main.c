/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vssd: the service
 */

#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include "config.h"
#include "model/id.h"
#include "vssd/log.h"
#include "vssd/manager.h"

static int read_identity(Manager *manager) {
        sd_id128_t machine, boot;
        int r = sd_id128_get_machine(&machine);

        /* A machine without an id (a fresh image) still has a name to tell its copies by. */
        if (r < 0)
                (void)snprintf(manager->host, sizeof(manager->host), "unknown");
        else
                (void)sd_id128_to_string(machine, manager->host);
        r = sd_id128_get_boot(&boot);
        if (r >= 0)
                (void)sd_id128_to_string(boot, manager->boot);
        return id_new(manager->instance);
}

static int prepare_signals(sd_event *event) {
        sigset_t set;
        int r;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        (void)signal(SIGPIPE, SIG_IGN);
        r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        return r < 0 ? r : sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
}

static int run(void) {
        Manager manager = { 0 };
        int r;

        /* What the service makes is root's alone. */
        (void)umask(0077);
        if (mkdir(LINUXVSS_RUNDIR, 0700) < 0 && errno != EEXIST)
                log_warning("%s cannot be made: %s", LINUXVSS_RUNDIR, strerror(errno));
        settings_load(&manager.settings);
        r = read_identity(&manager);
        if (r >= 0)
                r = sd_event_default(&manager.event);
        if (r >= 0)
                r = prepare_signals(manager.event);
        if (r >= 0)
                r = sd_bus_open_system(&manager.bus);
        if (r < 0) {
                log_error("the system bus cannot be reached: %s", strerror(-r));
                return 1;
        }
        (void)sd_bus_set_exit_on_disconnect(manager.bus, true);
        r = sd_bus_attach_event(manager.bus, manager.event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = manager_start(&manager);
        if (r < 0) {
                log_error("the service cannot be started: %s%s", strerror(-r),
                          r == -EEXIST  ? " (another one is running)"
                          : r == -EPERM ? " (the bus policy is missing)"
                                        : "");
                manager_deinit(&manager);
                return 1;
        }
        log_info("version %s serves, instance %s", LINUXVSS_VERSION, manager.instance);
        (void)sd_notify(0, "READY=1");
        r = sd_event_loop(manager.event);
        (void)sd_notify(0, "STOPPING=1");
        manager_deinit(&manager);
        sd_bus_flush_close_unref(manager.bus);
        sd_event_unref(manager.event);
        return r < 0 ? 1 : 0;
}

int main(int argc, char **argv) {
        static const struct option options[] = { { "help", no_argument, NULL, 'h' },
                                                 { "version", no_argument, NULL, 'V' },
                                                 { 0 } };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                switch (c) {
                case 'h':
                        (void)puts("vssd: the Linux VSS service. It is started by the system bus and has no "
                                   "options.\n"
                                   "See vssd(8), vss(1), linuxvss.conf(5).");
                        return 0;
                case 'V':
                        (void)puts("vssd " LINUXVSS_VERSION);
                        return 0;
                default:
                        return 2;
                }
        }
        if (geteuid() != 0) {
                (void)fputs("vssd: must run as root\n", stderr);
                return 1;
        }
        return run();
}
