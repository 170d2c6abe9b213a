/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The table of results: every row complete, unique, and found by its name and number; every result of the
 * public header, which is the argument, has its row
 */

#include <ctype.h>
#include <stdlib.h>
#include "model/result.h"
#include "util/macro.h"
#include "util/test.h"

static bool is_sentence(const char *text) {
        size_t n = text ? strlen(text) : 0;

        /* A remedy may begin with a command. */
        return n > 1 && (isupper((unsigned char)text[0]) || strncmp(text, "vss ", 4) == 0) &&
               text[n - 1] == '.';
}

static void test_rows(void) {
        vss_result result, other, found;
        const char *name;

        for (size_t i = 0; (name = result_name_at(i, &result)); i++) {
                char prefixed[128], number[32];
                bool unique = true;

                for (size_t j = 0; j < i; j++)
                        unique = unique && strcmp(result_name_at(j, &other), name) != 0 && other != result;
                (void)snprintf(prefixed, sizeof(prefixed), "VSS_%s", name);
                (void)snprintf(number, sizeof(number), "0x%08X", (unsigned)result);
                expect_true(name,
                            unique && is_sentence(vss_result_text(result)) &&
                                    is_sentence(vss_result_remedy(result)) &&
                                    (strncmp(name, "E_", 2) == 0) == (result < 0) &&
                                    vss_result_from_name(prefixed, &found) == VSS_S_OK && found == result &&
                                    vss_result_from_name(number, &found) == VSS_S_OK && found == result);
        }
}

/* Is "#define VSS_... VSS_RESULT(number)" in the table under this name, number and a text of its own? Also
 * true for all other lines; @n counts those that were looked at. */
static bool is_in_table(const char *line, unsigned *n) {
        char name[128];
        unsigned number;
        vss_result found;

        if (sscanf(line, "#define %127s VSS_RESULT(%x)", name, &number) != 2)
                return true;
        (*n)++;
        return vss_result_from_name(name, &found) == VSS_S_OK && (uint32_t)found == number &&
               strcmp(vss_result_name(found), name + strlen("VSS_")) == 0 &&
               is_sentence(vss_result_text(found)) && is_sentence(vss_result_remedy(found));
}

static void test_header(const char *path) {
        FILE *header = fopen(path, "re");
        unsigned n = 0;
        char line[512];

        expect_true("a result that has no row is seen",
                    !is_in_table("#define VSS_E_NEW VSS_RESULT(0x80042599)\n", &n));
        expect_true("a row with another number is seen",
                    !is_in_table("#define VSS_E_BAD_STATE VSS_RESULT(0x80042302)\n", &n));
        n = 0;
        while (header && fgets(line, sizeof(line), header))
                if (!is_in_table(line, &n)) {
                        line[strcspn(line, "\n")] = '\0';
                        expect_str("has a row", NULL, line);
                }
        if (header)
                (void)fclose(header);
        for (size_t i = 0;; i++) {
                vss_result result;

                if (!result_name_at(i, &result)) {
                        expect_int("every row is a result of the header, and the reverse", i, n);
                        break;
                }
        }
}

/* The numbers as they were published, so that nobody changes one by mistake. */
static const struct {
        vss_result result;
        uint32_t published;
} numbers[] = {
        { VSS_S_OK, 0x00000000 },
        { VSS_S_FALSE, 0x00000001 },
        { VSS_S_ASYNC_PENDING, 0x00042309 },
        { VSS_S_ASYNC_FINISHED, 0x0004230A },
        { VSS_S_ASYNC_CANCELLED, 0x0004230B },
        { VSS_S_SOME_SNAPSHOTS_NOT_IMPORTED, 0x00042321 },
        { VSS_E_BAD_STATE, 0x80042301 },
        { VSS_E_UNEXPECTED, 0x80042302 },
        { VSS_E_PROVIDER_ALREADY_REGISTERED, 0x80042303 },
        { VSS_E_PROVIDER_NOT_REGISTERED, 0x80042304 },
        { VSS_E_PROVIDER_VETO, 0x80042306 },
        { VSS_E_PROVIDER_IN_USE, 0x80042307 },
        { VSS_E_OBJECT_NOT_FOUND, 0x80042308 },
        { VSS_E_VOLUME_NOT_SUPPORTED, 0x8004230C },
        { VSS_E_OBJECT_ALREADY_EXISTS, 0x8004230D },
        { VSS_E_VOLUME_NOT_SUPPORTED_BY_PROVIDER, 0x8004230E },
        { VSS_E_UNEXPECTED_PROVIDER_ERROR, 0x8004230F },
        { VSS_E_CORRUPT_XML_DOCUMENT, 0x80042310 },
        { VSS_E_INVALID_XML_DOCUMENT, 0x80042311 },
        { VSS_E_MAXIMUM_NUMBER_OF_VOLUMES_REACHED, 0x80042312 },
        { VSS_E_FLUSH_WRITES_TIMEOUT, 0x80042313 },
        { VSS_E_HOLD_WRITES_TIMEOUT, 0x80042314 },
        { VSS_E_UNEXPECTED_WRITER_ERROR, 0x80042315 },
        { VSS_E_SNAPSHOT_SET_IN_PROGRESS, 0x80042316 },
        { VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED, 0x80042317 },
        { VSS_E_WRITER_INFRASTRUCTURE, 0x80042318 },
        { VSS_E_WRITER_NOT_RESPONDING, 0x80042319 },
        { VSS_E_WRITER_ALREADY_SUBSCRIBED, 0x8004231A },
        { VSS_E_UNSUPPORTED_CONTEXT, 0x8004231B },
        { VSS_E_VOLUME_IN_USE, 0x8004231D },
        { VSS_E_MAXIMUM_DIFFAREA_ASSOCIATIONS_REACHED, 0x8004231E },
        { VSS_E_INSUFFICIENT_STORAGE, 0x8004231F },
        { VSS_E_NO_SNAPSHOTS_IMPORTED, 0x80042320 },
        { VSS_E_SOME_SNAPSHOTS_NOT_IMPORTED, 0x80042321 },
        { VSS_E_MAXIMUM_NUMBER_OF_REMOTE_MACHINES_REACHED, 0x80042322 },
        { VSS_E_REMOTE_SERVER_UNAVAILABLE, 0x80042323 },
        { VSS_E_REMOTE_SERVER_UNSUPPORTED, 0x80042324 },
        { VSS_E_REVERT_IN_PROGRESS, 0x80042325 },
        { VSS_E_REVERT_VOLUME_LOST, 0x80042326 },
        { VSS_E_REBOOT_REQUIRED, 0x80042327 },
        { VSS_E_TRANSACTION_FREEZE_TIMEOUT, 0x80042328 },
        { VSS_E_TRANSACTION_THAW_TIMEOUT, 0x80042329 },
        { VSS_E_UNSELECTED_VOLUME, 0x8004232A },
        { VSS_E_SNAPSHOT_NOT_IN_SET, 0x8004232B },
        { VSS_E_NESTED_VOLUME_LIMIT, 0x8004232C },
        { VSS_E_VOLUME_NOT_LOCAL, 0x8004232D },
        { VSS_E_CLUSTER_TIMEOUT, 0x8004232E },
        { VSS_E_NOT_SUPPORTED, 0x8004232F },
        { VSS_E_WRITERERROR_PARTIAL_FAILURE, 0x80042336 },
        { VSS_E_WRITERERROR_INCONSISTENTSNAPSHOT, 0x800423F0 },
        { VSS_E_WRITERERROR_OUTOFRESOURCES, 0x800423F1 },
        { VSS_E_WRITERERROR_TIMEOUT, 0x800423F2 },
        { VSS_E_WRITERERROR_RETRYABLE, 0x800423F3 },
        { VSS_E_WRITERERROR_NONRETRYABLE, 0x800423F4 },
        { VSS_E_WRITERERROR_RECOVERY_FAILED, 0x800423F5 },
        { VSS_E_BREAK_REVERT_ID_FAILED, 0x800423F6 },
        { VSS_E_LEGACY_PROVIDER, 0x800423F7 },
        { VSS_E_MISSING_DISK, 0x800423F8 },
        { VSS_E_MISSING_HIDDEN_VOLUME, 0x800423F9 },
        { VSS_E_MISSING_VOLUME, 0x800423FA },
        { VSS_E_AUTORECOVERY_FAILED, 0x800423FB },
        { VSS_E_DYNAMIC_DISK_ERROR, 0x800423FC },
        { VSS_E_NONTRANSPORTABLE_BCD, 0x800423FD },
        { VSS_E_CANNOT_REVERT_DISKID, 0x800423FE },
        { VSS_E_RESYNC_IN_PROGRESS, 0x800423FF },
        { VSS_E_CLUSTER_ERROR, 0x80042400 },
        { VSS_E_ASRERROR_DISK_ASSIGNMENT_FAILED, 0x80042401 },
        { VSS_E_ASRERROR_DISK_RECREATION_FAILED, 0x80042402 },
        { VSS_E_ASRERROR_NO_ARCPATH, 0x80042403 },
        { VSS_E_ASRERROR_MISSING_DYNDISK, 0x80042404 },
        { VSS_E_ASRERROR_SHARED_CRIDISK, 0x80042405 },
        { VSS_E_ASRERROR_DATADISK_RDISK0, 0x80042406 },
        { VSS_E_ASRERROR_RDISK0_TOOSMALL, 0x80042407 },
        { VSS_E_ASRERROR_CRITICAL_DISKS_TOO_SMALL, 0x80042408 },
        { VSS_E_WRITER_STATUS_NOT_AVAILABLE, 0x80042409 },
        { VSS_E_ASRERROR_DYNAMIC_VHD_NOT_SUPPORTED, 0x8004240A },
        { VSS_E_CRITICAL_VOLUME_ON_INVALID_DISK, 0x80042411 },
        { VSS_E_ASRERROR_RDISK_FOR_SYSTEM_DISK_NOT_FOUND, 0x80042412 },
        { VSS_E_ASRERROR_NO_PHYSICAL_DISK_AVAILABLE, 0x80042413 },
        { VSS_E_ASRERROR_FIXED_PHYSICAL_DISK_AVAILABLE_AFTER_DISK_EXCLUSION, 0x80042414 },
        { VSS_E_ASRERROR_CRITICAL_DISK_CANNOT_BE_EXCLUDED, 0x80042415 },
        { VSS_E_ASRERROR_SYSTEM_PARTITION_HIDDEN, 0x80042416 },
        { VSS_E_FSS_TIMEOUT, 0x80042417 },
        { VSS_E_ACCESSDENIED, 0x80070005 },
        { VSS_E_OUTOFMEMORY, 0x8007000E },
        { VSS_E_INVALIDARG, 0x80070057 },
        { VSS_E_UNEXPECTED_OLD, 0x8000FFFF },
        /* Linux VSS */
        { VSS_E_LEVEL_NOT_REACHED, 0x80042501 },
        { VSS_E_MAXIMUM_NUMBER_OF_SETS_REACHED, 0x80042502 },
        { VSS_E_SERVICE_UNAVAILABLE, 0x80042503 },
        { VSS_E_SNAPSHOT_LOST, 0x80042504 },
};

static void test_numbers(void) {
        FOREACH_ELEMENT (number, numbers)
                expect_int(vss_result_name(number->result), (uint32_t)number->result, number->published);
}

int main(int argc, char **argv) {
        vss_result result = 77;
        enum vss_level level = VSS_LEVEL_GROUP;

        expect_true("the sentence check sees a bad one",
                    !is_sentence("no capital.") && !is_sentence("No stop"));
        test_rows();
        test_numbers();
        if (argc == 2)
                test_header(argv[1]);
        expect_true("the header was looked at", argc == 2);
        expect_str("a number that is none", vss_result_name(12345), "E_UNEXPECTED");
        expect_int("a name that is none", vss_result_from_name("E_NONE", &result), VSS_E_OBJECT_NOT_FOUND);
        expect_int("leaves the answer alone", result, 77);
        expect_int("NULL is no name", vss_result_from_name(NULL, &result), VSS_E_OBJECT_NOT_FOUND);
        for (int i = VSS_LEVEL_NONE; i <= VSS_LEVEL_APPLICATION; i++)
                expect_true(vss_level_name((enum vss_level)i),
                            vss_level_from_name(vss_level_name((enum vss_level)i), &level) == VSS_S_OK &&
                                    level == (enum vss_level)i);
        expect_int("no level", vss_level_from_name("best", &level), VSS_E_INVALIDARG);
        expect_str("a writer's state", vss_writer_state_name(VSS_WS_STABLE), "Stable");
        expect_str("no state", vss_writer_state_name((enum vss_writer_state)99), "Unknown");
        return test_end();
}
