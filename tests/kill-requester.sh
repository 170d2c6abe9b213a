# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The requester dies, or stops, at every step
#
# A participant that stops itself at an event or call is the step: it is seen standing there. From the death of the
# requester on everything is free within a second, whatever the participant does.

requester_events=(PrepareForBackup PrepareForSnapshot Freeze Thaw PostSnapshot BackupComplete)
requester_calls=(BeginPrepareSnapshot EndPrepareSnapshots PreCommitSnapshots CommitSnapshots PostCommitSnapshots
        PreFinalCommitSnapshots OpenSnapshot PostFinalCommitSnapshots)

start_requester() {
        case $1 in
        exec) vss exec --provider fault "${held[@]}" -- true > "$KILL/out" 2>&1 & ;;
        *) vss create --provider fault "${held[@]}" > "$KILL/out" 2>&1 & ;;
        esac
        requester=$!
}

requester_case() {
        local verb=$1 who=$2 where=$3 signal=$4 label="vss $1, $3: $4" stopped=writer-fault participant
        case_begin "$label"
        if [ "$who" = writer ]; then
                write_faults "$where=stop"
        else
                write_faults "" "$where=stop"
                stopped=provider-fault
        fi
        start_requester "$verb"
        wait_for 12 is_stopped "$stopped"
        ok_if $? "$label: the step is reached" || note "$(cat "$KILL/out")"
        participant=$(process_of "$stopped")
        kill "-$signal" "$requester"
        if [ "$signal" = STOP ]; then
                # It may never go on: what is frozen ends by itself. The set goes on without it, and may take its
                # time to write back; a hold that is armed meanwhile has its record, and holds nothing.
                kill -CONT "$participant" 2>/dev/null
                ok_if_empty "$(find_problems 4000 | grep -v '^/run/linuxvss/hold')" "$label: nothing stays frozen"
                kill -KILL "$requester"
        elif [ "$signal" = KILL ]; then
                wait_for 1 is_gone "$requester"
                ok_if_empty "$(find_problems 1000)" "$label: thawed within a second"
        fi
        wait "$requester" 2>/dev/null
        # The set was made, and was to stay.
        [ "$verb" = exec ] || { reset_faults; delete_sets; }
        after "$label"
}

while read -r verb who where signal; do
        requester_case "$verb" "$who" "$where" "$signal" < /dev/null
done < <(for signal in KILL STOP TERM; do
                for verb in exec create; do
                        printf "$verb writer %s $signal\n" "${requester_events[@]}"
                        printf "$verb provider %s $signal\n" "${requester_calls[@]}"
                done
        done | grep -v 'create writer BackupComplete STOP' | sample 8)
