/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * mariadb-load lock PATH FILE - keeps the file PATH locked while FILE is there
 * mariadb-load SOCKET WORKER FILE - commits without a pause until SIGTERM, and a line in FILE for each
 *
 * Each transaction inserts the next number into counter, with some ballast, and moves money between two
 * accounts, so that their sum stays. Each tenth goes with a row in a MyISAM and in an Aria table. A line is
 * "N SENT ACK", with times of CLOCK_MONOTONIC in microseconds. The longest of all commits is told at the
 * end.
 */

#include <errno.h>
#include <fcntl.h>
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "util/clock.h"

#define ACCOUNTS 200

static volatile sig_atomic_t over;

static void end(int number) {
        over = 1;
}

static void run(MYSQL *mysql, const char *sql) {
        if (mysql_query(mysql, sql) == 0)
                return;
        (void)fprintf(stderr, "mariadb-load: %s: %s\n", sql, mysql_error(mysql));
        exit(1);
}

/* As a server that runs has it. */
static int keep_locked(const char *path, const char *file) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = open(path, O_RDWR | O_CLOEXEC);

        if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0) {
                (void)fprintf(stderr, "mariadb-load: %s: %s\n", path, strerror(errno));
                return 1;
        }
        puts("locked");
        (void)fflush(stdout);
        while (access(file, F_OK) == 0)
                (void)usleep(10000);
        return 0;
}

int main(int argc, char **argv) {
        MYSQL *mysql = mysql_init(NULL);
        uint64_t n, longest = 0;
        unsigned seed;
        char sql[1024];
        FILE *file;
        int worker;

        if (argc == 4 && strcmp(argv[1], "lock") == 0)
                return keep_locked(argv[2], argv[3]);
        if (argc != 4 || !mysql)
                return 2;
        worker = (int)strtol(argv[2], NULL, 10);
        seed = (unsigned)worker;
        file = fopen(argv[3], "we");
        if (!file || !mysql_real_connect(mysql, NULL, "bank", "bank", "bank", 0, argv[1], 0)) {
                (void)fprintf(stderr, "mariadb-load: %s\n", file ? mysql_error(mysql) : strerror(errno));
                return 1;
        }
        (void)signal(SIGTERM, end);
        for (n = 1; !over; n++) {
                int from = rand_r(&seed) % ACCOUNTS, to = rand_r(&seed) % ACCOUNTS,
                    sum = rand_r(&seed) % 100;
                uint64_t sent, acked;

                run(mysql, "BEGIN");
                (void)snprintf(sql, sizeof(sql),
                               "INSERT INTO counter VALUES (%d, %lu, REPEAT(CHAR(65 + %lu MOD 26), 500))",
                               worker, (unsigned long)n, (unsigned long)n);
                run(mysql, sql);
                (void)snprintf(sql, sizeof(sql),
                               "UPDATE account SET sum = sum + IF(id = %d, %d, %d) WHERE id IN (%d, %d)",
                               from, -sum, sum, from == to ? -1 : from, from == to ? -1 : to);
                run(mysql, sql);
                sent = now_usec();
                run(mysql, "COMMIT");
                acked = now_usec();
                if (acked - sent > longest)
                        longest = acked - sent;
                (void)fprintf(file, "%lu %lu %lu\n", (unsigned long)n, (unsigned long)sent,
                              (unsigned long)acked);
                (void)fflush(file);
                if (n % 10 != 0)
                        continue;
                (void)snprintf(sql, sizeof(sql), "INSERT INTO plain VALUES (%d, %lu)", worker,
                               (unsigned long)n);
                run(mysql, sql);
                (void)snprintf(sql, sizeof(sql), "INSERT INTO aria VALUES (%d, %lu)", worker,
                               (unsigned long)n);
                run(mysql, sql);
        }
        (void)printf("longest %lu us, %lu commits\n", (unsigned long)longest, (unsigned long)n - 1);
        mysql_close(mysql);
        return 0;
}
