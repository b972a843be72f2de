/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - cowbird-emu */
#include <stdio.h>

#include "cli/cli.h"
#include "daemon.h"
#include "image.h"
#include "machine.h"
#include "options.h"
#include "sandbox.h"

static bool
is_remote(const struct image *i)
{
	for (; i; i = i->backing) {
		if (i->remote)
			return true;
	}
	return false;
}

static void
plan_for_stream(struct sandbox *s, const struct chardev_config *c)
{
	if (c->kind != CHARDEV_SOCKET)
		return;
	if (c->reconnect_s)
		s->network = true;
	if (c->server && c->path) {
		s->removes = true;
		sandbox_add(s, c->path, false);
	}
}

/* What this machine will need once it runs. */
static void
plan_sandbox(struct sandbox *s, const struct machine_config *c)
{
	s->off = c->no_sandbox;
	s->asked = c->sandbox_asked;
	s->files = c->monitor.kind != CHARDEV_NONE;
	for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
		s->files |= c->serial[i].monitor;
		plan_for_stream(s, &c->serial[i]);
	}
	for (unsigned i = 0; i < c->chardevs; i++)
		plan_for_stream(s, &c->chardev[i]);
	plan_for_stream(s, &c->monitor);
	for (unsigned i = 0; i < c->drives; i++) {
		const struct machine_drive *d = &c->drive[i];

		s->network |= is_remote(d->image);
		s->uring |= d->image && d->image->args.direct;
		if (s->files && d->file)
			sandbox_add(s, d->file, false);
	}
	if (s->files) {
		sandbox_add(s, ".", true);
		if (c->sandbox_dir)
			sandbox_add(s, c->sandbox_dir, true);
	}
	if (c->pidfile) {
		s->removes = true;
		sandbox_add(s, c->pidfile, false);
	}
}

int
main(int argc, char **argv)
{
	static struct machine_config config;
	static struct sandbox sandbox;
	struct machine *m = NULL;
	struct cli cli;
	struct error err;
	int code;

	cli_init(&cli, argv[0]);
	code = options_parse(&config, argc, argv);
	if (code >= 0)
		return code;
	plan_sandbox(&sandbox, &config);
	config.sandbox = &sandbox;
	/* Whoever waits for the daemon sees the file once it is ready. */
	if (config.pidfile && pidfile_create(config.pidfile, &err) < 0)
		code = 1;
	else
		m = machine_new(&config, &err);
	if (!m || daemon_ready(&err) < 0) {
		cli_error(&cli, "%s", err.text);
		code = 1;
	} else {
		code = machine_run(m);
	}
	if (machine_free(m, &err) < 0) {
		cli_error(&cli, "%s", err.text);
		code = 1;
	}
	pidfile_remove();
	options_free(&config);
	return code;
}
