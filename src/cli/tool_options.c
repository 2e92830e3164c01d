/* Option parsing shared by the commands of `mico`. */
#include "cli/tool_options.h"

#include "core/mem.h"
#include "core/text.h"

#include <stdio.h>
#include <string.h>

typedef enum kind {
    KIND_TEXT,   /* const char * */
    KIND_FLAG,   /* bool */
    KIND_NUMBER, /* int64_t above 0 */
    KIND_SET,    /* appended to o->set */
} kind;

typedef struct option {
    const char *name;
    char letter;
    kind kind;
    size_t offset; /* of the member */
    const char *help;
} option;

#define TEXT(member)   KIND_TEXT, offsetof(mico_options_line, member)
#define FLAG(member)   KIND_FLAG, offsetof(mico_options_line, member)
#define NUMBER(member) KIND_NUMBER, offsetof(mico_options_line, member)

static const option options[] = {
    {"data", 'd', TEXT(data),
     "DATA         data set (folder, .npz, .h5, IMAGES,LABELS)"},
    {"scheme", 's', TEXT(scheme), "S          w8a8, or 8/8,4/8,..., or mico:8,4,..."},
    {"against", 0, TEXT(against),
     "S         compares two schemes image by image (mode int)"},
    {"mode", 'm', TEXT(mode), "int|fake|fp32 arithmetic (int)"},
    {"profile", 0, TEXT(profile),
     "integer|dynamic|mico|ares|tflite  arithmetic of mode int (integer; int8 "
     "networks: tflite)"},
    {"images", 'n', NUMBER(images), "N          only the first N images"},
    {"target", 't', TEXT(target), "T          bops, cbops, size"},
    {"output", 'o', TEXT(output), "PATH       where to write"},
    {"title", 0, TEXT(title), "TEXT        of the report"},
    {"mul", 0, TEXT(mul), "A[,B,C]       preprocessing x = raw*mul + add per channel"},
    {"add", 0, TEXT(add), "A[,B,C]       see --mul"},
    {"transform", 0, TEXT(transform),
     "LIST    applied to u8 images: mean2, padN, flat"},
    {"calibration", 0, TEXT(calibration),
     "SET[:A-B] images for activation ranges (train:0-511, else test:0-511)"},
    {"granularity", 0, TEXT(granularity), "channel|tensor  weight scales (channel)"},
    {"weight-scale", 0, TEXT(weight_scale),
     "mse|mico       rule of weight scales (mse)"},
    {"act-range", 0, TEXT(act_range), "mse|max|percentile  activation scales (mse)"},
    {"act-codes", 0, TEXT(act_codes), "signed|unsigned   activation codes (signed)"},
    {"set", 0, KIND_SET, 0, "SECTION.KEY=V overrides the job file; may be repeated"},
    {"jobs", 'j', NUMBER(jobs), "N            processes (one a core)"},
    {"fresh", 0, FLAG(fresh),
     "            starts over, even where half a table exists"},
    {"loss", 0, FLAG(loss), "             keeps the losses too"},
    {"methods", 0, TEXT(methods), "A,B       searchers to compare"},
    {"seeds", 0, NUMBER(seeds), "N           seeds 1 to N"},
    {"selftest", 0, FLAG(selftest),
     "        on built-in problems; those of HAWQ-V3 need --data FOLDER"},
    {"budget", 0, NUMBER(budget), "N        evaluations a run of --selftest (300)"},
    {"limits", 0, TEXT(limits),
     "A,B        limits: shares of the reference scheme's cost, one problem each"},
    {"also", 0, TEXT(also), "RUNS.csv     runs of other programs on the same problems"},
    {"upstream-protocol", 0, FLAG(upstream),
     "the best excludes the initial design, as MiCo counts"},
    {"profile-layers", 0, FLAG(profile_layers),
     "  time of each operation, and who ran it (mode int)"},
    {"json", 0, FLAG(json), "             one JSON object on stdout"},
};

static bool accepted(const char *accepts, const char *name)
{
    const char *rest = accepts;
    char word[32];

    while (mico_text_next(&rest, ',', word, sizeof word))
        if (strcmp(word, name) == 0)
            return true;
    return false;
}

static void print_help(const char *usage, const char *accepts)
{
    printf("usage: mico %s\n\n", usage);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (accepted(accepts, options[i].name))
            printf("  --%s %s\n", options[i].name, options[i].help);
}

static void wrong(mico_options_line *o, const char *command, const char *text,
                  const char *what)
{
    fprintf(stderr, "mico %s: %s '%s'; try 'mico %s --help'\n", command, text, what,
            command);
    o->done = true;
    o->exit_code = 2;
}

/* The option that `arg` names among those accepted; *value: text behind '=', or NULL.
 */
static const option *find_option(const char *arg, const char *accepts,
                                 const char **value)
{
    const char *equals = strchr(arg, '=');
    size_t n = equals != NULL ? (size_t)(equals - arg) : strlen(arg);

    *value = equals != NULL ? equals + 1 : NULL;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const option *op = &options[i];
        bool is_long = n > 2 && strncmp(arg, "--", 2) == 0 &&
                       strlen(op->name) == n - 2 &&
                       strncmp(arg + 2, op->name, n - 2) == 0;
        bool is_short = arg[1] == op->letter && op->letter != 0 && arg[2] == '\0';

        if ((is_long || is_short) && accepted(accepts, op->name))
            return op;
    }
    return NULL;
}

static void take_value(mico_options_line *o, const char *command, const option *op,
                       const char *value)
{
    void *member = (char *)o + op->offset;
    int64_t number;
    char text[64];

    switch (op->kind) {
    case KIND_TEXT:
        *(const char **)member = value;
        break;
    case KIND_SET:
        if (o->n_sets < sizeof o->set / sizeof o->set[0])
            o->set[o->n_sets++] = value;
        else
            wrong(o, command, "too many --set before", value);
        break;
    default:
        if (mico_text_int(value, &number) && number > 0) {
            *(int64_t *)member = number;
            break;
        }
        snprintf(text, sizeof text, "--%s must be a whole number above 0, not",
                 op->name);
        wrong(o, command, text, value);
    }
}

void mico_options_read(mico_options_line *o, int argc, char **argv, const char *accepts,
                       const char *usage)
{
    *o = (mico_options_line){.mode = "int",
                             .granularity = "channel",
                             .weight_scale = "mse",
                             .act_range = "mse",
                             .act_codes = "signed",
                             .profile = "",
                             .mul = "",
                             .add = ""};
    o->operand = mico_xcalloc((size_t)argc, sizeof *o->operand);
    for (int i = 1; i < argc && !o->done; i++) {
        const char *arg = argv[i], *value;
        const option *op;

        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            print_help(usage, accepts);
            o->done = true;
            return;
        }
        if (arg[0] != '-' || arg[1] == '\0') {
            o->operand[o->n_operands++] = argv[i];
            continue;
        }
        op = find_option(arg, accepts, &value);
        if (op == NULL) {
            wrong(o, argv[0], "unknown option", arg);
        } else if (op->kind == KIND_FLAG) {
            *(bool *)((char *)o + op->offset) = true;
        } else if (value == NULL && ++i == argc) {
            wrong(o, argv[0], "no value behind option", arg);
        } else {
            take_value(o, argv[0], op, value != NULL ? value : argv[i]);
        }
    }
}

mico_status mico_options_net(mico_net **net, const mico_options_line *o, mico_err *err)
{
    mico_net *loaded;
    mico_status rc = mico_net_load(&loaded, o->operand[0], err);

    if (rc != MICO_OK)
        return rc;
    rc = mico_world_preprocess(loaded, o->mul, o->add, err);
    if (rc != MICO_OK)
        mico_net_free(loaded);
    else
        *net = loaded;
    return rc;
}

const char *mico_options_profile(const mico_options_line *o, const mico_net *net)
{
    if (o->profile[0] != '\0')
        return o->profile;
    return mico_profile_text(net->has_fixed ? MICO_PROFILE_TFLITE
                                            : MICO_PROFILE_INTEGER);
}
