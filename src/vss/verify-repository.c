/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss verify --repository: is everything there, and whole?
 */

#include <string.h>
#include "repository/verify.h"
#include "util/utf8.h"
#include "vss/progress.h"
#include "vss/repository.h"
#include "vss/size.h"
#include "vss/verb.h"

typedef struct Verification {
        Cli *cli;
        Progress progress;
        vss_value *problems, *lost;
} Verification;

/* In the order in which it is done; vss-repository(7) says it at length. */
static const struct {
        unsigned damage; /* any of these */
        const char *what;
} advice[] = {
        { VERIFY_KEYS | VERIFY_INDEX | VERIFY_PACKS | VERIFY_POINTS,
          "First see to the disk, and copy the repository: what is whole can be restored, now and later." },
        { VERIFY_KEYS, "A key file: delete it, and add one with vss key add while another key is open." },
        { VERIFY_POINTS, "A point: delete its file; nothing else stands on it." },
        { VERIFY_PACKS, "Packs: move those that are damaged out of the repository." },
        { VERIFY_INDEX | VERIFY_PACKS,
          "The index: restic rebuild-index makes it anew, from the packs that are there." },
        { VERIFY_PACKS,
          "Then vss backup of the same files: what is still in them is stored again, and older "
          "points have it, too." },
        { VERIFY_PACKS | VERIFY_TREES,
          "Then run this again: what is still named is lost; vss forget takes away points "
          "that are of no use." },
};

static void told(void *userdata, const char *what) {
        Verification *verification = userdata;
        _cleanup_(freep) char *text = strdup(what);

        cli_note("%s", what);
        if (text)
                (void)value_append_string(verification->problems, text_make_utf8(text));
}

static int add_lost(Verification *verification, const char *id, const char *path, const char *what) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        _cleanup_(freep) char *name = strdup(path), *text = strdup(what);

        if (!name || !text || vss_value_set_string(entry, "point", id) < 0 ||
            vss_value_set_string(entry, "path", text_make_utf8(name)) < 0 ||
            vss_value_set_string(entry, "message", text_make_utf8(text)) < 0)
                return VSS_E_OUTOFMEMORY;
        return vss_value_append(verification->lost, TAKE_PTR(entry));
}

static void lost(void *userdata, const Snapshot *point, const char *path, const char *what) {
        Verification *verification = userdata;
        char id[BLOB_ID_TEXT];

        cli_note("point %.8s: %s: lost: %s", blob_id_text(&point->id, id), path, what);
        (void)add_lost(verification, id, path, what);
}

static bool show_progress(void *userdata, const char *step, uint64_t done, uint64_t all) {
        Verification *verification = userdata;

        verification->progress.view.step = step;
        verification->progress.view.noun = strcmp(step, "reading packs") == 0 ? "packs" : "points";
        progress_expect(&verification->progress, all, 0);
        return progress_update(&verification->progress, done, 0, NULL, NULL);
}

static int answer(Cli *cli, Verification *verification, const VerifyCounts *counts) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        vss_value *remedies = value_require(value, "advice", VSS_KIND_LIST);

        if (!remedies || vss_value_set_integer(value, "points", (int64_t)counts->points) < 0 ||
            vss_value_set_integer(value, "points-hit", (int64_t)counts->hit_points) < 0 ||
            vss_value_set_integer(value, "trees", (int64_t)counts->trees) < 0 ||
            vss_value_set_integer(value, "packs", (int64_t)counts->packs) < 0 ||
            vss_value_set_integer(value, "blobs", (int64_t)counts->blobs) < 0 ||
            vss_value_set_integer(value, "bytes-read", (int64_t)counts->bytes) < 0 ||
            vss_value_set_integer(value, "unused-packs", (int64_t)counts->unused_packs) < 0 ||
            vss_value_set(value, "problems", vss_value_copy(verification->problems)) < 0 ||
            vss_value_set(value, "lost", vss_value_copy(verification->lost)) < 0)
                return cli_out_of_memory(cli);
        FOREACH_ELEMENT (each, advice)
                if ((each->damage & counts->damage) && value_append_string(remedies, each->what) < 0)
                        return cli_out_of_memory(cli);
        return progress_answer(&verification->progress, value);
}

static void show_damage(const VerifyCounts *counts) {
        if (counts->problems == 0)
                return;
        if (counts->hit_points > 0)
                printf("%llu of %llu point%s hit, in %llu path%s; all else in them can be restored\n",
                       (unsigned long long)counts->hit_points, (unsigned long long)counts->points,
                       counts->points == 1 ? " is" : "s are", (unsigned long long)counts->lost,
                       PLURAL(counts->lost));
        else
                printf("no path of any point is lost by what was found\n");
        printf("What to do:\n");
        FOREACH_ELEMENT (each, advice)
                if (each->damage & counts->damage)
                        printf("  %s\n", each->what);
}

static int report(Cli *cli, Verification *verification, const VerifyCounts *counts, bool read_data) {
        char size[SIZE_TEXT];

        if (cli->json)
                return answer(cli, verification, counts);
        printf("%llu point%s, %llu tree%s, %llu pack%s with %llu blob%s", (unsigned long long)counts->points,
               PLURAL(counts->points), (unsigned long long)counts->trees, PLURAL(counts->trees),
               (unsigned long long)counts->packs, PLURAL(counts->packs), (unsigned long long)counts->blobs,
               PLURAL(counts->blobs));
        if (read_data)
                printf("; %s read", format_size((int64_t)counts->bytes, size));
        printf(": %s\n", counts->problems == 0 ? "no problems" : "there are problems");
        show_damage(counts);
        if (counts->unused_packs > 0)
                printf("%llu pack%s in no index: runs that did not end left them; they do no harm\n",
                       (unsigned long long)counts->unused_packs,
                       counts->unused_packs == 1 ? " is" : "s are");
        return EXIT_DONE;
}

int verify_repository(Cli *cli, const RepoArgs *args, bool read_data) {
        Verification verification = { .cli = cli };
        const VerifyOptions options = { .read_data = read_data,
                                        .told = told,
                                        .lost = lost,
                                        .progress = show_progress,
                                        .userdata = &verification };
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        VerifyCounts counts = {};
        int status = cli_open_repository_itself(cli, args, &repo), r;
        Why why = {};

        if (status == EXIT_DONE)
                status = cli_lock_repository(cli, repo, false, NULL, &lock);
        if (status != EXIT_DONE)
                return status;
        verification.problems = vss_value_new_list();
        verification.lost = vss_value_new_list();
        progress_begin(&verification.progress, cli, "looking at it");
        r = verify_run(repo, &options, &why, &counts);
        progress_end(&verification.progress);
        status = r < 0 ? cli_fail_repository(cli, r, &why) : report(cli, &verification, &counts, read_data);
        vss_value_free(verification.problems);
        vss_value_free(verification.lost);
        if (status == EXIT_DONE && counts.problems > 0) {
                cli_note("%llu problem%s; named above", (unsigned long long)counts.problems,
                         PLURAL(counts.problems));
                status = EXIT_FAILED;
        }
        return status;
}
