/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The cut of a device-mapper volume, as a provider hands it over at the end of prepare
 *
 * Pure: a provider may be wrong or hostile, and what it says goes to a process that suspends devices.
 */

#include <linuxvss/provider.h>

typedef enum CutDo {
        CUT_RESUME = 1, /* a device: its inactive table becomes the live one */
        CUT_MESSAGE = 2,
} CutDo;

typedef struct CutOperation {
        CutDo what;
        uint64_t device;
        char message[VSS_PROVIDER_MESSAGE_MAX + 1];
} CutOperation;

typedef struct Cut {
        uint64_t device; /* what is suspended; 0: there is no cut */
        size_t n;
        CutOperation operations[VSS_PROVIDER_OPERATIONS_MAX];
} Cut;

#define CUT_TEXT_SIZE 256u

/* "MAJOR:MINOR". Return: 0 or -EINVAL. */
int cut_parse_device(const char *text, uint64_t *ret_device);
/*
 * cut_parse() - one entry of a provider's "cut"
 * Return: 0, or -EINVAL with @why it is not good and @ret_cut untouched.
 */
int cut_parse(const vss_value *entry, Cut *ret_cut, char why[static CUT_TEXT_SIZE]);
/* "resume 253:7", "message 253:2 create_snap 5 1". */
void cut_describe(const CutOperation *operation, char text[static CUT_TEXT_SIZE]);
