/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What an array does for one host
 */

#include <fcntl.h>
#include <string.h>
#include "array/copies.h"
#include "array/portal.h"
#include "array/session.h"
#include "config.h"
#include "providers/common/info.h"
#include "util/clock.h"

/* A host that does not take its answer is gone. */
#define ANSWER_USEC UINT64_C(30000000)

typedef struct Session {
        const Settings *settings;
        const Store *store;
        const char *host;
        Copies copies;
} Session;

static const char *text(const vss_value *request, const char *key) {
        return vss_value_get_string(request, key, "");
}

static int set_portal(Session *s, const vss_value *host, bool writable, vss_value *answer) {
        vss_value *portal = value_require(answer, writable ? "live" : "copies", VSS_KIND_DICT);

        return portal ? portal_describe(s->settings, host, writable, portal) : -ENOMEM;
}

static int call_hello(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        _cleanup_value_ vss_value *host = NULL;
        int64_t version = vss_value_get_integer(request, "version", 0);
        int r = store_host_read(s->store, s->host, &host, error);

        if (r < 0)
                return r;
        if (version != ARRAY_WIRE_VERSION)
                return array_fail(
                        error, -EPROTO,
                        "the array speaks version %d, the host version %lld. Update the older of both.",
                        ARRAY_WIRE_VERSION, (long long)version);
        if (vss_value_set_integer(answer, "version", ARRAY_WIRE_VERSION) < 0 ||
            vss_value_set_string(answer, "array", s->store->id) < 0 ||
            vss_value_set_string(answer, "vendor", "Linux VSS") < 0 ||
            vss_value_set_string(answer, "product", "vss-array") < 0 ||
            vss_value_set_string(answer, "revision", LINUXVSS_VERSION) < 0 ||
            vss_value_set_string(answer, "host", s->host) < 0 || set_portal(s, host, true, answer) < 0 ||
            set_portal(s, host, false, answer) < 0)
                return array_fail(error, -ENOMEM, "out of memory");
        return 0;
}

static int call_luns(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        vss_value *list = value_require(answer, "luns", VSS_KIND_LIST), *seen = vss_value_new_dict();
        _cleanup_value_ vss_value *names = seen;
        int r = store_granted(s->store, s->host, seen, error);

        for (size_t i = 0; r == 0 && i < vss_value_count(names); i++) {
                const char *name = vss_value_key_at(names, i);
                vss_value *info = NULL;
                ArrayError ignored;

                if (info_id_is_valid(name) || store_lun_read(s->store, name, &info, &ignored) < 0)
                        continue; /* a copy */
                if (vss_value_set_string(info, "name", name) < 0 ||
                    vss_value_set_boolean(info, "writable",
                                          vss_value_boolean(vss_value_at(names, i), false)) < 0 ||
                    vss_value_append(list, info) < 0)
                        r = array_fail(error, -ENOMEM, "out of memory");
        }
        return r;
}

static int call_ping(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return 0;
}

static int call_prepare(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_prepare(&s->copies, text(request, "set"), vss_value_get(request, "copies"), error);
}

static int call_commit(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_commit(&s->copies, text(request, "set"), answer, error);
}

static int call_finish(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_finish(&s->copies, text(request, "set"), vss_value_get(request, "properties"), error);
}

static int call_abort(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        copies_abort(&s->copies, text(request, "set"));
        return 0;
}

static int call_copies(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_held(&s->copies, value_require(answer, "copies", VSS_KIND_LIST), error);
}

static int call_take(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_take(&s->copies, text(request, "id"), text(request, "set"),
                           vss_value_get(request, "properties"), answer, error);
}

static int call_give_back(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_give_back(&s->copies, text(request, "id"), error);
}

static int call_identity(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_set_identity(&s->copies, text(request, "id"), vss_value_get(request, "properties"),
                                   error);
}

static int call_unmask(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_unmask(&s->copies, text(request, "id"),
                             vss_value_get_boolean(request, "writable", false), error);
}

static int call_mask(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_mask(&s->copies, text(request, "id"), error);
}

static int call_delete(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_delete(&s->copies, text(request, "id"), error);
}

static int call_break(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        const CopiesBreak how = { .name = text(request, "lun"),
                                  .masked = vss_value_get_boolean(request, "masked", false),
                                  .writable = vss_value_get_boolean(request, "writable", false),
                                  .revert_identity = vss_value_get_boolean(request, "revert-identity",
                                                                           false),
                                  .check_only = vss_value_get_boolean(request, "check", false) };

        return copies_break(&s->copies, text(request, "id"), &how, answer, error);
}

static int call_write_back(Session *s, const vss_value *request, vss_value *answer, ArrayError *error) {
        return copies_write_back(&s->copies, text(request, "id"), text(request, "lun"), error);
}

static const struct {
        const char *name;
        int (*call)(Session *s, const vss_value *request, vss_value *answer, ArrayError *error);
} calls[] = {
        { "hello", call_hello },         { "luns", call_luns },     { "ping", call_ping },
        { "prepare", call_prepare },     { "commit", call_commit }, { "finish", call_finish },
        { "abort", call_abort },         { "copies", call_copies }, { "take", call_take },
        { "identity", call_identity },   { "unmask", call_unmask }, { "mask", call_mask },
        { "delete", call_delete },       { "break", call_break },   { "write-back", call_write_back },
        { "give-back", call_give_back },
};

static int serve_one(Session *s, const vss_value *request, vss_value **ret_answer) {
        _cleanup_value_ vss_value *answer = vss_value_new_dict();
        const char *name = text(request, "call");
        ArrayError error = { .text = "" };
        int r = -ENOSYS;

        FOREACH_ELEMENT (known, calls)
                if (strcmp(known->name, name) == 0)
                        r = known->call(s, request, answer, &error);
        if (r == -ENOSYS && !*error.text)
                (void)array_fail(&error, r, "the array knows no call \"%.40s\"", name);
        if (r < 0 && (vss_value_set_string(answer, "error", error.text) < 0 ||
                      vss_value_set_integer(answer, "errno", -r) < 0))
                return -ENOMEM;
        /* A name that came in may be quoted in it. */
        value_make_utf8(answer);
        *ret_answer = TAKE_PTR(answer);
        return 0;
}

int session_run(const Settings *settings, const Store *store, const char *host, int in_fd, int out_fd) {
        Session *s = calloc(1, sizeof(*s));
        int r = s ? 0 : -ENOMEM;

        if (s)
                *s = (Session){ .settings = settings, .store = store, .host = host };
        if (s)
                s->copies = (Copies){ .store = store, .host = host, .reserve = settings->reserve };
        while (r == 0) {
                _cleanup_value_ vss_value *request = NULL, *answer = NULL;

                r = array_wire_receive(in_fd, 0, &request);
                if (r == 0)
                        r = serve_one(s, request, &answer);
                if (r == 0)
                        r = array_wire_send(out_fd, answer, now_usec() + ANSWER_USEC);
        }
        if (s)
                copies_done(&s->copies);
        free(s);
        if (r != -EPIPE)
                fprintf(stderr, "vss-array: the session of %s ends: %s\n", host, strerror(-r));
        return r == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
