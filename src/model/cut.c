/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The cut of a device-mapper volume, as a provider hands it over
 */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "model/cut.h"
#include "util/macro.h"

/* As the kernel packs them. */
#define MAJOR_MAX 0xfffu
#define MINOR_MAX 0xfffffu

static int refuse(char why[static CUT_TEXT_SIZE], const char *format, ...) _printf_(2, 3);
static int refuse(char why[static CUT_TEXT_SIZE], const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(why, CUT_TEXT_SIZE, format, args);
        va_end(args);
        return -EINVAL;
}

static int parse_number(const char **text, unsigned long max, unsigned long *ret_number) {
        unsigned long number = 0;
        const char *p = *text;

        if (*p < '0' || *p > '9')
                return -EINVAL;
        for (; *p >= '0' && *p <= '9'; p++) {
                number = number * 10 + (unsigned long)(*p - '0');
                if (number > max)
                        return -EINVAL;
        }
        *text = p;
        *ret_number = number;
        return 0;
}

int cut_parse_device(const char *text, uint64_t *ret_device) {
        unsigned long major_number, minor_number;

        if (parse_number(&text, MAJOR_MAX, &major_number) < 0 || *text++ != ':' ||
            parse_number(&text, MINOR_MAX, &minor_number) < 0 || *text || major_number == 0)
                return -EINVAL;
        *ret_device = makedev((unsigned)major_number, (unsigned)minor_number);
        return 0;
}

/* One line of plain text: it is written into a record, too. */
static bool is_message(const char *text) {
        size_t n = strlen(text);

        for (size_t i = 0; i < n; i++)
                if (text[i] < ' ' || text[i] > '~')
                        return false;
        return n > 0 && n <= VSS_PROVIDER_MESSAGE_MAX;
}

static int parse_operation(const vss_value *entry, const Cut *cut, CutOperation *ret_operation,
                           char why[static CUT_TEXT_SIZE]) {
        const char *what = vss_value_get_string(entry, "do", "");
        const char *message = vss_value_get_string(entry, "message", "");
        CutOperation operation = { .what = strcmp(what, "resume") == 0    ? CUT_RESUME
                                           : strcmp(what, "message") == 0 ? CUT_MESSAGE
                                                                          : 0 };

        if (operation.what == 0)
                return refuse(why, "\"%.40s\" is neither resume nor message", what);
        if (cut_parse_device(vss_value_get_string(entry, "device", ""), &operation.device) < 0)
                return refuse(why, "%s of \"%.40s\", which is no device number", what,
                              vss_value_get_string(entry, "device", ""));
        if (operation.what == CUT_RESUME && operation.device == cut->device)
                return refuse(why, "the suspended device is resumed by the hold, at the end");
        if (operation.what == CUT_MESSAGE && !is_message(message))
                return refuse(why, "a message is 1 to %u plain characters", VSS_PROVIDER_MESSAGE_MAX);
        if (operation.what == CUT_MESSAGE)
                (void)snprintf(operation.message, sizeof(operation.message), "%s", message);
        *ret_operation = operation;
        return 0;
}

int cut_parse(const vss_value *entry, Cut *ret_cut, char why[static CUT_TEXT_SIZE]) {
        const vss_value *operations = vss_value_get(entry, "operations");
        Cut cut = { .n = vss_value_count(operations) };
        int r;

        if (vss_value_kind(entry) != VSS_KIND_DICT || vss_value_kind(operations) != VSS_KIND_LIST)
                return refuse(why, "it has no list of operations");
        if (cut_parse_device(vss_value_get_string(entry, "device", ""), &cut.device) < 0)
                return refuse(why, "\"%.40s\" is no device number",
                              vss_value_get_string(entry, "device", ""));
        if (cut.n == 0 || cut.n > VSS_PROVIDER_OPERATIONS_MAX)
                return refuse(why, "it has %zu operations, and 1 to %u are possible", cut.n,
                              VSS_PROVIDER_OPERATIONS_MAX);
        for (size_t i = 0; i < cut.n; i++) {
                r = parse_operation(vss_value_at(operations, i), &cut, &cut.operations[i], why);
                if (r < 0)
                        return r;
        }
        *ret_cut = cut;
        return 0;
}

void cut_describe(const CutOperation *operation, char text[static CUT_TEXT_SIZE]) {
        (void)snprintf(text, CUT_TEXT_SIZE, "%s %u:%u%s%s",
                       operation->what == CUT_RESUME ? "resume" : "message", major(operation->device),
                       minor(operation->device), *operation->message ? " " : "", operation->message);
}
