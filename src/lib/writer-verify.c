/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Verify: the one event that runs in a process of its own; see writer-verify.h
 */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "lib/writer-verify.h"
#include "util/clock.h"
#include "util/value-codec.h"

/* How long what was killed may take to be gone. What sleeps in the kernel is left behind. */
#define REAP_USEC (5 * USEC_PER_SEC)
#define REAP_STEP_USEC (5 * USEC_PER_MSEC)

static const uint64_t one = 1;

/* How it ended, from the guardian to the writer. */
typedef enum Outcome {
        OUTCOME_DIED, /* also without a word */
        OUTCOME_DONE,
        OUTCOME_LATE,
        OUTCOME_CANCELLED,
} Outcome;

struct Verify {
        Verify *next;
        Verifies *verifies;
        char session[VSS_ID_SIZE];
        sd_bus_message *message;
        pid_t guardian;
        int control; /* an eventfd: it is to end */
        int status;  /* its word, and its end */
        int memory;  /* the answer */
        int writer;  /* pidfd */
        sd_event_source *io;
};

static Verify *verify_free(Verify *verify) {
        Verify **link;

        if (!verify)
                return NULL;
        for (link = &verify->verifies->first; *link && *link != verify; link = &(*link)->next)
                ;
        if (*link)
                *link = verify->next;
        sd_event_source_disable_unref(verify->io);
        if (verify->guardian > 0) {
                (void)!write(verify->control, &one, sizeof(one));
                (void)waitpid(verify->guardian, NULL, 0);
        }
        closep(&verify->control);
        closep(&verify->status);
        closep(&verify->memory);
        closep(&verify->writer);
        sd_bus_message_unref(verify->message);
        free(verify);
        return NULL;
}

DEFINE_CLEANUP(Verify *, verify_free)

/* In the handler's process */

static int write_answer(int memory, vss_writer_call *call, vss_result result) {
        _cleanup_value_ vss_value *answer = vss_value_new_dict();
        _cleanup_(freep) uint8_t *data = NULL;
        size_t size, done = 0;
        ssize_t n;
        int r;

        if (vss_value_set_integer(answer, "code", result) < 0 ||
            vss_value_set_string(answer, "text", vss_writer_call_failure_text(call)) < 0 ||
            vss_value_set(answer, "more", writer_call_result(call, result)) < 0)
                return -ENOMEM;
        r = value_encode(answer, &data, &size);
        for (; r >= 0 && done < size; done += (size_t)n) {
                n = write(memory, data + done, size - done);
                if (n < 0)
                        return -errno;
        }
        return r;
}

/* Connections of the writer's are not the handler's: who ends them must not wait for two processes. */
static void close_sockets(int keep) {
        DIR *dir = opendir("/proc/self/fd");
        struct dirent *entry;
        struct stat st;

        while (dir && (entry = readdir(dir))) {
                int fd = (int)strtol(entry->d_name, NULL, 10);

                if (fd > STDERR_FILENO && fd != keep && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
                        (void)close(fd);
        }
        if (dir)
                (void)closedir(dir);
}

_Noreturn static void handler_main(vss_writer_call *call, vss_result (*handler)(vss_writer_call *call),
                                   int memory) {
        vss_result result;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        call->service = NULL;
        result = handler(call);
        if (result == VSS_E_WRITERERROR_PARTIAL_FAILURE && call->failed)
                result = VSS_S_OK;
        _exit(write_answer(memory, call, result) < 0);
}

/* In the guardian */

static void kill_children(void) {
        FILE *f = fopen("/proc/thread-self/children", "re");
        int pid;

        while (f && fscanf(f, "%d", &pid) == 1)
                (void)kill((pid_t)pid, SIGKILL);
        if (f)
                (void)fclose(f);
}

/* Orphans of those that are killed come to the guardian, too, until there are none. */
static void kill_all(void) {
        for (uint64_t end = now_usec() + REAP_USEC; now_usec() < end;) {
                pid_t pid;

                kill_children();
                while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                        ;
                if (pid < 0 && errno == ECHILD)
                        return;
                (void)usleep(REAP_STEP_USEC);
        }
}

/* The writer's end is seen by its process, not by a pipe: others of its children may have that one, too. */
static Outcome wait_for(pid_t worker, const Verify *verify, int lifeline, uint64_t deadline) {
        _cleanup_(closep) int pidfd = pidfd_open(worker, 0);
        struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
                                { .fd = verify->control, .events = POLLIN },
                                { .fd = verify->writer, .events = POLLIN },
                                { .fd = lifeline, .events = POLLIN } };
        int n, status;

        if (pidfd < 0)
                return OUTCOME_DIED;
        do {
                uint64_t now = now_usec();
                uint64_t left = deadline > now ? deadline - now : 0;

                n = poll(fds, ELEMENTS(fds), (int)MIN(left / USEC_PER_MSEC + 1, (uint64_t)60000));
        } while ((n < 0 && errno == EINTR) || (n == 0 && now_usec() < deadline));
        if (n == 0)
                return OUTCOME_LATE;
        if (!(fds[0].revents & POLLIN))
                return OUTCOME_CANCELLED;
        return waitpid(worker, &status, 0) == worker && WIFEXITED(status) && WEXITSTATUS(status) == 0
                       ? OUTCOME_DONE
                       : OUTCOME_DIED;
}

_Noreturn static void guardian_main(const Verify *verify, vss_writer_call *call,
                                    vss_result (*handler)(vss_writer_call *call), int lifeline, int status) {
        Outcome outcome = OUTCOME_DIED;
        unsigned char word;
        pid_t worker;

        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        (void)close(verify->status);
        close_sockets(lifeline);
        worker = fork();
        if (worker == 0) {
                (void)close(status);
                handler_main(call, handler, verify->memory);
        }
        if (worker > 0)
                outcome = wait_for(worker, verify, lifeline, call->deadline_usec);
        kill_all();
        word = (unsigned char)outcome;
        _exit(write(status, &word, 1) != 1);
}

/* In the writer */

static vss_value *read_answer(const Verify *verify) {
        vss_value *answer = NULL;
        struct stat st;
        void *data;

        if (fstat(verify->memory, &st) < 0 || st.st_size <= 0)
                return NULL;
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, verify->memory, 0);
        if (data == MAP_FAILED)
                return NULL;
        if (value_decode(data, (size_t)st.st_size, &answer) < 0)
                answer = NULL;
        (void)munmap(data, (size_t)st.st_size);
        return answer;
}

static int on_status(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        _cleanup_(verify_freep) Verify *verify = userdata;
        _cleanup_value_ vss_value *answer = NULL;
        unsigned char word = OUTCOME_DIED;

        if (read(verify->status, &word, 1) != 1)
                word = OUTCOME_DIED;
        answer = word == OUTCOME_DONE ? read_answer(verify) : NULL;
        if (answer)
                verify->verifies->answer(
                        verify->message, (vss_result)vss_value_get_integer(answer, "code", VSS_E_UNEXPECTED),
                        vss_value_get_string(answer, "text", ""), vss_value_get(answer, "more"));
        else if (word == OUTCOME_LATE)
                verify->verifies->answer(verify->message, VSS_E_WRITERERROR_TIMEOUT,
                                         "it did not come to an end in its time, and was ended", NULL);
        else if (word == OUTCOME_CANCELLED)
                verify->verifies->answer(verify->message, VSS_E_WRITERERROR_RETRYABLE, "it was cancelled",
                                         NULL);
        else
                verify->verifies->answer(verify->message, VSS_E_WRITERERROR_NONRETRYABLE,
                                         "the process that looked at the copy died; its journal may say why",
                                         NULL);
        return 0;
}

static bool is_under_way(const Verifies *verifies, const char *session) {
        for (const Verify *verify = verifies->first; verify; verify = verify->next)
                if (strcmp(verify->session, session) == 0)
                        return true;
        return false;
}

int verify_start(Verifies *verifies, vss_writer_call *call, vss_result (*handler)(vss_writer_call *call),
                 sd_bus_message *message, int lifeline) {
        _cleanup_(verify_freep) Verify *verify = NULL;
        _cleanup_(closep) int status = -1;
        int pair[2];

        if (is_under_way(verifies, vss_writer_call_session_id(call)))
                return -EALREADY;
        verify = calloc(1, sizeof(*verify));
        if (!verify)
                return -ENOMEM;
        *verify = (Verify){ .verifies = verifies, .control = -1, .status = -1, .memory = -1, .writer = -1 };
        (void)snprintf(verify->session, sizeof(verify->session), "%s", vss_writer_call_session_id(call));
        verify->memory = memfd_create("linuxvss-verify", MFD_CLOEXEC);
        verify->writer = pidfd_open(getpid(), 0);
        if (verify->memory < 0 || verify->writer < 0)
                return -errno;
        verify->control = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (verify->control < 0 || pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        verify->status = pair[0];
        status = pair[1];

        verify->guardian = fork();
        if (verify->guardian < 0)
                return -errno;
        if (verify->guardian == 0)
                guardian_main(verify, call, handler, lifeline, status);
        if (sd_event_add_io(verifies->event, &verify->io, verify->status, EPOLLIN, on_status, verify) < 0)
                return -ENOMEM;
        verify->message = sd_bus_message_ref(message);
        verify->next = verifies->first;
        verifies->first = TAKE_PTR(verify);
        return 0;
}

void verify_cancel(Verifies *verifies, const char *session) {
        for (Verify *verify = verifies->first, *next; verify; verify = next) {
                next = verify->next;
                if (session && strcmp(verify->session, session) != 0)
                        continue;
                if (session)
                        (void)!write(verify->control, &one, sizeof(one)); /* its end is told as usual */
                else
                        verify_free(verify);
        }
}
