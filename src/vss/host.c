/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A verb on another machine
 *
 * The link is ssh's, or that of a command in its place, in a session of its own: what the terminal sends to
 * this program goes to the verb as a frame, and does not end the link before the verb's end was told.
 */

#include <limits.h>
#include <string.h>
#include <sys/utsname.h>
#include "bridge/relay.h"
#include "config.h"
#include "util/conf.h"
#include "vss/host-link.h"

#define HELLO_USEC (60 * USEC_PER_SEC)
#define GIVE_UP_SIGNALS 3

typedef struct Host {
        Cli *cli;
        const HostRun *run;
        HostLink link;
        HostStreams streams;
        Relay relay;
        bool greeted, ran, exited;
        uint32_t status;
        char *failure; /* what the bridge has said of it */
        struct utsname system;
} Host;

static void host_clear(Host *host) {
        relay_clear(&host->relay);
        host_streams_clear(&host->streams);
        host_link_end(&host->link);
        free(host->failure);
}

bool host_is_valid(const char *host) {
        if (!*host || *host == '-' || strlen(host) > BRIDGE_NAME_MAX)
                return false;
        for (const char *p = host; *p; p++)
                if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
                        return false;
        return true;
}

/* ---- what goes there first ---- */

static int put_file(Relay *relay, const HostFile *file) {
        const uint8_t *data = file->data;
        size_t done = 0;
        int r = 0;

        do {
                size_t piece = MIN(file->size - done, (size_t)FRAME_DATA_MAX);
                FrameWriter writer = frame_begin(&relay->sending, FRAME_FILE);

                frame_put_text(&writer, file->name);
                frame_put_bytes(&writer, data + done, piece);
                r = frame_end(&writer);
                done += piece;
        } while (r == 0 && done < file->size);
        return r;
}

static int put_password(Relay *relay, const char *password) {
        FrameWriter writer = frame_begin(&relay->sending, FRAME_PASSWORD);

        frame_put_bytes(&writer, password, strlen(password));
        return frame_end(&writer);
}

/* What a verb needs of our environment to speak as it would here. */
static int put_run(Host *host) {
        static const char *const names[] = { "TERM",        "LANG",    "LANGUAGE",   "LC_ALL", "LC_CTYPE",
                                             "LC_MESSAGES", "LC_TIME", "LC_NUMERIC", "TZ",     "NO_COLOR" };
        char *variables[ELEMENTS(names) + 2] = {}, columns[32];
        const HostRun *run = host->run;
        FrameWriter writer;
        size_t n = 0;
        int r = 0;

        FOREACH_ELEMENT (name, names) {
                const char *value = getenv(*name);
                char *variable;

                if (!value)
                        continue;
                if (asprintf(&variable, "%s=%s", *name, value) < 0)
                        r = -ENOMEM;
                else if (bridge_variable_is_valid(variable))
                        variables[n++] = variable;
                else
                        free(variable);
        }
        (void)snprintf(columns, sizeof(columns), "COLUMNS=%u", host->streams.columns);
        if (host->streams.columns > 0)
                variables[n] = columns;
        writer = frame_begin(&host->relay.sending, FRAME_RUN);
        frame_put_u32(&writer, host->streams.flags | (run->channel_fd >= 0 ? RUN_CHANNEL : 0));
        frame_put_list(&writer, (const char *const *)run->argv);
        frame_put_list(&writer, (const char *const *)variables);
        r = frame_end(&writer) ?: r;
        while (n > 0)
                free(variables[--n]);
        return r;
}

static int ask(Host *host) {
        const HostRun *run = host->run;
        int r = 0;

        for (size_t i = 0; r == 0 && i < run->n_files; i++)
                r = put_file(&host->relay, &run->files[i]);
        if (r == 0 && run->password)
                r = put_password(&host->relay, run->password);
        if (r == 0)
                r = put_run(host);
        if (r < 0)
                return r;
        host_streams_open(&host->streams, run, &host->relay);
        host->ran = true;
        return 0;
}

/* ---- what comes ---- */

static int greet(Host *host, Frame *frame) {
        _cleanup_(hello_clear) Hello hello = {};
        int r = host->greeted ? -EBADMSG : hello_take(frame, &hello);

        if (r < 0)
                return r;
        host->greeted = true;
        text_make_printable(hello.version);
        text_make_printable(hello.machine);
        if (hello.protocol != BRIDGE_PROTOCOL) {
                if (asprintf(&host->failure,
                             "%s (%s) has Linux VSS %s, whose bridge speaks protocol %u; %s has Linux VSS "
                             "%s, and "
                             "speaks protocol %u",
                             host->run->host, hello.machine, hello.version, hello.protocol,
                             host->system.nodename, LINUXVSS_VERSION, BRIDGE_PROTOCOL) < 0)
                        host->failure = NULL;
                return -EPROTO;
        }
        if (strcmp(hello.version, LINUXVSS_VERSION) != 0)
                cli_note("%s has Linux VSS %s, %s has %s: the verb is that of %s", host->run->host,
                         hello.version, host->system.nodename, LINUXVSS_VERSION, host->run->host);
        return ask(host);
}

static int take_failure(Host *host, Frame *frame) {
        host->failure = frame_take_text(frame, BRIDGE_TEXT_MAX);
        if (!host->failure || frame_finish(frame) < 0)
                return -EBADMSG;
        text_make_printable(host->failure);
        return -EPROTO;
}

static int control(void *userdata, Frame *frame) {
        Host *host = userdata;

        if (host->exited)
                return -EBADMSG;
        if (frame->type == FRAME_HELLO)
                return greet(host, frame);
        if (!host->greeted)
                return -EBADMSG;
        if (frame->type == FRAME_FAIL)
                return take_failure(host, frame);
        if (frame->type != FRAME_EXIT || !host->ran)
                return -EBADMSG;
        host->status = frame_take_u32(frame);
        host->exited = true;
        return frame_finish(frame) < 0 || host->status > 255 ? -EBADMSG : 0;
}

/* ---- the time between ---- */

/* Those that came since, to the verb. Return: -ECANCELED when it is enough. */
static int send_signals(Host *host, int *seen) {
        int r = 0;

        if (interrupt_count() == *seen)
                return 0;
        *seen = interrupt_count();
        if (!host->ran || *seen >= GIVE_UP_SIGNALS)
                return -ECANCELED;
        r = relay_send_number(&host->relay, FRAME_SIGNAL, (uint32_t)interrupt_pending());
        return r < 0 ? r : relay_flush(&host->relay);
}

static bool is_done(const Host *host) {
        return host->exited && relay_is_delivered(&host->relay);
}

/* Signals come only while poll() waits: none is missed between a look and the wait. */
static int serve(Host *host, const sigset_t *mask) {
        uint64_t began = now_usec();
        int seen = interrupt_count(), r = 0;

        while (r == 0 && !is_done(host)) {
                struct pollfd fds[RELAY_POLLS];
                struct timespec timeout;
                int wait = relay_timeout_ms(&host->relay);

                timeout = (struct timespec){ .tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000L };
                relay_prepare(&host->relay, fds);
                /* The bridge ends when it has told the end: that is no lost link. */
                if (host->exited)
                        fds[0].fd = fds[1].fd = -1;
                if (ppoll(fds, ELEMENTS(fds), &timeout, mask) < 0 && errno != EINTR)
                        return -errno;
                r = send_signals(host, &seen);
                if (r == 0)
                        r = relay_dispatch(&host->relay, fds);
                if (host->exited && (r == -ENOTCONN || r == -ETIMEDOUT))
                        r = 0;
                if (r == 0 && !host->greeted && now_usec() - began > HELLO_USEC)
                        r = -ETIMEDOUT;
                if (!host->greeted)
                        host->relay.heard_usec = now_usec();
        }
        return r;
}

/* ---- the end ---- */

static int tell_no_greeting(Host *host, int error) {
        const char *name = host->run->host;
        int status = host_link_end(&host->link);

        if (error == -EBADMSG)
                return cli_error_remedy(
                        host->cli, VSS_E_UNEXPECTED, name,
                        "See that logging in there prints nothing for commands, and that vss-bridge is "
                        "that of Linux VSS.",
                        "what answers there is no vss-bridge");
        if (error == -ETIMEDOUT)
                return cli_error_remedy(
                        host->cli, VSS_E_UNEXPECTED, name, "Check that the machine can be reached.",
                        "there was no answer within %u seconds", (unsigned)(HELLO_USEC / USEC_PER_SEC));
        if (status == 126 || status == 127)
                return cli_error_remedy(
                        host->cli, VSS_E_OBJECT_NOT_FOUND, name,
                        "Install the package of Linux VSS there, or check which command reaches it.",
                        "vss-bridge cannot be started there");
        return cli_error_remedy(
                host->cli, VSS_E_UNEXPECTED, name,
                "Check the name, and that ssh reaches the machine without asking anything; what it said "
                "stands above.",
                "the machine cannot be reached");
}

static int tell_failure(Host *host, int error) {
        const char *name = host->run->host;

        /* Who has read an answer of the verb there does not expect a second document. */
        if (host->relay.streams[STREAM_STDOUT].bytes > 0)
                host->cli->json = false;
        if (error == -ECANCELED) {
                (void)cli_error_remedy(host->cli, VSS_S_ASYNC_CANCELLED, name,
                                       "It is ended there within ten seconds.", "not waited for any more");
                return 128 + interrupt_pending();
        }
        if (error == -ENOMEM)
                return cli_out_of_memory(host->cli);
        if (host->failure)
                return cli_error_remedy(
                        host->cli, VSS_E_UNEXPECTED, name,
                        "Install the same version of Linux VSS on both machines, or see what is amiss "
                        "there.",
                        "%s", host->failure);
        if (!host->greeted)
                return tell_no_greeting(host, error);
        if (error == -EBADMSG)
                return cli_error_remedy(
                        host->cli, VSS_E_UNEXPECTED, name,
                        "See which vss-bridge runs there. The verb is ended there within ten seconds.",
                        "what came from there is not what a vss-bridge says");
        return cli_error_remedy(
                host->cli, VSS_E_UNEXPECTED, name,
                "The verb is ended there within ten seconds of its noticing. Check the network, and try "
                "again.",
                "the connection was lost while the verb ran%s",
                error == -ETIMEDOUT ? ": nothing came for 30 seconds" : "");
}

static int start_link(Host *host) {
        const char *command = host->run->command ?: getenv("VSS_HOST_COMMAND");
        const char *ssh[] = { "ssh",
                              "-x",
                              "-T",
                              "-o",
                              "BatchMode=yes",
                              "-o",
                              "ConnectTimeout=30",
                              "-o",
                              "ServerAliveInterval=10",
                              "-o",
                              "ServerAliveCountMax=3",
                              "--",
                              host->run->host,
                              "vss-bridge",
                              NULL };
        _cleanup_words_ char **words = NULL;
        ConfError error = {};
        int r;

        if (command && *command) {
                if (conf_words(command, &error, &words) < 0)
                        return cli_usage(host->cli, "the command for the other machine: '%s': %s", command,
                                         error.message);
                if (!words[0])
                        return cli_usage(host->cli, "the command for the other machine is empty");
        }
        r = host_link_start(words ? (const char *const *)words : ssh, &host->link);
        if (r < 0)
                return cli_error(host->cli, VSS_E_UNEXPECTED, words ? words[0] : "ssh",
                                 "cannot be started: %s", strerror(-r));
        relay_init(&host->relay, host->link.fd, host->link.fd);
        host->relay.control = control;
        host->relay.userdata = host;
        return EXIT_DONE;
}

static int check(Cli *cli, const HostRun *run) {
        size_t size = 0;

        if (!host_is_valid(run->host))
                return cli_usage(cli, "'%s' is no name of a machine", run->host);
        if (run->n_files > BRIDGE_FILES_MAX)
                return cli_usage(cli, "%zu files are more than %u, which may go to another machine",
                                 run->n_files, BRIDGE_FILES_MAX);
        for (size_t i = 0; i < run->n_files; i++) {
                if (!bridge_file_name_is_valid(run->files[i].name))
                        return cli_usage(cli, "'%s' is no name for a file that goes to another machine",
                                         run->files[i].name);
                if (__builtin_add_overflow(size, run->files[i].size, &size) || size > BRIDGE_FILES_SIZE_MAX)
                        return cli_usage(cli, "the files for another machine are larger than %u MiB",
                                         BRIDGE_FILES_SIZE_MAX >> 20);
        }
        if (run->password && (!*run->password || strlen(run->password) > BRIDGE_PASSWORD_MAX))
                return cli_usage(cli, "the password is empty or too long");
        return EXIT_DONE;
}

static int run_masked(Host *host, const sigset_t *mask, int *ret_status) {
        int status = start_link(host), r;

        if (status != EXIT_DONE)
                return status;
        (void)uname(&host->system);
        r = host_streams_prepare(&host->streams, host->run);
        if (r == 0)
                r = hello_put(&host->relay.sending, LINUXVSS_VERSION, host->system.nodename);
        if (r == 0)
                r = serve(host, mask);
        if (r < 0)
                return tell_failure(host, r);
        *ret_status = (int)host->status;
        return EXIT_DONE;
}

int host_run(Cli *cli, const HostRun *run, int *ret_status) {
        static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
        _cleanup_(host_clear)
                Host host = { .cli = cli, .run = run, .link = HOST_LINK_INIT, .streams = HOST_STREAMS_INIT };
        struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
        sigset_t blocked, mask;
        int status = check(cli, run);

        if (status != EXIT_DONE)
                return status;
        (void)sigemptyset(&blocked);
        FOREACH_ELEMENT (number, numbers)
                (void)sigaddset(&blocked, *number);
        (void)sigaction(SIGPIPE, &ignore, &old);
        (void)pthread_sigmask(SIG_BLOCK, &blocked, &mask);
        relay_init(&host.relay, -1, -1);
        status = run_masked(&host, &mask, ret_status);
        (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
        (void)sigaction(SIGPIPE, &old, NULL);
        return status;
}
