/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Making a set: what providers say at the end of prepare and at the end
 *
 * What is to be done while a device is suspended comes from providers and goes to the hold. It is believed
 * only of devices that the volumes concerned are mounted from.
 */

#include <linuxvss/provider.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "vssd/set-run-internal.h"

/* What one call can have suspended, and the directories of one shadow copy that are hidden. */
enum { SUSPENSIONS_MAX = 256, HIDDEN_MAX = 16 };

static bool is_of(const SetVolume *volume, const Participant *provider) {
        return strcmp(volume->provider->bus_name, provider->bus_name) == 0;
}

static SetVolume *find_own(SetRun *run, const Participant *provider, const char *id) {
        SetVolume *volume = set_find_snapshot(run->set, id);

        return volume && is_of(volume, provider) ? volume : NULL;
}

static bool refuse_cut(SetRun *run, const Participant *provider, const char *of, const char *why) {
        failure_set_first(&run->failure, VSS_E_UNEXPECTED_PROVIDER_ERROR, provider->name,
                          "%s handed over a cut of %s that cannot be made: %s.", provider->name, of, why);
        return false;
}

static bool take_cut(SetRun *run, const Participant *provider, const vss_value *entry) {
        const char *id = vss_value_get_string(entry, "snapshot", "");
        SetVolume *volume = find_own(run, provider, id);
        char why[CUT_TEXT_SIZE] = "";
        uint64_t mounted;

        if (!volume)
                return refuse_cut(run, provider, id, "it makes no such shadow copy in this set");
        if (volume->hold != VSS_HOLD_DEVICE)
                return refuse_cut(run, provider, volume->volume->path, "it asked for no hold of its device");
        if (volume->cut.device)
                return refuse_cut(run, provider, volume->volume->path, "it comes twice");
        if (cut_parse(entry, &volume->cut, why) < 0)
                return refuse_cut(run, provider, volume->volume->path, why);
        mounted = (uint64_t)vss_value_get_integer(volume->volume->facts, "superblock", 0);
        if (volume->cut.device == mounted)
                return true;
        (void)snprintf(why, sizeof(why), "it suspends %u:%u, and the volume is mounted from %u:%u",
                       major(volume->cut.device), minor(volume->cut.device), major(mounted), minor(mounted));
        return refuse_cut(run, provider, volume->volume->path, why);
}

/* Several volumes of one device are one target of the hold. */
static bool check_room(SetRun *run, const Participant *provider, const SetVolume *volume) {
        size_t n = 0;

        for (size_t i = 0; i < run->set->n_volumes; i++)
                if (run->set->volumes[i].cut.device == volume->cut.device)
                        n += run->set->volumes[i].cut.n;
        return n <= VSS_PROVIDER_OPERATIONS_MAX ||
               refuse_cut(run, provider, volume->volume->path,
                          "its device has more operations than there may be");
}

bool set_run_take_cuts(SetRun *run, const Participant *provider, const vss_value *results) {
        const vss_value *cuts = vss_value_get(results, "cut");

        for (size_t i = 0; i < vss_value_count(cuts); i++)
                if (!take_cut(run, provider, vss_value_at(cuts, i)))
                        return false;
        for (size_t i = 0; i < run->set->n_volumes; i++) {
                const SetVolume *volume = &run->set->volumes[i];

                if (volume->hold != VSS_HOLD_DEVICE || !is_of(volume, provider))
                        continue;
                if (!volume->cut.device) {
                        failure_set_first(&run->failure, VSS_E_UNEXPECTED_PROVIDER_ERROR, provider->name,
                                          "%s asked for a hold of the device of %s, and handed over no cut.",
                                          provider->name, volume->volume->path);
                        return false;
                }
                if (!check_room(run, provider, volume))
                        return false;
        }
        return true;
}

/* A list of paths below the root of the copy. That they are no more is seen to when they are opened. */
static bool is_hidden_list(const vss_value *list) {
        if (vss_value_kind(list) != VSS_KIND_LIST || vss_value_count(list) > HIDDEN_MAX)
                return false;
        for (size_t i = 0; i < vss_value_count(list); i++)
                if (!*vss_value_string(vss_value_at(list, i), ""))
                        return false;
        return true;
}

void set_run_take_properties(SetRun *run, const Participant *provider, const vss_value *results) {
        const vss_value *all = vss_value_get(results, "properties");

        for (size_t i = 0; i < vss_value_count(all); i++) {
                const char *id = vss_value_key_at(all, i);
                SetVolume *volume = find_own(run, provider, id);
                const vss_value *properties = vss_value_get(all, id);
                const char *device = vss_value_get_string(properties, "block-device", "");
                const vss_value *hidden = vss_value_get(properties, "hidden");

                if (!volume)
                        continue;
                if (strncmp(device, "/dev/", 5) == 0)
                        (void)vss_value_set_string(volume->properties, "block-device", device);
                if (is_hidden_list(hidden))
                        (void)vss_value_set(volume->properties, "hidden", vss_value_copy(hidden));
        }
}

void set_run_note_suspended(SetRun *run, const char *what, uint64_t began, uint64_t took, const char *why) {
        vss_value *entry = vss_value_new_dict();

        (void)vss_value_set_string(entry, "step", "suspended");
        (void)vss_value_set_string(entry, "who", what);
        (void)vss_value_set_string(entry, "why", why);
        (void)vss_value_set_integer(entry, "at-usec", (int64_t)(began - run->began_usec));
        (void)vss_value_set_integer(entry, "took-usec", (int64_t)took);
        (void)vss_value_set_integer(entry, "code", VSS_S_OK);
        (void)vss_value_append(value_require(run->result, "timeline", VSS_KIND_LIST), entry);
}

void set_run_note_suspensions(SetRun *run, const CallAnswer *answer, const vss_value *results) {
        const vss_value *list = vss_value_get(results, "suspended");

        for (size_t i = 0; i < MIN(vss_value_count(list), (size_t)SUSPENSIONS_MAX); i++) {
                const vss_value *one = vss_value_at(list, i);
                int64_t took = vss_value_get_integer(one, "usec", 0);
                _cleanup_(freep) char *why = NULL;

                if (asprintf(&why, "%s: %s", answer->participant->name,
                             vss_value_get_string(one, "why", "")) < 0)
                        why = NULL;
                set_run_note_suspended(run, vss_value_get_string(one, "what", "?"), answer->began_usec,
                                       (uint64_t)MAX(took, 0), why ?: "");
        }
}
