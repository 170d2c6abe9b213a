# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Anybody, at any moment
#
# Whatever ends or stops: afterwards the machine is in order, and what was called a set is consistent.

victims=(requester vssd vssd hold-actor hold-watcher writer-sqlite writer-dropin writer-fault provider-fault
        provider-null provider-btrfs holder guardian held)
kinds=(exec_set exec_set exec_cow_set create_set)
RANDOM=$((SEED % 32768))
draw() {
        drawn=$((RANDOM % $1))
}

random_case() {
        local number=$1 victim signal=KILL delay kind label pid limit=1000 ignored='^$'
        draw ${#victims[@]}
        victim=${victims[drawn]}
        draw 6
        [ "$drawn" != 0 ] || signal=STOP
        draw 120
        delay=$drawn
        draw ${#kinds[@]}
        kind=${kinds[drawn]}
        draw 2
        provider=$([ "$drawn" = 0 ] && echo fault || echo null)
        label="$number: $kind ($provider), $victim: $signal after $delay ms"
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
        if [ "$signal" = KILL ] && [ -n "$pid" ]; then
                wait_for 1 is_gone "$pid"
        fi
        case $victim in
        requester | vssd)
                [ "$signal" = KILL ] || limit=5000
                ;;
        *)
                # The set may rightly go on without the victim, and holds for its time.
                wait_for 15 is_gone "$requester"
                ok_if $? "$label: it ends within the limits" || note "$(cat "$KILL/out")"
                ;;
        esac
        # A service that stops between arming the hold and the freeze leaves a record, and holds nothing.
        [ "$victim $signal" != "vssd STOP" ] || ignored='^/run/linuxvss/hold'
        ok_if_empty "$(find_problems "$limit" | grep -v "$ignored")" "$label: everything is free"
        # One that stands still for ever is ended by somebody, some day.
        [ "$signal" = KILL ] || [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
        wait "$requester"
        status=$?
        # Without its writer two volumes may differ; then it must not be called better than it is.
        ! { [ "$status" = 9 ] || grep -q torn "$KILL/out"; } ||
                ! grep -q 'application-consistent\|at one instant' "$KILL/out"
        ok_if $? "$label: no set is torn that is said to be whole" || note "$(cat "$KILL/out")"
        [ "$kind" != create_set ] || { reset_faults; delete_sets; }
        after "$label"
}

number=0
while [ "$number" -lt "$([ "${FULL:-0}" = 1 ] && echo 1000 || echo 40)" ]; do
        number=$((number + 1))
        random_case "$number"
done
