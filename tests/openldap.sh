# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# openldap.sh - Debian's slapd in the rig, as its own user, with three databases, for tests and measurements
#
#   directory_set_up DIRECTORY       makes slapd.d, main (dc=example,dc=org), log (its accesslog) and second (o=second) in it;
#                                    those of main, log and second that are there already are kept (subvolumes)
#   directory_fill N                 entries, through the server
#   directory_load N                 the same before it is started, which is fast
#   directory_start, directory_stop  the server; its number is $slapd
#   as_ldap COMMAND...               as the server's user
#   $ldap_url, $counter_a, $counter_b
#   read_counters DIRECTORY          "A B" of copies of main/data.mdb and second/data.mdb

ldap_url=ldapi://%2Frun%2Fopenldap%2Fldapi
counter_a=cn=counter,dc=example,dc=org
counter_b=cn=counter,o=second
slapd=

as_ldap() {
        setpriv --reuid openldap --regid openldap --init-groups -- "$@"
}

directory_config() {
        local access="by dn.exact=gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth manage"
        cat <<END
dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: /run/openldap/slapd.pid

dn: cn=module{0},cn=config
objectClass: olcModuleList
cn: module{0}
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: accesslog
olcModuleLoad: syncprov

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file:///etc/ldap/schema/core.ldif

dn: olcDatabase={0}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {0}config
olcAccess: {0}to * $access by * break

dn: olcDatabase={1}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {1}mdb
olcSuffix: dc=example,dc=org
olcDbDirectory: $1/main
olcDbMaxSize: 2147483648
olcDbIndex: entryCSN,entryUUID eq
olcAccess: {0}to * $access by * read

dn: olcOverlay={0}syncprov,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcSyncProvConfig
olcOverlay: {0}syncprov

dn: olcDatabase={2}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {2}mdb
olcSuffix: cn=accesslog
olcDbDirectory: $1/log
olcDbMaxSize: 1073741824
olcAccess: {0}to * $access by * none

dn: olcOverlay={1}accesslog,olcDatabase={1}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcAccessLogConfig
olcOverlay: {1}accesslog
olcAccessLogDB: cn=accesslog
olcAccessLogOps: writes

dn: olcDatabase={3}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {3}mdb
olcSuffix: o=second
olcDbDirectory: $1/second
olcDbMaxSize: 2147483648
olcDbEnvFlags: ${ENV_FLAGS:-nosync}
olcAccess: {0}to * $access by * read
END
}

directory_set_up() {
        directory=$1
        mkdir -p "$1"/{slapd.d,main,log,second} /run/openldap
        directory_config "$1" > "$RIG_TMP/config.ldif"
        slapadd -n 0 -F "$1/slapd.d" -l "$RIG_TMP/config.ldif" || return
        chown -R openldap:openldap "$1" /run/openldap
        printf 'SLAPD_CONF="%s/slapd.d"\nSLAPD_SERVICES="%s"\nSLAPD_USER=openldap\n' "$1" "$ldap_url" > /etc/default/slapd
}

directory_answers() {
        ldapsearch -x -H "$ldap_url" -s base -b '' 1.1
}

directory_start() {
        /usr/sbin/slapd -d 0 -h "$ldap_url" -u openldap -g openldap -F "$directory/slapd.d" < /dev/null >> "$RIG_LOG" 2>&1 &
        slapd=$!
        echo "$slapd" > /run/openldap/started
        wait_for 10 directory_answers
}

# By its number, which a unit's command may have started.
directory_stop() {
        local pid
        read -r pid 2>/dev/null < /run/openldap/started || return 0
        kill -TERM "$pid" 2>/dev/null
        wait_for 20 has_ended "$pid" || return 1
        rm -f /run/openldap/started
}

directory_add() {
        ldapadd -Q -Y EXTERNAL -H "$ldap_url" > /dev/null
}

directory_entries() {
        cat <<END
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: $counter_a
objectClass: organizationalRole
cn: counter
description: 0

END
        seq "$1" | sed 's/.*/dn: cn=person &,dc=example,dc=org\nobjectClass: person\ncn: person &\nsn: &\n/'
}

directory_second() {
        cat <<END
dn: o=second
objectClass: organization
o: second

dn: $counter_b
objectClass: organizationalRole
cn: counter
description: 0
END
}

directory_fill() {
        { directory_entries "$1"; directory_second; } | directory_add
}

directory_load() {
        directory_entries "$1" | as_ldap slapadd -q -F "$directory/slapd.d" -b dc=example,dc=org &&
                directory_second | as_ldap slapadd -q -F "$directory/slapd.d" -b o=second
}

# In a configuration of its own, so that no other file of the copy is needed.
read_counters() {
        printf '%s\n' 'modulepath /usr/lib/ldap' 'moduleload back_mdb' 'include /etc/ldap/schema/core.schema' \
                'database mdb' 'suffix dc=example,dc=org' "directory $1/main" 'database mdb' 'suffix o=second' \
                "directory $1/second" > "$1/slapd.conf"
        slapcat -f "$1/slapd.conf" -b dc=example,dc=org -a '(cn=counter)' 2>&1 | sed -n 's/^description: //p'
        slapcat -f "$1/slapd.conf" -b o=second -a '(cn=counter)' 2>&1 | sed -n 's/^description: //p'
}
