/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lists of strings and questions about paths: what options and the view are made of
 *
 * Paths here are absolute and in the form realpath(3) gives: one slash between elements, none at the end.
 */

#include <stdbool.h>
#include <stddef.h>

typedef struct Strings {
        char **items;
        size_t n;
} Strings;

/* Appends a copy. Return: 0 or -ENOMEM. */
int strings_add(Strings *strings, const char *string);
/* The same, unless it is in the list already. */
int strings_add_once(Strings *strings, const char *string);
bool strings_contain(const Strings *strings, const char *string);
void strings_clear(Strings *strings);

/* Is @path @base itself or below it? */
bool path_is_within(const char *path, const char *base);
/* Elements of @path: 0 for "/". */
size_t path_depth(const char *path);
/* The length of the longest of @bases that @path is within; 0 if there is none. "/" counts 1. */
size_t path_longest_base(const char *path, const Strings *bases);
/* @path as seen from @base, without a leading slash; "" for @base itself. @path must be within @base. */
const char *path_rest(const char *path, const char *base);

/* Levenshtein's distance, for suggestions; long words count as far away. */
size_t word_distance(const char *a, const char *b);
/* The name in @names that @word may have been meant as; NULL if none is near. */
const char *suggest_name(const char *word, const char *const *names, size_t n);
