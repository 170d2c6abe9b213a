/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Which parts of the system state there are, on machines made for it; and what is written down of this one's
 * layout
 */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "util/macro.h"
#include "util/test.h"
#include "writers/system/layout.h"
#include "writers/system/parts.h"

static char root[] = "/tmp/vss-test-parts-XXXXXX";

static void _printf_(1, 2) must(const char *format, ...) {
        char command[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(command, sizeof(command), format, args);
        va_end(args);
        if (system(command) != 0) {
                printf("Bail out! %s\n", command);
                exit(1);
        }
}

static bool has(const PartFiles *part, const char *path, const char *filespec) {
        for (size_t i = 0; i < part->n; i++)
                if (strcmp(part->sets[i].path, path) == 0 && strcmp(part->sets[i].filespec, filespec) == 0)
                        return true;
        return false;
}

static void test_empty(void) {
        Parts parts;

        parts_find(root, &parts);
        for (Part part = 0; part < PARTS; part++)
                expect_int(part_infos[part].name, (int)parts.parts[part].n, part == PART_LAYOUT ? 1 : 0);
        expect_int("no packages", parts.packages, PACKAGES_NONE);
}

static void test_debian(void) {
        Parts parts;

        must("cd %s && mkdir -p etc/cron.d var/lib/dpkg var/lib/apt var/spool/cron/crontabs boot "
             "var/log/journal && "
             "touch etc/passwd etc/passwd- etc/shadow etc/group etc/crontab var/lib/dpkg/status "
             "var/lib/apt/extended_states && ln -s /nowhere etc/gshadow",
             root);
        parts_find(root, &parts);
        expect_true("configuration", has(&parts.parts[PART_CONFIGURATION], "/etc", "*"));
        expect_true("accounts", has(&parts.parts[PART_ACCOUNTS], "/etc", "passwd") &&
                                        has(&parts.parts[PART_ACCOUNTS], "/etc", "passwd-") &&
                                        has(&parts.parts[PART_ACCOUNTS], "/etc", "shadow"));
        expect_true("not what is no file, nor what is not there",
                    !has(&parts.parts[PART_ACCOUNTS], "/etc", "gshadow") &&
                            !has(&parts.parts[PART_ACCOUNTS], "/etc", "subuid"));
        expect_int("dpkg", parts.packages, PACKAGES_DPKG);
        expect_str("its database", parts.database, "/var/lib/dpkg");
        expect_true("packages", has(&parts.parts[PART_PACKAGES], "/var/lib/dpkg", "*") &&
                                        has(&parts.parts[PART_PACKAGES], "/var/lib/apt", "extended_states"));
        expect_true("crontabs", has(&parts.parts[PART_CRONTABS], "/etc", "crontab") &&
                                        has(&parts.parts[PART_CRONTABS], "/etc/cron.d", "*") &&
                                        has(&parts.parts[PART_CRONTABS], "/var/spool/cron", "*"));
        expect_true("boot", has(&parts.parts[PART_BOOT], "/boot", "*"));
        expect_int("no firmware's partition", (int)parts.parts[PART_FIRMWARE].n, 0);
        expect_true("journal", has(&parts.parts[PART_JOURNAL], "/var/log/journal", "*"));
}

static void test_rpm(void) {
        Parts parts;

        must("cd %s && rm -rf var/lib/dpkg && mkdir -p usr/lib/sysimage/rpm && ln -s "
             "../../usr/lib/sysimage/rpm var/lib/rpm",
             root);
        parts_find(root, &parts);
        expect_int("rpm", parts.packages, PACKAGES_RPM);
        expect_str("not by the link", parts.database, "/usr/lib/sysimage/rpm");
        must("cd %s && rm -r usr && rm var/lib/rpm && mkdir var/lib/rpm", root);
        parts_find(root, &parts);
        expect_str("the older place", parts.database, "/var/lib/rpm");
}

static bool manifest_has(const char *directory, const char *word) {
        char path[256], line[1024];
        bool found = false;
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/manifest", directory);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
                found = found || strncmp(line, word, strlen(word)) == 0;
        if (file)
                (void)fclose(file);
        return found;
}

static void test_layout(void) {
        char directory[128], path[256], missing[LAYOUT_MISSING_SIZE];
        struct stat st;
        int r;

        (void)snprintf(directory, sizeof(directory), "%s/state/layout", root);
        r = layout_write(directory, now_usec() + 60 * USEC_PER_SEC);
        expect_true("the layout is written down", r >= 0);
        printf("# %d files could not be made; missing: %zu %s\n", r, layout_missing(missing), missing);
        expect_true("for its owner alone", stat(directory, &st) == 0 && (st.st_mode & 0777) == 0700);
        expect_true("mounts", manifest_has(directory, "mountinfo done"));
        expect_true("devices", manifest_has(directory, "lsblk.json "));
        (void)snprintf(path, sizeof(path), "%s/old", directory);
        must("touch %s", path);
        expect_true("again", layout_write(directory, now_usec() + 60 * USEC_PER_SEC) >= 0);
        expect_true("what was there is gone",
                    stat(path, &st) < 0 && manifest_has(directory, "mountinfo done"));
        (void)snprintf(path, sizeof(path), "%s.new", directory);
        expect_true("and nothing is left beside it", stat(path, &st) < 0);
        expect_true("tools that have no time", layout_write(directory, now_usec()) > 0);
        expect_true("are told", manifest_has(directory, "lsblk.json failed lsblk: it did not end in time") ||
                                        manifest_has(directory, "lsblk.json missing"));
        expect_int("where nothing can be made", layout_write("/proc/nonesuch/layout", now_usec()), -ENOENT);
}

int main(void) {
        if (!mkdtemp(root))
                return 1;
        test_empty();
        test_debian();
        test_rpm();
        test_layout();
        must("rm -rf %s", root);
        return test_end();
}
