# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# mariadb.sh - MariaDB servers for tests; on top of engines.sh
#
#   prepare_mariadb              skips all if there is none
#   make_template, lay_out ROOT  an instance in ROOT (db, log, bin), and room for another one (two)
#   write_conf ROOT              what they are set to; $more_conf are more lines for the first, $more_conf_two for the other
#   server start|stop NAME [OPTION...]     "" or two; its number is ${server_pid[xNAME]}
#   sql [OPTION...]              as root; make_bank [OPTION...] makes tables and an account for loads
#   component                    what is found, "mariadb,mariadb@two"
#   make_set WRITER [OPTION...]; levels; reason NAME       of the last set
#   hold_open SQL                a connection that has run it and stays; its process is $holder; let_go

conf=/etc/mysql/mariadb.conf.d/99-test.cnf
template=$RIG_TMP/template
live=/run/live
declare -A server_pid=()

prepare_mariadb() {
        local tool
        unset TMPDIR
        for tool in jq mariadbd mariadb-install-db mariadb-check; do
                command -v "$tool" > /dev/null || skip_all "wants $tool"
        done
        chmod 755 "$RIG_TMP"
        install -d -o mysql -g mysql /run/mysqld
        install -d -m 1777 "$live"
        at_end stop_servers
}

# Small logs, and pages written all the time: what is rare elsewhere happens here.
write_conf() {
        local root=$1
        cat > "$conf" << END
[mysqld]
skip-networking
innodb_log_file_size=16M
innodb_buffer_pool_size=24M
innodb_max_dirty_pages_pct_lwm=0.001
innodb_io_capacity=4000
aria_checkpoint_interval=1
max_connections=30
log_warnings=1
[mysqld]
datadir=$root/db
innodb_log_group_home_dir=$root/log
log_bin=$root/bin/bin
log_error=$root/db/error.log
${more_conf:-}
[mysqld.two]
datadir=$root/two
innodb_log_group_home_dir=$root/two
log_bin=$root/two/bin
log_error=$root/two/error.log
socket=/run/mysqld/two.sock
pid-file=/run/mysqld/two.pid
${more_conf_two:-}
END
}

make_template() {
        install -d -o mysql -g mysql "$template"
        mariadb-install-db --no-defaults --user=mysql --datadir="$template" --innodb-log-file-size=16M --skip-test-db \
                --auth-root-authentication-method=socket > "$RIG_TMP/install.log" 2>&1 || {
                note "$(tail -n 5 "$RIG_TMP/install.log")"
                return 1
        }
}

# lay_out ROOT: what was installed, with its log elsewhere
lay_out() {
        local part
        for part in db log bin two; do
                install -d -o mysql -g mysql "$1/$part"
        done
        cp -a "$template/." "$1/db/"
        mv "$1/db/ib_logfile0" "$1/log/"
        write_conf "$1"
}

sql() {
        mariadb --batch --skip-column-names "$@"
}

# server start|stop NAME [OPTION...]: "" or two
server() {
        local what=$1 name=$2 options=() socket=/run/mysqld/mysqld.sock
        shift 2
        [ -z "$name" ] || { options=("--defaults-group-suffix=.$name") socket=/run/mysqld/$name.sock; }
        case $what in
        start)
                setpriv --reuid mysql --regid mysql --init-groups -- /usr/sbin/mariadbd "${options[@]}" "$@" < /dev/null > /dev/null 2>&1 &
                server_pid[x$name]=$!
                wait_for 20 sql -S "$socket" -e 'SELECT 1'
                ;;
        stop) end_process "${server_pid[x$name]}" ;;
        esac
}

stop_servers() {
        local pid
        for pid in $(pidof mariadbd); do
                end_process "$pid" KILL
        done
}
make_bank() {
        sql "$@" -e "
                CREATE USER IF NOT EXISTS bank@localhost IDENTIFIED BY 'bank'; CREATE DATABASE bank; GRANT ALL ON bank.* TO bank@localhost;
                USE bank;
                CREATE TABLE counter(worker INT, n BIGINT, pad VARCHAR(600), PRIMARY KEY (worker, n));
                CREATE TABLE account(id INT PRIMARY KEY, sum BIGINT); INSERT INTO account SELECT seq, 1000 FROM seq_0_to_199;
                CREATE TABLE plain(worker INT, n BIGINT, KEY (n)) ENGINE=MyISAM;
                CREATE TABLE aria(worker INT, n BIGINT, KEY (n)) ENGINE=Aria TRANSACTIONAL=1"
}

component() {
        vss list components --writer MariaDB --json |
                jq -r '[.. | objects | select(.name? == "databases") | ."logical-path"] | sort | join(",")'
}

make_set() {
        answer_of "$RIG_TMP/answer" exec --writer "$@" -- true
}

# Whether subvolumes share a transaction of the file system, which is level "group", is luck.
levels() {
        tail -n 1 "$RIG_TMP/answer" | jq -r '[.components[] | "\(."logical-path") \(.level | sub("group"; "volume"))"] | sort | join(",")'
}

reason() {
        tail -n 1 "$RIG_TMP/answer" | jq -r '[.components[] | select(."logical-path" == "'"$1"'") | .reason] | join(",")'
}

# hold_open SQL: a connection that has run it and stays; its process is $holder
hold_open() {
        rm -f "$live/opened"
        coproc KEEP { exec mariadb --unbuffered --batch 2> "$live/keep.log"; }
        holder=$KEEP_PID
        exec {keep_input}>&"${KEEP[1]}"
        printf '%s;\nsystem touch %s/opened\n' "$1" "$live" >&"$keep_input"
        wait_for 5 test -e "$live/opened"
}

let_go() {
        exec {keep_input}>&-
        kill "$holder" 2> /dev/null
        wait "$holder" 2> /dev/null
}
