/* move.c: the loops under flatten, reshape, pad, slice and transpose. */
#include "kernels/move.h"

#include <stdbool.h>
#include <string.h>

typedef struct box {
    mico_move_axis axis[MICO_MOVE_AXES]; /* the nearest in `to` first */
    size_t n;
    size_t bytes; /* of a value */
} box;

/* Axes of one value fall out, neighbours that continue each other become one. */
static box box_of(const mico_move_axis *axes, size_t n_axes, size_t value_bytes)
{
    box b = {.bytes = value_bytes};
    size_t kept = 0;

    for (size_t a = 0; a < n_axes; a++) {
        size_t at = b.n;

        if (axes[a].n == 1)
            continue;
        for (; at > 0 && b.axis[at - 1].to > axes[a].to; at--)
            b.axis[at] = b.axis[at - 1];
        b.axis[at] = axes[a];
        b.n++;
    }
    for (size_t a = 1; a < b.n; a++) {
        mico_move_axis *last = &b.axis[kept];

        if (b.axis[a].from == last->from * last->n &&
            b.axis[a].to == last->to * last->n)
            last->n *= b.axis[a].n;
        else
            b.axis[++kept] = b.axis[a];
    }
    b.n = b.n == 0 ? 0 : kept + 1;
    return b;
}

/* n contiguous bytes; short runs are frequent, and a call for each would be slow. */
static inline void copy_run(uint8_t *to, const uint8_t *from, size_t n)
{
    if (n > 64) {
        memcpy(to, from, n);
        return;
    }
    for (; n >= 16; n -= 16, to += 16, from += 16)
        memcpy(to, from, 16);
    for (; n > 0; n--)
        *to++ = *from++;
}

/* Along one axis. */
static void move_line(const mico_move_axis *x, const uint8_t *from, uint8_t *to,
                      size_t bytes)
{
    if (x->from == 1 && x->to == 1) {
        copy_run(to, from, x->n * bytes);
        return;
    }
    for (size_t i = 0; i < x->n; i++)
        if (bytes == 1)
            to[i * x->to] = from[i * x->from];
        else
            memcpy(to + i * x->to * bytes, from + i * x->from * bytes, bytes);
}

/* Exchanges the bits of mask between word[0] and word[distance] shifted by `shift`. */
static inline void swap_bits(uint64_t *word, size_t distance, unsigned shift,
                             uint64_t mask)
{
    const uint64_t t = ((word[0] >> shift) ^ word[distance]) & mask;

    word[distance] ^= t;
    word[0] ^= t << shift;
}

/* 8x8 bytes, rows `from_step` apart, to columns: three rounds of exchanges of blocks of
 * 4x4, 2x2 and 1x1 bytes. In words of either byte order: where the first byte is the
 * highest, words and bytes are both counted backwards. */
static void turn_8x8(const uint8_t *from, size_t from_step, uint8_t *to, size_t to_step)
{
    const uint16_t probe = 1;
    const bool backwards = *(const uint8_t *)&probe == 0;
    uint64_t word[8];

    for (size_t i = 0; i < 8; i++)
        memcpy(&word[i], from + (backwards ? 7 - i : i) * from_step, 8);
    for (size_t i = 0; i < 4; i++)
        swap_bits(&word[i], 4, 32, 0x00000000ffffffffu);
    for (size_t i = 0; i < 8; i += i % 2 == 1 ? 3 : 1)
        swap_bits(&word[i], 2, 16, 0x0000ffff0000ffffu);
    for (size_t i = 0; i < 8; i += 2)
        swap_bits(&word[i], 1, 8, 0x00ff00ff00ff00ffu);
    for (size_t i = 0; i < 8; i++)
        memcpy(to + (backwards ? 7 - i : i) * to_step, &word[i], 8);
}

/* Bytes: x is contiguous in `to`, y in `from`. */
static void turn_plane(const mico_move_axis *x, const mico_move_axis *y,
                       const uint8_t *from, uint8_t *to)
{
    const size_t x8 = x->n / 8 * 8, y8 = y->n / 8 * 8;

    for (size_t j = 0; j < y8; j += 8) {
        for (size_t i = 0; i < x8; i += 8)
            turn_8x8(from + i * x->from + j, x->from, to + i + j * y->to, y->to);
        for (size_t i = x8; i < x->n; i++)
            for (size_t k = j; k < j + 8; k++)
                to[i + k * y->to] = from[i * x->from + k];
    }
    for (size_t j = y8; j < y->n; j++)
        for (size_t i = 0; i < x->n; i++)
            to[i + j * y->to] = from[i * x->from + j];
}

/* Axis 0 moves as a line, or with the axis `turn` as a plane; the others are counted.
 */
static void move_counted(const box *b, size_t turn, const uint8_t *from, uint8_t *to)
{
    size_t at[MICO_MOVE_AXES] = {0};
    size_t from_at = 0, to_at = 0, a;

    do {
        if (turn > 0)
            turn_plane(&b->axis[0], &b->axis[turn], from + from_at, to + to_at);
        else
            move_line(&b->axis[0], from + from_at * b->bytes, to + to_at * b->bytes,
                      b->bytes);
        for (a = 1; a < b->n; a++) {
            const mico_move_axis *x = &b->axis[a];

            if (a == turn)
                continue;
            from_at += x->from;
            to_at += x->to;
            if (++at[a] < x->n)
                break;
            from_at -= x->n * x->from;
            to_at -= x->n * x->to;
            at[a] = 0;
        }
    } while (a < b->n);
}

void mico_move(const mico_move_axis *axes, size_t n_axes, const uint8_t *from,
               uint8_t *to, size_t value_bytes)
{
    const box b = box_of(axes, n_axes, value_bytes);
    size_t turn = 0;

    if (b.n == 0) {
        memcpy(to, from, value_bytes);
        return;
    }
    for (size_t a = 1; a < b.n && value_bytes == 1 && b.axis[0].to == 1; a++)
        if (b.axis[a].from == 1)
            turn = a;
    move_counted(&b, turn, from, to);
}
