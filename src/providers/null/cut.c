/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The null provider: the cut that it hands over, whatever it is told, good or bad
 */

#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "providers/null/calls.h"

/* "here": the device that the volume is on. */
static int set_device(vss_value *dict, const char *word, uint64_t here) {
        return (strcmp(word, "here") == 0
                        ? value_set_printf(dict, "device", "%u:%u", major(here), minor(here))
                        : vss_value_set_string(dict, "device", word)) < 0
                       ? -ENOMEM
                       : 0;
}

/* Return: how many words it took, or a negative errno. */
static int add_operation(vss_value *operations, char *const *words, uint64_t here) {
        vss_value *operation = vss_value_new_dict();
        bool message = strcmp(words[0], "message") == 0;
        int n = message ? 3 : 2;

        for (int i = 1; i < n; i++)
                if (!words[i]) {
                        vss_value_free(operation);
                        return -EINVAL;
                }
        if (vss_value_set_string(operation, "do", words[0]) < 0 ||
            set_device(operation, words[1], here) < 0 ||
            (message && vss_value_set_string(operation, "message", words[2]) < 0)) {
                vss_value_free(operation);
                return -ENOMEM;
        }
        return vss_value_append(operations, operation) < 0 ? -ENOMEM : n;
}

int null_add_cut(vss_value *results, const char *snapshot_id, const char *text, uint64_t here) {
        vss_value *cuts = value_require(results, "cut", VSS_KIND_LIST), *entry = vss_value_new_dict();
        vss_value *operations = value_require(entry, "operations", VSS_KIND_LIST);
        _cleanup_words_ char **words = NULL;
        ConfError error;
        int r = cuts && operations ? conf_words(text, &error, &words) : -ENOMEM;

        if (r >= 0)
                r = words[0] ? set_device(entry, words[0], here) : -EINVAL;
        if (r >= 0 && vss_value_set_string(entry, "snapshot", snapshot_id) < 0)
                r = -ENOMEM;
        for (int i = 1, n; r >= 0 && words[i]; i += n) {
                r = n = add_operation(operations, words + i, here);
                if (r < 0)
                        break;
        }
        if (r < 0) {
                vss_value_free(entry);
                return r;
        }
        return vss_value_append(cuts, entry) < 0 ? -ENOMEM : 0;
}
