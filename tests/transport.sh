# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# transport.sh - backups of machine one's by other machines (tests/hosts.sh): what its writers have heard, and what fails
#
#   shadows_of HOST, sessions_of HOST             the ids; how many
#   fault_writer PATH                             on one: the writer Fault, whose component1 is PATH
#   heard, forget_heard                           since then: its events, and what it was told of component1, a line each
#   told LABEL well|badly [N]                     after N transports: is what it has heard true? See untruth
#   check_told                                    after a transport that went well: untruth finds what is not true
#   settled LABEL                                 no session stays on one, nothing is frozen, and the storage has no copy
#   transport_well LABEL HOST [WORD...] -- COMMAND   by vss transport; while COMMAND runs, nobody has heard that it is complete
#   transport_badly LABEL STATUS HOST COMMAND...  it fails, and the writers hear that
#   lose_both LABEL [COMMAND...]                  the link to two drops and three dies, while both read; COMMAND runs until
#                                                 that is noticed
#
# The test says what copies the storage has, for anybody, by a function: copies.

shadows_of() {
        on "$1" vss list shadows --json | jq -r '.snapshots[].id'
}
sessions_of() {
        on "$1" vss list sessions --json | jq -r '.sessions | length'
}

fault_writer() {
        printf '%s\n' '[Writer]' "Path=$1" Components=1 | on one tee /etc/linuxvss/fault-writer.conf > /dev/null
}
only_heard() {
        cut -d ' ' -f 3,4 | grep -v ' begin$'
}
heard() {
        on one cat /run/linuxvss-fault/log 2> /dev/null | only_heard
}
forget_heard() {
        on one sh -c '! test -e /run/linuxvss-fault/log || : > /run/linuxvss-fault/log'
}

# untruth well|badly N TEXT: what in it is not true of N backups
untruth() {
        local how=$1 n=$2 text=$3 well badly complete aborted
        well=$(grep -cx 'component1 succeeded' <<< "$text") badly=$(grep -cx 'component1 failed' <<< "$text")
        complete=$(grep -cx 'BackupComplete end' <<< "$text") aborted=$(grep -cx 'Abort end' <<< "$text")
        [ "$(grep -cx 'PostSnapshot end' <<< "$text")" = "$n" ] || echo "it did not take part $n times"
        if [ "$how" = well ]; then
                [ "$well $badly $complete $aborted" = "$n 0 $n 0" ] || echo "not the success of $n: $text"
        else
                [ "$well" = 0 ] || echo "a success"
                [ $((badly + aborted)) = "$n" ] && [ "$complete" = "$badly" ] || echo "not the failure of $n: $text"
        fi
}

check_told() {
        local text
        text=$(heard)
        ok_if_empty "$(untruth well 1 "$text")" "what a writer hears of a success is taken for one"
        untruth badly 1 "$text" > /dev/null
        [ -n "$(untruth badly 1 "$text")" ] && [ -n "$(untruth well 1 "${text/succeeded/failed}")" ] &&
                [ -n "$(untruth badly 1 "$(grep -v '^component1\|^BackupComplete' <<< "$text")")" ] &&
                [ -n "$(untruth well 1 "$(grep -v '^component1' <<< "$text")")" ] &&
                [ -z "$(untruth badly 1 "${text/succeeded/failed}")" ]
        ok_if $? "and not for a failure; nor a failure, or silence, for one" || note "$text"
}

# An Abort is on its way when its requester has ended.
told() {
        local label=$1 how=$2 n=${3:-1}
        wait_for 20 eval '[ -z "$(untruth '"$how $n"' "$(heard)")" ]'
        ok_if_empty "$(untruth "$how" "$n" "$(heard)")" "$label: the writer has heard that it went $how"
        forget_heard
}

settled() {
        wait_for 30 eval '[ "$(sessions_of one)" = 0 ] && [ -z "$(copies)" ]'
        is "$(sessions_of one) $(copies)" "0 " "$1: no session stays, and no copy on the storage"
        ok_if_empty "$(thaw_host one)" "$1: nothing is frozen on systemOne"
}

# What the writer had heard when COMMAND ran is asked by COMMAND, of one.
transport_well() {
        local label=$1 host=$2 words=()
        shift 2
        while [ "$1" != -- ]; do
                words+=("$1")
                shift
        done
        shift
        forget_heard
        rm -f heard-then
        run_ok "$label" on one vss transport --json --to "$host" --writer Fault "${words[@]}" -- \
                sh -c 'ssh -n one cat /run/linuxvss-fault/log > '"$PWD/heard-then"' && exec "$@"' - "$@"
        is "$(only_heard < heard-then | tail -n 1)" "PostSnapshot end" \
                "contract 9.5.15: $label: until the command ran, nobody has heard that it is complete" || note "$(cat heard-then)"
}

transport_badly() {
        local label=$1 status=$2 host=$3
        shift 3
        forget_heard
        run_fails "$status" "$label" on one vss transport --to "$host" --writer Fault -- "$@"
        like "$output" "were told that the backup has failed" "$label: that the writers hear of it is told"
        told "$label" badly
        settled "$label"
}

# Nobody hears of either but by silence, which takes a while: so both at once.
lose_both() {
        local label=$1 link death
        shift
        forget_heard
        rm -f at-two at-three
        start_on one vss transport --to two --writer Fault -- sh -c "touch $PWD/at-two; sleep 600" > link 2>&1
        link=$started
        wait_for 60 test -e at-two
        ok_if $? "$label: systemTwo reads" || note "$(cat link)"
        start_on one vss transport --to three --writer Fault -- sh -c "touch $PWD/at-three; sleep 600" > death 2>&1
        death=$started
        wait_for 60 test -e at-three
        ok_if $? "$label: and another one" || note "$(cat death)"
        cut_link two
        kill_host three
        [ $# = 0 ] || "$@"
        wait "$link"
        is $? 1 "$label: a link that drops"
        like "$(cat link)" "connection was lost.*were told that the backup has failed" "$label: is a backup that has failed"
        wait "$death"
        is $? 1 "$label: a systemTwo that dies during the backup"
        like "$(cat death)" "were told that the backup has failed" "$label: is one, too"
        told "$label" badly 2
        restore_link two
        wait_for 60 eval '[ -z "$(shadows_of two)" ]'
        ok_if $? "$label: systemTwo has ended what it had begun"
}
