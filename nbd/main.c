/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - cowbird-nbd: what is served, for how long
 *
 * The program does one of four things: serve images to clients (the usual),
 * hand one to the kernel as a device (-c), end such a device (-d), list what
 * another server offers (-L).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#include "device.h"
#include "tool.h"

/* ---- serving */

static void say(void *arg, const char *line)
{
	cli_error(arg, "%s", line);
}

/* All exports, in order; false: printed. */
static bool open_exports(const struct cli *cli, const struct told *t,
    struct server *server)
{
	const unsigned n = t->export_count ? t->export_count : 1;

	server->exports = calloc(n, sizeof(*server->exports));
	if (!server->exports) {
		cli_error(cli, "out of memory");
		return false;
	}
	for (unsigned i = 0; i < n; i++) {
		struct export_options o = t->one;
		struct export *e = &server->exports[i];
		bool ok = true;

		if (t->export_count)
			ok = export_parse(cli, t->exports[i], &o);
		for (unsigned j = 0; ok && j < i; j++)
			if (!strcmp(o.name, server->exports[j].name)) {
				cli_error(cli, "export '%s' is there twice",
				    o.name);
				ok = false;
			}
		ok = ok && export_open(cli, &o, e);
		opts_free(o.parsed);
		if (!ok)
			return false;
		e->multi_conn = t->shared != 1;
		server->export_count++;
	}
	return true;
}

static bool close_exports(const struct cli *cli, struct server *server)
{
	bool ok = true;

	for (unsigned i = 0; i < server->export_count; i++)
		ok &= export_close(cli, &server->exports[i]);
	free(server->exports);
	return ok;
}

/* What is to be done once clients are served. */
struct begin {
	const struct told *told;
	struct daemon *daemon;
	const char *export;		/* the kernel's, on this socket */
	int kernel;
};

static int begun(void *arg, struct error *err)
{
	struct begin *b = arg;
	int rc = 0;

	if (b->told->device) {
		rc = device_connect(b->told->device, b->export, b->kernel,
		    err);
		close(b->kernel);	/* the kernel's alone now */
		b->kernel = -1;
	}
	return rc ? rc : daemon_ready(b->daemon, b->told->pid_file, err);
}

/* Clients come to a socket; with -c the kernel is one, and others come only
 * where an address is given as well. */
static int run_server(const struct told *t, struct server *server,
    struct daemon *d, bool handed, struct error *err)
{
	struct listener listener = { .count = 0 };
	struct begin b = { .told = t, .daemon = d, .kernel = -1,
	    .export = server->exports[0].name };
	struct serving s = { .server = server, .listener = &listener,
	    .connected = -1, .limit = (unsigned)t->shared,
	    .persistent = t->persistent && !t->device, .begun = begun,
	    .begun_arg = &b };
	uint32_t index;
	int pair[2], rc = 0;

	if (t->device)
		rc = device_index(t->device, &index, err);
	if (!rc)
		rc = serve_prepare(err);
	if (!rc && handed)
		rc = listen_take(&listener, err);
	else if (!rc && (!t->device || t->address.path || t->address.port))
		rc = listen_open(&listener, &t->address, t->label, err);
	if (!rc && t->device) {
		rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
		if (rc) {
			rc = error_errno(err, errno, "Failed to create socket");
		} else {
			b.kernel = pair[0];
			s.connected = pair[1];
		}
	}
	if (!rc)
		rc = serve(&s, err);
	if (b.kernel >= 0)
		close(b.kernel);
	listen_close(&listener);
	return rc;
}

static int serve_images(struct cli *cli, const struct told *t, bool handed)
{
	struct server server = {
		.handshake_ms = (unsigned)t->handshake_s * 1000,
		.say = t->verbose ? say : NULL, .say_arg = cli
	};
	struct daemon d;
	struct error err;
	bool ok = !daemon_begin(&d, t->fork || (t->device && !t->verbose),
	    t->verbose, &err);

	if (ok && t->creds) {
		server.tls = tls_new(cli->objects, t->creds, t->authz, &err);
		ok = server.tls != NULL;
	}
	if (!ok)
		cli_error(cli, "%s", err.text);
	ok = ok && open_exports(cli, t, &server);
	if (ok && run_server(t, &server, &d, handed, &err)) {
		cli_error(cli, "%s", err.text);
		ok = false;
	}
	ok &= close_exports(cli, &server);
	tls_free(server.tls);
	daemon_end(&d);
	return !ok;
}

/* ---- the program */

static struct list *ask(const struct cli *cli, const struct told *t,
    struct error *err)
{
	const struct address *a = &t->address;
	const char *hostname = t->hostname;
	struct tls *tls = NULL;
	struct list *list = NULL;

	if (t->creds) {
		tls = tls_new_client(cli->objects, t->creds, err);
		if (!tls)
			return NULL;
	}
	/* The name a certificate must be for is the one that was dialled. */
	if (!hostname && !a->path)
		hostname = a->host ? a->host : DEFAULT_HOST;
	AUTO_CLOSE int fd = connect_to(a, err);
	if (fd >= 0)
		list = list_ask(fd, tls, hostname, err);
	tls_free(tls);
	return list;
}

static int run_list(const struct cli *cli, const struct told *t)
{
	struct error err;
	struct list *list = ask(cli, t, &err);

	if (list)
		list_show(list, stdout);
	else
		cli_error(cli, "%s", err.text);
	list_free(list);
	return !list;
}

static int run_disconnect(struct cli *cli)
{
	struct error err;

	if (!device_disconnect(cli->argv[0], &err)) {
		printf("%s disconnected\n", cli->argv[0]);
		return 0;
	}
	cli_error(cli, "%s", err.text);
	return 1;
}

static int run_told(struct cli *cli, struct told *t)
{
	const unsigned handed = listen_handed();
	const char *wrong;
	int id;

	while ((id = cli_next(cli)) != -1) {
		if (id == 'V') {
			cli_version(cli, stdout);
			return 0;
		}
		if (!told_option(cli, t, id))
			return 1;
	}
	wrong = told_wrong(t, cli->argc, handed > 0);
	if (wrong || handed > 1) {
		cli_error(cli, "%s%s", wrong ? "" : cli->tool, wrong ? wrong :
		    " does not support socket activation with LISTEN_FDS > 1");
		return 1;
	}
	if (t->list)
		return run_list(cli, t);
	if (cli->argc != !t->export_count)
		return cli_usage(cli, "Invalid number of arguments");
	if (t->disconnect)
		return run_disconnect(cli);
	t->one.file = cli->argv[0];
	return serve_images(cli, t, handed > 0);
}

static int run(struct cli *cli)
{
	struct told t = { .one = { .size = UINT64_MAX }, .shared = 1,
	    .handshake_s = 10,
	    .exports = calloc((size_t)cli->argc, sizeof(char *)) };
	int code = 1;

	if (t.exports)
		code = run_told(cli, &t);
	else
		cli_error(cli, "out of memory");
	free(t.exports);
	return code;
}

static const struct cli_command program = {
	.name = "", .operands = "FILE",
	.summary = "Serves disk images to NBD clients; with -L lists what "
	"another server\noffers.",
	.options = nbd_options, .run = run
};

int main(int argc, char **argv)
{
	struct cli cli;

	cli_init(&cli, argv[0] ? argv[0] : "cowbird-nbd");
	cli_begin(&cli, &program, argc, argv);
	return cli_end(&cli, program.run(&cli));
}
