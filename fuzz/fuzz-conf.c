/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: configuration files, and the words, numbers and booleans in them
 */

#include "fuzz.h"
#include "util/conf.h"

#define NUMBER_MAX 1000
#define LOOKUPS_MAX 16
#define VALUES_MAX 64

static void check_failure(int r, const ConfError *error) {
        fuzz_require(r == -EBADMSG || r == -E2BIG);
        fuzz_require(memchr(error->message, 0, sizeof(error->message)));
        fuzz_require(error->message[0]);
}

static void check_text(const char *text) {
        size_t n = strlen(text);

        fuzz_require(!strchr(text, '\n'));
        fuzz_require(n == 0 || !strchr(" \t", text[0]));
        fuzz_require(n == 0 || !strchr(" \t", text[n - 1]));
}

static void check_value(const char *value) {
        unsigned long number = 0;
        _cleanup_words_ char **words = NULL;
        ConfError error = { 0 };
        bool boolean;
        size_t n = 0, size = 0;
        int r;

        (void)conf_boolean(value, &boolean);
        if (conf_number(value, NUMBER_MAX, &number) == 0)
                fuzz_require(number <= NUMBER_MAX && strspn(value, "0123456789") == strlen(value));
        r = conf_words(value, &error, &words);
        if (r < 0) {
                check_failure(r, &error);
                return;
        }
        for (; words[n]; n++)
                size += strlen(words[n]);
        fuzz_require(n <= CONF_WORDS_MAX && size <= strlen(value));
}

static void check_conf(const Conf *conf) {
        size_t n = 0;
        unsigned line = 0;

        for (size_t i = 0; i < conf->n_sections; i++) {
                const ConfSection *section = &conf->sections[i];

                check_text(section->name);
                fuzz_require(section->line >= line);
                if (i < LOOKUPS_MAX)
                        fuzz_require(conf_section(conf, section->name, i) == section);
                for (size_t j = 0; j < section->n_entries; j++) {
                        const ConfEntry *entry = &section->entries[j];

                        fuzz_require(entry->line >= section->line && entry->line > line);
                        line = entry->line;
                        fuzz_require(entry->key[0]);
                        /* It walks over all of them. */
                        if (j < LOOKUPS_MAX)
                                fuzz_require(conf_entry(section, entry->key) >= entry);
                        check_text(entry->value);
                        if (j < VALUES_MAX)
                                check_value(entry->value);
                }
                n += section->n_entries;
        }
        fuzz_require(n == conf->n_entries && n <= CONF_ENTRIES_MAX && conf->n_sections <= CONF_SECTIONS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = NULL;
        _cleanup_conf_ Conf *conf = NULL;
        ConfError error = { 0 };
        int r;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        r = conf_parse((const char *)data, size, &error, &conf);
        if (r < 0)
                check_failure(r, &error);
        else
                check_conf(conf);
        /* Also as one value: what no line of a file can hold must not harm either. */
        text = fuzz_text(data, size);
        check_value(text);
        return 0;
}
