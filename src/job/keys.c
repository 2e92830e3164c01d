/* Every key of a job file, once: parser, defaults, --list keys and docs come from here.
 */
#include "job/keys.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(mico_study, member), sizeof(((mico_study *)0)->member)

// clang-format off
const mico_key mico_keys[] = {
    {"study", "name", MICO_KEY_TEXT, AT(study_name), "", NULL, false,
     "name of the study; empty: the job file's name"},
    {"study", "seed", MICO_KEY_COUNT, AT(study_seed), "1", NULL, false,
     "seed of every random stream"},
    {"study", "budget", MICO_KEY_COUNT, AT(study_budget), "256", NULL, false,
     "trials to evaluate (repeats of a scheme are free)"},
    {"study", "wallclock", MICO_KEY_SECONDS, AT(study_wallclock_s), "0", NULL, true,
     "stop (resumable) after this time; 0: never"},

    {"net", "path", MICO_KEY_TEXT, AT(net_path), NULL, NULL, false,
     "network: an ONNX file or a network file of ours"},
    {"net", "mul", MICO_KEY_TEXT, AT(net_mul), "", NULL, false,
     "preprocessing x = raw*mul + add: one number or one per channel; empty: as in the file"},
    {"net", "add", MICO_KEY_TEXT, AT(net_add), "", NULL, false,
     "see mul"},
    {"net", "table", MICO_KEY_TEXT, AT(net_table), "", NULL, false,
     "table of mico bench-table that trials are looked up in, instead of path and [data]"},

    {"data", "path", MICO_KEY_TEXT, AT(data_path), NULL, NULL, false,
     "data set: folder, .npz, .h5, or IMAGES,LABELS"},
    {"data", "transform", MICO_KEY_TEXT, AT(data_transform), "", NULL, false,
     "applied to u8 images in order: mean2, padN, flat"},
    {"data", "calibration", MICO_KEY_TEXT, AT(data_calibration), "auto", NULL, false,
     "images for activation ranges: auto or SET[:FIRST-LAST], SET train or test"},
    {"data", "search", MICO_KEY_TEXT, AT(data_search), "auto", NULL, false,
     "images that guide the search"},
    {"data", "final", MICO_KEY_TEXT, AT(data_final), "auto", NULL, false,
     "images that are only reported on, never searched on"},

    {"space", "weight_bits", MICO_KEY_TEXT, AT(space_weight_bits), "2-8", NULL, false,
     "weight widths to choose from: 1, t (ternary), 2..8; lists and ranges"},
    {"space", "act_bits", MICO_KEY_TEXT, AT(space_act_bits), "2-8", NULL, false,
     "activation widths to choose from"},
    {"space", "first_last", MICO_KEY_TEXT, AT(space_first_last), "free", NULL, false,
     "free, or a width that the first and last layer keep for weights and activations"},
    {"space", "tie", MICO_KEY_CHOICE, AT(space_tie), "none", "none|wa", false,
     "wa: each layer uses one width for weights and activations"},
    {"space", "groups", MICO_KEY_TEXT, AT(space_groups), "none", NULL, false,
     "none; block:N: N layers after each other share their widths; position:N: every N-th layer does"},
    {"space", "granularity", MICO_KEY_CHOICE, AT(space_granularity), "channel", "channel|tensor", false,
     "one weight scale per output channel or per tensor"},
    {"space", "weight_scale", MICO_KEY_CHOICE, AT(space_weight_scale), "mse", "mse|mico", false,
     "rule of weight scales: least squared error, or MiCo's abs-max/abs-mean"},
    {"space", "act_range", MICO_KEY_CHOICE, AT(space_act_range), "mse", "mse|max|percentile", false,
     "rule of activation scales"},
    {"space", "percentile", MICO_KEY_NUMBER, AT(space_percentile), "0.9999", NULL, false,
     "quantile of |x| for act_range = percentile"},
    {"space", "act_codes", MICO_KEY_CHOICE, AT(space_act_codes), "signed", "signed|unsigned", false,
     "unsigned: tensors that are never negative use the sign bit for magnitude"},
    {"space", "profile", MICO_KEY_CHOICE, AT(space_profile), "integer", "integer|dynamic|mico|ares|tflite", false,
     "whose arithmetic: ours, scales found at run time, MiCo's C runtime, ARES, TFLite"},

    {"objective", "goal", MICO_KEY_CHOICE, AT(objective_goal), "accuracy", "accuracy|pareto", false,
     "best accuracy under the limits, or the front of accuracy against cost"},
    {"objective", "subject_to", MICO_KEY_TEXT, AT(objective_subject_to), "", NULL, false,
     "limits, comma separated: METRIC <= VALUE [of SCHEME], e.g. bops <= 0.5 of w8a8, size <= 64KiB"},
    {"objective", "cost", MICO_KEY_TEXT, AT(objective_cost), "", NULL, false,
     "metric of the front's cost axis and of ties; empty: that of the first limit, else bops"},
    {"objective", "reference", MICO_KEY_TEXT, AT(objective_reference), "w8a8", NULL, false,
     "scheme that the winner is compared with"},

    {"search", "method", MICO_KEY_TEXT, AT(search_method), "mico", NULL, false,
     "searcher, see --list searchers"},
    {"search", "inits", MICO_KEY_COUNT, AT(search_inits), "16", NULL, false,
     "initial design of model-based searchers"},
    {"search", "candidates", MICO_KEY_COUNT, AT(search_candidates), "1000", NULL, false,
     "pool of the near-constraint sampler for each proposal"},
    {"search", "trees", MICO_KEY_COUNT, AT(search_trees), "0", NULL, false,
     "trees of the forest; 0: by the number of variables, as MiCo"},
    {"search", "initial", MICO_KEY_CHOICE, AT(search_initial), "orth", "orth|minmax|random", false,
     "mico-*: initial design; all but random begin with the largest and the smallest scheme"},
    {"search", "sampler", MICO_KEY_CHOICE, AT(search_sampler), "near", "near|random", false,
     "mico-*: candidates near the limit, or uniform ones (5 x candidates)"},
    {"search", "features", MICO_KEY_CHOICE, AT(search_features), "on", "on|off", false,
     "mico-*: widths and widths times the layer's share of MACs, or widths alone"},
    {"search", "ucb", MICO_KEY_CHOICE, AT(search_ucb), "on", "on|off", false,
     "mico-rf, mico-gp, mico-ensemble: upper confidence bound, or the predicted mean"},
    {"search", "roi", MICO_KEY_NUMBER, AT(search_roi), "0.1", NULL, false,
     "sampler near: width of the region below the limit, in costs of the largest scheme"},
    {"search", "max_roi", MICO_KEY_NUMBER, AT(search_max_roi), "0.3", NULL, false,
     "what roi has grown to at the end"},
    {"search", "population", MICO_KEY_COUNT, AT(search_population), "24", NULL, false,
     "evolution: living schemes"},
    {"search", "tournament", MICO_KEY_COUNT, AT(search_tournament), "6", NULL, false,
     "evolution: sample that a parent is the best of"},

    {"run", "parallel", MICO_KEY_COUNT, AT(run_parallel), "4", NULL, true,
     "evaluations expected at once; sets the window, whatever the number of ranks"},
    {"run", "window", MICO_KEY_COUNT, AT(run_window), "0", NULL, false,
     "a proposal sees all outcomes but the last window-1; 0: 2 x parallel"},
    {"run", "order", MICO_KEY_CHOICE, AT(run_order), "fixed", "fixed|arrival", false,
     "fixed: outcomes told in id order, traces repeat; arrival: as they come, fastest"},
    {"run", "driver", MICO_KEY_CHOICE, AT(run_driver), "shared", "shared|dedicated", true,
     "dedicated: rank 0 does not evaluate"},
    {"run", "timeout", MICO_KEY_SECONDS, AT(run_timeout_s), "10min", NULL, false,
     "an evaluation that takes longer is killed; 0: never"},
    {"run", "memory", MICO_KEY_BYTES, AT(run_memory_bytes), "0", NULL, true,
     "address space of an evaluator, which its buffers are cut to fit; 0: no limit"},
    {"run", "bundle", MICO_KEY_COUNT, AT(run_bundle), "0", NULL, true,
     "schemes evaluated together, sharing work: at most this many; 0: automatic, 1: off"},
    {"run", "reuse", MICO_KEY_CHOICE, AT(run_reuse), "on", "on|off", true,
     "off: schemes of a bundle share no work (to measure what sharing gains)"},
    {"run", "keep", MICO_KEY_BYTES, AT(run_keep_bytes), "0", NULL, true,
     "memory of an evaluator for shared work that later bundles may need"},
    {"run", "retries", MICO_KEY_COUNT, AT(run_retries), "1", NULL, false,
     "further attempts after a crash; lost ranks do not count"},
    {"run", "max_failures", MICO_KEY_COUNT, AT(run_max_failures), "20", NULL, true,
     "stop the study after this many failed trials in a row"},
    {"run", "flush", MICO_KEY_SECONDS, AT(run_flush_s), "5s", NULL, true,
     "how often the HDF5 view is brought up to date"},

    {"report", "title", MICO_KEY_TEXT, AT(report_title), "", NULL, true,
     "title of the report; empty: the study's name"},
};
// clang-format on
const size_t mico_n_keys = sizeof mico_keys / sizeof mico_keys[0];

const mico_key *mico_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < mico_n_keys; i++)
        if (strcmp(section, mico_keys[i].section) == 0 &&
            strcmp(name, mico_keys[i].name) == 0)
            return &mico_keys[i];
    return NULL;
}

bool mico_key_section(const char *section)
{
    for (size_t i = 0; i < mico_n_keys; i++)
        if (strcmp(section, mico_keys[i].section) == 0)
            return true;
    return false;
}

static bool is_choice(const char *choices, const char *value)
{
    const char *rest = choices;
    char word[32];

    while (mico_text_next(&rest, '|', word, sizeof word))
        if (strcmp(word, value) == 0)
            return true;
    return false;
}

/* Whether a value is the same when it is read again from the canonical text. */
static bool is_one_line(const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        if (*c == '\n' || (*c == ';' && (c == value || isspace((unsigned char)c[-1]))))
            return false;
    return true;
}

mico_status mico_key_set(const mico_key *key, mico_study *study, const char *value,
                         mico_err *err)
{
    char *member = (char *)study + key->offset;
    int64_t whole;
    uint64_t bytes;
    double number;

    if (!is_one_line(value))
        return mico_fail(err, MICO_EJOB,
                         "%s: a value is one line, and ';' behind a blank "
                         "begins a comment",
                         key->name);
    switch (key->type) {
    case MICO_KEY_CHOICE:
        if (!is_choice(key->choices, value))
            return mico_fail(err, MICO_EJOB, "%s = %s: must be one of %s", key->name,
                             value, key->choices);
        /* fall through */
    case MICO_KEY_TEXT:
        if (strlen(value) >= key->size)
            return mico_fail(err, MICO_EJOB, "%s: longer than %zu characters",
                             key->name, key->size - 1);
        snprintf(member, key->size, "%s", value);
        return MICO_OK;
    case MICO_KEY_COUNT:
        if (!mico_text_int(value, &whole) || whole < 0)
            return mico_fail(err, MICO_EJOB,
                             "%s = %s: must be a whole number from 0 on", key->name,
                             value);
        bytes = (uint64_t)whole;
        memcpy(member, &bytes, sizeof bytes);
        return MICO_OK;
    case MICO_KEY_NUMBER:
        if (!mico_text_double(value, &number))
            return mico_fail(err, MICO_EJOB, "%s = %s: must be a number", key->name,
                             value);
        break;
    case MICO_KEY_SECONDS:
        if (!mico_text_seconds(value, &number))
            return mico_fail(err, MICO_EJOB,
                             "%s = %s: must be a time such as 90s, 10min, 2h",
                             key->name, value);
        break;
    case MICO_KEY_BYTES:
        if (!mico_text_bytes(value, &bytes))
            return mico_fail(err, MICO_EJOB,
                             "%s = %s: must be a size such as 512MiB, 2GiB", key->name,
                             value);
        memcpy(member, &bytes, sizeof bytes);
        return MICO_OK;
    }
    memcpy(member, &number, sizeof number);
    return MICO_OK;
}

void mico_job_list_keys(mico_str *out)
{
    static const char *const types[] = {"text", "", "count", "number", "time", "size"};

    for (size_t i = 0; i < mico_n_keys; i++) {
        const mico_key *key = &mico_keys[i];
        char name[64];

        if (i == 0 || strcmp(key->section, mico_keys[i - 1].section) != 0)
            mico_str_add(out, "%s[%s]\n", i > 0 ? "\n" : "", key->section);
        snprintf(name, sizeof name, "%s", key->name);
        mico_str_add(out, "  %-13s %-22s ", name,
                     key->type == MICO_KEY_CHOICE ? key->choices : types[key->type]);
        if (key->preset == NULL)
            mico_str_add(out, "(required)  ");
        else
            mico_str_add(out, "%-10s  ", key->preset[0] != '\0' ? key->preset : "-");
        mico_str_add(out, "%s\n", key->help);
    }
    mico_str_add(out,
                 "\n[sweep]\n  section.key = value, value, ...   one study for each "
                 "combination (FIRST..LAST for whole numbers; | separates where values "
                 "hold commas)\n");
}
