# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# engines.sh - what the tests of writers for real servers have in common; on top of lib.sh
#
#   make_atomic NAME SIZE                 $RIG_TMP/NAME: one btrfs volume, copied at one instant
#   make_split NAME SIZE SUBVOLUME...     the same with subvolumes in it, each a volume that is copied by itself
#   make_reflink NAME SIZE                $RIG_TMP/NAME: XFS (300M at least), which is copied file by file
#   as_user USER COMMAND...               with its groups; by exec, so that $! is the command
#   unit NAME START STOP [STATUS]         a unit of systemd, with commands for bash. Without STATUS it is active between the two
#   unit_log                              what was done to units since the last time, "stop a.service start a.service"
#   unit_state NAME                       as the service tells it
#   answer_of FILE COMMAND...             vss COMMAND --json: its answer into FILE, for of_answer and check_counter
#   of_answer FILE FILTER                 jq -r
#   check_counter FILE COUNT ANSWER [WRITER]
#                                         FILE has a line "N SENT_USEC ACK_USEC" (CLOCK_MONOTONIC, N counts up) for each commit,
#                                         COUNT of them are in the copy: all that were acknowledged before the freeze began,
#                                         none that was sent after the thaw (of this writer). Says what is wrong
#   backup_component SELECT DIRECTORY [OPTION...]     vss-test-requester, with documents and files below DIRECTORY
#   restore_component SELECT DIRECTORY [OPTION...]
#   backup_in_part SELECT DIRECTORY [OPTION...]       the same, but no file of more than 512 KiB can be stored
#   backup_under_load SELECT DIRECTORY LOG...         as backup_component, while commits go on into files as of check_counter
#   check_bounds LOG COUNT                            COUNT of them are in what was restored: all that were acknowledged before this
#                                                     backup began, none that was sent after the thaw of its set. Says what is wrong
#   ok_bounds LOG COUNT LABEL                         it is so, and less or more would be found
#   watch_listeners PATTERN COMMAND...   runs it, with its output in $output; $RIG_TMP/listeners has "seen " for each time that a
#                                   process like PATTERN ran meanwhile, and the TCP sockets that one of them listened on
#   end_process PID [SIGNAL]              and waits, also for what is no child; SIGKILL after 10 s

make_atomic() {
        make_volume "$1" btrfs "$2" && chmod 755 "$RIG_TMP/$1"
}

make_split() {
        local name=$1 part
        make_atomic "$name" "$2" || return 1
        shift 2
        for part in "$@"; do
                btrfs --quiet subvolume create "$RIG_TMP/$name/$part" || return 1
        done
}

make_reflink() {
        make_volume "$1" xfs "$2" -m reflink=1 && chmod 755 "$RIG_TMP/$1"
}

as_user() {
        local user=$1
        shift
        setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- "$@"
}

# ---- units ---------------------------------------------------------------------------------------------------

has_systemd() {
        busctl --system --timeout=5 call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s org.freedesktop.systemd1 |
                grep -q true
}

start_units() {
        [ ! -d /run/units ] || return 0
        mkdir -p /run/units
        "$BUILD/tests/fake-systemd" >> "$RIG_LOG" 2>&1 < /dev/null &
        UNITS_PID=$!
        at_end eval 'kill "$UNITS_PID" 2>/dev/null; wait "$UNITS_PID" 2>/dev/null; true'
        wait_for 5 has_systemd || note "fake-systemd does not start"
}

unit() {
        start_units
        cat > "/run/units/$1.new" << END
#!/bin/bash
case \$1 in
start) $2 && touch "/run/units/.$1.active" ;;
stop) $3 && rm -f "/run/units/.$1.active" ;;
status) ${4:-[ -e "/run/units/.$1.active" ]} ;;
esac
END
        chmod 755 "/run/units/$1.new"
        mv "/run/units/$1.new" "/run/units/$1"
}

unit_log() {
        [ ! -e /run/units/.log ] || paste -sd' ' /run/units/.log
        rm -f /run/units/.log
}

unit_state() {
        busctl --system --json=short call org.linuxvss /org/linuxvss org.linuxvss.Manager1 GetUnitState s "$1" | jq -r '.data[0]'
}

# ---- sets under load -----------------------------------------------------------------------------------------

answer_of() {
        local file=$1
        shift
        # The command that vss exec runs has standard output for itself.
        if [ "$1" = exec ]; then
                shift
                vss exec --json "$@" 2> "$file"
        else
                vss "$@" --json > "$file"
        fi
}

of_answer() {
        jq -r "$2" "$1"
}

check_counter() {
        local window
        window=$(jq -r --arg who "${4:-}" '
                ."began-usec" as $began
                | [.timeline[] | select($who == "" or .who == $who)] as $steps
                | [$steps[] | select(.step | startswith("Freeze")) | ."at-usec"] as $freezes
                | [$steps[] | select(.step | startswith("Thaw")) | ."at-usec" + ."took-usec"] as $thaws
                | if $began == null or ($freezes | length) == 0 or ($thaws | length) == 0 then empty
                  else "\($began + ($freezes | min)) \($began + ($thaws | max))" end' "$3") || return 1
        [ -n "$window" ] || { echo "nobody was frozen and thawed in $3"; return 1; }
        awk -v count="$2" -v window="$window" '
                BEGIN { split(window, at, " ") }
                NF < 3 || $3 !~ /^[0-9]+$/ { next } # cut off
                $3 < at[1] { before++; if ($1 > count) lost = $1 }
                $2 > at[2] { after++; if ($1 <= count) early = $1 }
                END {
                        if (count !~ /^[0-9]+$/) print "\"" count "\" is no number of commits"
                        else if (!before) print "there was no commit before the freeze"
                        else if (lost) print "commit " lost " was acknowledged before the freeze, and the copy has " count
                        else if (early) print "commit " early " was sent after the thaw, and the copy has " count
                        else exit 0
                        exit 1
                }' "$1"
}

backup_component() {
        local select=$1 directory=$2
        shift 2
        mkdir -p "$directory"
        vss-test-requester backup --documents="$directory/documents" --store="$directory/files" --select="$select" "$@"
}

restore_component() {
        local select=$1 directory=$2
        shift 2
        vss-test-requester restore --documents="$directory/documents" --store="$directory/files" --select="$select" "$@"
}

backup_in_part() (
        trap '' XFSZ
        ulimit -f 512
        backup_component "$@"
)

# By the numbers in the log, not by clocks: before the backup and behind the end of its set. What was sent then may be one
# more than what was logged. Both are in LOG.bounds.
last_commit() {
        awk 'NF == 3 { n = $1 } END { print n + 0 }' "$1"
}

mark_thaw() {
        local line log set=
        while IFS= read -r line; do
                printf '%s\n' "$line"
                case $line in
                *": DoSnapshotSet") set=made ;;
                *)
                        [ -z "$set" ] || for log; do
                                echo "$(cat "$log.bounds") $(($(last_commit "$log") + 1))" > "$log.bounds"
                        done
                        set=
                        ;;
                esac
        done
}

backup_under_load() {
        local select=$1 directory=$2 log status
        shift 2
        for log; do
                last_commit "$log" > "$log.bounds"
        done
        # Each of its calls is told before it is made.
        backup_component "$select" "$directory" --type="${backup_type:-copy}" --verbose 2>&1 | mark_thaw "$@"
        status=${PIPESTATUS[0]}
        # More follows, which must not be in what is restored.
        for log; do
                wait_lines "$log" 5 || echo "nothing is committed any more"
        done
        return "$status"
}

check_bounds() {
        local first='' last=''
        read -r first last < "$1.bounds"
        if ! [[ ${2:-} =~ ^[0-9]+$ ]]; then
                echo "\"${2:-}\" is no number of commits"
        elif [ "${first:-0}" = 0 ] || [ -z "$last" ] || [ "$(last_commit "$1")" -le "$last" ]; then
                echo "there was no commit before the backup, or none after it"
        elif [ "$2" -lt "$first" ]; then
                echo "commit $first was acknowledged before the backup, and what is restored has $2"
        elif [ "$2" -gt "$last" ]; then
                echo "commit $((last + 1)) was sent after the thaw, and what is restored has $2"
        else
                return 0
        fi
        return 1
}

ok_bounds() {
        local first last why
        read -r first last < "$1.bounds"
        ! check_bounds "$1" "$((first - 1))" > /dev/null && ! check_bounds "$1" "$((last + 1))" > /dev/null
        ok_if $? "$3: less and more than what was committed would be found"
        why=$(check_bounds "$1" "$2")
        ok_if $? "$3: all that was committed before the backup is there, and nothing from after its thaw" || note "$why"
}

# The inodes of what it has open, among those that listen (0A) in its network.
listeners_of() {
        find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' 2> /dev/null | tr -dc '0-9\n' |
                awk 'FILENAME == "-" { own[$1] = 1; next } $4 == "0A" && ($10 in own) { print FILENAME, $2 }' \
                        - "/proc/$1/net/tcp" "/proc/$1/net/tcp6" 2> /dev/null
}

watch_listeners() {
        local pattern=$1 pid status
        shift
        : > "$RIG_TMP/listeners"
        "$@" > "$RIG_TMP/watched" 2>&1 &
        local command=$!
        while ! has_ended "$command"; do
                for pid in $(pgrep -f -- "$pattern"); do
                        [ "$pid" = "$command" ] || printf 'seen %s' "$(listeners_of "$pid")" >> "$RIG_TMP/listeners"
                done
                nap 0.05
        done
        wait "$command"
        status=$?
        output=$(cat "$RIG_TMP/watched")
        return "$status"
}

# has_grown FILE SIZE: its first lines may have been written anew
has_grown() {
        local size
        size=$(stat -c %s "$1" 2> /dev/null) && [ "$size" -gt 0 ] && [ "$size" != "$2" ]
}

end_process() {
        kill -s "${2:-TERM}" "$1" 2>/dev/null || return 0
        wait "$1" 2>/dev/null
        wait_for 10 has_ended "$1" || kill -KILL "$1" 2>/dev/null
        return 0
}
