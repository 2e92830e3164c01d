/* tool.h: the commands of `mico`. */
#ifndef MICO_CLI_TOOL_H
#define MICO_CLI_TOOL_H

/* argv[0] is the command's name; returns the exit code. */
typedef struct mico_command {
    const char *name, *arguments, *help;
    int (*run)(int argc, char **argv);
} mico_command;

int mico_tool_info(int argc, char **argv);
int mico_tool_import(int argc, char **argv);
int mico_tool_eval(int argc, char **argv);
int mico_tool_cost(int argc, char **argv);
int mico_tool_report(int argc, char **argv);
int mico_tool_bench(int argc, char **argv);
int mico_tool_compare(int argc, char **argv);

#endif
