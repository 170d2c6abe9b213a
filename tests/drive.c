/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * drive: a requester that does what it reads
 *
 * One call of the contract a line on standard input, one line with its result on standard output: the name
 * of the result, then what the call answered (a text, or JSON). So a shell test can hold a session between
 * two steps, call out of order, and see the number that the contract gives it. The session ends with the
 * input.
 */

#include <linuxvss/requester.h>
#include <stdlib.h>
#include <string.h>
#include "util/macro.h"
#include "vss/json.h"
#include "vss/options.h"

enum { WORDS_MAX = 16, LINE_SIZE = 8192 };

typedef struct Drive {
        vss_service *service;
        vss_session *session;
        vss_value *answer;
        char text[64];
} Drive;

typedef vss_result (*DriveVerb)(Drive *drive, size_t n, char **words);

DEFINE_CLEANUP(vss_async *, vss_async_free)

static vss_result finish(Drive *drive, vss_result r, vss_async *async) {
        _cleanup_(vss_async_freep) vss_async *owned = async;
        const vss_value *result;

        if (r < 0)
                return r;
        do
                r = vss_async_wait(owned, -1);
        while (r == VSS_S_ASYNC_PENDING);
        result = vss_async_result(owned);
        if (result)
                drive->answer = vss_value_copy(result);
        return r == VSS_S_ASYNC_FINISHED ? VSS_S_OK : r;
}

/* create [KEY=VALUE]...: numbers stay numbers */
static vss_result create(Drive *drive, size_t n, char **words) {
        _cleanup_value_ vss_value *options = vss_value_new_dict();
        vss_result r = VSS_S_OK;

        drive->session = vss_session_release(drive->session);
        for (size_t i = 0; i < n && r >= 0; i++) {
                char *value = strchr(words[i], '='), *end;
                long number;

                if (!value)
                        return VSS_E_INVALIDARG;
                *value++ = '\0';
                number = strtol(value, &end, 10);
                r = *value && !*end ? vss_value_set_integer(options, words[i], number)
                                    : vss_value_set_string(options, words[i], value);
        }
        if (r >= 0)
                r = vss_session_create(drive->service, options, &drive->session);
        if (r >= 0)
                (void)snprintf(drive->text, sizeof(drive->text), "%s", vss_session_id(drive->session));
        return r;
}

static vss_result initialize(Drive *drive, size_t n, char **words) {
        return vss_session_initialize_for_backup(drive->session);
}

static vss_result context(Drive *drive, size_t n, char **words) {
        uint32_t number;

        if (n != 1)
                return VSS_E_INVALIDARG;
        if (!context_from_name(words[0], &number))
                number = (uint32_t)strtoul(words[0], NULL, 0);
        return vss_session_set_context(drive->session, number);
}

/* state components|volumes TYPE */
static vss_result state(Drive *drive, size_t n, char **words) {
        enum vss_backup_type type;

        if (n != 2 || !backup_type_from_name(words[1], &type))
                return VSS_E_INVALIDARG;
        return vss_session_set_backup_state(drive->session, strcmp(words[0], "components") == 0, false, type,
                                            false);
}

static vss_result gather(Drive *drive, size_t n, char **words) {
        vss_async *async = NULL;
        vss_result r = vss_session_gather_writer_metadata(drive->session, &async);

        return finish(drive, r, async);
}

static vss_result metadata(Drive *drive, size_t n, char **words) {
        return vss_session_get_writer_metadata(drive->session, &drive->answer);
}

/* component WRITER NAME [LOGICAL-PATH] */
static vss_result component(Drive *drive, size_t n, char **words) {
        return n < 2 ? VSS_E_INVALIDARG
                     : vss_session_add_component(drive->session, words[0], n > 2 ? words[2] : "", words[1]);
}

static vss_result start(Drive *drive, size_t n, char **words) {
        return vss_session_start_snapshot_set(drive->session, drive->text);
}

/* add PATH [PROVIDER] */
static vss_result add(Drive *drive, size_t n, char **words) {
        vss_async *async = NULL;
        vss_result r = n < 1 ? VSS_E_INVALIDARG
                             : vss_session_add_to_snapshot_set(drive->session, words[0],
                                                               n > 1 ? words[1] : NULL, &async);

        return finish(drive, r, async);
}

static vss_result prepare(Drive *drive, size_t n, char **words) {
        vss_async *async = NULL;
        vss_result r = vss_session_prepare_for_backup(drive->session, &async);

        return finish(drive, r, async);
}

static vss_result do_set(Drive *drive, size_t n, char **words) {
        vss_async *async = NULL;
        vss_result r = vss_session_do_snapshot_set(drive->session, &async);

        return finish(drive, r, async);
}

/* properties ID */
static vss_result properties(Drive *drive, size_t n, char **words) {
        return n != 1 ? VSS_E_INVALIDARG
                      : vss_session_get_snapshot_properties(drive->session, words[0], &drive->answer);
}

static vss_result status(Drive *drive, size_t n, char **words) {
        vss_async *async = NULL;
        vss_result r = vss_session_gather_writer_status(drive->session, &async);

        r = finish(drive, r, async);
        drive->answer = vss_value_free(drive->answer);
        return r < 0 ? r : vss_session_get_writer_status(drive->session, &drive->answer);
}

/* succeeded WRITER NAME yes|no [LOGICAL-PATH] */
static vss_result succeeded(Drive *drive, size_t n, char **words) {
        return n < 3 ? VSS_E_INVALIDARG
                     : vss_session_set_backup_succeeded(drive->session, words[0], n > 3 ? words[3] : "",
                                                        words[1], strcmp(words[2], "yes") == 0);
}

static vss_result complete(Drive *drive, size_t n, char **words) {
        vss_async *async = NULL;
        vss_result r = vss_session_backup_complete(drive->session, &async);

        return finish(drive, r, async);
}

static vss_result abort_backup(Drive *drive, size_t n, char **words) {
        vss_async *async = NULL;
        vss_result r = vss_session_abort_backup(drive->session, &async);

        return finish(drive, r, async);
}

static vss_result release(Drive *drive, size_t n, char **words) {
        drive->session = vss_session_release(drive->session);
        return VSS_S_OK;
}

static const struct {
        const char *name;
        DriveVerb run;
        bool without_session;
} verbs[] = {
        { "create", create, true },
        { "initialize", initialize, false },
        { "context", context, false },
        { "state", state, false },
        { "gather", gather, false },
        { "metadata", metadata, false },
        { "component", component, false },
        { "start", start, false },
        { "add", add, false },
        { "prepare", prepare, false },
        { "do", do_set, false },
        { "properties", properties, false },
        { "status", status, false },
        { "succeeded", succeeded, false },
        { "complete", complete, false },
        { "abort", abort_backup, false },
        { "release", release, true },
};

static void answer(Drive *drive, vss_result r) {
        const char *message = vss_service_error_message(drive->service);

        if (r < 0)
                printf("%s %s\n", vss_result_name(r), message && *message ? message : vss_result_text(r));
        else if (drive->answer) {
                json_t *json = json_from_value(drive->answer);
                char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

                printf("%s %s\n", vss_result_name(r), text ?: "null");
                free(text);
                json_decref(json);
        } else
                printf("%s %s\n", vss_result_name(r), drive->text);
        fflush(stdout);
        drive->answer = vss_value_free(drive->answer);
        drive->text[0] = '\0';
}

static void run_line(Drive *drive, char *line) {
        char *words[WORDS_MAX], *save = NULL;
        size_t n = 0;

        for (char *word = strtok_r(line, " \n", &save); word && n < WORDS_MAX;
             word = strtok_r(NULL, " \n", &save))
                words[n++] = word;
        if (n == 0)
                return;
        FOREACH_ELEMENT (verb, verbs) {
                if (strcmp(verb->name, words[0]) != 0)
                        continue;
                if (!drive->session && !verb->without_session)
                        printf("E_BAD_STATE there is no session; create comes first\n");
                else {
                        answer(drive, verb->run(drive, n - 1, words + 1));
                        return;
                }
                fflush(stdout);
                return;
        }
        printf("E_INVALIDARG there is no verb %s\n", words[0]);
        fflush(stdout);
}

int main(void) {
        Drive drive = { 0 };
        char line[LINE_SIZE];

        if (vss_service_connect(&drive.service) < 0) {
                fprintf(stderr, "drive: there is no service\n");
                return 1;
        }
        while (fgets(line, sizeof(line), stdin))
                run_line(&drive, line);
        vss_session_release(drive.session);
        vss_service_free(drive.service);
        return 0;
}
