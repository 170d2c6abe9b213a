/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The system state's writer: is what is in the copy good?
 *
 * The system's own checkers look at the clone, each by an option that has it look there and nowhere else.
 */

#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "writers/common/clone.h"
#include "writers/common/command.h"
#include "writers/system/writer.h"

#define CHECK_USEC (10 * 60 * USEC_PER_SEC)
#define JOURNALS_MAX 1000u
/* Of a journal's header, as systemd documents the format. */
#define JOURNAL_STATE_OFFSET 16
#define JOURNAL_ONLINE 1

typedef struct Verify {
        vss_writer_call *call;
        Part part;
        bool failed;
        unsigned n_checked;
} Verify;

static void _printf_(2, 3) fail(Verify *verify, const char *format, ...) {
        char text[COMMAND_OUTPUT_MAX + 512];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        verify->failed = true;
        (void)vss_writer_call_fail_component(verify->call, "", part_infos[verify->part].name,
                                             VSS_E_WRITERERROR_NONRETRYABLE, "%s", text);
}

/* @silent: what it prints is a fault, whatever its status. */
static void check(Verify *verify, const char *const *argv, bool silent) {
        char text[COMMAND_OUTPUT_MAX + 1];
        int r = command_run(argv, -1, event_deadline(verify->call, CHECK_USEC), text);

        if (r == -ENOENT)
                (void)vss_writer_call_add_note(verify->call, "", part_infos[verify->part].name,
                                               "there is no %s here to look at it", argv[0]);
        else if (r == -ETIMEDOUT)
                fail(verify, "%s did not end in time", argv[0]);
        else if (r < 0)
                fail(verify, "%s cannot be run: %s", argv[0], strerror(-r));
        else if (text[0] && (r > 0 || silent))
                fail(verify, "%s finds fault: %s", argv[0], text);
        else if (r > 0)
                fail(verify, "%s finds fault: it ended with status %d", argv[0], r);
        else
                verify->n_checked++;
}

/* Return: false, with the component failed, if it is not in the copy. */
static bool find(Verify *verify, const char *path, char clone[static PATH_MAX]) {
        if (clone_path(verify->call, path, clone, PATH_MAX) && access(clone, F_OK) == 0) {
                verify->n_checked++;
                return true;
        }
        fail(verify, "%s is not in the copy", path);
        return false;
}

static void verify_accounts(Verify *verify) {
        char files[4][PATH_MAX];
        static const char *const paths[] = { "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow" };
        const char *const pwck[] = { "pwck", "--read-only", "--quiet", files[0], files[1], NULL };
        const char *const grpck[] = { "grpck", "--read-only", files[2], files[3], NULL };
        bool there = true;

        for (size_t i = 0; i < ELEMENTS(paths); i++)
                there = (access(paths[i], F_OK) < 0 || find(verify, paths[i], files[i])) && there;
        if (!there || access("/etc/shadow", F_OK) < 0 || access("/etc/gshadow", F_OK) < 0)
                return;
        check(verify, pwck, false);
        check(verify, grpck, false);
}

static void verify_packages(Verify *verify, const Parts *parts) {
        char database[PATH_MAX], option[PATH_MAX + 16];
        const char *const audit[] = { "dpkg", option, "--audit", NULL };
        const char *const list[] = { "dpkg-query", option, "--show", "--showformat=${Package}", NULL };
        const char *const rpm[] = { "rpmdb", "--dbpath", database, "--verifydb", NULL };

        if (!find(verify, parts->database, database))
                return;
        if (parts->packages == PACKAGES_RPM) {
                check(verify, rpm, false);
                return;
        }
        (void)snprintf(option, sizeof(option), "--admindir=%s", database);
        check(verify, audit, true);
        check(verify, list, false);
}

static void verify_configuration(Verify *verify) {
        char sudoers[PATH_MAX], fstab[PATH_MAX];
        const char *const visudo[] = { "visudo", "--check", "--quiet", "--file", sudoers, NULL };
        const char *const findmnt[] = { "findmnt",  "--tab-file", fstab, "--noheadings",
                                        "--output", "TARGET",     NULL };
        char text[COMMAND_OUTPUT_MAX + 1];

        if (access("/etc/sudoers", F_OK) == 0 && find(verify, "/etc/sudoers", sudoers))
                check(verify, visudo, false);
        if (access("/etc/fstab", F_OK) < 0 || !find(verify, "/etc/fstab", fstab))
                return;
        /* Its status says only whether there is a line in it. */
        if (command_run(findmnt, -1, event_deadline(verify->call, CHECK_USEC), text) >= 0 &&
            strstr(text, "parse error"))
                fail(verify, "/etc/fstab: %s", text);
}

/* As its header says: somebody had it open, and would have put it aside at the next start. */
static bool is_online(const char *path) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        unsigned char state = 0;

        return fd >= 0 && pread(fd, &state, 1, JOURNAL_STATE_OFFSET) == 1 && state == JOURNAL_ONLINE;
}

static void verify_journal_file(Verify *verify, const char *path) {
        const char *const journalctl[] = { "journalctl", "--verify", "--quiet", "--file", path, NULL };
        char text[COMMAND_OUTPUT_MAX + 1];
        const char *name = strrchr(path, '/') + 1;

        if (!is_online(path)) {
                check(verify, journalctl, false);
                return;
        }
        if (command_run(journalctl, -1, event_deadline(verify->call, CHECK_USEC), text) > 0)
                (void)vss_writer_call_add_note(verify->call, "", part_infos[PART_JOURNAL].name,
                                               "%s was being written: its last entries may be missing",
                                               name);
}

/* Files of one machine are in a directory of its id. */
static void verify_journal(Verify *verify) {
        char directory[PATH_MAX], pattern[PATH_MAX + 16];
        glob_t files = { .gl_pathc = 0 };

        if (!find(verify, "/var/log/journal", directory))
                return;
        (void)snprintf(pattern, sizeof(pattern), "%s/*/*.journal", directory);
        if (glob(pattern, GLOB_NOSORT, NULL, &files) == 0)
                for (size_t i = 0; i < files.gl_pathc && i < JOURNALS_MAX && !verify->failed; i++)
                        verify_journal_file(verify, files.gl_pathv[i]);
        globfree(&files);
}

static void verify_part(Verify *verify, const Parts *parts) {
        char path[PATH_MAX];

        switch (verify->part) {
        case PART_CONFIGURATION:
                verify_configuration(verify);
                break;
        case PART_ACCOUNTS:
                verify_accounts(verify);
                break;
        case PART_PACKAGES:
                verify_packages(verify, parts);
                break;
        case PART_LAYOUT:
                (void)find(verify, LAYOUT_DIRECTORY "/manifest", path);
                break;
        case PART_JOURNAL:
                verify_journal(verify);
                break;
        default:
                (void)find(verify, parts->parts[verify->part].sets[0].path, path);
        }
        if (!verify->failed)
                (void)vss_writer_call_add_note(verify->call, "", part_infos[verify->part].name,
                                               "no fault was found (checks: %u)", verify->n_checked);
}

vss_result system_verify(vss_writer_call *call) {
        Parts parts;

        parts_find("", &parts);
        for (Part part = 0; part < PARTS; part++) {
                Verify verify = { .call = call, .part = part };
                const PartFiles *files = &parts.parts[part];

                if (files->n > 0 && vss_writer_call_is_path_affected(call, files->sets[0].path) &&
                    (!vss_writer_call_components_selected(call) ||
                     vss_writer_call_find_component(call, "", part_infos[part].name)))
                        verify_part(&verify, &parts);
        }
        return VSS_S_OK;
}
