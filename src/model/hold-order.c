/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In which order the targets of a hold are stopped: ranks by repeated relaxation
 *
 * Each round pushes every lower volume behind the ones that stand on it. Without a circle the ranks of n
 * volumes stand still after n rounds at the latest.
 */

#include <linuxvss/types.h>
#include <string.h>

#include "model/hold-order.h"
#include "util/macro.h"

static int is_volume(const HoldOrderTarget *target) {
        return target->kind == VSS_HOLD_FILESYSTEM || target->kind == VSS_HOLD_DEVICE;
}

/* Does @upper, under any of its mounts, stand on @lower? */
static int stands_on(const HoldOrderTarget *upper, const HoldOrderTarget *lower) {
        for (size_t i = 0; i < upper->n_lower; i++)
                if (upper->lower[i] == lower->device)
                        return 1;
        return 0;
}

/* Return: did a rank change? */
static int ranks_push(const HoldOrderTarget *targets, size_t n, HoldOrder *order) {
        int changed = 0;

        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < n; j++) {
                        HoldOrder *upper = order + order[i].same_as, *lower = order + order[j].same_as;

                        if (!is_volume(targets + i) || !is_volume(targets + j) ||
                            !stands_on(targets + i, targets + j) || lower->rank > upper->rank)
                                continue;
                        lower->rank = upper->rank + 1;
                        changed = 1;
                }
        return changed;
}

/* What stands on it when the devices are suspended. */
static int check_devices(const HoldOrderTarget *targets, size_t n, const HoldOrder *order) {
        for (size_t i = 0; i < n; i++) {
                if (targets[i].kind != targets[order[i].same_as].kind)
                        return -EEXIST;
                for (size_t j = 0; j < n && targets[i].kind == VSS_HOLD_DEVICE; j++)
                        if (targets[j].kind == VSS_HOLD_FILESYSTEM && stands_on(targets + i, targets + j))
                                return -EDEADLK;
        }
        return 0;
}

int hold_order(const HoldOrderTarget *targets, size_t n, HoldOrder *ret_order) {
        _cleanup_(freep) HoldOrder *order = calloc(MAX(n, (size_t)1), sizeof(*order));
        size_t rounds = 0;
        int r;

        if (!order)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (!is_volume(targets + i) && targets[i].kind != VSS_HOLD_CGROUP)
                        return -EINVAL;
                order[i] = (HoldOrder){ .same_as = i, .rank = is_volume(targets + i) ? 1 : 0 };
                for (size_t j = 0; j < i && is_volume(targets + i); j++)
                        if (is_volume(targets + j) && targets[j].device == targets[i].device) {
                                order[i].same_as = j;
                                break;
                        }
        }
        while (ranks_push(targets, n, order))
                if (++rounds > n)
                        return -ELOOP;
        for (size_t i = 0; i < n; i++) {
                order[i].rank = order[order[i].same_as].rank;
                if (order[i].rank > HOLD_DEPTH_MAX)
                        return -E2BIG;
        }
        r = check_devices(targets, n, order);
        if (r < 0)
                return r;
        if (n > 0)
                memcpy(ret_order, order, n * sizeof(*order));
        return 0;
}
