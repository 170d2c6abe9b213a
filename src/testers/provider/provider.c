/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: the service's name, and calls to a provider
 */

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/pidfd.h>
#include "bus/names.h"
#include "testers/provider/conformance.h"
#include "util/clock.h"

#define BUS_USEC (10 * USEC_PER_SEC)
#define LEAVE_USEC (10 * USEC_PER_SEC)

static uint32_t pid_of(Test *test, const char *name) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        uint32_t pid = 0;

        if (sd_bus_call_method(test->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "GetConnectionUnixProcessID", &error, &reply, "s",
                               name) < 0 ||
            sd_bus_message_read(reply, "u", &pid) < 0)
                return 0;
        return pid;
}

int provider_connect(Test *test) {
        int r = sd_bus_open_system(&test->bus);

        if (r < 0) {
                fprintf(stderr, "vss-test-provider: the system bus cannot be reached: %s\n", strerror(-r));
                return r;
        }
        (void)sd_bus_set_method_call_timeout(test->bus, BUS_USEC);
        r = sd_bus_request_name(test->bus, BUS_NAME, 0);
        if (r == -EEXIST)
                fprintf(stderr,
                        "vss-test-provider: the service runs (process %u), and a provider serves only one. "
                        "Stop it, "
                        "for as long as this takes:\n    systemctl stop linuxvss.service\n",
                        pid_of(test, BUS_NAME));
        else if (r < 0)
                fprintf(stderr, "vss-test-provider: the name " BUS_NAME " cannot be had: %s. Be root.\n",
                        strerror(-r));
        return r;
}

sd_bus_message *provider_message(Test *test, const char *member) {
        sd_bus_message *m = NULL;

        return sd_bus_message_new_method_call(test->bus, &m, test->bus_name, BUS_PROVIDER_PATH, BUS_PROVIDER,
                                              member) < 0
                       ? NULL
                       : m;
}

vss_result provider_send(Test *test, sd_bus_message *m, sd_bus_message **ret_reply) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        uint64_t began = now_usec();
        int r = m ? sd_bus_call(test->bus, m, test->limit_usec, &error, &reply) : -ENOMEM;

        test->took_usec = now_usec() - began;
        test->message[0] = '\0';
        if (r >= 0) {
                if (ret_reply)
                        *ret_reply = TAKE_PTR(reply);
                return VSS_S_OK;
        }
        (void)snprintf(test->message, sizeof(test->message), "%s", error.message ?: strerror(-r));
        if (test->took_usec >= test->limit_usec) {
                (void)snprintf(test->message, sizeof(test->message),
                               "it did not answer within %.0f s; it is killed",
                               (double)test->limit_usec / (double)USEC_PER_SEC);
                (void)provider_kill(test);
        }
        return sd_bus_error_is_set(&error) ? bus_error_result(&error) : VSS_E_UNEXPECTED;
}

vss_result provider_call(Test *test, const char *member, const char *types, ...) {
        _cleanup_message_ sd_bus_message *m = provider_message(test, member);
        va_list args;
        int r;

        va_start(args, types);
        r = m ? sd_bus_message_appendv(m, types, args) : -ENOMEM;
        va_end(args);
        return r < 0 ? VSS_E_UNEXPECTED : provider_send(test, m, NULL);
}

static vss_result unreadable(Test *test, const char *member) {
        (void)snprintf(test->message, sizeof(test->message), "its answer to %s cannot be read", member);
        return VSS_E_UNEXPECTED_PROVIDER_ERROR;
}

vss_result provider_dict(Test *test, const char *member, vss_value **ret_dict) {
        _cleanup_message_ sd_bus_message *m = provider_message(test, member), *reply = NULL;
        vss_result r = provider_send(test, m, &reply);

        return r < 0 ? r : marshal_read_dict(reply, ret_dict) < 0 ? unreadable(test, member) : VSS_S_OK;
}

vss_result provider_dicts(Test *test, const char *member, vss_value **ret_list) {
        _cleanup_message_ sd_bus_message *m = provider_message(test, member), *reply = NULL;
        vss_result r = provider_send(test, m, &reply);

        return r < 0 ? r : marshal_read_dicts(reply, ret_list) < 0 ? unreadable(test, member) : VSS_S_OK;
}

vss_result provider_get_info(Test *test, vss_value **ret_info) {
        return provider_dict(test, "GetInfo", ret_info);
}

vss_result provider_query(Test *test, vss_value **ret_list) {
        return provider_dicts(test, "Query", ret_list);
}

vss_result provider_is_supported(Test *test, const TestVolume *volume, vss_value **ret_support) {
        _cleanup_message_ sd_bus_message *m = provider_message(test, "IsVolumeSupported"), *reply = NULL;
        vss_result result;

        if (!m || marshal_append_dict(m, volume->facts) < 0 || sd_bus_message_append(m, "h", volume->fd) < 0)
                return VSS_E_UNEXPECTED;
        result = provider_send(test, m, &reply);
        return result < 0                                  ? result
               : marshal_read_dict(reply, ret_support) < 0 ? unreadable(test, "IsVolumeSupported")
                                                           : VSS_S_OK;
}

vss_result provider_open(Test *test, const char *id, bool writable, int *ret_fd) {
        _cleanup_message_ sd_bus_message *m = provider_message(test, "OpenSnapshot"), *reply = NULL;
        vss_result result;
        int fd;

        if (!m || sd_bus_message_append(m, "sb", id, (int)writable) < 0)
                return VSS_E_UNEXPECTED;
        result = provider_send(test, m, &reply);
        if (result < 0)
                return result;
        if (sd_bus_message_read(reply, "h", &fd) < 0)
                return unreadable(test, "OpenSnapshot");
        *ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return *ret_fd < 0 ? VSS_E_UNEXPECTED : VSS_S_OK;
}

bool provider_can(const Test *test, const char *capability) {
        return value_contains(vss_value_get(test->info, "capabilities"), capability);
}

bool provider_has_flag(const Test *test, uint64_t flag) {
        return ((uint64_t)vss_value_get_integer(test->info, "flags", 0) & flag) != 0;
}

pid_t provider_pid(Test *test) {
        return (pid_t)pid_of(test, test->bus_name);
}

bool provider_kill(Test *test) {
        pid_t pid = provider_pid(test);
        _cleanup_(closep) int fd = pid > 1 ? pidfd_open(pid, 0) : -1;
        uint64_t deadline = now_usec() + LEAVE_USEC;

        /* Asked again: the number may have become somebody else's before the descriptor was there. */
        if (fd < 0 || provider_pid(test) != pid)
                return pid == 0;
        if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
                return false;
        while (provider_pid(test) == pid) {
                if (now_usec() > deadline)
                        return false;
                (void)usleep(10000);
        }
        return true;
}

const vss_value *provider_find(const vss_value *list, const char *id) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "id", ""), id) == 0)
                        return vss_value_at(list, i);
        return NULL;
}
