/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a backup's files are kept
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include "files/beneath.h"
#include "testers/store.h"

#define NAME_SHOWN 100

static int open_directory(int fd, const char *name, bool make) {
        if (make && mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        return beneath_open(fd, name, O_RDONLY | O_DIRECTORY, 0, 0);
}

/* Takes @fd over. */
static int take_store(int fd, bool make, Store *ret_store) {
        int components_fd = open_directory(fd, "components", make);

        if (components_fd < 0) {
                (void)close(fd);
                return components_fd;
        }
        *ret_store = (Store){ .fd = fd, .components_fd = components_fd };
        return 0;
}

int store_create(const char *path, Store *ret_store) {
        int fd;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (faccessat(fd, "components", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
                (void)close(fd);
                return -EEXIST;
        }
        return take_store(fd, true, ret_store);
}

int store_open(const char *path, Store *ret_store) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : take_store(fd, false, ret_store);
}

void store_close(Store *store) {
        if (store->fd >= 0)
                (void)close(store->fd);
        if (store->components_fd >= 0)
                (void)close(store->components_fd);
        *store = (Store){ .fd = -1, .components_fd = -1 };
}

static int finish_file(FILE *f) {
        int r = 0;

        if (fflush(f) != 0 || ferror(f) || fsync(fileno(f)) < 0)
                r = -(errno ?: EIO);
        if (fclose(f) != 0 && r == 0)
                r = -errno;
        return r;
}

static FILE *create_text(int fd, const char *name) {
        int file_fd = openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

        return file_fd < 0 ? NULL : fdopen(file_fd, "we");
}

int store_finish(Store *store, const vss_value *lines) {
        FILE *f = create_text(store->fd, "backup.new");
        int r;

        if (!f)
                return -errno;
        for (size_t i = 0; i < vss_value_count(lines); i++) {
                const vss_value *value = vss_value_at(lines, i);

                if (vss_value_kind(value) == VSS_KIND_INTEGER)
                        (void)fprintf(f, "%s=%lld\n", vss_value_key_at(lines, i),
                                      (long long)vss_value_integer(value, 0));
                else
                        (void)fprintf(f, "%s=%s\n", vss_value_key_at(lines, i), vss_value_string(value, ""));
        }
        r = finish_file(f);
        /* All contents, too, before it says that the backup is there. */
        if (r == 0 && syncfs(store->fd) < 0)
                r = -errno;
        if (r == 0 && renameat(store->fd, "backup.new", store->fd, "backup") < 0)
                r = -errno;
        return r == 0 && fsync(store->fd) < 0 ? -errno : r;
}

void store_component_clear(StoreComponent *component) {
        free(component->writer);
        free(component->component);
        free(component->directory);
        if (component->list)
                (void)fclose(component->list);
        if (component->files_fd >= 0)
                (void)close(component->files_fd);
        if (component->fd >= 0)
                (void)close(component->fd);
        *component = (StoreComponent){ .fd = -1, .files_fd = -1 };
}

StoreComponent *store_components_free(StoreComponent *components, size_t n) {
        for (size_t i = 0; i < n; i++)
                store_component_clear(&components[i]);
        free(components);
        return NULL;
}

static int write_name(const StoreComponent *component) {
        _cleanup_(freep) char *escaped = list_escape(component->component, strlen(component->component),
                                                     "/._-+,:@");
        FILE *f = escaped ? create_text(component->fd, "component") : NULL;

        if (!f)
                return escaped ? -errno : -ENOMEM;
        (void)fprintf(f, "%s\n", escaped);
        return finish_file(f);
}

int store_add_component(Store *store, const char *writer, const char *component,
                        StoreComponent *ret_component) {
        StoreComponent c = {
                .writer = strdup(writer), .component = strdup(component), .fd = -1, .files_fd = -1
        };
        _cleanup_(freep) char *shown = list_escape(component, strlen(component), "._-+,:@");
        _cleanup_(closep) int writer_fd = -1;
        char name[NAME_SHOWN + 16];
        int r = 0;

        if (!c.writer || !c.component || !shown)
                r = -ENOMEM;
        if (r == 0) {
                (void)snprintf(name, sizeof(name), "%04u-%.*s", store->n_components++, NAME_SHOWN, shown);
                if (asprintf(&c.directory, "%s/%s", writer, name) < 0) {
                        c.directory = NULL;
                        r = -ENOMEM;
                }
        }
        if (r == 0)
                r = writer_fd = open_directory(store->components_fd, writer, true);
        if (r >= 0)
                r = c.fd = open_directory(writer_fd, name, true);
        if (r >= 0)
                r = c.files_fd = open_directory(c.fd, "files", true);
        if (r >= 0)
                r = write_name(&c);
        if (r >= 0) {
                c.list = create_text(c.fd, "list");
                r = c.list ? 0 : -errno;
        }
        if (r < 0) {
                store_component_clear(&c);
                return r;
        }
        *ret_component = c;
        return 0;
}

int store_component_finish(StoreComponent *component) {
        FILE *f = component->list;
        int r = finish_file(f);

        component->list = NULL;
        return r == 0 && fsync(component->fd) < 0 ? -errno : r;
}

int store_create_file(const StoreComponent *component, const char *path) {
        _cleanup_(closep) int fd = -1;
        const char *name;

        fd = beneath_open_parent(component->files_fd, path + 1, true, &name);
        if (fd < 0)
                return fd;
        return beneath_open(fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600, 0);
}

int store_open_file(const StoreComponent *component, const char *path) {
        return beneath_open(component->files_fd, path + 1, O_RDONLY | O_NONBLOCK, 0, 0);
}

int store_open_list(const StoreComponent *component) {
        return beneath_open(component->fd, "list", O_RDONLY | O_NONBLOCK, 0, 0);
}

static char *read_name(int fd) {
        char line[16384];
        int file_fd = beneath_open(fd, "component", O_RDONLY | O_NONBLOCK, 0, 0);
        _cleanup_(fclosep) FILE *f = file_fd < 0 ? NULL : fdopen(file_fd, "re");
        size_t n;

        if (!f || !fgets(line, sizeof(line), f))
                return NULL;
        n = strcspn(line, "\n");
        return line[n] ? list_unescape(line, n) : NULL;
}

static int open_component(int writer_fd, const char *writer, const char *name,
                          StoreComponent *ret_component) {
        StoreComponent c = { .fd = -1, .files_fd = -1 };

        c.fd = open_directory(writer_fd, name, false);
        c.files_fd = c.fd < 0 ? -1 : open_directory(c.fd, "files", false);
        c.component = c.files_fd < 0 ? NULL : read_name(c.fd);
        c.writer = strdup(writer);
        if (!c.component || !c.writer || asprintf(&c.directory, "%s/%s", writer, name) < 0) {
                store_component_clear(&c);
                return -EBADMSG;
        }
        *ret_component = c;
        return 0;
}

/* Names in a directory, sorted; not those that begin with a dot. */
static int list_names(int fd, struct dirent ***ret_names) {
        char path[64];
        int n;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = scandir(path, ret_names, NULL, alphasort);
        return n < 0 ? -errno : n;
}

static int list_writer(int store_fd, const char *writer, StoreComponent **components, size_t *n) {
        _cleanup_(closep) int fd = open_directory(store_fd, writer, false);
        struct dirent **names = NULL;
        int k = fd < 0 ? 0 : list_names(fd, &names), r = MIN(k, 0);

        for (int i = 0; i < k; i++) {
                StoreComponent *grown = NULL;

                if (r == 0 && names[i]->d_name[0] != '.') {
                        grown = *n < STORE_COMPONENTS_MAX ? reallocarray(*components, *n + 1, sizeof(*grown))
                                                          : NULL;
                        if (!grown)
                                r = -ENOMEM;
                        else {
                                *components = grown;
                                r = open_component(fd, writer, names[i]->d_name, &grown[*n]);
                                *n += r == 0;
                        }
                }
                free(names[i]);
        }
        free(names);
        return r;
}

int store_list_components(const Store *store, StoreComponent **ret_components, size_t *ret_n) {
        StoreComponent *components = NULL;
        struct dirent **names = NULL;
        int k = list_names(store->components_fd, &names), r = MIN(k, 0);
        size_t n = 0;

        for (int i = 0; i < k; i++) {
                if (r == 0 && names[i]->d_name[0] != '.')
                        r = list_writer(store->components_fd, names[i]->d_name, &components, &n);
                free(names[i]);
        }
        free(names);
        if (r < 0) {
                store_components_free(components, n);
                return r;
        }
        *ret_components = components;
        *ret_n = n;
        return 0;
}
