# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A writer or provider does what is wrong, at every event and call
#
# A writer alone is downgraded and named, and the set stands (3); a provider's failure fails the set, and it is
# named (1). Both within the limits, and whoever hangs takes nothing with it.

writer_events=(Identify PrepareForBackup PrepareForSnapshot Freeze Thaw Abort PostSnapshot BackupComplete BackupShutdown)
provider_calls=(IsVolumeSupported ListNestedVolumes BeginPrepareSnapshot EndPrepareSnapshots PreCommitSnapshots
        CommitSnapshots PostCommitSnapshots PreFinalCommitSnapshots PostFinalCommitSnapshots AbortSnapshots
        Query DeleteSnapshot OpenSnapshot)

# what_to_expect WHO WHERE FAULT: the exit status as a pattern, and the seconds it may take
what_to_expect() {
        local limit=8
        case $3 in crash | fail | veto | bad-code | lie) limit=4 ;; esac
        case $1:$2:$3 in
        # They come only when a set failed; BackupShutdown is a farewell that nobody waits for.
        writer:Abort:*) echo "1 $limit" ;;
        writer:BackupShutdown:*) echo "0 $limit" ;;
        # Who it is must be answered within ten seconds.
        writer:Identify:hang | writer:Identify:stop) echo "3 14" ;;
        # A lie that cannot be seen: nothing it says is wrong.
        writer:Identify:lie) echo "0|3 $limit" ;;
        writer:*:lie) echo "0 $limit" ;;
        writer:*) echo "3 $limit" ;;
        # The set is there and was read; the copy that cannot be deleted is in the journal.
        provider:DeleteSnapshot:*) echo "0 $limit" ;;
        # No copies of this provider are counted, or no nested volumes known.
        provider:Query:* | provider:ListNestedVolumes:*) echo "0|1|3 $limit" ;;
        # Nothing is wrong with an answer that is empty; or the copy has no files.
        provider:*:lie) echo "0|1|3 $limit" ;;
        # Asked for each volume, and not killed for being slow to say so; then it is in everybody's way.
        provider:IsVolumeSupported:hang | provider:IsVolumeSupported:stop) echo "1 18" ;;
        provider:*) echo "1 $limit" ;;
        esac
}

participant_case() {
        local who=$1 where=$2 fault=$3 expected limit status began named=0 line
        case_begin "$who, $where: $fault"
        read -r expected limit <<< "$(what_to_expect "$@")"
        line="$where=$fault"
        [ "$fault" != fail ] || line+=" $([ "$who" = writer ] && echo E_WRITERERROR_RETRYABLE || echo E_PROVIDER_VETO) no"
        case $who:$where in
        writer:Abort) write_faults "$line" "CommitSnapshots=fail E_PROVIDER_VETO no" ;;
        writer:*) write_faults "$line" ;;
        provider:AbortSnapshots) write_faults "" "$line"$'\n'"CommitSnapshots=fail E_PROVIDER_VETO no" ;;
        *) write_faults "" "$line" ;;
        esac
        began=$EPOCHSECONDS
        exec_set
        status=$?
        status_is "$status" "$expected" "$who, $where: $fault: how the set ends"
        [ $((EPOCHSECONDS - began)) -le "$limit" ]
        ok_if $? "$who, $where: $fault: within the limits" || note "$((EPOCHSECONDS - began)) s: $(cat "$KILL/out")"
        case $expected in
        1 | 3)
                grep -qi fault <(grep -v "/fault" "$KILL/out") || named=1
                ok_if "$named" "$who, $where: $fault: the culprit is named" || note "$(cat "$KILL/out")"
                ;;
        esac
        [ "$status" != 9 ]
        ok_if $? "$who, $where: $fault: what is called a set is none that is torn"
        # Copies whose deletion failed, or that were not told of, are there until somebody deletes them; so are
        # those of a provider that fails to take them back.
        if [[ $who:$where =~ ^provider:(DeleteSnapshot|Query|AbortSnapshots)$ ]]; then
                ok_if_empty "$(find_problems 1000)" "$who, $where: $fault: free before all else"
                reset_faults
                delete_sets
        fi
        after "$who, $where: $fault"
}

while read -r who where fault; do
        < /dev/null participant_case "$who" "$where" "$fault"
done < <(for fault in crash hang stop fail veto lie; do
                printf "writer %s $fault\n" "${writer_events[@]}"
        done | grep -v 'Identify \(hang\|stop\)' | sample 6
        for fault in crash hang stop fail bad-code lie; do
                printf "provider %s $fault\n" "${provider_calls[@]}"
        done | sample 7
        [ "${FULL:-0}" != 1 ] || printf 'writer Identify %s\n' hang stop)
