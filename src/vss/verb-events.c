/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss events: what the service does, as it happens
 */

#include <poll.h>
#include <string.h>
#include "util/clock.h"
#include "vss/options.h"
#include "vss/output.h"
#include "vss/verb.h"

#define POLL_MS 500

typedef struct Listener {
        Cli *cli;
        uint32_t shown, limit;
        int status;
} Listener;

static void on_event(void *userdata, const vss_value *event) {
        Listener *listener = userdata;
        char date[DATE_SIZE];

        if (listener->status != EXIT_DONE || (listener->limit > 0 && listener->shown >= listener->limit))
                return;
        listener->shown++;
        if (listener->cli->json)
                listener->status = cli_print_json(listener->cli, event, true);
        else {
                int64_t when = vss_value_get_integer(event, "time-usec",
                                                     (int64_t)clock_usec(CLOCK_REALTIME));

                printf("%s  %-20s  ", format_date(when, date), vss_value_get_string(event, "kind", "?"));
                print_text(stdout, vss_value_get_string(event, "text", ""));
                (void)fputc('\n', stdout);
        }
        /* A reader that is gone is the end of it. */
        if (fflush(stdout) != 0)
                listener->status = EXIT_FAILED;
}

int verb_events(Cli *cli, int argc, char **argv) {
        Listener listener = { .cli = cli };
        const Option options[] = {
                OPTION_RANGE("count", OPTION_NUMBER, "N", "end after this many events", &listener.limit, 1,
                             UINT32_MAX),
        };
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);
        vss_result r;

        if (index < 0)
                return status;
        if (argc != index)
                return cli_usage(cli, "'%s' is too much", argv[index]);
        status = cli_connect(cli);
        if (status != EXIT_DONE)
                return status;
        r = vss_service_subscribe(cli->service, on_event, &listener);

        while (r >= 0 && !interrupt_pending() && listener.status == EXIT_DONE &&
               (listener.limit == 0 || listener.shown < listener.limit)) {
                struct pollfd fd = { .fd = vss_service_fd(cli->service), .events = POLLIN };

                if (poll(&fd, 1, POLL_MS) < 0 && errno != EINTR)
                        return cli_error(cli, VSS_E_UNEXPECTED, NULL, "the bus cannot be waited for: %s",
                                         strerror(errno));
                r = vss_service_process(cli->service);
        }
        return r < 0 ? cli_fail(cli, r) : listener.status;
}
