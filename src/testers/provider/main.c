/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-provider: does a provider keep the contract?
 */

#include <getopt.h>
#include <signal.h>
#include <string.h>
#include "bus/names.h"
#include "config.h"
#include "testers/provider/conformance.h"
#include "util/clock.h"

static const TestCheck checks[] = {
        { "info", "what it says of itself", check_get_info, 0 },
        { "volumes", "which volumes it takes, quickly and without side effects", check_volumes, 1 },
        { "order", "steps out of their order are refused", check_order, 1 },
        { "codes", "what there is not is answered as it must be", check_unknown, 0 },
        { "set", "a set from begin to end, and what is in the copy", check_set, 1 },
        { "load", "the same while somebody writes", check_load, 1 },
        { "across", "sets of two volumes, of one instant where that is promised", check_across, 2 },
        { "writable", "copies can be written to before they are complete, and never after", check_writable,
          1 },
        { "delete", "one of several goes, the others stay", check_delete, 1 },
        { "limit", "several copies of one volume, as many as it says it keeps", check_limit, 1 },
        { "identity", "what is known of a copy is kept with it", check_identity, 1 },
        { "abort", "sets that end at any step leave nothing behind", check_abort, 1 },
        { "abandon", "a set that another one comes after is given up", check_abandon, 1 },
        { "optional", "optional calls: there, or not supported; never while a set waits for its cut",
          check_optional, 1 },
        { "storage", "what stands is looked after", check_storage, 1 },
        { "kill", "its process killed at any step: the next one takes the set back", check_kill, 1 },
};

static void print_help(void) {
        printf("Usage: vss-test-provider --volume PATH... [OPTION]... NAME\n\n"
               "Runs the provider NAME through everything that the service may ask of it, on these volumes, "
               "and "
               "says what is wrong.\nIt stands in the place of the service, which must not run "
               "meanwhile.\n\n"
               "  --volume PATH    a volume of the kind it takes, to be written to; two or more for sets of "
               "several\n"
               "  --check NAME,... only these\n"
               "  --limit SECONDS  for one call (60)\n"
               "  --sample N       of the steps at which sets end, only so many, by chance ($SEED)\n"
               "  --json           the answer as JSON\n"
               "  --list           the checks\n"
               "  --version\n\nChecks:\n");
        FOREACH_ELEMENT (check, checks)
                printf("  %-10s %s\n", check->name, check->text);
        printf("\nExit status: 0 it keeps the contract, 1 it does not, 2 wrong usage.\n");
}

static const TestCheck *find_check(const char *name, size_t n) {
        FOREACH_ELEMENT (check, checks)
                if (strlen(check->name) == n && strncmp(check->name, name, n) == 0)
                        return check;
        return NULL;
}

/* "set,load". Return: false after a message. */
static bool check_names(const char *names) {
        for (const char *at = names; *at;) {
                size_t n = strcspn(at, ",");

                if (!find_check(at, n)) {
                        fprintf(stderr, "vss-test-provider: there is no check '%.*s'; --list shows them\n",
                                (int)n, at);
                        return false;
                }
                at += n + (at[n] == ',');
        }
        return true;
}

static bool is_wanted(const char *names, const TestCheck *check) {
        size_t n = strlen(check->name);

        for (const char *at = names; at && *at; at += strcspn(at, ","), at += *at == ',')
                if (strcspn(at, ",") == n && strncmp(at, check->name, n) == 0)
                        return true;
        return !names;
}

static int open_volumes(Test *test, char *const *paths, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r = volume_open(test, paths[i], &test->volumes[test->n_volumes]);

                if (r < 0) {
                        fprintf(stderr, "vss-test-provider: %s: %s\n", paths[i],
                                r == -EEXIST ? "it is on the same volume as one before it" : strerror(-r));
                        return r;
                }
                test->n_volumes++;
        }
        return 0;
}

static void run(Test *test, const char *names) {
        FOREACH_ELEMENT (check, checks) {
                if (!is_wanted(names, check))
                        continue;
                test->check = check->name;
                if (check->n_volumes > test->n_volumes)
                        point_skipped(test, "it needs another --volume", "%s", check->text);
                else
                        check->run(test);
        }
}

/* What all of it needs: a provider that is there. */
static bool find_provider(Test *test) {
        vss_result r = provider_get_info(test, &test->info);
        const char *name = vss_value_get_string(test->info, "name", "");

        if (r < 0) {
                fprintf(stderr, "vss-test-provider: %s does not answer: %s (%s)\n", test->bus_name,
                        test->message, vss_result_name(r));
                return false;
        }
        if (strcmp(name, test->name) != 0)
                fprintf(stderr, "vss-test-provider: %s calls itself \"%s\"\n", test->bus_name, name);
        return true;
}

static int run_tests(Test *test, const char *names, char *const *paths, size_t n_paths) {
        _cleanup_(freep) char *before = NULL;
        int status = 1;

        if (provider_connect(test) >= 0 && open_volumes(test, paths, n_paths) >= 0 && find_provider(test)) {
                before = traces_list(test);
                run(test, names);
                test->check = "end";
                (void)traces_point(test, before, "all is as it was before the first check");
                status = report_end(test);
        }
        for (size_t i = 0; i < test->n_volumes; i++)
                volume_done(&test->volumes[i]);
        vss_value_free(test->info);
        vss_value_free(test->points);
        sd_bus_flush_close_unref(test->bus);
        return status;
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "volume", required_argument, NULL, 'v' },
                { "check", required_argument, NULL, 'c' },
                { "limit", required_argument, NULL, 'l' },
                { "json", no_argument, NULL, 'j' },
                { "sample", required_argument, NULL, 's' },
                { "list", no_argument, NULL, 'L' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                { 0 },
        };
        Test test = { .limit_usec = 60 * USEC_PER_SEC, .points = vss_value_new_list() };
        char *paths[TEST_VOLUMES_MAX];
        const char *names = NULL;
        size_t n_paths = 0;
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                if (c == 'v' && n_paths < TEST_VOLUMES_MAX)
                        paths[n_paths++] = optarg;
                else if (c == 'c' && check_names(optarg))
                        names = optarg;
                else if (c == 'l' && strtoul(optarg, NULL, 10) > 0)
                        test.limit_usec = strtoul(optarg, NULL, 10) * USEC_PER_SEC;
                else if (c == 's' && strtoul(optarg, NULL, 10) > 0)
                        test.sample = (unsigned)MIN(strtoul(optarg, NULL, 10), 1000ul);
                else if (c == 'j')
                        test.json = true;
                else if (c == 'h' || c == 'L')
                        return print_help(), 0;
                else if (c == 'V')
                        return printf("vss-test-provider %s\n", LINUXVSS_VERSION), 0;
                else
                        return 2;
        }
        if (argc - optind != 1 || n_paths == 0 || strlen(argv[optind]) >= sizeof(test.name)) {
                fprintf(stderr,
                        "vss-test-provider: name a provider, and at least one --volume; see --help\n");
                return 2;
        }
        test.seed = (unsigned)strtoul(getenv("SEED") ?: "1", NULL, 10);
        (void)snprintf(test.name, sizeof(test.name), "%s", argv[optind]);
        (void)snprintf(test.bus_name, sizeof(test.bus_name), BUS_PROVIDER_PREFIX "%s", test.name);
        (void)signal(SIGPIPE, SIG_IGN);
        return run_tests(&test, names, paths, n_paths);
}
