/* main.c -- the subcommands. */
#include "cli/cli.h"

#include <signal.h>

static const struct bk_cli_command commands[] = {
    {"demo", bk_cmd_demo, "watch a simulated shop and its lists in this terminal"},
    {"run", bk_cmd_run, "read events and publish lists until told to stop"},
    {"import", bk_cmd_import, "turn a shop's own files into events"},
    {"produce", bk_cmd_produce, "fill the topics from a simulated supermarket"},
    {"statistics", bk_cmd_statistics, "say what a shop's baskets are like"},
    {"evaluate", bk_cmd_evaluate, "measure the rankings on a recorded past"},
    {"tune", bk_cmd_tune, "look for weights that rank a recorded past better"},
    {"archive", bk_cmd_archive, "keep the log longer than Kafka does"},
    {"history", bk_cmd_history, "say what a shopper did, or what became of an item"},
    {"top", bk_cmd_top, "show a shopper's list as the storefront reads it"},
    {"inspect", bk_cmd_inspect, "look into a running instance"},
    {"status", bk_cmd_status, "say how a running instance is"},
    {"verify", bk_cmd_verify, "compare what Redis holds with what the state says"},
    {"checkpoint", bk_cmd_checkpoint, "have a generation of the state written now"},
    {"replay", bk_cmd_replay, "build a state from the log, beside the running one"},
    {"promote", bk_cmd_promote, "put a replayed state in the place of the running one"},
    {"accept-log", bk_cmd_accept_log, "read a topic that was made anew from its beginning"},
    {"dlq", bk_cmd_dlq, "look into the dead letters, and send back what was mended"},
    {"check-config", bk_cmd_check_config, "check, show or explain the configuration"},
    {"version", bk_cmd_version, "name the version and its libraries"},
};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error code, not our end */
    return bk_cli_dispatch(commands, sizeof commands / sizeof commands[0], argc, argv);
}
