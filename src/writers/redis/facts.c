/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * INFO and CONFIG GET
 */

#include <inttypes.h>
#include <string.h>
#include "writers/redis/facts.h"

static const char *const sections[] = { "server", "persistence", "replication", "memory" };

static bool number_is(const char *info, const char *key) {
        return info_number(info, key, 0) != 0;
}

static void read_server(const char *info, InstanceFacts *facts) {
        bool valkey = info_text(info, "valkey_version", facts->version, sizeof(facts->version));

        (void)snprintf(facts->product, sizeof(facts->product), "%s", valkey ? "valkey" : "redis");
        if (!valkey)
                (void)info_text(info, "redis_version", facts->version, sizeof(facts->version));
        (void)info_text(info, "run_id", facts->run_id, sizeof(facts->run_id));
        (void)info_text(info, "config_file", facts->config, sizeof(facts->config));
        (void)info_text(info, "executable", facts->executable, sizeof(facts->executable));
        facts->port = (uint16_t)info_number(info, "tcp_port", 0);
}

static void read_persistence(const char *info, InstanceFacts *facts) {
        facts->syncing = number_is(info, "loading");
        facts->changes = info_number(info, "rdb_changes_since_last_save", 0);
        facts->saved = info_number(info, "rdb_last_save_time", 0);
        facts->saving = number_is(info, "rdb_bgsave_in_progress");
        facts->append_only = number_is(info, "aof_enabled");
        facts->rewriting = number_is(info, "aof_rewrite_in_progress") ||
                           number_is(info, "aof_rewrite_scheduled");
        facts->append_size = info_number(info, "aof_current_size", 0);
        facts->append_base = info_number(info, "aof_base_size", 0);
        facts->buffered = info_number(info, "aof_buffer_length", 0);
        facts->flushing = info_number(info, "aof_pending_bio_fsync", 0);
}

/* Ten years. */
#define SILENT_MAX INT64_C(315360000)

/* Of a link that is down it tells since when; of one that is up how long ago it has heard from there. */
static void read_master(const char *info, InstanceFacts *facts) {
        char host[REDIS_NAME_SIZE - 8], link[16] = "";

        facts->master[0] = '\0';
        facts->master_is_gone = false;
        if (!info_text(info, "master_host", host, sizeof(host)))
                return;
        (void)snprintf(facts->master, sizeof(facts->master), "%s:%" PRIu16, host,
                       (uint16_t)info_number(info, "master_port", 0));
        (void)info_text(info, "master_link_status", link, sizeof(link));
        facts->master_is_gone = strcmp(link, "up") != 0;
        facts->silent = info_number(
                info,
                facts->master_is_gone ? "master_link_down_since_seconds" : "master_last_io_seconds_ago", -1);
        /* Before 6.2 one that has never had its master counts from 1970. */
        if (facts->silent > SILENT_MAX)
                facts->silent = -1;
}

static void read_replication(const char *info, InstanceFacts *facts) {
        (void)info_text(info, "role", facts->role, sizeof(facts->role));
        (void)info_text(info, "master_replid", facts->replication_id, sizeof(facts->replication_id));
        facts->offset = info_number(info, "master_repl_offset", 0);
        facts->syncing |= number_is(info, "master_sync_in_progress");
        read_master(info, facts);
}

int facts_queue(Server *server) {
        FOREACH_ELEMENT (section, sections) {
                int r = server_queue(server, "INFO", *section);

                if (r < 0)
                        return r;
        }
        return 0;
}

int facts_next(Server *server, InstanceFacts *facts) {
        char why[SERVER_WHY_SIZE];
        int result = 0;

        /* All of them, also after an error: what comes next is the answer to the next question. */
        FOREACH_ELEMENT (section, sections) {
                _cleanup_(freep) char *info = NULL;
                int r = server_next_text(server, &info);

                if (r < 0) {
                        /* The first one says what is wrong. */
                        if (result == 0)
                                (void)snprintf(why, sizeof(why), "%s", server->why);
                        result = result ?: r;
                        continue;
                }
                if (strcmp(*section, "server") == 0)
                        read_server(info, facts);
                if (strcmp(*section, "persistence") == 0)
                        read_persistence(info, facts);
                if (strcmp(*section, "replication") == 0)
                        read_replication(info, facts);
                if (strcmp(*section, "memory") == 0)
                        facts->memory = info_number(info, "used_memory_dataset", 0);
        }
        if (result < 0)
                (void)snprintf(server->why, sizeof(server->why), "%s", why);
        return result;
}

int facts_update(Server *server, InstanceFacts *facts) {
        int r = facts_queue(server);

        return r < 0 ? r : facts_next(server, facts);
}

static int ask_number(Server *server, const char *key, int64_t *ret_number) {
        char value[32];
        int r = server_config(server, key, value, sizeof(value));

        *ret_number = r < 0 ? 0 : strtoll(value, NULL, 10);
        return r == -ENOENT ? 0 : r;
}

int facts_ask(Server *server, InstanceFacts *facts) {
        struct {
                const char *key;
                char *value;
                size_t size;
                bool optional;
        } settings[] = {
                { "dir", facts->dir, sizeof(facts->dir), false },
                { "dbfilename", facts->dump, sizeof(facts->dump), false },
                { "appendfilename", facts->append_file, sizeof(facts->append_file), true },
                { "appenddirname", facts->append_dir, sizeof(facts->append_dir), true },
                { "unixsocket", facts->socket, sizeof(facts->socket), true },
        };
        char value[REDIS_PATH_SIZE];
        int r = facts_update(server, facts);

        for (size_t i = 0; r >= 0 && i < ELEMENTS(settings); i++) {
                r = server_config(server, settings[i].key, settings[i].value, settings[i].size);
                if (r == -ENOENT && settings[i].optional)
                        r = 0;
        }
        if (r < 0)
                return r;
        facts->many_files = facts->append_dir[0] != '\0';
        r = server_config(server, "save", value, sizeof(value));
        if (r < 0)
                return r;
        facts->saves = value[0] != '\0';
        r = server_config(server, "cluster-enabled", value, sizeof(value));
        facts->cluster = r == 0 && strcmp(value, "yes") == 0;
        if (r >= 0 || r == -ENOENT)
                r = ask_number(server, "auto-aof-rewrite-percentage", &facts->rewrite_percent);
        return r < 0 ? r : ask_number(server, "auto-aof-rewrite-min-size", &facts->rewrite_size);
}

bool facts_will_rewrite(const InstanceFacts *facts) {
        int64_t base = MAX(facts->append_base, INT64_C(1));

        if (facts->rewriting || facts->rewrite_percent <= 0 || facts->append_size <= facts->rewrite_size)
                return facts->rewriting;
        /* As the server reckons it: 100 percent is twice the size. */
        return (facts->append_size - base) / base * 100 + (facts->append_size - base) % base * 100 / base >=
               facts->rewrite_percent;
}

/* In a transaction that is given up again: the rights are looked at when a command is queued. */
int facts_check_rights(Server *server, char *missing, size_t size) {
        static const struct {
                const char *name;
                const char *words[4];
        } commands[] = {
                { "MULTI", { "MULTI" } },
                { "BGSAVE", { "BGSAVE" } },
                { "CLIENT PAUSE", { "CLIENT", "PAUSE", "1", "WRITE" } },
                { "CLIENT UNPAUSE", { "CLIENT", "UNPAUSE" } },
                { "DISCARD", { "DISCARD" } },
        };

        missing[0] = '\0';
        FOREACH_ELEMENT (command, commands) {
                const char *words[ELEMENTS(command->words) + 1] = { 0 };
                int r;

                memcpy(words, command->words, sizeof(command->words));
                r = server_ask_words(server, words, NULL);
                if (r < 0 && r != -EACCES)
                        return r;
                /* Without a transaction they would be carried out. */
                if (r < 0 && command == commands) {
                        (void)snprintf(missing, size, "%s", command->name);
                        return r;
                }
                if (r < 0 && !missing[0])
                        (void)snprintf(missing, size, "%s", command->name);
        }
        return missing[0] ? -EACCES : 0;
}

/* Files */

static FileMark take_mark(const char *dir, const char *name, const char *ending) {
        char path[2 * REDIS_PATH_SIZE];
        struct stat st;

        (void)snprintf(path, sizeof(path), "%s/%s%s", dir, name, ending);
        if (lstat(path, &st) < 0)
                return (FileMark){ 0 };
        return (FileMark){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
}

void file_marks_take(const InstanceFacts *facts, FileMarks *ret_marks) {
        char dir[2 * REDIS_PATH_SIZE];

        (void)snprintf(dir, sizeof(dir), "%s/%s", facts->dir, facts->many_files ? facts->append_dir : ".");
        ret_marks->dump = take_mark(facts->dir, facts->dump, "");
        ret_marks->append = take_mark(dir, facts->append_file, facts->many_files ? ".manifest" : "");
        ret_marks->append_dir = facts->many_files ? take_mark(dir, ".", "") : (FileMark){ 0 };
}

bool file_mark_equals(const FileMark *a, const FileMark *b) {
        return a->device == b->device && a->inode == b->inode && a->size == b->size &&
               a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}
