/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The test writer: a writer that does what a file says, watches what requesters do with its files, and tells
 */

#include <linuxvss/writer.h>
#include <sys/stat.h>
#include "testers/writer-conf.h"

#define TEST_LOG_BUFFER (256u * 1024)

typedef struct TestWriter {
        const char *conf_path;
        char label[128]; /* its name, with the instance */
        TestWriterConf conf;
        struct stat conf_stat;                  /* of the file that @conf was read from */
        unsigned long failed[TEST_RECORDS_MAX]; /* how often each [FailEvent] has failed */
        uint64_t random;
        char log[TEST_LOG_BUFFER]; /* lines that wait for the end of a freeze */
        size_t n_log;
        bool frozen;
} TestWriter;

/* Reads the file if it is another one than before. 0, or a negative errno with @error. */
int test_writer_load(TestWriter *writer, ConfError *error);
void test_writer_log(TestWriter *writer, const char *format, ...) _printf_(2, 3);

/* What it says about itself. */
vss_result test_writer_describe(TestWriter *writer, vss_writer_call *call, vss_metadata *metadata);

/*
 * test_writer_remember() - note what every file of every component is in the shadow copy, by its digest
 * What can be read there only is read there. Return: VSS_S_OK, or what vss_writer_call_fail() returned.
 */
vss_result test_writer_remember(TestWriter *writer, vss_writer_call *call);
/* The originals, away with them: who did not read the shadow copy has nothing. */
void test_writer_delete_originals(TestWriter *writer, vss_writer_call *call);
/* Before a restore: what is there now. */
vss_result test_writer_look(TestWriter *writer, vss_writer_call *call);
/* After a restore: is every file what it was at the backup? Is nothing there that was left out?
 * Return: VSS_S_OK, or a veto. */
vss_result test_writer_check(TestWriter *writer, vss_writer_call *call);

/* The name of the file in the state directory that belongs to a component's backup; NULL if it has none. */
const char *test_writer_state(const vss_value *component);

extern struct vss_writer test_writer;
