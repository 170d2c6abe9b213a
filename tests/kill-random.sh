# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Anybody, at any moment
#
# Whatever ends or stops: afterwards the machine is in order, and what was called a set is consistent.

victims=(requester vssd vssd hold-actor hold-watcher writer-sqlite writer-dropin writer-fault provider-fault
        provider-btrfs holder guardian held)
RANDOM=$((SEED % 32768))
draw() {
        drawn=$((RANDOM % $1))
}

random_case() {
        local number=$1 victim signal=KILL delay kind=exec_set label pid limit=1000
        draw ${#victims[@]}
        victim=${victims[drawn]}
        draw 6
        [ "$drawn" != 0 ] || signal=STOP
        draw 120
        delay=$drawn
        draw 3
        [ "$drawn" != 0 ] || kind=exec_cow_set
        label="$number: $kind, $victim: $signal after $delay ms"
        case_begin "$label"
        "$kind" &
        requester=$!
        sleep "0.$(printf %03d "$delay")"
        if [ "$victim" = requester ]; then
                pid=$(pgrep -x vss)
        else
                pid=$(process_of "$victim")
        fi
        [ -z "$pid" ] || kill "-$signal" "$pid" 2>/dev/null
        if [ "$signal" = STOP ]; then
                limit=5000
        elif [ -n "$pid" ]; then
                wait_for 1 is_gone "$pid"
        fi
        # A set that goes on without the victim may hold for a moment, rightly.
        case $victim in
        requester | vssd) ;;
        *) limit=5000 ;;
        esac
        ok_if_empty "$(find_problems "$limit")" "$label: everything is free"
        # One that stands still for ever is ended by somebody, some day.
        [ "$signal" = KILL ] || [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
        wait "$requester"
        status=$?
        [ "$status" != 9 ] && ! grep -q torn "$KILL/out"
        ok_if $? "$label: no set is torn" || note "$(cat "$KILL/out")"
        after "$label"
}

number=0
while [ "$number" -lt "$([ "${FULL:-0}" = 1 ] && echo 1000 || echo 40)" ]; do
        number=$((number + 1))
        random_case "$number"
done
