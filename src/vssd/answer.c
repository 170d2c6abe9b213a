/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a writer answers to an event
 */

#include <string.h>
#include "bus/marshal.h"
#include "model/writer-result.h"
#include "vssd/answer.h"
#include "vssd/log.h"
#include "vssd/merge.h"

enum { FAILED_MAX = 10000, NOTES_MAX = 1000 };

static bool same_component(const vss_value *a, const vss_value *b) {
        return strcmp(vss_value_get_string(a, "name", ""), vss_value_get_string(b, "name", "")) == 0 &&
               strcmp(vss_value_get_string(a, "logical-path", ""),
                      vss_value_get_string(b, "logical-path", "")) == 0;
}

static bool failed_before(const SetWriter *writer, const vss_value *component) {
        for (size_t i = 0; i < vss_value_count(writer->failed); i++)
                if (same_component(vss_value_at(writer->failed, i), component))
                        return true;
        return false;
}

/* The first failure of a component stays: later ones follow from it. */
static void take_failed_components(SetWriter *writer, const vss_value *failed) {
        for (size_t i = 0; i < vss_value_count(failed); i++) {
                const vss_value *component = vss_value_at(failed, i);
                vss_value *told;

                if (vss_value_count(writer->failed) >= FAILED_MAX || failed_before(writer, component))
                        continue;
                told = vss_value_copy(component);
                (void)vss_value_set_integer(
                        told, "code",
                        writer_result((vss_result)vss_value_get_integer(component, "code", VSS_S_OK)));
                if (vss_value_append(writer->failed, told) < 0)
                        log_error("%s: out of memory", writer->participant->name);
        }
}

static void take_application(SetWriter *writer, const vss_value *failure) {
        writer->application_code = vss_value_get_integer(failure, "application-code", 0);
        free(writer->application_message);
        writer->application_message = strdup(vss_value_get_string(failure, "application-message", ""));
}

/* A veto that the writer reports beside an answer: it failed, and knows more of it than a code. */
static bool take_veto(SetWriter *writer, const vss_value *veto) {
        vss_result code = (vss_result)vss_value_get_integer(veto, "code", VSS_S_OK);
        const char *message = vss_value_get_string(veto, "message", "");

        if (vss_value_kind(veto) != VSS_KIND_DICT)
                return false;
        if (writer->failure.code < 0)
                return true;
        failure_set(&writer->failure, writer_result(code), writer->participant->name, "%s",
                    *message ? message : vss_result_text(writer_result(code)));
        take_application(writer, veto);
        return true;
}

static void take_notes(SetWriter *writer, const vss_value *notes) {
        for (size_t i = 0; i < vss_value_count(notes); i++) {
                const vss_value *note = vss_value_at(notes, i);
                vss_value *taken;

                if (vss_value_count(writer->notes) >= NOTES_MAX || !*vss_value_get_string(note, "text", ""))
                        continue;
                taken = vss_value_new_dict();
                (void)vss_value_set_string(taken, "logical-path",
                                           vss_value_get_string(note, "logical-path", ""));
                (void)vss_value_set_string(taken, "name", vss_value_get_string(note, "name", ""));
                (void)vss_value_set_string(taken, "text", vss_value_get_string(note, "text", ""));
                if (!writer->notes)
                        writer->notes = vss_value_new_list();
                if (vss_value_append(writer->notes, taken) < 0)
                        log_error("%s: out of memory", writer->participant->name);
        }
}

/* What it said of its components before it failed still counts: why it did, for one. */
static void take_failure(SetWriter *writer, const char *event, const CallAnswer *answer) {
        if (writer->failure.code >= 0)
                take_application(writer, vss_value_get(answer->more, "failure"));
        failure_set_first(&writer->failure, answer->result, writer->participant->name, "%s",
                          answer->message ?: vss_result_text(answer->result));
        take_failed_components(writer, vss_value_get(answer->more, "failed-components"));
        take_notes(writer, vss_value_get(answer->more, "notes"));
        merge_note(writer, event, answer->more);
}

bool answer_take(SetWriter *writer, const char *event, const CallAnswer *answer) {
        _cleanup_value_ vss_value *result = NULL;

        if (answer->result >= 0 && marshal_read_dict(answer->reply, &result) >= 0) {
                take_failed_components(writer, vss_value_get(result, "failed-components"));
                take_notes(writer, vss_value_get(result, "notes"));
                merge_note(writer, event, result);
                return !take_veto(writer, vss_value_get(result, "failure"));
        }
        if (answer->result >= 0)
                failure_set_first(&writer->failure, VSS_E_UNEXPECTED_WRITER_ERROR, writer->participant->name,
                                  "What %s answered to %s cannot be read.", writer->participant->name,
                                  event);
        else
                take_failure(writer, event, answer);
        return false;
}
