/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Putting files below a directory: names, and what belongs to a file besides its content
 *
 * Only what is open is changed, so that nobody can put another file in its place meanwhile; of what cannot
 * be opened for that, a descriptor that stands for it (O_PATH) is, once it has been seen to be what was made
 * here.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include "repository/extract-internal.h"

#define ACCESS_RULES "system.posix_acl_access"
#define NAME_TRIES 8u

/* ---- why not ---- */

static const char *flags_of(int fd) {
        int flags = 0;

        if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return NULL;
        return flags & FS_IMMUTABLE_FL ? "immutable; chattr -i takes that away"
               : flags & FS_APPEND_FL  ? "append-only; chattr -a takes that away"
                                       : NULL;
}

void extract_fail(Place *place, const char *name, const char *what, int error) {
        _cleanup_(closep) int fd = -1;
        const char *mark;

        switch (error) {
        case -EPERM:
        case -EACCES:
                mark = flags_of(place->fd);
                if (mark) {
                        extract_tell(place, name, "%s: its directory is marked %s", what, mark);
                        return;
                }
                fd = openat(place->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                mark = flags_of(fd);
                if (mark)
                        extract_tell(place, name, "%s: what is there is marked %s", what, mark);
                else
                        extract_tell(place, name, "%s: %s", what, strerror(-error));
                return;
        case -EISDIR:
        case -ENOTEMPTY:
                extract_tell(place, name,
                             "%s: a directory stands there; take it away, or restore to another directory",
                             what);
                return;
        case -ENOSPC:
        case -EDQUOT:
                /* All others would fail, too. */
                place->extract->full = true;
                place->extract->stopped = true;
                extract_tell(place, name, "%s: %s", what, strerror(-error));
                return;
        default:
                extract_tell(place, name, "%s: %s", what, strerror(-error));
        }
}

/* ---- attributes ---- */

/* Attributes that only root can set are no failure of anybody else's restore. */
static bool is_for_root(const char *name) {
        return strncmp(name, "trusted.", 8) == 0 || strncmp(name, "security.", 9) == 0;
}

static bool has_xattr(const Node *node, const char *name) {
        for (size_t i = 0; i < node->n_xattrs; i++)
                if (strcmp(node->xattrs[i].name, name) == 0)
                        return true;
        return false;
}

/* What was there may have more than it should, and access rules decide who gets in. */
static void remove_xattrs(const Extract *extract, const Node *node, int fd) {
        char names[16384];
        ssize_t n = flistxattr(fd, names, sizeof(names));

        for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
                bool ours = strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0 ||
                            (extract->owner && (strncmp(name, "trusted.", 8) == 0 ||
                                                strcmp(name, "security.capability") == 0));

                if (ours && !has_xattr(node, name))
                        (void)fremovexattr(fd, name);
        }
}

static void set_xattrs(Place *place, const Node *node, int fd) {
        for (size_t i = 0; i < node->n_xattrs; i++) {
                const NodeXattr *xattr = &node->xattrs[i];

                if (!place->extract->owner && is_for_root(xattr->name))
                        continue;
                if (fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) < 0)
                        extract_tell(place, node->name, "its attribute %s cannot be set: %s", xattr->name,
                                     strerror(errno));
        }
}

/* Is it who made it, without asking? */
static bool has_owner(const Place *place, const Node *node, bool is_new) {
        const Extract *extract = place->extract;

        return is_new && !place->set_group && node->uid == extract->uid && node->gid == extract->gid;
}

void extract_metadata(Place *place, const Node *node, int fd, bool is_new) {
        const Extract *extract = place->extract;
        const struct timespec times[2] = { node->atime, node->mtime };
        uint32_t mode = node->mode;

        /* The owner first: changing it takes set-id bits and capabilities away. */
        if (extract->owner && !has_owner(place, node, is_new) && fchown(fd, node->uid, node->gid) < 0)
                extract_tell(place, node->name, "its owner cannot be set: %s", strerror(errno));
        if (!extract->owner && node->uid != extract->uid)
                mode &= ~(uint32_t)(S_ISUID | S_ISGID);
        if (!is_new)
                remove_xattrs(extract, node, fd);
        else if (place->has_default && !has_xattr(node, ACCESS_RULES))
                (void)fremovexattr(fd, ACCESS_RULES);
        set_xattrs(place, node, fd);
        if (fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
                extract_tell(place, node->name, "its mode and times cannot be set: %s", strerror(errno));
}

/* ---- names ---- */

int extract_temporary_name(const Place *place, const char *name, unsigned try,
                           char ret_name[static TEMPORARY_NAME_SIZE]) {
        uint64_t number = UINT64_C(0xcbf29ce484222325);
        struct stat st;
        int r = 0;

        /* The same at each run, so that what a killed one has left goes when the file is written again. */
        for (const char *p = name; *p; p++)
                number = (number ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
        if (try > 0)
                r = crypto_random(&number, sizeof(number));
        (void)snprintf(ret_name, TEMPORARY_NAME_SIZE, ".vss-restore-%016" PRIx64, number);
        if (r == 0 && try == 0 && fstatat(place->fd, ret_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            extract_is_unfinished(&st) && S_ISREG(st.st_mode))
                (void)unlinkat(place->fd, ret_name, 0);
        return r;
}

int extract_rename(Place *place, const char *temporary, const char *name) {
        if (renameat(place->fd, temporary, place->fd, name) < 0) {
                int error = -errno;

                (void)unlinkat(place->fd, temporary, 0);
                return error;
        }
        /* Where both are the same file already nothing happens, and the name stays. */
        (void)unlinkat(place->fd, temporary, 0);
        return 0;
}

static int open_named(Place *place, const Node *node, Slot *slot) {
        for (unsigned try = 0; try < NAME_TRIES; try++) {
                int r = extract_temporary_name(place, node->name, try, slot->temporary);

                if (r < 0)
                        return r;
                slot->fd = openat(place->fd, slot->temporary,
                                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, EXTRACT_UNFINISHED);
                slot->named = slot->fd >= 0;
                if (slot->fd >= 0 || errno != EEXIST)
                        return slot->fd < 0 ? -errno : 0;
        }
        return -EEXIST;
}

int slot_open(Place *place, const Node *node, bool there, Slot *ret_slot) {
        *ret_slot = (Slot){ .fd = -1 };
        if (!there) {
                ret_slot->direct = true;
                ret_slot->fd = openat(place->fd, node->name,
                                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                      EXTRACT_UNFINISHED);
                return ret_slot->fd < 0 ? -errno : 0;
        }
        /* One without a name leaves nothing behind. */
        ret_slot->fd = openat(place->fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, EXTRACT_UNFINISHED);
        if (ret_slot->fd >= 0)
                return 0;
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
                return -errno;
        return open_named(place, node, ret_slot);
}

static int name_it(Place *place, const Node *node, Slot *slot) {
        char self[64];
        int r = slot->named ? 0 : -EEXIST;

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", slot->fd);
        for (unsigned try = 0; r == -EEXIST && try < NAME_TRIES; try++) {
                r = extract_temporary_name(place, node->name, try, slot->temporary);
                if (r == 0 && linkat(AT_FDCWD, self, place->fd, slot->temporary, AT_SYMLINK_FOLLOW) < 0)
                        r = -errno;
        }
        return r < 0 ? r : extract_rename(place, slot->temporary, node->name);
}

void slot_finish(Place *place, const Node *node, Slot *slot, ExtractFate fate) {
        struct stat st;
        int r;

        extract_metadata(place, node, slot->fd, true);
        r = slot->direct ? 0 : name_it(place, node, slot);
        if (r < 0) {
                extract_fail(place, node->name, "not restored", r);
                extract_settle_inode(place, node, NULL);
        } else {
                if (node->links > 1 && fstat(slot->fd, &st) == 0)
                        extract_settle_inode(place, node, &st);
                extract_done(place, node, fate);
        }
        (void)close(slot->fd);
        slot->fd = -1;
}

void slot_abandon(Place *place, const Node *node, Slot *slot) {
        if (slot->direct || slot->named)
                (void)unlinkat(place->fd, slot->direct ? node->name : slot->temporary, 0);
        (void)close(slot->fd);
        slot->fd = -1;
        extract_settle_inode(place, node, NULL);
}

/* ---- links, devices, fifos ---- */

static int make_other(Place *place, const Node *node, const char *name) {
        if (node->type == NODE_SYMLINK)
                return symlinkat(node->target ?: "", place->fd, name) < 0 ? -errno : 0;
        return mknodat(place->fd, name, node_type_mode(node->type), node->device) < 0 ? -errno : 0;
}

/* What was just made under that name, and nothing that was put there since. */
static int open_other(const Place *place, const Node *node, const char *name, struct stat *ret_st) {
        _cleanup_(closep) int fd = openat(place->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        const Node made = { .name = "", .target = node->target };

        if (fd < 0 || fstat(fd, ret_st) < 0)
                return -errno;
        if (node_type_from_mode(ret_st->st_mode) != node->type || ret_st->st_uid != place->extract->uid ||
            ret_st->st_nlink != 1 ||
            ((node->type == NODE_DEV || node->type == NODE_CHARDEV) && ret_st->st_rdev != node->device) ||
            (node->type == NODE_SYMLINK && !extract_same_target(fd, &made)))
                return -ESTALE;
        return TAKE_FD(fd);
}

static void set_other(Place *place, const Node *node, int fd) {
        const struct timespec times[2] = { node->atime, node->mtime };
        uint32_t mode = place->extract->owner || node->uid == place->extract->uid ? node->mode
                                                                                  : node->mode & 01777;
        char self[64];

        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        if (place->extract->owner && fchownat(fd, "", node->uid, node->gid, AT_EMPTY_PATH) < 0)
                extract_tell(place, node->name, "its owner cannot be set: %s", strerror(errno));
        if (place->has_default && node->type != NODE_SYMLINK && !has_xattr(node, ACCESS_RULES))
                (void)removexattr(self, ACCESS_RULES);
        for (size_t i = 0; i < node->n_xattrs; i++)
                if ((place->extract->owner || !is_for_root(node->xattrs[i].name)) &&
                    setxattr(self, node->xattrs[i].name, node->xattrs[i].value, node->xattrs[i].size, 0) < 0)
                        extract_tell(place, node->name, "its attribute %s cannot be set: %s",
                                     node->xattrs[i].name, strerror(errno));
        if ((node->type != NODE_SYMLINK && chmod(self, mode) < 0) || utimensat(AT_FDCWD, self, times, 0) < 0)
                extract_tell(place, node->name, "its mode and times cannot be set: %s", strerror(errno));
}

/* Made beside it and renamed, where something is there. */
static int put_other(Place *place, const Node *node, bool there) {
        char temporary[TEMPORARY_NAME_SIZE];
        const char *name = there ? temporary : node->name;
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r = -EEXIST;

        for (unsigned try = 1; there && r == -EEXIST && try <= NAME_TRIES; try++) {
                r = extract_temporary_name(place, node->name, try, temporary);
                if (r == 0)
                        r = make_other(place, node, temporary);
        }
        if (!there)
                r = make_other(place, node, name);
        if (r < 0)
                return r;
        fd = open_other(place, node, name, &st);
        if (fd < 0)
                return fd;
        set_other(place, node, fd);
        r = there ? extract_rename(place, temporary, node->name) : 0;
        if (r == 0)
                extract_settle_inode(place, node, &st);
        return r;
}

static void keep_other(Place *place, const Node *node, Decision decision) {
        struct stat st;

        if (decision == DECIDE_KEEP)
                extract_count(place->extract, &place->extract->counts.kept, 1);
        extract_done(place, node, EXTRACT_LEFT);
        if (place->fd >= 0 && decision == DECIDE_LEAVE &&
            fstatat(place->fd, node->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                extract_settle_inode(place, node, &st);
        else
                extract_settle_inode(place, node, NULL);
}

void extract_other(Place *place, const Node *node) {
        Decision decision = extract_decide(place, node, NULL);
        ExtractFate fate = decision == DECIDE_MAKE ? EXTRACT_MADE : EXTRACT_REPLACED;
        int r = 0;

        if (decision == DECIDE_KEEP || decision == DECIDE_LEAVE) {
                keep_other(place, node, decision);
                return;
        }
        if (decision != DECIDE_FAIL && place->extract->mode == MODE_WRITE)
                r = put_other(place, node, decision != DECIDE_MAKE);
        if (r == -ESTALE)
                extract_tell(place, node->name,
                             "not restored: somebody has put something else there while it was made");
        else if (r < 0)
                extract_fail(place, node->name, "not restored", r);
        else if (decision != DECIDE_FAIL)
                extract_done(place, node, fate);
        if (r < 0 || decision == DECIDE_FAIL)
                extract_settle_inode(place, node, NULL);
}
