/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of SHA-256, with the published vectors and around the edges of a block
 */

#include <stdlib.h>
#include "testers/sha256.h"
#include "util/macro.h"
#include "util/test.h"

static const char *digest(const char *text, size_t step) {
        static char hex[SHA256_TEXT_SIZE];
        size_t n = strlen(text);
        Sha256 sha;

        sha256_begin(&sha);
        for (size_t i = 0; i < n; i += step)
                sha256_add(&sha, text + i, MIN(step, n - i));
        sha256_end(&sha, hex);
        return hex;
}

int main(void) {
        static const struct {
                const char *text, *hex;
        } vectors[] = {
                { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
                { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
                { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
                { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrl"
                  "mnopqrs"
                  "mnopqrstnopqrstu",
                  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
        };
        char a[65536];

        FOREACH_ELEMENT (v, vectors)
                for (size_t step = 1; step <= 65; step += 32)
                        expect_str(v->text, digest(v->text, step), v->hex);
        memset(a, 'a', 64);
        a[64] = '\0';
        expect_str("a whole block", digest(a, 64),
                   "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
        a[55] = '\0';
        expect_str("just room for the length", digest(a, 55),
                   "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
        return test_end();
}
