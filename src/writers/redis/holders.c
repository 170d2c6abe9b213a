/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Holders, from the writer's side: started, ordered about, awaited, ended
 */

#include <string.h>
#include "util/clock.h"
#include "writers/redis/holder.h"

static void give_up(Holder *holder, vss_result code, const char *why) {
        child_kill(&holder->child);
        holder->reply.code = code;
        (void)snprintf(holder->reply.text, sizeof(holder->reply.text), "%.200s: %.200s",
                       holder->instance->name, why);
}

int holder_set_add(HolderSet *set, const Product *product, const Settings *settings,
                   const Instance *instance) {
        Holder *items = reallocarray(set->items, set->n + 1, sizeof(*items)), *holder;
        int r;

        if (!items)
                return -ENOMEM;
        set->items = items;
        holder = &items[set->n++];
        *holder = (Holder){ .child = CHILD_NULL, .instance = instance, .reply = { .code = VSS_S_FALSE } };
        r = holder_start(false, product, settings, instance, &holder->child);
        if (r < 0)
                give_up(holder, VSS_E_WRITERERROR_OUTOFRESOURCES, "there is no process for it");
        return 0;
}

void holder_set_order(HolderSet *set, const HolderOrder *order) {
        for (size_t i = 0; i < set->n; i++) {
                Holder *holder = &set->items[i];

                if (holder->reply.code < 0)
                        continue;
                holder->reply.code = VSS_S_FALSE;
                if (child_send(holder->child.fd, order, sizeof(*order)) < 0)
                        give_up(holder, VSS_E_WRITERERROR_RETRYABLE, "the process that held it has died");
        }
}

static void receive_reply(Holder *holder) {
        InstanceReply reply;
        ssize_t n = child_receive(holder->child.fd, &reply, sizeof(reply), 0);

        if (n == -EAGAIN)
                return;
        if (n != (ssize_t)sizeof(reply)) {
                give_up(holder, VSS_E_WRITERERROR_RETRYABLE, "the process that held it has died");
                return;
        }
        holder->reply = reply;
        if (reply.code < 0) {
                /* It has let go before it answered. */
                closep(&holder->child.fd);
                holder->child.fd = -1;
        }
}

void holder_set_collect(HolderSet *set, uint64_t deadline_usec) {
        for (;;) {
                bool ready[INSTANCES_MAX] = { 0 };
                int fds[INSTANCES_MAX], r;
                size_t n_awaited = 0;

                for (size_t i = 0; i < set->n; i++) {
                        bool awaited = set->items[i].reply.code == VSS_S_FALSE;

                        fds[i] = awaited ? set->items[i].child.fd : -1;
                        n_awaited += awaited;
                }
                if (n_awaited == 0)
                        return;
                r = poll_any(fds, set->n, deadline_usec, ready);
                for (size_t i = 0; i < set->n; i++)
                        if (r < 0 && fds[i] >= 0)
                                give_up(&set->items[i], VSS_E_WRITERERROR_TIMEOUT,
                                        "it did not answer in time; the pause of its writes ends by itself");
                        else if (ready[i])
                                receive_reply(&set->items[i]);
        }
}

void holder_set_end(HolderSet *set, uint64_t deadline_usec) {
        for (size_t i = 0; i < set->n; i++) {
                closep(&set->items[i].child.fd);
                set->items[i].child.fd = -1;
        }
        for (size_t i = 0; i < set->n; i++)
                (void)child_end(&set->items[i].child, deadline_usec);
        free(set->items);
        *set = (HolderSet){ 0 };
}

void holders_look(const Product *product, const Settings *settings, uint64_t deadline_usec,
                  InstanceList *list) {
        HolderSet set = { 0 };

        for (size_t i = 0; i < list->n; i++) {
                Instance *instance = &list->items[i];
                Holder *holder;

                instance_name_of(product, instance, instance->name, sizeof(instance->name));
                instance->reply = (InstanceReply){ .code = VSS_E_WRITERERROR_OUTOFRESOURCES };
                if (!set.items)
                        set.items = calloc(INSTANCES_MAX, sizeof(*set.items));
                if (!set.items)
                        return;
                holder = &set.items[set.n++];
                *holder = (Holder){ .child = CHILD_NULL,
                                    .instance = instance,
                                    .reply = { .code = VSS_S_FALSE } };
                if (holder_start(true, product, settings, instance, &holder->child) < 0)
                        give_up(holder, VSS_E_WRITERERROR_OUTOFRESOURCES, "there is no process for it");
        }
        holder_set_collect(&set, deadline_usec);
        for (size_t i = 0; i < set.n; i++)
                list->items[i].reply = set.items[i].reply;
        holder_set_end(&set, now_usec());
}
