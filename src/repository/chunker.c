/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where files are cut
 *
 * One fingerprint is a chain of dependent table look-ups, which leaves most of a core idle. Four places of
 * the same chunk are looked at side by side; the first hit in the order of the file is the cut. What the
 * later lanes looked at in vain is little, for the lanes are short against a chunk.
 */

#include <errno.h>
#include "repository/chunker.h"
#include "repository/crypto.h"
#include "util/macro.h"

#define DEGREE 53
#define WINDOW 64u
#define SPLIT_MASK UINT64_C(0xfffff)
#define LANE (32u * 1024)
/* Runs of zeros cut at once: not worth four lanes. */
#define HEAD 256u

static int degree(uint64_t p) {
        return p ? 63 - __builtin_clzll(p) : -1;
}

static uint64_t mod(uint64_t p, uint64_t by) {
        int d = degree(by);

        while (degree(p) >= d)
                p ^= by << (degree(p) - d);
        return p;
}

static uint64_t multiply_mod(uint64_t a, uint64_t b, uint64_t by) {
        uint64_t product = 0;

        for (; b; b >>= 1) {
                if (b & 1)
                        product ^= a;
                a = mod(a << 1, by);
        }
        return product;
}

static uint64_t gcd(uint64_t a, uint64_t b) {
        while (b) {
                uint64_t rest = mod(a, b);

                a = b;
                b = rest;
        }
        return a;
}

/* Ben-Or: no factor of degree i divides x^(2^i) - x. */
bool chunker_is_irreducible(uint64_t polynomial) {
        int d = degree(polynomial);
        uint64_t power = 2; /* x */

        if (d < 1 || d > 60)
                return false;
        for (int i = 1; i <= d / 2; i++) {
                power = multiply_mod(power, power, polynomial);
                if (gcd(polynomial, power ^ 2) != 1)
                        return false;
        }
        return true;
}

int chunker_random_polynomial(uint64_t *ret_polynomial) {
        uint64_t p;
        int r;

        do {
                r = crypto_random(&p, sizeof(p));
                if (r < 0)
                        return r;
                p &= (UINT64_C(1) << (DEGREE + 1)) - 1;
                p |= UINT64_C(1) << DEGREE | 1;
        } while (!chunker_is_irreducible(p));
        *ret_polynomial = p;
        return 0;
}

int chunker_init(Chunker *chunker, uint64_t polynomial) {
        if (degree(polynomial) != DEGREE || !chunker_is_irreducible(polynomial))
                return -EBADMSG;
        chunker->polynomial = polynomial;
        for (unsigned b = 0; b < 256; b++) {
                uint64_t hash = mod(b, polynomial);

                for (unsigned i = 0; i < WINDOW - 1; i++)
                        hash = mod(hash << 8, polynomial);
                chunker->out[b] = hash;
                chunker->mod[b] = mod((uint64_t)b << DEGREE, polynomial) | (uint64_t)b << DEGREE;
        }
        return 0;
}

static inline uint64_t push(const Chunker *c, uint64_t digest, uint8_t byte) {
        return (digest << 8 | byte) ^ c->mod[digest >> (DEGREE - 8)];
}

static inline uint64_t slide(const Chunker *c, uint64_t digest, const uint8_t *at) {
        return push(c, digest ^ c->out[*(at - WINDOW)], *at);
}

/* The fingerprint of the 64 bytes before @at. */
static uint64_t digest_before(const Chunker *c, const uint8_t *at) {
        uint64_t digest = 0;

        for (const uint8_t *p = at - WINDOW; p < at; p++)
                digest = push(c, digest, *p);
        return digest;
}

/* The first length in [from, to) that is a cut, or 0. */
static size_t scan(const Chunker *c, const uint8_t *data, size_t from, size_t to) {
        uint64_t digest;

        if (from >= to)
                return 0;
        digest = digest_before(c, data + from);
        for (size_t length = from;;) {
                if ((digest & SPLIT_MASK) == 0)
                        return length;
                if (++length == to)
                        return 0;
                digest = slide(c, digest, data + length - 1);
        }
}

/* The same in [from, from + 4 * LANE). */
static size_t scan_lanes(const Chunker *c, const uint8_t *data, size_t from) {
        const uint8_t *p0 = data + from, *p1 = p0 + LANE, *p2 = p1 + LANE, *p3 = p2 + LANE;
        uint64_t d0 = digest_before(c, p0), d1 = digest_before(c, p1), d2 = digest_before(c, p2),
                 d3 = digest_before(c, p3);
        size_t hit1 = 0, hit2 = 0, hit3 = 0;

        for (size_t i = 0;; i++) {
                if ((d0 & SPLIT_MASK) == 0)
                        return from + i;
                if ((d1 & SPLIT_MASK) == 0 && hit1 == 0)
                        hit1 = from + LANE + i;
                if ((d2 & SPLIT_MASK) == 0 && hit2 == 0)
                        hit2 = from + 2 * LANE + i;
                if ((d3 & SPLIT_MASK) == 0 && hit3 == 0)
                        hit3 = from + 3 * LANE + i;
                if (i == LANE - 1)
                        return hit1 ?: hit2 ?: hit3;
                d0 = slide(c, d0, p0 + i);
                d1 = slide(c, d1, p1 + i);
                d2 = slide(c, d2, p2 + i);
                d3 = slide(c, d3, p3 + i);
        }
}

size_t chunker_cut(const Chunker *chunker, const uint8_t *data, size_t size, size_t known, bool last) {
        size_t end = MIN(size, (size_t)CHUNK_MAX), from = MAX(known, (size_t)CHUNK_MIN), head, cut;

        /* A length is looked at when its bytes are there: [from, end]. */
        head = MIN(from + HEAD, end + 1);
        cut = scan(chunker, data, from, head);
        for (from = MAX(from, head); cut == 0 && from <= end;) {
                if (end + 1 - from < 4 * (size_t)LANE) {
                        cut = scan(chunker, data, from, end + 1);
                        break;
                }
                cut = scan_lanes(chunker, data, from);
                from += 4 * (size_t)LANE;
        }
        if (cut > 0)
                return cut;
        return size >= CHUNK_MAX ? CHUNK_MAX : last ? size : 0;
}
