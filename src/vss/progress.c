/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How far a backup, a restore or a verification has come
 *
 * What is shown is made by pure functions; the rest of the file decides when, and where.
 */

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>
#include "util/clock.h"
#include "vss/output.h"
#include "vss/progress.h"
#include "vss/size.h"

#define RATE_GAP_USEC (500 * USEC_PER_MSEC)
#define RATE_NEEDS_USEC USEC_PER_SEC
#define QUIET_USEC (300 * USEC_PER_MSEC) /* what ends before shows nothing */
#define DRAW_USEC (200 * USEC_PER_MSEC)
#define STATUS_USEC USEC_PER_SEC
#define LINES_USEC (30 * USEC_PER_SEC)
#define LEFT_MAX_USEC (INT64_C(100) * 86400 * 1000000)
#define WIDTH_DEFAULT 80u
#define PATH_COLUMNS_MIN 8u /* of less nothing can be told */

enum { PROGRESS_NONE, PROGRESS_TERMINAL, PROGRESS_LINES, PROGRESS_JSON };

/* ---- speed ---- */

static size_t newest(const Rate *rate) {
        return (rate->next + RATE_SAMPLES - 1) % RATE_SAMPLES;
}

static size_t oldest(const Rate *rate) {
        return (rate->next + RATE_SAMPLES - rate->n) % RATE_SAMPLES;
}

void rate_add(Rate *rate, uint64_t at_usec, uint64_t done) {
        if (rate->n > 0 && at_usec < rate->samples[newest(rate)].usec + RATE_GAP_USEC)
                return;
        rate->samples[rate->next].usec = at_usec;
        rate->samples[rate->next].done = done;
        rate->next = (rate->next + 1) % RATE_SAMPLES;
        rate->n = MIN(rate->n + 1, (size_t)RATE_SAMPLES);
}

uint64_t rate_now(const Rate *rate) {
        uint64_t took, done;

        if (rate->n < 2)
                return 0;
        took = rate->samples[newest(rate)].usec - rate->samples[oldest(rate)].usec;
        if (took < RATE_NEEDS_USEC || rate->samples[newest(rate)].done < rate->samples[oldest(rate)].done)
                return 0;
        done = rate->samples[newest(rate)].done - rate->samples[oldest(rate)].done;
        return (uint64_t)((unsigned __int128)done * USEC_PER_SEC / took);
}

int64_t rate_left_usec(const Rate *rate, uint64_t done, uint64_t expected) {
        uint64_t speed = rate_now(rate);
        unsigned __int128 left;

        if (speed == 0 || expected <= done)
                return -1;
        left = (unsigned __int128)(expected - done) * USEC_PER_SEC / speed;
        return left > (unsigned __int128)LEFT_MAX_USEC ? -1 : (int64_t)left;
}

/* ---- one line ---- */

/* The next character of @text, as a terminal may have it: what is none, or controls something, becomes '?'.
 * Return: its bytes in @text. */
static size_t next_character(const char *text, wchar_t *ret_character, size_t *ret_columns) {
        mbstate_t state = {};
        size_t n = mbrtowc(ret_character, text, strlen(text), &state);
        int columns;

        if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
                *ret_character = L'?';
                n = 1;
        }
        columns = wcwidth(*ret_character);
        if (columns < 0) {
                *ret_character = L'?';
                columns = 1;
        }
        *ret_columns = (size_t)columns;
        return n;
}

static size_t columns_of(const char *text) {
        size_t columns = 0, each;
        wchar_t character;

        while (*text) {
                text += next_character(text, &character, &each);
                columns += each;
        }
        return columns;
}

/* Whole characters of @text on at most @columns. */
static void put_text(FILE *stream, const char *text, size_t columns) {
        while (*text) {
                char bytes[MB_LEN_MAX];
                mbstate_t state = {};
                wchar_t character;
                size_t each, n;

                text += next_character(text, &character, &each);
                if (each > columns)
                        return;
                columns -= each;
                n = wcrtomb(bytes, character, &state);
                if (n == (size_t)-1)
                        (void)fputc('?', stream);
                else
                        (void)fwrite(bytes, 1, n, stream);
        }
}

/* The end of a path says more than its beginning. */
static void put_path(FILE *stream, const char *path, size_t columns) {
        static const char dots[] = "...";
        size_t all = columns_of(path), each;
        wchar_t character;

        if (all <= columns) {
                put_text(stream, path, columns);
                return;
        }
        while (*path && all > columns - strlen(dots)) {
                path += next_character(path, &character, &each);
                all -= each;
        }
        (void)fputs(dots, stream);
        put_text(stream, path, columns - strlen(dots));
}

/* "1 file", "2 files", "1 directory". */
static void put_number(FILE *stream, uint64_t number, const char *noun) {
        size_t n = strlen(noun);

        if (number != 1)
                fprintf(stream, ", %" PRIu64 " %s", number, noun);
        else if (n > 3 && strcmp(noun + n - 3, "ies") == 0)
                fprintf(stream, ", 1 %.*sy", (int)n - 3, noun);
        else
                fprintf(stream, ", 1 %.*s", (int)n - 1, noun);
}

static void put_counts(FILE *stream, const ProgressView *view) {
        const char *noun = view->noun ?: "files";
        char done[SIZE_TEXT], all[SIZE_TEXT], text[DURATION_SIZE];

        if (view->bytes_expected > 0)
                fprintf(stream, ", %s of %s (%u %%)", format_size((int64_t)view->bytes, done),
                        format_size((int64_t)view->bytes_expected, all),
                        (unsigned)MIN(UINT64_C(100), (uint64_t)((unsigned __int128)view->bytes * 100 /
                                                                view->bytes_expected)));
        else if (view->bytes > 0)
                fprintf(stream, ", %s", format_size((int64_t)view->bytes, done));
        if (view->files_expected > 0)
                fprintf(stream, ", %" PRIu64 " of %" PRIu64 " %s", view->files, view->files_expected, noun);
        else if (view->files > 0)
                put_number(stream, view->files, noun);
        if (view->rate > 0)
                fprintf(stream, ", %s/s", format_size((int64_t)view->rate, done));
        if (view->left_usec >= 0)
                fprintf(stream, ", %s left",
                        format_duration(MAX(view->left_usec, (int64_t)USEC_PER_SEC), text));
        else
                fprintf(stream, ", %s", format_duration((int64_t)view->elapsed_usec, text));
}

static void put_place(FILE *stream, const ProgressView *view, size_t columns) {
        const char *component = view->component ?: "", *path = view->path ?: "";
        size_t n = columns_of(component);

        if (columns < PATH_COLUMNS_MIN + 2 || (!*component && !*path))
                return;
        (void)fputs(": ", stream);
        columns -= 2;
        if (*component && n + 2 + PATH_COLUMNS_MIN <= columns) {
                put_text(stream, component, columns);
                columns -= n;
                if (!*path)
                        return;
                (void)fputs(", ", stream);
                columns -= 2;
        }
        put_path(stream, *path ? path : component, columns);
}

char *progress_line(const ProgressView *view, size_t width) {
        _cleanup_(freep) char *counts = NULL;
        size_t size = 0, n;
        char *line = NULL;
        FILE *stream = open_memstream(&counts, &size);

        if (!stream)
                return NULL;
        (void)fputs(view->step, stream);
        put_counts(stream, view);
        if (fclose(stream) != 0)
                return NULL;
        if (width == 0)
                return TAKE_PTR(counts);
        stream = open_memstream(&line, &size);
        if (!stream)
                return NULL;
        n = columns_of(counts);
        put_text(stream, counts, width);
        if (n < width)
                put_place(stream, view, width - n);
        if (fclose(stream) == 0)
                return line;
        free(line);
        return NULL;
}

vss_value *progress_value(const ProgressView *view) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();

        if (!value || vss_value_set_string(value, "type", "status") < 0 ||
            vss_value_set_string(value, "step", view->step) < 0 ||
            vss_value_set_string(value, "counted", view->noun ?: "files") < 0 ||
            vss_value_set_integer(value, "done", (int64_t)view->files) < 0 ||
            vss_value_set_integer(value, "bytes-done", (int64_t)view->bytes) < 0 ||
            vss_value_set_integer(value, "elapsed-usec", (int64_t)view->elapsed_usec) < 0)
                return NULL;
        if ((view->files_expected > 0 &&
             vss_value_set_integer(value, "expected", (int64_t)view->files_expected) < 0) ||
            (view->bytes_expected > 0 &&
             vss_value_set_integer(value, "bytes-expected", (int64_t)view->bytes_expected) < 0) ||
            (view->rate > 0 && vss_value_set_integer(value, "bytes-per-second", (int64_t)view->rate) < 0) ||
            (view->left_usec >= 0 && vss_value_set_integer(value, "left-usec", view->left_usec) < 0) ||
            (view->component && *view->component &&
             vss_value_set_string(value, "component", view->component) < 0) ||
            (view->path && *view->path && vss_value_set_string(value, "path", view->path) < 0))
                return NULL;
        value_make_utf8(value);
        return TAKE_PTR(value);
}

/* ---- when and where ---- */

static uint64_t lines_interval(void) {
        const char *text = getenv("VSS_PROGRESS_SECONDS");
        unsigned long long seconds;
        char *end;

        if (!text || *text < '0' || *text > '9')
                return LINES_USEC;
        errno = 0;
        seconds = strtoull(text, &end, 10);
        return errno != 0 || *end || seconds > 86400 ? LINES_USEC : seconds * USEC_PER_SEC;
}

static bool is_terminal(void) {
        const char *type = getenv("TERM");

        return output_is_terminal(STDERR_FILENO) && type && *type && strcmp(type, "dumb") != 0;
}

static size_t terminal_width(void) {
        struct winsize size = {};

        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
                return size.ws_col;
        return output_columns() ?: WIDTH_DEFAULT;
}

void progress_begin(Progress *progress, Cli *cli, const char *step) {
        *progress = (Progress){
                .cli = cli,
                .view = { .step = step, .left_usec = -1 },
                .since = now_usec(),
                .interval_usec = lines_interval(),
                .kind = cli->json       ? PROGRESS_JSON
                        : is_terminal() ? PROGRESS_TERMINAL
                                        : PROGRESS_LINES,
        };
        if (progress->kind == PROGRESS_LINES && progress->interval_usec == 0)
                progress->kind = PROGRESS_NONE;
        progress->shown = progress->since;
}

void progress_expect(Progress *progress, uint64_t files, uint64_t bytes) {
        progress->view.files_expected = files;
        progress->view.bytes_expected = bytes;
}

static void draw(const ProgressView *view) {
        size_t width = terminal_width();
        /* The last column stays empty: some terminals go to the next line there. */
        _cleanup_(freep) char *line = progress_line(view, width > 1 ? width - 1 : 1);

        if (line)
                progress_draw(line);
}

static void show(Progress *progress) {
        _cleanup_value_ vss_value *value = NULL;
        _cleanup_(freep) char *line = NULL;

        switch (progress->kind) {
        case PROGRESS_TERMINAL:
                draw(&progress->view);
                break;
        case PROGRESS_LINES:
                line = progress_line(&progress->view, 0);
                cli_note("%s", line ?: "out of memory");
                break;
        case PROGRESS_JSON:
                progress->cli->json_lines = true;
                value = progress_value(&progress->view);
                if (value && cli_print_json(progress->cli, value, true) == EXIT_DONE)
                        (void)fflush(progress->cli->json_stderr ? stderr : stdout);
                break;
        default:
                break;
        }
}

/* Bytes say more than files, where there are any. */
static void judge_speed(Progress *progress, uint64_t now) {
        ProgressView *view = &progress->view;

        rate_add(&progress->bytes, now, view->bytes);
        rate_add(&progress->files, now, view->files);
        view->elapsed_usec = now - progress->since;
        view->rate = rate_now(&progress->bytes);
        view->left_usec = view->bytes_expected > 0
                                  ? rate_left_usec(&progress->bytes, view->bytes, view->bytes_expected)
                                  : rate_left_usec(&progress->files, view->files, view->files_expected);
}

bool progress_update(Progress *progress, uint64_t files, uint64_t bytes, const char *component,
                     const char *path) {
        uint64_t now = now_usec(), interval = progress->kind == PROGRESS_TERMINAL ? DRAW_USEC
                                              : progress->kind == PROGRESS_JSON   ? STATUS_USEC
                                                                                  : progress->interval_usec;

        progress->view.files = files;
        progress->view.bytes = bytes;
        progress->view.component = component;
        progress->view.path = path;
        judge_speed(progress, now);
        if (progress->kind != PROGRESS_NONE && now - progress->since >= QUIET_USEC &&
            now - progress->shown >= interval) {
                progress->shown = now;
                show(progress);
        }
        /* They are the caller's, and may be gone at the next step. */
        progress->view.component = progress->view.path = NULL;
        return interrupt_pending();
}

void progress_step(Progress *progress, const char *step) {
        progress->view.step = step;
        (void)progress_update(progress, progress->view.files, progress->view.bytes, NULL, NULL);
}

void progress_end(Progress *progress) {
        progress_clear();
        progress->kind = PROGRESS_NONE;
}

int progress_answer(Progress *progress, vss_value *answer) {
        progress_end(progress);
        if (vss_value_set_string(answer, "type", "summary") < 0)
                return cli_out_of_memory(progress->cli);
        return cli_print_json(progress->cli, answer,
                              progress->cli->json_stderr || progress->cli->json_lines);
}
