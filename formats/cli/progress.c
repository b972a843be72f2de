/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * progress.c - how far a long job is
 *
 * Workers add bytes to one counter and look at a coarse clock; whoever finds
 * a tenth of a second gone draws.  SIGUSR1 is answered from the handler
 * itself, so that a job stuck in the kernel still answers: that path uses
 * whole numbers, a buffer of its own and write(2) only.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "cli/cli.h"

enum { STEP_MS = 100, NARROW = 40, WIDE = 100 };

static struct {
	enum progress_mode mode;
	const char *what;
	uint64_t total;
	int64_t start_ms;
	_Atomic uint64_t done;
	_Atomic int64_t next_ms;	/* INT64_MAX: nobody draws */
	_Atomic unsigned percent;	/* PEER: the last one shown */
	bool color, drawn;
	pthread_mutex_t lock;		/* guards the stream and drawn */
} p = { .next_ms = INT64_MAX, .lock = PTHREAD_MUTEX_INITIALIZER };

/* In hundredths of a percent; an empty job is done. */
static unsigned hundredths(void)
{
	const uint64_t done = atomic_load(&p.done);

	if (done >= p.total)
		return 10000;
	return (unsigned __int128)done * 10000 / p.total;
}

/* "    (12.34/100%)" and an end; safe in a signal handler. */
static size_t peer_line(char buf[32], char end)
{
	const unsigned v = hundredths();
	char *s = buf;

	memcpy(s, "    (", 5);
	s += 5;
	if (v >= 10000)
		*s++ = '1';
	if (v >= 1000)
		*s++ = '0' + v / 1000 % 10;
	*s++ = '0' + v / 100 % 10;
	*s++ = '.';
	*s++ = '0' + v / 10 % 10;
	*s++ = '0' + v % 10;
	memcpy(s, "/100%)", 6);
	s += 6;
	*s++ = end;
	return s - buf;
}

static void peer_show(void)
{
	char line[32];

	fwrite(line, 1, peer_line(line, '\r'), stdout);
	fflush(stdout);
}

static void on_usr1(int sig)
{
	const int saved = errno;
	char line[32];

	(void)!write(STDERR_FILENO, line, peer_line(line, '\n'));
	errno = saved;
}

static uint64_t rate(uint64_t done, int64_t at)
{
	const int64_t ms = at - p.start_ms;

	return ms > 0 ? (unsigned __int128)done * 1000 / ms : 0;
}

static void json_show(int64_t at)
{
	const uint64_t done = atomic_load(&p.done), r = rate(done, at);
	const unsigned v = hundredths();

	fprintf(stderr, "{\"what\":\"%s\",\"done\":%" PRIu64 ",\"total\":%"
	    PRIu64 ",\"percent\":%u.%02u,\"rate\":%" PRIu64, p.what, done,
	    p.total, v / 100, v % 100, r);
	if (r)
		fprintf(stderr, ",\"seconds_left\":%" PRIu64 "}\n",
		    p.total > done ? (p.total - done + r - 1) / r : 0);
	else
		fprintf(stderr, ",\"seconds_left\":null}\n");
}

/* convert  45 % [==========>           ] 1.2 GiB/s, 0:12 left */
static void bar_show(int64_t at)
{
	const uint64_t done = atomic_load(&p.done), r = rate(done, at);
	const unsigned v = hundredths();
	struct winsize ws = { 0 };
	char size[SIZE_TEXT], right[64] = "", bar[WIDE + 1];
	int width = 80, room, full;

	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) && ws.ws_col)
		width = ws.ws_col;
	if (r && p.total > done) {
		const uint64_t left = (p.total - done + r - 1) / r;

		if (left < 3600)
			snprintf(right, sizeof(right), " %s/s, %" PRIu64 ":%02"
			    PRIu64 " left", size_text(size, r), left / 60,
			    left % 60);
		else
			snprintf(right, sizeof(right), " %s/s, %" PRIu64 ":%02"
			    PRIu64 ":%02" PRIu64 " left", size_text(size, r),
			    left / 3600, left / 60 % 60, left % 60);
	} else if (r)
		snprintf(right, sizeof(right), " %s/s", size_text(size, r));

	/* One column stays free: a full line would wrap. */
	room = width - 1 - (int)(strlen(p.what) + strlen(" 100 % []") +
	    strlen(" 1023 MiB/s, 0:00:00 left"));
	if (room > WIDE)
		room = WIDE;
	fprintf(stderr, "\r%s %3u %%", p.what, v / 100);
	if (room >= 8) {
		full = (int)((uint64_t)room * v / 10000);
		memset(bar, ' ', room);
		memset(bar, '=', full);
		if (full < room)
			bar[full] = '>';
		bar[room] = '\0';
		fprintf(stderr, p.color ? " [\033[32m%s\033[0m]" : " [%s]",
		    bar);
	}
	if (width >= NARROW)
		fputs(right, stderr);
	fputs("\033[K", stderr);
	p.drawn = true;
}

static void show(int64_t at)
{
	LOCKED(&p.lock);
	if (p.mode == PROGRESS_JSON)
		json_show(at);
	else
		bar_show(at);
	fflush(stderr);
}

bool progress_parse(const struct cli *cli, const char *text,
    enum progress_mode *mode)
{
	static const struct {
		const char *name;
		enum progress_mode mode;
	} modes[] = {
		{ "bar", PROGRESS_AUTO },
		{ "json", PROGRESS_JSON },
		{ "none", PROGRESS_QUIET },
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(text, modes[i].name)) {
			*mode = modes[i].mode;
			return true;
		}
	cli_error(cli, "progress '%s' is not bar, json or none", text);
	return false;
}

void progress_begin(enum progress_mode mode, const char *what, uint64_t total)
{
	const struct sigaction sa = {
		.sa_handler = on_usr1, .sa_flags = SA_RESTART
	};
	const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");

	if (mode == PROGRESS_AUTO && (!isatty(STDERR_FILENO) || !term ||
	    !strcmp(term, "dumb")))
		mode = PROGRESS_QUIET;
	p.mode = mode;
	p.what = what;
	p.total = total;
	p.color = !plain || !*plain;
	p.drawn = false;
	p.start_ms = clock_ms();
	atomic_store(&p.done, 0);
	atomic_store(&p.percent, 0);
	sigaction(SIGUSR1, &sa, NULL);
	if (mode == PROGRESS_PEER)
		peer_show();
	/* Nothing is drawn for what takes no time. */
	atomic_store(&p.next_ms, mode == PROGRESS_QUIET ? INT64_MAX :
	    mode == PROGRESS_PEER ? 0 : p.start_ms + 2 * STEP_MS);
}

void progress_add(uint64_t bytes)
{
	int64_t next, at;

	atomic_fetch_add_explicit(&p.done, bytes, memory_order_relaxed);
	next = atomic_load_explicit(&p.next_ms, memory_order_relaxed);
	if (next == INT64_MAX)
		return;
	if (p.mode == PROGRESS_PEER) {
		/* As the peer: at each whole percent. */
		unsigned seen = atomic_load(&p.percent);
		const unsigned v = hundredths();

		if (v / 100 <= seen / 100 ||
		    !atomic_compare_exchange_strong(&p.percent, &seen, v))
			return;
		LOCKED(&p.lock);
		peer_show();
		return;
	}
	at = clock_ms();
	if (at >= next && atomic_compare_exchange_strong(&p.next_ms, &next,
	    at + STEP_MS))
		show(at);
}

void progress_job(void *unused, uint64_t bytes)
{
	progress_add(bytes);
}

void progress_end(bool done)
{
	atomic_store(&p.next_ms, INT64_MAX);
	if (done)
		atomic_store(&p.done, p.total);
	switch (p.mode) {
	case PROGRESS_PEER:
		if (done)
			peer_show();
		putchar('\n');
		fflush(stdout);
		break;
	case PROGRESS_JSON:
		show(clock_ms());
		break;
	case PROGRESS_AUTO:
		if (p.drawn)
			fputs("\r\033[K", stderr);
		break;
	case PROGRESS_QUIET:
		break;
	}
	p.mode = PROGRESS_QUIET;
	signal(SIGUSR1, SIG_IGN);
}
