/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sessions: what a requester says of components, and the document that comes of it
 *
 * One table has a row for each call: its arguments behind the component's name, and the rule of
 * model/backup-components.h that it is. In a backup the lists of the writers are the document. A session
 * that was given one keeps it; writers that run have their lists of it.
 */

#include <string.h>
#include "bus/marshal.h"
#include "config.h"
#include "model/backup-components.h"
#include "vssd/session.h"

/* A component that a call is about. */
typedef struct Subject {
        BcWriter writer;
        vss_value *component;
} Subject;

/* What stands behind the component's name in a call. */
typedef struct Arguments {
        int boolean;
        uint32_t number;
        const char *text[3];
} Arguments;

typedef vss_result (*Rule)(const Subject *subject, const Arguments *arguments, Why *why);

/* The tree */

/* Numbers are not taken for names: instances are many, and have the number of their class. But who has the
 * number is not believed to be the writer of another name: his name is that of his descriptor, the number is
 * what he says. Documents of elsewhere have no names. */
static bool is_entry_of(const vss_value *entry, const Participant *writer) {
        const char *name = vss_value_get_string(entry, "name", "");

        if (*name && strcmp(name, writer->name) != 0)
                return false;
        return strcasecmp(vss_value_get_string(entry, "id", ""),
                          vss_value_get_string(writer->info, "id", "-")) == 0 &&
               strcmp(vss_value_get_string(entry, "instance-name", ""),
                      vss_value_get_string(writer->info, "instance-name", "")) == 0;
}

const vss_value *session_find_entry(const Session *session, const Participant *writer) {
        const vss_value *writers = vss_value_get(session->document, "writers");

        for (size_t i = 0; i < vss_value_count(writers); i++)
                if (is_entry_of(vss_value_at(writers, i), writer))
                        return vss_value_at(writers, i);
        return NULL;
}

SetWriter *session_find_running(Session *session, const vss_value *entry) {
        for (size_t i = 0; i < session->set.n_writers; i++)
                if (!session->set.writers[i].disabled &&
                    is_entry_of(entry, session->set.writers[i].participant))
                        return &session->set.writers[i];
        return NULL;
}

static int complain(sd_bus_error *error, vss_result code, const Why *why) {
        return bus_error_setf(error, code, "%s", *why->text ? why->text : vss_result_text(code));
}

/* In a session with a document, the writer is who is in it; some calls need him here, too. */
static int find_in_document(Session *session, const char *name, bool here, BcWriter *ret_writer,
                            sd_bus_error *error) {
        const vss_value *found = bc_find_writer(session->document, name);
        vss_value *entry = (vss_value *)found; /* of our own tree */
        SetWriter *running = found ? session_find_running(session, found) : NULL;

        if (!found)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "There is no writer %s in the document of this session.", name);
        if (here && !running)
                return bus_error_setf(
                        error, VSS_E_OBJECT_NOT_FOUND,
                        "Writer %s does not run on this machine, or was disabled. Without it, restore its "
                        "files as its metadata document says. See vss list writers.",
                        name);
        *ret_writer = (BcWriter){
                .name = vss_value_get_string(found, "name", name),
                .metadata = running ? running->participant->info : NULL,
                .components = running ? running->chosen : value_get_mutable(entry, "components"),
                .schema = (uint32_t)vss_value_get_integer(found, "backup-schema", 0),
                .partial_file_support = session->set.partial_file_support,
        };
        return 0;
}

static int find_writer(Session *session, const char *name, bool here, BcWriter *ret_writer,
                       sd_bus_error *error) {
        SetWriter *writer;

        if (session->document)
                return find_in_document(session, name, here, ret_writer, error);
        writer = set_find_writer(&session->set, name);
        if (!writer)
                return bus_error_setf(error, VSS_E_OBJECT_NOT_FOUND,
                                      "There is no writer %s in this session. See vss list writers.", name);
        *ret_writer = set_bc_writer(&session->set, writer);
        return 0;
}

static vss_value *make_snapshots(const Session *session) {
        static const struct {
                const char *key, *from;
        } keys[] = {
                { "id", "id" },
                { "set", "set" },
                { "provider", "provider" },
                { "volume", "volume" },
                { "below", "below" },
                { "attributes", "attributes" },
                { "context", "context" },
                { "sequence", "sequence" },
                { "created-usec", "created" },
                { "host", "host" },
                { "luns", "luns" },
        };
        _cleanup_value_ vss_value *list = vss_value_new_list();

        if (!(session->facts & SESSION_SNAPSHOT_DONE))
                return TAKE_PTR(list);
        for (size_t i = 0; i < session->set.n_volumes; i++) {
                const vss_value *properties = session->set.volumes[i].properties;
                vss_value *snapshot = vss_value_new_dict();

                FOREACH_ELEMENT (k, keys) {
                        const vss_value *value = vss_value_get(properties, k->from);

                        if (value)
                                (void)vss_value_set(snapshot, k->key, vss_value_copy(value));
                }
                if (vss_value_append(list, snapshot) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

static vss_value *make_writers(const Session *session) {
        _cleanup_value_ vss_value *list = vss_value_new_list();

        for (size_t i = 0; i < session->set.n_writers; i++) {
                const SetWriter *writer = &session->set.writers[i];

                if (!writer->takes_part && vss_value_count(writer->chosen) == 0)
                        continue;
                if (vss_value_append(list, bc_writer_new(writer->participant->info, writer->chosen)) < 0)
                        return NULL;
        }
        return TAKE_PTR(list);
}

static vss_value *make_document(const Session *session) {
        const Set *set = &session->set;
        _cleanup_value_ vss_value *document = vss_value_new_dict();

        if (vss_value_set_string(document, "kind", "backup-components") < 0 ||
            vss_value_set_boolean(document, "select-components", set->select_components) < 0 ||
            vss_value_set_boolean(document, "bootable-system-state", set->bootable_system_state) < 0 ||
            vss_value_set_integer(document, "backup-type", set->backup_type) < 0 ||
            vss_value_set_boolean(document, "partial-file-support", set->partial_file_support) < 0 ||
            vss_value_set_string(document, "set", set->id) < 0 ||
            vss_value_set_string(document, "session", session->id) < 0 ||
            vss_value_set_integer(document, "context", set->context) < 0 ||
            vss_value_set_string(document, "service-version", LINUXVSS_VERSION) < 0 ||
            vss_value_set_string(document, "host", session->manager->host) < 0 ||
            vss_value_set_integer(document, "created-usec", (int64_t)session->began_usec) < 0 ||
            vss_value_set(document, "writers", make_writers(session)) < 0 ||
            vss_value_set(document, "snapshots", make_snapshots(session)) < 0)
                return NULL;
        return TAKE_PTR(document);
}

/* The given one, with what became of the components of those that run. */
static vss_value *update_document(const Session *session) {
        _cleanup_value_ vss_value *document = vss_value_copy(session->document);
        vss_value *writers = value_get_mutable(document, "writers");

        if (!document || (session->set.restore_type != VSS_RTYPE_UNDEFINED &&
                          vss_value_set_integer(document, "restore-type", session->set.restore_type) < 0))
                return NULL;
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                vss_value *entry = value_at_mutable(writers, i);
                const SetWriter *running = session_find_running((Session *)session, entry);

                if (running && vss_value_set(entry, "components", vss_value_copy(running->chosen)) < 0)
                        return NULL;
        }
        return TAKE_PTR(document);
}

vss_value *session_make_document(const Session *session) {
        return session->document ? update_document(session) : make_document(session);
}

/* Rules by the shapes of their arguments */

static vss_result rule_succeeded(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_succeeded(s->component, a->boolean, why);
}

static vss_result rule_backup_options(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_backup_options(s->component, a->text[0], why);
}

static vss_result rule_previous_stamp(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_previous_stamp(s->component, a->text[0], why);
}

static vss_result rule_selected(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_selected_for_restore(s->component, a->boolean, why);
}

static vss_result rule_restore_options(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_restore_options(s->component, a->text[0], why);
}

static vss_result rule_additional(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_additional_restores(s->component, a->boolean, why);
}

static vss_result rule_subcomponent(const Subject *s, const Arguments *a, Why *why) {
        return bc_add_restore_subcomponent(&s->writer, s->component, a->text[0], a->text[1], why);
}

static vss_result rule_new_target(const Subject *s, const Arguments *a, Why *why) {
        return bc_add_new_target(&s->writer, s->component, a->text[0], a->text[1], a->boolean, a->text[2],
                                 why);
}

static vss_result rule_mapping(const Subject *s, const Arguments *a, Why *why) {
        return bc_add_alternative_location_mapping(&s->writer, s->component, a->text[0], a->text[1],
                                                   a->boolean, a->text[2], why);
}

static vss_result rule_ranges_file(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_ranges_file_path(s->component, a->number, a->text[0], why);
}

static vss_result rule_status(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_file_restore_status(s->component, a->number, why);
}

static vss_result rule_authoritative(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_authoritative_restore(&s->writer, s->component, a->boolean, why);
}

static vss_result rule_roll_forward(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_roll_forward(&s->writer, s->component, a->number, a->text[0], why);
}

static vss_result rule_restore_name(const Subject *s, const Arguments *a, Why *why) {
        return bc_set_restore_name(&s->writer, s->component, a->text[0], why);
}

static const struct {
        const char *member;
        const char *types; /* behind the component's three: b, u, s */
        Rule rule;
        bool here; /* the writer must run on this machine */
} setters[] = {
        { "SetBackupSucceeded", "b", rule_succeeded, false },
        { "SetBackupOptions", "s", rule_backup_options, false },
        { "SetPreviousBackupStamp", "s", rule_previous_stamp, false },
        { "SetSelectedForRestore", "b", rule_selected, true },
        { "SetRestoreOptions", "s", rule_restore_options, true },
        { "SetAdditionalRestores", "b", rule_additional, true },
        { "AddRestoreSubcomponent", "ss", rule_subcomponent, true },
        { "AddNewTarget", "ssbs", rule_new_target, true },
        { "SetAuthoritativeRestore", "b", rule_authoritative, true },
        { "SetRollForward", "us", rule_roll_forward, true },
        { "SetRestoreName", "s", rule_restore_name, true },
        { "AddAlternativeLocationMapping", "ssbs", rule_mapping, true },
        { "SetRangesFilePath", "us", rule_ranges_file, false },
        { "SetFileRestoreStatus", "u", rule_status, false },
};

/* Handlers */

int session_add_component(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const char *name, *logical_path, *component;
        BcWriter writer = { 0 };
        Why why = { 0 };
        vss_result result;
        int r = sd_bus_message_read(m, "sss", &name, &logical_path, &component);

        if (r >= 0)
                r = find_writer(session, name, true, &writer, error);
        if (r < 0)
                return r;
        result = bc_add(&writer, logical_path, component, &why);
        return result < 0 ? complain(error, result, &why) : sd_bus_reply_method_return(m, "");
}

static int read_arguments(sd_bus_message *m, const char *types, Arguments *arguments) {
        size_t n_texts = 0;
        int r = 0;

        for (const char *type = types; *type && r >= 0; type++)
                r = sd_bus_message_read_basic(m, *type,
                                              *type == 'b'   ? (void *)&arguments->boolean
                                              : *type == 'u' ? (void *)&arguments->number
                                                             : (void *)&arguments->text[n_texts++]);
        return r;
}

int session_set_component(Session *session, sd_bus_message *m, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(m), *name, *logical_path, *component;
        Arguments arguments = { 0 };
        Subject subject = { 0 };
        Why why = { 0 };
        size_t i;
        vss_result result;
        int r = sd_bus_message_read(m, "sss", &name, &logical_path, &component);

        for (i = 0; i < ELEMENTS(setters) && strcmp(setters[i].member, member) != 0; i++)
                ;
        if (i == ELEMENTS(setters))
                return bus_error_setf(error, VSS_E_NOT_SUPPORTED, "There is no such call.");
        if (r >= 0)
                r = read_arguments(m, setters[i].types, &arguments);
        if (r >= 0)
                r = find_writer(session, name, setters[i].here, &subject.writer, error);
        if (r < 0)
                return r;
        result = bc_find(&subject.writer, logical_path, component, &subject.component, &why);
        if (result >= 0)
                result = setters[i].rule(&subject, &arguments, &why);
        return result < 0 ? complain(error, result, &why) : sd_bus_reply_method_return(m, "");
}

int session_get_components(Session *session, sd_bus_message *m, sd_bus_error *error) {
        _cleanup_value_ vss_value *document = session_make_document(session);
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = document ? sd_bus_message_new_method_return(m, &reply) : -ENOMEM;

        if (r >= 0)
                r = marshal_append_dicts(reply, vss_value_get(document, "writers"));
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
