# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# dm-boot.sh - attached volumes and their copies, without service: for tests of what reboots and power cuts leave
#
# All of them are about $volume, mounted at $mnt.
#
#   volume_attach DISK          as at boot: its conf names DISK; what the program says is in $said
#   volume_mount [OPTION...]    and recorded
#   volume_crash                nothing reaches the disk any more, then everything goes
#   copy_make ID MB KIND        a copy by hand; KIND: persistent or volatile
#   copy_grow ID MB             its area
#   copy_state ID               stands, lost, gone, or what its area is said to be
#   copy_digest ID              of its device, but for the areas
#   clone_make DISK, clone_drop a disk to try things on, over a disk that stays as it is, in $clone

volume=srv
program=/usr/libexec/linuxvss/vss-dm-boot
tool=$BUILD/tests/dm-copy
mnt=$RIG_TMP/mnt
places=$RIG_TMP/places
clone=/dev/mapper/clone
said=
export DM_DISABLE_UDEV=1

volume_attach() {
        mkdir -p /etc/linuxvss/attached.d "$mnt"
        echo "Device=$1" > /etc/linuxvss/attached.d/$volume.conf
        said=$("$program" attach "$volume" 2>&1)
}

volume_mount() {
        mount "$@" "/dev/mapper/$volume" "$mnt" && said=$("$program" record "$volume" 2>&1)
}

# Names of copies' devices, the copies first.
copy_devices() {
        dmsetup ls 2>/dev/null | sed -n 's/^\(vss-[0-9a-f-]*\(-cow\|-head\)\?\)\t.*/\1/p' |
                awk '{ print (/-head$/ ? 3 : /-cow$/ ? 2 : 1), $1 }' | sort | cut -d ' ' -f 2
}

devices_remove() {
        local device
        for device in $(copy_devices); do
                dmsetup remove --retry "$device" || return
        done
}

# As if the power had failed, for all that comes after: what is not on the disk yet is never written.
volume_crash() {
        local size
        size=$(dmsetup table "$volume" | cut -d ' ' -f 2)
        dmsetup load "$volume" --table "0 $size error" && dmsetup suspend --nolockfs --noflush "$volume" && dmsetup resume "$volume"
        ! mountpoint -q "$mnt" || umount "$mnt" 2>/dev/null || umount -l "$mnt"
        dmsetup remove --retry "$volume" && devices_remove
}

copy_make() {
        "$tool" prepare "$volume" "$1" "$2" "$3" || return
        sync -f "$mnt"
        dmsetup suspend "$volume" && dmsetup resume -r "vss-$1" && dmsetup resume "$volume" && dmsetup mknodes &&
                blockdev --setro "/dev/mapper/vss-$1" && places_add && said=$("$program" record "$volume" 2>&1)
}

copy_grow() {
        "$tool" grow "$volume" "$1" "$2" && dmsetup suspend --nolockfs "vss-$1-cow" && dmsetup resume "vss-$1-cow" &&
                places_add && said=$("$program" record "$volume" 2>&1)
}

# All areas there ever were.
places_add() {
        "$tool" extents "$volume" >> "$places"
}

copy_state() {
        local state
        if dmsetup table "vss-$1" > /dev/null 2>&1; then
                echo stands
        elif state=$("$tool" info "$volume" | grep "^$1 ") && [ -n "$state" ]; then
                cut -d ' ' -f 2 <<< "$state"
        else
                echo gone
        fi
}

copy_reason() {
        "$tool" info "$volume" | sed -n "s/^$1 lost [0-9]* [0-9]* //p"
}

copy_digest() {
        "$tool" digest "/dev/mapper/vss-$1" "$places"
}

# The disk below is read only, whatever is done to the clone.
clone_make() {
        local size
        size=$(blockdev --getsz "$1")
        truncate -s 0 "$RIG_TMP/clone" && truncate -s $((size * 512)) "$RIG_TMP/clone" &&
                clone_loop=$(losetup --find --show "$RIG_TMP/clone") &&
                dmsetup create clone --table "0 $size snapshot $1 $clone_loop N 32"
}

clone_drop() {
        dmsetup remove --retry clone && losetup --detach "$clone_loop"
}
