/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Participants and calls to them
 */

#include <assert.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include "bus/marshal.h"
#include "bus/names.h"
#include "model/provider-result.h"
#include "model/provider-turns.h"
#include "model/writer-result.h"
#include "util/clock.h"
#include "vssd/calls.h"
#include "vssd/log.h"

/* The bus itself is called as a participant, too; its name has no prefix of ours. */
static const char *name_in(const char *bus_name, bool is_provider) {
        const char *prefix = is_provider ? BUS_PROVIDER_PREFIX : BUS_WRITER_PREFIX;
        size_t n = strlen(prefix);

        return strncmp(bus_name, prefix, n) == 0 ? bus_name + n : strrchr(bus_name, '.') + 1;
}

int participant_new(Manager *manager, bool is_provider, const char *bus_name,
                    Participant **ret_participant) {
        Participant *participant = calloc(1, sizeof(*participant));

        if (!participant)
                return -ENOMEM;
        *participant = (Participant){
                .refs = 1, .manager = manager, .is_provider = is_provider, .bus_name = strdup(bus_name)
        };
        if (!participant->bus_name) {
                free(participant);
                return -ENOMEM;
        }
        participant->name = name_in(participant->bus_name, is_provider);
        *ret_participant = participant;
        return 0;
}

Participant *participant_ref(Participant *participant) {
        participant->refs++;
        return participant;
}

Participant *participant_unref(Participant *participant) {
        if (!participant || --participant->refs > 0)
                return NULL;
        free(participant->bus_name);
        free(participant->unique);
        vss_value_free(participant->info);
        vss_value_free(participant->descriptor);
        free(participant);
        return NULL;
}

const char *participant_class(const Participant *participant, char text[static NAME_MAX + 1]) {
        (void)snprintf(text, NAME_MAX + 1, "%.*s", (int)strcspn(participant->name, "."), participant->name);
        return text;
}

const char *participant_instance(const Participant *participant) {
        const char *dot = strchr(participant->name, '.');

        return dot ? dot + 1 : "";
}

bool participant_is_named(const Participant *participant, const vss_value *names) {
        char class[NAME_MAX + 1];
        const char *const known[] = { participant->name, participant_class(participant, class),
                                      vss_value_get_string(participant->info, "id", ""),
                                      vss_value_get_string(participant->info, "instance-id", "") };

        for (size_t i = 0; i < vss_value_count(names); i++)
                FOREACH_ELEMENT (name, known)
                        if (**name && strcasecmp(vss_value_string(vss_value_at(names, i), ""), *name) == 0)
                                return true;
        return false;
}

int participant_message(Participant *participant, const char *member, sd_bus_message **ret_message) {
        return sd_bus_message_new_method_call(participant->manager->bus, ret_message,
                                              participant->unique ?: participant->bus_name,
                                              participant->is_provider ? BUS_PROVIDER_PATH : BUS_WRITER_PATH,
                                              participant->is_provider ? BUS_PROVIDER : BUS_WRITER, member);
}

/* The kill is decided by the bus's answer to who owns the pinned connection now: unique names are never used
 * again, so the process that answers to it is the one that hangs, and not one that got its number later. One
 * that hangs before its first answer is not pinned yet: then it is whoever owns the name. */
static int on_owner_pid(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_(participant_unrefp) Participant *participant = userdata;
        _cleanup_(closep) int pidfd = -1;
        uint32_t pid;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "u", &pid) < 0)
                return 0; /* it has gone by itself */
        pidfd = pidfd_open((pid_t)pid, 0);
        if (pidfd >= 0 && pid > 1 && (!participant->unique || (pid_t)pid == participant->pid) &&
            pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0)
                log_warning("%s: killed (process %u)", participant->bus_name, pid);
        return 0;
}

void participant_kill(Participant *participant, const char *why) {
        int r;

        log_warning("%s: %s; it is killed", participant->bus_name, why);
        r = sd_bus_call_method_async(
                participant->manager->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                "org.freedesktop.DBus", "GetConnectionUnixProcessID", on_owner_pid,
                participant_ref(participant), "s", participant->unique ?: participant->bus_name);
        if (r < 0) {
                log_error("%s: cannot ask for its process: %s", participant->bus_name, strerror(-r));
                participant_unref(participant);
        }
}

struct Call {
        Call *next, *previous;
        Calls *calls;
        Participant *participant;
        sd_bus_slot *slot;
        CallAnswered answered;
        void *cookie;
        char member[64];
        uint64_t began_usec, limit_usec;
        ProviderStep step; /* PROVIDER_STEPS: none */
        char set[VSS_ID_SIZE];
        sd_bus_message *message; /* until it is sent */
        Call *next_deferred;
};

static void call_unlink(Call *call) {
        if (call->previous)
                call->previous->next = call->next;
        else if (call->calls && call->calls->calls == call)
                call->calls->calls = call->next;
        if (call->next)
                call->next->previous = call->previous;
        call->next = call->previous = NULL;
        call->calls = NULL;
}

static void defer_not(Call *call) {
        Call **link = &call->participant->manager->deferred;

        while (*link && *link != call)
                link = &(*link)->next_deferred;
        if (*link)
                *link = call->next_deferred;
}

static Call *call_free(Call *call) {
        if (!call)
                return NULL;
        call_unlink(call);
        defer_not(call);
        sd_bus_message_unref(call->message);
        sd_bus_slot_unref(call->slot);
        participant_unref(call->participant);
        free(call);
        return NULL;
}

DEFINE_CLEANUP(Call *, call_free)

void calls_begin(Calls *calls, CallsDone done, void *userdata) {
        assert(!calls->calls && calls->pending == 0);

        calls->done = done;
        calls->userdata = userdata;
        calls->pending = 1;
}

void calls_hold(Calls *calls) {
        calls->pending++;
}

void calls_drop(Calls *calls) {
        assert(calls->pending > 0);

        if (--calls->pending == 0)
                calls->done(calls->userdata);
}

void calls_cancel(Calls *calls) {
        while (calls->calls)
                call_free(calls->calls);
        calls->pending = 0;
        if (calls->cancelled)
                *TAKE_PTR(calls->cancelled) = true;
}

/* NoReply is said of a call whose time is over by the library, and of one whose callee died by the bus. */
static bool is_late(const Call *call, const sd_bus_error *error, const CallAnswer *answer) {
        return sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT) ||
               (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) &&
                answer->took_usec >= call->limit_usec);
}

void calls_name_pending(const Calls *calls, char *text, size_t size) {
        size_t used = 0;

        text[0] = '\0';
        for (const Call *call = calls->calls; call && used + 1 < size; call = call->next)
                used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                         call->participant->name);
}

/* What a participant may not answer does not reach the requester. The library sees to it for those that are
 * written with it. */
static void hold_to_list(const Call *call, CallAnswer *answer, char *text, size_t size) {
        vss_result told = answer->result;

        if (!call->participant->is_provider)
                told = writer_result(answer->result);
        else if (!provider_may_answer(call->member, answer->result))
                told = VSS_E_UNEXPECTED_PROVIDER_ERROR;
        if (told == answer->result)
                return;
        (void)snprintf(text, size, "%s answered %s to %s, which it must not: %s", call->participant->name,
                       vss_result_name(answer->result), call->member,
                       answer->message ?: vss_result_text(answer->result));
        answer->result = told;
        answer->message = text;
        log_error("%s", text);
}

/* Puts into words what the bus says when there is no answer. */
static void explain(const Call *call, const sd_bus_error *error, CallAnswer *answer, char *text,
                    size_t size) {
        vss_result silent = call->participant->is_provider ? VSS_E_UNEXPECTED_PROVIDER_ERROR
                                                           : VSS_E_WRITER_NOT_RESPONDING;

        answer->result = bus_error_result(error);
        answer->message = error->message;
        if (is_late(call, error, answer)) {
                answer->result = call->participant->is_provider ? silent : VSS_E_WRITERERROR_TIMEOUT;
                answer->late = true;
                (void)snprintf(text, size, "%s did not answer %s within %.0f s. Look at its journal.",
                               call->participant->name, call->member,
                               (double)call->limit_usec / (double)USEC_PER_SEC);
                answer->message = text;
        } else if (answer->result == VSS_E_SERVICE_UNAVAILABLE) {
                answer->result = silent;
                answer->died = call->participant->unique != NULL;
                (void)snprintf(text, size,
                               call->participant->unique ? "%s died in %s. Look at its journal."
                                                         : "%s could not be started for %s: %s",
                               call->participant->name, call->member, error->message ?: "");
                answer->message = text;
        } else
                hold_to_list(call, answer, text, size);
}

static int send_call(Call *call);

/* One that cannot be sent any more is answered here. */
static void give_up(Call *call, int error) {
        Calls *calls = call->calls;
        CallAnswer answer = { .participant = call->participant,
                              .cookie = call->cookie,
                              .result = VSS_E_UNEXPECTED,
                              .message = strerror(-error),
                              .began_usec = call->began_usec };
        bool cancelled = false;

        call_unlink(call);
        calls->cancelled = &cancelled;
        call->answered(calls->userdata, &answer);
        if (!cancelled) {
                calls->cancelled = NULL;
                calls_drop(calls);
        }
        call_free(call);
}

/* What waited for a cut that is made, or given up. */
static void send_deferred(Manager *manager) {
        Call *call = manager->deferred;

        while (call) {
                int r;

                if (provider_turns_is_critical(&manager->turns, call->participant->bus_name)) {
                        call = call->next_deferred;
                        continue;
                }
                defer_not(call);
                r = send_call(call);
                if (r < 0)
                        give_up(call, r);
                call = manager->deferred;
        }
}

/* A step that failed leaves the state as it was; an abort ends it, whatever was answered. */
static void note_step(const Call *call, bool failed) {
        Manager *manager = call->participant->manager;
        int r;

        if (call->step == PROVIDER_STEPS)
                return;
        if (failed && call->step != PROVIDER_ABORT) {
                provider_turns_failed(&manager->turns, call->participant->bus_name, call->set);
                return;
        }
        r = provider_turns_note(&manager->turns, call->participant->bus_name, call->set, call->step);
        if (r < 0)
                log_error("%s of set %s at %s cannot be noted: %s", call->member, call->set,
                          call->participant->name, strerror(-r));
        send_deferred(manager);
}

void calls_forget_set(Manager *manager, const char *set) {
        provider_turns_forget(&manager->turns, set);
        send_deferred(manager);
}

/* A writer's failure may go on after its message. NULL if it does not. */
static vss_value *read_more(sd_bus_message *reply) {
        vss_value *more = NULL;
        const char *message;

        if (sd_bus_message_rewind(reply, true) < 0 || sd_bus_message_read(reply, "s", &message) <= 0 ||
            sd_bus_message_at_end(reply, true) != 0 || marshal_read_dict(reply, &more) < 0)
                return NULL;
        return more;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_(call_freep) Call *call = userdata;
        _cleanup_value_ vss_value *more = NULL;
        Calls *calls = call->calls;
        CallAnswer answer = { .participant = call->participant,
                              .cookie = call->cookie,
                              .reply = reply,
                              .began_usec = call->began_usec };
        bool cancelled = false;
        char text[512];

        answer.took_usec = now_usec() - call->began_usec;
        note_step(call, sd_bus_message_is_method_error(reply, NULL));
        if (sd_bus_message_is_method_error(reply, NULL)) {
                answer.reply = NULL;
                explain(call, sd_bus_message_get_error(reply), &answer, text, sizeof(text));
                if (!call->participant->is_provider)
                        answer.more = more = read_more(reply);
        } else if (!call->participant->unique) {
                call->participant->unique = strdup(sd_bus_message_get_sender(reply));
                if (!call->participant->unique) {
                        answer.reply = NULL;
                        answer.result = VSS_E_OUTOFMEMORY;
                        answer.message = vss_result_text(answer.result);
                }
        }

        /* The round, and all that it belongs to, may be gone after the answer. */
        call_unlink(call);
        calls->cancelled = &cancelled;
        call->answered(calls->userdata, &answer);
        if (!cancelled) {
                calls->cancelled = NULL;
                calls_drop(calls);
        }
        return 0;
}

static int send_call(Call *call) {
        _cleanup_message_ sd_bus_message *message = TAKE_PTR(call->message);

        call->began_usec = now_usec();
        return sd_bus_call_async(call->participant->manager->bus, &call->slot, message, on_reply, call,
                                 call->limit_usec);
}

static int add_call(Calls *calls, Participant *participant, sd_bus_message *message, const Call *fields,
                    bool deferred) {
        _cleanup_(call_freep) Call *call = calloc(1, sizeof(*call));
        int r;

        if (!call)
                return -ENOMEM;
        *call = *fields;
        call->participant = participant_ref(participant);
        call->message = sd_bus_message_ref(message);
        call->began_usec = now_usec();
        (void)snprintf(call->member, sizeof(call->member), "%s", sd_bus_message_get_member(message));
        if (deferred) {
                call->next_deferred = participant->manager->deferred;
                participant->manager->deferred = call;
        } else {
                r = send_call(call);
                if (r < 0)
                        return r;
        }
        call->calls = calls;
        call->next = calls->calls;
        if (call->next)
                call->next->previous = call;
        calls->calls = TAKE_PTR(call);
        calls->pending++;
        return 0;
}

int calls_add(Calls *calls, Participant *participant, sd_bus_message *message, uint64_t limit_usec,
              CallAnswered answered, void *cookie) {
        const Call fields = {
                .answered = answered, .cookie = cookie, .limit_usec = limit_usec, .step = PROVIDER_STEPS
        };
        const char *member = sd_bus_message_get_member(message);
        bool deferred = participant->is_provider && !provider_call_is_quick(member) &&
                        provider_turns_is_critical(&participant->manager->turns, participant->bus_name);

        return add_call(calls, participant, message, &fields, deferred);
}

int calls_add_step(Calls *calls, Participant *provider, const char *set, sd_bus_message *message,
                   uint64_t limit_usec, CallAnswered answered, void *cookie) {
        Call fields = { .answered = answered,
                        .cookie = cookie,
                        .limit_usec = limit_usec,
                        .step = provider_step_from_name(sd_bus_message_get_member(message)) };
        ProviderStep expected;
        int r = provider_turns_check(&provider->manager->turns, provider->bus_name, set, fields.step,
                                     &expected);

        if (r < 0) {
                log_error("%s is not called for set %s at %s, which would come before %s",
                          provider_step_name(fields.step), set, provider->name,
                          provider_step_name(expected));
                return r;
        }
        (void)snprintf(fields.set, sizeof(fields.set), "%s", set);
        provider_turns_called(&provider->manager->turns, provider->bus_name, set, fields.step);
        return add_call(calls, provider, message, &fields, false);
}
