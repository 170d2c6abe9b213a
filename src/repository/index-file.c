/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Index files
 *
 * {"packs":[{"id":"..","blobs":[{"id":"..","type":"data","offset":0,"length":L,"uncompressed_length":U}]}]}
 *
 * What other programs add is passed over; among that are packs that are about to be deleted, whose blobs
 * must not be used.
 */

#include <string.h>
#include "repository/index.h"
#include "repository/pull.h"

static uint32_t read_size(Pull *pull) {
        uint64_t number = pull_unsigned(pull);

        if (number > UINT32_MAX)
                pull_refuse(pull);
        return (uint32_t)number;
}

static void read_id(Pull *pull, BlobId *ret_id) {
        size_t n;
        const char *text = pull_plain(pull, &n);

        if (blob_id_parse(text, n, ret_id) < 0)
                pull_refuse(pull);
}

/* false: of a type that we do not know. */
static bool read_type(Pull *pull, BlobType *ret_type) {
        size_t n;
        const char *text = pull_plain(pull, &n);

        if (n != 4)
                return false;
        *ret_type = memcmp(text, "tree", 4) == 0 ? BLOB_TREE : BLOB_DATA;
        return memcmp(text, "tree", 4) == 0 || memcmp(text, "data", 4) == 0;
}

static int parse_blob(Pull *pull, PackBlob *ret_blob) {
        char key[PULL_KEY_SIZE];
        PackBlob blob = {};
        bool id = false, type = false;

        pull_object(pull);
        while (pull_member(pull, key)) {
                if (strcmp(key, "id") == 0) {
                        read_id(pull, &blob.id);
                        id = true;
                } else if (strcmp(key, "type") == 0) {
                        type = read_type(pull, &blob.type);
                } else if (strcmp(key, "offset") == 0) {
                        blob.offset = read_size(pull);
                } else if (strcmp(key, "length") == 0) {
                        blob.length = read_size(pull);
                } else if (strcmp(key, "uncompressed_length") == 0) {
                        blob.plain_length = read_size(pull);
                } else {
                        pull_skip(pull);
                }
        }
        if (!id || !type || blob.length < CRYPTO_OVERHEAD ||
            (uint64_t)blob.offset + blob.length > UINT32_MAX)
                pull_refuse(pull);
        *ret_blob = blob;
        return pull->failed ? -EBADMSG : 0;
}

typedef struct PackState {
        bool named;
        uint32_t number;
        size_t from; /* the first entry of this pack */
} PackState;

static int parse_blobs(Index *index, Pull *pull, const PackState *pack) {
        pull_array(pull);
        while (pull_item(pull)) {
                PackBlob blob;
                int r = parse_blob(pull, &blob);

                if (r == 0)
                        r = index_add(index, pack->number, &blob);
                if (r < 0)
                        return r;
        }
        return pull->failed ? -EBADMSG : 0;
}

/* Blobs may come before the id of their pack: their entries have it afterwards. */
static int parse_pack(Index *index, Pull *pull) {
        PackState pack = { .number = INDEX_NO_PACK, .from = index->n_entries };
        char key[PULL_KEY_SIZE];
        int r = 0;

        pull_object(pull);
        while (r == 0 && pull_member(pull, key)) {
                if (strcmp(key, "id") == 0 && !pack.named) {
                        BlobId id;

                        read_id(pull, &id);
                        r = pull->failed ? -EBADMSG : index_add_pack(index, &id, &pack.number);
                        pack.named = r == 0;
                } else if (strcmp(key, "blobs") == 0) {
                        r = parse_blobs(index, pull, &pack);
                } else {
                        pull_skip(pull);
                }
        }
        for (size_t i = pack.from; i < index->n_entries; i++)
                index->entries[i].pack = pack.number & INDEX_NO_PACK;
        return r < 0 ? r : pull->failed || !pack.named ? -EBADMSG : 0;
}

int index_parse(Index *index, const void *text, size_t size) {
        char key[PULL_KEY_SIZE];
        Pull pull;
        int r = 0;

        pull_init(&pull, text, size);
        pull_object(&pull);
        while (r == 0 && pull_member(&pull, key)) {
                if (strcmp(key, "packs") != 0 || pull_null(&pull)) {
                        if (strcmp(key, "packs") != 0)
                                pull_skip(&pull);
                        continue;
                }
                pull_array(&pull);
                while (r == 0 && pull_item(&pull))
                        r = parse_pack(index, &pull);
        }
        return r < 0 ? r : pull_end(&pull);
}

int index_format_begin(Bytes *text) {
        return bytes_append_text(text, "{\"packs\":[");
}

int index_format_pack(Bytes *text, const BlobId *pack, const PackBlob *blobs, size_t n, bool first) {
        char id[BLOB_ID_TEXT];
        int r = bytes_printf(text, "%s{\"id\":\"%s\",\"blobs\":[", first ? "" : ",", blob_id_text(pack, id));

        for (size_t i = 0; r == 0 && i < n; i++) {
                const PackBlob *blob = &blobs[i];

                r = bytes_printf(text, "%s{\"id\":\"%s\",\"type\":\"%s\",\"offset\":%u,\"length\":%u",
                                 i > 0 ? "," : "", blob_id_text(&blob->id, id),
                                 blob->type == BLOB_TREE ? "tree" : "data", blob->offset, blob->length);
                if (r == 0 && blob->plain_length)
                        r = bytes_printf(text, ",\"uncompressed_length\":%u", blob->plain_length);
                if (r == 0)
                        r = bytes_append(text, "}", 1);
        }
        return r < 0 ? r : bytes_append_text(text, "]}");
}

int index_format_end(Bytes *text) {
        return bytes_append_text(text, "]}\n");
}
