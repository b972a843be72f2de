/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - cowbird-emu */
#include <stdio.h>

#include "cli/cli.h"
#include "machine.h"
#include "options.h"

int
main(int argc, char **argv)
{
	struct machine_config config;
	struct machine *m;
	struct cli cli;
	struct error err;
	int code;

	cli_init(&cli, argv[0]);
	code = options_parse(&config, argc, argv);
	if (code >= 0)
		return code;
	m = machine_new(&config, &err);
	if (!m) {
		cli_error(&cli, "%s", err.text);
		options_free(&config);
		return 1;
	}
	code = machine_run(m);
	if (machine_free(m, &err) < 0) {
		cli_error(&cli, "%s", err.text);
		code = 1;
	}
	options_free(&config);
	return code;
}
