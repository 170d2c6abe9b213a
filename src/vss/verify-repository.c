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
        vss_value *problems;
} Verification;

static void told(void *userdata, const char *what) {
        Verification *verification = userdata;
        _cleanup_(freep) char *text = strdup(what);

        cli_note("%s", what);
        if (text)
                (void)value_append_string(verification->problems, text_make_utf8(text));
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

        if (vss_value_set_integer(value, "points", (int64_t)counts->points) < 0 ||
            vss_value_set_integer(value, "trees", (int64_t)counts->trees) < 0 ||
            vss_value_set_integer(value, "packs", (int64_t)counts->packs) < 0 ||
            vss_value_set_integer(value, "blobs", (int64_t)counts->blobs) < 0 ||
            vss_value_set_integer(value, "bytes-read", (int64_t)counts->bytes) < 0 ||
            vss_value_set_integer(value, "unused-packs", (int64_t)counts->unused_packs) < 0 ||
            vss_value_set(value, "problems", vss_value_copy(verification->problems)) < 0)
                return cli_out_of_memory(cli);
        return progress_answer(&verification->progress, value);
}

static int report(Cli *cli, Verification *verification, const VerifyCounts *counts, bool read_data) {
        char size[SIZE_TEXT];

        if (cli->json)
                return answer(cli, verification, counts);
        printf("%llu points, %llu trees, %llu packs with %llu blobs", (unsigned long long)counts->points,
               (unsigned long long)counts->trees, (unsigned long long)counts->packs,
               (unsigned long long)counts->blobs);
        if (read_data)
                printf("; %s read", format_size((int64_t)counts->bytes, size));
        printf(": %s\n", counts->problems == 0 ? "no problems" : "there are problems");
        if (counts->unused_packs > 0)
                printf("%llu packs are in no index: runs that did not end left them; they do no harm\n",
                       (unsigned long long)counts->unused_packs);
        return EXIT_DONE;
}

bool is_about_repository(int argc, char **argv) {
        for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (strcmp(argv[i], "--repository") == 0 || strncmp(argv[i], "--repository=", 13) == 0 ||
                    strcmp(argv[i], "--read-data") == 0)
                        return true;
        return false;
}

int verify_repository(Cli *cli, int argc, char **argv) {
        RepoArgs args = {};
        bool read_data = false;
        const Option options[] = {
                REPO_OPTIONS(&args),
                OPTION("read-data", OPTION_FLAG, NULL, "read every byte of every pack", &read_data),
        };
        Verification verification = { .cli = cli };
        VerifyOptions verify = { .told = told, .progress = show_progress, .userdata = &verification };
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        VerifyCounts counts = {};
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status),
            r;
        Why why = {};

        if (index < 0)
                return status;
        if (argc > index)
                return cli_usage(cli, "'%s' is one word too many", argv[index]);
        status = cli_open_repository(cli, &args, &repo);
        if (status == EXIT_DONE)
                status = cli_lock_repository(cli, repo, false, NULL, &lock);
        if (status != EXIT_DONE)
                return status;
        verification.problems = vss_value_new_list();
        verify.read_data = read_data;
        progress_begin(&verification.progress, cli, "looking at it");
        r = verify_run(repo, &verify, &why, &counts);
        progress_end(&verification.progress);
        status = r < 0 ? cli_fail_repository(cli, r, &why) : report(cli, &verification, &counts, read_data);
        vss_value_free(verification.problems);
        if (status == EXIT_DONE && counts.problems > 0) {
                cli_note("%llu problems; they are named above", (unsigned long long)counts.problems);
                status = EXIT_FAILED;
        }
        return status;
}
