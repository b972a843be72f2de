/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - the command line: what was told, and what cannot be */
#include <stdlib.h>
#include <string.h>

#include "modes.h"
#include "tool.h"

enum {
	OPT_AIO = 256, OPT_CACHE, OPT_DETECT_ZEROES, OPT_DISCARD, OPT_EXPORT,
	OPT_FORK, OPT_HANDSHAKE_LIMIT, OPT_IMAGE_OPTS, OPT_PID_FILE,
	OPT_SELINUX_LABEL, OPT_TLS_AUTHZ, OPT_TLS_CREDS, OPT_TLS_HOSTNAME,
};

const struct cli_option nbd_options[] = {
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
	{ OPT_AIO, "aio", "MODE",
	  "threads, native or io_uring: how O_DIRECT files are reached", NULL },
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
	if (mode_aio(mode, &t->one.args.aio))
		return true;
	cli_error(cli, "Invalid aio mode '%s'", mode);
	return false;
}

static bool set_discard(struct cli *cli, struct told *t, const char *mode)
{
	if (!once(cli, "--discard", &t->discard))
		return false;
	t->per_export = true;
	if (mode_discard(mode, &t->one.args.unmap))
		return true;
	cli_error(cli, "Invalid discard mode `%s'", mode);
	return false;
}

static bool set_detect_zeroes(struct cli *cli, struct told *t,
    const char *mode)
{
	t->per_export = true;
	if (mode_detect_zeroes(mode, &t->one.args.detect_zeroes))
		return true;
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


bool told_option(struct cli *cli, struct told *t, int id)
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

const char *told_wrong(const struct told *t, int operands, bool handed)
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
	    t->one.description || t->one.image_opts || t->one.snapshot ||
	    t->one.bitmap_count || t->one.off))
		return "--export is incompatible with a file name and its "
		    "settings";
	return NULL;
}
