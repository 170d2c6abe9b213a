# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hosts.sh - machines inside the rig, which have nothing in common but the network and the disks
#
#   make_host NAME...            each becomes a machine, at 10.99.0.1, .2 ... in this order, and is started
#   on NAME COMMAND...           there, as root, in the directory of the caller
#   start_on NAME COMMAND...     the same in the background, as process $started: when that is killed, COMMAND gets a SIGTERM
#   host_address NAME            host_pid NAME (its process 1)         host_log NAME (the file of its services' messages)
#   cut_link NAME, restore_link NAME              what is sent to it, or comes from it, is lost; nobody is told
#   kill_host NAME               its power goes off;                   start_host NAME  and is on again
#   end_host NAME                shut down
#   thaw_host NAME               thaws what is frozen there, and prints it
#   host_traces NAME             mounts, loop devices, processes there: compare
#
# A machine has its own /etc (with its machine-id), /var/lib/linuxvss, and writers; they outlast kill_host. Its /run is new
# with each start, and so is its boot id. It has its own bus, vssd, processes and network, and an sshd: by `ssh NAME` each reaches
# the others as root. $RIG_TMP is the same for all: it is where the tester lives, and the array. Devices are the same, too.
# The test has a network of its own, with the address 10.99.0.254; so this is to be read first, behind lib.sh.

# Read again, where the network is this test's own: those of all rigs have the same addresses.
if [ -z "${HOSTS_NETWORK:-}" ]; then
        HOSTS_NETWORK=1 exec unshare --net -- "$0" "$@"
fi
unset HOSTS_NETWORK

HOSTS=()
declare -A HOST_N=() HOST_UNSHARE=() HOST_PID=()
hosts_directory=$RIG_TMP/hosts

# A bridge takes the least hardware address of its ports, and another one when that goes: it has one of its own.
make_network() {
        ip link set lo up && ip link add hosts address 02:00:10:99:00:fe type bridge && ip address add 10.99.0.254/24 dev hosts &&
                ip link set hosts up
}

host_address() {
        echo "10.99.0.${HOST_N[$1]}"
}

host_pid() {
        echo "${HOST_PID[$1]}"
}

host_log() {
        echo "$hosts_directory/$1/log"
}

# The one that its name space of control groups begins at, where they may be made.
in_host_cgroup() {
        local top
        top=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)/host-$1
        shift
        exec bash -c 'mkdir -p "$0" 2> /dev/null && echo $$ > "$0/cgroup.procs"; exec "$@"' "$top" "$@"
}

enter_host() {
        local host=$1
        shift
        [ -n "${HOST_PID[$host]:-}" ] || { echo "$host is not running" >&2; exit 126; }
        # What enters a name space of processes has a process outside that waits for it, and that may be killed.
        in_host_cgroup "$host" env -u RIG_VSSD -u RIG_LOG nsenter --target "${HOST_PID[$host]}" --mount --pid --net --uts \
                --ipc --cgroup --wdns="$PWD" setpriv --pdeathsig TERM -- "$@"
}

on() (
        enter_host "$@"
)

start_on() {
        enter_host "$@" &
        # shellcheck disable=SC2034 # the test's
        started=$!
}

# ---- files ---------------------------------------------------------------------------------------------------

make_host_files() {
        local name=$1 root=$hosts_directory/$1 key
        mkdir -p "$root"/{lib,ssh} && chmod 700 "$root/ssh" || return 1
        cp -a /etc "$root/etc" && rm -rf "$root/etc/linuxvss" && mkdir "$root/etc/linuxvss" || return 1
        cp -a /usr/share/linuxvss/writers "$root/writers" && cp -a /usr/share/dbus-1/system-services "$root/services" || return 1
        printf '%s' "$name" | md5sum | cut -c1-32 > "$root/etc/machine-id"
        echo "$name" > "$root/etc/hostname"
        ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$root/ssh/id_ed25519" &&
                ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$root/ssh/host" || return 1
        # What the distribution's own sshd would do, but for its log.
        printf '%s\n' "HostKey /root/.ssh/host" "AuthorizedKeysFile /root/.ssh/authorized_keys" "StrictModes no" "UsePAM no" \
                "PermitRootLogin prohibit-password" "Subsystem sftp internal-sftp" "PidFile none" > "$root/etc/ssh/sshd_config"
        printf '%s\n' "Host *" "UserKnownHostsFile none" "LogLevel ERROR" > "$root/etc/ssh/ssh_config"
        for key in ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS "${!LINUXVSS_@}"; do
                [ -z "${!key:-}" ] || echo "SetEnv $key=${!key}"
        done >> "$root/etc/ssh/sshd_config"
        sed -i 's/^root:[^:]*:/root:*:/' "$root/etc/shadow"
}

# Every machine knows every other, also those that are made later.
introduce_hosts() {
        local name other
        for name in "${HOSTS[@]}"; do
                for other in "${HOSTS[@]}"; do
                        cat "$hosts_directory/$other/ssh/id_ed25519.pub" >&3
                        echo "$other,$(host_address "$other") $(cut -d ' ' -f 1,2 "$hosts_directory/$other/ssh/host.pub")" >&4
                        echo "$(host_address "$other") $other" >&5
                done 3> "$hosts_directory/$name/ssh/authorized_keys" 4> "$hosts_directory/$name/etc/ssh/ssh_known_hosts" \
                        5> "$hosts_directory/$name/etc/hosts"
                printf '127.0.0.1 localhost\n' >> "$hosts_directory/$name/etc/hosts"
        done
}

# ---- power ---------------------------------------------------------------------------------------------------

# Block devices know nothing of machines: the loop devices whose files only NAME sees.
host_loops() {
        losetup --list --noheadings --output NAME,BACK-MAJ:MIN | while read -r device number; do
                ! awk -v n="$number" '$3 == n { found = 1 } END { exit !found }' "/proc/${HOST_PID[$1]}/mountinfo" ||
                        awk -v n="$number" '$3 == n { found = 1 } END { exit !found }' /proc/self/mountinfo || echo "$device"
        done
}

host_is_up() {
        [ -e "$hosts_directory/$1/up" ]
}

# Who starts several waits for all of them behind that.
begin_host() {
        local name=$1 link=host-${HOST_N[$1]} here
        here=$(readlink /proc/self/ns/net)
        rm -f "$hosts_directory/$name/up"
        (in_host_cgroup "$name" env --default-signal=INT,QUIT,TERM HOST_NAME="$name" HOST_DIRECTORY="$hosts_directory/$name" \
                unshare --mount --pid --net --uts --ipc --cgroup --fork --mount-proc --kill-child=KILL -- \
                bash "$RIG_SOURCE/tests/host-inside" >> "$hosts_directory/$name/log" 2>&1) < /dev/null &
        HOST_UNSHARE[$name]=$!
        for _ in $(seq 200); do
                read -r HOST_PID["$name"] 2> /dev/null < "/proc/${HOST_UNSHARE[$name]}/task/${HOST_UNSHARE[$name]}/children" &&
                        [ "$(readlink "/proc/${HOST_PID[$name]}/ns/net" || echo "$here")" != "$here" ] && break
                nap 0.01
        done
        HOST_PID[$name]=${HOST_PID[$name]% }
        # That of a machine which died may not be gone yet. The others know it by its hardware address.
        wait_for 5 eval "! ip link show $link" &&
                ip link add "$link" type veth peer name eth0 \
                        address "02:00:10:99:00:0${HOST_N[$name]}" netns "${HOST_PID[$name]}" &&
                ip link set "$link" master hosts up &&
                nsenter --target "${HOST_PID[$name]}" --net sh -c "ip link set lo up && ip link set eth0 up &&
                        ip address add $(host_address "$name")/24 dev eth0"
}

await_host() {
        wait_for 60 host_is_up "$1" || { note "$1 did not start: $(tail -n 20 "$(host_log "$1")")"; return 1; }
}

start_host() {
        begin_host "$1" && await_host "$1"
}

# power_off SIGNAL NAME
power_off() {
        local name=$2 device loops
        [ -n "${HOST_PID[$name]:-}" ] || return 0
        loops=$(host_loops "$name")
        kill -"$1" "${HOST_PID[$name]}" 2> /dev/null
        wait_for 5 has_ended "${HOST_UNSHARE[$name]}" || kill -KILL "${HOST_PID[$name]}" 2> /dev/null
        wait "${HOST_UNSHARE[$name]}" 2> /dev/null
        ip link delete "host-${HOST_N[$name]}" 2> /dev/null
        # One that was made meanwhile is known by the server of its file, which has gone.
        for device in $loops $(losetup --list --noheadings --output NAME,BACK-MAJ:MIN,BACK-FILE |
                awk 'NF == 2 && $2 == "/" { print $1 }'); do
                # This would stay with the number, for whoever gets it next.
                blockdev --setrw "$device" 2> /dev/null
                losetup --detach "$device" 2> /dev/null
        done
        unset "HOST_PID[$name]" "HOST_UNSHARE[$name]"
}

kill_host() {
        power_off KILL "$1"
}

thaw_host() {
        local target
        while read -r _ _ _ _ target _; do
                target=$(printf %b "$target")
                # What is not frozen refuses.
                ! on "$1" timeout -s KILL 5 fsfreeze --unfreeze "$target" 2> /dev/null || echo "$target"
        done < <(awk '/ - (ext4|xfs|btrfs) /' "/proc/${HOST_PID[$1]}/mountinfo" 2> /dev/null)
}

end_host() {
        local frozen
        [ -n "${HOST_PID[$1]:-}" ] || return 0
        frozen=$(thaw_host "$1")
        [ -z "$frozen" ] || ok_if_empty "$frozen" "nothing is left frozen on $1"
        power_off TERM "$1"
}

cut_link() {
        ip link set "host-${HOST_N[$1]}" nomaster
}

restore_link() {
        ip link set "host-${HOST_N[$1]}" master hosts
}

host_traces() {
        on "$1" bash -c 'source "$RIG_SOURCE/tests/lib.sh"; list_traces' | grep -v "^control groups\|^loop devices"
        echo "loop devices of $1:"
        host_loops "$1"
        echo "processes of $1:"
        on "$1" ps -e -o comm= | grep -vE '^(ps|bash|sshd|polkitd|linuxvss-.*|vss-documents)$' | sort
}

make_host() {
        local name
        for name in "$@"; do
                HOSTS+=("$name")
                HOST_N[$name]=${#HOSTS[@]}
                make_host_files "$name" || { note "no machine $name"; return 1; }
        done
        introduce_hosts
        for name in "$@"; do
                begin_host "$name" || return 1
                at_end end_host "$name"
        done
        for name in "$@"; do
                await_host "$name" || return 1
        done
}

make_network
