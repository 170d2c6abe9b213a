/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Packets of SFTP
 */

#include "repository/bytes.h"

enum {
        SFTP_INIT = 1,
        SFTP_VERSION = 2,
        SFTP_OPEN = 3,
        SFTP_CLOSE = 4,
        SFTP_READ = 5,
        SFTP_WRITE = 6,
        SFTP_LSTAT = 7,
        SFTP_FSTAT = 8,
        SFTP_OPENDIR = 11,
        SFTP_READDIR = 12,
        SFTP_REMOVE = 13,
        SFTP_MKDIR = 14,
        SFTP_RENAME = 18,
        SFTP_STATUS = 101,
        SFTP_HANDLE = 102,
        SFTP_DATA = 103,
        SFTP_NAME = 104,
        SFTP_ATTRS = 105,
        SFTP_EXTENDED = 200,
};

/* Larger ones are not ours, nor those of a server that behaves. */
#define SFTP_PACKET_MAX (256u * 1024)

/* A packet that is built: the length is filled in by wire_end(). */
void wire_begin(Bytes *out, uint8_t type, size_t *ret_start);
void wire_u32(Bytes *out, uint32_t number);
void wire_u64(Bytes *out, uint64_t number);
void wire_text(Bytes *out, const char *text);
void wire_data(Bytes *out, const void *data, size_t size);
/* 0, or -ENOMEM if anything since the beginning could not be appended. */
int wire_end(Bytes *out, size_t start);

/* A packet that is read; what is cut off reads as nothing and fails it. */
typedef struct Wire {
        const uint8_t *p, *end;
        bool failed;
} Wire;

uint8_t wire_take_u8(Wire *wire);
uint32_t wire_take_u32(Wire *wire);
uint64_t wire_take_u64(Wire *wire);
const uint8_t *wire_take_data(Wire *wire, size_t *ret_size);

typedef struct WireAttributes {
        uint64_t size;
        uint32_t mode;
} WireAttributes;
void wire_take_attributes(Wire *wire, WireAttributes *ret_attributes);
/* The errno of a status, negative; 0 for OK, -ENODATA for the end of a file. */
int wire_status_error(uint32_t status);
