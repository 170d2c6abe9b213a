/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss transport: a backup whose files are read by another machine
 *
 * The other machine is called first, while nothing is at stake. The set is made here, with the writers here.
 * The documents go there, where `vss exec --import` makes the copies its own, runs the command, and deletes
 * them. What it says of the components is what the writers here are told, and only then: until there is an
 * answer, the session waits. No answer is a failure.
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "vss/backup.h"
#include "vss/host.h"
#include "vss/json.h"
#include "vss/report.h"
#include "vss/verb.h"

#define ANSWER_MAX (16u << 20)

typedef struct Transport {
        Cli *cli;
        Backup backup;
        const char *to;
        MetadataFile *files;
        size_t n_files;
        int channel[2];    /* the answer comes out of the second */
        int memory;        /* and is kept here */
        vss_value *answer; /* NULL: there is none */
        bool ending;       /* the writers are being told that the backup is complete */
} Transport;

static void transport_clear(Transport *t) {
        metadata_free_files(t->files, t->n_files);
        closep(&t->channel[0]);
        closep(&t->channel[1]);
        closep(&t->memory);
        vss_value_free(t->answer);
        backup_clear(&t->backup);
}

/* ---- the other machine ---- */

/*
 * A process of its own, into a file in memory: this one is busy with the link, and the verb there must not
 * wait for us.
 */
static void __attribute__((__noreturn__)) keep_answer(int from, int to) {
        char piece[4096];
        size_t size = 0;
        ssize_t n;

        while ((n = read(from, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR)) {
                if (n < 0 || size + (size_t)n > ANSWER_MAX)
                        continue;
                if (write(to, piece, (size_t)n) != n)
                        _exit(1);
                size += (size_t)n;
        }
        _exit(0);
}

static int start_keeper(Transport *t, pid_t *ret_pid) {
        t->memory = memfd_create("answer", MFD_CLOEXEC);
        if (t->memory < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t->channel) < 0)
                return cli_error(t->cli, VSS_E_UNEXPECTED, NULL, "no socket can be made: %s",
                                 strerror(errno));
        (void)fflush(NULL);
        *ret_pid = fork();
        if (*ret_pid < 0)
                return cli_error(t->cli, VSS_E_UNEXPECTED, NULL, "no process can be made: %s",
                                 strerror(errno));
        if (*ret_pid == 0) {
                /* It ends with the channel, not with the signals of a terminal. */
                (void)signal(SIGINT, SIG_IGN);
                (void)signal(SIGTERM, SIG_IGN);
                (void)signal(SIGHUP, SIG_IGN);
                closep(&t->channel[0]);
                keep_answer(t->channel[1], t->memory);
        }
        return EXIT_DONE;
}

/* A name that is wrong, a machine that is down or without its service: before anything is frozen here. */
static int reach(const Transport *t) {
        char *argv[] = { "list", "providers", NULL };
        _cleanup_(closep) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        HostRun run = HOST_RUN_INIT;
        int status, ended = EXIT_FAILED;

        if (null_fd < 0)
                return cli_error(t->cli, VSS_E_UNEXPECTED, NULL, "/dev/null: %s", strerror(errno));
        run.host = t->to;
        run.command = t->cli->host_command;
        run.argv = argv;
        run.stdin_fd = null_fd;
        run.stdout_fd = null_fd;
        status = host_run(t->cli, &run, &ended);
        /* One whose provider does not answer may have the right one. */
        return status != EXIT_DONE || ended == EXIT_PARTLY ? status : ended;
}

static int pack_documents(Transport *t) {
        _cleanup_(metadata_clear) Metadata metadata = {};
        int status = backup_take_documents(&t->backup, &metadata);

        return status == EXIT_DONE ? metadata_pack(t->cli, &metadata, &t->files, &t->n_files) : status;
}

static int run_there(Transport *t, char **argv, const HostFile *files, int *ret_status) {
        HostRun run = HOST_RUN_INIT;
        pid_t keeper = -1;
        int status = start_keeper(t, &keeper);

        if (status != EXIT_DONE)
                return status;
        run.host = t->to;
        run.command = t->cli->host_command;
        run.argv = argv;
        run.files = files;
        run.n_files = t->n_files;
        run.channel_fd = t->channel[0];
        status = host_run(t->cli, &run, ret_status);
        (void)shutdown(t->channel[0], SHUT_RDWR);
        while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
                ;
        return status;
}

static int import_there(Transport *t, int argc, char **argv, int *ret_status) {
        static const char *const words[] = { "exec", "--import", HOST_FILES, "--" };
        _cleanup_(freep) char **all = calloc(ELEMENTS(words) + (size_t)argc + 1, sizeof(*all));
        _cleanup_(freep) HostFile *files = calloc(t->n_files, sizeof(*files));

        if (!all || !files)
                return cli_out_of_memory(t->cli);
        for (size_t i = 0; i < ELEMENTS(words); i++)
                all[i] = (char *)words[i];
        for (int i = 0; i < argc; i++)
                all[ELEMENTS(words) + (size_t)i] = argv[i];
        for (size_t i = 0; i < t->n_files; i++)
                files[i] = (HostFile){ t->files[i].name, t->files[i].text, t->files[i].size };
        return run_there(t, all, files, ret_status);
}

static int read_answer(const Transport *t, vss_value **ret_answer) {
        struct stat st;
        char *text;
        int r = -ENODATA;

        if (fstat(t->memory, &st) < 0 || st.st_size == 0)
                return r;
        text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, t->memory, 0);
        if (text == MAP_FAILED)
                return -errno;
        r = json_to_value(text, (size_t)st.st_size, ret_answer);
        (void)munmap(text, (size_t)st.st_size);
        return r;
}

/* Of our set, and of nothing else. */
static int take_answer(Transport *t) {
        _cleanup_value_ vss_value *answer = NULL;

        if (read_answer(t, &answer) < 0 || strcmp(vss_value_get_string(answer, "set", ""),
                                                  vss_value_get_string(t->backup.set, "set", "-")) != 0)
                return cli_error_remedy(t->cli, VSS_E_UNEXPECTED, t->to,
                                        "See its messages above; then run it again.",
                                        "it did not say how the backup went");
        t->answer = TAKE_PTR(answer);
        return EXIT_DONE;
}

/* ---- the end ---- */

static bool succeeded_there(const Transport *t, const Chosen *chosen) {
        const vss_value *components = vss_value_get(t->answer, "components");

        for (size_t i = 0; i < vss_value_count(components); i++) {
                const vss_value *c = vss_value_at(components, i);

                if (strcmp(vss_value_get_string(c, "writer", ""), chosen->writer) == 0 &&
                    strcmp(vss_value_get_string(c, "logical-path", ""), chosen->logical_path) == 0 &&
                    strcmp(vss_value_get_string(c, "name", ""), chosen->name) == 0)
                        return vss_value_get_boolean(c, "succeeded", false);
        }
        return false;
}

/* The other machine has finished: each component, and then that the backup is complete. */
static int complete(Transport *t) {
        Backup *b = &t->backup;

        for (size_t i = 0; i < b->selection.n; i++) {
                const Chosen *c = &b->selection.items[i];
                bool well = succeeded_there(t, c) &&
                            !report_component_failed(b->set, c->writer, c->logical_path, c->name);
                int status;

                b->below_promise |= !well;
                status = backup_set_succeeded(b, c->writer, c->logical_path, c->name, well);
                if (status != EXIT_DONE)
                        return status;
        }
        t->ending = true;
        return backup_end(b);
}

/* What the other machine could not delete, or never knew of. The link may be down, so what it still has of
 * them is of no more use to anybody. */
static void delete_copies(Transport *t) {
        _cleanup_value_ vss_value *selection = vss_value_new_dict();
        _cleanup_async_ vss_async *async = NULL;
        const char *set = vss_value_get_string(t->backup.set, "set", "");
        vss_result r = vss_value_set_string(selection, "set", set);

        if (r >= 0)
                r = vss_service_delete_snapshots(t->cli->service, selection, &async);
        if (r >= 0)
                r = cli_wait_at_end(async);
        if (r != VSS_S_OK || vss_value_count(vss_value_get(vss_async_result(async), "failed")) > 0)
                cli_note("shadow copies of set %s may still be on the storage; see vss list shadows, here "
                         "and on %s",
                         set, t->to);
}

/* Also when this program is being ended. Return: do the writers hear of it? One that fails when it is told
 * is named. */
static bool tell_failure(Transport *t) {
        int status = EXIT_FAILED;

        if (!t->ending && !interrupt_pending() && t->backup.selection.n > 0)
                status = backup_complete(&t->backup, false);
        return status == EXIT_DONE || status == EXIT_PARTLY || session_give_up(t->backup.session) >= 0;
}

static void fail(Transport *t) {
        bool told;

        if (!t->backup.session)
                return;
        told = tell_failure(t);
        backup_release(&t->backup);
        delete_copies(t);
        /* Lost copies are noticed before any writer is told. */
        if (t->ending && !t->cli->copies_lost)
                cli_note("some writers may have been told that the backup is complete, others that it has "
                         "failed");
        else if (told)
                cli_note("the writers were told that the backup has failed");
        else
                cli_note(
                        "the writers could not be told that the backup has failed; none was told that it is "
                        "complete");
}

static int report(Transport *t, int status, int command_status) {
        Cli *cli = t->cli;
        vss_value *set = t->backup.set;

        if (!cli->json)
                return status;
        if (vss_value_set_string(set, "to", t->to) < 0 || vss_value_set_integer(set, "status", status) < 0 ||
            vss_value_set_integer(set, "command-status", command_status) < 0 ||
            (t->answer && vss_value_set(set, "imported", vss_value_copy(t->answer)) < 0))
                return cli_out_of_memory(cli);
        (void)cli_print_json(cli, set, true);
        return status;
}

static int transport(Transport *t, const BackupOptions *o, int argc, char **argv) {
        int ended = EXIT_FAILED, status = reach(t);
        _cleanup_(freep) char *line = NULL;

        if (status == EXIT_DONE)
                status = backup_make(&t->backup, t->cli, o);
        if (status != EXIT_DONE)
                return status;
        line = report_closing_line(t->backup.set);
        if (t->backup.below_promise)
                report_set(stderr, t->backup.set);
        cli_note("%s; for %s", line ?: "out of memory", t->to);
        status = pack_documents(t);
        if (status == EXIT_DONE)
                status = import_there(t, argc, argv, &ended);
        if (status == EXIT_DONE && ended == EXIT_DONE)
                status = take_answer(t);
        else if (status == EXIT_DONE)
                status = ended;
        if (status == EXIT_PARTLY && take_answer(t) == EXIT_DONE &&
            vss_value_get_integer(t->answer, "command-status", -1) == 0) {
                t->backup.below_promise = true;
                status = EXIT_DONE;
        }
        if (status == EXIT_DONE)
                status = complete(t);
        if (status != EXIT_DONE && (!t->ending || status != EXIT_PARTLY)) {
                fail(t);
                return report(t, status, ended);
        }
        backup_release(&t->backup);
        if (t->backup.below_promise)
                status = EXIT_PARTLY;
        cli_note("%s has finished; the writers were told", t->to);
        return report(t, status, ended);
}

static int separator(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--") == 0)
                        return i;
        return argc;
}

int verb_transport(Cli *cli, int argc, char **argv) {
        _cleanup_(backup_options_clear) BackupOptions o = {
                .context = VSS_CTX_BACKUP | VSS_VOLSNAP_ATTR_TRANSPORTABLE,
                .type = VSS_BT_COPY,
        };
        _cleanup_(transport_clear) Transport t = { .cli = cli, .channel = { -1, -1 }, .memory = -1 };
        const Option options[] = {
                BACKUP_OPTIONS(&o),
                OPTION("to", OPTION_TEXT, "[USER@]HOST",
                       "the machine that imports them, and runs the command", &t.to),
        };
        int status = EXIT_DONE, end = separator(argc, argv), index;

        cli->json_stderr = true;
        index = options_parse(cli, options, ELEMENTS(options), end, argv, &status);
        if (index < 0)
                return status;
        for (int i = index; i < end; i++)
                if (strings_add(&o.paths, argv[i]) < 0)
                        return cli_out_of_memory(cli);
        if (!t.to || !host_is_valid(t.to))
                return cli_usage(cli, t.to ? "--to: this is no name of a machine"
                                           : "name the machine that is to read the files: --to HOST");
        if (argc - end < 2)
                return cli_usage(cli, "name the command after '--'");
        if (o.paths.n == 0 && o.writers.n == 0)
                return cli_usage(cli, "name a path, a volume, or a --writer");
        return transport(&t, &o, argc - end - 1, argv + end + 1);
}
