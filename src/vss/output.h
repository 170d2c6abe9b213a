/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Output for people: tables, durations, times, and the line that shows what is going on
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Finds out what output_is_terminal() says: before anything is written. */
void output_begin(void);
/* Is there somebody at a terminal behind standard input, output or error, here or on the machine that asks? */
bool output_is_terminal(int fd);
/* The width of a terminal on another machine, 0 if there is none. */
unsigned output_columns(void);

#define TABLE_COLUMNS_MAX 12u

typedef struct Table {
        size_t n_columns, n_rows;
        char *(*rows)[TABLE_COLUMNS_MAX];
        bool failed;
} Table;

/* Headings, and then rows, end with NULL. Rows that are too short are filled up. */
void table_add(Table *table, ...) __attribute__((__sentinel__));
/* Prints nothing if there are only headings. */
void table_print(const Table *table, FILE *stream);
void table_clear(Table *table);

/* "14 ms", "1.2 s", "3 min", "2 h", "5 d". Return: @buffer. */
#define DURATION_SIZE 32u
const char *format_duration(int64_t usec, char buffer[DURATION_SIZE]);
/* Local time; "-" for 0. Return: @buffer. */
#define DATE_SIZE 32u
const char *format_date(int64_t usec, char buffer[DATE_SIZE]);

/* Outside text for a terminal: control characters become "?". */
void print_text(FILE *stream, const char *text);

/* A line on a terminal that is written over again and again; nothing elsewhere. */
void progress_show(const char *step, const char *detail, uint64_t since_usec);
void progress_clear(void);
/* A whole line there, as it is. */
void progress_draw(const char *line);
