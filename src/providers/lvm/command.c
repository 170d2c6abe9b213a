/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of LVM
 *
 * What a command says is taken down in memory files, so that nobody has to read while it runs, and one that
 * says too much ends by itself.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "providers/common/devmap.h"
#include "providers/common/guard.h"
#include "providers/lvm/command.h"
#include "util/clock.h"

#define LVM_PROGRAM "/usr/sbin/lvm"
#define UDEV_CONTROL "/run/udev/control"
/* Where there is no udev, LVM would wait for it, and ask it for its devices. */
#define CONFIG_WITHOUT_UDEV                                                            \
        "activation{udev_sync=0 udev_rules=0} devices{obtain_device_list_from_udev=0 " \
        "external_device_info_source=\"none\"}"

#define OUTPUT_MAX (32u << 20)
/* Commands wait for each other: the one before may be somebody's who removes a hundred volumes. */
#define COMMAND_USEC (60 * USEC_PER_SEC)
/* It is asked to end, and then made to. */
#define TERM_USEC (5 * USEC_PER_SEC)
/* How long one of LVM's own suspends may take; far above what it does. */
#define GUARD_USEC (10 * USEC_PER_SEC)
#define LOCK_USEC (10 * USEC_PER_SEC)

void arguments_add(Arguments *arguments, const char *format, ...) {
        va_list args;
        int r;

        if (arguments->n >= LVM_ARGUMENTS_MAX - 1) {
                arguments->failed = true;
                return;
        }
        va_start(args, format);
        r = vasprintf(&arguments->items[arguments->n], format, args);
        va_end(args);
        if (r < 0)
                arguments->failed = true;
        else
                arguments->n++;
}

void arguments_done(Arguments *arguments) {
        for (size_t i = 0; i < arguments->n; i++)
                free(arguments->items[i]);
        *arguments = (Arguments){ 0 };
}

static int prepare(Lvm *lvm) {
        if (lvm->ready)
                return 0;
        lvm->udev = access(UDEV_CONTROL, F_OK) == 0;
        if (setenv("LC_ALL", "C", 1) < 0 || setenv("LVM_SUPPRESS_FD_WARNINGS", "1", 1) < 0 ||
            (!lvm->udev && setenv("DM_DISABLE_UDEV", "1", 1) < 0))
                return -ENOMEM;
        lvm->ready = true;
        return 0;
}

/* The whole command line; what is in it belongs to @arguments. */
static int make_argv(const Lvm *lvm, const Arguments *arguments,
                     const char *ret_argv[static LVM_ARGUMENTS_MAX + 4]) {
        size_t n = 0;

        if (arguments->failed || arguments->n == 0)
                return -E2BIG;
        ret_argv[n++] = LVM_PROGRAM;
        ret_argv[n++] = arguments->items[0];
        if (!lvm->udev) {
                ret_argv[n++] = "--config";
                ret_argv[n++] = CONFIG_WITHOUT_UDEV;
        }
        for (size_t i = 1; i < arguments->n; i++)
                ret_argv[n++] = arguments->items[i];
        ret_argv[n] = NULL;
        return 0;
}

_Noreturn static void become(const char *const argv[], int output_fd, int error_fd) {
        const struct rlimit limit = { OUTPUT_MAX, OUTPUT_MAX };
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        sigset_t none;

        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGPIPE, SIG_DFL);
        /* Of what it says, and of what it keeps of the metadata of groups. */
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        (void)umask(077);
        if (null >= 0 && chdir("/") == 0 && dup2(null, 0) >= 0 && dup2(output_fd, 1) >= 0 &&
            dup2(error_fd, 2) >= 0)
                (void)execv(argv[0], (char *const *)(void *)argv);
        _exit(127);
}

/* Until @pid has ended. 1: it has not in time. */
static int wait_until(int pidfd, uint64_t deadline) {
        for (;;) {
                struct pollfd p = { .fd = pidfd, .events = POLLIN };
                uint64_t now = now_usec();
                int r;

                if (now >= deadline)
                        return 1;
                r = poll(&p, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1);
                if (r > 0)
                        return 0;
                if (r < 0 && errno != EINTR)
                        return -errno;
        }
}

static int reap(pid_t pid) {
        _cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        int status, r = 0, late;

        if (pidfd < 0)
                r = -errno;
        late = r < 0 ? r : wait_until(pidfd, now_usec() + COMMAND_USEC);
        if (late) {
                (void)kill(pid, SIGTERM);
                r = late < 0 ? late : wait_until(pidfd, now_usec() + TERM_USEC);
                if (r)
                        (void)kill(pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (late)
                return late < 0 ? late : -ETIMEDOUT;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EREMOTEIO;
}

/* What a memory file holds, as a text. */
static int read_text(int fd, char **ret_text, size_t *ret_size) {
        off_t size = lseek(fd, 0, SEEK_END);
        _cleanup_(freep) char *text = NULL;
        size_t n = 0;

        if (size < 0)
                return -errno;
        if (size > (off_t)OUTPUT_MAX)
                return -E2BIG;
        text = malloc((size_t)size + 1);
        if (!text)
                return -ENOMEM;
        while (n < (size_t)size) {
                ssize_t k = pread(fd, text + n, (size_t)size - n, (off_t)n);

                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        text[n] = 0;
        *ret_text = TAKE_PTR(text);
        *ret_size = n;
        return 0;
}

/* The lines that are no warnings, in one: what went wrong. */
static void keep_error(Lvm *lvm, int fd) {
        _cleanup_(freep) char *text = NULL;
        size_t size, n = 0;
        char *rest, *line;

        (void)snprintf(lvm->error, sizeof(lvm->error), "%s", "it did not say why");
        if (read_text(fd, &text, &size) < 0)
                return;
        for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                line += strspn(line, " ");
                if (strncmp(line, "WARNING:", 8) == 0 || n + 3 >= sizeof(lvm->error))
                        continue;
                n += (size_t)snprintf(lvm->error + n, sizeof(lvm->error) - n, "%s%s", n ? " " : "", line);
                n = MIN(n, sizeof(lvm->error) - 1);
        }
}

static int new_file(int *ret_fd) {
        int fd = memfd_create("lvm", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

static int run(Lvm *lvm, const Arguments *arguments, int output_fd) {
        const char *argv[LVM_ARGUMENTS_MAX + 4];
        _cleanup_(closep) int error_fd = -1;
        pid_t pid;
        int r;

        r = prepare(lvm);
        if (r == 0)
                r = make_argv(lvm, arguments, argv);
        if (r == 0)
                r = new_file(&error_fd);
        if (r < 0)
                return r;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                become(argv, output_fd, error_fd);
        r = reap(pid);
        if (r == -EREMOTEIO)
                keep_error(lvm, error_fd);
        return r;
}

int lvm_run(Lvm *lvm, const Arguments *arguments) {
        _cleanup_(closep) int output_fd = -1;
        int r = new_file(&output_fd);

        return r < 0 ? r : run(lvm, arguments, output_fd);
}

/* What lies above and below the volume stands with it: only the volume is told, and why. */
static int tell_suspended(const vss_value *all, dev_t device, const char *why, vss_value *suspended) {
        DevmapInfo info;

        if (!suspended || devmap_info_device(device, &info) < 0)
                return 0;
        for (size_t i = 0; i < vss_value_count(all); i++) {
                _cleanup_value_ vss_value *entry = vss_value_copy(vss_value_at(all, i));

                if (!entry)
                        return -ENOMEM;
                if (strcmp(vss_value_get_string(entry, "what", ""), info.name) != 0)
                        continue;
                if (vss_value_set_string(entry, "why", why) < 0 ||
                    vss_value_append(suspended, TAKE_PTR(entry)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int lvm_run_guarded(Lvm *lvm, const Arguments *arguments, const dev_t *devices, size_t n_devices,
                    const char *why, vss_value *suspended) {
        _cleanup_value_ vss_value *all = vss_value_new_list();
        const char *argv[LVM_ARGUMENTS_MAX + 4];
        _cleanup_(closep) int output_fd = -1;
        int r;

        r = all ? prepare(lvm) : -ENOMEM;
        if (r == 0)
                r = make_argv(lvm, arguments, argv);
        if (r == 0)
                r = new_file(&output_fd);
        /* Its errors, too, go where its output goes. */
        if (r == 0 && setenv("LVM_ERR_FD", "1", 1) < 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        r = guard_run(argv, devices, n_devices, GUARD_USEC, output_fd, all);
        (void)unsetenv("LVM_ERR_FD");
        if (r > 0)
                keep_error(lvm, output_fd);
        if (tell_suspended(all, devices[0], why, suspended) < 0)
                return -ENOMEM;
        return r > 0 ? -EREMOTEIO : r;
}

int lvm_list(Lvm *lvm, bool ours, Report *ret_report) {
        _cleanup_arguments_ Arguments arguments = { 0 };
        _cleanup_(closep) int output_fd = -1;
        _cleanup_(freep) char *text = NULL;
        static const char *const words[] = { "lvs",        "--reportformat", "json", "--units",    "b",
                                             "--nosuffix", "--binary",       "-o",   REPORT_FIELDS };
        size_t size;
        int r;

        FOREACH_ELEMENT (word, words)
                arguments_add(&arguments, "%s", *word);
        /* Somebody may be waiting for what is locked, and then nobody else is let in. */
        if (lvm->holds_locks)
                arguments_add(&arguments, "--nolocking");
        if (ours)
                arguments_add(&arguments, "@" TAG_OURS);
        r = new_file(&output_fd);
        if (r == 0)
                r = run(lvm, &arguments, output_fd);
        if (r == 0)
                r = read_text(output_fd, &text, &size);
        return r < 0 ? r : report_parse(text, size, ret_report);
}

/* Where LVM keeps its locks: locking_dir="PATH" */
static int find_locking_dir(Lvm *lvm) {
        _cleanup_arguments_ Arguments arguments = { 0 };
        _cleanup_(closep) int output_fd = -1;
        _cleanup_(freep) char *text = NULL;
        char *from, *to;
        size_t size;
        int r;

        if (*lvm->locking_dir)
                return 0;
        arguments_add(&arguments, "lvmconfig");
        arguments_add(&arguments, "--typeconfig");
        arguments_add(&arguments, "full");
        arguments_add(&arguments, "global/locking_dir");
        r = new_file(&output_fd);
        if (r == 0)
                r = run(lvm, &arguments, output_fd);
        if (r == 0)
                r = read_text(output_fd, &text, &size);
        if (r < 0)
                return r;
        from = strchr(text, '"');
        to = from ? strchr(from + 1, '"') : NULL;
        if (!to || from[1] != '/' || (size_t)(to - from) > sizeof(lvm->locking_dir))
                return -EBADMSG;
        *to = 0;
        (void)snprintf(lvm->locking_dir, sizeof(lvm->locking_dir), "%s", from + 1);
        return 0;
}

/* LVM removes the file of a lock that it gives back. */
static bool is_still_there(int fd, const char *path) {
        struct stat opened, there;

        return fstat(fd, &opened) == 0 && stat(path, &there) == 0 && opened.st_dev == there.st_dev &&
               opened.st_ino == there.st_ino;
}

int lvm_lock(Lvm *lvm, const char *vg, int *ret_fd) {
        uint64_t deadline = now_usec() + LOCK_USEC;
        char path[PATH_MAX];
        int r;

        r = find_locking_dir(lvm);
        if (r < 0)
                return r;
        (void)snprintf(path, sizeof(path), "%s/V_%s", lvm->locking_dir, vg);
        while (now_usec() < deadline) {
                static const struct timespec pause = { .tv_nsec = 5000000 };
                _cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
                                                0700);

                if (fd < 0)
                        return -errno;
                /* Shared, so that those who only look are not kept. */
                if (flock(fd, LOCK_SH | LOCK_NB) == 0 && is_still_there(fd, path)) {
                        *ret_fd = TAKE_FD(fd);
                        return 0;
                }
                (void)nanosleep(&pause, NULL);
        }
        return -ETIMEDOUT;
}
