/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files of a backup's components, and what became of them
 *
 * Made where the shadow copies are seen, once they stand: what a component's files are is not known before.
 * With components that were chosen their files are listed; with whole volumes what writers exclude is left
 * out, and their components are judged by what failed.
 */

#include "repository/archive.h"
#include "util/value.h"

typedef struct BackupFiles BackupFiles;

/*
 * backup_files_new() - find all files
 * @order: "writers", the metadata of those that take part; "components", as the document has them, if they
 * were chosen; "paths" that were asked for; "type", a number; "devices" of the shadow copies, or none: as the files are now
 * @live_root: a descriptor of "/" outside of the view
 * Return: 0 or -ENOMEM.
 */
int backup_files_new(const vss_value *order, int live_root, BackupFiles **ret_files);
BackupFiles *backup_files_free(BackupFiles *files);

/* What has to be read for components; texts are borrowed. */
size_t backup_files_count(const BackupFiles *files);
void backup_files_path(const BackupFiles *files, size_t index, ArchivePath *ret_path);
/* Of what component a file is, as "WRITER:/PATH"; "" for none, or for one of many. */
#define COMPONENT_NAME_SIZE 160u
void backup_files_name(const BackupFiles *files, const char *path, char name[static COMPONENT_NAME_SIZE]);
/* Does a writer that takes part exclude this? */
bool backup_files_excludes(const BackupFiles *files, const char *path, bool is_directory);
/* This, or all that is in it, could not be read. From one thread at a time. */
void backup_files_fail(BackupFiles *files, const char *path, const char *why);

/* List of {writer, logical-path, name, succeeded, files, reason}. NULL without memory. */
vss_value *backup_files_judge(const BackupFiles *files);
/* The file record, "files.jsonl", into a directory; with none of them, none. 0 or a negative errno. */
int backup_files_write(const BackupFiles *files, int directory);
