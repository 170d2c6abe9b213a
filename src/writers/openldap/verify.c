/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Is the copy a directory that slapd serves?
 *
 * A server of its own is started on a clone of the shadow copy: its socket in the scratch directory, no
 * network, no replication. Before that every page of the databases is read, and slapcat and slapschema read
 * every entry.
 */

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/common/clone.h"
#include "writers/common/command.h"
#include "writers/openldap/clone-config.h"
#include "writers/openldap/target.h"
#include "writers/openldap/writer.h"

#define SCAN_USEC (10 * USEC_PER_SEC)
#define STEP_USEC (3600 * USEC_PER_SEC)
#define START_USEC (60 * USEC_PER_SEC)
#define STOP_USEC (20 * USEC_PER_SEC)

typedef struct Verify {
        vss_writer_call *call;
        Target target;
        const char *scratch;
        char config[PATH_MAX]; /* the server's own */
        unsigned n_missing;
} Verify;

/* Databases that are not in the copy (a cache, one that the set leaves out) are empty ones. */
static int to_clone(const char *directory, char *ret_path, size_t size, void *userdata) {
        Verify *verify = userdata;
        struct stat st;

        if (clone_path(verify->call, directory, ret_path, size) && stat(ret_path, &st) == 0)
                return 0;
        (void)snprintf(ret_path, size, "%s/empty-%u", verify->scratch, verify->n_missing++);
        return mkdir(ret_path, 0700) < 0 ? -errno : 0;
}

static vss_result fail(Verify *verify, const char *what, const char *why) {
        return target_fail(verify->call, &verify->target, VSS_E_WRITERERROR_NONRETRYABLE, "%s: %s", what,
                           why);
}

static vss_result run(Verify *verify, const char *what, const char *const *argv) {
        char output[COMMAND_OUTPUT_MAX + 1];
        int r = command_run(argv, -1, event_deadline(verify->call, STEP_USEC), output);

        if (r == 0)
                return VSS_S_OK;
        return fail(verify, what,
                    output[0] ? output
                    : r < 0   ? strerror(-r)
                              : "it failed and did not say why");
}

/* Where the directories lie is in it already. */
static int same_path(const char *directory, char *ret_path, size_t size, void *userdata) {
        return snprintf(ret_path, size, "%s", directory) < (int)size ? 0 : -ENAMETOOLONG;
}

/* A slapd.conf is no part of the component: what is there now is taken, and made a slapd.d. */
static vss_result convert_conf(Verify *verify, char *ret_config, size_t size) {
        char conf[PATH_MAX];
        const char *const argv[] = { "/usr/sbin/slaptest", "-f", conf, "-F", ret_config, NULL };
        int r = clone_conf_write(verify->target.record.config, verify->scratch, to_clone, verify, conf,
                                 sizeof(conf));

        (void)snprintf(ret_config, size, "%s/converted", verify->scratch);
        if (r >= 0 && mkdir(ret_config, 0700) < 0)
                r = -errno;
        if (r < 0)
                return fail(verify, verify->target.record.config, strerror(-r));
        return run(verify, "slaptest of its configuration", argv);
}

static vss_result make_config(Verify *verify) {
        char config[PATH_MAX], ldif[PATH_MAX];
        const char *const argv[] = {
                "/usr/sbin/slapadd", "-n", "0", "-F", verify->config, "-l", ldif, NULL
        };
        bool conf_file = verify->target.conf_file;
        vss_result result;
        int r = 0;

        (void)snprintf(verify->config, sizeof(verify->config), "%s/slapd.d", verify->scratch);
        (void)snprintf(ldif, sizeof(ldif), "%s/config.ldif", verify->scratch);
        if (conf_file) {
                result = convert_conf(verify, config, sizeof(config));
                if (result < 0)
                        return result;
        } else
                r = clone_path(verify->call, verify->target.record.config, config, sizeof(config)) ? 0
                                                                                                   : -ENOENT;
        if (r >= 0)
                r = clone_config_write(config, ldif, conf_file ? same_path : to_clone, verify);
        if (r >= 0 && mkdir(verify->config, 0700) < 0)
                r = -errno;
        if (r < 0)
                return fail(verify, "the copy of its configuration cannot be read", strerror(-r));
        return run(verify, "slapadd of the copy's configuration", argv);
}

/* LMDB opens its file for writing. */
static vss_result check_space(Verify *verify) {
        CloneSpace space = { 0 };
        char copy[PATH_MAX], text[512];

        for (size_t i = 0; i < verify->target.record.n; i++)
                if (clone_path(verify->call, verify->target.record.databases[i].directory, copy,
                               sizeof(copy)))
                        (void)clone_space_add(&space, copy);
        if (clone_space_fits(&space))
                return VSS_S_OK;
        return fail(verify, "verify", clone_space_text(&space, text, sizeof(text)));
}

static vss_result check_database(Verify *verify, const RecordDatabase *database) {
        const char *const slapcat[] = { "/usr/sbin/slapcat", "-F", verify->config, "-b",
                                        database->suffix,    "-l", "/dev/null",    NULL };
        const char *const slapschema[] = { "/usr/sbin/slapschema", "-F", verify->config, "-b",
                                           database->suffix,       NULL };
        char copy[PATH_MAX], entries[64] = "";
        ProbeAnswer answer = { .entries = UINT64_MAX };
        vss_result r;

        if (!clone_path(verify->call, database->directory, copy, sizeof(copy)))
                return fail(verify, database->directory, "it is in no shadow copy of the set");
        if (database->txnid != UINT64_MAX &&
            probe_database(database, copy, true, event_deadline(verify->call, STEP_USEC), &answer) < 0)
                return fail(verify, database->suffix, answer.text);
        r = run(verify, "slapcat", slapcat);
        if (r >= 0)
                r = run(verify, "slapschema", slapschema);
        if (r < 0)
                return r;
        if (answer.entries != UINT64_MAX)
                (void)snprintf(entries, sizeof(entries), " %" PRIu64 " entries,", answer.entries);
        (void)vss_writer_call_add_note(
                verify->call, verify->target.logical_path, COMPONENT_NAME,
                "%s:%s every page and every entry could be read (slapcat, slapschema)", database->suffix,
                entries);
        return VSS_S_OK;
}

/* "/run/x" -> "ldapi://%2Frun%2Fx" */
static void make_url(const char *scratch, char *url, size_t size) {
        size_t n = (size_t)snprintf(url, size, "ldapi://");

        for (const char *at = scratch; *at && n + 4 < size; at++)
                n += (size_t)snprintf(url + n, size - n, *at == '/' ? "%%2F" : "%c", *at);
        (void)snprintf(url + n, size - n, "%%2Fldapi");
}

static vss_result serve(Verify *verify) {
        static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
        char url[PATH_MAX];
        const char *const argv[] = { "/usr/sbin/slapd", "-d", "0", "-h", url, "-F", verify->config, NULL };
        Command server = COMMAND_NULL;
        ProbeAnswer answer;
        int r, status, problem;

        make_url(verify->scratch, url, sizeof(url));
        r = command_start((char **)argv, (char **)environment, false, -1, &server);
        if (r < 0)
                return fail(verify, "slapd on the copy does not start", strerror(-r));
        problem = probe_server(&verify->target.record, url, event_deadline(verify->call, START_USEC),
                               &answer);
        command_signal(&server, SIGTERM);
        r = command_wait(&server, event_deadline(verify->call, STOP_USEC), -1, false, &status);
        command_drain(&server);
        if (problem < 0 && server.out.text[0])
                (void)fail(verify, "slapd on the copy", command_output_text(&server.out));
        else if (problem < 0)
                (void)fail(verify, "slapd on the copy", answer.text);
        else if (r < 0)
                (void)fail(verify, "slapd on the copy does not end", strerror(-r));
        command_clear(&server);
        if (problem < 0 || r < 0)
                return VSS_E_WRITERERROR_NONRETRYABLE;
        (void)vss_writer_call_add_note(verify->call, verify->target.logical_path, COMPONENT_NAME,
                                       "slapd was started on it, and answers%s%s",
                                       problem > 0                ? ": "
                                       : strstr(answer.text, "#") ? " with the recorded contextCSN"
                                                                  : "",
                                       problem > 0 ? answer.text : "");
        return VSS_S_OK;
}

static vss_result verify_one(Verify *verify) {
        vss_result r;

        if (!verify->scratch)
                return fail(verify, "verify", "there is no scratch directory");
        r = check_space(verify);
        if (r >= 0)
                r = make_config(verify);
        for (size_t i = 0; r >= 0 && i < verify->target.record.n; i++)
                if (verify->target.record.databases[i].suffix[0])
                        r = check_database(verify, &verify->target.record.databases[i]);
        return r < 0 ? r : serve(verify);
}

vss_result ldap_verify(vss_writer_call *call) {
        InstanceList list = { 0 };
        vss_result result = ldap_scan(call, false, SCAN_USEC, &list), last = VSS_S_OK;

        if (result < 0)
                return result;
        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                Verify verify = { .call = call, .scratch = vss_writer_call_scratch(call) };
                char directory[PATH_MAX];

                result = target_find(call, vss_writer_call_component(call, i), &list, &verify.target);
                /* Several servers: a directory for each. */
                (void)snprintf(directory, sizeof(directory), "%s/%zu", verify.scratch ?: "", i);
                if (result >= 0 && verify.scratch) {
                        verify.scratch = directory;
                        result = mkdir(directory, 0700) < 0 ? fail(&verify, directory, strerror(errno))
                                                            : VSS_S_OK;
                }
                if (result >= 0)
                        result = verify_one(&verify);
                if (result < 0)
                        last = result;
                target_done(&verify.target);
        }
        instance_list_clear(&list);
        return last < 0 ? VSS_E_WRITERERROR_PARTIAL_FAILURE : VSS_S_OK;
}
