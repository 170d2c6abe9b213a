/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The verb that a bridge runs
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include "bridge/verb.h"

#define CHILDREN_MAX 65536u
#define PIPE_SIZE (256 * 1024)
#define FILES_WORD "{files}"

void verb_request_clear(VerbRequest *request) {
        request->words = frame_list_free(request->words);
        request->variables = frame_list_free(request->variables);
}

int verb_request_take(Frame *frame, VerbRequest *ret_request) {
        _cleanup_(verb_request_clear) VerbRequest request = { .flags = frame_take_u32(frame) };

        request.words = frame_take_list(frame, BRIDGE_WORDS_MAX);
        request.variables = frame_take_list(frame, BRIDGE_VARIABLES_MAX);
        if (frame_finish(frame) < 0 || !request.words[0])
                return -EBADMSG;
        for (char **variable = request.variables; *variable; variable++)
                if (!bridge_variable_is_valid(*variable))
                        return -EBADMSG;
        *ret_request = request;
        request = (VerbRequest){};
        return 0;
}

/* In words of the verb itself, not in those of a command behind "--". */
static char *place_files(const char *word, const char *files) {
        size_t n = 1, length = strlen(files);
        char *placed, *to;

        for (const char *p = word; (p = strstr(p, FILES_WORD)); p += strlen(FILES_WORD))
                n++;
        placed = malloc(strlen(word) + n * length + 1);
        for (to = placed; placed && *word;)
                if (strncmp(word, FILES_WORD, strlen(FILES_WORD)) == 0) {
                        memcpy(to, files, length);
                        to += length;
                        word += strlen(FILES_WORD);
                } else {
                        *to++ = *word++;
                }
        if (placed)
                *to = '\0';
        return placed;
}

/* The program and its words; the caller frees the list and its items. NULL without memory. */
static char **make_argv(const VerbRequest *request, const char *files) {
        _cleanup_list_ char **argv = NULL;
        bool own = true;
        size_t n = 0;

        while (request->words[n])
                n++;
        argv = calloc(n + 2, sizeof(*argv));
        if (argv)
                argv[0] = strdup("vss");
        if (!argv || !argv[0])
                return NULL;
        for (size_t i = 0; i < n; i++) {
                own = own && strcmp(request->words[i], "--") != 0;
                argv[i + 1] = own && files ? place_files(request->words[i], files)
                                           : strdup(request->words[i]);
                if (!argv[i + 1])
                        return NULL;
        }
        return TAKE_PTR(argv);
}

/* sshd gives less than what a login has. */
static int set_path(void) {
        const char *path = getenv("PATH");
        char *more;
        int r;

        if (path && strstr(path, "/usr/sbin"))
                return 0;
        if (asprintf(&more, "%s:/usr/local/sbin:/usr/sbin:/sbin",
                     path && *path ? path : "/usr/local/bin:/usr/bin:/bin") < 0)
                return -ENOMEM;
        r = setenv("PATH", more, 1);
        free(more);
        return r;
}

static int set_variable(const char *variable) {
        size_t n = strcspn(variable, "=");
        _cleanup_(freep) char *name = strndup(variable, n);

        return name ? setenv(name, variable + n + 1, 1) : -1;
}

static int set_environment(const VerbRequest *request, const char *password, int channel) {
        char text[16];
        int r = set_path();

        for (char **variable = request->variables; r == 0 && *variable; variable++)
                r = set_variable(*variable);
        (void)unsetenv("VSS_CHANNEL_FD");
        (void)unsetenv("VSS_TERMINAL");
        if (r == 0 && channel >= 0) {
                (void)snprintf(text, sizeof(text), "%d", channel);
                r = setenv("VSS_CHANNEL_FD", text, 1);
        }
        if (r == 0 && password)
                r = setenv("VSS_PASSWORD_FILE", password, 1);
        /* The descriptors that are terminals where the caller is. */
        (void)snprintf(text, sizeof(text), "%s%s%s", request->flags & RUN_TERMINAL_IN ? "0" : "",
                       request->flags & RUN_TERMINAL_OUT ? "1" : "",
                       request->flags & RUN_TERMINAL_ERROR ? "2" : "");
        if (r == 0 && *text)
                r = setenv("VSS_TERMINAL", text, 1);
        return r;
}

/* What is installed belongs together: no other version of it, and nobody else's. */
static int find_program(char ret_path[static PATH_MAX]) {
        ssize_t n = readlink("/proc/self/exe", ret_path, PATH_MAX - 1);
        char *slash;

        if (n < 0)
                return -errno;
        ret_path[n] = '\0';
        slash = strrchr(ret_path, '/');
        if (!slash || slash - ret_path > PATH_MAX - 8)
                return -ENAMETOOLONG;
        memcpy(slash + 1, "vss", 4);
        return access(ret_path, X_OK) < 0 ? -errno : 0;
}

/* The verb's ends and ours. */
typedef struct Ends {
        int theirs[STREAMS], ours[STREAMS];
} Ends;

static void ends_clear(Ends *ends) {
        FOREACH_ELEMENT (fd, ends->theirs)
                closep(fd);
        FOREACH_ELEMENT (fd, ends->ours)
                closep(fd);
}

static int make_pipe(int *ret_reader, int *ret_writer) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
        *ret_reader = fds[0];
        *ret_writer = fds[1];
        return 0;
}

static int make_ends(const VerbRequest *request, Ends *ends) {
        int fds[2], r = 0;

        if (request->flags & RUN_STDIN)
                r = make_pipe(&ends->theirs[STREAM_STDIN], &ends->ours[STREAM_STDIN]);
        else
                ends->theirs[STREAM_STDIN] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (r == 0 && ends->theirs[STREAM_STDIN] < 0)
                r = -errno;
        if (r == 0)
                r = make_pipe(&ends->ours[STREAM_STDOUT], &ends->theirs[STREAM_STDOUT]);
        if (r == 0)
                r = make_pipe(&ends->ours[STREAM_STDERR], &ends->theirs[STREAM_STDERR]);
        if (r == 0 && request->flags & RUN_CHANNEL) {
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                        return -errno;
                ends->ours[STREAM_CHANNEL] = fds[0];
                ends->theirs[STREAM_CHANNEL] = fds[1];
        }
        FOREACH_ELEMENT (fd, ends->ours)
                if (r == 0 && *fd >= 0 && fcntl(*fd, F_SETFL, O_NONBLOCK) < 0)
                        r = -errno;
        return r;
}

static _Noreturn void run_child(const char *path, char **argv, const Ends *ends, const sigset_t *mask,
                                pid_t parent) {
        int channel = ends->theirs[STREAM_CHANNEL];

        /* A bridge that is killed takes its verb along, as a link that drops does. */
        if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(126);
        for (int i = STREAM_STDIN; i <= STREAM_STDERR; i++)
                if (dup2(ends->theirs[i], i) < 0)
                        _exit(126);
        if (channel >= 0 && fcntl(channel, F_SETFD, 0) < 0)
                _exit(126);
        (void)signal(SIGPIPE, SIG_DFL);
        (void)sigprocmask(SIG_SETMASK, mask, NULL);
        (void)execv(path, argv);
        _exit(127);
}

static void open_streams(Relay *relay, Ends *ends) {
        int *ours = ends->ours, channel = TAKE_FD(ours[STREAM_CHANNEL]);

        relay_open(relay, STREAM_STDIN, -1, TAKE_FD(ours[STREAM_STDIN]), RELAY_CLOSE);
        relay_open(relay, STREAM_STDOUT, TAKE_FD(ours[STREAM_STDOUT]), -1, RELAY_CLOSE);
        relay_open(relay, STREAM_STDERR, TAKE_FD(ours[STREAM_STDERR]), -1, RELAY_CLOSE);
        relay_open(relay, STREAM_CHANNEL, channel, channel, RELAY_SHUTDOWN);
}

pid_t verb_start(const VerbRequest *request, const char *files, const char *password, const sigset_t *mask,
                 Relay *relay) {
        _cleanup_(ends_clear) Ends ends = { { -1, -1, -1, -1 }, { -1, -1, -1, -1 } };
        _cleanup_list_ char **argv = make_argv(request, files);
        char path[PATH_MAX];
        pid_t pid, parent = getpid();
        int r = argv ? find_program(path) : -ENOMEM;

        if (r == 0)
                r = make_ends(request, &ends);
        if (r == 0 && set_environment(request, password, ends.theirs[STREAM_CHANNEL]) < 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_child(path, argv, &ends, mask, parent);
        open_streams(relay, &ends);
        return pid;
}

bool verb_signal_children(int number) {
        char path[64];
        _cleanup_(fclosep) FILE *file = NULL;
        bool any = false;
        int pid;

        (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
        file = fopen(path, "re");
        for (size_t i = 0; file && i < CHILDREN_MAX && fscanf(file, "%d", &pid) == 1; i++) {
                (void)kill(pid, number);
                any = true;
        }
        return any;
}
