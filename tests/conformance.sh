# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# conformance.sh - vss-test-provider for providers of ours, and for such that keep nothing
#
#   stop_service                 vssd ends: its name is needed
#   conforms LABEL ARGUMENT...   vss-test-provider finds nothing wrong; what it finds is told
#   breaks CHECK LABEL ARGUMENT...   it finds something wrong, in this check

stop_service() {
        local pid
        pid=$(busctl --system call org.freedesktop.DBus / org.freedesktop.DBus GetConnectionUnixProcessID s \
                org.linuxvss 2>/dev/null)
        [ -z "$pid" ] || { kill "${pid#u }"; wait_for 5 eval '! kill -0 '"${pid#u }"' 2>/dev/null'; }
}

conforms() {
        local label=$1
        shift
        vss-test-provider "$@" > conformance.out 2>&1
        ok_if $? "$label: $(sed -n 's/^# provider //p' conformance.out)" ||
                note "$(grep -A 4 '^not ok' conformance.out || tail -n 3 conformance.out)"
}

breaks() {
        local check=$1 label=$2
        shift 2
        vss-test-provider "$@" > conformance.out 2>&1
        is $? 1 "$label is found"
        grep -q "^not ok [0-9]* - $check: " conformance.out
        ok_if $? "by \"$check\"" || note "$(grep '^not ok' conformance.out; tail -n 1 conformance.out)"
}
