/* mico: the serial tools, one command each. */
#include "cli/tool.h"

#include "cli/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const mico_command commands[] = {
    {"info", "NET [--scheme S --data DATA] [--json]",
     "layers in execution order and totals; with a scheme, its integer plan",
     mico_tool_info},
    {"import", "MODEL.onnx -o NET.h5 | --data DATA -o SET.h5",
     "converts a model (or lists all that is unsupported) or a data set",
     mico_tool_import},
    {"eval", "NET --data DATA --scheme S [--mode int|fake|fp32] [--images N] [--json]",
     "accuracy and loss on the test set", mico_tool_eval},
    {"cost", "NET --scheme S --target T [--json]",
     "what a scheme costs, layer by layer", mico_tool_cost},
    {"report", "RESULTS.h5... [-o DIR]",
     "summary, CSV tables and an HTML page of a run", mico_tool_report},
    {"bench-table", "JOB.ini|RESULTS.h5 [-o TABLE.h5] [--json]",
     "evaluates every scheme of a job's space", mico_tool_bench},
    {"compare", "JOB.ini [--methods A,B] [--seeds N] [--limits X,Y] [-o DIR] [--json]",
     "searchers against each other on a table whose optimum is known",
     mico_tool_compare},
};

static void usage(FILE *to)
{
    fputs("usage: mico COMMAND ...\n\ncommands:\n", to);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(to, "  mico %-11s %s\n                   %s\n", commands[i].name,
                commands[i].arguments, commands[i].help);
    fputs("\n'mico COMMAND --help' tells a command's options.\n", to);
}

static int command(int argc, char **argv)
{
    const char *names[sizeof commands / sizeof commands[0]];
    size_t n = sizeof commands / sizeof commands[0], near;

    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        mico_str text = {0};

        mico_version_text("mico", &text);
        fputs(text.text, stdout);
        mico_str_free(&text);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    near = mico_text_nearest(argv[1], names, n);
    fprintf(stderr, "mico: unknown command '%s'%s%s%s\n", argv[1],
            near < n ? " (did you mean '" : "; try 'mico --help'",
            near < n ? names[near] : "", near < n ? "'?)" : "");
    return 2;
}

int main(int argc, char **argv)
{
    mico_tame_libraries();
    return mico_exit_flushed("mico", command(argc, argv));
}
