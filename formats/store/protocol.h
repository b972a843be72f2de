/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * protocol.h - stores that are not files: reached by "scheme:rest" or by a
 * driver's keys, and living in modules
 *
 * A module is one file of formats/modules, built into a shared object of its
 * own beside the library, so that only who names an nbd: image pays for
 * libnbd.  It exports one symbol, cowbird_module, and has inside what it uses
 * of the library (errors, options, store.c): nothing else is shared but the
 * layout of the structs, which "version" holds it to.
 */
#ifndef STORE_PROTOCOL_H
#define STORE_PROTOCOL_H

#include "base/error.h"
#include "base/opts.h"
#include "store/store.h"

struct protocol_args {
	bool writable;
	bool share;		/* -U */
	bool direct, no_sync;
	/* What --object made: "ID.qom-type", "ID.data" (of a secret, read
	 * and decoded), "ID.dir", ...; NULL: none.  Borrowed for the call. */
	const struct opts *objects;
};

struct protocol {
	/* The values of driver= it answers to, and the schemes of its names;
	 * each list ends with NULL. */
	const char *const *drivers, *const *schemes;

	/* "scheme:rest" as keys: "server.host=...", ...; "driver" may be set. */
	int (*parse)(const char *name, struct opts *, struct error *);
	/* Takes its keys from opts; what it leaves is an error the caller
	 * reports.  store.name is what the user would write. */
	struct store *(*open)(struct opts *, const struct protocol_args *,
	    struct error *);
	/* Makes an object of this size, empty or reading as zeros, replacing
	 * one of that name; open() with writable follows.  Returns 1 when
	 * nothing of that name was there, else 0.  NULL: things are not
	 * created there. */
	int (*create)(struct opts *, uint64_t size,
	    const struct protocol_args *, struct error *);
	/* Removes what create() made where nothing was, for a job that
	 * failed; or NULL: then create() only uses what is there. */
	int (*remove)(struct opts *, const struct protocol_args *,
	    struct error *);
	/* unpack alone: the contents of a compressed file.  Owns packed from
	 * the call on, also on error. */
	struct store *(*wrap)(struct store *packed, const struct unpack_args *,
	    struct error *);
};

struct module {
	const char *version;	/* of cowbird: must be the library's own */
	const struct protocol *const *protocols;	/* ends with NULL */
};

/* In a module: MODULE(&nbd_protocol, ...) at the end of the file. */
#define MODULE(...) \
	extern const struct module cowbird_module; \
	__attribute__((visibility("default"))) \
	const struct module cowbird_module = { COWBIRD_VERSION, \
	    (const struct protocol *const []){ __VA_ARGS__, NULL } }

/*
 * The protocol of a driver, or of a name with a scheme; its module is loaded
 * now if need be: one clear error when that is missing or does not fit.  A
 * scheme nobody knows is EINVAL, a driver nobody knows 0 with *p NULL.
 * Thread-safe; modules stay loaded.
 */
int protocol_by_driver(const char *driver, const struct protocol **,
    struct error *);
int protocol_by_scheme(const char *name, const struct protocol **,
    struct error *);

/* The contents of a compressed file (gzip, xz, zstd, bzip2), when its first
 * bytes say so: then *s is replaced by a read-only store of them.  *s is
 * closed on error. */
int protocol_unpack(struct store **s, const struct unpack_args *,
    struct error *);

#endif
