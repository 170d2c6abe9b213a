/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Explanations of results, by whatever people find written of them
 *
 * The library knows names and texts by number; what numbers there are is stated here as ranges.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include "vss/explain.h"

#define BUS_ERROR_PREFIX "org.linuxvss.Error."

/* All results lie in these ranges. */
static const struct {
        uint32_t first, last;
} ranges[] = {
        { 0x00000000, 0x00000001 }, { 0x00042300, 0x0004233F }, { 0x80042300, 0x80042510 },
        { 0x8000FFFF, 0x8000FFFF }, { 0x80070005, 0x80070005 }, { 0x8007000E, 0x8007000E },
        { 0x80070057, 0x80070057 },
};

/* Numbers without a meaning of their own are told as VSS_E_UNEXPECTED. */
static bool is_result(vss_result result) {
        return result == VSS_E_UNEXPECTED || strcmp(vss_result_name(result), "E_UNEXPECTED") != 0;
}

static vss_result append_result(vss_value *list, vss_result result) {
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        vss_result r;

        r = value_set_printf(entry, "name", "VSS_%s", vss_result_name(result));
        if (r >= 0)
                r = vss_value_set_integer(entry, "number", (int64_t)(uint32_t)result);
        if (r >= 0)
                r = vss_value_set_string(entry, "text", vss_result_text(result));
        if (r >= 0)
                r = vss_value_set_string(entry, "remedy", vss_result_remedy(result));
        return r < 0 ? r : vss_value_append(list, TAKE_PTR(entry));
}

static bool code_matches(const char *code, vss_result result) {
        const char *name = vss_result_name(result);
        long long number;
        char *end;

        if (strncasecmp(code, BUS_ERROR_PREFIX, strlen(BUS_ERROR_PREFIX)) == 0)
                code += strlen(BUS_ERROR_PREFIX);
        if (strncasecmp(code, "VSS_", 4) == 0)
                code += 4;
        if (strcasecmp(code, name) == 0 || strcasecmp(code, strchr(name, '_') + 1) == 0)
                return true;
        if (!isdigit((unsigned char)code[0]) && code[0] != '-')
                return false;
        errno = 0;
        number = strtoll(code, &end, 0);
        return errno == 0 && end != code && *end == '\0' && number >= INT32_MIN && number <= UINT32_MAX &&
               (uint32_t)number == (uint32_t)result;
}

vss_value *explain_code(const char *code) {
        _cleanup_value_ vss_value *document = vss_value_new_dict();
        vss_value *list = value_require(document, "results", VSS_KIND_LIST);

        if (!list)
                return NULL;
        FOREACH_ELEMENT (range, ranges)
                for (uint32_t number = range->first; number <= range->last; number++) {
                        vss_result result = VSS_RESULT(number);

                        if (is_result(result) && (!code || code_matches(code, result)) &&
                            append_result(list, result) < 0)
                                return NULL;
                }
        return vss_value_count(list) > 0 ? TAKE_PTR(document) : NULL;
}
