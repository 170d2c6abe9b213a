/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Shadow copies from another machine
 *
 * They are described in the Backup Components Document of the machine that made them; the requester brings it here.
 */

#include <string.h>
#include "vss/output.h"
#include "vss/transport.h"

bool transport_is_volatile(const Metadata *metadata) {
        const vss_value *snapshots = vss_value_get(metadata->parsed, "snapshots");

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (!(vss_value_get_integer(vss_value_at(snapshots, i), "context", 0) &
                      VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE))
                        return true;
        return false;
}

static int open_session(Cli *cli, const Metadata *metadata, const char *label, uint32_t lease,
                        vss_session **ret_session) {
        _cleanup_value_ vss_value *options = vss_value_new_dict();
        _cleanup_(vss_session_releasep) vss_session *session = NULL;
        _cleanup_async_ vss_async *async = NULL;
        vss_result r;
        int status = cli_connect(cli);

        if (status != EXIT_DONE)
                return status;
        if (!options || (label && vss_value_set_string(options, "label", label) < 0) ||
            (lease > 0 && vss_value_set_integer(options, "lease", lease) < 0))
                return cli_out_of_memory(cli);
        r = vss_session_create(cli->service, options, &session);
        if (r >= 0)
                r = vss_session_initialize_for_backup_with_document(session, metadata->document,
                                                                    metadata->size, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "reading the document", NULL);
        if (r != VSS_S_OK)
                return cli_fail(cli, r);
        *ret_session = TAKE_PTR(session);
        return EXIT_DONE;
}

/* In part is success for the contract, and less than was asked for to people. */
static int judge(vss_result r, const vss_value *result) {
        const vss_value *failed = vss_value_get(result, "failed");

        for (size_t i = 0; i < vss_value_count(failed); i++) {
                const vss_value *entry = vss_value_at(failed, i);
                const char *volume = vss_value_get_string(entry, "volume", "");

                cli_note("%s%s%s: was not imported: %s", vss_value_get_string(entry, "id", "?"),
                         *volume ? " of " : "", volume,
                         vss_value_get_string(entry, "reason", "no reason given"));
        }
        return r == VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED || vss_value_count(failed) > 0 ? EXIT_PARTLY
                                                                                     : EXIT_DONE;
}

int transport_import(Cli *cli, const Metadata *metadata, const char *label, uint32_t lease,
                     vss_session **ret_session, vss_value **ret_result) {
        _cleanup_(vss_session_releasep) vss_session *session = NULL;
        _cleanup_async_ vss_async *async = NULL;
        _cleanup_value_ vss_value *result = NULL;
        vss_result r;
        int status = open_session(cli, metadata, label, lease, &session);

        if (status != EXIT_DONE)
                return status;
        r = vss_session_import_snapshots(session, &async);
        if (r >= 0)
                r = cli_wait(cli, async, "importing the shadow copies", &result);
        if (r != VSS_S_OK && r != VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED)
                return cli_fail(cli, r);
        *ret_session = TAKE_PTR(session);
        status = judge(r, result);
        *ret_result = TAKE_PTR(result);
        return status;
}

void transport_show(const vss_value *result) {
        const vss_value *snapshots = vss_value_get(result, "snapshots");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "SHADOW COPY", "VOLUME", "PROVIDER", "DEVICE OBJECT", NULL);
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                table_add(&table, vss_value_get_string(snapshot, "id", "?"),
                          vss_value_get_string(snapshot, "volume", ""),
                          vss_value_get_string(snapshot, "provider", ""),
                          vss_value_get_string(snapshot, "device-object", ""), NULL);
        }
        table_print(&table, stdout);
}
