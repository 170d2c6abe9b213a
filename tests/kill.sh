# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill.sh - the machine that the kill tests run on, and what must be true of it after each case
#
#   make_machine            volumes, two loads, three writers, short limits
#   find_problems MS        what is not free now: volumes, locks, held commands, the hold's record; nothing if all is
#   find_remains SECONDS    what does not go away in time: mounts, loops, subvolumes, copies, processes; a still load
#   take_baseline           from here on list_all is compared with this
#   start_vssd [NAME=VALUE...], end_vssd, ensure_vssd
#   reset_faults            no faults any more, and fresh fault participants
#   case_begin              before each case: gives the harness's own thaw a new deadline

HARNESS_SECONDS=45
KILL=/run/kill
WRITER_CONF=/etc/linuxvss/fault-writer.conf
PROVIDER_CONF=/etc/linuxvss/fault-provider.conf
tool=$BUILD/tests/kill-tool
libexec=/usr/libexec/linuxvss

# ---- the machine ---------------------------------------------------------------------------------------------

write_faults() {
        printf '[Writer]\nPath=%s\n[Events]\n%s\n' "$x1/fault" "${1:-}" > "$WRITER_CONF"
        printf '%s\n' "${2:-}" > "$PROVIDER_CONF"
}

write_settings() {
        printf '%s\n' WriterLimit=1 ProviderLimit=1 FreezeLimit=2 HoldLimit=1 LeaseLimit=2 WorkerLimit=5 SyncLimit=10 \
                > /etc/linuxvss/linuxvss.conf
        printf 'Hold=filesystem\nCopy=files\n' > /etc/linuxvss/null.conf
        printf '[SQLite]\nDatabase=%s/*.db\n' "$e1" "$x1" "$b/one" "$b/two" > /etc/linuxvss/sqlite.conf
        mkdir -p /etc/linuxvss/writers.d
        printf '[Writer]\nName=shop\nUser=root\n[Component]\nName=data\nPath=%s\nPath=%s\n[Commands]\nHold=%s\n' \
                "$e2/shop" "$b/two/shop" "$KILL/kill-held" > /etc/linuxvss/writers.d/shop.conf
        printf '#!/bin/bash\necho READY\nread -r _\nexit 0\n' > "$KILL/kill-held"
        chmod 755 "$KILL/kill-held"
        write_faults
}

start_loads() {
        "$tool" load "$KILL/load1" "db:$e1/a.db" "db:$x1/b.db" "file:$e1/f" "file:$e2/f" "file:$x1/f" \
                > "$KILL/load1.log" 2>&1 &
        load1=$!
        "$tool" load "$KILL/load2" "db:$b/one/a.db" "db:$b/two/b.db" > "$KILL/load2.log" 2>&1 &
        load2=$!
        at_end end_loads
}

end_loads() {
        kill -KILL "$load1" "$load2" 2>/dev/null
        wait "$load1" "$load2" 2>/dev/null
        "$tool" probe 2000 "${all[@]}"
}

make_machine() {
        e1=$RIG_TMP/e1 e2=$RIG_TMP/e2 x1=$RIG_TMP/x1 b=$RIG_TMP/b
        mkdir -p "$KILL/scratch"
        make_volume e1 ext4 24M && make_volume e2 ext4 24M && make_volume x1 xfs 300M && make_volume b btrfs 1G &&
                btrfs subvolume create "$b/one" > /dev/null && btrfs subvolume create "$b/two" > /dev/null &&
                mkdir "$e2/shop" "$x1/fault" "$b/two/shop" && "$tool" init "$e1/a.db" wal &&
                "$tool" init "$x1/b.db" delete && "$tool" init "$b/one/a.db" wal && "$tool" init "$b/two/b.db" wal ||
                return 1
        held=("$e1" "$e2" "$x1")
        all=("${held[@]}" "$b/one" "$b/two")
        databases=("$e1/a.db" "$x1/b.db" "$b/one/a.db" "$b/two/b.db")
        counters=("db:$e1/a.db" "db:$x1/b.db" "file:$e1/f" "file:$e2/f" "file:$x1/f")
        cow_counters=("db:$b/one/a.db" "db:$b/two/b.db")
        write_settings
        start_loads
        watch_over &
        at_end kill $!
        wait_for 5 test -s "$KILL/load1" && wait_for 5 test -s "$KILL/load2" || return 1
        kill -KILL "$RIG_VSSD" 2>/dev/null
        wait "$RIG_VSSD" 2>/dev/null
        start_vssd
}

# Whoever waits for a volume that stands cannot be killed: so this thaws, and says so, when a case is over time.
watch_over() {
        local volume
        exec > /dev/null 2>&1 < /dev/null
        trap - EXIT INT TERM
        while sleep 1; do
                [ "$(cat "$KILL/deadline" 2>/dev/null || echo 9999999999)" -lt "$EPOCHSECONDS" ] || continue
                for volume in "${all[@]}"; do
                        fsfreeze --unfreeze "$volume" && echo "$(cat "$KILL/case"): $volume" >> "$KILL/thawed"
                done
                pkill -CONT --parent "$$" -x vssd
        done
}

case_begin() {
        echo "$*" > "$KILL/case"
        echo $((EPOCHSECONDS + HARNESS_SECONDS)) > "$KILL/deadline"
        note "$*"
}

# ---- processes -----------------------------------------------------------------------------------------------

process_of() {
        case $1 in
        vssd) pgrep -x vssd ;;
        hold-watcher) pgrep -x -o vss-hold ;;
        hold-actor) pgrep -x -n vss-hold ;;
        holder) pgrep -x vss-writer-sqli | grep -vxF "$(pgrep -x -P 1 vss-writer-sqli)" ;;
        guardian) pgrep -x vss-writer-drop | grep -vxF "$(pgrep -x -P 1 vss-writer-drop)" ;;
        held) pgrep -x kill-held ;;
        *) pgrep -x -P 1 "$(cut -c1-15 <<< "vss-$1")" ;;
        esac 2>/dev/null | head -n 1
}

# in_state PID LETTER
in_state() {
        local stat
        read -r stat 2>/dev/null < "/proc/$1/stat" || return 1
        stat=${stat##*) }
        [ "${stat%% *}" = "$2" ]
}

is_gone() {
        ! kill -0 "$1" 2>/dev/null || in_state "$1" Z
}

is_stopped() {
        local pid
        pid=$(process_of "$1") && [ -n "$pid" ] && in_state "$pid" T
}

serves() {
        busctl --system --timeout=5 call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s org.linuxvss 2>/dev/null |
                grep -q true
}

# One that was killed has its name until the bus has seen its end.
has_gone() {
        ! serves
}

start_vssd() {
        wait_for 5 has_gone
        env -i PATH="$PATH" "${LINUXVSS_TEST_ENV[@]}" "$@" "$libexec/vssd" >> "$RIG_LOG" 2>&1 < /dev/null &
        vssd=$!
        wait_for 10 serves
}

end_vssd() {
        local pid
        for pid in $(pgrep -x vssd); do
                kill "${1:--KILL}" "$pid"
                wait "$pid" 2>/dev/null
                wait_for 5 is_gone "$pid"
        done
}

ensure_vssd() {
        serves || start_vssd
}

LINUXVSS_TEST_ENV=()
for name in ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS; do
        [ -z "${!name:-}" ] || LINUXVSS_TEST_ENV+=("$name=${!name}")
done

reset_faults() {
        local pid
        write_faults
        for pid in $(pgrep -x vss-writer-faul) $(pgrep -x vss-provider-fa); do
                kill -KILL "$pid"
        done 2>/dev/null
        for pid in $(pgrep -x 'vss-(writer|provider)-.*'); do
                ! in_state "$pid" T || kill -KILL "$pid"
        done 2>/dev/null
}

# ---- what must be true ---------------------------------------------------------------------------------------

find_problems() {
        local began=$EPOCHREALTIME left
        "$tool" probe "$1" "${all[@]}" "$b"
        left=$(($1 - (${EPOCHREALTIME/[.,]/} - ${began/[.,]/}) / 1000))
        "$tool" locks $((left > 50 ? left : 50)) "${databases[@]}"
        while [ $((${EPOCHREALTIME/[.,]/} - ${began/[.,]/})) -lt $(($1 * 1000)) ] &&
                { [ -e /run/linuxvss/hold ] || pgrep -x kill-held > /dev/null; }; do
                sleep 0.02
        done
        [ ! -e /run/linuxvss/hold ] || echo "/run/linuxvss/hold is there"
        ! pgrep -x kill-held > /dev/null || echo "the held command still runs"
}

# What is nobody's any more: holds, workers, a second service, and children of writers and providers.
list_processes() {
        ps axo pid=,ppid=,stat=,comm= | awk '
                { name[$1] = $4; parent[$1] = $2; state[$1] = $3 }
                $4 == "vssd" && $3 !~ /Z/ { n++ }
                END {
                        for (p in name) {
                                if (state[p] ~ /Z/)
                                        continue
                                if (name[p] ~ /^(vss-hold|vssd-worker|vss|kill-held)$/ ||
                                    name[parent[p]] ~ /^vss-(writer|provider)/)
                                        print "process", name[p]
                                else if (name[p] ~ /^vss/ && state[p] ~ /T/)
                                        print "stopped", name[p]
                        }
                        if (n > 1)
                                print n, "services"
                }' | sort
}

# An empty control group is the next hold's: a watcher that is killed in its last moment cannot remove it.
list_all() {
        list_traces | grep -v '/linuxvss-hold$'
        echo "copies:"
        ls -d /run/linuxvss/null/* /run/linuxvss/fault/* /run/linuxvss/shadow/* "$b"/.linuxvss/* 2>/dev/null
        list_processes
}

take_baseline() {
        baseline=$(list_all)
}

is_as_before() {
        [ "$(list_all)" = "$baseline" ]
}

find_remains() {
        local wrong
        wait_for "$1" is_as_before || diff <(echo "$baseline") <(list_all) | grep '^[<>]'
        "$tool" advances 2000 "$KILL/load1" "$KILL/load2"
        if ! kill -0 "$load1" 2>/dev/null || ! kill -0 "$load2" 2>/dev/null; then
                wrong=$(cat "$KILL"/load?.log)
                echo "a load ended: $wrong"
        fi
}

# after LABEL [MS]: everything is free at once (or in MS), and soon nothing is left
after() {
        ok_if_empty "$(find_problems "${2:-1000}")" "$1: everything is free"
        reset_faults
        ensure_vssd
        ok_if_empty "$(find_remains 8)" "$1: nothing remains"
}

# exec_set: a set of the held volumes, verified; its words go to $KILL/out. The status is vss's.
provider=fault
exec_set() {
        timeout --kill-after=5 30 vss exec --provider "$provider" "${held[@]}" -- \
                "$tool" verify "$KILL/scratch" "${counters[@]}" > "$KILL/out" 2>&1
}

exec_cow_set() {
        timeout --kill-after=5 30 vss exec "$b/one" "$b/two" -- \
                "$tool" verify "$KILL/scratch" "${cow_counters[@]}" > "$KILL/out" 2>&1
}

create_set() {
        timeout --kill-after=5 30 vss create --provider "$provider" "${held[@]}" > "$KILL/out" 2>&1
}

no_session() {
        [ "$(vss list sessions --json | jq '.sessions | length')" = 0 ]
}

# What was made to stay, and what could not be deleted.
delete_sets() {
        ensure_vssd
        wait_for 5 no_session
        wait_for 5 vss delete --all
}

# sample N: lines of the input, the same ones for the same $SEED; all of them with FULL=1
sample() {
        if [ "${FULL:-0}" = 1 ]; then
                cat
        else
                shuf -n "$1" --random-source=<(yes "$SEED")
        fi
}

# status_is GOT PATTERN LABEL: what $KILL/out says is shown if it is another
status_is() {
        [[ $1 =~ ^($2)$ ]]
        ok_if $? "$3" || note "ended with $1, not $2: $(cat "$KILL/out")"
}
