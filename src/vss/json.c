/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values as JSON: the one place that knows the JSON library
 *
 * Paths on Linux are bytes, JSON is UTF-8. A byte that is no UTF-8 becomes U+FFFD, so that one odd file name
 * does not cost the whole answer.
 */

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
