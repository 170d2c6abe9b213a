/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Discovery
 *
 * Four rounds: the names on the bus (and the writers' descriptors), who each one is, what process it is, and
 * for writers what of their metadata may be believed. All of a round run side by side.
 */

#include <string.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "util/clock.h"
#include "vssd/discover.h"
#include "vssd/express.h"
#include "vssd/judge.h"
#include "vssd/log.h"

enum { PARTICIPANTS_MAX = 128 };

/* A participant that cannot say who it is within this time is left out and named. */
#define IDENTIFY_USEC (10 * USEC_PER_SEC)
#define BUS_USEC (10 * USEC_PER_SEC)

struct Discover {
        Manager *manager;
        bool providers;
        DiscoverDone done;
        void *userdata;
        Calls calls;
        Participant *bus;
        vss_value *names;
        Discovery found;
        Failure failure;
        Worker *reading; /* the writers' descriptors */
        Worker *reading_express;
        struct JudgeWork *judging;
};

/* Metadata that is being judged: the worker's argument. */
typedef struct JudgeWork {
        struct JudgeWork *next;
        Discover *discover;
        Participant *participant;
        Judge judge;
        Worker *worker;
} JudgeWork;

void discovery_clear(Discovery *discovery) {
        for (size_t i = 0; i < discovery->n_participants; i++)
                participant_unref(discovery->participants[i]);
        free(discovery->participants);
        vss_value_free(discovery->rejected);
        vss_value_free(discovery->absent);
        vss_value_free(discovery->descriptors);
        *discovery = (Discovery){ 0 };
}

Participant *discovery_find(const Discovery *discovery, const char *name) {
        for (size_t i = 0; i < discovery->n_participants; i++)
                if (strcasecmp(discovery->participants[i]->name, name) == 0)
                        return discovery->participants[i];
        return NULL;
}

Discover *discover_cancel(Discover *discover) {
        if (!discover)
                return NULL;
        calls_cancel(&discover->calls);
        worker_cancel(discover->reading);
        worker_cancel(discover->reading_express);
        while (discover->judging) {
                JudgeWork *work = discover->judging;

                discover->judging = work->next;
                worker_cancel(work->worker);
                participant_unref(work->participant);
                free(work);
        }
        participant_unref(discover->bus);
        vss_value_free(discover->names);
        discovery_clear(&discover->found);
        failure_clear(&discover->failure);
        free(discover);
        return NULL;
}

static void reject(Discover *discover, const char *name, const char *reason) {
        vss_value *rejected = vss_value_new_dict();

        (void)vss_value_set_string(rejected, "name", name);
        (void)vss_value_set_string(rejected, "reason", reason);
        if (vss_value_append(discover->found.rejected, rejected) < 0)
                log_error("%s is left out: %s", name, reason);
}

/* The document of an express writer: named as its file is. */
static void reject_document(Discover *discover, const char *path, vss_result code, const char *why) {
        vss_value *rejected = vss_value_new_dict();
        const char *file = strrchr(path, '/') + 1;

        (void)value_set_printf(rejected, "name", "%.*s", (int)strcspn(file, "."), file);
        (void)value_set_printf(rejected, "reason", "%s: %s", path, why);
        (void)vss_value_set_integer(rejected, "code", code);
        if (vss_value_append(discover->found.rejected, rejected) < 0)
                log_error("%s is left out: %s", path, why);
}

static void finish(void *userdata) {
        Discover *discover = userdata;
        DiscoverDone done = discover->done;

        done(discover->userdata, &discover->failure, &discover->found);
        discover_cancel(discover);
}

static void drop_participant(Discover *discover, Participant *participant) {
        Discovery *found = &discover->found;

        for (size_t i = 0; i < found->n_participants; i++)
                if (found->participants[i] == participant) {
                        memmove(&found->participants[i], &found->participants[i + 1],
                                sizeof(*found->participants) * (found->n_participants - i - 1));
                        found->n_participants--;
                        participant_unref(participant);
                        return;
                }
}

static void on_judged(void *userdata, int error, WorkerAnswer *answer) {
        JudgeWork *work = userdata, **link;
        Discover *discover = work->discover;
        vss_value *metadata = value_get_mutable(answer->value, "metadata");

        for (link = &discover->judging; *link != work; link = &(*link)->next)
                ;
        *link = work->next;
        if (error < 0 || !metadata) {
                reject(discover, work->participant->name,
                       vss_value_get_string(answer->value, "message",
                                            "where its files are could not be found out in time"));
                drop_participant(discover, work->participant);
        } else {
                vss_value_free(work->participant->info);
                work->participant->info = vss_value_copy(metadata);
        }
        participant_unref(work->participant);
        free(work);
        calls_drop(&discover->calls);
}

/* Of its class: all instances of a writer have one. */
static const vss_value *descriptor_of(const Discover *discover, const Participant *participant) {
        char class[NAME_MAX + 1];

        return vss_value_get(discover->found.descriptors, participant_class(participant, class));
}

static void judge(Discover *discover, Participant *participant) {
        JudgeWork *work = calloc(1, sizeof(*work));
        int r = -ENOMEM;

        participant->descriptor = participant->express
                                          ? express_descriptor(participant->info)
                                          : vss_value_copy(descriptor_of(discover, participant));
        if (work && participant->descriptor) {
                *work = (JudgeWork){ .discover = discover,
                                     .participant = participant_ref(participant),
                                     .judge = { participant->info, participant->descriptor } };
                r = worker_start(discover->manager, judge_metadata_main, &work->judge,
                                 discover->manager->settings.worker_usec, on_judged, work, &work->worker);
        }
        if (r < 0) {
                if (work)
                        participant_unref(work->participant);
                free(work);
                reject(discover, participant->name, strerror(-r));
                drop_participant(discover, participant);
                return;
        }
        work->next = discover->judging;
        discover->judging = work;
        calls_hold(&discover->calls);
}

static int add_participant(Discover *discover, Participant *participant) {
        Participant **all = reallocarray(discover->found.participants, discover->found.n_participants + 1,
                                         sizeof(*all));

        if (!all)
                return -ENOMEM;
        discover->found.participants = all;
        all[discover->found.n_participants++] = participant;
        return 0;
}

/* A writer that a document describes; one that speaks for itself goes before. */
static int add_express(Discover *discover, const vss_value *metadata) {
        _cleanup_(participant_unrefp) Participant *participant = NULL;
        const char *name = vss_value_get_string(metadata, "name", "");
        _cleanup_(freep) char *bus_name = NULL;
        int r;

        if (discovery_find(&discover->found, name))
                return -EEXIST;
        if (discover->found.n_participants >= PARTICIPANTS_MAX)
                return -E2BIG;
        if (asprintf(&bus_name, BUS_WRITER_PREFIX "%s", name) < 0)
                return -ENOMEM;
        r = participant_new(discover->manager, false, bus_name, &participant);
        if (r < 0)
                return r;
        participant->express = true;
        participant->info = vss_value_copy(metadata);
        r = participant->info ? add_participant(discover, participant) : -ENOMEM;
        if (r >= 0)
                (void)TAKE_PTR(participant);
        return r;
}

static void add_all_express(Discover *discover) {
        const vss_value *documents = discover->manager->express;

        for (size_t i = 0; i < vss_value_count(documents); i++) {
                const vss_value *entry = vss_value_at(documents, i);
                const vss_value *metadata = vss_value_get(entry, "metadata");
                const char *path = vss_value_key_at(documents, i), *why;
                vss_result code = VSS_E_OBJECT_ALREADY_EXISTS;
                int r;

                why = vss_value_get_string(entry, "reason", NULL);
                if (why)
                        code = (vss_result)vss_value_get_integer(entry, "code", VSS_E_UNEXPECTED);
                else if (metadata) {
                        r = add_express(discover, metadata);
                        why = r == -EEXIST  ? "there is another writer of its name"
                              : r == -E2BIG ? "there are too many participants"
                              : r < 0       ? "out of memory"
                                            : NULL;
                }
                if (why)
                        reject_document(discover, path, code, why);
        }
}

static void judge_all(void *userdata) {
        Discover *discover = userdata;

        if (discover->providers) {
                finish(discover);
                return;
        }
        add_all_express(discover);
        calls_begin(&discover->calls, finish, discover);
        for (size_t i = discover->found.n_participants; i-- > 0;)
                judge(discover, discover->found.participants[i]);
        calls_drop(&discover->calls);
}

static bool runs_as(Discover *discover, const Participant *participant) {
        if (discover->providers)
                return participant->uid == 0;
        return (int64_t)participant->uid ==
               vss_value_get_integer(descriptor_of(discover, participant), "uid", -1);
}

static void reject_user(Discover *discover, const Participant *participant) {
        const vss_value *descriptor = descriptor_of(discover, participant);
        char reason[160];

        (void)snprintf(reason, sizeof(reason),
                       "process %d that has its name runs as user %u, not as %.64s%s", (int)participant->pid,
                       participant->uid,
                       discover->providers ? "root" : vss_value_get_string(descriptor, "user", "?"),
                       discover->providers ? "" : ", the user of its descriptor");
        reject(discover, participant->name, reason);
}

static void on_credentials(void *userdata, const CallAnswer *answer) {
        Discover *discover = userdata;
        Participant *participant = answer->cookie;
        _cleanup_value_ vss_value *credentials = NULL;

        if (answer->reply && marshal_read_dict(answer->reply, &credentials) >= 0 &&
            vss_value_get(credentials, "UnixUserID")) {
                participant->uid = (uid_t)vss_value_get_integer(credentials, "UnixUserID", -1);
                participant->pid = (pid_t)vss_value_get_integer(credentials, "ProcessID", 0);
                if (runs_as(discover, participant))
                        return;
                reject_user(discover, participant);
        } else
                reject(discover, participant->name, "it left the bus");
        drop_participant(discover, participant);
}

static void ask_credentials(void *userdata) {
        Discover *discover = userdata;

        calls_begin(&discover->calls, judge_all, discover);
        for (size_t i = discover->found.n_participants; i-- > 0;) {
                _cleanup_message_ sd_bus_message *m = NULL;
                Participant *participant = discover->found.participants[i];
                int r = sd_bus_message_new_method_call(discover->manager->bus, &m, "org.freedesktop.DBus",
                                                       "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                       "GetConnectionCredentials");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", participant->unique);
                if (r >= 0)
                        r = calls_add(&discover->calls, discover->bus, m, BUS_USEC, on_credentials,
                                      participant);
                if (r < 0)
                        drop_participant(discover, participant);
        }
        calls_drop(&discover->calls);
}

/* What its bus name says is not left to itself to say. */
static int set_names(const Participant *participant) {
        if (participant->is_provider)
                return 0;
        return vss_value_set_string(participant->info, "name", participant->name) < 0 ||
                               vss_value_set_string(participant->info, "instance-name",
                                                    participant_instance(participant)) < 0
                       ? -ENOMEM
                       : 0;
}

static void on_identified(void *userdata, const CallAnswer *answer) {
        Discover *discover = userdata;

        if (answer->late)
                participant_kill(answer->participant, answer->message);
        if (answer->result < 0) {
                reject(discover, answer->participant->name, answer->message);
                drop_participant(discover, answer->participant);
        } else if (marshal_read_dict(answer->reply, &answer->participant->info) < 0 ||
                   set_names(answer->participant) < 0) {
                reject(discover, answer->participant->name, "what it says of itself cannot be read");
                drop_participant(discover, answer->participant);
        }
}

static int identify(Discover *discover, const char *bus_name) {
        _cleanup_(participant_unrefp) Participant *participant = NULL;
        _cleanup_message_ sd_bus_message *m = NULL;
        int r;

        r = participant_new(discover->manager, discover->providers, bus_name, &participant);
        if (r >= 0)
                r = participant_message(participant, discover->providers ? "GetInfo" : "Identify", &m);
        if (r >= 0 && !discover->providers)
                r = marshal_append_dict(m, NULL);
        if (r >= 0)
                r = calls_add(&discover->calls, participant, m, IDENTIFY_USEC, on_identified, NULL);
        if (r < 0)
                return r;
        r = add_participant(discover, participant);
        if (r >= 0)
                (void)TAKE_PTR(participant);
        return r;
}

/* Its application is not installed: nothing is amiss, and nobody has to hear of it who does not ask. */
static void note_absent(Discover *discover, const char *name, const char *reason) {
        vss_value *absent = vss_value_new_dict();

        (void)vss_value_set_string(absent, "name", name);
        (void)vss_value_set_string(absent, "reason", reason);
        (void)vss_value_append(discover->found.absent, absent);
}

/* Without a good descriptor nobody is asked anything: there is nothing to hold the answer against. */
static bool has_descriptor(Discover *discover, const char *name) {
        const vss_value *descriptor;
        const char *error;
        char class[NAME_MAX + 1];

        (void)snprintf(class, sizeof(class), "%.*s", (int)strcspn(name, "."), name);
        descriptor = vss_value_get(discover->found.descriptors, class);
        error = vss_value_get_string(descriptor, "error", NULL);
        if (descriptor && !error)
                return true;
        if (vss_value_get_boolean(descriptor, "absent", false)) {
                note_absent(discover, name, error);
                return false;
        }
        reject(discover, name, error ?: "it has no descriptor; the package of a writer ships one");
        return false;
}

/* Letters, digits and '_'; of a writer perhaps another such word behind a dot: its instance. */
static bool is_name(const Discover *discover, const char *name) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
        static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
        size_t n = strspn(name, all);

        if (name[n] == '.' && !discover->providers) {
                name += n + 1;
                n = strchr(letters, name[0]) ? strspn(name, all) : 0;
        }
        return n > 0 && name[n] == '\0';
}

static void identify_all(void *userdata) {
        Discover *discover = userdata;
        const char *prefix = discover->providers ? BUS_PROVIDER_PREFIX : BUS_WRITER_PREFIX;
        size_t n = 0;

        calls_begin(&discover->calls, ask_credentials, discover);
        for (size_t i = 0; i < vss_value_count(discover->names); i++) {
                const char *bus_name = vss_value_string(vss_value_at(discover->names, i), "");
                const char *name = bus_name + strlen(prefix);

                if (strncmp(bus_name, prefix, strlen(prefix)) != 0)
                        continue;
                if (!is_name(discover, name)) {
                        reject(discover, name,
                               discover->providers
                                       ? "a provider's name is letters, digits and '_'"
                                       : "a writer's name is Class or Class.instance, of letters, "
                                         "digits and '_'");
                        continue;
                }
                if (++n > PARTICIPANTS_MAX) {
                        reject(discover, name, "there are too many participants");
                        continue;
                }
                if (!discover->providers && !has_descriptor(discover, name))
                        continue;
                if (identify(discover, bus_name) < 0)
                        reject(discover, name, "out of memory");
        }
        calls_drop(&discover->calls);
}

static void on_names(void *userdata, const CallAnswer *answer) {
        Discover *discover = userdata;
        _cleanup_value_ vss_value *names = NULL;

        if (answer->result < 0 || marshal_read_strings(answer->reply, &names) < 0) {
                failure_set_first(&discover->failure, VSS_E_WRITER_INFRASTRUCTURE, "the message bus",
                                  "The bus does not list its names: %s", answer->message ?: "bad answer");
                return;
        }
        for (size_t i = 0; i < vss_value_count(names); i++) {
                const char *name = vss_value_string(vss_value_at(names, i), "");

                if (strncmp(name, BUS_NAME ".", strlen(BUS_NAME ".")) == 0 &&
                    !value_contains(discover->names, name))
                        (void)value_append_string(discover->names, name);
        }
}

static void on_descriptors(void *userdata, int error, WorkerAnswer *answer) {
        Discover *discover = userdata;
        const vss_value *writers = vss_value_get(answer->value, "writers");

        discover->reading = NULL;
        if (error < 0)
                failure_set_first(&discover->failure, VSS_E_UNEXPECTED, "writer descriptors",
                                  "The writer descriptors cannot be read: %s", strerror(-error));
        discover->found.descriptors = writers ? vss_value_copy(writers) : vss_value_new_dict();
        calls_drop(&discover->calls);
}

static void on_express(void *userdata, int error, WorkerAnswer *answer) {
        Discover *discover = userdata;
        int r = error;

        discover->reading_express = NULL;
        if (r >= 0)
                r = express_take(discover->manager, answer->value);
        if (r < 0)
                reject(discover, "express",
                       r == -ETIMEDOUT ? "the documents of express writers could not be read in time"
                       : r == -E2BIG   ? "there are too many documents of express writers"
                                       : "the documents of express writers cannot be read");
        calls_drop(&discover->calls);
}

static int ask_names(Discover *discover, const char *member) {
        _cleanup_message_ sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(discover->manager->bus, &m, "org.freedesktop.DBus",
                                               "/org/freedesktop/DBus", "org.freedesktop.DBus", member);

        return r < 0 ? r : calls_add(&discover->calls, discover->bus, m, BUS_USEC, on_names, NULL);
}

int discover_start(Manager *manager, bool providers, DiscoverDone done, void *userdata,
                   Discover **ret_discover) {
        Discover *discover = calloc(1, sizeof(*discover));
        int r;

        if (!discover)
                return -ENOMEM;
        *discover = (Discover){ .manager = manager,
                                .providers = providers,
                                .done = done,
                                .userdata = userdata,
                                .names = vss_value_new_list() };
        discover->found.rejected = vss_value_new_list();
        discover->found.absent = vss_value_new_list();
        r = participant_new(manager, true, "org.freedesktop.DBus", &discover->bus);
        if (r >= 0 && (!discover->names || !discover->found.rejected || !discover->found.absent))
                r = -ENOMEM;
        if (r < 0) {
                discover_cancel(discover);
                return r;
        }

        calls_begin(&discover->calls, identify_all, discover);
        r = ask_names(discover, "ListNames");
        if (r >= 0)
                r = ask_names(discover, "ListActivatableNames");
        if (r >= 0 && !providers)
                r = worker_start(manager, judge_descriptors_main, NULL, manager->settings.worker_usec,
                                 on_descriptors, discover, &discover->reading);
        if (r < 0) {
                discover_cancel(discover);
                return r;
        }
        if (!providers) {
                calls_hold(&discover->calls);
                if (worker_start(manager, express_read_main, manager, manager->settings.worker_usec,
                                 on_express, discover, &discover->reading_express) >= 0)
                        calls_hold(&discover->calls);
                else
                        reject(discover, "express", "out of memory");
        }
        *ret_discover = discover;
        calls_drop(&discover->calls);
        return 0;
}
