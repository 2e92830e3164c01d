/* score.c: what is counted over a split: predictions, correct ones, cross-entropy. */
#include "core/clock.h"
#include "eval/eval_internal.h"

#include <math.h>

void mico_score_add(mico_result *result, const double *value, size_t n, double scale,
                    uint16_t label)
{
    size_t best = 0;
    double sum = 0;

    for (size_t i = 1; i < n; i++)
        if (value[i] > value[best])
            best = i;
    for (size_t i = 0; i < n; i++)
        sum += exp((value[i] - value[best]) * scale);
    /* -log softmax[label] with the largest output subtracted: no overflow */
    result->loss_sum += log(sum) - (value[label] - value[best]) * scale;
    if (result->predictions != NULL)
        result->predictions[result->images] = (uint16_t)best;
    if (result->right != NULL) {
        const uint64_t bit = (uint64_t)1 << (result->images % 64);

        if (result->images % 64 == 0)
            result->right[result->images / 64] = 0;
        if (best == label)
            result->right[result->images / 64] |= bit;
    }
    result->correct += best == label;
    result->images++;
}

void mico_score_finish(mico_result *result, double seconds)
{
    if (result->images > 0)
        result->loss = result->loss_sum / (double)result->images;
    result->seconds += seconds;
}

mico_status mico_split_check(const mico_net *net, const mico_data *data, size_t first,
                             size_t n, mico_err *err)
{
    size_t outputs = mico_shape_count(&net->tensor[net->output].shape);

    if (first > data->n || n > data->n - first)
        return mico_fail(
            err, MICO_EDATA,
            "%zu images from %zu on are asked for, but the data set has %zu", n, first,
            data->n);
    if (outputs > UINT16_MAX + (size_t)1)
        return mico_fail(
            err, MICO_ELIMIT,
            "network \"%s\" has %zu outputs; at most 65536 classes are possible",
            net->name, outputs);
    return mico_data_fits(data, net, err);
}
