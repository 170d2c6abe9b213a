/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Threads that do what one thread finds
 */

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include "repository/pool.h"

#define QUEUE 64u
#define THREADS_MAX 64u

struct Pool {
        PoolWork work;
        void *userdata;
        pthread_mutex_t mutex;
        pthread_cond_t come, gone;
        void *items[QUEUE];
        size_t first, n, busy;
        bool ending;
        unsigned n_threads;
        pthread_t threads[THREADS_MAX];
};

unsigned pool_processors(void) {
        cpu_set_t set;

        return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : MIN((unsigned)CPU_COUNT(&set), THREADS_MAX);
}

static void *run(void *userdata) {
        Pool *pool = userdata;

        (void)pthread_mutex_lock(&pool->mutex);
        for (;;) {
                void *item;

                while (pool->n == 0 && !pool->ending)
                        (void)pthread_cond_wait(&pool->come, &pool->mutex);
                if (pool->n == 0)
                        break;
                item = pool->items[pool->first];
                pool->first = (pool->first + 1) % QUEUE;
                pool->n--;
                pool->busy++;
                (void)pthread_cond_signal(&pool->gone);
                (void)pthread_mutex_unlock(&pool->mutex);
                pool->work(pool->userdata, item);
                (void)pthread_mutex_lock(&pool->mutex);
                pool->busy--;
                (void)pthread_cond_broadcast(&pool->gone);
        }
        (void)pthread_mutex_unlock(&pool->mutex);
        return NULL;
}

int pool_new(unsigned threads, PoolWork work, void *userdata, Pool **ret_pool) {
        _cleanup_(pool_freep) Pool *pool = calloc(1, sizeof(*pool));
        unsigned wanted = threads > 0 ? MIN(threads, THREADS_MAX) : pool_processors();

        if (!pool)
                return -ENOMEM;
        pool->work = work;
        pool->userdata = userdata;
        (void)pthread_mutex_init(&pool->mutex, NULL);
        (void)pthread_cond_init(&pool->come, NULL);
        (void)pthread_cond_init(&pool->gone, NULL);
        for (; pool->n_threads < wanted; pool->n_threads++) {
                int r = pthread_create(&pool->threads[pool->n_threads], NULL, run, pool);

                if (r != 0)
                        return -r;
        }
        *ret_pool = TAKE_PTR(pool);
        return 0;
}

void pool_put(Pool *pool, void *item) {
        (void)pthread_mutex_lock(&pool->mutex);
        while (pool->n == QUEUE)
                (void)pthread_cond_wait(&pool->gone, &pool->mutex);
        pool->items[(pool->first + pool->n++) % QUEUE] = item;
        (void)pthread_cond_signal(&pool->come);
        (void)pthread_mutex_unlock(&pool->mutex);
}

void pool_wait(Pool *pool) {
        (void)pthread_mutex_lock(&pool->mutex);
        while (pool->n > 0 || pool->busy > 0)
                (void)pthread_cond_wait(&pool->gone, &pool->mutex);
        (void)pthread_mutex_unlock(&pool->mutex);
}

Pool *pool_free(Pool *pool) {
        if (!pool)
                return NULL;
        (void)pthread_mutex_lock(&pool->mutex);
        pool->ending = true;
        (void)pthread_cond_broadcast(&pool->come);
        (void)pthread_mutex_unlock(&pool->mutex);
        for (unsigned i = 0; i < pool->n_threads; i++)
                (void)pthread_join(pool->threads[i], NULL);
        (void)pthread_mutex_destroy(&pool->mutex);
        (void)pthread_cond_destroy(&pool->come);
        (void)pthread_cond_destroy(&pool->gone);
        free(pool);
        return NULL;
}
