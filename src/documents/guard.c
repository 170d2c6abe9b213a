/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The guard: limits and encoding, byte by byte
 *
 * It may be wrong about a document that is not well-formed: libxml2 refuses that at the place where they
 * differ.
 */

#include <string.h>
#include "documents/document.h"
#include "documents/guard.h"
#include "util/macro.h"

static bool is_space(unsigned char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Is @c what may follow in a UTF-8 text without control characters? */
static bool follows(Guard *guard, unsigned char c) {
        if (guard->continuations > 0) {
                bool ok = c >= guard->least && c <= guard->most;

                guard->continuations--;
                guard->least = 0x80;
                guard->most = 0xBF;
                return ok;
        }
        if (c < 0x80)
                return c >= 0x20 || is_space(c);
        if (c < 0xC2 || c > 0xF4)
                return false;
        guard->continuations = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
        /* The first one also tells the overlong, the surrogates and what is beyond Unicode. */
        guard->least = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
        guard->most = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        return true;
}

static const char *step_start(Guard *guard, unsigned char c) {
        static const unsigned char mark[] = { 0xEF, 0xBB, 0xBF };

        if (guard->size < sizeof(mark) && c == mark[guard->size])
                return NULL;
        if (guard->size < 2 && (c == 0xFE || c == 0xFF))
                return "it is in UTF-16; convert it first: iconv -f UTF-16 -t UTF-8";
        if (c == '<')
                guard->state = GUARD_OPEN;
        else if (!is_space(c))
                return "it is no XML: that begins with '<'";
        return NULL;
}

static void step_open(Guard *guard, unsigned char c) {
        guard->run = 0;
        guard->attributes = 0;
        if (c == '!') {
                guard->state = GUARD_BANG;
        } else if (c == '?') {
                guard->state = GUARD_INSTRUCTION;
        } else if (c == '/') {
                guard->state = GUARD_TAG;
        } else {
                guard->state = GUARD_NAME;
                guard->name[0] = (char)c;
                guard->name_length = 1;
        }
}

static void step_name(Guard *guard, unsigned char c) {
        if (c == '>' || c == '/' || is_space(c))
                guard->state = c == '>' ? GUARD_TEXT : GUARD_TAG;
        else if (guard->name_length < sizeof(guard->name) - 1)
                guard->name[guard->name_length++] = (char)c;
        guard->name[guard->name_length] = '\0';
}

static const char *step_tag(Guard *guard, unsigned char c) {
        if (guard->state == GUARD_QUOTED) {
                if (c == (unsigned char)guard->quote)
                        guard->state = GUARD_TAG;
                return ++guard->length > GUARD_VALUE_MAX ? "an attribute is longer than 8 MiB" : NULL;
        }
        if (c == '>')
                guard->state = GUARD_TEXT;
        if (c == '"' || c == '\'') {
                guard->state = GUARD_QUOTED;
                guard->quote = (char)c;
                guard->length = 0;
                if (++guard->attributes > GUARD_ATTRIBUTES_MAX)
                        return "more than 64 attributes";
        }
        return NULL;
}

/* Behind "<!": a comment, CDATA, or a declaration. */
static const char *step_bang(Guard *guard, unsigned char c) {
        static const char comment[] = "--", cdata[] = "[CDATA[";

        if (guard->run == 0)
                guard->quote = (char)c;
        if (guard->quote == '-' && c == (unsigned char)comment[guard->run]) {
                guard->run++;
                if (guard->run == sizeof(comment) - 1)
                        guard->state = GUARD_COMMENT;
        } else if (guard->quote == '[' && c == (unsigned char)cdata[guard->run]) {
                guard->run++;
                if (guard->run == sizeof(cdata) - 1)
                        guard->state = GUARD_CDATA;
        } else {
                return "it has a DOCTYPE or another declaration; documents have none, remove it";
        }
        if (guard->state != GUARD_BANG)
                guard->run = 0;
        return NULL;
}

/* In what ends with @wanted times @mark, then '>'. */
static void step_section(Guard *guard, unsigned char c, char mark, unsigned wanted) {
        if (c == (unsigned char)mark)
                guard->run++;
        else if (c == '>' && guard->run >= wanted)
                guard->state = GUARD_TEXT;
        else
                guard->run = 0;
}

static const char *step(Guard *guard, unsigned char c) {
        switch (guard->state) {
        case GUARD_START:
                return step_start(guard, c);
        case GUARD_TEXT:
                if (c == '<')
                        guard->state = GUARD_OPEN;
                return NULL;
        case GUARD_OPEN:
                step_open(guard, c);
                return NULL;
        case GUARD_NAME:
                step_name(guard, c);
                return NULL;
        case GUARD_TAG:
        case GUARD_QUOTED:
                return step_tag(guard, c);
        case GUARD_BANG:
                return step_bang(guard, c);
        case GUARD_COMMENT:
                step_section(guard, c, '-', 2);
                return NULL;
        case GUARD_CDATA:
                step_section(guard, c, ']', 2);
                return NULL;
        case GUARD_INSTRUCTION:
                step_section(guard, c, '?', 1);
                return NULL;
        }
        return NULL;
}

/* How many of the bytes that come next are plain ASCII that changes nothing: most are in values. */
static size_t skip_plain(const Guard *guard, const char *data, size_t size) {
        char end = guard->state == GUARD_QUOTED ? guard->quote : '<';
        size_t n = 0;

        if ((guard->state != GUARD_QUOTED && guard->state != GUARD_TEXT) || guard->continuations > 0)
                return 0;
        if (guard->state == GUARD_QUOTED && size > GUARD_VALUE_MAX - guard->length)
                size = GUARD_VALUE_MAX - guard->length;
        size = MIN(size, (size_t)(DOCUMENT_SIZE_MAX - guard->size));
        while (n < size && data[n] >= ' ' && data[n] <= '~' && data[n] != end)
                n++;
        return n;
}

static const char *scan_byte(Guard *guard, unsigned char c, vss_result *ret_result) {
        bool begins = guard->state == GUARD_START, inside = guard->continuations > 0;
        const char *reason = step(guard, c);

        *ret_result = begins ? VSS_E_CORRUPT_XML_DOCUMENT : VSS_E_INVALID_XML_DOCUMENT;
        if (reason)
                return reason;
        if (guard->size >= DOCUMENT_SIZE_MAX)
                return "it is larger than 64 MiB";
        if (c == '\0')
                return guard->size == 1 ? "a NUL byte: it may be in UTF-16; convert it to UTF-8 first"
                                        : "a NUL byte";
        if (!follows(guard, c))
                return c < 0x80 && !inside ? "a control character, which XML does not allow"
                                           : "it is not in UTF-8; convert it first";
        if (c == '\n')
                guard->line++;
        guard->size++;
        return NULL;
}

const char *guard_scan(Guard *guard, const char *data, size_t size, size_t *ret_good,
                       vss_result *ret_result) {
        const char *reason = NULL;
        size_t i = 0;

        while (i < size && !reason) {
                size_t plain = skip_plain(guard, data + i, size - i);

                guard->length += plain;
                guard->size += plain;
                i += plain;
                if (i < size) {
                        reason = scan_byte(guard, (unsigned char)data[i], ret_result);
                        i += !reason;
                }
        }
        *ret_good = i;
        return reason;
}
