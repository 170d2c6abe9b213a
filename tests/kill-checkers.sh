# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The checkers of the kill tests, each run on what it must not let through

finds() {
        like "$(find_problems 300)" "$1" "found: $2"
}

remains() {
        like "$(find_remains 0)" "$1" "found: $2"
}

case_begin "broken subjects"
ok_if_empty "$(find_problems 1000)" "a machine in order has no problem"
ok_if_empty "$(find_remains 1)" "nothing remains on a machine in order"

for volume in "${all[@]}"; do
        mount_point=$volume
        case $volume in "$b"/*) mount_point=$b ;; esac
        fsfreeze --freeze "$mount_point"
        finds "$volume: a write hangs" "a thaw that was skipped: ${volume##*/}"
        fsfreeze --unfreeze "$mount_point"
done
for database in "${databases[@]}"; do
        sqlite3 "$database" < <(printf '.timeout 3000\nBEGIN IMMEDIATE;\n' && exec sleep 20) > /dev/null 2>&1 &
        sleep 0.5
        finds "$database: is locked" "a lock that is held: ${database#"$RIG_TMP"/}"
        kill "$!"
        wait "$!" 2>/dev/null
done
"$KILL/kill-held" < <(exec sleep 20) > /dev/null &
wait_for 5 pgrep -x kill-held
finds "held command" "a held command that goes on"
remains "kill-held" "its process"
kill $!
mkdir -p /run/linuxvss && touch /run/linuxvss/hold
finds "linuxvss/hold" "a record of a hold"
rm /run/linuxvss/hold

btrfs subvolume create "$b/left" > /dev/null
remains "left" "a subvolume"
btrfs subvolume delete "$b/left" > /dev/null
mkdir "$KILL/left" && mount -t tmpfs left "$KILL/left"
remains "$KILL/left" "a mount"
umount "$KILL/left"
truncate -s 1M "$RIG_TMP/left.img"
device=$(losetup --find --show "$RIG_TMP/left.img")
remains "left.img" "a loop device"
losetup --detach "$device"
mkdir -p /run/linuxvss/fault/left
remains "fault/left" "a copy"
rmdir /run/linuxvss/fault/left
cp /usr/bin/sleep "$KILL/vss-hold"
"$KILL/vss-hold" 20 &
remains "vss-hold" "a hold process"
kill $!
kill -STOP "$load2"
remains "does not go on" "a load that stands still"
kill -CONT "$load2"
kill -STOP "$(process_of writer-dropin)"
remains "stopped vss-writer-drop" "a writer that stands still"
kill -CONT "$(process_of writer-dropin)"

# A lock that is dropped between the two copies, and volumes that are copied while nothing holds them.
mkdir "$KILL/torn" "$KILL/torn/e1" "$KILL/torn/x1"
cp "$e1"/a.db* "$KILL/torn/e1"
"$tool" advances 5000 "$KILL/load1"
cp "$x1"/b.db* "$KILL/torn/x1"
run_fails 9 "found: a lock dropped early" "$tool" verify "$KILL/scratch" "db:$KILL/torn/e1/a.db" "db:$KILL/torn/x1/b.db"
cp "$e2/f" "$KILL/torn/e1"
"$tool" advances 5000 "$KILL/load1"
cp "$x1/f" "$KILL/torn/x1"
run_fails 9 "found: volumes copied one after another" "$tool" verify "$KILL/scratch" \
        "file:$KILL/torn/e1/f" "file:$KILL/torn/x1/f"
"$tool" advances 5000 "$KILL/load1"
cp "$x1/f" "$KILL/torn/x1/later"
run_fails 9 "found: what is older than it may be" "$tool" verify "$KILL/scratch" \
        "file:$KILL/torn/x1/later" "file:$KILL/torn/e1/f"

# The harness's own thaw works.
fsfreeze --freeze "$e2"
echo 0 > "$KILL/deadline"
wait_for 5 grep -q "$e2" "$KILL/thawed"
ok_if $? "the harness thaws what a test leaves frozen"
case_begin "after the broken subjects"
rm -f "$KILL/thawed"
ok_if_empty "$(find_problems 1000)$(find_remains 5)" "afterwards the machine is in order"
