/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Is the copy good? The product's own checkers look at the files, and a server of our own loads them.
 */

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include "util/clock.h"
#include "writers/common/clone.h"
#include "writers/redis/engine.h"
#include "writers/redis/writer.h"

#define FIND_USEC (5 * USEC_PER_SEC)
#define STOP_USEC (10 * USEC_PER_SEC)

static int load(vss_writer_call *call, RedisWriter *writer, const Instance *instance, const char *dir,
                size_t index, char *why) {
        uint64_t deadline = event_deadline(call, UINT64_MAX / 2), began = now_usec();
        char scratch[REDIS_PATH_SIZE];
        EngineOrder order = {
                .facts = &instance->reply.facts,
                .conf = &instance->conf,
                .process = writer->product->process,
                .dir = dir,
                .scratch = scratch,
                .append_only = instance->reply.facts.append_only,
        };
        Engine engine;
        int r;

        (void)snprintf(scratch, sizeof(scratch), "%s/%zu", vss_writer_call_scratch(call), index);
        if (mkdir(scratch, 0700) < 0) {
                (void)snprintf(why, SERVER_WHY_SIZE, "%.200s: %s", scratch, strerror(errno));
                return -errno;
        }
        r = engine_start(&engine, &order, deadline, why);
        if (r < 0)
                return r;
        (void)vss_writer_call_add_note(call, instance->name, COMPONENT_NAME,
                                       "%s: the %s is sound and was loaded in %" PRIu64 " ms: %" PRId64
                                       " keys",
                                       instance->name, order.append_only ? "AOF" : "dump",
                                       (now_usec() - began) / 1000, engine_count_keys(&engine, deadline));
        engine_stop(&engine, now_usec() + STOP_USEC);
        return 0;
}

static int verify_one(vss_writer_call *call, RedisWriter *writer, const Instance *instance, size_t index,
                      char *why) {
        char dir[2 * REDIS_PATH_SIZE];
        int r;

        if (!clone_path(call, instance->reply.facts.dir, dir, sizeof(dir))) {
                (void)snprintf(why, SERVER_WHY_SIZE, "%.300s is not in the set", instance->reply.facts.dir);
                return -ENOENT;
        }
        r = check_files(writer->product, &instance->reply.facts, dir, event_deadline(call, UINT64_MAX / 2),
                        why);
        return r < 0 ? r : load(call, writer, instance, dir, index, why);
}

vss_result redis_verify(vss_writer_call *call) {
        RedisWriter *writer = vss_writer_call_userdata(call);
        bool selected = vss_writer_call_components_selected(call);
        InstanceList list = { 0 };
        vss_result result = VSS_S_OK;

        settings_deinit(&writer->settings);
        (void)instances_find(writer->product, &writer->settings, event_deadline(call, FIND_USEC), &list);
        for (size_t i = 0; i < list.n; i++) {
                const Instance *instance = &list.items[i];
                char why[SERVER_WHY_SIZE] = "";

                if (selected ? !vss_writer_call_find_component(call, instance->name, COMPONENT_NAME)
                             : !vss_writer_call_is_path_affected(call, instance->reply.facts.dir))
                        continue;
                if (verify_one(call, writer, instance, i, why) < 0)
                        result = vss_writer_call_fail_component(call, instance->name, COMPONENT_NAME,
                                                                VSS_E_WRITERERROR_NONRETRYABLE, "%s: %s",
                                                                instance->name, why);
        }
        instance_list_clear(&list);
        return result < 0 ? result : VSS_S_OK;
}
