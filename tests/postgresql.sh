# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# postgresql.sh - PostgreSQL servers for tests; on top of engines.sh
#
#   cluster NAME PORT DATA [WAL]   a cluster as Debian's tools configure it, with a unit; down
#   start NAME, stop NAME          by its unit
#   fill NAME SPACE                tables: "counter", and "pairs" with an index in the tablespace SPACE
#   sql NAME STATEMENT...          as postgres; what it prints
#   as_postgres COMMAND...         with the server's programs in its path; exec_postgres: in the place of this shell
#   start_load NAME, stop_load     commits that are counted in $live/NAME, and pages that are changed and flushed
#   copy_out DATA WAL SPACE COPY   files as vss exec shows them, for check_files
#   check_files COPY               a server recovers them, and pg_amcheck looks at them: prints the commits that are counted;
#                                  else says why, with status 1

PG_VERSION=15
PG_BIN=/usr/lib/postgresql/$PG_VERSION/bin
PG_SOCKETS=/run/postgresql-test
declare -A PG_PORTS=()
live=/run/live

as_postgres() {
        as_user postgres env -C / HOME=/var/lib/postgresql PGHOST="$PG_SOCKETS" PGDATABASE=postgres "PATH=$PG_BIN:$PATH" "$@"
}

# The same in the place of this shell: in the background, so that $! is the command.
exec_postgres() {
        exec setpriv --reuid postgres --regid postgres --init-groups env -C / HOME=/var/lib/postgresql \
                PGHOST="$PG_SOCKETS" PGDATABASE=postgres "PATH=$PG_BIN:$PATH" "$@"
}

sql() {
        local port=${PG_PORTS[$1]}
        shift
        as_postgres psql -p "$port" -qAtX -v ON_ERROR_STOP=1 -c "$*"
}

prepare_postgresql() {
        [ -x "$PG_BIN/postgres" ] || skip_all "wants postgresql-$PG_VERSION"
        chmod 755 "$RIG_TMP"
        mkdir -m 1777 "$PG_SOCKETS" "$live"
        rm -rf /etc/postgresql/*
        install -d -m 700 -o postgres -g postgres "$RIG_TMP/template"
        as_postgres initdb -D "$RIG_TMP/template" -A trust --wal-segsize=1 --no-sync > "$RIG_TMP/initdb" 2>&1 ||
                note "$(cat "$RIG_TMP/initdb")"
        at_end stop_all
}

write_conf() {
        local name=$1 port=$2 data=$3
        mkdir -p "/etc/postgresql/$PG_VERSION/$name"
        cat > "/etc/postgresql/$PG_VERSION/$name/postgresql.conf" << END
data_directory = '$data'
hba_file = '$data/pg_hba.conf'
ident_file = '$data/pg_ident.conf'
listen_addresses = ''
unix_socket_directories = '$PG_SOCKETS'
port = $port
shared_buffers = 2MB
max_wal_size = 8MB
min_wal_size = 4MB
max_connections = 20
log_checkpoints = off
client_connection_check_interval = 100ms
END
        chown -R postgres: /etc/postgresql
}

cluster() {
        local name=$1 port=$2 data=$3 wal=${4:-} control
        PG_PORTS[$name]=$port
        mkdir -p "$data"
        cp -a "$RIG_TMP/template/." "$data/"
        chown postgres: "$data"
        chmod 700 "$data"
        if [ -n "$wal" ]; then
                cp -a "$data/pg_wal/." "$wal/"
                rm -rf "$data/pg_wal"
                ln -s "$wal" "$data/pg_wal"
                chown -h postgres: "$data/pg_wal" "$wal"
        fi
        write_conf "$name" "$port" "$data"
        install -o postgres -m 600 /dev/null "$RIG_TMP/$name.log"
        control="setpriv --reuid postgres --regid postgres --init-groups $PG_BIN/pg_ctl -w -D /etc/postgresql/$PG_VERSION/$name"
        unit "postgresql@$PG_VERSION-$name.service" "$control -l $RIG_TMP/$name.log start" "$control -m fast stop" \
                "$control status"
}

start() {
        "/run/units/postgresql@$PG_VERSION-$1.service" start > /dev/null || note "$(tail -n 5 "$RIG_TMP/$1.log")"
}

stop() {
        "/run/units/postgresql@$PG_VERSION-$1.service" stop > /dev/null 2>&1
}

stop_all() {
        local name
        stop_load
        for name in "${!PG_PORTS[@]}"; do
                stop "$name"
        done
        true
}

fill() {
        install -d -o postgres -g postgres -m 700 "$2"
        sql "$1" "CREATE TABLESPACE apart LOCATION '$2'"
        sql "$1" "CREATE TABLE counter(n bigint PRIMARY KEY, t text);
                CREATE TABLE pairs(id int PRIMARY KEY, n bigint, t text) TABLESPACE apart;
                CREATE INDEX ON pairs(t) TABLESPACE apart;
                INSERT INTO pairs SELECT i, 0, md5(i::text) FROM generate_series(0, 1999) i"
}

LOADS=()

start_load() {
        local size
        size=$(stat -c %s "$live/$1" 2> /dev/null || echo 0)
        exec_postgres "$BUILD/tests/postgresql-load" "$PG_SOCKETS" "${PG_PORTS[$1]}" "$live/$1" > "$RIG_TMP/load" 2>&1 &
        LOADS+=($!)
        # Pages go to the disk all the time, not only when there is no room for them.
        exec_postgres bash -c "while psql -p ${PG_PORTS[$1]} -qAtX -c CHECKPOINT; do sleep 0.15; done" > /dev/null 2>&1 &
        LOADS+=($!)
        wait_for 20 has_grown "$live/$1" "$size"
        sleep 0.4
}

stop_load() {
        local pid
        for pid in "${LOADS[@]}"; do
                end_process "$pid"
        done
        LOADS=()
}

# Links lead to the live files: they are made to lead into the copy.
copy_out() {
        local data=$1 wal=$2 space=$3 copy=$4 link
        rm -rf "$copy"
        mkdir "$copy"
        cp -a "$data" "$copy/data" && cp -a "$space" "$copy/space" || return
        if [ -L "$copy/data/pg_wal" ]; then
                cp -a "$wal" "$copy/wal" && ln -sfn "$copy/wal" "$copy/data/pg_wal"
        fi
        for link in "$copy"/data/pg_tblspc/*; do
                ln -sfn "$copy/space" "$link"
        done
        rm -f "$copy"/data/{postmaster.pid,postmaster.opts,tablespace_map,standby.signal}
}
export -f copy_out

check_files() {
        local copy=$1 result status=1
        : > "$copy/none"
        as_postgres pg_ctl -w -t 20 -D "$copy/data" -l "$copy/data/check.log" -o "-c config_file=$copy/none \
                -c hba_file=$copy/data/pg_hba.conf -c ident_file=$copy/none -c listen_addresses= -c port=6999 \
                -c unix_socket_directories=$PG_SOCKETS -c fsync=off -c autovacuum=off -c max_connections=40" start \
                > /dev/null 2>&1 || { grep -E 'FATAL|PANIC' "$copy/data/check.log" | head -n 3; return 1; }
        result=$(as_postgres psql -p 6999 -qAtX -c 'SELECT max(n) FROM counter' 2>&1)
        as_postgres pg_amcheck -p 6999 --database=postgres --install-missing --heapallindexed > "$copy/amcheck" 2>&1 && status=0
        as_postgres pg_ctl -w -D "$copy/data" -m immediate stop > /dev/null 2>&1
        [ $status = 0 ] || result=$(head -n 3 "$copy/amcheck")
        echo "$result"
        return $status
}
