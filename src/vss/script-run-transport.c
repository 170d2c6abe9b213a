/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Commands of scripts: import, mask, break, revert
 */

#include <string.h>
#include "vss/script-run.h"

static int import(ScriptRun *run, vss_value *answer) {
        return cli_error(run->cli, VSS_E_NOT_SUPPORTED, NULL, "this service does not import shadow copies");
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
