/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Volumes that are attached at each boot: their files, and their devices
 */

#include <blkid.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config.h"
#include "providers/dm/attached.h"
#include "util/macro.h"

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-"
#define SUFFIX ".conf"
#define OUR_PREFIX "LINUXVSS-"
/* Block devices of the machine that are looked at, and files in the directory. */
#define DEVICES_MAX 65536u
#define FILES_MAX 4096u

DEFINE_CLEANUP(DIR *, closedir)

bool attached_name_is_valid(const char *name) {
        size_t n = strlen(name);

        return n > 0 && n < ATTACHED_NAME_SIZE && strspn(name, NAME_CHARACTERS) == n && name[0] != '.' &&
               name[0] != '-' && strcmp(name, "control") != 0;
}

bool attached_source_is_valid(const char *source) {
        const char *uuid = source + strlen("UUID=");

        if (strlen(source) >= ATTACHED_SOURCE_SIZE)
                return false;
        if (strncmp(source, "UUID=", strlen("UUID=")) == 0)
                return *uuid && strspn(uuid, "0123456789abcdefABCDEF-") == strlen(uuid);
        if (strncmp(source, "/dev/", strlen("/dev/")) != 0 || strstr(source, "/../"))
                return false;
        for (const char *at = source; *at; at++)
                if (*at <= ' ' || *at == 127)
                        return false;
        return true;
}

static void file_path(const char *name, const char *suffix, char ret_path[static PATH_MAX]) {
        (void)snprintf(ret_path, PATH_MAX, "%s/%s%s", ATTACHED_DIR, name, suffix);
}

int attached_read(const char *name, ConfError *error, Attached *ret_attached) {
        _cleanup_conf_ Conf *conf = NULL;
        const ConfSection *section;
        Attached attached = { 0 };
        const char *source;
        char path[PATH_MAX];
        int r;

        *error = (ConfError){ 0 };
        if (!attached_name_is_valid(name)) {
                (void)snprintf(error->message, sizeof(error->message),
                               "\"%.80s\" cannot be the name of a volume", name);
                return -EINVAL;
        }
        file_path(name, SUFFIX, path);
        r = conf_read(path, error, &conf);
        if (r < 0)
                return r;
        section = conf_section(conf, "", 0);
        source = conf_value(section, "Device", "");
        if (strcmp(conf_value(section, "Name", name), name) != 0) {
                (void)snprintf(error->message, sizeof(error->message), "Name= is not that of the file");
                return -EBADMSG;
        }
        if (!attached_source_is_valid(source)) {
                (void)snprintf(error->message, sizeof(error->message),
                               "Device= is neither UUID=... nor the path of a block device");
                return -EBADMSG;
        }
        (void)snprintf(attached.name, sizeof(attached.name), "%s", name);
        (void)snprintf(attached.source, sizeof(attached.source), "%s", source);
        *ret_attached = attached;
        return 0;
}

static int write_down(const char *path, const char *text) {
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        size_t n = strlen(text);

        if (fd < 0)
                return -errno;
        if (write(fd, text, n) != (ssize_t)n)
                return errno > 0 ? -errno : -EIO;
        return fsync(fd) < 0 ? -errno : 0;
}

static int directory_sync(void) {
        _cleanup_(closep) int fd = open(ATTACHED_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int attached_write(const Attached *attached) {
        char path[PATH_MAX], fresh[PATH_MAX], text[1024];
        int r;

        if (!attached_name_is_valid(attached->name) || !attached_source_is_valid(attached->source))
                return -EINVAL;
        if ((mkdir(LINUXVSS_CONFDIR, 0755) < 0 && errno != EEXIST) ||
            (mkdir(ATTACHED_DIR, 0755) < 0 && errno != EEXIST))
                return -errno;
        file_path(attached->name, SUFFIX, path);
        /* Without the suffix it is not read. */
        file_path(attached->name, SUFFIX ".new", fresh);
        (void)snprintf(
                text, sizeof(text),
                "# Written by vss attach: attached at each boot; see vss-dm-boot(8).\nDevice=%s\nName=%s\n",
                attached->source, attached->name);
        r = write_down(fresh, text);
        if (r >= 0 && rename(fresh, path) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlink(fresh);
                return r;
        }
        return directory_sync();
}

int attached_remove(const char *name) {
        char path[PATH_MAX];

        if (!attached_name_is_valid(name))
                return -EINVAL;
        file_path(name, SUFFIX, path);
        return unlink(path) < 0 ? -errno : directory_sync();
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const Attached *)a)->name, ((const Attached *)b)->name);
}

int attached_list(AttachedList *ret_list) {
        _cleanup_(closedirp) DIR *dir = opendir(ATTACHED_DIR);
        const struct dirent *entry;
        unsigned seen = 0;

        ret_list->n = 0;
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while ((entry = readdir(dir)) && seen++ < FILES_MAX) {
                size_t n = strlen(entry->d_name), suffix = strlen(SUFFIX);
                char name[NAME_MAX + 1];
                ConfError error;
                int r;

                if (n <= suffix || strcmp(entry->d_name + n - suffix, SUFFIX) != 0 ||
                    entry->d_name[0] == '.')
                        continue;
                (void)snprintf(name, sizeof(name), "%.*s", (int)(n - suffix), entry->d_name);
                if (ret_list->n >= ATTACHED_MAX) {
                        fprintf(stderr, "%s: more than %u volumes; %s is left out\n", ATTACHED_DIR,
                                ATTACHED_MAX, entry->d_name);
                        continue;
                }
                r = attached_read(name, &error, &ret_list->items[ret_list->n]);
                if (r < 0)
                        fprintf(stderr, "%s/%s:%u: %s; the volume is not attached\n", ATTACHED_DIR,
                                entry->d_name, error.line, error.message[0] ? error.message : strerror(-r));
                else
                        ret_list->n++;
        }
        qsort(ret_list->items, ret_list->n, sizeof(ret_list->items[0]), by_name);
        return 0;
}

/* A line of a file in sysfs; "" if there is none. */
static void sys_read(dev_t device, const char *file, char *ret_text, size_t size) {
        char path[PATH_MAX];
        _cleanup_(closep) int fd = -1;
        ssize_t n = 0;

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(device), minor(device), file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                n = read(fd, ret_text, size - 1);
        ret_text[MAX(n, (ssize_t)0)] = '\0';
        ret_text[strcspn(ret_text, "\n")] = '\0';
}

static bool device_is_ours(dev_t device) {
        char uuid[DEVMAP_UUID_SIZE];

        sys_read(device, "dm/uuid", uuid, sizeof(uuid));
        return strncmp(uuid, OUR_PREFIX, strlen(OUR_PREFIX)) == 0;
}

/* Does something of others lie on it, as a multipath device or a mirror does on its disks? */
static bool device_is_held(dev_t device) {
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        char path[PATH_MAX];
        unsigned seen = 0;

        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(device), minor(device));
        dir = opendir(path);
        while (dir && (entry = readdir(dir)) && seen++ < DEVICES_MAX) {
                char file[NAME_MAX + 32], uuid[DEVMAP_UUID_SIZE];

                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(file, sizeof(file), "holders/%s/dm/uuid", entry->d_name);
                sys_read(device, file, uuid, sizeof(uuid));
                if (strncmp(uuid, OUR_PREFIX, strlen(OUR_PREFIX)) != 0)
                        return true;
        }
        return false;
}

/* @name: what the kernel calls it. */
static bool device_path(const char *name, dev_t device, char ret_path[static DEVMAP_PATH_SIZE]) {
        char mapped[DEVMAP_NAME_SIZE];
        struct stat st;

        sys_read(device, "dm/name", mapped, sizeof(mapped));
        (void)snprintf(ret_path, DEVMAP_PATH_SIZE, mapped[0] ? "/dev/mapper/%s" : "/dev/%s",
                       mapped[0] ? mapped : name);
        return stat(ret_path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == device;
}

static bool device_has_uuid(const char *path, const char *uuid) {
        blkid_probe probe = blkid_new_probe_from_filename(path);
        const char *found = NULL;
        bool has;

        if (!probe)
                return false;
        (void)blkid_probe_enable_superblocks(probe, 1);
        (void)blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_UUID | BLKID_SUBLKS_USAGE);
        (void)blkid_probe_filter_superblocks_usage(probe, BLKID_FLTR_ONLYIN, BLKID_USAGE_FILESYSTEM);
        has = blkid_do_safeprobe(probe) == 0 && blkid_probe_lookup_value(probe, "UUID", &found, NULL) == 0 &&
              strcasecmp(found, uuid) == 0;
        blkid_free_probe(probe);
        return has;
}

static int find_uuid(const char *uuid, char ret_path[static DEVMAP_PATH_SIZE]) {
        _cleanup_(fclosep) FILE *file = fopen("/proc/partitions", "re");
        char line[512], found[DEVMAP_PATH_SIZE] = "";
        unsigned seen = 0;

        if (!file)
                return -errno;
        while (fgets(line, sizeof(line), file) && seen++ < DEVICES_MAX) {
                char path[DEVMAP_PATH_SIZE], name[64];
                unsigned major_number, minor_number;
                dev_t device;

                if (sscanf(line, "%u %u %*u %63s", &major_number, &minor_number, name) != 3)
                        continue;
                device = makedev(major_number, minor_number);
                if (device_is_ours(device) || !device_path(name, device, path) ||
                    !device_has_uuid(path, uuid) || device_is_held(device))
                        continue;
                if (found[0])
                        return -ENOTUNIQ;
                (void)snprintf(found, sizeof(found), "%s", path);
        }
        if (!found[0])
                return -ENOENT;
        memcpy(ret_path, found, sizeof(found));
        return 0;
}

int attached_find(const char *source, char ret_path[static DEVMAP_PATH_SIZE]) {
        struct stat st;

        if (!attached_source_is_valid(source))
                return -EINVAL;
        if (strncmp(source, "UUID=", strlen("UUID=")) == 0)
                return find_uuid(source + strlen("UUID="), ret_path);
        if (stat(source, &st) < 0)
                return -errno;
        if (!S_ISBLK(st.st_mode) || device_is_ours(st.st_rdev))
                return -ENOTBLK;
        if (strlen(source) >= DEVMAP_PATH_SIZE)
                return -ENAMETOOLONG;
        (void)snprintf(ret_path, DEVMAP_PATH_SIZE, "%s", source);
        return 0;
}
