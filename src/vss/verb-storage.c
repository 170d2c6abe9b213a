/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss storage: where the differences of shadow copies are kept, and how much of them there may be
 */

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include "vss/listing.h"
#include "vss/options.h"
#include "vss/output.h"
#include "vss/paths.h"
#include "vss/size.h"
#include "vss/verb.h"

typedef struct Storage {
        const char *on, *provider; /* options */
        char *volume, *place;      /* resolved */
        Size maximum;
} Storage;

static void storage_clear(Storage *storage) {
        free(storage->volume);
        free(storage->place);
}

static int await(Cli *cli, vss_result r, vss_async *async, const char *step, vss_value **ret_result) {
        _cleanup_async_ vss_async *owned = async;

        if (r >= 0)
                r = cli_wait(cli, owned, step, ret_result);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(cli, r);
}

static int query(Cli *cli, const Storage *storage, vss_value **ret_result) {
        _cleanup_value_ vss_value *filter = vss_value_new_dict();
        vss_async *async = NULL;
        vss_result r;

        if (!filter || (storage->volume && vss_value_set_string(filter, "volume", storage->volume) < 0) ||
            (storage->place && vss_value_set_string(filter, "on-volume", storage->place) < 0) ||
            (storage->provider && vss_value_set_string(filter, "provider", storage->provider) < 0))
                return cli_out_of_memory(cli);
        r = vss_service_query_diff_areas(cli->service, filter, &async);
        return await(cli, r, async, "asking the providers", ret_result);
}

static int tell_left_out(const vss_value *result) {
        const vss_value *left = vss_value_get(result, "left-out");

        for (size_t i = 0; i < vss_value_count(left); i++)
                cli_note("%s: left out: %s", vss_value_get_string(vss_value_at(left, i), "what", "?"),
                         vss_value_get_string(vss_value_at(left, i), "reason", "no reason given"));
        return vss_value_count(left) > 0 ? EXIT_PARTLY : EXIT_DONE;
}

static int list(Cli *cli, const Storage *storage) {
        _cleanup_value_ vss_value *result = NULL;
        int status = query(cli, storage, &result);

        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                status = cli_print_json(cli, result, false);
        else
                show_diff_areas(result, NULL);
        return status == EXIT_DONE ? tell_left_out(result) : status;
}

/* Where they are kept now, unless it was said; a volume's are kept on itself if there are none yet. */
static int find_place(Cli *cli, Storage *storage) {
        _cleanup_value_ vss_value *result = NULL;
        const vss_value *areas;
        const char *place;
        int status = query(cli, storage, &result);

        if (status != EXIT_DONE)
                return status;
        areas = vss_value_get(result, "diff-areas");
        if (vss_value_count(areas) > 1)
                return cli_usage(cli, "differences of %s are kept on %s and elsewhere: say which with --on",
                                 storage->volume,
                                 vss_value_get_string(vss_value_at(areas, 0), "diff-volume", "?"));
        place = vss_value_get_string(vss_value_at(areas, 0), "diff-volume", "");
        /* One that is detached has no path; the provider knows which it was. */
        storage->place = strdup(place[0] == '/' ? place : storage->volume);
        return storage->place ? EXIT_DONE : cli_out_of_memory(cli);
}

static int find_maximum(Cli *cli, const Storage *storage, uint64_t *ret_maximum) {
        struct statvfs st;

        if (storage->maximum.percent > 0 && statvfs(storage->place, &st) < 0)
                return cli_error(cli, VSS_E_UNEXPECTED, storage->place, "its size cannot be read: %s",
                                 strerror(errno));
        *ret_maximum = size_bytes(&storage->maximum,
                                  storage->maximum.percent > 0 ? (uint64_t)st.f_blocks * st.f_frsize : 0);
        return EXIT_DONE;
}

static void show_change(const vss_value *result) {
        int64_t maximum = vss_value_get_integer(result, "maximum", -1);
        char size[SIZE_TEXT];

        fputs("differences of ", stdout);
        print_text(stdout, vss_value_get_string(result, "volume", "?"));
        fputs(maximum == 0 ? " are no longer kept on " : " are kept on ", stdout);
        print_text(stdout, vss_value_get_string(result, "diff-volume", "?"));
        if (maximum < 0)
                fputs(", without a limit", stdout);
        else if (maximum > 0)
                printf(", at most %s", format_size(maximum, size));
        (void)fputc('\n', stdout);
        for (size_t i = 0; i < vss_value_count(vss_value_get(result, "deleted")); i++) {
                fputs("deleted, to make room: ", stdout);
                print_text(stdout, vss_value_string(vss_value_at(vss_value_get(result, "deleted"), i), "?"));
                (void)fputc('\n', stdout);
        }
}

static int change(Cli *cli, Storage *storage, bool add) {
        _cleanup_value_ vss_value *options = vss_value_new_dict(), *result = NULL;
        vss_async *async = NULL;
        uint64_t maximum = 0;
        vss_result r;
        int status = EXIT_DONE;

        if (!storage->place && add) {
                storage->place = strdup(storage->volume);
                status = storage->place ? EXIT_DONE : cli_out_of_memory(cli);
        } else if (!storage->place)
                status = find_place(cli, storage);
        if (status == EXIT_DONE)
                status = find_maximum(cli, storage, &maximum);
        if (status != EXIT_DONE)
                return status;
        if (!options ||
            (storage->provider && vss_value_set_string(options, "provider", storage->provider) < 0))
                return cli_out_of_memory(cli);
        r = add ? vss_service_add_diff_area(cli->service, storage->volume, storage->place, maximum, options,
                                            &async)
                : vss_service_change_diff_area_maximum_size(cli->service, storage->volume, storage->place,
                                                            maximum, options, &async);
        status = await(cli, r, async, "asking the provider", &result);
        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                return cli_print_json(cli, result, false);
        show_change(result);
        return EXIT_DONE;
}

static int parse_maximum(Cli *cli, const char *text, Size *ret_maximum) {
        int r = size_parse(text, ret_maximum);

        if (r == -ERANGE)
                return cli_usage(cli, "'%s' is too much", text);
        if (r < 0)
                return cli_usage(cli, "'%s' is no size; 10G, 500M, 15%% or unlimited are", text);
        if (ret_maximum->percent == 0 && ret_maximum->bytes == 0)
                return cli_usage(cli, "nothing can be kept in 0 bytes; vss storage delete ends it");
        return EXIT_DONE;
}

static int run(Cli *cli, const char *action, int argc, char **argv, Storage *storage) {
        bool lists = strcmp(action, "list") == 0, adds = strcmp(action, "add") == 0,
             deletes = strcmp(action, "delete") == 0;
        int status = EXIT_DONE;

        if (!lists && !adds && !deletes && strcmp(action, "resize") != 0)
                return cli_usage(cli, "'%s' is none of list, add, resize, delete", action);
        if (lists ? argc > 1 : argc != (deletes ? 1 : 2))
                return cli_usage(cli, lists     ? "name one volume at most"
                                      : deletes ? "name a volume"
                                                : "name a volume and a size");
        if (!lists && !deletes)
                status = parse_maximum(cli, argv[1], &storage->maximum);
        if (status == EXIT_DONE && argc > 0)
                status = path_resolve(cli, argv[0], &storage->volume);
        if (status == EXIT_DONE && storage->on)
                status = path_resolve(cli, storage->on, &storage->place);
        if (status == EXIT_DONE)
                status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;
        return lists ? list(cli, storage) : change(cli, storage, adds);
}

int verb_storage(Cli *cli, int argc, char **argv) {
        _cleanup_(storage_clear) Storage storage = {};
        const Option options[] = {
                OPTION("on", OPTION_TEXT, "VOLUME",
                       "where they are kept; the volume itself if nothing is said", &storage.on),
                OPTION("provider", OPTION_TEXT, "NAME",
                       "ask this provider, not the one that takes the volume", &storage.provider),
        };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc == index)
                return cli_usage(cli, "say list, add, resize or delete");
        return run(cli, argv[index], argc - index - 1, argv + index + 1, &storage);
}
