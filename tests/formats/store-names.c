/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* store-names.c - names of images on SSH hosts and in Ceph clusters are taken
 * apart as the peers do, and what is no such name is refused */
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/protocol.h"
#include "support/unit.h"

static struct error err;

/* The keys a name stands for, "a=b c=d", in order; NULL: it was refused. */
static const char *keys(const char *scheme, const char *name)
{
	static char text[1024];
	const struct protocol *p;
	const char *key, *value;
	struct opts *o = opts_new();
	size_t n = 0;
	int rc;

	CU_ASSERT_FATAL(o && !protocol_by_driver(scheme, &p, &err) && p);
	text[0] = '\0';
	rc = p->parse(name, o, &err);
	for (unsigned i = 0; opts_at(o, i, &key, &value); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s=%s",
		    i ? " " : "", key, value);
	opts_free(o);
	if (rc)
		CU_ASSERT(err.text[0] && !strchr(err.text, '\n'));
	return rc ? NULL : text;
}

#define IS(scheme, name, expected) \
	CU_ASSERT_STRING_EQUAL(keys(scheme, name), expected)
#define REFUSED(scheme, name) CU_ASSERT_PTR_NULL(keys(scheme, name))

static void rbd_names_have_parts(void)
{
	IS("rbd", "rbd:p/i", "pool=p image=i");
	IS("rbd", "rbd:p/i@s", "pool=p image=i snapshot=s");
	IS("rbd", "rbd:p/ns/i", "pool=p namespace=ns image=i");
	IS("rbd", "rbd:p/ns/i@s", "pool=p namespace=ns image=i snapshot=s");
	IS("rbd", "rbd:p/i:id=joe:conf=/etc/c",
	    "pool=p image=i user=joe conf=/etc/c");
	IS("rbd", "rbd:p/i@s:mon_host=a\\:1,b:key=x==",
	    "pool=p image=i snapshot=s =mon_host=a:1,b =key=x==");
	IS("rbd", "rbd:p/i:", "pool=p image=i");
}

static void rbd_names_are_escaped_by_backslashes(void)
{
	IS("rbd", "rbd:p\\/q/i\\:j\\@k", "pool=p/q image=i:j@k");
	IS("rbd", "rbd:p/i\\\\", "pool=p image=i\\");
	IS("rbd", "rbd:p/a\\/b@c\\:d", "pool=p image=a/b snapshot=c:d");
	IS("rbd", "rbd:p/i\\", "pool=p image=i\\");
	/* '@' and '/' behind the ':' are of the settings. */
	IS("rbd", "rbd:p/i:keyring=/a/b@c", "pool=p image=i =keyring=/a/b@c");
}

static void bad_rbd_names_are_refused(void)
{
	REFUSED("rbd", "rbd:");
	REFUSED("rbd", "rbd:i");
	REFUSED("rbd", "rbd:/i");
	REFUSED("rbd", "rbd:p/");
	REFUSED("rbd", "rbd:p//i");
	REFUSED("rbd", "rbd:p/i@");
	REFUSED("rbd", "rbd:p/@s");
	REFUSED("rbd", "rbd:p\\/i");
	REFUSED("rbd", "rbd:p:conf=/etc/c");
	REFUSED("rbd", "rbd:p/i:id");
	REFUSED("rbd", "rbd:p/i:=x");
}

static void ssh_names_are_uris(void)
{
	IS("ssh", "ssh://h/p", "server.host=h path=/p");
	IS("ssh", "ssh://joe@h:23/a/b", "user=joe server.host=h "
	    "server.port=23 path=/a/b");
	IS("ssh", "ssh://a@b@h/p", "user=a@b server.host=h path=/p");
	IS("ssh", "ssh://[::1]:23/p",
	    "server.host=::1 server.port=23 path=/p");
	IS("ssh", "ssh://h/a%20b%3f%23", "server.host=h path=/a b?#");
	IS("ssh", "ssh://h/p?host_key_check=no",
	    "server.host=h path=/p host-key-check.mode=none");
	IS("ssh", "ssh://h/p?host_key_check=yes&timeout=5", "server.host=h "
	    "path=/p host-key-check.mode=known_hosts timeout=5");
	IS("ssh", "ssh://h/p?host_key_check=sha256:ab:cd", "server.host=h "
	    "path=/p host-key-check.mode=hash host-key-check.type=sha256 "
	    "host-key-check.hash=ab:cd");
	IS("ssh", "sftp://h/p", "server.host=h path=/p");
}

static void bad_ssh_names_are_refused(void)
{
	REFUSED("ssh", "ssh:h/p");
	REFUSED("ssh", "ssh:/h/p");
	REFUSED("ssh", "ssh://h");
	REFUSED("ssh", "ssh:///p");
	REFUSED("ssh", "ssh://joe@/p");
	REFUSED("ssh", "ssh://[::1/p");
	REFUSED("ssh", "ssh://[::1]x/p");
	REFUSED("ssh", "ssh://h?x/p");
	REFUSED("ssh", "ssh://h/p#x");
	REFUSED("ssh", "ssh://h/%");
	REFUSED("ssh", "ssh://h/%1");
	REFUSED("ssh", "ssh://h/%00");
	REFUSED("ssh", "ssh://h/%zz");
	REFUSED("ssh", "ssh://h/p?x=1");
	REFUSED("ssh", "ssh://h/p?host_key_check");
	REFUSED("ssh", "ssh://h/p?host_key_check=maybe");
	REFUSED("ssh", "ssh://h/p?host_key_check=sha512:00");
}

static const struct unit_test tests[] = {
	{ "rbd names have parts", rbd_names_have_parts },
	{ "rbd names are escaped by backslashes",
	    rbd_names_are_escaped_by_backslashes },
	{ "bad rbd names are refused", bad_rbd_names_are_refused },
	{ "ssh names are URIs", ssh_names_are_uris },
	{ "bad ssh names are refused", bad_ssh_names_are_refused },
	{ 0 }
};

/* The modules lie in the same build tree. */
static bool find_modules(void)
{
	static const char *const needed[] = { "ssh", "rbd" };
	const struct protocol *p;
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	if (n <= 0)
		return false;
	path[n] = '\0';
	strcat(dirname(path), "/../../lib/cowbird");
	setenv("COWBIRD_MODULES", path, 1);
	for (unsigned i = 0; i < 2; i++)
		if (protocol_by_driver(needed[i], &p, &err)) {
			fprintf(stderr, "%s\n", err.text);
			return false;
		}
	return true;
}

int main(void)
{
	return find_modules() ? unit_run("names of remote images", tests) : 77;
}
