#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A writer in Python, over D-Bus alone: "notes" appends to /var/lib/notes/*.txt under a lock on the file "lock"."""
import fcntl

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NOTES = "/var/lib/notes"
EVENT, RESULT = "a{sv}", "a{sv}"
NOTHING = dbus.Dictionary(signature="sv")


class Failure(dbus.DBusException):
    _dbus_error_name = "org.linuxvss.Error.WRITERERROR_RETRYABLE"


class NotesWriter(dbus.service.Object):
    lock = None
    lease = 0

    def let_go(self):
        if self.lease:
            GLib.source_remove(self.lease)
        if self.lock:
            self.lock.close()
        self.lock, self.lease = None, 0
        return NOTHING

    def lease_over(self):
        self.lease = 0
        self.let_go()

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def Identify(self, event):
        notes = {"type": dbus.Int64(2), "logical-path": "", "name": "notes", "caption": "All notes", "selectable": True,
                 "files": dbus.Array([{"path": NOTES, "filespec": "*.txt", "recursive": False}], signature="a{sv}")}
        return dbus.Dictionary({
            "name": "Notes", "id": "5b0c5d0e-6f51-4a38-a5f0-6d2c5a1c9f11", "friendly-name": "Notes", "version": "1",
            "usage": dbus.Int64(3), "source": dbus.Int64(3), "level": dbus.Int64(3),
            "components": dbus.Array([notes], signature="a{sv}"),
            "excludes": dbus.Array([{"path": NOTES, "filespec": "lock", "recursive": False}], signature="a{sv}"),
        }, signature="sv")

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def Freeze(self, event):
        self.let_go()
        self.lock = open(NOTES + "/lock", "r+")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.let_go()
            raise Failure("Somebody writes; try again.") from None
        # Nothing stays frozen: without a Thaw the lock goes when the lease is over, or with this process.
        self.lease = GLib.timeout_add(int(event["lease-ms"]), self.lease_over)
        return NOTHING

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def Thaw(self, event):
        if not self.lock:
            raise Failure("The lease was over before the Thaw came.")
        return self.let_go()

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def Abort(self, event):
        return self.let_go()

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def PrepareForBackup(self, event):
        return NOTHING

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def PrepareForSnapshot(self, event):
        return NOTHING

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def BackupComplete(self, event):
        return NOTHING

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def BackupShutdown(self, event):
        return NOTHING

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def PreRestore(self, event):
        return NOTHING

    @dbus.service.method("org.linuxvss.Writer1", EVENT, RESULT)
    def PostRestore(self, event):
        return NOTHING

    @dbus.service.method("org.linuxvss.Writer1", EVENT + "a{sh}", RESULT)
    def PostSnapshot(self, event, mounts):
        return NOTHING


DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
name = dbus.service.BusName("org.linuxvss.Writer.Notes", bus, do_not_queue=True)
writer = NotesWriter(bus, "/org/linuxvss/Writer")
GLib.MainLoop().run()
