/* bench_peers.c: our kernels beside oneDNN, XNNPACK and OpenBLAS, layer by layer.
 *
 *     bench_peers [--shapes FILE] [--only PREFIX] [--batch N] [--isa ISA]
 *                 [--width W/A] [--alone] [--quick] [--json FILE]
 *
 * Judges nothing: a table for people, at the end how it stands to the goals, and JSON.
 * docs/BENCHMARKS.md explains the columns. */
#include "bench/machine.h"
#include "bench/measure.h"
#include "bench/peers.h"

#include <getopt.h>
#include <math.h>

static const bench_peer *const peers[] = {&bench_onednn_u8s8, &bench_onednn_s8s8,
                                          &bench_xnnpack, &bench_sgemm};
#define N_PEERS (sizeof peers / sizeof *peers)

typedef struct options {
    const char *shapes, *only, *isa, *json;
    size_t batch; /* 0: 1, then 64 */
    unsigned weight_bits, act_bits;
    bool quick, alone; /* alone: without peers */
} options;

typedef struct row {
    const bench_shape *shape;
    size_t batch;
    char kernel[64], plain_kernel[64];
    double ours, plain, peak, peer[N_PEERS]; /* GOPS; 0: not measured */
    char how[N_PEERS][48];
} row;

typedef struct bench {
    options o;
    bench_effort effort;
    bench_probe probe;
    size_t n_shapes, n_rows;
    bench_shape *shape;
    row *row;
} bench;

/* ---- measuring ----------------------------------------------------------------- */

static double gops(const bench_shape *s, size_t batch, double seconds)
{
    return 2e-9 * bench_macs(s) * (double)batch / seconds;
}

/* The goals are those of 8 bit. */
static bool is_eight(const bench *b)
{
    return b->o.weight_bits == 8 && b->o.act_bits == 8;
}

/* A probe of a few milliseconds, often: neighbours come and go. */
static double probe_peak(const bench *b)
{
    return bench_peak(b->probe, b->effort.least_s / 2);
}

static double measure_ours(const bench *b, const bench_shape *s, size_t batch,
                           unsigned weight_bits, unsigned act_bits, char kernel[64])
{
    void *ctx = bench_ours_open(s, batch, weight_bits, act_bits, b->o.isa);
    const double seconds = bench_seconds(bench_ours_run, ctx, b->effort);

    snprintf(kernel, 64, "%s", bench_ours_kernel(ctx));
    bench_ours_close(ctx);
    return gops(s, batch, seconds);
}

static double measure_peer(const bench *b, const bench_peer *peer, const bench_shape *s,
                           size_t batch, char how[48])
{
    void *ctx = peer->open != NULL && !b->o.alone ? peer->open(s, batch) : NULL;
    double seconds;

    if (ctx == NULL)
        return 0;
    seconds = bench_seconds(peer->run, ctx, b->effort);
    if (peer->how != NULL)
        snprintf(how, 48, "%s", peer->how(ctx));
    peer->close(ctx);
    return gops(s, batch, seconds);
}

static row measure(const bench *b, const bench_shape *s, size_t batch)
{
    row r = {.shape = s, .batch = batch};
    double peak[N_PEERS + 2];

    peak[0] = probe_peak(b);
    r.ours = measure_ours(b, s, batch, b->o.weight_bits, b->o.act_bits, r.kernel);
    peak[1] = probe_peak(b);
    if (!is_eight(b))
        r.plain = measure_ours(b, s, batch, 8, 8, r.plain_kernel);
    for (size_t p = 0; p < N_PEERS; p++) {
        r.peer[p] = measure_peer(b, peers[p], s, batch, r.how[p]);
        peak[p + 2] = probe_peak(b);
    }
    r.peak = bench_median(peak, N_PEERS + 2);
    return r;
}

/* ---- the table ----------------------------------------------------------------- */

static void print_number(int width, double value)
{
    if (value > 0)
        printf(" %*.*f", width, value < 10 ? 1 : 0, value);
    else
        printf(" %*s", width, "n/a");
}

static double ratio(const row *r)
{
    return r->peer[0] > 0 ? r->ours / r->peer[0] : 0;
}

static void print_head(const bench *b)
{
    printf("\nGOPS (two operations a multiply-accumulate), w%ua%u of ours, 8 bit of "
           "peers\n%-10s %5s %6s",
           b->o.weight_bits, b->o.act_bits, "shape", "batch", "ours");
    if (!is_eight(b))
        printf(" %6s %6s", "w8a8", "gain");
    printf(" %6s %6s", "peak", "%peak");
    for (size_t p = 0; p < N_PEERS; p++)
        printf(" %9s", peers[p]->title);
    printf(" %9s  %s\n", "vs oneDNN", "kernel");
}

static void print_row(const bench *b, const row *r)
{
    printf("%-10s %5zu", r->shape->name, r->batch);
    print_number(6, r->ours);
    if (!is_eight(b)) {
        print_number(6, r->plain);
        printf(" %5.2fx", r->ours / r->plain);
    }
    print_number(6, r->peak);
    print_number(6, r->peak > 0 ? 100 * r->ours / r->peak : 0);
    for (size_t p = 0; p < N_PEERS; p++)
        print_number(9, r->peer[p]);
    if (ratio(r) > 0)
        printf(" %8.2fx  %s\n", ratio(r), r->kernel);
    else
        printf(" %9s  %s\n", "n/a", r->kernel);
    fflush(stdout);
}

/* ---- the goals ----------------------------------------------------------------- */

/* One image of a fully connected layer reads its weights once: memory's speed. */
static bool is_big(const row *r)
{
    return r->shape->groups == 1 && r->shape->taps >= 288 && r->shape->c_out >= 32 &&
           (r->batch > 1 || strcmp(r->shape->kind, "fc") != 0);
}

static bool is_144(const row *r)
{
    return r->shape->groups == 1 && r->shape->taps == 144 && r->shape->kh > 1;
}

static bool is_first(const row *r)
{
    return strcmp(r->shape->kind, "conv") == 0 && r->shape->c_in <= 3;
}

static bool is_depthwise(const row *r)
{
    return strcmp(r->shape->kind, "dw") == 0;
}

static bool is_fc(const row *r)
{
    return strcmp(r->shape->kind, "fc") == 0;
}

static const struct goal {
    const char *key, *text;
    bool (*of)(const row *r);
    bool percent; /* of the peak, else times oneDNN */
    double least;
} goals[] = {
    {"big", "K >= 288, N >= 32: % of peak", is_big, true, 85},
    {"k144", "3x3 of 16 channels: % of peak", is_144, true, 80},
    {"first", "first layers: times oneDNN u8", is_first, false, 2},
    {"depthwise", "depthwise: times oneDNN u8", is_depthwise, false, 2},
    {"fc", "fully connected: times oneDNN u8", is_fc, false, 1},
};

static double goal_value(const struct goal *g, const row *r)
{
    if (g->percent)
        return r->peak > 0 ? 100 * r->ours / r->peak : 0;
    return ratio(r);
}

/* One line of the summary: how many of the class reach the goal, the worst of it. */
static json_t *judge_goal(const bench *b, const struct goal *g, size_t batch)
{
    size_t n = 0, met = 0;
    double worst = INFINITY;
    const char *where = "";

    for (size_t i = 0; i < b->n_rows; i++) {
        const row *r = &b->row[i];
        const double value = r->batch == batch && g->of(r) ? goal_value(g, r) : 0;

        if (value <= 0)
            continue;
        n++;
        met += value >= g->least;
        if (value < worst) {
            worst = value;
            where = r->shape->name;
        }
    }
    if (n == 0)
        return NULL;
    printf("  %-34s goal %5.1f  reached by %zu of %zu, worst %.2f (%s)\n", g->text,
           g->least, met, n, worst, where);
    return json_pack("{s:s, s:f, s:i, s:i, s:f, s:s}", "goal", g->key, "least",
                     g->least, "shapes", (int)n, "reached", (int)met, "worst", worst,
                     "worst_shape", where);
}

/* Geometric mean of ours over peer p. */
static double mean_ratio(const bench *b, size_t batch, size_t p, size_t *below)
{
    double sum = 0;
    size_t n = 0;

    *below = 0;
    for (size_t i = 0; i < b->n_rows; i++) {
        const row *r = &b->row[i];

        if (r->batch != batch || r->peer[p] <= 0)
            continue;
        sum += log(r->ours / r->peer[p]);
        *below += r->ours < r->peer[p];
        n++;
    }
    return n > 0 ? exp(sum / (double)n) : 0;
}

static json_t *summarise(const bench *b, size_t batch)
{
    json_t *out = json_pack("{s:i}", "batch", (int)batch), *all = json_array();

    printf("\nbatch %zu\n", batch);
    for (size_t p = 0; p < N_PEERS; p++) {
        size_t below;
        const double mean = mean_ratio(b, batch, p, &below);
        char key[64];

        if (mean <= 0)
            continue;
        printf("  ours / %-10s geometric mean %6.2fx, %zu shapes below 1.0x%s\n",
               peers[p]->title, mean, below, p == 0 ? " (goal 1.5x)" : "");
        snprintf(key, sizeof key, "geomean_%s", peers[p]->key);
        json_object_set_new(out, key, json_real(mean));
        snprintf(key, sizeof key, "below_%s", peers[p]->key);
        json_object_set_new(out, key, json_integer((json_int_t)below));
    }
    for (size_t g = 0; g < sizeof goals / sizeof *goals && is_eight(b); g++) {
        json_t *one = judge_goal(b, &goals[g], batch);

        if (one != NULL)
            json_array_append_new(all, one);
    }
    json_object_set_new(out, "goals", all);
    return out;
}

/* ---- JSON ---------------------------------------------------------------------- */

static json_t *row_json(const row *r)
{
    json_t *out =
        json_pack("{s:s, s:s, s:i, s:s, s:f, s:f, s:f}", "shape", r->shape->name,
                  "kind", r->shape->kind, "batch", (int)r->batch, "kernel", r->kernel,
                  "macs", bench_macs(r->shape), "ours", r->ours, "peak", r->peak);

    if (r->plain > 0) {
        json_object_set_new(out, "plain", json_real(r->plain));
        json_object_set_new(out, "plain_kernel", json_string(r->plain_kernel));
    }
    for (size_t p = 0; p < N_PEERS; p++) {
        char key[64];

        if (r->peer[p] > 0)
            json_object_set_new(out, peers[p]->key, json_real(r->peer[p]));
        snprintf(key, sizeof key, "%s_how", peers[p]->key);
        if (r->how[p][0] != '\0')
            json_object_set_new(out, key, json_string(r->how[p]));
    }
    return out;
}

static json_t *peers_json(void)
{
    json_t *out = json_object();

    for (size_t p = 0; p < N_PEERS; p++) {
        char version[256] = "not built in";

        if (peers[p]->version != NULL)
            peers[p]->version(version, sizeof version);
        printf("  %-10s %s\n", peers[p]->title, version);
        json_object_set_new(out, peers[p]->key, json_string(version));
    }
    return out;
}

/* ---- main ---------------------------------------------------------------------- */

static void usage(void)
{
    fputs("usage: bench_peers [--shapes FILE] [--only PREFIX] [--batch N] [--isa ISA]\n"
          "                   [--width W/A] [--alone] [--quick] [--json FILE]\n",
          stderr);
    exit(2);
}

static options read_options(int argc, char **argv)
{
    static const struct option names[] = {{"shapes", required_argument, NULL, 's'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"batch", required_argument, NULL, 'b'},
                                          {"isa", required_argument, NULL, 'i'},
                                          {"width", required_argument, NULL, 'w'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"quick", no_argument, NULL, 'q'},
                                          {"alone", no_argument, NULL, 'a'},
                                          {NULL, 0, NULL, 0}};
    options o = {.shapes = BENCH_SHAPES, .only = "", .weight_bits = 8, .act_bits = 8};
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 's')
            o.shapes = optarg;
        else if (c == 'o')
            o.only = optarg;
        else if (c == 'b')
            o.batch = strtoul(optarg, NULL, 10);
        else if (c == 'i')
            o.isa = optarg;
        else if (c == 'j')
            o.json = optarg;
        else if (c == 'q')
            o.quick = true;
        else if (c == 'a')
            o.alone = true;
        else if (c != 'w' || sscanf(optarg, "%u/%u", &o.weight_bits, &o.act_bits) != 2)
            usage();
    }
    if (optind != argc || o.weight_bits - 1 > 7 || o.act_bits - 1 > 7 || o.batch > 4096)
        usage();
    if (o.isa != NULL && !mico_isa_here(o.isa)) {
        fprintf(stderr, "bench_peers: this CPU does not run %s\n", o.isa);
        exit(2);
    }
    return o;
}

int main(int argc, char **argv)
{
    bench b = {.o = read_options(argc, argv)};
    const size_t batches[] = {b.o.batch > 0 ? b.o.batch : 1, 64};
    const size_t n_batches = b.o.batch > 0 ? 1 : 2;
    json_t *root, *rows = json_array(), *means = json_array();

    bench_environment(argv);
    b.effort = b.o.quick ? (bench_effort){3, 0.003} : (bench_effort){9, 0.010};
    b.probe = bench_probe_find(b.o.isa);
    b.n_shapes = bench_shapes_read(b.o.shapes, &b.shape);
    b.row = mico_xcalloc(n_batches * b.n_shapes + 1, sizeof *b.row);
    root = bench_head("bench_peers");
    json_object_set_new(root, "peers", peers_json());
    printf("  peak       %s on registers, beside each measurement\n", b.probe.what);
    json_object_set_new(root, "peak_of", json_string(b.probe.what));
    json_object_set_new(root, "isa", json_string(b.o.isa ? b.o.isa : "best"));
    json_object_set_new(root, "width",
                        json_pack("[i,i]", b.o.weight_bits, b.o.act_bits));
    json_object_set_new(root, "repeats", json_integer((json_int_t)b.effort.repeats));
    print_head(&b);
    for (size_t n = 0; n < n_batches; n++)
        for (size_t i = 0; i < b.n_shapes; i++) {
            const bench_shape *s = &b.shape[i];

            if (strncmp(s->name, b.o.only, strlen(b.o.only)) != 0)
                continue;
            b.row[b.n_rows] = measure(&b, s, batches[n]);
            print_row(&b, &b.row[b.n_rows]);
            json_array_append_new(rows, row_json(&b.row[b.n_rows++]));
        }
    for (size_t n = 0; n < n_batches; n++)
        json_array_append_new(means, summarise(&b, batches[n]));
    json_object_set_new(root, "rows", rows);
    json_object_set_new(root, "summary", means);
    free(b.row);
    free(b.shape);
    return bench_write(root, b.o.json);
}
