/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: services.conf of the service writer
 */

#include "fuzz.h"
#include "writers/service/services.h"

/* Root looks there, or stops what is there, on the word of the file. */
static void check_path(const char *path) {
        fuzz_require(path[0] == '/' && path[1]);
        fuzz_require(!strstr(path, "//") && !strstr(path, "/../") && !strstr(path, "/./"));
        fuzz_require(!strchr(path, '\n'));
        path = strrchr(path, '/');
        fuzz_require(path[1] && strcmp(path, "/..") != 0 && strcmp(path, "/.") != 0);
}

static void check_service(const Service *service) {
        fuzz_require(service->name[0] && !strchr(service->name, '/') && service->user[0]);
        fuzz_require(!service->unit != !service->group);
        if (service->group)
                check_path(service->group);
        else
                fuzz_require(service->unit[0] != '-' && !strpbrk(service->unit, "/ \t*?["));
        fuzz_require(service->n_paths > 0 && service->n_paths <= SERVICE_PATHS_MAX);
        for (size_t i = 0; i < service->n_paths; i++)
                check_path(service->paths[i]);
        fuzz_require(service->n_excludes <= SERVICE_EXCLUDES_MAX);
        for (size_t i = 0; i < service->n_excludes; i++) {
                check_path(service->excludes[i].path);
                fuzz_require(!strpbrk(service->excludes[i].path, "*?"));
                fuzz_require(service->excludes[i].filespec[0] &&
                             !strchr(service->excludes[i].filespec, '/'));
        }
        if (service->verify)
                fuzz_require(service->verify[0] && service->verify[0][0] == '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_conf_ Conf *conf = NULL;
        ServiceList list = { 0 };
        ConfError error = { 0 };

        if (size > FUZZ_SIZE_MAX || conf_parse((const char *)data, size, &error, &conf) < 0 ||
            service_list_from_conf("services.conf", conf, &list) < 0)
                return 0;
        fuzz_require(list.n <= SERVICES_MAX && list.warnings.n <= WARNINGS_MAX);
        for (size_t i = 0; i < list.n; i++) {
                check_service(&list.items[i]);
                for (size_t j = 0; j < i; j++)
                        fuzz_require(strcmp(list.items[i].name, list.items[j].name) != 0);
        }
        service_list_clear(&list);
        return 0;
}
