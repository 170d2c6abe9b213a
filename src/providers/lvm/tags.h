/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The identity of a shadow copy as LVM tags of its logical volume
 *
 *     linuxvss                        it is ours
 *     linuxvss.created                its set was finished
 *     linuxvss.lost.REASON            its content was given up, or is gone
 *     linuxvss.info.I.N.TEXT          part I of N of its identity, a JSON text
 *     linuxvss.maximum.BYTES          of an original: what its copies may take together
 *
 * A tag holds letters, digits and "_+.-/=!:&#", 1024 of them. What else there is in a text is written "#XX",
 * in hexadecimal digits. A command of LVM changes all tags it is told to, or none.
 *
 * A volume group may come from anywhere: what is read here is hostile until shown otherwise.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/value.h"

#define TAG_OURS "linuxvss"
#define TAG_CREATED TAG_OURS ".created"
#define TAG_LOST TAG_OURS ".lost."
#define TAG_INFO TAG_OURS ".info."
#define TAG_MAXIMUM TAG_OURS ".maximum."
#define TAG_SIZE 1025u
/* Text in one tag, and tags of one identity. */
#define TAG_TEXT_MAX 960u
#define TAG_PARTS_MAX 64u

typedef struct Tags {
        char **items;
        size_t n;
} Tags;

void tags_done(Tags *tags);
#define _cleanup_tags_ _cleanup_(tags_done)

int tags_append(Tags *tags, const char *tag);
bool tags_contain(const Tags *tags, const char *tag);
/* What stands behind @prefix in the first tag that has it; NULL if none has. */
const char *tags_find(const Tags *tags, const char *prefix);
/* "a,b,c", as LVM reports them. */
int tags_parse(const char *text, Tags *ret_tags);

/* Any text as part of a tag, and back. -EBADMSG, -ENOMEM. */
int tag_escape(const char *text, char **ret_text);
int tag_unescape(const char *text, char **ret_text);

/* Appends the tags of an identity. -E2BIG: it is too long. */
int tags_encode(const vss_value *info, Tags *tags);
/* -ENOENT: there is none. -EBADMSG: not all of it, too much of it, or what is no identity. */
int tags_decode(const Tags *tags, vss_value **ret_info);
