/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the verbs of repositories share
 */

#include <string.h>
#include "repository/go-text.h"
#include "repository/password.h"
#include "util/conf.h"
#include "util/utf8.h"
#include "vss/repository.h"

static const struct {
        int error;
        vss_result result;
        const char *remedy;
} failures[] = {
        { -ENOENT, VSS_E_OBJECT_NOT_FOUND,
          "Check the name; vss init makes a repository, vss points lists what is in one." },
        { -EEXIST, VSS_E_OBJECT_ALREADY_EXISTS, "Use it as it is, or choose another place." },
        { -EKEYREJECTED, VSS_E_ACCESSDENIED, "Check the password, and which repository this is." },
        { -EACCES, VSS_E_ACCESSDENIED, "Check who may read and write there." },
        { -EPERM, VSS_E_ACCESSDENIED, "Check who may read and write there." },
        { -EBUSY, VSS_E_SNAPSHOT_SET_IN_PROGRESS, "Wait until the other program has ended, and try again." },
        { -EUCLEAN, VSS_E_BAD_STATE,
          "See that nobody is at work there; then restic unlock --remove-all takes all locks away." },
        { -EROFS, VSS_E_ACCESSDENIED, "Mount it for writing; vss restore needs no more than reading." },
        { -EIO, VSS_E_UNEXPECTED, "See what the system's log says of that device." },
        { -ENODATA, VSS_E_UNEXPECTED, "Run vss verify --repository; what is whole can still be restored." },
        { -ESTALE, VSS_E_BAD_STATE, "Run it again: what has been uploaded is used." },
        { -EBADMSG, VSS_E_UNEXPECTED, "Run vss verify --repository; what is whole can still be restored." },
        { -EINVAL, VSS_E_INVALIDARG, "Say it in another way; --help shows how." },
        { -EPROTONOSUPPORT, VSS_E_INVALIDARG, "Say it in another way; --help shows how." },
        { -ENOSPC, VSS_E_INSUFFICIENT_STORAGE, "Make room there: vss forget, and then restic prune." },
        { -EDQUOT, VSS_E_INSUFFICIENT_STORAGE, "Make room there: vss forget, and then restic prune." },
        { -ENOMEM, VSS_E_OUTOFMEMORY, NULL },
        { -ENOTCONN, VSS_E_UNEXPECTED,
          "Check that the other machine can be reached; what it said stands above." },
        { -ETIMEDOUT, VSS_E_UNEXPECTED, "Check that the other machine can be reached." },
};

int cli_fail_repository(Cli *cli, int error, const Why *why) {
        const char *text = *why->text ? why->text : strerror(-error);

        if (error == -ECANCELED || (error == -EINTR && interrupt_pending()))
                return cli_fail(cli, VSS_S_ASYNC_CANCELLED);
        FOREACH_ELEMENT (failure, failures)
                if (failure->error == error)
                        return cli_error_remedy(cli, failure->result, NULL, failure->remedy, "%s", text);
        return cli_error_remedy(cli, VSS_E_UNEXPECTED, NULL, "See what the system says above.", "%s", text);
}

static int words_of(const char *command, char ***ret_words, Why *why) {
        ConfError error = {};
        int r = conf_words(command, &error, ret_words);

        return r < 0 ? repo_fail(why, -EINVAL, "'%s': %s", command, error.message) : 0;
}

static int run_command(const char *command, char **ret_password, Why *why) {
        _cleanup_words_ char **words = NULL;
        int r = words_of(command, &words, why);

        if (r < 0)
                return r;
        if (!words[0])
                return repo_fail(why, -EINVAL, "The command for the password is empty.");
        return password_from_command((const char *const *)words, ret_password, why);
}

static int ask_password(const char *prompt, bool twice, const char *instead, char **ret_password, Why *why) {
        int r = password_from_terminal(prompt, twice, ret_password, why);

        return r == -ENOTTY ? repo_fail(why, -EINVAL, "No password: give %s.", instead) : r;
}

int cli_get_password(const RepoArgs *args, char **ret_password, Why *why) {
        const char *file = args->password_file ?: getenv("VSS_PASSWORD_FILE"),
                   *command = args->password_command ?: getenv("VSS_PASSWORD_COMMAND");

        if (args->password_file || (file && !args->password_command))
                return password_from_file(file, ret_password, why);
        if (command)
                return run_command(command, ret_password, why);
        return ask_password("Password of the repository", args->new_password,
                            "--password-file or --password-command", ret_password, why);
}

static int get_password(void *userdata, char **ret_password, Why *why) {
        return cli_get_password(userdata, ret_password, why);
}

int cli_new_password(const RepoArgs *args, char **ret_password, Why *why) {
        if (args->password_file && args->password_command)
                return repo_fail(why, -EINVAL, "One new password, from a file or from a command.");
        if (args->password_file)
                return password_from_file(args->password_file, ret_password, why);
        return args->password_command
                       ? run_command(args->password_command, ret_password, why)
                       : ask_password("New password", true, "--new-password-file or --new-password-command",
                                      ret_password, why);
}

typedef int (*Opener)(const RepoOptions *options, Why *why, Repository **ret_repo);

static int open_with(Cli *cli, const RepoArgs *args, Opener opener, Repository **ret_repo) {
        _cleanup_words_ char **words = NULL;
        RepoOptions options = {
                .location = args->repository ?: getenv("VSS_REPOSITORY"),
                .password = get_password,
                .userdata = (void *)args,
                .keyring_seconds = args->keyring,
        };
        Why why = {};
        int r = 0;

        if (!options.location || !*options.location)
                return cli_usage(cli, "which repository? Give --repository, or set VSS_REPOSITORY");
        if (args->password_file && args->password_command)
                return cli_usage(cli, "--password-file and --password-command exclude each other");
        if (args->sftp_command)
                r = words_of(args->sftp_command, &words, &why);
        options.sftp_command = (const char *const *)words;
        if (r == 0)
                r = opener(&options, &why, ret_repo);
        return r < 0 ? cli_fail_repository(cli, r, &why) : EXIT_DONE;
}

int cli_open_repository_itself(Cli *cli, const RepoArgs *args, Repository **ret_repo) {
        return open_with(cli, args, repo_open, ret_repo);
}

int cli_open_repository(Cli *cli, const RepoArgs *args, Repository **ret_repo) {
        int status = cli_open_repository_itself(cli, args, ret_repo);

        if (status == EXIT_DONE)
                repo_use_cache(*ret_repo, NULL);
        return status;
}

int cli_init_repository(Cli *cli, const RepoArgs *args, Repository **ret_repo) {
        return open_with(cli, args, repo_init, ret_repo);
}

static bool cannot_write(int error) {
        return error == -EROFS || error == -EACCES || error == -EPERM || error == -ENOSPC ||
               error == -EDQUOT;
}

int cli_lock_repository(Cli *cli, Repository *repo, bool exclusive, bool *ret_settle, RepoLock **ret_lock) {
        Why why = {};
        int r = repo_lock(repo, exclusive, &why, ret_settle, ret_lock);

        if (cannot_write(r) && !exclusive && !ret_settle) {
                cli_note("%s It is read without a lock: see that nobody prunes it meanwhile.", why.text);
                return EXIT_DONE;
        }
        return r < 0 ? cli_fail_repository(cli, r, &why) : EXIT_DONE;
}

/* One damaged point does not hide the others. */
static int tell_damaged(void *userdata, const BlobId *id, const Why *why) {
        cli_note("%s", why->text);
        return 0;
}

int cli_load_index(Cli *cli, Repository *repo) {
        Why why = {};
        int r = repo_load_index(repo, tell_damaged, NULL, &why);

        return r < 0 ? cli_fail_repository(cli, r, &why) : EXIT_DONE;
}

void cli_note_unnamed(const Repository *repo) {
        if (repo->unnamed_packs > 0)
                cli_note("%zu pack%s in no index, and looked into all the same: an index file is lost; vss "
                         "verify --repository says what to do",
                         repo->unnamed_packs, repo->unnamed_packs == 1 ? " is" : "s are");
}

int cli_load_points(Cli *cli, Repository *repo, SnapshotList *ret_points) {
        Why why = {};
        int r = repo_load_snapshots(repo, tell_damaged, NULL, ret_points, &why);

        return r < 0 ? cli_fail_repository(cli, r, &why) : EXIT_DONE;
}

static int set_text(vss_value *dict, const char *key, const char *text) {
        _cleanup_(freep) char *copy = strdup(text);

        return copy ? vss_value_set_string(dict, key, text_make_utf8(copy)) : VSS_E_OUTOFMEMORY;
}

static int set_strings(vss_value *dict, const char *key, const SnapshotStrings *strings) {
        vss_value *list = value_require(dict, key, VSS_KIND_LIST);

        for (size_t i = 0; list && i < strings->n; i++) {
                _cleanup_(freep) char *copy = strdup(strings->items[i]);

                if (!copy || value_append_string(list, text_make_utf8(copy)) < 0)
                        return VSS_E_OUTOFMEMORY;
        }
        return list ? VSS_S_OK : VSS_E_OUTOFMEMORY;
}

vss_value *point_to_value(const Snapshot *point) {
        _cleanup_value_ vss_value *value = vss_value_new_dict();
        _cleanup_bytes_ Bytes time = {};
        char id[BLOB_ID_TEXT];
        const SnapshotSummary *summary = &point->summary;

        if (!value || go_append_time(&time, &point->time) < 0 || bytes_append(&time, "", 1) < 0)
                return NULL;
        if (vss_value_set_string(value, "id", blob_id_text(&point->id, id)) < 0 ||
            vss_value_set_string(value, "time", (const char *)time.data) < 0 ||
            set_text(value, "host", point->hostname) < 0 || set_text(value, "user", point->username) < 0 ||
            set_strings(value, "paths", &point->paths) < 0 || set_strings(value, "tags", &point->tags) < 0 ||
            vss_value_set_string(value, "tree", blob_id_text(&point->tree, id)) < 0)
                return NULL;
        if (point->has_parent && vss_value_set_string(value, "parent", blob_id_text(&point->parent, id)) < 0)
                return NULL;
        if (summary->there &&
            (vss_value_set_integer(value, "files", (int64_t)summary->total_files) < 0 ||
             vss_value_set_integer(value, "bytes", (int64_t)summary->total_bytes) < 0 ||
             vss_value_set_integer(value, "bytes-stored", (int64_t)summary->data_added_packed) < 0))
                return NULL;
        return TAKE_PTR(value);
}
