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
#   make_storage NAME...                  de dx te tx ce cx: volumes of ext4 and XFS that are attached (d), thin (t)
#                                         and classic (c) logical volumes of the group rigvg; b: a btrfs subvolume;
#                                         all of them in $storage. The first disk's fourth partition is free
#   make_set [OPTION...] VOLUME...        of such names: the result in $set, what was said in $output
#   of_set FILTER, copy_of NAME, block_of NAME        of its result: jq; where the copy is; its block device
#   find_lvm_trouble                      what LVM has to complain of; nothing if it is content, and goes on working
#   find_thin_trouble GROUP...            what thin_check has to say of their pools; behind it nothing of them is active
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
        xfs) make_xfs "$device" ;;
        *) echo "make_file_system: $type?" >&2; return 1 ;;
        esac
}

mount_at() {
        mkdir -p "$RIG_TMP/$1" && mount -t "$2" "$3" "$RIG_TMP/$1" && at_end umount_volume "$RIG_TMP/$1"
}

find_suspended() {
        dmsetup info --columns --noheadings --options name,suspended | sed -n 's/:Suspended$//p'
}

# What is written to the copy for the check lands in memory, in one loop file. The copy may be mounted: so its own is
# below another loop device, which does not claim it.
find_unclean() {
        local type=$1 copy=$2 image=$RIG_TMP/check.img options=rw below above size output
        size=$(blockdev --getsz "$copy") && below=$(losetup --read-only --find --show "$copy") ||
                { echo "$copy cannot be read"; return; }
        rm -f "$image"
        truncate -s 256M "$image"
        above=$(losetup --find --show "$image") || { echo "no loop device"; return; }
        if ! dmsetup create rig-check --table "0 $size snapshot $below $above N 8"; then
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
                dmsetup remove rig-check
        fi
        losetup --detach "$above" "$below"
        rm -f "$image"
}

list_files() {
        (cd "$1" && find . -xdev ! -path './.linuxvss*' -printf '%p %y %m %U %G %s %T@ %l\n' | sort &&
                find . -xdev -type f ! -path './.linuxvss*' -print0 | sort -z | xargs -0 -r sha256sum)
}

# ---- all kinds -----------------------------------------------------------------------------------------------

declare -A type_of=([de]=ext4 [dx]=xfs [te]=ext4 [tx]=xfs [ce]=ext4 [cx]=xfs [b]=btrfs)
declare -A provider_of=([de]=Dm [dx]=Dm [te]=Lvm [tx]=Lvm [ce]=Lvm [cx]=Lvm [b]=Btrfs)

quietly() {
        local said
        said=$("$@" 2>&1) || { note "$*: $said"; return 1; }
}

make_attached() {
        make_file_system "${type_of[$1]}" "$2" && quietly vss attach --no-boot --name "rig-$1" "$2" || return 1
        at_end quietly vss detach "$2"
        mount_at "$1" "${type_of[$1]}" "/dev/mapper/rig-$1"
}

make_logical() {
        make_file_system "${type_of[$1]}" "/dev/rigvg/$1" && mount_at "$1" "${type_of[$1]}" "/dev/rigvg/$1"
}

make_storage() {
        local disks name
        storage=("$@")
        without_writers
        # Small volumes, of which most is overwritten.
        printf '[Storage]\nMaximum=75%%\n' > /etc/linuxvss/dm.conf
        read -ra disks <<< "$RIG_DISKS"
        # The fourth is a test's own.
        make_partitions "${disks[0]}" 128 160 256 64 || return 1
        case "$*" in
        *[tc][ex]*)
                quietly vgcreate -q rigvg "${disks[1]}" && quietly lvcreate -q -L 640M -T rigvg/pool || return 1
                at_end quietly vgremove -q -f -y rigvg
                ;;
        esac
        for name in "$@"; do
                case $name in
                de) make_attached de "$(partition "${disks[0]}" 1)" ;;
                dx) make_attached dx "$(partition "${disks[0]}" 2)" ;;
                te) quietly lvcreate -q -V 128M -T rigvg/pool -n te && make_logical te ;;
                tx) quietly lvcreate -q -V 128M -T rigvg/pool -n tx && make_logical tx ;;
                ce) quietly lvcreate -q -L 96M -n ce rigvg && make_logical ce ;;
                cx) quietly lvcreate -q -L 128M -n cx rigvg && make_logical cx ;;
                b)
                        mkfs.btrfs --quiet "$(partition "${disks[0]}" 3)" > /dev/null 2>&1 &&
                                mount_at btrfs btrfs "$(partition "${disks[0]}" 3)" &&
                                quietly btrfs subvolume create "$RIG_TMP/btrfs/b" && ln -s btrfs/b "$RIG_TMP/b"
                        ;;
                esac || return 1
        done
}

volume_of() {
        [ "$1" = b ] && echo "$RIG_TMP/btrfs/b" || echo "$RIG_TMP/$1"
}

make_set() {
        local status=0 arguments=()
        while [ $# -gt 0 ]; do
                if [ -n "${type_of[$1]:-}" ]; then
                        arguments+=("$(volume_of "$1")")
                else
                        arguments+=("$1")
                fi
                shift
        done
        set=$(timeout --kill-after=5 60 vss create --json "${arguments[@]}" 2> "$RIG_TMP/set.err") || status=$?
        output=$(cat "$RIG_TMP/set.err")
        return $status
}

of_set() {
        jq -r "$1" <<< "$set"
}

copy_of() {
        of_set ".snapshots[] | select(.volume == \"$(volume_of "$1")\") | .\"device-object\""
}

block_of() {
        local id
        id=$(of_set '.snapshots[0].set')
        # It does not change, and asking takes a while.
        grep -qs "$id" "$RIG_TMP/shadows" || vss list shadows --json > "$RIG_TMP/shadows"
        jq -r --arg set "$id" --arg volume "$(volume_of "$1")" \
                '.snapshots[] | select(.set == $set and .volume == $volume) | ."block-device"' "$RIG_TMP/shadows"
}

find_lvm_trouble() {
        local said
        said=$({ vgck && lvs -a; } 2>&1) || echo "$said"
        grep -iE 'error|fail|mismatch|invalid|missing|manual|detected' <<< "$said"
        quietly lvcreate -q -V 8M -T rigvg/pool -n later && quietly lvremove -q -y rigvg/later
}

find_thin_trouble() {
        local group pool target said
        for group in "$@"; do
                awk -v of="^/dev/(mapper/)?${group}[-/]" '$1 ~ of { print $2 }' /proc/self/mounts | tac |
                        while read -r target; do umount "$target" || echo "$target cannot be unmounted"; done
                vgchange -q -an "$group" > /dev/null || echo "$group stays active"
                for pool in $(lvs --noheadings -o lv_name -S segtype=thin-pool "$group" || echo none); do
                        said=$({ lvchange -q -ay -y "$group/${pool}_tmeta" && thin_check "/dev/$group/${pool}_tmeta"; } 2>&1) ||
                                echo "$group/$pool: $said"
                        lvchange -q -an "$group/${pool}_tmeta" > /dev/null || echo "${pool}_tmeta stays active"
                done
        done 2>&1
}

# In all the time that nobody else wants the processor, of which there is one in a guest.
start_counters() {
        nice "$pair" write "$@" &
        counting=$!
        at_end end_counters "$counting"
        wait_for 5 test -s "${!#}"
}

end_counters() {
        kill "$1" 2>/dev/null
        wait "$1" 2>/dev/null
        return 0
}
