/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is left with a component at a backup: lines of key=value
 */

#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include "util/value.h"
#include "writers/mariadb/writer.h"

typedef struct Text {
        char *text;
        size_t size, n;
} Text;

static void add(Text *text, const char *key, const char *format, ...) _printf_(3, 4);
static void add(Text *text, const char *key, const char *format, ...) {
        char value[4096];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(value, sizeof(value), format, args);
        va_end(args);
        /* Nothing is cut off in the middle: a position that is half there is worse than none. */
        if (n <= 0 || n >= (int)sizeof(value) || strchr(value, '\n') ||
            text->n + strlen(key) + (size_t)n + 2 >= text->size)
                return;
        text->n += (size_t)snprintf(text->text + text->n, text->size - text->n, "%s=%s\n", key, value);
}

void metadata_write(const Hold *hold, char *ret_text, size_t size) {
        const Instance *instance = hold->instance;
        Text text = { .text = ret_text, .size = size };
        char path[PATH_MAX];

        ret_text[0] = '\0';
        add(&text, "version", "%s", instance_get(instance, "version"));
        instance_path(instance, "datadir", path, sizeof(path));
        add(&text, "datadir", "%s", path);
        if (instance->pid == 0)
                add(&text, "running", "no");
        add(&text, "server-id", "%s", instance_get(instance, "server_id"));
        add(&text, "server-uuid", "%s", instance_get(instance, "server_uuid"));
        add(&text, "binlog-file", "%s", hold->position.binlog_file);
        add(&text, "binlog-position", "%s", hold->position.binlog_position);
        add(&text, "gtid-binlog-pos", "%s", hold->position.gtid_binlog);
        add(&text, "gtid-slave-pos", "%s", hold->position.gtid_slave);
        for (size_t i = 0; i < hold->replicas.n; i++) {
                const Replica *replica = &hold->replicas.items[i];

                add(&text, "replica-of", "%s", replica->source);
                add(&text, "replica-position", "%s", replica->position);
                if (replica->behind_seconds >= 0)
                        add(&text, "replica-behind", "%lld", (long long)replica->behind_seconds);
        }
        add(&text, "wsrep-position", "%s", hold->position.wsrep);
        if (!hold->one_instant && instance->pid > 0) {
                add(&text, "innodb-checkpoint", "%llu",
                    (unsigned long long)(hold->has_redo ? hold->redo.checkpoint
                                                        : hold->position.checkpoint));
                add(&text, "innodb-log-end", "%llu", (unsigned long long)hold->log_end);
        }
        for (size_t i = 0; i < vss_value_count(instance->databases); i++)
                add(&text, "database", "%s", vss_value_string(vss_value_at(instance->databases, i), ""));
}

void metadata_stamp(const Hold *hold, char *ret_text, size_t size) {
        (void)snprintf(ret_text, size, "%s%s%s", hold->position.binlog_file,
                       *hold->position.binlog_file ? ":" : "",
                       *hold->position.binlog_file ? hold->position.binlog_position : "");
}

bool metadata_get(const char *text, const char *key, char *ret_value, size_t size) {
        size_t n = strlen(key);

        for (const char *line = text; line && *line; line = strchr(line, '\n')) {
                size_t length;

                line += *line == '\n';
                length = strcspn(line, "\n");
                if (length <= n || strncmp(line, key, n) != 0 || line[n] != '=')
                        continue;
                if (length - n - 1 >= size)
                        return false;
                (void)snprintf(ret_value, size, "%.*s", (int)(length - n - 1), line + n + 1);
                return true;
        }
        return false;
}
