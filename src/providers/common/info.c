/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The identity of a shadow copy, kept beside it as a small JSON file
 */

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include "providers/common/info.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

/* Members in one container; finding a key walks over all of them. */
#define MEMBERS_MAX 1024u

bool info_id_is_valid(const char *id) {
        if (!id || strlen(id) != VSS_ID_SIZE - 1)
                return false;
        for (size_t i = 0; i < VSS_ID_SIZE - 1; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? id[i] != '-' : !strchr("0123456789abcdef", id[i]))
                        return false;
        }
        return true;
}

static int to_json(const vss_value *value, unsigned depth, json_t **ret_json);

static int container_to_json(const vss_value *value, unsigned depth, json_t **ret_json) {
        bool is_dict = vss_value_kind(value) == VSS_KIND_DICT;
        _cleanup_json_ json_t *json = is_dict ? json_object() : json_array();

        if (!json)
                return -ENOMEM;
        for (size_t i = 0; i < vss_value_count(value); i++) {
                json_t *member;
                int r;

                /* What is not set is not written: a key that is missing reads as its default. */
                if (is_dict && vss_value_kind(vss_value_at(value, i)) == VSS_KIND_NULL)
                        continue;
                r = to_json(vss_value_at(value, i), depth + 1, &member);
                if (r < 0)
                        return r;
                /* Takes the member over, also on failure, which is memory or text that is no UTF-8. */
                r = is_dict ? json_object_set_new(json, vss_value_key_at(value, i), member)
                            : json_array_append_new(json, member);
                if (r < 0)
                        return -EBADMSG;
        }
        *ret_json = TAKE_PTR(json);
        return 0;
}

static int to_json(const vss_value *value, unsigned depth, json_t **ret_json) {
        json_t *json = NULL;

        if (depth > VALUE_DEPTH_MAX)
                return -EBADMSG;
        switch (vss_value_kind(value)) {
        case VSS_KIND_NULL:
                json = json_null();
                break;
        case VSS_KIND_BOOLEAN:
                json = json_boolean(vss_value_boolean(value, false));
                break;
        case VSS_KIND_INTEGER:
                json = json_integer(vss_value_integer(value, 0));
                break;
        case VSS_KIND_STRING:
                json = json_string(vss_value_string(value, ""));
                break;
        case VSS_KIND_LIST:
        case VSS_KIND_DICT:
                return container_to_json(value, depth, ret_json);
        }
        if (!json)
                return -EBADMSG;
        *ret_json = json;
        return 0;
}

static int from_json(json_t *json, unsigned depth, vss_value **ret_value);

static int container_from_json(json_t *json, unsigned depth, vss_value **ret_value) {
        _cleanup_value_ vss_value *value = json_is_object(json) ? vss_value_new_dict()
                                                                : vss_value_new_list();
        const char *key;
        json_t *member;
        size_t i;
        int r;

        if (!value)
                return -ENOMEM;
        if (json_object_size(json) > MEMBERS_MAX || json_array_size(json) > MEMBERS_MAX)
                return -EBADMSG;
        json_object_foreach(json, key, member) {
                vss_value *v;

                r = from_json(member, depth + 1, &v);
                if (r < 0)
                        return r;
                if (vss_value_set(value, key, v) < 0)
                        return -ENOMEM;
        }
        json_array_foreach(json, i, member) {
                vss_value *v;

                r = from_json(member, depth + 1, &v);
                if (r < 0)
                        return r;
                if (vss_value_append(value, v) < 0)
                        return -ENOMEM;
        }
        *ret_value = TAKE_PTR(value);
        return 0;
}

static int from_json(json_t *json, unsigned depth, vss_value **ret_value) {
        vss_value *value;

        if (depth > VALUE_DEPTH_MAX)
                return -EBADMSG;
        if (json_is_object(json) || json_is_array(json))
                return container_from_json(json, depth, ret_value);
        if (json_is_string(json))
                value = vss_value_new_string(json_string_value(json));
        else if (json_is_integer(json))
                value = vss_value_new_integer(json_integer_value(json));
        else if (json_is_boolean(json))
                value = vss_value_new_boolean(json_is_true(json));
        else
                return -EBADMSG;
        if (!value)
                return -ENOMEM;
        *ret_value = value;
        return 0;
}

int info_encode(const vss_value *info, char **ret_text) {
        _cleanup_json_ json_t *json = NULL;
        char *text;
        int r;

        r = to_json(info, 0, &json);
        if (r < 0)
                return r;
        text = json_dumps(json, JSON_INDENT(2));
        if (!text)
                return -EBADMSG;
        *ret_text = text;
        return 0;
}

int info_decode(const char *text, size_t size, vss_value **ret_info) {
        _cleanup_json_ json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);

        if (!json_is_object(json))
                return -EBADMSG;
        return from_json(json, 0, ret_info);
}

int info_merge(vss_value *info, const vss_value *properties, const char *own) {
        const char *const kept[] = { "id", "set", "state", own };

        for (size_t i = 0; i < vss_value_count(properties); i++) {
                const char *key = vss_value_key_at(properties, i);
                bool keep = false;

                FOREACH_ELEMENT (k, kept)
                        keep = keep || strcmp(key, *k) == 0;
                if (!keep && vss_value_set(info, key, vss_value_copy(vss_value_at(properties, i))) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int write_all(int fd, const char *text, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, text, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                text += k;
                n -= (size_t)k;
        }
        return 0;
}

static int write_file(int dir_fd, const char *name, const vss_value *info) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int fd = -1;
        int r;

        r = info_encode(info, &text);
        if (r < 0)
                return r;
        if (strlen(text) > INFO_SIZE_MAX)
                return -E2BIG;
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, strlen(text));
        if (r < 0)
                return r;
        return fsync(fd) < 0 ? -errno : 0;
}

int info_write(int dir_fd, const vss_value *info) {
        int r;

        r = write_file(dir_fd, INFO_NAME, info);
        if (r < 0)
                return r;
        return fsync(dir_fd) < 0 ? -errno : 0;
}

int info_replace(int dir_fd, const vss_value *info) {
        int r;

        if (unlinkat(dir_fd, INFO_NAME_NEW, 0) < 0 && errno != ENOENT)
                return -errno;
        r = write_file(dir_fd, INFO_NAME_NEW, info);
        if (r < 0)
                return r;
        if (renameat(dir_fd, INFO_NAME_NEW, dir_fd, INFO_NAME) < 0)
                return -errno;
        return fsync(dir_fd) < 0 ? -errno : 0;
}

/* The whole file into memory; one byte more than allowed is asked for, to notice one that grows. */
static int slurp(int fd, char **ret_text, size_t *ret_n) {
        _cleanup_(freep) char *text = malloc(INFO_SIZE_MAX + 1);
        size_t n = 0;

        if (!text)
                return -ENOMEM;
        while (n <= INFO_SIZE_MAX) {
                ssize_t k = read(fd, text + n, INFO_SIZE_MAX + 1 - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        *ret_n = n;
        *ret_text = TAKE_PTR(text);
        return 0;
}

int info_read(int dir_fd, const char *id, const char **ret_reason, vss_value **ret_info) {
        _cleanup_value_ vss_value *info = NULL;
        _cleanup_(freep) char *text = NULL;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        size_t n = 0;
        int r;

        *ret_reason = "its " INFO_NAME " is missing or cannot be read";
        fd = openat(dir_fd, INFO_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        *ret_reason = "its " INFO_NAME " is no regular file that belongs to root alone";
        if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
                return -EBADMSG;
        *ret_reason = "its " INFO_NAME " is too large";
        if (st.st_size > (off_t)INFO_SIZE_MAX)
                return -EBADMSG;
        *ret_reason = "its " INFO_NAME " cannot be read";
        r = slurp(fd, &text, &n);
        if (r < 0)
                return r;
        *ret_reason = "its " INFO_NAME " is no identity of a shadow copy";
        if (n > INFO_SIZE_MAX)
                return -EBADMSG;
        r = info_decode(text, n, &info);
        if (r < 0)
                return r;
        *ret_reason = "its " INFO_NAME " is that of another shadow copy";
        if (strcmp(vss_value_get_string(info, "id", ""), id) != 0)
                return -EBADMSG;
        *ret_reason = "its " INFO_NAME " names no shadow copy set";
        if (!info_id_is_valid(vss_value_get_string(info, "set", NULL)))
                return -EBADMSG;
        *ret_info = TAKE_PTR(info);
        return 0;
}
