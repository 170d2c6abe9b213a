/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Saved documents: a directory with the Backup Components Document, the writers' documents and an index
 *
 *     Manifest.xml      the index; written last, so that a directory with one is whole
 *     BCDocument.xml    the Backup Components Document
 *     WM0.xml ...       one Writer Metadata Document for each writer
 *
 * The directory is made, never written into when it is there already, and is for its owner alone. Whatever the index
 * says, files are looked for in that directory and nowhere else.
 */

#include "vss/cli.h"

#define METADATA_DOCUMENT_MAX (64u << 20)
#define METADATA_WRITERS_MAX 1024u

typedef struct MetadataWriter {
        char *name; /* as the index has it */
        char *text;
        size_t size;
        vss_value *parsed; /* when loaded */
        char *failed;      /* why, when it is to be saved of one that failed in the set */
} MetadataWriter;

typedef struct Metadata {
        vss_value *manifest; /* empty for a document alone */
        char *document;      /* NULL: nothing is loaded */
        size_t size;
        vss_value *parsed; /* when loaded: the Backup Components Document */
        MetadataWriter *writers;
        size_t n_writers;
} Metadata;

void metadata_clear(Metadata *metadata);

/* Is there nothing yet at @path, in a directory that there is? Return: EXIT_DONE, or EXIT_FAILED after a message. */
int metadata_check_new(Cli *cli, const char *path);
/*
 * metadata_save() - make the directory @path, with all of @metadata in it
 * "writers" and "document" of the index are made here. Return: EXIT_DONE, or EXIT_FAILED after a message; then there
 * is no such directory.
 */
int metadata_save(Cli *cli, const char *path, Metadata *metadata);
/* One file of such a directory. */
typedef struct MetadataFile {
        char name[32];
        char *text;
        size_t size;
} MetadataFile;

/* All that metadata_save() would write, in memory. metadata_free_files() takes it. */
int metadata_pack(Cli *cli, Metadata *metadata, MetadataFile **ret_files, size_t *ret_n);
void metadata_free_files(MetadataFile *files, size_t n);

/* Replaces the Backup Components Document in a directory that metadata_save() made, at once or not at all. */
int metadata_replace_document(Cli *cli, const char *path, const char *text, size_t size);
/* From a directory, or from a file that is a Backup Components Document. All of it is read. */
int metadata_load(Cli *cli, const char *path, Metadata *ret_metadata);
