/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * hang-fs DIRECTORY - a file system whose device does not answer
 *
 * In it are "good", "hangs" and "last". "hangs" can be looked at and opened; reading it takes until this
 * program ends. With "directory" behind it, it is the directory that hangs when it is listed, with "all" when
 * it is looked at. Speaks FUSE by itself, so that no library is needed.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "util/macro.h"

#define REQUEST_SIZE (1u << 20)

static const char *const names[] = { "good", "hangs", "last" };
static const char content[] = "content\n";

static void answer(int fd, const struct fuse_in_header *in, int error, const void *data, size_t size) {
        static char buffer[REQUEST_SIZE];
        struct fuse_out_header out = { .len = (uint32_t)(sizeof(out) + size),
                                       .error = error,
                                       .unique = in->unique };

        memcpy(buffer, &out, sizeof(out));
        if (size > 0)
                memcpy(buffer + sizeof(out), data, size);
        if (write(fd, buffer, out.len) < 0 && errno != ENOENT)
                perror("hang-fs: answer");
}

/* Inodes: 1 is the directory, 2 and up are the files. */
static struct fuse_attr attributes(uint64_t inode) {
        return (struct fuse_attr){
                .ino = inode,
                .mode = inode == 1 ? S_IFDIR | 0755 : S_IFREG | 0644,
                .nlink = 1,
                .size = inode == 1 ? 0 : sizeof(content) - 1,
                .mtime = 1000000000,
        };
}

static void look_up(int fd, const struct fuse_in_header *in, const char *name) {
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (strcmp(names[i], name) == 0) {
                        const struct fuse_entry_out out = { .nodeid = i + 2,
                                                            .attr = attributes(i + 2),
                                                            .attr_valid = 60,
                                                            .entry_valid = 60 };

                        answer(fd, in, 0, &out, sizeof(out));
                        return;
                }
        answer(fd, in, -ENOENT, NULL, 0);
}

static void list(int fd, const struct fuse_in_header *in, const struct fuse_read_in *read_in) {
        char buffer[1024] = "";
        size_t n = 0;

        for (size_t i = 0; read_in->offset == 0 && i < ELEMENTS(names); i++) {
                struct fuse_dirent *entry = (void *)(buffer + n);

                entry->ino = i + 2;
                entry->off = i + 1;
                entry->namelen = (uint32_t)strlen(names[i]);
                entry->type = DT_REG;
                memcpy(entry->name, names[i], entry->namelen);
                n += FUSE_DIRENT_SIZE(entry);
        }
        answer(fd, in, 0, buffer, n);
}

static void serve(int fd, const struct fuse_in_header *in, const char *hangs) {
        const void *body = in + 1;

        switch (in->opcode) {
        case FUSE_INIT: {
                const struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION,
                                                   .minor = FUSE_KERNEL_MINOR_VERSION,
                                                   .max_write = 65536 };

                answer(fd, in, 0, &out, sizeof(out));
                return;
        }
        case FUSE_LOOKUP:
                look_up(fd, in, body);
                return;
        case FUSE_GETATTR: {
                const struct fuse_attr_out out = { .attr = attributes(in->nodeid), .attr_valid = 60 };

                if (!hangs || strcmp(hangs, "all") != 0)
                        answer(fd, in, 0, &out, sizeof(out));
                return;
        }
        case FUSE_OPEN:
        case FUSE_OPENDIR:
                answer(fd, in, 0, &(struct fuse_open_out){}, sizeof(struct fuse_open_out));
                return;
        case FUSE_READDIR:
                if (!hangs)
                        list(fd, in, body);
                return;
        case FUSE_READ:
                if (in->nodeid != 3)
                        answer(fd, in, 0, content, sizeof(content) - 1);
                return;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
                return;
        case FUSE_RELEASE:
        case FUSE_RELEASEDIR:
        case FUSE_FLUSH:
                answer(fd, in, 0, NULL, 0);
                return;
        default:
                answer(fd, in, -ENOSYS, NULL, 0);
        }
}

int main(int argc, char **argv) {
        _cleanup_(freep) char *request = malloc(REQUEST_SIZE);
        _cleanup_(closep) int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        char options[128];

        if (argc < 2 || !request || fd < 0) {
                perror("hang-fs: /dev/fuse");
                return 77;
        }
        (void)snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
                       fd);
        if (mount("hang", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
                perror("hang-fs: mount");
                return 77;
        }
        (void)puts("ready");
        (void)fflush(stdout);
        for (;;) {
                ssize_t n = read(fd, request, REQUEST_SIZE);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < (ssize_t)sizeof(struct fuse_in_header))
                        return n < 0 && errno != ENODEV ? 1 : 0;
                serve(fd, (const struct fuse_in_header *)(const void *)request, argv[2]);
        }
}
