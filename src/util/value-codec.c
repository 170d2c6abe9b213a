/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values as bytes
 *
 * A value is its kind in one byte, then: nothing (null, only as the whole tree); 0 or 1; eight bytes of
 * integer; length and bytes of a string; number of members and the members, in dictionaries each behind its
 * key. Numbers are little-endian, lengths have four bytes. There is one encoding of a tree and the decoder
 * takes no other.
 */

#include <string.h>
#include "util/value-codec.h"

/* The least a member takes: its kind and a boolean. */
#define MEMBER_SIZE_MIN 2u
#define LENGTH_SIZE 4u

static int grow(size_t *size, size_t by) {
        return __builtin_add_overflow(*size, by, size) || *size > VALUE_ENCODED_MAX ? -E2BIG : 0;
}

static int measure_string(const char *string, size_t *size) {
        int r = grow(size, LENGTH_SIZE);

        return r < 0 ? r : grow(size, strnlen(string, VALUE_ENCODED_MAX + 1u));
}

/* Adds what @value will take to @size, and its nodes to @nodes. */
static int measure(const vss_value *value, unsigned depth, size_t *nodes, size_t *size) {
        enum vss_kind kind = vss_value_kind(value);
        size_t n = vss_value_count(value);
        int r;

        if (depth > VALUE_DEPTH_MAX || ++*nodes > VALUE_NODES_MAX)
                return -E2BIG;
        if (kind == VSS_KIND_DICT && n > VALUE_KEYS_MAX)
                return -E2BIG;
        r = grow(size, 1);
        if (r < 0)
                return r;
        if (kind == VSS_KIND_NULL)
                return 0;
        if (kind == VSS_KIND_BOOLEAN)
                return grow(size, 1);
        if (kind == VSS_KIND_INTEGER)
                return grow(size, sizeof(int64_t));
        if (kind == VSS_KIND_STRING)
                return measure_string(vss_value_string(value, ""), size);

        r = grow(size, LENGTH_SIZE);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (kind == VSS_KIND_DICT)
                        r = measure_string(vss_value_key_at(value, i), size);
                if (r >= 0)
                        r = measure(vss_value_at(value, i), depth + 1, nodes, size);
        }
        return r;
}

static uint8_t *put_number(uint8_t *p, uint64_t number, size_t size) {
        for (size_t i = 0; i < size; i++)
                *p++ = (uint8_t)(number >> (8 * i));
        return p;
}

static uint8_t *put_string(uint8_t *p, const char *string) {
        size_t n = strlen(string);

        p = put_number(p, n, LENGTH_SIZE);
        memcpy(p, string, n);
        return p + n;
}

/* Writes what was measured. */
static uint8_t *put_value(uint8_t *p, const vss_value *value) {
        enum vss_kind kind = vss_value_kind(value);

        *p++ = (uint8_t)kind;
        switch (kind) {
        case VSS_KIND_NULL:
                return p;
        case VSS_KIND_BOOLEAN:
                return put_number(p, vss_value_boolean(value, false), 1);
        case VSS_KIND_INTEGER:
                return put_number(p, (uint64_t)vss_value_integer(value, 0), sizeof(int64_t));
        case VSS_KIND_STRING:
                return put_string(p, vss_value_string(value, ""));
        case VSS_KIND_LIST:
        case VSS_KIND_DICT:
                break;
        }

        p = put_number(p, vss_value_count(value), LENGTH_SIZE);
        for (size_t i = 0; i < vss_value_count(value); i++) {
                if (kind == VSS_KIND_DICT)
                        p = put_string(p, vss_value_key_at(value, i));
                p = put_value(p, vss_value_at(value, i));
        }
        return p;
}

int value_encode(const vss_value *value, uint8_t **ret_data, size_t *ret_size) {
        size_t nodes = 0, size = 0;
        uint8_t *data;
        int r;

        r = measure(value, 0, &nodes, &size);
        if (r < 0)
                return r;
        data = malloc(size);
        if (!data)
                return -ENOMEM;
        (void)put_value(data, value);
        *ret_data = data;
        *ret_size = size;
        return 0;
}

typedef struct Reader {
        const uint8_t *p;
        size_t left;
        size_t nodes;
} Reader;

static int get_bytes(Reader *reader, size_t n, const uint8_t **ret_bytes) {
        if (n > reader->left)
                return -EBADMSG;
        *ret_bytes = reader->p;
        reader->p += n;
        reader->left -= n;
        return 0;
}

static int get_number(Reader *reader, size_t size, uint64_t *ret_number) {
        const uint8_t *bytes;
        uint64_t number = 0;
        int r;

        r = get_bytes(reader, size, &bytes);
        if (r < 0)
                return r;
        for (size_t i = 0; i < size; i++)
                number |= (uint64_t)bytes[i] << (8 * i);
        *ret_number = number;
        return 0;
}

static int get_string(Reader *reader, char **ret_string) {
        const uint8_t *bytes;
        uint64_t n;
        char *string;
        int r;

        r = get_number(reader, LENGTH_SIZE, &n);
        if (r >= 0)
                r = get_bytes(reader, n, &bytes);
        if (r < 0)
                return r;
        if (memchr(bytes, 0, n))
                return -EBADMSG;
        string = strndup((const char *)bytes, n);
        if (!string)
                return -ENOMEM;
        *ret_string = string;
        return 0;
}

static int get_value(Reader *reader, unsigned depth, vss_value **ret_value);

static int get_member(Reader *reader, unsigned depth, vss_value *container) {
        bool is_dict = vss_value_kind(container) == VSS_KIND_DICT;
        _cleanup_(freep) char *key = NULL;
        vss_value *member;
        vss_result result;
        int r;

        if (is_dict) {
                r = get_string(reader, &key);
                if (r < 0)
                        return r;
                if (vss_value_get(container, key))
                        return -EBADMSG;
        }
        r = get_value(reader, depth + 1, &member);
        if (r < 0)
                return r;
        result = is_dict ? vss_value_set(container, key, member) : vss_value_append(container, member);
        return result < 0 ? -ENOMEM : 0;
}

static int get_members(Reader *reader, unsigned depth, vss_value *container) {
        uint64_t n;
        size_t least;
        int r;

        r = get_number(reader, LENGTH_SIZE, &n);
        if (r < 0)
                return r;
        if (__builtin_mul_overflow((size_t)n, MEMBER_SIZE_MIN, &least) || least > reader->left)
                return -EBADMSG;
        if (vss_value_kind(container) == VSS_KIND_DICT && n > VALUE_KEYS_MAX)
                return -EBADMSG;
        for (uint64_t i = 0; i < n; i++) {
                r = get_member(reader, depth, container);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int get_scalar(Reader *reader, enum vss_kind kind, vss_value **ret_value) {
        _cleanup_(freep) char *string = NULL;
        vss_value *value;
        uint64_t number;
        int r;

        if (kind == VSS_KIND_STRING)
                r = get_string(reader, &string);
        else
                r = get_number(reader, kind == VSS_KIND_BOOLEAN ? 1 : sizeof(int64_t), &number);
        if (r < 0)
                return r;
        if (kind == VSS_KIND_BOOLEAN && number > 1)
                return -EBADMSG;

        if (kind == VSS_KIND_STRING)
                value = vss_value_new_string(string);
        else if (kind == VSS_KIND_BOOLEAN)
                value = vss_value_new_boolean(number);
        else
                value = vss_value_new_integer((int64_t)number);
        if (!value)
                return -ENOMEM;
        *ret_value = value;
        return 0;
}

static int get_value(Reader *reader, unsigned depth, vss_value **ret_value) {
        _cleanup_value_ vss_value *container = NULL;
        uint64_t kind;
        int r;

        if (depth > VALUE_DEPTH_MAX || ++reader->nodes > VALUE_NODES_MAX)
                return -EBADMSG;
        r = get_number(reader, 1, &kind);
        if (r < 0)
                return r;
        if (kind == VSS_KIND_BOOLEAN || kind == VSS_KIND_INTEGER || kind == VSS_KIND_STRING)
                return get_scalar(reader, (enum vss_kind)kind, ret_value);
        if (kind != VSS_KIND_LIST && kind != VSS_KIND_DICT)
                return -EBADMSG;

        container = kind == VSS_KIND_LIST ? vss_value_new_list() : vss_value_new_dict();
        if (!container)
                return -ENOMEM;
        r = get_members(reader, depth, container);
        if (r < 0)
                return r;
        *ret_value = TAKE_PTR(container);
        return 0;
}

int value_decode(const uint8_t *data, size_t size, vss_value **ret_value) {
        Reader reader = { .p = data, .left = size };
        _cleanup_value_ vss_value *value = NULL;
        int r;

        if (size > VALUE_ENCODED_MAX)
                return -EBADMSG;
        if (size == 1 && data[0] == VSS_KIND_NULL) {
                *ret_value = NULL;
                return 0;
        }
        r = get_value(&reader, 0, &value);
        if (r < 0)
                return r;
        if (reader.left > 0)
                return -EBADMSG;
        *ret_value = TAKE_PTR(value);
        return 0;
}
