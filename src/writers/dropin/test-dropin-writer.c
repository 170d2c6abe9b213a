/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The drop-in writer with real commands of another user: held, thawed whatever happens, and told
 *
 * The writer's events run in a process of their own, so that it can be killed.
 */

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "util/clock.h"
#include "util/test.h"
#include "writers/common/fake-call.h"
#include "writers/dropin/writer.h"

static char conf_directory[] = "/tmp/vss-test-writers.d-XXXXXX";
static char directory[] = "/tmp/vss-test-dropin-XXXXXX";
static const struct passwd *user;

static void _printf_(1, 2) must(const char *format, ...) {
        char command[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(command, sizeof(command), format, args);
        va_end(args);
        if (system(command) != 0) {
                printf("Bail out! %s\n", command);
                exit(1);
        }
}

/* A drop-in file of application @name, whose commands are lines of a shell script of its user. */
static void write_dropin(const char *name, const char *more, const char *commands) {
        char path[256];
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/%s.conf", conf_directory, name);
        file = fopen(path, "we");
        if (!file)
                abort();
        (void)fprintf(file,
                      "[Writer]\nName=%s\nUser=%s\n%s[Component]\nName=data\nPath=%s/"
                      "%s\n[Commands]\nTimeout=4\n%s",
                      name, user->pw_name, more, directory, name, commands);
        (void)fclose(file);
        must("install -d -o %s -m 0755 %s/%s", user->pw_name, directory, name);
}

static void clear_dropins(void) {
        must("rm -rf %s/* %s/*", conf_directory, directory);
}

static bool there_is(const char *name) {
        char path[256];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        return access(path, F_OK) == 0;
}

static bool gone_within(const char *name, uint64_t usec) {
        uint64_t end = now_usec() + usec;

        while (there_is(name) && now_usec() < end)
                (void)usleep(5000);
        return !there_is(name);
}

typedef struct Answer {
        int32_t code;
        uint32_t n_failed;
        char message[1600], failure[1600], restore_failure[1600], units[256];
} Answer;

typedef struct Broker {
        pid_t pid;
        int fd;
} Broker;

static vss_result unit_result;    /* of what is done to units */
static char selected[64] = "app"; /* logical path of the component that is restored */

/* "data" of two applications, of which one is restored. */
static vss_value *make_components(void) {
        static const char *const names[] = { "app", "bad" };
        vss_value *list = vss_value_new_list();

        FOREACH_ELEMENT (name, names) {
                vss_value *component = vss_value_new_dict();

                (void)vss_value_set_string(component, "logical-path", *name);
                (void)vss_value_set_string(component, "name", "data");
                (void)vss_value_set_integer(component, "file-restore-status", VSS_RS_ALL);
                (void)vss_value_set_boolean(component, "selected-for-restore",
                                            strcmp(*name, selected) == 0 || strcmp(selected, "both") == 0);
                (void)vss_value_append(list, component);
        }
        return list;
}

static void broker_serve(int fd) {
        const char *directories[] = { conf_directory };
        static DropInWriter state;
        vss_writer_call call = {
                .userdata = &state,
                .time_left_ms = 10000,
                .volumes = { directory },
                .n_volumes = 1,
                .backup_type = VSS_BT_COPY,
        };
        char event;

        state.directories = directories;
        state.n_directories = 1;
        while (read(fd, &event, 1) == 1) {
                Answer answer = { 0 };

                fake_call_reset(&call);
                call.unit_result = unit_result;
                call.session_id = event == 'o' ? "another session" : NULL;
                call.components = event == '<' || event == '>' ? make_components() : NULL;
                answer.code = event == 'p'   ? dropin_writer.prepare_snapshot(&call)
                              : event == 'f' ? dropin_writer.freeze(&call)
                              : event == 't' ? dropin_writer.thaw(&call)
                              : event == 's' ? dropin_writer.post_snapshot(&call)
                              : event == 'c' ? dropin_writer.backup_complete(&call)
                              : event == '<' ? dropin_writer.pre_restore(&call)
                              : event == '>' ? dropin_writer.post_restore(&call)
                                             : dropin_writer.abort(&call);
                call.components = vss_value_free(call.components);
                answer.n_failed = (uint32_t)vss_value_count(call.failed);
                (void)snprintf(answer.message, sizeof(answer.message), "%.1500s", call.message);
                (void)snprintf(answer.failure, sizeof(answer.failure), "%.1500s",
                               fake_call_failure(&call, "data"));
                (void)snprintf(answer.restore_failure, sizeof(answer.restore_failure), "%.1500s",
                               call.restore_failure);
                (void)snprintf(answer.units, sizeof(answer.units), "%.250s", call.units);
                if (write(fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
                        _exit(1);
        }
        _exit(0);
}

static Broker broker_start(void) {
        Broker broker;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                abort();
        (void)fflush(stdout);
        broker.pid = fork();
        if (broker.pid == 0) {
                (void)close(pair[0]);
                broker_serve(pair[1]);
        }
        (void)close(pair[1]);
        broker.fd = pair[0];
        return broker;
}

static Answer broker_event(const Broker *broker, char event) {
        Answer answer = { .code = -1 };

        if (write(broker->fd, &event, 1) != 1 || recv(broker->fd, &answer, sizeof(answer), MSG_WAITALL) <= 0)
                answer.code = -1;
        return answer;
}

static void broker_end(Broker *broker, int signal) {
        if (signal)
                (void)kill(broker->pid, signal);
        (void)close(broker->fd);
        (void)waitpid(broker->pid, NULL, 0);
}

static const vss_value *identify(vss_metadata *metadata, const char *logical_path) {
        const char *directories[] = { conf_directory };
        DropInWriter state = { .directories = directories, .n_directories = 1 };
        vss_writer_call call = { .userdata = &state, .time_left_ms = 10000 };

        expect_int("identify answers", dropin_writer.identify(&call, metadata), VSS_S_OK);
        return fake_metadata_component(metadata, logical_path, "data");
}

static void test_identify(void) {
        _cleanup_(fake_metadata_freep) vss_metadata *metadata = fake_metadata_new();
        const vss_value *shop;

        write_dropin("shop", "", "Prepare=/bin/true\n");
        write_dropin("plain", "", "");
        must("printf "
             "'[ExcludeFromSnapshot]\\nPath=%s/shop\\nFilespec=*.lock\\n[ExcludeFromSnapshot]\\nPath=/etc\\n"
             "[Component]\\nName=data\\nPath=%s/"
             "shop\\nFilespec=x\\nDependsOn=5f0c2a7e-9d31-4b6c-8f52-3a1e7d90c4b8 a\\n' "
             ">> %s/shop.conf",
             directory, directory, conf_directory);
        write_dropin("narrow", "Roots=/srv\n", "");
        write_dropin("bad", "Colour=red\n", "");
        must("mkdir -p %s/root; printf "
             "'[Writer]\\nName=root\\nUser=%s\\n[Component]\\nName=data\\nPath=%s/root\\n' "
             "> %s/root.conf",
             directory, user->pw_name, directory, conf_directory);

        shop = identify(metadata, "shop");
        expect_true("a file is a component", shop != NULL);
        expect_str("its user is the owner", vss_value_get_string(shop, "owner", ""), user->pw_name);
        expect_str("with a command it may be consistent", vss_value_get_string(shop, "crash-only", ""), "");
        expect_true("without it is said why not",
                    strstr(vss_value_get_string(fake_metadata_component(metadata, "plain", "data"),
                                                "crash-only", ""),
                           "Hold="));
        expect_true("outside of Roots= is left out and told",
                    !fake_metadata_component(metadata, "narrow", "data") &&
                            fake_metadata_warns(metadata, "outside of Roots="));
        expect_true("what is not the user's is left out and told",
                    !fake_metadata_component(metadata, "root", "data") &&
                            fake_metadata_warns(metadata, "does not belong to"));
        expect_int("what is deleted from the copy is the user's only",
                   vss_value_count(metadata->excludes_from_snapshot), 1);
        expect_int("a dependency", vss_value_count(vss_value_get(shop, "dependencies")), 1);
        expect_int("what can be replaced is restored", metadata->restore_method,
                   VSS_RME_RESTORE_IF_CAN_REPLACE);
        expect_int("with the events", metadata->writer_restore, VSS_WRE_ALWAYS);
        expect_true("an error names its line", fake_metadata_warns(metadata, "bad.conf, line 4"));
        clear_dropins();
}

static void test_hold(void) {
        char script[1024];
        Broker broker = broker_start();
        Answer answer;

        /* In the application's directory: the commands start in /. */
        (void)snprintf(
                script, sizeof(script),
                "Hold=/bin/sh -c 'cd %s/app; id -u >held; env >environment; echo READY; cat; rm held'\n",
                directory);
        write_dropin("app", "", script);
        expect_int("prepare", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_true("nothing is held before Freeze", !there_is("app/held"));
        answer = broker_event(&broker, 'f');
        expect_int("freeze", answer.code, VSS_S_OK);
        expect_true("held while frozen", there_is("app/held"));
        must("test \"$(cat %s/app/held)\" = %u", directory, (unsigned)user->pw_uid);
        must("grep -qx VSS_PHASE=freeze %s/app/environment", directory);
        must("grep -qx VSS_VOLUMES=%s %s/app/environment", directory, directory);
        must("! grep -q DBUS %s/app/environment", directory);
        expect_true("its environment says what it needs", true);
        expect_int("thaw", broker_event(&broker, 't').code, VSS_S_OK);
        expect_true("let go at Thaw", !there_is("app/held"));

        expect_int("prepare for a death", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("freeze for a death", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_true("held before the death", there_is("app/held"));
        broker_end(&broker, SIGKILL);
        expect_true("let go within a second of the death", gone_within("app/held", USEC_PER_SEC));
        clear_dropins();
}

static void test_pair(void) {
        char script[1024];
        Broker broker = broker_start();

        (void)snprintf(script, sizeof(script),
                       "Freeze=/usr/bin/touch %s/app/frozen\nThaw=/bin/rm %s/app/frozen\n", directory,
                       directory);
        write_dropin("app", "", script);
        expect_int("pair: prepare", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_true("pair: nothing yet", !there_is("app/frozen"));
        expect_int("pair: freeze", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_true("pair: frozen", there_is("app/frozen"));
        expect_int("pair: thaw", broker_event(&broker, 't').code, VSS_S_OK);
        expect_true("pair: thawed", !there_is("app/frozen"));

        expect_int("pair: prepare again", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("pair: freeze again", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_int("pair: abort of another session", broker_event(&broker, 'o').code, VSS_S_OK);
        expect_true("pair: still frozen", there_is("app/frozen"));
        expect_int("pair: abort", broker_event(&broker, 'a').code, VSS_S_OK);
        expect_true("pair: thawed by Abort", !there_is("app/frozen"));

        /* The guardian dies: another one thaws. */
        expect_int("pair: prepare for a guardian's death", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("pair: freeze for a guardian's death", broker_event(&broker, 'f').code, VSS_S_OK);
        must("kill -9 $(cat /proc/%d/task/%d/children)", broker.pid, broker.pid);
        expect_true("pair: thaw tells of the guardian's death", broker_event(&broker, 't').code < 0);
        expect_true("pair: and thaws all the same", !there_is("app/frozen"));

        expect_int("pair: prepare for a death", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("pair: freeze for a death", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_true("pair: frozen before the death", there_is("app/frozen"));
        broker_end(&broker, SIGKILL);
        expect_true("pair: thawed within a second of the death", gone_within("app/frozen", USEC_PER_SEC));
        clear_dropins();
}

static void test_failures(void) {
        char script[1024];
        Broker broker = broker_start();
        Answer answer;

        (void)snprintf(script, sizeof(script),
                       "Freeze=/bin/sh -c 'touch %s/bad/frozen; echo the disk is full >&2; exit 3'\n"
                       "Thaw=/bin/rm %s/bad/frozen\n",
                       directory, directory);
        write_dropin("bad", "", script);
        write_dropin("good", "", "Hold=/bin/sh -c 'echo READY; cat'\n");
        expect_int("failure: prepare", broker_event(&broker, 'p').code, VSS_S_OK);
        answer = broker_event(&broker, 'f');
        expect_int("failure: the others freeze", answer.code, VSS_S_OK);
        expect_int("failure: one component failed", answer.n_failed, 1);
        expect_str("failure: what it wrote is told", answer.failure,
                   "bad: Freeze= ended with status 3: the disk is full");
        expect_true("failure: half a freeze is thawed", gone_within("bad/frozen", USEC_PER_SEC));
        expect_int("failure: thaw", broker_event(&broker, 't').code, VSS_S_OK);

        write_dropin("good", "", "Prepare=/bin/sleep 60\nTimeout=1\n");
        write_dropin("bad", "", "Prepare=/nonexistent/program\n");
        answer = broker_event(&broker, 'p');
        expect_true("failure: all fail, so the event does", answer.code < 0);
        expect_int("failure: both components", answer.n_failed, 2);
        clear_dropins();

        write_dropin("app", "", "Hold=/bin/sh -c 'echo READY; sleep 0.1; echo I am off; exit 1'\n");
        expect_int("lost hold: prepare", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("lost hold: freeze", broker_event(&broker, 'f').code, VSS_S_OK);
        (void)usleep(300000);
        answer = broker_event(&broker, 't');
        expect_int("lost hold: thaw tells", answer.code, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT);
        expect_true("lost hold: with its words", strstr(answer.message, "I am off") != NULL);

        expect_int("others' end: prepare", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("others' end: their backup is complete", broker_event(&broker, 'c').code, VSS_S_OK);
        expect_int("others' end: freeze goes on", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_int("others' end: abort", broker_event(&broker, 'a').code, VSS_S_OK);

        write_dropin("app", "",
                     "PostSnapshot=/bin/sh -c 'echo no space; exit 1'\nBackupComplete=/bin/true\n");
        answer = broker_event(&broker, 's');
        expect_true("after the snapshot: a failure has its words",
                    answer.code < 0 && strstr(answer.message, "no space"));
        expect_int("backup complete", broker_event(&broker, 'c').code, VSS_S_OK);
        broker_end(&broker, 0);
        clear_dropins();
}

/* One order for all: asked, stopped; started, told. */
static void test_restore(void) {
        char script[1024];
        Broker broker;
        Answer answer;

        (void)snprintf(script, sizeof(script),
                       "PreRestore=/bin/sh -c 'echo $VSS_PHASE $(id -u) >> %s/order'\n"
                       "PostRestore=/bin/sh -c 'echo $VSS_PHASE $VSS_RESTORED >> %s/order'\n",
                       directory, directory);
        must("touch %s/order; chmod 0666 %s/order", directory, directory);
        write_dropin("app", "RestoreUnit=app.service\n", script);
        write_dropin("bad", "RestoreUnit=bad.service\n", "PreRestore=/bin/sh -c 'echo no way; exit 1'\n");
        broker = broker_start();
        answer = broker_event(&broker, '<');
        expect_int("restore: before", answer.code, VSS_S_OK);
        expect_str("restore: its unit is stopped, and nobody else's", answer.units, "-app.service ");
        answer = broker_event(&broker, '>');
        expect_int("restore: after", answer.code, VSS_S_OK);
        expect_str("restore: and started", answer.units, "+app.service ");
        must("printf 'pre-restore %u\\npost-restore all\\n' | cmp - %s/order", (unsigned)user->pw_uid,
             directory);
        expect_true("restore: asked, and told", true);
        broker_end(&broker, 0);

        (void)snprintf(selected, sizeof(selected), "both");
        broker = broker_start();
        answer = broker_event(&broker, '<');
        expect_int("restore: one refuses", answer.code, VSS_S_OK);
        expect_int("restore: its component failed", answer.n_failed, 1);
        expect_str("restore: with its words", answer.failure,
                   "bad: PreRestore= ended with status 1: no way");
        expect_str("restore: for people too", answer.restore_failure, answer.failure);
        expect_str("restore: and its unit goes on", answer.units, "-app.service ");
        broker_end(&broker, 0);

        (void)snprintf(selected, sizeof(selected), "bad");
        broker = broker_start();
        expect_int("restore: all refuse, so the event fails", broker_event(&broker, '<').code,
                   VSS_E_WRITERERROR_NONRETRYABLE);
        broker_end(&broker, 0);

        (void)snprintf(selected, sizeof(selected), "app");
        unit_result = VSS_E_OBJECT_NOT_FOUND;
        broker = broker_start();
        answer = broker_event(&broker, '<');
        expect_str("restore: a unit that cannot be stopped", answer.failure,
                   "app: app.service could not be stopped: app.service: no");
        expect_int("restore: fails", answer.code, VSS_E_WRITERERROR_NONRETRYABLE);
        broker_end(&broker, 0);

        unit_result = VSS_E_WRITERERROR_TIMEOUT;
        must("cp /dev/null %s/order", directory);
        broker = broker_start();
        answer = broker_event(&broker, '>');
        expect_int("restore: one that hangs is given up", answer.code, VSS_E_WRITERERROR_TIMEOUT);
        must("test ! -s %s/order", directory);
        expect_true("restore: what does not run is told nothing", true);
        broker_end(&broker, 0);
        unit_result = VSS_S_OK;
        clear_dropins();
}

/* A held command that does not listen is ended all the same. */
static void test_stubborn(void) {
        char script[1024];
        Broker broker = broker_start();

        (void)snprintf(script, sizeof(script),
                       "Hold=/bin/sh -c 'cd %s/app; touch held; trap \"rm held; exit 0\" TERM; echo READY; "
                       "while :; do sleep 0.05; done'\n",
                       directory);
        write_dropin("app", "", script);
        expect_int("stubborn: prepare", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("stubborn: freeze", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_true("stubborn: held", there_is("app/held"));
        expect_int("stubborn: SIGTERM is understood", broker_event(&broker, 't').code, VSS_S_OK);
        expect_true("stubborn: let go", !there_is("app/held"));

        write_dropin("app", "",
                     "Hold=/bin/sh -c 'trap : TERM; echo READY; while :; do sleep 0.05; done'\nTimeout=2\n");
        expect_int("deaf: prepare", broker_event(&broker, 'p').code, VSS_S_OK);
        expect_int("deaf: freeze", broker_event(&broker, 'f').code, VSS_S_OK);
        expect_int("deaf: killed, and told", broker_event(&broker, 't').code, VSS_E_WRITERERROR_TIMEOUT);
        broker_end(&broker, 0);
        clear_dropins();
}

int main(void) {
        if (geteuid() != 0) {
                printf("ok 1 # SKIP needs root\n1..1\n");
                return 0;
        }
        user = getpwnam("games");
        if (!user) {
                printf("ok 1 # SKIP there is no user games\n1..1\n");
                return 0;
        }
        if (!mkdtemp(conf_directory) || !mkdtemp(directory) || chmod(directory, 0755) < 0)
                return 1;
        test_identify();
        test_hold();
        test_pair();
        test_failures();
        test_stubborn();
        test_restore();
        must("rm -r %s %s", conf_directory, directory);
        return test_end();
}
