/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Images become block devices
 *
 * Whatever speaks NBD, the portal of an array or a daemon of our own, is attached by the kernel's client
 * where there is one, and in user space elsewhere: nbdfuse makes a file of it, a loop device with direct I/O
 * a device of that.
 *
 *     daemon  >  relay or overlay (nbdkit)  >  nbdfuse + loop, or nbd-client + /dev/nbdN
 *
 * An overlay takes what is written, for a copy that must be recovered before it can be read; the image
 * itself is not written to. (A journal is replayed so, never skipped.)
 *
 * What is attached stands in a directory below @state_dir, on a file system that a boot empties, and
 * outlives the process that attached it; the next one finds it again, by its own records and not by numbers
 * that others may have by now. An image that lost a part of its chain gives errors to its readers and is
 * -ENODEV here; it still has to be detached.
 *
 * Functions return 0 or a negative errno; @error then has a sentence.
 */

#include <stdbool.h>
#include <stdint.h>
#include "util/macro.h"

/* Letters, digits, ".", "_" and "-", of which a letter or a digit comes first. */
#define IMAGE_ID_MAX 100u

/* What is reached by TLS, and a key that both sides know. */
typedef struct ImageTls {
        const char *address, *port, *name; /* of the image there */
        const char *user, *psk;            /* the name of the key, and its file */
} ImageTls;

typedef struct ImageSource {
        const char *uri;     /* as nbd_connect_uri(3) takes it */
        const ImageTls *tls; /* instead, or NULL */
        char *const *argv;   /* a daemon to be started first, in the foreground; NULL: there is one */
        const char
                *socket; /* of that daemon: it serves once it listens here. It is removed with the image */
        /* The part that becomes the device, in bytes: a partition. Length 0: all behind the offset. */
        uint64_t offset, length;
} ImageSource;

typedef struct ImageError {
        char text[700];
} ImageError;

enum {
        IMAGE_READ_ONLY = 1u << 0,
        IMAGE_OVERLAY = 1u << 1,    /* writable, and what is written goes with it */
        IMAGE_USERSPACE = 1u << 2,  /* not by the kernel's client */
        IMAGE_PARTITIONS = 1u << 3, /* they are devices, too */
};

bool image_id_is_valid(const char *id);
/* What it needs, if it is not here: the name of a program or module; else NULL. */
const char *image_missing(void);

/* It must not stand (-EEXIST). Takes at most some 20 seconds, also if nothing answers; what fails leaves
 * nothing. */
int image_attach(const char *state_dir, const char *id, const ImageSource *source, unsigned flags,
                 char **ret_device, ImageError *error);
/* -EBUSY: its device is mounted or open; nothing has been done. 0 if there is none. */
int image_detach(const char *state_dir, const char *id, ImageError *error);
/* -ENOENT: there is none. -ENODEV: a part of it has ended, and it cannot be read any more; @ret_device is
 * set then, too, if there still is a device. */
int image_find(const char *state_dir, const char *id, char **ret_device);
/* Detaches each that @keep does not want. What is in use stays. Return: how many are left that should not
 * be. */
int image_sweep(const char *state_dir, bool (*keep)(void *userdata, const char *id), void *userdata);
