# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# repository-hostile.sh - a part of test-repository-luck: trees that no backup writes
#
# Whoever has the password can write anything. What reads it stays inside of its target, ends, and says what is wrong.

times='"mtime":"2020-01-01T00:00:00Z","atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0'
file() { printf '{"name":"%s","type":"file","mode":420,%s,"size":%s,"content":[%s]}' "$1" "$times" "${3:-4}" "${2:-\"@d@\"}"; }
dir() { printf '{"name":"%s","type":"dir","mode":2147484141,%s,"content":null,"subtree":"%s"}' "$1" "$times" "$2"; }
other() { printf '{"name":"%s","type":"%s","mode":420,%s,%s"content":null}' "$1" "$2" "$times" "${3:-}"; }
tree() { local name=$1; shift; local IFS=,; printf 'tree %s {"nodes":[%s]}\n' "$name" "$*"; }
nowhere=$(printf '%064d' 7)

# outside LABEL: nothing but the target has been written
outside() {
        is "$(find / "$scratch" -xdev -maxdepth 3 -name 'planted*' ! -path "$scratch/target/*" 2> /dev/null)" "" "$1: nothing outside"
}
# hostile LABEL STATUS PATTERN: the point that was put last, restored, listed, and looked at
hostile() {
        touch mark
        rm -rf target
        run_fails "$2" "$1: restore" timeout 60 "$vss" restore latest --target target
        like "$output" "$3" "$1: and says so"
        outside "$1"
        timeout 60 "$vss" ls latest / > out 2>&1
        [ $? -le 3 ]
        ok_if $? "$1: ls ends" || note "$(head -c 300 out)"
        run_fails 1 "$1: verify" timeout 60 "$vss" verify --repository "$repo"
        rm -f "$repo"/snapshots/*
}

part_hostile() {
repo=$scratch/hostile
export VSS_REPOSITORY=$repo
"$tool" init "$repo"

{
        echo "data d evil"
        tree t "$(file good)"
        tree root "$(file ..)" "$(file .)" "$(file ../planted)" "$(file /planted2)" "$(file a/planted3)" "$(file zgood)" \
                "$(dir ../planted4 @t@)" "$(dir .. @t@)" "$(dir / @t@)"
        echo "point root"
} | "$tool" put "$repo"
hostile "names that lead out" 3 "no file can have this name"
is "$(cat target/zgood)" evil "names that lead out: what is good is restored"

{
        echo "data d evil"
        tree root "$(file '')" "$(file good)"
        echo "point root"
} | "$tool" put "$repo"
touch mark
run_fails 1 "an empty name" "$vss" restore latest --target target
like "$output" "none that can be read" "is told"
rm -f "$repo"/snapshots/*

{
        echo "data d evil"
        tree out "$(file planted5)"
        tree root "$(other a symlink '"linktarget":"'"$scratch"'",')" "$(dir a @out@)" "$(file b)" "$(file b)"
        echo "point root"
} | "$tool" put "$repo"
hostile "a link, and a directory of the same name" 3 "twice"

{
        echo "data d evil"
        tree root "$(file a "\"@d@\",\"$nowhere\"" 8)" "$(file b '"@d@"' 999)" "$(other c teapot)" \
                "$(printf '{"name":"d","type":"dir","mode":2147484141,%s,"content":null}' "$times")" \
                "$(dir e "$nowhere")" "$(printf '{"name":"f","type":"file","mode":420,%s,"size":4,"content":null}' "$times")" \
                "$(file g)" "$(other h symlink '"linktarget":"",')"
        echo "point root"
} | "$tool" put "$repo"
hostile "contents that are not there, sizes, types" 3 "/a: not restored.*missing"
is "$(ls target | tr '\n' ' ')" "b e g " "contents: what is good is restored"
like "$output" "problems" "contents: verify counts them"

# A chain of directories, deeper than anything can go.
{
        echo "data d evil"
        tree t0 "$(file planted6)"
        for ((i = 1; i <= 9000; i++)); do tree "t$i" "$(dir d "@t$((i - 1))@")"; done
        echo "point t9000"
} | "$tool" put "$repo"
hostile "too deep" 3 "deep"
rm -rf target

# Each level has the one below twice: two to the fortieth directories.
{
        echo "data d evil"
        tree t0 "$(file x)"
        for ((i = 1; i <= 40; i++)); do tree "t$i" "$(dir a "@t$((i - 1))@")" "$(dir b "@t$((i - 1))@")"; done
        echo "point t40"
} | "$tool" put "$repo"
touch mark
run_fails 1 "more directories than there can be: restore" timeout 120 "$vss" restore latest --target target
like "$output" "more than can be restored" "and says so"
run_ok "more directories than there can be: verify ends, since nothing is damaged" \
        timeout 30 "$vss" verify --repository "$repo"
rm -rf target "$repo"/snapshots/*

# The same with something that is lost at its end.
{
        tree t0 "$(file x "\"$nowhere\"")"
        for ((i = 1; i <= 40; i++)); do tree "t$i" "$(dir a "@t$((i - 1))@")" "$(dir b "@t$((i - 1))@")"; done
        echo "point t40"
} | "$tool" put "$repo"
timeout 60 "$vss" verify --repository "$repo" > out 2>&1
is $? 1 "more lost paths than can be told: verify ends"
like "$(tail -n 20 out)" "only the first" "and says that it has not told all"
rm -f "$repo"/snapshots/*

"$tool" put "$repo" <<< 'config {"version":1,"id":"0000000000000000000000000000000000000000000000000000000000000001","chunker_polynomial":"3da3358b4dc173"}'
run_fails 1 "a repository of version 1" "$vss" points
like "$output" "upgrade_repo_v2" "is told how to become one of version 2"
}
