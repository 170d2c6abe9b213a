/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attaching a volume before it is mounted
 */

#include <endian.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <linux/fs.h>

#include "providers/dm/boot-internal.h"
#include "providers/dm/store.h"
#include "providers/dm/token.h"
#include "util/clock.h"

/* The kernel lets go of a device some moments after its last unmount. */
#define REMOVE_USEC (3 * USEC_PER_SEC)
#define REMOVE_STEP_USEC (10 * USEC_PER_MSEC)

/* The head of a persistent store, of which dm-snapshot says no more than this. */
#define STORE_MAGIC 0x70416e53u
#define STORE_CHUNK_MAX 2048u

int boot_fail(BootReport *report, int error, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(report->message, sizeof(report->message), format, arguments);
        va_end(arguments);
        return error;
}

void boot_note(BootReport *report, const char *id, const char *format, ...) {
        BootNote *note = &report->notes[report->n];
        va_list arguments;

        if (report->n >= BOOT_NOTES_MAX)
                return;
        (void)snprintf(note->id, sizeof(note->id), "%s", id);
        va_start(arguments, format);
        (void)vsnprintf(note->reason, sizeof(note->reason), format, arguments);
        va_end(arguments);
        report->n++;
}

int boot_remove_device(const char *name) {
        uint64_t until = now_usec() + REMOVE_USEC;
        int r;

        for (;;) {
                r = devmap_remove(name);
                if (r == -ENXIO)
                        return 0;
                if (r != -EBUSY || now_usec() > until)
                        return r;
                (void)usleep(REMOVE_STEP_USEC);
        }
}

#if LINUXVSS_TEST_HOOKS
void boot_stop(const char *name) {
        static unsigned n;
        const char *wanted = getenv("VSS_DM_STOP_AT");
        size_t length = strlen(name);

        if (wanted && strncmp(wanted, name, length) == 0 &&
            (wanted[length] == '\0' || wanted[length] == ':') &&
            ++n >= (wanted[length] ? strtoul(wanted + length + 1, NULL, 10) : 1))
                (void)kill(getpid(), getenv("VSS_DM_STOP_BY") ? SIGSTOP : SIGKILL);
}

/* A test that its checks find a wrong copy needs one. */
bool boot_believes(void) {
        return getenv("VSS_DM_BELIEVE") != NULL;
}
#endif

bool boot_copy_stands(const char *id) {
        StoreState state;

        return store_state(id, &state) >= 0 && state.live;
}

bool boot_is_persistent(const Remain *remain) {
        /* Of no others they are recorded. */
        return remain->header.n_extents > 0;
}

static bool state_is(const Remain *remain, const char *state) {
        return remain->header.info &&
               strcmp(vss_value_get_string(remain->header.info, "state", ""), state) == 0;
}

bool boot_is_lost(const Remain *remain) {
        return state_is(remain, "lost");
}

bool boot_is_created(const Remain *remain) {
        return state_is(remain, "created");
}

/* Is it a copy that was made to its end, of this volume, and is to be there after a boot? */
static bool is_wanted(const Remain *remain, const char *filesystem) {
        const vss_value *own = vss_value_get(remain->header.info, "dm");

        return boot_is_created(remain) && boot_is_persistent(remain) &&
               strcmp(vss_value_get_string(own, "origin", ""), filesystem) == 0;
}

int boot_lose(Remain *remain, const char *reason) {
        if (!remain->header.info)
                return 0;
        if (vss_value_set_string(remain->header.info, "state", "lost") < 0 ||
            vss_value_set_string(remain->header.info, "reason", reason) < 0)
                return -ENOMEM;
        (void)remain_write_token(remain, "");
        return remain_write_info(remain);
}

/* The areas on a file system that is not mounted. What cannot be looked into has none: the volume is what
 * counts, and of its copies those are lost that it is mounted without. Through a device that cannot write,
 * and without a replay: what is there is what was there. */
static int probe(const Device *device, const DeviceContent *content, BootReport *report,
                 RemainList *ret_remains) {
        char name[DEVMAP_NAME_SIZE], uuid[DEVMAP_UUID_SIZE], path[DEVMAP_PATH_SIZE];
        char parameters[DEVICE_NUMBER_SIZE + 2];
        DevmapTarget target = { .length = device->sectors, .type = "linear", .parameters = parameters };
        int r, root = -1;

        (void)snprintf(name, sizeof(name), "vss-probe-%s", content->uuid);
        (void)snprintf(uuid, sizeof(uuid), PROBE_UUID_PREFIX "%s", content->uuid);
        device_number_text(device->number, parameters);
        (void)snprintf(parameters + strlen(parameters), 3, " 0");
        r = boot_remove_device(name);
        if (r < 0) {
                fprintf(stderr, "%s: its shadow copies cannot be looked for: /dev/mapper/%s: %s\n",
                        device->path, name, strerror(-r));
                return 0;
        }
        r = devmap_create(name, uuid, DEVMAP_READ_ONLY | DEVMAP_HIDDEN, &target, 1);
        boot_stop("probing");
        if (r < 0)
                return boot_fail(
                        report, r, "%s: %s", device->path,
                        r == -EBUSY ? "it is in use. Unmount what is mounted from it, and attach it then."
                                    : strerror(-r));
        devmap_path(name, path);
        r = probe_mount(path, content->type, &root);
        if (r >= 0) {
                r = remains_list(root, device, content->uuid, ret_remains);
                (void)close(root);
        }
        if (r < 0)
                fprintf(stderr, "%s: its shadow copies cannot be looked for: %s\n", device->path,
                        strerror(-r));
        r = boot_remove_device(name);
        if (r == -EBUSY)
                r = devmap_remove_later(name);
        if (r < 0)
                fprintf(stderr, "/dev/mapper/%s cannot be removed: %s\n", name, strerror(-r));
        return 0;
}

/* The chunks of a store, in sectors; 0: it is none that is whole. */
static uint32_t store_chunk(const Remain *remain) {
        uint32_t head[128];

        if (remain_read(remain, remain->header.root.size, head, sizeof(head)) < 0 ||
            le32toh(head[0]) != STORE_MAGIC || le32toh(head[1]) != 1)
                return 0;
        return le32toh(head[3]) <= STORE_CHUNK_MAX ? le32toh(head[3]) : 0;
}

static int store_is_valid(const char *copy, bool *ret_valid) {
        _cleanup_devmap_line_ DevmapLine line = { 0 };
        _cleanup_(freep) char *text = NULL;
        DevmapSnapshot state;
        const char *rest;
        int r;

        r = devmap_status(copy, &text);
        if (r < 0)
                return r;
        rest = text;
        *ret_valid = devmap_next_line(&rest, &line) == 1 &&
                     devmap_parse_snapshot(line.parameters, &state) >= 0 && !state.invalid &&
                     !state.overflow;
        return 0;
}

/* Head, store, and the copy on it. On failure there is none of them. */
static int copy_make(const Remain *remain, const Device *origin, const char **ret_reason) {
        const AreaHeader *header = &remain->header;
        uint32_t chunk = store_chunk(remain);
        char copy[DEVMAP_NAME_SIZE];
        bool valid = false;
        int r;

        *ret_reason = "its difference area had become full, or is damaged";
        if (chunk == 0)
                return -EUCLEAN;
        store_name(remain->id, STORE_COPY, copy);
        /* What a kill has left of them without a table names no device, so that it was not found before. */
        r = store_remove(remain->id);
        if (r >= 0)
                r = store_create_head(remain->id, &remain->device, header->extents, header->n_extents,
                                      header->root.size);
        if (r >= 0)
                r = store_create_cow(remain->id, &remain->device, header->extents, header->n_extents,
                                     header->root.size);
        boot_stop("store-made");
        if (r >= 0)
                r = store_create_copy(remain->id, origin, true, chunk, DEVMAP_READ_ONLY);
        boot_stop("copy-loaded");
        /* Before the volume: what is written to that must find it. */
        if (r >= 0)
                r = devmap_resume(copy, DEVMAP_READ_ONLY);
        if (r >= 0)
                r = store_is_valid(copy, &valid);
        if (r >= 0 && valid)
                return 0;
        if (r < 0)
                *ret_reason = "its devices could not be made again";
        (void)store_remove(remain->id);
        return r < 0 ? r : -EUCLEAN;
}

/* NULL: it may stand again. */
static const char *judge(const Remain *remain, const Device *device, const TokenState *state) {
        const AreaHeader *header = &remain->header;
        int64_t sectors = vss_value_get_integer(vss_value_get(header->info, "dm"), "sectors", 0);
        uint64_t common = extents_common(header->extents, header->n_extents, remain->map.extents,
                                         remain->map.n);
        const char *reason = NULL;
        Token token;

        if (token_parse(header->token, &token) < 0)
                token = (Token){ .kind = TOKEN_NONE };
        if (!boot_believes() && !token_fits(&token, state, &reason))
                return reason;
        if (sectors > 0 && (uint64_t)sectors != device->sectors)
                return "has another size now";
        /* What it has grown by may be in the journal alone, or not recorded yet; it is compared again once
         * the volume is mounted. */
        if (common == 0 || common != MIN(remain->map.end, extents_size(header->extents, header->n_extents)))
                return "has its difference area elsewhere than it was";
        return NULL;
}

/* Does a device's table name this one? */
static bool lies_on(const char *name, dev_t device) {
        _cleanup_devmap_line_ DevmapLine line = { 0 };
        _cleanup_(freep) char *text = NULL;
        const char *rest;
        dev_t below;

        if (devmap_table(name, &text) < 0)
                return false;
        rest = text;
        return devmap_next_line(&rest, &line) == 1 && device_parse_number(line.parameters, &below) >= 0 &&
               below == device;
}

/* Somebody may just read one of its devices, to list it. */
static int remove_when_unused(const char *id) {
        uint64_t until = now_usec() + REMOVE_USEC;
        int r;

        for (;;) {
                r = store_remove(id);
                if (r != -EBUSY || now_usec() > until)
                        return r;
                (void)usleep(REMOVE_STEP_USEC);
        }
}

int boot_remove_copies(const Device *device, BootReport *report) {
        _cleanup_value_ vss_value *ids = vss_value_new_list();
        int r;

        r = ids ? store_list(ids) : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < vss_value_count(ids); i++) {
                const char *id = vss_value_string(vss_value_at(ids, i), "");
                char head[DEVMAP_NAME_SIZE];
                StoreState state;

                store_name(id, STORE_HEAD, head);
                r = store_state(id, &state);
                /* One of another volume, whose area is here, stays; one that a kill has left half made is of
                 * nobody. */
                if (r >= 0 && (state.copy && state.origin ? state.origin == device->number
                                                          : lies_on(head, device->number)))
                        r = remove_when_unused(id);
                if (r < 0)
                        return boot_fail(report, r,
                                         "devices of shadow copy %s stand without their volume and cannot "
                                         "be removed: %s",
                                         id, strerror(-r));
        }
        return r < 0 ? boot_fail(report, r, "%s: devices on it cannot be listed: %s", device->path,
                                 strerror(-r))
                     : 0;
}

/* Return: how many copies stand. */
static size_t copies_make(RemainList *remains, const Device *device, const char *filesystem,
                          BootReport *report) {
        TokenState state;
        bool known = token_state_read_all(device->path, &state) >= 0;
        size_t n = 0;

        for (size_t i = 0; i < remains->n; i++) {
                Remain *remain = &remains->items[i];
                const char *reason, *why = NULL;
                char text[256];

                if (remain->problem)
                        fprintf(stderr, "%s: the difference area of shadow copy %s is passed over: %s\n",
                                device->path, remain->id, remain->problem);
                if (!is_wanted(remain, filesystem))
                        continue;
                reason = judge(remain, device, known ? &state : NULL);
                if (!reason && copy_make(remain, device, &why) >= 0) {
                        boot_note(report, remain->id, "%s", "");
                        n++;
                        continue;
                }
                (void)snprintf(text, sizeof(text), "%s%s", reason ? "the volume " : "",
                               reason ? reason : why);
                boot_note(report, remain->id, "%s", text);
                if (boot_lose(remain, text) < 0)
                        fprintf(stderr, "%s: that shadow copy %s is lost cannot be written down\n",
                                device->path, remain->id);
                boot_stop("copy-lost");
        }
        return n;
}

static int volume_make(const Device *device, const char *name, const char *filesystem, bool origin) {
        char parameters[DEVICE_NUMBER_SIZE + 2], uuid[DEVMAP_UUID_SIZE];
        DevmapTarget target = { .length = device->sectors,
                                .type = origin ? "snapshot-origin" : "linear",
                                .parameters = parameters };

        device_number_text(device->number, parameters);
        if (!origin)
                (void)snprintf(parameters + strlen(parameters), 3, " 0");
        (void)snprintf(uuid, sizeof(uuid), VOLUME_UUID_PREFIX "%s", filesystem);
        return devmap_create(name, uuid, 0, &target, 1);
}

int boot_attach(const Device *device, const char *name, BootReport *report) {
        _cleanup_remains_ RemainList remains = { 0 };
        DeviceContent content;
        size_t n_copies;
        Volume volume;
        int r;

        *report = (BootReport){ 0 };
        r = device_content(device->path, &content);
        if (r < 0 || !content.uuid[0])
                return boot_fail(report, r < 0 ? r : -EMEDIUMTYPE,
                                 "%s: it has no file system with a UUID, or more than one. See wipefs(8).",
                                 device->path);
        r = volume_by_filesystem(content.uuid, &volume);
        if (r == 0 && volume.info.live && volume.table != VOLUME_FOREIGN)
                return 0;
        /* One without a table is what a kill in its making left. */
        if (r == 0)
                r = volume.info.live ? -EBUSY : boot_remove_device(volume.info.name);
        if (r < 0 && r != -ENOENT)
                return boot_fail(
                        report, r,
                        "/dev/mapper/%s: it has a table that is not ours, or cannot be made anew: %s",
                        volume.info.name, strerror(-r));
        r = probe(device, &content, report, &remains);
        boot_stop("probed");
        if (r >= 0)
                r = boot_remove_copies(device, report);
        if (r < 0)
                return r;
        n_copies = copies_make(&remains, device, content.uuid, report);
        boot_stop("copies-made");
        r = volume_make(device, name, content.uuid, n_copies > 0);
        if (r >= 0)
                return 0;
        (void)boot_fail(report, r, "%s cannot be attached as %s: %s", device->path, name,
                        r == -EBUSY    ? "it is in use. Unmount what is mounted from it."
                        : r == -EEXIST ? "there is a device of that name. Choose another one."
                                       : strerror(-r));
        {
                BootReport ignored;

                (void)boot_remove_copies(device, &ignored);
        }
        return r;
}
