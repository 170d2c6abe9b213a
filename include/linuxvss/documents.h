/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef LINUXVSS_DOCUMENTS_H
#define LINUXVSS_DOCUMENTS_H

/*
 * Linux VSS: documents
 *
 * What a requester keeps with a backup, as XML: the Backup Components Document of a session, and the Writer
 * Metadata Document of each writer. In a program they are values, dictionaries whose "kind" is
 * "backup-components" or "writer-metadata"; the keys are listed in linuxvss-values(7), elements and
 * attributes in linuxvss-documents(5). These calls are in a library of their own, liblinuxvss-documents:
 * only who calls them loads an XML parser. They need no service, keep nothing, and may be called by several
 * threads.
 *
 * Documents that other systems have saved can be read too. Elements and attributes of other namespaces are
 * left out; the key "ignored" counts them.
 */

#include <linuxvss/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits. What exceeds one is VSS_E_INVALID_XML_DOCUMENT when read and VSS_E_INVALIDARG when written. */
#define VSS_DOCUMENT_SIZE_MAX (64u << 20)  /* bytes of a document */
#define VSS_DOCUMENT_TEXT_MAX (1u << 20)   /* bytes of a text: stamps, metadata, messages, options, ranges */
#define VSS_DOCUMENT_NAME_MAX 4095u        /* bytes of a name, path or file specification */
#define VSS_DOCUMENT_COMPONENTS_MAX 10000u /* components */
#define VSS_DOCUMENT_FILES_MAX 100000u     /* file sets, partial files, mappings, targets, dependencies */
#define VSS_DOCUMENT_NOTES_MAX 1000u       /* missing rights, warnings */
#define VSS_DOCUMENT_WRITERS_MAX 1000u     /* writers of a Backup Components Document */

/*
 * vss_document_parse() - read a document
 * @text:          UTF-8, without a document type (DOCTYPE); need not end with a NUL
 * @ret_document:  the dictionary, to be freed by the caller
 * @ret_error:     on failure: what is wrong, "line 12: element COMPONENT: ...", to be freed with free();
 *                 NULL without memory, untouched on success. May be NULL.
 * Return: VSS_S_OK; VSS_E_CORRUPT_XML_DOCUMENT if it is not well-formed XML; VSS_E_INVALID_XML_DOCUMENT if
 * it is XML, but no document of these kinds, breaks their rules or exceeds a limit; VSS_E_INVALIDARG,
 * VSS_E_OUTOFMEMORY. A document may come from anybody: paths in it are well-formed, but nobody has judged
 * who may name them.
 */
VSS_PUBLIC vss_result vss_document_parse(const char *text, size_t size, vss_value **ret_document,
                                         char **ret_error);

/*
 * vss_document_format() - write a document
 * @document:   a dictionary with the keys of its "kind"; others, and "ignored", are left out
 * @ret_text:   UTF-8, to be freed with free(); a NUL follows that is not counted
 * @ret_size:   its length. May be NULL.
 * @ret_error:  on failure: what is wrong, "component \"a/b\": element FILE_LIST: ..."; as above
 * Return: VSS_S_OK; VSS_E_INVALIDARG if there is a key that no document could have so; VSS_E_OUTOFMEMORY.
 * What was written reads as the same dictionary again.
 */
VSS_PUBLIC vss_result vss_document_format(const vss_value *document, char **ret_text, size_t *ret_size,
                                          char **ret_error);

#ifdef __cplusplus
}
#endif

#endif
