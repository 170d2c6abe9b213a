/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of /proc/self/mountinfo
 *
 *      36 35 98:0 /root /point rw,noatime shared:1 master:2 - ext4 /dev/sda rw,errors=continue
 *
 * Fields are separated by one space; white space and backslashes in them are written as \ooo.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "hold/mountinfo.h"
#include "util/macro.h"

#define MOUNTS_MAX 100000u
#define OPTIONAL_MAX 64u

static int octal_at(const char *text) {
        if (text[0] != '\\' || text[1] < '0' || text[1] > '3' || text[2] < '0' || text[2] > '7' ||
            text[3] < '0' || text[3] > '7')
                return -1;
        return (text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0');
}

void octal_unescape(char *text) {
        char *out = text;

        while (*text) {
                int c = octal_at(text);

                if (c > 0) {
                        *out++ = (char)c;
                        text += 4;
                } else
                        *out++ = *text++;
        }
        *out = '\0';
}

static int number_parse(const char *text, uint64_t max, char **ret_end, uint64_t *ret_number) {
        unsigned long long number;

        if (*text < '0' || *text > '9')
                return -EBADMSG;
        errno = 0;
        number = strtoull(text, ret_end, 10);
        if (errno != 0 || number > max)
                return -EBADMSG;
        *ret_number = number;
        return 0;
}

int device_parse(const char *text, dev_t *ret_device) {
        uint64_t major_number, minor_number;
        char *end;

        if (number_parse(text, 0xfffff, &end, &major_number) < 0 || *end != ':' ||
            number_parse(end + 1, 0xffffff, &end, &minor_number) < 0 || *end != '\0')
                return -EBADMSG;
        *ret_device = makedev((unsigned)major_number, (unsigned)minor_number);
        return 0;
}

int mountinfo_parse(char *line, MountInfo *ret_mount) {
        char *fields[6], *field, *rest = line, *end;
        const char *type, *source;
        uint64_t id;
        dev_t device;

        line[strcspn(line, "\n")] = '\0';
        for (size_t i = 0; i < ELEMENTS(fields); i++) {
                fields[i] = strsep(&rest, " ");
                if (!fields[i] || !*fields[i])
                        return -EBADMSG;
        }
        for (unsigned i = 0;; i++) {
                field = strsep(&rest, " ");
                if (!field || i > OPTIONAL_MAX)
                        return -EBADMSG;
                if (strcmp(field, "-") == 0)
                        break;
        }
        type = strsep(&rest, " ");
        source = strsep(&rest, " ");
        if (!type || !*type || !source)
                return -EBADMSG;
        if (number_parse(fields[0], UINT64_MAX, &end, &id) < 0 || *end != '\0' ||
            device_parse(fields[2], &device) < 0)
                return -EBADMSG;
        octal_unescape(fields[3]);
        octal_unescape(fields[4]);
        octal_unescape((char *)source);
        *ret_mount = (MountInfo){ .id = id,
                                  .device = device,
                                  .root = fields[3],
                                  .point = fields[4],
                                  .type = type,
                                  .source = source };
        return 0;
}

int mountinfo_each(int (*each)(const MountInfo *mount, void *data), void *data) {
        _cleanup_(fclosep) FILE *file = fopen("/proc/self/mountinfo", "re");
        _cleanup_(freep) char *line = NULL;
        size_t size = 0;

        if (!file)
                return -errno;
        for (unsigned i = 0; i < MOUNTS_MAX; i++) {
                MountInfo mount;
                int r;

                errno = 0;
                if (getline(&line, &size, file) < 0)
                        return errno > 0 ? -errno : 0;
                if (mountinfo_parse(line, &mount) < 0)
                        continue;
                r = each(&mount, data);
                if (r != 0)
                        return r;
        }
        return -E2BIG;
}

int mountinfo_id_of(int fd, uint64_t *ret_id) {
        struct statx stx;

        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
                return -errno;
        if (!(stx.stx_mask & STATX_MNT_ID))
                return -EOPNOTSUPP;
        *ret_id = stx.stx_mnt_id;
        return 0;
}

typedef struct DeviceOf {
        uint64_t id;
        dev_t device;
} DeviceOf;

static int each_device(const MountInfo *mount, void *data) {
        DeviceOf *search = data;

        if (mount->id != search->id)
                return 0;
        search->device = mount->device;
        return 1;
}

int mountinfo_device_of(int fd, uint64_t *ret_device) {
        DeviceOf search = { .device = 0 };
        int r = mountinfo_id_of(fd, &search.id);

        if (r < 0)
                return r;
        r = mountinfo_each(each_device, &search);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        *ret_device = search.device;
        return 0;
}
