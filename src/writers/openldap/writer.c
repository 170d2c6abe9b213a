/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The OpenLDAP writer: one component per directory server, with all its databases and its configuration
 *
 * PrepareSnapshot starts a holder for each database and for cn=config; Freeze lets all of them take their
 * write transaction at once, Thaw gives them back. A server of which one database cannot be held is
 * downgraded alone, and its other databases are let go at once.
 */

#include <string.h>
#include "config.h"
#include "util/clock.h"
#include "writers/openldap/describe.h"
#include "writers/openldap/record.h"
#include "writers/openldap/writer.h"

#define IDENTIFY_USEC (800 * USEC_PER_MSEC)
#define PREPARE_SCAN_USEC (5 * USEC_PER_SEC)
#define PREPARE_OPEN_USEC (60 * USEC_PER_SEC)
#define THAW_USEC (2 * USEC_PER_SEC)

vss_result ldap_scan(vss_writer_call *call, bool details, uint64_t at_most_usec, InstanceList *ret_list) {
        const LdapWriter *writer = vss_writer_call_userdata(call);
        FindOrder order = {
                .conf_path = writer->conf_path,
                .default_path = writer->default_path,
                .deadline_usec = event_deadline(call, at_most_usec),
                .details = details,
        };
        int r = instance_scan(&order, ret_list);

        return r < 0 ? vss_writer_call_fail(call, VSS_E_WRITERERROR_RETRYABLE,
                                            "the search for directory servers failed: %s", strerror(-r))
                     : VSS_S_OK;
}

static vss_result ldap_identify(vss_writer_call *call, vss_metadata *metadata) {
        const LdapWriter *writer = vss_writer_call_userdata(call);
        InstanceList list = { 0 };
        vss_result result;

        /* Between Freeze and Thaw nothing is read and nobody is asked. */
        if (writer->frozen)
                return describe_instances(metadata, &writer->instances);
        result = ldap_scan(call, false, IDENTIFY_USEC, &list);
        if (result < 0)
                return result;
        result = describe_instances(metadata, &list);
        instance_list_clear(&list);
        return result;
}

static bool is_chosen(const vss_writer_call *call, const Instance *instance) {
        return event_is_chosen(call, instance->logical_path, COMPONENT_NAME);
}

static bool is_affected(const vss_writer_call *call, const Instance *instance) {
        if (vss_writer_call_is_path_affected(call, instance->config))
                return true;
        for (size_t i = 0; i < instance->n_databases; i++)
                if (vss_writer_call_is_path_affected(call, instance->databases[i].directory))
                        return true;
        return false;
}

/* All state of a set, also of one that nobody ended. */
static void let_go(LdapWriter *writer) {
        holder_set_end(&writer->holders, now_usec() + THAW_USEC);
        instance_list_clear(&writer->instances);
        memset(writer->lost, 0, sizeof(writer->lost));
        memset(writer->held, 0, sizeof(writer->held));
        writer->session[0] = '\0';
        writer->frozen = false;
}

static void lose(vss_writer_call *call, LdapWriter *writer, size_t index, vss_result code, const char *why) {
        if (writer->lost[index])
                return;
        writer->lost[index] = true;
        (void)vss_writer_call_fail_component(call, writer->instances.items[index].logical_path,
                                             COMPONENT_NAME, code, "%s", why);
}

/* Tell which servers failed since the last look, and let their other databases go. */
static void tell_failures(vss_writer_call *call, LdapWriter *writer) {
        HolderSet *holders = &writer->holders;

        for (size_t i = 0; i < holders->n; i++) {
                const Holder *holder = &holders->items[i];
                size_t index = holder->instance;

                if (holder->reply.code >= 0 || writer->lost[index])
                        continue;
                lose(call, writer, index, holder->reply.code, holder->reply.text);
                holder_set_drop(holders, index);
        }
}

static int add_holders(LdapWriter *writer, size_t index) {
        const Instance *instance = &writer->instances.items[index];
        int r = 0;

        if (!instance->conf_file)
                r = holder_set_add(&writer->holders, index, SIZE_MAX, instance->config, false, false);
        for (size_t i = 0; r >= 0 && i < instance->n_databases; i++) {
                const LdapDatabase *database = &instance->databases[i];

                r = holder_set_add(&writer->holders, index, i, database->directory, database->lmdb,
                                   database->nosync);
        }
        return r;
}

static vss_result ldap_prepare_snapshot(vss_writer_call *call) {
        LdapWriter *writer = vss_writer_call_userdata(call);
        vss_result result;
        int r = 0;

        let_go(writer);
        (void)snprintf(writer->session, sizeof(writer->session), "%s", vss_writer_call_session_id(call));
        result = ldap_scan(call, true, PREPARE_SCAN_USEC, &writer->instances);
        if (result < 0)
                return result;
        for (size_t i = 0; r >= 0 && i < writer->instances.n; i++) {
                const Instance *instance = &writer->instances.items[i];

                if (!is_affected(call, instance) || !is_chosen(call, instance) || instance->crash_only)
                        continue;
                writer->held[i] = true;
                r = add_holders(writer, i);
        }
        if (r < 0) {
                let_go(writer);
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_OUTOFRESOURCES,
                                            "the databases cannot be held: %s", strerror(-r));
        }
        holder_set_collect(&writer->holders, event_deadline(call, PREPARE_OPEN_USEC));
        tell_failures(call, writer);
        return VSS_S_OK;
}

static vss_result ldap_freeze(vss_writer_call *call) {
        LdapWriter *writer = vss_writer_call_userdata(call);

        writer->frozen = true;
        holder_set_freeze(&writer->holders, event_deadline(call, HOLDER_LOCK_MS * USEC_PER_MSEC));
        for (size_t i = 0; i < writer->holders.n; i++) {
                Holder *holder = &writer->holders.items[i];

                holder->held = holder->reply.code == VSS_S_OK;
                holder->state = holder->reply.state;
                holder->entries = holder->reply.entries;
        }
        tell_failures(call, writer);
        return VSS_S_OK;
}

/* What is known of the copy, for its restore. */
static void record_instance(vss_writer_call *call, const LdapWriter *writer, size_t index) {
        const Instance *instance = &writer->instances.items[index];
        _cleanup_(freep) char *text = NULL;
        int r = record_begin(instance, writer->instances.version, &text);

        for (size_t i = 0; r >= 0 && i < writer->holders.n; i++) {
                const Holder *holder = &writer->holders.items[i];

                if (holder->instance == index && holder->database != SIZE_MAX)
                        r = record_add_database(&instance->databases[holder->database],
                                                holder->lmdb ? holder->state : UINT64_MAX, holder->entries,
                                                &text);
        }
        if (r >= 0 && text)
                (void)vss_writer_call_set_backup_metadata(call, instance->logical_path, COMPONENT_NAME,
                                                          text);
}

static void look_back(vss_writer_call *call, LdapWriter *writer, const Holder *holder) {
        const Instance *instance = &writer->instances.items[holder->instance];
        char why[1024];

        if (!holder->held)
                return;
        if (holder->reply.code < 0)
                (void)snprintf(why, sizeof(why), "a database was not held until Thaw: %.800s",
                               holder->reply.text);
        else if (holder->reply.state == holder->state)
                return;
        else if (holder->lmdb)
                (void)snprintf(why, sizeof(why),
                               "the database in %.800s was written to while it was held: its lock file was "
                               "removed, perhaps",
                               instance->databases[holder->database].directory);
        else
                (void)snprintf(why, sizeof(why), "%.800s was changed between Freeze and Thaw: try again",
                               holder->database == SIZE_MAX
                                       ? instance->config
                                       : instance->databases[holder->database].directory);
        lose(call, writer, holder->instance, VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, why);
}

static vss_result ldap_thaw(vss_writer_call *call) {
        LdapWriter *writer = vss_writer_call_userdata(call);

        holder_set_order(&writer->holders, HOLDER_THAW);
        holder_set_collect(&writer->holders, event_deadline(call, THAW_USEC));
        writer->frozen = false;
        for (size_t i = 0; i < writer->holders.n; i++)
                look_back(call, writer, &writer->holders.items[i]);
        return VSS_S_OK;
}

static vss_result ldap_post_snapshot(vss_writer_call *call) {
        LdapWriter *writer = vss_writer_call_userdata(call);

        if (strcmp(writer->session, vss_writer_call_session_id(call)) != 0)
                return VSS_S_OK;
        for (size_t i = 0; i < writer->instances.n; i++)
                if (writer->held[i] && !writer->lost[i])
                        record_instance(call, writer, i);
        let_go(writer);
        return VSS_S_OK;
}

static vss_result ldap_abort(vss_writer_call *call) {
        LdapWriter *writer = vss_writer_call_userdata(call);

        /* The end of one session must not let go what is prepared or held for another. */
        if (strcmp(writer->session, vss_writer_call_session_id(call)) == 0)
                let_go(writer);
        return VSS_S_OK;
}

const struct vss_writer openldap_writer = {
        VSS_WRITER_INIT,
        .name = "OpenLDAP",
        .id = "226cb62a-108c-4e59-a53a-587d65b1c616",
        .friendly_name = "OpenLDAP directories",
        .version = LINUXVSS_VERSION,
        .usage = VSS_UT_SYSTEMSERVICE,
        .source = VSS_ST_TRANSACTEDDB,
        .level = VSS_APP_BACK_END,
        .freeze_timeout_ms = HOLDER_LEASE_SECONDS * 1000,
        .identify = ldap_identify,
        .prepare_snapshot = ldap_prepare_snapshot,
        .freeze = ldap_freeze,
        .thaw = ldap_thaw,
        .post_snapshot = ldap_post_snapshot,
        .abort = ldap_abort,
        .pre_restore = ldap_pre_restore,
        .post_restore = ldap_post_restore,
        .verify = ldap_verify,
        .knows_dry_run = true,
};
