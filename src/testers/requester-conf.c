/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the test requester shall do: its file and its command line
 */

#include <getopt.h>
#include <string.h>
#include <strings.h>
#include "config.h"
#include "testers/requester-conf.h"

static const char usage_text[] =
        "vss-test-requester backup|restore|snapshot [OPTION]...\n"
        "Drives the service as backup programs do, with real copies, and tells all that goes wrong.\n\n"
        "  --config=FILE         read settings from a file; see vss-test-conf(5)\n"
        "  --documents=DIR       where documents are kept\n"
        "  --store=DIR           where files are kept\n"
        "  --select=WRITER[:COMPONENT]   this component, or all of a writer; may be repeated (default: "
        "everything)\n"
        "  --path=PATH           files without a writer; may be repeated\n"
        "  --type=TYPE           copy (default), full, incremental, differential, log, other\n"
        "  --previous=DIR        documents of the backup that this one goes on top of\n"
        "  --provider=NAME       use this provider\n"
        "  --partial-files       save parts of files, where writers say so\n"
        "  --bootable            the system state can be booted from this backup\n"
        "  --no-components       whole volumes: no component is chosen\n"
        "  --context=WORDS       backup (default), app-rollback, ... and attributes, as Context= of the "
        "file\n"
        "  --retries=NUMBER      begin anew when a writer fails in a way that passes\n"
        "  --wait=SECONDS        wait while another set is being created (default: 60)\n"
        "  --cancel-at=EVENT     cancel the call under way when it gets to this event\n"
        "  --additional          more restores of these components follow\n"
        "  --without-writers     restore by the documents alone\n"
        "  --dry-run             restore: say what would be done, and do nothing\n"
        "  --trust-documents     restore also to places that no descriptor and no running writer vouches "
        "for\n"
        "  --staging=DIR         where files are put that a reboot has to put in their place\n"
        "  --delete              snapshot: take the shadow copies away again\n"
        "  --verbose, --help, --version\n"
        "Exit status: 0 done, 1 failed, 2 wrongly called, 3 done but for what was named.\n";

static const FieldName contexts[] = {
        { "backup", VSS_CTX_BACKUP },
        { "file-share-backup", VSS_CTX_FILE_SHARE_BACKUP },
        { "nas-rollback", VSS_CTX_NAS_ROLLBACK },
        { "app-rollback", VSS_CTX_APP_ROLLBACK },
        { "client-accessible", VSS_CTX_CLIENT_ACCESSIBLE },
        { "client-accessible-writers", VSS_CTX_CLIENT_ACCESSIBLE_WRITERS },
        { "transportable", VSS_VOLSNAP_ATTR_TRANSPORTABLE },
        { "differential", VSS_VOLSNAP_ATTR_DIFFERENTIAL },
        { "plex", VSS_VOLSNAP_ATTR_PLEX },
        { "no-autorecovery", VSS_VOLSNAP_ATTR_NO_AUTORECOVERY },
        { "rollback-recovery", VSS_VOLSNAP_ATTR_ROLLBACK_RECOVERY },
        { "not-transacted", VSS_VOLSNAP_ATTR_NOT_TRANSACTED },
        { "txf-recovery", VSS_VOLSNAP_ATTR_TXF_RECOVERY },
        { NULL, 0 },
};

static const FieldName roll_forwards[] = {
        { "none", VSS_RF_NONE }, { "all", VSS_RF_ALL }, { "partial", VSS_RF_PARTIAL }, { NULL, 0 }
};

#define FIELD(type, key, kind, member) \
        { key, FIELD_##kind, offsetof(type, member), NULL, false }
#define REQUIRED(type, key, kind, member) \
        { key, FIELD_##kind, offsetof(type, member), NULL, true }
#define NAMED(type, key, kind, member, names) \
        { key, FIELD_##kind, offsetof(type, member), names, false }

static const Field requester_fields[] = {
        NAMED(RequesterConf, "Type", NAME, type, field_backup_types),
        NAMED(RequesterConf, "CancelAt", NAME, cancel_at, field_events),
        NAMED(RequesterConf, "Context", FLAGS, context, contexts),
        FIELD(RequesterConf, "Documents", PATH, documents),
        FIELD(RequesterConf, "Store", PATH, store),
        FIELD(RequesterConf, "Previous", PATH, previous),
        FIELD(RequesterConf, "Staging", PATH, staging),
        FIELD(RequesterConf, "Provider", TEXT, provider),
        FIELD(RequesterConf, "Label", TEXT, label),
        FIELD(RequesterConf, "SelectComponents", BOOLEAN, select_components),
        FIELD(RequesterConf, "BootableSystemState", BOOLEAN, bootable_system_state),
        FIELD(RequesterConf, "PartialFiles", BOOLEAN, partial_files),
        FIELD(RequesterConf, "WithoutWriters", BOOLEAN, without_writers),
        FIELD(RequesterConf, "TrustDocuments", BOOLEAN, trust_documents),
        FIELD(RequesterConf, "Verbose", BOOLEAN, verbose),
        FIELD(RequesterConf, "Retries", NUMBER, retries),
        FIELD(RequesterConf, "WaitSeconds", NUMBER, wait),
};

static const Field component_fields[] = {
        REQUIRED(RequesterComponent, "Writer", TEXT, writer),
        FIELD(RequesterComponent, "LogicalPath", TEXT, logical_path),
        FIELD(RequesterComponent, "Name", TEXT, name),
        FIELD(RequesterComponent, "Select", BOOLEAN, select),
        FIELD(RequesterComponent, "BackupOptions", TEXT, backup_options),
        FIELD(RequesterComponent, "PreviousStamp", TEXT, previous_stamp),
        FIELD(RequesterComponent, "RestoreOptions", TEXT, restore_options),
        FIELD(RequesterComponent, "RestoreName", TEXT, restore_name),
        NAMED(RequesterComponent, "RollForward", NAME, roll_forward, roll_forwards),
        FIELD(RequesterComponent, "RollForwardPoint", TEXT, roll_forward_point),
        FIELD(RequesterComponent, "Authoritative", BOOLEAN, authoritative),
        FIELD(RequesterComponent, "AdditionalRestores", BOOLEAN, additional_restores),
};

static const Field subcomponent_fields[] = {
        FIELD(RequesterSubcomponent, "LogicalPath", TEXT, logical_path),
        REQUIRED(RequesterSubcomponent, "Name", TEXT, name),
};

static const Field target_fields[] = {
        REQUIRED(RequesterTarget, "Path", PATH, path),
        REQUIRED(RequesterTarget, "Filespec", TEXT, filespec),
        FIELD(RequesterTarget, "Recursive", BOOLEAN, recursive),
        REQUIRED(RequesterTarget, "AlternatePath", PATH, alternate_path),
};

static const Field path_fields[] = {
        REQUIRED(RequesterPath, "Path", PATH, path),
};

void requester_conf_clear(RequesterConf *conf) {
        for (size_t i = 0; i < conf->n_components; i++) {
                free(conf->components[i].subcomponents);
                free(conf->components[i].targets);
        }
        free(conf->components);
        free(conf->paths);
        for (size_t i = 0; i < conf->n_words; i++)
                free(conf->words[i]);
        free(conf->words);
        conf_free(conf->conf);
        *conf = (RequesterConf){ 0 };
}

static RequesterComponent *add_component(RequesterConf *conf) {
        RequesterComponent *c = array_add(&conf->components, &conf->n_components, sizeof(*conf->components),
                                          REQUESTER_RECORDS_MAX);

        if (c)
                *c = (RequesterComponent){ .logical_path = "", .select = true };
        return c;
}

static int too_many(const ConfSection *section, ConfError *error) {
        return fields_error(error, section->line, -E2BIG, "more than %u of [%s], or no memory",
                            REQUESTER_RECORDS_MAX, section->name);
}

/* What belongs to the [Component] before it. */
static int read_part(const ConfSection *section, RequesterConf *conf, ConfError *error) {
        RequesterComponent *c = conf->n_components > 0 ? &conf->components[conf->n_components - 1] : NULL;

        if (!c)
                return fields_error(error, section->line, -EBADMSG,
                                    "[%s] belongs to a [Component], which comes before it", section->name);
        if (strcmp(section->name, "Subcomponent") == 0) {
                RequesterSubcomponent *sub = array_add(&c->subcomponents, &c->n_subcomponents,
                                                       sizeof(*c->subcomponents), REQUESTER_RECORDS_MAX);

                if (!sub)
                        return too_many(section, error);
                sub->logical_path = "";
                return fields_read(section, subcomponent_fields, ELEMENTS(subcomponent_fields), sub, error);
        } else {
                RequesterTarget *target = array_add(&c->targets, &c->n_targets, sizeof(*c->targets),
                                                    REQUESTER_RECORDS_MAX);

                return target ? fields_read(section, target_fields, ELEMENTS(target_fields), target, error)
                              : too_many(section, error);
        }
}

static int read_section(const ConfSection *section, RequesterConf *conf, ConfError *error) {
        if (strcmp(section->name, "Requester") == 0)
                return fields_read(section, requester_fields, ELEMENTS(requester_fields), conf, error);
        if (strcmp(section->name, "Component") == 0) {
                RequesterComponent *c = add_component(conf);

                return c ? fields_read(section, component_fields, ELEMENTS(component_fields), c, error)
                         : too_many(section, error);
        }
        if (strcmp(section->name, "Path") == 0) {
                RequesterPath *path = array_add(&conf->paths, &conf->n_paths, sizeof(*conf->paths),
                                                REQUESTER_RECORDS_MAX);

                return path ? fields_read(section, path_fields, ELEMENTS(path_fields), path, error)
                            : too_many(section, error);
        }
        if (strcmp(section->name, "Subcomponent") == 0 || strcmp(section->name, "NewTarget") == 0)
                return read_part(section, conf, error);
        return fields_error(error, section->line, -EBADMSG, "there is no section [%.80s]", section->name);
}

int requester_conf_from_conf(Conf *text, ConfError *error, RequesterConf *conf) {
        conf_free(conf->conf);
        conf->conf = text;
        for (size_t i = 0; i < text->n_sections; i++) {
                int r = read_section(&text->sections[i], conf, error);

                if (r < 0)
                        return r;
        }
        return 0;
}

int requester_conf_read(const char *path, ConfError *error, RequesterConf *conf) {
        Conf *text = NULL;
        int r = conf_read(path, error, &text);

        return r < 0 ? r : requester_conf_from_conf(text, error, conf);
}

/* A copy that lives as long as the settings. */
static char *keep(RequesterConf *conf, const char *text, size_t n) {
        char **word = array_add(&conf->words, &conf->n_words, sizeof(*conf->words),
                                4 * REQUESTER_RECORDS_MAX);

        if (word)
                *word = strndup(text, n);
        return word ? *word : NULL;
}

/* A component without settings stands for those of the file that it names. */
static RequesterComponent *find_settings(RequesterConf *conf, const char *writer, const char *logical_path,
                                         const char *name) {
        for (size_t i = conf->n_components; i > 0; i--) {
                RequesterComponent *c = &conf->components[i - 1];

                if (c->name && strcasecmp(c->writer, writer) == 0 &&
                    strcmp(c->logical_path, logical_path) == 0 && strcmp(c->name, name) == 0)
                        return c;
        }
        return NULL;
}

const RequesterComponent *requester_conf_component(const RequesterConf *conf, const char *writer,
                                                   const char *logical_path, const char *name) {
        return find_settings((RequesterConf *)conf, writer, logical_path, name);
}

int requester_conf_select(RequesterConf *conf, const char *text) {
        const char *colon = strchr(text, ':'), *component = colon ? colon + 1 : "", *slash;
        const char *writer, *logical_path = "", *name = NULL;
        RequesterComponent *c = NULL;

        component += *component == '/';
        slash = strrchr(component, '/');
        if (!*text || colon == text || (colon && !*component) ||
            (slash && (!slash[1] || slash == component)))
                return -EINVAL;
        writer = keep(conf, text, colon ? (size_t)(colon - text) : strlen(text));
        if (slash)
                logical_path = keep(conf, component, (size_t)(slash - component));
        if (colon)
                name = keep(conf, slash ? slash + 1 : component, strlen(slash ? slash + 1 : component));
        if (!writer || !logical_path || (colon && !name))
                return -ENOMEM;
        if (name)
                c = find_settings(conf, writer, logical_path, name);
        if (!c) {
                c = add_component(conf);
                if (!c)
                        return -E2BIG;
                c->writer = writer;
                c->logical_path = logical_path;
                c->name = name;
        }
        c->select = true;
        return 0;
}

int requester_conf_add_path(RequesterConf *conf, const char *path) {
        RequesterPath *added;

        if (path[0] != '/')
                return -EINVAL;
        added = array_add(&conf->paths, &conf->n_paths, sizeof(*conf->paths), REQUESTER_RECORDS_MAX);
        if (!added)
                return -E2BIG;
        added->path = path;
        return 0;
}

enum {
        OPTION_CONFIG = 256,
        OPTION_DOCUMENTS,
        OPTION_STORE,
        OPTION_SELECT,
        OPTION_PATH,
        OPTION_TYPE,
        OPTION_PREVIOUS,
        OPTION_PROVIDER,
        OPTION_PARTIAL_FILES,
        OPTION_BOOTABLE,
        OPTION_NO_COMPONENTS,
        OPTION_CONTEXT,
        OPTION_RETRIES,
        OPTION_WAIT,
        OPTION_CANCEL_AT,
        OPTION_ADDITIONAL,
        OPTION_WITHOUT_WRITERS,
        OPTION_TRUST_DOCUMENTS,
        OPTION_DRY_RUN,
        OPTION_STAGING,
        OPTION_DELETE,
        OPTION_VERBOSE,
        OPTION_HELP,
        OPTION_VERSION,
};

static const struct option options[] = {
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "documents", required_argument, NULL, OPTION_DOCUMENTS },
        { "store", required_argument, NULL, OPTION_STORE },
        { "select", required_argument, NULL, OPTION_SELECT },
        { "path", required_argument, NULL, OPTION_PATH },
        { "type", required_argument, NULL, OPTION_TYPE },
        { "previous", required_argument, NULL, OPTION_PREVIOUS },
        { "provider", required_argument, NULL, OPTION_PROVIDER },
        { "partial-files", no_argument, NULL, OPTION_PARTIAL_FILES },
        { "bootable", no_argument, NULL, OPTION_BOOTABLE },
        { "no-components", no_argument, NULL, OPTION_NO_COMPONENTS },
        { "context", required_argument, NULL, OPTION_CONTEXT },
        { "retries", required_argument, NULL, OPTION_RETRIES },
        { "wait", required_argument, NULL, OPTION_WAIT },
        { "cancel-at", required_argument, NULL, OPTION_CANCEL_AT },
        { "additional", no_argument, NULL, OPTION_ADDITIONAL },
        { "without-writers", no_argument, NULL, OPTION_WITHOUT_WRITERS },
        { "dry-run", no_argument, NULL, OPTION_DRY_RUN },
        { "trust-documents", no_argument, NULL, OPTION_TRUST_DOCUMENTS },
        { "staging", required_argument, NULL, OPTION_STAGING },
        { "delete", no_argument, NULL, OPTION_DELETE },
        { "verbose", no_argument, NULL, OPTION_VERBOSE },
        { "help", no_argument, NULL, OPTION_HELP },
        { "version", no_argument, NULL, OPTION_VERSION },
        { NULL, 0, NULL, 0 },
};

static int wrong(const char *what, const char *value) {
        (void)fprintf(stderr, "vss-test-requester: %s: \"%s\"; --help shows what can be said.\n", what,
                      value);
        return -EINVAL;
}

static int take_name(const FieldName *names, const char *option, const char *value, int *ret_value) {
        for (; names->name; names++)
                if (strcmp(names->name, value) == 0) {
                        *ret_value = (int)names->value;
                        return 0;
                }
        return wrong(option, value);
}

static int take_directory(const char *option, const char *value, const char **ret_path) {
        if (value[0] != '/')
                return wrong(option, value);
        *ret_path = value;
        return 0;
}

static int take_context(const char *value, uint32_t *ret_context) {
        ConfError error = { 0 };

        return fields_flags(contexts, "--context", value, 0, ret_context, &error) < 0
                       ? wrong(error.message, value)
                       : 0;
}

/* Options that have a value. */
static int take_value(RequesterConf *conf, int option, const char *value) {
        switch (option) {
        case OPTION_DOCUMENTS:
                return take_directory("--documents wants an absolute path", value, &conf->documents);
        case OPTION_STORE:
                return take_directory("--store wants an absolute path", value, &conf->store);
        case OPTION_PREVIOUS:
                return take_directory("--previous wants an absolute path", value, &conf->previous);
        case OPTION_STAGING:
                return take_directory("--staging wants an absolute path", value, &conf->staging);
        case OPTION_SELECT:
                return requester_conf_select(conf, value) < 0
                               ? wrong("--select wants WRITER or WRITER:logical/path/name", value)
                               : 0;
        case OPTION_PATH:
                return requester_conf_add_path(conf, value) < 0
                               ? wrong("--path wants an absolute path", value)
                               : 0;
        case OPTION_TYPE:
                return take_name(field_backup_types, "--type does not know", value, &conf->type);
        case OPTION_CANCEL_AT:
                return take_name(field_events, "--cancel-at knows no event", value, &conf->cancel_at);
        case OPTION_CONTEXT:
                return take_context(value, &conf->context);
        case OPTION_PROVIDER:
                conf->provider = value;
                return 0;
        case OPTION_RETRIES:
                return conf_number(value, 100, &conf->retries) < 0 ? wrong("--retries wants a number", value)
                                                                   : 0;
        case OPTION_WAIT:
                return conf_number(value, 86400, &conf->wait) < 0 ? wrong("--wait wants seconds", value) : 0;
        default:
                return -EINVAL;
        }
}

static int take_switch(RequesterConf *conf, int option) {
        switch (option) {
        case OPTION_PARTIAL_FILES:
                conf->partial_files = true;
                return 0;
        case OPTION_BOOTABLE:
                conf->bootable_system_state = true;
                return 0;
        case OPTION_NO_COMPONENTS:
                conf->select_components = false;
                return 0;
        case OPTION_ADDITIONAL:
                conf->additional_restores = true;
                return 0;
        case OPTION_WITHOUT_WRITERS:
                conf->without_writers = true;
                return 0;
        case OPTION_TRUST_DOCUMENTS:
                conf->trust_documents = true;
                return 0;
        case OPTION_DRY_RUN:
                conf->dry_run = true;
                return 0;
        case OPTION_DELETE:
                conf->delete_after = true;
                return 0;
        case OPTION_VERBOSE:
                conf->verbose = true;
                return 0;
        case OPTION_HELP:
                (void)fputs(usage_text, stdout);
                return 1;
        case OPTION_VERSION:
                (void)puts("vss-test-requester " LINUXVSS_VERSION);
                return 1;
        default:
                return -EINVAL;
        }
}

/* The file is read before the command line, which overrides it. */
static int read_file(int argc, char **argv, RequesterConf *conf) {
        ConfError error = { 0 };
        const char *path = NULL;
        int c;

        opterr = 0;
        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (c == OPTION_CONFIG)
                        path = optarg;
        optind = 0;
        opterr = 1;
        if (!path)
                return 0;
        if (requester_conf_read(path, &error, conf) < 0) {
                if (error.line == 0)
                        (void)fprintf(stderr, "vss-test-requester: %s: %s\n", path, error.message);
                else
                        (void)fprintf(stderr, "vss-test-requester: %s, line %u: %s\n", path, error.line,
                                      error.message);
                return -EINVAL;
        }
        return 0;
}

static int take_verb(const char *word, RequesterVerb *ret_verb) {
        static const char *const verbs[] = {
                [VERB_BACKUP] = "backup", [VERB_RESTORE] = "restore", [VERB_SNAPSHOT] = "snapshot"
        };

        for (size_t i = 0; word && i < ELEMENTS(verbs); i++)
                if (strcmp(word, verbs[i]) == 0) {
                        *ret_verb = (RequesterVerb)i;
                        return 0;
                }
        return wrong("what shall it do? backup, restore or snapshot, not", word ?: "");
}

int requester_conf_parse(int argc, char **argv, RequesterConf *ret_conf) {
        RequesterConf conf = REQUESTER_CONF_INIT;
        int c, r;

        r = read_file(argc, argv, &conf);
        while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c == '?')
                        r = -EINVAL;
                else if (c != OPTION_CONFIG)
                        r = optarg ? take_value(&conf, c, optarg) : take_switch(&conf, c);
        }
        if (r == 0)
                r = take_verb(argv[optind], &conf.verb);
        if (r == 0 && argv[optind + 1])
                r = wrong("there is one word too many", argv[optind + 1]);
        if (r == 0 && conf.verb != VERB_SNAPSHOT && (!conf.documents || !conf.store))
                r = wrong("where are things kept? --documents=DIR and --store=DIR are needed for",
                          conf.verb == VERB_BACKUP ? "backup" : "restore");
        if (r != 0) {
                requester_conf_clear(&conf);
                return r;
        }
        *ret_conf = conf;
        return 0;
}
