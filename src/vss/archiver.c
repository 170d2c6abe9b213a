/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The process that reads files and stores them
 */

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "util/utf8.h"
#include "vss/archiver-internal.h"
#include "vss/channel.h"
#include "vss/output.h"
#include "vss/paths.h"

#define SERVICE_DIRECTORY ".linuxvss" /* of the root of a volume */

int compression_level(const char *name) {
        static const struct {
                const char *name;
                int level;
        } levels[] = {
                { "off", COMPRESS_OFF }, { "fastest", 1 }, { "default", 3 }, { "better", 7 }, { "max", 15 }
        };

        if (!name)
                return COMPRESS_DEFAULT;
        FOREACH_ELEMENT (level, levels)
                if (strcmp(level->name, name) == 0)
                        return level->level;
        return -1;
}

/* ---- messages ---- */

static vss_value *new_event(const char *event) {
        vss_value *value = vss_value_new_dict();

        (void)vss_value_set_string(value, "event", event);
        return value;
}

/* Takes @event over. Who is not heard any more need not go on. */
static void send_event(ArchiverChild *child, vss_value *event) {
        if (!event || channel_send(child->fd, event, -1) < 0)
                child->cancelled = true;
        vss_value_free(event);
}

static void send_failed(ArchiverChild *child, int status) {
        vss_value *event = new_event("failed");
        const vss_value *errors = child->cli->errors ?: child->cli->noted;

        if (errors)
                (void)vss_value_set(event, "errors", vss_value_copy(errors));
        (void)vss_value_set_integer(event, "status", status);
        send_event(child, event);
}

/* The other process has the word about signals of the terminal; this one looks at its own, too. */
static bool is_cancelled(ArchiverChild *child) {
        _cleanup_value_ vss_value *order = NULL;
        int r;

        if (child->cancelled || interrupt_pending())
                return true;
        r = channel_receive(child->fd, 0, &order, NULL);
        if (r != -ETIMEDOUT && r != -EINTR)
                child->cancelled = true;
        return child->cancelled;
}

/* Waits for an order of this name. Return: 0, or -ECANCELED for anything else. */
static int await_order(ArchiverChild *child, const char *name, vss_value **ret_order, int *ret_fd) {
        _cleanup_value_ vss_value *order = NULL;
        int r;

        do
                r = channel_receive(child->fd, -1, &order, ret_fd);
        while (r == -EINTR && !interrupt_pending());
        if (r < 0 || strcmp(vss_value_get_string(order, "do", ""), name) != 0) {
                child->cancelled = true;
                return -ECANCELED;
        }
        *ret_order = TAKE_PTR(order);
        return 0;
}

static int set_text(vss_value *dict, const char *key, const char *text) {
        _cleanup_(freep) char *copy = strdup(text);

        return copy ? vss_value_set_string(dict, key, text_make_utf8(copy)) : VSS_E_OUTOFMEMORY;
}

/* From the archiver's threads, one at a time: the channel is not used by anybody else meanwhile. */
static void told(void *userdata, const char *path, int error, const char *what) {
        ArchiverChild *child = userdata;
        _cleanup_(freep) char *message = NULL;
        vss_value *event = new_event("told");

        if (asprintf(&message, "%s%s%s", what, error < 0 ? ": " : "", error < 0 ? strerror(-error) : "") < 0)
                message = NULL;
        (void)set_text(event, "path", path);
        (void)set_text(event, "message", message ?: what);
        (void)vss_value_set_boolean(event, "failed", error < 0);
        if (error < 0)
                backup_files_fail(child->files, path, message ?: what);
        send_event(child, event);
}

static bool show_progress(void *userdata, const ArchiveCounts *counts, const char *path) {
        ArchiverChild *child = userdata;
        vss_value *event = new_event("status");
        char component[COMPONENT_NAME_SIZE];
        uint64_t files, bytes;

        if (scan_result(child->scan, &files, &bytes)) {
                (void)vss_value_set_integer(event, "files-expected", (int64_t)files);
                (void)vss_value_set_integer(event, "bytes-expected", (int64_t)bytes);
        }
        (void)vss_value_set_integer(event, "files", (int64_t)counts->files);
        (void)vss_value_set_integer(event, "bytes", (int64_t)counts->bytes);
        (void)set_text(event, "path", path);
        backup_files_name(child->files, path, component);
        (void)set_text(event, "component", component);
        send_event(child, event);
        return is_cancelled(child);
}

/* ---- before ---- */

static int prepare_store(ArchiverChild *child, bool settle) {
        StoreOptions options = { .level = compression_level(child->job->options->compression) };
        Salvage salvage = {};
        Why why = {};
        int r = store_new(child->repo, child->lock, &options, &why, &child->store);

        if (r == 0 && settle)
                r = store_salvage(child->store, &why, &salvage);
        if (salvage.taken > 0)
                cli_note("%zu pack%s that no index named %s used: a run did not end, or an index was lost",
                         salvage.taken, PLURAL(salvage.taken), salvage.taken == 1 ? "is" : "are");
        if (salvage.lost > 0)
                cli_note(
                        "%zu pack%s missing or cut off: what was in them is stored again where it is found; "
                        "vss verify --repository says what is lost",
                        salvage.lost, salvage.lost == 1 ? " is" : "s are");
        return r < 0 ? cli_fail_repository(child->cli, r, &why) : EXIT_DONE;
}

static int send_ready(ArchiverChild *child) {
        _cleanup_(freep) char *document = archiver_load_document(child);
        const Snapshot *like = archiver_find_like(child);
        vss_value *event = new_event("ready");
        char id[BLOB_ID_TEXT];

        if (child->parent)
                (void)vss_value_set_string(event, "parent", blob_id_text(&child->parent->id, id));
        if (like) {
                (void)vss_value_set_integer(event, "files", (int64_t)like->summary.total_files);
                (void)vss_value_set_integer(event, "bytes", (int64_t)like->summary.total_bytes);
        }
        if (child->base)
                (void)vss_value_set_string(event, "base", blob_id_text(&child->base->id, id));
        if (document && vss_value_set_string(event, "document", document) < 0)
                cli_note("the writers are not told of their last backup: its document is no text");
        send_event(child, event);
        return EXIT_DONE;
}

static int prepare(ArchiverChild *child) {
        bool settle = false;
        int status = cli_open_repository(child->cli, &child->job->options->repo, &child->repo);

        if (status == EXIT_DONE)
                status = cli_lock_repository(child->cli, child->repo, false, &settle, &child->lock);
        if (status == EXIT_DONE)
                status = cli_load_points(child->cli, child->repo, &child->points);
        if (status != EXIT_DONE)
                return status;
        archiver_choose_parent(child);
        status = cli_load_index(child->cli, child->repo);
        if (status == EXIT_DONE)
                status = prepare_store(child, settle);
        return status == EXIT_DONE ? send_ready(child) : status;
}

/* ---- what is read ---- */

static int enter_view(ArchiverChild *child, int fd) {
        /* The other threads stay where they are: the repository is not in a shadow copy. */
        if (unshare(CLONE_FS) < 0 || setns(fd, CLONE_NEWNS) < 0)
                return cli_error(child->cli, VSS_E_UNEXPECTED, NULL,
                                 "the view of the shadow copies cannot be entered: %s", strerror(errno));
        return EXIT_DONE;
}

static int list_devices(ArchiverChild *child) {
        const vss_value *list = vss_value_get(child->order, "devices");

        child->devices = calloc(vss_value_count(list) + 1, sizeof(*child->devices));
        if (!child->devices)
                return cli_out_of_memory(child->cli);
        for (size_t i = 0; i < vss_value_count(list); i++) {
                const vss_value *entry = vss_value_at(list, i);
                struct stat st;

                if (lstat(vss_value_get_string(entry, "path", ""), &st) < 0)
                        continue;
                child->devices[child->n_devices++] = (ArchiveDevice){
                        .device = st.st_dev,
                        .id = (uint64_t)vss_value_get_integer(entry, "id", (int64_t)st.st_dev),
                        .crossed = vss_value_get_boolean(entry, "crossed", false),
                };
        }
        return EXIT_DONE;
}

/* The paths that were asked for, and the files of the components. */
static int list_paths(ArchiverChild *child) {
        const ArchiverJob *job = child->job;
        int r = backup_files_new(child->order, child->live_root, &child->files);
        size_t n;

        if (r < 0)
                return cli_out_of_memory(child->cli);
        n = backup_files_count(child->files);
        child->paths = calloc(job->paths.n + n + 1, sizeof(*child->paths));
        child->excludes = calloc(job->options->excludes.n + 1, sizeof(*child->excludes));
        if (!child->paths || !child->excludes)
                return cli_out_of_memory(child->cli);
        for (size_t i = 0; i < job->options->excludes.n; i++)
                child->excludes[i] = job->options->excludes.items[i];
        for (size_t i = 0; i < job->paths.n; i++)
                child->paths[child->n_paths++] = (ArchivePath){ .path = job->paths.items[i] };
        for (size_t i = 0; i < n; i++)
                backup_files_path(child->files, i, &child->paths[child->n_paths++]);
        return EXIT_DONE;
}

/*
 * What the service keeps on a volume: the shadow copies of it themselves, perhaps, and in one of them an
 * empty directory that covers them. Whatever has that name elsewhere is anybody's.
 */
static bool is_service_directory(const char *directory, const char *name) {
        _cleanup_(closep) int fd = -1;
        struct stat at, above, st;

        if (strcmp(name, SERVICE_DIRECTORY) != 0)
                return false;
        fd = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd >= 0 && fstat(fd, &at) == 0 && fstatat(fd, "..", &above, 0) == 0 &&
               (at.st_dev != above.st_dev || at.st_ino == above.st_ino) &&
               fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0;
}

static bool leave_out(void *userdata, const char *directory, const char *name, bool is_directory) {
        const ArchiverChild *child = userdata;
        char path[PATH_MAX];

        if (snprintf(path, sizeof(path), "%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name) >=
            PATH_MAX)
                return false;
        return (is_directory && (strings_contain(&child->job->left_out, path) ||
                                 is_service_directory(directory, name))) ||
               backup_files_excludes(child->files, path, is_directory);
}

/* Each directory on the way to the walker's place, and each that is not done, is open. */
static void raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

/* Everything is read: now it can be said how it went, and what is said joins the point. */
static int join_documents(void *userdata, const ArchiveCounts *counts, int *ret_fd) {
        ArchiverChild *child = userdata;
        vss_value *event = new_event("read"), *components = backup_files_judge(child->files);
        _cleanup_value_ vss_value *order = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        child->counts = *counts;
        store_get_counts(child->store, &child->before_late);
        (void)vss_value_set_integer(event, "files", (int64_t)counts->files);
        (void)vss_value_set_integer(event, "bytes", (int64_t)counts->bytes);
        if (!components || vss_value_set(event, "components", components) < 0) {
                vss_value_free(event);
                return -ENOMEM;
        }
        send_event(child, event);
        r = await_order(child, "finish", &order, &fd);
        if (r == 0 && fd < 0)
                r = -EBADF;
        if (r == 0)
                r = backup_files_write(child->files, fd);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int archive(ArchiverChild *child) {
        bool copies = vss_value_get_boolean(child->order, "copies", false);
        const ArchiveOptions options = {
                .paths = child->paths,
                .n_paths = child->n_paths,
                .devices = child->devices,
                .n_devices = child->n_devices,
                .excludes = child->excludes,
                .parent = child->parent,
                .all_device_ids = child->job->options->all_device_ids,
                .steady_mounts = copies,
                .read_timeout = child->job->options->read_timeout ?: READ_TIMEOUT_DEFAULT,
                .leave_out = leave_out,
                .late_name = copies ? POINT_DIRECTORY : NULL,
                .late = join_documents,
                .told = told,
                .progress = show_progress,
                .userdata = child,
        };
        Why why = {}, finish_why = {};
        ArchiveCounts counts = {};
        int r, finished;

        if (!archiver_find_like(child) && (child->cli->json || output_is_terminal(STDERR_FILENO)))
                child->scan = scan_start(&options, child->job->left_out.items, child->job->left_out.n);
        r = archive_run(child->repo, child->store, &options, &why, &child->tree, &counts);

        child->errors = counts.errors;
        if (r == -ETIMEDOUT) {
                child->stuck = true;
                return cli_error_remedy(
                        child->cli, VSS_E_UNEXPECTED, NULL,
                        "See what the system's log says of the device; then run it again: what was "
                        "stored is used. --exclude leaves it out.",
                        "%s There is no point of this backup", why.text);
        }
        if (!copies) {
                child->counts = counts;
                store_get_counts(child->store, &child->before_late);
        }
        /* What was uploaded is of use to the next run, whatever became of this one. */
        finished = store_finish(child->store, &finish_why);
        if (finished < 0 && r != -ECANCELED) {
                r = finished;
                why = finish_why;
        }
        store_get_counts(child->store, &child->stored);
        if (r == 0 && is_cancelled(child))
                r = -ECANCELED;
        if (r == 0)
                r = archiver_save_point(child, &why);
        return r < 0 ? cli_fail_repository(child->cli, r, &why) : EXIT_DONE;
}

static int read_all(ArchiverChild *child) {
        _cleanup_(closep) int view = -1;
        int status;

        if (await_order(child, "read", &child->order, &view) < 0)
                return EXIT_FAILED;
        (void)clock_gettime(CLOCK_REALTIME, &child->begun);
        child->live_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        status = view >= 0 ? enter_view(child, view) : EXIT_DONE;
        if (status == EXIT_DONE)
                status = list_devices(child);
        if (status == EXIT_DONE)
                status = list_paths(child);
        return status == EXIT_DONE ? archive(child) : status;
}

static void send_saved(ArchiverChild *child) {
        vss_value *event = new_event("saved"), *point = archiver_describe_point(child);

        (void)vss_value_set_integer(event, "errors", (int64_t)child->errors);
        if (!point || vss_value_set(event, "point", point) < 0)
                child->cancelled = true;
        send_event(child, event);
}

void archiver_main(Cli *cli, const ArchiverJob *job, int fd) {
        ArchiverChild child = { .cli = cli, .job = job, .fd = fd };
        int status, null;

        cli->has_parent = true;
        /* The other process has those that came before. */
        if (cli->errors)
                cli->errors = vss_value_new_list();
        if (cli->noted)
                cli->noted = vss_value_new_list();
        raise_limit();
        status = prepare(&child);
        if (status == EXIT_DONE)
                status = read_all(&child);
        /* Its threads may still be at work: the next run finds our lock without us, and takes up what is
         * there. */
        if (!child.stuck) {
                child.store = store_free(child.store);
                child.lock = repo_unlock(child.lock);
        }
        if (status == EXIT_DONE)
                send_saved(&child);
        else
                send_failed(&child, status);
        (void)fflush(NULL);
        /* A thread that hangs keeps the process, and so would keep waiting who reads what the program
         * prints. */
        if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0)
                for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
                        (void)dup2(null, i);
        /* What a device holds on to is not waited for, nor is memory given back that goes anyway. */
        _exit(status);
}
