/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - cowbird-nbd: options; what is served, for how long
 *
 * The program does one of four things: serve images to clients (the usual),
 * hand one to the kernel as a device (-c), end such a device (-d), list what
 * another server offers (-L).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "tool.h"

enum {
	OPT_AIO = 256, OPT_CACHE, OPT_DETECT_ZEROES, OPT_DISCARD, OPT_EXPORT,
	OPT_FORK, OPT_HANDSHAKE_LIMIT, OPT_IMAGE_OPTS, OPT_PID_FILE,
	OPT_SELINUX_LABEL, OPT_TLS_AUTHZ, OPT_TLS_CREDS, OPT_TLS_HOSTNAME,
};

static const struct cli_option options[] = {
	{ 'p', "port", "PORT", "TCP port (default: 10809)", NULL },
	{ 'b', "bind", "IFACE", "address to listen on (default: 0.0.0.0)",
	  NULL },
	{ 'k', "socket", "PATH", "listen on this unix socket", NULL },
	{ 'e', "shared", "NUM", "clients at once (default: 1); 0: any number",
	  NULL },
	{ 't', "persistent", NULL, "stay when the last client has left",
	  NULL },
	{ 'v', "verbose", NULL, "say what goes wrong with clients", NULL },
	{ 'x', "export-name", "NAME", "name of the export (default: empty)",
	  NULL },
	{ 'D', "description", "TEXT", "description of the export", NULL },
	{ 'o', "offset", "OFFSET", "where the export begins in the image",
	  NULL },
	{ 'A', "allocation-depth", NULL,
	  "offer the context qemu:allocation-depth", NULL },
	{ 'B', "bitmap", "NAME",
	  "offer the context qemu:dirty-bitmap:NAME; may be repeated", NULL },
	{ OPT_EXPORT, "export", "EXPORT",
	  "name=NAME,file=FILE[,key=value...]; may be repeated", NULL },
	{ 'f', "format", "FMT", "format of the file (default: probed)", NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL, "FILE is key=value,...", NULL },
	{ 'r', "read-only", NULL, "export read-only", NULL },
	{ 's', "snapshot", NULL, "writes go to a temporary file", NULL },
	{ 'l', "load-snapshot", "SNAPSHOT",
	  "an internal snapshot, read-only: ID or name, or "
	  "snapshot.id=ID,snapshot.name=NAME", NULL },
	{ 'n', "nocache", NULL, "the same as --cache=none", NULL },
	{ OPT_CACHE, "cache", "MODE",
	  "none, writeback (default), writethrough, directsync or unsafe",
	  NULL },
	{ OPT_AIO, "aio", "MODE", "threads (default), native or io_uring",
	  NULL },
	{ OPT_DISCARD, "discard", "MODE", "ignore (default) or unmap", NULL },
	{ OPT_DETECT_ZEROES, "detect-zeroes", "MODE",
	  "off (default), on or unmap", NULL },
	{ OPT_FORK, "fork", NULL, "go to the background once clients may come",
	  NULL },
	{ OPT_PID_FILE, "pid-file", "PATH",
	  "write the process ID there once clients may come", NULL },
	{ OPT_SELINUX_LABEL, "selinux-label", "LABEL",
	  "SELinux label of the socket", NULL },
	{ OPT_HANDSHAKE_LIMIT, "handshake-limit", "SECONDS",
	  "time a client has to negotiate (default: 10); 0: any", NULL },
	{ OPT_TLS_CREDS, "tls-creds", "ID",
	  "nothing without TLS, with the credentials --object ID", NULL },
	{ OPT_TLS_AUTHZ, "tls-authz", "ID",
	  "serve only whom --object ID lets in", NULL },
	{ OPT_TLS_HOSTNAME, "tls-hostname", "NAME",
	  "with -L: the name in the server's certificate", NULL },
	{ 'L', "list", NULL, "list what another server offers", NULL },
	{ 'c', "connect", "DEV", "serve as this device of the kernel", NULL },
	{ 'd', "disconnect", NULL, "disconnect the device", NULL },
	{ 'T', "trace", "PATTERN", "taken and ignored", NULL },
	{ 'V', "version", NULL, "show the version", NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

/* What the command line said. */
struct told {
	struct export_options one;	/* FILE and what is said of it */
	const char **exports;		/* --export, as given */
	unsigned export_count;
	struct address address;
	const char *device, *pid_file, *label;
	const char *creds, *authz, *hostname;
	uint64_t shared, handshake_s;
	bool list, disconnect, fork, persistent, verbose;
	bool cache, aio, discard;	/* given: not twice */
	bool per_export;		/* something -L has no use for */
};

/* ---- values of options */

static bool once(const struct cli *cli, const char *what, bool *given)
{
	if (*given)
		cli_error(cli, "%s can only be specified once", what);
	return !*given && (*given = true);
}

static bool set_cache(struct cli *cli, struct told *t, const char *mode)
{
	if (!once(cli, "-n and --cache", &t->cache))
		return false;
	t->per_export = true;
	return cli_cache_mode(cli, mode, &t->one.args);
}

static bool set_aio(struct cli *cli, struct told *t, const char *mode)
{
	if (!once(cli, "--aio", &t->aio))
		return false;
	t->per_export = true;
	if (!strcmp(mode, "native"))
		t->one.args.aio = AIO_NATIVE;
	else if (!strcmp(mode, "io_uring"))
		t->one.args.aio = AIO_URING;
	else if (strcmp(mode, "threads")) {
		cli_error(cli, "Invalid aio mode '%s'", mode);
		return false;
	}
	return true;
}

static bool set_discard(struct cli *cli, struct told *t, const char *mode)
{
	if (!once(cli, "--discard", &t->discard))
		return false;
	t->per_export = true;
	t->one.args.unmap = !strcmp(mode, "unmap") || !strcmp(mode, "on");
	if (t->one.args.unmap || !strcmp(mode, "ignore") ||
	    !strcmp(mode, "off"))
		return true;
	cli_error(cli, "Invalid discard mode `%s'", mode);
	return false;
}

static bool set_detect_zeroes(struct cli *cli, struct told *t,
    const char *mode)
{
	static const char *const names[] = { "off", "on", "unmap" };

	t->per_export = true;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(mode, names[i])) {
			t->one.args.detect_zeroes = (enum detect_zeroes)i;
			return true;
		}
	cli_error(cli, "Failed to parse detect_zeroes mode: invalid parameter "
	    "value: %s", mode);
	return false;
}

static bool set_shared(struct cli *cli, struct told *t, const char *text)
{
	char *end;

	errno = 0;
	t->shared = strtoull(text, &end, 0);
	if (*text >= '0' && *text <= '9' && !*end && !errno &&
	    t->shared <= INT32_MAX)
		return true;
	cli_error(cli, "Invalid shared device number '%s'", text);
	return false;
}

static bool set_offset(struct cli *cli, struct told *t, const char *text)
{
	struct error err;

	t->per_export = true;
	if (!size_parse(text, &t->one.off, &err) && t->one.off <= INT64_MAX)
		return true;
	cli_error(cli, "Invalid offset '%s'", text);
	return false;
}

static bool add_bitmap(struct cli *cli, struct told *t, const char *name)
{
	t->per_export = true;
	if (t->one.bitmap_count < BITMAPS_LIMIT) {
		t->one.bitmaps[t->one.bitmap_count++] = name;
		return true;
	}
	cli_error(cli, "more than %d bitmaps", BITMAPS_LIMIT);
	return false;
}

/* One option; false: what is wrong with it was printed. */
static bool take(struct cli *cli, struct told *t, int id)
{
	const char *value = cli->value;

	switch (id) {
	case 'A':
		t->one.allocation_depth = t->per_export = true;
		break;
	case 'b':
		t->address.host = value;
		break;
	case 'B':
		return add_bitmap(cli, t, value);
	case 'c':
		t->device = value;
		break;
	case 'd':
		t->disconnect = true;
		break;
	case 'D':
		t->one.description = value;
		t->per_export = true;
		break;
	case 'e':
		return set_shared(cli, t, value);
	case 'f':
		t->one.args.format = value;
		t->per_export = true;
		break;
	case 'k':
		t->address.path = value;
		if (*value == '/')
			break;
		cli_error(cli, "socket path must be absolute");
		return false;
	case 'l':
		t->one.snapshot = value;
		t->per_export = true;
		break;
	case 'L':
		t->list = true;
		break;
	case 'n':
		return set_cache(cli, t, "none");
	case 'o':
		return set_offset(cli, t, value);
	case 'p':
		t->address.port = value;
		break;
	case 'r':
		t->one.read_only = true;
		break;
	case 's':
		t->one.temporary = true;
		break;
	case 't':
		t->persistent = true;
		break;
	case 'v':
		t->verbose = true;
		break;
	case 'x':
		t->one.name = value;
		t->per_export = true;
		break;
	case OPT_AIO:
		return set_aio(cli, t, value);
	case OPT_CACHE:
		return set_cache(cli, t, value);
	case OPT_DETECT_ZEROES:
		return set_detect_zeroes(cli, t, value);
	case OPT_DISCARD:
		return set_discard(cli, t, value);
	case OPT_EXPORT:
		t->exports[t->export_count++] = value;
		t->per_export = true;
		break;
	case OPT_FORK:
		t->fork = true;
		break;
	case OPT_HANDSHAKE_LIMIT:
		return cli_number(cli, "handshake limit", value, 0,
		    UINT32_MAX / 1000, &t->handshake_s);
	case OPT_IMAGE_OPTS:
		t->one.image_opts = true;
		break;
	case OPT_PID_FILE:
		t->pid_file = value;
		break;
	case OPT_SELINUX_LABEL:
		t->label = value;
		break;
	case OPT_TLS_AUTHZ:
		t->authz = value;
		break;
	case OPT_TLS_CREDS:
		t->creds = value;
		break;
	case OPT_TLS_HOSTNAME:
		t->hostname = value;
		break;
	}
	return true;
}

/* ---- what does not go together: NULL, or what is wrong */

static const char *check_handed(const struct told *t)
{
	if (t->list)
		return "List mode is incompatible with socket activation";
	if (t->address.port)
		return "TCP port number can't be set when using socket "
		    "activation";
	if (t->address.host)
		return "The interface can't be set when using socket "
		    "activation";
	if (t->address.path)
		return "Unix socket can't be set when using socket activation";
	if (t->device)
		return "NBD device can't be set when using socket activation";
	if (t->label)
		return "SELinux label can't be set when using socket "
		    "activation";
	return NULL;
}

static const char *check_list(const struct told *t, int operands)
{
	if (operands)
		return "List mode is incompatible with a file name";
	if (t->per_export || t->device || t->disconnect)
		return "List mode is incompatible with per-device settings";
	if (t->fork)
		return "List mode is incompatible with forking";
	return NULL;
}

static const char *check_tls(const struct told *t)
{
	if (!t->creds)
		return t->authz ?
		    "--tls-authz is not permitted without --tls-creds" :
		    t->hostname ?
		    "--tls-hostname is not permitted without --tls-creds" :
		    NULL;
	if (t->device)
		return "TLS is not supported with a host device";
	if (t->list && t->authz)
		return "TLS authorization is incompatible with export list";
	if (!t->list && t->hostname)
		return "TLS hostname is only supported with export list";
	return NULL;
}

static const char *check(const struct told *t, int operands, bool handed)
{
	const char *wrong = handed ? check_handed(t) : NULL;

	if (!wrong && t->list)
		wrong = check_list(t, operands);
	if (!wrong)
		wrong = check_tls(t);
	if (wrong || t->list || t->disconnect)
		return wrong;
	if (t->label && !t->address.path)
		return "--selinux-label is not permitted without --socket";
	if (t->one.image_opts && t->one.args.format)
		return "--image-opts and -f are mutually exclusive";
	if (t->one.args.detect_zeroes == DETECT_UNMAP && !t->one.args.unmap)
		return "setting detect-zeroes to unmap is not allowed without "
		    "setting discard operation to unmap";
	if (t->export_count && (operands || t->one.name ||
	    t->one.description || t->one.image_opts))
		return "--export is incompatible with a file name and its "
		    "settings";
	return NULL;
}

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
	    .persistent = t->persistent, .begun = begun, .begun_arg = &b };
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

static int run_list(struct cli *cli, const struct told *t)
{
	struct tls *tls = NULL;
	struct error err;
	int rc = 0;

	if (t->creds) {
		tls = tls_new_client(cli->objects, t->creds, &err);
		rc = tls ? 0 : -err.code;
	}
	if (!rc)
		rc = list_exports(&t->address, tls, t->hostname, &err);
	tls_free(tls);
	if (rc)
		cli_error(cli, "%s", err.text);
	return rc != 0;
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
		if (!take(cli, t, id))
			return 1;
	}
	wrong = check(t, cli->argc, handed > 0);
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
	.options = options, .run = run
};

int main(int argc, char **argv)
{
	struct cli cli;

	cli_init(&cli, argv[0] ? argv[0] : "cowbird-nbd");
	cli_begin(&cli, &program, argc, argv);
	return cli_end(&cli, program.run(&cli));
}
