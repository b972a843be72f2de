/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link.c - connecting by libssh
 *
 * The order is: connect, check the host's key, only then show who we are.
 * Nobody is ever asked anything: keys come from the agent and from ~/.ssh, and
 * a host that is not known is refused.  ~/.ssh/config counts, as libssh reads
 * it; so does HOME, unlike with libssh.
 *
 * No call waits for ever: libssh's own take SSH_OPTIONS_TIMEOUT, and a packet
 * of the server's must be whole when the same time has passed since we began
 * to wait for it.
 */
#include "modules/ssh/link.h"

#include <ctype.h>
#include <libssh/libssh.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/clock.h"

struct ssh_link {
	struct sftp3_stream io;		/* first: the stream is the link */
	struct sftp3 sftp;
	ssh_session session;
	ssh_channel channel;
	unsigned timeout_ms;
	uint64_t deadline_ms;		/* of the packet under way */
};

/* ---- the stream */

static void link_begin(struct sftp3_stream *io)
{
	struct ssh_link *l = (struct ssh_link *)io;

	l->deadline_ms = clock_ms() + l->timeout_ms;
}

static int lost(struct ssh_link *l, struct error *err)
{
	const char *why = ssh_get_error(l->session);

	return error_set(err, EIO, "the connection is lost%s%s",
	    why && *why ? ": " : "", why ? why : "");
}

static int silent(struct ssh_link *l, struct error *err)
{
	return error_set(err, ETIMEDOUT, "the server did not answer within "
	    "%u s", l->timeout_ms / 1000);
}

static int link_recv(struct sftp3_stream *io, void *buf, size_t len,
    struct error *err)
{
	struct ssh_link *l = (struct ssh_link *)io;

	while (len) {
		uint64_t now = clock_ms();
		int n;

		if (now >= l->deadline_ms)
			return silent(l, err);
		n = ssh_channel_read_timeout(l->channel, buf,
		    (uint32_t)min64(len, 1u << 20), 0,
		    (int)(l->deadline_ms - now));
		if (n < 0 && n != SSH_AGAIN)
			return lost(l, err);
		if (n == 0 && (ssh_channel_is_eof(l->channel) ||
		    !ssh_is_connected(l->session)))
			return error_set(err, EIO,
			    "the server closed the connection");
		if (n > 0) {
			buf = (uint8_t *)buf + n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int link_send(struct sftp3_stream *io, const void *buf, size_t len,
    struct error *err)
{
	struct ssh_link *l = (struct ssh_link *)io;
	int n = ssh_channel_write(l->channel, buf, (uint32_t)len);

	if (n < 0)
		return lost(l, err);
	/* Less only when the time was up while the window was shut. */
	return (size_t)n == len ? 0 : silent(l, err);
}

/* ---- is it the right host? */

/* "ab:cd:..." or "abcd..." against the bytes. */
static bool same_hex(const char *text, const uint8_t *hash, size_t len)
{
	for (size_t i = 0; i < len * 2; text++) {
		static const char digits[] = "0123456789abcdef";
		unsigned want = i % 2 ? hash[i / 2] & 15 : hash[i / 2] >> 4;

		if (*text == ':' && i && i % 2 == 0 && text[-1] != ':')
			continue;
		if (tolower((unsigned char)*text) != digits[want])
			return false;
		i++;
	}
	return *text == '\0';
}

static int check_hash(const ssh_key key, const struct ssh_target *t,
    struct error *err)
{
	static const struct {
		enum ssh_publickey_hash_type type;
		const char *name;
	} types[] = { [HASH_MD5] = { SSH_PUBLICKEY_HASH_MD5, "md5" },
	    [HASH_SHA1] = { SSH_PUBLICKEY_HASH_SHA1, "sha1" },
	    [HASH_SHA256] = { SSH_PUBLICKEY_HASH_SHA256, "sha256" } };
	char hex[2 * 64 + 1] = "";
	uint8_t *hash;
	size_t len;
	bool same;

	if (ssh_get_publickey_hash(key, types[t->hash_type].type, &hash, &len))
		return error_set(err, EIO,
		    "the hash of the host's key cannot be made");
	same = same_hex(t->hash, hash, len);
	for (size_t i = 0; i < len && i < 64; i++)
		sprintf(hex + 2 * i, "%02x", hash[i]);
	ssh_clean_pubkey_hash(&hash);
	if (same)
		return 0;
	return error_set(err, EPERM, "the key of host '%s' is not the expected "
	    "one: its %s hash is %s", t->host, types[t->hash_type].name, hex);
}

/* How a person would find the key: as ssh-keygen -l shows it. */
static void fingerprint(const ssh_key key, char *text, size_t size)
{
	uint8_t *hash;
	char *shown;
	size_t len;

	*text = '\0';
	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len))
		return;
	shown = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
	if (shown)
		snprintf(text, size, " (%s %s)",
		    ssh_key_type_to_char(ssh_key_type(key)), shown);
	ssh_string_free_char(shown);
	ssh_clean_pubkey_hash(&hash);
}

static int check_known_hosts(ssh_session session, const ssh_key key,
    const struct ssh_target *t, struct error *err)
{
	char shown[128];

	fingerprint(key, shown, sizeof(shown));
	switch (ssh_session_is_known_server(session)) {
	case SSH_KNOWN_HOSTS_OK:
		return 0;
	case SSH_KNOWN_HOSTS_CHANGED:
		return error_set(err, EPERM, "the key of host '%s'%s is not "
		    "the one in known_hosts: somebody may be listening in",
		    t->host, shown);
	case SSH_KNOWN_HOSTS_OTHER:
		return error_set(err, EPERM, "known_hosts has another kind of "
		    "key for host '%s' than the one it shows%s", t->host,
		    shown);
	case SSH_KNOWN_HOSTS_UNKNOWN:
	case SSH_KNOWN_HOSTS_NOT_FOUND:
		return error_set(err, EPERM, "host '%s' is not known: its "
		    "key%s is not in known_hosts", t->host, shown);
	case SSH_KNOWN_HOSTS_ERROR:
		break;
	}
	return error_set(err, EIO, "known_hosts cannot be read: %s",
	    ssh_get_error(session));
}

static int check_host(ssh_session session, const struct ssh_target *t,
    struct error *err)
{
	ssh_key key;
	int rc = 0;

	if (t->check == CHECK_NONE)
		return 0;
	if (ssh_get_server_publickey(session, &key))
		return error_set(err, EIO, "the host showed no key: %s",
		    ssh_get_error(session));
	rc = t->check == CHECK_HASH ? check_hash(key, t, err) :
	    check_known_hosts(session, key, t, err);
	ssh_key_free(key);
	return rc;
}

/* ---- who are we? */

static int log_in(ssh_session session, const struct ssh_target *t,
    struct error *err)
{
	int rc = ssh_userauth_none(session, NULL);
	const char *user = t->user ? t->user : "the user";

	if (rc == SSH_AUTH_DENIED || rc == SSH_AUTH_PARTIAL)
		rc = ssh_userauth_publickey_auto(session, NULL, NULL);
	switch (rc) {
	case SSH_AUTH_SUCCESS:
		return 0;
	case SSH_AUTH_DENIED:
		return error_set(err, EPERM, "the server takes none of the "
		    "keys of the agent and of ~/.ssh for %s", user);
	case SSH_AUTH_PARTIAL:
		return error_set(err, EPERM,
		    "the server wants more than a key of %s", user);
	}
	return error_set(err, EPERM, "cannot log in: %s",
	    ssh_get_error(session));
}

/* ---- connecting */

static int set_options(ssh_session s, const struct ssh_target *t,
    struct error *err)
{
	const char *home = secure_getenv("HOME");
	AUTO_FREE char *folder = NULL;
	long seconds = (long)t->timeout_ms / 1000;
	int yes = 1;

	if (home && *home == '/' && asprintf(&folder, "%s/.ssh", home) < 0) {
		folder = NULL;
		return error_errno(err, ENOMEM, "connecting");
	}
	if ((folder && ssh_options_set(s, SSH_OPTIONS_SSH_DIR, folder)) ||
	    ssh_options_set(s, SSH_OPTIONS_HOST, t->host) ||
	    (t->port && ssh_options_set(s, SSH_OPTIONS_PORT, &t->port)) ||
	    (t->user && ssh_options_set(s, SSH_OPTIONS_USER, t->user)) ||
	    ssh_options_set(s, SSH_OPTIONS_TIMEOUT, &seconds) ||
	    ssh_options_set(s, SSH_OPTIONS_NODELAY, &yes))
		return error_set(err, EINVAL, "%s", ssh_get_error(s));
	return 0;
}

/* So that a host that vanished shows, also while nothing is asked of it. */
static void keep_alive(ssh_session session)
{
	int fd = ssh_get_fd(session), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
}

struct ssh_link *ssh_link_open(const struct ssh_target *t, struct error *err)
{
	struct ssh_link *l = calloc(1, sizeof(*l));

	if (!l) {
		error_errno(err, ENOMEM, "connecting");
		return NULL;
	}
	l->io = (struct sftp3_stream){ link_begin, link_recv, link_send };
	l->timeout_ms = t->timeout_ms;
	l->session = ssh_new();
	if (!l->session) {
		error_errno(err, ENOMEM, "connecting");
		goto fail;
	}
	if (set_options(l->session, t, err))
		goto fail;
	if (ssh_connect(l->session)) {
		error_set(err, ECONNREFUSED, "cannot connect to '%s': %s",
		    t->host, ssh_get_error(l->session));
		goto fail;
	}
	keep_alive(l->session);
	if (check_host(l->session, t, err) || log_in(l->session, t, err))
		goto fail;
	l->channel = ssh_channel_new(l->session);
	if (!l->channel || ssh_channel_open_session(l->channel) ||
	    ssh_channel_request_subsystem(l->channel, "sftp")) {
		error_set(err, EIO, "the server does not do SFTP: %s",
		    ssh_get_error(l->session));
		goto fail;
	}
	if (sftp3_begin(&l->sftp, &l->io, err))
		goto fail;
	return l;
fail:
	ssh_link_close(l);
	return NULL;
}

void ssh_link_close(struct ssh_link *l)
{
	if (!l)
		return;
	if (l->channel)
		ssh_channel_free(l->channel);
	if (l->session) {
		ssh_disconnect(l->session);
		ssh_free(l->session);
	}
	free(l);
}

struct sftp3 *ssh_link_sftp(struct ssh_link *l)
{
	return &l->sftp;
}

bool ssh_link_alive(struct ssh_link *l)
{
	/* Nothing is asked for, so data would be unasked for. */
	return !l->sftp.broken && ssh_channel_poll_timeout(l->channel, 0, 0) ==
	    0 && ssh_is_connected(l->session) && !ssh_channel_is_eof(l->channel);
}
