/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which directory servers there are: the side that listens to the finding child
 */

#include <string.h>
#include "util/clock.h"
#include "writers/openldap/instance.h"

/* The child gets a moment less, so that it can tell itself what was late. */
#define ANSWER_USEC (100 * USEC_PER_MSEC)
#define TEXTS_MAX 4u

static void instance_done(Instance *instance) {
        for (size_t i = 0; i < instance->n_databases; i++) {
                free(instance->databases[i].suffix);
                free(instance->databases[i].directory);
                free(instance->databases[i].csn);
        }
        free(instance->config);
        free(instance->url);
        free(instance->unit);
        free(instance->crash_only);
}

void instance_list_clear(InstanceList *list) {
        for (size_t i = 0; i < list->n; i++)
                instance_done(&list->items[i]);
        free(list->items);
        for (size_t i = 0; i < list->n_notes; i++) {
                free(list->notes[i].text);
                free(list->notes[i].remedy);
        }
        *list = (InstanceList){ 0 };
}

const Instance *instance_find(const InstanceList *list, const char *logical_path) {
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].logical_path, logical_path) == 0)
                        return &list->items[i];
        return NULL;
}

static int add_note(InstanceList *list, const char *text, const char *remedy) {
        FoundNote *note = &list->notes[list->n_notes];

        if (list->n_notes == FOUND_NOTES_MAX)
                return 0;
        note->text = strdup(text);
        note->remedy = remedy ? strdup(remedy) : NULL;
        list->n_notes++;
        return note->text && (note->remedy || !remedy) ? 0 : -ENOMEM;
}

static int add_instance(InstanceList *list, const FoundMessage *message,
                        const char *const texts[TEXTS_MAX]) {
        Instance *instance;

        if (!list->items)
                list->items = calloc(INSTANCES_MAX, sizeof(*list->items));
        if (!list->items)
                return -ENOMEM;
        if (list->n == INSTANCES_MAX)
                return -E2BIG;
        if (texts[0][0] != '/' || !texts[0][1])
                return -EBADMSG;
        instance = &list->items[list->n++];
        *instance = (Instance){
                .config = strdup(texts[0]),
                .url = strdup(texts[1]),
                .unit = strdup(texts[2]),
                .pid = (pid_t)message->pid,
                .conf_file = message->flags & FOUND_CONF_FILE,
        };
        if (!instance->config || !instance->url || !instance->unit)
                return -ENOMEM;
        instance->logical_path = instance->config + 1;
        return 0;
}

static int add_database(Instance *instance, const FoundMessage *message,
                        const char *const texts[TEXTS_MAX]) {
        LdapDatabase *database;

        if (instance->n_databases == INSTANCE_DATABASES_MAX)
                return -E2BIG;
        database = &instance->databases[instance->n_databases++];
        *database = (LdapDatabase){
                .suffix = strdup(texts[0]),
                .directory = strdup(texts[1]),
                .csn = texts[2][0] ? strdup(texts[2]) : NULL,
                .lmdb = message->flags & FOUND_LMDB,
                .nosync = message->flags & FOUND_NOSYNC,
        };
        return database->suffix && database->directory && (database->csn || !texts[2][0]) ? 0 : -ENOMEM;
}

static int set_crash_only(Instance *instance, const char *why) {
        if (instance->crash_only)
                return 0;
        instance->crash_only = strdup(why);
        return instance->crash_only ? 0 : -ENOMEM;
}

static int take_message(InstanceList *list, const FoundMessage *message) {
        const char *texts[TEXTS_MAX], *at = message->texts, *end = at + message->size;
        Instance *last = list->n > 0 ? &list->items[list->n - 1] : NULL;

        for (size_t i = 0; i < TEXTS_MAX; i++) {
                texts[i] = at < end ? at : "";
                at += at < end ? strlen(at) + 1 : 0;
        }
        switch (message->kind) {
        case FOUND_INSTANCE:
                return add_instance(list, message, texts);
        case FOUND_DATABASE:
                return last ? add_database(last, message, texts) : -EBADMSG;
        case FOUND_CRASH_ONLY:
                return last ? set_crash_only(last, texts[0]) : -EBADMSG;
        case FOUND_WARNING:
                return add_note(list, texts[0], NULL);
        case FOUND_RIGHT:
                return add_note(list, texts[0], texts[1]);
        case FOUND_VERSION:
                (void)snprintf(list->version, sizeof(list->version), "%.31s", texts[0]);
                return 0;
        default:
                return -EBADMSG;
        }
}

static int receive_all(Child *child, uint64_t deadline_usec, InstanceList *list) {
        for (;;) {
                FoundMessage message;
                ssize_t n = child_receive(child->fd, &message, sizeof(message), deadline_usec);
                int r;

                if (n == -EAGAIN)
                        return add_note(list,
                                        "the search for directory servers did not end in time: those found "
                                        "until then are "
                                        "listed; a mounted file system, or slapd itself, may not answer",
                                        NULL);
                if (n < 0)
                        return (int)n;
                if ((size_t)n < offsetof(FoundMessage, texts) ||
                    message.size != (size_t)n - offsetof(FoundMessage, texts) ||
                    (message.size > 0 && message.texts[message.size - 1]))
                        return -EBADMSG;
                if (message.kind == FOUND_END)
                        return 0;
                r = take_message(list, &message);
                if (r < 0)
                        return r;
        }
}

int instance_scan(const FindOrder *order, InstanceList *ret_list) {
        FindOrder copy = *order;
        InstanceList list = { 0 };
        Child child = CHILD_NULL;
        int r;

        copy.broker = getpid();
        r = child_start(find_main, &copy, &child);
        if (r < 0)
                return r;
        r = receive_all(&child, order->deadline_usec + ANSWER_USEC, &list);
        child_kill(&child);
        if (r < 0) {
                instance_list_clear(&list);
                return r;
        }
        *ret_list = list;
        return 0;
}
