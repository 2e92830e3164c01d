/* suite.h: a CUnit program in one line.
 *
 *     static void t_something(void) { CU_ASSERT_EQUAL(...); }
 *     MICO_SUITE("module", {"something", t_something}, ...)
 *
 * makes a main that runs the tests and exits with 0 only if at least one ran and none
 * failed (CUnit's own runner reports success with failed tests). */
#ifndef MICO_TESTS_SUITE_H
#define MICO_TESTS_SUITE_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MICO_SUITE(name, ...)                                                          \
    int main(void)                                                                     \
    {                                                                                  \
        CU_TestInfo tests[] = {__VA_ARGS__, CU_TEST_INFO_NULL};                        \
        CU_SuiteInfo suites[] = {{name, NULL, NULL, NULL, NULL, tests},                \
                                 CU_SUITE_INFO_NULL};                                  \
        unsigned failed, run;                                                          \
                                                                                       \
        if (CU_initialize_registry() != CUE_SUCCESS ||                                 \
            CU_register_suites(suites) != CUE_SUCCESS)                                 \
            return 1;                                                                  \
        CU_basic_set_mode(CU_BRM_VERBOSE);                                             \
        CU_basic_run_tests();                                                          \
        failed = CU_get_number_of_failures();                                          \
        run = CU_get_number_of_tests_run();                                            \
        CU_cleanup_registry();                                                         \
        return failed > 0 || run == 0;                                                 \
    }

/* True if the folder of shared test material (not part of a clone) is there; else says
 * that the test is skipped. */
static inline int mico_test_shared(const char *what)
{
    struct stat st;

    if (stat(MICO_SHARED_DIR, &st) == 0)
        return 1;
    printf("\n    skipped: %s needs the shared data folder\n", what);
    return 0;
}

#endif
