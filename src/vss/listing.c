/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lists in words: tables of what there is
 */

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include "vss/attributes.h"
#include "vss/cli.h"
#include "vss/listing.h"
#include "vss/options.h"
#include "vss/output.h"
#include "vss/report.h"
#include "vss/size.h"

void show_providers(const vss_value *result, const Filter *filter) {
        const vss_value *providers = vss_value_get(result, "providers");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "PROVIDER", "NAME", "TYPE", "VERSION", "STATE", "HOLDS", "ATOMIC", "CHANGED",
                  "CAPABILITIES", NULL);
        for (size_t i = 0; i < vss_value_count(providers); i++) {
                const vss_value *p = vss_value_at(providers, i);
                const char *message = vss_value_get_string(p, "message", "");
                _cleanup_(freep) char *capabilities = report_join(vss_value_get(p, "capabilities"));
                _cleanup_(freep) char *holds = report_join(vss_value_get(p, "holds"));

                table_add(&table, vss_value_get_string(p, "name", "?"),
                          vss_value_get_string(p, "friendly-name", ""),
                          provider_type_name(vss_value_get_integer(p, "type", 0)),
                          vss_value_get_string(p, "version", ""), *message ? message : "ready", holds,
                          vss_value_get_string(p, "atomic-scope", ""),
                          vss_value_get_string(p, "changed", ""), capabilities, NULL);
        }
        table_print(&table, stdout);
}

void show_volumes(const vss_value *result, const Filter *filter) {
        const vss_value *volumes = vss_value_get(result, "volumes");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "VOLUME", "TYPE", "SOURCE", "PROVIDER", "HOLD", "WHY NOT", NULL);
        for (size_t i = 0; i < vss_value_count(volumes); i++) {
                const vss_value *v = vss_value_at(volumes, i);
                bool supported = vss_value_get_boolean(v, "supported",
                                                       *vss_value_get_string(v, "provider", ""));
                _cleanup_(freep) char *reason = supported ? NULL : plan_volume_declined(v);

                table_add(&table, plan_volume_target(v), vss_value_get_string(v, "fs-type", ""),
                          vss_value_get_string(v, "source", ""), vss_value_get_string(v, "provider", ""),
                          supported ? vss_value_get_string(v, "hold", "") : "", reason ?: "", NULL);
        }
        table_print(&table, stdout);
}

/* Beyond those of its context: "exposed-locally imported". */
static char *join_attributes(const vss_value *snapshot) {
        _cleanup_value_ vss_value *names = attribute_names(
                (uint32_t)vss_value_get_integer(snapshot, "attributes", 0));
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        for (size_t i = 0; i < vss_value_count(names); i++)
                fprintf(out, "%s%s", i > 0 ? " " : "", vss_value_string(vss_value_at(names, i), ""));
        return fclose(out) == 0 ? text : (free(text), NULL);
}

void show_shadows(const vss_value *result, const Filter *filter) {
        const vss_value *snapshots = vss_value_get(result, "snapshots");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "SHADOW COPY", "SET", "VOLUME", "PROVIDER", "CONTEXT", "ATTRIBUTES", "CREATED",
                  "EXPOSED AT", "DEVICE OBJECT", "BLOCK DEVICE", NULL);
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *s = vss_value_at(snapshots, i);
                bool lost = strcmp(vss_value_get_string(s, "state", ""), "lost") == 0;
                _cleanup_(freep) char *attributes = lost ? strdup("LOST") : join_attributes(s);
                char created[DATE_SIZE];

                table_add(&table, vss_value_get_string(s, "id", "?"), vss_value_get_string(s, "set", ""),
                          vss_value_get_string(s, "volume", vss_value_get_string(s, "mount-point", "")),
                          vss_value_get_string(s, "provider", ""),
                          context_name((uint32_t)vss_value_get_integer(s, "context", -1)), attributes ?: "?",
                          format_date(vss_value_get_integer(s, "created", 0), created),
                          vss_value_get_string(s, "exposed", ""),
                          vss_value_get_string(s, "device-object", ""),
                          vss_value_get_string(s, "block-device", ""), NULL);
        }
        table_print(&table, stdout);
}

static void tell_loss(const vss_value *loss, bool *told) {
        const char *id = vss_value_get_string(loss, "id", "?");
        int64_t when = vss_value_get_integer(loss, "time-usec", 0);
        char date[DATE_SIZE];

        cli_note("LOST%s%s: shadow copy %s of %s: %s", when > 0 ? " " : "",
                 when > 0 ? format_date(when, date) : "", id, vss_value_get_string(loss, "volume", "?"),
                 vss_value_get_string(loss, "reason", "?"));
        *told = true;
}

bool listing_tell_losses(const vss_value *result) {
        const vss_value *snapshots = vss_value_get(result, "snapshots"),
                        *losses = vss_value_get(result, "losses");
        bool told = false;

        for (size_t i = 0; i < vss_value_count(snapshots); i++)
                if (strcmp(vss_value_get_string(vss_value_at(snapshots, i), "state", ""), "lost") == 0)
                        tell_loss(vss_value_at(snapshots, i), &told);
        for (size_t i = 0; i < vss_value_count(losses); i++)
                tell_loss(vss_value_at(losses, i), &told);
        if (told)
                cli_note("vss delete ID says that it is known. With more storage it lasts longer: vss "
                         "storage list");
        return told;
}

vss_result listing_name_attributes(vss_value *result) {
        vss_value *snapshots = value_get_mutable(result, "snapshots");
        vss_result r = VSS_S_OK;

        for (size_t i = 0; r >= 0 && i < vss_value_count(snapshots); i++) {
                vss_value *s = value_at_mutable(snapshots, i);

                r = vss_value_set_string(s, "context-name",
                                         context_name((uint32_t)vss_value_get_integer(s, "context", -1)));
                if (r >= 0)
                        r = vss_value_set(
                                s, "attribute-names",
                                attribute_names((uint32_t)vss_value_get_integer(s, "attributes", 0)));
        }
        return r;
}

void show_sessions(const vss_value *result, const Filter *filter) {
        const vss_value *sessions = vss_value_get(result, "sessions");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "SESSION", "LABEL", "OWNER", "PID", "STATE", "SET", "AGE", "LEASE", NULL);
        for (size_t i = 0; i < vss_value_count(sessions); i++) {
                const vss_value *s = vss_value_at(sessions, i);
                int64_t lease = vss_value_get_integer(s, "lease-usec", 0);
                char owner[24], pid[24], age[DURATION_SIZE], left[DURATION_SIZE];

                (void)snprintf(owner, sizeof(owner), "%" PRId64, vss_value_get_integer(s, "owner", -1));
                (void)snprintf(pid, sizeof(pid), "%" PRId64, vss_value_get_integer(s, "pid", 0));
                table_add(&table, vss_value_get_string(s, "id", "?"), vss_value_get_string(s, "label", ""),
                          owner, pid, vss_value_get_string(s, "state", ""),
                          vss_value_get_string(s, "set", ""),
                          format_duration(vss_value_get_integer(s, "age-usec", -1), age),
                          lease > 0 ? format_duration(lease, left) : "", NULL);
        }
        table_print(&table, stdout);
}

void show_attached(const vss_value *result, const Filter *filter) {
        const vss_value *attached = vss_value_get(result, "attached");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "DEVICE", "NAME", "TO BE USED AS", "MOUNTED AT", "AT BOOT", "SHADOW COPIES",
                  "PROVIDER", NULL);
        for (size_t i = 0; i < vss_value_count(attached); i++) {
                const vss_value *a = vss_value_at(attached, i);
                _cleanup_(freep) char *mounted = report_join(vss_value_get(a, "mounted"));
                char copies[24];

                (void)snprintf(copies, sizeof(copies), "%zu",
                               vss_value_count(vss_value_get(a, "snapshots")));
                table_add(&table, vss_value_get_string(a, "device", "?"),
                          vss_value_get_string(a, "name", ""), vss_value_get_string(a, "mapped", ""),
                          mounted ?: "?", vss_value_get_boolean(a, "boot", false) ? "yes" : "no", copies,
                          vss_value_get_string(a, "provider", ""), NULL);
        }
        table_print(&table, stdout);
}

void show_diff_areas(const vss_value *result, const Filter *filter) {
        const vss_value *areas = vss_value_get(result, "diff-areas");
        _cleanup_(table_clear) Table table = {};

        table_add(&table, "VOLUME", "KEPT ON", "USED", "ALLOCATED", "MAXIMUM", "SET BY", "SHADOW COPIES",
                  "PROVIDER", NULL);
        for (size_t i = 0; i < vss_value_count(areas); i++) {
                const vss_value *a = vss_value_at(areas, i);
                int64_t maximum = vss_value_get_integer(a, "maximum", -1);
                char used[SIZE_TEXT], allocated[SIZE_TEXT], most[SIZE_TEXT], copies[24];

                (void)snprintf(copies, sizeof(copies), "%zu",
                               vss_value_count(vss_value_get(a, "snapshots")));
                table_add(&table, vss_value_get_string(a, "volume", "?"),
                          vss_value_get_string(a, "diff-volume", "?"),
                          format_size(vss_value_get_integer(a, "used", -1), used),
                          format_size(vss_value_get_integer(a, "allocated", -1), allocated),
                          maximum < 0 ? "unlimited" : format_size(maximum, most),
                          vss_value_get_boolean(a, "explicit", false) ? "somebody" : "default", copies,
                          vss_value_get_string(a, "provider", ""), NULL);
        }
        table_print(&table, stdout);
}
