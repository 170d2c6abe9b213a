/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is backed up in bench/repository: made the same each time, from what lies in /usr
 *
 *   bench-material mixed FILE MIB           stripes of 16 MiB: random, text, random, programs, and so on
 *   bench-material files DIRECTORY N MIB    N small files of text in one to N / 17 directories
 *   bench-material database FILE MIB        a heap of 8 KiB pages as PostgreSQL has them
 *   bench-material change mixed FILE | files DIRECTORY N | database FILE      ROUND says which places
 *
 * Sizes of the small files are spread as those of a large source tree are.
 */

#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "util/macro.h"

#define MIB ((size_t)1 << 20)
#define STRIPE (16 * MIB)
#define POOL_MAX (256 * MIB)
#define FILE_POOL_MAX (8 * MIB)
#define PAGE 8192u
#define PER_DIRECTORY 17u

typedef struct Pool {
        uint8_t *data;
        size_t size, at;
} Pool;

static uint64_t state;

/* splitmix64 */
static uint64_t next_random(void) {
        uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

static void fill_random(uint8_t *data, size_t size) {
        for (size_t i = 0; i < size; i += 8) {
                uint64_t word = next_random();

                memcpy(data + i, &word, MIN(size - i, sizeof(word)));
        }
}

__attribute__((__noreturn__)) static void die(const char *what) {
        (void)fprintf(stderr, "bench-material: %s: %s\n", what, strerror(errno));
        exit(1);
}

static void write_at(int fd, const void *data, size_t size, size_t offset) {
        for (size_t done = 0; done < size;) {
                ssize_t n = pwrite(fd, (const uint8_t *)data + done, size - done, (off_t)(offset + done));

                if (n <= 0)
                        die("cannot write");
                done += (size_t)n;
        }
}

static int create_file(const char *path) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0)
                die(path);
        return fd;
}

static void take_file(Pool *pool, const char *path, size_t size, bool programs) {
        uint8_t *at = pool->data + pool->size;
        int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        ssize_t n;

        size = MIN(size, POOL_MAX - pool->size);
        n = fd < 0 ? -1 : read(fd, at, size);
        if (fd >= 0)
                (void)close(fd);
        /* Text has no NUL; what has one and is no program is compressed already, more often than not. */
        if (n >= 4 && (programs ? memcmp(at, "\177ELF", 4) == 0 : !memchr(at, 0, (size_t)n)))
                pool->size += (size_t)n;
}

static int compare_names(const FTSENT **a, const FTSENT **b) {
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

static Pool make_pool(bool programs) {
        static char include[] = "/usr/include", python[] = "/usr/lib/python3",
                    libraries[] = "/usr/lib/python3.11", perl[] = "/usr/share/perl",
                    doc[] = "/usr/share/doc", bin[] = "/usr/bin", lib[] = "/usr/lib";
        static char *text_places[] = { include, python, libraries, perl, doc, NULL },
                    *program_places[] = { bin, lib, NULL };
        FTS *walk = fts_open(programs ? program_places : text_places, FTS_PHYSICAL, compare_names);
        Pool pool = { .data = mmap(NULL, POOL_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                                   0) };
        FTSENT *entry;

        if (!walk || pool.data == MAP_FAILED)
                die("no memory");
        while (pool.size < POOL_MAX && (entry = fts_read(walk)))
                if (entry->fts_info == FTS_F && (size_t)entry->fts_statp->st_size <= FILE_POOL_MAX)
                        take_file(&pool, entry->fts_path, (size_t)entry->fts_statp->st_size, programs);
        (void)fts_close(walk);
        if (pool.size < MIB) {
                errno = ENODATA;
                die("/usr has too little to make material of");
        }
        return pool;
}

/* Goes through the pool again and again. */
static void fill_from(Pool *pool, uint8_t *data, size_t size) {
        while (size > 0) {
                size_t n = MIN(size, pool->size - pool->at);

                memcpy(data, pool->data + pool->at, n);
                pool->at = (pool->at + n) % pool->size;
                data += n;
                size -= n;
        }
}

static void make_mixed(const char *path, size_t mib) {
        Pool text = make_pool(false), programs = make_pool(true);
        uint8_t *stripe = malloc(STRIPE);
        int fd = create_file(path);

        if (!stripe)
                die("no memory");
        for (size_t i = 0; i < mib * MIB / STRIPE; i++) {
                if (i % 2 == 0)
                        fill_random(stripe, STRIPE);
                else
                        fill_from(i % 4 == 1 ? &text : &programs, stripe, STRIPE);
                write_at(fd, stripe, STRIPE, i * STRIPE);
        }
        (void)close(fd);
        free(stripe);
}

static void file_path(char path[static PATH_MAX], const char *directory, size_t i) {
        size_t d = i / PER_DIRECTORY;

        (void)snprintf(path, PATH_MAX, "%s/part-%zu/module-%zu/", directory, d % 61, d / 61);
        if (i % PER_DIRECTORY == 0) {
                for (char *slash = path + strlen(directory); (slash = strchr(slash + 1, '/'));) {
                        *slash = '\0';
                        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                                die(path);
                        *slash = '/';
                }
        }
        (void)snprintf(path + strlen(path), 64, "source_%zu_of_%zu.c", i % PER_DIRECTORY, d);
}

static void make_small(const Pool *text, const char *path, size_t size) {
        size_t from = next_random() % (text->size - MIN(size, text->size / 2));
        int fd = create_file(path);

        write_at(fd, text->data + from, MIN(size, text->size / 2), 0);
        (void)close(fd);
}

/* Log-normal: the mean is e^(s*s/2) medians. */
static double draw_size(void) {
        const double s = 1.5;
        double u = ((double)(next_random() >> 11) + 1) / 9007199254740994.0,
               v = (double)(next_random() >> 11) / 9007199254740992.0;

        return exp(s * sqrt(-2 * log(u)) * cos(2 * M_PI * v) - s * s / 2);
}

static void make_files(const char *directory, size_t n, size_t mib) {
        Pool text = make_pool(false);
        char path[PATH_MAX];

        if (mkdir(directory, 0755) < 0)
                die(directory);
        for (size_t i = 0; i < n; i++) {
                file_path(path, directory, i);
                make_small(&text, path, (size_t)(draw_size() * (double)(mib * MIB) / (double)n));
        }
}

/* Some of each row is the same as of its neighbours, some is of few values, some is random. */
static size_t make_row(Pool *text, uint8_t *row, uint64_t number) {
        size_t note = 40 + next_random() % 120, head = 24;
        struct {
                uint32_t xmin, xmax, field, block;
                uint16_t item, infomask2, infomask, hoff;
                uint64_t id, account, amount, time;
        } fields = {
                .xmin = (uint32_t)(1000 + number / 40),
                .block = (uint32_t)(number / 40),
                .item = (uint16_t)(number % 40),
                .infomask2 = 6,
                .infomask = 0x0902,
                .hoff = (uint16_t)head,
                .id = number,
                .account = next_random() % 100000,
                .amount = next_random() % 1000000,
                .time = UINT64_C(700000000000000) + number * 1000000 + next_random() % 1000000,
        };

        memcpy(row, &fields, sizeof(fields));
        fill_from(text, row + sizeof(fields), note);
        return (sizeof(fields) + note + 7) / 8 * 8;
}

static void make_page(Pool *text, uint8_t *page, uint64_t *number) {
        uint32_t upper = PAGE, lower = 24;
        uint64_t lsn = *number * 200;
        uint16_t head[8];

        memset(page, 0, PAGE);
        for (;;) {
                uint8_t row[512] = {};
                size_t size = make_row(text, row, *number);
                uint32_t item;

                if (upper < lower + 4 + size)
                        break;
                upper -= (uint32_t)size;
                item = upper | 1u << 15 | (uint32_t)size << 17;
                memcpy(page + upper, row, size);
                memcpy(page + lower, &item, sizeof(item));
                lower += 4;
                ++*number;
        }
        memcpy(head,
               (uint16_t[]){ (uint16_t)next_random(), 0, (uint16_t)lower, (uint16_t)upper, PAGE, 0x2004, 0,
                             0 },
               sizeof(head));
        memcpy(page, &lsn, 8);
        memcpy(page + 8, head, sizeof(head));
}

static void make_database(const char *path, size_t mib) {
        Pool text = make_pool(false);
        uint8_t *pages = malloc(MIB);
        uint64_t number = 0;
        int fd = create_file(path);

        if (!pages)
                die("no memory");
        for (size_t i = 0; i < mib; i++) {
                for (size_t page = 0; page < MIB / PAGE; page++)
                        make_page(&text, pages + page * PAGE, &number);
                write_at(fd, pages, MIB, i * MIB);
        }
        (void)close(fd);
        free(pages);
}

static size_t open_to_change(const char *path, int *ret_fd) {
        struct stat st;

        *ret_fd = open(path, O_RDWR | O_CLOEXEC);
        if (*ret_fd < 0 || fstat(*ret_fd, &st) < 0)
                die(path);
        return (size_t)st.st_size;
}

/* 16 MiB in one place. */
static void change_mixed(const char *path) {
        uint8_t *stripe = malloc(STRIPE);
        size_t size;
        int fd;

        size = open_to_change(path, &fd);
        if (!stripe || size < 2 * STRIPE)
                die(path);
        fill_random(stripe, STRIPE);
        write_at(fd, stripe, STRIPE, next_random() % (size - STRIPE));
        (void)close(fd);
        free(stripe);
}

/* A line more in one of a hundred, and a hundred new ones. */
static void change_files(const char *directory, size_t n, unsigned round) {
        static const char line[] = "/* and one line more, that was not here before */\n";
        Pool text = make_pool(false);
        char path[PATH_MAX];

        for (size_t i = 0; i < n / 100; i++) {
                int fd;

                /* The first of a directory has it made. */
                file_path(path, directory, next_random() % n / PER_DIRECTORY * PER_DIRECTORY + 1);
                fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
                if (fd < 0 || write(fd, line, sizeof(line) - 1) < 0 || close(fd) < 0)
                        die(path);
        }
        for (size_t i = 0; i < 100; i++) {
                (void)snprintf(path, sizeof(path), "%s/part-%zu/new-%u-%zu.c", directory, i % 61, round, i);
                make_small(&text, path, 16384);
        }
}

/* One page of a hundred: a row of it, and what says when. */
static void change_database(const char *path) {
        uint8_t page[PAGE];
        size_t pages;
        int fd;

        pages = open_to_change(path, &fd) / PAGE;
        for (size_t i = 0; i < pages / 100; i++) {
                size_t offset = next_random() % pages * PAGE;

                if (pread(fd, page, PAGE, (off_t)offset) != (ssize_t)PAGE)
                        die(path);
                fill_random(page, 12);
                fill_random(page + PAGE - 1024 + next_random() % 900, 100);
                write_at(fd, page, PAGE, offset);
        }
        (void)close(fd);
}

static bool change(int argc, char **argv) {
        unsigned round = (unsigned)strtoul(argv[argc - 1], NULL, 10);

        state = UINT64_C(0x1000) + round;
        if (strcmp(argv[2], "mixed") == 0 && argc == 5)
                change_mixed(argv[3]);
        else if (strcmp(argv[2], "files") == 0 && argc == 6)
                change_files(argv[3], strtoul(argv[4], NULL, 10), round);
        else if (strcmp(argv[2], "database") == 0 && argc == 5)
                change_database(argv[3]);
        else
                return false;
        return true;
}

int main(int argc, char **argv) {
        bool done = true;

        if (argc == 4 && strcmp(argv[1], "mixed") == 0)
                make_mixed(argv[2], strtoul(argv[3], NULL, 10));
        else if (argc == 5 && strcmp(argv[1], "files") == 0)
                make_files(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
        else if (argc == 4 && strcmp(argv[1], "database") == 0)
                make_database(argv[2], strtoul(argv[3], NULL, 10));
        else
                done = argc > 4 && strcmp(argv[1], "change") == 0 && change(argc, argv);
        if (!done)
                (void)fprintf(stderr, "bench-material: see the head of its source\n");
        return done ? 0 : 2;
}
