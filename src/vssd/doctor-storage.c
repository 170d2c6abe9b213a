/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The doctor, of storage: what keeps block devices from being copied
 *
 * Read from the kernel's files and from fstab alone. Attached volumes are known by their device's UUID,
 * which ends with that of the file system.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "vssd/doctor-internal.h"

#define ATTACHED_PREFIX "LINUXVSS-vol-"
/* What a machine may have of each before the doctor stops looking. */
#define ENTRIES_MAX 4096u

DEFINE_CLEANUP(DIR *, closedir)

static inline void endmntentp(FILE **file) {
        if (*file)
                (void)endmntent(*file);
}

typedef struct Attached {
        char name[128], filesystem[64];
        dev_t partition; /* 0: it lies on several devices, or on none that is known */
} Attached;

/* A file of sysfs, without the newline. */
static bool read_line(const char *directory, const char *name, char *ret_text, size_t size) {
        char path[PATH_MAX];
        _cleanup_(fclosep) FILE *file = NULL;

        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        file = fopen(path, "re");
        if (!file || !fgets(ret_text, (int)size, file))
                return false;
        ret_text[strcspn(ret_text, "\n")] = 0;
        return true;
}

static dev_t read_slave(const char *directory) {
        char path[PATH_MAX], text[32];
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        unsigned high, low;

        (void)snprintf(path, sizeof(path), "%s/slaves", directory);
        dir = opendir(path);
        while (dir && (entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                (void)snprintf(path, sizeof(path), "%s/slaves/%s", directory, entry->d_name);
                if (read_line(path, "dev", text, sizeof(text)) && sscanf(text, "%u:%u", &high, &low) == 2)
                        return makedev(high, low);
        }
        return 0;
}

/* Is the block device of that name an attached volume? */
static bool read_attached(const char *block, Attached *ret_attached) {
        char directory[NAME_MAX + 16], uuid[160];

        (void)snprintf(directory, sizeof(directory), "/sys/block/%.*s", NAME_MAX, block);
        if (!read_line(directory, "dm/uuid", uuid, sizeof(uuid)) ||
            strncmp(uuid, ATTACHED_PREFIX, strlen(ATTACHED_PREFIX)) != 0 ||
            !read_line(directory, "dm/name", ret_attached->name, sizeof(ret_attached->name)))
                return false;
        (void)snprintf(ret_attached->filesystem, sizeof(ret_attached->filesystem), "%.60s",
                       uuid + strlen(ATTACHED_PREFIX));
        ret_attached->partition = read_slave(directory);
        return true;
}

/* Does fstab mean the partition below the volume, or leave it open which of the two? */
static bool names_partition(const char *source, const Attached *attached) {
        struct stat st;

        if (strncmp(source, "UUID=", 5) == 0)
                return strcasecmp(source + 5, attached->filesystem) == 0;
        return attached->partition != 0 && source[0] == '/' && stat(source, &st) == 0 &&
               S_ISBLK(st.st_mode) && st.st_rdev == attached->partition;
}

/* Return: fstab has such a line, which is described. */
static bool look_for(const Attached *attached, char *text, size_t text_size, char *remedy,
                     size_t remedy_size) {
        _cleanup_(endmntentp) FILE *fstab = setmntent("/etc/fstab", "re");
        char buffer[4096];
        struct mntent entry;

        for (unsigned n = 0; fstab && n < ENTRIES_MAX && getmntent_r(fstab, &entry, buffer, sizeof(buffer));
             n++) {
                if (!names_partition(entry.mnt_fsname, attached))
                        continue;
                (void)snprintf(text, text_size,
                               "/etc/fstab mounts %.200s at %.200s, which is attached as /dev/mapper/%s: "
                               "what is mounted past that device is not copied.",
                               entry.mnt_fsname, entry.mnt_dir, attached->name);
                (void)snprintf(remedy, remedy_size, "Write /dev/mapper/%s there.", attached->name);
                return true;
        }
        return false;
}

static int add_row(vss_value *list, const char *name, bool ok, const char *text, const char *remedy) {
        vss_value *row = vss_value_new_dict();

        (void)vss_value_set_string(row, "name", name);
        (void)vss_value_set_boolean(row, "ok", ok);
        (void)vss_value_set_string(row, "text", ok ? "" : text);
        (void)vss_value_set_string(row, "remedy", ok ? "" : remedy);
        value_make_utf8(row);
        return vss_value_append(list, row) < 0 ? -ENOMEM : 0;
}

static int add_fstab(vss_value *list) {
        _cleanup_(closedirp) DIR *dir = opendir("/sys/block");
        char text[768] = "", remedy[256] = "";
        const struct dirent *entry;
        bool found = false;

        for (unsigned n = 0; dir && n < ENTRIES_MAX && !found && (entry = readdir(dir)); n++) {
                Attached attached;

                if (strncmp(entry->d_name, "dm-", 3) == 0 && read_attached(entry->d_name, &attached))
                        found = look_for(&attached, text, sizeof(text), remedy, sizeof(remedy));
        }
        return add_row(list, "fstab", !found, text, remedy);
}

/* A file system that only copies of its block device can have. */
static bool needs_device_mapper(void) {
        static const char *const types[] = { "ext2", "ext3", "ext4", "xfs" };
        _cleanup_(endmntentp) FILE *mounts = setmntent("/proc/self/mounts", "re");
        char buffer[4096];
        struct mntent entry;

        for (unsigned n = 0;
             mounts && n < ENTRIES_MAX && getmntent_r(mounts, &entry, buffer, sizeof(buffer)); n++)
                FOREACH_ELEMENT (type, types)
                        if (strcmp(entry.mnt_type, *type) == 0)
                                return true;
        return false;
}

static int add_device_mapper(vss_value *list) {
        /* Opening the node loads the module, if there is one. */
        _cleanup_(closep) int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

        return add_row(
                list, "device-mapper", fd >= 0 || !needs_device_mapper(),
                "This kernel has no device-mapper (/dev/mapper/control): ext4 and XFS volumes cannot be "
                "copied as a whole.",
                "modprobe dm-mod, or run a kernel with device-mapper and its snapshot target.");
}

int doctor_add_storage(vss_value *list) {
        int r = add_device_mapper(list);

        return r < 0 ? r : add_fstab(list);
}
