/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What writers say of their components on its way into the Backup Components Document
 */

#include <string.h>
#include "vssd/judge.h"
#include "vssd/log.h"
#include "vssd/merge.h"

/* More than there are events; who answers often has answers of no use. */
enum { ANSWERS_MAX = 16 };

struct Merge {
        Set *set;
        vss_value *dropped;
        MergeDone done;
        void *userdata;
        Worker *worker;
};

void merge_note(SetWriter *writer, const char *event, const vss_value *answer) {
        static const char *const keys[] = { "components", "failed-components" };
        vss_value *kept = vss_value_new_dict();
        vss_result result = vss_value_set_string(kept, "event", event);

        FOREACH_ELEMENT (key, keys) {
                const vss_value *said = vss_value_get(answer, *key);

                if (vss_value_kind(said) == VSS_KIND_LIST && vss_value_count(said) > 0 && result >= 0)
                        result = vss_value_set(kept, *key, vss_value_copy(said));
        }
        if (result >= 0 && vss_value_count(kept) > 1 && vss_value_count(writer->answers) < ANSWERS_MAX) {
                if (!writer->answers)
                        writer->answers = vss_value_new_list();
                result = vss_value_append(writer->answers, TAKE_PTR(kept));
        }
        if (result < 0)
                log_error("%s: what it answered to %s is lost: out of memory", writer->participant->name,
                          event);
        vss_value_free(kept);
}

static bool names_places(const SetWriter *writer) {
        for (size_t i = 0; i < vss_value_count(writer->answers); i++) {
                const vss_value *components = vss_value_get(vss_value_at(writer->answers, i), "components");

                for (size_t k = 0; k < vss_value_count(components); k++)
                        if (judge_has_places(vss_value_at(components, k)))
                                return true;
        }
        return false;
}

/* In the worker: what of the answers may be believed. */
static int judge_answers(const SetWriter *writer, vss_value *answers, vss_value *dropped) {
        const Judge judge = { writer->participant->info, writer->participant->descriptor };
        int r = answers ? 0 : -ENOMEM;

        for (size_t i = 0; i < vss_value_count(answers) && r >= 0; i++)
                r = judge_said(&judge, writer->participant->name,
                               value_get_mutable(value_at_mutable(answers, i), "components"), dropped);
        return r;
}

static int judge_main(void *arg, WorkerAnswer *answer) {
        const Set *set = arg;
        vss_value *writers = value_require(answer->value, "writers", VSS_KIND_LIST);
        vss_value *dropped = value_require(answer->value, "dropped", VSS_KIND_LIST);

        for (size_t i = 0; i < set->n_writers; i++) {
                _cleanup_value_ vss_value *answers = vss_value_copy(set->writers[i].answers);
                int r = 0;

                if (names_places(&set->writers[i]))
                        r = judge_answers(&set->writers[i], answers, dropped);
                if (r < 0)
                        return r;
                if (vss_value_append(writers, answers ? TAKE_PTR(answers) : vss_value_new_list()) < 0)
                        return -ENOMEM;
        }
        return dropped ? 0 : -ENOMEM;
}

static void tell_ignored(const SetWriter *writer, const vss_value *ignored, vss_value *dropped) {
        for (size_t i = 0; i < vss_value_count(ignored); i++) {
                vss_value *drop = vss_value_copy(vss_value_at(ignored, i));

                (void)vss_value_set_string(drop, "writer", writer->participant->name);
                (void)vss_value_set_string(drop, "path", "");
                log_warning("%s: what it says of %s is not taken: %s", writer->participant->name,
                            vss_value_get_string(drop, "name", "?"),
                            vss_value_get_string(drop, "reason", ""));
                if (vss_value_append(dropped, drop) < 0)
                        log_error("out of memory");
        }
}

static void merge_answers(const Set *set, SetWriter *writer, const vss_value *answers, vss_value *dropped) {
        const BcWriter target = set_bc_writer(set, writer);

        for (size_t i = 0; i < vss_value_count(answers); i++) {
                const vss_value *answer = vss_value_at(answers, i);
                _cleanup_value_ vss_value *ignored = vss_value_new_list();

                if (bc_merge(&target, bc_event_from_name(vss_value_get_string(answer, "event", "")), answer,
                             ignored) < 0)
                        log_error("%s: what it says of its components is lost: out of memory",
                                  writer->participant->name);
                tell_ignored(writer, ignored, dropped);
        }
        writer->answers = vss_value_free(writer->answers);
}

static void on_judged(void *userdata, int error, WorkerAnswer *answer) {
        Merge *merge = userdata;
        MergeDone done = merge->done;
        void *owner = merge->userdata;
        const vss_value *writers = vss_value_get(answer->value, "writers");
        const vss_value *dropped = vss_value_get(answer->value, "dropped");

        merge->worker = NULL;
        if (error < 0)
                log_error("what writers say of their components is lost: it could not be judged: %s",
                          strerror(-error));
        for (size_t i = 0; i < vss_value_count(dropped) && error >= 0; i++) {
                const vss_value *drop = vss_value_at(dropped, i);

                log_warning("%s: it may not name files in %s: %s", vss_value_get_string(drop, "writer", "?"),
                            vss_value_get_string(drop, "path", ""),
                            vss_value_get_string(drop, "reason", ""));
                (void)vss_value_append(merge->dropped, vss_value_copy(drop));
        }
        for (size_t i = 0; i < merge->set->n_writers; i++)
                merge_answers(merge->set, &merge->set->writers[i],
                              error < 0 ? NULL : vss_value_at(writers, i), merge->dropped);
        free(merge);
        done(owner);
}

int merge_start(Set *set, vss_value *dropped, MergeDone done, void *userdata, Merge **ret_merge) {
        _cleanup_(freep) Merge *merge = NULL;
        bool places = false;
        int r;

        for (size_t i = 0; i < set->n_writers; i++)
                places = places || names_places(&set->writers[i]);
        if (!places) {
                for (size_t i = 0; i < set->n_writers; i++)
                        merge_answers(set, &set->writers[i], set->writers[i].answers, dropped);
                return 1;
        }
        merge = calloc(1, sizeof(*merge));
        if (!merge)
                return -ENOMEM;
        *merge = (Merge){ .set = set, .dropped = dropped, .done = done, .userdata = userdata };
        r = worker_start(set->manager, judge_main, set, set->manager->settings.worker_usec, on_judged, merge,
                         &merge->worker);
        if (r < 0)
                return r;
        *ret_merge = TAKE_PTR(merge);
        return 0;
}

Merge *merge_cancel(Merge *merge) {
        if (!merge)
                return NULL;
        worker_cancel(merge->worker);
        free(merge);
        return NULL;
}
