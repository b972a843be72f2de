/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tool.h - what the parts of the program around the server share
 *
 * nbd.h is the server proper: sessions and what they serve.  Here is the rest:
 * opening what the command line names, listening, the life of the process,
 * and the two things cowbird-nbd does as a client.
 */
#ifndef NBD_TOOL_H
#define NBD_TOOL_H

#include <sys/types.h>

#include "cli/cli.h"
#include "nbd.h"

/* ---- export.c: images, as told, become exports */

enum { NAME_LIMIT = 4096, BITMAPS_LIMIT = 64, EXPORTS_LIMIT = 1024 };

struct export_options {
	const char *file;
	bool image_opts;		/* file is key=value,... */
	const char *name, *description;
	const char *snapshot;		/* of -l, as given; or NULL */
	const char *bitmaps[BITMAPS_LIMIT];
	unsigned bitmap_count;
	uint64_t off, size;		/* size UINT64_MAX: all that follows */
	bool read_only;
	bool temporary;			/* writes are lost at the end (-s) */
	bool allocation_depth;
	struct open_args args;		/* format, cache modes, discard, ... */
	struct opts *parsed;		/* --export: owns the strings above */
};

/* "name=NAME,file=FILE,..." over what is in o; what is wrong is printed. */
bool export_parse(const struct cli *, const char *text,
    struct export_options *o);
/* Opens it all; what is wrong is printed. */
bool export_open(const struct cli *, const struct export_options *,
    struct export *);
/* Flushes and closes; false when that failed, which is printed (D9). */
bool export_close(const struct cli *, struct export *);

/* ---- listen.c: where clients come from */

struct address {
	const char *host, *port;	/* NULL: 0.0.0.0, 10809 */
	const char *path;		/* a unix socket instead */
};
#define DEFAULT_HOST "0.0.0.0"
#define DEFAULT_PORT "10809"

enum { LISTEN_LIMIT = 8 };

struct listener {
	int fds[LISTEN_LIMIT];
	unsigned count;
	char *path;			/* of a socket that is ours to remove */
	dev_t dev;			/* what it was when we made it */
	ino_t ino;
};

/* label: SELinux context of the socket, or NULL. */
int listen_open(struct listener *, const struct address *, const char *label,
    struct error *);
/* How many sockets the service manager hands to this process (LISTEN_PID,
 * LISTEN_FDS); forgets them, so that nobody takes them twice. */
unsigned listen_handed(void);
/* The one it hands over. */
int listen_take(struct listener *, struct error *);
/* Closes; the file of a unix socket goes as well. */
void listen_close(struct listener *);

/* A connected socket, or -errno. */
int connect_to(const struct address *, struct error *);

/* ---- options.c: the command line */

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

extern const struct cli_option nbd_options[];
/* Takes one option, whose value is cli->value; false: printed. */
bool told_option(struct cli *, struct told *, int id);
/* What does not go together in it; or NULL. */
const char *told_wrong(const struct told *, int operands, bool handed);

/* ---- clients.c: accepting them, and the end */

struct serving {
	struct server *server;
	struct listener *listener;
	int connected;			/* a client that is there already; or
					 * -1.  serve() closes it */
	/* Called once clients are served; when it fails serve() ends. */
	int (*begun)(void *arg, struct error *);
	void *begun_arg;
	unsigned limit;			/* clients at once; 0: any number */
	bool persistent;		/* stay when the last one has left */
};

/* Before there is a socket to be removed: from here on signals end serve(),
 * not the process; as many descriptors are allowed as can be. */
int serve_prepare(struct error *);
/* Serves until a signal, or the last client's leaving, ends it. */
int serve(const struct serving *, struct error *);

/* ---- daemon.c: --fork and --pid-file */

struct daemon {
	int ready;			/* pipe to the parent; -1: no --fork */
	bool keep_stderr;
	char *pid_file;			/* absolute; ours to remove */
	int pid_fd;			/* holds the lock on it */
};

/* In the child (with fork) it returns 0; the parent never returns: it ends with
 * the child's exit code when that ends, or with 0 when the child is ready. */
int daemon_begin(struct daemon *, bool fork, bool keep_stderr, struct error *);
/* Clients may come from here on. pid_file may be NULL. */
int daemon_ready(struct daemon *, const char *pid_file, struct error *);
void daemon_end(struct daemon *);

/* ---- list.c: what another server offers */

struct list;
/* Asks the server on fd, which stays the caller's; NULL with err. */
struct list *list_ask(int fd, struct tls *, const char *hostname,
    struct error *);
void list_show(const struct list *, FILE *);	/* in the peer's layout */
void list_free(struct list *);			/* NULL is allowed */

/* ---- device.c: the kernel's client */

/* Negotiates on fd, the other end of which a session serves, and hands it to
 * the kernel as the device of this path. */
int device_connect(const char *path, const char *export, int fd,
    struct error *);
int device_disconnect(const char *path, struct error *);

#endif
