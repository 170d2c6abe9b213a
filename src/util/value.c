/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values: the tree that every answer of the service is made of
 *
 * One representation serves the bus, the library's callers and JSON, so that a key is named once and reads
 * the same everywhere. Dictionaries are small (tens of keys) and are searched in order.
 */

#include <assert.h>
#include <stdarg.h>
#include <string.h>
#include "util/utf8.h"
#include "util/value.h"

typedef struct Entry {
        char *key; /* NULL in lists */
        vss_value *value;
} Entry;

struct vss_value {
        enum vss_kind kind;
        union {
                bool boolean;
                int64_t integer;
                char *string;
                struct {
                        Entry *entries;
                        size_t n, allocated;
                };
        };
};

static vss_value *value_new(enum vss_kind kind) {
        vss_value *value = calloc(1, sizeof(*value));

        if (value)
                value->kind = kind;
        return value;
}

vss_value *vss_value_new_boolean(bool boolean) {
        vss_value *value = value_new(VSS_KIND_BOOLEAN);

        if (value)
                value->boolean = boolean;
        return value;
}

vss_value *vss_value_new_integer(int64_t integer) {
        vss_value *value = value_new(VSS_KIND_INTEGER);

        if (value)
                value->integer = integer;
        return value;
}

vss_value *vss_value_new_string(const char *string) {
        vss_value *value = value_new(VSS_KIND_STRING);

        if (!value)
                return NULL;
        value->string = strdup(string ?: "");
        return value->string ? value : vss_value_free(value);
}

vss_value *vss_value_new_list(void) {
        return value_new(VSS_KIND_LIST);
}

vss_value *vss_value_new_dict(void) {
        return value_new(VSS_KIND_DICT);
}

static bool is_container(const vss_value *value) {
        return value && (value->kind == VSS_KIND_LIST || value->kind == VSS_KIND_DICT);
}

vss_value *vss_value_free(vss_value *value) {
        if (!value)
                return NULL;

        if (value->kind == VSS_KIND_STRING)
                free(value->string);
        if (is_container(value)) {
                for (size_t i = 0; i < value->n; i++) {
                        free(value->entries[i].key);
                        vss_value_free(value->entries[i].value);
                }
                free(value->entries);
        }
        free(value);
        return NULL;
}

vss_value *vss_value_copy(const vss_value *value) {
        _cleanup_value_ vss_value *copy = NULL;

        if (!value)
                return NULL;
        if (value->kind == VSS_KIND_STRING)
                return vss_value_new_string(value->string);

        copy = value_new(value->kind);
        if (!copy)
                return NULL;
        if (value->kind == VSS_KIND_BOOLEAN)
                copy->boolean = value->boolean;
        if (value->kind == VSS_KIND_INTEGER)
                copy->integer = value->integer;
        for (size_t i = 0; is_container(value) && i < value->n; i++) {
                vss_value *member = vss_value_copy(value->entries[i].value);
                vss_result r = value->kind == VSS_KIND_LIST
                                       ? vss_value_append(copy, member)
                                       : vss_value_set(copy, value->entries[i].key, member);
                if (r < 0)
                        return NULL;
        }
        return TAKE_PTR(copy);
}

/* Takes @key and @value over, also on failure. */
static vss_result add_entry(vss_value *container, char *key, vss_value *value) {
        if (container->n == container->allocated) {
                size_t allocated = container->allocated ? container->allocated * 2 : 8;
                Entry *entries = reallocarray(container->entries, allocated, sizeof(*entries));

                if (!entries) {
                        free(key);
                        vss_value_free(value);
                        return VSS_E_OUTOFMEMORY;
                }
                container->entries = entries;
                container->allocated = allocated;
        }
        container->entries[container->n++] = (Entry){ .key = key, .value = value };
        return VSS_S_OK;
}

vss_result vss_value_append(vss_value *list, vss_value *value) {
        if (!value)
                return VSS_E_OUTOFMEMORY;
        if (!list || list->kind != VSS_KIND_LIST) {
                vss_value_free(value);
                return VSS_E_INVALIDARG;
        }
        return add_entry(list, NULL, value);
}

static Entry *find_entry(const vss_value *dict, const char *key) {
        if (!dict || dict->kind != VSS_KIND_DICT || !key)
                return NULL;
        for (size_t i = 0; i < dict->n; i++)
                if (strcmp(dict->entries[i].key, key) == 0)
                        return &dict->entries[i];
        return NULL;
}

vss_result vss_value_set(vss_value *dict, const char *key, vss_value *value) {
        char *copy;
        Entry *entry;

        if (!value)
                return VSS_E_OUTOFMEMORY;
        if (!dict || dict->kind != VSS_KIND_DICT || !key) {
                vss_value_free(value);
                return VSS_E_INVALIDARG;
        }

        entry = find_entry(dict, key);
        if (entry) {
                vss_value_free(entry->value);
                entry->value = value;
                return VSS_S_OK;
        }

        copy = strdup(key);
        if (!copy) {
                vss_value_free(value);
                return VSS_E_OUTOFMEMORY;
        }
        return add_entry(dict, copy, value);
}

vss_result vss_value_set_string(vss_value *dict, const char *key, const char *string) {
        return vss_value_set(dict, key, vss_value_new_string(string));
}

vss_result vss_value_set_integer(vss_value *dict, const char *key, int64_t integer) {
        return vss_value_set(dict, key, vss_value_new_integer(integer));
}

vss_result vss_value_set_boolean(vss_value *dict, const char *key, bool boolean) {
        return vss_value_set(dict, key, vss_value_new_boolean(boolean));
}

enum vss_kind vss_value_kind(const vss_value *value) {
        return value ? value->kind : VSS_KIND_NULL;
}

bool vss_value_boolean(const vss_value *value, bool otherwise) {
        return value && value->kind == VSS_KIND_BOOLEAN ? value->boolean : otherwise;
}

int64_t vss_value_integer(const vss_value *value, int64_t otherwise) {
        return value && value->kind == VSS_KIND_INTEGER ? value->integer : otherwise;
}

const char *vss_value_string(const vss_value *value, const char *otherwise) {
        return value && value->kind == VSS_KIND_STRING ? value->string : otherwise;
}

size_t vss_value_count(const vss_value *value) {
        return is_container(value) ? value->n : 0;
}

const vss_value *vss_value_at(const vss_value *value, size_t index) {
        return index < vss_value_count(value) ? value->entries[index].value : NULL;
}

const char *vss_value_key_at(const vss_value *dict, size_t index) {
        return index < vss_value_count(dict) ? dict->entries[index].key : NULL;
}

const vss_value *vss_value_get(const vss_value *dict, const char *key) {
        const Entry *entry = find_entry(dict, key);

        return entry ? entry->value : NULL;
}

const char *vss_value_get_string(const vss_value *dict, const char *key, const char *otherwise) {
        return vss_value_string(vss_value_get(dict, key), otherwise);
}

int64_t vss_value_get_integer(const vss_value *dict, const char *key, int64_t otherwise) {
        return vss_value_integer(vss_value_get(dict, key), otherwise);
}

bool vss_value_get_boolean(const vss_value *dict, const char *key, bool otherwise) {
        return vss_value_boolean(vss_value_get(dict, key), otherwise);
}

vss_value *value_get_mutable(vss_value *dict, const char *key) {
        Entry *entry = find_entry(dict, key);

        return entry ? entry->value : NULL;
}

vss_value *value_at_mutable(vss_value *value, size_t index) {
        return index < vss_value_count(value) ? value->entries[index].value : NULL;
}

vss_value *value_require(vss_value *dict, const char *key, enum vss_kind kind) {
        vss_value *member = value_get_mutable(dict, key);

        assert(kind == VSS_KIND_LIST || kind == VSS_KIND_DICT);

        if (member && member->kind == kind)
                return member;
        member = value_new(kind);
        return vss_value_set(dict, key, member) < 0 ? NULL : member;
}

int value_contains(const vss_value *list, const char *string) {
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_string(vss_value_at(list, i), ""), string) == 0)
                        return true;
        return false;
}

bool value_equals(const vss_value *a, const vss_value *b) {
        enum vss_kind kind = vss_value_kind(a);

        if (kind != vss_value_kind(b) || vss_value_count(a) != vss_value_count(b))
                return false;
        if (kind == VSS_KIND_BOOLEAN)
                return a->boolean == b->boolean;
        if (kind == VSS_KIND_INTEGER)
                return a->integer == b->integer;
        if (kind == VSS_KIND_STRING)
                return strcmp(a->string, b->string) == 0;
        for (size_t i = 0; i < vss_value_count(a); i++) {
                const Entry *entry = &a->entries[i], *other = &b->entries[i];

                if (kind == VSS_KIND_DICT && strcmp(entry->key, other->key) != 0)
                        other = find_entry(b, entry->key);
                if (!other || !value_equals(entry->value, other->value))
                        return false;
        }
        return true;
}

vss_result value_set_printf(vss_value *dict, const char *key, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);
        if (n < 0) {
                text = NULL;
                return VSS_E_OUTOFMEMORY;
        }
        return vss_value_set_string(dict, key, text);
}

vss_result value_append_string(vss_value *list, const char *string) {
        return vss_value_append(list, vss_value_new_string(string));
}

void value_make_utf8(vss_value *value) {
        if (value && value->kind == VSS_KIND_STRING)
                (void)text_make_utf8(value->string);
        for (size_t i = 0; is_container(value) && i < value->n; i++) {
                (void)text_make_utf8(value->entries[i].key);
                value_make_utf8(value->entries[i].value);
        }
}

void value_unset(vss_value *dict, const char *key) {
        Entry *entry = find_entry(dict, key);

        if (!entry)
                return;
        free(entry->key);
        vss_value_free(entry->value);
        memmove(entry, entry + 1, sizeof(*entry) * (size_t)(dict->entries + dict->n - entry - 1));
        dict->n--;
}
