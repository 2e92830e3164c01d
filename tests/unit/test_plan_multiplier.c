/* Integer multipliers: their ends, their rounding, their accuracy over all magnitudes.
 */
#include "plan/plan.h"

#include "support/suite.h"

#include <math.h>

static bool near_ratio(int32_t mult, uint8_t shift, double ratio, unsigned bits)
{
    return mult >= (int32_t)1 << (bits - 1) && mult < (int32_t)1 << bits &&
           shift >= 1 && shift <= 45 &&
           fabs(ldexp(mult, -shift) / ratio - 1) <= ldexp(1, -(int)bits);
}

static void t_multiplier(void)
{
    int32_t m;
    uint8_t s;
    mico_err err;

    CU_ASSERT_EQUAL(mico_multiplier(0, 22, &m, &s, &err), MICO_ESCHEME);
    CU_ASSERT_EQUAL(mico_multiplier(-1, 22, &m, &s, &err), MICO_ESCHEME);
    CU_ASSERT_EQUAL(mico_multiplier(NAN, 22, &m, &s, &err), MICO_ESCHEME);
    CU_ASSERT_EQUAL(mico_multiplier(INFINITY, 22, &m, &s, &err), MICO_ESCHEME);
    CU_ASSERT_EQUAL(mico_multiplier(1048577, 22, &m, &s, &err), MICO_ESCHEME);
    CU_ASSERT_EQUAL(mico_multiplier(262145, 20, &m, &s, &err), MICO_ESCHEME);

    CU_ASSERT_EQUAL(mico_multiplier(1048576, 22, &m, &s, &err), MICO_OK);
    CU_ASSERT_TRUE(m == 1 << 21 && s == 1);
    CU_ASSERT_EQUAL(mico_multiplier(1, 22, &m, &s, &err), MICO_OK);
    CU_ASSERT_TRUE(m == 1 << 21 && s == 21);
    CU_ASSERT_EQUAL(mico_multiplier(0.75, 20, &m, &s, &err), MICO_OK);
    CU_ASSERT_TRUE(m == 3 << 18 && s == 20);
    /* just below a power of two: rounds up into the next */
    CU_ASSERT_EQUAL(mico_multiplier(1 - ldexp(1, -40), 22, &m, &s, &err), MICO_OK);
    CU_ASSERT_TRUE(m == 1 << 21 && s == 21);
    /* the shift ends at 45: fewer bits, at last none */
    CU_ASSERT_EQUAL(mico_multiplier(ldexp(1, -24), 22, &m, &s, &err), MICO_OK);
    CU_ASSERT_TRUE(m == 1 << 21 && s == 45);
    CU_ASSERT_EQUAL(mico_multiplier(ldexp(3, -44), 22, &m, &s, &err), MICO_OK);
    CU_ASSERT_TRUE(m == 6 && s == 45);
    CU_ASSERT_EQUAL(mico_multiplier(1e-300, 22, &m, &s, &err), MICO_OK);
    CU_ASSERT_TRUE(m == 0 && s == 45);

    for (double r = ldexp(1, -24); r < 262144; r *= 1.0371) {
        CU_ASSERT_EQUAL(mico_multiplier(r, 22, &m, &s, &err), MICO_OK);
        CU_ASSERT_TRUE(near_ratio(m, s, r, 22));
        CU_ASSERT_EQUAL(mico_multiplier(r, 20, &m, &s, &err), MICO_OK);
        CU_ASSERT_TRUE(near_ratio(m, s, r, 20));
    }
}

MICO_SUITE("plan multiplier", {"multiplier", t_multiplier})
