/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.h - one SSH connection: known to be the right host, logged in, and
 * with SFTP running over it
 */
#ifndef MODULES_SSH_LINK_H
#define MODULES_SSH_LINK_H

#include <stdbool.h>

#include "base/error.h"
#include "modules/ssh/sftp3.h"

enum ssh_check { CHECK_KNOWN_HOSTS, CHECK_HASH, CHECK_NONE };
enum ssh_hash { HASH_MD5, HASH_SHA1, HASH_SHA256 };

struct ssh_target {
	char *host, *user;		/* user: NULL for the default */
	unsigned port;			/* 0: the default */
	enum ssh_check check;
	enum ssh_hash hash_type;
	char *hash;			/* in hex, colons allowed */
	unsigned timeout_ms;		/* of silence */
};

struct ssh_link;

/* Blocks until all of that is done.  The target is borrowed for the call. */
struct ssh_link *ssh_link_open(const struct ssh_target *, struct error *);
void ssh_link_close(struct ssh_link *);		/* NULL is allowed */

struct sftp3 *ssh_link_sftp(struct ssh_link *);

/* Answers what the server wanted to know meanwhile (is anybody there?); is the
 * connection still good? */
bool ssh_link_alive(struct ssh_link *);

#endif
