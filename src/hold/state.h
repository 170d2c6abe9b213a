/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the acting process and the watcher share
 *
 * One anonymous shared mapping, made before the fork, is all the two processes know of each other: the
 * targets, how far each has come, who decided to release and why, and a heartbeat of each. Everything that
 * changes after the fork is atomic; nothing in here is freed.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hold/protocol.h"
#include "hold/record.h"
#include "util/clock.h"
#include "util/macro.h"

/* Each process shows that it runs once a tick; this many ticks without it and the other one takes it for
 * stopped. */
#define HOLD_TICK_USEC (50 * USEC_PER_MSEC)
#define HOLD_MISSED_MAX 8u
/* Nobody may hold for longer, whatever the service says. */
#define HOLD_LIMIT_MAX_USEC (600 * USEC_PER_SEC)

/* How long the watcher waits behind the limit before it takes the acting process for late. */
#define HOLD_LATE_USEC (200 * USEC_PER_MSEC)
/* How often a release is repeated while what is released may still be stopped again. */
#define HOLD_RETRY_USEC (2 * USEC_PER_MSEC)
/* How long RELEASED waits for a freeze that has not returned yet. */
#define HOLD_REPORT_USEC (500 * USEC_PER_MSEC)
/* Stack of a thread, beside what the C library needs; a thread only makes system calls. */
#define HOLD_STACK_SIZE (32u * 1024)

typedef enum TargetState {
        TARGET_IDLE = 0,
        TARGET_FREEZING,  /* the call that stops it has begun and may still succeed */
        TARGET_FROZEN,    /* ours to release */
        TARGET_RELEASING, /* the call that releases it has begun */
        TARGET_THAWED,
        TARGET_ERROR,    /* could not be stopped, or not be released */
        TARGET_NOT_OURS, /* somebody else had stopped it: never released by us */
} TargetState;

typedef enum TargetOrder { ORDER_NONE = 0, ORDER_FREEZE, ORDER_RELEASE } TargetOrder;

typedef struct HoldOperation {
        uint32_t kind; /* HoldOperationKind */
        uint64_t device;
        char message[HOLD_MESSAGE_SIZE];
} HoldOperation;

typedef struct HoldTarget {
        /* Fixed before the fork. */
        uint32_t kind; /* enum vss_hold */
        uint32_t rank;
        uint64_t device;  /* of the superblock, as mountinfo shows it; what is suspended */
        uint32_t same_as; /* index of the first target with this superblock; its own if there is none */
        int fd;           /* a directory of the file system, the control group's directory, or the door to
                             device-mapper */
        int freeze_fd;    /* cgroup.freeze */
        int events_fd;    /* cgroup.events */
        bool guarded;     /* suspended by a command, not by us */
        bool swap;        /* suspended for another table alone: without freezing, waiting for no other */
        int preset_error; /* errno found while arming; then it is never touched */
        char label[HOLD_LABEL_SIZE]; /* a device: its name */
        uint32_t n_operations;       /* a device's, while it is suspended */
        HoldOperation operations[HOLD_OPERATIONS_MAX];

        _Atomic uint32_t order; /* a futex of the acting process' thread */
        _Atomic uint32_t state;
        _Atomic uint32_t settled; /* nothing of ours stands here any more, or it cannot be helped */
        _Atomic int32_t freeze_error;
        _Atomic int32_t release_error;
        _Atomic int32_t cut_error;
        _Atomic uint32_t n_done; /* operations */
        _Atomic uint32_t cut;    /* all of them, and it was resumed behind them */
        _Atomic uint64_t began_usec;
        _Atomic uint64_t frozen_usec;
        _Atomic uint64_t released_usec;
        _Atomic uint64_t suspended_usec; /* a guard's: how long, all in all, as it was seen */
} HoldTarget;

typedef enum HoldPhase {
        PHASE_ARMING = 0,
        PHASE_ARMED,
        PHASE_FREEZING,
        PHASE_HELD,
        PHASE_CUTTING,
        PHASE_RELEASING,
        PHASE_MAX,
} HoldPhase;

/* The barrier of the devices: the last one that stands lets all of them go on. */
typedef enum CutState { CUT_NONE = 0, CUT_GO, CUT_VOID } CutState;

/* No release has been decided yet. */
#define HOLD_UNDECIDED UINT32_MAX

typedef struct HoldShared {
        uint32_t n_targets;
        uint64_t limit_usec;

        _Atomic int32_t arm_error; /* errno: arming failed as a whole */
        _Atomic uint32_t unprotected;
        _Atomic uint32_t watcher_ready; /* futexes */
        _Atomic uint32_t takeover;
        _Atomic uint32_t watcher_bye;

        _Atomic uint32_t cut; /* CutState; a futex */

        _Atomic uint32_t phase;
        _Atomic uint32_t cause;
        _Atomic uint32_t actor_gone;
        _Atomic uint32_t reported; /* RELEASED was sent */
        _Atomic uint32_t done;     /* the acting process ended its work in order */
        _Atomic uint64_t actor_beat;
        _Atomic uint64_t watcher_beat;
        _Atomic uint64_t began_usec;
        _Atomic uint64_t deadline_usec;
        _Atomic uint64_t minor_faults; /* of the acting process, during the cut */
        _Atomic uint64_t major_faults;

        HoldTarget targets[HOLD_TARGETS_MAX];
} HoldShared;

/* What each process has of its own: the shared mapping and descriptors, all opened before the fork. */
typedef struct Hold {
        HoldShared *shared;
        int socket;
        int run_dir;    /* of /run/linuxvss */
        int actor_bell; /* eventfds: something changed, look */
        int watcher_bell;
        int actor_stat; /* /proc/PID/stat of each; -1: only the heartbeat tells */
        int watcher_stat;
        char record_name[RECORD_NAME_SIZE];
        bool recorded;  /* it stands */
        bool swap;      /* of every target */
        bool groups;    /* it takes nothing but control groups */
        pid_t first;    /* the process that became the watcher */
        pid_t command;  /* of a guard; 0: there is none */
        int command_fd; /* its pidfd */
        int command_go; /* a byte lets it begin */
} Hold;

/* Is the other process running? Counted in own ticks, so that a machine that slept as a whole alarms nobody.
 */
typedef struct Pulse {
        uint64_t seen;
        uint64_t next_usec;
        unsigned missed;
} Pulse;

int shared_new(HoldShared **ret_shared);
/* Writes to every page, in the process that calls: a page that was only read may still fault when written.
 */
void shared_touch(HoldShared *shared);
bool pulse_late(Pulse *pulse, uint64_t beat, uint64_t now);
/* Has the main thread ended, or was it stopped? @stat: /proc/PID/stat, open. */
bool process_stands(int stat);
/* A guard's command, with whatever it started. */
bool command_runs(const Hold *hold);
void command_kill(const Hold *hold);
/* Waits until *@word is no longer @value; @timeout_usec 0: forever. */
void word_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_usec);
void word_set(_Atomic uint32_t *word, uint32_t value);
/* Only if it is @from. Return: was it? */
bool word_change(_Atomic uint32_t *word, uint32_t from, uint32_t to);
void bell_ring(int bell);
void bell_quiet(int bell);
/* The first cause stays. Return: was it this one? */
bool hold_decide(HoldShared *shared, HoldCause cause);
/*
 * Ranks are stopped one behind the other: the devices, or everything else.
 * hold_rank_start() orders the lowest rank not below @from. Return: false if there is none.
 */
bool hold_rank_start(HoldShared *shared, bool devices, uint32_t from, uint32_t *ret_rank);
bool hold_rank_stands(const HoldShared *shared, bool devices, uint32_t rank);
bool hold_devices_settled(const HoldShared *shared);
bool hold_settled(const HoldShared *shared);
/* Once settled: was every target released? If not, the hold file stays for whoever tries again. */
bool hold_released(const HoldShared *shared);
/* Sends @answer; nothing waits, and a service that is gone is no error. */
void hold_answer(const Hold *hold, HoldAnswer answer, HoldCause cause);
/* One thread per target that is not another one's alias, with a small stack. Return: 0 or -errno. */
int hold_threads(HoldShared *shared, void *(*run)(void *), const Hold *hold);

/* What a thread gets. */
typedef struct Worker {
        const Hold *hold;
        HoldTarget *target;
} Worker;
