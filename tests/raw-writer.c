/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * raw-writer: a writer that says whatever a test wants, on the bus itself and without the library
 *
 *   raw-writer NAME DIRECTORY
 *
 * It owns org.linuxvss.Writer.NAME. Of each EVENT it writes a line to DIRECTORY/log and what came with it to
 * DIRECTORY/EVENT.event (JSON). Then, of what there is in DIRECTORY:
 *
 *   EVENT.sh      is run with each mount that came, as arguments VOLUME=/proc/self/fd/N; with
 *                 LIFELINE=/proc/self/fd/N of Verify
 *   EVENT.calls   "METHOD TEXT" lines are calls to the service's manager, whose answers are lines of
 *                 EVENT.answers
 *   EVENT.error   "NAME text" is answered as the error org.linuxvss.Error.NAME
 *   EVENT.json    is answered; without it an empty dictionary
 */

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "vss/json.h"

enum { MOUNTS_MAX = 64 };

static const char *directory;

static const char *path_of(const char *member, const char *suffix) {
        static char path[4096];

        (void)snprintf(path, sizeof(path), "%s/%s%s", directory, member, suffix);
        return path;
}

static vss_value *value_of(const json_t *json) {
        vss_value *value;
        const char *key;
        json_t *member;
        size_t i;

        switch (json_typeof(json)) {
        case JSON_OBJECT:
                value = vss_value_new_dict();
                json_object_foreach((json_t *)json, key, member)
                        (void)vss_value_set(value, key, value_of(member));
                return value;
        case JSON_ARRAY:
                value = vss_value_new_list();
                json_array_foreach(json, i, member)
                        (void)vss_value_append(value, value_of(member));
                return value;
        case JSON_STRING:
                return vss_value_new_string(json_string_value(json));
        case JSON_INTEGER:
                return vss_value_new_integer(json_integer_value(json));
        default:
                return vss_value_new_boolean(json_is_true(json));
        }
}

static void note(const char *member, const vss_value *event) {
        json_t *json = json_from_value(event);
        FILE *log = fopen(path_of("log", ""), "ae");

        if (log) {
                (void)fprintf(log, "%s\n", member);
                (void)fclose(log);
        }
        (void)json_dump_file(json, path_of(member, ".event"), JSON_INDENT(1));
        json_decref(json);
}

static int read_mounts(sd_bus_message *m, char *arguments[static MOUNTS_MAX + 1]) {
        int lifeline, r = sd_bus_message_at_end(m, true);
        size_t n = 0;
        char type;

        if (r > 0)
                return 0; /* an event without mounts */
        if (sd_bus_message_peek_type(m, &type, NULL) > 0 && type == 'h') {
                r = sd_bus_message_read(m, "h", &lifeline);
                if (r >= 0 && asprintf(&arguments[0], "LIFELINE=/proc/self/fd/%d", fcntl(lifeline, F_DUPFD, 100)) < 0)
                        r = -ENOMEM;
                return r;
        }
        r = sd_bus_message_enter_container(m, 'a', "{sh}");
        while (r >= 0 && n < MOUNTS_MAX && sd_bus_message_enter_container(m, 'e', "sh") > 0) {
                const char *volume;
                int fd;

                r = sd_bus_message_read(m, "sh", &volume, &fd);
                /* Without close-on-exec: the script inherits it. */
                if (r >= 0 && asprintf(&arguments[n++], "%s=/proc/self/fd/%d", volume, fcntl(fd, F_DUPFD, 100)) < 0)
                        r = -ENOMEM;
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static void run_script(const char *member, char *mounts[static MOUNTS_MAX + 1]) {
        char *argv[MOUNTS_MAX + 3] = { (char *)"bash", (char *)path_of(member, ".sh") };
        int status = 0;
        pid_t pid;

        if (access(argv[1], R_OK) < 0)
                return;
        memcpy(argv + 2, mounts, sizeof(*mounts) * MOUNTS_MAX);
        pid = fork();
        if (pid == 0) {
                execvp(argv[0], argv);
                _exit(127);
        }
        (void)waitpid(pid, &status, 0);
        if (status != 0)
                (void)fprintf(stderr, "%s ended with status %d\n", argv[1], status);
}

/* On the writer's own connection, so that the service knows who asks. */
static void make_calls(sd_bus *bus, const char *member) {
        FILE *calls = fopen(path_of(member, ".calls"), "re"), *answers;
        char method[64], text[256];

        if (!calls)
                return;
        answers = fopen(path_of(member, ".answers"), "we");
        while (answers && fscanf(calls, "%63s %255s", method, text) == 2) {
                _cleanup_message_ sd_bus_message *reply = NULL;
                _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
                const char *state = "ok";
                int r = sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_MANAGER, method, &error, &reply, "s",
                                           text);

                if (r >= 0 && !sd_bus_message_is_empty(reply))
                        r = sd_bus_message_read(reply, "s", &state);
                if (r < 0)
                        (void)fprintf(answers, "%s %s\n", error.name ? strrchr(error.name, '.') + 1 : "?",
                                      error.message ?: strerror(-r));
                else
                        (void)fprintf(answers, "%s\n", state);
        }
        if (answers)
                (void)fclose(answers);
        (void)fclose(calls);
}

static int answer(sd_bus_message *m, const char *member) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_value_ vss_value *value = NULL;
        json_t *json = json_load_file(path_of(member, ".json"), 0, NULL);
        int r;

        value = json ? value_of(json) : vss_value_new_dict();
        json_decref(json);
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = marshal_append_dict(reply, value);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char *mounts[MOUNTS_MAX + 1] = { 0 };
        _cleanup_value_ vss_value *event = NULL;
        const char *member = sd_bus_message_get_member(m);
        char name[128] = BUS_ERROR_PREFIX, text[512];
        FILE *failure;
        int r;

        if (!sd_bus_message_is_method_call(m, BUS_WRITER, NULL))
                return 0;
        r = marshal_read_dict(m, &event);
        if (r >= 0)
                r = read_mounts(m, mounts);
        if (r < 0)
                return r;
        note(member, event);
        run_script(member, mounts);
        make_calls(sd_bus_message_get_bus(m), member);
        for (size_t i = 0; mounts[i]; i++) {
                (void)close((int)strtol(strrchr(mounts[i], '/') + 1, NULL, 10));
                free(mounts[i]);
        }

        failure = fopen(path_of(member, ".error"), "re");
        if (!failure)
                return answer(m, member);
        r = fscanf(failure, "%63s %511[^\n]", name + strlen(name), text);
        (void)fclose(failure);
        return sd_bus_reply_method_errorf(m, name, "%s", r == 2 ? text : "");
}

int main(int argc, char **argv) {
        char name[256];
        sd_bus *bus = NULL;
        int r;

        if (argc != 3)
                return 2;
        directory = argv[2];
        (void)snprintf(name, sizeof(name), BUS_WRITER_PREFIX "%s", argv[1]);
        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_add_object(bus, NULL, BUS_WRITER_PATH, on_message, NULL);
        if (r >= 0)
                r = sd_bus_request_name(bus, name, 0);
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        (void)fprintf(stderr, "%s: %s\n", name, strerror(-r));
        return 1;
}
