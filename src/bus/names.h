/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names on the bus
 */

#define BUS_NAME "org.linuxvss"
#define BUS_PATH "/org/linuxvss"
#define BUS_PATH_SESSION "/org/linuxvss/session"
#define BUS_PATH_JOB "/org/linuxvss/job"
#define BUS_MANAGER "org.linuxvss.Manager1"
#define BUS_SESSION "org.linuxvss.Session1"
#define BUS_JOB "org.linuxvss.Job1"
#define BUS_WRITER "org.linuxvss.Writer1"
#define BUS_WRITER_PREFIX "org.linuxvss.Writer."
#define BUS_WRITER_PATH "/org/linuxvss/Writer"
#define BUS_PROVIDER "org.linuxvss.Provider1"
#define BUS_PROVIDER_PREFIX "org.linuxvss.Provider."
#define BUS_PROVIDER_PATH "/org/linuxvss/Provider"
#define BUS_ERROR_PREFIX "org.linuxvss.Error."
