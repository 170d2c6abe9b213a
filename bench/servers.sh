# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# servers.sh - servers to be measured: of each ENGINE
#
#   ENGINE_is_here     its programs are installed
#   ENGINE_writer      the name of its writer          ENGINE_about        what is measured
#   ENGINE_set_up DIR  made, with $size MiB, and down  ENGINE_start, _stop, _answers, _destroy (its files)
#   ENGINE_load        its own tool, at full load, for ever
#   ENGINE_where       for bench-probe                 ENGINE_count        commits so far
#   ENGINE_native      a backup by its own means, to $disk/native; ENGINE_native_name
#
# Settings are those of the distribution, but for what lets them run here: no TCP, sockets in /run.

# The unit's own commands, as systemd would run them.
unit_start() {
        "/run/units/$1" start > /dev/null 2>&1
}

unit_stop() {
        ! [ -e "/run/units/.$1.active" ] || "/run/units/$1" stop > /dev/null 2>&1
}

# ---- PostgreSQL ----------------------------------------------------------------------------------------------

pg_bin=/usr/lib/postgresql/15/bin
pg_unit=postgresql@15-main.service

as_postgres() {
        as_user postgres env -C / HOME=/var/lib/postgresql PGHOST=/run/postgresql PGDATABASE=postgres "PATH=$pg_bin:$PATH" "$@"
}

postgresql_is_here() { [ -x "$pg_bin/postgres" ] && [ -x "$pg_bin/pgbench" ]; }
postgresql_writer() { echo PostgreSQL; }
postgresql_about() { echo "PostgreSQL 15, pgbench --no-vacuum --builtin=simple-update, 8 clients"; }
postgresql_where() { echo "host=/run/postgresql user=postgres dbname=postgres"; }
postgresql_answers() { as_postgres psql -qAtXc 'SELECT 1'; }
postgresql_native_name() { echo pg_basebackup; }
postgresql_start() { unit_start "$pg_unit" && wait_for 60 postgresql_answers; }
postgresql_stop() { unit_stop "$pg_unit"; }
postgresql_destroy() { rm -rf "$disk/postgresql/data"/*; }
postgresql_load() { as_postgres pgbench --no-vacuum --builtin=simple-update -c 8 -j 2 -T 100000; }
postgresql_count() { as_postgres psql -qAtXc 'SELECT pg_snapshot_xmax(pg_current_snapshot())'; }
postgresql_native() { as_postgres pg_basebackup -D "$disk/native/pg" -X stream -c fast || die "pg_basebackup failed"; }

postgresql_set_up() {
        local conf=/etc/postgresql/15/main control
        rm -rf /etc/postgresql/*
        install -d -o postgres -g postgres /run/postgresql "$conf"
        install -d -m 700 -o postgres -g postgres "$1/data"
        as_postgres initdb -D "$1/data" -A trust --no-sync || return
        cat > "$conf/postgresql.conf" << END
data_directory = '$1/data'
hba_file = '$1/data/pg_hba.conf'
ident_file = '$1/data/pg_ident.conf'
listen_addresses = ''
unix_socket_directories = '/run/postgresql'
port = 5432
shared_buffers = 128MB
max_wal_size = 1GB
END
        chown postgres: "$conf/postgresql.conf"
        install -o postgres -m 600 /dev/null "$RIG_TMP/postgresql.log"
        control="setpriv --reuid postgres --regid postgres --init-groups $pg_bin/pg_ctl -w -D $conf"
        unit "$pg_unit" "$control -l $RIG_TMP/postgresql.log start" "$control -m fast stop" "$control status"
        at_end unit_stop "$pg_unit"
        postgresql_start || return
        as_postgres pgbench -i -q -s $((size / 16 + 1)) && as_postgres psql -qXc 'CREATE TABLE probe(n bigint)' \
                -c 'INSERT INTO probe VALUES (0)' -c CHECKPOINT && postgresql_stop
}

# ---- MariaDB -------------------------------------------------------------------------------------------------

mariadb_socket=/run/mysqld/mysqld.sock

mariadb_sql() {
        mariadb --batch --skip-column-names -S "$mariadb_socket" "$@"
}

mariadb_is_here() { command -v mariadbd mariadb-slap > /dev/null; }
mariadb_writer() { echo MariaDB; }
mariadb_about() { echo "MariaDB, mariadb-slap --auto-generate-sql-load-type=write, 8 clients, InnoDB, binary log"; }
mariadb_where() { echo "$mariadb_socket"; }
mariadb_answers() { mariadb_sql -e 'SELECT 1'; }
mariadb_native_name() { echo mariadb-backup; }
mariadb_start() { unit_start mariadb.service && wait_for 60 mariadb_answers; }
mariadb_stop() { unit_stop mariadb.service; }
mariadb_destroy() { rm -rf "$disk/mariadb/data"/*; }
mariadb_count() { mariadb_sql -e "SHOW GLOBAL STATUS LIKE 'Com_insert'" | awk '{ print $2 }'; }

mariadb_load() {
        while mariadb-slap -S "$mariadb_socket" --auto-generate-sql --auto-generate-sql-load-type=write \
                --auto-generate-sql-write-number=1 --concurrency=8 --number-of-queries=40000 --engine=innodb; do :; done
}

mariadb_native() {
        mariadb-backup --backup --socket="$mariadb_socket" --user=root --target-dir="$disk/native/mariadb" \
                > "$RIG_TMP/native.log" 2>&1 || die "mariadb-backup failed: $(tail -n 3 "$RIG_TMP/native.log")"
}

# What is scripted everywhere.
do_locked() {
        mariadb_sql -e "FLUSH TABLES WITH READ LOCK; \\! btrfs --quiet subvolume snapshot -r $disk/mariadb $disk/locked > /dev/null
                UNLOCK TABLES" || die "no lock"
}

# Both again, while somebody writes for a second into another table.
long_write() {
        mariadb_sql -e "INSERT INTO bench.other SELECT SLEEP(1)" > /dev/null &
        sleep 0.1
        "$1"
        wait $!
}
do_long_locked() { long_write do_locked; }
do_long_set() { series=.long long_write do_set; }

mariadb_set_up() {
        install -d -o mysql -g mysql /run/mysqld "$1/data"
        mariadb-install-db --no-defaults --user=mysql --datadir="$1/data" --skip-test-db \
                --auth-root-authentication-method=socket || return
        printf '%s\n' '[mysqld]' skip-networking "datadir=$1/data" log_bin=bin binlog_expire_logs_seconds=600 \
                "log_error=$1/data/error.log" "pid-file=/run/mysqld/mariadb.pid" \
                > /etc/mysql/mariadb.conf.d/99-bench.cnf
        unit mariadb.service "{ setpriv --reuid mysql --regid mysql --init-groups setsid /usr/sbin/mariadbd < /dev/null > /dev/null 2>&1 & }" \
                "{ read -r p < /run/mysqld/mariadb.pid && kill \$p && while kill -0 \$p 2> /dev/null; do sleep 0.05; done; }"
        at_end unit_stop mariadb.service
        mariadb_start || return
        mariadb_sql -e "CREATE DATABASE bench; USE bench; CREATE TABLE bench.probe(n bigint) ENGINE=InnoDB; INSERT INTO bench.probe VALUES (0);
                CREATE TABLE bench.other(n bigint) ENGINE=InnoDB;
                CREATE TABLE bench.fill(id int PRIMARY KEY, t varchar(1000)) ENGINE=InnoDB;
                INSERT INTO bench.fill SELECT seq, REPEAT(MD5(seq), 30) FROM seq_1_to_$((size * 900))" && mariadb_stop
}

# ---- Redis ---------------------------------------------------------------------------------------------------

redis_socket=/run/redis/redis-server.sock

redis_sql() {
        redis-cli -s "$redis_socket" "$@"
}

redis_is_here() { command -v redis-server redis-benchmark > /dev/null; }
redis_writer() { echo Redis; }
redis_about() { echo "Redis 7, appendonly yes, redis-benchmark SET of 256 bytes, 50 clients"; }
redis_where() { echo "$redis_socket"; }
redis_answers() { redis_sql ping | grep -q PONG; }
redis_native_name() { echo BGSAVE; }
redis_start() { unit_start redis-server.service && wait_for 60 redis_answers; }
redis_stop() { unit_stop redis-server.service; }
redis_destroy() { rm -rf "$disk/redis/data"/*; }
redis_count() { redis_sql info stats | tr -d '\r' | sed -n 's/^total_commands_processed://p'; }
redis_load() { redis-benchmark -s "$redis_socket" -t set -d 256 -r 100000 -c 50 -l -q; }

redis_native() {
        redis_sql BGSAVE > /dev/null
        wait_for 120 sh -c "redis-cli -s $redis_socket info persistence | grep -q rdb_bgsave_in_progress:0" || die "BGSAVE hangs"
}

redis_set_up() {
        install -d -o redis -g redis -m 750 /run/redis "$1/data"
        rm -f /etc/redis/*.conf
        printf '%s\n' "port 0" "unixsocket $redis_socket" "dir $1/data" "daemonize yes" "pidfile /run/redis/redis-server.pid" \
                'save ""' "rdbcompression no" "appendonly yes" "enable-debug-command local" "logfile $RIG_TMP/redis.log" > /etc/redis/redis.conf
        install -o redis -m 600 /dev/null "$RIG_TMP/redis.log"
        chown redis: /etc/redis/redis.conf
        unit redis-server.service "setpriv --reuid redis --regid redis --init-groups redis-server /etc/redis/redis.conf" \
                "{ read -r p < /run/redis/redis-server.pid && kill \$p && while kill -0 \$p 2> /dev/null; do sleep 0.05; done; }"
        at_end unit_stop redis-server.service
        redis_start || return
        redis_sql debug populate $((size * 1000)) fill 1000 && redis_sql bgrewriteaof &&
                wait_for 60 sh -c "redis-cli -s $redis_socket info persistence | grep -q aof_rewrite_in_progress:0" && redis_stop
}

# ---- OpenLDAP ------------------------------------------------------------------------------------------------

openldap_is_here() { command -v slapd ldapadd > /dev/null && [ -x "$BUILD/tests/ldap-load" ]; }
openldap_writer() { echo OpenLDAP; }
openldap_about() { echo "OpenLDAP 2.5, three databases (one is the accesslog), modifications by 2 clients"; }
openldap_where() { echo "$ldap_url,$counter_a"; }
openldap_answers() { directory_answers; }
openldap_native_name() { echo "mdb_copy of each database"; }
openldap_start() { unit_start slapd.service && wait_for 30 directory_answers; }
openldap_stop() { unit_stop slapd.service; }
openldap_destroy() { rm -rf "$disk/openldap"/{main,log,second,slapd.d}/*; }
openldap_load() { "$BUILD/tests/ldap-load" press "$ldap_url" 100000 2 "$counter_b" dc=example,dc=org; }

openldap_count() {
        local database
        for database in main second; do
                mdb_stat -e "$disk/openldap/$database"
        done | awk '/Last transaction ID/ { n += $NF } END { print n }'
}

openldap_native() {
        local database
        mkdir "$disk/native/openldap"
        for database in main log second; do
                mkdir "$disk/native/openldap/$database" &&
                        mdb_copy "$disk/openldap/$database" "$disk/native/openldap/$database" || die "mdb_copy failed"
        done
}

openldap_set_up() {
        ENV_FLAGS=nometasync directory_set_up "$1" || return
        unit slapd.service "/usr/sbin/slapd -h '$ldap_url' -u openldap -g openldap -F '$directory/slapd.d'" \
                "{ read -r p < /run/openldap/slapd.pid && kill \$p && while kill -0 \$p 2> /dev/null; do sleep 0.05; done; }"
        at_end unit_stop slapd.service
        directory_load $((size * 1200))
}
