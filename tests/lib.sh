# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lib.sh - what scenario tests have in common: TAP, clean-up, volumes on loop files, writes that must not hang
#
#   ok_if STATUS LABEL           ok_if_empty TEXT LABEL        is GOT WANTED LABEL      like GOT PATTERN LABEL
#   run_ok LABEL COMMAND...      run_fails STATUS LABEL COMMAND...        (their output is in $output)
#   skip LABEL REASON            skip_all REASON               note TEXT                done_testing
#   at_end COMMAND...            run at the end, last one first, also after a signal
#   make_volume NAME TYPE SIZE [MKFS-OPTION...]   a file system of its own at $RIG_TMP/NAME; btrfs, ext4 or xfs
#   make_xfs DEVICE              also of less than 300 MB, which mkfs.xfs makes for its own tests alone
#   without_writers [NAME]                        none is asked any more but this one and those that the test itself installs:
#                                                 the others take most of the time of a set in a guest
#   timed_write FILE MILLISECONDS                 0 if a write and fsync got through in time
#   is_held DIRECTORY                             0 if a write there does not get through
#   wait_for SECONDS COMMAND...                   0 as soon as the command succeeds
#   has_ended PID                                 has this process ended, though perhaps nobody has waited for it?
#   nap SECONDS                                   sleeps without a process of its own, which is dear in a guest
#   wait_changes FILE N                           0 as soon as it had N other contents, if that is within ten seconds
#   wait_lines FILE N                             0 as soon as it has N lines more, if that is within ten seconds
#   mind_gaps FIFO FILE                           each gap that a null provider makes (Gap=FIFO) lasts until FILE, which is
#                                                 written all the time, had three other contents; ends with the test
#   from_elsewhere DIRECTORY                      the documents in it are of another machine, one that is not there: what is
#                                                 made here is not imported beside its original
#   list_traces                                   mounts, devices, subvolumes, control groups: compare

# What lies in a repository is what counts, unless a test says otherwise.
export VSS_CACHE=${VSS_CACHE-off}

TAP_N=0
TAP_FAILED=0
TAP_ENDS=()
TAP_WRITES=()
output=

# No background process is to have it for standard input.
exec {TAP_NEVER}<> <(:)
nap() {
        read -rt "$1" -u "$TAP_NEVER" _
        return 0
}

note() {
        printf '%s\n' "$*" | sed 's/^/# /'
}

ok_if() {
        TAP_N=$((TAP_N + 1))
        if [ "$1" = 0 ]; then
                echo "ok $TAP_N - $2"
                return 0
        fi
        TAP_FAILED=$((TAP_FAILED + 1))
        echo "not ok $TAP_N - $2"
        return 1
}

ok_if_empty() {
        [ -z "$1" ]
        ok_if $? "$2" || { note "$1"; return 1; }
}

is() {
        [ "$1" = "$2" ]
        ok_if $? "$3" || { note "got \"$1\", want \"$2\""; return 1; }
}

like() {
        [[ $1 =~ $2 ]]
        ok_if $? "$3" || { note "got \"$1\", want something like \"$2\""; return 1; }
}

run_fails() {
        local want=$1 label=$2 status=0
        shift 2
        output=$("$@" 2>&1) || status=$?
        [ "$status" = "$want" ]
        ok_if $? "$label" || { note "$* ended with $status, not $want: $output"; return 1; }
}

run_ok() {
        run_fails 0 "$@"
}

skip() {
        TAP_N=$((TAP_N + 1))
        echo "ok $TAP_N - $1 # SKIP $2"
}

skip_all() {
        echo "1..0 # SKIP $*"
        exit 0
}

done_testing() {
        echo "1..$TAP_N"
        [ "$TAP_FAILED" = 0 ]
        exit
}

at_end() {
        TAP_ENDS+=("$(printf '%q ' "$@")")
}

run_ends() {
        local i status=$?
        trap '' INT TERM HUP
        for ((i = ${#TAP_ENDS[@]} - 1; i >= 0; i--)); do
                eval "${TAP_ENDS[i]}" || echo "# clean-up failed: ${TAP_ENDS[i]}"
        done
        exit "$status"
}
trap run_ends EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- volumes -------------------------------------------------------------------------------------------------

make_volume() {
        local name=$1 type=$2 size=$3 image=$RIG_TMP/$1.img
        shift 3
        truncate -s "$size" "$image" || return 1
        case $type in
        btrfs) mkfs.btrfs --quiet "$@" "$image" > /dev/null 2>&1 ;; # it warns of its own defaults
        ext4) mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$@" "$image" ;;
        xfs) mkfs.xfs -q "$@" "$image" ;;
        *) echo "make_volume: $type?" >&2; return 1 ;;
        esac || return 1
        mkdir -p "$RIG_TMP/$name"
        # mount makes the loop device, and lets it go with the last user.
        mount -o loop "$image" "$RIG_TMP/$name" || return 1
        at_end umount_volume "$RIG_TMP/$name"
}

umount_volume() {
        ! mountpoint -q "$1" || {
                fsfreeze --unfreeze "$1" 2>/dev/null
                umount --recursive "$1"
        }
}

make_xfs() {
        TEST_DIR=/ TEST_DEV=/ QA_CHECK_FS=1 mkfs.xfs -q -f -d noalign "$1"
}

# The rig has a layer of its own over /usr.
without_writers() {
        [ -n "${RIG_TMP:-}" ] || return 1
        local file
        for file in /usr/share/linuxvss/writers/*.conf /usr/share/dbus-1/system-services/org.linuxvss.Writer.*.service; do
                [[ -n ${1:-} && $file = *[./]$1.* ]] || rm -f "$file"
        done
        busctl --system call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig > /dev/null
}

# The child may hang, unkillably, until the volume goes on; the test does not.
timed_write() {
        local file=$1 limit=$2 pid deadline
        dd if=/dev/zero of="$file" bs=512 count=1 conv=fsync,notrunc status=none < /dev/null > /dev/null 2>&1 &
        pid=$!
        TAP_WRITES+=("$pid")
        deadline=$((${EPOCHREALTIME/[.,]/} + limit * 1000))
        while [ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ]; do
                if has_ended "$pid"; then
                        wait "$pid"
                        return
                fi
                nap 0.005
        done
        kill -KILL "$pid" 2>/dev/null
        return 1
}

# A shell that only naps may not have heard of a child's end: it is a zombie until somebody waits for it.
# pick N WORD...: $picked becomes N of them, in this order; all of them with FULL=1. RANDOM is to be set from SEED: what it
# is in a subshell nobody can repeat, so that nothing is printed here.
pick() {
        local n=$1 words=("${@:2}") left=() i
        picked=()
        [ "${FULL:-0}" = 0 ] || n=${#words[@]}
        left=("${!words[@]}")
        for ((; n > 0; n--)); do
                i=$((RANDOM % ${#left[@]}))
                picked[left[i]]=${words[left[i]]}
                left=("${left[@]:0:i}" "${left[@]:i+1}")
        done
        picked=("${picked[@]}")
}

has_ended() {
        local stat
        read -r stat 2>/dev/null < "/proc/$1/stat" || return 0
        stat=${stat##*) }
        [ "${stat%% *}" = Z ]
}

is_held() {
        ! timed_write "$1/.held-probe" "${2:-300}"
}

# Between two looks as long as one takes: who is waited for needs the processor, too.
wait_for() {
        local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000)) began took
        shift
        while true; do
                began=${EPOCHREALTIME/[.,]/}
                "$@" > /dev/null 2>&1 && return 0
                took=$((${EPOCHREALTIME/[.,]/} - began))
                [ $((began + took)) -lt "$deadline" ] || return 1
                took=$((took < 20000 ? 20000 : took < 500000 ? took : 500000))
                nap "0.$(printf %06d "$took")"
        done
}

# Numbers, as text or with the lowest byte first: what is before a zero byte is enough to tell them apart.
wait_changes() {
        local left=$2 was='' now='' deadline=$((${EPOCHREALTIME/[.,]/} + 10000000))
        LC_ALL=C IFS= read -rd '' was < "$1"
        while [ "$left" -gt 0 ]; do
                [ "${EPOCHREALTIME/[.,]/}" -lt "$deadline" ] || return 1
                nap 0.002
                LC_ALL=C IFS= read -rd '' now < "$1"
                [ "$now" = "$was" ] || { left=$((left - 1)) was=$now; }
        done 2> /dev/null
}

wait_lines() {
        local wanted
        wanted=$(($(wc -l < "$1") + $2))
        wait_for 10 eval '[ "$(wc -l < '"$1"')" -ge '"$wanted"' ]'
}

# The next gap has a FIFO of its own: who still reads this one is not taken for it.
serve_gaps() {
        local fifo=$1 file hold
        while mkfifo "$fifo.next"; do
                exec {hold}> "$fifo"
                for file in $2; do
                        [ ! -e "$file" ] || wait_changes "$file" 3
                done
                mv "$fifo.next" "$fifo"
                exec {hold}>&-
        done
}

mind_gaps() {
        mkfifo "$1" || return 1
        serve_gaps "$@" &
        at_end eval "kill $! && wait $! 2> /dev/null; true"
}

from_elsewhere() {
        sed -i "s/$(cat /etc/machine-id)/ffffffffffffffffffffffffffffffff/" "$1/BCDocument.xml"
}

list_traces() {
        local target
        echo "mounts:"
        awk '{ print $3, $4, $5, $6 }' /proc/self/mountinfo | sort
        echo "loop devices:"
        losetup --list --noheadings --raw --output NAME,BACK-FILE | grep -F "${RIG_TMP:-/nowhere}/" | sort
        echo "subvolumes:"
        awk '$3 == "btrfs" { print $1, $2 }' /proc/self/mounts | sort -u -k1,1 | while read -r _ target; do
                # the btrfs provider's store stays once it is made; what is in it counts
                btrfs subvolume list -a "$(printf %b "$target")" | awk '{ print $NF }' | grep -v '\.linuxvss$' | sort
        done
        echo "devices of device-mapper:"
        [ ! -e /dev/mapper/control ] ||
                dmsetup info --columns --noheadings --options name,suspended,tables_loaded 2> /dev/null | grep : | sort
        echo "control groups:"
        awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts | while read -r target; do
                find "$target" -mindepth 1 -type d | sort
        done
}
