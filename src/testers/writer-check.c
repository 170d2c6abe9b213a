/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How the test writer checks a restore: byte for byte, against what it noted at the backup
 *
 * It follows what the document says of the restore, and nothing else: what was restored to another place is
 * looked for there, what the requester says it left alone must be as it was before.
 */

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include "files/locate.h"
#include "testers/places.h"
#include "testers/writer.h"

typedef struct Check {
        TestWriter *writer;
        const vss_value *component; /* of the document */
        char label[4096];           /* its logical path and name */
        FILE *before;               /* test_writer_look(): where to write; test_writer_check(): NULL */
        bool nothing_restored;
        unsigned n, n_wrong;
        char first_wrong[PATH_MAX + 64];
} Check;

const char *test_writer_state(const vss_value *component) {
        static char name[64];
        const char *metadata = vss_value_get_string(component, "backup-metadata", "");

        if (strncmp(metadata, "state=", 6) != 0)
                return NULL;
        (void)snprintf(name, sizeof(name), "%.*s", (int)MIN(strcspn(metadata + 6, ";"), sizeof(name) - 1),
                       metadata + 6);
        return name[0] && name[0] != '.' && !strchr(name, '/') ? name : NULL;
}

static void label_of(const vss_value *component, char *label, size_t size) {
        const char *path = vss_value_get_string(component, "logical-path", "");

        (void)snprintf(label, size, "%s%s%s", path, path[0] ? "/" : "",
                       vss_value_get_string(component, "name", ""));
}

static bool is_or_below(const char *label, const char *above) {
        size_t n = strlen(above);

        return strncmp(label, above, n) == 0 && (label[n] == '\0' || label[n] == '/');
}

/* Is a component of the writer's part of what is restored? */
static bool is_restored(const Check *check, const char *label) {
        const vss_value *chosen = vss_value_get(check->component, "restore-subcomponents");

        if (!label || !is_or_below(label, check->label))
                return false;
        for (size_t i = 0; i < vss_value_count(chosen); i++) {
                char sub[4096];

                label_of(vss_value_at(chosen, i), sub, sizeof(sub));
                if (is_or_below(label, sub))
                        return true;
        }
        return vss_value_count(chosen) == 0;
}

/* Where a file of this set went, by a list of mappings of the document; NULL if none of them is of the set.
 */
static char *find_mapped(const vss_value *mappings, const ListEntry *entry) {
        for (size_t i = 0; entry->set && i < vss_value_count(mappings); i++) {
                const vss_value *m = vss_value_at(mappings, i);
                _cleanup_(freep) char *set = NULL;
                char *path = NULL;
                size_t n;

                if (strcmp(vss_value_get_string(m, "path", ""), entry->set) != 0 ||
                    strcmp(vss_value_get_string(m, "filespec", ""), entry->filespec) != 0 ||
                    vss_value_get_boolean(m, "recursive", false) != entry->recursive)
                        continue;
                set = locate_resolve(entry->set);
                n = set ? strlen(set) : 0;
                if (n == 0 || strncmp(entry->path, set, n) != 0 ||
                    locate_join(vss_value_get_string(m, "alternate-path", ""),
                                entry->path + n + (entry->path[n] == '/'), &path) < 0)
                        continue;
                return path;
        }
        return NULL;
}

/* Where a file that is directed elsewhere went as a whole; NULL if it is not. @ret_parts: only parts of it.
 */
static char *find_directed(const vss_value *targets, const ListEntry *entry, bool *ret_parts) {
        for (size_t i = 0; i < vss_value_count(targets); i++) {
                const vss_value *t = vss_value_at(targets, i);
                _cleanup_(freep) char *source = NULL;
                char *path = NULL;

                if (locate_join(vss_value_get_string(t, "path", ""), vss_value_get_string(t, "filespec", ""),
                                &source) < 0 ||
                    strcmp(source, entry->path) != 0)
                        continue;
                *ret_parts = *ret_parts || *vss_value_get_string(t, "ranges", "");
                if (locate_join(vss_value_get_string(t, "destination-path", ""),
                                vss_value_get_string(t, "destination-filespec", ""), &path) == 0)
                        return path;
        }
        return NULL;
}

/* The place of a file after the restore. NULL if it cannot be told. */
static char *find_place(const Check *check, const ListEntry *entry) {
        bool parts = false;
        char *path = NULL;

        if (vss_value_get_integer(check->component, "restore-target", 0) == VSS_RT_DIRECTED) {
                path = find_directed(vss_value_get(check->component, "directed-targets"), entry, &parts);
                if (parts) {
                        free(path);
                        return NULL;
                }
        }
        if (!path)
                path = find_mapped(vss_value_get(check->component, "alternate-mappings"), entry);
        if (!path)
                path = find_mapped(vss_value_get(check->component, "new-targets"), entry);
        return path ?: strdup(entry->path);
}

static void note_wrong(Check *check, const char *path, const char *what) {
        if (check->n_wrong++ == 0)
                (void)snprintf(check->first_wrong, sizeof(check->first_wrong), "%s: %s", path, what);
        test_writer_log(check->writer, "check %s %s", what, path);
}

static int check_entry(void *userdata, ListEntry *entry) {
        Check *check = userdata;
        _cleanup_(freep) char *path = NULL;
        const char *wrong;

        if (entry->excluded || !is_restored(check, entry->component))
                return 0;
        path = find_place(check, entry);
        if (!path) {
                test_writer_log(check->writer, "check unknown %s", entry->path);
                return 0;
        }
        check->n++;
        wrong = place_compare(path, entry);
        if (wrong)
                note_wrong(check, path, wrong);
        else
                test_writer_log(check->writer, "check ok %s", path);
        return 0;
}

/* Before: each path that was noted, as it is now; with "gone" if nothing is there. */
static int look_at_entry(void *userdata, ListEntry *entry) {
        Check *check = userdata;
        _cleanup_list_entry_ ListEntry now = { 0 };
        int r;

        if (entry->ranges || !is_restored(check, entry->component))
                return 0;
        r = place_read(entry->path, NULL, &now);
        if (r < 0) {
                now = (ListEntry){ .kind = WALK_MOUNT_POINT,
                                   .path = strdup(entry->path),
                                   .metadata = strdup(r == -ENOENT ? "gone" : "unreadable") };
                if (!now.path || !now.metadata)
                        return -ENOMEM;
        }
        now.excluded = entry->excluded;
        now.component = strdup(entry->component);
        return now.component ? list_write(check->before, &now) : -ENOMEM;
}

/* After: is what was to be left alone as it was? */
static int check_before(void *userdata, ListEntry *before) {
        Check *check = userdata;
        bool gone = before->metadata && strcmp(before->metadata, "gone") == 0;
        const char *wrong;

        if (!is_restored(check, before->component) || (!check->nothing_restored && !before->excluded) ||
            (before->metadata && !gone) || (!check->nothing_restored && !gone))
                return 0;
        check->n++;
        if (gone)
                wrong = access(before->path, F_OK) == 0 ? "unexpected" : NULL;
        else
                wrong = place_compare(before->path, before);
        if (wrong)
                note_wrong(check, before->path, wrong);
        return 0;
}

static int read_state(Check *check, const char *name, ListHandler handler) {
        char path[PATH_MAX];
        unsigned line = 0;
        int fd, r;

        if (snprintf(path, sizeof(path), "%s/%s", check->writer->conf.state, name) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : list_read(fd, handler, check, &line);
        if (r < 0)
                test_writer_log(check->writer, "cannot read %s, line %u: %s", path, line, strerror(-r));
        return r;
}

static bool is_selected(const vss_value *component) {
        return vss_value_get_boolean(component, "selected-for-restore", false);
}

vss_result test_writer_look(TestWriter *writer, vss_writer_call *call) {
        _cleanup_(fclosep) FILE *before = NULL;
        char path[PATH_MAX];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s.before", writer->conf.state,
                       vss_writer_call_session_id(call));
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        before = fd < 0 ? NULL : fdopen(fd, "we");
        if (!before) {
                test_writer_log(writer, "cannot note what is there before the restore in %s: %m", path);
                return VSS_S_OK;
        }
        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *c = vss_writer_call_component(call, i);
                const char *state = test_writer_state(c);
                Check check = { .writer = writer, .component = c, .before = before };

                label_of(c, check.label, sizeof(check.label));
                if (is_selected(c) && state)
                        (void)read_state(&check, state, look_at_entry);
        }
        return VSS_S_OK;
}

static void check_component(TestWriter *writer, vss_writer_call *call, Check *check) {
        const vss_value *c = check->component;
        int status = (int)vss_value_get_integer(c, "file-restore-status", VSS_RS_UNDEFINED);
        const char *state = test_writer_state(c);
        char before[64];

        if (vss_value_get_boolean(c, "additional-restores", false) || !state || status == VSS_RS_FAILED ||
            status == VSS_RS_UNDEFINED) {
                test_writer_log(writer, "checks nothing of %s: %s", check->label,
                                !state                       ? "it noted nothing at its backup"
                                : status == VSS_RS_FAILED    ? "its restore failed"
                                : status == VSS_RS_UNDEFINED ? "nothing is said of its files"
                                                             : "more is to come");
                return;
        }
        check->nothing_restored = status == VSS_RS_NONE;
        if (!check->nothing_restored && writer->conf.check_includes &&
            read_state(check, state, check_entry) < 0)
                note_wrong(check, state, "unreadable");
        (void)snprintf(before, sizeof(before), "%s.before", vss_writer_call_session_id(call));
        if (writer->conf.check_excludes)
                (void)read_state(check, before, check_before);
        test_writer_log(writer, "checked %s: %u, %u wrong", check->label, check->n, check->n_wrong);
}

vss_result test_writer_check(TestWriter *writer, vss_writer_call *call) {
        char first_wrong[sizeof(((Check *)0)->first_wrong)] = "";
        unsigned n_wrong = 0;

        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                Check check = { .writer = writer, .component = vss_writer_call_component(call, i) };

                if (!is_selected(check.component))
                        continue;
                label_of(check.component, check.label, sizeof(check.label));
                check_component(writer, call, &check);
                if (check.n_wrong == 0)
                        continue;
                (void)vss_writer_call_set_post_restore_failure_msg(
                        call, vss_value_get_string(check.component, "logical-path", ""),
                        vss_value_get_string(check.component, "name", ""), check.first_wrong);
                if (n_wrong == 0)
                        (void)snprintf(first_wrong, sizeof(first_wrong), "%s", check.first_wrong);
                n_wrong += check.n_wrong;
        }
        if (n_wrong == 0)
                return VSS_S_OK;
        return vss_writer_call_veto(call, VSS_E_WRITERERROR_NONRETRYABLE,
                                    "%u files are not what they were at the backup, the first: %s", n_wrong,
                                    first_wrong);
}
