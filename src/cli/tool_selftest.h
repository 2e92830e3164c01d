/* tool_selftest.h: `mico compare --selftest`. */
#ifndef MICO_CLI_TOOL_SELFTEST_H
#define MICO_CLI_TOOL_SELFTEST_H

#include "cli/tool_options.h"

/* Runs methods x seeds on problems with a known optimum (search/selftest.h) and prints
 * a table of problems and methods. Operands choose problems. */
mico_status mico_tool_selftest(const mico_options_line *o, mico_err *err);

#endif
