/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which SQLite databases there are: the broker's side, which only listens to the finding child
 */

#include <string.h>
#include "util/clock.h"
#include "writers/sqlite/scan.h"

bool is_system_user(uid_t uid) {
        return uid < SYSTEM_USER_END || (uid >= DYNAMIC_USER_BEGIN && uid < DYNAMIC_USER_END);
}

void database_list_clear(DatabaseList *list) {
        for (size_t i = 0; i < list->n; i++) {
                free(list->items[i].path);
                free(list->items[i].logical_path);
                free(list->items[i].owner);
                free(list->items[i].group);
        }
        free(list->items);
        warnings_clear(&list->warnings);
        *list = (DatabaseList){ 0 };
}

static int add_database(DatabaseList *list, const ScanMessage *message) {
        _cleanup_(freep) char *path = strdup(message->text), *owner = strdup(message->owner),
                              *directory = NULL, *group = message->group[0] ? strdup(message->group) : NULL;
        const char *slash;

        if (!path || !owner || (message->group[0] && !group))
                return -ENOMEM;
        slash = strrchr(path, '/');
        if (path[0] != '/' || !slash || slash[1] == '\0')
                return -EBADMSG;
        directory = slash == path ? strdup("") : strndup(path + 1, (size_t)(slash - path - 1));
        if (!directory)
                return -ENOMEM;

        if (!list->items) {
                list->items = calloc(DATABASES_MAX, sizeof(*list->items));
                if (!list->items)
                        return -ENOMEM;
        }
        if (list->n == DATABASES_MAX)
                return -E2BIG;
        list->items[list->n++] = (Database){
                .name = slash + 1,
                .path = TAKE_PTR(path),
                .logical_path = TAKE_PTR(directory),
                .owner = TAKE_PTR(owner),
                .group = TAKE_PTR(group),
                .uid = message->uid,
                .gid = message->gid,
                .device = (dev_t)message->device,
                .inode = (ino_t)message->inode,
        };
        return 0;
}

static int receive_all(Child *child, uint64_t deadline_usec, DatabaseList *list) {
        ScanMessage message;

        for (;;) {
                ssize_t n = child_receive(child->fd, &message, sizeof(message) - 1, deadline_usec);
                int r;

                if (n == -EAGAIN)
                        return warnings_add(
                                &list->warnings, "%s",
                                "the search for databases did not end in time: those found until "
                                "then are listed; a mounted file system may not answer");
                if (n < 0)
                        return (int)n;
                if ((size_t)n < offsetof(ScanMessage, text))
                        return -EBADMSG;
                ((char *)&message)[n] = '\0';
                message.owner[sizeof(message.owner) - 1] = '\0';
                message.group[sizeof(message.group) - 1] = '\0';

                if (message.kind == SCAN_END)
                        return 0;
                r = message.kind == SCAN_WARNING ? warnings_add(&list->warnings, "%s", message.text)
                                                 : add_database(list, &message);
                if (r < 0)
                        return r;
        }
}

int database_scan(const char *conf_path, uint64_t deadline_usec, DatabaseList *ret_list) {
        FindOrder order = { .conf_path = conf_path, .deadline_usec = deadline_usec, .broker = getpid() };
        DatabaseList list = { 0 };
        Child child = CHILD_NULL;
        int r;

        r = child_start(find_main, &order, &child);
        if (r < 0)
                return r;
        /* The child gets a moment less, so that it can tell itself what was late. */
        r = receive_all(&child, deadline_usec + 100 * USEC_PER_MSEC, &list);
        child_kill(&child);
        if (r < 0) {
                database_list_clear(&list);
                return r;
        }
        *ret_list = list;
        return 0;
}
