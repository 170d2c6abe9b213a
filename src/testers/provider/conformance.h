/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * vss-test-provider: what its parts share
 *
 * It stands where the service stands: it has its name on the bus, calls the provider as the service does,
 * and holds with the same vss-hold. So a provider is tried as it is installed, with nothing between.
 */

#include <limits.h>
#include <linuxvss/provider.h>
#include <systemd/sd-bus.h>
#include "bus/marshal.h"
#include "util/value.h"

enum { TEST_VOLUMES_MAX = 4, TEST_CHECKS_MAX = 32 };

typedef struct TestVolume {
        char path[PATH_MAX];      /* the root of the volume */
        char directory[PATH_MAX]; /* on it, for what is written; made by us */
        int fd;                   /* the root, opened */
        int directory_fd;
        vss_value *facts; /* as the service tells them to providers */
} TestVolume;

typedef struct Test {
        sd_bus *bus;
        char name[64], bus_name[128];
        uint64_t limit_usec; /* of a call */
        vss_value *info;     /* GetInfo */
        TestVolume volumes[TEST_VOLUMES_MAX];
        size_t n_volumes;

        const char *check; /* that runs */
        unsigned n, passed, failed, skipped;
        vss_value *points; /* list of {check, result, text, detail} */
        bool json;

        unsigned sample, seed; /* of the steps at which sets end, only so many, by chance; 0: all */

        char message[1024]; /* what the last call that failed said */
        uint64_t took_usec; /* by the last call */
        uint64_t sequence;
} Test;

/* report.c: one line for each point. Return: @ok. */
bool point(Test *test, bool ok, const char *format, ...) _printf_(3, 4);
void point_skipped(Test *test, const char *reason, const char *format, ...) _printf_(3, 4);
/* What a point that failed is to be understood by. */
void point_detail(Test *test, const char *format, ...) _printf_(2, 3);
/* A call is to answer @want; VSS_S_FALSE is as good as VSS_S_OK. */
bool point_result(Test *test, vss_result got, vss_result want, const char *format, ...) _printf_(4, 5);
int report_end(Test *test);

/* provider.c: calls. Return: what the provider answered; one that is late is killed. */
int provider_connect(Test *test);
sd_bus_message *provider_message(Test *test, const char *member);
vss_result provider_send(Test *test, sd_bus_message *m, sd_bus_message **ret_reply);
vss_result provider_call(Test *test, const char *member, const char *types, ...);
vss_result provider_get_info(Test *test, vss_value **ret_info);
vss_result provider_is_supported(Test *test, const TestVolume *volume, vss_value **ret_support);
vss_result provider_query(Test *test, vss_value **ret_list);
vss_result provider_open(Test *test, const char *id, bool writable, int *ret_fd);
vss_result provider_dict(Test *test, const char *member, vss_value **ret_dict);
vss_result provider_dicts(Test *test, const char *member, vss_value **ret_list);
bool provider_can(const Test *test, const char *capability);
bool provider_has_flag(const Test *test, uint64_t flag);
/* Of its process; 0 if it does not run. */
pid_t provider_pid(Test *test);
/* SIGKILL, and wait until it has left the bus. Return: false if it does not. */
bool provider_kill(Test *test);
/* The identity of a copy in a list; NULL if it is not there. */
const vss_value *provider_find(const vss_value *list, const char *id);

/* volume.c */
int volume_open(Test *test, const char *path, TestVolume *volume);
void volume_done(TestVolume *volume);
/* Random contents for @name. Return: 0 or a negative errno. */
int volume_write(const TestVolume *volume, const char *name, const void *data, size_t size);

/* traces.c: all that copies could leave behind, as text; the caller frees it. */
char *traces_list(Test *test);
/* A point: they are as they were in @before, after a moment. What is not is told. */
bool traces_point(Test *test, const char *before, const char *format, ...) _printf_(3, 4);

/* load.c: a program that writes a number, greater each time, to each volume in turn, and waits for it to be
 * stored */
typedef struct Load Load;
#define LOAD_FILE "number"
int load_start(Test *test, size_t n_volumes, Load **ret_load);
Load *load_stop(Load *load);
/* While writers are frozen. */
int load_pause(Load *load);
void load_resume(Load *load);
/* The last number that is surely stored on a volume, and the first that surely was not begun. */
uint64_t load_stored(const Load *load, size_t volume);
uint64_t load_not_begun(const Load *load);

/* hold.c: vss-hold, as the service uses it */
typedef struct Hold Hold;
int hold_new(Hold **ret_hold);
int hold_add(Hold *hold, enum vss_hold kind, int fd, uint64_t device, const char *label);
int hold_operation(Hold *hold, uint32_t target, const vss_value *operation);
int hold_arm(Hold *hold);
int hold_freeze(Hold *hold);
/* @cut: devices are cut first. Return: 0, or the errno of what failed. */
int hold_release(Hold *hold, bool cut);
/* Why it let go, for people. */
const char *hold_cause(const Hold *hold);
Hold *hold_free(Hold *hold);

/* set.c: a set, step by step */
typedef enum Step {
        STEP_NONE,
        STEP_BEGIN,
        STEP_END_PREPARE,
        STEP_PRE_COMMIT,
        STEP_COMMIT, /* with the cut of devices behind it */
        STEP_POST_COMMIT,
        STEP_PRE_FINAL,
        STEP_POST_FINAL,
        _STEP_N,
} Step;

typedef struct TestCopy {
        char id[VSS_ID_SIZE];
        const TestVolume *volume;
        enum vss_hold hold;
        char below[PATH_MAX]; /* of the test's directory inside the copy */
        vss_value *properties;
} TestCopy;

typedef struct TestSet {
        Test *test;
        char id[VSS_ID_SIZE];
        Step step;
        size_t n_copies;
        TestCopy copies[TEST_VOLUMES_MAX];
        vss_value *prepared, *results; /* of EndPrepare and PostFinal */
        Load *load;                    /* paused where writers are the hold; may be NULL */
        Hold *hold;
        bool no_cut; /* the hold ends without the cut */
        uint32_t context;
} TestSet;

/* Ids and properties; nothing is called. Volumes from @first on. */
bool set_init(Test *test, size_t first, size_t n_volumes, TestSet *ret_set);
void set_done(TestSet *set);
/* The steps up to @step, each as a point where it fails. Return: whether it has come there. */
bool set_advance(TestSet *set, Step step);
const char *step_name(Step step);
/* One step, with what the hold does around it. */
vss_result set_call(TestSet *set, Step step);
vss_result set_abort(Test *test, const char *id);
vss_result set_delete(Test *test, const char *id);
/* A file of the test's directory in a copy. */
int copy_open_file(const TestCopy *copy, int mount_fd, const char *name, int flags);
/* Does it have this content? @what is told. */
bool copy_has(TestSet *set, size_t index, const char *name, const void *data, size_t size, const char *what);

/* One of @*n_left is to be tried, or not, so that in all Test.sample of them are. */
bool sample_take(Test *test, unsigned *n_left, unsigned *n_wanted);

/* checks-*.c */
typedef struct TestCheck {
        const char *name, *text;
        void (*run)(Test *test);
        size_t n_volumes;
} TestCheck;

void check_get_info(Test *test);
void check_volumes(Test *test);
void check_order(Test *test);
void check_unknown(Test *test);
void check_optional(Test *test);
void check_storage(Test *test);
void check_set(Test *test);
void check_load(Test *test);
void check_across(Test *test);
void check_writable(Test *test);
void check_delete(Test *test);
void check_identity(Test *test);
void check_abort(Test *test);
void check_abandon(Test *test);
void check_kill(Test *test);
void check_limit(Test *test);
