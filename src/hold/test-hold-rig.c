/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rig of the hold's tests
 */

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "hold/mapper.h"
#include "hold/record.h"
#include "hold/test-hold-rig.h"
#include "util/clock.h"
#include "util/macro.h"

#define BLOCKED_MSEC 150

Volume volumes[N_VOLUMES] = {
        [VOLUME_EXT4] = { .name = "ext4", .loop = -1, .dir = -1 },
        [VOLUME_XFS] = { .name = "xfs", .loop = -1, .dir = -1 },
        [VOLUME_UPPER] = { .name = "upper", .loop = -1, .dir = -1 },
        [VOLUME_BTRFS] = { .name = "btrfs", .loop = -1, .dir = -1 },
        [VOLUME_DEVICES... N_VOLUMES - 1] = { .name = "", .loop = -1, .dir = -1 },
};
const char *session_root, *session_program, *session_option;

static char tmp_dir[64], program_path[PATH_MAX];
static pid_t emergency_pid = -1, test_pid;
static int emergency_pipe = -1;

int program_run(char *const argv[], bool quiet) {
        posix_spawn_file_actions_t actions;
        int status, r;
        pid_t pid;

        (void)posix_spawn_file_actions_init(&actions);
        if (quiet) {
                (void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
                (void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        } else
                (void)posix_spawn_file_actions_adddup2(&actions, 2, 1);
        r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

static int image_make(Volume *volume, const char *dir, off_t size) {
        int fd, r;

        (void)snprintf(volume->image, sizeof(volume->image), "%s/%s.img", dir, volume->name);
        fd = open(volume->image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = ftruncate(fd, size) < 0 ? -errno : 0;
        (void)close(fd);
        return r;
}

static int loop_attach(Volume *volume, char *path, size_t size) {
        struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
        _cleanup_(closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
        _cleanup_(closep) int image = open(volume->image, O_RDWR | O_CLOEXEC);
        int off = 0;

        if (control < 0 || image < 0)
                return -errno;
        config.fd = (uint32_t)image;
        for (unsigned i = 0; i < 16; i++) {
                int number = ioctl(control, LOOP_CTL_GET_FREE);

                if (number < 0)
                        return -errno;
                (void)snprintf(path, size, "/dev/loop%d", number);
                volume->loop = open(path, O_RDWR | O_CLOEXEC);
                if (volume->loop < 0)
                        return -errno;
                /* A loop device remembers that somebody made it read-only. */
                if (ioctl(volume->loop, LOOP_CONFIGURE, &config) >= 0)
                        return ioctl(volume->loop, BLKROSET, &off) < 0 ? -errno : 0;
                /* Somebody else was quicker: the next one. */
                if (errno != EBUSY)
                        return -errno;
                (void)close(TAKE_FD(volume->loop));
        }
        return -EBUSY;
}

int volume_attach(Volume *volume, const char *dir, off_t size) {
        int r = image_make(volume, dir, size);

        volume->sectors = (uint64_t)size / 512;
        return r < 0 ? r : loop_attach(volume, volume->disk, sizeof(volume->disk));
}

int btrfs_subvolume_make(const char *path) {
        char *argv[] = { (char *)"btrfs", (char *)"subvolume", (char *)"create", (char *)path, NULL };

        return program_run(argv, true);
}

int volume_format(Volume *volume, const char *dir, off_t size, const char *type) {
        char mkfs[16];
        char *ext4[] = { mkfs, (char *)"-q", (char *)"-F", volume->image, NULL };
        char *others[] = { mkfs, (char *)"-q", volume->image, NULL };
        int r = image_make(volume, dir, size);

        if (r < 0)
                return r;
        volume->sectors = (uint64_t)size / 512;
        (void)snprintf(mkfs, sizeof(mkfs), "mkfs.%s", type);
        r = program_run(strcmp(type, "ext4") == 0 ? ext4 : others, true);
        if (r != 0)
                return r < 0 ? r : -EIO;
        return loop_attach(volume, volume->disk, sizeof(volume->disk));
}

int volume_mount(Volume *volume, const char *device, const char *type) {
        struct stat st;

        (void)snprintf(volume->point, sizeof(volume->point), "%s", rig_path(volume->name));
        if (mount(device, volume->point, type, 0, NULL) < 0)
                return -errno;
        volume->dir = open(volume->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (volume->dir < 0 || fstat(volume->dir, &st) < 0)
                return -errno;
        volume->device = st.st_dev;
        return 0;
}

static int volume_make(Volume *volume, const char *dir, off_t size, const char *type) {
        int r = volume_format(volume, dir, size, type);

        return r < 0 ? r : volume_mount(volume, volume->disk, type);
}

const char *rig_path(const char *name) {
        static char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", tmp_dir, name);
        (void)mkdir(path, 0700);
        return path;
}

static void volumes_thaw(void) {
        _cleanup_(closep) int control = mapper_open();

        for (unsigned i = 0; i < N_VOLUMES; i++)
                if (volumes[i].mapper[0])
                        (void)mapper_undo(control, volumes[i].device);
                else if (volumes[i].dir >= 0)
                        (void)ioctl(volumes[i].dir, FITHAW, 0);
}

static void files_remove(void) {
        for (unsigned i = 0; i < N_VOLUMES; i++)
                if (volumes[i].image[0]) {
                        (void)unlink(volumes[i].image);
                        (void)rmdir(volumes[i].point);
                }
        (void)umount2(rig_path("second"), MNT_DETACH);
        (void)rmdir(rig_path("second"));
        (void)rmdir(tmp_dir);
}

/* Waits for the test's end; releases again and again if that comes without notice, or not at all. */
int emergency_start(unsigned seconds) {
        int pipes[2];

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        emergency_pid = fork();
        if (emergency_pid < 0)
                return -errno;
        if (emergency_pid == 0) {
                struct pollfd fd = { .fd = pipes[0], .events = POLLIN };
                char ok;

                (void)close(pipes[1]);
                (void)setsid();
                if (poll(&fd, 1, (int)seconds * 1000) > 0 && read(pipes[0], &ok, 1) == 1)
                        _exit(0);
                for (unsigned i = 0; i < 50; i++) {
                        volumes_thaw();
                        (void)usleep(100000);
                }
                for (unsigned i = N_VOLUMES; i-- > 0;)
                        if (volumes[i].point[0])
                                (void)umount2(volumes[i].point, MNT_DETACH);
                files_remove();
                _exit(1);
        }
        (void)close(pipes[0]);
        emergency_pipe = pipes[1];
        return 0;
}

int rig_begin(const char *program, const char **ret_reason) {
        const char *base = getenv("TMPDIR");

        *ret_reason = "needs root";
        if (geteuid() != 0)
                return -EPERM;
        *ret_reason = "needs mount namespaces";
        if (!realpath(program, program_path) || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
                return -errno;
        test_pid = getpid();
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        *ret_reason = "needs a directory for disk images";
        (void)snprintf(tmp_dir, sizeof(tmp_dir), "%s/test-hold-XXXXXX",
                       base && strlen(base) < 40 ? base : "/var/tmp");
        return mkdtemp(tmp_dir) ? 0 : -errno;
}

int rig_open(const char *program, const char **ret_reason) {
        int r = rig_begin(program, ret_reason);

        if (r < 0)
                return r;
        *ret_reason = "needs loop devices, mkfs.ext4 and mkfs.xfs";
        r = volume_make(volumes + VOLUME_EXT4, tmp_dir, 128 << 20, "ext4");
        if (r >= 0)
                r = volume_make(volumes + VOLUME_XFS, tmp_dir, 320 << 20, "xfs");
        if (r >= 0)
                r = volume_make(volumes + VOLUME_UPPER, volumes[VOLUME_EXT4].point, 24 << 20, "ext4");
        /* Only looked at, and not everywhere there is one. */
        if (r >= 0 && volume_make(volumes + VOLUME_BTRFS, tmp_dir, 256 << 20, "btrfs") < 0 &&
            volumes[VOLUME_BTRFS].dir >= 0)
                (void)close(TAKE_FD(volumes[VOLUME_BTRFS].dir));
        if (r >= 0)
                r = emergency_start(90);
        if (r < 0)
                rig_close();
        return r;
}

void emergency_end(void) {
        volumes_thaw();
        if (emergency_pipe >= 0)
                (void)!write(emergency_pipe, "", 1);
        if (emergency_pid > 0)
                (void)waitpid(emergency_pid, NULL, 0);
        emergency_pid = emergency_pipe = -1;
}

void rig_close(void) {
        emergency_end();
        for (unsigned i = N_VOLUMES; i-- > 0;) {
                Volume *volume = volumes + i;

                if (volume->dir >= 0)
                        (void)close(TAKE_FD(volume->dir));
                if (volume->point[0] && umount2(volume->point, 0) < 0 && errno != EINVAL) {
                        printf("# %s: umount: %m\n", volume->point);
                        (void)umount2(volume->point, MNT_DETACH);
                }
                if (volume->loop >= 0)
                        (void)close(TAKE_FD(volume->loop));
        }
        files_remove();
}

Writer writer_start(const Volume *volume) {
        Writer writer = { .pid = -1, .pipe = -1 };
        char path[PATH_MAX + 16];
        int pipes[2];

        (void)snprintf(path, sizeof(path), "%s/written", volume->point);
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return writer;
        writer.pid = fork();
        if (writer.pid == 0) {
                char block[4096] = "data";
                uint64_t now;
                int fd;

                /* Nothing of the test stays open in a process that may hang: not its sockets above all. */
                if (dup2(pipes[1], 3) < 0)
                        _exit(1);
                (void)close_range(4, ~0u, 0);
                fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                if (fd < 0 || pwrite(fd, block, sizeof(block), 0) < 0 || fdatasync(fd) < 0)
                        _exit(1);
                now = now_usec();
                _exit(write(3, &now, sizeof(now)) == (ssize_t)sizeof(now) ? 0 : 1);
        }
        (void)close(pipes[1]);
        writer.pipe = pipes[0];
        return writer;
}

bool writer_done(Writer *writer, uint64_t timeout_msec, uint64_t *ret_usec) {
        struct pollfd fd = { .fd = writer->pipe, .events = POLLIN };
        uint64_t usec;

        if (poll(&fd, 1, (int)timeout_msec) <= 0)
                return false;
        if (read(writer->pipe, &usec, sizeof(usec)) != (ssize_t)sizeof(usec))
                return false;
        if (ret_usec)
                *ret_usec = usec;
        (void)close(TAKE_FD(writer->pipe));
        (void)waitpid(writer->pid, NULL, 0);
        return true;
}

bool writes_block(const Volume *volume, Writer *ret_writer) {
        *ret_writer = writer_start(volume);
        return !writer_done(ret_writer, BLOCKED_MSEC, NULL);
}

void session_start(Session *session, const char *stop_at, int cgroup_procs) {
        int ends[2];

        *session = (Session){ .socket = -1, .pid = -1 };
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return;
        session->pid = fork();
        if (session->pid == 0) {
                if (stop_at)
                        (void)setenv("VSS_HOLD_STOP_AT", stop_at, 1);
                if (cgroup_procs >= 0 && write(cgroup_procs, "0", 1) < 0)
                        _exit(126);
                if (ends[1] == HOLD_FD)
                        (void)fcntl(HOLD_FD, F_SETFD, 0);
                else if (dup2(ends[1], HOLD_FD) < 0)
                        _exit(126);
                (void)dup2(2, 1);
                if (session_root && chroot(session_root) < 0)
                        _exit(126);
                (void)execl(session_root ? session_program : program_path, program_path, session_option,
                            (char *)NULL);
                _exit(127);
        }
        (void)close(ends[1]);
        session->socket = ends[0];
}

static void request_send(Session *session, const HoldRequest *request, int fd) {
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { .space = { 0 } };
        struct iovec part = { .iov_base = (void *)request, .iov_len = sizeof(*request) };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        if (fd >= 0) {
                message.msg_control = &control;
                message.msg_controllen = sizeof(control);
                *CMSG_FIRSTHDR(&message) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                                             .cmsg_level = SOL_SOCKET,
                                                             .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof(fd));
        }
        if (sendmsg(session->socket, &message, MSG_NOSIGNAL) < 0)
                printf("# request: %m\n");
}

void session_add(Session *session, uint32_t kind, int fd, uint32_t rank, const char *label) {
        HoldRequest request = { .command = HOLD_ADD, .kind = kind, .rank = rank };

        (void)snprintf(request.label, sizeof(request.label), "%s", label);
        request_send(session, &request, fd);
}

void session_add_device(Session *session, const Volume *volume, uint32_t rank) {
        HoldRequest request = {
                .command = HOLD_ADD, .kind = VSS_HOLD_DEVICE, .rank = rank, .device = volume->device
        };

        request_send(session, &request, -1);
}

void session_operation(Session *session, uint32_t target, HoldOperationKind kind, dev_t device,
                       const char *text) {
        HoldRequest request = {
                .command = HOLD_OPERATION, .target = target, .operation = kind, .operation_device = device
        };

        (void)snprintf(request.message, sizeof(request.message), "%s", text);
        request_send(session, &request, -1);
}

void session_add_volume(Session *session, const Volume *volume, uint32_t rank) {
        session_add(session, VSS_HOLD_FILESYSTEM, volume->dir, rank, volume->point);
}

void session_send(Session *session, HoldCommand command, uint64_t limit_usec) {
        HoldRequest request = { .command = command, .limit_usec = limit_usec };

        /* The hold may be gone already: the answer tells. */
        (void)send(session->socket, &request, sizeof(request), MSG_NOSIGNAL);
}

bool session_wait(Session *session, HoldAnswer answer, uint64_t timeout_msec) {
        struct pollfd fd = { .fd = session->socket, .events = POLLIN };

        if (poll(&fd, 1, (int)timeout_msec) <= 0) {
                printf("# no answer in %u ms\n", (unsigned)timeout_msec);
                return false;
        }
        if (recv(session->socket, &session->reply, sizeof(session->reply), 0) !=
            (ssize_t)sizeof(session->reply)) {
                printf("# the hold has closed its end\n");
                return false;
        }
        if (session->reply.answer != answer)
                printf("# got answer %u with cause %u, target errors %d %d\n", session->reply.answer,
                       session->reply.cause, session->reply.targets[0].freeze_error,
                       session->reply.targets[1].freeze_error);
        return session->reply.answer == answer;
}

bool session_ended(Session *session, uint64_t timeout_msec) {
        struct pollfd fd = { .fd = session->socket, .events = POLLIN };
        char byte;

        return poll(&fd, 1, (int)timeout_msec) > 0 && recv(session->socket, &byte, 1, MSG_DONTWAIT) == 0;
}

void session_close(Session *session) {
        if (session->socket >= 0)
                (void)close(TAKE_FD(session->socket));
}

/* Of the tested program? An ending one has lost its program before its descriptors: then its name tells. */
static bool is_hold(const char *pid) {
        char path[NAME_MAX + 16], text[PATH_MAX];
        _cleanup_(fclosep) FILE *file = NULL;
        uint64_t start;
        ssize_t length;

        if (pid[0] < '1' || pid[0] > '9')
                return false;
        (void)snprintf(path, sizeof(path), "/proc/%s/exe", pid);
        length = readlink(path, text, sizeof(text) - 1);
        if (length > 0) {
                text[length] = '\0';
                return strcmp(text, program_path) == 0 ||
                       (session_root && strncmp(text, session_root, strlen(session_root)) == 0);
        }
        (void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
        file = fopen(path, "re");
        if (!file || !fgets(text, sizeof(text), file))
                return false;
        text[strcspn(text, "\n")] = '\0';
        return strncmp(text, strrchr(program_path, '/') + 1, 15) == 0 &&
               process_start((pid_t)strtol(pid, NULL, 10), &start) >= 0;
}

unsigned holds_running(void) {
        DIR *proc = opendir("/proc");
        struct dirent *entry;
        unsigned n = 0;

        while (proc && (entry = readdir(proc)))
                n += is_hold(entry->d_name);
        if (proc)
                (void)closedir(proc);
        return n;
}

/* Ended children but the emergency process, whoever left them to us. */
static void children_collect(void) {
        siginfo_t info = { .si_pid = 0 };

        while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) >= 0 && info.si_pid > 0 &&
               info.si_pid != emergency_pid) {
                (void)waitpid(info.si_pid, NULL, 0);
                info.si_pid = 0;
        }
}

bool holds_end(uint64_t timeout_msec) {
        uint64_t end = now_usec() + timeout_msec * USEC_PER_MSEC;

        do {
                children_collect();
                if (holds_running() == 0)
                        return true;
                (void)usleep(5000);
        } while (now_usec() < end);
        return false;
}

int release_run(void) {
        char *argv[] = { program_path, (char *)"--release", NULL };

        (void)fflush(stdout);
        return program_run(argv, true);
}

int hold_processes(pid_t *ret_actor, pid_t *ret_watcher) {
        _cleanup_(freep) Record *record = calloc(1, sizeof(*record));
        _cleanup_(closep) int dir = record_dir_open(0);
        int r = dir < 0 ? dir : record ? record_read(dir, RECORD_NAME, record) : -ENOMEM;

        if (r < 0)
                return r;
        *ret_actor = record->pids[0];
        *ret_watcher = record->pids[1];
        return 0;
}

bool everything_runs(void) {
        bool ok = true;

        for (unsigned i = 0; i < N_VOLUMES; i++) {
                Writer writer;

                if (i == VOLUME_BTRFS || volumes[i].dir < 0)
                        continue;
                writer = writer_start(volumes + i);

                if (writer_done(&writer, 2000, NULL))
                        continue;
                printf("# writes on %s still block\n", volumes[i].name);
                volumes_thaw();
                (void)writer_done(&writer, 2000, NULL);
                ok = false;
        }
        if (!holds_end(2000)) {
                printf("# %u hold processes are left\n", holds_running());
                ok = false;
        }
        if (access("/run/linuxvss/hold", F_OK) >= 0) {
                printf("# the hold file is left\n");
                (void)unlink("/run/linuxvss/hold");
                ok = false;
        }
        return ok;
}

bool arm_both(Session *session, const char *stop_at, uint64_t limit_usec) {
        session_start(session, stop_at, -1);
        session_add_volume(session, volumes + VOLUME_EXT4, 1);
        session_add_volume(session, volumes + VOLUME_XFS, 1);
        session_send(session, HOLD_ARM, limit_usec);
        return session_wait(session, HOLD_READY, 3000);
}

bool hold_both(Session *session, uint64_t limit_usec) {
        if (!arm_both(session, NULL, limit_usec))
                return false;
        session_send(session, HOLD_FREEZE, 0);
        return session_wait(session, HOLD_HELD, 3000);
}

bool released_with(Session *session, HoldCause cause) {
        bool released = session_wait(session, HOLD_RELEASED, 2000);

        session_close(session);
        if (released && session->reply.cause != cause)
                printf("# released with cause %u, not %u\n", session->reply.cause, cause);
        return everything_runs() && released && session->reply.cause == cause;
}
