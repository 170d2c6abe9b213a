/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Logical volumes, as "lvs --reportformat json" tells of them
 */

#include <ctype.h>
#include <jansson.h>
#include <string.h>
#include "providers/lvm/report.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

#define DEVICE_UUID_PREFIX "LVM-"

bool report_is_copy(const LogicalVolume *lv, vss_value **ret_info) {
        _cleanup_value_ vss_value *info = NULL;

        if (strncmp(lv->name, COPY_PREFIX, sizeof(COPY_PREFIX) - 1) != 0 ||
            tags_decode(&lv->tags, &info) < 0 ||
            strcmp(vss_value_get_string(vss_value_get(info, "lvm"), "origin", ""), lv->uuid) == 0)
                return false;
        *ret_info = TAKE_PTR(info);
        return true;
}

bool lvm_name_is_valid(const char *name) {
        size_t n = strlen(name);

        if (n == 0 || n >= LVM_NAME_SIZE || name[0] == '-' || strcmp(name, ".") == 0 ||
            strcmp(name, "..") == 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)name[i]) && !strchr("_+.-", name[i]))
                        return false;
        return true;
}

int lvm_device_name(const char *vg, const char *name, size_t size, char *ret_name) {
        const char *const parts[] = { vg, name };
        size_t n = 0;

        for (size_t p = 0; p < ELEMENTS(parts); p++) {
                if (p > 0 && n + 1 < size)
                        ret_name[n++] = '-';
                for (const char *c = parts[p]; *c; c++) {
                        if (n + 3 > size)
                                return -ENAMETOOLONG;
                        ret_name[n++] = *c;
                        if (*c == '-')
                                ret_name[n++] = '-';
                }
        }
        ret_name[n] = 0;
        return 0;
}

int lvm_pool_device_name(const char *vg, const char *pool, size_t size, char *ret_name) {
        static const char suffix[] = "-tpool";
        size_t n;
        int r;

        r = lvm_device_name(vg, pool, size, ret_name);
        if (r < 0)
                return r;
        n = strlen(ret_name);
        if (n + sizeof(suffix) > size)
                return -ENAMETOOLONG;
        memcpy(ret_name + n, suffix, sizeof(suffix));
        return 0;
}

static bool is_alphanumeric(const char *text, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char)text[i]))
                        return false;
        return true;
}

bool lvm_parse_device_uuid(const char *uuid, char ret_vg_uuid[static LVM_UUID_SIZE],
                           char ret_uuid[static LVM_UUID_SIZE]) {
        size_t prefix = sizeof(DEVICE_UUID_PREFIX) - 1, one = LVM_UUID_SIZE - 1;

        if (strncmp(uuid, DEVICE_UUID_PREFIX, prefix) != 0 || strlen(uuid) != prefix + 2 * one ||
            !is_alphanumeric(uuid + prefix, 2 * one))
                return false;
        memcpy(ret_vg_uuid, uuid + prefix, one);
        memcpy(ret_uuid, uuid + prefix + one, one);
        ret_vg_uuid[one] = ret_uuid[one] = 0;
        return true;
}

static const char *text_of(const json_t *row, const char *key) {
        const char *text = json_string_value(json_object_get(row, key));

        return text ?: "";
}

static bool parse_uuid(const char *text, char ret_uuid[static LVM_UUID_SIZE]) {
        size_t n = 0;

        for (; *text; text++) {
                if (*text == '-')
                        continue;
                if (n >= LVM_UUID_SIZE - 1 || !isalnum((unsigned char)*text))
                        return false;
                ret_uuid[n++] = *text;
        }
        ret_uuid[n] = 0;
        return n == LVM_UUID_SIZE - 1;
}

/* "" is 0. */
static bool parse_number(const char *text, uint64_t *ret_number) {
        uint64_t number = 0;

        for (; *text; text++) {
                if (*text < '0' || *text > '9' || number > (UINT64_MAX - 9) / 10)
                        return false;
                number = 10 * number + (uint64_t)(*text - '0');
        }
        *ret_number = number;
        return true;
}

static bool parse_name(const char *text, bool optional, char ret_name[static LVM_NAME_SIZE]) {
        size_t n = strlen(text);

        /* What is hidden stands in brackets. */
        if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
                text++;
                n -= 2;
        }
        if (n >= LVM_NAME_SIZE)
                return false;
        memcpy(ret_name, text, n);
        ret_name[n] = 0;
        return (optional && n == 0) || lvm_name_is_valid(ret_name);
}

/* Everything but the tags, which are memory. */
static bool parse_row(const json_t *row, LogicalVolume *ret) {
        const char *segtype = text_of(row, "segtype"), *active = text_of(row, "lv_active");

        if (!parse_name(text_of(row, "lv_name"), false, ret->name) ||
            !parse_name(text_of(row, "vg_name"), false, ret->vg) ||
            !parse_name(text_of(row, "pool_lv"), true, ret->pool) ||
            !parse_name(text_of(row, "origin"), true, ret->origin) ||
            !parse_uuid(text_of(row, "lv_uuid"), ret->uuid) ||
            !parse_uuid(text_of(row, "vg_uuid"), ret->vg_uuid) || strlen(segtype) >= sizeof(ret->segtype) ||
            !parse_number(text_of(row, "lv_size"), &ret->size) ||
            !parse_number(text_of(row, "thin_id"), &ret->thin_id) ||
            !parse_number(text_of(row, "vg_free"), &ret->vg_free) ||
            !parse_number(text_of(row, "vg_extent_size"), &ret->vg_extent_size))
                return false;
        memcpy(ret->segtype, segtype, strlen(segtype) + 1);
        ret->active = strncmp(active, "active", 6) == 0 || strcmp(active, "1") == 0;
        ret->vg_shared = strcmp(text_of(row, "vg_shared"), "1") == 0;
        ret->vg_exported = strcmp(text_of(row, "vg_exported"), "1") == 0;
        ret->vg_incomplete = strcmp(text_of(row, "vg_partial"), "1") == 0;
        return true;
}

void report_done(Report *report) {
        for (size_t i = 0; i < report->n; i++)
                tags_done(&report->items[i].tags);
        free(report->items);
        *report = (Report){ 0 };
}

static int add_row(Report *report, const json_t *row) {
        LogicalVolume volume = { 0 };
        LogicalVolume *items;
        int r;

        if (!parse_row(row, &volume))
                return 0;
        /* A volume has a row for each of its segments, one after the other. */
        if (report->n > 0 && strcmp(report->items[report->n - 1].uuid, volume.uuid) == 0)
                return 0;
        if (report->n >= REPORT_VOLUMES_MAX)
                return -E2BIG;
        r = tags_parse(text_of(row, "lv_tags"), &volume.tags);
        if (r < 0)
                return r == -EBADMSG ? 0 : r;
        items = reallocarray(report->items, report->n + 1, sizeof(*items));
        if (!items) {
                tags_done(&volume.tags);
                return -ENOMEM;
        }
        report->items = items;
        report->items[report->n++] = volume;
        return 0;
}

int report_parse(const char *text, size_t size, Report *ret_report) {
        _cleanup_json_ json_t *json = json_loadb(text, size, 0, NULL);
        _cleanup_report_ Report report = { 0 };
        const json_t *parts = json_object_get(json, "report");
        const json_t *part, *row;
        size_t i, k;

        if (!json_is_array(parts))
                return -EBADMSG;
        json_array_foreach(parts, i, part) {
                const json_t *rows = json_object_get(part, "lv");

                if (!json_is_array(rows))
                        return -EBADMSG;
                json_array_foreach(rows, k, row) {
                        int r = add_row(&report, row);

                        if (r < 0)
                                return r;
                }
        }
        *ret_report = report;
        report = (Report){ 0 };
        return 0;
}

const LogicalVolume *report_find_uuid(const Report *report, const char *vg_uuid, const char *uuid) {
        for (size_t i = 0; i < report->n; i++)
                if (strcmp(report->items[i].uuid, uuid) == 0 &&
                    strcmp(report->items[i].vg_uuid, vg_uuid) == 0)
                        return &report->items[i];
        return NULL;
}

const LogicalVolume *report_find_name(const Report *report, const char *vg, const char *name) {
        for (size_t i = 0; i < report->n; i++)
                if (strcmp(report->items[i].name, name) == 0 && strcmp(report->items[i].vg, vg) == 0)
                        return &report->items[i];
        return NULL;
}
