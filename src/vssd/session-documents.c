/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: documents in and out
 *
 * A session that is begun with a document knows of the backup what stands in it. What may be believed of
 * that is decided at the gather, when it is known who the writers are.
 */

#include <limits.h>
#include <string.h>
#include "bus/marshal.h"
#include "model/backup-components.h"
#include "model/context.h"
#include "util/clock.h"
#include "vssd/documents.h"
#include "vssd/judge.h"
#include "vssd/log.h"
#include "vssd/session.h"

/* In */

/* The backup as it was set up. */
static void take_over(Session *session, const vss_value *document) {
        Set *set = &session->set;
        const char *id = vss_value_get_string(document, "set", "");
        uint32_t context = (uint32_t)vss_value_get_integer(document, "context", VSS_CTX_BACKUP);

        set->restoring = session->job_call == SESSION_CALL_INITIALIZE_FOR_RESTORE;
        set->select_components = vss_value_get_boolean(document, "select-components", false);
        set->bootable_system_state = vss_value_get_boolean(document, "bootable-system-state", false);
        set->partial_file_support = vss_value_get_boolean(document, "partial-file-support", false);
        set->backup_type = (enum vss_backup_type)vss_value_get_integer(document, "backup-type", VSS_BT_FULL);
        if (context != VSS_CTX_ALL && context_check(context, NULL) >= 0)
                set->context = context;
        if (strlen(id) < sizeof(set->id))
                (void)snprintf(set->id, sizeof(set->id), "%s", id);
}

/* What an earlier restore from this document left in it is not of this one. */
static void forget_restores(vss_value *document) {
        static const char *const keys[] = {
                "selected-for-restore",  "additional-restores",  "restore-options",  "restore-target",
                "restore-subcomponents", "alternate-mappings",   "new-targets",      "directed-targets",
                "file-restore-status",   "pre-restore-failure",  "authoritative",    "roll-forward",
                "restore-name",          "post-restore-failure", "restore-metadata",
        };
        vss_value *writers = value_get_mutable(document, "writers");

        for (size_t i = 0; i < vss_value_count(writers); i++) {
                vss_value *components = value_get_mutable(value_at_mutable(writers, i), "components");

                for (size_t k = 0; k < vss_value_count(components); k++)
                        FOREACH_ELEMENT (key, keys)
                                value_unset(value_at_mutable(components, k), *key);
        }
        value_unset(document, "restore-type");
}

static vss_result adopt(Session *session, vss_value *document, Failure *failure) {
        Why why = { 0 };
        vss_result result;

        if (strcmp(vss_value_get_string(document, "kind", ""), "backup-components") != 0)
                return failure_set(failure, VSS_E_INVALID_XML_DOCUMENT, "document",
                                   "This is the metadata document of a writer. Give the Backup Components "
                                   "Document, which SaveAsXML wrote.");
        result = bc_check(document, &why);
        if (result < 0)
                return failure_set(failure, result, "document", "The document cannot be used: %s", why.text);
        session->document = vss_value_copy(document);
        if (!session->document)
                return failure_set(failure, VSS_E_OUTOFMEMORY, "", "Out of memory.");
        take_over(session, session->document);
        if (session->set.restoring)
                forget_restores(session->document);
        return VSS_S_OK;
}

static void on_parsed(void *userdata, int error, WorkerAnswer *answer) {
        Session *session = userdata;
        vss_result code = (vss_result)vss_value_get_integer(answer->value, "code", VSS_S_OK);
        Failure failure = { 0 };

        session->reading = NULL;
        if (error == -ETIMEDOUT)
                failure_set(&failure, VSS_E_INVALID_XML_DOCUMENT, "document",
                            "The document could not be read within %u s.", DOCUMENT_SECONDS);
        else if (error < 0)
                failure_set(&failure, VSS_E_UNEXPECTED, "document", "The document cannot be read: %s",
                            strerror(-error));
        else if (code < 0)
                failure_set(&failure, code, "document", "The document cannot be read: %s",
                            vss_value_get_string(answer->value, "message", ""));
        else
                (void)adopt(session, value_get_mutable(answer->value, "document"), &failure);
        session_end_job(session, &failure, NULL);
        failure_clear(&failure);
}

static int begin_with(Session *session, sd_bus_message *m, SessionCall call) {
        int fd, r = sd_bus_message_read(m, "h", &fd);

        /* The worker is a child: it has the descriptor that the message holds. */
        if (r >= 0)
                r = worker_start(session->manager, documents_parse_main, &fd,
                                 DOCUMENT_SECONDS * USEC_PER_SEC, on_parsed, session, &session->reading);
        if (r < 0)
                return r;
        r = session_begin_job(session, m, call);
        if (r < 0) {
                worker_cancel(session->reading);
                session->reading = NULL;
        }
        return r;
}

int session_begin_restore(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return begin_with(session, m, SESSION_CALL_INITIALIZE_FOR_RESTORE);
}

int session_begin_with_document(Session *session, sd_bus_message *m, sd_bus_error *error) {
        return begin_with(session, m, SESSION_CALL_INITIALIZE_FOR_BACKUP_WITH_DOCUMENT);
}

/* Judging: what the document says of a writer's files is held against his descriptor, as what he says is */

/* Of one that does not run: whose files a broker's components are, nobody says. Return: NULL if he is not
 * known on this machine, or that is all there is to know of him. */
static const vss_value *descriptor_of_absent(const Session *session, const vss_value *entry) {
        const char *name = vss_value_get_string(entry, "name", "");
        char class[NAME_MAX + 1];
        const vss_value *descriptor;

        (void)snprintf(class, sizeof(class), "%.*s", (int)strcspn(name, "."), name);
        descriptor = vss_value_get(session->descriptors, class);
        if (vss_value_get_boolean(descriptor, "broker", false) &&
            vss_value_count(vss_value_get(descriptor, "roots")) == 0)
                return NULL;
        return vss_value_get(descriptor, "error") ? NULL : descriptor;
}

static int judge_entry(const Session *session, vss_value *entry, vss_value *dropped, vss_value *unjudged) {
        const SetWriter *running = session_find_running((Session *)session, entry);
        const char *name = vss_value_get_string(entry, "name", vss_value_get_string(entry, "id", "?"));
        const Judge judge = { running ? running->participant->info : NULL,
                              running ? running->participant->descriptor
                                      : descriptor_of_absent(session, entry) };

        if (!judge.descriptor)
                return value_append_string(unjudged, name) < 0 ? -ENOMEM : 0;
        return judge_said(&judge, name, value_get_mutable(entry, "components"), dropped);
}

static int judge_main(void *arg, WorkerAnswer *answer) {
        const Session *session = arg;
        vss_value *document = vss_value_copy(session->document);
        vss_value *dropped = value_require(answer->value, "dropped", VSS_KIND_LIST);
        vss_value *unjudged = value_require(answer->value, "unjudged", VSS_KIND_LIST), *writers;
        int r = 0;

        if (!dropped || !unjudged || vss_value_set(answer->value, "document", document) < 0)
                return -ENOMEM;
        writers = value_get_mutable(document, "writers");
        for (size_t i = 0; i < vss_value_count(writers) && r >= 0; i++)
                r = judge_entry(session, value_at_mutable(writers, i), dropped, unjudged);
        return r;
}

/* Writers that run have their components from the document. */
static int adopt_components(Session *session) {
        for (size_t i = 0; i < session->set.n_writers; i++) {
                SetWriter *writer = &session->set.writers[i];
                const vss_value *entry = session_find_entry(session, writer->participant);
                vss_value *chosen = entry ? vss_value_copy(vss_value_get(entry, "components")) : NULL;

                if (!entry)
                        continue;
                if (!chosen)
                        return -ENOMEM;
                vss_value_free(writer->chosen);
                writer->chosen = chosen;
        }
        return 0;
}

static void on_judged(void *userdata, int error, WorkerAnswer *answer) {
        Session *session = userdata;
        vss_value *document = value_get_mutable(answer->value, "document");
        _cleanup_value_ vss_value *result = vss_value_new_dict();
        static const char *const keys[] = { "dropped", "unjudged" };
        Failure failure = { 0 };

        session->reading = NULL;
        if (error >= 0 && document) {
                vss_value_free(session->document);
                session->document = vss_value_copy(document);
                error = session->document ? adopt_components(session) : -ENOMEM;
        }
        if (error < 0)
                failure_set(&failure, VSS_E_UNEXPECTED, "document",
                            "What the document says of files could not be judged: %s", strerror(-error));
        FOREACH_ELEMENT (key, keys)
                (void)vss_value_set(result, *key, vss_value_copy(vss_value_get(answer->value, *key)));
        session_end_job(session, &failure, result);
        failure_clear(&failure);
}

int session_judge_document(Session *session) {
        return worker_start(session->manager, judge_main, session, session->manager->settings.worker_usec,
                            on_judged, session, &session->reading);
}

/* Out */

struct Saving {
        sd_bus_message *message;
        Worker *worker;
};

static void answer_saving(Session *session, vss_result code, const char *message, int fd) {
        struct Saving *saving = TAKE_PTR(session->saving);
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (code < 0) {
                (void)bus_error_setf(&error, code, "The document cannot be written: %s", message);
                r = sd_bus_reply_method_error(saving->message, &error);
        } else
                r = sd_bus_reply_method_return(saving->message, "h", fd);
        if (r < 0)
                log_warning("cannot answer %s: %s", sd_bus_message_get_member(saving->message),
                            strerror(-r));
        sd_bus_message_unref(saving->message);
        free(saving);
}

static void on_formatted(void *userdata, int error, WorkerAnswer *answer) {
        vss_result code = (vss_result)vss_value_get_integer(answer->value, "code", VSS_S_OK);

        if (error < 0)
                answer_saving(userdata, VSS_E_UNEXPECTED, strerror(-error), -1);
        else if (code < 0 || answer->n_fds != 1)
                answer_saving(userdata, code < 0 ? code : VSS_E_UNEXPECTED,
                              vss_value_get_string(answer->value, "message", "there is none"), -1);
        else
                answer_saving(userdata, VSS_S_OK, NULL, answer->fds[0]);
}

void session_cancel_saving(Session *session) {
        if (!session->saving)
                return;
        worker_cancel(session->saving->worker);
        answer_saving(session, VSS_E_BAD_STATE, "The session is over.", -1);
}

static int save(Session *session, sd_bus_message *m, vss_value *document, sd_bus_error *error) {
        struct Saving *saving;
        int r;

        if (session->saving)
                return bus_error_setf(error, VSS_E_BAD_STATE,
                                      "%s is not possible now: another document is "
                                      "still being written.",
                                      sd_bus_message_get_member(m));
        saving = document ? calloc(1, sizeof(*saving)) : NULL;
        if (!saving)
                return -ENOMEM;
        r = worker_start(session->manager, documents_format_main, document, DOCUMENT_SECONDS * USEC_PER_SEC,
                         on_formatted, session, &saving->worker);
        if (r < 0) {
                free(saving);
                return r;
        }
        saving->message = sd_bus_message_ref(m);
        session->saving = saving;
        return 0;
}

int session_save_document(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *document = session_make_document(session);

        return save(session, m, document, error);
}

int session_save_metadata(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *metadata = NULL;
        const SetWriter *writer;
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        writer = set_find_writer(&session->set, name);
        if (!writer)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "There is no writer %s in this session. See vss list writers.", name);
        metadata = vss_value_copy(writer->participant->info);
        if (vss_value_set_string(metadata, "kind", "writer-metadata") < 0)
                return -ENOMEM;
        return save(session, m, metadata, error);
}
