/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Holders, as the writer sees them
 */

#include <string.h>
#include "util/clock.h"
#include "writers/openldap/environment.h"
#include "writers/openldap/holder.h"

int holder_set_add(HolderSet *set, size_t instance, size_t database, const char *path, bool lmdb,
                   bool nosync) {
        HolderTask task = { .path = path, .lmdb = lmdb, .nosync = nosync, .broker = getpid() };
        Holder *items, *holder;
        int r;

        if (set->n == HOLDERS_MAX)
                return -E2BIG;
        items = reallocarray(set->items, set->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        set->items = items;
        holder = &items[set->n++];
        *holder = (Holder){
                .child = CHILD_NULL,
                .instance = instance,
                .database = database,
                .lmdb = lmdb,
                .entries = UINT64_MAX,
                .reply = { .code = VSS_S_FALSE },
        };
        r = child_start(holder_main, &task, &holder->child);
        if (r < 0) {
                holder->reply.code = VSS_E_WRITERERROR_OUTOFRESOURCES;
                (void)snprintf(holder->reply.text, sizeof(holder->reply.text),
                               "%.500s: no process for it: %s", path, strerror(-r));
        }
        return 0;
}

static void give_up(Holder *holder, vss_result code, const char *why) {
        child_kill(&holder->child);
        holder->reply.code = code;
        (void)snprintf(holder->reply.text, sizeof(holder->reply.text), "%s", why);
}

static void send_order(Holder *holder, uint32_t order) {
        holder->order = order;
        holder->reply.code = VSS_S_FALSE;
        if (child_send(holder->child.fd, &order, sizeof(order)) < 0)
                give_up(holder, VSS_E_WRITERERROR_RETRYABLE, "the process that held a database has died");
}

void holder_set_order(HolderSet *set, uint32_t order) {
        for (size_t i = 0; i < set->n; i++)
                if (set->items[i].reply.code >= 0)
                        send_order(&set->items[i], order);
}

static void receive_reply(Holder *holder) {
        HolderReply reply = { 0 };
        ssize_t n = child_receive(holder->child.fd, &reply, sizeof(reply) - 1, 0);

        if (n == -EAGAIN)
                return;
        if (n < (ssize_t)offsetof(HolderReply, text)) {
                give_up(holder, VSS_E_WRITERERROR_RETRYABLE, "the process that opened a database has died");
                return;
        }
        ((char *)&reply)[n] = '\0';
        holder->reply = reply;
        if (reply.code < 0)
                child_kill(&holder->child);
}

/* Return: have all answered? */
static bool wait_all(HolderSet *set, uint64_t deadline_usec) {
        for (;;) {
                bool ready[HOLDERS_MAX] = { 0 };
                int fds[HOLDERS_MAX];
                size_t n_awaited = 0;

                for (size_t i = 0; i < set->n; i++) {
                        bool awaited = set->items[i].reply.code == VSS_S_FALSE;

                        fds[i] = awaited ? set->items[i].child.fd : -1;
                        n_awaited += awaited;
                }
                if (n_awaited == 0)
                        return true;
                if (poll_any(fds, set->n, deadline_usec, ready) < 0)
                        return false;
                for (size_t i = 0; i < set->n; i++)
                        if (ready[i])
                                receive_reply(&set->items[i]);
        }
}

void holder_set_collect(HolderSet *set, uint64_t deadline_usec) {
        if (wait_all(set, deadline_usec))
                return;
        for (size_t i = 0; i < set->n; i++)
                if (set->items[i].reply.code == VSS_S_FALSE)
                        give_up(&set->items[i], VSS_E_WRITERERROR_TIMEOUT,
                                "slapd did not let go of a database in time: there are too many writes, or "
                                "one "
                                "takes long (slapadd, slapindex, a large import)");
}

/* To those that answered well, and whose last order is not this one. */
static void order_others(HolderSet *set, uint32_t order) {
        for (size_t i = 0; i < set->n; i++)
                if (set->items[i].reply.code == VSS_S_OK && set->items[i].order != order)
                        send_order(&set->items[i], order);
}

void holder_set_freeze(HolderSet *set, uint64_t deadline_usec) {
        const uint64_t attempt = HOLDER_ATTEMPT_MS * USEC_PER_MSEC;

        while (now_usec() < deadline_usec) {
                order_others(set, HOLDER_FREEZE);
                if (wait_all(set, MIN(deadline_usec, now_usec() + attempt)))
                        return;
                for (size_t i = 0; i < set->n; i++)
                        if (set->items[i].reply.code == VSS_S_OK)
                                send_order(&set->items[i], HOLDER_PAUSE);
                (void)wait_all(set, deadline_usec);
        }
        /* Those that never came are given up; the others are of other servers, perhaps. */
        holder_set_collect(set, 0);
        order_others(set, HOLDER_FREEZE);
        holder_set_collect(set, now_usec() + attempt);
}

void holder_set_drop(HolderSet *set, size_t instance) {
        for (size_t i = 0; i < set->n; i++)
                if (set->items[i].instance == instance) {
                        child_kill(&set->items[i].child);
                        set->items[i].held = false;
                        if (set->items[i].reply.code >= 0)
                                set->items[i].reply = (HolderReply){ .code = VSS_E_WRITERERROR_RETRYABLE };
                }
}

void holder_set_end(HolderSet *set, uint64_t deadline_usec) {
        /* All sockets first, so that all transactions end at once. */
        for (size_t i = 0; i < set->n; i++) {
                closep(&set->items[i].child.fd);
                set->items[i].child.fd = -1;
        }
        for (size_t i = 0; i < set->n; i++)
                (void)child_end(&set->items[i].child, deadline_usec);
        free(set->items);
        *set = (HolderSet){ 0 };
}
