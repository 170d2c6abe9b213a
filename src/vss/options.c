/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Options of the verbs, by tables
 */

#include <assert.h>
#include <getopt.h>
#include <string.h>
#include <strings.h>
#include "vss/attributes.h"
#include "vss/options.h"

#define OPTIONS_MAX 24u
#define OPTION_BASE 256 /* below are letters */

static const char *const backup_types[] = {
        [VSS_BT_FULL] = "full",
        [VSS_BT_INCREMENTAL] = "incremental",
        [VSS_BT_DIFFERENTIAL] = "differential",
        [VSS_BT_LOG] = "log",
        [VSS_BT_COPY] = "copy",
};

bool backup_type_from_name(const char *name, enum vss_backup_type *ret_type) {
        for (size_t i = 0; i < ELEMENTS(backup_types); i++)
                if (backup_types[i] && strcasecmp(backup_types[i], name) == 0) {
                        *ret_type = (enum vss_backup_type)i;
                        return true;
                }
        return false;
}

const char *provider_type_name(int64_t type) {
        static const char *const names[] = {
                [VSS_PROV_UNKNOWN] = "unknown",      [VSS_PROV_SYSTEM] = "system",
                [VSS_PROV_SOFTWARE] = "software",    [VSS_PROV_HARDWARE] = "hardware",
                [VSS_PROV_FILESHARE] = "file share",
        };

        return type >= 0 && (size_t)type < ELEMENTS(names) ? names[type] : "unknown";
}

const char *component_type_name(int64_t type) {
        return type == VSS_CT_DATABASE ? "database" : type == VSS_CT_FILEGROUP ? "file group" : "unknown";
}

static bool parse_number(const char *text, uint32_t min, uint32_t max, uint32_t *ret_number) {
        unsigned long long number;
        char *end;

        errno = 0;
        number = strtoull(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || strchr(text, '-') || number < min || number > max)
                return false;
        *ret_number = (uint32_t)number;
        return true;
}

/* Return: EXIT_DONE or, after a message, another status. */
static int set_option(Cli *cli, const Option *option, const char *text) {
        enum vss_level level;

        switch (option->kind) {
        case OPTION_FLAG:
                *(bool *)option->target = true;
                return EXIT_DONE;
        case OPTION_TEXT:
                if (!*text)
                        return cli_usage(cli, "--%s: the value is empty", option->name);
                *(const char **)option->target = text;
                return EXIT_DONE;
        case OPTION_LIST:
                if (!*text)
                        return cli_usage(cli, "--%s: the value is empty", option->name);
                return strings_add(option->target, text) < 0 ? cli_out_of_memory(cli) : EXIT_DONE;
        case OPTION_NUMBER:
                if (!parse_number(text, option->min, option->max, option->target))
                        return cli_usage(cli, "--%s: '%s' is not a number from %u to %u", option->name, text,
                                         option->min, option->max);
                return EXIT_DONE;
        case OPTION_LEVEL:
                if (vss_level_from_name(text, &level) < 0)
                        return cli_usage(cli, "--%s: '%s' is no level (application, group, volume, none)",
                                         option->name, text);
                *(const char **)option->target = vss_level_name(level);
                return EXIT_DONE;
        case OPTION_CONTEXT:
                if (!context_from_name(text, option->target) || *(uint32_t *)option->target == VSS_CTX_ALL)
                        return cli_usage(cli,
                                         "--%s: '%s' is no context (backup, app-rollback, nas-rollback, "
                                         "file-share-backup, client-accessible, client-accessible-writers)",
                                         option->name, text);
                return EXIT_DONE;
        case OPTION_TYPE:
                if (!backup_type_from_name(text, option->target))
                        return cli_usage(
                                cli,
                                "--%s: '%s' is no backup type (copy, full, incremental, differential, log)",
                                option->name, text);
                return EXIT_DONE;
        }
        return EXIT_FAILED;
}

/* It is wanted so often that it has a short name. */
static bool is_repository(const Option *option) {
        return strcmp(option->name, "repository") == 0;
}

static void print_help(const Cli *cli, const Option *table, size_t n) {
        printf("Usage: vss %s %s\n\n%s.\n\nOptions:\n", cli->verb->name, cli->verb->arguments,
               cli->verb->summary);
        for (size_t i = 0; i < n; i++) {
                char left[64];

                (void)snprintf(left, sizeof(left), "%s--%s%s%s", is_repository(&table[i]) ? "-r, " : "",
                               table[i].name, table[i].value ? " " : "", table[i].value ?: "");
                printf("  %-26s %s\n", left, table[i].help);
        }
        printf("  %-26s %s\n  %-26s %s\n  %-26s %s\n  %-26s %s\n", "--json",
               cli->json_stderr ? "the answer as JSON, on standard error" : "the answer as JSON",
               "--host [USER@]HOST", "do it on another machine, reached by ssh", "--host-command COMMAND",
               "reach vss-bridge there by it instead of ssh", "-h, --help", "this help");
        printf("\nExit status: 0 done, 1 failed, 2 wrong usage, 3 done with failures or less than asked "
               "for.\n");
}

/* Every verb's. */
static const struct option common[] = {
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { "host", required_argument, NULL, 'H' },
        { "host-command", required_argument, NULL, 'C' },
};

static int unknown_option(Cli *cli, const Option *table, size_t n, const char *given) {
        const char *names[OPTIONS_MAX + ELEMENTS(common)], *near;
        char word[32];

        for (size_t i = 0; i < n; i++)
                names[i] = table[i].name;
        for (size_t i = 0; i < ELEMENTS(common); i++)
                names[n + i] = common[i].name;
        (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(given, "="), given);
        near = strncmp(word, "--", 2) == 0 ? suggest_name(word + 2, names, n + ELEMENTS(common)) : NULL;
        if (near)
                return cli_usage(cli, "there is no option '%s'; '--%s' was meant, perhaps", word, near);
        return cli_usage(cli, "there is no option '%s'", word);
}

static void drop_word(Cli *cli, const char *word) {
        const char **to = cli->words;

        for (const char **from = cli->words; from && *from; from++)
                if (*from != word)
                        *to++ = *from;
        if (to)
                *to = NULL;
}

/* It is in one word or in two, which are the last that were read; the other machine gets neither. */
static int set_host(Cli *cli, const char **target, char **argv) {
        if (!*optarg)
                return cli_usage(cli, "--host and --host-command: the value is empty");
        if (optarg == argv[optind - 1])
                drop_word(cli, argv[optind - 2]);
        drop_word(cli, argv[optind - 1]);
        *target = optarg;
        return EXIT_DONE;
}

/* What the repository of a verb that runs elsewhere needs on this side, if it lies here. */
static void note_own(Cli *cli, const Option *option) {
        const struct {
                const char *name, **target;
        } names[] = { { "repository", &cli->own.repository },
                      { "password-file", &cli->own.password_file },
                      { "password-command", &cli->own.password_command },
                      { "sftp-command", &cli->own.sftp_command } };

        FOREACH_ELEMENT (own, names)
                if (strcmp(own->name, option->name) == 0) {
                        cli->own.repeated |= *own->target != NULL;
                        *own->target = optarg;
                }
}

int options_parse(Cli *cli, const Option *table, size_t n, int argc, char **argv, int *ret_status) {
        struct option options[OPTIONS_MAX + ELEMENTS(common) + 1] = {};
        size_t repository = 0;
        int c, index;

        assert(n <= OPTIONS_MAX);

        while (repository < n && !is_repository(&table[repository]))
                repository++;
        for (size_t i = 0; i < n; i++)
                options[i] = (struct option){ table[i].name,
                                              table[i].kind == OPTION_FLAG ? no_argument : required_argument,
                                              NULL, OPTION_BASE + (int)i };
        memcpy(options + n, common, sizeof(common));

        opterr = 0;
        optind = 0;
        while ((c = getopt_long(argc, argv, repository < n ? ":hr:" : ":h", options, &index)) >= 0) {
                if (c == 'r')
                        c = OPTION_BASE + (int)repository;
                if (c == 'h' || (c >= OPTION_BASE && optarg && strcmp(optarg, "--help") == 0)) {
                        print_help(cli, table, n);
                        cli->host = NULL;
                        *ret_status = EXIT_DONE;
                        return -1;
                }
                if (c == 'j')
                        cli->json = true;
                else if (c == 'H' || c == 'C') {
                        *ret_status = set_host(cli, c == 'H' ? &cli->host : &cli->host_command, argv);
                        if (*ret_status != EXIT_DONE)
                                return -1;
                } else if (c == ':' || c == '?') {
                        *ret_status = c == ':' ? cli_usage(cli, "'%s' needs a value", argv[optind - 1])
                                               : unknown_option(cli, table, n, argv[optind - 1]);
                        return -1;
                } else {
                        *ret_status = set_option(cli, &table[c - OPTION_BASE], optarg);
                        if (*ret_status != EXIT_DONE)
                                return -1;
                        note_own(cli, &table[c - OPTION_BASE]);
                }
        }
        return cli->host ? -1 : optind;
}
