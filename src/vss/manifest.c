/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The index of a directory of saved documents: Manifest.xml
 *
 * One line with attributes in single quotes; in names of writers "%s" stands for a blank.
 */

#include <stdarg.h>
#include <string.h>
#include "util/utf8.h"
#include "vss/manifest.h"

#define BLANKS " \t\r\n"
#define NAME_MAX_SIZE 64u

typedef struct Attribute {
        char name[NAME_MAX_SIZE];
        char *value;
} Attribute;

typedef struct Element {
        char name[NAME_MAX_SIZE];
        Attribute attributes[MANIFEST_ATTRIBUTES_MAX];
        size_t n;
        bool closed; /* <x/> */
} Element;

typedef struct Reader {
        const char *at, *end;
        ManifestError *error;
        vss_value *manifest;
        char open[MANIFEST_DEPTH_MAX][NAME_MAX_SIZE];
        size_t depth, n_elements;
} Reader;

static int _printf_(2, 3) malformed(Reader *r, const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void)vsnprintf(r->error->message, sizeof(r->error->message), format, args);
        va_end(args);
        (void)text_make_utf8(r->error->message);
        return -EBADMSG;
}

static bool is_at(const Reader *r, const char *text) {
        size_t n = strlen(text);

        return (size_t)(r->end - r->at) >= n && memcmp(r->at, text, n) == 0;
}

static void skip(Reader *r, size_t n) {
        for (; n > 0; n--)
                r->error->line += *r->at++ == '\n';
}

static void skip_blanks(Reader *r) {
        while (r->at < r->end && strchr(BLANKS, *r->at))
                skip(r, 1);
}

/* Behind @text; malformed if it does not come. */
static int skip_past(Reader *r, const char *text, const char *what) {
        while (r->at < r->end && !is_at(r, text))
                skip(r, 1);
        if (r->at == r->end)
                return malformed(r, "%s has no end", what);
        skip(r, strlen(text));
        return 0;
}

static bool is_name_char(char c) {
        return c == '_' || c == '-' || c == '.' || c == ':' || (c >= '0' && c <= '9') ||
               (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static int read_name(Reader *r, const char *what, char ret_name[NAME_MAX_SIZE]) {
        size_t n = 0;

        while (r->at + n < r->end && is_name_char(r->at[n]))
                n++;
        if (n == 0 || n >= NAME_MAX_SIZE)
                return malformed(r, "the name of %s is %s", what, n == 0 ? "missing" : "too long");
        memcpy(ret_name, r->at, n);
        ret_name[n] = '\0';
        skip(r, n);
        return 0;
}

static size_t put_character(uint32_t c, char out[4]) {
        if (c < 0x80)
                return out[0] = (char)c, 1;
        if (c < 0x800)
                return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 0x3f)), 2;
        if (c < 0x10000)
                return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 0x3f)),
                       out[2] = (char)(0x80 | (c & 0x3f)), 3;
        return out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 0x3f)),
               out[2] = (char)(0x80 | (c >> 6 & 0x3f)), out[3] = (char)(0x80 | (c & 0x3f)), 4;
}

/* At "&": the characters it stands for. Never more than were read. */
static int read_reference(Reader *r, char *out, size_t *ret_n) {
        static const struct {
                const char *text;
                char c;
        } entities[] = {
                { "&lt;", '<' }, { "&gt;", '>' }, { "&amp;", '&' }, { "&apos;", '\'' }, { "&quot;", '"' }
        };
        bool hexadecimal;
        uint32_t c = 0;
        size_t n = 2;

        FOREACH_ELEMENT (entity, entities)
                if (is_at(r, entity->text)) {
                        skip(r, strlen(entity->text));
                        *out = entity->c;
                        *ret_n = 1;
                        return 0;
                }
        if (!is_at(r, "&#"))
                return malformed(r, "an entity that is not XML's own");
        hexadecimal = is_at(r, "&#x");
        n += hexadecimal;
        for (; r->at + n < r->end && r->at[n] != ';' && c <= 0x10ffff; n++) {
                static const char digits[] = "0123456789abcdefABCDEF";
                const char *digit = r->at[n] ? strchr(digits, r->at[n]) : NULL;
                size_t value = digit ? (size_t)(digit - digits) : 99;

                value = value >= 16 && value < 22 ? value - 6 : value;
                if (value >= (hexadecimal ? 16 : 10))
                        return malformed(r, "a reference to no character");
                c = c * (hexadecimal ? 16 : 10) + (uint32_t)value;
        }
        if (r->at + n >= r->end || r->at[n] != ';' || c > 0x10ffff || c < 0x20 ||
            (c >= 0xd800 && c < 0xe000))
                return malformed(r, "a reference to no character");
        skip(r, n + 1);
        *ret_n = put_character(c, out);
        return 0;
}

static int read_value(Reader *r, const char *element, const char *attribute, char **ret_value) {
        char quote = r->at < r->end ? *r->at : '\0';
        const char *close;
        _cleanup_(freep) char *value = NULL;
        size_t n = 0;

        if (quote != '\'' && quote != '"')
                return malformed(r, "element %s: the value of %s is not quoted", element, attribute);
        skip(r, 1);
        close = memchr(r->at, quote, (size_t)(r->end - r->at));
        if (!close)
                return malformed(r, "element %s: the quote of %s is not closed", element, attribute);
        /* A reference is never shorter than what it stands for. */
        value = malloc((size_t)(close - r->at) + 1);
        if (!value)
                return -ENOMEM;
        while (r->at < close) {
                size_t step = 1;

                if (*r->at == '<')
                        return malformed(r, "element %s: '<' in the value of %s", element, attribute);
                if (*r->at == '&') {
                        int ret = read_reference(r, value + n, &step);

                        if (ret < 0)
                                return ret;
                } else {
                        /* Ends of lines are blanks here, as XML has it. */
                        value[n] = (unsigned char)*r->at < 0x20 ? ' ' : *r->at;
                        skip(r, 1);
                }
                n += step;
        }
        if (r->at != close)
                return malformed(r, "element %s: a reference in %s goes past its end", element, attribute);
        value[n] = '\0';
        skip(r, 1);
        *ret_value = TAKE_PTR(value);
        return 0;
}

static void element_clear(Element *e) {
        for (size_t i = 0; i < e->n; i++)
                free(e->attributes[i].value);
        e->n = 0;
}

static const char *attribute_of(const Element *e, const char *name) {
        for (size_t i = 0; i < e->n; i++)
                if (strcmp(e->attributes[i].name, name) == 0)
                        return e->attributes[i].value;
        return "";
}

static int read_attribute(Reader *r, Element *e) {
        Attribute *attribute = &e->attributes[e->n];
        int ret;

        if (e->n == MANIFEST_ATTRIBUTES_MAX)
                return malformed(r, "element %s: more than %u attributes", e->name, MANIFEST_ATTRIBUTES_MAX);
        ret = read_name(r, "an attribute", attribute->name);
        if (ret < 0)
                return ret;
        for (size_t i = 0; i < e->n; i++)
                if (strcmp(e->attributes[i].name, attribute->name) == 0)
                        return malformed(r, "element %s: %s is given twice", e->name, attribute->name);
        skip_blanks(r);
        if (!is_at(r, "="))
                return malformed(r, "element %s: %s has no value", e->name, attribute->name);
        skip(r, 1);
        skip_blanks(r);
        ret = read_value(r, e->name, attribute->name, &attribute->value);
        if (ret >= 0)
                e->n++;
        return ret;
}

/* Behind "<", up to and including ">". */
static int read_element(Reader *r, Element *e) {
        int ret = read_name(r, "an element", e->name);

        if (ret < 0)
                return ret;
        for (;;) {
                bool blank = r->at < r->end && strchr(BLANKS, *r->at);

                skip_blanks(r);
                if (is_at(r, "/>")) {
                        e->closed = true;
                        skip(r, 2);
                        return 0;
                }
                if (is_at(r, ">")) {
                        skip(r, 1);
                        return 0;
                }
                if (r->at == r->end || !blank)
                        return malformed(r, "element %s: its tag is not closed", e->name);
                ret = read_attribute(r, e);
                if (ret < 0)
                        return ret;
        }
}

const char *manifest_base_name(const char *path) {
        const char *name = path;

        for (const char *p = path; *p; p++)
                if (*p == '/' || *p == '\\')
                        name = p + 1;
        for (const char *p = name; *p; p++)
                if ((unsigned char)*p < 0x20)
                        return NULL;
        return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strlen(name) <= 255 ? name
                                                                                                 : NULL;
}

static bool is_id(const char *text) {
        return strlen(text) == VSS_ID_SIZE - 1 && strspn(text, "0123456789abcdef-") == VSS_ID_SIZE - 1;
}

/* What is in braces is an identity, and in lower case ours: "{ABC-...}"; anything else stays as it is. */
static vss_result set_value(vss_value *dict, const char *key, const char *text) {
        char id[VSS_ID_SIZE];
        size_t n = strlen(text);

        if (n != VSS_ID_SIZE + 1 || text[0] != '{' || text[n - 1] != '}')
                return vss_value_set_string(dict, key, text);
        for (size_t i = 0; i < VSS_ID_SIZE - 1; i++)
                id[i] = (char)(text[i + 1] >= 'A' && text[i + 1] <= 'F' ? text[i + 1] - 'A' + 'a'
                                                                        : text[i + 1]);
        id[VSS_ID_SIZE - 1] = '\0';
        return vss_value_set_string(dict, key, is_id(id) ? id : text);
}

static vss_result take_snapshot(vss_value *manifest, const Element *e) {
        vss_value *list = value_require(manifest, "snapshots", VSS_KIND_LIST);
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        vss_result ret = list ? set_value(entry, "id", attribute_of(e, "GUID")) : VSS_E_OUTOFMEMORY;

        if (ret >= 0)
                ret = vss_value_set_string(entry, "alias", attribute_of(e, "Alias"));
        if (ret >= 0)
                ret = vss_value_set_string(entry, "volume", attribute_of(e, "OriginalVolume"));
        if (ret >= 0)
                ret = set_value(entry, "provider", attribute_of(e, "Provider"));
        return ret < 0 ? ret : vss_value_append(list, TAKE_PTR(entry));
}

static vss_result take_alias(vss_value *manifest, const Element *e) {
        vss_value *list = value_require(manifest, "aliases", VSS_KIND_LIST);
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        vss_result ret = list ? vss_value_set_string(entry, "name", attribute_of(e, "Name"))
                              : VSS_E_OUTOFMEMORY;

        if (ret >= 0)
                ret = set_value(entry, "value", attribute_of(e, "Value"));
        return ret < 0 ? ret : vss_value_append(list, TAKE_PTR(entry));
}

/* "Task%sScheduler" is "Task Scheduler". */
static void decode_blanks(char *name) {
        char *out = name;

        for (; *name; name++)
                if (name[0] == '%' && name[1] == 's') {
                        *out++ = ' ';
                        name++;
                } else
                        *out++ = *name;
        *out = '\0';
}

static int take_writer(Reader *r, const Element *e) {
        vss_value *list = value_require(r->manifest, "writers", VSS_KIND_LIST);
        _cleanup_value_ vss_value *entry = vss_value_new_dict();
        _cleanup_(freep) char *name = strdup(attribute_of(e, "Name"));
        const char *file = manifest_base_name(attribute_of(e, "MetadataFile"));

        if (!file)
                return malformed(r, "element Writer: MetadataFile names no file");
        if (!list || !name)
                return -ENOMEM;
        decode_blanks(name);
        if (vss_value_set_string(entry, "name", name) < 0 || vss_value_set_string(entry, "file", file) < 0 ||
            (*attribute_of(e, "Failed") &&
             vss_value_set_string(entry, "failed", attribute_of(e, "Failed")) < 0) ||
            vss_value_append(list, TAKE_PTR(entry)) < 0)
                return -ENOMEM;
        return 0;
}

static int take_element(Reader *r, const Element *e) {
        vss_result ret = VSS_S_OK;

        if (r->depth == 0) {
                if (r->n_elements > 1 || strcmp(e->name, "Manifest") != 0)
                        return malformed(r, "element %s: the one root has to be Manifest", e->name);
                return 0;
        }
        if (strcmp(e->name, "Writer") == 0)
                return take_writer(r, e);
        if (strcmp(e->name, "ShadowCopySet") == 0) {
                ret = set_value(r->manifest, "set", attribute_of(e, "GUID"));
                if (ret >= 0)
                        ret = vss_value_set_string(r->manifest, "host", attribute_of(e, "MachineName"));
                if (ret >= 0 && *attribute_of(e, "Level"))
                        ret = vss_value_set_string(r->manifest, "level", attribute_of(e, "Level"));
        } else if (strcmp(e->name, "ShadowCopy") == 0)
                ret = take_snapshot(r->manifest, e);
        else if (strcmp(e->name, "Alias") == 0)
                ret = take_alias(r->manifest, e);
        else if (strcmp(e->name, "BackupComponents") == 0) {
                const char *file = manifest_base_name(attribute_of(e, "File"));

                if (!file)
                        return malformed(r, "element BackupComponents: File names no file");
                ret = vss_value_set_string(r->manifest, "document", file);
        }
        return ret < 0 ? -ENOMEM : 0;
}

static int read_start(Reader *r) {
        _cleanup_(element_clear) Element e = {};
        int ret;

        if (++r->n_elements > MANIFEST_ELEMENTS_MAX)
                return malformed(r, "there are more than %u elements", MANIFEST_ELEMENTS_MAX);
        ret = read_element(r, &e);
        if (ret >= 0)
                ret = take_element(r, &e);
        if (ret < 0 || e.closed)
                return ret;
        if (r->depth == MANIFEST_DEPTH_MAX)
                return malformed(r, "element %s: more than %u elements inside each other", e.name,
                                 MANIFEST_DEPTH_MAX);
        memcpy(r->open[r->depth++], e.name, sizeof(e.name));
        return 0;
}

static int read_end(Reader *r) {
        char name[NAME_MAX_SIZE];
        int ret = read_name(r, "an element", name);

        if (ret < 0)
                return ret;
        skip_blanks(r);
        if (!is_at(r, ">"))
                return malformed(r, "element %s: its tag is not closed", name);
        skip(r, 1);
        if (r->depth == 0 || strcmp(r->open[r->depth - 1], name) != 0)
                return malformed(r, "element %s: it ends where it has not begun", name);
        r->depth--;
        return 0;
}

static int read_markup(Reader *r) {
        if (is_at(r, "<!--"))
                return skip_past(r, "-->", "a comment");
        if (is_at(r, "<?"))
                return skip_past(r, "?>", "an instruction");
        if (is_at(r, "<!"))
                return malformed(r, "document types and marked sections are not read");
        if (is_at(r, "</")) {
                skip(r, 2);
                return read_end(r);
        }
        if (!is_at(r, "<"))
                return malformed(r, "there is text outside of the elements' attributes");
        skip(r, 1);
        return read_start(r);
}

int manifest_parse(const char *text, size_t size, ManifestError *error, vss_value **ret_manifest) {
        _cleanup_value_ vss_value *manifest = vss_value_new_dict();
        _cleanup_(freep) char *copy = strndup(text, size);
        Reader r = { .at = text, .end = text + size, .error = error, .manifest = manifest };

        error->line = 1;
        if (!manifest || !copy)
                return -ENOMEM;
        if (size > MANIFEST_SIZE_MAX)
                return malformed(&r, "it has more than %u bytes", MANIFEST_SIZE_MAX);
        if (strlen(copy) != size || !text_is_utf8(copy))
                return malformed(&r, "it is not text in UTF-8");
        if (is_at(&r, "\xef\xbb\xbf"))
                skip(&r, 3);
        for (skip_blanks(&r); r.at < r.end; skip_blanks(&r)) {
                int ret = read_markup(&r);

                if (ret < 0)
                        return ret;
        }
        if (r.depth > 0)
                return malformed(&r, "element %s: it is not closed", r.open[r.depth - 1]);
        if (r.n_elements == 0)
                return malformed(&r, "there is no element");
        *ret_manifest = TAKE_PTR(manifest);
        return 0;
}

/* ---- writing ---- */

static void put_text(FILE *out, const char *text, bool is_name) {
        for (; *text; text++)
                switch (*text) {
                case '<':
                        fputs("&lt;", out);
                        break;
                case '>':
                        fputs("&gt;", out);
                        break;
                case '&':
                        fputs("&amp;", out);
                        break;
                case '\'':
                        fputs("&apos;", out);
                        break;
                case ' ':
                        fputs(is_name ? "%s" : " ", out);
                        break;
                default:
                        (void)fputc((unsigned char)*text < 0x20 ? '?' : *text, out);
                }
}

static void put_attribute(FILE *out, const char *name, const vss_value *dict, const char *key,
                          bool is_name) {
        fprintf(out, " %s='", name);
        put_text(out, vss_value_get_string(dict, key, ""), is_name);
        (void)fputc('\'', out);
}

/* An identity gets its braces. */
static void put_value(FILE *out, const char *name, const vss_value *dict, const char *key) {
        bool braces = is_id(vss_value_get_string(dict, key, ""));

        fprintf(out, " %s='%s", name, braces ? "{" : "");
        put_text(out, vss_value_get_string(dict, key, ""), false);
        fputs(braces ? "}'" : "'", out);
}

static void put_manifest(FILE *out, const vss_value *manifest) {
        const vss_value *snapshots = vss_value_get(manifest, "snapshots"),
                        *aliases = vss_value_get(manifest, "aliases"),
                        *writers = vss_value_get(manifest, "writers");

        fputs("<Manifest><ShadowCopySet", out);
        put_value(out, "GUID", manifest, "set");
        put_attribute(out, "MachineName", manifest, "host", false);
        if (*vss_value_get_string(manifest, "level", ""))
                put_attribute(out, "Level", manifest, "level", false);
        fputs(">", out);
        for (size_t i = 0; i < vss_value_count(snapshots); i++) {
                const vss_value *snapshot = vss_value_at(snapshots, i);

                fputs("<ShadowCopy", out);
                put_value(out, "GUID", snapshot, "id");
                put_attribute(out, "Alias", snapshot, "alias", false);
                put_attribute(out, "OriginalVolume", snapshot, "volume", false);
                put_value(out, "Provider", snapshot, "provider");
                fputs("></ShadowCopy>", out);
        }
        fputs("</ShadowCopySet>", out);
        if (*vss_value_get_string(manifest, "document", "")) {
                fputs("<BackupComponents", out);
                put_attribute(out, "File", manifest, "document", false);
                fputs("></BackupComponents>", out);
        }
        fputs("<Aliases>", out);
        for (size_t i = 0; i < vss_value_count(aliases); i++) {
                fputs("<Alias", out);
                put_attribute(out, "Name", vss_value_at(aliases, i), "name", false);
                put_value(out, "Value", vss_value_at(aliases, i), "value");
                fputs("/>", out);
        }
        fprintf(out, "</Aliases><Writers Count='%zu'>", vss_value_count(writers));
        for (size_t i = 0; i < vss_value_count(writers); i++) {
                fputs("<Writer", out);
                put_attribute(out, "Name", vss_value_at(writers, i), "name", true);
                put_attribute(out, "MetadataFile", vss_value_at(writers, i), "file", false);
                if (*vss_value_get_string(vss_value_at(writers, i), "failed", ""))
                        put_attribute(out, "Failed", vss_value_at(writers, i), "failed", false);
                fputs("/>", out);
        }
        fputs("</Writers></Manifest>\n", out);
}

char *manifest_format(const vss_value *manifest) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        bool failed;

        if (!out)
                return NULL;
        put_manifest(out, manifest);
        failed = ferror(out);
        if (fclose(out) != 0 || failed) {
                free(text);
                return NULL;
        }
        return text;
}
