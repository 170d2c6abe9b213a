/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restore: methods, targets, mappings, all or nothing, chains of backups
 */

#include "model/component.h"
#include "model/restore-plan.h"
#include "util/test.h"

enum { THERE = 1, BUSY = 2 }; /* BUSY: there, and cannot be replaced */

typedef struct Fixture {
        vss_value *metadata, *components;
        RestorePlanInput input;
        struct {
                const char *directory;
                unsigned facts;
        } disk[6];
        const char *refused;
        RestorePlan *plan;
} Fixture;

static vss_value *add_dict(vss_value *dict, const char *list) {
        (void)vss_value_append(value_require(dict, list, VSS_KIND_LIST), vss_value_new_dict());
        return value_at_mutable(value_get_mutable(dict, list),
                                vss_value_count(vss_value_get(dict, list)) - 1);
}

static vss_value *add_set(vss_value *dict, const char *list, const char *path, const char *filespec,
                          const char *alternate) {
        vss_value *set = add_dict(dict, list);

        (void)vss_value_set_string(set, "path", path);
        (void)vss_value_set_string(set, "filespec", filespec);
        (void)vss_value_set_string(set, "alternate-path", alternate);
        return set;
}

static vss_value *declare(vss_value *metadata, const char *path, const char *name, bool selectable) {
        vss_value *component = add_dict(metadata, "components");

        (void)vss_value_set_string(component, "logical-path", path);
        (void)vss_value_set_string(component, "name", name);
        (void)vss_value_set_boolean(component, "selectable", selectable);
        return component;
}

static RestoreFacts look(void *userdata, const vss_value *component, const vss_value *set,
                         const char *directory) {
        const Fixture *f = userdata;

        FOREACH_ELEMENT (place, f->disk)
                if (place->directory && strcmp(place->directory, directory) == 0)
                        return (RestoreFacts){ .exists = place->facts != 0,
                                               .replaceable = place->facts != BUSY };
        return (RestoreFacts){ .exists = false };
}

static const char *refuse(void *userdata, RestorePlace place, const char *directory) {
        const Fixture *f = userdata;

        return f->refused && place != RESTORE_PLACE_NEW_TARGET && strcmp(directory, f->refused) == 0
                       ? "it is not the writer's."
                       : NULL;
}

/* One component of two file sets: /a and, coming with it, /b. */
static void fixture_init(Fixture *f, enum vss_restore_method method, bool mapped) {
        vss_value *component, *dict;

        *f = (Fixture){ .metadata = vss_value_new_dict(), .components = vss_value_new_list() };
        f->input = (RestorePlanInput){ .metadata = f->metadata,
                                       .components = f->components,
                                       .writer_present = true,
                                       .look = look,
                                       .refuse = refuse,
                                       .userdata = f };
        /* Its files were read in /dump. */
        (void)add_set(declare(f->metadata, "", "top", true), "files", "/a", "*", "/dump");
        (void)add_set(declare(f->metadata, "top", "low", false), "files", "/b", "x", "");
        if (mapped) {
                (void)add_set(f->metadata, "alternate-mappings", "/a", "*", "/alt/a");
                (void)add_set(f->metadata, "alternate-mappings", "/b", "x", "/alt/b");
        }
        if (method != VSS_RME_UNDEFINED) {
                dict = value_require(f->metadata, "restore-method", VSS_KIND_DICT);
                (void)vss_value_set_integer(dict, "method", method);
                (void)vss_value_set_string(dict, "service", "app.service");
        }
        component = vss_value_new_dict();
        (void)vss_value_set_string(component, "logical-path", "");
        (void)vss_value_set_string(component, "name", "top");
        (void)vss_value_set_boolean(component, "selected-for-restore", true);
        (void)vss_value_append(f->components, component);
}

static void fixture_clear(Fixture *f) {
        vss_value_free(f->metadata);
        vss_value_free(f->components);
        restore_plan_free(f->plan);
}

static vss_value *top(Fixture *f) {
        return value_at_mutable(f->components, 0);
}

/* The outcome and all actions: "now /a>/a *, /b>/b x". */
static const char *told(Fixture *f) {
        static const char *const outcomes[] = { "nothing", "now", "reboot", "application" };
        static char text[2048];
        const RestoreStep *step;
        size_t used;

        restore_plan_free(f->plan);
        f->plan = NULL;
        if (restore_plan_new(&f->input, &f->plan) < 0 || !restore_plan_step(f->plan, 0))
                return "no step";
        step = restore_plan_step(f->plan, 0);
        used = (size_t)snprintf(text, sizeof(text), "%s", outcomes[step->outcome]);
        for (size_t i = step->first; i < step->first + step->n && used < sizeof(text); i++) {
                const RestoreAction *action = restore_plan_action(f->plan, i);

                used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s>%s %s%s",
                                         i > step->first ? ", " : " ", action->source, action->destination,
                                         action->destination_filespec, action->at_reboot ? " r" : "");
        }
        return text;
}

static const char *reason(const Fixture *f) {
        return restore_plan_step(f->plan, 0)->reason;
}

#define ORIGINAL "now /a>/a *, /b>/b x"
#define MAPPED "now /a>/alt/a *, /b>/alt/b x"
#define REBOOT "reboot /a>/a * r, /b>/b x r"

/* Every method, with and without mappings, on four disks: nothing there, replaceable, one busy, and
 * something at the alternate location too. */
static void test_methods(void) {
        static const struct {
                const char *label;
                enum vss_restore_method method;
                const char *plain[3];  /* empty, there, busy */
                const char *mapped[5]; /* empty, there, busy; there and at the alternate location; busy
                                          there, too */
                const char *stop, *restart;
        } cases[] = {
                { "no method",
                  VSS_RME_UNDEFINED,
                  { ORIGINAL, ORIGINAL, "nothing" },
                  { ORIGINAL, ORIGINAL, MAPPED, ORIGINAL, "nothing" },
                  NULL,
                  NULL },
                { "IF_NOT_THERE",
                  VSS_RME_RESTORE_IF_NOT_THERE,
                  { ORIGINAL, "nothing", "nothing" },
                  { ORIGINAL, MAPPED, MAPPED, "nothing", "nothing" },
                  NULL,
                  NULL },
                { "IF_CAN_REPLACE",
                  VSS_RME_RESTORE_IF_CAN_REPLACE,
                  { ORIGINAL, ORIGINAL, "nothing" },
                  { ORIGINAL, ORIGINAL, MAPPED, ORIGINAL, "nothing" },
                  NULL,
                  NULL },
                { "STOP_RESTORE_START",
                  VSS_RME_STOP_RESTORE_START,
                  { ORIGINAL, ORIGINAL, ORIGINAL },
                  { ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL },
                  "app.service",
                  NULL },
                { "TO_ALTERNATE_LOCATION",
                  VSS_RME_RESTORE_TO_ALTERNATE_LOCATION,
                  { "nothing", "nothing", "nothing" },
                  { MAPPED, MAPPED, MAPPED, MAPPED, "nothing" },
                  NULL,
                  NULL },
                { "AT_REBOOT",
                  VSS_RME_RESTORE_AT_REBOOT,
                  { REBOOT, REBOOT, REBOOT },
                  { REBOOT, REBOOT, REBOOT, REBOOT, REBOOT },
                  NULL,
                  NULL },
                { "AT_REBOOT_IF_CANNOT_REPLACE",
                  VSS_RME_RESTORE_AT_REBOOT_IF_CANNOT_REPLACE,
                  { ORIGINAL, ORIGINAL, REBOOT },
                  { ORIGINAL, ORIGINAL, REBOOT, ORIGINAL, REBOOT },
                  NULL,
                  NULL },
                { "CUSTOM",
                  VSS_RME_CUSTOM,
                  { "application", "application", "application" },
                  { "application", "application", "application", "application", "application" },
                  NULL,
                  NULL },
                { "RESTORE_STOP_START",
                  VSS_RME_RESTORE_STOP_START,
                  { ORIGINAL, ORIGINAL, "nothing" },
                  { ORIGINAL, ORIGINAL, MAPPED, ORIGINAL, "nothing" },
                  NULL,
                  "app.service" },
        };
        static const unsigned disks[][3] = { { 0, 0, 0 },
                                             { THERE, THERE, 0 },
                                             { THERE, BUSY, 0 },
                                             { THERE, THERE, THERE },
                                             { BUSY, THERE, BUSY } };

        FOREACH_ELEMENT (c, cases)
                for (unsigned mapped = 0; mapped < 2; mapped++)
                        for (size_t disk = 0; disk < (mapped ? 5 : 3); disk++) {
                                const char *want = mapped ? c->mapped[disk] : c->plain[disk];
                                bool now = strncmp(want, "now", 3) == 0;
                                char label[96];
                                Fixture f;

                                (void)snprintf(label, sizeof(label), "%s, %s, disk %zu", c->label,
                                               mapped ? "mapped" : "plain", disk);
                                fixture_init(&f, c->method, mapped);
                                f.disk[0].directory = "/a";
                                f.disk[0].facts = disks[disk][0];
                                f.disk[1].directory = "/b";
                                f.disk[1].facts = disks[disk][1];
                                f.disk[2].directory = "/alt/b";
                                f.disk[2].facts = disks[disk][2];
                                expect_str(label, told(&f), want);
                                expect_true("a reason", *reason(&f));
                                expect_str("unit to stop", restore_plan_stop_unit(f.plan),
                                           now ? c->stop : NULL);
                                expect_str("unit to restart", restore_plan_restart_unit(f.plan),
                                           now ? c->restart : NULL);
                                expect_int("reboot", restore_plan_step(f.plan, 0)->reboot,
                                           strncmp(want, "reboot", 6) == 0);
                                fixture_clear(&f);
                        }
}

/* Both have "alternate" in their names: one is where a backup reads, the other where a restore may go. */
static void test_alternates(void) {
        Fixture f;

        fixture_init(&f, VSS_RME_RESTORE_IF_CAN_REPLACE, true);
        expect_str(
                "contract 9.3.28, 9.3.30: what was read at an alternate path returns to its normal location",
                told(&f), ORIGINAL);
        fixture_clear(&f);
}

static void test_partly_mapped(void) {
        Fixture f;

        fixture_init(&f, VSS_RME_RESTORE_TO_ALTERNATE_LOCATION, false);
        (void)add_set(f.metadata, "alternate-mappings", "/a", "*", "/alt/a");
        expect_str("a mapping for one of two", told(&f), "nothing");
        expect_str("the reason", reason(&f),
                   "The writer's files are restored to an alternate location, and there is no alternate "
                   "location for "
                   "\"/b\".");
        (void)add_set(f.metadata, "alternate-mappings", "/b", "*", "/alt/b");
        expect_str("a mapping of another file set", told(&f), "nothing");
        fixture_clear(&f);
}

static void test_targets(void) {
        vss_value *target;
        Fixture f;

        fixture_init(&f, VSS_RME_RESTORE_IF_NOT_THERE, true);
        (void)vss_value_set_integer(top(&f), "restore-target", VSS_RT_ALTERNATE);
        expect_str("ALTERNATE, though nothing is there", told(&f), MAPPED);
        (void)vss_value_set_integer(top(&f), "restore-target", 99);
        expect_str("a target that is none is ORIGINAL", told(&f), ORIGINAL);
        fixture_clear(&f);

        fixture_init(&f, VSS_RME_RESTORE_IF_NOT_THERE, false);
        (void)vss_value_set_integer(top(&f), "restore-target", VSS_RT_ALTERNATE);
        expect_str("ALTERNATE without mappings", told(&f), "nothing");
        fixture_clear(&f);

        fixture_init(&f, VSS_RME_RESTORE_TO_ALTERNATE_LOCATION, true);
        (void)vss_value_set_integer(top(&f), "restore-target", VSS_RT_ORIGINAL_LOCATION);
        expect_str("ORIGINAL_LOCATION, though the method is alternate", told(&f), ORIGINAL);
        f.disk[0].directory = "/a";
        f.disk[0].facts = BUSY;
        expect_str("and nowhere else", told(&f), "nothing");
        fixture_clear(&f);

        fixture_init(&f, VSS_RME_RESTORE_IF_CAN_REPLACE, false);
        (void)vss_value_set_integer(top(&f), "restore-target", VSS_RT_DIRECTED);
        expect_str("DIRECTED without targets", told(&f), ORIGINAL);
        target = add_set(top(&f), "directed-targets", "/b", "x", "");
        (void)vss_value_set_string(target, "destination-path", "/new");
        (void)vss_value_set_string(target, "destination-filespec", "y");
        expect_str("one file set directed, the rest by method", told(&f), "now /b>/new y, /a>/a *");
        target = add_set(top(&f), "directed-targets", "/a", "part", "");
        (void)vss_value_set_string(target, "destination-path", "/new");
        (void)vss_value_set_string(target, "destination-filespec", "p1");
        (void)vss_value_set_string(target, "ranges", "0:5");
        target = add_set(top(&f), "directed-targets", "/a", "part", "");
        (void)vss_value_set_string(target, "destination-path", "/new");
        (void)vss_value_set_string(target, "destination-filespec", "p2");
        (void)vss_value_set_string(target, "ranges", "5:5");
        expect_str("and parts of a file to two", told(&f), "now /b>/new y, /a>/new p1, /a>/new p2, /a>/a *");
        expect_int("a file of theirs", restore_plan_find(f.plan, restore_plan_step(f.plan, 0), "/a/part", 0),
                   1);
        expect_int("goes to both", restore_plan_find(f.plan, restore_plan_step(f.plan, 0), "/a/part", 2), 2);
        expect_int("and nowhere else", restore_plan_find(f.plan, restore_plan_step(f.plan, 0), "/a/part", 3),
                   -1);
        expect_int("another file", restore_plan_find(f.plan, restore_plan_step(f.plan, 0), "/a/other", 0),
                   3);
        expect_int("once", restore_plan_find(f.plan, restore_plan_step(f.plan, 0), "/a/other", 4), -1);
        expect_int("a file of nobody", restore_plan_find(f.plan, restore_plan_step(f.plan, 0), "/c", 0), -1);
        expect_str("whose", component_name(restore_plan_action(f.plan, 0)->component), "low");
        f.refused = "/new";
        expect_str("nothing if a target is refused", told(&f), "nothing");
        expect_str("the reason", reason(&f), "Nothing may be restored to \"/new\": it is not the writer's.");
        fixture_clear(&f);
}

static void test_new_targets(void) {
        Fixture f;

        fixture_init(&f, VSS_RME_RESTORE_IF_NOT_THERE, true);
        (void)add_set(top(&f), "new-targets", "/a", "*", "/mine");
        expect_str("a new target before the method", told(&f), "now /a>/mine *, /b>/b x");
        f.disk[0].directory = "/mine";
        f.disk[0].facts = THERE;
        expect_str("what lies there does not count", told(&f), "now /a>/mine *, /b>/b x");
        f.disk[1].directory = "/b";
        f.disk[1].facts = THERE;
        expect_str("the rest by the method", told(&f), "now /a>/mine *, /b>/alt/b x");
        f.disk[0].facts = BUSY;
        expect_str("all or nothing", told(&f), "nothing");
        f.disk[0].facts = 0;
        (void)vss_value_set_integer(top(&f), "restore-target", VSS_RT_ALTERNATE);
        expect_str("the target's rest", told(&f), "now /a>/mine *, /b>/alt/b x");
        fixture_clear(&f);
}

static void test_refused(void) {
        Fixture f;

        fixture_init(&f, VSS_RME_RESTORE_IF_CAN_REPLACE, true);
        f.refused = "/b";
        expect_str("a path outside", told(&f), "nothing");
        expect_str("the reason", reason(&f), "Nothing may be restored to \"/b\": it is not the writer's.");
        (void)add_set(top(&f), "new-targets", "/b", "x", "/b");
        expect_str("but where the requester says", told(&f), ORIGINAL);
        fixture_clear(&f);

        fixture_init(&f, VSS_RME_RESTORE_TO_ALTERNATE_LOCATION, true);
        f.refused = "/alt/a";
        expect_str("a mapping outside", told(&f), "nothing");
        fixture_clear(&f);
}

static void test_selected(void) {
        vss_value *sub, *other;
        Fixture f;

        fixture_init(&f, VSS_RME_UNDEFINED, false);
        sub = add_dict(top(&f), "restore-subcomponents");
        (void)vss_value_set_string(sub, "logical-path", "top");
        (void)vss_value_set_string(sub, "name", "low");
        expect_str("only the subcomponent", told(&f), "now /b>/b x");
        value_unset(top(&f), "restore-subcomponents");
        (void)vss_value_set_boolean(top(&f), "selected-for-restore", false);
        expect_str("not selected", told(&f), "no step");
        (void)vss_value_set_boolean(top(&f), "selected-for-restore", true);
        other = vss_value_new_dict();
        (void)vss_value_set_string(other, "name", "gone");
        (void)vss_value_set_boolean(other, "selected-for-restore", true);
        (void)vss_value_append(f.components, other);
        expect_str("one that can", told(&f), ORIGINAL);
        expect_str("one whose metadata is missing", restore_plan_step(f.plan, 1)->reason,
                   "The writer's saved metadata does not have this component, so its files are not known.");
        expect_true("are two", !restore_plan_step(f.plan, 2));
        fixture_clear(&f);

        fixture_init(&f, VSS_RME_UNDEFINED, false);
        (void)add_set(top(&f), "partial-files", "/a", "part", "");
        (void)add_set(top(&f), "partial-files", "/c", "part", "");
        (void)add_set(top(&f), "differenced-files", "/d", "*", "");
        expect_str("what the writer named besides", told(&f), "now /a>/a *, /b>/b x, /d>/d *, /c>/c part");
        fixture_clear(&f);

        fixture_init(&f, VSS_RME_UNDEFINED, false);
        (void)add_set(declare(f.metadata, "top", "bad", false), "files", "/a/../b", "x", "");
        expect_str("a path that climbs", told(&f), "nothing");
        fixture_clear(&f);
}

static void test_writer(void) {
        static const struct {
                enum vss_writer_restore wants;
                bool busy, needs;
        } cases[] = {
                { VSS_WRE_NEVER, false, false },
                { VSS_WRE_NEVER, true, false },
                { VSS_WRE_IF_REPLACE_FAILS, false, false },
                { VSS_WRE_IF_REPLACE_FAILS, true, true },
                { VSS_WRE_ALWAYS, false, true },
                { VSS_WRE_ALWAYS, true, true },
        };

        FOREACH_ELEMENT (c, cases) {
                Fixture f;

                fixture_init(&f, VSS_RME_RESTORE_IF_CAN_REPLACE, false);
                (void)vss_value_set_integer(value_get_mutable(f.metadata, "restore-method"),
                                            "writer-restore", c->wants);
                (void)vss_value_set_boolean(value_get_mutable(f.metadata, "restore-method"),
                                            "reboot-required", true);
                f.disk[0].directory = "/a";
                f.disk[0].facts = c->busy ? BUSY : THERE;
                f.input.writer_present = false;
                expect_str("its files are restored without it", told(&f), c->busy ? "nothing" : ORIGINAL);
                expect_int("needs the writer", restore_plan_step(f.plan, 0)->needs_writer, c->needs);
                expect_int("which is said", strstr(reason(&f), "which is not there") != NULL, c->needs);
                expect_int("reboot", restore_plan_step(f.plan, 0)->reboot, !c->busy);
                fixture_clear(&f);
        }
}

static void test_units(void) {
        static const char *const bad[] = { "", "-H evil", "a b", "../x", "a;b" };

        FOREACH_ELEMENT (unit, bad)
                for (unsigned i = 0; i < 2; i++) {
                        Fixture f;

                        fixture_init(&f, i ? VSS_RME_STOP_RESTORE_START : VSS_RME_RESTORE_STOP_START, false);
                        (void)vss_value_set_string(value_get_mutable(f.metadata, "restore-method"),
                                                   "service", *unit);
                        expect_str(*unit, told(&f), "nothing");
                        expect_str("stops nothing", restore_plan_stop_unit(f.plan), NULL);
                        expect_str("restarts nothing", restore_plan_restart_unit(f.plan), NULL);
                        fixture_clear(&f);
                }
}

/* Chains */

typedef struct Backup {
        int type;
        const char *stamp, *previous;
        bool additional;
} Backup;

static vss_value *backup_new(const Backup *backup, uint32_t schema) {
        vss_value *document = vss_value_new_dict(), *writer = add_dict(document, "writers"),
                  *component = add_dict(writer, "components");

        (void)vss_value_set_integer(document, "backup-type", backup->type);
        (void)vss_value_set_string(writer, "name", "W");
        (void)vss_value_set_integer(writer, "backup-schema", schema);
        (void)vss_value_set_string(component, "name", "c");
        (void)vss_value_set_string(component, "stamp", backup->stamp);
        (void)vss_value_set_string(component, "previous-stamp", backup->previous);
        (void)vss_value_set_boolean(component, "additional-restores", backup->additional);
        return document;
}

static void test_chains(void) {
        enum {
                F = VSS_BT_FULL,
                C = VSS_BT_COPY,
                I = VSS_BT_INCREMENTAL,
                D = VSS_BT_DIFFERENTIAL,
                L = VSS_BT_LOG
        };
        enum { ALL = VSS_BS_INCREMENTAL | VSS_BS_DIFFERENTIAL | VSS_BS_LOG };
        static const struct {
                const char *label;
                uint32_t schema;
                Backup backups[4];
                size_t n;
                vss_result result;
        } cases[] = {
                { "one", ALL, { { F, "1", "", false } }, 1, VSS_S_OK },
                { "one that announces more", ALL, { { F, "1", "", true } }, 1, VSS_E_INVALIDARG },
                { "full and incrementals",
                  ALL,
                  { { F, "1", "", true }, { I, "2", "1", true }, { I, "3", "2", false } },
                  3,
                  VSS_S_OK },
                { "in the wrong order",
                  ALL,
                  { { F, "1", "", true }, { I, "3", "2", true }, { I, "2", "1", false } },
                  3,
                  VSS_E_INVALIDARG },
                { "one missing",
                  ALL,
                  { { F, "1", "", true }, { I, "3", "2", false } },
                  2,
                  VSS_E_INVALIDARG },
                { "not announced",
                  ALL,
                  { { F, "1", "", false }, { I, "2", "1", false } },
                  2,
                  VSS_E_INVALIDARG },
                { "no full one", ALL, { { I, "2", "1", false } }, 1, VSS_E_INVALIDARG },
                { "two full ones",
                  ALL,
                  { { F, "1", "", true }, { C, "2", "", false } },
                  2,
                  VSS_E_INVALIDARG },
                { "a differential on the full one",
                  ALL,
                  { { F, "1", "", true }, { I, "2", "1", true }, { D, "3", "1", false } },
                  3,
                  VSS_S_OK },
                { "on another", ALL, { { F, "1", "", true }, { D, "3", "0", false } }, 2, VSS_E_INVALIDARG },
                { "mixed, where that is excluded",
                  ALL | VSS_BS_EXCLUSIVE_INCREMENTAL_DIFFERENTIAL,
                  { { F, "1", "", true }, { I, "2", "1", true }, { D, "3", "1", false } },
                  3,
                  VSS_E_INVALIDARG },
                { "logs", ALL, { { C, "1", "", true }, { L, "2", "1", false } }, 2, VSS_S_OK },
                { "without stamps", ALL, { { F, "", "", true }, { I, "", "", false } }, 2, VSS_S_OK },
                { "of a writer that knows full ones only",
                  0,
                  { { F, "1", "", true }, { I, "2", "1", false } },
                  2,
                  VSS_E_INVALIDARG },
        };
        Why why;

        FOREACH_ELEMENT (c, cases) {
                vss_value *documents[4] = { NULL };

                for (size_t i = 0; i < c->n; i++)
                        documents[i] = backup_new(&c->backups[i], c->schema);
                expect_int(
                        c->label,
                        restore_chain_check((const vss_value *const *)documents, c->n, "W", "", "c", &why),
                        c->result);
                expect_int(
                        "of a component that is not in it",
                        restore_chain_check((const vss_value *const *)documents, c->n, "W", "", "d", &why),
                        VSS_E_OBJECT_NOT_FOUND);
                for (size_t i = 0; i < c->n; i++)
                        vss_value_free(documents[i]);
        }
}

int main(void) {
        test_methods();
        test_alternates();
        test_partly_mapped();
        test_targets();
        test_new_targets();
        test_refused();
        test_selected();
        test_writer();
        test_units();
        test_chains();
        return test_end();
}
