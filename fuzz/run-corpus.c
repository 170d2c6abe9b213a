/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a fuzz target on each file of a directory, as a test
 *
 * So what was found once is tried again in every build, also by compilers without a fuzzer. Each input gets
 * a child: one that dies or hangs is told by its name, and the others are still run.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "fuzz.h"
#include "util/test.h"

#define INPUTS_MIN 5
#define INPUTS_MAX 1000
#define LIMIT_SECONDS 20
#define SELF_TEST_USEC 50000

typedef int (*Target)(const uint8_t *data, size_t size);

/* Does the target survive the input? Behind the limit SIGALRM ends the child. */
static bool survives(Target target, const uint8_t *data, size_t size, const struct itimerval *limit) {
        int status;
        pid_t pid;

        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
                (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
                (void)setitimer(ITIMER_REAL, limit, NULL);
                /* exit() and not _exit(): leaks are looked for on the way out. */
                exit(target(data, size));
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return false;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int read_input(int dir, const char *name, uint8_t **ret_data, size_t *ret_size) {
        _cleanup_(closep) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_(freep) uint8_t *data = NULL;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FUZZ_SIZE_MAX)
                return -EINVAL;
        /* Of just its size, so that a sanitizer sees who reads behind it. */
        data = malloc((size_t)st.st_size);
        if (!data && st.st_size > 0)
                return -ENOMEM;
        if (read(fd, data, (size_t)st.st_size) != (ssize_t)st.st_size)
                return -EIO;
        *ret_data = TAKE_PTR(data);
        *ret_size = (size_t)st.st_size;
        return 0;
}

static void run_input(int dir, const char *name) {
        const struct itimerval limit = { .it_value.tv_sec = LIMIT_SECONDS };
        _cleanup_(freep) uint8_t *data = NULL;
        size_t size = 0;
        int r = read_input(dir, name, &data, &size);

        if (r < 0)
                expect_int(name, r, 0);
        else
                expect_true(name, survives(LLVMFuzzerTestOneInput, data, size, &limit));
}

static int broken_by_crash(const uint8_t *data, size_t size) {
        abort();
}

static int broken_by_hang(const uint8_t *data, size_t size) {
        while (pause() < 0)
                ;
        return 0;
}

static int broken_by_condition(const uint8_t *data, size_t size) {
        (void)close(STDERR_FILENO);
        fuzz_require(data[0] == size);
        return 0;
}

static int not_broken(const uint8_t *data, size_t size) {
        return 0;
}

static void test_self(void) {
        const struct itimerval limit = { .it_value.tv_usec = SELF_TEST_USEC };
        const uint8_t data[] = { 0 };

        expect_true("a crash is noticed", !survives(broken_by_crash, data, sizeof(data), &limit));
        expect_true("a hang is noticed", !survives(broken_by_hang, data, sizeof(data), &limit));
        expect_true("a broken condition is noticed",
                    !survives(broken_by_condition, data, sizeof(data), &limit));
        expect_true("nothing else is", survives(not_broken, data, sizeof(data), &(struct itimerval){ 0 }));
}

static int is_input(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

int main(int argc, char **argv) {
        struct dirent **names = NULL;
        int dir, n;

        if (argc != 2)
                return 2;
        test_self();
        dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        n = dir < 0 ? -1 : scandirat(dir, ".", &names, is_input, alphasort);
        expect_true("there are inputs", n >= INPUTS_MIN && n <= INPUTS_MAX);
        for (int i = 0; i < n; i++) {
                if (i < INPUTS_MAX)
                        run_input(dir, names[i]->d_name);
                free(names[i]);
        }
        free(names);
        if (dir >= 0)
                (void)close(dir);
        return test_end();
}
