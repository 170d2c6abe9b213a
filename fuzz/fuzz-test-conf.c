/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: files of the test writer and the test requester
 */

#include "fuzz.h"
#include "testers/requester-conf.h"
#include "testers/writer-conf.h"

static void check_path(const char *path) {
        fuzz_require(path && (path[0] == '/' || path[0] == '$' || path[0] == '%'));
        fuzz_require(!strstr(path, "/../") && !strstr(path, "//"));
}

static void check_writer(const TestWriterConf *conf) {
        check_path(conf->log);
        check_path(conf->state);
        for (size_t i = 0; i < conf->n_components; i++) {
                const TestComponent *c = &conf->components[i];

                fuzz_require(c->name[0] && c->logical_path && c->owner);
                for (size_t j = 0; j < c->n_files; j++) {
                        check_path(c->files[j].path);
                        fuzz_require(c->files[j].filespec);
                        fuzz_require((c->files[j].backup_required & ~0xfu) == 0);
                        fuzz_require(!c->files[j].alternate_path[0] || c->files[j].alternate_path[0] != '.');
                }
                for (size_t j = 0; j < c->n_partial_files; j++)
                        fuzz_require(c->partial_files[j].ranges[0] && c->partial_files[j].filespec[0]);
        }
        for (size_t i = 0; i < conf->n_failures; i++)
                fuzz_require(conf->failures[i].event >= 0 && conf->failures[i].event < TEST_EVENTS);
}

static void check_requester(const RequesterConf *conf) {
        for (size_t i = 0; i < conf->n_components; i++) {
                const RequesterComponent *c = &conf->components[i];

                fuzz_require(c->writer && c->writer[0] && c->logical_path);
                for (size_t j = 0; j < c->n_targets; j++)
                        check_path(c->targets[j].alternate_path);
        }
        for (size_t i = 0; i < conf->n_paths; i++)
                check_path(conf->paths[i].path);
}

static Conf *parse(const uint8_t *data, size_t size) {
        ConfError error = { 0 };
        Conf *conf = NULL;

        return conf_parse((const char *)data, size, &error, &conf) < 0 ? NULL : conf;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_test_writer_conf_ TestWriterConf writer = { 0 };
        RequesterConf requester = REQUESTER_CONF_INIT;
        ConfError error = { 0 };
        Conf *conf = size > FUZZ_SIZE_MAX ? NULL : parse(data, size);

        if (!conf)
                return 0;
        if (test_writer_conf_from_conf(conf, &error, &writer) == 0)
                check_writer(&writer);
        else
                fuzz_require(error.message[0] && memchr(error.message, 0, sizeof(error.message)));
        error = (ConfError){ 0 };
        conf = parse(data, size);
        if (requester_conf_from_conf(conf, &error, &requester) == 0)
                check_requester(&requester);
        else
                fuzz_require(error.message[0]);
        requester_conf_clear(&requester);
        return 0;
}
