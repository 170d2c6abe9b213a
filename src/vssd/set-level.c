/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a set has become: facts gathered for the rule of model/level.h, and its verdict told
 */

#include <string.h>
#include "model/component.h"
#include "vssd/mounts.h"
#include "vssd/set.h"

/* Components of all writers with what the rule wants to know of each. */
typedef struct Gathering {
        const Set *set;
        vss_value *told;            /* list of {writer, logical-path, name, level, reason} */
        vss_value *missing_volumes; /* list of {volume, components} */
        LevelComponent *components;
        size_t (*volumes)[VSS_VOLUMES_MAX];
        char (*missing)[LEVEL_REASON_SIZE];
        size_t n, allocated;
} Gathering;

static void gathering_clear(Gathering *gathering) {
        free(gathering->components);
        free(gathering->volumes);
        free(gathering->missing);
}

static void count(void *userdata, const SetWriter *writer, const vss_value *component) {
        (*(size_t *)userdata)++;
}

static void add_volume(LevelComponent *component, size_t *volumes, size_t index) {
        for (size_t i = 0; i < component->n_volumes; i++)
                if (volumes[i] == index)
                        return;
        volumes[component->n_volumes++] = index;
}

void set_tell_missing(vss_value *list, const char *path, const Participant *writer,
                      const vss_value *component) {
        vss_value *volume = NULL, *components, *told;
        const vss_value *last;

        for (size_t i = 0; i < vss_value_count(list) && !volume; i++) {
                volume = value_at_mutable(list, i);
                if (strcmp(vss_value_get_string(volume, "volume", ""), path) != 0)
                        volume = NULL;
        }
        if (!volume) {
                vss_value *added = vss_value_new_dict();

                (void)vss_value_set_string(added, "volume", path);
                if (vss_value_append(list, added) >= 0)
                        volume = added;
        }
        components = value_require(volume, "components", VSS_KIND_LIST);
        /* Components come one after the other. */
        last = vss_value_at(components, vss_value_count(components) - 1);
        if (last && component_is(last, component_logical_path(component), component_name(component)) &&
            strcmp(vss_value_get_string(last, "writer", ""), writer->name) == 0)
                return;
        told = vss_value_new_dict();
        (void)vss_value_set_string(told, "writer", writer->name);
        (void)vss_value_set_string(told, "logical-path", component_logical_path(component));
        (void)vss_value_set_string(told, "name", component_name(component));
        (void)vss_value_append(components, told);
}

static void note_missing(Gathering *gathering, const SetWriter *writer, const vss_value *component,
                         const vss_value *file) {
        char *missing = gathering->missing[gathering->n];
        bool elsewhere = *vss_value_get_string(file, "alternate-path", "");
        const char *path = vss_value_get_string(file, elsewhere ? "alternate-path" : "path", "");
        const char *volume = vss_value_get_string(file, elsewhere ? "alternate-volume" : "volume", "");
        size_t used = strlen(missing);
        char label[LEVEL_REASON_SIZE];

        (void)snprintf(label, sizeof(label), "%s (volume %s)", path, volume);
        if (strstr(missing, label))
                return;
        (void)snprintf(missing + used, LEVEL_REASON_SIZE - used, "%s%s", used ? ", " : "", label);
        set_tell_missing(gathering->missing_volumes, volume, writer->participant, component);
}

static void locate_files(Gathering *gathering, LevelComponent *level, const SetWriter *writer,
                         const vss_value *component) {
        const vss_value *files = vss_value_get(component, "files");
        size_t *volumes = gathering->volumes[gathering->n];
        char *missing = gathering->missing[gathering->n];

        level->volumes = volumes;
        for (size_t i = 0; i < vss_value_count(files); i++) {
                const vss_value *file = vss_value_at(files, i);
                SetVolume *volume = set_find_files(gathering->set, file);

                if (volume)
                        add_volume(level, volumes, (size_t)(volume - gathering->set->volumes));
                else if (set_needs_files(gathering->set, writer, file))
                        note_missing(gathering, writer, component, file);
        }
        level->missing = *missing ? missing : NULL;
}

/* A component's own failure, if its writer told one. */
static const vss_value *own_failure(const SetWriter *writer, const vss_value *component) {
        return component_find(writer->failed, component_logical_path(component), component_name(component));
}

/* After Thaw its data was at rest; what it says then counts still: a copy that was to be repaired was not.
 */
static const char *vetoed_late(const SetWriter *writer) {
        return writer->failure.code < 0 && writer->state == VSS_WS_FAILED_AT_POST_SNAPSHOT
                       ? failure_message(&writer->failure)
                       : NULL;
}

static void gather(void *userdata, const SetWriter *writer, const vss_value *component) {
        Gathering *gathering = userdata;
        LevelComponent *level = &gathering->components[gathering->n];
        const vss_value *failed = own_failure(writer, component);
        vss_value *told = vss_value_new_dict();

        *level = (LevelComponent){
                .writer = writer->participant->name,
                .writer_frozen = writer->was_frozen || writer->participant->express,
                .writer_failure = writer->failure.code < 0 ? failure_message(&writer->failure) : NULL,
                .failure = failed ? vss_value_get_string(failed, "message", "it failed")
                                  : vetoed_late(writer),
                .crash_only = vss_value_get_string(component, "crash-only", NULL),
                .needs_one_instant = vss_value_get_boolean(component, "needs-one-instant", false),
        };
        if (level->crash_only && !*level->crash_only)
                level->crash_only = NULL;
        if (writer->participant->express)
                level->crash_only = "it is described by a document alone, and nobody holds its files";
        locate_files(gathering, level, writer, component);
        gathering->n++;

        (void)vss_value_set_string(told, "writer", writer->participant->name);
        (void)vss_value_set_string(told, "logical-path",
                                   vss_value_get_string(component, "logical-path", ""));
        (void)vss_value_set_string(told, "name", vss_value_get_string(component, "name", ""));
        if (failed)
                (void)vss_value_set_integer(told, "code",
                                            vss_value_get_integer(failed, "code", VSS_E_UNEXPECTED));
        else if (writer->failure.code < 0)
                (void)vss_value_set_integer(told, "code", writer->failure.code);
        else if (level->missing)
                (void)vss_value_set_integer(told, "code", VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT);
        if (vss_value_get(failed, "application-code"))
                (void)vss_value_set_integer(told, "application-code",
                                            vss_value_get_integer(failed, "application-code", 0));
        (void)vss_value_append(gathering->told, told);
}

static int gather_components(const Set *set, Gathering *gathering) {
        for (size_t i = 0; i < set->n_writers; i++)
                if (set->writers[i].takes_part)
                        set_each_component(set, &set->writers[i], count, &gathering->allocated);
        gathering->components = calloc(gathering->allocated + 1, sizeof(*gathering->components));
        gathering->volumes = calloc(gathering->allocated + 1, sizeof(*gathering->volumes));
        gathering->missing = calloc(gathering->allocated + 1, sizeof(*gathering->missing));
        if (!gathering->components || !gathering->volumes || !gathering->missing || !gathering->told)
                return -ENOMEM;
        for (size_t i = 0; i < set->n_writers; i++)
                if (set->writers[i].takes_part)
                        set_each_component(set, &set->writers[i], gather, gathering);
        return 0;
}

static void tell_volumes(Set *set, const LevelVolume *levels, vss_value *result) {
        vss_value *list = value_require(result, "snapshots", VSS_KIND_LIST);

        for (size_t i = 0; i < set->n_volumes; i++) {
                SetVolume *volume = &set->volumes[i];
                char device[256];

                mounts_device_object(volume->id, device, sizeof(device));
                (void)vss_value_set_string(volume->properties, "level", vss_level_name(levels[i].level));
                (void)vss_value_set_string(volume->properties, "reason", levels[i].reason);
                (void)vss_value_set_string(volume->properties, "device-object",
                                           volume->attached ? device : "");
                value_make_utf8(volume->properties); /* reasons may have been cut */
                (void)vss_value_append(list, vss_value_copy(volume->properties));
        }
}

/* A writer stands as well as the worst of its components. */
static void tell_writers(Set *set, const Gathering *gathering, vss_value *result) {
        _cleanup_value_ vss_value *status = set_writer_status(set);
        vss_value *list = value_require(result, "writers", VSS_KIND_LIST);

        for (size_t i = 0; i < vss_value_count(status); i++) {
                vss_value *writer = value_at_mutable(status, i);
                enum vss_level level = VSS_LEVEL_APPLICATION;
                const char *reason = "";

                if (!vss_value_get_boolean(writer, "takes-part", false))
                        continue;
                for (size_t k = 0; k < gathering->n; k++)
                        if (strcmp(gathering->components[k].writer,
                                   vss_value_get_string(writer, "name", "")) == 0 &&
                            gathering->components[k].level < level) {
                                level = gathering->components[k].level;
                                reason = gathering->components[k].reason;
                        }
                (void)vss_value_set_string(writer, "level", vss_level_name(level));
                (void)vss_value_set_string(writer, "reason", reason);
                (void)vss_value_append(list, vss_value_copy(writer));
        }
}

/* Where a writer could not be heard, nobody knows whether its application's files are on these volumes: then
 * the set as a whole is what its volumes are. Who chose components has said what matters. */
static enum vss_level cap_level(const Set *set, const LevelVolume *volumes, enum vss_level level,
                                vss_value *result) {
        if (!set->unheard || set->select_components || level != VSS_LEVEL_APPLICATION)
                return level;
        (void)vss_value_set_string(result, "reason", set->unheard);
        for (size_t i = 0; i < set->n_volumes; i++)
                level = MIN(level, volumes[i].level);
        return level;
}

enum vss_level set_judge(Set *set, vss_value *result) {
        LevelVolume volumes[VSS_VOLUMES_MAX];
        Gathering gathering = { .set = set,
                                .told = vss_value_new_list(),
                                .missing_volumes = value_require(result, "missing-volumes", VSS_KIND_LIST) };
        enum vss_level level = VSS_LEVEL_NONE;

        for (size_t i = 0; i < set->n_volumes; i++)
                volumes[i] = (LevelVolume){
                        .name = set->volumes[i].volume->path,
                        .no_copy = set->volumes[i].no_copy,
                        .hold = set->volumes[i].hold,
                        .held = set->volumes[i].target >= 0 && !set->volumes[i].broken,
                        .hold_broken = set->volumes[i].broken,
                        .scope = set->volumes[i].scope,
                        .only_components = set->volumes[i].only_components,
                        .instant = set->volumes[i].instant,
                };
        if (gather_components(set, &gathering) >= 0) {
                level = level_decide(volumes, set->n_volumes, gathering.components, gathering.n);
                level = cap_level(set, volumes, level, result);
                for (size_t i = 0; i < gathering.n; i++) {
                        vss_value *told = value_at_mutable(gathering.told, i);

                        (void)vss_value_set_string(told, "level",
                                                   vss_level_name(gathering.components[i].level));
                        (void)vss_value_set_string(told, "reason", gathering.components[i].reason);
                }
                tell_volumes(set, volumes, result);
                tell_writers(set, &gathering, result);
        }
        value_make_utf8(gathering.told);
        (void)vss_value_set(result, "components", gathering.told);
        (void)vss_value_set_string(result, "level", vss_level_name(level));
        (void)vss_value_set_string(result, "set", set->id);
        gathering_clear(&gathering);
        return level;
}
