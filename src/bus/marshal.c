/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values and results on the bus
 *
 * What is read comes from strangers: depth is limited here, size by the bus (a message of 32 MiB at most).
 */

#include <stdarg.h>
#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "util/utf8.h"

static int append_variant(sd_bus_message *m, const vss_value *value);

static int append_members(sd_bus_message *m, const vss_value *dict) {
        int r;

        for (size_t i = 0; i < vss_value_count(dict); i++) {
                r = sd_bus_message_open_container(m, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", vss_value_key_at(dict, i));
                if (r >= 0)
                        r = append_variant(m, vss_value_at(dict, i));
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
                if (r < 0)
                        return r;
        }
        return 0;
}

int marshal_append_dict(sd_bus_message *m, const vss_value *dict) {
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0)
                r = append_members(m, dict);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int marshal_append_dicts(sd_bus_message *m, const vss_value *list) {
        int r = sd_bus_message_open_container(m, 'a', "a{sv}");

        for (size_t i = 0; r >= 0 && i < vss_value_count(list); i++)
                r = marshal_append_dict(m, vss_value_at(list, i));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int marshal_append_strings(sd_bus_message *m, const vss_value *list) {
        int r = sd_bus_message_open_container(m, 'a', "s");

        for (size_t i = 0; r >= 0 && i < vss_value_count(list); i++)
                r = sd_bus_message_append(m, "s", vss_value_string(vss_value_at(list, i), ""));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_any_list(sd_bus_message *m, const vss_value *list) {
        int r = sd_bus_message_open_container(m, 'a', "v");

        for (size_t i = 0; r >= 0 && i < vss_value_count(list); i++)
                r = append_variant(m, vss_value_at(list, i));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Lists travel by the kind of their first member: other languages get "as" and "aa{sv}", not "av". */
static const char *list_signature(const vss_value *list) {
        enum vss_kind kind = vss_value_kind(vss_value_at(list, 0));

        for (size_t i = 1; i < vss_value_count(list); i++)
                if (vss_value_kind(vss_value_at(list, i)) != kind)
                        return "av";
        if (kind == VSS_KIND_DICT)
                return "aa{sv}";
        return kind == VSS_KIND_STRING || kind == VSS_KIND_NULL ? "as" : "av";
}

static int append_variant(sd_bus_message *m, const vss_value *value) {
        const char *signature;
        int r;

        switch (vss_value_kind(value)) {
        case VSS_KIND_BOOLEAN:
                return sd_bus_message_append(m, "v", "b", vss_value_boolean(value, false));
        case VSS_KIND_INTEGER:
                return sd_bus_message_append(m, "v", "x", vss_value_integer(value, 0));
        case VSS_KIND_STRING:
                return sd_bus_message_append(m, "v", "s", vss_value_string(value, ""));
        case VSS_KIND_DICT:
                r = sd_bus_message_open_container(m, 'v', "a{sv}");
                if (r >= 0)
                        r = marshal_append_dict(m, value);
                return r < 0 ? r : sd_bus_message_close_container(m);
        case VSS_KIND_LIST:
                signature = list_signature(value);
                r = sd_bus_message_open_container(m, 'v', signature);
                if (r >= 0)
                        r = strcmp(signature, "aa{sv}") == 0 ? marshal_append_dicts(m, value)
                            : strcmp(signature, "as") == 0   ? marshal_append_strings(m, value)
                                                             : append_any_list(m, value);
                return r < 0 ? r : sd_bus_message_close_container(m);
        case VSS_KIND_NULL:
                break;
        }
        return -EINVAL;
}

static int read_value(sd_bus_message *m, unsigned depth, vss_value **ret);

static int result_to_errno(vss_result result) {
        return result >= 0 ? 0 : result == VSS_E_OUTOFMEMORY ? -ENOMEM : -EINVAL;
}

/* Members of an array whose elements are all @element ("{sv}" makes a dictionary, others a list). */
static int read_array(sd_bus_message *m, const char *element, unsigned depth, vss_value **ret) {
        bool is_dict = strcmp(element, "{sv}") == 0;
        _cleanup_value_ vss_value *container = is_dict ? vss_value_new_dict() : vss_value_new_list();
        int r;

        if (!container)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', element);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;

        while ((r = sd_bus_message_at_end(m, false)) == 0) {
                const char *key = NULL;
                vss_value *member = NULL;

                if (is_dict) {
                        r = sd_bus_message_enter_container(m, 'e', "sv");
                        if (r >= 0)
                                r = sd_bus_message_read(m, "s", &key);
                        if (r < 0)
                                return r;
                }
                r = read_value(m, depth + 1, &member);
                if (r < 0)
                        return r;
                r = result_to_errno(is_dict ? vss_value_set(container, key, member)
                                            : vss_value_append(container, member));
                if (r >= 0 && is_dict)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(container);
        return 0;
}

static int read_basic(sd_bus_message *m, char type, vss_value **ret) {
        union {
                int boolean;
                uint8_t y;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                const char *s;
        } u;
        int r = sd_bus_message_read_basic(m, type, &u);

        if (r < 0)
                return r;
        switch (type) {
        case 'b':
                *ret = vss_value_new_boolean(u.boolean);
                break;
        case 'y':
                *ret = vss_value_new_integer(u.y);
                break;
        case 'n':
                *ret = vss_value_new_integer(u.n);
                break;
        case 'q':
                *ret = vss_value_new_integer(u.q);
                break;
        case 'i':
                *ret = vss_value_new_integer(u.i);
                break;
        case 'u':
                *ret = vss_value_new_integer(u.u);
                break;
        case 'x':
                *ret = vss_value_new_integer(u.x);
                break;
        case 't':
                if (u.t > INT64_MAX)
                        return -ERANGE;
                *ret = vss_value_new_integer((int64_t)u.t);
                break;
        default:
                *ret = vss_value_new_string(u.s);
        }
        return *ret ? 0 : -ENOMEM;
}

static int read_value(sd_bus_message *m, unsigned depth, vss_value **ret) {
        const char *contents;
        char type;
        int r;

        if (depth > VALUE_DEPTH_MAX)
                return -E2BIG;
        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;

        if (type == 'v') {
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r < 0)
                        return r;
                r = read_value(m, depth + 1, ret);
                return r < 0 ? r : sd_bus_message_exit_container(m);
        }
        if (type == 'a')
                return read_array(m, contents, depth, ret);
        if (!strchr("bynqiuxtso", type))
                return -EBADMSG;
        return read_basic(m, type, ret);
}

static int read_kind(sd_bus_message *m, enum vss_kind kind, vss_value **ret) {
        _cleanup_value_ vss_value *value = NULL;
        int r = read_value(m, 0, &value);

        if (r < 0)
                return r;
        if (vss_value_kind(value) != kind)
                return -EBADMSG;
        *ret = TAKE_PTR(value);
        return 0;
}

int marshal_read_dict(sd_bus_message *m, vss_value **ret_dict) {
        return read_kind(m, VSS_KIND_DICT, ret_dict);
}

int marshal_read_dicts(sd_bus_message *m, vss_value **ret_list) {
        return read_kind(m, VSS_KIND_LIST, ret_list);
}

int marshal_read_strings(sd_bus_message *m, vss_value **ret_list) {
        return read_kind(m, VSS_KIND_LIST, ret_list);
}

int bus_error_setf(sd_bus_error *error, vss_result result, const char *format, ...) {
        const char *name = vss_result_name(result);
        _cleanup_(freep) char *message = NULL;
        char bus_name[128];
        va_list args;

        /* "E_BAD_STATE" -> "org.linuxvss.Error.BAD_STATE" */
        (void)snprintf(bus_name, sizeof(bus_name), "%s%s", BUS_ERROR_PREFIX,
                       strncmp(name, "E_", 2) == 0 ? name + 2 : name);
        va_start(args, format);
        if (vasprintf(&message, format, args) < 0)
                message = NULL;
        va_end(args);
        /* An error whose message the bus does not take would be no answer at all. */
        return sd_bus_error_set(error, bus_name, text_make_utf8(message));
}

vss_result bus_error_result(const sd_bus_error *error) {
        static const struct {
                const char *name;
                vss_result result;
        } foreign[] = {
                { SD_BUS_ERROR_SERVICE_UNKNOWN, VSS_E_SERVICE_UNAVAILABLE },
                { SD_BUS_ERROR_NAME_HAS_NO_OWNER, VSS_E_SERVICE_UNAVAILABLE },
                { SD_BUS_ERROR_NO_SERVER, VSS_E_SERVICE_UNAVAILABLE },
                { SD_BUS_ERROR_DISCONNECTED, VSS_E_SERVICE_UNAVAILABLE },
                { "org.freedesktop.DBus.Error.Spawn.ExecFailed", VSS_E_SERVICE_UNAVAILABLE },
                { "org.freedesktop.DBus.Error.Spawn.ChildExited", VSS_E_SERVICE_UNAVAILABLE },
                { "org.freedesktop.DBus.Error.Spawn.ServiceNotFound", VSS_E_SERVICE_UNAVAILABLE },
                { SD_BUS_ERROR_NO_REPLY, VSS_E_SERVICE_UNAVAILABLE },
                { SD_BUS_ERROR_TIMEOUT, VSS_E_SERVICE_UNAVAILABLE },
                { SD_BUS_ERROR_ACCESS_DENIED, VSS_E_ACCESSDENIED },
                { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, VSS_E_ACCESSDENIED },
                { SD_BUS_ERROR_INVALID_ARGS, VSS_E_INVALIDARG },
                { SD_BUS_ERROR_UNKNOWN_OBJECT, VSS_E_OBJECT_NOT_FOUND },
                { SD_BUS_ERROR_UNKNOWN_METHOD, VSS_E_NOT_SUPPORTED },
                { SD_BUS_ERROR_NO_MEMORY, VSS_E_OUTOFMEMORY },
        };
        vss_result result;
        char name[96];

        if (!error || !error->name)
                return VSS_S_OK;
        if (strncmp(error->name, BUS_ERROR_PREFIX, strlen(BUS_ERROR_PREFIX)) == 0) {
                (void)snprintf(name, sizeof(name), "E_%s", error->name + strlen(BUS_ERROR_PREFIX));
                return vss_result_from_name(name, &result) == VSS_S_OK ? result : VSS_E_UNEXPECTED;
        }
        FOREACH_ELEMENT (f, foreign)
                if (strcmp(error->name, f->name) == 0)
                        return f->result;
        return VSS_E_UNEXPECTED;
}
