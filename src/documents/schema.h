/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The schema: elements and attributes of both documents, and the keys they stand for
 *
 * What has been seen in documents of other systems is in their namespaces, with their names; all else is in
 * ours. Attributes of elements of ours have no prefix; attributes of ours in elements of theirs have one.
 */

#include "documents/field.h"

#define SCHEMA_OURS "urn:linuxvss:documents:1"
#define SCHEMA_METADATA "x-schema:#VssWriterMetadataInfo"
#define SCHEMA_COMPONENTS "x-schema:#VssComponentMetadata"

enum Namespace { NS_NONE, NS_METADATA, NS_COMPONENTS, NS_OURS };

/* Where the attributes of an element go. */
enum Place {
        PLACE_INLINE, /* into the dictionary of the element above; at most once */
        PLACE_DICT,   /* into a dictionary there, under the key; at most once */
        PLACE_LIST,   /* into a dictionary in a list there */
        PLACE_TEXTS,  /* the only one is itself a member of a list there */
};

/* What else is looked at. */
enum Role {
        ROLE_PLAIN,
        ROLE_METADATA,
        ROLE_BACKUP,
        ROLE_IDENTIFICATION,
        ROLE_WRITER,
        ROLE_COMPONENT,
        ROLE_SNAPSHOT,
        ROLE_VALUES, /* has VALUE elements, and so any keys */
};

/* What there may only be so many of in a document. */
enum Count {
        COUNT_NONE,
        COUNT_COMPONENTS,
        COUNT_FILES,
        COUNT_NOTES,
        COUNT_WRITERS,
        COUNT_SNAPSHOTS,
        COUNT_LUNS,
        COUNT_VALUES,
        COUNT_N
};

typedef struct Attribute {
        const char *name, *key;
        enum FieldType type;
        bool ours, required;
        const Spelling *spellings;
} Attribute;

typedef struct Element {
        const char *name;
        enum Namespace ns;
        enum Place place;
        const char *key;
        bool required;
        enum Role role;
        enum Count count;
        const Attribute *attributes;           /* ends without a name */
        const struct Element *const *children; /* ends with NULL; of one key one behind the other */
        const char *const *lists;              /* that are always there; ends with NULL */
        const char *told_key;                  /* what the name of the element says: this key ... */
        int64_t told;                          /* ... has this number */
} Element;

extern const Element schema_metadata, schema_components;
/* Any value, in elements with ROLE_VALUES. */
extern const Element schema_value;

const char *schema_uri(enum Namespace ns);
/* Return: the namespace, -1 if it is none of these. NULL is NS_NONE. */
int schema_namespace(const char *uri);
/* Is @attribute written with our prefix there? */
bool schema_is_prefixed(const Element *element, const Attribute *attribute);
const Attribute *schema_attribute(const Element *element, bool ours, const char *name);
/* The child and, for at most once, its place among the children. */
const Element *schema_child(const Element *element, enum Namespace ns, const char *name, size_t *ret_index);
/* Is there such an element anywhere in documents of this kind? */
bool schema_has(const Element *root, enum Namespace ns, const char *name);
size_t schema_limit(enum Count count);
const char *schema_count_name(enum Count count);
