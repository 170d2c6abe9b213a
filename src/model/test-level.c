/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the rule for levels: whole sets, with what is to be said of each volume and component
 */

#include "model/level.h"
#include "util/macro.h"
#include "util/test.h"

#define NONE VSS_LEVEL_NONE
#define VOLUME VSS_LEVEL_VOLUME
#define GROUP VSS_LEVEL_GROUP
#define APP VSS_LEVEL_APPLICATION

#define MEMBERS_MAX 4u

/* What is expected of a volume or component: a level, and words that its reason must have ("" for none at
 * all). */
typedef struct Want {
        enum vss_level level;
        const char *words[3];
} Want;

typedef struct Case {
        const char *label;
        enum vss_level level;
        LevelVolume volumes[MEMBERS_MAX];
        Want want_volumes[MEMBERS_MAX];
        LevelComponent components[MEMBERS_MAX];
        Want want_components[MEMBERS_MAX];
} Case;

/* clang-format off */
#define ON(...) \
        .volumes = (const size_t[]){ __VA_ARGS__ }, .n_volumes = ELEMENTS(((const size_t[]){ __VA_ARGS__ }))
#define HELD(n) { .name = n, .hold = VSS_HOLD_FILESYSTEM, .held = true }
#define BROKEN(n, why) { .name = n, .hold = VSS_HOLD_FILESYSTEM, .hold_broken = why }
#define BTRFS(n, i) { .name = n, .hold = VSS_HOLD_WRITERS, .instant = i }
#define FILES(n, ...) { .name = n, .hold = VSS_HOLD_WRITERS, .scope = VSS_ATOMIC_FILE, __VA_ARGS__ }
#define NO_COPY(n) { .name = n, .hold = VSS_HOLD_NONE, .no_copy = true }
#define FROZEN .writer = "SQLite", .writer_frozen = true
#define DIED .writer = "SQLite", .writer_failure = "it died while frozen"
#define NOBODY { { 0 } }, { { 0 } } /* no components */
#define BEST(l) { l, { "" } }
/* clang-format on */

static const Case cases[] = {
        { "nothing at all", NONE, { { 0 } }, { { 0 } }, NOBODY },
        { "one held volume", GROUP, { HELD("/a") }, { BEST(GROUP) }, NOBODY },
        { "one btrfs volume", GROUP, { BTRFS("/b", 0) }, { BEST(GROUP) }, NOBODY },
        { "one volume whose cut is complete", GROUP, { { .name = "/n" } }, { BEST(GROUP) }, NOBODY },
        { "one volume whose hold broke",
          VOLUME,
          { BROKEN("/a", "somebody thawed it") },
          { { VOLUME, { "/a", "somebody thawed it" } } },
          NOBODY },
        { "one volume whose hold was not reported",
          VOLUME,
          { BROKEN("/a", NULL) },
          { { VOLUME, { "/a", "not reported" } } },
          NOBODY },
        { "one volume without a copy",
          NONE,
          { NO_COPY("/z") },
          { { NONE, { "/z", "copies nothing" } } },
          NOBODY },
        { "two held together",
          GROUP,
          { HELD("/a"), { .name = "/d", .hold = VSS_HOLD_DEVICE, .held = true } },
          { BEST(GROUP), BEST(GROUP) },
          NOBODY },
        { "two btrfs subvolumes with proof",
          GROUP,
          { BTRFS("/b", 7), BTRFS("/c", 7) },
          { BEST(GROUP), BEST(GROUP) },
          NOBODY },
        { "two btrfs subvolumes without proof are torn",
          VOLUME,
          { BTRFS("/b", 0), BTRFS("/c", 0) },
          { { VOLUME, { "/b", "nothing proves" } }, { VOLUME, { "/c", "nothing proves" } } },
          NOBODY },
        { "two btrfs subvolumes cut at different instants are torn",
          VOLUME,
          { BTRFS("/b", 1), BTRFS("/c", 2) },
          { { VOLUME, { "/b", "no other volume" } }, { VOLUME, { "/c", "no other volume" } } },
          NOBODY },
        { "one of three holds broke",
          VOLUME,
          { HELD("/a"), BROKEN("/x", "the device was found running"), HELD("/c") },
          { BEST(GROUP), { VOLUME, { "/x", "the device was found running" } }, BEST(GROUP) },
          NOBODY },
        { "one of two holds broke: nobody is left to share the instant",
          VOLUME,
          { HELD("/a"), BROKEN("/x", "it was thawed") },
          { { VOLUME, { "/a", "no other volume" } }, { VOLUME, { "/x", "it was thawed" } } },
          NOBODY },
        { "a held flag on a volume that needs no hold proves nothing",
          VOLUME,
          { HELD("/a"), { .name = "/w", .hold = VSS_HOLD_WRITERS, .held = true } },
          { { VOLUME, { "/a" } }, { VOLUME, { "/w", "nothing proves" } } },
          NOBODY },
        { "held and btrfs groups, as large: the first counts",
          VOLUME,
          { BTRFS("/b", 3), HELD("/a"), BTRFS("/c", 3), HELD("/d") },
          { BEST(GROUP),
            { VOLUME, { "/a", "another instant", "/b" } },
            BEST(GROUP),
            { VOLUME, { "/d", "another instant", "/b" } } },
          NOBODY },
        { "held and btrfs groups: the larger counts",
          VOLUME,
          { HELD("/a"), BTRFS("/b", 3), BTRFS("/c", 3), BTRFS("/e", 3) },
          { { VOLUME, { "/a", "no other volume" } }, BEST(GROUP), BEST(GROUP), BEST(GROUP) },
          NOBODY },
        { "a provider's proof joins a held volume to others",
          GROUP,
          { HELD("/a"),
            { .name = "/d", .hold = VSS_HOLD_DEVICE, .held = true, .instant = 5 },
            BTRFS("/b", 5) },
          { BEST(GROUP), BEST(GROUP), BEST(GROUP) },
          NOBODY },
        { "a proof stands in for a hold that broke",
          GROUP,
          { { .name = "/r", .hold = VSS_HOLD_FILESYSTEM, .hold_broken = "thawed", .instant = 5 },
            BTRFS("/b", 5) },
          { BEST(GROUP), BEST(GROUP) },
          NOBODY },
        { "a volume without a copy shares nothing",
          NONE,
          { HELD("/a"),
            { .name = "/z", .hold = VSS_HOLD_FILESYSTEM, .held = true, .no_copy = true },
            HELD("/c") },
          { BEST(GROUP), { NONE, { "/z" } }, BEST(GROUP) },
          NOBODY },
        { "files copied one after the other",
          NONE,
          { FILES("/f", .instant = 0) },
          { { NONE, { "/f", "one after the other" } } },
          NOBODY },
        { "files that were shown to have stood still",
          GROUP,
          { FILES("/f", .instant = 1) },
          { BEST(GROUP) },
          NOBODY },
        { "files that stood still, beside a volume at another instant",
          VOLUME,
          { FILES("/f", .instant = 1), HELD("/a") },
          { { VOLUME, { "/f", "no other volume" } }, { VOLUME, { "/a" } } },
          NOBODY },
        { "files copied one after the other do not make others worse",
          NONE,
          { FILES("/f", .instant = 0), HELD("/a"), HELD("/c") },
          { { NONE, { "/f" } }, BEST(GROUP), BEST(GROUP) },
          NOBODY },

        { "application, its files copied one after the other, and nothing else in the copy",
          APP,
          { FILES("/f", .only_components = true) },
          { { NONE, { "/f", "one after the other" } } },
          { { FROZEN, ON(0) } },
          { BEST(APP) } },
        { "application, and other files in the copy that nobody kept still",
          NONE,
          { FILES("/f", .instant = 0) },
          { { NONE, { "/f", "one after the other" } } },
          { { FROZEN, ON(0) } },
          { BEST(APP) } },
        { "application, and other files that stood still",
          APP,
          { FILES("/f", .instant = 3) },
          { BEST(GROUP) },
          { { FROZEN, ON(0) } },
          { BEST(APP) } },
        { "files copied one after the other, whose writer died",
          NONE,
          { FILES("/f", .only_components = true) },
          { { NONE, { "/f" } } },
          { { DIED, ON(0) } },
          { { NONE, { "SQLite", "it died", "one after the other" } } } },
        { "files copied one after the other that need one instant",
          NONE,
          { FILES("/f", .only_components = true) },
          { { NONE, { "/f" } } },
          { { FROZEN, .needs_one_instant = true, ON(0) } },
          { { NONE, { "one instant", "one after the other" } } } },
        { "files that stood still and need one instant",
          APP,
          { FILES("/f", .instant = 3) },
          { BEST(GROUP) },
          { { FROZEN, .needs_one_instant = true, ON(0) } },
          { BEST(APP) } },
        { "files copied one after the other that can only be crash-consistent",
          NONE,
          { FILES("/f", .only_components = true) },
          { { NONE, { "/f" } } },
          { { FROZEN, .crash_only = "no freeze", ON(0) } },
          { { NONE, { "no freeze", "one after the other" } } } },
        { "application on files and on a held volume",
          APP,
          { FILES("/f", .only_components = true), HELD("/a") },
          { { NONE, { "/f" } }, { VOLUME, { "/a" } } },
          { { FROZEN, ON(0, 1) } },
          { BEST(APP) } },

        { "application on one volume",
          APP,
          { HELD("/a") },
          { BEST(GROUP) },
          { { FROZEN, ON(0) } },
          { BEST(APP) } },
        { "application on torn volumes, each file by itself",
          APP,
          { BTRFS("/b", 0), BTRFS("/c", 0) },
          { { VOLUME, { "/b" } }, { VOLUME, { "/c" } } },
          { { FROZEN, ON(0, 1) } },
          { BEST(APP) } },
        { "one instant needed and had",
          APP,
          { HELD("/a"), HELD("/c") },
          { BEST(GROUP), BEST(GROUP) },
          { { FROZEN, .needs_one_instant = true, ON(0, 1) } },
          { BEST(APP) } },
        { "one instant needed on torn volumes",
          VOLUME,
          { BTRFS("/b", 0), BTRFS("/c", 0) },
          { { VOLUME, { "/b" } }, { VOLUME, { "/c" } } },
          { { FROZEN, .needs_one_instant = true, ON(0, 1) } },
          { { VOLUME, { "several volumes", "one instant", "/b" } } } },
        { "one instant needed, one hold broke",
          VOLUME,
          { HELD("/a"), HELD("/c"), BROKEN("/x", "thawed") },
          { BEST(GROUP), BEST(GROUP), { VOLUME, { "/x" } } },
          { { FROZEN, .needs_one_instant = true, ON(0, 2) },
            { FROZEN, .needs_one_instant = true, ON(0, 1) } },
          { { VOLUME, { "one instant", "/x", "thawed" } }, BEST(APP) } },
        { "one instant needed, of one torn volume and of two held ones",
          APP,
          { HELD("/a"), HELD("/c"), BTRFS("/b", 0), BTRFS("/e", 0) },
          { BEST(GROUP), BEST(GROUP), { VOLUME, { "/b" } }, { VOLUME, { "/e" } } },
          { { FROZEN, .needs_one_instant = true, ON(2) }, { FROZEN, .needs_one_instant = true, ON(0, 1) } },
          { BEST(APP), BEST(APP) } },
        { "one instant needed, across two groups",
          VOLUME,
          { HELD("/a"), HELD("/c"), BTRFS("/b", 9), BTRFS("/e", 9) },
          { BEST(GROUP), BEST(GROUP), { VOLUME, { "/b", "/a" } }, { VOLUME, { "/e", "/a" } } },
          { { FROZEN, .needs_one_instant = true, ON(0, 2) },
            { FROZEN, .needs_one_instant = true, ON(2, 3) } },
          { { VOLUME, { "one instant", "/b" } }, BEST(APP) } },
        { "a writer that died is downgraded alone",
          GROUP,
          { HELD("/a"), HELD("/c") },
          { BEST(GROUP), BEST(GROUP) },
          { { DIED, ON(0) }, { .writer = "DropIn", .writer_frozen = true, ON(0, 1) } },
          { { GROUP, { "SQLite", "it died while frozen" } }, BEST(APP) } },
        { "a writer that died, on torn volumes: both are told",
          VOLUME,
          { BTRFS("/b", 0), BTRFS("/c", 0) },
          { { VOLUME, { "/b" } }, { VOLUME, { "/c" } } },
          { { DIED, ON(1) } },
          { { VOLUME, { "SQLite", "it died", "/c" } } } },
        { "a writer that was not frozen",
          GROUP,
          { HELD("/a") },
          { BEST(GROUP) },
          { { .writer = "SQLite", ON(0) } },
          { { GROUP, { "SQLite", "did not answer Freeze" } } } },
        { "one component failed",
          GROUP,
          { HELD("/a") },
          { BEST(GROUP) },
          { { FROZEN, .failure = "database is locked", ON(0) }, { FROZEN, ON(0) } },
          { { GROUP, { "SQLite", "database is locked" } }, BEST(APP) } },
        { "crash-consistent only",
          GROUP,
          { HELD("/a") },
          { BEST(GROUP) },
          { { FROZEN, .crash_only = "no common time", ON(0) } },
          { { GROUP, { "SQLite", "crash-consistent", "no common time" } } } },
        { "files on no volume of the set",
          NONE,
          { HELD("/a") },
          { BEST(GROUP) },
          { { FROZEN, .missing = "/var/lib/x", ON(0) } },
          { { NONE, { "no volume of the set", "/var/lib/x" } } } },
        { "files on a volume without a copy",
          NONE,
          { HELD("/a"), NO_COPY("/z") },
          { BEST(GROUP), { NONE, { "/z" } } },
          { { FROZEN, ON(0, 1) }, { FROZEN, ON(0) } },
          { { NONE, { "/z", "copies nothing" } }, BEST(APP) } },
        { "a volume without a copy fails the set, though no component is on it",
          NONE,
          { HELD("/a"), NO_COPY("/z") },
          { BEST(GROUP), { NONE, { "/z" } } },
          { { FROZEN, ON(0) } },
          { BEST(APP) } },
        { "torn volumes that no component needs",
          APP,
          { BTRFS("/b", 0), BTRFS("/c", 0) },
          { { VOLUME, { "/b" } }, { VOLUME, { "/c" } } },
          { { FROZEN, ON(0) } },
          { BEST(APP) } },
        { "without files, its writer vouches", APP, { { 0 } }, { { 0 } }, { { FROZEN } }, { BEST(APP) } },
        { "without files, its writer does not",
          NONE,
          { { 0 } },
          { { 0 } },
          { { DIED } },
          { { NONE, { "SQLite", "it died" } } } },
        { "on a volume that is not of the set",
          NONE,
          { HELD("/a") },
          { BEST(GROUP) },
          { { FROZEN, ON(1) } },
          { { NONE, { "not of the set" } } } },
};

/* Is it as wanted? */
static bool check(const char *what, enum vss_level level, const char *reason, const Want *want) {
        bool ok = level == want->level;

        if (want->words[0] && *want->words[0] == '\0')
                ok = ok && *reason == '\0';
        for (size_t i = 0; i < ELEMENTS(want->words) && want->words[i]; i++)
                ok = ok && strstr(reason, want->words[i]);
        if (!ok)
                printf("# %s: %s, \"%s\"\n", what, vss_level_name(level), reason);
        return ok;
}

static void test_check(void) {
        static const Want best = BEST(GROUP), lowered = { VOLUME, { "/a", "thawed" } };

        expect_true("the check takes what is wanted", check("right", VOLUME, "/a was thawed", &lowered));
        expect_true("the check notices a wrong level", !check("wrong", GROUP, "/a was thawed", &lowered));
        expect_true("the check notices a missing culprit",
                    !check("wrong", VOLUME, "it was thawed", &lowered));
        expect_true("the check notices a reason too many", !check("wrong", GROUP, "/a was thawed", &best));
}

static void test_case(const Case *wanted) {
        Case c = *wanted;
        size_t n_volumes = 0, n_components = 0;
        bool ok = true;

        while (n_volumes < MEMBERS_MAX && c.volumes[n_volumes].name)
                memset(c.volumes[n_volumes++].reason, 'x', LEVEL_REASON_SIZE);
        while (n_components < MEMBERS_MAX && c.components[n_components].writer)
                memset(c.components[n_components++].reason, 'x', LEVEL_REASON_SIZE);

        expect_int(c.label, level_decide(c.volumes, n_volumes, c.components, n_components), c.level);
        for (size_t i = 0; i < n_volumes; i++)
                ok &= check(c.volumes[i].name, c.volumes[i].level, c.volumes[i].reason, &c.want_volumes[i]);
        for (size_t i = 0; i < n_components; i++)
                ok &= check("component", c.components[i].level, c.components[i].reason,
                            &c.want_components[i]);
        expect_true("  its members", ok);
}

static void test_long_reason(void) {
        char text[LEVEL_REASON_SIZE * 2 + 1];
        bool whole = true;

        /* Two bytes a character, from both possible starts. */
        for (size_t shift = 0; shift < 2; shift++) {
                LevelComponent c = { .writer = shift ? "Ab" : "A", .writer_failure = text };
                size_t n;

                for (size_t i = 0; i + 1 < sizeof(text); i += 2)
                        memcpy(text + i, "\xc3\xa4", 2);
                text[sizeof(text) - 1] = '\0';
                (void)level_decide(NULL, 0, &c, 1);
                n = strlen(c.reason);
                whole = whole && n > LEVEL_REASON_SIZE - 6 && n < LEVEL_REASON_SIZE;
                whole = whole && (unsigned char)c.reason[n - 1] == 0xa4 &&
                        (unsigned char)c.reason[n - 2] == 0xc3;
        }
        expect_true("a reason that is too long ends with a whole character", whole);
}

static void test_many_volumes(void) {
        static LevelVolume volumes[VSS_VOLUMES_MAX];
        bool all = true;

        for (size_t i = 0; i < VSS_VOLUMES_MAX; i++)
                volumes[i] = (LevelVolume)HELD("/many");
        expect_int("as many volumes as there may be", level_decide(volumes, VSS_VOLUMES_MAX, NULL, 0),
                   GROUP);
        volumes[VSS_VOLUMES_MAX - 1].held = false;
        expect_int("the last one not held", level_decide(volumes, VSS_VOLUMES_MAX, NULL, 0), VOLUME);
        for (size_t i = 0; i < VSS_VOLUMES_MAX; i++)
                all = all && volumes[i].level == (i + 1 == VSS_VOLUMES_MAX ? VOLUME : GROUP);
        expect_true("lowers only that one", all);
}

int main(void) {
        test_check();
        FOREACH_ELEMENT (c, cases)
                test_case(c);
        test_long_reason();
        test_many_volumes();
        return test_end();
}
