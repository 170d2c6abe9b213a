/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The provider's main loop: the calls that are no step of a set
 *
 * The optional ones may take long, so none is let in while a set of this provider waits for its cut.
 */

#include <string.h>
#include "lib/provider-internal.h"
#include "model/id.h"

static int check_id(const char *id, const char *what, sd_bus_error *error) {
        return id_is_valid(id)
                       ? 0
                       : bus_error_setf(error, VSS_E_INVALIDARG, "\"%s\" is no identity of %s", id, what);
}

int provider_enter_optional(Provider *p, sd_bus_message *m, bool there, sd_bus_error *error) {
        const Set *set;
        int r = provider_enter(p, m, error);

        if (r < 0)
                return r;
        if (!there)
                return bus_error_setf(
                        error, VSS_E_NOT_SUPPORTED,
                        "provider %s cannot do this: it has no %s; vss list providers shows who has",
                        p->desc.name, sd_bus_message_get_member(m));
        set = provider_find_critical(p);
        return set ? bus_error_setf(error, VSS_E_PROVIDER_VETO,
                                    "set %s waits for %s; nothing else is begun before that", set->id,
                                    provider_step_name(provider_state_expects(set->state)))
                   : 0;
}

/* The optional calls that are there. */
static int list_capabilities(const struct vss_provider *d, vss_value *info) {
        const struct {
                bool there;
                const char *name;
        } optional[] = {
                { d->set_snapshot_property, "set-snapshot-property" },
                { d->get_target_luns, "get-target-luns" },
                { d->import_snapshots, "import-snapshots" },
                { d->break_snapshot_set, "break-snapshot-set" },
                { d->revert_to_snapshot, "revert-to-snapshot" },
                { d->query_revert_status, "query-revert-status" },
                { d->resync_snapshots, "resync-snapshots" },
                { d->query_diff_areas, "query-diff-areas" },
                { d->add_diff_area, "add-diff-area" },
                { d->change_diff_area_maximum_size, "change-diff-area-maximum-size" },
                { d->check_storage, "check-storage" },
                { d->attach_device, "attach-device" },
                { d->detach_device, "detach-device" },
                { d->query_attached, "query-attached" },
        };
        vss_value *list = value_require(info, "capabilities", VSS_KIND_LIST);

        if (!list)
                return -ENOMEM;
        FOREACH_ELEMENT (o, optional)
                if (o->there && value_append_string(list, o->name) < 0)
                        return -ENOMEM;
        return 0;
}

static const char *atomic_scope_name(enum vss_atomic_scope scope) {
        return scope == VSS_ATOMIC_VOLUME ? "volume" : "file";
}

/* What it promises beyond its calls. */
static int list_promises(const struct vss_provider *d, vss_value *info) {
        static const char *const holds[] = {
                [VSS_HOLD_NONE] = "none",
                [VSS_HOLD_WRITERS] = "writers",
                [VSS_HOLD_FILESYSTEM] = "filesystem",
                [VSS_HOLD_DEVICE] = "device",
        };
        static const char *const changed[] = { "none", "ranges", "files" };
        vss_value *list = value_require(info, "holds", VSS_KIND_LIST);

        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(holds); i++)
                if ((d->holds & (1u << i)) && value_append_string(list, holds[i]) < 0)
                        return -ENOMEM;
        return vss_value_set_string(info, "atomic-scope", atomic_scope_name(d->atomic_scope)) < 0 ||
                               vss_value_set_string(info, "changed",
                                                    (size_t)d->changed < ELEMENTS(changed)
                                                            ? changed[d->changed]
                                                            : "none") < 0
                       ? -ENOMEM
                       : 0;
}

int provider_on_get_info(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *info = vss_value_new_dict();
        int r = provider_enter(p, m, error);

        if (r < 0)
                return r;
        if (vss_value_set_string(info, "id", p->desc.id) < 0 ||
            vss_value_set_string(info, "name", p->desc.name) < 0 ||
            vss_value_set_string(info, "friendly-name", p->desc.friendly_name ?: p->desc.name) < 0 ||
            vss_value_set_string(info, "version", p->desc.version) < 0 ||
            vss_value_set_integer(info, "type", p->desc.type) < 0 ||
            vss_value_set_integer(info, "flags", (int64_t)p->desc.flags) < 0 ||
            vss_value_set_integer(info, "max-snapshots", (int64_t)p->desc.max_snapshots) < 0 ||
            list_promises(&p->desc, info) < 0 || list_capabilities(&p->desc, info) < 0)
                return -ENOMEM;
        return provider_reply_dict(m, info);
}

int provider_on_is_volume_supported(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *dict = NULL, *answer = vss_value_new_dict();
        struct vss_volume_support support = { .size = sizeof(support),
                                              .atomic_scope = p->desc.atomic_scope };
        _cleanup_(freep) char *root = NULL;
        struct vss_volume volume;
        PROVIDER_CALL(call, p);
        vss_result result;
        int r = provider_enter(p, m, error);

        if (r >= 0)
                r = provider_read_volume(m, true, &dict, &volume);
        if (r < 0)
                return r;
        result = p->desc.is_volume_supported(&call, &volume, &support);
        root = support.volume_root;
        r = provider_finish(&call, "IsVolumeSupported", result, error);
        if (r < 0)
                return r;
        if ((unsigned)support.hold >= 32 || !(p->desc.holds & (1u << support.hold)) ||
            support.atomic_scope < p->desc.atomic_scope)
                return bus_error_setf(
                        error, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                        "provider %s asked for a hold (%d) or an atomic scope (%d) that it has "
                        "not declared",
                        p->desc.name, (int)support.hold, (int)support.atomic_scope);
        if (vss_value_set_integer(answer, "hold", support.hold) < 0 ||
            vss_value_set_string(answer, "atomic-scope", atomic_scope_name(support.atomic_scope)) < 0 ||
            vss_value_set_string(answer, "volume-root", root ?: "/") < 0)
                return -ENOMEM;
        return provider_reply_dict(m, answer);
}

int provider_on_list_nested_volumes(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *dict = NULL, *list = vss_value_new_list();
        _cleanup_message_ sd_bus_message *reply = NULL;
        struct vss_volume volume;
        PROVIDER_CALL(call, p);
        int r = provider_enter(p, m, error);

        if (r >= 0)
                r = provider_read_volume(m, true, &dict, &volume);
        if (r < 0)
                return r;
        if (!list)
                return -ENOMEM;
        if (p->desc.list_nested_volumes)
                r = provider_finish(&call, "ListNestedVolumes",
                                    p->desc.list_nested_volumes(&call, &volume, list), error);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = marshal_append_strings(reply, list);
        return r < 0 ? r : sd_bus_message_send(reply);
}

int provider_on_query(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *list = vss_value_new_list();
        PROVIDER_CALL(call, p);
        int r = provider_enter(p, m, error);

        if (r >= 0 && !list)
                return -ENOMEM;
        if (r >= 0)
                r = provider_finish(&call, "Query", p->desc.query(&call, list), error);
        return r < 0 ? r : provider_reply_dicts(m, list);
}

int provider_on_delete_snapshot(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        const char *snapshot;
        PROVIDER_CALL(call, p);
        int r = provider_enter(p, m, error);

        if (r >= 0)
                r = sd_bus_message_read(m, "s", &snapshot);
        if (r < 0)
                return r;
        r = check_id(snapshot, "a shadow copy", error);
        if (r < 0)
                return r;
        r = provider_finish(&call, "DeleteSnapshot", p->desc.delete_snapshot(&call, snapshot), error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

int provider_on_open_snapshot(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_(closep) int mount = -1;
        const char *snapshot;
        int writable;
        PROVIDER_CALL(call, p);
        int r = provider_enter(p, m, error);

        if (r >= 0)
                r = sd_bus_message_read(m, "sb", &snapshot, &writable);
        if (r < 0)
                return r;
        r = check_id(snapshot, "a shadow copy", error);
        if (r < 0)
                return r;
        r = provider_finish(&call, "OpenSnapshot", p->desc.open_snapshot(&call, snapshot, writable, &mount),
                            error);
        if (r < 0)
                return r;
        if (mount < 0)
                return bus_error_setf(error, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                      "provider %s answered OpenSnapshot without a mount", p->desc.name);
        return sd_bus_reply_method_return(m, "h", mount);
}

/* The optional calls */

int provider_on_set_snapshot_property(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *properties = NULL;
        const char *snapshot;
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, p->desc.set_snapshot_property, error);

        if (r >= 0)
                r = sd_bus_message_read(m, "s", &snapshot);
        if (r >= 0)
                r = check_id(snapshot, "a shadow copy", error);
        if (r >= 0)
                r = marshal_read_dict(m, &properties);
        if (r >= 0)
                r = provider_finish(&call, "SetSnapshotProperty",
                                    p->desc.set_snapshot_property(&call, snapshot, properties), error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

/* A set whose copies are there, as far as this process knows. */
static int read_set(Provider *p, sd_bus_message *m, const char **ret_id, sd_bus_error *error) {
        const Set *set;
        int r = sd_bus_message_read(m, "s", ret_id);

        if (r >= 0)
                r = check_id(*ret_id, "a set", error);
        if (r < 0)
                return r;
        set = provider_find_set(p, *ret_id);
        return set && !provider_state_has_copies(set->state)
                       ? bus_error_setf(error, VSS_E_PROVIDER_VETO, "%s came before %s for set %s",
                                        sd_bus_message_get_member(m),
                                        provider_step_name(provider_state_expects(set->state)), *ret_id)
                       : 0;
}

int provider_on_get_target_luns(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *luns = vss_value_new_dict();
        const char *set;
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, p->desc.get_target_luns, error);

        if (r >= 0)
                r = read_set(p, m, &set, error);
        if (r >= 0)
                r = luns ? provider_finish(&call, "GetTargetLuns", p->desc.get_target_luns(&call, set, luns),
                                           error)
                         : -ENOMEM;
        return r < 0 ? r : provider_reply_dict(m, luns);
}

int provider_on_import_snapshots(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *set = NULL, *result = vss_value_new_dict();
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, p->desc.import_snapshots, error);

        if (r >= 0)
                r = marshal_read_dict(m, &set);
        if (r >= 0 && (!value_require(result, "imported", VSS_KIND_LIST) ||
                       !value_require(result, "failed", VSS_KIND_LIST)))
                r = -ENOMEM;
        if (r >= 0)
                r = provider_finish(&call, "ImportSnapshots", p->desc.import_snapshots(&call, set, result),
                                    error);
        return r < 0 ? r : provider_reply_dict(m, result);
}

int provider_on_break_snapshot_set(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        const char *set;
        uint32_t flags;
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, p->desc.break_snapshot_set, error);

        if (r >= 0)
                r = read_set(p, m, &set, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "u", &flags);
        if (r >= 0 && provider_find_set(p, set))
                r = bus_error_setf(error, VSS_E_PROVIDER_VETO, "set %s is not finished", set);
        if (r >= 0)
                r = provider_finish(&call, "BreakSnapshotSet", p->desc.break_snapshot_set(&call, set, flags),
                                    error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

int provider_on_revert_to_snapshot(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        const char *snapshot;
        int force;
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, p->desc.revert_to_snapshot, error);

        if (r >= 0)
                r = sd_bus_message_read(m, "sb", &snapshot, &force);
        if (r >= 0)
                r = check_id(snapshot, "a shadow copy", error);
        if (r >= 0)
                r = provider_finish(&call, "RevertToSnapshot",
                                    p->desc.revert_to_snapshot(&call, snapshot, force), error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

int provider_on_query_revert_status(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *dict = NULL, *status = vss_value_new_dict();
        struct vss_volume volume;
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, p->desc.query_revert_status, error);

        if (r >= 0)
                r = provider_read_volume(m, false, &dict, &volume);
        if (r >= 0)
                r = status ? provider_finish(&call, "QueryRevertStatus",
                                             p->desc.query_revert_status(&call, &volume, status), error)
                           : -ENOMEM;
        return r < 0 ? r : provider_reply_dict(m, status);
}

int provider_on_resync_snapshots(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *request = NULL;
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, p->desc.resync_snapshots, error);

        if (r >= 0)
                r = marshal_read_dict(m, &request);
        if (r >= 0)
                r = provider_finish(&call, "ResyncSnapshots", p->desc.resync_snapshots(&call, request),
                                    error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}
