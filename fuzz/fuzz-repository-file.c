/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzzing the readers of points, locks, keys and the config
 *
 * The first byte says which; what of a point was read can be written, and reads as the same.
 */

#include "fuzz/fuzz.h"
#include "repository/config.h"
#include "repository/keyfile.h"
#include "repository/lock.h"
#include "repository/snapshot.h"

static void read_point(const uint8_t *data, size_t size) {
        _cleanup_snapshot_ Snapshot point = {}, again = {};
        _cleanup_bytes_ Bytes text = {}, second = {};

        if (snapshot_decode(data, size, &point) < 0)
                return;
        fuzz_require(snapshot_encode(&point, &text) == 0);
        fuzz_require(snapshot_decode(text.data, text.size, &again) == 0);
        fuzz_require(snapshot_encode(&again, &second) == 0);
        /* A string that is cut at a zero byte, or no UTF-8, is another one after the first time. */
        fuzz_require(again.paths.n == point.paths.n && again.tags.n == point.tags.n);
}

static void read_lock(const uint8_t *data, size_t size) {
        _cleanup_(arena_clear) Arena arena = {};
        LockInfo info;

        if (lock_decode(data, size, &arena, &info) == 0)
                fuzz_require(info.hostname && info.username && info.machine);
}

static void read_key(const uint8_t *data, size_t size) {
        KeyFile file;

        if (keyfile_parse(data, size, &file) == 0)
                fuzz_require(file.data_size >= CRYPTO_OVERHEAD && file.data_size <= KEY_DATA_MAX);
}

static void read_config(const uint8_t *data, size_t size) {
        RepoConfig config, again;
        _cleanup_bytes_ Bytes text = {};

        if (config_parse(data, size, &config) < 0)
                return;
        fuzz_require(config_format(&config, &text) == 0);
        fuzz_require(config_parse(text.data, text.size, &again) == 0);
        fuzz_require(again.polynomial == config.polynomial && blob_id_equals(&again.id, &config.id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size < 1 || size > FUZZ_SIZE_MAX)
                return 0;
        switch (data[0]) {
        case 'p':
                read_point(data + 1, size - 1);
                break;
        case 'l':
                read_lock(data + 1, size - 1);
                break;
        case 'k':
                read_key(data + 1, size - 1);
                break;
        case 'c':
                read_config(data + 1, size - 1);
                break;
        }
        return 0;
}
