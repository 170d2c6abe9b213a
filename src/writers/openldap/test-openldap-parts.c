/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test What the OpenLDAP Writer Reads: command lines, versions, cn=config in files, records, contextCSNs
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "util/test.h"
#include "writers/openldap/clone-config.h"
#include "writers/openldap/environment.h"
#include "writers/openldap/slapd-config.h"
#include "writers/openldap/target.h"

/* What of the library target.c wants; no test gets there. */
vss_result vss_writer_call_fail_component(vss_writer_call *call, const char *logical_path, const char *name,
                                          vss_result code, const char *format, ...) {
        return VSS_S_OK;
}

void *vss_writer_call_userdata(const vss_writer_call *call) {
        return NULL;
}

#define LINE(s) s, sizeof(s)

static void test_command_line(void) {
        static const struct {
                const char *label, *line;
                size_t size;
                bool slapd;
                const char *dir, *file, *urls, *chroot;
        } cases[] = {
                { "as Debian starts it",
                  LINE("/usr/sbin/slapd\0-h\0ldap:/// "
                       "ldapi:///\0-g\0openldap\0-u\0openldap\0-F\0/etc/ldap/slapd.d"),
                  true, "/etc/ldap/slapd.d", NULL, "ldap:/// ldapi:///", NULL },
                { "values in the same word", LINE("slapd\0-4F/a\0-f/b\0-r/c\0-hldapi:///"), true, "/a", "/b",
                  "ldapi:///", "/c" },
                { "a level of debugging is a value", LINE("slapd\0-d\0-F\0-F\0/a"), true, "/a", NULL, NULL,
                  NULL },
                { "an option without its value", LINE("slapd\0-F"), true, NULL, NULL, NULL, NULL },
                { "words are no options", LINE("slapd\0word\0-F\0/a"), true, NULL, NULL, NULL, NULL },
                { "another program", LINE("/usr/sbin/slapcat\0-F\0/a"), false, NULL, NULL, NULL, NULL },
                { "nothing", "", 0, false, NULL, NULL, NULL, NULL },
        };

        FOREACH_ELEMENT (c, cases) {
                SlapdOptions options = { .config_dir = "untouched" };

                expect_int(c->label, slapd_options_parse(c->line, c->size, &options), c->slapd);
                expect_str(c->label, options.config_dir, c->slapd ? c->dir : "untouched");
                if (!c->slapd)
                        continue;
                expect_str(c->label, options.config_file, c->file);
                expect_str(c->label, options.urls, c->urls);
                expect_str(c->label, options.chroot, c->chroot);
        }
}

static void test_words(void) {
        static const char *const text =
                "# SLAPD_CONF=/no\nSLAPD_CONF=\nSLAPD_CONF=\"/a b\"\nSLAPD_SERVICES='x' # why\n"
                "SLAPD_CONFX=/no\nOTHER=y; z\n";
        char got[64];

        slapd_find_ldapi("ldap:///  LDAPI://%2Frun%2Fx ldapi:///", got, sizeof(got));
        expect_str("the first ldapi URL", got, "LDAPI://%2Frun%2Fx");
        slapd_find_ldapi("ldap:/// ldaps:///", got, sizeof(got));
        expect_str("no ldapi URL", got, "");
        slapd_find_ldapi("ldapi://aaaaaaaaaaaaaaa", got, 8);
        expect_str("one that does not fit", got, "");
        slapd_find_ldapi(NULL, got, sizeof(got));
        expect_str("no URLs", got, "");

        expect_true("a variable", shell_variable(text, "SLAPD_CONF", got, sizeof(got)));
        expect_str("the last one counts", got, "/a b");
        expect_true("in single quotes", shell_variable(text, "SLAPD_SERVICES", got, sizeof(got)));
        expect_str("with a comment behind it", got, "x");
        expect_true("without quotes", shell_variable(text, "OTHER", got, sizeof(got)));
        expect_str("it ends before a blank", got, "y");
        expect_true("one that is not there", !shell_variable(text, "SLAPD", got, sizeof(got)));

        slapd_parse_version("@(#) $OpenLDAP: slapd 2.5.13+dfsg-5 (Feb  8 2023 01:56:12) $", got,
                            sizeof(got));
        expect_str("a version", got, "2.5.13");
        slapd_parse_version("slapd: not found", got, sizeof(got));
        expect_str("no version", got, "");
        expect_true("one series", slapd_same_series("2.5.13", "2.5.16"));
        expect_true("another", !slapd_same_series("2.5.13", "2.6.1"));
        expect_true("not its beginning", !slapd_same_series("2.5.13", "2.50.1"));
        expect_true("short ones", slapd_same_series("2.5", "2.5.1"));
        expect_true("none", !slapd_same_series("", "2.5.1"));
}

static void test_csn(void) {
#define A "20260101000000.000001Z#000000#001#000000"
#define A_LATER "20260101000000.000002Z#000000#001#000000"
#define B "20260101000000.000009Z#000000#002#000000"
        static const struct {
                const char *label, *have, *want;
                bool covers;
        } cases[] = {
                { "the same", A, A, true },
                { "later", A_LATER, A, true },
                { "earlier", A, A_LATER, false },
                { "another server's does not count", B, A, false },
                { "one of two is missing", A, A " " B, false },
                { "both, in another order", B " " A_LATER, A " " B, true },
                { "nothing wanted", "", "", true },
                { "nothing there", "", A, false },
                { "no CSN", "x", "x", false },
                { "one that is cut off", "2026#0#0", "2026#0#0", false },
        };

        FOREACH_ELEMENT (c, cases)
                expect_int(c->label, csn_covers(c->have, c->want), c->covers);
}

static void test_record(void) {
        Instance instance = { .config = (char *)"/etc/ldap/slapd.d",
                              .url = (char *)"ldapi:///",
                              .unit = (char *)"" };
        LdapDatabase database = { .suffix = (char *)"dc=a=b",
                                  .directory = (char *)"/var/lib/ldap",
                                  .csn = (char *)A };
        LdapDatabase tree = { .suffix = (char *)"", .directory = (char *)"/srv/ldif" };
        char *text = NULL;
        Record record = { .n = 99 };

        expect_int("begin", record_begin(&instance, "2.5.13", &text), 0);
        expect_int("a database", record_add_database(&database, 17, 3, &text), 0);
        expect_int("another", record_add_database(&tree, UINT64_MAX, UINT64_MAX, &text), 0);
        expect_str("a record", text,
                   "slapd=2.5.13\nconfig=/etc/ldap/slapd.d\nurl=ldapi:///\ndatabase=/var/lib/"
                   "ldap\nsuffix=dc=a=b\n"
                   "txnid=17\nentries=3\ncontextcsn=" A "\ndatabase=/srv/ldif\n");
        expect_int("it is read again", record_parse(text, &record), 0);
        expect_int("both databases", (int64_t)record.n, 2);
        expect_str("suffix", record.databases[0].suffix, "dc=a=b");
        expect_int("transaction", (int64_t)record.databases[0].txnid, 17);
        expect_int("entries", (int64_t)record.databases[0].entries, 3);
        expect_true("not told",
                    record.databases[1].txnid == UINT64_MAX && record.databases[1].entries == UINT64_MAX);
        expect_str("contextCSN", record.databases[0].csn, A);
        record_done(&record);
        free(text);
}

static void test_bad_records(void) {
        static const struct {
                const char *label, *text;
                int want;
        } cases[] = {
                { "nothing", "", -EBADMSG },
                { "no configuration", "database=/a\n", -EBADMSG },
                { "a relative one", "config=etc\n", -EBADMSG },
                { "one that leads elsewhere", "config=/a/../b\n", -EBADMSG },
                { "at its end", "config=/a/..\n", -EBADMSG },
                { "the root", "config=/\n", -EBADMSG },
                { "a database that leads elsewhere", "config=/a\ndatabase=/b/../c\n", -EBADMSG },
                { "no key", "config=/a\nword\n", -EBADMSG },
                { "no number", "config=/a\ndatabase=/b\ntxnid=x\n", -EBADMSG },
                { "a number that is too large", "config=/a\ndatabase=/b\nentries=99999999999999999999\n",
                  -EBADMSG },
                { "another machine's URL", "config=/a\nurl=ldap://elsewhere\n", -EBADMSG },
                { "a key of later", "config=/a\nmore=1\n", 0 },
        };

        FOREACH_ELEMENT (c, cases) {
                Record record = { .n = 99 };

                expect_int(c->label, record_parse(c->text, &record), c->want);
                if (c->want == 0)
                        record_done(&record);
                else
                        expect_int("the output is untouched", (int64_t)record.n, 99);
        }
}

/* ---- slapd.d ---- */

static char dir[] = "/tmp/test-openldap-XXXXXX";

static void write_file(const char *name, const char *text) {
        char path[512];
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        file = fopen(path, "we");
        if (!file)
                return;
        (void)fputs(text, file);
        (void)fclose(file);
}

static void make_directory(const char *name) {
        char path[512];

        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        (void)mkdir(path, 0700);
}

static void make_slapd_d(void) {
        make_directory("d");
        make_directory("d/cn=config");
        make_directory("d/cn=config/olcDatabase={2}mdb");
        write_file("d/cn=config.ldif",
                   "# AUTO-GENERATED FILE - DO NOT EDIT!! Use ldapmodify.\n# CRC32 1\ndn: cn=config\n"
                   "objectClass: olcGlobal\ncn: config\nolcPidFile: /run/slapd/slapd.pid\n"
                   "olcServerID: 1 ldap://a\nolcTLSCertificateFile: /x\n");
        write_file("d/cn=config/olcDatabase={10}ldif.ldif",
                   "dn: olcDatabase={10}ldif\nolcDatabase: {10}ldif\n"
                   "olcDbDirectory: /srv/ten\n");
        write_file("d/cn=config/olcDatabase={2}mdb.ldif",
                   "# CRC32 2\ndn: olcDatabase={2}mdb\nolcDatabase: {2}mdb\nolcSuffix:: "
                   "ZGM9w6Q=\nolcSuffix: dc=second\n"
                   "olcDbDirectory: /srv/lo\n ng\nolcDbEnvFlags: {0}writemap\nolcSyncrepl: {0}rid=1 "
                   "provider=ldap://b\n");
        write_file("d/cn=config/olcDatabase={2}mdb/olcOverlay={0}syncprov.ldif",
                   "dn: olcOverlay={0}syncprov\nolcOverlay: {0}syncprov\n");
        write_file("d/cn=config/notes.txt", "no entry\n");
}

static int list_dn(const ConfigEntry *entry, void *text) {
        size_t n = strlen(text);

        (void)snprintf((char *)text + n, 1024 - n, "%s|", config_entry_dn(entry));
        return 0;
}

static int take(const char *type, const char *value, size_t size, void *database) {
        config_database_take(database, type, value, size);
        return 0;
}

static int take_second(const ConfigEntry *entry, void *database) {
        return strncmp(config_entry_dn(entry), "olcDatabase={2}", 15) == 0
                       ? config_entry_attributes(entry, take, database)
                       : 0;
}

static int to_copy(const char *directory, char *ret_path, size_t size, void *userdata) {
        (void)snprintf(ret_path, size, "/copy%s", directory);
        return 0;
}

static void test_providers(void) {
        static const char *const values[] = {
                "{0}rid=001 provider=ldap://a:389 bindmethod=simple credentials=secret",
                "{1}rid=002 provider=\"ldaps://b/\" searchbase=\"dc=x\"", "{2}rid=003 bindmethod=simple",
                "provider=", "{3}provider=ldap://c"
        };
        ConfigDatabase database = { 0 };
        char many[600];

        FOREACH_ELEMENT (value, values)
                config_database_take(&database, "olcSyncrepl", *value, strlen(*value));
        expect_str("whom it follows, and nothing else of that", database.providers,
                   "ldap://a:389, ldaps://b/, ldap://c");
        (void)snprintf(many, sizeof(many), "provider=%0590d", 1);
        config_database_take(&database, "olcSyncRepl", many, strlen(many));
        expect_str("one that is too long", database.providers, "ldap://a:389, ldaps://b/, ldap://c");
}

static void test_config(void) {
        ConfigDatabase database = { 0 };
        char path[512], output[512], text[4096] = "";
        FILE *file;

        make_slapd_d();
        (void)snprintf(path, sizeof(path), "%s/d", dir);
        (void)snprintf(output, sizeof(output), "%s/config.ldif", dir);
        expect_int("all entries", config_walk(path, list_dn, text), 0);
        expect_str(
                "parents first, and by number", text,
                "cn=config|olcDatabase={2}mdb,cn=config|olcOverlay={0}syncprov,olcDatabase={2}mdb,cn=config|"
                "olcDatabase={10}ldif,cn=config|");
        expect_int("one of them", config_walk(path, take_second, &database), 0);
        expect_str("its type", database.type, "mdb");
        expect_str("its first suffix, encoded", database.suffix, "dc=ä");
        expect_str("its directory, on two lines", database.directory, "/srv/long");
        expect_true("it does not wait for the disk", database.nosync);
        expect_true("it has files", config_database_has_files(&database));
        expect_str("whom it follows", database.providers, "ldap://b");
        test_providers();

        expect_int("a configuration for copies", clone_config_write(path, output, to_copy, NULL), 0);
        memset(text, 0, sizeof(text));
        file = fopen(output, "re");
        if (file) {
                (void)fread(text, 1, sizeof(text) - 1, file);
                (void)fclose(file);
        }
        expect_true("directories lead to the copies",
                    strstr(text, "olcDbDirectory: /copy/srv/long\n") &&
                            strstr(text, "olcDbDirectory: /copy/srv/ten\n"));
        expect_true("nothing speaks to others",
                    !strstr(text, "olcSyncrepl") && !strstr(text, "olcServerID") &&
                            !strstr(text, "olcTLS") && !strstr(text, "olcPidFile"));
        expect_true("DNs are whole",
                    strstr(text, "\n\ndn: olcOverlay={0}syncprov,olcDatabase={2}mdb,cn=config\n"));
        expect_true("the rest stays", strstr(text, "olcSuffix:: ZGM9w6Q=\nolcSuffix: dc=second\n"));

        write_file("d/cn=config/olcDatabase={3}mdb.ldif", "no LDIF at all\n");
        expect_int("a file that is none", config_walk(path, list_dn, text), -EBADMSG);
        write_file("d/cn=config/olcDatabase={3}mdb.ldif", "# nothing\n");
        expect_int("an empty one", config_walk(path, list_dn, text), -EBADMSG);
        expect_int("no directory", config_walk("/nowhere", list_dn, text), -ENOENT);
}

static void read_back(const char *path, char *text, size_t size) {
        FILE *file = fopen(path, "re");

        memset(text, 0, size);
        if (!file)
                return;
        (void)fread(text, 1, size - 1, file);
        (void)fclose(file);
}

static void test_conf(void) {
        char conf[512], first[512], second[512], text[4096];

        make_directory("made");
        (void)snprintf(conf, sizeof(conf), "%s/slapd.conf", dir);
        (void)snprintf(second, sizeof(second), "%s/made", dir);
        (void)snprintf(
                text, sizeof(text),
                "# directory /none\ndatabase mdb\nDirectory\n  \"/srv/a \\\"b\"\ninclude %s/more.conf\n"
                "directoryx /srv/c\n",
                dir);
        write_file("slapd.conf", text);
        write_file("more.conf", "suffix o=more\ndirectory\t/srv/more");
        expect_int("a slapd.conf for copies",
                   clone_conf_write(conf, second, to_copy, NULL, first, sizeof(first)), 0);
        read_back(first, text, sizeof(text));
        expect_true("directories lead to the copies, also on two lines and quoted",
                    strstr(text, "directory \"/copy/srv/a \\\"b\"\n") != NULL);
        expect_true("comments are gone, the rest stays", !strstr(text, "/none") &&
                                                                 strstr(text, "database mdb\n") &&
                                                                 strstr(text, "directoryx /srv/c\n"));
        (void)snprintf(second, sizeof(second), "%s/made/1.conf", dir);
        expect_true("what is included is a file of its own", strstr(text, second) != NULL);
        read_back(second, text, sizeof(text));
        expect_str("and changed, too", text, "suffix o=more\ndirectory \"/copy/srv/more\"\n");
        (void)snprintf(text, sizeof(text), "include %s\n", conf);
        write_file("slapd.conf", text);
        make_directory("loop");
        (void)snprintf(second, sizeof(second), "%s/loop", dir);
        expect_int("what includes itself ends",
                   clone_conf_write(conf, second, to_copy, NULL, first, sizeof(first)), -ELOOP);
        write_file("slapd.conf", "include /nowhere/at-all\n");
        make_directory("missing");
        (void)snprintf(second, sizeof(second), "%s/missing", dir);
        expect_int("what is not there", clone_conf_write(conf, second, to_copy, NULL, first, sizeof(first)),
                   -ENOENT);
}

static void test_tree(void) {
        uint64_t first = 0, again = 0, changed = 0;
        char path[512];

        (void)snprintf(path, sizeof(path), "%s/d", dir);
        expect_int("a tree", tree_sum(path, &first), 0);
        expect_int("once more", tree_sum(path, &again), 0);
        expect_true("nothing has changed", first == again);
        make_directory("d/.linuxvss-old");
        write_file("d/.linuxvss-old/x", "x");
        write_file("d/cn=config/notes.txt", "no entry!\n");
        expect_int("after a change", tree_sum(path, &changed), 0);
        expect_true("it shows", changed != first);
        expect_int("no tree", tree_sum("/nowhere", &changed), -ENOENT);
}

static void test_no_environment(void) {
        char path[512], error[ENVIRONMENT_ERROR_SIZE] = "";
        EnvironmentState state = { .txnid = 5 };

        (void)snprintf(path, sizeof(path), "%s/none", dir);
        make_directory("none");
        expect_int("no database", environment_look(path, false, &state, error), -ENOENT);
        expect_true("which is told", strstr(error, path) != NULL);
        expect_int("the output is untouched", (int64_t)state.txnid, 5);
        write_file("none/data.mdb", "this is no database, whatever it is called");
        expect_true("no LMDB", environment_look(path, true, &state, error) < 0);
        write_file("none/data.mdb", "");
        (void)snprintf(path, sizeof(path), "%s/none/lock.mdb", dir);
        (void)unlink(path);
}

int main(void) {
        char command[128];

        test_command_line();
        test_words();
        test_csn();
        test_record();
        test_bad_records();
        if (!mkdtemp(dir))
                return 1;
        test_config();
        test_conf();
        test_tree();
        test_no_environment();
        (void)snprintf(command, sizeof(command), "rm -rf -- %s", dir);
        if (system(command) != 0)
                return 1;
        return test_end();
}
