/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of scripts: import, mask, break, revert
 */

#include <string.h>
#include "vss/script-run.h"
#include "vss/transport.h"

#define IMPORTS_MAX 64u

/* The session is kept: copies that go with it go when the script ends. */
static int keep_session(ScriptRun *run, vss_session *session) {
        vss_session **imports = reallocarray(run->imports, run->n_imports + 1, sizeof(*imports));

        if (!imports) {
                (void)vss_session_release(session);
                return cli_out_of_memory(run->cli);
        }
        run->imports = imports;
        imports[run->n_imports++] = session;
        return EXIT_DONE;
}

static int import(ScriptRun *run, vss_value *answer) {
        _cleanup_value_ vss_value *result = NULL;
        vss_session *session = NULL;
        int kept, status;

        if (!run->documents.document)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "documents say what there is to import; load metadata comes first");
        if (run->n_imports == IMPORTS_MAX)
                return cli_error(run->cli, VSS_E_BAD_STATE, NULL,
                                 "%u imports are the most; reset gives them up", IMPORTS_MAX);
        status = transport_import(run->cli, &run->documents, run->cli->script, 0, &session, &result);
        if (status != EXIT_DONE && status != EXIT_PARTLY)
                return status;
        kept = keep_session(run, session);
        if (kept == EXIT_DONE && script_in_words(run))
                transport_show(result);
        if (kept == EXIT_DONE)
                kept = script_tell(run, answer, result);
        return kept == EXIT_DONE ? status : kept;
}

static int break_set(ScriptRun *run, const char *set, uint32_t flags, vss_value *answer) {
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        vss_result r = vss_service_break_snapshot_set(run->cli->service, set, flags, &async);
        int status = script_await(run, r, async, "breaking the set off", &result);

        if (status != EXIT_DONE)
                return status;
        if (script_in_words(run))
                printf("set %s is broken off: %s\n", set,
                       flags & VSS_BREAKEX_FLAG_MASK_LUNS ? "its volumes are hidden"
                                                          : "its volumes are plain ones now");
        return script_tell(run, answer, result);
}

/* Not while it is in use: a script cannot know what would be lost. */
static int revert(ScriptRun *run, const char *id, vss_value *answer) {
        _cleanup_value_ vss_value *result = NULL;
        vss_async *async = NULL;
        vss_result r = vss_service_revert_to_snapshot(run->cli->service, id, false, &async);
        int status = script_await(run, r, async, "reverting the volume", &result);

        if (status != EXIT_DONE)
                return status;
        if (script_in_words(run))
                printf("%s is reverted to %s\n", vss_value_get_string(result, "volume", "the volume"), id);
        return script_tell(run, answer, result);
}

int script_transport(ScriptRun *run, const ScriptCommand *command, vss_value *answer) {
        int status = cli_connect(run->cli);

        if (status != EXIT_DONE)
                return status;
        switch (command->verb) {
        case SCRIPT_MASK:
                return break_set(run, command->object, VSS_BREAKEX_FLAG_MASK_LUNS, answer);
        case SCRIPT_BREAK:
                return break_set(run, command->object, command->on ? VSS_BREAKEX_FLAG_MAKE_READ_WRITE : 0,
                                 answer);
        case SCRIPT_REVERT:
                return revert(run, command->object, answer);
        default:
                return import(run, answer);
        }
}
