/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * File sets by their directory
 */

#include <string.h>
#include "model/file-index.h"
#include "model/filespec.h"

int file_index_init(FileIndex *index, size_t n) {
        *index = (FileIndex){ .entries = calloc(n + 1, sizeof(*index->entries)) };
        return index->entries ? 0 : -ENOMEM;
}

void file_index_clear(FileIndex *index) {
        free(index->entries);
        *index = (FileIndex){ 0 };
}

void file_index_add(FileIndex *index, const char *directory, const char *filespec, size_t number) {
        index->entries[index->n++] = (FileIndexEntry){ directory, filespec, filespec_is_exact(filespec),
                                                       number };
}

static int compare_entries(const void *a, const void *b) {
        const FileIndexEntry *ea = a, *eb = b;
        int order = strcmp(ea->directory, eb->directory);

        if (order == 0)
                order = ea->is_exact - eb->is_exact;
        if (order == 0)
                order = strcmp(ea->filespec, eb->filespec);
        return order != 0 ? order : (ea->number > eb->number) - (ea->number < eb->number);
}

void file_index_sort(FileIndex *index) {
        if (index->n > 0)
                qsort(index->entries, index->n, sizeof(*index->entries), compare_entries);
}

/* Against the directory that is the @n first bytes of @path, and in there the exact @name, or NULL:
 * patterns. */
static int compare_key(const FileIndexEntry *entry, const char *path, size_t n, const char *name) {
        int order = strncmp(entry->directory, path, n);

        if (order == 0 && entry->directory[n] != '\0')
                order = 1;
        if (order == 0)
                order = entry->is_exact - (name != NULL);
        return order == 0 && name ? strcmp(entry->filespec, name) : order;
}

/* The first entry that is not before the key. */
static size_t find_first(const FileIndex *index, const char *path, size_t n, const char *name) {
        size_t low = 0, high = index->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (compare_key(&index->entries[middle], path, n, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

size_t file_index_above(const char *path, size_t n) {
        if (n <= 1)
                return 0;
        while (n > 0 && path[n - 1] != '/')
                n--;
        return n > 1 ? n - 1 : 1;
}

void file_index_walk(const FileIndex *index, const char *path, size_t from, const char *name,
                     FileIndexEach each, const void *owner, void *userdata) {
        for (size_t n = from; n > 0; n = file_index_above(path, n))
                for (unsigned exact = 0; exact < (name ? 2u : 1u); exact++) {
                        const char *key = exact ? name : NULL;

                        for (size_t i = find_first(index, path, n, key);
                             i < index->n && compare_key(&index->entries[i], path, n, key) == 0; i++)
                                if (each(owner, index->entries[i].number, userdata))
                                        return;
                }
}
