/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where files are cut: against the same rule written as plainly as it can be, in whatever pieces the file
 * comes
 */

#include "repository/chunker.h"
#include "repository/crypto.h"
#include "util/macro.h"
#include "util/test.h"

#define POLYNOMIAL UINT64_C(0x3da3358b4dc173)
#define SIZE (24u << 20)

/* One byte after the other, with a window that slides. */
static size_t cut_plainly(const Chunker *c, const uint8_t *data, size_t size) {
        uint8_t window[64] = {};
        uint64_t digest = 0;

        for (size_t n = 1; n <= size; n++) {
                uint8_t *oldest = &window[(n - 1) % 64], byte = data[n - 1];

                digest ^= c->out[*oldest];
                *oldest = byte;
                digest = (digest << 8 | byte) ^ c->mod[digest >> 45];
                if (n >= CHUNK_MAX || (n >= CHUNK_MIN && (digest & 0xfffff) == 0))
                        return n;
        }
        return size;
}

/* As a reader does it: more and more bytes until there is a cut. */
static size_t cut_in_steps(const Chunker *c, const uint8_t *data, size_t size, size_t step) {
        size_t known = 0;

        for (size_t have = MIN(step, size);; have = MIN(have + step, size)) {
                size_t n = chunker_cut(c, data, have, known, have == size);

                if (n > 0)
                        return n;
                known = have + 1;
        }
}

static void test_file(const Chunker *c, const char *label, const uint8_t *data, size_t size, size_t step) {
        size_t n, cuts = 0, wrong = 0;

        for (size_t at = 0; at < size; at += n, cuts++) {
                n = cut_plainly(c, data + at, size - at);
                wrong += cut_in_steps(c, data + at, size - at, step) != n;
        }
        expect_int(label, wrong, 0);
        printf("# %zu chunks\n", cuts);
}

int main(void) {
        uint8_t *data = malloc(SIZE);
        uint64_t state = 1, polynomial;
        char text[BLOB_ID_TEXT];
        Chunker c;
        BlobId id;

        for (size_t i = 0; data && i < SIZE; i++) {
                state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
                data[i] = (uint8_t)(state >> 56);
        }
        expect_int("restic's polynomial", chunker_init(&c, POLYNOMIAL), 0);
        expect_int("a reducible one", chunker_init(&c, POLYNOMIAL ^ 1), -EBADMSG);
        expect_int("one of another degree", chunker_init(&c, 0x11b), -EBADMSG);
        expect_true("x^8+x^4+x^3+x+1 is irreducible", chunker_is_irreducible(0x11b));
        expect_true("x^8+1 is not", !chunker_is_irreducible(0x101));
        (void)chunker_init(&c, POLYNOMIAL);
        test_file(&c, "random bytes, 1 MiB at a time", data, SIZE, 1u << 20);
        test_file(&c, "random bytes, 100003 at a time", data, SIZE, 100003);
        test_file(&c, "all at once", data, SIZE, SIZE);
        memset(data + (3 << 20), 0, 2 << 20);
        memset(data + (9 << 20), 0x55, 9 << 20);
        test_file(&c, "with runs", data, SIZE, 1u << 20);
        expect_int("a run of one byte is cut at the largest size",
                   chunker_cut(&c, data + (9 << 20), 9 << 20, 0, false), CHUNK_MAX);
        expect_int("more is needed", chunker_cut(&c, data + (9 << 20), 1 << 20, 0, false), 0);
        expect_int("or it is the end", chunker_cut(&c, data + (9 << 20), 1000, 0, true), 1000);
        memset(data, 0, CHUNK_MIN + 10);
        expect_int("zeros are cut at once", chunker_cut(&c, data, CHUNK_MIN + 10, 0, false), CHUNK_MIN);
        (void)crypto_sha256(data, CHUNK_MIN, &id);
        expect_str("which is a chunk that everybody has", blob_id_text(&id, text),
                   "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541");
        expect_int("a polynomial is made", chunker_random_polynomial(&polynomial), 0);
        expect_int("that can be used", chunker_init(&c, polynomial), 0);
        free(data);
        return test_end();
}
