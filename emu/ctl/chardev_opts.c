/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev_opts.c - what users say about character devices, as typed structs
 *
 * The words of -serial and its like are short forms; -chardev has options by
 * name.  Both end in the same struct, and what is not taken is refused.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/opts.h"
#include "ctl/chardev.h"

/* Known to the peers, and not here. */
static const char *const missing[] = {
	"udp", "vc", "ringbuf", "memory", "tty", "serial", "parport",
	"parallel", "braille", "msmouse", "wctablet", "spicevmc", "spiceport",
	"testdev", "console", "hub", "dbus", "qemu-vdagent", "telnet", "tn3270",
	"websocket", "gdb", NULL,
};

static int
unknown(const char *word, size_t len, struct error *err)
{
	for (unsigned i = 0; missing[i]; i++) {
		if (strlen(missing[i]) == len &&
		    !strncmp(word, missing[i], len))
			return error_set(err, ENOTSUP, "character devices of "
			    "type '%s' are not supported", missing[i]);
	}
	return error_set(err, EINVAL, "unknown character device '%s'", word);
}

static int
no_more(const struct chardev_config *c, struct error *err)
{
	const char *key = opts_unused(c->text);

	if (!key)
		return 0;
	return error_set(err, EINVAL,
	    "option '%s' is not supported for this character device", key);
}

/* --- Sockets ------------------------------------------------------------- */

static int
take_socket(struct chardev_config *c, struct error *err)
{
	bool ipv4 = true, ipv6 = true, telnet = false, websocket = false;
	bool nodelay = false, delay = true;

	c->wait = true;
	if (opts_take_bool(c->text, "server", &c->server, err) < 0)
		return -err->code;
	if (!c->server)
		c->wait = false;
	if (!c->server && opts_has(c->text, "wait"))
		return error_set(err, EINVAL,
		    "wait= is for sockets with server=on");
	if (opts_take_bool(c->text, "wait", &c->wait, err) < 0 ||
	    opts_take_bool(c->text, "nodelay", &nodelay, err) < 0 ||
	    opts_take_bool(c->text, "delay", &delay, err) < 0 ||
	    opts_take_bool(c->text, "ipv4", &ipv4, err) < 0 ||
	    opts_take_bool(c->text, "ipv6", &ipv6, err) < 0 ||
	    opts_take_bool(c->text, "telnet", &telnet, err) < 0 ||
	    opts_take_bool(c->text, "websocket", &websocket, err) < 0 ||
	    opts_take_u64(c->text, "reconnect", &c->reconnect_s, err) < 0)
		return -err->code;
	if (telnet || websocket)
		return error_set(err, ENOTSUP, "sockets that speak %s are not "
		    "supported", telnet ? "telnet" : "websocket");
	if (c->reconnect_s && c->server)
		return error_set(err, EINVAL,
		    "reconnect= is for sockets without server=on");
	if (c->reconnect_s > 86400)
		return error_set(err, ERANGE,
		    "reconnect=%llu is more than a day",
		    (unsigned long long)c->reconnect_s);
	c->nodelay = nodelay || !delay;
	/* Naming one family means that one. */
	c->no_ipv4 = !ipv4 || (opts_has(c->text, "ipv6") && ipv6 &&
	    !opts_has(c->text, "ipv4"));
	c->no_ipv6 = !ipv6 || (opts_has(c->text, "ipv4") && ipv4 &&
	    !opts_has(c->text, "ipv6"));
	if (!c->path && !c->port)
		return error_set(err, EINVAL,
		    "a socket needs path=, or host= and port=");
	if (c->path && c->port)
		return error_set(err, EINVAL,
		    "a socket has path= or port=, not both");
	return 0;
}

/* "host:port", "[::1]:port", ":port": as two options. */
static int
split_address(struct chardev_config *c, const char *text, struct error *err)
{
	const char *colon = strrchr(text, ':');
	char host[256];
	size_t len;

	if (!colon || !colon[1])
		return error_set(err, EINVAL, "'%s' is not HOST:PORT", text);
	len = colon - text;
	if (len && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return error_set(err, ERANGE, "host name too long");
	memcpy(host, text, len);
	host[len] = '\0';
	if (opts_set(c->text, "host", host, err) < 0 ||
	    opts_set(c->text, "port", colon + 1, err) < 0)
		return -err->code;
	c->host = opts_take(c->text, "host");
	c->port = opts_take(c->text, "port");
	return 0;
}

/* --- The short forms ----------------------------------------------------- */

static const char *
after(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) ? NULL : text + n;
}

static int
take_path(struct chardev_config *c, const char *path, struct error *err)
{
	if (!*path)
		return error_set(err, EINVAL, "file name missing");
	if (opts_set(c->text, "path", path, err) < 0)
		return -err->code;
	c->path = opts_take(c->text, "path");
	return 0;
}

static int
parse_word(struct chardev_config *c, const char *text, struct error *err)
{
	const char *rest;

	if (!strcmp(text, "none")) {
		c->kind = CHARDEV_NONE;
	} else if (!strcmp(text, "null")) {
		c->kind = CHARDEV_NULL;
	} else if (!strcmp(text, "stdio")) {
		c->kind = CHARDEV_STDIO;
		c->signals = !c->mux;
	} else if (!strcmp(text, "pty")) {
		c->kind = CHARDEV_PTY;
	} else if ((rest = after(text, "file:"))) {
		c->kind = CHARDEV_FILE;
		return take_path(c, rest, err);
	} else if ((rest = after(text, "pipe:"))) {
		c->kind = CHARDEV_PIPE;
		return take_path(c, rest, err);
	} else if ((rest = after(text, "chardev:"))) {
		c->kind = CHARDEV_REF;
		if (opts_set(c->text, "id", rest, err) < 0)
			return -err->code;
		c->id = opts_take(c->text, "id");
	} else if ((rest = after(text, "unix:"))) {
		c->kind = CHARDEV_SOCKET;
		if (opts_parse(c->text, rest, "path", err) < 0)
			return -err->code;
		c->path = opts_take(c->text, "path");
		return take_socket(c, err);
	} else if ((rest = after(text, "tcp:"))) {
		const char *address;

		c->kind = CHARDEV_SOCKET;
		if (opts_parse(c->text, rest, "address", err) < 0)
			return -err->code;
		address = opts_take(c->text, "address");
		if (split_address(c, address ? address : "", err) < 0)
			return -err->code;
		return take_socket(c, err);
	} else if (text[0] == '/') {
		return error_set(err, ENOTSUP, "'%s': devices of the host "
		    "are not supported as character devices", text);
	} else {
		return unknown(text, strcspn(text, ":"), err);
	}
	return 0;
}

static int
begin(struct chardev_config *c, struct error *err)
{
	*c = (struct chardev_config){ .text = opts_new() };
	if (!c->text)
		return error_errno(err, ENOMEM, "character device");
	return 0;
}

static int
finish(struct chardev_config *c, int ret, struct error *err)
{
	if (ret == 0)
		ret = no_more(c, err);
	if (ret < 0)
		chardev_config_fini(c);
	return ret;
}

int
chardev_parse(struct chardev_config *c, const char *text, struct error *err)
{
	const char *rest = after(text, "mon:");

	if (begin(c, err) < 0)
		return -err->code;
	c->monitor = c->mux = rest;
	return finish(c, parse_word(c, rest ? rest : text, err), err);
}

/* --- -chardev ------------------------------------------------------------ */

static const struct {
	const char *name;
	enum chardev_kind kind;
} types[] = {
	{ "null", CHARDEV_NULL }, { "file", CHARDEV_FILE },
	{ "stdio", CHARDEV_STDIO }, { "pipe", CHARDEV_PIPE },
	{ "socket", CHARDEV_SOCKET }, { "pty", CHARDEV_PTY },
};

static int
parse_opts(struct chardev_config *c, const char *text, struct error *err)
{
	const char *type;

	if (opts_parse(c->text, text, "backend", err) < 0)
		return -err->code;
	type = opts_take(c->text, "backend");
	c->id = opts_take(c->text, "id");
	if (!type)
		return error_set(err, EINVAL, "a character device needs a "
		    "type: %s", text);
	if (!c->id || !*c->id)
		return error_set(err, EINVAL, "a character device needs id=");
	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		if (!strcmp(type, types[i].name))
			c->kind = types[i].kind;
	}
	if (c->kind == CHARDEV_NONE)
		return unknown(type, strlen(type), err);
	if (opts_take_bool(c->text, "mux", &c->mux, err) < 0)
		return -err->code;
	if (c->kind == CHARDEV_FILE || c->kind == CHARDEV_PIPE ||
	    c->kind == CHARDEV_SOCKET)
		c->path = opts_take(c->text, "path");
	switch (c->kind) {
	case CHARDEV_FILE:
		if (opts_take_bool(c->text, "append", &c->append, err) < 0)
			return -err->code;
		/* fall through */
	case CHARDEV_PIPE:
		return c->path ? 0 : error_set(err, EINVAL, "a character "
		    "device of type %s needs path=", type);
	case CHARDEV_STDIO:
		c->signals = !c->mux;
		return opts_take_bool(c->text, "signal", &c->signals, err);
	case CHARDEV_SOCKET:
		c->host = opts_take(c->text, "host");
		c->port = opts_take(c->text, "port");
		return take_socket(c, err);
	case CHARDEV_NONE:
	case CHARDEV_NULL:
	case CHARDEV_PTY:
	case CHARDEV_REF:
		break;
	}
	return 0;
}

int
chardev_parse_opts(struct chardev_config *c, const char *text,
    struct error *err)
{
	if (begin(c, err) < 0)
		return -err->code;
	return finish(c, parse_opts(c, text, err), err);
}

void
chardev_config_fini(struct chardev_config *c)
{
	opts_free(c->text);
	*c = (struct chardev_config){ 0 };
}
