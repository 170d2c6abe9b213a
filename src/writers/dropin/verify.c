/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Drop-in applications look at their copies: Verify= of each, as its user, on clones that are thrown away
 */

#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/dropin/applications.h"

/* A directory of its own for each application, since each has a user of its own. */
static int make_scratch(Application *application, const char *scratch, size_t index) {
        char path[sizeof(application->scratch)];
        struct passwd *pw = getpwnam(application->dropin->user);

        if (!pw)
                return -ESRCH;
        if (snprintf(path, sizeof(path), "%s/%zu", scratch, index) >= (int)sizeof(path))
                return -ENAMETOOLONG;
        if (mkdir(path, 0700) < 0 || lchown(path, pw->pw_uid, pw->pw_gid) < 0)
                return -errno;
        (void)snprintf(application->scratch, sizeof(application->scratch), "%s", path);
        return 0;
}

/* The clones, in the order of the volumes. */
static int list_clones(vss_writer_call *call, char **ret_clones) {
        _cleanup_(freep) char *clones = strdup("");

        for (size_t i = 0; clones && i < vss_writer_call_volume_count(call); i++) {
                const char *clone = vss_writer_call_snapshot_device(call, vss_writer_call_volume(call, i));
                char *longer = NULL;

                if (asprintf(&longer, "%s%s%s", clones, i > 0 ? ":" : "", clone ?: "") < 0)
                        return -ENOMEM;
                free(clones);
                clones = longer;
        }
        if (!clones)
                return -ENOMEM;
        *ret_clones = TAKE_PTR(clones);
        return 0;
}

static void prepare(DropInWriter *writer, vss_writer_call *call) {
        for (size_t i = 0; i < writer->files.n; i++) {
                Application *application = &writer->applications[i];
                int r;

                if (!application->in_set)
                        continue;
                if (!application->dropin->commands[DROPIN_VERIFY]) {
                        (void)vss_writer_call_add_note(
                                call, NULL, NULL, "%s: there is no Verify= in %s, so nothing was looked at",
                                application->dropin->name, application->dropin->path);
                        application->in_set = false;
                        continue;
                }
                r = make_scratch(application, vss_writer_call_scratch(call), i);
                if (r >= 0)
                        continue;
                application->reply.code = VSS_E_WRITERERROR_OUTOFRESOURCES;
                (void)snprintf(application->reply.text, sizeof(application->reply.text),
                               "%s: it has no directory to work in: %s", application->dropin->name,
                               strerror(-r));
        }
}

vss_result dropin_verify(vss_writer_call *call) {
        const DropInWriter *writer = vss_writer_call_userdata(call);
        _cleanup_(freep) DropInWriter *own = calloc(1, sizeof(*own));
        _cleanup_(freep) char *clones = NULL;
        vss_result result;
        int r;

        if (!own)
                return applications_fail_load(call, -ENOMEM);
        own->directories = writer->directories;
        own->n_directories = writer->n_directories;
        r = applications_begin(own, call, APPLICATIONS_BACKUP);
        if (r >= 0)
                r = list_clones(call, &clones);
        if (r >= 0) {
                own->context.clones = clones;
                prepare(own, call);
                result = applications_sort_out(own, call);
                applications_run(own, DROPIN_VERIFY, event_budget_ms(call));
                if (result >= 0)
                        result = applications_sort_out(own, call);
        } else
                result = applications_fail_load(call, r);
        applications_forget(own);
        return result;
}
