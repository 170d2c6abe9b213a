# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lun.sh - an array, disk, and its hosts (tests/hosts.sh): one has the LUNs data and log at $data and $log, two imports copies
#
#   make_luns                    the machines, the array and the LUNs
#   mount_luns                   attached on one, made and mounted, with "first" in their files
#   mount_lun LUN                attached on one, and mounted where it belongs
#   write_on VOLUME TEXT         on one, into its file; within 5 s
#   transport CONTEXT PATH...    a set made on one; its document in bcd.xml; $set, and its first copy: $id
#   import HOST [WORD...]        by that document; what is said is in the file importing
#   shadows HOST, property HOST ID NAME           as the service there tells them; copies: as the array does
#   service_of HOST [NAME]       its process; only_json: of what the requester says
#   quiet COMMAND...             what it says is told if it fails

for program in jq nbdkit nbdfuse nbdinfo ssh sshd ip; do
        command -v "$program" > /dev/null || skip_all "needs $program"
done
[ -e /dev/fuse ] || skip_all "needs FUSE"
source "$RIG_SOURCE/tests/hosts.sh"
source "$RIG_SOURCE/tests/array.sh"
requester=$BUILD/tests/requester
cd "$RIG_TMP" || exit 1
step='do'
data=$RIG_TMP/data log=$RIG_TMP/log

quiet() {
        "$@" > quiet.out 2>&1 || { note "$*: $(cat quiet.out)"; return 1; }
}
only_json() {
        sed -n '/^{/,/^}/p'
}
shadows() {
        on "$1" vss list shadows --json | jq -r '.snapshots[].id'
}
property() {
        on "$1" vss list shadows --json | jq -r ".snapshots[] | select(.id == \"$2\") | .[\"$3\"]"
}
copies() {
        array_on disk list | grep '^copy '
}
service_of() {
        on "$1" busctl --system call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionUnixProcessID s \
                "org.linuxvss$2" 2>/dev/null | cut -d' ' -f2
}
mount_lun() {
        local device
        device=$(attach_lun one "$1")
        quiet on one mount "$device" "$RIG_TMP/$1"
}
transport() {
        local context=$1
        shift
        rm -f bcd.xml
        on one "$requester" init context="$context" gather start "${@/#/add=}" prepare $step json save=bcd.xml \
                > transported 2>&1 || note "$(cat transported)"
        only_json < transported > made
        id=$(jq -r '.snapshots[0].id' made)
        set=$(jq -r .set made)
}
import() {
        local host=$1
        shift
        on "$host" "$requester" init-document=bcd.xml import json "$@" > importing 2>&1
}
write_on() {
        on one timeout -s KILL 5 sh -c "echo $2 > $1/file && sync -f $1/file"
}

make_luns() {
        make_host disk one two && make_array disk 1200M && make_lun disk data 64M one && make_lun disk log 64M one &&
                use_array disk one CommitLimit=2s CallLimit=6s && use_array disk two CommitLimit=2s CallLimit=6s &&
                mkdir data log
}

mount_luns() {
        local lun device
        for lun in data log; do
                device=$(attach_lun one $lun)
                quiet on one mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$device" &&
                        quiet on one mount "$device" "$RIG_TMP/$lun" && write_on "$RIG_TMP/$lun" first || return 1
        done
}
