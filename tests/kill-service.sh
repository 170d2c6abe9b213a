# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The service dies, or stops, at every step; so do the hold processes
#
# Volumes go on within a second of a death, since the hold notices the end of its socket; writers let go when the
# service leaves the bus. When it only stops, nothing is held beyond the limits. The next service deletes what the
# one before left, and keeps, and mounts again, what was to stay.

steps=(PrepareForSnapshot EndPrepareSnapshots arm sync "Freeze (front-end)" "Freeze (back-end)" "Freeze (system)"
        PreCommitSnapshots hold CommitSnapshots release PostCommitSnapshots "Thaw (system)" "Thaw (back-end)"
        "Thaw (front-end)" PreFinalCommitSnapshots "open for writers" mount PostSnapshot exclude PostFinalCommitSnapshots "release (undo)" Abort
        unmount AbortSnapshots)

# The steps of taking back are reached when a provider fails.
fault_for() {
        case $1 in
        unmount) write_faults "" "PostFinalCommitSnapshots=fail E_PROVIDER_VETO no" ;;
        *undo* | Abort*) write_faults "" "CommitSnapshots=fail E_PROVIDER_VETO no" ;;
        *) write_faults ;;
        esac
}

# The way it is there: with its own control group, so that all of it can be killed at once.
start_vssd_in_cgroup() {
        local group
        group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)/vssd.service
        [ -n "${group%/vssd.service}" ] && mkdir -p "$group" || return 1
        env -i PATH="$PATH" "${LINUXVSS_TEST_ENV[@]}" bash -c 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"' - \
                "$group" "$libexec/vssd" >> "$RIG_LOG" 2>&1 < /dev/null &
        vssd=$!
        wait_for 10 serves
}

restart_with() {
        end_vssd -TERM
        start_vssd "$@"
}

begin_set() {
        if [ "${1:-}" = cow ]; then
                exec_cow_set &
        else
                exec_set &
        fi
        requester=$!
}

end_set() {
        wait "$requester" 2>/dev/null
        status=$?
        [ "$status" != 9 ]
        ok_if $? "$1: no set is torn" || note "$(cat "$KILL/out")"
}

kill_case() {
        local step=$1 label="vssd killed, $1"
        case_begin "$label"
        restart_with "VSSD_STOP_AT=$step:kill"
        fault_for "$step"
        begin_set
        wait_for 10 is_gone "$vssd"
        ok_if $? "$label: the step is reached" || note "$(cat "$KILL/out")"
        ok_if_empty "$(find_problems 1000)" "$label: free within a second"
        end_set "$label"
        [ "$status" != 0 ]
        ok_if $? "$label: it is no success"
        after "$label"
}

armed_before() {
        case $1 in sync | Freeze* | PreCommit* | hold) true ;; *) false ;; esac
}

stop_case() {
        local step=$1 label="vssd stopped, $1" ignored='^$'
        case_begin "$label"
        restart_with "VSSD_STOP_AT=$step:stop"
        fault_for "$step"
        begin_set
        wait_for 10 in_state "$vssd" T
        ok_if $? "$label: the step is reached" || note "$(cat "$KILL/out")"
        # Within the window's limit. A hold that is armed has its record, and holds nothing.
        ! armed_before "$step" || ignored='^/run/linuxvss/hold'
        ok_if_empty "$(find_problems 4000 | grep -v "$ignored")" "$label: nothing stays frozen"
        kill -CONT "$vssd"
        end_set "$label"
        case $step in
        # What was let go meanwhile must not be called application-consistent.
        Freeze* | PreCommit* | Commit* | hold | release) [ "$status" != 0 ] ;;
        *) true ;;
        esac
        ok_if $? "$label: what was let go is no success" || note "$(cat "$KILL/out")"
        after "$label"
}

# hold_case SIGNAL WHO...: while the provider is slow inside the hold
hold_case() {
        local signal=$1 label="$*" who pids=()
        shift
        case_begin "$label"
        write_faults "" "CommitSnapshots=slow 600"
        begin_set
        wait_for 10 test -e /run/linuxvss/hold && wait_for 1 test -n "$(process_of hold-actor)"
        wait_for 1 is_held "$e1" 50
        ok_if $? "$label: the volumes are held"
        for who in "$@"; do
                pids+=("$(process_of "$who")")
        done
        kill "-$signal" "${pids[@]}"
        if [ "$signal" = KILL ]; then
                ok_if_empty "$(find_problems 1000)" "$label: free within a second"
        else
                ok_if_empty "$(find_problems 5000)" "$label: nothing stays frozen"
        fi
        end_set "$label"
        [ "$status" = 1 ]
        ok_if $? "$label: there is no shadow copy" || note "ended with $status: $(cat "$KILL/out")"
        after "$label"
}

lease_case() {
        local signal=$1 label="a freeze lease, vssd: $1"
        case_begin "$label"
        vss freeze --lease 2 --fs "$e1" --fs "$x1" > "$KILL/out" 2>&1
        is $? 0 "$label: it is frozen"
        kill "-$signal" "$(process_of vssd)"
        ok_if_empty "$(find_problems $([ "$signal" = KILL ] && echo 1000 || echo 4000))" "$label: it ends"
        kill -CONT "$(process_of vssd)" 2>/dev/null
        after "$label"
}

cgroup_case() {
        local label="vssd's whole control group killed"
        case_begin "$label"
        end_vssd -TERM
        start_vssd_in_cgroup || { skip "$label" "no control groups version 2"; start_vssd; return; }
        write_faults "" "CommitSnapshots=slow 600"
        begin_set
        wait_for 10 test -e /run/linuxvss/hold
        wait_for 1 is_held "$e1" 50
        ok_if $? "$label: the volumes are held"
        group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)/vssd.service
        echo 1 > "$group/cgroup.kill"
        wait_for 1 is_gone "$vssd"
        ok_if_empty "$(find_problems 1000)" "$label: free within a second"
        end_set "$label"
        wait_for 2 rmdir "$group"
        after "$label"
}

cow_case() {
        local step=$1 label="vssd killed, subvolumes, $1"
        case_begin "$label"
        restart_with "VSSD_STOP_AT=$step:kill"
        begin_set cow
        wait_for 10 is_gone "$vssd"
        ok_if $? "$label: the step is reached" || note "$(cat "$KILL/out")"
        ok_if_empty "$(find_problems 1000)" "$label: free within a second"
        end_set "$label"
        after "$label"
}

# What stays: of two providers, in the baseline from here on, device objects included.
case_begin "persistent copies"
run_ok "a set that stays" vss create --provider fault "${held[@]}"
run_ok "one of subvolumes" vss create "$b/one" "$b/two"
wait_for 5 test -z "$(list_processes)"
kept=$(find /run/linuxvss/shadow -mindepth 1 -maxdepth 1 | wc -l)
is "$kept" 5 "their device objects"
take_baseline

hold_case KILL hold-actor
hold_case KILL hold-watcher
hold_case KILL hold-actor hold-watcher
hold_case KILL vssd hold-watcher
hold_case STOP hold-actor
[ "${FULL:-0}" != 1 ] || { hold_case STOP hold-watcher; hold_case STOP hold-actor hold-watcher; }
cgroup_case
lease_case KILL
lease_case STOP
while read -r step; do
        kill_case "$step" < /dev/null
done < <(printf '%s\n' "${steps[@]}" | sample 6)
while read -r step; do
        stop_case "$step" < /dev/null
done < <(printf '%s\n' "${steps[@]}" | sample 2)
while read -r step; do
        cow_case "$step" < /dev/null
done < <(printf '%s\n' "${steps[@]}" | grep -v 'undo\|Abort\|unmount' | sample 1)
run_ok "what stayed can be deleted" vss delete --all
