/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of the btrfs provider: how many transactions a set takes, and what shares one
 */

#include <btrfsutil.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include "providers/btrfs/test-btrfs-rig.h"
#include "util/clock.h"
#include "util/test.h"

/* Of the transaction that is under way, or was the last. */
static uint64_t generation(void) {
        struct btrfs_ioctl_fs_info_args info = { .flags = BTRFS_FS_INFO_FLAG_GENERATION };
        _cleanup_(closep) int fd = open(ROOT "/top", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return ioctl(fd, BTRFS_IOC_FS_INFO, &info) == 0 ? info.generation : 0;
}

static bool is_born_read_only(const char *id) {
        char path[sizeof(STORE) + VSS_ID_SIZE + sizeof(STORE_SNAPSHOT) + 2];
        bool read_only = false;

        (void)snprintf(path, sizeof(path), STORE "/%s/" STORE_SNAPSHOT, id);
        return btrfs_util_get_subvolume_read_only(path, &read_only) == BTRFS_UTIL_OK && read_only;
}

/* How many transactions are begun from the cut to the end. */
static uint64_t transactions_to_finish(bool foretold) {
        _cleanup_value_ vss_value *results = vss_value_new_dict(), *marked = vss_value_new_dict();
        uint64_t before = 0;

        (void)vss_value_set_integer(marked, "attributes", VSS_VOLSNAP_ATTR_AUTORECOVER);
        expect_int("begin two", begin(SET, ID_A, ROOT "/a") | begin(SET, ID_B, ROOT "/b"), VSS_S_OK);
        if (foretold)
                expect_int("foretell that both are written to",
                           p->set_snapshot_property(&call, ID_A, marked) |
                                   p->set_snapshot_property(&call, ID_B, marked),
                           VSS_S_OK);
        expect_int("prepare", end_prepare(SET), VSS_S_OK);
        expect_int("cut", p->commit_snapshots(&call, SET), VSS_S_OK);
        before = generation();
        expect_int("  read-only from the beginning", is_born_read_only(ID_A) && is_born_read_only(ID_B),
                   !foretold);
        expect_int("finish", p->post_final_commit_snapshots(&call, SET, results), VSS_S_OK);
        expect_true("  read-only at the end", is_born_read_only(ID_A) && is_born_read_only(ID_B));
        before = generation() - before;
        p->abort_snapshots(&call, SET);
        return before;
}

/* What writes to the file system waits for each commit. */
static void test_commits(void) {
        uint64_t usual, foretold;

        expect_int("no commits but ours", mount(NULL, ROOT "/top", NULL, MS_REMOUNT, "commit=300"), 0);
        usual = transactions_to_finish(false);
        foretold = transactions_to_finish(true);
        printf("# %" PRIu64 " transactions begun behind the cut, %" PRIu64 " if writers wrote\n", usual,
               foretold);
        expect_true("none is committed behind the cut", usual <= 1);
        expect_true("the checker sees those of copies that were writable", foretold >= 2);
        expect_int("nothing stays but the empty store", rmdir(STORE), 0);
}

/* One transaction for two subvolumes is luck, but it must be told exactly when it was so. */
static void test_instants(void) {
        unsigned shared = 0, wrong = 0, rounds = 20;
        uint64_t longest = 0;

        for (unsigned i = 0; i < rounds; i++) {
                _cleanup_value_ vss_value *results = NULL, *list = vss_value_new_list();
                int64_t transaction[2] = { 0 };
                uint64_t began;

                if (begin(SET, ID_A, ROOT "/a") < 0 || begin(SET, ID_B, ROOT "/b") < 0 ||
                    end_prepare(SET) < 0)
                        break;
                began = now_usec();
                if (p->commit_snapshots(&call, SET) < 0)
                        break;
                longest = MAX(longest, now_usec() - began);
                results = vss_value_new_dict();
                if (p->post_final_commit_snapshots(&call, SET, results) < 0 || p->query(&call, list) < 0)
                        break;
                for (size_t k = 0; k < vss_value_count(list); k++) {
                        const vss_value *info = vss_value_at(list, k);
                        bool b = strcmp(vss_value_get_string(info, "id", ""), ID_B) == 0;

                        if (strcmp(vss_value_get_string(info, "set", ""), SET) == 0)
                                transaction[b] = vss_value_get_integer(vss_value_get(info, "btrfs"),
                                                                       "transaction", 0);
                }
                shared += transaction[0] == transaction[1];
                wrong += (transaction[0] == transaction[1]) !=
                         (vss_value_count(vss_value_at(vss_value_get(results, "one-instant"), 0)) == 2);
                p->abort_snapshots(&call, SET);
        }
        printf("# %u of %u pairs shared one transaction; longest commit %" PRIu64 " us\n", shared, rounds,
               longest);
        expect_int("wrongly told", wrong, 0);
        expect_int("nothing stays but the empty store, which can go", rmdir(STORE), 0);
}

static void test_many(void) {
        _cleanup_value_ vss_value *results = NULL;
        vss_result r = VSS_S_OK;
        char path[64], id[VSS_ID_SIZE];
        const vss_value *groups;
        size_t n_transactions;
        unsigned n;

        for (n = 0; n <= VSS_VOLUMES_MAX && r == VSS_S_OK; n++) {
                (void)snprintf(path, sizeof(path), ROOT "/b/s%u", n);
                (void)snprintf(id, sizeof(id), "dddddddd-0000-4000-8000-%012u", n);
                r = subvolume(path) ? begin(SET, id, path) : VSS_E_UNEXPECTED;
        }
        expect_int("the 65th volume", n, VSS_VOLUMES_MAX + 1);
        expect_int("is refused", r, VSS_E_MAXIMUM_NUMBER_OF_SNAPSHOTS_REACHED);
        expect_int("the 64 are made", finish(SET, &results), VSS_S_OK);
        /* Many more than there are processors. */
        groups = vss_value_get(results, "one-instant");
        n_transactions = VSS_VOLUMES_MAX + vss_value_count(groups);
        for (size_t i = 0; i < vss_value_count(groups); i++)
                n_transactions -= vss_value_count(vss_value_at(groups, i));
        printf("# %zu transactions for 64 copies\n", n_transactions);
        expect_true("by far fewer transactions than copies", n_transactions < VSS_VOLUMES_MAX / 2);
        p->abort_snapshots(&call, SET);
        expect_int("and taken back", rmdir(STORE), 0);
}

int main(void) {
        TestDisk disk;

        if (geteuid() != 0) {
                printf("1..0 # SKIP mounting needs root\n");
                return 0;
        }
        if (!test_disk_begin(ROOT)) {
                printf("1..0 # SKIP no mount namespace can be made here\n");
                return 0;
        }
        if (!test_disk_make(&disk, 512u << 20, btrfs_mkfs) || !prepare_disk(&disk))
                expect_true("a btrfs file system to work on", false);
        else {
                test_commits();
                test_instants();
                test_many();
        }
        (void)set_free(provider.set);
        return test_end();
}
