/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: the view of `vss exec`
 *
 * Steps are compared as text: "S0 /srv" attaches shadow copy 0, "S0:a/b" the part a/b of it, "M" masks, "L"
 * keeps live; "?" marks what may be missing, "+" a target that has to be made. A rule that no table can show
 * is checked over every row: what is asked for is never seen live. That this check sees something is shown
 * first.
 */

#include "util/macro.h"
#include "util/test.h"
#include "vss/view.h"

#define SYSTEM "/dev /proc /sys /run /tmp"

typedef struct Case {
        const char *label, *shadows, *wanted, *left_out, *live, *mounts, *want;
} Case;

static void split(const char *text, Strings *strings) {
        _cleanup_(freep) char *copy = strdup(text);
        char *save = NULL;

        for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
                if (strings_add(strings, word) < 0)
                        abort();
}

static char *describe(const View *view) {
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        for (size_t i = 0; i < view->n; i++) {
                const ViewStep *step = &view->steps[i];

                fprintf(stream, "%s", i > 0 ? ", " : "");
                if (step->kind == VIEW_SHADOW)
                        fprintf(stream, "S%zu%s%s", step->shadow, *step->below ? ":" : "", step->below);
                else
                        (void)fputc(step->kind == VIEW_MASK ? 'M' : 'L', stream);
                fprintf(stream, "%s%s %s", step->optional ? "?" : "", step->make_target ? "+" : "",
                        step->target);
        }
        (void)fclose(stream);
        return text;
}

/* What the last step that covers @path shows there; live where none does. */
static ViewKind seen_at(const View *view, const char *path) {
        ViewKind kind = VIEW_LIVE;

        for (size_t i = 0; i < view->n; i++)
                if (path_is_within(path, view->steps[i].target))
                        kind = view->steps[i].kind;
        return kind;
}

static bool never_live(const View *view, const ViewInput *input) {
        for (size_t i = 0; i < input->wanted.n; i++)
                if (seen_at(view, input->wanted.items[i]) == VIEW_LIVE)
                        return false;
        for (size_t i = 0; i < input->left_out.n; i++)
                if (!view_is_live(input, input->left_out.items[i]) &&
                    seen_at(view, input->left_out.items[i]) == VIEW_LIVE)
                        return false;
        return true;
}

static bool is_sorted(const View *view) {
        for (size_t i = 1; i < view->n; i++)
                if (path_depth(view->steps[i].target) < path_depth(view->steps[i - 1].target))
                        return false;
        return true;
}

static const Case cases[] = {
        { "one volume", "/srv", "/srv", "", "", "/ /srv /proc", "S0 /srv" },
        { "a directory of a volume covers its mount point", "/srv", "/srv/www", "", "", "/ /srv",
          "S0 /srv" },
        { "a mount below joins", "/srv/db /srv", "/srv", "", "", "/ /srv /srv/db", "S1 /srv, S0 /srv/db" },
        { "left out is empty", "/srv", "/srv", "/srv/nfs", "", "/ /srv /srv/nfs", "S0 /srv, M /srv/nfs" },
        { "left out is empty with all in it", "/srv", "/srv", "/srv/t /srv/t/u", "",
          "/ /srv /srv/t /srv/t/u", "S0 /srv, M /srv/t" },
        { "a volume of the set inside what is left out", "/srv /srv/t/b", "/srv", "/srv/t", "",
          "/ /srv /srv/t/b", "S0 /srv, M /srv/t, S1+ /srv/t/b" },
        { "a live path", "/srv", "/srv", "", "/srv/repo", "/ /srv", "S0 /srv, L /srv/repo" },
        { "a live path with a volume of its own", "/srv /srv/repo", "/srv", "", "/srv/repo",
          "/ /srv /srv/repo", "S0 /srv, L /srv/repo" },
        { "a live path with something left out in it", "/srv", "/srv", "/srv/repo/nfs", "/srv/repo",
          "/ /srv", "S0 /srv, L /srv/repo" },
        { "a live path inside what is left out", "/srv", "/srv", "/srv/t", "/srv/t/cache", "/ /srv",
          "S0 /srv, M /srv/t, L+ /srv/t/cache" },
        { "a live path that nothing covers", "/srv", "/srv", "", "/home/cache", "/ /srv /home", "S0 /srv" },
        { "the root", "/", "/", "", "", "/ /proc /sys /dev /dev/pts",
          "S0 /, L? /dev, L? /proc, L? /run, L? /sys, L? /tmp" },
        { "the root, with what cannot be copied", "/", "/", "/mnt/nfs /proc /dev /run/user", "",
          "/ /mnt/nfs /proc /dev", "S0 /, L? /dev, L? /proc, L? /run, L? /sys, L? /tmp, M /mnt/nfs" },
        { "the root and a repository", "/", "/", "", "/backup", "/ /backup",
          "S0 /, L /backup, L? /dev, L? /proc, L? /run, L? /sys, L? /tmp" },
        { "a directory on the root: what is mounted beside it stays", "/", "/srv", "", "",
          "/ /home /home/u /proc", "S0 /, L? /dev, L? /home, L? /proc, L? /run, L? /sys, L? /tmp" },
        { "a directory in /tmp on the root", "/", "/tmp/data", "", "", "/",
          "S0 /, L? /dev, L? /proc, L? /run, L? /sys, L? /tmp, S0:tmp/data /tmp/data" },
        { "a volume mounted in /tmp", "/tmp/t/mnt", "/tmp/t/mnt", "", "", "/ /tmp/t/mnt", "S0 /tmp/t/mnt" },
        { "a directory of a volume mounted in /tmp", "/tmp/t/mnt", "/tmp/t/mnt/d", "", "", "/ /tmp/t/mnt",
          "S0 /tmp/t/mnt" },
        { "/tmp itself", "/", "/tmp", "", "", "/", "S0 /, L? /dev, L? /proc, L? /run, L? /sys" },
        { "left out below a path in /tmp", "/tmp/t", "/tmp/t", "/tmp/t/x", "", "/ /tmp/t /tmp/t/x",
          "S0 /tmp/t, M /tmp/t/x" },
        { "a path in a file system that stays", "/ /home/u/v", "/etc /home/u/v", "", "", "/ /home /home/u/v",
          "S0 /, L? /dev, L? /home, L? /proc, L? /run, L? /sys, L? /tmp, S1 /home/u/v" },
        { "nested subvolumes in place", "/v /v/a /v/a/b", "/v", "", "", "/ /v",
          "S0 /v, S1 /v/a, S2 /v/a/b" },
        { "the same place twice", "/v /v", "/v", "", "", "/ /v", "S0 /v" },
        { "names that begin alike", "/srv /srv2", "/srv /srv2", "", "/srv/x", "/ /srv /srv2",
          "S0 /srv, S1 /srv2, L /srv/x" },
};

static void make_input(const Case *c, ViewInput *input, ViewShadow *shadows, Strings *targets) {
        split(c->shadows, targets);
        for (size_t i = 0; i < targets->n; i++)
                shadows[i] = (ViewShadow){ targets->items[i], "" };
        input->shadows = shadows;
        input->n_shadows = targets->n;
        split(c->wanted, &input->wanted);
        split(c->left_out, &input->left_out);
        split(c->live, &input->live);
        split(SYSTEM, &input->system_live);
        split(c->mounts, &input->mounts);
}

static void clear_input(ViewInput *input) {
        strings_clear(&input->wanted);
        strings_clear(&input->left_out);
        strings_clear(&input->live);
        strings_clear(&input->system_live);
        strings_clear(&input->mounts);
}

static void test_checkers(void) {
        ViewStep live[] = { { .kind = VIEW_SHADOW, .target = (char *)"/a" },
                            { .kind = VIEW_LIVE, .target = (char *)"/a/b" } },
                 unsorted[] = { { .target = (char *)"/a/b" }, { .target = (char *)"/a" } };
        View broken = { .steps = live, .n = ELEMENTS(live) };
        _cleanup_(clear_input) ViewInput input = {};

        split("/a/b/c", &input.wanted);
        expect_true("the checker sees a live file", !never_live(&broken, &input));
        broken = (View){ .steps = unsorted, .n = ELEMENTS(unsorted) };
        expect_true("the checker sees a wrong order", !is_sorted(&broken));
}

static void test_plans(void) {
        FOREACH_ELEMENT (c, cases) {
                _cleanup_(clear_input) ViewInput input = {};
                _cleanup_(strings_clear) Strings targets = {};
                _cleanup_(view_clear) View view = {};
                _cleanup_(freep) char *text = NULL;
                const char *conflict = NULL;
                ViewShadow shadows[8];

                make_input(c, &input, shadows, &targets);
                expect_int(c->label, view_plan(&input, &view, &conflict), 0);
                text = describe(&view);
                expect_str(c->label, text, c->want);
                expect_true(c->label, never_live(&view, &input));
                expect_true(c->label, is_sorted(&view));
                expect_int(c->label, view.new_root, strncmp(c->want, "S0 /,", 5) == 0);
        }
}

static void test_conflict(void) {
        static const Case c = { "", "/srv", "/srv/db", "", "/srv", "/ /srv", "" };
        _cleanup_(clear_input) ViewInput input = {};
        _cleanup_(strings_clear) Strings targets = {};
        View view = { .n = 77 };
        const char *conflict = NULL;
        ViewShadow shadows[8];

        make_input(&c, &input, shadows, &targets);
        expect_int("live above what is asked for", view_plan(&input, &view, &conflict), -EEXIST);
        expect_str("the path is named", conflict, "/srv/db");
        expect_int("nothing is written on failure", view.n, 77);
}

static void test_below(void) {
        const ViewShadow shadow = { "/", "@root" };
        _cleanup_(clear_input) ViewInput input = { .shadows = &shadow, .n_shadows = 1 };
        _cleanup_(view_clear) View view = {};
        _cleanup_(freep) char *text = NULL;
        const char *conflict = NULL;

        split("/tmp/data", &input.wanted);
        split("/tmp", &input.system_live);
        expect_int("a mount of a part", view_plan(&input, &view, &conflict), 0);
        text = describe(&view);
        expect_str("paths inside the device object add up", text,
                   "S0:@root /, L? /tmp, S0:@root/tmp/data /tmp/data");
}

static void test_paths(void) {
        static const struct {
                const char *path, *base;
                bool within;
        } rows[] = {
                { "/a", "/a", true },    { "/a/b", "/a", true }, { "/ab", "/a", false },
                { "/a", "/a/b", false }, { "/", "/", true },     { "/a", "/", true },
        };

        FOREACH_ELEMENT (row, rows)
                expect_int(row->path, path_is_within(row->path, row->base), row->within);
        expect_int("depth of /", path_depth("/"), 0);
        expect_int("depth of /a/b", path_depth("/a/b"), 2);
        expect_str("relative to /", path_rest("/a/b", "/"), "a/b");
        expect_str("relative", path_rest("/a/b/c", "/a"), "b/c");
        expect_str("relative to itself", path_rest("/a", "/a"), "");
        expect_int("one letter", word_distance("creat", "create"), 1);
        expect_int("swapped", word_distance("plna", "plan"), 2);
        expect_int("empty", word_distance("", "plan"), 4);
}

int main(void) {
        test_paths();
        test_checkers();
        test_plans();
        test_conflict();
        test_below();
        return test_end();
}
