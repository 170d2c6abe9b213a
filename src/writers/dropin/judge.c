/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * May a drop-in file name this path? With Roots= by the text, else if its user owns what is there
 *
 * A child looks, since the name service and file systems may hang; what it has not judged in time is left
 * out.
 */

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/dropin/writer.h"

enum { VERDICT_GOOD, VERDICT_OUTSIDE, VERDICT_NOT_OWNED, VERDICT_MISSING, VERDICT_NO_USER, VERDICT_LATE };

typedef struct Verdict {
        uint32_t item, file_set;
        uint32_t verdict;
} Verdict;

typedef struct JudgeOrder {
        const DropInSet *set;
        pid_t parent;
} JudgeOrder;

static uint32_t judge_path(const DropIn *dropin, const char *path, uid_t uid) {
        struct stat st;

        if (dropin->roots) {
                for (char **root = dropin->roots; *root; root++)
                        if (path_is_below(path, *root))
                                return VERDICT_GOOD;
                return VERDICT_OUTSIDE;
        }
        if (lstat(path, &st) < 0)
                return VERDICT_MISSING;
        return st.st_uid == uid ? VERDICT_GOOD : VERDICT_NOT_OWNED;
}

static int judge_main(int fd, void *userdata) {
        const JudgeOrder *order = userdata;

        if (child_die_with_parent(order->parent) < 0)
                return 1;
        for (uint32_t i = 0; i < order->set->n; i++) {
                const DropIn *dropin = order->set->items[i];
                const struct passwd *user = getpwnam(dropin->user);

                for (uint32_t j = 0; j < dropin->n_file_sets; j++) {
                        Verdict verdict = { .item = i, .file_set = j, .verdict = VERDICT_NO_USER };

                        if (user && dropin->file_sets[j].component == DROPIN_EXCLUDE)
                                verdict.verdict = VERDICT_GOOD;
                        else if (user)
                                verdict.verdict = judge_path(dropin, dropin->file_sets[j].path,
                                                             user->pw_uid);
                        if (child_send(fd, &verdict, sizeof(verdict)) < 0)
                                return 1;
                }
        }
        return 0;
}

static int apply(DropInSet *set, size_t item, size_t index, uint32_t verdict) {
        const DropIn *dropin = set->items[item];
        DropInFileSet *files = &dropin->file_sets[index];

        files->dropped = verdict != VERDICT_GOOD;
        switch (verdict) {
        case VERDICT_GOOD:
                return 0;
        case VERDICT_OUTSIDE:
                return warnings_add(&set->warnings, "%s, line %u: %s lies outside of Roots= and is left out",
                                    dropin->path, files->line, files->path);
        case VERDICT_NOT_OWNED:
                return warnings_add(
                        &set->warnings,
                        "%s, line %u: %s does not belong to %s and is left out; Roots= in [Writer] "
                        "allows it",
                        dropin->path, files->line, files->path, dropin->user);
        case VERDICT_MISSING:
                return warnings_add(&set->warnings, "%s, line %u: there is no %s", dropin->path, files->line,
                                    files->path);
        case VERDICT_NO_USER:
                return warnings_add(&set->warnings, "%s, line %u: there is no user %s", dropin->path,
                                    files->line, dropin->user);
        default:
                return warnings_add(&set->warnings, "%s, line %u: %s did not answer in time and is left out",
                                    dropin->path, files->line, files->path);
        }
}

int dropin_judge(DropInSet *set, uint64_t deadline_usec) {
        JudgeOrder order = { .set = set, .parent = getpid() };
        uint32_t verdicts[DROPIN_FILES_MAX][DROPIN_FILE_SETS_MAX];
        Child child = CHILD_NULL;
        Verdict verdict;
        int r;

        for (size_t i = 0; i < DROPIN_FILES_MAX; i++)
                for (size_t j = 0; j < DROPIN_FILE_SETS_MAX; j++)
                        verdicts[i][j] = VERDICT_LATE;
        r = child_start(judge_main, &order, &child);
        if (r < 0)
                return r;
        while (child_receive(child.fd, &verdict, sizeof(verdict), deadline_usec) == (ssize_t)sizeof(verdict))
                if (verdict.item < set->n && verdict.file_set < DROPIN_FILE_SETS_MAX)
                        verdicts[verdict.item][verdict.file_set] = verdict.verdict;
        child_kill(&child);

        for (size_t i = 0; i < set->n; i++)
                for (size_t j = 0; j < set->items[i]->n_file_sets; j++) {
                        r = apply(set, i, j, verdicts[i][j]);
                        if (r < 0)
                                return r;
                }
        return 0;
}
