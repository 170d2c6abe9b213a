/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values as JSON: the one place that knows the JSON library
 *
 * Paths on Linux are bytes, JSON is UTF-8. A byte that is no UTF-8 becomes U+FFFD, so that one odd file name
 * does not cost the whole answer.
 */

#include <errno.h>
#include <string.h>
#include "util/macro.h"
#include "vss/json.h"

/* Bytes of the UTF-8 sequence at @s; 0 if it is none. */
static size_t sequence_length(const unsigned char *s) {
        size_t n = *s < 0x80 ? 1 : (*s >> 5) == 0x6 ? 2 : (*s >> 4) == 0xe ? 3 : (*s >> 3) == 0x1e ? 4 : 0;

        for (size_t i = 1; i < n; i++)
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
        return n;
}

static json_t *repair_string(const char *text) {
        _cleanup_(freep) char *repaired = malloc(strlen(text) * 3 + 1);
        size_t n = 0;

        if (!repaired)
                return NULL;
        while (*text) {
                size_t length = sequence_length((const unsigned char *)text);
                char *one = &repaired[n];

                if (length > 0) {
                        json_t *probe = json_stringn(text, length);

                        if (!probe)
                                length = 0;
                        json_decref(probe);
                }
                memcpy(one, length > 0 ? text : "\xef\xbf\xbd", length > 0 ? length : 3);
                n += length > 0 ? length : 3;
                text += length > 0 ? length : 1;
        }
        return json_stringn(repaired, n);
}

static json_t *json_from_string(const char *text) {
        json_t *json = json_string(text);

        return json ?: repair_string(text);
}

static json_t *json_from_members(const vss_value *value) {
        bool is_list = vss_value_kind(value) == VSS_KIND_LIST;
        json_t *json = is_list ? json_array() : json_object();

        for (size_t i = 0; json && i < vss_value_count(value); i++) {
                json_t *member = json_from_value(vss_value_at(value, i));
                int r = is_list ? json_array_append_new(json, member)
                                : json_object_set_new(json, vss_value_key_at(value, i), member);

                if (r < 0) {
                        json_decref(json);
                        return NULL;
                }
        }
        return json;
}

json_t *json_from_value(const vss_value *value) {
        switch (vss_value_kind(value)) {
        case VSS_KIND_BOOLEAN:
                return json_boolean(vss_value_boolean(value, false));
        case VSS_KIND_INTEGER:
                return json_integer(vss_value_integer(value, 0));
        case VSS_KIND_STRING:
                return json_from_string(vss_value_string(value, ""));
        case VSS_KIND_LIST:
        case VSS_KIND_DICT:
                return json_from_members(value);
        case VSS_KIND_NULL:
                break;
        }
        return json_null();
}

static vss_value *value_from_json(const json_t *json, unsigned depth);

static vss_value *list_from_json(const json_t *json, unsigned depth) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < json_array_size(json); i++)
                if (vss_value_append(list, value_from_json(json_array_get(json, i), depth)) < 0)
                        return NULL;
        return TAKE_PTR(list);
}

static vss_value *dict_from_json(const json_t *json, unsigned depth) {
        _cleanup_value_ vss_value *dict = vss_value_new_dict();
        const char *key;
        json_t *member;

        json_object_foreach((json_t *)json, key, member) {
                if (!json_is_null(member) && vss_value_set(dict, key, value_from_json(member, depth)) < 0)
                        return NULL;
        }
        return TAKE_PTR(dict);
}

/* NULL without memory, and for what is too deep. */
static vss_value *value_from_json(const json_t *json, unsigned depth) {
        if (depth > VALUE_DEPTH_MAX)
                return NULL;
        switch (json_typeof(json)) {
        case JSON_OBJECT:
                return dict_from_json(json, depth + 1);
        case JSON_ARRAY:
                return list_from_json(json, depth + 1);
        case JSON_STRING:
                return vss_value_new_string(json_string_value(json));
        case JSON_INTEGER:
                return vss_value_new_integer(json_integer_value(json));
        case JSON_REAL: /* no number of ours has a fraction */
                return vss_value_new_string("");
        case JSON_TRUE:
        case JSON_FALSE:
                return vss_value_new_boolean(json_is_true(json));
        default:
                return vss_value_new_string("");
        }
}

int json_to_value(const char *text, size_t size, vss_value **ret_value) {
        json_error_t error;
        json_t *json = json_loadb(text, size, 0, &error);
        vss_value *value = json ? value_from_json(json, 0) : NULL;

        json_decref(json);
        if (!value)
                return !json && json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
        *ret_value = value;
        return 0;
}
