/* Finishing a network: structure checks, execution order, shapes, layers. */
#include "net/net_internal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Marks what root depends on. */
static void mark_needed(const size_t *first, const size_t *dep, size_t root,
                        bool *needed, size_t *stack)
{
    size_t top = 0;

    stack[top++] = root;
    needed[root] = true;
    while (top > 0) {
        size_t i = stack[--top];

        for (size_t d = first[i]; d < first[i + 1]; d++) {
            if (dep[d] == MICO_NO_TENSOR || needed[dep[d]])
                continue;
            needed[dep[d]] = true;
            stack[top++] = dep[d];
        }
    }
}

/* Depth first from each needed node in the given order; a node is written when all it
 * depends on is. next[i] is the dependency of i to look at; an open node met again
 * closes a cycle. */
size_t mico_net_order(size_t n, const size_t *first, const size_t *dep, size_t root,
                      size_t *order, size_t *cycle)
{
    enum { NEW, OPEN, DONE };
    bool *needed = mico_xcalloc(n, sizeof *needed);
    unsigned char *state = mico_xcalloc(n, sizeof *state);
    size_t *stack = mico_xcalloc(n, sizeof *stack);
    size_t *next = mico_xcalloc(n, sizeof *next);
    size_t n_order = 0, top = 0;

    mark_needed(first, dep, root, needed, stack);
    memcpy(next, first, n * sizeof *next);
    for (size_t i = 0; i < n; i++) {
        if (!needed[i] || state[i] != NEW)
            continue;
        stack[top++] = i;
        state[i] = OPEN;
        while (top > 0) {
            size_t v = stack[top - 1];

            if (next[v] == first[v + 1]) {
                state[v] = DONE;
                order[n_order++] = v;
                top--;
                continue;
            }
            v = dep[next[v]++];
            if (v == MICO_NO_TENSOR || state[v] == DONE)
                continue;
            if (state[v] == OPEN) {
                *cycle = v;
                n_order = 0;
                goto out;
            }
            state[v] = OPEN;
            stack[top++] = v;
        }
    }
out:
    free(needed);
    free(state);
    free(stack);
    free(next);
    return n_order;
}

static mico_status check_ends(const mico_net *net, mico_err *err)
{
    if (net->input >= net->n_tensors || net->output >= net->n_tensors)
        return mico_fail(err, MICO_ENET, "network '%s': has no %s", net->name,
                         net->input >= net->n_tensors ? "input" : "output");
    if (net->n_nodes == 0 || net->input == net->output)
        return mico_fail(err, MICO_ENET,
                         "network '%s': has no nodes between its input "
                         "and its output",
                         net->name);
    if (net->n_nodes > NET_MAX_NODES || net->n_tensors > 2 * NET_MAX_NODES)
        return mico_fail(err, MICO_ELIMIT, "network '%s': has more than %zu nodes",
                         net->name, NET_MAX_NODES);
    return mico_net_check_shape(&net->tensor[net->input].shape, "network input", err);
}

/* producer[t] is the node that makes tensor t. */
static mico_status find_producers(const mico_net *net, size_t *producer, mico_err *err)
{
    for (size_t t = 0; t < net->n_tensors; t++)
        producer[t] = MICO_NO_TENSOR;
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *n = &net->node[i];

        if (n->n_in == 0 || n->n_in > MICO_MAX_INPUTS)
            return mico_fail(err, MICO_ENET,
                             "%s '%s': has %zu inputs; 1 to %d are possible",
                             mico_node_text(n), n->name, n->n_in, MICO_MAX_INPUTS);
        for (size_t k = 0; k <= n->n_in; k++)
            if ((k < n->n_in ? n->in[k] : n->out) >= net->n_tensors)
                return mico_fail(err, MICO_ENET,
                                 "%s '%s': names a tensor that is not there",
                                 mico_node_text(n), n->name);
        if (n->out == net->input)
            return mico_fail(err, MICO_ENET, "%s '%s': writes to the network's input",
                             mico_node_text(n), n->name);
        if (producer[n->out] != MICO_NO_TENSOR)
            return mico_fail(
                err, MICO_ENET, "tensor '%s': is made by both '%s' and '%s'",
                net->tensor[n->out].name, net->node[producer[n->out]].name, n->name);
        producer[n->out] = i;
    }
    if (producer[net->output] == MICO_NO_TENSOR)
        return mico_fail(err, MICO_ENET, "network '%s': nothing makes its output '%s'",
                         net->name, net->tensor[net->output].name);
    return MICO_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const mico_node *const *)a)->name,
                  (*(const mico_node *const *)b)->name);
}

static mico_status check_names(const mico_net *net, mico_err *err)
{
    const mico_node **sorted = mico_xcalloc(net->n_nodes, sizeof *sorted);
    mico_status rc = MICO_OK;

    for (size_t i = 0; i < net->n_nodes; i++)
        sorted[i] = &net->node[i];
    qsort(sorted, net->n_nodes, sizeof *sorted, by_name);
    for (size_t i = 1; i < net->n_nodes && rc == MICO_OK; i++)
        if (by_name(&sorted[i - 1], &sorted[i]) == 0)
            rc = mico_fail(err, MICO_ENET, "node '%s': its name is used twice",
                           sorted[i]->name);
    free(sorted);
    return rc;
}

/* Puts the living nodes into execution order and drops the others. */
static mico_status sort_nodes(mico_net *net, const size_t *producer, mico_err *err)
{
    size_t *first = mico_xcalloc(net->n_nodes + 1, sizeof *first);
    size_t *dep = mico_xcalloc(net->n_nodes * MICO_MAX_INPUTS, sizeof *dep);
    size_t *order = mico_xcalloc(net->n_nodes, sizeof *order);
    size_t n_order, cycle = 0;
    mico_node *sorted;
    mico_status rc = MICO_OK;

    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *n = &net->node[i];

        first[i + 1] = first[i];
        for (size_t k = 0; k < n->n_in; k++)
            dep[first[i + 1]++] = producer[n->in[k]];
    }
    n_order =
        mico_net_order(net->n_nodes, first, dep, producer[net->output], order, &cycle);
    if (n_order == 0) {
        rc = mico_fail(err, MICO_ENET, "%s '%s': is part of a cycle",
                       mico_node_text(&net->node[cycle]), net->node[cycle].name);
        goto out;
    }
    sorted = mico_xcalloc(n_order, sizeof *sorted);
    for (size_t i = 0; i < n_order; i++)
        sorted[i] = net->node[order[i]];
    free(net->node);
    net->node = sorted;
    net->n_nodes = net->node_capacity = n_order;
    for (size_t i = 0; i < n_order && rc == MICO_OK; i++)
        for (size_t k = 0; k < sorted[i].n_in && rc == MICO_OK; k++) {
            size_t t = sorted[i].in[k];

            if (t != net->input && producer[t] == MICO_NO_TENSOR)
                rc = mico_fail(err, MICO_ENET, "%s '%s': nothing makes its input '%s'",
                               mico_node_text(&sorted[i]), sorted[i].name,
                               net->tensor[t].name);
        }
out:
    free(first);
    free(dep);
    free(order);
    return rc;
}

/* Drops the tensors that no living node touches. */
static void drop_tensors(mico_net *net)
{
    size_t *moved = mico_xcalloc(net->n_tensors, sizeof *moved);
    size_t kept = 0;

    moved[net->input] = 1;
    for (size_t i = 0; i < net->n_nodes; i++)
        moved[net->node[i].out] = 1;
    for (size_t t = 0; t < net->n_tensors; t++) {
        if (moved[t] == 0)
            continue;
        net->tensor[kept] = net->tensor[t];
        moved[t] = kept++;
    }
    net->n_tensors = kept;
    net->input = moved[net->input];
    net->output = moved[net->output];
    for (size_t i = 0; i < net->n_nodes; i++) {
        for (size_t k = 0; k < net->node[i].n_in; k++)
            net->node[i].in[k] = moved[net->node[i].in[k]];
        net->node[i].out = moved[net->node[i].out];
    }
    free(moved);
}

static mico_status list_layers(mico_net *net, mico_err *err)
{
    free(net->layer);
    net->layer = mico_xcalloc(net->n_nodes, sizeof *net->layer);
    net->n_layers = 0;
    for (size_t i = 0; i < net->n_nodes; i++)
        if (net->node[i].kind == MICO_NODE_CONV ||
            net->node[i].kind == MICO_NODE_LINEAR)
            net->layer[net->n_layers++] = i;
    if (net->n_layers > NET_MAX_LAYERS)
        return mico_fail(
            err, MICO_ELIMIT,
            "network '%s': has %zu quantizable layers; at most %zu are possible",
            net->name, net->n_layers, NET_MAX_LAYERS);
    return MICO_OK;
}

mico_status mico_net_finish(mico_net *net, mico_err *err)
{
    size_t *producer = mico_xcalloc(net->n_tensors, sizeof *producer);
    mico_status rc;

    if ((rc = check_ends(net, err)) != MICO_OK ||
        (rc = find_producers(net, producer, err)) != MICO_OK ||
        (rc = check_names(net, err)) != MICO_OK ||
        (rc = sort_nodes(net, producer, err)) != MICO_OK)
        goto out;
    drop_tensors(net);
    for (size_t i = 0; i < net->n_nodes; i++)
        if ((rc = mico_net_infer_node(net, &net->node[i], err)) != MICO_OK)
            goto out;
    if (net->n_preprocess > 1 &&
        net->n_preprocess != net->tensor[net->input].shape.dim[0]) {
        rc = mico_fail(err, MICO_ENET,
                       "network '%s': preprocesses %zu channels, its input "
                       "has %zu",
                       net->name, net->n_preprocess,
                       net->tensor[net->input].shape.dim[0]);
        goto out;
    }
    if ((rc = list_layers(net, err)) == MICO_OK &&
        (rc = mico_net_check_fixed(net, err)) == MICO_OK)
        net->hash = mico_net_hash(net);
out:
    free(producer);
    return rc;
}
