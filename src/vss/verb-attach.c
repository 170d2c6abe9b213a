/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss attach, vss detach: devices whose volumes can be copied only through a device of their provider
 */

#include <string.h>
#include <sys/stat.h>
#include "vss/options.h"
#include "vss/output.h"
#include "vss/verb.h"

static int await(Cli *cli, vss_result r, vss_async *async, const char *step, vss_value **ret_result) {
        _cleanup_async_ vss_async *owned = async;

        if (r >= 0)
                r = cli_wait(cli, owned, step, ret_result);
        return r == VSS_S_OK ? EXIT_DONE : cli_fail(cli, r);
}

static void show_mounted(const vss_value *result) {
        const vss_value *mounted = vss_value_get(result, "mounted");

        for (size_t i = 0; i < vss_value_count(mounted); i++) {
                fputs("    mounted at ", stdout);
                print_text(stdout, vss_value_string(vss_value_at(mounted, i), "?"));
                (void)fputc('\n', stdout);
        }
}

static void show_attached(const vss_value *result, bool boot) {
        const char *mapped = vss_value_get_string(result, "mapped", "");

        print_text(stdout, vss_value_get_string(result, "device", "?"));
        fputs(" is attached, and to be used as ", stdout);
        print_text(stdout, mapped);
        (void)fputc('\n', stdout);
        show_mounted(result);
        if (vss_value_count(vss_value_get(result, "mounted")) == 0) {
                fputs("    mount it from there: mount ", stdout);
                print_text(stdout, mapped);
                fputs(" DIRECTORY\n", stdout);
        }
        if (boot) {
                fputs("    it is attached again at each boot; let /etc/fstab name ", stdout);
                print_text(stdout, mapped);
                (void)fputc('\n', stdout);
        } else
                fputs("    until the next boot\n", stdout);
}

/* The device is named from wherever the person stands. */
static int resolve_device(Cli *cli, const char *device, bool name_will_do, char **ret_device) {
        char *resolved;

        if (name_will_do && !strchr(device, '/'))
                resolved = strdup(device);
        else
                resolved = realpath(device, NULL);
        if (!resolved && name_will_do && errno == ENOENT)
                resolved = strdup(device); /* it has gone, or is what a provider calls it */
        if (!resolved)
                return errno == ENOENT
                               ? cli_error_remedy(cli, VSS_E_OBJECT_NOT_FOUND, device,
                                                  "Check the spelling; lsblk -f shows the block devices.",
                                                  "there is no such device")
                               : cli_error(cli, VSS_E_OBJECT_NOT_FOUND, device, "%s", strerror(errno));
        *ret_device = resolved;
        return EXIT_DONE;
}

int verb_attach(Cli *cli, int argc, char **argv) {
        const char *name = NULL, *provider = NULL;
        bool remount = false, no_boot = false;
        const Option options[] = {
                OPTION("name", OPTION_TEXT, "NAME", "what the device is to be called below /dev/mapper",
                       &name),
                OPTION("remount", OPTION_FLAG, NULL,
                       "what is mounted from it is mounted anew, for a moment not there", &remount),
                OPTION("no-boot", OPTION_FLAG, NULL, "only until the next boot", &no_boot),
                OPTION("provider", OPTION_TEXT, "NAME", "use this provider, not the service's choice",
                       &provider),
        };
        _cleanup_value_ vss_value *wanted = vss_value_new_dict(), *result = NULL;
        _cleanup_(freep) char *device = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index != 1)
                return cli_usage(cli, "name one block device, or where it is mounted; with --provider also "
                                      "what it calls its own");
        /* A LUN, an image: only its provider knows these. */
        status = resolve_device(cli, argv[index], provider != NULL, &device);
        if (status == EXIT_DONE)
                status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;
        if (vss_value_set_boolean(wanted, "remount", remount) < 0 ||
            vss_value_set_boolean(wanted, "boot", !no_boot) < 0 ||
            (name && vss_value_set_string(wanted, "name", name) < 0) ||
            (provider && vss_value_set_string(wanted, "provider", provider) < 0))
                return cli_out_of_memory(cli);
        r = vss_service_attach_device(cli->service, device, wanted, &async);
        status = await(cli, r, async, "attaching", &result);
        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                return cli_print_json(cli, result, false);
        show_attached(result, vss_value_get_boolean(result, "boot", !no_boot));
        return EXIT_DONE;
}

int verb_detach(Cli *cli, int argc, char **argv) {
        bool remount = false;
        const Option options[] = {
                OPTION("remount", OPTION_FLAG, NULL,
                       "what is mounted from it is mounted from the device itself, for a moment not there",
                       &remount),
        };
        _cleanup_value_ vss_value *wanted = vss_value_new_dict(), *result = NULL;
        _cleanup_(freep) char *device = NULL;
        vss_async *async = NULL;
        vss_result r;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (argc - index != 1)
                return cli_usage(cli, "name one attached device; vss list attached shows them");
        status = resolve_device(cli, argv[index], true, &device);
        if (status == EXIT_DONE)
                status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;
        if (vss_value_set_boolean(wanted, "remount", remount) < 0)
                return cli_out_of_memory(cli);
        r = vss_service_detach_device(cli->service, device, wanted, &async);
        status = await(cli, r, async, "detaching", &result);
        if (status != EXIT_DONE)
                return status;
        if (cli->json)
                return cli_print_json(cli, result, false);
        print_text(stdout, vss_value_get_string(result, "device", device));
        fputs(" is detached\n", stdout);
        show_mounted(result);
        return EXIT_DONE;
}
