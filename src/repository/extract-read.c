/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: reading the repository
 *
 * Blobs that lie near each other in a pack are read at once, and opened in memory that a thread keeps. Where
 * that fails, each is looked for by itself, wherever else it may be.
 */

#include <string.h>
#include "repository/extract-internal.h"

/* Reading what nobody wants is cheaper than another read. */
#define GAP_MAX (64u << 10)
#define READ_MAX (4u << 20)

Scratch *scratch_take(Extract *extract) {
        Scratch *scratch;

        (void)pthread_mutex_lock(&extract->mutex);
        scratch = extract->scratches;
        if (scratch)
                extract->scratches = scratch->next;
        (void)pthread_mutex_unlock(&extract->mutex);
        return scratch ?: calloc(1, sizeof(*scratch));
}

void scratch_give(Extract *extract, Scratch *scratch) {
        if (!scratch)
                return;
        (void)pthread_mutex_lock(&extract->mutex);
        scratch->next = extract->scratches;
        extract->scratches = scratch;
        (void)pthread_mutex_unlock(&extract->mutex);
}

void scratches_free(Extract *extract) {
        while (extract->scratches) {
                Scratch *scratch = extract->scratches;

                extract->scratches = scratch->next;
                bytes_clear(&scratch->sealed);
                bytes_clear(&scratch->frame);
                bytes_clear(&scratch->plain);
                bytes_clear(&scratch->there);
                free(scratch);
        }
}

int extract_locate(Extract *extract, const BlobId *id, size_t number, Want *ret_want) {
        *ret_want = (Want){ .number = number, .blob.id = *id };
        ret_want->located = repo_locate_blob(extract->repo, BLOB_DATA, id, &ret_want->blob, &ret_want->pack);
        return ret_want->located ? 0 : -ENOENT;
}

static int compare_wants(const void *a, const void *b) {
        const Want *x = a, *y = b;
        int pack = memcmp(x->pack.bytes, y->pack.bytes, BLOB_ID_SIZE);

        if (pack != 0)
                return pack;
        if (x->blob.offset != y->blob.offset)
                return x->blob.offset < y->blob.offset ? -1 : 1;
        return x->number < y->number ? -1 : x->number > y->number;
}

static uint64_t end_of(const Want *want) {
        return (uint64_t)want->blob.offset + want->blob.length;
}

/* How many of the wants are read at once. */
static size_t measure_run(const Want *wants, size_t n, uint64_t *ret_end) {
        uint64_t end = end_of(&wants[0]);
        size_t i;

        for (i = 1; i < n && wants[0].located && wants[i].located; i++) {
                uint64_t to = MAX(end, end_of(&wants[i]));

                if (!blob_id_equals(&wants[i].pack, &wants[0].pack) ||
                    wants[i].blob.offset > end + GAP_MAX || to - wants[0].blob.offset > READ_MAX)
                        break;
                end = to;
        }
        *ret_end = end;
        return i;
}

static int read_run(Extract *extract, Scratch *scratch, const Want *first, uint64_t end) {
        Backend *backend = extract->repo->backend;
        Why ignored = {};

        scratch->sealed.size = 0;
        if (!first->located)
                return -ENOENT;
        return backend->ops->load(backend, STORE_PACK, &first->pack, first->blob.offset,
                                  (size_t)(end - first->blob.offset), &scratch->sealed, &ignored);
}

void extract_expect(Extract *extract, Want *wants, size_t n) {
        Backend *backend = extract->repo->backend;

        if (!backend->ops->expect)
                return;
        qsort(wants, n, sizeof(*wants), compare_wants);
        for (size_t i = 0; i < n;) {
                uint64_t end;
                size_t run = measure_run(wants + i, n - i, &end);

                if (wants[i].located)
                        backend->ops->expect(backend, STORE_PACK, &wants[i].pack, wants[i].blob.offset,
                                             (size_t)(end - wants[i].blob.offset));
                i += run;
        }
}

typedef bool (*TakeBlob)(void *userdata, size_t number, const Bytes *plain, int error, const Why *why);

static bool take_run(Extract *extract, Scratch *scratch, const Want *wants, size_t n, bool have_read,
                     TakeBlob take, void *userdata) {
        const Want *opened = NULL;

        for (size_t i = 0; i < n; i++) {
                const Want *want = &wants[i];
                Why why = {};
                int r = extract->stopped ? -ECANCELED : 0;

                if (r == 0 && !(opened && blob_id_equals(&opened->blob.id, &want->blob.id))) {
                        opened = NULL;
                        r = have_read ? repo_open_blob_by(extract->repo, &want->blob,
                                                          scratch->sealed.data +
                                                                  (want->blob.offset - wants[0].blob.offset),
                                                          &scratch->frame, &scratch->plain)
                                      : -EBADMSG;
                        if (r < 0 && r != -ENOMEM)
                                r = repo_load_blob(extract->repo, BLOB_DATA, &want->blob.id, &scratch->plain,
                                                   &why);
                        if (r == 0)
                                opened = want;
                }
                if (!take(userdata, want->number, &scratch->plain, r, &why))
                        return false;
        }
        return true;
}

void extract_fetch(Extract *extract, Scratch *scratch, Want *wants, size_t n, TakeBlob take,
                   void *userdata) {
        qsort(wants, n, sizeof(*wants), compare_wants);
        for (size_t i = 0; i < n;) {
                uint64_t end;
                size_t run = measure_run(wants + i, n - i, &end);
                bool have_read = read_run(extract, scratch, &wants[i], end) == 0;

                if (!take_run(extract, scratch, wants + i, run, have_read, take, userdata))
                        return;
                i += run;
        }
}
