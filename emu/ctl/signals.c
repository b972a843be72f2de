/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signals.c - signals that ask the program to end
 *
 * A handler runs in whatever thread the kernel picks, so it only writes the
 * signal's number to an event descriptor, which the loop watches: disks are
 * flushed and the terminal is restored on the ordinary way out.
 */
#include "ctl/signals.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ctl/terminal.h"

static const int sigs[] = { SIGINT, SIGTERM, SIGHUP };

static int event = -1;
static struct board_fd *watch;
static void (*on_end)(void *opaque, int sig);
static void *on_end_opaque;
static volatile sig_atomic_t seen;

static void
handler(int sig)
{
	int saved = errno;
	uint64_t n = sig;

	if (seen) {
		terminal_restore();
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	seen = 1;
	if (write(event, &n, sizeof(n)) < 0) {
		/* There is nothing else to be done here. */
	}
	errno = saved;
}

static void
caught(void *opaque, short revents)
{
	uint64_t sig;

	if (read(event, &sig, sizeof(sig)) == sizeof(sig))
		on_end(on_end_opaque, (int)sig);
}

int
signals_catch(struct board *b, void (*ended)(void *opaque, int sig),
    void *opaque, struct error *err)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = SA_RESTART };

	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return error_errno(err, errno, "event descriptor");
	watch = board_fd_add(b, event, POLLIN, caught, NULL, err);
	if (!watch) {
		signals_release();
		return -err->code;
	}
	on_end = ended;
	on_end_opaque = opaque;
	seen = 0;
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		struct sigaction old;

		/* What was to be ignored (nohup) stays so. */
		if (sigaction(sigs[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(sigs[i], &a, NULL);
	}
	return 0;
}

void
signals_release(void)
{
	struct sigaction old;

	if (event < 0)
		return;
	for (unsigned i = 0; i < sizeof(sigs) / sizeof(*sigs); i++) {
		if (sigaction(sigs[i], NULL, &old) == 0 &&
		    old.sa_handler == handler)
			signal(sigs[i], SIG_DFL);
	}
	board_fd_remove(watch);
	watch = NULL;
	close(event);
	event = -1;
}
