/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What all verbs share
 *
 * An error becomes words here and nowhere else: "vss: WHO: WHAT" and a line with what to do. With --json the
 * same goes to standard output as an "error" object, so that a caller always finds one document there.
 */

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include "util/clock.h"
#include "vss/cli.h"
#include "vss/json.h"
#include "vss/output.h"

#define POLL_MS 100
#define CANCEL_LIMIT_USEC (30 * USEC_PER_SEC)
#define END_USEC (60 * USEC_PER_SEC)

static volatile sig_atomic_t interrupted_by, interrupts;

static void on_interrupt(int number) {
        interrupted_by = number;
        interrupts++;
}

void interrupt_install(void) {
        static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };

        /* What is ignored (nohup) stays ignored. */
        FOREACH_ELEMENT (number, numbers) {
                struct sigaction action = { .sa_handler = on_interrupt }, old;

                (void)sigemptyset(&action.sa_mask);
                if (sigaction(*number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
                        (void)sigaction(*number, &action, NULL);
        }
        /* An ignored SIGCHLD would take the children's statuses away. */
        (void)signal(SIGCHLD, SIG_DFL);
}

int interrupt_pending(void) {
        return interrupted_by;
}

int interrupt_count(void) {
        return interrupts;
}

void cli_note(const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        progress_clear();
        /* At once: standard error has no buffer. */
        for (char *p = text; p && *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = '?';
        (void)fprintf(stderr, "vss: %s\n", text ?: "out of memory");
}

static vss_value *error_value(const Cli *cli, vss_result result, const char *culprit, const char *message,
                              const char *remedy) {
        _cleanup_value_ vss_value *document = vss_value_new_dict();
        vss_value *error = value_require(document, "error", VSS_KIND_DICT);

        if (!error || vss_value_set_string(error, "code", vss_result_name(result)) < 0 ||
            vss_value_set_integer(error, "number", (int64_t)(uint32_t)result) < 0 ||
            vss_value_set_string(error, "culprit", culprit) < 0 ||
            vss_value_set_string(error, "message", message) < 0 ||
            vss_value_set_string(error, "remedy", remedy) < 0)
                return NULL;
        if (cli->script && (vss_value_set_string(error, "script", cli->script) < 0 ||
                            vss_value_set_integer(error, "line", cli->line) < 0))
                return NULL;
        return TAKE_PTR(document);
}

static void tell_failure(Cli *cli, vss_result result, const char *culprit, const char *message,
                         const char *remedy) {
        bool named = *culprit && strcmp(culprit, message) != 0;
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *where = NULL;

        /* As compilers say it, so that editors find the line. */
        if (cli->script && (cli->line > 0 ? asprintf(&where, "%s:%u: ", cli->script, cli->line)
                                          : asprintf(&where, "%s: ", cli->script)) < 0)
                where = NULL;
        cli_note("%s%s%s%s", where ?: "", named ? culprit : "", named ? ": " : "", message);
        remedy = remedy ?: vss_result_remedy(result);
        fprintf(stderr, "     %s (%s)\n", remedy, vss_result_name(result));
        if (!cli->json && !cli->errors && !cli->noted)
                return;
        document = error_value(cli, result, culprit, message, remedy);
        if (cli->errors || cli->noted)
                (void)vss_value_append(cli->errors ?: cli->noted,
                                       vss_value_copy(vss_value_get(document, "error")));
        if (document && cli->json && !cli->errors)
                (void)cli_print_json(cli, document, cli->json_stderr || cli->json_lines);
}

vss_result cli_wait_at_end(vss_async *async) {
        const uint64_t deadline = now_usec() + END_USEC;
        vss_result r;

        do
                r = vss_async_wait(async, 1000);
        while (r == VSS_S_ASYNC_PENDING && now_usec() < deadline);
        return r == VSS_S_ASYNC_FINISHED ? VSS_S_OK : r == VSS_S_ASYNC_PENDING ? VSS_E_UNEXPECTED : r;
}

int cli_fail(Cli *cli, vss_result result) {
        const char *message;

        if (result == VSS_S_ASYNC_CANCELLED || (interrupt_pending() && result == VSS_S_ASYNC_PENDING)) {
                int number = interrupt_pending();

                if (!cli->has_parent)
                        tell_failure(cli, VSS_S_ASYNC_CANCELLED, "",
                                     number ? "interrupted" : "cancelled by the service", NULL);
                return number ? 128 + number : EXIT_FAILED;
        }
        message = cli->service ? vss_service_error_message(cli->service) : NULL;
        cli->service_lost = result == VSS_E_SERVICE_UNAVAILABLE;
        cli->copies_lost |= result == VSS_E_SNAPSHOT_LOST;
        tell_failure(cli, result, cli->service ? vss_service_error_culprit(cli->service) ?: "" : "",
                     message && *message ? message : vss_result_text(result), NULL);
        return EXIT_FAILED;
}

int cli_error(Cli *cli, vss_result result, const char *culprit, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        tell_failure(cli, result, culprit ?: "", text ?: "out of memory", NULL);
        return EXIT_FAILED;
}

int cli_error_remedy(Cli *cli, vss_result result, const char *culprit, const char *remedy,
                     const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        tell_failure(cli, result, culprit ?: "", text ?: "out of memory", remedy);
        return EXIT_FAILED;
}

int cli_out_of_memory(Cli *cli) {
        return cli_error(cli, VSS_E_OUTOFMEMORY, NULL, "out of memory");
}

int cli_usage(Cli *cli, const char *format, ...) {
        _cleanup_(freep) char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        cli_note("%s", text ?: "out of memory");
        if (cli->verb)
                fprintf(stderr, "     See vss %s --help.\n", cli->verb->name);
        else
                fprintf(stderr, "     See vss --help.\n");
        return EXIT_USAGE;
}

int cli_print_json(Cli *cli, const vss_value *value, bool one_line) {
        FILE *stream = cli->json_stderr ? stderr : stdout;
        json_t *json = json_from_value(value);
        int r = json ? json_dumpf(json, stream, one_line ? JSON_COMPACT : JSON_INDENT(2)) : -1;

        json_decref(json);
        if (r < 0) {
                cli_note("the answer cannot be written as JSON");
                return EXIT_FAILED;
        }
        (void)fputc('\n', stream);
        return EXIT_DONE;
}

int cli_finish(Cli *cli, int status) {
        progress_clear();
        if (fflush(stdout) != 0 || ferror(stdout)) {
                cli_note("standard output: %s", strerror(errno));
                return status == EXIT_DONE ? EXIT_FAILED : status;
        }
        return status;
}

int cli_connect(Cli *cli) {
        vss_result r;

        if (cli->service)
                return EXIT_DONE;
        r = vss_service_connect(&cli->service);
        return r < 0 ? cli_fail(cli, r) : EXIT_DONE;
}

static void show_progress(const vss_async *async, const char *step, uint64_t since_usec) {
        const vss_value *report = vss_async_progress(async);
        const char *detail = vss_value_get_string(report, "step", ""),
                   *who = vss_value_get_string(report, "who", "");
        _cleanup_(freep) char *both = NULL;

        if (*detail && *who && asprintf(&both, "%s %s", detail, who) < 0)
                both = NULL;
        progress_show(step, both ?: detail, since_usec);
}

vss_result cli_wait(Cli *cli, vss_async *async, const char *step, vss_value **ret_result) {
        uint64_t since = now_usec(), cancelled = 0;
        _cleanup_value_ vss_value *result = NULL;
        vss_result r;

        while ((r = vss_async_wait(async, POLL_MS)) == VSS_S_ASYNC_PENDING) {
                if (interrupt_pending() && cancelled == 0) {
                        cancelled = now_usec();
                        r = vss_async_cancel(async);
                        if (r < 0)
                                break;
                }
                if (cancelled > 0 && (interrupt_count() > 1 || now_usec() - cancelled > CANCEL_LIMIT_USEC)) {
                        r = VSS_S_ASYNC_CANCELLED;
                        break;
                }
                show_progress(async, cancelled > 0 ? "cancelling" : step, since);
        }
        progress_clear();
        if (r != VSS_S_ASYNC_FINISHED && r != VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED)
                return r == VSS_S_OK ? VSS_E_UNEXPECTED : r;

        if (ret_result && vss_async_result(async)) {
                result = vss_value_copy(vss_async_result(async));
                if (!result)
                        return VSS_E_OUTOFMEMORY;
        }
        if (ret_result)
                *ret_result = TAKE_PTR(result);
        return r == VSS_S_ASYNC_FINISHED ? VSS_S_OK : r;
}
