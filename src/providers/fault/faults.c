/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the fault provider does wrong
 */

#include <string.h>
#include "providers/fault/faults.h"

#define SLOW_MAX_MS 3600000u

static const char *const calls[] = {
        "IsVolumeSupported",
        "ListNestedVolumes",
        "BeginPrepareSnapshot",
        "EndPrepareSnapshots",
        "PreCommitSnapshots",
        "CommitSnapshots",
        "PostCommitSnapshots",
        "PreFinalCommitSnapshots",
        "PostFinalCommitSnapshots",
        "AbortSnapshots",
        "Query",
        "DeleteSnapshot",
        "OpenSnapshot",
        "SetSnapshotProperty",
        "GetTargetLuns",
        "ImportSnapshots",
        "BreakSnapshotSet",
        "RevertToSnapshot",
        "QueryRevertStatus",
        "ResyncSnapshots",
        "QueryDiffAreas",
        "AddDiffArea",
        "ChangeDiffAreaMaximumSize",
        "CheckStorage",
        "AttachDevice",
        "DetachDevice",
        "QueryAttached",
};

static int bad(ConfError *error, const char *what, const char *value) {
        (void)snprintf(error->message, sizeof(error->message), "%s: \"%.60s\"", what, value);
        return -EBADMSG;
}

static int parse_fail(char *const *words, ConfError *error, Fault *fault) {
        size_t n = 0;

        if (!words[0] || vss_result_from_name(words[0], &fault->code) < 0 || fault->code >= 0)
                return bad(error, "fail wants the name of an error", words[0] ? words[0] : "");
        (void)snprintf(fault->message, sizeof(fault->message), "asked to fail");
        for (char *const *w = words + 1; *w && n < sizeof(fault->message); w++)
                n += (size_t)snprintf(fault->message + n, sizeof(fault->message) - n, "%s%s",
                                      n > 0 ? " " : "", *w);
        return 0;
}

int fault_parse(const char *value, ConfError *error, Fault *ret_fault) {
        static const struct {
                const char *name;
                FaultKind kind;
        } kinds[] = {
                { "fail", FAULT_FAIL },         { "hang", FAULT_HANG }, { "slow", FAULT_SLOW },
                { "crash", FAULT_CRASH },       { "stop", FAULT_STOP }, { "lie", FAULT_LIE },
                { "bad-code", FAULT_BAD_CODE },
        };
        _cleanup_words_ char **words = NULL;
        Fault fault = { 0 };
        int r;

        r = conf_words(value, error, &words);
        if (r < 0)
                return r;
        FOREACH_ELEMENT (k, kinds)
                if (words[0] && strcmp(words[0], k->name) == 0)
                        fault.kind = k->kind;
        switch (fault.kind) {
        case FAULT_NONE:
                return bad(error, "no such fault", value);
        case FAULT_FAIL:
                r = parse_fail(words + 1, error, &fault);
                if (r < 0)
                        return r;
                break;
        case FAULT_SLOW:
                if (!words[1] || words[2] || conf_number(words[1], SLOW_MAX_MS, &fault.millis) < 0)
                        return bad(error, "slow wants a number of milliseconds", value);
                break;
        default:
                if (words[1])
                        return bad(error, "too many words", value);
        }
        *ret_fault = fault;
        return 0;
}

static bool is_call(const char *name) {
        FOREACH_ELEMENT (c, calls)
                if (strcmp(*c, name) == 0)
                        return true;
        return false;
}

int fault_read(const char *path, const char *call, ConfError *error, Fault *ret_fault) {
        _cleanup_conf_ Conf *conf = NULL;
        Fault fault = { 0 };
        int r;

        r = conf_read(path, error, &conf);
        if (r < 0 && r != -ENOENT)
                return r;
        for (size_t i = 0; conf && i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                /* All of it is looked at, so that a test that is misspelt does not pass for that. */
                for (size_t k = 0; k < section->n_entries; k++) {
                        const ConfEntry *entry = &section->entries[k];
                        Fault parsed = { 0 };

                        r = is_call(entry->key) ? fault_parse(entry->value, error, &parsed)
                                                : bad(error, "no such call", entry->key);
                        if (r < 0) {
                                error->line = entry->line;
                                return r;
                        }
                        if (strcmp(entry->key, call) == 0)
                                fault = parsed;
                }
        }
        *ret_fault = fault;
        return 0;
}
