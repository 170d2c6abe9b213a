# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# rbd.sh - a small cluster in the rig, and volumes on its images
#
#   make_cluster                 $CEPH_CONF, and rbd.conf that names it, with the least rights that the provider needs
#   make_image NAME TYPE SIZE    an image of the pool rbd, attached, at $RIG_TMP/NAME; its device in ${device_of[NAME]}
#   there=(on HOST)              where that is done and looked at, of the machines of hosts.sh
#   freeze_daemon mon|osd, let_daemon mon|osd     it answers nobody; it goes on, at the end, too
#   provider_pid                 of the rbd provider; nothing if none runs
#   list_snapshots               of all images: IMAGE@SNAPSHOT; by the administrator, who asks the cluster alone
#   list_identities              keys of the pool's metadata that are ours
#   find_left                    both, clones, and what is pending; nothing if nothing is left

declare -A device_of=()
there=()
cluster=$RIG_TMP/cluster

make_cluster() {
        local program
        for program in ceph-mon ceph-osd rbd qemu-storage-daemon nbdkit nbdfuse jq; do
                command -v "$program" > /dev/null || skip_all "needs $program"
        done
        [ -x /usr/libexec/linuxvss/vss-provider-rbd ] || skip_all "the rbd provider is not built: no librbd"
        "$RIG_SOURCE/tests/ceph" start "$cluster" || return 1
        at_end "$RIG_SOURCE/tests/ceph" stop "$cluster"
        at_end let_daemons
        export CEPH_CONF=$cluster/ceph.conf
        printf '[Cluster]\nName=small\nConf=%s\n' "$CEPH_CONF" > /etc/linuxvss/rbd.conf
}

make_image() {
        local device
        rbd create --size "$3" "rbd/$1" || return 1
        device=$("${there[@]}" vss attach --provider rbd "rbd/$1" --json | jq -r .device) && [ -b "$device" ] || return 1
        at_end eval "${there[*]} vss detach $device > /dev/null"
        device_of[$1]=$device
        case $2 in
        ext4) mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$device" ;;
        xfs) TEST_DIR=/ TEST_DEV=/ QA_CHECK_FS=1 mkfs.xfs -q -f -d noalign "$device" ;;
        esac || return 1
        mkdir -p "$RIG_TMP/$1" && "${there[@]}" mount "$device" "$RIG_TMP/$1" &&
                at_end "${there[@]}" umount "$RIG_TMP/$1"
}

daemon_pid() {
        "$RIG_SOURCE/tests/ceph" pid "$cluster" "$1"
}

freeze_daemon() {
        kill -STOP "$(cat "$cluster/$1.pid")"
}

let_daemon() {
        kill -CONT "$(cat "$cluster/$1.pid")"
}

let_daemons() {
        local name
        for name in mon osd; do
                let_daemon "$name" 2> /dev/null
        done
        return 0
}

provider_pid() {
        busctl --system call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionUnixProcessID s \
                org.linuxvss.Provider.Rbd 2> /dev/null | cut -d' ' -f2
}

list_snapshots() {
        local image
        rbd ls rbd | while read -r image; do
                rbd snap ls --all --format json "rbd/$image" | jq -r --arg image "$image" '.[] | $image + "@" + .name'
        done
}

list_identities() {
        rados -p rbd listomapkeys rbd_info 2> /dev/null | grep -o 'linuxvss\..*'
}

find_left() {
        list_snapshots
        list_identities
        rbd ls rbd | grep '^vss-'
        ls /run/linuxvss/rbd/pending 2> /dev/null
        ls /run/linuxvss/rbd/copies 2> /dev/null
        return 0
}
