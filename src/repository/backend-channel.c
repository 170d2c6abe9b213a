/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A repository that somebody else serves
 *
 * Many threads may ask at once. One of those that wait receives for all; when it has its own answer, it
 * leaves that to another.
 *
 * Packs are posted: save() returns when a pack has been sent, so that the next one can be made and sent
 * before the store at the other end has written this one, however far away it is. Nothing relies on that:
 * what names packs is sent only once all of them are durable, and not at all if one failed.
 */

#include <endian.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include "repository/backend-channel.h"
#include "repository/serve-wire.h"

typedef struct Slot Slot;
struct Slot {
        Slot *next;
        uint32_t tag;
        uint64_t saving; /* bytes of a file that is on its way */
        /* The answer, written by who receives. */
        Bytes *data;        /* NULL: it has none */
        uint64_t data_left; /* so much of it may come */
        bool done;
        int error;
        uint64_t number;
        Why why;
        bool posted; /* nobody waits for it, and it is freed when the answer is there */
        BlobId id;   /* of a pack that is posted */
};

typedef struct Channel {
        Backend backend;
        int fd;
        char *label;
        pthread_mutex_t send_mutex; /* a packet is sent as a whole; taken first */
        pthread_mutex_t mutex;      /* of what follows */
        pthread_cond_t moved;
        bool receiving; /* somebody does: slots must stay where they are */
        int broken;     /* a negative errno, once nothing goes any more */
        uint32_t next_tag;
        Slot *slots; /* without an answer */
        size_t n_slots;
        uint64_t saving;
        int failed; /* a posted pack */
        Why failure;
} Channel;

static int fail_file(const Channel *channel, StoreKind kind, const BlobId *id, int error, const Why *said,
                     const char *what, Why *why) {
        char path[STORE_PATH_SIZE];

        if (*said->text)
                return repo_fail(why, error, "%s", said->text);
        return repo_fail(why, error, "%s/%s: %s: %s.", channel->label, store_path(kind, id, path), what,
                         store_explain(error));
}

/* ---- sending ---- */

/* With the mutex. Whoever receives wakes up. */
static void break_up(Channel *channel, int error) {
        if (channel->broken == 0)
                channel->broken = error;
        (void)shutdown(channel->fd, SHUT_RDWR);
        (void)pthread_cond_broadcast(&channel->moved);
}

static int send_packet(Channel *channel, const Bytes *head, const void *data, size_t size) {
        int r;

        (void)pthread_mutex_lock(&channel->send_mutex);
        r = serve_send(channel->fd, head->data, head->size);
        if (r == 0 && size > 0)
                r = serve_send(channel->fd, data, size);
        (void)pthread_mutex_unlock(&channel->send_mutex);
        if (r < 0) {
                (void)pthread_mutex_lock(&channel->mutex);
                break_up(channel, r);
                r = channel->broken;
                (void)pthread_mutex_unlock(&channel->mutex);
        }
        return r;
}

static int send_pieces(Channel *channel, uint32_t tag, const uint8_t *data, size_t size) {
        _cleanup_bytes_ Bytes head = {};
        int r = 0;

        while (r == 0 && size > 0) {
                size_t now = MIN(size, (size_t)SERVE_PIECE_MAX);

                head.size = 0;
                r = serve_put_head(&head, SERVE_PIECE, tag, now);
                if (r == 0)
                        r = send_packet(channel, &head, data, now);
                data += now;
                size -= now;
        }
        return r;
}

/* ---- receiving ---- */

/* It stays there while somebody receives. */
static Slot *find_slot(Channel *channel, uint32_t tag) {
        Slot *slot;

        (void)pthread_mutex_lock(&channel->mutex);
        slot = channel->slots;
        while (slot && slot->tag != tag)
                slot = slot->next;
        (void)pthread_mutex_unlock(&channel->mutex);
        return slot;
}

/* With the mutex. */
static void end_slot(Channel *channel, Slot *slot) {
        Slot **at = &channel->slots;

        while (*at && *at != slot)
                at = &(*at)->next;
        if (!*at)
                return;
        *at = slot->next;
        channel->n_slots--;
        channel->saving -= slot->saving;
        if (!slot->posted)
                return;
        if (slot->error < 0 && channel->failed == 0) {
                channel->failed = slot->error;
                channel->failure = slot->why;
        }
        free(slot);
}

static int take_data(Channel *channel, Slot *slot, size_t size) {
        int r;

        if (!slot->data || size == 0 || size > slot->data_left)
                return -EBADMSG;
        r = bytes_reserve(slot->data, size);
        if (r == 0)
                r = serve_receive(channel->fd, slot->data->data + slot->data->size, size);
        if (r < 0)
                return r;
        slot->data->size += size;
        slot->data_left -= size;
        return 0;
}

static int take_end(Channel *channel, Slot *slot, const ServeHead *head) {
        uint8_t body[WHY_SIZE];
        uint64_t number = 0;
        int r, error = 0;
        Why why = {};

        if (head->size > sizeof(body))
                return -EBADMSG;
        r = serve_receive(channel->fd, body, head->size);
        if (r == 0 && head->type == SERVE_FAILED) {
                r = serve_take_failed(body, head->size, &error, &why);
        } else if (r == 0) {
                if (head->type != SERVE_DONE || head->size != sizeof(number))
                        return -EBADMSG;
                memcpy(&number, body, sizeof(number));
                number = be64toh(number);
        }
        if (r < 0)
                return r;
        (void)pthread_mutex_lock(&channel->mutex);
        slot->error = error;
        slot->why = why;
        slot->number = number;
        slot->done = true;
        end_slot(channel, slot);
        (void)pthread_mutex_unlock(&channel->mutex);
        return 0;
}

static int receive_packet(Channel *channel) {
        uint8_t bytes[SERVE_HEAD];
        ServeHead head;
        Slot *slot;
        int r = serve_receive(channel->fd, bytes, sizeof(bytes));

        if (r == 0)
                r = serve_take_head(bytes, &head);
        if (r < 0)
                return r;
        if (head.type == SERVE_WORKING)
                return head.size == 0 ? 0 : -EBADMSG;
        slot = find_slot(channel, head.tag);
        if (!slot)
                return -EBADMSG;
        return head.type == SERVE_DATA ? take_data(channel, slot, head.size)
                                       : take_end(channel, slot, &head);
}

/* With the mutex: something may have changed afterwards. Return: 0, or the failure of the connection, when
 * nobody receives any more. */
static int wait_moved(Channel *channel) {
        int r;

        if (channel->receiving) {
                (void)pthread_cond_wait(&channel->moved, &channel->mutex);
                return 0;
        }
        if (channel->broken < 0)
                return channel->broken;
        channel->receiving = true;
        (void)pthread_mutex_unlock(&channel->mutex);
        r = receive_packet(channel);
        (void)pthread_mutex_lock(&channel->mutex);
        channel->receiving = false;
        if (r < 0)
                break_up(channel, r);
        (void)pthread_cond_broadcast(&channel->moved);
        return 0;
}

/* ---- requests ---- */

/* With the mutex: one more keeps to the limits of the other end. */
static int begin(Channel *channel, Slot *slot) {
        int r = 0;

        while (r == 0 &&
               (channel->n_slots >= SERVE_REQUESTS_MAX ||
                (slot->saving > 0 && channel->saving > 0 && channel->saving + slot->saving > SERVE_WINDOW)))
                r = wait_moved(channel);
        r = r ?: channel->broken;
        if (r < 0)
                return r;
        slot->tag = channel->next_tag++;
        slot->next = channel->slots;
        channel->slots = slot;
        channel->n_slots++;
        channel->saving += slot->saving;
        return 0;
}

static int begin_locked(Channel *channel, Slot *slot) {
        int r;

        (void)pthread_mutex_lock(&channel->mutex);
        r = begin(channel, slot);
        (void)pthread_mutex_unlock(&channel->mutex);
        return r;
}

static int send_request(Channel *channel, const Slot *slot, uint8_t type, const ServeRequest *request,
                        const void *data) {
        _cleanup_bytes_ Bytes packet = {};
        /* The answer may be there before this returns: of the slot only what does not change. */
        uint32_t tag = slot->tag;
        int r = serve_put_request(&packet, type, tag, request);

        if (r == 0)
                r = send_packet(channel, &packet, NULL, 0);
        if (r == 0 && type == SERVE_SAVE)
                r = send_pieces(channel, tag, data, request->length);
        return r;
}

/* The answer, or the failure of the connection: the slot is nobody's any more. */
static int await(Channel *channel, Slot *slot) {
        int r = 0;

        (void)pthread_mutex_lock(&channel->mutex);
        while (r == 0 && !slot->done)
                r = wait_moved(channel);
        if (!slot->done)
                end_slot(channel, slot);
        (void)pthread_mutex_unlock(&channel->mutex);
        return slot->done ? slot->error : r;
}

static int ask(Channel *channel, Slot *slot, uint8_t type, const ServeRequest *request, const void *data) {
        int r = begin_locked(channel, slot), awaited;

        if (r < 0)
                return r;
        r = send_request(channel, slot, type, request, data);
        awaited = await(channel, slot);
        return slot->done ? awaited : r ?: awaited;
}

static ServeRequest request_of(StoreKind kind, const BlobId *id) {
        return (ServeRequest){ .kind = kind, .id = id ? *id : (BlobId){} };
}

static bool is_posted(const Channel *channel, const BlobId *id) {
        for (const Slot *slot = channel->slots; slot; slot = slot->next)
                if (slot->posted && (!id || blob_id_equals(&slot->id, id)))
                        return true;
        return false;
}

/* Until what was posted is durable: that pack; all with NULL. Return: 0, with NULL also the failure of any.
 */
static int settle(Channel *channel, const BlobId *id, Why *ret_why) {
        int r = 0;

        (void)pthread_mutex_lock(&channel->mutex);
        while (r == 0 && is_posted(channel, id))
                r = wait_moved(channel);
        if (r == 0 && !id && channel->failed < 0) {
                r = channel->failed;
                *ret_why = channel->failure;
        }
        (void)pthread_mutex_unlock(&channel->mutex);
        return r;
}

/* ---- the calls of a store ---- */

static int post(Channel *channel, const BlobId *id, const ServeRequest *request, const void *data,
                Why *ret_why) {
        _cleanup_(freep) Slot *slot = calloc(1, sizeof(*slot));
        Slot copy;
        int r;

        if (!slot)
                return -ENOMEM;
        slot->saving = request->length;
        slot->posted = true;
        slot->id = *id;
        (void)pthread_mutex_lock(&channel->mutex);
        r = channel->failed; /* nothing that names it would be written */
        if (r < 0)
                *ret_why = channel->failure;
        else
                r = begin(channel, slot);
        (void)pthread_mutex_unlock(&channel->mutex);
        if (r < 0)
                return r;
        copy = *slot;
        TAKE_PTR(slot); /* it is the receiver's */
        return send_request(channel, &copy, SERVE_SAVE, request, data);
}

static int channel_save(Backend *backend, StoreKind kind, const BlobId *id, const void *data, size_t size,
                        Why *why) {
        Channel *channel = (Channel *)backend;
        ServeRequest request = request_of(kind, id);
        Slot slot = { .saving = size };
        int r = size > SERVE_SAVE_MAX ? -EFBIG : 0;

        request.length = size;
        if (r == 0 && (kind == STORE_INDEX || kind == STORE_SNAPSHOT))
                r = settle(channel, NULL, &slot.why);
        else if (r == 0 && kind == STORE_PACK)
                r = settle(channel, id, &slot.why);
        if (r == 0)
                r = kind == STORE_PACK && size > 0 ? post(channel, id, &request, data, &slot.why)
                                                   : ask(channel, &slot, SERVE_SAVE, &request, data);
        return r < 0 ? fail_file(channel, kind, id, r, &slot.why, "cannot be written", why) : 0;
}

static int channel_load(Backend *backend, StoreKind kind, const BlobId *id, uint64_t offset, size_t length,
                        Bytes *data, Why *why) {
        Channel *channel = (Channel *)backend;
        ServeRequest request = request_of(kind, id);
        Slot slot = { .data = data, .data_left = length > 0 ? length : STORE_FILE_MAX };
        size_t before = data->size;
        int r = bytes_reserve(data, length);

        request.offset = offset;
        request.length = length;
        if (r == 0 && kind == STORE_PACK)
                r = settle(channel, id, &slot.why);
        if (r == 0)
                r = ask(channel, &slot, SERVE_LOAD, &request, NULL);
        if (r == 0 && length > 0 && slot.data_left > 0)
                r = -EBADMSG;
        if (r == 0)
                return 0;
        data->size = before;
        return fail_file(channel, kind, id, r, &slot.why, "cannot be read", why);
}

static int channel_size(Backend *backend, StoreKind kind, const BlobId *id, uint64_t *ret_size, Why *why) {
        Channel *channel = (Channel *)backend;
        ServeRequest request = request_of(kind, id);
        Slot slot = {};
        int r = kind == STORE_PACK ? settle(channel, id, &slot.why) : 0;

        if (r == 0)
                r = ask(channel, &slot, SERVE_SIZE, &request, NULL);
        if (r < 0)
                return fail_file(channel, kind, id, r, &slot.why, "cannot be looked at", why);
        *ret_size = slot.number;
        return 0;
}

/* What was listed is kept until all is there: a handler may ask for more. */
static int channel_list(Backend *backend, StoreKind kind, StoreHandler handler, void *userdata, Why *why) {
        Channel *channel = (Channel *)backend;
        ServeRequest request = request_of(kind, NULL);
        _cleanup_bytes_ Bytes list = {};
        Slot slot = { .data = &list, .data_left = (uint64_t)SERVE_ENTRIES_MAX * SERVE_ENTRY };
        int r = kind == STORE_PACK ? settle(channel, NULL, &slot.why) : 0;

        if (r == 0)
                r = ask(channel, &slot, SERVE_LIST, &request, NULL);
        if (r == 0 && list.size % SERVE_ENTRY != 0)
                r = -EBADMSG;
        if (r < 0)
                return *slot.why.text ? repo_fail(why, r, "%s", slot.why.text)
                                      : repo_fail(why, r, "%s/%s: cannot be listed: %s.", channel->label,
                                                  store_kind_directory(kind), store_explain(r));
        for (size_t at = 0; r == 0 && at < list.size; at += SERVE_ENTRY) {
                uint64_t size;
                BlobId id;

                memcpy(id.bytes, list.data + at, BLOB_ID_SIZE);
                memcpy(&size, list.data + at + BLOB_ID_SIZE, sizeof(size));
                r = handler(userdata, &id, be64toh(size));
        }
        return r;
}

static int channel_remove(Backend *backend, StoreKind kind, const BlobId *id, Why *why) {
        Channel *channel = (Channel *)backend;
        ServeRequest request = request_of(kind, id);
        Slot slot = {};
        int r = ask(channel, &slot, SERVE_REMOVE, &request, NULL);

        return r < 0 ? fail_file(channel, kind, id, r, &slot.why, "cannot be deleted", why) : 0;
}

static int channel_sweep(Backend *backend, StoreKind kind, size_t *count, Why *why) {
        Channel *channel = (Channel *)backend;
        ServeRequest request = request_of(kind, NULL);
        Slot slot = {};
        int r = settle(channel, NULL, &slot.why);

        if (r == 0)
                r = ask(channel, &slot, SERVE_SWEEP, &request, NULL);
        if (r < 0)
                return *slot.why.text ? repo_fail(why, r, "%s", slot.why.text)
                                      : repo_fail(why, r, "%s/%s: cannot be tidied up: %s.", channel->label,
                                                  store_kind_directory(kind), store_explain(r));
        *count += slot.number;
        return 0;
}

static int channel_create(Backend *backend, Why *why) {
        Channel *channel = (Channel *)backend;
        ServeRequest request = {};
        Slot slot = {};
        int r = ask(channel, &slot, SERVE_CREATE, &request, NULL);

        if (r == 0)
                return 0;
        return *slot.why.text ? repo_fail(why, r, "%s", slot.why.text)
                              : repo_fail(why, r, "%s: cannot be made a repository: %s.", channel->label,
                                          store_explain(r));
}

static void channel_free(Backend *backend) {
        Channel *channel = (Channel *)backend;
        Why ignored;

        /* The next one on this socket is not sent answers to questions of this. */
        (void)settle(channel, NULL, &ignored);
        while (channel->slots) {
                Slot *slot = channel->slots;

                channel->slots = slot->next;
                free(slot);
        }
        (void)pthread_mutex_destroy(&channel->send_mutex);
        (void)pthread_mutex_destroy(&channel->mutex);
        (void)pthread_cond_destroy(&channel->moved);
        free(channel->label);
        free(channel);
}

static const BackendOps channel_ops = {
        .create = channel_create,
        .save = channel_save,
        .load = channel_load,
        .size = channel_size,
        .list = channel_list,
        .remove = channel_remove,
        .sweep = channel_sweep,
        .free = channel_free,
};

static int greet(Channel *channel, Why *why) {
        ServeRequest request = { .offset = (uint64_t)SERVE_MAGIC << 32 | SERVE_VERSION };
        Slot slot = {};
        int r = ask(channel, &slot, SERVE_HELLO, &request, NULL);

        /* A list of all packs is one answer. */
        channel->backend.near = slot.number & SERVE_NEAR;
        if (r == 0 && (slot.number & ~SERVE_NEAR) != SERVE_VERSION)
                return repo_fail(why, -EPROTONOSUPPORT,
                                 "%s: the other machine has another version of this program, which serves "
                                 "repositories in another way.",
                                 channel->label);
        return r < 0 ? repo_fail(why, r, "%s: cannot be reached: %s.", channel->label, store_explain(r)) : 0;
}

int backend_channel_open(int fd, const char *label, Why *why, Backend **ret_backend) {
        _cleanup_(backend_freep) Backend *backend = NULL;
        Channel *channel = calloc(1, sizeof(*channel));
        int r;

        if (!channel)
                return -ENOMEM;
        channel->backend.ops = &channel_ops;
        channel->fd = fd;
        (void)pthread_mutex_init(&channel->send_mutex, NULL);
        (void)pthread_mutex_init(&channel->mutex, NULL);
        (void)pthread_cond_init(&channel->moved, NULL);
        backend = &channel->backend;
        channel->label = strdup(label);
        r = channel->label ? greet(channel, why) : -ENOMEM;
        if (r < 0)
                return r;
        *ret_backend = TAKE_PTR(backend);
        return 0;
}
