/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-test-requester: a requester for whoever writes a writer or a provider
 *
 * It makes real copies of what writers name, and puts them back, as their documents say; and it tells all
 * that is not in order.
 */

#include <signal.h>
#include "testers/requester.h"

int main(int argc, char **argv) {
        RequesterConf conf = { 0 };
        Requester requester = { .conf = &conf };
        int status = requester_conf_parse(argc, argv, &conf);

        if (status != 0)
                return status < 0 ? EXIT_USAGE : EXIT_DONE;
        (void)signal(SIGPIPE, SIG_IGN);
        switch (conf.verb) {
        case VERB_BACKUP:
                status = requester_backup(&requester);
                break;
        case VERB_RESTORE:
                status = requester_restore(&requester);
                break;
        case VERB_SNAPSHOT:
                status = requester_snapshot(&requester);
                break;
        }
        if (status == EXIT_DONE && requester.partly)
                status = EXIT_PARTLY;
        requester_clear(&requester);
        requester_conf_clear(&conf);
        return status;
}
