/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * vss-documents: the parser of documents as a process of its own
 *
 * The service reads what strangers have saved; a parser that falls to them shall have nothing. So this
 * process gives up what it has before it reads the first byte: it cannot open or connect to anything any
 * more, and memory and time are bounded. Values are bytes as util/value-codec.h has them.
 */

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include "documents/document.h"
#include "util/value-codec.h"

enum { EXIT_OTHER = 1, EXIT_USAGE = 2, EXIT_CORRUPT = 3, EXIT_INVALID = 4 };

enum { NOBODY = 65534 };

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

#ifdef HAS_SANITIZER
/* Leaks are looked for by means that are given up here. */
VSS_PUBLIC const char *__asan_default_options(void);
const char *__asan_default_options(void) {
        return "detect_leaks=0";
}
#endif

static void tell(const char *what, const char *why) {
        (void)fprintf(stderr, "vss-documents: %s: %s\n", what, why);
}

static int limit(int resource, rlim_t most) {
        struct rlimit was, now = { .rlim_cur = most, .rlim_max = most };

        if (getrlimit(resource, &was) < 0)
                return -errno;
        if (was.rlim_max != RLIM_INFINITY && was.rlim_max < most)
                now.rlim_cur = now.rlim_max = was.rlim_max;
        return setrlimit(resource, &now) < 0 ? -errno : 0;
}

/* Root has more ways than descriptors; who may not change users is none. */
static int become_nobody(void) {
        if (geteuid() != 0)
                return 0;
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return -errno;
        return 0;
}

static int give_up_rights(void) {
        int r;

        if (close_range(3, ~0u, 0) < 0)
                return -errno;
        /* No descriptor can be had any more, so no file and no socket. */
        r = limit(RLIMIT_NOFILE, 3);
        if (r >= 0)
                r = limit(RLIMIT_CORE, 0);
        if (r >= 0)
                r = limit(RLIMIT_CPU, 30);
        if (r >= 0)
                r = limit(RLIMIT_FSIZE, 2 * (rlim_t)DOCUMENT_SIZE_MAX);
#ifndef HAS_SANITIZER
        if (r >= 0)
                r = limit(RLIMIT_AS, (rlim_t)1 << 30);
#endif
        if (r >= 0)
                r = become_nobody();
        /* None can be started, whoever's they are counted with. */
        if (r >= 0)
                r = limit(RLIMIT_NPROC, 0);
        if (r >= 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
                r = -errno;
        return r;
}

static ssize_t read_input(void *userdata, char *buffer, size_t size) {
        for (;;) {
                ssize_t n = read(STDIN_FILENO, buffer, size);

                if (n >= 0)
                        return n;
                if (errno != EINTR)
                        return -errno;
        }
}

static int write_output(const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(STDOUT_FILENO, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        tell("the output cannot be written", strerror(n < 0 ? errno : EIO));
                        return EXIT_OTHER;
                }
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

/* The message is the library's alone: who started this knows what was to be read. */
static int tell_failure(vss_result result, const char *error) {
        (void)fprintf(stderr, "%s\n", error ?: "there is not enough memory for it");
        if (result == VSS_E_CORRUPT_XML_DOCUMENT)
                return EXIT_CORRUPT;
        return result == VSS_E_INVALID_XML_DOCUMENT || result == VSS_E_INVALIDARG ? EXIT_INVALID
                                                                                  : EXIT_OTHER;
}

static int run_parse(void) {
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *error = NULL;
        _cleanup_(freep) uint8_t *data = NULL;
        size_t size;
        vss_result result;

        result = document_read(read_input, NULL, &document, &error);
        if (result < 0)
                return tell_failure(result, error);
        if (value_encode(document, &data, &size) < 0) {
                tell("the values cannot be written", "there are too many, or there is too little memory");
                return EXIT_OTHER;
        }
        return write_output(data, size);
}

static int read_values(vss_value **ret_value) {
        _cleanup_(freep) char *data = malloc(VALUE_ENCODED_MAX + 1u);
        size_t size = 0;
        ssize_t n;

        if (!data)
                return -ENOMEM;
        while ((n = read_input(NULL, data + size, VALUE_ENCODED_MAX + 1u - size)) > 0)
                size += (size_t)n;
        return n < 0 ? (int)n : value_decode((uint8_t *)data, size, ret_value);
}

static int run_format(void) {
        _cleanup_value_ vss_value *document = NULL;
        _cleanup_(freep) char *text = NULL, *error = NULL;
        size_t size;
        vss_result result;
        int r;

        r = read_values(&document);
        if (r < 0) {
                tell("the values cannot be read", strerror(-r));
                return r == -EBADMSG ? EXIT_INVALID : EXIT_OTHER;
        }
        result = vss_document_format(document, &text, &size, &error);
        return result < 0 ? tell_failure(result, error) : write_output(text, size);
}

int main(int argc, char *argv[]) {
        bool parse = argc == 2 && strcmp(argv[1], "parse") == 0;
        int r;

        if (!parse && (argc != 2 || strcmp(argv[1], "format") != 0)) {
                (void)fprintf(stderr, "usage: vss-documents parse < DOCUMENT > VALUES\n"
                                      "       vss-documents format < VALUES > DOCUMENT\n");
                return EXIT_USAGE;
        }
        r = give_up_rights();
        if (r < 0) {
                tell("rights cannot be given up", strerror(-r));
                return EXIT_OTHER;
        }
        return parse ? run_parse() : run_format();
}
