/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Images and copies that are block devices of this machine
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "config.h"
#include "providers/common/image-chain.h"
#include "providers/common/image-device.h"
#include "providers/rbd/attached.h"
#include "providers/rbd/krbd.h"

#define SYS "/sys"
#define TOP LINUXVSS_RUNDIR "/rbd"
/* Short: a socket's name must fit. */
#define SOCKETS TOP "/s"
#define COPIES TOP "/copies"
#define LIVE TOP "/live"
/* One file for each that was attached, served or mapped. */
#define RECORDS TOP "/records"
#define RECORDS_MAX 1024u

DEFINE_CLEANUP(DIR *, closedir)

static _printf_(3, 4) int fail(int r, char ret_why[static WHY_SIZE], const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(ret_why, WHY_SIZE, format, args);
        va_end(args);
        return r;
}

static int make_directories(void) {
        static const char *const paths[] = { LINUXVSS_RUNDIR, TOP, SOCKETS, COPIES, LIVE, RECORDS };

        FOREACH_ELEMENT (path, paths)
                if (mkdir(*path, 0700) < 0 && errno != EEXIST)
                        return -errno;
        return 0;
}

/* Served by a daemon */

static int serve(const char *state_dir, const char *id, const Target *target, char **ret_device,
                 char ret_why[static WHY_SIZE]) {
        char drive[1200], address[160], uri[160], export[64], socket[108];
        const Place *place = &target->place;
        char *argv[] = { (char *)"qemu-storage-daemon",
                         (char *)"--blockdev",
                         drive,
                         (char *)"--nbd-server",
                         address,
                         (char *)"--export",
                         export,
                         NULL };
        ImageSource source = { .uri = uri,
                               .argv = argv,
                               .socket = socket,
                               .offset = target->offset,
                               .length = target->length };
        unsigned flags = target->read_only ? IMAGE_READ_ONLY : 0;
        ImageError error = { 0 };
        int r;

        if (!image_name_is_valid(place->image))
                return fail(-EINVAL, ret_why, "image \"%s\": its name cannot be served", place->image);
        (void)snprintf(socket, sizeof(socket), SOCKETS "/%.64s", id);
        (void)snprintf(drive, sizeof(drive),
                       "driver=rbd,node-name=n,pool=%s%s%s,image=%s,conf=%s,user=%s%s%s,read-only=%s%s",
                       place->pool.pool, *place->pool.space ? ",namespace=" : "", place->pool.space,
                       place->image, target->cluster->conf, target->cluster->user,
                       target->snapshot ? ",snapshot=" : "", target->snapshot ?: "",
                       target->read_only ? "on" : "off", target->read_only ? "" : ",discard=unmap");
        (void)snprintf(address, sizeof(address), "addr.type=unix,addr.path=%s", socket);
        (void)snprintf(export, sizeof(export), "type=nbd,id=e,node-name=n,name=x,writable=%s",
                       target->read_only ? "off" : "on");
        (void)snprintf(uri, sizeof(uri), "nbd+unix:///x?socket=%s", socket);
        r = make_directories();
        if (r < 0)
                return fail(r, ret_why, "%s: %s", TOP, strerror(-r));
        r = image_attach(state_dir, id, &source, flags, ret_device, &error);
        return r < 0 ? fail(r, ret_why, "%s", error.text) : 0;
}

static bool by_kernel(const Target *target) {
        return !target->user_space && krbd_is_there(SYS);
}

/* A part of a device, by a loop device over it. */
static int find_part(const char *device, const Target *target, bool make, char **ret_device,
                     char ret_why[static WHY_SIZE]) {
        char loop[IMAGE_DEVICE_SIZE];
        ImageBacking backing;
        int r = image_backing(device, &backing);

        if (r == 0)
                r = image_loop_find(&backing, loop);
        if (r == -ENOENT && make)
                r = image_loop_attach(device, target->offset, target->length, target->read_only, loop);
        if (r < 0)
                return fail(r, ret_why, "%s: the part that is meant cannot be attached: %s", device,
                            strerror(-r));
        *ret_device = strdup(loop);
        return *ret_device ? 0 : -ENOMEM;
}

static int take_mapped(const char *device, const Target *target, char **ret_device,
                       char ret_why[static WHY_SIZE]) {
        if (target->offset > 0 || target->length > 0)
                return find_part(device, target, true, ret_device, ret_why);
        *ret_device = strdup(device);
        return *ret_device ? 0 : fail(-ENOMEM, ret_why, "%s", strerror(ENOMEM));
}

static int unmap_free(const char *device, char ret_why[static WHY_SIZE]) {
        int r = image_device_is_free(device);

        return r < 0 ? fail(r, ret_why, "%s is in use", device) : krbd_unmap(device, ret_why);
}

/* By the kernel; served where there is no such client, or where that cannot do what the image needs. A
 * cluster that does not answer is asked once. */
static int map_or_serve(const char *state_dir, const char *id, const Target *target, char **ret_device,
                        char ret_why[static WHY_SIZE]) {
        char device[KRBD_DEVICE_SIZE], why[WHY_SIZE];
        int r;

        if (!by_kernel(target))
                return serve(state_dir, id, target, ret_device, ret_why);
        r = krbd_map(target->cluster, &target->place, target->snapshot, target->read_only, device, ret_why);
        if (r == 0)
                return take_mapped(device, target, ret_device, ret_why);
        if (r == -ETIMEDOUT || serve(state_dir, id, target, ret_device, why) < 0)
                return r;
        fprintf(stderr, "<5>image %s: by the kernel %s; it is served by a daemon\n", target->place.image,
                ret_why);
        return 0;
}

int attached_copy(const char *id, const Target *target, char **ret_device, char ret_why[static WHY_SIZE]) {
        char device[KRBD_DEVICE_SIZE];
        ImageError error = { 0 };
        int r;

        if (by_kernel(target) && krbd_find(SYS, &target->place, target->snapshot, device) == 0)
                return take_mapped(device, target, ret_device, ret_why);
        r = image_find(COPIES, id, ret_device);
        if (r == -ENODEV) {
                r = image_detach(COPIES, id, &error);
                if (r < 0)
                        return fail(r, ret_why, "%s", error.text);
                r = -ENOENT;
        }
        if (r != -ENOENT)
                return r < 0 ? fail(r, ret_why, "%s", strerror(-r)) : 0;
        return map_or_serve(COPIES, id, target, ret_device, ret_why);
}

int attached_drop_copy(const char *id, const Target *target, char ret_why[static WHY_SIZE]) {
        _cleanup_(freep) char *part = NULL;
        char device[KRBD_DEVICE_SIZE];
        ImageError error = { 0 };
        int r = 0;

        if (by_kernel(target) && krbd_find(SYS, &target->place, target->snapshot, device) == 0) {
                if (find_part(device, target, false, &part, ret_why) == 0)
                        r = image_loop_detach(part);
                if (r < 0)
                        return fail(r, ret_why, "%s is in use", part);
                return unmap_free(device, ret_why);
        }
        r = image_detach(COPIES, id, &error);
        return r < 0 ? fail(r, ret_why, "%s", error.text) : 0;
}

static bool is_in_list(void *userdata, const char *id) {
        const vss_value *list = userdata;

        for (size_t i = 0; i < vss_value_count(list); i++)
                if (strcmp(vss_value_get_string(vss_value_at(list, i), "id", ""), id) == 0)
                        return true;
        return false;
}

bool attached_any(void) {
        struct stat st;

        /* Each directory in it is a link to it more. */
        return stat(COPIES, &st) == 0 && st.st_nlink > 2;
}

void attached_sweep(const vss_value *list) {
        if (access(COPIES, F_OK) == 0)
                (void)image_sweep(COPIES, is_in_list, (void *)list);
}

/* Volumes in use */

/* Short, for the socket; the ids of images are made so that a cluster has none twice. */
static void record_name(const Place *place, char ret_name[static 128]) {
        (void)snprintf(ret_name, 128, "%.8s.%.50s", place->fsid, place->image_id);
}

static int write_record(const char *name, const Target *target) {
        char path[PATH_MAX], text[1200];
        _cleanup_(closep) int fd = -1;
        const Place *place = &target->place;
        int n = snprintf(text, sizeof(text), "Fsid=%s\nPool=%s%s%s\nImage=%s\nImageId=%s\n", place->fsid,
                         place->pool.pool, *place->pool.space ? "/" : "", place->pool.space, place->image,
                         place->image_id);

        (void)snprintf(path, sizeof(path), RECORDS "/%s", name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return write(fd, text, (size_t)n) == n ? 0 : -EIO;
}

static int read_record(const char *name, Place *ret_place) {
        _cleanup_conf_ Conf *conf = NULL;
        const ConfSection *section;
        char path[PATH_MAX];
        Place place = { 0 };
        ConfError error;
        int r;

        (void)snprintf(path, sizeof(path), RECORDS "/%s", name);
        r = conf_read(path, &error, &conf);
        if (r < 0)
                return r;
        section = conf_section(conf, "", 0);
        (void)snprintf(place.fsid, sizeof(place.fsid), "%s", conf_value(section, "Fsid", ""));
        (void)snprintf(place.image, sizeof(place.image), "%s", conf_value(section, "Image", ""));
        (void)snprintf(place.image_id, sizeof(place.image_id), "%s", conf_value(section, "ImageId", ""));
        r = pool_name_parse(conf_value(section, "Pool", ""), &place.pool);
        if (r == 0)
                *ret_place = place;
        return r;
}

int live_attach(const Target *target, char **ret_device, char ret_why[static WHY_SIZE]) {
        char name[128], mapped[KRBD_DEVICE_SIZE];
        int r;

        if (by_kernel(target) && krbd_find(SYS, &target->place, target->snapshot, mapped) == 0)
                return fail(-EEXIST, ret_why, "%s is attached already, as %s", target->place.image, mapped);
        record_name(&target->place, name);
        r = image_find(LIVE, name, ret_device);
        if (r != -ENOENT)
                return fail(-EEXIST, ret_why,
                            r == -ENODEV ? "%s is attached already, and has failed; detach it"
                                         : "%s is attached already",
                            target->place.image);
        r = make_directories();
        if (r == 0)
                r = write_record(name, target);
        if (r < 0)
                return fail(r, ret_why, RECORDS ": %s", strerror(-r));
        return map_or_serve(LIVE, name, target, ret_device, ret_why);
}

typedef int (*LiveVisit)(const char *name, const char *device, const Place *place, void *userdata);

/* Return: what @visit returns, if that is not 0. */
static int visit_live(LiveVisit visit, void *userdata) {
        _cleanup_(closedirp) DIR *dir = opendir(RECORDS);
        struct dirent *entry;
        unsigned n = 0;
        int r = 0;

        while (r == 0 && dir && n < RECORDS_MAX && (entry = readdir(dir))) {
                _cleanup_(freep) char *device = NULL;
                char mapped[KRBD_DEVICE_SIZE];
                Place place;

                if (!image_id_is_valid(entry->d_name) || read_record(entry->d_name, &place) < 0)
                        continue;
                n++;
                r = image_find(LIVE, entry->d_name, &device);
                if (r == -ENOENT && krbd_find(SYS, &place, NULL, mapped) == 0) {
                        device = strdup(mapped);
                        r = device ? 0 : -ENOMEM;
                }
                if (r == -ENOENT && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
                        r = 0; /* it is of before a crash */
                r = device ? visit(entry->d_name, device, &place, userdata) : 0;
        }
        return r;
}

typedef struct Search {
        const char *device;
        char name[128];
        Place place;
} Search;

static int compare(const char *name, const char *device, const Place *place, void *userdata) {
        Search *search = userdata;

        if (strcmp(device, search->device) != 0)
                return 0;
        (void)snprintf(search->name, sizeof(search->name), "%s", name);
        search->place = *place;
        return 1;
}

int live_find(const char *device, Place *ret_place) {
        Search search = { .device = device };

        if (visit_live(compare, &search) <= 0)
                return -ENOENT;
        *ret_place = search.place;
        return 0;
}

int live_detach(const char *device, char ret_why[static WHY_SIZE]) {
        Search search = { .device = device };
        ImageError error = { 0 };
        char path[PATH_MAX];
        int r;

        if (visit_live(compare, &search) <= 0)
                return fail(-ENOENT, ret_why, "%s was not attached here", device);
        if (strncmp(device, "/dev/rbd", strlen("/dev/rbd")) == 0)
                r = unmap_free(device, ret_why);
        else {
                r = image_detach(LIVE, search.name, &error);
                if (r < 0)
                        r = fail(r, ret_why, "%s", error.text);
        }
        if (r < 0)
                return r;
        (void)snprintf(path, sizeof(path), RECORDS "/%s", search.name);
        (void)unlink(path);
        return 0;
}

static int append(const char *name, const char *device, const Place *place, void *userdata) {
        vss_value *list = userdata, *item = vss_value_new_dict();

        if (!item || vss_value_set_string(item, "device", device) < 0 ||
            vss_value_set_string(item, "mapped", device) < 0 ||
            value_set_printf(item, "name", "%s%s%s/%s", place->pool.pool, *place->pool.space ? "/" : "",
                             place->pool.space, place->image) < 0 ||
            vss_value_set_boolean(item, "boot", false) < 0 ||
            !value_require(item, "mounted", VSS_KIND_LIST) ||
            !value_require(item, "snapshots", VSS_KIND_LIST)) {
                vss_value_free(item);
                return -ENOMEM;
        }
        return vss_value_append(list, item) < 0 ? -ENOMEM : 0;
}

int live_list(vss_value *list) {
        return visit_live(append, list);
}
