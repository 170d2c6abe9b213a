/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz target: settings of the service
 *
 * The source is taken in, for its table of limits; the input stands in for the file.
 */

#include <stdarg.h>
#include <stddef.h>
#include "fuzz.h"
#include "util/conf.h"

static const uint8_t *input;
static size_t input_size;

static int read_input(const char *path, ConfError *error, Conf **ret_conf) {
        return conf_parse((const char *)input, input_size, error, ret_conf);
}

#define conf_read read_input
#include "vssd/settings.c"

/* The service's writes to standard error; here only that it can be written counts. */
void log_error(const char *format, ...) {
        char text[512];
        va_list args;

        va_start(args, format);
        fuzz_require(vsnprintf(text, sizeof(text), format, args) > 0);
        va_end(args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Settings loaded;

        if (size > FUZZ_SIZE_MAX)
                return 0;
        memset(&loaded, 0xff, sizeof(loaded));
        input = data;
        input_size = size;
        settings_load(&loaded);
        FOREACH_ELEMENT (setting, settings) {
                const void *field = (const char *)&loaded + setting->offset;
                uint64_t value = setting->is_time ? *(const uint64_t *)field : *(const unsigned long *)field;

                fuzz_require(value >= setting->min && value <= setting->max);
        }
        return 0;
}
