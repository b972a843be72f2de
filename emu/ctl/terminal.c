/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * terminal.c - the terminal on standard input: raw while we run
 *
 * There is one terminal and one way back, so this is the process's state.
 * Handlers of fatal signals restore it by tcsetattr(), which is allowed in
 * them, and end the program as the signal would have; signals that somebody
 * else handles are left alone.
 */
#include "ctl/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios before, raw;
static volatile sig_atomic_t is_raw;

static const int fatal[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGABRT,
	SIGSEGV, SIGBUS, SIGILL, SIGFPE };

void
terminal_restore(void)
{
	if (!is_raw)
		return;
	is_raw = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void
died(int sig)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	/* The handler was for once: this ends us. */
	raise(sig);
}

static void
suspended(int sig)
{
	int saved = errno;

	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	raise(SIGSTOP);
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	errno = saved;
}

static void
handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction old, new = { .sa_flags = flags };

	new.sa_handler = handler;
	if (sigaction(sig, NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) &&
	    old.sa_handler == SIG_DFL)
		sigaction(sig, &new, NULL);
}

int
terminal_raw(bool signals, struct error *err)
{
	static bool once;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return 0;
	raw = before;
	raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR |
	    ICRNL | IXON);
	raw.c_oflag |= OPOST;
	raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
	if (!signals)
		raw.c_lflag &= ~ISIG;
	raw.c_cflag = (raw.c_cflag & ~(CSIZE | PARENB)) | CS8;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (!once) {
		once = true;
		atexit(terminal_restore);
		for (unsigned i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
			handle(fatal[i], died, SA_RESETHAND | SA_NODEFER);
		handle(SIGTSTP, suspended, SA_RESTART);
	}
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return error_errno(err, errno, "terminal");
	is_raw = 1;
	return 0;
}
