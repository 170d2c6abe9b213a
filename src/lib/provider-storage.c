/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The provider's main loop: difference areas, and devices that are set up before their volumes can be copied
 *
 * All optional.
 */

#include "lib/provider-internal.h"

typedef vss_result (*ListCall)(vss_provider_call *call, vss_value *list);

/* A call that lists what there is. */
static int answer_list(Provider *p, sd_bus_message *m, ListCall ask, sd_bus_error *error) {
        _cleanup_value_ vss_value *list = vss_value_new_list();
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, ask, error);

        if (r >= 0)
                r = list ? provider_finish(&call, sd_bus_message_get_member(m), ask(&call, list), error)
                         : -ENOMEM;
        return r < 0 ? r : provider_reply_dicts(m, list);
}

int provider_on_query_diff_areas(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;

        return answer_list(p, m, p->desc.query_diff_areas, error);
}

int provider_on_query_attached(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;

        return answer_list(p, m, p->desc.query_attached, error);
}

typedef vss_result (*DiffAreaCall)(vss_provider_call *call, const struct vss_volume *volume,
                                   const struct vss_volume *diff_volume, uint64_t maximum);

static int set_diff_area(Provider *p, sd_bus_message *m, DiffAreaCall set, sd_bus_error *error) {
        _cleanup_value_ vss_value *dict = NULL, *diff_dict = NULL;
        struct vss_volume volume, diff_volume;
        uint64_t maximum = 0;
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, set, error);

        if (r >= 0)
                r = provider_read_volume(m, true, &dict, &volume);
        if (r >= 0)
                r = provider_read_volume(m, true, &diff_dict, &diff_volume);
        if (r >= 0)
                r = sd_bus_message_read(m, "t", &maximum);
        if (r >= 0)
                r = provider_finish(&call, sd_bus_message_get_member(m),
                                    set(&call, &volume, &diff_volume, maximum), error);
        return r < 0 ? r : sd_bus_reply_method_return(m, "");
}

int provider_on_add_diff_area(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;

        return set_diff_area(p, m, p->desc.add_diff_area, error);
}

int provider_on_change_diff_area_maximum_size(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;

        return set_diff_area(p, m, p->desc.change_diff_area_maximum_size, error);
}

int provider_on_check_storage(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;
        _cleanup_value_ vss_value *results = vss_value_new_dict();
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, p->desc.check_storage, error);

        if (r >= 0)
                r = results ? provider_finish(&call, "CheckStorage", p->desc.check_storage(&call, results),
                                              error)
                            : -ENOMEM;
        return r < 0 ? r : provider_reply_dict(m, results);
}

typedef vss_result (*DeviceCall)(vss_provider_call *call, const char *device, const vss_value *options,
                                 vss_value *result);

static int set_up_device(Provider *p, sd_bus_message *m, DeviceCall set_up, sd_bus_error *error) {
        _cleanup_value_ vss_value *options = NULL, *result = vss_value_new_dict();
        const char *device = NULL;
        PROVIDER_CALL(call, p);
        int r = provider_enter_optional(p, m, set_up, error);

        if (r >= 0)
                r = sd_bus_message_read(m, "s", &device);
        if (r >= 0)
                r = marshal_read_dict(m, &options);
        if (r >= 0)
                r = result ? provider_finish(&call, sd_bus_message_get_member(m),
                                             set_up(&call, device, options, result), error)
                           : -ENOMEM;
        return r < 0 ? r : provider_reply_dict(m, result);
}

int provider_on_attach_device(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;

        return set_up_device(p, m, p->desc.attach_device, error);
}

int provider_on_detach_device(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Provider *p = userdata;

        return set_up_device(p, m, p->desc.detach_device, error);
}
