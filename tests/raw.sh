# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# raw.sh - writers that say what a test has them say (raw-writer.c)
#
#   raw_writer NAME DIRECTORY    allowed, described, with one component "data": all files in DIRECTORY
#   raw_policy NAME              allowed on the bus, no more
#   raw_descriptor CLASS LINE... its descriptor, with these lines
#   raw_answers NAME             begins with no answers at all
#   raw_say NAME EVENT FILTER    changes its answer by a filter of jq; says what the filter says
#   raw_fails NAME EVENT ERROR TEXT   answers an error; without ERROR no longer
#   raw_start NAME [USER], raw_end NAME
#   raw_events NAME              the events that it got since the last time, in one line
#   raw_got NAME EVENT           whether it got the event since then
#   raw_event NAME EVENT FILTER  of what came with the last such event
#   raw_json FILTER [OPTION [N]] of the (first) JSON that the last run command printed
#   raw_id CLASS                 the UUID of a class, a new one for each

requester=$BUILD/tests/requester
raw_dir=$RIG_TMP/raw
mkdir -p "$raw_dir"
declare -A RAW_PIDS

raw_id() {
        printf '7d0c4c3e-%s-4000-8000-000000000000' "$(printf %s "$1" | cksum | cut -c1-4)"
}

raw_policy() {
        printf '<busconfig><policy context="default"><allow own="org.linuxvss.Writer.%s"/>
        <allow send_destination="org.linuxvss.Writer.%s"/></policy></busconfig>\n' "$1" "$1" \
                > "/etc/dbus-1/system.d/org.linuxvss.Writer.$1.conf"
        busctl --system call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig > /dev/null
}

raw_descriptor() {
        local class=$1
        shift
        printf '%s\n' '[Writer]' "$@" > "/usr/share/linuxvss/writers/$class.conf"
}

raw_answers() {
        rm -rf "${raw_dir:?}/$1"
        mkdir -p "$raw_dir/$1"
}

raw_writer() {
        local class=${1%%.*}
        raw_policy "$1"
        [ -e "/usr/share/linuxvss/writers/$class.conf" ] || raw_descriptor "$class" User=root "Roots=$RIG_TMP"
        raw_answers "$1"
        jq -n --arg name "$1" --arg id "$(raw_id "$class")" --arg instance "$(cat /proc/sys/kernel/random/uuid)" \
                --arg path "$2" '{ name: $name, id: $id, "instance-id": $instance, "friendly-name": "raw", level: 3,
                components: [{ type: 2, "logical-path": "", name: "data", selectable: true,
                files: [{ path: $path, filespec: "*", recursive: true }] }] }' > "$raw_dir/$1/Identify.json"
}

raw_say() {
        local file=$raw_dir/$1/$2.json
        [ -e "$file" ] || echo '{}' > "$file"
        case $3 in
        *=*) jq "$3" "$file" > "$file.new" && mv "$file.new" "$file" ;;
        *) jq -r "$3" "$file" ;;
        esac
}

raw_fails() {
        if [ -n "${3:-}" ]; then
                echo "$3 $4" > "$raw_dir/$1/$2.error"
        else
                rm -f "$raw_dir/$1/$2.error"
        fi
}

raw_has_name() {
        busctl --system --timeout=5 call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s "org.linuxvss.Writer.$1" |
                grep -q true
}

raw_has_no_name() {
        ! raw_has_name "$1"
}

raw_start() {
        local as=()
        if [ -n "${2:-}" ]; then
                as=(setpriv --reuid "$2" --regid "$2" --clear-groups --)
                touch "$raw_dir/$1/log"
                chown -R "$2" "$raw_dir/$1"
        fi
        "${as[@]}" "$BUILD/tests/raw-writer" "$1" "$raw_dir/$1" &
        RAW_PIDS[$1]=$!
        wait_for 5 raw_has_name "$1" || echo "# raw writer $1 does not start"
        : > "$raw_dir/$1/log"
}

raw_end() {
        [ -z "${RAW_PIDS[$1]:-}" ] || { kill -KILL "${RAW_PIDS[$1]}"; wait "${RAW_PIDS[$1]}"; } 2>/dev/null
        unset "RAW_PIDS[$1]"
        # Until the bus has noticed, the next one would find the name taken.
        wait_for 5 raw_has_no_name "$1"
}

raw_events() {
        tr '\n' ' ' < "$raw_dir/$1/log" | sed 's/ $//'
        : > "$raw_dir/$1/log"
}

raw_got() {
        grep -qx "$2" "$raw_dir/$1/log"
}

raw_event() {
        jq -c "$3" "$raw_dir/$1/$2.event"
}

raw_json() {
        awk -v wanted="${3:-1}" '/^\{/ { n++ } n == wanted; /^\}/ && n == wanted { exit }' <<< "$output" | jq "${2:--r}" "$1"
}

at_end eval 'kill -KILL "${RAW_PIDS[@]}" 2>/dev/null; true'
