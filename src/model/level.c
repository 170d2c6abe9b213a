/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The consistency that was reached
 *
 * Volumes that are known to share an instant form a group: those that were held together, those a provider
 * proved it of, and, through a volume that is both, the two together. One volume alone has nobody to share
 * an instant with, so a group counts from two volumes on, or when only one of the set has a copy.
 */

#include <assert.h>
#include <stdarg.h>
#include <string.h>
#include "model/level.h"
#include "util/macro.h"

/* Of each volume the first one of its group; itself, if it shares its instant with none. */
typedef struct Groups {
        size_t first[VSS_VOLUMES_MAX];
        size_t best; /* first volume of the group that counts; NO_GROUP if none does */
        size_t copies;
} Groups;

#define NO_GROUP VSS_VOLUMES_MAX

/* Cuts off what is left of a character that did not fit: the bus takes whole ones only. */
static void trim_character(char *text) {
        size_t n = strlen(text), start = n;

        while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
                start--;
        if (start > 0 && (unsigned char)text[start - 1] >= 0xc0)
                text[start - 1] = '\0';
}

/* Adds a reason; several are parted by "; ". */
static void add_reason(char reason[LEVEL_REASON_SIZE], const char *format, ...) _printf_(2, 3);
static void add_reason(char reason[LEVEL_REASON_SIZE], const char *format, ...) {
        size_t n = strlen(reason);
        va_list args;
        int k;

        if (n > 0 && n + 2 < LEVEL_REASON_SIZE) {
                memcpy(reason + n, "; ", sizeof("; "));
                n += 2;
        }
        va_start(args, format);
        k = vsnprintf(reason + n, LEVEL_REASON_SIZE - n, format, args);
        va_end(args);
        if (k >= 0 && (size_t)k >= LEVEL_REASON_SIZE - n)
                trim_character(reason);
}

/* Has the provider left the standing still to FIFREEZE or a suspend? */
static bool needs_hold(const LevelVolume *v) {
        return v->hold == VSS_HOLD_FILESYSTEM || v->hold == VSS_HOLD_DEVICE;
}

/* File after file, and not shown to have stood still meanwhile. */
static bool is_torn(const LevelVolume *v) {
        return v->scope == VSS_ATOMIC_FILE && v->instant == 0 && !v->no_copy;
}

static bool share_instant(const LevelVolume *a, const LevelVolume *b) {
        if (a->no_copy || b->no_copy)
                return false;
        if (needs_hold(a) && a->held && needs_hold(b) && b->held)
                return true;
        return a->instant > 0 && a->instant == b->instant;
}

static size_t group_size(const Groups *groups, size_t n, size_t first) {
        size_t size = 0;

        for (size_t i = 0; i < n; i++)
                size += groups->first[i] == first;
        return size;
}

static void merge_groups(Groups *groups, size_t n, size_t a, size_t b) {
        size_t from = MAX(groups->first[a], groups->first[b]), to = MIN(groups->first[a], groups->first[b]);

        for (size_t i = 0; i < n; i++)
                if (groups->first[i] == from)
                        groups->first[i] = to;
}

static void find_groups(const LevelVolume *volumes, size_t n, Groups *ret_groups) {
        Groups groups = { .best = NO_GROUP };
        size_t best_size = 1;

        for (size_t i = 0; i < n; i++) {
                groups.first[i] = i;
                groups.copies += !volumes[i].no_copy;
        }
        for (size_t i = 0; i < n; i++)
                for (size_t j = i + 1; j < n; j++)
                        if (share_instant(&volumes[i], &volumes[j]))
                                merge_groups(&groups, n, i, j);
        for (size_t i = 0; i < n; i++) {
                size_t size = group_size(&groups, n, i);

                if (size > best_size) {
                        groups.best = i;
                        best_size = size;
                }
        }
        *ret_groups = groups;
}

/* Why volume @index, which has a copy, is not of the group that counts. */
static void explain_volume(LevelVolume *volumes, size_t n, const Groups *groups, size_t index) {
        LevelVolume *v = &volumes[index];

        if (needs_hold(v) && !v->held)
                add_reason(v->reason, "%s did not stand still until all volumes were cut: %s", v->name,
                           v->hold_broken ?: "its hold was not reported to have lasted");
        else if (groups->best != NO_GROUP && group_size(groups, n, groups->first[index]) > 1)
                add_reason(v->reason, "%s was cut at another instant than %s and those of its group",
                           v->name, volumes[groups->best].name);
        else if (needs_hold(v) || v->instant > 0)
                add_reason(v->reason, "no other volume of the set is known to share the instant of %s",
                           v->name);
        else
                add_reason(v->reason, "nothing proves that %s was cut at one instant with the other volumes",
                           v->name);
}

static void decide_volume(LevelVolume *volumes, size_t n, const Groups *groups, size_t index) {
        LevelVolume *v = &volumes[index];
        /* One copy is an instant by itself, unless what it needed for that did not last. */
        bool alone = groups->copies == 1 && (!needs_hold(v) || v->held || v->instant > 0);

        v->reason[0] = '\0';
        if (v->no_copy) {
                v->level = VSS_LEVEL_NONE;
                add_reason(v->reason, "%s has no shadow copy: its provider copies nothing", v->name);
        } else if (is_torn(v)) {
                v->level = VSS_LEVEL_NONE;
                add_reason(v->reason,
                           "the files of %s are copied one after the other, and some may change meanwhile",
                           v->name);
        } else if (alone || groups->first[index] == groups->best)
                v->level = VSS_LEVEL_GROUP;
        else {
                v->level = VSS_LEVEL_VOLUME;
                explain_volume(volumes, n, groups, index);
        }
}

/* The volume of @c with the least level (the first of several); NULL if it has none. */
static const LevelVolume *least_volume(const LevelVolume *volumes, const LevelComponent *c) {
        const LevelVolume *least = NULL;

        for (size_t i = 0; i < c->n_volumes; i++)
                if (!least || volumes[c->volumes[i]].level < least->level)
                        least = &volumes[c->volumes[i]];
        return least;
}

/* NULL, or one that has no copy at all. */
static const LevelVolume *uncopied_volume(const LevelVolume *volumes, const LevelComponent *c) {
        for (size_t i = 0; i < c->n_volumes; i++)
                if (volumes[c->volumes[i]].no_copy)
                        return &volumes[c->volumes[i]];
        return NULL;
}

static bool is_one_instant(const LevelVolume *volumes, const Groups *groups, const LevelComponent *c) {
        for (size_t i = 0; i < c->n_volumes; i++)
                if (groups->first[c->volumes[i]] != groups->first[c->volumes[0]] || is_torn(&volumes[c->volumes[i]]))
                        return false;
        return true;
}

/* Why the writer does not vouch for @c; leaves the reason empty if it does. */
static void explain_writer(LevelComponent *c) {
        if (c->failure)
                add_reason(c->reason, "writer %s failed for it: %s", c->writer, c->failure);
        if (!c->writer_frozen)
                add_reason(c->reason, "writer %s did not hold it from Freeze to Thaw: %s", c->writer,
                           c->writer_failure ?: "it did not answer Freeze");
        if (c->crash_only)
                add_reason(c->reason, "writer %s says it can only be crash-consistent: %s", c->writer,
                           c->crash_only);
}

static bool volumes_valid(const LevelComponent *c, size_t n) {
        for (size_t i = 0; i < c->n_volumes; i++)
                if (c->volumes[i] >= n)
                        return false;
        return true;
}

static void decide_component(const LevelVolume *volumes, size_t n, const Groups *groups, LevelComponent *c) {
        const LevelVolume *least, *uncopied;

        c->level = VSS_LEVEL_NONE;
        c->reason[0] = '\0';
        if (c->missing) {
                add_reason(c->reason, "files of it are on no volume of the set: %s", c->missing);
                return;
        }
        if (!volumes_valid(c, n)) {
                add_reason(c->reason, "it names a volume that is not of the set");
                return;
        }
        uncopied = uncopied_volume(volumes, c);
        if (uncopied) {
                add_reason(c->reason, "%s", uncopied->reason);
                return;
        }

        /* What a frozen writer keeps still may be copied file after file. */
        least = least_volume(volumes, c);
        explain_writer(c);
        if (c->reason[0] == '\0' && c->needs_one_instant && !is_one_instant(volumes, groups, c))
                add_reason(c->reason, "its files%s need one instant", c->n_volumes == 1 ? "" : " are on several volumes and");
        if (c->reason[0] == '\0') {
                c->level = VSS_LEVEL_APPLICATION;
                return;
        }
        /* Without files, and without its writer's word, there is nothing that could be consistent. */
        if (!least)
                return;
        c->level = least->level;
        if (least->level < VSS_LEVEL_GROUP)
                add_reason(c->reason, "%s", least->reason);
}

enum vss_level level_decide(LevelVolume *volumes, size_t n_volumes, LevelComponent *components,
                            size_t n_components) {
        enum vss_level level = VSS_LEVEL_APPLICATION;
        Groups groups;

        assert(n_volumes <= VSS_VOLUMES_MAX);

        find_groups(volumes, n_volumes, &groups);
        for (size_t i = 0; i < n_volumes; i++)
                decide_volume(volumes, n_volumes, &groups, i);
        for (size_t i = 0; i < n_components; i++)
                decide_component(volumes, n_volumes, &groups, &components[i]);

        if (n_volumes == 0 && n_components == 0)
                return VSS_LEVEL_NONE;
        for (size_t i = 0; i < n_components; i++)
                level = MIN(level, components[i].level);
        for (size_t i = 0; i < n_volumes; i++)
                if (n_components == 0 ||
                    (volumes[i].level == VSS_LEVEL_NONE && !(is_torn(&volumes[i]) && volumes[i].only_components)))
                        level = MIN(level, volumes[i].level);
        return level;
}
