/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * scrypt, several parts at a time
 *
 * Its p parts know nothing of each other, and libcrypto computes them one after the other. Each is a chain
 * of operations that wait for the one before, which leaves most of a core idle: here a thread goes on in
 * four parts by turns, each in a lane of its own, and there are two threads. So that they take about as much
 * memory together as one part would, only some entries of their large tables are kept; those between are
 * made anew when they are asked for.
 *
 * Blocks of 64 bytes are kept with their words in the order of the matrix' diagonals, as vectors want them.
 */

#include <endian.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include "repository/scrypt.h"
#include "util/macro.h"

#define WORDS 16u /* of a block of Salsa20 */
#define THREADS 2u

typedef uint32_t Row __attribute__((vector_size(16)));
#define ROWS 4u

#define LANES 4u

/* What one lane does next: @out = BlockMix (@in ^ @with). */
typedef struct Step {
        const Row *in, *with;
        Row *out;
} Step;

typedef void (*Mix)(const Step steps[LANES], size_t r);

typedef struct Parts {
        uint8_t *bytes; /* @p parts of @size, one behind the other */
        size_t size, rows;
        uint64_t n, r, p;
        uint64_t stride;  /* one of so many entries is kept */
        unsigned n_lanes; /* of a thread, that are used */
        atomic_uint_fast64_t next;
        Mix mix;
} Parts;

/* One part on its way. */
typedef struct Lane {
        uint64_t part, i;
        uint64_t missing; /* BlockMixes to the entry that is wanted */
        Row *x, *y, *t, *u, *table;
        const Row *entry; /* NULL: not known yet which */
        bool filling, busy;
} Lane;

#define ROTATE(row, by) ((row) << (by) | (row) >> (32 - (by)))

/* Of all lanes: a line of it is one operation of each, which do not wait for each other. */
#ifdef __clang__
#define IN_REGISTERS _Pragma("clang loop unroll(full)")
#else
#define IN_REGISTERS _Pragma("GCC unroll 4")
#endif
#define EACH_LANE IN_REGISTERS for (unsigned l = 0; l < LANES; l++)
#define TURN(row, n) \
        __builtin_shufflevector(row, row, (4 - (n)) % 4, (5 - (n)) % 4, (6 - (n)) % 4, (7 - (n)) % 4)

/* Salsa20/8 of what is in @x, added to it. */
static inline __attribute__((always_inline)) void salsa(Row x[ROWS][LANES]) {
        Row a[LANES], b[LANES], c[LANES], d[LANES];

        EACH_LANE a[l] = x[0][l], b[l] = x[1][l], c[l] = x[2][l], d[l] = x[3][l];
        for (unsigned i = 0; i < 4; i++) {
                EACH_LANE b[l] ^= ROTATE(a[l] + d[l], 7);
                EACH_LANE c[l] ^= ROTATE(b[l] + a[l], 9);
                EACH_LANE d[l] ^= ROTATE(c[l] + b[l], 13);
                EACH_LANE a[l] ^= ROTATE(d[l] + c[l], 18);
                EACH_LANE b[l] = TURN(b[l], 1), c[l] = TURN(c[l], 2), d[l] = TURN(d[l], 3);
                EACH_LANE d[l] ^= ROTATE(a[l] + b[l], 7);
                EACH_LANE c[l] ^= ROTATE(d[l] + a[l], 9);
                EACH_LANE b[l] ^= ROTATE(c[l] + d[l], 13);
                EACH_LANE a[l] ^= ROTATE(b[l] + c[l], 18);
                EACH_LANE b[l] = TURN(b[l], 3), c[l] = TURN(c[l], 2), d[l] = TURN(d[l], 1);
        }
        EACH_LANE x[0][l] += a[l], x[1][l] += b[l], x[2][l] += c[l], x[3][l] += d[l];
}

static inline __attribute__((always_inline)) void mix_any(const Step steps[LANES], size_t r) {
        const size_t last = (2 * r - 1) * ROWS;
        Row x[ROWS][LANES];

        for (unsigned k = 0; k < ROWS; k++)
                EACH_LANE x[k][l] = steps[l].in[last + k] ^ steps[l].with[last + k];
        for (size_t i = 0; i < 2 * r; i++) {
                const size_t from = i * ROWS, to = (i / 2 + (i & 1) * r) * ROWS;

                for (unsigned k = 0; k < ROWS; k++)
                        EACH_LANE x[k][l] ^= steps[l].in[from + k] ^ steps[l].with[from + k];
                salsa(x);
                for (unsigned k = 0; k < ROWS; k++)
                        EACH_LANE steps[l].out[to + k] = x[k][l];
        }
}

static void mix_plainly(const Step steps[LANES], size_t r) {
        mix_any(steps, r);
}

#ifdef __x86_64__
/* The same with an instruction that rotates, and with registers for all lanes. */
__attribute__((target("avx512f,avx512vl"))) static void mix_rotating(const Step steps[LANES], size_t r) {
        mix_any(steps, r);
}
#endif

static Mix choose_mix(void) {
#ifdef __x86_64__
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
                return mix_rotating;
#endif
        return mix_plainly;
}

static void shuffle_in(const uint8_t *bytes, Row *rows, size_t n_blocks) {
        uint32_t *words = (uint32_t *)rows, word;

        for (size_t block = 0; block < n_blocks; block++)
                for (unsigned i = 0; i < WORDS; i++) {
                        memcpy(&word, bytes + (block * WORDS + i * 5 % WORDS) * sizeof(word), sizeof(word));
                        words[block * WORDS + i] = le32toh(word);
                }
}

static void shuffle_out(const Row *rows, uint8_t *bytes, size_t n_blocks) {
        const uint32_t *words = (const uint32_t *)rows;

        for (size_t block = 0; block < n_blocks; block++)
                for (unsigned i = 0; i < WORDS; i++) {
                        const uint32_t word = htole32(words[block * WORDS + i]);

                        memcpy(bytes + (block * WORDS + i * 5 % WORDS) * sizeof(word), &word, sizeof(word));
                }
}

static uint8_t *part_bytes(const Parts *parts, const Lane *lane) {
        return parts->bytes + lane->part * parts->size;
}

/* The next part, if there is one. */
static void lane_begin(Parts *parts, Lane *lane) {
        lane->part = atomic_fetch_add(&parts->next, 1);
        lane->busy = lane->part < parts->p;
        lane->filling = true;
        lane->i = 0;
        if (lane->busy)
                shuffle_in(part_bytes(parts, lane), lane->x, parts->rows / ROWS);
}

/* ROMix, one BlockMix after the other: what comes next, whose result will be in lane->y. */
static void lane_step(const Parts *parts, Lane *lane, const Row *zeros, Step *ret_step) {
        *ret_step = (Step){ lane->x, zeros, lane->y };
        if (!lane->busy)
                return;
        if (lane->filling) {
                if (lane->i % parts->stride == 0)
                        memcpy(lane->table + lane->i / parts->stride * parts->rows, lane->x, parts->size);
                return;
        }
        if (!lane->entry) {
                const uint64_t j = ((const uint32_t *)lane->x)[(2 * parts->r - 1) * WORDS] & (parts->n - 1);

                lane->entry = lane->table + j / parts->stride * parts->rows;
                lane->missing = j % parts->stride;
        }
        *ret_step = lane->missing > 0 ? (Step){ lane->entry, zeros, lane->u }
                                      : (Step){ lane->x, lane->entry, lane->y };
}

static void swap(Row **a, Row **b) {
        Row *kept = *a;

        *a = *b;
        *b = kept;
}

static void lane_stepped(Parts *parts, Lane *lane) {
        if (!lane->busy)
                return;
        if (!lane->filling && lane->missing > 0) {
                lane->missing--;
                swap(&lane->t, &lane->u);
                lane->entry = lane->t;
                return;
        }
        swap(&lane->x, &lane->y);
        lane->entry = NULL;
        if (++lane->i < parts->n)
                return;
        lane->i = 0;
        if (!lane->filling) {
                shuffle_out(lane->x, part_bytes(parts, lane), parts->rows / ROWS);
                lane_begin(parts, lane);
                return;
        }
        lane->filling = false;
}

static bool any_busy(const Lane lanes[LANES]) {
        bool busy = false;

        EACH_LANE busy |= lanes[l].busy;
        return busy;
}

/* Memory of a thread: zeros, then of each lane four blocks, and the tables of those that are used. */
static void *mix_parts(void *userdata) {
        Parts *parts = userdata;
        const uint64_t kept = (parts->n + parts->stride - 1) / parts->stride;
        const size_t own = (1 + 4 * LANES) * parts->size, size = own + parts->n_lanes * kept * parts->size;
        Row *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        Lane lanes[LANES];
        Step steps[LANES];

        if (memory == MAP_FAILED)
                return NULL;
        (void)madvise(memory, size, MADV_HUGEPAGE);
        EACH_LANE {
                Row *own_rows = memory + (1 + 4 * l) * parts->rows;

                lanes[l] = (Lane){ .x = own_rows,
                                   .y = own_rows + parts->rows,
                                   .t = own_rows + 2 * parts->rows,
                                   .u = own_rows + 3 * parts->rows };
                lanes[l].table = memory + own / sizeof(Row) + l * kept * parts->rows;
                if (l < parts->n_lanes)
                        lane_begin(parts, &lanes[l]);
        }
        while (any_busy(lanes)) {
                EACH_LANE lane_step(parts, &lanes[l], memory, &steps[l]);
                parts->mix(steps, parts->r);
                EACH_LANE lane_stepped(parts, &lanes[l]);
        }
        OPENSSL_cleanse(memory, own);
        (void)munmap(memory, size);
        return NULL;
}

/* PBKDF2 with one iteration. */
static int stretch(const void *password, size_t password_size, const uint8_t *salt, size_t salt_size,
                   uint8_t *out, size_t out_size) {
        if (password_size > INT32_MAX || salt_size > INT32_MAX || out_size > INT32_MAX)
                return -EIO;
        return PKCS5_PBKDF2_HMAC(password, (int)password_size, salt, (int)salt_size, 1, EVP_sha256(),
                                 (int)out_size, out) == 1
                       ? 0
                       : -EIO;
}

/* A thread that cannot be had is done without. */
static void mix_all(Parts *parts) {
        pthread_t threads[THREADS];
        unsigned n = 0;

        while (n + 1 < MIN(parts->p, (uint64_t)THREADS) &&
               pthread_create(&threads[n], NULL, mix_parts, parts) == 0)
                n++;
        (void)mix_parts(parts);
        while (n > 0)
                (void)pthread_join(threads[--n], NULL);
}

int scrypt_derive(const void *password, size_t password_size, const uint8_t *salt, size_t salt_size,
                  uint64_t n, uint64_t r, uint64_t p, uint8_t *key, size_t key_size) {
        const uint64_t lanes = MIN(p, (uint64_t)THREADS * LANES);
        Parts parts = { .size = 2 * r * WORDS * 4,
                        .rows = 2 * r * ROWS,
                        .n = n,
                        .r = r,
                        .p = p,
                        .stride = lanes - lanes / 4,
                        .n_lanes = (unsigned)((lanes + THREADS - 1) / THREADS),
                        .mix = choose_mix() };
        int error;

        atomic_init(&parts.next, 0);
        parts.bytes = malloc(parts.size * p);
        if (!parts.bytes)
                return -ENOMEM;
        error = stretch(password, password_size, salt, salt_size, parts.bytes, parts.size * p);
        if (error == 0) {
                mix_all(&parts);
                /* Nobody had the memory for what is left. */
                error = parts.next < p ? -ENOMEM : 0;
        }
        if (error == 0)
                error = stretch(password, password_size, parts.bytes, parts.size * p, key, key_size);
        OPENSSL_cleanse(parts.bytes, parts.size * p);
        free(parts.bytes);
        return error;
}
