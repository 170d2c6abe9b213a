/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * --host with a repository on this side
 *
 * It is opened, and its password is had, before anything is begun on the other machine.
 */

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "repository/crypto.h"
#include "repository/serve.h"
#include "util/clock.h"
#include "util/conf.h"
#include "vss/here.h"
#include "vss/repository.h"

/* That work on requests: enough to write packs beside each other, and to read ahead of who is far away. */
#define THREADS 8u
/* What has arrived is written, and locks are removed. */
#define END_USEC (60 * USEC_PER_SEC)
#define POLL_MS 10

/* What each verb needs to do in a repository, and the other machine may do. */
static const struct {
        const char *verb;
        ServeRights rights;
} verbs[] = {
#define LOCK SERVE_KIND(STORE_LOCK)
        { "backup",
          { .sweep = true,
            .saves = LOCK | SERVE_KIND(STORE_PACK) | SERVE_KIND(STORE_INDEX) | SERVE_KIND(STORE_SNAPSHOT),
            .removes = LOCK } },
        { "restore", { .saves = LOCK, .removes = LOCK } },
        { "points", { .saves = LOCK, .removes = LOCK } },
        { "ls", { .saves = LOCK, .removes = LOCK } },
        { "diff", { .saves = LOCK, .removes = LOCK } },
        { "verify", { .saves = LOCK, .removes = LOCK } },
        { "forget", { .saves = LOCK, .removes = LOCK | SERVE_KIND(STORE_SNAPSHOT) } },
        { "key", { .saves = LOCK | SERVE_KIND(STORE_KEY), .removes = LOCK | SERVE_KIND(STORE_KEY) } },
#undef LOCK
};

static const ServeRights *find_rights(const char *verb) {
        FOREACH_ELEMENT (entry, verbs)
                if (strcmp(entry->verb, verb) == 0)
                        return &entry->rights;
        return NULL;
}

bool here_knows(const Verb *verb) {
        return find_rights(verb->name);
}

/* ---- words ---- */

/* An option whose value is @value, in one word or in two: what it names is on this side. */
static void drop_option(const char **words, const char *value) {
        const char **to = words;

        if (!value)
                return;
        for (const char **from = words; *from; from++) {
                const char *word = *from;

                if (value == word && to > words)
                        to--;
                else if (!(value > word && value <= word + strlen(word)))
                        *to++ = word;
        }
        *to = NULL;
}

/* The variable is one of this side. */
static int add_repository(Cli *cli, const char *location) {
        size_t n = 0;

        while (cli->words[n])
                n++;
        /* There is room for it: main(). */
        memmove(cli->words + 3, cli->words + 1, n * sizeof(*cli->words));
        cli->words[1] = "--repository";
        cli->words[2] = location;
        return EXIT_DONE;
}

/* Without an option for it, a word is a repository: of vss init, or of nothing. */
static int check_words(Cli *cli) {
        for (const char **word = cli->words; *word && strcmp(*word, "--") != 0; word++)
                if (backend_here(*word))
                        return cli_usage(cli, "'%s' is on this machine: there it needs no --host", *word);
        return EXIT_DONE;
}

/* ---- the repository ---- */

static int open_repository(Cli *cli, const char *location, Backend **ret_backend) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        _cleanup_words_ char **words = NULL;
        ConfError error = {};
        uint64_t size;
        Why why = {};
        int r = 0;

        if (cli->own.sftp_command && conf_words(cli->own.sftp_command, &error, &words) < 0)
                return cli_usage(cli, "'%s': %s", cli->own.sftp_command, error.message);
        r = backend_open(location, (const char *const *)words, false, &why, &backend);
        if (r == 0)
                r = backend->ops->size(backend, STORE_CONFIG, NULL, &size, &why);
        if (r == -ENOENT)
                (void)repo_fail(&why, r, "%s: there is no repository.", location);
        if (r < 0)
                return cli_fail_repository(cli, r, &why);
        *ret_backend = TAKE_PTR(backend);
        return EXIT_DONE;
}

static int get_password(Cli *cli, char **ret_password) {
        RepoArgs args = { .password_file = cli->own.password_file,
                          .password_command = cli->own.password_command };
        Why why = {};
        int r;

        if (args.password_file && args.password_command)
                return cli_usage(cli, "--password-file and --password-command exclude each other");
        r = cli_get_password(&args, ret_password, &why);
        return r < 0 ? cli_fail_repository(cli, r, &why) : EXIT_DONE;
}

/* Signals were noted, and are not looked at here: what the verb does at its end has to arrive. */
static _Noreturn void serve(Backend *backend, const ServeRights *rights, int fd) {
        const ServeOptions options = { .rights = *rights, .threads = THREADS };
        Why why = {};
        int r = serve_backend(backend, fd, &options, &why);

        (void)close(fd);
        (void)backend_free(backend);
        /* A link that is lost is told by who has it. */
        if (r < 0 && r != -ENOTCONN)
                cli_note("%s", why.text);
        _exit(r < 0 ? EXIT_FAILED : EXIT_DONE);
}

static int start_child(Cli *cli, const ServeRights *rights, Here *here) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return cli_error(cli, VSS_E_UNEXPECTED, NULL, "no socket can be made: %s", strerror(errno));
        (void)fflush(NULL);
        here->child = fork();
        if (here->child == 0) {
                (void)close(pair[0]);
                serve(here->backend, rights, pair[1]);
        }
        (void)close(pair[1]);
        here->fd = pair[0];
        return here->child < 0 ? cli_error(cli, VSS_E_UNEXPECTED, NULL, "no process can be made: %s",
                                           strerror(errno))
                               : EXIT_DONE;
}

int here_begin(Cli *cli, Here *ret_here) {
        const char *location = cli->own.repository ?: getenv("VSS_REPOSITORY"),
                   *place = location ? backend_here(location) : NULL;
        const ServeRights *rights = find_rights(cli->verb->name);
        int status;

        if (!rights)
                return check_words(cli);
        if (!place)
                return EXIT_DONE;
        if (cli->own.repeated)
                return cli_usage(cli, "an option of the repository is given twice");
        if (!*place)
                return cli_usage(cli, "'%s': which repository of this machine?", location);
        status = open_repository(cli, place, &ret_here->backend);
        if (status == EXIT_DONE)
                status = get_password(cli, &ret_here->password);
        if (status == EXIT_DONE)
                status = start_child(cli, rights, ret_here);
        if (status != EXIT_DONE)
                return status;
        drop_option(cli->words, cli->own.password_file);
        drop_option(cli->words, cli->own.password_command);
        drop_option(cli->words, cli->own.sftp_command);
        return cli->own.repository ? EXIT_DONE : add_repository(cli, location);
}

void here_end(Here *here) {
        uint64_t until = now_usec() + END_USEC;

        closep(&here->fd);
        here->fd = -1;
        while (here->child > 0 && waitpid(here->child, NULL, WNOHANG) == 0) {
                if (now_usec() > until)
                        (void)kill(here->child, SIGKILL);
                (void)poll(NULL, 0, POLL_MS);
        }
        here->child = 0;
        here->backend = backend_free(here->backend);
        if (here->password)
                crypto_forget(here->password, strlen(here->password));
        free(here->password);
        here->password = NULL;
}
