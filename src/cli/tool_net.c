/* mico info, mico import, mico cost: questions about a network. */
#include "cli/common.h"
#include "cli/tool.h"
#include "cli/tool_options.h"

#include "core/mem.h"
#include "eval/eval.h"
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int finish(const mico_options_line *o, const char *program, mico_status rc,
                  const mico_err *err)
{
    free(o->operand);
    return mico_exit_with(program, rc, err);
}

/* ---- info
 * ---------------------------------------------------------------------------- */

static size_t layer_index(const mico_net *net, size_t node)
{
    for (size_t l = 0; l < net->n_layers; l++)
        if (net->layer[l] == node)
            return l;
    return SIZE_MAX;
}

static json_t *shape_json(const mico_shape *shape)
{
    json_t *a = json_array();

    for (size_t i = 0; i < shape->rank; i++)
        json_array_append_new(a, json_integer((json_int_t)shape->dim[i]));
    return a;
}

static double total_macs(const mico_net *net)
{
    double total = 0;

    for (size_t l = 0; l < net->n_layers; l++)
        total += mico_layer_macs(net, l);
    return total;
}

static void info_json(const mico_net *net)
{
    json_t *root = json_object(), *nodes = json_array();

    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];
        size_t l = layer_index(net, i);
        json_t *row =
            json_pack("{s:s, s:s}", "name", node->name, "kind", mico_node_text(node));

        json_object_set_new(row, "in", shape_json(&net->tensor[node->in[0]].shape));
        json_object_set_new(row, "out", shape_json(&net->tensor[node->out].shape));
        if (l != SIZE_MAX) {
            size_t params =
                mico_layer_weights(net, l) + (node->bias != NULL ? node->c_out : 0);

            json_object_set_new(row, "layer", json_integer((json_int_t)l));
            json_object_set_new(row, "macs",
                                json_integer((json_int_t)mico_layer_macs(net, l)));
            json_object_set_new(row, "params", json_integer((json_int_t)params));
        }
        json_array_append_new(nodes, row);
    }
    json_object_set_new(root, "name", json_string(net->name));
    json_object_set_new(root, "input", shape_json(&net->tensor[net->input].shape));
    json_object_set_new(root, "output", shape_json(&net->tensor[net->output].shape));
    json_object_set_new(root, "quantizable_layers",
                        json_integer((json_int_t)net->n_layers));
    json_object_set_new(root, "macs", json_integer((json_int_t)total_macs(net)));
    json_object_set_new(root, "params", json_integer((json_int_t)mico_net_params(net)));
    json_object_set_new(root, "layers", nodes);
    mico_json_print(root);
}

static void info_text(const mico_net *net)
{
    char in[48], out[48];

    printf("%-5s %-24s %-9s %-12s %-12s %12s %9s\n", "layer", "name", "kind", "in",
           "out", "macs", "params");
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];
        size_t l = layer_index(net, i);

        mico_shape_print(&net->tensor[node->in[0]].shape, in);
        mico_shape_print(&net->tensor[node->out].shape, out);
        if (l == SIZE_MAX)
            printf("%-5s %-24s %-9s %-12s %-12s\n", "", node->name,
                   mico_node_text(node), in, out);
        else
            printf("%-5zu %-24s %-9s %-12s %-12s %12.0f %9zu\n", l, node->name,
                   mico_node_text(node), in, out, mico_layer_macs(net, l),
                   mico_layer_weights(net, l) + (node->bias != NULL ? node->c_out : 0));
    }
    printf("%s: %zu quantizable layers, %.0f MACs, %zu parameters\n", net->name,
           net->n_layers, total_macs(net), mico_net_params(net));
}

static mico_status info_plan(const mico_net *net, const mico_options_line *o,
                             mico_err *err)
{
    mico_subject subject = {0};
    mico_lowering *low = NULL;
    mico_plan *plan = NULL;
    mico_scheme scheme;
    mico_str text = {0};
    mico_status rc = mico_scheme_parse(&scheme, o->scheme, net->n_layers, err);

    if (rc != MICO_OK)
        return rc;
    rc = mico_subject_open(&subject, net, o, true, err);
    if (rc != MICO_OK)
        return rc;
    low = mico_lowering_new(net, subject.calib, &subject.quant);
    rc = mico_lower(&plan, low, &scheme, err);
    if (rc == MICO_OK) {
        mico_plan_print(plan, &text);
        fputs(text.text, stdout);
    }
    mico_str_free(&text);
    mico_plan_free(plan);
    mico_lowering_free(low);
    mico_subject_close(&subject);
    return rc;
}

int mico_tool_info(int argc, char **argv)
{
    mico_options_line o;
    mico_net *net = NULL;
    mico_err err;
    mico_status rc;

    mico_options_read(
        &o, argc, argv,
        "scheme,data,mul,add,transform,calibration,granularity,weight-scale,"
        "act-range,act-codes,profile,json",
        "info NET [--scheme S --data DATA] [--json]");
    if (o.done) {
        free(o.operand);
        return o.exit_code;
    }
    if (o.n_operands != 1) {
        rc = mico_fail(&err, MICO_EUSAGE,
                       "one network is needed; try 'mico info --help'");
        return finish(&o, "mico info", rc, &err);
    }
    if (o.scheme != NULL && o.data == NULL) {
        rc = mico_fail(&err, MICO_EUSAGE,
                       "an integer plan needs activation ranges: add --data DATA");
        return finish(&o, "mico info", rc, &err);
    }
    rc = mico_options_net(&net, &o, &err);
    if (rc == MICO_OK && o.scheme != NULL)
        rc = info_plan(net, &o, &err);
    else if (rc == MICO_OK && o.json)
        info_json(net);
    else if (rc == MICO_OK)
        info_text(net);
    mico_net_free(net);
    return finish(&o, "mico info", rc, &err);
}

/* ---- import
 * -------------------------------------------------------------------------- */

static mico_status import_net(const mico_options_line *o, mico_err *err)
{
    mico_net *net = NULL;
    mico_status rc = mico_options_net(&net, o, err);

    if (rc == MICO_OK)
        rc = mico_net_save(net, o->output, err);
    if (rc == MICO_OK)
        fprintf(stderr, "%s: %zu nodes, %zu quantizable layers, %zu parameters\n",
                o->output, net->n_nodes, net->n_layers, mico_net_params(net));
    mico_net_free(net);
    return rc;
}

static mico_status import_data(const mico_options_line *o, mico_err *err)
{
    mico_dataset *data = NULL;
    mico_status rc = mico_dataset_load(&data, o->data, o->transform, err);

    if (rc == MICO_OK)
        rc = mico_dataset_save(data, o->output, err);
    if (rc == MICO_OK)
        fprintf(stderr, "%s: %zu training and %zu test images\n", o->output,
                data->train.n, data->test.n);
    mico_dataset_free(data);
    return rc;
}

int mico_tool_import(int argc, char **argv)
{
    mico_options_line o;
    mico_err err;
    mico_status rc;

    mico_options_read(&o, argc, argv, "output,mul,add,data,transform",
                      "import MODEL.onnx -o NET.h5, or import --data DATA -o SET.h5");
    if (o.done) {
        free(o.operand);
        return o.exit_code;
    }
    if (o.output == NULL || (o.n_operands == 1) == (o.data != NULL) || o.n_operands > 1)
        rc = mico_fail(&err, MICO_EUSAGE,
                       "needs -o FILE.h5 and either MODEL.onnx or --data");
    else
        rc = o.data != NULL ? import_data(&o, &err) : import_net(&o, &err);
    return finish(&o, "mico import", rc, &err);
}

/* ---- cost
 * ---------------------------------------------------------------------------- */

static void cost_json(const mico_net *net, const mico_target *target,
                      const mico_scheme *scheme, double total)
{
    json_t *rows = json_array();

    for (size_t l = 0; l < net->n_layers; l++)
        json_array_append_new(
            rows,
            json_pack("{s:s, s:f}", "name", mico_layer_node(net, l)->name, "value",
                      target->layer(net, l, scheme->bits[l],
                                    scheme->bits[net->n_layers + l])));
    mico_json_print(json_pack("{s:s, s:s, s:f, s:o}", "target", target->name, "unit",
                              target->unit, "value", total, "layers", rows));
}

static void cost_text(const mico_net *net, const mico_target *target,
                      const mico_scheme *scheme, double total)
{
    for (size_t l = 0; l < net->n_layers; l++) {
        uint8_t w = scheme->bits[l], a = scheme->bits[net->n_layers + l];
        double value = target->layer(net, l, w, a);

        printf("%-24s w%s a%s %16.10g %5.1f %%\n", mico_layer_node(net, l)->name,
               mico_width_text(w), mico_width_text(a), value,
               total > 0 ? 100 * value / total : 0);
    }
    printf("%-24s       %16.10g %s\n", target->name, total, target->unit);
}

int mico_tool_cost(int argc, char **argv)
{
    mico_options_line o;
    const mico_target *target = NULL;
    mico_net *net = NULL;
    mico_scheme scheme;
    mico_err err;
    mico_status rc;

    mico_options_read(&o, argc, argv, "scheme,target,json",
                      "cost NET --scheme S --target T [--json]");
    if (o.done) {
        free(o.operand);
        return o.exit_code;
    }
    if (o.n_operands != 1 || o.scheme == NULL || o.target == NULL)
        rc = mico_fail(&err, MICO_EUSAGE, "needs NET, --scheme and --target");
    else if ((target = mico_target_find(o.target, &err)) == NULL)
        rc = err.status;
    else
        rc = mico_options_net(&net, &o, &err);
    if (rc == MICO_OK)
        rc = mico_scheme_parse(&scheme, o.scheme, net->n_layers, &err);
    if (rc == MICO_OK) {
        mico_metric metric;
        double total;

        mico_target_metric(target, net, &metric);
        total = mico_metric_cost(&metric, &scheme);
        free(metric.table);
        (o.json ? cost_json : cost_text)(net, target, &scheme, total);
    }
    mico_net_free(net);
    return finish(&o, "mico cost", rc, &err);
}
