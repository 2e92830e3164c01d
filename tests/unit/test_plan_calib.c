/* The calibration table: made from observations, packed, unpacked, damaged. */
#include "plan/plan.h"

#include "support/suite.h"

#include <math.h>
#include <stdlib.h>

static mico_calib *make_calib(void)
{
    mico_observation *seen = mico_xcalloc(3, sizeof *seen);
    mico_calib *calib;

    seen[0] = (mico_observation){
        .min = -2, .max = 3, .mean_abs = 0.7, .count = 10, .bin_width = 3.0 / 4096};
    seen[0].bins[100] = 6;
    seen[0].bins[4095] = 4;
    seen[1] = (mico_observation){
        .min = 0, .max = 6, .mean_abs = 1.5, .count = 5, .bin_width = 6.0 / 4096};
    seen[1].bins[2000] = 5;
    calib = mico_calib_new(seen, 3, &mico_quant_default);
    free(seen);
    return calib;
}

/* Unpacks n of the bytes; true if that gave a calibration (which it frees). */
static bool unpack(const uint8_t *bytes, size_t n, mico_err *err)
{
    mico_reader r = {.bytes = bytes, .len = n};
    mico_calib *calib = NULL;
    bool ok = mico_calib_get(&r, &calib, err) == MICO_OK;

    CU_ASSERT_EQUAL(ok, calib != NULL);
    mico_calib_free(calib);
    return ok && mico_reader_ok(&r);
}

static void t_damage(void)
{
    mico_calib *calib = make_calib();
    mico_writer w = {0};
    mico_err err;

    mico_calib_put(&w, calib);
    CU_ASSERT_TRUE(unpack(w.bytes, w.len, &err));
    for (size_t n = 0; n < w.len; n++) {
        CU_ASSERT_FALSE(unpack(w.bytes, n, &err));
        CU_ASSERT_EQUAL(err.status, MICO_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "calibration"));
    }
    w.bytes[0] ^= 1; /* not a calibration */
    CU_ASSERT_FALSE(unpack(w.bytes, w.len, &err));
    w.bytes[0] ^= 1;
    w.bytes[11] = 0xff; /* an absurd number of tensors */
    CU_ASSERT_FALSE(unpack(w.bytes, w.len, &err));
    w.bytes[11] = 0;
    CU_ASSERT_TRUE(unpack(w.bytes, w.len, &err));
    mico_writer_free(&w);
    mico_calib_free(calib);
}

static void t_impossible_values(void)
{
    const double bad[] = {0, -1, NAN, INFINITY, 1e-310, 1e300};
    mico_err err;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mico_calib *calib = make_calib();
        mico_writer w = {0};

        calib->tensor[1].scale[1][4] = bad[i];
        mico_calib_put(&w, calib);
        CU_ASSERT_FALSE(unpack(w.bytes, w.len, &err));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "tensor 1"));
        mico_writer_free(&w);
        calib->tensor[1].scale[1][4] = 1;
        calib->tensor[2].min = i % 2 == 0 ? 5 : NAN; /* above max, or no number */
        mico_calib_put(&w, calib);
        CU_ASSERT_FALSE(unpack(w.bytes, w.len, &err));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "tensor 2"));
        mico_writer_free(&w);
        mico_calib_free(calib);
    }
}

/* The table holds exactly what mico_act_scale says, and survives packing bit for bit.
 */
static void t_round_trip(void)
{
    mico_calib *calib = make_calib(), *back = NULL;
    mico_writer w = {0};
    mico_reader r = {0};

    CU_ASSERT_EQUAL_FATAL(calib->n_tensors, 3);
    CU_ASSERT_EQUAL(calib->tensor[0].min, -2);
    CU_ASSERT_EQUAL(calib->tensor[0].max, 3);
    CU_ASSERT_EQUAL(calib->tensor[0].scale[1][mico_width_index(1)], 0.7);
    CU_ASSERT_EQUAL(calib->tensor[2].scale[0][mico_width_index(8)], 1e-5);
    mico_calib_put(&w, calib);
    mico_put_u32(&w, 77); /* something follows in the same message */
    r.bytes = w.bytes;
    r.len = w.len;
    CU_ASSERT_EQUAL_FATAL(mico_calib_get(&r, &back, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_get_u32(&r), 77);
    CU_ASSERT_TRUE(mico_reader_ok(&r));
    CU_ASSERT_EQUAL_FATAL(back->n_tensors, 3);
    CU_ASSERT_EQUAL(memcmp(back->tensor, calib->tensor, 3 * sizeof *calib->tensor), 0);
    mico_calib_free(back);
    mico_calib_free(calib);
    mico_calib_free(NULL);
    mico_writer_free(&w);
}

MICO_SUITE("plan calibration", {"damage", t_damage},
           {"impossible values", t_impossible_values}, {"round trip", t_round_trip})
