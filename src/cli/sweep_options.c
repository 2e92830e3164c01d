/* Options of mico-sweep, and what --list shows. */
#include "cli/sweep_options.h"

#include "kernels/kernels.h"
#include "search/search.h"
#include "sim/sim.h"

#include <getopt.h>
#include <string.h>

enum {
    SET = 256,
    FRESH,
    RESUME,
    DRY_RUN,
    PRINT_JOB,
    LIST,
    JSON,
    PROGRESS,
    ONLY,
    VERSION
};

static const struct option longs[] = {
    {"output", required_argument, NULL, 'o'},
    {"set", required_argument, NULL, SET},
    {"fresh", no_argument, NULL, FRESH},
    {"resume", no_argument, NULL, RESUME},
    {"dry-run", no_argument, NULL, DRY_RUN},
    {"print-job", no_argument, NULL, PRINT_JOB},
    {"list", required_argument, NULL, LIST},
    {"json", no_argument, NULL, JSON},
    {"progress", required_argument, NULL, PROGRESS},
    {"only-study", required_argument, NULL, ONLY},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

void mico_sweep_usage(mico_str *out)
{
    mico_str_add(
        out,
        "usage: [mpirun -n N] mico-sweep JOB.ini [options]\n"
        "\n"
        "Searches the best weight and activation width for each layer of a network. "
        "The\n"
        "result does not depend on N. A run that was stopped or killed goes on where "
        "it\n"
        "was when it is started again.\n"
        "\n"
        "  -o, --output RESULTS.h5    where results go (results/JOB.h5)\n"
        "      --set SECTION.KEY=V    overrides the job file; may be repeated\n"
        "      --fresh                starts over, even where results exist\n"
        "      --resume               insists on results to go on from\n"
        "      --only-study K         only study K (from 0) of a job with [sweep]\n"
        "      --dry-run              checks everything, shows studies and limits, "
        "runs "
        "nothing\n"
        "      --print-job            the job with all defaults filled in\n"
        "      --list WHAT            searchers, targets, kernels or keys\n"
        "      --json                 one JSON object on stdout at the end\n"
        "      --progress HOW         auto, always or never\n"
        "  -q, --quiet                only warnings and errors\n"
        "      --help, --version\n"
        "\n"
        "exit code: 0 done, 1 a request could not be met, 2 bad input, 75 stopped "
        "early "
        "(resumable)\n");
}

static mico_status read_progress(mico_sweep_options *o, const char *text, mico_err *err)
{
    static const char *const words[] = {"auto", "always", "never"};

    for (size_t i = 0; i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            o->progress = (mico_progress)i;
            return MICO_OK;
        }
    }
    return mico_fail(err, MICO_EUSAGE, "--progress %s: must be auto, always or never",
                     text);
}

static mico_status read_one(mico_sweep_options *o, int c, mico_err *err)
{
    int64_t k;

    switch (c) {
    case 'o':
        o->output = optarg;
        return MICO_OK;
    case SET:
        if (o->n_sets == MICO_MAX_SETS)
            return mico_fail(err, MICO_EUSAGE, "more than %d times --set",
                             MICO_MAX_SETS);
        o->set[o->n_sets++] = optarg;
        return MICO_OK;
    case FRESH:
    case RESUME:
        if (o->how != MICO_STORE_AUTO)
            return mico_fail(err, MICO_EUSAGE,
                             "--fresh and --resume exclude each other");
        o->how = c == FRESH ? MICO_STORE_FRESH : MICO_STORE_RESUME;
        return MICO_OK;
    case DRY_RUN:
        o->dry_run = true;
        return MICO_OK;
    case PRINT_JOB:
        o->print_job = true;
        return MICO_OK;
    case LIST:
        o->list = optarg;
        return MICO_OK;
    case JSON:
        o->json = true;
        return MICO_OK;
    case PROGRESS:
        return read_progress(o, optarg, err);
    case ONLY:
        if (!mico_text_int(optarg, &k) || k < 0)
            return mico_fail(err, MICO_EUSAGE,
                             "--only-study %s: must be a number from 0 on", optarg);
        o->only_study = (size_t)k;
        return MICO_OK;
    case 'q':
        o->quiet = true;
        return MICO_OK;
    case 'h':
        o->help = true;
        return MICO_OK;
    case VERSION:
        o->version = true;
        return MICO_OK;
    default:
        return MICO_EUSAGE;
    }
}

mico_status mico_sweep_options_read(mico_sweep_options *o, int argc, char **argv,
                                    mico_err *err)
{
    int c;

    *o = (mico_sweep_options){.only_study = MICO_ALL_STUDIES};
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":o:hq", longs, NULL)) != -1) {
        mico_status rc;

        if (c == '?' || c == ':')
            return mico_fail(err, MICO_EUSAGE, "%s '%s'; try 'mico-sweep --help'",
                             c == ':' ? "no value behind" : "unknown option",
                             argv[optind - 1]);
        rc = read_one(o, c, err);
        if (rc != MICO_OK)
            return rc;
    }
    if (o->help || o->version || o->list != NULL)
        return MICO_OK;
    if (optind + 1 != argc)
        return mico_fail(err, MICO_EUSAGE, "%s; try 'mico-sweep --help'",
                         optind == argc ? "a job file is needed"
                                        : "more than one job file");
    o->job = argv[optind];
    return MICO_OK;
}

static void list_kernels(mico_str *out)
{
    for (size_t i = 0; i < mico_n_kernels; i++)
        mico_str_add(out, "%-28s %-12s %s\n", mico_kernels[i]->name,
                     mico_kernels[i]->isa,
                     mico_isa_here(mico_kernels[i]->isa) ? "" : "(not on this CPU)");
}

mico_status mico_sweep_list(const char *what, mico_str *out, mico_err *err)
{
    if (strcmp(what, "keys") == 0) {
        mico_job_list_keys(out);
    } else if (strcmp(what, "searchers") == 0) {
        for (size_t i = 0; i < mico_n_searchers; i++) {
            const mico_searcher_type *type = mico_searchers[i];

            mico_str_add(out, "%-14s %s", type->name, type->help);
            if (type->missing != NULL)
                mico_str_add(out, " (unavailable: needs %s)", type->missing);
            mico_str_add(out, "\n");
        }
    } else if (strcmp(what, "targets") == 0) {
        for (size_t i = 0; i < mico_n_targets; i++)
            mico_str_add(out, "%-8s %-16s %s\n", mico_targets[i].name,
                         mico_targets[i].unit, mico_targets[i].help);
    } else if (strcmp(what, "kernels") == 0) {
        list_kernels(out);
    } else {
        return mico_fail(err, MICO_EUSAGE,
                         "--list %s: must be searchers, targets, kernels or keys",
                         what);
    }
    return MICO_OK;
}
