/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* protocol.c - which module has which protocol, and loading it */
#include "store/protocol.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/names.h"

/* The one list of what modules answer to; tests hold it against them. */
static const struct {
	const char *module;
	const char *names[9];	/* drivers and schemes */
} known[] = {
	{ "nbd", { "nbd", "nbd+tcp", "nbd+unix", "nbd+vsock", "nbds",
	    "nbds+tcp", "nbds+unix", "nbds+vsock" } },
	{ "curl", { "http", "https" } },
	{ "ssh", { "ssh", "sftp" } },
	{ "rbd", { "rbd" } },
};
enum { KNOWN = sizeof(known) / sizeof(known[0]) };

static const char *module_of(const char *name, size_t len)
{
	for (unsigned i = 0; i < KNOWN; i++)
		for (const char *const *n = known[i].names; *n; n++)
			if (strlen(*n) == len && !strncmp(*n, name, len))
				return known[i].module;
	return NULL;
}

/* ---- loading */

static void *try_open(const char *folder, const char *sub, const char *name)
{
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "%s%s/%s.so", folder, sub, name) < 0) {
		path = NULL;
		return NULL;
	}
	if (access(path, R_OK))
		return NULL;
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* The folder of the object this code is in: the shared library, or a tool
 * that has the library inside. */
static char *own_folder(void)
{
	char exe[4096];
	const char *path;
	Dl_info info;
	ssize_t n;

	if (!dladdr((void *)own_folder, &info) || !info.dli_fname)
		return NULL;
	path = info.dli_fname;
	if (!strstr(path, ".so")) {
		n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		if (n <= 0)
			return NULL;
		exe[n] = '\0';
		path = exe;
	}
	return strrchr(path, '/') ? strndup(path, (size_t)(strrchr(path, '/') -
	    path)) : NULL;
}

/* Beside us in the build tree and where the installation was moved to; then
 * where it was configured to be. */
static void *find_object(const char *name)
{
	const char *env = secure_getenv("COWBIRD_MODULES");
	AUTO_FREE char *own = own_folder();
	void *so = NULL;

	if (env && *env)
		return try_open(env, "", name);
	if (own) {
		so = try_open(own, "/../lib/cowbird", name);
		if (!so)
			so = try_open(own, "/cowbird", name);
	}
	return so ? so : try_open(MODULE_DIR, "", name);
}

static int load(const char *name, const struct module **m, struct error *err)
{
	const char *why;
	void *so;

	(void)dlerror();
	so = find_object(name);		/* counts; the object stays */
	if (!so) {
		why = dlerror();
		return error_set(err, ENOTSUP, "the module '%s' of cowbird is "
		    "not installed%s%s", name, why ? ": " : "",
		    why ? why : "");
	}
	*m = dlsym(so, "cowbird_module");
	if (!*m || strcmp((*m)->version, COWBIRD_VERSION))
		return error_set(err, ENOTSUP, "the module '%s' is not of "
		    "this version of cowbird (" COWBIRD_VERSION ")", name);
	return 0;
}

static bool listed(const char *const *list, const char *name, size_t len)
{
	for (; list && *list; list++)
		if (strlen(*list) == len && !strncmp(*list, name, len))
			return true;
	return false;
}

static int find(const char *name, size_t len, bool scheme,
    const struct protocol **p, struct error *err)
{
	const char *module = module_of(name, len);
	const struct module *m;
	int rc;

	*p = NULL;
	if (!module)
		return 0;
	if ((rc = load(module, &m, err)))
		return rc;
	for (const struct protocol *const *i = m->protocols; *i; i++)
		if (listed(scheme ? (*i)->schemes : (*i)->drivers, name, len))
			*p = *i;
	return 0;
}

int protocol_by_driver(const char *driver, const struct protocol **p,
    struct error *err)
{
	return find(driver, strlen(driver), false, p, err);
}

int protocol_by_scheme(const char *name, const struct protocol **p,
    struct error *err)
{
	size_t len = name_scheme_len(name);
	int rc = find(name, len, true, p, err);

	if (!rc && !*p)
		rc = error_set(err, EINVAL, "Unknown protocol '%.*s'",
		    (int)len, name);
	return rc;
}

/* ---- compressed files */

static bool looks_packed(const uint8_t *head)
{
	static const struct {
		const char *magic;
		size_t len;
	} magics[] = { { "\x1f\x8b\x08", 3 }, { "\xfd" "7zXZ\0", 6 },
	    { "\x28\xb5\x2f\xfd", 4 }, { "BZh", 3 } };

	for (unsigned i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (!memcmp(head, magics[i].magic, magics[i].len))
			return true;
	/* A zstd file may begin with a skippable frame. */
	return (head[0] & 0xf0) == 0x50 && !memcmp(head + 1, "\x2a\x4d\x18", 3);
}

int protocol_unpack(struct store **s, const struct unpack_args *args,
    struct error *err)
{
	struct store *packed = *s;
	const struct module *m;
	struct error ignored;
	uint8_t head[8];
	/* Past the end are zeros, which no magic has. */
	int rc = store_pread(packed, head, sizeof(head), 0, EVENT_HEADER_READ,
	    err);

	if (!rc && !looks_packed(head))
		return 0;
	*s = NULL;
	if (rc || (rc = load("unpack", &m, err))) {
		store_close(packed, &ignored);
		return rc;
	}
	*s = m->protocols[0]->wrap(packed, args, err);
	return *s ? 0 : -err->code;
}
