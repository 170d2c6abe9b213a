/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Looking after what stands: pools and stores that fill up
 *
 * A look costs a few system calls, and no command of LVM; commands run when there is something to do, and
 * once a minute for what others have done.
 *
 * A thin pool that is full stops every volume in it. So before it is, our copies go: those that end with
 * their session first, then, if the settings let them, the others, oldest first, one at a time. One that is
 * in use loses its content. A classic copy whose store is full is lost by itself, and its original goes on;
 * its store grows ahead of that as long as the group has room.
 */

#include <stdarg.h>
#include <string.h>
#include "providers/lvm/area.h"
#include "providers/lvm/copy.h"
#include "providers/lvm/provider.h"
#include "util/clock.h"

#define LOOK_USEC (60 * USEC_PER_SEC)
/* Asked again: while all is well, while something fills up, and behind something that was done. */
#define NEXT_USEC (2 * USEC_PER_SEC)
#define NEXT_LOW_USEC (USEC_PER_SEC / 2)
#define NEXT_DONE_USEC (USEC_PER_SEC / 10)
/* So long, at most, until what could not be deleted is tried again. */
#define STUCK_MAX_USEC (300 * USEC_PER_SEC)

typedef struct Watch {
        LvmProvider *p;
        vss_value *events, *suspended;
        uint64_t next_usec;
} Watch;

static void look_again_in(Watch *watch, uint64_t usec) {
        watch->next_usec = watch->next_usec == 0 ? usec : MIN(watch->next_usec, usec);
}

static bool was_told(const LvmProvider *p, const char *what, const char *whom) {
        for (size_t i = 0; i < p->n_told; i++) {
                size_t n = strlen(what);

                if (strncmp(p->told[i], what, n) == 0 && p->told[i][n] == ' ' &&
                    strcmp(p->told[i] + n + 1, whom) == 0)
                        return true;
        }
        return false;
}

/* Is it news? What was told is forgotten with forget(). */
static bool is_news(LvmProvider *p, const char *what, const char *whom) {
        char *text;

        if (was_told(p, what, whom))
                return false;
        /* Rather once too often than never. */
        if (p->n_told == TOLD_MAX || asprintf(&text, "%s %s", what, whom) < 0)
                return true;
        p->told[p->n_told++] = text;
        return true;
}

static void forget(LvmProvider *p, const char *what, const char *whom) {
        for (size_t i = 0; i < p->n_told; i++) {
                size_t n = strlen(what);

                if (strncmp(p->told[i], what, n) != 0 || p->told[i][n] != ' ' ||
                    strcmp(p->told[i] + n + 1, whom) != 0)
                        continue;
                free(p->told[i]);
                p->told[i] = p->told[--p->n_told];
                return;
        }
}

typedef struct Sizes {
        uint64_t used, allocated;
} Sizes;

static void add_event(Watch *watch, const char *event, const vss_value *info, const Sizes *sizes,
                      const char *format, ...) _printf_(5, 6);

static void add_event(Watch *watch, const char *event, const vss_value *info, const Sizes *sizes,
                      const char *format, ...) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        char message[512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        fprintf(stderr, "%s\n", message);
        if (!entry || vss_value_set_string(entry, "event", event) < 0 ||
            vss_value_set_string(entry, "message", message) < 0)
                return;
        if (info && (vss_value_set_string(entry, "snapshot", vss_value_get_string(info, "id", "")) < 0 ||
                     vss_value_set_string(entry, "volume", vss_value_get_string(info, "volume", "")) < 0))
                return;
        if (sizes && (vss_value_set_integer(entry, "used", (int64_t)sizes->used) < 0 ||
                      vss_value_set_integer(entry, "allocated", (int64_t)sizes->allocated) < 0))
                return;
        (void)vss_value_append(watch->events, TAKE_PTR(entry));
}

/* What a command of the watch has suspended. */
static void move_suspended(Watch *watch) {
        LvmProvider *p = watch->p;

        for (size_t i = 0; i < vss_value_count(p->suspended); i++)
                (void)vss_value_append(watch->suspended, vss_value_copy(vss_value_at(p->suspended, i)));
        vss_value_free(p->suspended);
        p->suspended = vss_value_new_list();
}

static int refresh(LvmProvider *p) {
        Report report = { 0 };
        int r;

        if (p->looked && now_usec() - p->looked_usec < LOOK_USEC)
                return 0;
        r = devmap_is_there() ? lvm_list(&p->lvm, true, &report) : 0;
        if (r < 0)
                return r;
        report_done(&p->watched);
        p->watched = report;
        p->looked = true;
        p->looked_usec = now_usec();
        return 0;
}

static bool is_standing(const LogicalVolume *lv) {
        _cleanup_value_ vss_value *info = NULL;

        return copy_is_created(lv) && !tags_find(&lv->tags, TAG_LOST) && report_is_copy(lv, &info);
}

/* Goes it before @than? */
static bool goes_before(const vss_value *info, const vss_value *than) {
        bool keep = vss_value_get_integer(info, "attributes", 0) & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE;
        bool keep_than = vss_value_get_integer(than, "attributes", 0) & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE;

        if (keep != keep_than)
                return keep_than;
        return vss_value_get_integer(info, "sequence", 0) < vss_value_get_integer(than, "sequence", 0);
}

/* @stuck: of those that could not be deleted, or of the others. */
static const LogicalVolume *choose_victim(const LvmProvider *p, const LogicalVolume *of, bool stuck,
                                          vss_value **ret_info) {
        _cleanup_value_ vss_value *best_info = NULL;
        const LogicalVolume *best = NULL;

        for (size_t i = 0; i < p->watched.n; i++) {
                const LogicalVolume *lv = &p->watched.items[i];
                _cleanup_value_ vss_value *info = NULL;

                if (!is_standing(lv) || !copy_is_thin(lv) || strcmp(lv->vg, of->vg) != 0 ||
                    strcmp(lv->pool, of->pool) != 0 || was_told(p, "stuck", lv->uuid) != stuck ||
                    tags_decode(&lv->tags, &info) < 0)
                        continue;
                if (!p->policy.drop_persistent &&
                    (vss_value_get_integer(info, "attributes", 0) & VSS_VOLSNAP_ATTR_NO_AUTO_RELEASE))
                        continue;
                if (best && !goes_before(info, best_info))
                        continue;
                best = lv;
                vss_value_free(best_info);
                best_info = TAKE_PTR(info);
        }
        *ret_info = TAKE_PTR(best_info);
        return best;
}

static void drop(Watch *watch, const LogicalVolume *lv, const vss_value *info, const char *state) {
        const char *id = vss_value_get_string(info, "id", "");
        LvmProvider *p = watch->p;
        char why[160];
        int r;

        (void)snprintf(why, sizeof(why), "its thin pool was nearly full: %s", state);
        r = copy_remove(&p->lvm, lv, p->suspended);
        if (r == 0)
                add_event(watch, "snapshot-deleted", info, NULL, "shadow copy %s was deleted: %s", id, why);
        else if (r == -EBUSY && (r = copy_give_up(&p->lvm, lv, why)) == 0)
                add_event(watch, "snapshot-lost", info, NULL,
                          "shadow copy %s is lost, while it was in use: %s", id, why);
        p->looked = false;
        look_again_in(watch, NEXT_DONE_USEC);
        if (r == 0) {
                forget(p, "stuck", lv->uuid);
                p->stuck_usec = 0;
                return;
        }
        if (is_news(p, "stuck", lv->uuid))
                add_event(watch, "storage-low", info, NULL,
                          "thin pool %s/%s is nearly full (%s), and shadow copy %s cannot be deleted: %s. "
                          "It is tried "
                          "again, later and later. Delete it, or extend the pool with lvextend.",
                          lv->vg, lv->pool, state, id, provider_error(p, r));
        p->stuck_usec = p->stuck_usec == 0 ? NEXT_USEC : MIN(2 * p->stuck_usec, STUCK_MAX_USEC);
        p->unstuck_usec = now_usec() + p->stuck_usec;
}

/* The first that may go; what could not be deleted is tried again when there is nothing else, and not at
 * once. */
static void drop_one(Watch *watch, const LogicalVolume *of, const char *state) {
        _cleanup_value_ vss_value *info = NULL, *stuck_info = NULL;
        LvmProvider *p = watch->p;
        const LogicalVolume *lv = choose_victim(p, of, false, &info);
        const LogicalVolume *stuck = lv ? NULL : choose_victim(p, of, true, &stuck_info);

        if (lv)
                drop(watch, lv, info, state);
        else if (stuck && now_usec() >= p->unstuck_usec)
                drop(watch, stuck, stuck_info, state);
        else if (!stuck && is_news(p, "full", of->pool))
                add_event(watch, "storage-low", NULL, NULL,
                          "thin pool %s/%s is nearly full: %s. There is no shadow copy left in it that may "
                          "go. "
                          "Extend it with lvextend.",
                          of->vg, of->pool, state);
}

static void watch_pool(Watch *watch, const LogicalVolume *of) {
        _cleanup_(freep) char *status = NULL;
        LvmProvider *p = watch->p;
        char name[DEVMAP_NAME_SIZE], text[POOL_TEXT_SIZE];
        PoolState state;

        if (lvm_pool_device_name(of->vg, of->pool, sizeof(name), name) < 0)
                return;
        look_again_in(watch, NEXT_USEC);
        /* A pool that is not active does not fill up. */
        if (origin_read_target(name, "thin-pool", true, &status) < 0 || pool_state_parse(status, &state) < 0)
                return;
        pool_state_text(&state, text);
        if (state.failed) {
                /* Whatever would go now would give no room back. */
                if (is_news(p, "failed", name))
                        add_event(watch, "storage-low", NULL, NULL,
                                  "thin pool %s/%s takes no changes any more, and volumes in it may fail: "
                                  "%s. " POOL_FAILED_ADVICE,
                                  of->vg, of->pool, text);
                return;
        }
        forget(p, "failed", name);
        switch (policy_pool_level(&p->policy, &state)) {
        case POOL_FINE:
                forget(p, "low", name);
                forget(p, "full", of->pool);
                break;
        case POOL_LOW:
                look_again_in(watch, NEXT_LOW_USEC);
                if (is_news(p, "low", name))
                        add_event(
                                watch, "storage-low", NULL, NULL,
                                "thin pool %s/%s fills up: %s. Its shadow copies will go before it is full.",
                                of->vg, of->pool, text);
                break;
        case POOL_FULL:
                look_again_in(watch, NEXT_LOW_USEC);
                drop_one(watch, of, text);
                break;
        }
}

static void tell_lost(Watch *watch, const LogicalVolume *lv, const vss_value *info, const char *why) {
        LvmProvider *p = watch->p;

        if (!is_news(p, "lost", lv->uuid))
                return;
        add_event(watch, "snapshot-lost", info, NULL, "shadow copy %s of %s is lost: %s. Delete it.",
                  vss_value_get_string(info, "id", ""), vss_value_get_string(info, "volume", ""), why);
        /* Also when its original is not active and nobody can ask its device. */
        if (copy_give_up(&p->lvm, lv, why) == 0)
                p->looked = false;
}

static void grow(Watch *watch, const LogicalVolume *lv, const vss_value *info, uint64_t by,
                 const Sizes *sizes) {
        _cleanup_arguments_ Arguments arguments = { 0 };
        LvmProvider *p = watch->p;
        const char *id = vss_value_get_string(info, "id", "");
        Sizes now = *sizes;
        int r;

        arguments_add(&arguments, "lvextend");
        arguments_add(&arguments, "-q");
        arguments_add(&arguments, "-L");
        arguments_add(&arguments, "+%llub", (unsigned long long)by);
        arguments_add(&arguments, "%s/%s", lv->vg, lv->name);
        r = copy_run_guarded(&p->lvm, &arguments, lv->vg_uuid,
                             vss_value_get_string(vss_value_get(info, "lvm"), "origin", ""),
                             "lvextend of a classic snapshot", p->suspended);
        p->looked = false;
        look_again_in(watch, NEXT_LOW_USEC);
        if (r < 0) {
                if (is_news(p, "grow", lv->uuid))
                        add_event(watch, "storage-grow-failed", info, sizes,
                                  "the area of shadow copy %s cannot grow: %s", id, provider_error(p, r));
                return;
        }
        now.allocated += by;
        forget(p, "grow", lv->uuid);
        forget(p, "low", lv->uuid);
        add_event(watch, "storage-grown", info, &now, "the area of shadow copy %s has grown to %llu bytes",
                  id, (unsigned long long)now.allocated);
}

/* What the group has left, as of now: others may have taken it. And how large the original is. */
static int ask_room(LvmProvider *p, const LogicalVolume *lv, uint64_t *ret_free, uint64_t *ret_origin) {
        _cleanup_report_ Report report = { 0 };
        const LogicalVolume *origin;
        int r;

        r = lvm_list(&p->lvm, false, &report);
        origin = r == 0 ? report_find_name(&report, lv->vg, lv->origin) : NULL;
        if (r < 0 || !origin)
                return r < 0 ? r : -ENOENT;
        *ret_free = MIN(origin->vg_free, area_left(&report, origin));
        *ret_origin = origin->size;
        return 0;
}

static void watch_classic(Watch *watch, const LogicalVolume *lv) {
        _cleanup_(freep) char *status = NULL;
        _cleanup_value_ vss_value *info = NULL;
        LvmProvider *p = watch->p;
        uint64_t free_bytes = 0, origin_size = 0, by;
        char name[DEVMAP_NAME_SIZE], why[COPY_LOST_SIZE];
        DevmapSnapshot state;
        Sizes sizes;

        look_again_in(watch, NEXT_USEC);
        if (tags_decode(&lv->tags, &info) < 0)
                return;
        if (copy_is_lost(lv, why)) {
                tell_lost(watch, lv, info, why);
                return;
        }
        if (copy_device_name(lv, name) < 0 || origin_read_target(name, "snapshot", true, &status) < 0 ||
            devmap_parse_snapshot(status, &state) < 0)
                return;
        sizes = (Sizes){ state.used * DEVMAP_SECTOR, state.total * DEVMAP_SECTOR };
        /* As far as it is worth asking LVM. */
        if (p->policy.classic_grow_at >= 100 ||
            sizes.used < sizes.allocated / 100 * p->policy.classic_grow_at)
                return;
        look_again_in(watch, NEXT_LOW_USEC);
        if (ask_room(p, lv, &free_bytes, &origin_size) < 0)
                return;
        by = policy_store_growth(&p->policy, origin_size, lv->vg_extent_size, sizes.allocated, sizes.used,
                                 free_bytes);
        if (by > 0)
                grow(watch, lv, info, by, &sizes);
        else if (sizes.allocated < policy_store_most(&p->policy, origin_size, lv->vg_extent_size) &&
                 is_news(p, "low", lv->uuid))
                add_event(watch, "storage-low", info, &sizes,
                          "the area of shadow copy %s fills up, and there is no room for it to grow. When "
                          "it is "
                          "full, the copy is lost. Add a disk to group %s, or raise the maximum.",
                          vss_value_get_string(info, "id", ""), lv->vg);
}

/* Each pool once: with the first of our volumes in it. */
static bool is_first_in_pool(const Report *report, size_t index) {
        const LogicalVolume *lv = &report->items[index];

        for (size_t i = 0; i < index; i++)
                if (is_standing(&report->items[i]) && strcmp(report->items[i].vg, lv->vg) == 0 &&
                    strcmp(report->items[i].pool, lv->pool) == 0)
                        return false;
        return true;
}

vss_result watch_check_storage(vss_provider_call *call, vss_value *results) {
        Watch watch = { .p = vss_provider_call_userdata(call) };
        LvmProvider *p = watch.p;
        int r;

        watch.events = value_require(results, "events", VSS_KIND_LIST);
        watch.suspended = value_require(results, "suspended", VSS_KIND_LIST);
        r = watch.events && watch.suspended ? refresh(p) : -ENOMEM;
        if (r < 0)
                return vss_provider_call_fail(call, VSS_E_UNEXPECTED_PROVIDER_ERROR,
                                              "lvm: storage cannot be looked after: lvs failed: %s",
                                              provider_error(p, r));
        for (size_t i = 0; i < p->watched.n; i++) {
                const LogicalVolume *lv = &p->watched.items[i];

                if (!is_standing(lv))
                        continue;
                if (!copy_is_thin(lv))
                        watch_classic(&watch, lv);
                else if (is_first_in_pool(&p->watched, i))
                        watch_pool(&watch, lv);
        }
        move_suspended(&watch);
        return vss_value_set_integer(results, "next-usec", (int64_t)watch.next_usec) < 0 ? VSS_E_OUTOFMEMORY
                                                                                         : VSS_S_OK;
}
