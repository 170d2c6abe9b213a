/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * raw-provider: a provider on the bus itself, without the library that holds providers to their contract
 *
 *   raw-provider METHOD FAULT [TYPE|LOG]
 *
 * It owns org.linuxvss.Provider.Raw, takes every volume, and does nothing: its copies are the root,
 * read-only. METHOD answers org.linuxvss.Error.FAULT, or with FAULT "die" it ends in it, once for each LOG,
 * and with "slow" it answers after a second. Its TYPE is a number, as provider.h has them (software). Each
 * call but for GetInfo and IsVolumeSupported is written to LOG, a path, with its first argument. There is
 * one shadow copy, COPY.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "bus/marshal.h"
#include "bus/names.h"

#define NAME BUS_PROVIDER_PREFIX "Raw"

#define COPY "c0c0c0c0-0000-4000-8000-000000000001"

static const char *failing, *fault, *log_path;
static int type = VSS_PROV_SOFTWARE;

static void note(sd_bus_message *m) {
        const char *member = sd_bus_message_get_member(m), *first = "";
        FILE *file = log_path ? fopen(log_path, "ae") : NULL;

        if (sd_bus_message_has_signature(m, "") == 0)
                (void)sd_bus_message_read(m, "s", &first);
        if (file) {
                (void)fprintf(file, "%s %s\n", member, first);
                (void)fclose(file);
        }
}

static void note_start(void) {
        FILE *file = log_path ? fopen(log_path, "ae") : NULL;

        if (!file)
                return;
        (void)fprintf(file, "started\n");
        (void)fclose(file);
}

/* Only the first time: what is started anew goes on. */
static void die(void) {
        char path[4096];
        int fd;

        (void)snprintf(path, sizeof(path), "%s.died", log_path ? log_path : "/run/raw-provider");
        fd = open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0)
                _exit(1);
}

static int reply_mount(sd_bus_message *m) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
        int fd = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), r;

        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
                return -errno;
        r = sd_bus_reply_method_return(m, "h", fd);
        close(fd);
        return r;
}

/* What it did to others meanwhile. */
static void add_suspension(vss_value *results) {
        vss_value *suspension = vss_value_new_dict();

        (void)vss_value_set_string(suspension, "what", "/dev/other");
        (void)vss_value_set_string(suspension, "why", "a test");
        (void)vss_value_set_integer(suspension, "usec", 7);
        (void)vss_value_append(value_require(results, "suspended", VSS_KIND_LIST), suspension);
}

static int reply_list(sd_bus_message *m) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        _cleanup_message_ sd_bus_message *reply = NULL;
        vss_value *copy = vss_value_new_dict();
        int r = sd_bus_message_new_method_return(m, &reply);

        (void)vss_value_set_string(copy, "id", COPY);
        (void)vss_value_append(list, copy);
        if (r >= 0)
                r = marshal_append_dicts(reply, list);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

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
        if (strcmp(member, "GetInfo") != 0 && strcmp(member, "IsVolumeSupported") != 0)
                note(m);
        if (strcmp(member, failing) == 0) {
                if (strcmp(fault, "die") == 0)
                        die();
                else if (strcmp(fault, "slow") == 0)
                        sleep(1);
                else {
                        (void)snprintf(name, sizeof(name), BUS_ERROR_PREFIX "%s", fault);
                        return sd_bus_error_set(error, name, "as it was asked to");
                }
        }
        if (strcmp(member, "GetInfo") == 0) {
                (void)value_append_string(value_require(dict, "holds", VSS_KIND_LIST), "none");
                (void)vss_value_set_string(dict, "id", "5b8d54c0-7b1c-4b0a-9a34-0f6d3a1f7a11");
                (void)vss_value_set_string(dict, "version", "0");
                (void)vss_value_set_integer(dict, "type", type);
        }
        if (strcmp(member, "Query") == 0)
                return reply_list(m);
        if (strcmp(member, "ListNestedVolumes") == 0)
                return sd_bus_reply_method_return(m, "as", 0);
        if (strcmp(member, "OpenSnapshot") == 0)
                return reply_mount(m);
        if (strcmp(member, "EndPrepareSnapshots") == 0 || strcmp(member, "PostFinalCommitSnapshots") == 0)
                add_suspension(dict);
        if (strcmp(member, "GetInfo") == 0 || strcmp(member, "IsVolumeSupported") == 0 ||
            strcmp(member, "EndPrepareSnapshots") == 0 || strcmp(member, "PostFinalCommitSnapshots") == 0)
                return reply_dict(m, dict);
        return sd_bus_reply_method_return(m, "");
}

int main(int argc, char **argv) {
        sd_bus *bus = NULL;
        int r;

        if (argc != 3 && argc != 4)
                return 2;
        failing = argv[1];
        fault = argv[2];
        if (argc == 4 && argv[3][0] == '/')
                log_path = argv[3];
        else if (argc == 4)
                type = argv[3][0] - '0';
        note_start();
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
