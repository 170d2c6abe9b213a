/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss key: the passwords of a repository
 */

#include <string.h>
#include "repository/crypto.h"
#include "repository/keys.h"
#include "util/utf8.h"
#include "vss/output.h"
#include "vss/repository.h"
#include "vss/verb.h"

typedef struct KeyArgs {
        RepoArgs repo, fresh; /* of the new password */
} KeyArgs;

static int list_json(Cli *cli, const Repository *repo, const KeyList *keys) {
        _cleanup_value_ vss_value *answer = vss_value_new_dict();
        vss_value *list = value_require(answer, "keys", VSS_KIND_LIST);

        for (size_t i = 0; list && i < keys->n; i++) {
                const KeyInfo *key = &keys->items[i];
                _cleanup_value_ vss_value *entry = vss_value_new_dict();
                char id[BLOB_ID_TEXT];

                if (vss_value_set_string(entry, "id", blob_id_text(&key->id, id)) < 0 ||
                    vss_value_set_string(entry, "created", key->created) < 0 ||
                    vss_value_set_string(entry, "user", key->username) < 0 ||
                    vss_value_set_string(entry, "host", key->hostname) < 0 ||
                    vss_value_set_boolean(entry, "open", blob_id_equals(&key->id, &repo->key_id)) < 0 ||
                    vss_value_set_boolean(entry, "damaged", key->damaged) < 0 ||
                    vss_value_append(list, TAKE_PTR(entry)) < 0)
                        return cli_out_of_memory(cli);
        }
        return list ? cli_print_json(cli, answer, false) : cli_out_of_memory(cli);
}

static int list_keys(Cli *cli, Repository *repo) {
        _cleanup_keys_ KeyList keys = {};
        Table table = {};
        Why why = {};
        int r = repo_load_keys(repo, &keys, &why);

        if (r < 0)
                return cli_fail_repository(cli, r, &why);
        if (cli->json)
                return list_json(cli, repo, &keys);
        table_add(&table, "KEY", "CREATED", "USER", "HOST", "", NULL);
        for (size_t i = 0; i < keys.n; i++) {
                const KeyInfo *key = &keys.items[i];
                bool open = blob_id_equals(&key->id, &repo->key_id);
                char id[BLOB_ID_TEXT];

                blob_id_text(&key->id, id);
                id[8] = '\0';
                table_add(&table, id, key->created, key->username, key->hostname,
                          key->damaged ? "damaged"
                          : open       ? "opened the repository"
                                       : "",
                          NULL);
        }
        table_print(&table, stdout);
        table_clear(&table);
        return EXIT_DONE;
}

static int tell(Cli *cli, const char *what, const BlobId *key) {
        _cleanup_value_ vss_value *answer = NULL;
        char id[BLOB_ID_TEXT];

        (void)blob_id_text(key, id);
        if (!cli->json) {
                printf("key %.8s %s\n", id, what);
                return EXIT_DONE;
        }
        answer = vss_value_new_dict();
        return vss_value_set_string(answer, "id", id) < 0 ? cli_out_of_memory(cli)
                                                          : cli_print_json(cli, answer, false);
}

static int add_key(Cli *cli, Repository *repo, const RepoArgs *fresh) {
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        char *password = NULL;
        Why why = {};
        BlobId id;
        int status = cli_lock_repository(cli, repo, false, NULL, &lock), r;

        if (status != EXIT_DONE)
                return status;
        r = cli_new_password(fresh, &password, &why);
        if (r == 0)
                r = repo_add_key(repo, password, NULL, &id, &why);
        if (password)
                crypto_forget(password, strlen(password));
        free(password);
        return r < 0 ? cli_fail_repository(cli, r, &why) : tell(cli, "added", &id);
}

static int remove_key(Cli *cli, Repository *repo, const char *name) {
        _cleanup_(repo_unlockp) RepoLock *lock = NULL;
        Why why = {};
        BlobId id;
        int status = cli_lock_repository(cli, repo, true, NULL, &lock), r;

        if (status != EXIT_DONE)
                return status;
        r = repo_remove_key(repo, lock, name, &id, &why);
        return r < 0 ? cli_fail_repository(cli, r, &why) : tell(cli, "removed", &id);
}

int verb_key(Cli *cli, int argc, char **argv) {
        KeyArgs args = { .fresh = { .new_password = true } };
        const Option options[] = {
                REPO_OPTIONS(&args.repo),
                OPTION("new-password-file", OPTION_TEXT, "FILE", "add: the new password is in it",
                       &args.fresh.password_file),
                OPTION("new-password-command", OPTION_TEXT, "COMMAND",
                       "add: what it prints is the new password", &args.fresh.password_command),
        };
        _cleanup_(repo_freep) Repository *repo = NULL;
        int status = EXIT_DONE, index = options_parse(cli, options, ELEMENTS(options), argc, argv, &status);
        const char *word, *name;

        if (index < 0)
                return status;
        word = argc > index ? argv[index] : "";
        name = argc > index + 1 ? argv[index + 1] : NULL;
        if (strcmp(word, "list") != 0 && strcmp(word, "add") != 0 && strcmp(word, "remove") != 0)
                return cli_usage(cli, "say list, add, or remove KEY");
        if (strcmp(word, "remove") == 0 && !name)
                return cli_usage(cli, "name the key by the first digits of its id; key list shows them");
        if (argc > index + (strcmp(word, "remove") == 0 ? 2 : 1))
                return cli_usage(cli, "'%s' is one word too many", argv[argc - 1]);
        status = cli_open_repository(cli, &args.repo, &repo);
        if (status != EXIT_DONE)
                return status;
        if (strcmp(word, "list") == 0)
                return list_keys(cli, repo);
        return name ? remove_key(cli, repo, name) : add_key(cli, repo, &args.fresh);
}
