/* bench_nets.c: whole networks in images a second, growth, and bundles of candidates.
 *
 *     bench_nets [--quick] [--only NAME] [--isa ISA] [--json FILE] [NET.onnx ...]
 *
 * One thread, thread CPU time; weights and images are random unless a file is given
 * (images are random even then: time does not depend on them). Judges nothing. */
#include "bench/machine.h"
#include "bench/measure.h"
#include "bench/nets.h"
#include "eval/eval.h"

#include <getopt.h>

#define CALIBRATION 64
#define MOST_IMAGES 10000

typedef struct options {
    const char *only, *isa, *json;
    bool quick;
    size_t n_files;
    char **file;
} options;

typedef struct subject { /* a network, ready to be evaluated */
    const char *name;
    mico_net *net;
    mico_data data;
    mico_calib *calib;
    mico_eval *eval;
    double macs;
} subject;

static const struct builtin {
    const char *name;
    mico_net *(*build)(void);
} builtins[] = {{"resnet8", net_resnet8},
                {"resnet18", net_resnet18},
                {"mobilenetv2", net_mobilenetv2},
                {"dscnn", net_dscnn},
                {"lenet", net_lenet},
                {"mlp", net_mlp}};

static void stop(const char *name, const mico_err *err)
{
    fprintf(stderr, "bench_nets: %s: %s\n", name, err->text);
    exit(1);
}

/* Takes the network over. */
static subject subject_new(const char *name, mico_net *net, const options *o)
{
    const mico_quant quant = mico_quant_default;
    const float mul = 1 / 128.0f, add = -1;
    subject s = {.name = name, .net = net};
    mico_split calibration = {&s.data, 0, CALIBRATION};
    mico_err err = {0};

    if (net == NULL || mico_net_set_preprocess(net, &mul, &add, 1, &err) != MICO_OK)
        stop(name, &err);
    s.data = eval_data(net, MOST_IMAGES, MICO_RAW_U8, 1);
    if (mico_calibrate(&s.calib, net, &calibration, &quant, &err) != MICO_OK)
        stop(name, &err);
    s.eval = mico_eval_new(net, s.calib, &quant);
    mico_eval_set_isa(s.eval, o->isa);
    mico_eval_tune(s.eval, false);
    for (size_t l = 0; l < net->n_layers; l++)
        s.macs += mico_layer_macs(net, l);
    return s;
}

static void subject_free(subject *s)
{
    mico_eval_free(s->eval);
    mico_calib_free(s->calib);
    eval_data_free(&s->data);
    mico_net_free(s->net);
}

/* ---- one candidate ------------------------------------------------------------- */

/* A scheme with every width somewhere. */
static void mixed_scheme(mico_scheme *scheme, size_t n_layers)
{
    static const uint8_t weights[] = {8, 4, 2, 6, 3}, acts[] = {8, 6, 4, 8, 5};

    scheme->n_layers = n_layers;
    for (size_t l = 0; l < n_layers; l++) {
        scheme->bits[l] = weights[l % 5];
        scheme->bits[n_layers + l] = acts[l % 5];
    }
}

static void make_scheme(mico_scheme *scheme, const char *text, size_t n_layers)
{
    mico_err err;

    if (strcmp(text, "mixed") == 0)
        mixed_scheme(scheme, n_layers);
    else if (mico_scheme_parse(scheme, text, n_layers, &err) != MICO_OK)
        stop(text, &err);
}

static double run_seconds(const subject *s, const mico_scheme *scheme, size_t n)
{
    const mico_split split = {&s->data, 0, n};
    mico_result result = {0};
    mico_err err;
    const double start = mico_cpu_s();

    if (mico_eval_int(s->eval, scheme, &split, &result, &err) != MICO_OK)
        stop(s->name, &err);
    return mico_cpu_s() - start;
}

/* Images that take at least least_s, and the evaluator warm. */
static size_t enough_images(const subject *s, const mico_scheme *scheme, double least_s)
{
    size_t n = 128;

    while (run_seconds(s, scheme, n) < least_s && n < MOST_IMAGES)
        n = n * 2 < MOST_IMAGES ? n * 2 : MOST_IMAGES;
    return n;
}

static double median_seconds(const subject *s, const mico_scheme *scheme, size_t n,
                             size_t repeats)
{
    double seconds[BENCH_MAX_REPEATS];

    for (size_t r = 0; r < repeats; r++)
        seconds[r] = run_seconds(s, scheme, n);
    return bench_median(seconds, repeats);
}

static json_t *speed_row(const subject *s, const char *text, const options *o)
{
    const bench_probe probe = bench_probe_find(o->isa);
    mico_scheme scheme;
    double seconds, peak, rate, gops;
    size_t n;

    make_scheme(&scheme, text, s->net->n_layers);
    n = enough_images(s, &scheme, o->quick ? 0.1 : 0.5);
    peak = bench_peak(probe, 0.01);
    seconds = median_seconds(s, &scheme, n, o->quick ? 3 : 7);
    peak = (peak + bench_peak(probe, 0.01)) / 2;
    rate = (double)n / seconds;
    gops = 2e-9 * s->macs * rate;
    printf("%-22s %7.2f  %-6s %7zu %10.0f %9.3f %6.0f %5.0f\n", s->name, s->macs * 1e-6,
           text, n, rate, 10000 / rate, gops, peak > 0 ? 100 * gops / peak : 0);
    fflush(stdout);
    return json_pack("{s:s, s:f, s:s, s:i, s:f, s:f, s:f, s:f}", "net", s->name, "macs",
                     s->macs, "scheme", text, "images", (int)n, "images_per_s", rate,
                     "s_per_10k", 10000 / rate, "gops", gops, "peak", peak);
}

static void bench_speed(const subject *s, const options *o, json_t *rows)
{
    json_array_append_new(rows, speed_row(s, "w8a8", o));
    json_array_append_new(rows, speed_row(s, "mixed", o));
    json_array_append_new(rows, speed_row(s, "w1a1", o));
}

/* ---- growth -------------------------------------------------------------------- */

static void growth_row(json_t *rows, const char *what, const char *net, size_t images,
                       double macs, double seconds, double per)
{
    printf("%-10s %-10s %7zu %8.2f %9.4f  %5.2f\n", what, net, images, macs * 1e-6,
           seconds, per);
    fflush(stdout);
    json_array_append_new(rows,
                          json_pack("{s:s, s:s, s:i, s:f, s:f, s:f}", "with", what,
                                    "net", net, "images", (int)images, "macs", macs,
                                    "seconds", seconds, "relative", per));
}

/* Seconds with 1, 2 and 4 times the images, and with networks of 1, about 2 and about 4
 * times the multiply-accumulates (the same layers, more of them). The last column,
 * seconds per image and per multiply-accumulate relative to the first row, stays at 1
 * where growth is linear. */
static json_t *bench_growth(const options *o)
{
    static const struct builtin deeper[] = {{"resnet8", net_resnet8},
                                            {"resnet14", net_resnet14},
                                            {"resnet26", net_resnet26}};
    const size_t n = o->quick ? 500 : 2000, repeats = o->quick ? 3 : 7;
    json_t *rows = json_array();
    double first = 0;

    printf("\n%-10s %-10s %7s %8s %9s  %5s\n", "grows", "net", "images", "MMAC",
           "seconds", "per");
    for (size_t d = 0; d < 3; d++) {
        subject s = subject_new(deeper[d].name, deeper[d].build(), o);
        mico_scheme scheme;
        double seconds;

        make_scheme(&scheme, "mixed", s.net->n_layers);
        enough_images(&s, &scheme, 0.1);
        for (size_t times = 1; d == 0 && times <= 4; times *= 2) {
            seconds = median_seconds(&s, &scheme, n * times, repeats);
            first = times == 1 ? seconds : first;
            growth_row(rows, "images", s.name, n * times, s.macs, seconds,
                       seconds / first / (double)times);
        }
        seconds = median_seconds(&s, &scheme, n, repeats) / s.macs;
        first = d == 0 ? seconds : first;
        growth_row(rows, "macs", s.name, n, s.macs, seconds * s.macs, seconds / first);
        subject_free(&s);
    }
    return rows;
}

/* ---- bundles ------------------------------------------------------------------- */

#define LEAST_BITS 2
#define MOST_BITS  8
#define MOST       128 /* schemes of a bundle */

typedef struct bundle {
    const char *key, *text;
    size_t n;
    mico_scheme scheme[MOST];
} bundle;

static void random_scheme(mico_scheme *scheme, size_t n_layers, mico_rng *rng)
{
    scheme->n_layers = n_layers;
    for (size_t g = 0; g < 2 * n_layers; g++)
        scheme->bits[g] =
            (uint8_t)(LEAST_BITS + mico_rng_below(rng, MOST_BITS - LEAST_BITS + 1));
}

/* A parent and all that differ from it by one step of one width. */
static void make_neighbours(bundle *b, size_t n_layers, mico_rng *rng)
{
    b->key = "neighbours";
    b->text = "neighbours of one parent";
    random_scheme(&b->scheme[0], n_layers, rng);
    b->n = 1;
    for (size_t g = 0; g < 2 * n_layers; g++)
        for (int step = -1; step <= 1; step += 2) {
            const int bits = b->scheme[0].bits[g] + step;

            if (bits < LEAST_BITS || bits > MOST_BITS || b->n == MOST)
                continue;
            b->scheme[b->n] = b->scheme[0];
            b->scheme[b->n++].bits[g] = (uint8_t)bits;
        }
}

/* Children of ten parents: a cut point, one parent before it and another behind it,
 * then one width in twenty anew. */
static void make_children(bundle *b, size_t n_layers, mico_rng *rng)
{
    mico_scheme parent[10];

    b->key = "children";
    b->text = "children of 10 parents";
    b->n = 100;
    for (size_t p = 0; p < 10; p++)
        random_scheme(&parent[p], n_layers, rng);
    for (size_t k = 0; k < b->n; k++) {
        const mico_scheme *first = &parent[mico_rng_below(rng, 10)],
                          *second = &parent[mico_rng_below(rng, 10)];
        const size_t cut = mico_rng_below(rng, n_layers + 1);
        mico_scheme fresh;

        b->scheme[k] = *first;
        random_scheme(&fresh, n_layers, rng);
        for (size_t g = 0; g < 2 * n_layers; g++) {
            if (g % n_layers >= cut)
                b->scheme[k].bits[g] = second->bits[g];
            if (mico_rng_below(rng, 20) == 0)
                b->scheme[k].bits[g] = fresh.bits[g];
        }
    }
}

static void make_random(bundle *b, size_t n_layers, mico_rng *rng)
{
    b->key = "random";
    b->text = "random";
    b->n = 100;
    for (size_t k = 0; k < b->n; k++)
        random_scheme(&b->scheme[k], n_layers, rng);
}

/* CPU seconds of the bundle on n images; correct[k]: of scheme k, 0 where refused. */
static double bundle_seconds(const subject *s, const bundle *b, size_t n, bool reuse,
                             uint64_t *correct)
{
    const mico_split split = {&s->data, 0, n};
    const mico_eval_options use = {.reuse = reuse};
    const mico_scheme *scheme[MOST];
    mico_answer *answer = mico_xcalloc(b->n, sizeof *answer);
    mico_err err;
    double seconds;

    for (size_t k = 0; k < b->n; k++)
        scheme[k] = &b->scheme[k];
    mico_eval_set_options(s->eval, &use);
    seconds = mico_cpu_s();
    if (mico_eval_bundle(s->eval, scheme, answer, b->n, &split, n, &err) != MICO_OK)
        stop(s->name, &err);
    seconds = mico_cpu_s() - seconds;
    for (size_t k = 0; k < b->n; k++)
        correct[k] = answer[k].status == MICO_OK ? answer[k].result.correct : 0;
    free(answer);
    return seconds;
}

static json_t *bundle_row(const subject *s, const bundle *b, const options *o)
{
    const size_t n = o->quick ? 200 : 1000, repeats = o->quick ? 1 : 3;
    uint64_t apart[MOST], together[MOST];
    double off[BENCH_MAX_REPEATS], on[BENCH_MAX_REPEATS], off_s, on_s;
    bool same = true;

    bundle_seconds(s, b, 64, false, apart); /* packs the weights */
    bundle_seconds(s, b, 64, true, apart);
    for (size_t r = 0; r < repeats; r++) {
        off[r] = bundle_seconds(s, b, n, false, apart);
        on[r] = bundle_seconds(s, b, n, true, together);
        same = same && memcmp(apart, together, b->n * sizeof *apart) == 0;
    }
    off_s = bench_median(off, repeats) / (double)b->n * 1e4 / (double)n;
    on_s = bench_median(on, repeats) / (double)b->n * 1e4 / (double)n;
    printf("%-12s %-26s %5zu %7zu %9.3f %9.3f %7.2fx %s\n", s->name, b->text, b->n, n,
           off_s, on_s, off_s / on_s, same ? "same answers" : "ANSWERS DIFFER");
    fflush(stdout);
    return json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:b}", "net", s->name,
                     "bundle", b->key, "candidates", (int)b->n, "images", (int)n,
                     "s_apart", off_s, "s_together", on_s, "gain", off_s / on_s, "same",
                     same);
}

static json_t *bench_bundles(const options *o)
{
    subject s = subject_new("resnet8", net_resnet8(), o);
    mico_rng *rng = mico_rng_new(1, "bundles", 0);
    bundle *b = mico_xcalloc(1, sizeof *b);
    json_t *rows = json_array();

    printf("\nseconds a candidate and 10,000 images, widths %d-%d\n", LEAST_BITS,
           MOST_BITS);
    printf("%-12s %-26s %5s %7s %9s %9s %8s\n", "net", "bundle", "n", "images", "apart",
           "together", "gain");
    make_neighbours(b, s.net->n_layers, rng);
    json_array_append_new(rows, bundle_row(&s, b, o));
    make_children(b, s.net->n_layers, rng);
    json_array_append_new(rows, bundle_row(&s, b, o));
    make_random(b, s.net->n_layers, rng);
    json_array_append_new(rows, bundle_row(&s, b, o));
    mico_rng_free(rng);
    free(b);
    subject_free(&s);
    return rows;
}

/* ---- main ---------------------------------------------------------------------- */

static options read_options(int argc, char **argv)
{
    static const struct option names[] = {{"only", required_argument, NULL, 'o'},
                                          {"isa", required_argument, NULL, 'i'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"quick", no_argument, NULL, 'q'},
                                          {NULL, 0, NULL, 0}};
    options o = {0};
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'o')
            o.only = optarg;
        else if (c == 'i')
            o.isa = optarg;
        else if (c == 'j')
            o.json = optarg;
        else if (c == 'q')
            o.quick = true;
        else {
            fputs("usage: bench_nets [--quick] [--only NAME] [--isa ISA] [--json FILE] "
                  "[NET ...]\n",
                  stderr);
            exit(2);
        }
    }
    if (o.isa != NULL && !mico_isa_here(o.isa)) {
        fprintf(stderr, "bench_nets: this CPU does not run %s\n", o.isa);
        exit(2);
    }
    o.n_files = (size_t)(argc - optind);
    o.file = argv + optind;
    return o;
}

static bool wanted(const options *o, const char *name)
{
    return o->only == NULL || strcmp(o->only, name) == 0;
}

static json_t *bench_all_speeds(const options *o)
{
    json_t *rows = json_array();

    printf("\n%-22s %7s  %-6s %7s %10s %9s %6s %5s\n", "net", "MMAC", "scheme",
           "images", "images/s", "s/10,000", "GOPS", "%peak");
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (wanted(o, builtins[i].name)) {
            subject s = subject_new(builtins[i].name, builtins[i].build(), o);

            bench_speed(&s, o, rows);
            subject_free(&s);
        }
    for (size_t i = 0; i < o->n_files; i++) {
        mico_net *net;
        mico_err err;
        subject s;

        if (mico_net_load(&net, o->file[i], &err) != MICO_OK)
            stop(o->file[i], &err);
        s = subject_new(net->name, net, o);
        bench_speed(&s, o, rows);
        subject_free(&s);
    }
    return rows;
}

int main(int argc, char **argv)
{
    const options o = read_options(argc, argv);
    json_t *root;

    bench_environment(argv);
    root = bench_head("bench_nets");
    json_object_set_new(root, "isa", json_string(o.isa ? o.isa : "best"));
    json_object_set_new(root, "nets", bench_all_speeds(&o));
    if (wanted(&o, "growth"))
        json_object_set_new(root, "growth", bench_growth(&o));
    if (wanted(&o, "bundles"))
        json_object_set_new(root, "bundles", bench_bundles(&o));
    return bench_write(root, o.json);
}
