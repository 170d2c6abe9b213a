/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The identity of a shadow copy as LVM tags of its logical volume
 */

#include <string.h>
#include "providers/common/info.h"
#include "providers/lvm/tags.h"

/* Tags of one volume that are looked at. */
#define TAGS_MAX 1024u

void tags_done(Tags *tags) {
        for (size_t i = 0; i < tags->n; i++)
                free(tags->items[i]);
        free(tags->items);
        *tags = (Tags){ 0 };
}

static int append_taken(Tags *tags, char *tag) {
        char **items;

        if (!tag)
                return -ENOMEM;
        items = reallocarray(tags->items, tags->n + 1, sizeof(*items));
        if (!items) {
                free(tag);
                return -ENOMEM;
        }
        tags->items = items;
        tags->items[tags->n++] = tag;
        return 0;
}

int tags_append(Tags *tags, const char *tag) {
        return append_taken(tags, strdup(tag));
}

bool tags_contain(const Tags *tags, const char *tag) {
        for (size_t i = 0; i < tags->n; i++)
                if (strcmp(tags->items[i], tag) == 0)
                        return true;
        return false;
}

const char *tags_find(const Tags *tags, const char *prefix) {
        for (size_t i = 0; i < tags->n; i++)
                if (strncmp(tags->items[i], prefix, strlen(prefix)) == 0)
                        return tags->items[i] + strlen(prefix);
        return NULL;
}

int tags_parse(const char *text, Tags *ret_tags) {
        _cleanup_tags_ Tags tags = { 0 };

        while (*text) {
                size_t n = strcspn(text, ",");
                int r;

                if (n == 0 || n >= TAG_SIZE || tags.n >= TAGS_MAX)
                        return -EBADMSG;
                r = append_taken(&tags, strndup(text, n));
                if (r < 0)
                        return r;
                text += n;
                if (*text == ',' && *++text == 0)
                        return -EBADMSG;
        }
        *ret_tags = tags;
        tags = (Tags){ 0 };
        return 0;
}

/* Of those that LVM allows, what stands for itself. */
static bool is_plain(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c != 0 && strchr("_+.-/=!:&", c));
}

int tag_escape(const char *text, char **ret_text) {
        static const char digits[] = "0123456789abcdef";
        char *escaped = malloc(3 * strlen(text) + 1), *to = escaped;

        if (!escaped)
                return -ENOMEM;
        for (; *text; text++) {
                if (is_plain(*text)) {
                        *to++ = *text;
                        continue;
                }
                *to++ = '#';
                *to++ = digits[(unsigned char)*text >> 4];
                *to++ = digits[(unsigned char)*text & 15];
        }
        *to = 0;
        *ret_text = escaped;
        return 0;
}

static int digit_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int tag_unescape(const char *text, char **ret_text) {
        _cleanup_(freep) char *plain = malloc(strlen(text) + 1);
        char *to = plain;

        if (!plain)
                return -ENOMEM;
        while (*text) {
                int high, low;

                if (is_plain(*text)) {
                        *to++ = *text++;
                        continue;
                }
                high = *text == '#' ? digit_value(text[1]) : -1;
                low = high >= 0 ? digit_value(text[2]) : -1;
                if (low < 0 || (high == 0 && low == 0))
                        return -EBADMSG;
                *to++ = (char)(high << 4 | low);
                text += 3;
        }
        *to = 0;
        *ret_text = TAKE_PTR(plain);
        return 0;
}

int tags_encode(const vss_value *info, Tags *tags) {
        _cleanup_(freep) char *json = NULL, *text = NULL;
        size_t n, parts;
        int r;

        r = info_encode(info, &json);
        if (r == 0)
                r = tag_escape(json, &text);
        if (r < 0)
                return r;
        n = strlen(text);
        parts = (n + TAG_TEXT_MAX - 1) / TAG_TEXT_MAX;
        if (parts > TAG_PARTS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < parts; i++) {
                size_t from = i * TAG_TEXT_MAX;
                char *tag;

                if (asprintf(&tag, TAG_INFO "%zu.%zu.%.*s", i, parts, (int)MIN(n - from, TAG_TEXT_MAX),
                             text + from) < 0)
                        return -ENOMEM;
                r = append_taken(tags, tag);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A number of at most two digits and a '.' behind it. */
static bool parse_number(const char **text, size_t *ret_number) {
        size_t number = 0, n = 0;

        while (n < 2 && (*text)[n] >= '0' && (*text)[n] <= '9')
                number = 10 * number + (size_t)((*text)[n++] - '0');
        if (n == 0 || (*text)[n] != '.' || (n == 2 && (*text)[0] == '0'))
                return false;
        *text += n + 1;
        *ret_number = number;
        return true;
}

/* Each part once, all of one number of parts. */
static int collect(const Tags *tags, const char *ret_parts[static TAG_PARTS_MAX], size_t *ret_n) {
        size_t found = 0, total = 0;

        for (size_t i = 0; i < tags->n; i++) {
                const char *text = tags->items[i];
                size_t index, n;

                if (strncmp(text, TAG_INFO, sizeof(TAG_INFO) - 1) != 0)
                        continue;
                text += sizeof(TAG_INFO) - 1;
                if (!parse_number(&text, &index) || !parse_number(&text, &n) || n == 0 ||
                    n > TAG_PARTS_MAX || index >= n || (total && n != total) || ret_parts[index])
                        return -EBADMSG;
                total = n;
                ret_parts[index] = text;
                found++;
        }
        if (found == 0)
                return -ENOENT;
        *ret_n = total;
        return found == total ? 0 : -EBADMSG;
}

int tags_decode(const Tags *tags, vss_value **ret_info) {
        const char *parts[TAG_PARTS_MAX] = { NULL };
        _cleanup_(freep) char *text = NULL, *json = NULL;
        _cleanup_value_ vss_value *info = NULL;
        size_t n_parts = 0, size = 0;
        int r;

        r = collect(tags, parts, &n_parts);
        if (r < 0)
                return r;
        text = malloc(n_parts * TAG_SIZE + 1);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < n_parts; i++) {
                size_t n = strlen(parts[i]);

                memcpy(text + size, parts[i], n);
                size += n;
        }
        text[size] = 0;
        r = tag_unescape(text, &json);
        if (r == 0)
                r = info_decode(json, strlen(json), &info);
        if (r < 0)
                return r;
        if (!info_id_is_valid(vss_value_get_string(info, "id", NULL)) ||
            !info_id_is_valid(vss_value_get_string(info, "set", NULL)))
                return -EBADMSG;
        *ret_info = TAKE_PTR(info);
        return 0;
}
