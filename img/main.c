/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - cowbird-img: the table of its commands, and its help */
#include <string.h>

#include "img.h"

static const struct cli_command *const commands[] = {
	&cmd_bench, &cmd_check, &cmd_commit, &cmd_compare, &cmd_convert,
	&cmd_create, &cmd_dd, &cmd_info, &cmd_map, &cmd_measure, &cmd_rebase,
	&cmd_resize, NULL
};

const struct format *img_format(const struct cli *cli, const char *name)
{
	const struct format *f = format_find(name);

	if (!f)
		cli_error(cli, "Unknown file format '%s'", name);
	return f;
}

const char *img_name(const struct image *image)
{
	const uint64_t size = align_up(store_size(image->store), 512);

	/* A part of a file is named by its options, as they were given. */
	if (!strcmp(image->format->name, "raw") && image->size != size)
		return image->name;
	return image->store->name;
}

static void help(const struct cli *cli)
{
	cli_version(cli, stdout);
	printf("\nusage: %s [-h | -V]\n"
	    "       %s COMMAND [OPTION]... OPERAND...\n\n"
	    "Makes, shows, converts, checks and changes disk images.\n\n"
	    "%s\n", cli->tool, cli->tool,
	    cli->peer ? "Command syntax:" : "Commands:");
	for (const struct cli_command *const *c = commands; *c; c++)
		if (cli->peer) {
			fputs("  ", stdout);
			cli_syntax(*c, stdout);
		} else {
			printf("  %-9s%s\n", (*c)->name, (*c)->summary);
		}
	printf("\nOptions:\n"
	    "  -h, --help            show this help\n"
	    "  -V, --version         show the version\n"
	    "  -T, --trace PATTERN   taken and ignored\n");
	printf("\nOptions of a command: %s COMMAND --help\n"
	    "Options of a format: %s create -f FMT -o help\n"
	    "Sizes are in bytes, or with one of k M G T P E behind them in "
	    "powers of 1024.\n\n"
	    "Supported formats:", cli->tool, cli->tool);
	for (const struct format *const *f = formats; *f; f++)
		printf(" %s", (*f)->name);
	putchar('\n');
}

/* The options before the command: how many words they are; -1: done. */
static int global_options(const struct cli *cli, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		const char *a = argv[i];

		if (!strcmp(a, "-h") || !strcmp(a, "--help")) {
			help(cli);
			return -1;
		}
		if (!strcmp(a, "-V") || !strcmp(a, "--version")) {
			cli_version(cli, stdout);
			return -1;
		}
		/* The peer's tracing: there is none, its option is taken. */
		if (!strcmp(a, "-T") || !strcmp(a, "--trace")) {
			if (!argv[++i]) {
				cli_usage(cli, "missing argument for option "
				    "'%s'", a);
				return -2;
			}
		} else if (strncmp(a, "-T", 2) && strncmp(a, "--trace=", 8)) {
			cli_usage(cli, "unrecognized option '%s'", a);
			return -2;
		}
	}
	return i;
}

int main(int argc, char **argv)
{
	struct cli cli;
	int at;

	cli_init(&cli, argv[0] ? argv[0] : "cowbird-img");
	/* Who asks how far we are may ask before we know. */
	signal(SIGUSR1, SIG_IGN);
	at = global_options(&cli, argc, argv);
	if (at < 0)
		return cli_end(&cli, at == -1 ? 0 : 1);
	if (at >= argc)
		return cli_usage(&cli, "Not enough arguments");
	for (const struct cli_command *const *c = commands; *c; c++) {
		if (strcmp(argv[at], (*c)->name))
			continue;
		cli_begin(&cli, *c, argc - at, argv + at);
		return cli_end(&cli, (*c)->run(&cli));
	}
	return cli_usage(&cli, "Command not found: %s", argv[at]);
}
