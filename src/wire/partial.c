/* Evaluations of a split in parts, added up. */
#include "wire/wire_internal.h"

#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

/* Sets bits [at, at + n) of out, which are clear, to bits [0, n) of in. */
static void append_bits(uint64_t *out, uint64_t at, const uint64_t *in, uint64_t n)
{
    unsigned shift = at % 64;

    for (uint64_t w = 0; w < mico_bit_words(n); w++) {
        uint64_t bits = in[w];

        if (n - 64 * w < 64)
            bits &= ((uint64_t)1 << (n - 64 * w)) - 1;
        out[at / 64 + w] |= bits << shift;
        /* a shift by 64 is undefined; and the last word may have nothing left over */
        if (shift > 0 && bits >> (64 - shift) != 0)
            out[at / 64 + w + 1] |= bits >> (64 - shift);
    }
}

static void add_bits(mico_partial *sum, const mico_reply_item *part)
{
    uint64_t images = sum->images + part->outcome.images;
    size_t have = mico_bit_words(sum->images), need = mico_bit_words(images);

    if (part->right == NULL || (sum->right == NULL && sum->images > 0)) {
        free(sum->right);
        sum->right = NULL;
        return;
    }
    if (sum->right == NULL || need > have) {
        sum->right = mico_xrealloc(sum->right, need > 0 ? need : 1, sizeof *sum->right);
        memset(sum->right + have, 0, (need - have) * sizeof *sum->right);
    }
    append_bits(sum->right, sum->images, part->right, part->outcome.images);
}

void mico_partial_add(mico_partial *sum, const mico_reply_item *part)
{
    add_bits(sum, part);
    sum->images += part->outcome.images;
    sum->correct += part->outcome.correct;
    sum->loss_sum += part->loss_sum;
    sum->seconds += part->outcome.seconds;
}

void mico_partial_outcome(const mico_partial *sum, mico_outcome *out)
{
    *out = (mico_outcome){.state = MICO_STATE_DONE,
                          .images = sum->images,
                          .correct = sum->correct,
                          .seconds = sum->seconds};
    if (sum->images > 0)
        out->loss = sum->loss_sum / (double)sum->images;
}

void mico_partial_free(mico_partial *sum)
{
    free(sum->right);
    *sum = (mico_partial){0};
}
