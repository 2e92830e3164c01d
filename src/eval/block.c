/* block.c: how many images at a time: a climb over working sets, timed on real work. */
#include "eval/eval_internal.h"

#define TIMES  3    /* of each working set; the least counts */
#define BETTER 0.99 /* a step must gain a hundredth */
#define START  3    /* 512 KiB */

static size_t bytes_of(size_t at)
{
    return (size_t)1 << (16 + at);
}

size_t mico_blocks_next(const mico_blocks *blocks)
{
    if (blocks->settled)
        return bytes_of(blocks->best);
    return bytes_of(blocks->started ? blocks->at : START);
}

/* Up while it gets faster; if the first step up does not, down while it does. */
void mico_blocks_note(mico_blocks *blocks, double image_s)
{
    if (blocks->settled)
        return;
    if (!blocks->started)
        *blocks =
            (mico_blocks){.at = START, .best = START, .up = true, .started = true};
    if (blocks->n_timed == 0 || image_s < blocks->least_s)
        blocks->least_s = image_s;
    if (++blocks->n_timed < TIMES)
        return;
    if (blocks->best_s == 0 || blocks->least_s < BETTER * blocks->best_s) {
        blocks->best = blocks->at;
        blocks->best_s = blocks->least_s;
    } else if (blocks->up && blocks->best == START) {
        blocks->up = false;
        blocks->at = START;
    } else {
        blocks->settled = true;
    }
    if (blocks->at == (blocks->up ? MICO_BLOCK_SIZES - 1 : 0))
        blocks->settled = true;
    blocks->at += blocks->up ? 1 : (size_t)-1;
    blocks->n_timed = 0;
}
