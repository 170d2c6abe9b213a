/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-writer-fault: a test double that ships
 *
 * Administrators use it to see what a writer that fails, hangs or dies does to their backups; the tests use
 * it for the same. It holds no application: what its answers are worth is what its file says.
 *
 * What it was asked is written to /run/linuxvss-fault/log, but not between Freeze and Thaw: lines wait until
 * then.
 */

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "config.h"
#include "util/clock.h"
#include "writers/fault/fault.h"

#define LOG_DIRECTORY "/run/linuxvss-fault"
#define LOG_BUFFER (64u * 1024)
#define LIAR_SECONDS 60u

typedef struct FaultWriter {
        char name[32];
        char instance[65]; /* "": none */
        char called[100];  /* both, for messages */
        char conf_path[256];
        char log[LOG_BUFFER];
        size_t n_log;
        bool frozen;
        pid_t liar; /* writes while it should not; 0: none */
} FaultWriter;

static void flush_log(FaultWriter *writer) {
        _cleanup_(closep) int fd = -1;

        if (writer->frozen || writer->n_log == 0)
                return;
        (void)mkdir(LOG_DIRECTORY, 0755);
        fd = open(LOG_DIRECTORY "/log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        /* One write, so that the lines of many fault writers do not mix. */
        if (fd < 0 || write(fd, writer->log, writer->n_log) != (ssize_t)writer->n_log)
                (void)fprintf(stderr, "%s: " LOG_DIRECTORY "/log: %s\n", writer->called, strerror(errno));
        writer->n_log = 0;
}

static void _printf_(2, 3) add_log(FaultWriter *writer, const char *format, ...) {
        char text[512];
        va_list args;
        int n;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        n = snprintf(writer->log + writer->n_log, LOG_BUFFER - writer->n_log, "%llu %s %s\n",
                     (unsigned long long)now_usec(), writer->called, text);
        if (n > 0 && (size_t)n < LOG_BUFFER - writer->n_log)
                writer->n_log += (size_t)n;
}

static void end_liar(FaultWriter *writer) {
        if (writer->liar <= 0)
                return;
        (void)kill(writer->liar, SIGKILL);
        (void)waitpid(writer->liar, NULL, 0);
        writer->liar = 0;
}

/* Go on writing below the component's path, although the writer says that it is frozen. */
static void start_liar(FaultWriter *writer, const FaultConf *conf) {
        char path[4096];
        uint64_t end = now_usec() + LIAR_SECONDS * USEC_PER_SEC;
        pid_t parent = getpid(), pid;
        int fd;

        end_liar(writer);
        if (conf->n_paths == 0)
                return;
        pid = fork();
        if (pid != 0) {
                writer->liar = MAX(pid, 0);
                return;
        }
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)snprintf(path, sizeof(path), "%s/%s-lies", conf->paths[0], writer->called);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        while (fd >= 0 && getppid() == parent && now_usec() < end) {
                dprintf(fd, "%llu\n", (unsigned long long)now_usec());
                (void)usleep(1000);
        }
        _exit(0);
}

static void lie(FaultWriter *writer, vss_writer_call *call, FaultEvent event, const FaultConf *conf) {
        if (event == FAULT_FREEZE)
                start_liar(writer, conf);
        else if (event == FAULT_PREPARE_SNAPSHOT)
                (void)vss_writer_call_fail_component(call, "no/such", "component",
                                                     VSS_E_WRITERERROR_RETRYABLE,
                                                     "a component that it never named");
}

static vss_result act(FaultWriter *writer, vss_writer_call *call, FaultEvent event, const FaultConf *conf) {
        const FaultAction *action = &conf->actions[event];

        switch (action->kind) {
        case FAULT_NONE:
                return VSS_S_OK;
        case FAULT_FAIL:
                return vss_writer_call_fail(call, action->code, "%s: %s", writer->called, action->text);
        case FAULT_VETO:
                if (action->reported) {
                        (void)vss_writer_call_set_application_failure(
                                call, (int32_t)action->application_code, "%s", action->text);
                        return vss_writer_call_veto(call, action->code, "%s: %s", writer->called,
                                                    action->text);
                }
                return vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE, "%s: veto at %s",
                                            writer->called, fault_event_names[event]);
        case FAULT_HANG:
                for (;;)
                        (void)pause();
        case FAULT_SLOW:
                (void)usleep((useconds_t)(action->milliseconds * 1000));
                return VSS_S_OK;
        case FAULT_CRASH:
                (void)raise(SIGKILL);
                return VSS_S_OK;
        case FAULT_STOP:
                (void)raise(SIGSTOP);
                return VSS_S_OK;
        case FAULT_LIE:
                lie(writer, call, event, conf);
                return VSS_S_OK;
        }
        return VSS_S_OK;
}

static void note_set(FaultWriter *writer, const char *what, const char *name, vss_result result) {
        add_log(writer, "%s of %s %s", what, name, vss_result_name(result));
}

static void leave_after_snapshot(FaultWriter *writer, vss_writer_call *call, const FaultConf *conf,
                                 const char *path, const char *name) {
        const FaultSet *set = &conf->set;

        if (set->stamp[0])
                note_set(writer, "stamp", name,
                         vss_writer_call_set_backup_stamp(call, path, name, set->stamp));
        if (set->backup_metadata[0])
                note_set(writer, "backup metadata", name,
                         vss_writer_call_set_backup_metadata(call, path, name, set->backup_metadata));
        if (set->partial_file[0] && conf->n_paths > 0)
                note_set(writer, "partial file", name,
                         vss_writer_call_add_partial_file(call, path, name, conf->paths[0],
                                                          set->partial_file, set->ranges, NULL));
        if (set->differenced[0] && conf->n_paths > 0)
                note_set(writer, "differenced files", name,
                         vss_writer_call_add_differenced_files_by_last_modify_time(
                                 call, path, name, conf->paths[0], set->differenced, true,
                                 set->modified_after_usec));
}

static void leave_before_restore(FaultWriter *writer, vss_writer_call *call, const FaultConf *conf,
                                 const char *path, const char *name) {
        const FaultSet *set = &conf->set;

        if (set->restore_metadata[0])
                note_set(writer, "restore metadata", name,
                         vss_writer_call_set_restore_metadata(call, path, name, set->restore_metadata));
        if (set->restore_target)
                note_set(writer, "restore target", name,
                         vss_writer_call_set_restore_target(call, path, name,
                                                            (enum vss_restore_target)set->restore_target));
}

/* What the file has it leave with its components. */
static void leave(FaultWriter *writer, vss_writer_call *call, FaultEvent event, const FaultConf *conf) {
        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);
                const char *path = vss_value_get_string(component, "logical-path", "");
                const char *name = vss_value_get_string(component, "name", "");

                if (event == FAULT_POST_SNAPSHOT)
                        leave_after_snapshot(writer, call, conf, path, name);
                if (event == FAULT_PRE_RESTORE)
                        leave_before_restore(writer, call, conf, path, name);
        }
}

/* Everything but identify's answer. */
static vss_result run_event(vss_writer_call *call, FaultEvent event, FaultConf *conf) {
        FaultWriter *writer = vss_writer_call_userdata(call);
        ConfError error = { 0 };
        vss_result result;
        int r;

        add_log(writer, "%s begin %s", fault_event_names[event], vss_writer_call_set_id(call));
        if (event == FAULT_FREEZE)
                writer->frozen = true;
        if (event == FAULT_THAW || event == FAULT_ABORT) {
                end_liar(writer);
                writer->frozen = false;
        }
        flush_log(writer);

        r = fault_conf_read(writer->conf_path, &error, conf);
        if (r < 0)
                result = vss_writer_call_fail(call, VSS_E_WRITERERROR_NONRETRYABLE, "%s, line %u: %s",
                                              writer->conf_path, error.line, error.message);
        else {
                leave(writer, call, event, conf);
                result = act(writer, call, event, conf);
        }
        add_log(writer, "%s end %s", fault_event_names[event], vss_result_name(result));
        flush_log(writer);
        return result;
}

static vss_result run_plain_event(vss_writer_call *call, FaultEvent event) {
        FaultConf conf = { 0 };
        vss_result result = run_event(call, event, &conf);

        fault_conf_clear(&conf);
        return result;
}

static vss_result describe(vss_metadata *metadata, const FaultConf *conf) {
        vss_result r = VSS_S_OK;

        for (unsigned long i = 0; r >= 0 && conf->n_paths > 0 && i < conf->n_components; i++) {
                char name[32];
                struct vss_component_info info = {
                        .size = sizeof(info),
                        .type = VSS_CT_FILEGROUP,
                        .name = name,
                        .selectable = true,
                        .selectable_for_restore = true,
                        .owner = conf->user[0] ? conf->user : NULL,
                };

                (void)snprintf(name, sizeof(name), "component%lu", i + 1);
                info.needs_one_instant = conf->n_components == 1 && conf->n_paths > 1;
                r = vss_metadata_add_component(metadata, &info);
                for (size_t j = 0; r >= 0 && j < conf->n_paths; j++)
                        if (conf->n_components == 1 || j == i % conf->n_paths)
                                r = vss_metadata_add_files(metadata, "", name, conf->paths[j], "*", true);
                if (r >= 0 && conf->actions[FAULT_IDENTIFY].kind == FAULT_LIE)
                        r = vss_metadata_add_files(metadata, "", name, "/etc", "shadow", false);
        }
        return r;
}

static vss_result fault_identify(vss_writer_call *call, vss_metadata *metadata) {
        FaultConf conf = { 0 };
        vss_result result = run_event(call, FAULT_IDENTIFY, &conf);

        if (result >= 0)
                result = vss_metadata_set_backup_schema(metadata, (uint32_t)conf.schema);
        if (result >= 0)
                result = describe(metadata, &conf);
        fault_conf_clear(&conf);
        return result;
}

#define DEFINE_EVENT(function, event)                       \
        static vss_result function(vss_writer_call *call) { \
                return run_plain_event(call, event);        \
        }

DEFINE_EVENT(fault_prepare_backup, FAULT_PREPARE_BACKUP)
DEFINE_EVENT(fault_prepare_snapshot, FAULT_PREPARE_SNAPSHOT)
DEFINE_EVENT(fault_freeze, FAULT_FREEZE)
DEFINE_EVENT(fault_thaw, FAULT_THAW)
DEFINE_EVENT(fault_abort, FAULT_ABORT)
DEFINE_EVENT(fault_post_snapshot, FAULT_POST_SNAPSHOT)
DEFINE_EVENT(fault_backup_shutdown, FAULT_BACKUP_SHUTDOWN)
DEFINE_EVENT(fault_pre_restore, FAULT_PRE_RESTORE)
DEFINE_EVENT(fault_post_restore, FAULT_POST_RESTORE)

/* What it is told about each component is written down, too. */
static vss_result fault_backup_complete(vss_writer_call *call) {
        FaultWriter *writer = vss_writer_call_userdata(call);

        for (size_t i = 0; i < vss_writer_call_component_count(call); i++) {
                const vss_value *component = vss_writer_call_component(call, i);

                add_log(writer, "%s %s", vss_value_get_string(component, "name", "?"),
                        vss_value_get_boolean(component, "succeeded", false) ? "succeeded" : "failed");
        }
        return run_plain_event(call, FAULT_BACKUP_COMPLETE);
}

static int serve(FaultWriter *state, unsigned long instance) {
        char id[VSS_ID_SIZE], friendly_name[64];
        ConfError error = { 0 };
        FaultConf conf = { 0 };
        struct vss_writer writer = {
                VSS_WRITER_INIT,
                .name = state->name,
                .instance_name = state->instance,
                .id = id,
                .friendly_name = friendly_name,
                .version = LINUXVSS_VERSION,
                .usage = VSS_UT_OTHER,
                .source = VSS_ST_OTHER,
                .identify = fault_identify,
                .freeze = fault_freeze,
                .thaw = fault_thaw,
                .abort = fault_abort,
                .prepare_backup = fault_prepare_backup,
                .prepare_snapshot = fault_prepare_snapshot,
                .post_snapshot = fault_post_snapshot,
                .backup_complete = fault_backup_complete,
                .backup_shutdown = fault_backup_shutdown,
                .pre_restore = fault_pre_restore,
                .post_restore = fault_post_restore,
        };

        (void)snprintf(id, sizeof(id), "2e6b9c40-71d5-4a8e-b3f6-d05c1a97%04lx", instance);
        (void)snprintf(friendly_name, sizeof(friendly_name), "Fault writer %lu (test double)", instance);
        /* An error in the file is told at each event; here it only costs the level. */
        writer.level = fault_conf_read(state->conf_path, &error, &conf) < 0 ? VSS_APP_FRONT_END : conf.level;
        fault_conf_clear(&conf);
        return vss_writer_main(&writer, state);
}

/* The file of the writer, and of its instance: fault-writer[-N][.INSTANCE].conf */
static void name_it(FaultWriter *writer, unsigned long number) {
        char which[32] = "";

        if (number > 0) {
                (void)snprintf(writer->name, sizeof(writer->name), "Fault%lu", number);
                (void)snprintf(which, sizeof(which), "-%lu", number);
        }
        (void)snprintf(writer->called, sizeof(writer->called), "%s%s%s", writer->name,
                       writer->instance[0] ? "." : "", writer->instance);
        (void)snprintf(writer->conf_path, sizeof(writer->conf_path),
                       LINUXVSS_CONFDIR "/fault-writer%s%s%s.conf", which, writer->instance[0] ? "." : "",
                       writer->instance);
}

static void usage(void) {
        printf("vss-writer-fault [--name=FaultN] [--instance=INSTANCE]\n\n"
               "A writer that fails as " LINUXVSS_CONFDIR "/fault-writer[-N][.INSTANCE].conf says.\n");
}

int main(int argc, char *argv[]) {
        static const struct option options[] = {
                { "name", required_argument, NULL, 'n' },
                { "instance", required_argument, NULL, 'i' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        static FaultWriter writer = { .name = "Fault" };
        unsigned long number = 0;
        int option;

        while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                if (option == 'h') {
                        usage();
                        return 0;
                }
                if (option == 'i' && strlen(optarg) < sizeof(writer.instance) && !strchr(optarg, '/')) {
                        (void)snprintf(writer.instance, sizeof(writer.instance), "%s", optarg);
                        continue;
                }
                if (option != 'n' || strncmp(optarg, "Fault", 5) != 0 ||
                    conf_number(optarg + 5, 24, &number) < 0 || number == 0) {
                        (void)fprintf(stderr,
                                      "vss-writer-fault: --name= is Fault1 to Fault24, --instance= a "
                                      "short name\n");
                        return 2;
                }
        }
        if (optind < argc) {
                (void)fprintf(stderr, "vss-writer-fault: it takes no argument \"%s\"\n", argv[optind]);
                return 2;
        }
        name_it(&writer, number);
        return serve(&writer, number);
}
