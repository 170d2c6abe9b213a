/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The shadow copies of a backup over the original mount points
 */

#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "vss/backup-view.h"
#include "vss/channel.h"
#include "vss/paths.h"

void backup_view_close(BackupView *view) {
        for (size_t i = 0; i < view->n; i++)
                closep(&view->fds[i]);
}

void backup_view_clear(BackupView *view) {
        backup_view_close(view);
        free(view->fds);
        free(view->shadows);
        view_clear(&view->view);
        strings_clear(&view->mounts);
        strings_clear(&view->parts);
        strings_clear(&view->live);
        *view = (BackupView){};
}

bool backup_view_is_possible(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1u << CAP_SYS_ADMIN));
}

/* Paths to be left out as the view sees them: only what is a path. What is read live is there as it is. */
static int collect_left_out(const Backup *backup, Strings *ret_paths) {
        const vss_value *left_out = vss_value_get(backup->set, "left-out");

        for (size_t i = 0; i < vss_value_count(left_out); i++) {
                const char *what = vss_value_get_string(vss_value_at(left_out, i), "what", "");

                if (what[0] == '/' && !strings_contain(&backup->read_live, what) &&
                    strings_add_once(ret_paths, what) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static const vss_value *paths_of(const vss_value *set, const char *id) {
        const vss_value *snapshots = vss_value_get(set, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcmp(vss_value_get_string(vss_value_at(snapshots, i), "id", ""), id) == 0)
                        return vss_value_get(vss_value_at(snapshots, i), "paths");
        return NULL;
}

/* Takes @fd over. */
static int add_shadow(Cli *cli, BackupView *view, int fd, const char *target, const char *below) {
        if (view->n == view->room) {
                size_t room = view->room * 2 + 8;
                int *fds = reallocarray(view->fds, room, sizeof(*fds));
                ViewShadow *shadows = fds ? reallocarray(view->shadows, room, sizeof(*shadows)) : NULL;

                view->fds = fds ?: view->fds;
                view->shadows = shadows ?: view->shadows;
                if (!fds || !shadows) {
                        (void)close(fd);
                        return cli_out_of_memory(cli);
                }
                view->room = room;
        }
        view->fds[view->n] = fd;
        view->shadows[view->n++] = (ViewShadow){ target, below };
        return EXIT_DONE;
}

/* Each path by itself. */
static int add_parts(Cli *cli, BackupView *view, int fd, const BackupVolume *volume,
                     const vss_value *paths) {
        int status = EXIT_DONE;

        for (size_t i = 0; i < vss_value_count(paths) && status == EXIT_DONE; i++) {
                const char *path = vss_value_string(vss_value_at(paths, i), ""), *rest;
                _cleanup_(freep) char *below = NULL;
                int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

                rest = path_rest(path, volume->target);
                if (own < 0 || !rest ||
                    asprintf(&below, "%s%s%s", volume->below, *volume->below && *rest ? "/" : "", rest) <
                            0) {
                        below = NULL;
                        closep(&own);
                        return cli_out_of_memory(cli);
                }
                if (strings_add(&view->parts, below) < 0) {
                        closep(&own);
                        return cli_out_of_memory(cli);
                }
                status = add_shadow(cli, view, own, path, view->parts.items[view->parts.n - 1]);
        }
        return status;
}

static int plan(Backup *b, BackupView *view) {
        _cleanup_(strings_clear) Strings left_out = {};
        const char *conflict = NULL;
        ViewInput input = {
                .shadows = view->shadows,
                .n_shadows = view->n,
                .wanted = b->wanted,
                .live = b->options->live,
                .read_live = b->read_live,
                .system_live = b->system_live,
        };
        int r = mounts_read(&view->mounts);

        if (r < 0)
                return cli_error(b->cli, VSS_E_UNEXPECTED, NULL, "the mounts cannot be read: %s",
                                 strerror(-r));
        if (collect_left_out(b, &left_out) < 0)
                return cli_out_of_memory(b->cli);
        input.mounts = view->mounts;
        input.left_out = left_out;
        r = view_plan(&input, &view->view, &conflict);
        if (r == -EEXIST)
                return cli_usage(b->cli, "--live would cover %s, which is to be read from its shadow copy",
                                 conflict);
        return r < 0 ? cli_out_of_memory(b->cli) : EXIT_DONE;
}

int backup_view_make(Backup *b,
                     bool (*by_parts)(void *userdata, const BackupVolume *volume, const vss_value *paths),
                     void *userdata, BackupView *view) {
        int status = EXIT_DONE;

        for (size_t i = 0; i < b->n_volumes && status == EXIT_DONE; i++) {
                const BackupVolume *volume = &b->volumes[i];
                const vss_value *paths = paths_of(b->set, volume->snapshot);
                _cleanup_(closep) int fd = -1;
                vss_result r = vss_session_open_snapshot(b->session, volume->snapshot, &fd);

                if (r < 0)
                        return cli_fail(b->cli, r);
                status = vss_value_count(paths) > 0 && by_parts(userdata, volume, paths)
                                 ? add_parts(b->cli, view, fd, volume, paths)
                                 : add_shadow(b->cli, view, TAKE_FD(fd), volume->target, volume->below);
        }
        return status == EXIT_DONE ? plan(b, view) : status;
}

/* ---- a namespace of its own ---- */

static void __attribute__((__noreturn__)) run_builder(const BackupView *view, int fd) {
        NamespaceError error = {};

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (namespace_enter(&view->view, view->fds, view->n, "/", &error) >= 0) {
                int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

                if (own >= 0 && channel_send_bytes(fd, &error, sizeof(error), own) == 0)
                        _exit(0);
                error.error = own < 0 ? errno : EIO;
                (void)snprintf(error.what, sizeof(error.what), "it cannot be handed over");
        }
        (void)channel_send_bytes(fd, &error, sizeof(error), -1);
        _exit(1);
}

int backup_view_hold(Cli *cli, const BackupView *view, int *ret_fd) {
        _cleanup_(closep) int ours = -1, theirs = -1, fd = -1;
        NamespaceError error = { .error = EIO, .what = "its builder has gone" };
        pid_t pid;
        int r;

        r = channel_pair(&ours, &theirs);
        (void)fflush(NULL);
        pid = r < 0 ? -1 : fork();
        if (pid < 0)
                return cli_error(cli, VSS_E_UNEXPECTED, NULL, "no process can be made: %s",
                                 strerror(r < 0 ? -r : errno));
        if (pid == 0)
                run_builder(view, theirs);
        theirs = (close(theirs), -1);
        r = channel_receive_bytes(ours, &error, sizeof(error), &fd);
        (void)waitpid(pid, NULL, 0);
        if (r < 0 || fd < 0)
                return cli_error(cli, error.error == EPERM ? VSS_E_ACCESSDENIED : VSS_E_UNEXPECTED, NULL,
                                 "the view of the shadow copies cannot be made: %s: %s", error.what,
                                 strerror(error.error));
        *ret_fd = TAKE_FD(fd);
        return EXIT_DONE;
}
