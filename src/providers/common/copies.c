/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shadow copies as directories in one directory
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include "providers/common/copies.h"
#include "providers/common/info.h"

DEFINE_CLEANUP(DIR *, closedir)

int copies_set_incomplete(vss_value *info, const char *reason) {
        if (vss_value_set_string(info, "state", "incomplete") < 0 ||
            vss_value_set_string(info, "state-reason", reason) < 0)
                return -ENOMEM;
        return 0;
}

static int describe(int store_fd, const char *id, const char *set_under_way, vss_value **ret_info) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(closep) int dir_fd = -1;
        const char *reason = "it is no directory";
        int r = 0;

        dir_fd = openat(store_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir_fd < 0)
                r = -errno;
        else
                r = info_read(dir_fd, id, &reason, &info);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                info = vss_value_new_dict();
                if (!info || vss_value_set_string(info, "id", id) < 0)
                        return -ENOMEM;
                r = copies_set_incomplete(info, reason);
        } else if (strcmp(vss_value_get_string(info, "state", ""), "created") == 0)
                r = 0;
        else if (set_under_way && strcmp(vss_value_get_string(info, "set", ""), set_under_way) == 0)
                r = vss_value_set_string(info, "state", "preparing") < 0 ? -ENOMEM : 0;
        else
                r = copies_set_incomplete(info, "it was never finished");
        if (r == 0)
                *ret_info = TAKE_PTR(info);
        return r;
}

int copies_list(int store_fd, const char *set_under_way, unsigned max, CopiesVisit visit, void *userdata,
                vss_value *list) {
        _cleanup_(closedirp) DIR *dir = NULL;
        unsigned n = 0;
        int fd, r;

        fd = openat(store_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                (void)close(fd);
                return r;
        }
        for (;;) {
                vss_value *info = NULL;
                struct dirent *entry;

                errno = 0;
                entry = readdir(dir);
                if (!entry)
                        return -errno;
                if (!info_id_is_valid(entry->d_name))
                        continue;
                if (++n > max)
                        return -E2BIG;
                r = describe(store_fd, entry->d_name, set_under_way, &info);
                if (r == 0 && visit)
                        r = visit(userdata, store_fd, info);
                if (r < 0) {
                        vss_value_free(info);
                        return r;
                }
                if (vss_value_append(list, info) < 0)
                        return -ENOMEM;
        }
}
