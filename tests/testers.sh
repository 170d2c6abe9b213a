# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# testers.sh - for tests with vss-test-writer and vss-test-requester
#
#   writer NAME [OPTION...] < FILE   starts the test writer NAME (perhaps NAME.INSTANCE) with this file; State= is added
#   writer_again NAME < FILE         gives it another file
#   end_writer NAME
#   mark                             from here on
#   events [NAME]                    what was logged since, "NAME Event" per line as it began, without Identify
#   since PATTERN                    lines logged since that match
#   backup NAME [OPTION...]          vss-test-requester backup; documents and store are $RIG_TMP/NAME/{documents,store}
#   restore NAME [OPTION...]         the same the other way; both leave their words in $output, and the status in $status
#   json N FILTER < TEXT             of the Nth JSON dictionary that the requester of the tests printed
#   token < TEXT                     the secret that it printed
#   list NAME COMPONENT-NAME [WRITER]  the list of a component of the store

TEST_LOG=/run/linuxvss-test/log
TEST_MARK=0
declare -A TEST_WRITERS=()
status=0
mkdir -p /run/linuxvss-test /etc/linuxvss "$RIG_TMP/state"
touch "$TEST_LOG"

has_owner() {
        busctl --system call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s "$1" 2>/dev/null | grep -q true
}

writer_file() {
        { printf '[Writer]\nState=%s/state\n' "$RIG_TMP"; cat; } > "/etc/linuxvss/test-$1.conf.new"
        mv "/etc/linuxvss/test-$1.conf.new" "/etc/linuxvss/test-$1.conf"
}

writer() {
        local name=$1 options=()
        shift
        writer_file "$name"
        options=("--name=${name%%.*}" "--config=/etc/linuxvss/test-$name.conf")
        [ "${name#*.}" = "$name" ] || options+=("--instance=${name#*.}")
        vss-test-writer "${options[@]}" "$@" >> "$RIG_LOG" 2>&1 &
        TEST_WRITERS[$name]=$!
        wait_for 5 has_owner "org.linuxvss.Writer.$name"
}

writer_again() {
        writer_file "$1"
}

end_writer() {
        kill "${TEST_WRITERS[$1]}" && wait "${TEST_WRITERS[$1]}" 2>/dev/null
        unset "TEST_WRITERS[$1]"
}

mark() {
        TEST_MARK=$(wc -l < "$TEST_LOG")
}

since() {
        tail -n "+$((TEST_MARK + 1))" "$TEST_LOG" | grep -E -- "$1"
}

# begun [NAME] < LOG
begun() {
        awk -v name="${1:-}" '$4 == "begin" && $3 != "Identify" && (name == "" || $2 == name) {
                printf "%s%s", separator, (name == "" ? $2 " " : "") $3; separator = " " }'
}

events() {
        tail -n "+$((TEST_MARK + 1))" "$TEST_LOG" | begun "$@"
}

json() {
        awk -v wanted="$1" '/^\{/ { n++ } n == wanted; /^\}/ && n == wanted { exit }' | jq -cr "$2"
}

token() {
        grep -vE '^([a-z-]+ [SE]_|[][ {}]|$)' | tail -n 1
}

run_requester() {
        local verb=$1 name=$2
        shift 2
        mkdir -p "$RIG_TMP/$name"
        status=0
        output=$(vss-test-requester "$verb" "--documents=$RIG_TMP/$name/documents" "--store=$RIG_TMP/$name/store" "$@" 2>&1) ||
                status=$?
}

backup() {
        rm -rf "${RIG_TMP:?}/$1"
        run_requester backup "$@"
}

restore() {
        run_requester restore "$@"
}

# One component's directory in a store.
component() {
        local directory name=$2
        for directory in "$RIG_TMP/$1/store/components/${3:-Test}"/*/; do
                [ "$(cat "$directory/component" 2>/dev/null)" != "$name" ] || { echo "${directory%/}"; return 0; }
        done
        return 1
}

list() {
        cat "$(component "$@")/list"
}
