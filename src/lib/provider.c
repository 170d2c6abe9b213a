/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The provider's main loop: calls of the service become calls of the table, in their order
 *
 * One door for all of them: who may call, whether it is the set's turn (model/provider-state.h), and whether
 * the provider answers only what the contract lets it. Nothing is written to standard error while a set of
 * this provider is between EndPrepare and PostCommit; what there is to say is kept until then.
 */

#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include "bus/names.h"
#include "lib/provider-internal.h"
#include "model/id.h"
#include "model/provider-result.h"

void provider_call_done(vss_provider_call *call) {
        free(call->message);
}

void *vss_provider_call_userdata(const vss_provider_call *call) {
        return call ? call->provider->userdata : NULL;
}

vss_result vss_provider_call_fail(vss_provider_call *call, vss_result code, const char *format, ...) {
        char *text = NULL;
        va_list args;

        if (!call || !format)
                return code;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        free(call->message);
        call->message = text_make_utf8(text);
        return code;
}

Set *provider_find_set(Provider *p, const char *id) {
        for (size_t i = 0; i < p->n_sets; i++)
                if (strcmp(p->sets[i].id, id) == 0)
                        return &p->sets[i];
        return NULL;
}

static void forget_set(Provider *p, const char *id) {
        Set *set = provider_find_set(p, id);

        if (set)
                *set = p->sets[--p->n_sets];
}

Set *provider_find_critical(Provider *p) {
        for (size_t i = 0; i < p->n_sets; i++)
                if (provider_state_is_critical(p->sets[i].state))
                        return &p->sets[i];
        return NULL;
}

static void say_now(Provider *p) {
        if (p->unsaid && !provider_find_critical(p)) {
                fprintf(stderr, "provider %s: %s\n", p->desc.name, p->unsaid);
                free(TAKE_PTR(p->unsaid));
        }
}

/* The last thing wins: it is a line or two in the worst case. */
static _printf_(2, 3) void say(Provider *p, const char *format, ...) {
        char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        free(p->unsaid);
        p->unsaid = text;
        say_now(p);
}

static void abort_set(Provider *p, const char *id, const char *reason) {
        PROVIDER_CALL(call, p);
        char copy[VSS_ID_SIZE];

        (void)snprintf(copy, sizeof(copy), "%s", id);
        p->desc.abort_snapshots(&call, copy);
        forget_set(p, copy);
        if (reason)
                say(p, "aborted set %s: %s", copy, reason);
        say_now(p);
}

static void provider_let_go(void *userdata, const char *reason) {
        Provider *p = userdata;

        while (p->n_sets > 0)
                abort_set(p, p->sets[0].id, reason);
}

static bool provider_is_busy(void *userdata) {
        const Provider *p = userdata;

        return p->n_sets > 0;
}

int provider_finish(vss_provider_call *call, const char *member, vss_result result, sd_bus_error *error) {
        Provider *p = call->provider;

        if (!provider_may_answer(member, result)) {
                say(p, "%s answered %s, which it must not: %s", member, vss_result_name(result),
                    call->message ?: vss_result_text(result));
                return bus_error_setf(error, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                      "provider %s answered %s to %s, which it must not: %s", p->desc.name,
                                      vss_result_name(result), member,
                                      call->message ?: vss_result_text(result));
        }
        if (result < 0)
                return bus_error_setf(error, result, "%s", call->message ?: vss_result_text(result));
        return 0;
}

int provider_enter(Provider *p, sd_bus_message *m, sd_bus_error *error) {
        participant_touch(&p->participant);
        return participant_check_sender(&p->participant, m, SENDER_SERVICE_OR_ROOT_WITHOUT, error);
}

int provider_reply_dict(sd_bus_message *m, const vss_value *dict) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = marshal_append_dict(reply, dict);
        return r < 0 ? r : sd_bus_message_send(reply);
}

int provider_reply_dicts(sd_bus_message *m, const vss_value *list) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(m, &reply);

        if (r >= 0)
                r = marshal_append_dicts(reply, list);
        return r < 0 ? r : sd_bus_message_send(reply);
}

int provider_read_volume(sd_bus_message *m, bool with_fd, vss_value **ret_dict,
                         struct vss_volume *ret_volume) {
        _cleanup_value_ vss_value *dict = NULL;
        int fd = -1, r = marshal_read_dict(m, &dict);

        if (r >= 0 && with_fd)
                r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;
        *ret_volume = (struct vss_volume){
                .size = sizeof(*ret_volume),
                .fd = fd,
                .path = vss_value_get_string(dict, "path", ""),
                .mount_point = vss_value_get_string(dict, "mount-point", ""),
                .mount_root = vss_value_get_string(dict, "mount-root", "/"),
                .source = vss_value_get_string(dict, "source", ""),
                .fs_type = vss_value_get_string(dict, "fs-type", ""),
                .device = (uint64_t)vss_value_get_integer(dict, "device", 0),
        };
        *ret_dict = TAKE_PTR(dict);
        return 0;
}

/* Is it the turn of @step for set @id? Return: 0 with its next state, or a negative errno with @error filled
 * in. */
static int check_step(Provider *p, const char *id, ProviderStep step, ProviderState *ret_next,
                      sd_bus_error *error) {
        Set *set, *other;

        if (!id_is_valid(id))
                return bus_error_setf(error, VSS_E_INVALIDARG, "\"%s\" is no identity of a set", id);
        set = provider_find_set(p, id);
        if (!provider_state_next(set ? set->state : PROVIDER_NONE, step, ret_next))
                return bus_error_setf(
                        error, VSS_E_PROVIDER_VETO, "%s came before %s for set %s", provider_step_name(step),
                        provider_step_name(provider_state_expects(set ? set->state : PROVIDER_NONE)), id);
        if (step != PROVIDER_BEGIN_PREPARE || set)
                return 0;

        other = provider_find_critical(p);
        if (other)
                return bus_error_setf(error, VSS_E_PROVIDER_VETO,
                                      "set %s waits for %s; finish or abort it before another one begins",
                                      other->id, provider_step_name(provider_state_expects(other->state)));
        for (size_t i = p->n_sets; i-- > 0;)
                if (p->sets[i].state == PROVIDER_PREPARING)
                        abort_set(p, p->sets[i].id, "another set was begun");
        if (p->n_sets >= SETS_MAX)
                return bus_error_setf(error, VSS_E_PROVIDER_VETO,
                                      "%u sets are under way, which is the limit", SETS_MAX);
        return 0;
}

/* Only sets under way are remembered. */
static void move_set(Provider *p, const char *id, ProviderState state) {
        Set *set = provider_find_set(p, id);

        if (!provider_state_is_under_way(state)) {
                forget_set(p, id);
                return;
        }
        if (!set) {
                set = &p->sets[p->n_sets++];
                (void)snprintf(set->id, sizeof(set->id), "%s", id);
        }
        set->state = state;
}

static int on_begin_prepare(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *dict = NULL, *properties = NULL;
        const char *set, *snapshot;
        struct vss_volume volume;
        ProviderState next;
        PROVIDER_CALL(call, p);
        int r = provider_enter(p, m, error);

        if (r >= 0)
                r = sd_bus_message_read(m, "ss", &set, &snapshot);
        if (r >= 0)
                r = provider_read_volume(m, true, &dict, &volume);
        if (r >= 0)
                r = marshal_read_dict(m, &properties);
        if (r < 0)
                return r;
        if (!id_is_valid(snapshot))
                return bus_error_setf(error, VSS_E_INVALIDARG, "\"%s\" is no identity of a shadow copy",
                                      snapshot);
        r = check_step(p, set, PROVIDER_BEGIN_PREPARE, &next, error);
        if (r < 0)
                return r;
        r = provider_finish(&call, "BeginPrepareSnapshot",
                            p->desc.begin_prepare_snapshot(&call, set, snapshot, &volume, properties),
                            error);
        if (r < 0)
                return r;
        move_set(p, set, next);
        return sd_bus_reply_method_return(m, "");
}

static vss_result run_step(Provider *p, vss_provider_call *call, ProviderStep step, const char *set,
                           uint32_t count, vss_value *results) {
        const struct vss_provider *d = &p->desc;

        switch (step) {
        case PROVIDER_END_PREPARE:
                return d->end_prepare_snapshots ? d->end_prepare_snapshots(call, set, results) : VSS_S_OK;
        case PROVIDER_PRE_COMMIT:
                return d->pre_commit_snapshots ? d->pre_commit_snapshots(call, set) : VSS_S_OK;
        case PROVIDER_COMMIT:
                return d->commit_snapshots(call, set);
        case PROVIDER_POST_COMMIT:
                return d->post_commit_snapshots ? d->post_commit_snapshots(call, set, count) : VSS_S_OK;
        case PROVIDER_PRE_FINAL_COMMIT:
                return d->pre_final_commit_snapshots ? d->pre_final_commit_snapshots(call, set) : VSS_S_OK;
        case PROVIDER_POST_FINAL_COMMIT:
                return d->post_final_commit_snapshots ? d->post_final_commit_snapshots(call, set, results)
                                                      : VSS_S_OK;
        case PROVIDER_ABORT:
                d->abort_snapshots(call, set);
                return VSS_S_OK;
        default:
                return VSS_E_UNEXPECTED_PROVIDER_ERROR;
        }
}

/* All steps of a set but the first, by the name of the method. */
static int on_step(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        ProviderStep step = provider_step_from_name(sd_bus_message_get_member(m));
        ProviderState next;
        const char *set;
        uint32_t count = 0;
        PROVIDER_CALL(call, p);
        int r = provider_enter(p, m, error);

        if (r >= 0)
                r = sd_bus_message_read(m, "s", &set);
        if (r >= 0 && step == PROVIDER_POST_COMMIT)
                r = sd_bus_message_read(m, "u", &count);
        if (r >= 0)
                r = check_step(p, set, step, &next, error);
        if (r < 0)
                return r;
        if (!results)
                return -ENOMEM;

        r = provider_finish(&call, provider_step_name(step), run_step(p, &call, step, set, count, results),
                            error);
        if (r >= 0)
                move_set(p, set, next);
        say_now(p);
        if (r < 0)
                return r;
        return step == PROVIDER_END_PREPARE || step == PROVIDER_POST_FINAL_COMMIT
                       ? provider_reply_dict(m, results)
                       : sd_bus_reply_method_return(m, "");
}

#define STEP(member) \
        SD_BUS_METHOD_WITH_NAMES(member, "s", SD_BUS_PARAM(set), NULL, , on_step, SD_BUS_VTABLE_UNPRIVILEGED)
#define STEP_WITH_RESULTS(member)                                                                         \
        SD_BUS_METHOD_WITH_NAMES(member, "s", SD_BUS_PARAM(set), "a{sv}", SD_BUS_PARAM(results), on_step, \
                                 SD_BUS_VTABLE_UNPRIVILEGED)
#define OPTIONAL(member, in, in_params, out, out_params, handler) \
        SD_BUS_METHOD_WITH_NAMES(member, in, in_params, out, out_params, handler, SD_BUS_VTABLE_UNPRIVILEGED)
#define DIFF_AREA_PARAMS     \
        SD_BUS_PARAM(volume) \
        SD_BUS_PARAM(root) SD_BUS_PARAM(diff_volume) SD_BUS_PARAM(diff_root) SD_BUS_PARAM(maximum)

/* Who may call is checked by enter(): sd-bus's own check would ask the bus in the middle of a freeze. */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_NAMES("GetInfo", NULL, , "a{sv}", SD_BUS_PARAM(info), provider_on_get_info,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("IsVolumeSupported", "a{sv}h", SD_BUS_PARAM(volume) SD_BUS_PARAM(root),
                                 "a{sv}", SD_BUS_PARAM(support), provider_on_is_volume_supported,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("ListNestedVolumes", "a{sv}h", SD_BUS_PARAM(volume) SD_BUS_PARAM(root),
                                 "as", SD_BUS_PARAM(paths), provider_on_list_nested_volumes,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("BeginPrepareSnapshot", "ssa{sv}ha{sv}",
                                 SD_BUS_PARAM(set) SD_BUS_PARAM(snapshot) SD_BUS_PARAM(volume)
                                         SD_BUS_PARAM(root) SD_BUS_PARAM(properties),
                                 NULL, , on_begin_prepare, SD_BUS_VTABLE_UNPRIVILEGED),
        STEP_WITH_RESULTS("EndPrepareSnapshots"),
        STEP("PreCommitSnapshots"),
        STEP("CommitSnapshots"),
        SD_BUS_METHOD_WITH_NAMES("PostCommitSnapshots", "su", SD_BUS_PARAM(set) SD_BUS_PARAM(count), NULL, ,
                                 on_step, SD_BUS_VTABLE_UNPRIVILEGED),
        STEP("PreFinalCommitSnapshots"),
        STEP_WITH_RESULTS("PostFinalCommitSnapshots"),
        STEP("AbortSnapshots"),
        SD_BUS_METHOD_WITH_NAMES("Query", NULL, , "aa{sv}", SD_BUS_PARAM(snapshots), provider_on_query,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("DeleteSnapshot", "s", SD_BUS_PARAM(snapshot), NULL, ,
                                 provider_on_delete_snapshot, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("OpenSnapshot", "sb", SD_BUS_PARAM(snapshot) SD_BUS_PARAM(writable), "h",
                                 SD_BUS_PARAM(mount), provider_on_open_snapshot, SD_BUS_VTABLE_UNPRIVILEGED),
        OPTIONAL("SetSnapshotProperty", "sa{sv}", SD_BUS_PARAM(snapshot) SD_BUS_PARAM(properties), NULL, ,
                 provider_on_set_snapshot_property),
        OPTIONAL("GetTargetLuns", "s", SD_BUS_PARAM(set), "a{sv}", SD_BUS_PARAM(luns),
                 provider_on_get_target_luns),
        OPTIONAL("ImportSnapshots", "a{sv}", SD_BUS_PARAM(set), "a{sv}", SD_BUS_PARAM(result),
                 provider_on_import_snapshots),
        OPTIONAL("BreakSnapshotSet", "su", SD_BUS_PARAM(set) SD_BUS_PARAM(flags), NULL, ,
                 provider_on_break_snapshot_set),
        OPTIONAL("RevertToSnapshot", "sb", SD_BUS_PARAM(snapshot) SD_BUS_PARAM(force), NULL, ,
                 provider_on_revert_to_snapshot),
        OPTIONAL("QueryRevertStatus", "a{sv}", SD_BUS_PARAM(volume), "a{sv}", SD_BUS_PARAM(status),
                 provider_on_query_revert_status),
        OPTIONAL("ResyncSnapshots", "a{sv}", SD_BUS_PARAM(request), NULL, , provider_on_resync_snapshots),
        OPTIONAL("QueryDiffAreas", NULL, , "aa{sv}", SD_BUS_PARAM(areas), provider_on_query_diff_areas),
        OPTIONAL("AddDiffArea", "a{sv}ha{sv}ht", DIFF_AREA_PARAMS, NULL, , provider_on_add_diff_area),
        OPTIONAL("ChangeDiffAreaMaximumSize", "a{sv}ha{sv}ht", DIFF_AREA_PARAMS, NULL, ,
                 provider_on_change_diff_area_maximum_size),
        OPTIONAL("CheckStorage", NULL, , "a{sv}", SD_BUS_PARAM(results), provider_on_check_storage),
        OPTIONAL("AttachDevice", "sa{sv}", SD_BUS_PARAM(device) SD_BUS_PARAM(options), "a{sv}",
                 SD_BUS_PARAM(result), provider_on_attach_device),
        OPTIONAL("DetachDevice", "sa{sv}", SD_BUS_PARAM(device) SD_BUS_PARAM(options), "a{sv}",
                 SD_BUS_PARAM(result), provider_on_detach_device),
        OPTIONAL("QueryAttached", NULL, , "aa{sv}", SD_BUS_PARAM(devices), provider_on_query_attached),
        SD_BUS_VTABLE_END,
};

/* Return: 0, or an exit status after a message. */
static int check(const struct vss_provider *d) {
        const char *missing = !d->is_volume_supported      ? "is_volume_supported"
                              : !d->begin_prepare_snapshot ? "begin_prepare_snapshot"
                              : !d->commit_snapshots       ? "commit_snapshots"
                              : !d->abort_snapshots        ? "abort_snapshots"
                              : !d->query                  ? "query"
                              : !d->delete_snapshot        ? "delete_snapshot"
                              : !d->open_snapshot          ? "open_snapshot"
                                                           : NULL;

        if (!missing && (d->flags & VSS_PROVIDER_TRANSPORTABLE))
                missing = !d->get_target_luns    ? "get_target_luns"
                          : !d->import_snapshots ? "import_snapshots"
                                                 : NULL;
        if (!participant_name_is_valid(d->name))
                fprintf(stderr, "provider: \"%s\" is no name; letters, digits and '_' make one\n",
                        d->name ?: "");
        else if (!d->id || !d->id[0])
                fprintf(stderr, "provider %s: it has no id; give it a UUID that never changes\n", d->name);
        else if (d->holds == 0)
                fprintf(stderr,
                        "provider %s: holds is 0; name each hold it may ask for, also VSS_HOLD_NONE\n",
                        d->name);
        else if (missing)
                fprintf(stderr, "provider %s: the required call %s is missing\n", d->name, missing);
        else
                return 0;
        return 2;
}

int vss_provider_main(const struct vss_provider *provider, void *userdata) {
        Provider *p;
        int r;

        if (!provider) {
                fprintf(stderr, "provider: no descriptor\n");
                return 2;
        }
        r = participant_check_abi("provider", provider->abi, provider->size, VSS_PROVIDER_ABI,
                                  offsetof(struct vss_provider, list_nested_volumes));
        if (r != 0)
                return r;
        p = calloc(1, sizeof(*p));
        if (!p) {
                fprintf(stderr, "provider: out of memory\n");
                return EXIT_FAILURE;
        }

        memcpy(&p->desc, provider, MIN((size_t)provider->size, sizeof(p->desc)));
        p->userdata = userdata;
        r = check(&p->desc);
        if (r == 0) {
                p->participant = (Participant){
                        .kind = "provider",
                        .name = p->desc.name,
                        .prefix = BUS_PROVIDER_PREFIX,
                        .path = BUS_PROVIDER_PATH,
                        .interface = BUS_PROVIDER,
                        .vtable = vtable,
                        .userdata = p,
                        .let_go = provider_let_go,
                        .is_busy = provider_is_busy,
                };
                r = participant_run(&p->participant);
        }
        free(p->unsaid);
        free(p);
        return r;
}
