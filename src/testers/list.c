/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The list of what a backup has of a component
 */

#include <string.h>
#include "files/beneath.h"
#include "testers/list.h"

#define PLAIN "/._-+,:@*?~"
#define NSEC_PER_SEC INT64_C(1000000000)

static const char *const kind_names[] = {
        [WALK_FILE] = "file",       [WALK_DIRECTORY] = "directory",     [WALK_SYMLINK] = "link",
        [WALK_SPECIAL] = "special", [WALK_MOUNT_POINT] = "mount-point",
};

void list_entry_clear(ListEntry *entry) {
        free(entry->path);
        free(entry->target);
        free(entry->ranges);
        free(entry->metadata);
        free(entry->component);
        free(entry->set);
        free(entry->filespec);
        free(entry->source);
        free(entry->sha256);
        meta_clear(&entry->meta);
        *entry = (ListEntry){ 0 };
}

static bool is_plain(char c, const char *plain) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c && strchr(plain, c));
}

char *list_escape(const char *text, size_t n, const char *plain) {
        char *escaped = malloc(3 * n + 1), *p = escaped;

        if (!escaped)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                if (is_plain(text[i], plain))
                        *p++ = text[i];
                else {
                        static const char digits[] = "0123456789abcdef";

                        *p++ = '%';
                        *p++ = digits[(unsigned char)text[i] >> 4];
                        *p++ = digits[(unsigned char)text[i] & 15];
                }
        }
        *p = '\0';
        return escaped;
}

static int digit(char c) {
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Return: the number of bytes, or -EBADMSG. */
static ssize_t unescape(const char *text, size_t n, uint8_t *ret_bytes) {
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
                if (text[i] != '%') {
                        ret_bytes[k++] = (uint8_t)text[i];
                        continue;
                }
                if (i + 2 >= n || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
                        return -EBADMSG;
                ret_bytes[k++] = (uint8_t)(digit(text[i + 1]) << 4 | digit(text[i + 2]));
                i += 2;
        }
        return (ssize_t)k;
}

char *list_unescape(const char *text, size_t n) {
        char *bytes = malloc(n + 1);
        ssize_t k = bytes ? unescape(text, n, (uint8_t *)bytes) : -1;

        /* A NUL would end it early: no text has one. */
        if (k < 0 || memchr(bytes, 0, (size_t)k)) {
                free(bytes);
                return NULL;
        }
        bytes[k] = '\0';
        return bytes;
}

static int put_text(FILE *f, const char *key, const char *text) {
        _cleanup_(freep) char *escaped = NULL;

        if (!text)
                return 0;
        escaped = list_escape(text, strlen(text), PLAIN);
        if (!escaped)
                return -ENOMEM;
        (void)fprintf(f, " %s=%s", key, escaped);
        return 0;
}

static int put_meta(FILE *f, const ListEntry *entry) {
        const FileMeta *meta = &entry->meta;
        int64_t seconds = meta->mtime_nsec / NSEC_PER_SEC, nanoseconds = meta->mtime_nsec % NSEC_PER_SEC;

        if (nanoseconds < 0) {
                seconds--;
                nanoseconds += NSEC_PER_SEC;
        }
        (void)fprintf(f, " mode=%o owner=%u:%u mtime=%lld.%09lld", meta->mode, meta->uid, meta->gid,
                      (long long)seconds, (long long)nanoseconds);
        if (entry->kind == WALK_FILE)
                (void)fprintf(f, " size=%llu", (unsigned long long)entry->size);
        if (meta->device)
                (void)fprintf(f, " device=%llu", (unsigned long long)meta->device);
        for (size_t i = 0; i < meta->n_xattrs; i++) {
                const MetaXattr *x = &meta->xattrs[i];
                _cleanup_(freep) char *name = list_escape(x->name, strlen(x->name), PLAIN);
                _cleanup_(freep) char *value = list_escape((const char *)x->value, x->size, PLAIN);

                if (!name || !value)
                        return -ENOMEM;
                (void)fprintf(f, " xattr.%s=%s", name, value);
        }
        return 0;
}

int list_format(const ListEntry *entry, char **ret_line) {
        _cleanup_(freep) char *line = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&line, &size);
        int r;

        if (!f)
                return -ENOMEM;
        (void)fputs(kind_names[entry->kind], f);
        r = put_text(f, "path", entry->path);
        if (r == 0)
                r = put_meta(f, entry);
        if (r == 0)
                r = put_text(f, "target", entry->target);
        if (r == 0)
                r = put_text(f, "ranges", entry->ranges);
        if (r == 0)
                r = put_text(f, "metadata", entry->metadata);
        if (r == 0)
                r = put_text(f, "component", entry->component);
        if (r == 0)
                r = put_text(f, "set", entry->set);
        if (r == 0)
                r = put_text(f, "filespec", entry->filespec);
        if (r == 0)
                r = put_text(f, "source", entry->source);
        if (r == 0)
                r = put_text(f, "sha256", entry->sha256);
        if (entry->recursive)
                (void)fputs(" recursive=yes", f);
        if (entry->live)
                (void)fputs(" live=yes", f);
        if (entry->excluded)
                (void)fputs(" excluded=yes", f);
        if (fclose(f) != 0 || r < 0)
                return -ENOMEM;
        if (size >= LIST_LINE_MAX)
                return -E2BIG;
        *ret_line = TAKE_PTR(line);
        return 0;
}

static int take_text(char **text, const char *value, size_t n) {
        free(*text);
        *text = list_unescape(value, n);
        return *text ? 0 : -EBADMSG;
}

/* All of @value as one number. */
static int take_number(const char *value, size_t n, int base, uint64_t max, uint64_t *ret_number) {
        unsigned long long number;
        char *end;

        if (n == 0 || *value < '0' || *value > '9')
                return -EBADMSG;
        errno = 0;
        number = strtoull(value, &end, base);
        if (errno != 0 || end != value + n || number > max)
                return -EBADMSG;
        *ret_number = number;
        return 0;
}

static int take_pair(const char *value, size_t n, uint64_t max, uint64_t *ret_a, uint64_t *ret_b) {
        const char *colon = memchr(value, ':', n);

        if (!colon || take_number(value, (size_t)(colon - value), 10, max, ret_a) < 0)
                return -EBADMSG;
        return take_number(colon + 1, n - (size_t)(colon + 1 - value), 10, max, ret_b);
}

static int take_time(const char *value, size_t n, int64_t *ret_nsec) {
        const char *dot = memchr(value, '.', n);
        bool negative = n > 0 && *value == '-';
        uint64_t seconds, nanoseconds;

        if (!dot || value + n - dot != 10 ||
            take_number(value + negative, (size_t)(dot - value) - negative, 10, 9000000000, &seconds) < 0 ||
            take_number(dot + 1, 9, 10, 999999999, &nanoseconds) < 0)
                return -EBADMSG;
        *ret_nsec = (negative ? -(int64_t)seconds : (int64_t)seconds) * NSEC_PER_SEC + (int64_t)nanoseconds;
        return 0;
}

static int take_xattr(FileMeta *meta, const char *key, size_t n_key, const char *value, size_t n) {
        _cleanup_(freep) char *name = list_unescape(key, n_key);
        _cleanup_(freep) uint8_t *bytes = malloc(n + 1);
        ssize_t k = name && bytes ? unescape(value, n, bytes) : -1;

        return k < 0 ? -EBADMSG : meta_add_xattr(meta, name, bytes, (size_t)k);
}

static int take_meta(FileMeta *meta, const char *key, size_t n_key, const char *value, size_t n) {
        uint64_t a = 0, b = 0;
        int r = 0;

        if (n_key == 4 && strncmp(key, "mode", 4) == 0) {
                r = take_number(value, n, 8, 0177777, &a);
                meta->mode = (uint32_t)a;
        } else if (n_key == 5 && strncmp(key, "owner", 5) == 0) {
                r = take_pair(value, n, UINT32_MAX - 1, &a, &b);
                meta->uid = (uint32_t)a;
                meta->gid = (uint32_t)b;
        } else if (n_key == 5 && strncmp(key, "mtime", 5) == 0)
                r = take_time(value, n, &meta->mtime_nsec);
        else if (n_key == 6 && strncmp(key, "device", 6) == 0) {
                r = take_number(value, n, 10, UINT64_MAX, &a);
                meta->device = a;
        } else if (n_key > 6 && strncmp(key, "xattr.", 6) == 0)
                r = take_xattr(meta, key + 6, n_key - 6, value, n);
        return r;
}

static int take_key(ListEntry *entry, const char *key, size_t n_key, const char *value, size_t n) {
        struct {
                const char *key;
                char **text;
        } texts[] = {
                { "path", &entry->path },           { "target", &entry->target },
                { "ranges", &entry->ranges },       { "metadata", &entry->metadata },
                { "component", &entry->component }, { "set", &entry->set },
                { "filespec", &entry->filespec },   { "source", &entry->source },
                { "sha256", &entry->sha256 },
        };
        struct {
                const char *key;
                bool *yes;
        } switches[] = { { "recursive", &entry->recursive },
                         { "live", &entry->live },
                         { "excluded", &entry->excluded } };

        FOREACH_ELEMENT (row, texts)
                if (strlen(row->key) == n_key && strncmp(row->key, key, n_key) == 0)
                        return take_text(row->text, value, n);
        FOREACH_ELEMENT (row, switches)
                if (strlen(row->key) == n_key && strncmp(row->key, key, n_key) == 0) {
                        *row->yes = n == 3 && strncmp(value, "yes", 3) == 0;
                        return 0;
                }
        if (n_key == 4 && strncmp(key, "size", 4) == 0)
                return take_number(value, n, 10, INT64_MAX, &entry->size);
        return take_meta(&entry->meta, key, n_key, value, n);
}

static bool is_path(const char *path) {
        return path && path[0] == '/' && beneath_is_valid(path + 1);
}

/* Do kind and type agree, and is everything there that restoring it takes? */
static bool is_whole(const ListEntry *entry) {
        mode_t type = entry->meta.mode & S_IFMT;

        if (!is_path(entry->path) || (entry->source && !is_path(entry->source)))
                return false;
        switch (entry->kind) {
        case WALK_FILE:
                return type == S_IFREG;
        case WALK_DIRECTORY:
                return type == S_IFDIR;
        case WALK_SYMLINK:
                return type == S_IFLNK && entry->target;
        case WALK_SPECIAL:
                return type == S_IFIFO || type == S_IFSOCK || type == S_IFCHR || type == S_IFBLK;
        default:
                return true;
        }
}

int list_parse(const char *line, ListEntry *ret_entry) {
        _cleanup_list_entry_ ListEntry entry = { .kind = WALK_ERROR };
        size_t n = strcspn(line, " ");

        for (size_t i = 0; i < ELEMENTS(kind_names); i++)
                if (strlen(kind_names[i]) == n && strncmp(line, kind_names[i], n) == 0)
                        entry.kind = (WalkKind)i;
        if (entry.kind == WALK_ERROR)
                return -EBADMSG;
        while (line[n]) {
                const char *key = line + n + 1;
                size_t n_word = strcspn(key, " "), n_key = strcspn(key, "=");
                int r;

                if (n_key >= n_word)
                        return -EBADMSG;
                r = take_key(&entry, key, n_key, key + n_key + 1, n_word - n_key - 1);
                if (r < 0)
                        return r == -ENOMEM ? r : -EBADMSG;
                line = key + n_word;
                n = 0;
        }
        if (!is_whole(&entry))
                return -EBADMSG;
        *ret_entry = entry;
        entry = (ListEntry){ 0 };
        return 0;
}

int list_write(FILE *f, const ListEntry *entry) {
        _cleanup_(freep) char *line = NULL;
        int r = list_format(entry, &line);

        if (r < 0)
                return r;
        errno = 0;
        return fprintf(f, "%s\n", line) < 0 ? -(errno ?: EIO) : 0;
}

int list_read(int fd, ListHandler handler, void *userdata, unsigned *ret_line) {
        _cleanup_(freep) char *line = malloc(LIST_LINE_MAX + 1);
        _cleanup_(fclosep) FILE *f = fdopen(fd, "re");
        int r = 0;

        *ret_line = 0;
        if (!f || !line) {
                if (!f)
                        (void)close(fd);
                return -ENOMEM;
        }
        while (r == 0 && fgets(line, LIST_LINE_MAX + 1, f)) {
                _cleanup_list_entry_ ListEntry entry = { 0 };
                size_t n = strlen(line);

                (*ret_line)++;
                if (n == 0 || line[n - 1] != '\n')
                        return -EBADMSG;
                line[n - 1] = '\0';
                r = list_parse(line, &entry);
                if (r == 0)
                        r = handler(userdata, &entry);
        }
        return r == 0 && ferror(f) ? -EIO : r;
}
