/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-writer: a writer for whoever writes a requester
 *
 * Its file gives it components, and everything else that a writer can have; see vss-test-conf(5).
 */

#include <getopt.h>
#include <string.h>
#include "config.h"
#include "testers/writer.h"

static const char usage[] =
        "vss-test-writer [OPTION]...\n"
        "A writer that has what a file says, fails as it says, and checks what requesters restore.\n\n"
        "  --config=FILE     what it has (default: /etc/linuxvss/test-writer.conf)\n"
        "  --name=NAME       be the writer NAME (default: Test)\n"
        "  --instance=NAME   be this instance of it\n"
        "  --check           read the file, say what is wrong with it, and end\n"
        "  --help, --version\n";

/* The same name has the same class id every time; the usual name has the usual one. */
static void make_id(const char *name, char ret_id[VSS_ID_SIZE]) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        (void)snprintf(ret_id, VSS_ID_SIZE, "%s", test_writer.id);
        if (strcmp(name, test_writer.name) == 0)
                return;
        for (; *name; name++)
                hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
        (void)snprintf(ret_id + 24, VSS_ID_SIZE - 24, "%012llx",
                       (unsigned long long)(hash & 0xffffffffffff));
}

static int parse_options(int argc, char **argv, TestWriter *writer, const char **ret_name,
                         const char **ret_instance, bool *ret_check) {
        static const struct option options[] = {
                { "config", required_argument, NULL, 'c' },
                { "name", required_argument, NULL, 'n' },
                { "instance", required_argument, NULL, 'i' },
                { "check", no_argument, NULL, 'k' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { NULL, 0, NULL, 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'c':
                        writer->conf_path = optarg;
                        break;
                case 'n':
                        *ret_name = optarg;
                        break;
                case 'i':
                        *ret_instance = optarg;
                        break;
                case 'k':
                        *ret_check = true;
                        break;
                case 'h':
                        (void)fputs(usage, stdout);
                        return 1;
                case 'v':
                        (void)puts("vss-test-writer " LINUXVSS_VERSION);
                        return 1;
                default:
                        (void)fprintf(stderr, "vss-test-writer: --help shows what can be said.\n");
                        return -EINVAL;
                }
        if (optind < argc) {
                (void)fprintf(stderr,
                              "vss-test-writer: what is \"%s\"? There are only options; see --help.\n",
                              argv[optind]);
                return -EINVAL;
        }
        return 0;
}

int main(int argc, char **argv) {
        static TestWriter writer = { .conf_path = LINUXVSS_CONFDIR "/test-writer.conf" };
        const char *name = test_writer.name, *instance = "";
        char id[VSS_ID_SIZE];
        ConfError error = { 0 };
        bool check = false;
        int r;

        r = parse_options(argc, argv, &writer, &name, &instance, &check);
        if (r != 0)
                return r < 0 ? 2 : 0;
        r = test_writer_load(&writer, &error);
        if (r < 0) {
                if (error.line == 0)
                        (void)fprintf(stderr, "vss-test-writer: %s: %s\n", writer.conf_path, error.message);
                else
                        (void)fprintf(stderr, "vss-test-writer: %s, line %u: %s\n", writer.conf_path,
                                      error.line, error.message);
                return 1;
        }
        if (check)
                return 0;
        make_id(name, id);
        test_writer.name = name;
        test_writer.id = writer.conf.id ?: id;
        test_writer.instance_name = instance;
        test_writer.friendly_name = writer.conf.friendly_name;
        test_writer.version = writer.conf.version;
        test_writer.usage = (enum vss_usage_type)writer.conf.usage;
        test_writer.source = (enum vss_source_type)writer.conf.source;
        test_writer.level = (enum vss_application_level)writer.conf.level;
        test_writer.freeze_timeout_ms = (uint32_t)writer.conf.freeze_timeout_ms;
        test_writer.backup_schema = writer.conf.schema;
        (void)snprintf(writer.label, sizeof(writer.label), "%s%s%s", name, instance[0] ? "." : "", instance);
        return vss_writer_main(&test_writer, &writer);
}
