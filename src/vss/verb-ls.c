/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss ls: what a point holds, or what components consist of now
 */

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include "repository/go-text.h"
#include "util/utf8.h"
#include "vss/ls-components.h"
#include "vss/output.h"
#include "vss/point.h"
#include "vss/repository.h"
#include "vss/size.h"
#include "vss/verb.h"

#define DEPTH_MAX 4096u

typedef struct Listing {
        Cli *cli;
        Repository *repo;
        bool recursive, full;
        uint64_t files, bytes;
        vss_value *entries; /* with --json */
        int status;
} Listing;

static int append_entry(Listing *listing, const char *path, const Node *node) {
        vss_value *entry = vss_value_new_dict();
        _cleanup_(freep) char *name = strdup(path);
        _cleanup_bytes_ Bytes time = {};
        char mode[8];

        (void)snprintf(mode, sizeof(mode), "%04o", node->mode & 07777u);
        if (!entry || !name || go_append_time(&time, &node->mtime) < 0 || bytes_append(&time, "", 1) < 0 ||
            vss_value_set_string(entry, "path", text_make_utf8(name)) < 0 ||
            vss_value_set_string(entry, "type", node_type_name(node->type)) < 0 ||
            vss_value_set_string(entry, "mode", mode) < 0 ||
            vss_value_set_integer(entry, "uid", node->uid) < 0 ||
            vss_value_set_integer(entry, "gid", node->gid) < 0 ||
            vss_value_set_integer(entry, "size", (int64_t)node->size) < 0 ||
            vss_value_set_string(entry, "modified", (const char *)time.data) < 0) {
                vss_value_free(entry);
                return cli_out_of_memory(listing->cli);
        }
        return vss_value_append(listing->entries, entry) < 0 ? cli_out_of_memory(listing->cli) : EXIT_DONE;
}

static const char *mode_text(const Node *node, char text[static 11]) {
        static const char letters[] = "rwxrwxrwx";
        static const char types[] = {
                [NODE_UNKNOWN] = '?', [NODE_FILE] = '-',    [NODE_DIR] = 'd',  [NODE_SYMLINK] = 'l',
                [NODE_DEV] = 'b',     [NODE_CHARDEV] = 'c', [NODE_FIFO] = 'p', [NODE_SOCKET] = 's'
        };

        text[0] = types[node->type];
        for (unsigned i = 0; i < 9; i++)
                text[i + 1] = node->mode & (0400u >> i) ? letters[i] : '-';
        if (node->mode & S_ISUID)
                text[3] = text[3] == 'x' ? 's' : 'S';
        if (node->mode & S_ISGID)
                text[6] = text[6] == 'x' ? 's' : 'S';
        if (node->mode & S_ISVTX)
                text[9] = text[9] == 'x' ? 't' : 'T';
        text[10] = '\0';
        return text;
}

/* The name that the owner had on the machine of the backup, if it had one. */
static void print_owner(const char *name, uint32_t id) {
        if (name && *name) {
                int gap = 8 - (int)MIN(strlen(name), (size_t)8);

                print_text(stdout, name);
                printf("%*s ", gap, "");
        } else
                printf("%-8u ", id);
}

static void print_entry(const Listing *listing, const char *path, const Node *node) {
        char mode[11], date[DATE_SIZE];

        if (listing->full) {
                printf("%s ", mode_text(node, mode));
                print_owner(node->user, node->uid);
                print_owner(node->group, node->gid);
                printf("%14" PRIu64 " %s ", node->size,
                       format_date((int64_t)node->mtime.tv_sec * 1000000, date));
        }
        print_text(stdout, path);
        if (listing->full && node->type == NODE_SYMLINK && node->target) {
                fputs(" -> ", stdout);
                print_text(stdout, node->target);
        }
        (void)putchar('\n');
}

static int list_node(Listing *listing, const char *path, const Node *node) {
        listing->files += node->type == NODE_FILE;
        listing->bytes += node->type == NODE_FILE ? node->size : 0;
        if (listing->entries)
                return append_entry(listing, path, node);
        print_entry(listing, path, node);
        return EXIT_DONE;
}

/* What cannot be read is told, and the rest is listed. */
static int list_tree(Listing *listing, const char *directory, const BlobId *id, unsigned depth) {
        _cleanup_tree_ Tree tree = {};
        int status = EXIT_DONE, r;
        Why why = {};

        if (interrupt_pending())
                return cli_fail(listing->cli, VSS_S_ASYNC_CANCELLED);
        if (depth > DEPTH_MAX) {
                cli_note("%s: lies too deep", directory);
                listing->status = EXIT_PARTLY;
                return EXIT_DONE;
        }
        r = repo_load_tree(listing->repo, id, &tree, &why);
        if (r < 0) {
                cli_note("%s: %s", *directory ? directory : "/", why.text);
                listing->status = EXIT_PARTLY;
                return r == -ENOMEM ? cli_out_of_memory(listing->cli) : EXIT_DONE;
        }
        for (size_t i = 0; status == EXIT_DONE && i < tree.n; i++) {
                const Node *node = &tree.nodes[i];
                _cleanup_(freep) char *path = NULL;

                if (asprintf(&path, "%s/%s", directory, node->name) < 0) {
                        path = NULL;
                        return cli_out_of_memory(listing->cli);
                }
                status = list_node(listing, path, node);
                if (status == EXIT_DONE && listing->recursive && node->type == NODE_DIR &&
                    node->has_subtree && node_name_is_safe(node->name))
                        status = list_tree(listing, path, &node->subtree, depth + 1);
        }
        return status;
}

/* The tree of a directory, or the node of something else. */
static int find_path(Listing *listing, const BlobId *root, const char *whole, const char *path) {
        _cleanup_tree_ Tree tree = {};
        const char *element = path + strspn(path, "/");
        size_t n = strcspn(element, "/");
        const char *rest = element + n + strspn(element + n, "/");
        _cleanup_(freep) char *name = strndup(element, n),
                              *here = strndup(whole, (size_t)(element + n - whole));
        const Node *node;
        Why why = {};
        int r;

        if (!name || !here)
                return cli_out_of_memory(listing->cli);
        if (n == 0)
                return list_tree(listing, "", root, 0);
        r = repo_load_tree(listing->repo, root, &tree, &why);
        if (r < 0)
                return cli_fail_repository(listing->cli, r, &why);
        node = tree_find(&tree, name);
        if (!node || (*rest && !node->has_subtree))
                return cli_error_remedy(listing->cli, VSS_E_OBJECT_NOT_FOUND, here,
                                        "vss ls shows what there is.", "the point has nothing there");
        if (!node->has_subtree)
                return list_node(listing, here, node);
        if (!*rest)
                return list_tree(listing, here, &node->subtree, 0);
        return find_path(listing, &node->subtree, whole, rest);
}

int verb_ls(Cli *cli, int argc, char **argv) {
        _cleanup_(strings_clear) Strings writers = {};
        RepoArgs args = {};
        Listing listing = { .cli = cli };
        const Option options[] = {
                REPO_OPTIONS(&args),
                OPTION("recursive", OPTION_FLAG, NULL, "with all that is below", &listing.recursive),
                OPTION("long", OPTION_FLAG, NULL, "with mode, owner, size and time", &listing.full),
                OPTION("writer", OPTION_LIST, "NAME[:/PATH]",
                       "instead of a point: the files of this writer, or of one component of it, as they "
                       "are "
                       "now; may be given again",
                       &writers),
        };
        _cleanup_(repo_freep) Repository *repo = NULL;
        _cleanup_snapshots_ SnapshotList points = {};
        _cleanup_value_ vss_value *answer = NULL;
        const Snapshot *point;
        const char *path;
        char size[SIZE_TEXT];
        Why why = {};
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);

        if (index < 0)
                return status;
        if (writers.n > 0)
                return argc == index ? ls_components(cli, &writers, listing.full)
                                     : cli_usage(cli, "--writer shows files as they are now, and no point");
        if (argc - index < 1 || argc - index > 2)
                return cli_usage(cli, "name a point, or 'latest', and perhaps a path in it; or a --writer");
        status = cli_open_repository(cli, &args, &repo);
        if (status == EXIT_DONE)
                status = cli_load_points(cli, repo, &points);
        if (status != EXIT_DONE)
                return status;
        point = snapshot_list_find(&points, argv[index], &why);
        if (!point)
                return cli_fail_repository(cli, -ENOENT, &why);
        point_note_ahead(point, argv[index]);
        status = cli_load_index(cli, repo);
        if (status != EXIT_DONE)
                return status;
        listing.repo = repo;
        if (cli->json) {
                answer = vss_value_new_dict();
                listing.entries = value_require(answer, "entries", VSS_KIND_LIST);
                if (!listing.entries)
                        return cli_out_of_memory(cli);
        }
        path = argc - index > 1 ? argv[index + 1] : "/";
        if (*path != '/')
                return cli_usage(cli, "'%s': paths of a point are absolute", path);
        status = find_path(&listing, &point->tree, path, path);
        cli_note_unnamed(repo);
        if (status == EXIT_DONE && cli->json)
                status = cli_print_json(cli, answer, false);
        else if (status == EXIT_DONE && listing.full)
                printf("%" PRIu64 " file%s, %s\n", listing.files, PLURAL(listing.files),
                       format_size((int64_t)listing.bytes, size));
        return status == EXIT_DONE ? listing.status : status;
}
