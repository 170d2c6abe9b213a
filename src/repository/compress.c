/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Zstandard frames
 *
 * Contexts are a megabyte or so and slow to make: each thread keeps its own.
 */

#include <pthread.h>
#include <zstd.h>
#include "repository/compress.h"

#define SMALL_MAX (128u * 1024)
#define SMALL_LEVEL 2
#define SAMPLE (16u * 1024)
#define SAMPLED_MIN (256u * 1024)

typedef struct Contexts {
        ZSTD_CCtx *compress;
        ZSTD_DCtx *decompress;
        int level; /* that @compress has; 0: none yet */
} Contexts;

static pthread_key_t contexts_key;
static bool contexts_usable;
static __thread Contexts *contexts;

static void contexts_free(void *userdata) {
        Contexts *c = userdata;

        if (!c)
                return;
        (void)ZSTD_freeCCtx(c->compress);
        (void)ZSTD_freeDCtx(c->decompress);
        free(c);
}

static void make_key(void) {
        contexts_usable = pthread_key_create(&contexts_key, contexts_free) == 0;
}

static Contexts *get_contexts(void) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        Contexts *c;

        if (contexts)
                return contexts;
        (void)pthread_once(&once, make_key);
        c = contexts_usable ? calloc(1, sizeof(*c)) : NULL;
        if (!c)
                return NULL;
        c->compress = ZSTD_createCCtx();
        c->decompress = ZSTD_createDCtx();
        if (!c->compress || !c->decompress || pthread_setspecific(contexts_key, c) != 0) {
                contexts_free(c);
                return NULL;
        }
        contexts = c;
        return c;
}

/* Random all over, as far as three looks say: compressed data, encrypted data. */
static bool is_dense(ZSTD_CCtx *context, const uint8_t *data, size_t size) {
        uint8_t out[SAMPLE + 1024];

        if (size < SAMPLED_MIN)
                return false;
        for (size_t i = 0; i < 3; i++) {
                size_t n = ZSTD_compressCCtx(context, out, sizeof(out), data + (size - SAMPLE) / 2 * i,
                                             SAMPLE, 1);

                if (ZSTD_isError(n) || n < SAMPLE - SAMPLE / 50)
                        return false;
        }
        return true;
}

/*
 * The level that a context has, for all frames until there is another one. The usual one of large blobs is
 * none of zstd's: two tables that both fit into a core's nearest cache find as much as those of level 2, and
 * faster than the single one of level 1 does.
 */
static int set_level(Contexts *c, int level) {
        static const struct {
                ZSTD_cParameter parameter;
                int value;
        } usual[] = { { ZSTD_c_strategy, ZSTD_dfast },
                      { ZSTD_c_windowLog, 19 },
                      { ZSTD_c_hashLog, 13 },
                      { ZSTD_c_chainLog, 12 },
                      { ZSTD_c_minMatch, 5 } };
        size_t r;

        if (c->level == level)
                return 0;
        c->level = 0;
        r = ZSTD_CCtx_reset(c->compress, ZSTD_reset_session_and_parameters);
        if (!ZSTD_isError(r))
                r = ZSTD_CCtx_setParameter(c->compress, ZSTD_c_compressionLevel,
                                           level == COMPRESS_DEFAULT ? 1 : level);
        for (size_t i = 0; !ZSTD_isError(r) && level == COMPRESS_DEFAULT && i < ELEMENTS(usual); i++)
                r = ZSTD_CCtx_setParameter(c->compress, usual[i].parameter, usual[i].value);
        if (ZSTD_isError(r))
                return -EINVAL;
        c->level = level;
        return 0;
}

int compress_blob(int level, const void *data, size_t size, Bytes *frame) {
        Contexts *c = get_contexts();
        size_t n;

        if (c && is_dense(c->compress, data, size))
                return 0;
        if (!c || set_level(c, level == COMPRESS_DEFAULT && size <= SMALL_MAX ? SMALL_LEVEL : level) < 0 ||
            bytes_reserve(frame, ZSTD_compressBound(size)) < 0)
                return -ENOMEM;
        n = ZSTD_compress2(c->compress, frame->data + frame->size, frame->capacity - frame->size, data,
                           size);
        if (ZSTD_isError(n))
                return -ENOMEM;
        if (n >= size)
                return 0;
        frame->size += n;
        return 1;
}

int decompress_blob(const void *frame, size_t size, void *plain, size_t plain_size) {
        Contexts *c = get_contexts();
        size_t n;

        if (!c)
                return -ENOMEM;
        n = ZSTD_decompressDCtx(c->decompress, plain, plain_size, frame, size);
        return ZSTD_isError(n) || n != plain_size ? -EBADMSG : 0;
}

int decompress_stream(const void *frame, size_t size, Bytes *plain) {
        Contexts *c = get_contexts();
        ZSTD_inBuffer in = { .src = frame, .size = size };
        size_t n = 1, step = ZSTD_DStreamOutSize(), before = plain->size;

        if (!c)
                return -ENOMEM;
        (void)ZSTD_DCtx_reset(c->decompress, ZSTD_reset_session_only);
        while (n != 0) {
                ZSTD_outBuffer out = { .size = step };

                if (bytes_reserve(plain, step) < 0)
                        return -ENOMEM;
                out.dst = plain->data + plain->size;
                n = ZSTD_decompressStream(c->decompress, &out, &in);
                plain->size += out.pos;
                if (ZSTD_isError(n) || plain->size - before > DECOMPRESS_MAX)
                        return -EBADMSG;
                /* Cut off: nothing comes in and nothing goes out. */
                if (n != 0 && in.pos == in.size && out.pos < out.size)
                        return -EBADMSG;
        }
        return in.pos == in.size ? 0 : -EBADMSG;
}
