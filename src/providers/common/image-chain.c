/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Images become block devices
 *
 * In the directory of an image: source.pid, overlay.pid and front.pid, the processes; overlay.sock, what the
 * second one listens on; file, on which nbdfuse mounts; backing, what the loop device stands on, written
 * before there is one; log, what the processes say.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "providers/common/image-chain.h"
#include "providers/common/image-device.h"
#include "providers/common/image-process.h"
#include "util/clock.h"

#define START_USEC (8 * USEC_PER_SEC)
/* The kernel gives up on a server that says nothing after so many seconds. */
#define NBD_TIMEOUT "30"

typedef struct Chain {
        char directory[PATH_MAX];
        char source_pid[PATH_MAX], overlay_pid[PATH_MAX], front_pid[PATH_MAX];
        char overlay_socket[PATH_MAX], file[PATH_MAX], mounted[PATH_MAX], backing[PATH_MAX], log[PATH_MAX],
                tcp[PATH_MAX], nbd[PATH_MAX];
} Chain;

DEFINE_CLEANUP(DIR *, closedir)

static const struct timespec pause_short = { .tv_nsec = 3000000 };

bool image_id_is_valid(const char *id) {
        size_t n = id ? strlen(id) : 0;

        return n > 0 && n <= IMAGE_ID_MAX && id[0] != '.' && id[0] != '_' && id[0] != '-' &&
               strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static bool kernel_client_is_there(void) {
        char device[IMAGE_DEVICE_SIZE];

        return image_program_is_there("nbd-client") && image_nbd_free(device) == 0;
}

const char *image_missing(void) {
        if (!image_program_is_there("nbdkit"))
                return "nbdkit";
        if (kernel_client_is_there())
                return NULL;
        if (!image_program_is_there("nbdfuse"))
                return "nbdfuse";
        if (access("/dev/fuse", F_OK) < 0)
                return "/dev/fuse";
        return access("/dev/loop-control", F_OK) < 0 ? "/dev/loop-control" : NULL;
}

static int chain_init(Chain *chain, const char *state_dir, const char *id) {
        const struct {
                char *path;
                const char *name;
        } parts[] = {
                { chain->source_pid, "source.pid" },
                { chain->overlay_pid, "overlay.pid" },
                { chain->front_pid, "front.pid" },
                { chain->overlay_socket, "overlay.sock" },
                { chain->file, "file" },
                { chain->mounted, "mounted" },
                { chain->backing, "backing" },
                { chain->log, "log" },
                { chain->tcp, "tcp" },
                { chain->nbd, "nbd" },
        };
        int n;

        if (!image_id_is_valid(id))
                return -EINVAL;
        n = snprintf(chain->directory, sizeof(chain->directory), "%s/%s", state_dir, id);
        if (n < 0 || (size_t)n >= sizeof(chain->directory) - 32)
                return -ENAMETOOLONG;
        FOREACH_ELEMENT (part, parts) {
                memcpy(part->path, chain->directory, (size_t)n);
                (void)snprintf(part->path + n, PATH_MAX - (size_t)n, "/%s", part->name);
        }
        return 0;
}

static int _printf_(3, 4) fail(ImageError *error, int r, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
        return r;
}

/* What was said last, for the sentence. */
static const char *last_words(const Chain *chain, char text[static 400]) {
        _cleanup_(closep) int fd = open(chain->log, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        ssize_t n = 0;
        off_t size = 0;
        char *line;

        if (fd >= 0) {
                size = lseek(fd, 0, SEEK_END);
                n = pread(fd, text, 399, size > 399 ? size - 399 : 0);
        }
        while (n > 0 && text[n - 1] == '\n')
                n--;
        if (n <= 0)
                return "it did not say why";
        text[n] = 0;
        /* Whole lines, in one. */
        line = size > 399 ? strchr(text, '\n') : NULL;
        line = line ? line + 1 : text;
        for (char *p = line; (p = strchr(p, '\n'));)
                *p = ';';
        return line;
}

/* Starts one, and waits until @ready; or says why it is not. */
static int start(const Chain *chain, const char *pid_file, bool writes_files, char *const argv[],
                 int (*ready)(const Chain *chain, const char *what), const char *what, ImageError *error) {
        const ImageProcess how = { .pid_file = pid_file, .log = chain->log, .writes_files = writes_files };
        uint64_t deadline = now_usec() + START_USEC;
        char words[400];
        int r;

        r = image_process_start(&how, argv);
        if (r < 0)
                return fail(error, r, "%s cannot be started: %s", argv[0], strerror(-r));
        for (;;) {
                r = ready(chain, what);
                if (r <= 0)
                        return r == 0 ? 0 : fail(error, r, "%s: %s", argv[0], strerror(-r));
                if (image_process_find(pid_file, NULL) < 0)
                        return fail(error, -ECONNREFUSED, "%s ended: %s", argv[0], last_words(chain, words));
                if (now_usec() >= deadline)
                        return fail(error, -ETIMEDOUT, "%s was not ready after %u seconds; %s", argv[0],
                                    (unsigned)(START_USEC / USEC_PER_SEC), last_words(chain, words));
                (void)nanosleep(&pause_short, NULL);
        }
}

/* 1: not yet. */
static int socket_is_ready(const Chain *chain, const char *path) {
        _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? 1 : 0;
}

/* nbdfuse writes its number there once it has mounted. */
static int file_is_ready(const Chain *chain, const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && st.st_size > 0 ? 0 : 1;
}

/* The device that the kernel's client is to serve, or serves. */
static int read_nbd(const Chain *chain, char ret_device[static IMAGE_DEVICE_SIZE]) {
        ssize_t n = readlink(chain->nbd, ret_device, IMAGE_DEVICE_SIZE - 1);

        if (n < 0)
                return -errno;
        ret_device[n] = 0;
        return 0;
}

/* Who was a moment too late for a device that somebody else has now ends by himself. */
static int nbd_is_ready(const Chain *chain, const char *device) {
        static const struct timespec moment = { .tv_nsec = 30000000 };

        if (!image_nbd_is_served(device))
                return 1;
        (void)nanosleep(&moment, NULL);
        return image_process_find(chain->front_pid, NULL) == 0 ? 0 : 1;
}

static int start_source(const Chain *chain, const ImageSource *source, ImageError *error) {
        if (!source->argv)
                return 0;
        /* Of one that was killed; who listens would say that the address is in use. */
        if (source->socket && unlink(source->socket) < 0 && errno != ENOENT)
                return fail(error, -errno, "%s cannot be removed: %s", source->socket, strerror(errno));
        return start(chain, chain->source_pid, false, source->argv, socket_is_ready, source->socket, error);
}

enum { RELAY_WORDS = 5 };

/* Where the relay gets it from: words that are freed by the caller. */
static int relay_words(const ImageSource *source, char *words[static RELAY_WORDS]) {
        const ImageTls *tls = source->tls;
        size_t n = 0;
        int r;

        if (!tls)
                return asprintf(&words[0], "uri=%s", source->uri) < 0 ? -ENOMEM : 0;
        r = asprintf(&words[n++], "hostname=%s", tls->address);
        if (r >= 0)
                r = asprintf(&words[n++], "port=%s", tls->port);
        if (r >= 0)
                r = asprintf(&words[n++], "export=%s", tls->name);
        if (r >= 0)
                r = asprintf(&words[n++], "tls-username=%s", tls->user);
        if (r >= 0)
                r = asprintf(&words[n++], "tls-psk=%s", tls->psk);
        if (r < 0)
                words[n - 1] = NULL;
        return r < 0 ? -ENOMEM : 0;
}

/* What is between: the overlay, or a relay for what knows no TLS. */
static int start_overlay(const Chain *chain, const ImageSource *source, unsigned flags, ImageError *error) {
        char *words[RELAY_WORDS] = { NULL };
        char *argv[16] = { (char *)"nbdkit", (char *)"--foreground", (char *)"--unix",
                           (char *)chain->overlay_socket };
        int r = relay_words(source, words);
        size_t n = 4;

        if (flags & IMAGE_OVERLAY) {
                argv[n++] = (char *)"--log=null"; /* its files are not limited */
                argv[n++] = (char *)"--filter=cow";
        } else if (flags & IMAGE_READ_ONLY)
                argv[n++] = (char *)"--readonly";
        argv[n++] = (char *)"nbd";
        if (source->tls)
                argv[n++] = (char *)"tls=require";
        for (size_t i = 0; i < RELAY_WORDS && words[i]; i++)
                argv[n++] = words[i];
        r = r < 0 ? fail(error, r, "out of memory")
                  : start(chain, chain->overlay_pid, flags & IMAGE_OVERLAY, argv, socket_is_ready,
                          chain->overlay_socket, error);
        for (size_t i = 0; i < RELAY_WORDS; i++)
                free(words[i]);
        return r;
}

static int overlay_uri(const Chain *chain, char **ret_uri) {
        return asprintf(ret_uri, "nbd+unix:///?socket=%s", chain->overlay_socket) < 0 ? -ENOMEM : 0;
}

static int start_fuse(const Chain *chain, const char *uri, bool read_only, ImageError *error) {
        char *argv[] = { (char *)"nbdfuse", (char *)"-P", (char *)chain->mounted, NULL, NULL, NULL, NULL };
        _cleanup_(closep) int fd = open(chain->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        size_t n = 3;

        if (fd < 0)
                return fail(error, -errno, "%s: %s", chain->file, strerror(errno));
        if (read_only)
                argv[n++] = (char *)"-r";
        argv[n++] = (char *)chain->file;
        argv[n++] = (char *)uri;
        return start(chain, chain->front_pid, false, argv, file_is_ready, chain->mounted, error);
}

static int write_backing(const Chain *chain, const ImageBacking *backing) {
        _cleanup_(fclosep) FILE *file = fopen(chain->backing, "wxe");

        if (!file)
                return -errno;
        if (fprintf(file, "%llu %llu\n", (unsigned long long)backing->device,
                    (unsigned long long)backing->inode) < 0 ||
            fflush(file) != 0)
                return -EIO;
        return 0;
}

static int read_backing(const Chain *chain, ImageBacking *ret_backing) {
        _cleanup_(fclosep) FILE *file = fopen(chain->backing, "re");
        unsigned long long device, inode;

        if (!file)
                return -errno;
        if (fscanf(file, "%llu %llu", &device, &inode) != 2)
                return -ENOENT; /* it was killed before there was a device */
        *ret_backing = (ImageBacking){ (dev_t)device, (ino_t)inode };
        return 0;
}

static int attach_loop(const Chain *chain, const char *below, const ImageSource *source, unsigned flags,
                       char *ret_device, ImageError *error) {
        ImageBacking backing;
        int r;

        r = image_backing(below, &backing);
        if (r == 0)
                r = write_backing(chain, &backing);
        if (r == 0)
                r = flags & IMAGE_PARTITIONS
                            ? image_loop_attach_disk(below, flags & IMAGE_READ_ONLY, ret_device)
                            : image_loop_attach(below, source->offset, source->length,
                                                flags & IMAGE_READ_ONLY, ret_device);
        return r < 0 ? fail(error, r, "no loop device can be had over %s: %s", below, strerror(-r)) : 0;
}

static int attach_user(const Chain *chain, const ImageSource *source, const char *uri, unsigned flags,
                       char *ret_device, ImageError *error) {
        bool read_only = flags & IMAGE_READ_ONLY;
        int r = start_fuse(chain, uri, read_only, error);

        return r < 0 ? r : attach_loop(chain, chain->file, source, flags, ret_device, error);
}

/* Another process may take the same device first; then the next one is tried. */
static int start_client(const Chain *chain, bool read_only, char device[static IMAGE_DEVICE_SIZE],
                        ImageError *error) {
        char *argv[] = { (char *)"nbd-client",
                         (char *)"-unix",
                         (char *)chain->overlay_socket,
                         device,
                         (char *)"-nofork",
                         (char *)"-nonetlink",
                         (char *)"-block-size",
                         (char *)"512",
                         (char *)"-timeout",
                         (char *)NBD_TIMEOUT,
                         NULL,
                         NULL };
        int r = -ENOENT;

        if (read_only)
                argv[10] = (char *)"-readonly";
        for (int i = 0; i < 8; i++) {
                r = image_nbd_free(device);
                if (r < 0)
                        return fail(error, r, "all devices of the kernel's NBD client are in use");
                (void)unlink(chain->nbd);
                if (symlink(device, chain->nbd) < 0)
                        return fail(error, -errno, "%s: %s", chain->nbd, strerror(errno));
                r = start(chain, chain->front_pid, false, argv, nbd_is_ready, device, error);
                if (r != -ECONNREFUSED)
                        break;
                (void)image_process_stop(chain->front_pid);
        }
        return r;
}

static int attach_kernel(const Chain *chain, const ImageSource *source, unsigned flags, char *ret_device,
                         ImageError *error) {
        char device[IMAGE_DEVICE_SIZE];
        bool read_only = flags & IMAGE_READ_ONLY;
        int r = start_client(chain, read_only, device, error);

        if (r == 0 && read_only && image_device_set_read_only(device, true) < 0)
                r = fail(error, -errno, "%s cannot be made read-only", device);
        if (r < 0)
                return r;
        if (source->offset != 0 || source->length != 0)
                return attach_loop(chain, device, source, flags, ret_device, error);
        (void)snprintf(ret_device, IMAGE_DEVICE_SIZE, "%s", device);
        return 0;
}

static int mark(const char *path, ImageError *error) {
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        return fd < 0 ? fail(error, -errno, "%s: %s", path, strerror(errno)) : 0;
}

static int attach(const Chain *chain, const ImageSource *source, unsigned flags, char *ret_device,
                  ImageError *error) {
        bool kernel = !(flags & IMAGE_USERSPACE) && kernel_client_is_there();
        bool relayed = kernel || source->tls || (flags & IMAGE_OVERLAY);
        const char *missing = image_missing();
        _cleanup_(freep) char *uri = NULL;
        int r;

        if (missing)
                return fail(error, -EOPNOTSUPP, "%s is not here, which images are attached by", missing);
        r = start_source(chain, source, error);
        if (r == 0 && source->tls)
                r = mark(chain->tcp, error);
        if (r == 0 && relayed)
                r = start_overlay(chain, source, flags, error);
        if (r < 0)
                return r;
        if (kernel)
                return attach_kernel(chain, source, flags, ret_device, error);
        if (relayed)
                r = overlay_uri(chain, &uri);
        return r < 0 ? fail(error, r, "out of memory")
                     : attach_user(chain, source, uri ?: source->uri, flags, ret_device, error);
}

int image_attach(const char *state_dir, const char *id, const ImageSource *source, unsigned flags,
                 char **ret_device, ImageError *error) {
        char found[IMAGE_DEVICE_SIZE] = "", *device;
        ImageError ignored;
        Chain chain;
        int r;

        r = chain_init(&chain, state_dir, id);
        if (r < 0)
                return fail(error, r, "\"%.100s\" cannot be the name of an image", id);
        if (mkdir(chain.directory, 0700) < 0)
                return fail(error, -errno, "%s: %s", chain.directory,
                            errno == EEXIST ? "it is attached already" : strerror(errno));
        /* Kept for the end, which may be another process's. */
        if (source->argv && source->socket) {
                char link[PATH_MAX + 16];

                (void)snprintf(link, sizeof(link), "%s/socket", chain.directory);
                if (symlink(source->socket, link) < 0)
                        r = fail(error, -errno, "%s: %s", link, strerror(errno));
        }
        if (r == 0)
                r = attach(&chain, source, flags, found, error);
        if (r == 0)
                (void)image_device_read_ahead(found);
        device = r == 0 ? strdup(found) : NULL;
        if (r == 0 && !device)
                r = fail(error, -ENOMEM, "out of memory");
        if (r < 0)
                (void)image_detach(state_dir, id, &ignored);
        else
                *ret_device = device;
        return r;
}

/* The device that stands, if one does. */
static int find_device(const Chain *chain, char ret_device[static IMAGE_DEVICE_SIZE]) {
        ImageBacking backing;
        int r;

        r = read_backing(chain, &backing);
        if (r == 0)
                return image_loop_find(&backing, ret_device);
        if (r != -ENOENT)
                return r;
        r = read_nbd(chain, ret_device);
        if (r == 0 && (image_process_find(chain->front_pid, NULL) < 0 || !image_nbd_is_served(ret_device)))
                r = -ENOENT;
        return r;
}

int image_find(const char *state_dir, const char *id, char **ret_device) {
        char found[IMAGE_DEVICE_SIZE], *device;
        Chain chain;
        pid_t relay;
        int r, whole = 0;

        r = chain_init(&chain, state_dir, id);
        if (r < 0)
                return r;
        if (access(chain.directory, F_OK) < 0)
                return -errno;
        const char *const files[] = { chain.front_pid, chain.overlay_pid, chain.source_pid };
        FOREACH_ELEMENT (file, files) {
                r = image_process_find(*file, NULL);
                /* Not every chain has the other two. */
                if (r < 0 && (r != -ENOENT || *file == chain.front_pid))
                        whole = -ENODEV;
        }
        /* A relay outlives its server, and answers with errors. */
        if (access(chain.tcp, F_OK) == 0 &&
            (image_process_find(chain.overlay_pid, &relay) < 0 || !image_process_is_connected(relay)))
                whole = -ENODEV;
        r = find_device(&chain, found);
        if (r < 0)
                return -ENODEV;
        device = strdup(found);
        if (!device)
                return -ENOMEM;
        *ret_device = device;
        return whole;
}

static void remove_files(const Chain *chain) {
        const char *const files[] = { chain->overlay_socket,
                                      chain->file,
                                      chain->mounted,
                                      chain->backing,
                                      chain->log,
                                      chain->tcp,
                                      chain->nbd };
        char link[PATH_MAX + 16], socket_path[PATH_MAX];
        ssize_t n;

        (void)snprintf(link, sizeof(link), "%s/socket", chain->directory);
        n = readlink(link, socket_path, sizeof(socket_path) - 1);
        if (n > 0) {
                socket_path[n] = 0;
                (void)unlink(socket_path);
                (void)unlink(link);
        }
        FOREACH_ELEMENT (file, files)
                (void)unlink(*file);
}

int image_detach(const char *state_dir, const char *id, ImageError *error) {
        char device[IMAGE_DEVICE_SIZE];
        ImageBacking backing;
        Chain chain;
        int r;

        r = chain_init(&chain, state_dir, id);
        if (r < 0)
                return fail(error, r, "\"%.100s\" cannot be the name of an image", id);
        if (access(chain.directory, F_OK) < 0)
                return errno == ENOENT ? 0 : fail(error, -errno, "%s: %s", chain.directory, strerror(errno));
        r = find_device(&chain, device);
        if (r == 0) {
                r = read_backing(&chain, &backing) == 0 ? image_loop_detach(device)
                                                        : image_device_is_free(device);
                if (r == -EBUSY)
                        return fail(error, r, "%s is in use; unmount it", device);
        }
        if (r < 0 && r != -ENOENT && r != -ENXIO)
                return fail(error, r, "%s cannot be released: %s", device, strerror(-r));
        r = image_process_stop(chain.front_pid);
        /* It unmounts as it ends, unless it is killed; and elsewhere nobody may see its mount. */
        (void)umount2(chain.file, MNT_DETACH | UMOUNT_NOFOLLOW);
        if (r == 0)
                r = image_process_stop(chain.overlay_pid);
        if (r == 0)
                r = image_process_stop(chain.source_pid);
        if (r < 0)
                return fail(error, r, "a process of %s does not end: %s", chain.directory, strerror(-r));
        remove_files(&chain);
        return rmdir(chain.directory) < 0 && errno != ENOENT
                       ? fail(error, -errno, "%s: %s", chain.directory, strerror(errno))
                       : 0;
}

int image_sweep(const char *state_dir, bool (*keep)(void *userdata, const char *id), void *userdata) {
        _cleanup_(closedirp) DIR *dir = opendir(state_dir);
        struct dirent *entry;
        int left = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while ((entry = readdir(dir))) {
                ImageError error;

                if (image_id_is_valid(entry->d_name) && !keep(userdata, entry->d_name) &&
                    image_detach(state_dir, entry->d_name, &error) < 0)
                        left++;
        }
        return left;
}
