# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# settled.sh - after bad luck, is everything as it was? And the service started anew with other settings
#
#   settle_begin VOLUME...       remember how it is now; the volumes are what could be left frozen
#   settle_check LABEL           one point: nothing is left over, nothing frozen, the service is the same process
#   settle_prove                 one point: settle_check's facts change for each kind of thing that can be left
#   restart_vssd [NAME=VALUE...] end the service and start it, with these in its environment
#   as_games COMMAND...          as a user who may nothing

SETTLE_VOLUMES=()
SETTLE_FACTS=
FAULT_LOG=/run/linuxvss-fault/log

as_games() {
        setpriv --reuid games --regid games --clear-groups -- "$@"
}

vssd_pid() {
        busctl --system call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionUnixProcessID s org.linuxvss \
                2>/dev/null
}

# Fault writers that were frozen and heard of no end.
list_frozen_writers() {
        [ ! -e "$FAULT_LOG" ] || awk '$4 == "begin" && ($3 == "Thaw" || $3 == "Abort") { delete frozen[$2] }
                $4 == "end" && $3 == "Freeze" { frozen[$2] = 1 }
                END { for (name in frozen) print "frozen writer: " name }' "$FAULT_LOG"
}

settle_facts() {
        local volume
        list_traces
        echo "service: $(vssd_pid)"
        [ ! -e /run/linuxvss/hold ] || echo "a hold stands"
        for volume in "${SETTLE_VOLUMES[@]}"; do
                ! is_held "$volume" || echo "frozen: $volume"
        done
        list_frozen_writers
        vss list sessions --json | jq -r '.sessions[] | "session: " + .id'
        vss list shadows --json | jq -r '.snapshots[] | "shadow copy: " + .id'
}

settle_begin() {
        SETTLE_VOLUMES=("$@")
        for volume in "$@"; do
                touch "$volume/.held-probe"
        done
        SETTLE_FACTS=$(settle_facts)
}

# What BackupShutdown and the like bring is under way for a moment after the requester has its answer.
is_settled() {
        [ "$(settle_facts)" = "$SETTLE_FACTS" ]
}

settle_check() {
        wait_for 3 is_settled
        ok_if $? "$1" || diff <(echo "$SETTLE_FACTS") <(settle_facts) | note "$(cat)"
}

# Breaks one thing, looks, and mends it. Return: 0 if it was seen.
seen() {
        local result=1
        eval "$1"
        is_settled || result=0
        eval "$2"
        [ "$result" = 0 ] || note "not seen: $1"
        return "$result"
}

settle_prove() {
        local missed=0 volume=${SETTLE_VOLUMES[0]} pid
        mkdir -p "$RIG_TMP/left" /run/linuxvss "${FAULT_LOG%/*}"
        seen 'mount -t tmpfs left "$RIG_TMP/left"' 'umount "$RIG_TMP/left"' || missed=1
        seen 'touch /run/linuxvss/hold' 'rm /run/linuxvss/hold' || missed=1
        seen 'fsfreeze --freeze "$volume"' 'fsfreeze --unfreeze "$volume"' || missed=1
        if [ "$(stat -f -c %T "$volume")" = btrfs ]; then
                seen 'btrfs -q subvolume create "$volume/left"' 'btrfs -q subvolume delete "$volume/left"' || missed=1
        fi
        seen 'truncate -s 1M "$RIG_TMP/left.img"; losetup -f "$RIG_TMP/left.img"' \
                'losetup -d "$(losetup -j "$RIG_TMP/left.img" -n -O NAME)"; rm "$RIG_TMP/left.img"' || missed=1
        seen 'echo "1 FaultX Freeze begin s
2 FaultX Freeze end S_OK" >> "$FAULT_LOG"' 'echo "3 FaultX Thaw begin s" >> "$FAULT_LOG"' || missed=1
        seen '"$BUILD/tests/requester" init sleep=60000 > /dev/null & pid=$!; sleep 0.3' \
                'kill $pid; wait $pid 2>/dev/null; wait_for 3 is_settled' || missed=1
        seen 'vss create --provider null "$volume" > /dev/null 2>&1' 'vss delete --all > /dev/null' || missed=1
        is_settled || missed=1
        ok_if "$missed" "what can be left over is seen when it is"
}

restart_vssd() {
        local old
        old=$(vssd_pid)
        old=${old#u }
        [ -z "$old" ] || { kill "$old"; wait_for 5 eval '! kill -0 '"$old"; }
        env "$@" /usr/libexec/linuxvss/vssd >> "$RIG_LOG" 2>&1 < /dev/null &
        wait_for 5 vssd_pid
}

# settings LINE...: linuxvss.conf, and the service with it
settings() {
        printf '%s\n' '[Limits]' "$@" > /etc/linuxvss/linuxvss.conf
        restart_vssd
}
