# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# array.sh - a machine of tests/hosts.sh becomes an array, others its hosts
#
#   make_array NAME SIZE [KEY=VALUE...]   NAME serves LUNs from an XFS of its own at $RIG_TMP/NAME.store; settings of array.conf
#   make_lun ARRAY LUN SIZE HOST...       a LUN, granted to these
#   use_array ARRAY HOST [KEY=VALUE...]   HOST reaches it by ssh, with its key; settings of [Lun]
#   array_on ARRAY COMMAND...             vss-array there
#   stop_array ARRAY, start_array ARRAY   its portals
#   attach_lun HOST LUN                   prints the device

declare -A ARRAY_SERVE=()

array_on() {
        local array=$1
        shift
        on "$array" vss-array "$@"
}

start_array() {
        start_on "$1" vss-array serve
        ARRAY_SERVE[$1]=$started
        for _ in $(seq 200); do
                ! on "$1" pgrep -x vss-array > /dev/null || break
                nap 0.01
        done
}

stop_array() {
        [ -n "${ARRAY_SERVE[$1]:-}" ] || return 0
        kill "${ARRAY_SERVE[$1]}" 2> /dev/null
        wait "${ARRAY_SERVE[$1]}" 2> /dev/null
        unset "ARRAY_SERVE[$1]"
}

make_array() {
        local name=$1 size=$2
        shift 2
        truncate -s "$size" "$RIG_TMP/$name.store.img" && mkfs.xfs -q -f "$RIG_TMP/$name.store.img" &&
                mkdir -p "$RIG_TMP/$name.store" &&
                on "$name" mount -o loop "$RIG_TMP/$name.store.img" "$RIG_TMP/$name.store" || return 1
        printf '%s\n' '[Array]' "Store=$RIG_TMP/$name.store/array" "Listen=$(host_address "$name")" "$@" |
                on "$name" tee /etc/linuxvss/array.conf > /dev/null
        start_array "$name"
        at_end stop_array "$name"
}

# The portals of a host that is new are there a moment later.
portals_of() {
        on "$1" sh -c 'ss -Hltn | grep -c ":109"'
}

make_lun() {
        local array=$1 lun=$2 size=$3 host hosts
        shift 3
        array_on "$array" create "$lun" "$size" || return 1
        for host in "$@"; do
                array_on "$array" grant "$lun" "$host" || return 1
        done
        hosts=$(array_on "$array" list | grep -c '^host ')
        wait_for 30 eval "[ \"\$(portals_of $array)\" -ge $((2 * hosts)) ]"
}

use_array() {
        local array=$1 host=$2 hosts
        shift 2
        array_on "$array" host "$host" || return 1
        hosts=$(array_on "$array" list | grep -c '^host ')
        wait_for 30 eval "[ \"\$(portals_of $array)\" -ge $((2 * hosts)) ]" || return 1
        array_on "$array" key "$host" | on "$host" sh -c 'umask 077; cat > /etc/linuxvss/lun.psk'
        printf '%s\n' "[Array $array]" "Session=ssh -xT -o BatchMode=yes $array vss-array session --host $host" \
                "Psk=/etc/linuxvss/lun.psk" '[Lun]' "$@" | on "$host" tee /etc/linuxvss/lun.conf > /dev/null
}

attach_lun() {
        on "$1" vss attach --provider lun "$2" --json | jq -r .mapped
}
