/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Packets of SFTP
 */

#include <endian.h>
#include <string.h>
#include "repository/sftp-wire.h"

static void put(Bytes *out, const void *data, size_t size) {
        if (bytes_append(out, data, size) < 0)
                out->size = SIZE_MAX / 2; /* nothing fits behind that */
}

void wire_u32(Bytes *out, uint32_t number) {
        uint32_t big = htobe32(number);

        put(out, &big, sizeof(big));
}

void wire_u64(Bytes *out, uint64_t number) {
        uint64_t big = htobe64(number);

        put(out, &big, sizeof(big));
}

void wire_data(Bytes *out, const void *data, size_t size) {
        wire_u32(out, (uint32_t)size);
        put(out, data, size);
}

void wire_text(Bytes *out, const char *text) {
        wire_data(out, text, strlen(text));
}

void wire_begin(Bytes *out, uint8_t type, size_t *ret_start) {
        *ret_start = out->size;
        wire_u32(out, 0);
        put(out, &type, 1);
}

int wire_end(Bytes *out, size_t start) {
        uint32_t big;

        if (out->size >= SIZE_MAX / 2) {
                out->size = start;
                return -ENOMEM;
        }
        big = htobe32((uint32_t)(out->size - start - 4));
        memcpy(out->data + start, &big, sizeof(big));
        return 0;
}

static const uint8_t *take(Wire *wire, size_t size) {
        const uint8_t *at = wire->p;

        if (wire->failed || (size_t)(wire->end - wire->p) < size) {
                wire->failed = true;
                return NULL;
        }
        wire->p += size;
        return at;
}

uint8_t wire_take_u8(Wire *wire) {
        const uint8_t *at = take(wire, 1);

        return at ? *at : 0;
}

uint32_t wire_take_u32(Wire *wire) {
        const uint8_t *at = take(wire, 4);
        uint32_t big = 0;

        if (at)
                memcpy(&big, at, sizeof(big));
        return be32toh(big);
}

uint64_t wire_take_u64(Wire *wire) {
        const uint8_t *at = take(wire, 8);
        uint64_t big = 0;

        if (at)
                memcpy(&big, at, sizeof(big));
        return be64toh(big);
}

const uint8_t *wire_take_data(Wire *wire, size_t *ret_size) {
        uint32_t size = wire_take_u32(wire);
        const uint8_t *at = take(wire, size);

        *ret_size = at ? size : 0;
        return at ?: (const uint8_t *)"";
}

void wire_take_attributes(Wire *wire, WireAttributes *ret_attributes) {
        WireAttributes attributes = {};
        uint32_t flags = wire_take_u32(wire);

        if (flags & 1)
                attributes.size = wire_take_u64(wire);
        if (flags & 2)
                (void)wire_take_u64(wire); /* uid, gid */
        if (flags & 4)
                attributes.mode = wire_take_u32(wire);
        if (flags & 8)
                (void)wire_take_u64(wire); /* times */
        if (flags & UINT32_C(0x80000000)) {
                size_t n;

                for (uint32_t left = wire_take_u32(wire); left > 0 && !wire->failed; left--) {
                        (void)wire_take_data(wire, &n);
                        (void)wire_take_data(wire, &n);
                }
        }
        *ret_attributes = attributes;
}

int wire_status_error(uint32_t status) {
        static const int errors[] = { 0,        -ENODATA,  -ENOENT,   -EACCES,    -EIO,
                                      -EBADMSG, -ENOTCONN, -ENOTCONN, -EOPNOTSUPP };

        return status < ELEMENTS(errors) ? errors[status] : -EIO;
}
