/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a document costs: the Writer Metadata Document of an operating system, with a great many file sets
 *
 *   bench-documents PROGRAM SPECS ROUNDS
 *
 * In turn, ROUNDS times, each in a process of its own: libxml2 reads the text and does nothing with it;
 * vss_document_parse() makes the values; the service's way, vss-documents parse, from its start to its end.
 * Fails beyond the limits, so that a slow change is seen.
 */

#include <fcntl.h>
#include <libxml/parser.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "documents/document.h"
#include "util/clock.h"

enum { ROUNDS_MAX = 1000, LIMIT_USEC = 100 * 1000, LIMIT_KIB = 64 * 1024 };
enum { BARE, LIBRARY, PROGRAM, KINDS };

static const char *const names[KINDS] = { "libxml2 alone", "vss_document_parse()", "vss-documents parse" };

typedef struct Series {
        uint64_t usec[ROUNDS_MAX];
        long peak_kib;
} Series;

static char *make_text(unsigned specs, size_t *ret_size) {
        char *text = NULL;
        FILE *stream = open_memstream(&text, ret_size);

        if (!stream)
                return NULL;
        fprintf(stream,
                "<WRITER_METADATA xmlns=\"x-schema:#VssWriterMetadataInfo\" version=\"1.2\"><IDENTIFICATION "
                "writerId=\"e8132975-6f93-4464-a53e-1050253ae220\" "
                "instanceId=\"5d20d3c3-3a51-4d14-8b3f-0d1e7c2a9b10\" friendlyName=\"System Writer\" "
                "usage=\"BOOTABLE_SYSTEM_STATE\" dataSource=\"OTHER\" majorVersion=\"1\" "
                "minorVersion=\"0\"/>"
                "<BACKUP_LOCATIONS><FILE_GROUP componentName=\"System Files\" caption=\"System Files\" "
                "restoreMetadata=\"no\" notifyOnBackupComplete=\"no\" selectable=\"no\" "
                "selectableForRestore=\"no\" componentFlags=\"0\">");
        for (unsigned i = 0; i < specs; i++)
                fprintf(stream,
                        "<FILE_LIST path=\"C:\\Windows\\system32\\some\\directory\\%u\" "
                        "filespec=\"library-%u.dll\" filespecBackupType=\"3855\"/>",
                        i % 997, i);
        fprintf(stream, "</FILE_GROUP></BACKUP_LOCATIONS></WRITER_METADATA>");
        return fclose(stream) == 0 ? text : NULL;
}

/* What a child does. Return: its exit status. */
static int do_once(int kind, const char *program, const char *text, size_t size, unsigned specs) {
        xmlSAXHandler handler = { .initialized = XML_SAX2_MAGIC };
        vss_value *document = NULL;
        const vss_value *files;

        if (kind == BARE)
                return xmlSAXUserParseMemory(&handler, NULL, text, (int)size);
        if (kind == PROGRAM) {
                int null = open("/dev/null", O_WRONLY | O_CLOEXEC),
                    file = memfd_create("document", MFD_CLOEXEC);

                if (null < 0 || file < 0 || write(file, text, size) != (ssize_t)size ||
                    lseek(file, 0, SEEK_SET) < 0 || dup2(file, 0) < 0 || dup2(null, 1) < 0)
                        return 1;
                (void)execl(program, program, "parse", NULL);
                return 1;
        }
        if (vss_document_parse(text, size, &document, NULL) < 0)
                return 1;
        files = vss_value_get(vss_value_at(vss_value_get(document, "components"), 0), "files");
        return vss_value_count(files) != specs;
}

static bool measure(Series *series, size_t round, int kind, const char *program, const char *text,
                    size_t size, unsigned specs) {
        struct rusage usage = { 0 };
        uint64_t began = now_usec();
        int status = 1;
        pid_t pid = fork();

        if (pid == 0)
                _exit(do_once(kind, program, text, size, specs));
        if (pid < 0 || wait4(pid, &status, 0, &usage) < 0 || status != 0)
                return false;
        series->usec[round] = now_usec() - began;
        series->peak_kib = MAX(series->peak_kib, usage.ru_maxrss);
        return true;
}

static int compare(const void *a, const void *b) {
        const uint64_t *ua = a, *ub = b;

        return (*ua > *ub) - (*ua < *ub);
}

int main(int argc, char *argv[]) {
        static Series series[KINDS];
        unsigned specs = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
        size_t rounds = argc == 4 ? strtoul(argv[3], NULL, 10) : 0, size = 0;
        _cleanup_(freep) char *text = make_text(specs, &size);
        bool slow = false;

        if (specs == 0 || rounds == 0 || rounds > ROUNDS_MAX || !text) {
                fprintf(stderr, "usage: bench-documents PROGRAM SPECS ROUNDS (at most %d)\n", ROUNDS_MAX);
                return 2;
        }
        for (size_t i = 0; i < rounds; i++) {
                for (int kind = 0; kind < KINDS; kind++) {
                        if (!measure(&series[kind], i, kind, argv[1], text, size, specs)) {
                                fprintf(stderr, "bench-documents: %s failed\n", names[kind]);
                                return 1;
                        }
                }
        }
        printf("  %u file sets, %.1f MiB; %-12s %9s %9s %9s %9s\n", specs, (double)size / 1048576,
               "milliseconds", "median", "p99", "max", "peak KiB");
        for (int kind = 0; kind < KINDS; kind++) {
                Series *s = &series[kind];

                qsort(s->usec, rounds, sizeof(s->usec[0]), compare);
                printf("  %-34s %9.2f %9.2f %9.2f %9ld   n=%zu\n", names[kind],
                       (double)s->usec[rounds / 2] / 1000,
                       (double)s->usec[MIN(rounds * 99 / 100, rounds - 1)] / 1000,
                       (double)s->usec[rounds - 1] / 1000, s->peak_kib, rounds);
                slow = slow || s->usec[rounds / 2] > LIMIT_USEC || s->peak_kib > LIMIT_KIB;
        }
        if (slow)
                printf("  MORE than 100 ms or 64 MiB\n");
        return slow;
}
