/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * UTF-8
 *
 * The message bus takes no other text, and names of files can be any bytes.
 */

#include <stddef.h>
#include <stdint.h>
#include "util/macro.h"
#include "util/utf8.h"

/* Length of the UTF-8 sequence at @s, 0 if there is none. */
static size_t utf8_length(const unsigned char *s) {
        static const struct {
                unsigned char mask, lead;
                size_t n;
                uint32_t least;
        } forms[] = { { 0x80, 0x00, 1, 0 },
                      { 0xE0, 0xC0, 2, 0x80 },
                      { 0xF0, 0xE0, 3, 0x800 },
                      { 0xF8, 0xF0, 4, 0x10000 } };

        FOREACH_ELEMENT (form, forms) {
                uint32_t c = *s & (unsigned char)~form->mask;

                if ((*s & form->mask) != form->lead)
                        continue;
                for (size_t i = 1; i < form->n; i++) {
                        if ((s[i] & 0xC0) != 0x80)
                                return 0;
                        c = c << 6 | (s[i] & 0x3F);
                }
                return c < form->least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : form->n;
        }
        return 0;
}

bool text_is_utf8(const char *text) {
        const unsigned char *s = (const unsigned char *)text;

        for (size_t n; *s; s += n) {
                n = utf8_length(s);
                if (n == 0)
                        return false;
        }
        return true;
}

char *text_make_utf8(char *text) {
        for (unsigned char *s = (unsigned char *)text; s && *s;) {
                size_t n = utf8_length(s);

                if (n == 0) {
                        *s = '?';
                        n = 1;
                }
                s += n;
        }
        return text;
}
