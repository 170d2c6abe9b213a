/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Test: times as systemd's calendars have them
 *
 * Without arguments by a table; "test-tasks-calendar --list" prints the rows for the test that asks systemd
 * itself.
 */

#include "tasks/calendar.h"
#include "util/macro.h"
#include "util/test.h"

static const struct {
        const char *text;
        bool valid;
} rows[] = {
        { "Sun 02:00", true },
        { "Mon..Sat 02:00", true },
        { "*:0/15", true },
        { "daily", true },
        { "Weekly", true },
        { "hourly UTC", true },
        { "Sat,Thu,Mon..Wed,Sat..Sun", true },
        { "Mon,Sun 2012-*-* 2,1:23", true },
        { "Wed *-1", true },
        { "10-15", true },
        { "monday *-12-* 17:00", true },
        { "*:*:*", true },
        { "03-05 08:05:40.1234567", true },
        { "Fri 2012-11-23 11:12:13", true },
        { "*-*~03", true },
        { "*-*-01..07 04:30:00 Europe/Berlin", true },
        { "00..23/2:15", true },
        { "", false },
        { "Sun", true },
        { "Snu 02:00", false },
        { "Sun 25:00", false },
        { "Sun 02:60", false },
        { "Sun 2", false },
        { "Sun 02:00 03:00", false },
        { "02:00 Sun 02:00", false },
        { "*-13-01", false },
        { "*-*-32", false },
        { "*-*-00", false },
        { "02:00:00:00", false },
        { "1-2-3-4", false },
        { "daily daily daily", false },
        { "*:0/", false },
        { "*:0/0", false },
        { "*:,5", false },
        { "Mon.. 02:00", false },
        { "Mon...Tue", false },
        { "02:00; reboot", false },
        { "02:00\n03:00", false },
        { "every day", false },
        { "~03", false },
        { "*~*~03", false },
};

int main(int argc, char **argv) {
        FOREACH_ELEMENT (row, rows) {
                if (argc > 1)
                        printf("%d %s%c", row->valid, row->text, 0);
                else
                        expect_int(row->text, calendar_is_valid(row->text), row->valid);
        }
        return argc > 1 ? 0 : test_end();
}
