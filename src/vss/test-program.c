/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: the program against a scripted service on a message bus of its own
 *
 * The service answers every call well, keeps one volume and one shadow copy, both in memory, and writes down
 * which calls came. So the order of the contract, the view, exit statuses, signals and the death of the
 * service are tested without a provider. Everything is mounted in a namespace of the test's own. Needs root.
 */

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"

#define SESSION_PATH "/org/linuxvss/session/1"
#define SET_ID "00000000-0000-4000-8000-00000000000a"
#define SNAPSHOT_ID "00000000-0000-4000-8000-00000000000b"
#define WAIT_USEC (10 * USEC_PER_SEC)

static char base[] = "/tmp/vss-program-XXXXXX";
static const char *program;
static bool leave_out;

static const char *at(const char *name) {
        static char paths[8][256];
        static unsigned next;
        char *path = paths[next++ % ELEMENTS(paths)];

        (void)snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
        return path;
}

static void must(const char *what, bool ok) {
        if (ok)
                return;
        printf("Bail out! %s: %s\n", what, strerror(errno));
        exit(1);
}

static void append_file(const char *path, const char *text) {
        FILE *file = fopen(path, "ae");

        must(path, file && fputs(text, file) >= 0);
        must(path, fclose(file) == 0);
}

static bool file_has(const char *path, const char *text) {
        char content[16384] = "";
        FILE *file = fopen(path, "re");
        size_t n;

        if (!file)
                return false;
        n = fread(content, 1, sizeof(content) - 1, file);
        content[n] = '\0';
        (void)fclose(file);
        return strstr(content, text) != NULL;
}

/* The scripted service */

static int append_plan(sd_bus_message *m) {
        int r = sd_bus_message_append(m, "a{sv}", 2, "volumes", "aa{sv}", 1, 6, "path", "s", at("srv"),
                                      "mount-point", "s", at("srv"), "below", "s", "", "supported", "b", 1,
                                      "nested", "b", 0, "level", "s", "volume", "left-out", "aa{sv}",
                                      leave_out ? 1 : 0, 2, "path", "s", at("srv/out"), "reason", "s",
                                      "tmpfs");

        return r;
}

static int append_set(sd_bus_message *m) {
        return sd_bus_message_append(m, "a{sv}", 3, "set", "s", SET_ID, "level", "s", "volume", "snapshots",
                                     "aa{sv}", 1, 3, "id", "s", SNAPSHOT_ID, "volume", "s", at("srv"),
                                     "device-object", "s", at("copy"));
}

static int append_result(sd_bus_message *m, const char *member) {
        if (strcmp(member, "Plan") == 0)
                return append_plan(m);
        if (strcmp(member, "DoSnapshotSet") == 0)
                return append_set(m);
        if (strcmp(member, "AddToSnapshotSet") == 0)
                return sd_bus_message_append(m, "a{sv}", 1, "snapshot", "s", SNAPSHOT_ID);
        return sd_bus_message_append(m, "a{sv}", 0);
}

static int answer_job(sd_bus_message *call, const char *member) {
        static unsigned number;
        char path[64];
        sd_bus_message *m = NULL;
        int r;

        (void)snprintf(path, sizeof(path), "/org/linuxvss/job/%u", ++number);
        r = sd_bus_reply_method_return(call, "o", path);
        if (r >= 0)
                r = sd_bus_message_new_signal(sd_bus_message_get_bus(call), &m, path, "org.linuxvss.Job1",
                                              "Done");
        if (r >= 0)
                r = sd_bus_message_set_destination(m, sd_bus_message_get_sender(call));
        if (r >= 0)
                r = sd_bus_message_append(m, "iss", 0, "", "");
        if (r >= 0)
                r = append_result(m, member);
        if (r >= 0)
                r = sd_bus_send(NULL, m, NULL);
        sd_bus_message_unref(m);
        return r < 0 ? r : 1;
}

static int answer_mount(sd_bus_message *call) {
        int r, fd = open_tree(AT_FDCWD, at("copy"), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };

        if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return -errno;
        r = sd_bus_reply_method_return(call, "h", fd);
        (void)close(fd);
        return r < 0 ? r : 1;
}

static int on_call(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        static const char *const jobs[] = { "Plan",           "GatherWriterMetadata", "AddToSnapshotSet",
                                            "DoSnapshotSet",  "PrepareForBackup",     "BackupComplete",
                                            "ExposeSnapshot", "GatherWriterStatus",   "AbortBackup" };
        const char *member = sd_bus_message_get_member(call),
                   *destination = sd_bus_message_get_destination(call);

        if (!sd_bus_message_is_method_call(call, NULL, NULL) || !destination)
                return 0;
        append_file(at("log"), member);
        append_file(at("log"), " ");
        FOREACH_ELEMENT (job, jobs)
                if (strcmp(*job, member) == 0)
                        return answer_job(call, member);
        if (strcmp(member, "CreateSession") == 0)
                return sd_bus_reply_method_return(call, "oss", SESSION_PATH, "session-id", "token");
        if (strcmp(member, "StartSnapshotSet") == 0)
                return sd_bus_reply_method_return(call, "s", SET_ID);
        if (strcmp(member, "OpenSnapshot") == 0)
                return answer_mount(call);
        if (strcmp(member, "GetSnapshotProperties") == 0)
                return sd_bus_reply_method_return(call, "a{sv}", 0);
        return sd_bus_reply_method_return(call, NULL);
}

static pid_t start_service(void) {
        pid_t pid;
        int ready[2];
        char byte;

        must("pipe", pipe2(ready, O_CLOEXEC) == 0);
        (void)fflush(stdout);
        pid = fork();
        must("fork", pid >= 0);
        if (pid == 0) {
                sd_bus *bus = NULL;

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                must("bus", sd_bus_open_system(&bus) >= 0);
                must("filter", sd_bus_add_filter(bus, NULL, on_call, NULL) >= 0);
                must("name", sd_bus_request_name(bus, "org.linuxvss", 0) >= 0);
                must("ready", write(ready[1], "", 1) == 1);
                for (;;) {
                        int r = sd_bus_process(bus, NULL);

                        if (r == 0)
                                r = sd_bus_wait(bus, UINT64_MAX);
                        if (r < 0 && r != -EINTR)
                                _exit(1);
                }
        }
        (void)close(ready[1]);
        must("the scripted service", read(ready[0], &byte, 1) == 1);
        (void)close(ready[0]);
        return pid;
}

static pid_t start_bus(void) {
        FILE *config = fopen(at("bus.conf"), "we");
        int ready[2];
        char byte;
        pid_t pid;

        must("bus.conf", config != NULL);
        fprintf(config,
                "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
                " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                "<busconfig><type>system</type><listen>unix:path=%s</listen><policy context=\"default\">"
                "<allow send_destination=\"*\" eavesdrop=\"false\"/><allow receive_type=\"method_call\"/>"
                "<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>"
                "<allow receive_type=\"signal\"/><allow send_type=\"signal\"/><allow own=\"*\"/>"
                "<allow user=\"*\"/></policy></busconfig>\n",
                at("socket"));
        must("bus.conf", fclose(config) == 0);
        must("pipe", pipe2(ready, O_CLOEXEC) == 0);
        (void)fflush(stdout);
        pid = fork();
        must("fork", pid >= 0);
        if (pid == 0) {
                char argument[300], print[32];

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)snprintf(argument, sizeof(argument), "--config-file=%s", at("bus.conf"));
                (void)snprintf(print, sizeof(print), "--print-address=%d", ready[1]);
                (void)fcntl(ready[1], F_SETFD, 0);
                (void)execlp("dbus-daemon", "dbus-daemon", argument, "--nofork", print, NULL);
                _exit(127);
        }
        (void)close(ready[1]);
        if (read(ready[0], &byte, 1) != 1) {
                printf("1..0 # SKIP no dbus-daemon\n");
                exit(0);
        }
        (void)close(ready[0]);
        return pid;
}

/* The program */

static pid_t start(const char *const *argv) {
        pid_t pid;

        (void)unlink(at("log"));
        (void)unlink(at("out"));
        (void)unlink(at("err"));
        (void)fflush(stdout);
        pid = fork();
        must("fork", pid >= 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
                if (freopen(at("out"), "w", stdout) && freopen(at("err"), "w", stderr) &&
                    chdir(at("srv")) == 0)
                        (void)execv(program, (char *const *)argv);
                _exit(99);
        }
        return pid;
}

static int finish(pid_t pid) {
        uint64_t deadline = now_usec() + WAIT_USEC;
        int status = -1;

        while (waitpid(pid, &status, WNOHANG) == 0) {
                if (now_usec() > deadline) {
                        printf("# it did not end\n");
                        (void)kill(pid, SIGKILL);
                        (void)waitpid(pid, &status, 0);
                        return -1;
                }
                (void)usleep(5000);
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool wait_for(const char *name) {
        uint64_t deadline = now_usec() + WAIT_USEC;

        while (access(at(name), F_OK) < 0) {
                if (now_usec() > deadline)
                        return false;
                (void)usleep(5000);
        }
        return true;
}

static void test_exec(void) {
        const struct {
                const char *label, *script;
                int want;
                const char *want_out;
        } rows[] = {
                { "the shadow copy is read at the original path", "cat file; pwd", 0, "shadow" },
                { "the status is passed on", "exit 7", 7, "" },
                { "a signal of the command", "kill -KILL $$", 137, "" },
                { "nothing can be written", "! echo x 2>/dev/null >file", 0, "" },
                { "the environment", "echo $VSS_SET_ID $VSS_SHADOW_COUNT", 0, SET_ID " 1" },
                { "no such command in the shell", "nosuchcommand 2>/dev/null", 127, "" },
        };
        const char *srv = strdup(at("srv"));

        FOREACH_ELEMENT (row, rows) {
                const char *argv[] = { "vss", "exec", srv, "--", "sh", "-c", row->script, NULL };

                expect_int(row->label, finish(start(argv)), row->want);
                expect_true(row->label, file_has(at("out"), row->want_out));
                expect_true("the order of the contract",
                            file_has(at("log"),
                                     "CreateSession InitializeForBackup SetContext SetBackupState "
                                     "GatherWriterMetadata Plan StartSnapshotSet AddToSnapshotSet "
                                     "PrepareForBackup DoSnapshotSet OpenSnapshot"));
                expect_true("the end of the contract",
                            file_has(at("log"),
                                     row->want == 0 ? "BackupComplete Release" : "AbortBackup Release"));
        }
        free((char *)srv);
}

static void test_exec_left_out(void) {
        const char *srv = strdup(at("srv"));
        const char *argv[] = { "vss", "exec", srv, "--", "sh", "-c", "ls -A out; ! cat out/file 2>/dev/null",
                               NULL };

        expect_int("what is left out is empty, and told", finish(start(argv)), 3);
        expect_true("nothing live is seen", !file_has(at("out"), "file"));
        expect_true("it is named", file_has(at("err"), "left out"));
        free((char *)srv);
}

static void test_exec_descendants(void) {
        const char *srv = strdup(at("srv"));
        char script[600];
        const char *argv[] = { "vss", "exec", srv, "--", "sh", "-c", script, NULL };

        (void)unlink(at("late"));
        (void)snprintf(script, sizeof(script), "(setsid sh -c 'sleep 0.3; cat %s/file > %s' &) ; exit 0",
                       srv, at("late"));
        expect_int("what the command leaves behind is waited for", finish(start(argv)), 0);
        expect_true("and still reads the shadow copy", file_has(at("late"), "shadow"));
        free((char *)srv);
}

/* A command that counts a signal, gives a second one time to come, and ends. */
static const char *count_signal(const char *name, char *script, size_t size) {
        (void)unlink(at("begun"));
        (void)unlink(at("signals"));
        (void)snprintf(script, size,
                       "trap 'echo got >> %s' %s; touch %s; while [ ! -s %s ]; do sleep 0.05; done; sleep "
                       "0.3; exit 5",
                       at("signals"), name, at("begun"), at("signals"));
        return script;
}

static void test_exec_signals(void) {
        const char *srv = strdup(at("srv"));
        char script[1200];
        const char *argv[] = {
                "vss", "exec", srv, "--", "sh", "-c", count_signal("TERM", script, sizeof(script)), NULL
        };
        pid_t pid;

        pid = start(argv);
        expect_true("the command runs", wait_for("begun"));
        (void)kill(pid, SIGTERM);
        expect_int("a signal is handed on", finish(pid), 5);
        expect_true("once", file_has(at("signals"), "got\n") && !file_has(at("signals"), "got\ngot"));
        expect_true("and the session is ended", file_has(at("log"), "AbortBackup Release"));
        free((char *)srv);
}

/* An interrupt character goes to the whole foreground group: the command has it without our help. */
static void test_exec_terminal(void) {
        const char *srv = strdup(at("srv"));
        char script[1200];
        const char *argv[] = {
                "vss", "exec", srv, "--", "sh", "-c", count_signal("INT", script, sizeof(script)), NULL
        };
        pid_t pid;
        int terminal;

        (void)fflush(stdout);
        pid = forkpty(&terminal, NULL, NULL, NULL);
        must("forkpty", pid >= 0);
        if (pid == 0) {
                (void)execv(program, (char *const *)argv);
                _exit(99);
        }
        expect_true("the command runs on a terminal", wait_for("begun"));
        must("terminal", write(terminal, "\003", 1) == 1);
        expect_int("the terminal's interrupt", finish(pid), 5);
        expect_true("comes once", file_has(at("signals"), "got\n") && !file_has(at("signals"), "got\ngot"));
        (void)close(terminal);
        free((char *)srv);
}

static void test_exec_death(pid_t *service) {
        const char *srv = strdup(at("srv"));
        char script[600];
        const char *argv[] = { "vss", "exec", srv, "--", "sh", "-c", script, NULL };
        pid_t pid;

        (void)unlink(at("begun"));
        (void)snprintf(script, sizeof(script), "touch %s; sleep 1; exit 0", at("begun"));
        pid = start(argv);
        expect_true("the command runs", wait_for("begun"));
        (void)kill(*service, SIGKILL);
        (void)waitpid(*service, NULL, 0);
        expect_int("the service dies", finish(pid), 1);
        expect_true("it is told while the command runs", file_has(at("err"), "LOST while"));
        *service = start_service();
        free((char *)srv);
}

static void test_create(void) {
        const char *srv = strdup(at("srv"));
        const struct {
                const char *label, *argv[8];
                int want;
                const char *want_out, *want_log;
        } rows[] = {
                { "create",
                  { "vss", "create", srv },
                  0,
                  "crash-consistent",
                  "DoSnapshotSet BackupComplete Release" },
                { "create --json",
                  { "vss", "create", "--json", srv },
                  0,
                  "\"set\": \"" SET_ID "\"",
                  "Release" },
                { "create --keep",
                  { "vss", "create", "--keep", "60", srv },
                  0,
                  "vss complete token",
                  "DoSnapshotSet " },
                { "relative paths", { "vss", "create", "." }, 0, "crash-consistent", "Plan" },
                { "a mistyped path", { "vss", "create", "/srrv" }, 1, "", "" },
        };

        FOREACH_ELEMENT (row, rows) {
                expect_int(row->label, finish(start(row->argv)), row->want);
                expect_true(row->label, file_has(at("out"), row->want_out));
                expect_true(row->label, !*row->want_log || file_has(at("log"), row->want_log));
        }
        free((char *)srv);
}

static void make_volumes(void) {
        static const char *const names[] = { "srv", "copy" };

        FOREACH_ELEMENT (name, names) {
                must(*name, mkdir(at(*name), 0755) == 0);
                must(*name, mount("tmpfs", at(*name), "tmpfs", 0, NULL) == 0);
        }
        append_file(at("srv/file"), "live\n");
        append_file(at("copy/file"), "shadow\n");
        must("out", mkdir(at("srv/out"), 0755) == 0 && mkdir(at("copy/out"), 0755) == 0);
        append_file(at("copy/out/file"), "hidden in the copy\n");
        must("out", mount("tmpfs", at("srv/out"), "tmpfs", 0, NULL) == 0);
        append_file(at("srv/out/file"), "live\n");
}

int main(int argc, char **argv) {
        char address[300];
        pid_t bus, service;

        program = realpath(argc > 1 ? argv[1] : "/usr/bin/vss", NULL);
        must("the program", program != NULL);
        if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                printf("1..1\nok 1 # SKIP needs root and mount namespaces\n");
                return 0;
        }
        must("mkdtemp", mkdtemp(base) != NULL);
        must("tmpfs", mount("tmpfs", base, "tmpfs", 0, NULL) == 0);
        make_volumes();
        bus = start_bus();
        (void)snprintf(address, sizeof(address), "unix:path=%s", at("socket"));
        must("environment", setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1) == 0);
        service = start_service();

        test_create();
        test_exec();
        test_exec_descendants();
        test_exec_signals();
        test_exec_terminal();
        test_exec_death(&service);

        (void)kill(service, SIGKILL);
        (void)waitpid(service, NULL, 0);
        leave_out = true;
        service = start_service();
        test_exec_left_out();

        (void)kill(service, SIGKILL);
        (void)waitpid(service, NULL, 0);
        (void)kill(bus, SIGTERM);
        (void)waitpid(bus, NULL, 0);
        must("umount", umount2(base, MNT_DETACH) == 0);
        must("rmdir", rmdir(base) == 0);
        return test_end();
}
