/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Output for people
 *
 * Names, paths and messages come from others: control characters in them are never sent to a terminal.
 */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include "util/clock.h"
#include "util/macro.h"
#include "vss/output.h"

#define COLUMN_GAP 2u

static bool progress_shown;

/* What vss-bridge says of a terminal on another machine. */
static bool far_terminals[STDERR_FILENO + 1];
static unsigned far_columns;

void output_begin(void) {
        const char *far = getenv("VSS_TERMINAL"), *columns = getenv("COLUMNS");

        for (int fd = STDIN_FILENO; far && fd <= STDERR_FILENO; fd++)
                far_terminals[fd] = strchr(far, '0' + fd);
        if (far && columns && strlen(columns) < 5 && strspn(columns, "0123456789") == strlen(columns))
                far_columns = (unsigned)strtoul(columns, NULL, 10);
        /* Commands of ours write elsewhere, perhaps. */
        (void)unsetenv("VSS_TERMINAL");
        if (far_terminals[STDOUT_FILENO])
                (void)setvbuf(stdout, NULL, _IOLBF, 0);
}

bool output_is_terminal(int fd) {
        return isatty(fd) || (fd >= STDIN_FILENO && fd <= STDERR_FILENO && far_terminals[fd]);
}

unsigned output_columns(void) {
        return far_columns;
}

void print_text(FILE *stream, const char *text) {
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;

                (void)fputc(c < 0x20 || c == 0x7f ? '?' : c, stream);
        }
}

void table_add(Table *table, ...) {
        char *(*rows)[TABLE_COLUMNS_MAX] = reallocarray(table->rows, table->n_rows + 1, sizeof(*rows));
        const char *cell;
        size_t n = 0;
        va_list args;

        if (!rows) {
                table->failed = true;
                return;
        }
        table->rows = rows;
        memset(rows[table->n_rows], 0, sizeof(*rows));
        va_start(args, table);
        while (n < TABLE_COLUMNS_MAX && (cell = va_arg(args, const char *))) {
                rows[table->n_rows][n] = strdup(*cell ? cell : "-");
                table->failed |= !rows[table->n_rows][n];
                n++;
        }
        va_end(args);
        table->n_columns = MAX(table->n_columns, n);
        table->n_rows++;
}

static size_t text_width(const char *text) {
        size_t n = mbstowcs(NULL, text, 0);
        _cleanup_(freep) wchar_t *wide = NULL;
        int width;

        if (n == (size_t)-1)
                return strlen(text);
        wide = calloc(n + 1, sizeof(*wide));
        if (!wide || mbstowcs(wide, text, n + 1) == (size_t)-1)
                return strlen(text);
        width = wcswidth(wide, n);
        return width < 0 ? strlen(text) : (size_t)width;
}

void table_print(const Table *table, FILE *stream) {
        size_t widths[TABLE_COLUMNS_MAX] = {};

        for (size_t i = 0; i < table->n_rows; i++)
                for (size_t j = 0; j < table->n_columns; j++)
                        widths[j] = MAX(widths[j], text_width(table->rows[i][j] ?: ""));

        for (size_t i = 0; table->n_rows > 1 && i < table->n_rows; i++) {
                for (size_t j = 0; j < table->n_columns; j++) {
                        const char *cell = table->rows[i][j] ?: "";
                        size_t gap = widths[j] + COLUMN_GAP - text_width(cell);

                        print_text(stream, cell);
                        if (j + 1 < table->n_columns)
                                fprintf(stream, "%*s", (int)gap, "");
                }
                (void)fputc('\n', stream);
        }
        if (table->failed)
                fprintf(stderr, "vss: out of memory, the table is not complete\n");
}

void table_clear(Table *table) {
        for (size_t i = 0; i < table->n_rows; i++)
                for (size_t j = 0; j < TABLE_COLUMNS_MAX; j++)
                        free(table->rows[i][j]);
        free(table->rows);
        *table = (Table){};
}

const char *format_duration(int64_t usec, char buffer[DURATION_SIZE]) {
        double seconds = (double)usec / USEC_PER_SEC;

        if (usec < 0)
                (void)snprintf(buffer, DURATION_SIZE, "-");
        else if (usec < 10 * (int64_t)USEC_PER_MSEC)
                (void)snprintf(buffer, DURATION_SIZE, "%.1f ms", seconds * 1000);
        else if (usec < (int64_t)USEC_PER_SEC)
                (void)snprintf(buffer, DURATION_SIZE, "%.0f ms", seconds * 1000);
        else if (seconds < 120)
                (void)snprintf(buffer, DURATION_SIZE, "%.1f s", seconds);
        else if (seconds < 2 * 3600)
                (void)snprintf(buffer, DURATION_SIZE, "%.0f min", seconds / 60);
        else if (seconds < 48 * 3600)
                (void)snprintf(buffer, DURATION_SIZE, "%.0f h", seconds / 3600);
        else
                (void)snprintf(buffer, DURATION_SIZE, "%.0f d", seconds / 86400);
        return buffer;
}

const char *format_date(int64_t usec, char buffer[DATE_SIZE]) {
        time_t seconds = (time_t)(usec / (int64_t)USEC_PER_SEC);
        struct tm tm;

        if (usec <= 0 || !localtime_r(&seconds, &tm) ||
            strftime(buffer, DATE_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                (void)snprintf(buffer, DATE_SIZE, "-");
        return buffer;
}

void progress_show(const char *step, const char *detail, uint64_t since_usec) {
        static const char spinner[] = "|/-\\";
        uint64_t took = now_usec() - since_usec;
        char duration[DURATION_SIZE];

        if (!output_is_terminal(STDERR_FILENO) || took < 200 * USEC_PER_MSEC)
                return;
        fprintf(stderr, "\r\033[K%c %s", spinner[took / (100 * USEC_PER_MSEC) % 4], step);
        if (*detail) {
                fputs(": ", stderr);
                print_text(stderr, detail);
        }
        fprintf(stderr, " (%s)", format_duration((int64_t)took, duration));
        (void)fflush(stderr);
        progress_shown = true;
}

void progress_draw(const char *line) {
        fprintf(stderr, "\r\033[K%s", line);
        (void)fflush(stderr);
        progress_shown = true;
}

void progress_clear(void) {
        if (!progress_shown)
                return;
        fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        progress_shown = false;
}
