/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-bridge: runs a verb of vss for a caller on another machine
 *
 * ssh starts it; its standard input and output are the link. Whatever becomes of the link, nothing is left:
 * when it ends, the verb is asked to end, and made to after a while.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "bridge/place.h"
#include "bridge/verb.h"
#include "config.h"

#define GRACE_USEC (10 * USEC_PER_SEC)
#define KILL_USEC (2 * USEC_PER_SEC)
#define STEP_MS 50

typedef struct Bridge {
        Relay relay;
        Place place;
        VerbRequest request;
        struct utsname system;
        sigset_t mask; /* as it was */
        int signals;
        bool greeted, failed;
        char *password; /* a file */
        pid_t verb;     /* 0 before it has started and when it has ended */
        bool has_run;
        int status;
        bool ended_by_signal; /* of this bridge's own */
} Bridge;

/* To the caller, as the last word. */
static int _printf_(2, 3) fail(Bridge *bridge, const char *format, ...) {
        char text[BRIDGE_TEXT_MAX];
        FrameWriter writer;
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        bridge->failed = true;
        writer = frame_begin(&bridge->relay.sending, FRAME_FAIL);
        frame_put_text(&writer, text);
        return frame_end(&writer);
}

static int greet(Bridge *bridge, Frame *frame) {
        _cleanup_(hello_clear) Hello hello = {};
        int r = bridge->greeted ? -EBADMSG : hello_take(frame, &hello);

        if (r < 0)
                return r;
        bridge->greeted = true;
        if (hello.protocol == BRIDGE_PROTOCOL)
                return 0;
        return fail(bridge,
                    "%s has Linux VSS %s, whose bridge speaks protocol %u; %s has Linux VSS %s, and speaks "
                    "protocol "
                    "%u",
                    bridge->system.nodename, LINUXVSS_VERSION, BRIDGE_PROTOCOL, hello.machine, hello.version,
                    hello.protocol);
}

static int take_file(Bridge *bridge, Frame *frame) {
        _cleanup_(freep) char *name = frame_take_text(frame, BRIDGE_NAME_MAX);
        size_t size;
        const uint8_t *data = frame_take_rest(frame, &size);
        int r = name ? place_add(&bridge->place, name, data, size) : -EBADMSG;

        return r < 0 && r != -EBADMSG ? fail(bridge, "%s: the file '%s' cannot be kept for the verb: %s",
                                             bridge->system.nodename, name, strerror(-r))
                                      : r;
}

#define PASSWORD_NAME "password"

static int take_password(Bridge *bridge, Frame *frame) {
        size_t size;
        const uint8_t *data = frame_take_rest(frame, &size);
        int r;

        if (bridge->password || size == 0 || size > BRIDGE_PASSWORD_MAX)
                return -EBADMSG;
        r = place_add(&bridge->place, PASSWORD_NAME, data, size);
        if (r == 0 && asprintf(&bridge->password, "%s/" PASSWORD_NAME, bridge->place.path) < 0) {
                bridge->password = NULL;
                r = -ENOMEM;
        }
        return r < 0 ? fail(bridge, "%s: the password cannot be kept for the verb: %s",
                            bridge->system.nodename, strerror(-r))
                     : 0;
}

static int take_run(Bridge *bridge, Frame *frame) {
        int r = verb_request_take(frame, &bridge->request);
        pid_t pid;

        if (r < 0)
                return r;
        pid = verb_start(&bridge->request, bridge->place.path, bridge->password, &bridge->mask,
                         &bridge->relay);
        if (pid < 0)
                return fail(bridge, "%s: vss cannot be started there: %s", bridge->system.nodename,
                            strerror((int)-pid));
        bridge->verb = pid;
        bridge->has_run = true;
        return 0;
}

static int take_signal(Bridge *bridge, Frame *frame) {
        static const int numbers[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
        uint8_t number = frame_take_u8(frame);

        if (!bridge->has_run || frame_finish(frame) < 0)
                return -EBADMSG;
        FOREACH_ELEMENT (known, numbers)
                if (*known == number) {
                        if (bridge->verb > 0)
                                (void)kill(bridge->verb, number);
                        return 0;
                }
        return -EBADMSG;
}

static int control(void *userdata, Frame *frame) {
        Bridge *bridge = userdata;

        if (bridge->failed)
                return 0;
        if (frame->type == FRAME_HELLO)
                return greet(bridge, frame);
        if (!bridge->greeted)
                return -EBADMSG;
        if (frame->type == FRAME_SIGNAL)
                return take_signal(bridge, frame);
        if (bridge->has_run)
                return -EBADMSG;
        return frame->type == FRAME_FILE       ? take_file(bridge, frame)
               : frame->type == FRAME_PASSWORD ? take_password(bridge, frame)
               : frame->type == FRAME_RUN      ? take_run(bridge, frame)
                                               : -EBADMSG;
}

/* Those that the verb has left behind come to this process, too. */
static void reap(Bridge *bridge) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                if (pid == bridge->verb) {
                        bridge->verb = 0;
                        bridge->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
                        bridge->relay.draining = true;
                }
}

static void take_signals(Bridge *bridge) {
        struct signalfd_siginfo info;

        while (read(bridge->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
                if (info.ssi_signo != SIGCHLD)
                        bridge->ended_by_signal = true;
        reap(bridge);
}

/* Until the verb has ended and all has been told, or the link is no use any more. */
static int serve(Bridge *bridge) {
        bool told = false;
        int r = 0;

        while (r == 0 && !bridge->ended_by_signal) {
                struct pollfd fds[RELAY_POLLS + 1];
                bool drained = relay_is_drained(&bridge->relay);

                if (bridge->failed ? queue_size(&bridge->relay.sending) == 0 : told && drained)
                        return 0;
                if (bridge->has_run && bridge->verb == 0 && drained && !told && !bridge->failed) {
                        told = true;
                        r = relay_send_number(&bridge->relay, FRAME_EXIT, (uint32_t)bridge->status);
                }
                relay_prepare(&bridge->relay, fds);
                fds[RELAY_POLLS] = (struct pollfd){ .fd = bridge->signals, .events = POLLIN };
                if (poll(fds, ELEMENTS(fds), relay_timeout_ms(&bridge->relay)) < 0 && errno != EINTR)
                        return -errno;
                if (fds[RELAY_POLLS].revents)
                        take_signals(bridge);
                if (r == 0)
                        r = relay_dispatch(&bridge->relay, fds);
        }
        return r ?: -EINTR;
}

/* What the verb still says goes nowhere; that it can say it lets it clean up. */
static void discard(Bridge *bridge) {
        char buffer[4096];

        FOREACH_ELEMENT (stream, bridge->relay.streams)
                for (ssize_t n = 1; stream->source >= 0 && n > 0;)
                        n = read(stream->source, buffer, sizeof(buffer));
}

/* Nobody is there to whom it could be told how the verb ends: it is ended, with all that it has started. */
static void end_all(Bridge *bridge) {
        uint64_t began = now_usec();
        RelayStream *streams = bridge->relay.streams;
        bool any = true;

        if (streams[STREAM_STDIN].sink >= 0)
                streams[STREAM_STDIN].sink = (close(streams[STREAM_STDIN].sink), -1);
        if (streams[STREAM_CHANNEL].sink >= 0)
                (void)shutdown(streams[STREAM_CHANNEL].sink, SHUT_RDWR);
        (void)verb_signal_children(SIGTERM);
        while (any && now_usec() - began < GRACE_USEC + KILL_USEC) {
                (void)poll(NULL, 0, STEP_MS);
                discard(bridge);
                reap(bridge);
                any = verb_signal_children(now_usec() - began < GRACE_USEC ? 0 : SIGKILL);
        }
}

/* The link moves away from where programs print. */
static int take_link(int *ret_in, int *ret_out) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3),
            out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

        if (null < 0 || in < 0 || out < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
                return -errno;
        if (null > STDERR_FILENO)
                (void)close(null);
        if (fcntl(in, F_SETFL, O_NONBLOCK) < 0 || fcntl(out, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        *ret_in = in;
        *ret_out = out;
        return 0;
}

static int set_up(Bridge *bridge) {
        static const int numbers[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM };
        sigset_t mask;
        int in = -1, out = -1, r = take_link(&in, &out);

        if (r < 0)
                return r;
        relay_init(&bridge->relay, in, out);
        bridge->relay.control = control;
        bridge->relay.userdata = bridge;
        (void)signal(SIGPIPE, SIG_IGN);
        (void)signal(SIGCHLD, SIG_DFL);
        (void)sigemptyset(&mask);
        FOREACH_ELEMENT (number, numbers)
                (void)sigaddset(&mask, *number);
        if (sigprocmask(SIG_BLOCK, &mask, &bridge->mask) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
            uname(&bridge->system) < 0)
                return -errno;
        bridge->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return bridge->signals < 0
                       ? -errno
                       : hello_put(&bridge->relay.sending, LINUXVSS_VERSION, bridge->system.nodename);
}

static int run(void) {
        Bridge bridge = { .place = PLACE_INIT, .signals = -1 };
        int r = set_up(&bridge);

        if (r == 0) {
                place_sweep();
                r = serve(&bridge);
        }
        if (r < 0)
                end_all(&bridge);
        place_remove(&bridge.place);
        if (r == -EBADMSG)
                fprintf(stderr,
                        "vss-bridge: the caller does not speak as vss does; nothing was done for it\n");
        else if (r < 0 && r != -ENOTCONN && r != -EINTR)
                fprintf(stderr, "vss-bridge: %s\n", strerror(-r));
        relay_clear(&bridge.relay);
        verb_request_clear(&bridge.request);
        free(bridge.password);
        return r < 0 || bridge.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                printf("vss-bridge %s, protocol %u\n", LINUXVSS_VERSION, BRIDGE_PROTOCOL);
                return EXIT_SUCCESS;
        }
        if (argc > 1 || isatty(STDIN_FILENO)) {
                fprintf(stderr,
                        "Usage: vss-bridge\n\nRuns a verb for vss --host on another machine, which starts "
                        "it "
                        "by ssh.\nIt is not for people: its standard input and output are the link.\n");
                return argc == 2 && strcmp(argv[1], "--help") == 0 ? EXIT_SUCCESS : 2;
        }
        return run();
}
