/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test images as block devices: with servers of nbdkit, and with all that can end in between
 */

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "providers/common/image-chain.h"
#include "providers/common/image-process.h"
#include "providers/common/test-disk.h"
#include "util/clock.h"
#include "util/test.h"

#define DIRECTORY "/tmp"
#define STATE DIRECTORY "/state"
#define IMAGE DIRECTORY "/image"
#define SOCKET DIRECTORY "/image.sock"
#define URI "nbd+unix:///?socket=" SOCKET

enum { IMAGE_SIZE = 8 << 20, OFFSET = 1 << 20, LENGTH = 2 << 20 };

static char *server[] = { (char *)"nbdkit",
                          (char *)"--foreground",
                          (char *)"--unix",
                          (char *)SOCKET,
                          (char *)"file",
                          (char *)IMAGE,
                          NULL };
static const ImageSource served = { .uri = URI, .argv = server, .socket = SOCKET };

static bool put(const char *path, off_t at, const char *text) {
        _cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text) && fsync(fd) == 0;
}

static bool get(const char *path, off_t at, const char *text) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        char found[64] = "";

        return fd >= 0 && pread(fd, found, strlen(text), at) == (ssize_t)strlen(text) &&
               strcmp(found, text) == 0;
}

/* Attached or found; the device is forgotten with the next one. */
static char device[64];

static int attach_as(const char *id, const ImageSource *source, unsigned flags) {
        _cleanup_(freep) char *path = NULL;
        ImageError error = { 0 };
        int r = image_attach(STATE, id, source, flags, &path, &error);

        if (r < 0)
                printf("# %s\n", error.text);
        (void)snprintf(device, sizeof(device), "%s", path ?: "");
        return r;
}

static int find(const char *id) {
        _cleanup_(freep) char *path = NULL;
        int r = image_find(STATE, id, &path);

        (void)snprintf(device, sizeof(device), "%s", path ?: "");
        return r;
}

static int detach(const char *id) {
        ImageError error = { 0 };
        int r = image_detach(STATE, id, &error);

        if (r < 0)
                printf("# %s\n", error.text);
        return r;
}

static bool is_empty(const char *directory) {
        return rmdir(directory) == 0 && mkdir(directory, 0700) == 0;
}

static off_t size_of(const char *path) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
}

/* In sectors. */
static unsigned long read_ahead_of(const char *path) {
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        unsigned long sectors = 0;

        return fd < 0 || ioctl(fd, BLKRAGET, &sectors) < 0 ? 0 : sectors;
}

static void test_attach(void) {
        ImageSource part = served;
        char first[64];

        expect_int("attach", attach_as("one", &served, 0), 0);
        (void)snprintf(first, sizeof(first), "%s", device);
        expect_int("it has the size of the image", size_of(first), IMAGE_SIZE);
        expect_true("two megabytes are read ahead", read_ahead_of(first) >= 4096);
        expect_true("what is in the image is in the device", get(first, 4096, "begin"));
        expect_true("what is written to the device", put(first, 8192, "written"));
        expect_true("is in the image", get(IMAGE, 8192, "written"));
        expect_int("it is found again", find("one"), 0);
        expect_str("by its device", device, first);
        expect_int("a second one of that name", attach_as("one", &served, 0), -EEXIST);
        expect_int("leaves the first", find("one"), 0);
        expect_int("detach", detach("one"), 0);
        expect_int("there is none", find("one"), -ENOENT);
        expect_int("which may be detached again", detach("one"), 0);
        expect_true("and leaves nothing", is_empty(STATE) && access(SOCKET, F_OK) < 0);
        part.offset = OFFSET;
        part.length = LENGTH;
        expect_int("a part", attach_as("part", &part, IMAGE_READ_ONLY), 0);
        expect_int("has the size of the part", size_of(device), LENGTH);
        expect_true("and its bytes", get(device, 0, "part"));
        expect_true("read-only", !put(device, 0, "no"));
        expect_int("detach it", detach("part"), 0);
}

static void test_overlay(void) {
        expect_int("with an overlay", attach_as("over", &served, IMAGE_OVERLAY), 0);
        expect_true("it can be written to", put(device, 4096, "other") && get(device, 4096, "other"));
        expect_int("detach it", detach("over"), 0);
        expect_true("the image has not changed", get(IMAGE, 4096, "begin"));
}

static void test_refusals(void) {
        static const char *const names[] = { "", ".", "..", ".x", "a/b", "../x", "a b", "a\nb", "-x", "_x" };
        char *wrong[] = { (char *)"nbdkit", (char *)"--foreground", (char *)"no-such-plugin", NULL };
        char *none[] = { (char *)"no-such-program", NULL };
        ImageSource source = served;

        FOREACH_ELEMENT (name, names)
                expect_int("a name that is none", attach_as(*name, &served, 0), -EINVAL);
        source.argv = wrong;
        expect_int("a daemon that ends", attach_as("x", &source, 0), -ECONNREFUSED);
        source.argv = none;
        expect_int("a daemon that is not there", attach_as("x", &source, 0), -ECONNREFUSED);
        source.argv = NULL;
        expect_int("nobody listens", attach_as("x", &source, IMAGE_USERSPACE), -ECONNREFUSED);
        expect_true("nothing is left of them", is_empty(STATE));
}

static void test_in_use(void) {
        _cleanup_(closep) int held = -1;

        expect_int("attach", attach_as("used", &served, 0), 0);
        held = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);
        expect_true("somebody claims the device", held >= 0);
        expect_int("it is not detached", detach("used"), -EBUSY);
        expect_true("and can be read", get(device, 4096, "begin"));
        closep(&held);
        held = -1;
        expect_int("now it is", detach("used"), 0);
}

static void end(const char *pid_file, int with) {
        pid_t pid;

        expect_int("a process of it", image_process_find(pid_file, &pid), 0);
        expect_int("is ended", kill(pid, with), 0);
        for (int i = 0; i < 400 && image_process_find(pid_file, NULL) == 0; i++)
                (void)usleep(5000);
        expect_int("and has", image_process_find(pid_file, NULL), -ESRCH);
}

static void test_ended(const char *label, const char *pid_file) {
        uint64_t begun = now_usec();

        printf("# %s\n", label);
        expect_int("attach", attach_as("ended", &served, 0), 0);
        end(pid_file, SIGKILL);
        expect_int("it is told as lost", find("ended"), -ENODEV);
        expect_true("what is read is an error, not a wait", !get(device, 1 << 20, "part"));
        expect_int("detach it", detach("ended"), 0);
        expect_true("nothing is left", is_empty(STATE));
        expect_true("in time", now_usec() - begun < 5 * USEC_PER_SEC);
}

static void test_stopped(void) {
        pid_t pid;

        expect_int("attach", attach_as("stopped", &served, 0), 0);
        expect_int("a process of it", image_process_find(STATE "/stopped/front.pid", &pid), 0);
        expect_int("is stopped", kill(pid, SIGSTOP), 0);
        expect_int("it is detached all the same", detach("stopped"), 0);
        expect_true("nothing is left", is_empty(STATE));
}

/* A record of a process that has another's number by now. */
static void test_numbers(void) {
        _cleanup_(fclosep) FILE *file = fopen(DIRECTORY "/pid", "we");

        fprintf(file, "%d 1\n", (int)getpid());
        (void)fflush(file);
        expect_int("a number that is somebody else's", image_process_find(DIRECTORY "/pid", NULL), -ESRCH);
        expect_int("is not stopped", image_process_stop(DIRECTORY "/pid"), 0);
        expect_true("and its record goes", access(DIRECTORY "/pid", F_OK) < 0);
}

static bool keep_one(void *userdata, const char *id) {
        return strcmp(id, userdata) == 0;
}

static bool keep_none(void *userdata, const char *id) {
        return false;
}

/* The process that attaches is killed at any moment; the next one's start takes away what it left. */
static void test_killed(void) {
        char name[32];

        for (unsigned i = 0; i < 8; i++) {
                pid_t pid = fork();

                (void)snprintf(name, sizeof(name), "killed%u", i);
                if (pid == 0) {
                        (void)attach_as(name, &served, i % 2 ? IMAGE_OVERLAY : 0);
                        _exit(0);
                }
                (void)usleep(2000 + i * 9000);
                (void)kill(pid, SIGKILL);
                (void)waitpid(pid, NULL, 0);
                (void)usleep(20000);
                expect_int("what a killed one left is swept away", image_sweep(STATE, keep_none, NULL), 0);
        }
        expect_true("nothing is left", is_empty(STATE));
        expect_int("attach", attach_as("kept", &served, 0), 0);
        expect_int("sweep all but that", image_sweep(STATE, keep_one, (void *)"kept"), 0);
        expect_int("it stands", find("kept"), 0);
        expect_int("detach it", detach("kept"), 0);
}

static int run(void) {
        test_attach();
        test_overlay();
        test_refusals();
        test_in_use();
        test_ended("the server", STATE "/ended/source.pid");
        test_ended("nbdfuse", STATE "/ended/front.pid");
        test_stopped();
        test_numbers();
        test_killed();
        return test_end();
}

int main(void) {
        const char *missing = image_missing();
        int status = 0;
        pid_t pid;

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        if (missing || getuid() != 0) {
                printf("1..0 # SKIP needs %s\n", missing ?: "root");
                return 0;
        }
        if (!test_disk_begin(DIRECTORY) || mkdir(STATE, 0700) < 0 || !test_write(IMAGE, "") ||
            truncate(IMAGE, IMAGE_SIZE) < 0 || !put(IMAGE, 4096, "begin") || !put(IMAGE, OFFSET, "part"))
                return 1;
        /* The processes of an image outlive whoever attached it, this test too. */
        pid = fork();
        if (pid == 0)
                _exit(run());
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        (void)image_sweep(STATE, keep_none, NULL);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
