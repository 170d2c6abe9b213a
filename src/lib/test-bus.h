/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A message bus of its own for a test, in a directory of its own
 */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"

typedef struct TestBus {
        char directory[64], config[96], socket[96];
        pid_t pid;
} TestBus;

static void test_bus_write_config(const TestBus *bus) {
        FILE *f = fopen(bus->config, "we");

        if (!f)
                return;
        fprintf(f,
                "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
                " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                "<busconfig><type>system</type><listen>unix:path=%s</listen><policy context=\"default\">"
                "<allow send_destination=\"*\" eavesdrop=\"false\"/><allow receive_type=\"method_call\"/>"
                "<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>"
                "<allow receive_type=\"signal\"/><allow send_type=\"signal\"/><allow own=\"*\"/>"
                "<allow user=\"*\"/></policy></busconfig>\n",
                bus->socket);
        (void)fclose(f);
}

/* Waits for the daemon's ready line on @fd. */
static bool test_bus_wait_ready(int fd) {
        char line[256];
        ssize_t n = read(fd, line, sizeof(line));

        return n > 0;
}

/* Return: false, after a TAP line that skips all, when there is no dbus-daemon. */
static inline bool test_bus_start(TestBus *bus) {
        int ready[2];

        (void)snprintf(bus->directory, sizeof(bus->directory), "/tmp/test-vss-bus-XXXXXX");
        if (!mkdtemp(bus->directory) || pipe2(ready, O_CLOEXEC) < 0) {
                printf("1..0 # SKIP no temporary directory\n");
                return false;
        }
        (void)snprintf(bus->config, sizeof(bus->config), "%s/bus.conf", bus->directory);
        (void)snprintf(bus->socket, sizeof(bus->socket), "%s/socket", bus->directory);
        test_bus_write_config(bus);
        (void)fflush(stdout);

        bus->pid = fork();
        if (bus->pid == 0) {
                char config[128];

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)snprintf(config, sizeof(config), "--config-file=%s", bus->config);
                (void)dup3(ready[1], 3, 0);
                (void)execlp("dbus-daemon", "dbus-daemon", config, "--nofork", "--print-address=3", NULL);
                _exit(127);
        }
        (void)close(ready[1]);
        if (!test_bus_wait_ready(ready[0])) {
                (void)waitpid(bus->pid, NULL, 0);
                (void)unlink(bus->config);
                (void)rmdir(bus->directory);
                printf("1..0 # SKIP no dbus-daemon\n");
                return false;
        }
        (void)close(ready[0]);
        {
                char address[128];

                (void)snprintf(address, sizeof(address), "unix:path=%s", bus->socket);
                (void)setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
        }
        return true;
}

static inline void test_bus_stop(TestBus *bus) {
        if (bus->pid > 0) {
                (void)kill(bus->pid, SIGKILL);
                (void)waitpid(bus->pid, NULL, 0);
        }
        bus->pid = 0;
        (void)unlink(bus->socket);
        (void)unlink(bus->config);
        (void)rmdir(bus->directory);
}

static inline sd_bus *test_bus_connect(void) {
        sd_bus *bus = NULL;

        if (sd_bus_open_system(&bus) < 0) {
                printf("Bail out! cannot connect to the test's bus\n");
                exit(1);
        }
        return bus;
}

/* Does @name get an owner, or lose it, within 5 s? */
static _unused_ bool test_bus_wait_name(sd_bus *bus, const char *name, bool owned) {
        for (uint64_t end = now_usec() + 5 * USEC_PER_SEC; now_usec() < end; (void)usleep(5000))
                if ((sd_bus_get_name_creds(bus, name, 0, NULL) >= 0) == owned)
                        return true;
        return false;
}

/* The exit status of @pid within 5 s; -1 if it has not ended by itself by then. */
static _unused_ int test_wait_exit(pid_t pid) {
        int status;

        for (uint64_t end = now_usec() + 5 * USEC_PER_SEC; now_usec() < end; (void)usleep(5000))
                if (waitpid(pid, &status, WNOHANG) == pid)
                        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return -1;
}

/* What a participant's handlers did, a letter each; shared with its process. */
typedef struct Trace {
        volatile unsigned n;
        volatile char text[256];
} Trace;

static _unused_ Trace *trace_new(void) {
        void *p = mmap(NULL, sizeof(Trace), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        return p == MAP_FAILED ? NULL : p;
}

static _unused_ void trace(Trace *t, char c) {
        if (t->n + 1 < sizeof(t->text))
                t->text[t->n++] = c;
}

/* Waits for @want for 5 s, then starts anew. */
static _unused_ void expect_trace(Trace *t, const char *label, const char *want) {
        char got[sizeof(t->text)];

        for (uint64_t end = now_usec() + 5 * USEC_PER_SEC; t->n < strlen(want) && now_usec() < end;)
                (void)usleep(2000);
        (void)usleep(20000);
        for (unsigned i = 0; i < sizeof(got); i++)
                got[i] = i < t->n ? t->text[i] : '\0';
        t->n = 0;
        expect_str(label, got, want);
}

/*
 * The members of an interface in introspection data, as text that can be compared: "method Freeze; arg event
 * a{sv} in; ...". Comments and the order of attributes do not matter.
 */
static _unused_ char *introspection_normalize(const char *xml, const char *interface) {
        char *out = NULL, want[128];
        size_t size;
        FILE *f = open_memstream(&out, &size);
        const char *p, *end;

        (void)snprintf(want, sizeof(want), "<interface name=\"%s\">", interface);
        p = strstr(xml, want);
        end = p ? strstr(p, "</interface>") : NULL;
        for (p = p ? strchr(p, '>') : NULL; p && f && (p = strchr(p, '<')) && p < end; p++) {
                static const char *const attributes[] = { " name=\"", " type=\"", " direction=\"",
                                                          " access=\"" };
                const char *close;

                if (strncmp(p, "<!--", 4) == 0) {
                        p = strstr(p, "-->");
                        continue;
                }
                close = strchr(p, '>');
                if (p[1] == '/' || strncmp(p, "<annotation", 11) == 0)
                        continue;
                (void)fwrite(p + 1, 1, strcspn(p + 1, " >"), f);
                FOREACH_ELEMENT (attribute, attributes) {
                        const char *a = strstr(p, *attribute);

                        if (a && a < close)
                                fprintf(f, " %.*s", (int)strcspn(a + strlen(*attribute), "\""),
                                        a + strlen(*attribute));
                }
                fprintf(f, "; ");
        }
        if (f)
                (void)fclose(f);
        return out;
}

static _unused_ char *read_text_file(const char *path) {
        char *text = calloc(1, 65536);
        FILE *f = fopen(path, "re");

        if (text && f)
                (void)!fread(text, 1, 65535, f);
        if (f)
                (void)fclose(f);
        return text;
}

/* Does the object of a live participant have exactly the members of the committed XML? */
static _unused_ void expect_introspection(sd_bus *bus, const char *name, const char *path,
                                          const char *interface, const char *xml_file) {
        sd_bus_message *reply = NULL;
        const char *live = "";
        _cleanup_(freep) char *file = read_text_file(xml_file), *a = NULL, *b = NULL, *c = NULL;
        char *broken = NULL;

        (void)sd_bus_call_method(bus, name, path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL,
                                 &reply, "");
        if (reply)
                (void)sd_bus_message_read(reply, "s", &live);
        a = introspection_normalize(file, interface);
        b = introspection_normalize(live, interface);
        expect_true("the XML has members", a && strlen(a) > 50);
        expect_str("introspection is as committed", b, a);
        /* The comparison must see a renamed argument. */
        broken = strstr(file, "<arg name=\"");
        if (broken)
                broken[strlen("<arg name=\"")] = '_';
        c = introspection_normalize(file, interface);
        expect_true("a changed argument is seen", c && b && strcmp(b, c) != 0);
        (void)sd_bus_message_unref(reply);
}
