# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# volumes.sh - volumes on the disks of RIG_DISKS, and what must be true of them and of their copies
#
#   make_partitions DISK MIB...           $DISK1, $DISK2 ...; name them by partition DISK N
#   make_file_system TYPE DEVICE          ext4 or xfs
#   mount_at NAME TYPE DEVICE             at $RIG_TMP/NAME; unmounted at the end
#   find_suspended                        names of suspended devices; nothing if all run
#   find_unclean TYPE DEVICE              what fsck says of a copy; nothing if it is clean. The copy is not written to
#   list_files DIRECTORY                  names, owners, times and sums of all that is below, to compare
#   start_counters FILE..., end_counters  a counter that is flushed to one file after the other
#
# A copy is looked at through an overlay of its own, since XFS replays its log before it can be checked.

SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
RANDOM=$((SEED % 32768))
pair=$BUILD/tests/pair

partition() {
        case $1 in *[0-9]) echo "$1p$2" ;; *) echo "$1$2" ;; esac
}

# Known to the kernel only; there is no table on the disk.
make_partitions() {
        local disk=$1 size number=0 start=2048
        shift
        for size in "$@"; do
                number=$((number + 1))
                addpart "$disk" "$number" "$start" $((size * 2048)) || return 1
                start=$((start + size * 2048))
        done
        wait_for 5 test -b "$(partition "$disk" "$number")"
}

make_file_system() {
        local type=$1 device=$2
        case $type in
        ext4) mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$device" ;;
        xfs) mkfs.xfs -q -f "$device" ;;
        *) echo "make_file_system: $type?" >&2; return 1 ;;
        esac
}

mount_at() {
        mkdir -p "$RIG_TMP/$1" && mount -t "$2" "$3" "$RIG_TMP/$1" && at_end umount_volume "$RIG_TMP/$1"
}

find_suspended() {
        dmsetup info --columns --noheadings --options name,suspended | sed -n 's/:Suspended$//p'
}

# What is written to the copy for the check lands in memory, in one loop file.
find_unclean() {
        local type=$1 copy=$2 image=$RIG_TMP/check.img options=rw loop size output
        size=$(blockdev --getsz "$copy") || { echo "$copy cannot be read"; return; }
        rm -f "$image"
        truncate -s 256M "$image"
        loop=$(losetup --find --show "$image") || { echo "no loop device"; return; }
        if ! dmsetup create rig-check --table "0 $size snapshot $copy $loop N 8"; then
                echo "no overlay over $copy"
        else
                # Its journal is replayed, as the next mount would.
                mkdir -p "$RIG_TMP/check"
                [ "$type" != xfs ] || options=nouuid
                if ! output=$(mount -t "$type" -o "$options" /dev/mapper/rig-check "$RIG_TMP/check" 2>&1); then
                        echo "it cannot be mounted: $output"
                else
                        umount "$RIG_TMP/check"
                        case $type in
                        xfs) output=$(xfs_repair -n /dev/mapper/rig-check 2>&1) || echo "xfs_repair: $output" ;;
                        ext4) output=$(e2fsck -fn /dev/mapper/rig-check 2>&1) || echo "e2fsck: $output" ;;
                        esac
                fi
        fi
        dmsetup remove rig-check
        losetup --detach "$loop"
        rm -f "$image"
}

list_files() {
        (cd "$1" && find . -xdev ! -path './.linuxvss*' -printf '%p %y %m %U %G %s %T@ %l\n' | sort &&
                find . -xdev -type f ! -path './.linuxvss*' -print0 | sort -z | xargs -0 -r sha256sum)
}

start_counters() {
        "$pair" write "$@" &
        counters=$!
        at_end end_counters "$counters"
        wait_for 5 test -s "${!#}"
}

end_counters() {
        kill "$1" 2>/dev/null
        wait "$1" 2>/dev/null
        return 0
}
