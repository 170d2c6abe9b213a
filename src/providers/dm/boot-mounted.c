/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What is recorded of an attached volume when it has been mounted, and when it has been unmounted
 */

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#include "providers/common/block-mount.h"
#include "providers/dm/boot-internal.h"
#include "providers/dm/mounts.h"
#include "providers/dm/store.h"
#include "providers/dm/token.h"
#include "util/clock.h"

#define TOUCH_NAME ".touched"
#define CLOSED_USEC (3 * USEC_PER_SEC)
#define CLOSED_STEP_USEC (10 * USEC_PER_MSEC)

static int set_immutable(int fd, bool immutable) {
        int flags;

        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return -errno;
        flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
        return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

/* The file of an area, which was judged when it was listed. Immutable files cannot be opened for writing. */
static int area_file(int directory, const char *id, int flags) {
        char file[VSS_ID_SIZE + sizeof(AREA_SUFFIX)];
        int fd;

        (void)snprintf(file, sizeof(file), "%s%s", id, AREA_SUFFIX);
        fd = openat(directory, file, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Keeps the header, which says what it was and why it is lost. */
static int area_shrink(int directory, const Remain *remain) {
        _cleanup_(closep) int fd = area_file(directory, remain->id, O_RDONLY), writable = -1;
        int r;

        if (fd < 0)
                return fd;
        r = set_immutable(fd, false);
        if (r < 0)
                return r;
        writable = area_file(directory, remain->id, O_WRONLY);
        if (writable < 0)
                r = writable;
        else if (ftruncate(writable, remain->header.root.size) < 0 || fsync(writable) < 0)
                r = -errno;
        (void)set_immutable(fd, true);
        return r;
}

static bool is_shrunk(const Remain *remain) {
        return remain->map.end <= remain->header.root.size;
}

/* Devices of a copy that is in doubt although it stands; the volume runs on without it. */
static void copy_drop(const char *id) {
        int r = store_remove(id);

        if (r < 0)
                fprintf(stderr, "devices of shadow copy %s cannot be removed: %s\n", id, strerror(-r));
}

/* Does the volume's file system say of the area what was recorded, now that its journal has been replayed?
 */
static bool map_is_recorded(const Remain *remain) {
        const AreaHeader *header = &remain->header;
        uint64_t recorded = extents_size(header->extents, header->n_extents);

        /* It may be larger: the power failed while it grew. */
        return recorded > 0 && extents_common(header->extents, header->n_extents, remain->map.extents,
                                              remain->map.n) == recorded;
}

/* Has it any devices? Then somebody makes or deletes it just now, since those go before the area does. */
static bool is_in_the_making(const Remain *remain) {
        StoreState state;

        return store_state(remain->id, &state) < 0 || state.head || state.cow || state.copy;
}

/* One area of a mounted volume. @token: what is recorded of copies that stand. */
static int remain_settle(int directory, Remain *remain, const char *token, BootReport *report) {
        const char *reason = "its devices do not stand: the volume was attached without it";
        bool stands = boot_copy_stands(remain->id);

        /* What is being made or deleted, and what was when the power failed, is the provider's. */
        if (!boot_is_created(remain) && !boot_is_lost(remain))
                return 0;
        if (!stands && is_in_the_making(remain))
                return 0;
        if (boot_is_persistent(remain) && !boot_is_lost(remain)) {
                if (stands && map_is_recorded(remain)) {
                        (void)area_protect(directory, remain->id);
                        return remain_write_token(remain, token);
                }
                if (stands) {
                        reason = "its difference area is not what was recorded of it";
                        copy_drop(remain->id);
                }
                boot_note(report, remain->id, "%s", reason);
                if (boot_lose(remain, reason) < 0)
                        return -EIO;
        }
        if (boot_is_lost(remain))
                return boot_copy_stands(remain->id) || is_shrunk(remain) ? 0
                                                                         : area_shrink(directory, remain);
        /* Not to outlive its boot, and it has. */
        return stands ? 0 : area_remove(directory, remain->id);
}

/* XFS writes nothing at its mount, so that its log looks clean until something is logged. */
static int mounted_token(const Volume *volume, int directory, bool read_only,
                         char ret_text[static TOKEN_TEXT_SIZE]) {
        Token token = { .kind = TOKEN_NONE };
        _cleanup_(closep) int fd = -1;
        int r;

        r = token_state_read(volume->origin.path, &token.state);
        if (r >= 0 && !token.state.dirty && !read_only) {
                fd = openat(directory, TOUCH_NAME, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                if (fd < 0 || unlinkat(directory, TOUCH_NAME, 0) < 0 || syncfs(fd) < 0)
                        return -errno;
                r = token_state_read(volume->origin.path, &token.state);
        }
        /* What it tells of is on the disk first. */
        if (r >= 0)
                r = block_flush(volume->origin.path);
        if (r < 0)
                return r;
        token.kind = token.state.dirty ? TOKEN_MOUNTED : read_only ? TOKEN_CLEAN : TOKEN_NONE;
        token_print(&token, ret_text);
        return 0;
}

static int settle_mounted(const Volume *volume, const vss_value *mounts, BootReport *report) {
        _cleanup_remains_ RemainList remains = { 0 };
        _cleanup_(closep) int root = -1, directory = -1;
        char text[TOKEN_TEXT_SIZE];
        int r, failed = 0;

        r = mounts_open_root(volume->info.device, volume->path, &root);
        if (r >= 0)
                r = area_open_directory(root, false, &directory);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = remains_list(root, &volume->origin, volume->filesystem, &remains);
        if (r >= 0)
                r = mounted_token(volume, directory, mounts_are_read_only(mounts), text);
        if (r < 0)
                return boot_fail(report, r, "%s: " AREA_DIRECTORY ": %s", volume->path, strerror(-r));
        boot_stop("mounted");
        for (size_t i = 0; i < remains.n; i++) {
                r = remain_settle(directory, &remains.items[i], text, report);
                if (r < 0 && r != -EROFS)
                        failed = boot_fail(report, r, "%s: the area of shadow copy %s: %s", volume->path,
                                           remains.items[i].id, strerror(-r));
                boot_stop("settled");
        }
        return failed;
}

/* The token of one copy of the volume, if that is persistent and stands; written only if it has become
 * another. */
static int refresh(const Volume *volume, const char *id, const Token *token) {
        _cleanup_area_header_ AreaHeader header = { 0 };
        char text[TOKEN_TEXT_SIZE];
        const char *reason;
        StoreState state;
        Token recorded;
        int r;

        r = store_state(id, &state);
        if (r < 0 || !state.live || !state.persistent || state.origin != volume->origin.number)
                return r;
        r = store_read_header(id, &header);
        if (r < 0)
                return r;
        if (strcmp(vss_value_get_string(header.info, "state", ""), "created") != 0)
                return 0;
        if (token_parse(header.token, &recorded) >= 0 && recorded.kind == token->kind &&
            token_fits(&recorded, &token->state, &reason))
                return 0;
        token_print(token, text);
        r = block_flush(volume->origin.path);
        if (r == 0)
                r = store_write_token(id, text);
        boot_stop("refreshed");
        return r;
}

static bool is_open(const Volume *volume) {
        DevmapInfo info;

        return devmap_info(volume->info.name, &info) < 0 || info.open_count > 0;
}

/* The kernel lets go of a device some moments after its last unmount, and others look into it. */
static bool is_closed_soon(const char *name) {
        uint64_t until = now_usec() + CLOSED_USEC;
        DevmapInfo info;

        for (;;) {
                int r = devmap_info(name, &info);

                if (r < 0 || info.open_count == 0)
                        return r >= 0 || r == -ENXIO;
                if (now_usec() > until)
                        return false;
                (void)usleep(CLOSED_STEP_USEC);
        }
}

int boot_refresh(const Volume *volume) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        int r = ids ? store_list(ids) : -ENOMEM;

        return r < 0 ? r : boot_refresh_copies(volume, ids);
}

int boot_refresh_copies(const Volume *volume, const vss_value *ids) {
        _cleanup_value_ vss_value *mounts = NULL;
        Token token = { .kind = TOKEN_NONE };
        int r, failed = 0;

        /* What is written now gets past the copies. */
        if (vss_value_count(ids) == 0 || volume->table != VOLUME_ORIGIN)
                return 0;
        r = mounts_list(volume->info.device, &mounts);
        if (r >= 0)
                r = token_state_read(volume->origin.path, &token.state);
        if (r < 0)
                return r;
        /* Mounted for writing and clean is an XFS that has not written yet, or a file system that stands
         * frozen; and one that is mounted nowhere here may be so in another mount namespace. Asked behind
         * the look at it: a mount between both is seen. */
        if (!token.state.dirty &&
            (vss_value_count(mounts) == 0 ? is_open(volume) : !mounts_are_read_only(mounts)))
                return 0;
        token.kind = token.state.dirty ? TOKEN_MOUNTED : TOKEN_CLEAN;
        for (size_t i = 0; i < vss_value_count(ids); i++) {
                r = refresh(volume, vss_value_string(vss_value_at(ids, i), ""), &token);
                if (r < 0)
                        failed = r;
        }
        return failed;
}

int boot_record(const Volume *volume, BootReport *report) {
        _cleanup_value_ vss_value *mounts = NULL;
        int r;

        *report = (BootReport){ 0 };
        r = mounts_list(volume->info.device, &mounts);
        if (r < 0)
                return boot_fail(report, r, "the mount table cannot be read: %s", strerror(-r));
        if (vss_value_count(mounts) > 0)
                return settle_mounted(volume, mounts, report);
        (void)is_closed_soon(volume->info.name);
        r = boot_refresh(volume);
        return r < 0 ? boot_fail(report, r, "%s: how it was left cannot be recorded: %s", volume->path,
                                 strerror(-r))
                     : 0;
}

/* A copy without its volume would be worth nothing, and keep the device from being attached again. */
static int check_copies(const Volume *volume, BootReport *report) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        int r = ids ? store_list(ids) : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < vss_value_count(ids); i++) {
                const char *id = vss_value_string(vss_value_at(ids, i), "");
                char name[DEVMAP_NAME_SIZE];
                StoreState state;

                store_name(id, STORE_COPY, name);
                r = store_state(id, &state);
                if (r >= 0 && state.live && state.origin == volume->origin.number && !is_closed_soon(name))
                        return boot_fail(report, -EBUSY,
                                         "%s: its shadow copy %s is in use, and it stays attached. Unmount "
                                         "what is mounted from /dev/mapper/%s.",
                                         volume->path, id, name);
        }
        return r < 0 ? boot_fail(report, r, "%s: its shadow copies cannot be listed: %s", volume->path,
                                 strerror(-r))
                     : 0;
}

int boot_detach(const Volume *volume, BootReport *report) {
        int r;

        *report = (BootReport){ 0 };
        if (!is_closed_soon(volume->info.name))
                return boot_fail(report, -EBUSY,
                                 "%s: it is in use, and stays attached. Unmount what is mounted from it.",
                                 volume->path);
        /* It goes even if nothing can be recorded: the copies are lost then, and are found to be. */
        r = boot_refresh(volume);
        if (r < 0)
                fprintf(stderr,
                        "%s: how it was left cannot be recorded (%s); its shadow copies will be lost\n",
                        volume->path, strerror(-r));
        r = check_copies(volume, report);
        if (r < 0)
                return r;
        /* The volume first: as long as it is there, it copies into them. */
        r = boot_remove_device(volume->info.name);
        boot_stop("volume-removed");
        if (r < 0)
                return boot_fail(report, r, "%s cannot be removed: %s", volume->path, strerror(-r));
        return boot_remove_copies(&volume->origin, report);
}
