/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - cowbird-fuse: options, signals, the daemon
 *
 * The main thread only waits: for a signal, or for the threads of loop.c to
 * end because somebody unmounted.  With --daemon all is done in a child; the
 * parent ends when the child says through a pipe that it is mounted, or with
 * the child's exit code when it ends before that.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "cli/cli.h"
#include "export.h"
#include "modes.h"

enum {
	OPT_IMAGE_OPTS = 256, OPT_WRITABLE, OPT_GROWABLE, OPT_DAEMON,
	OPT_DISCARD, OPT_DETECT, OPT_AIO, OPT_THREADS
};

enum { THREADS = 16, THREADS_LIMIT = 64 };

static const struct cli_option options[] = {
	{ 'f', "format", "FMT", "format of the image; guessed without it",
	  NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL,
	  "IMAGE is a list of options: key=value,...", NULL },
	{ OPT_WRITABLE, "writable", NULL, "allow to write to the disk", NULL },
	{ OPT_GROWABLE, "growable", NULL,
	  "let writes and truncate change the size (with --writable)", NULL },
	{ OPT_DAEMON, "daemon", NULL,
	  "go to the background when it is mounted", NULL },
	{ 'o', "options", "OPTIONS",
	  "mount options: allow_other, auto_unmount, ...", NULL },
	{ 't', "cache", "MODE",
	  "none, writeback, writethrough, directsync or unsafe", NULL },
	{ OPT_DISCARD, "discard", "MODE",
	  "unmap (default) or ignore: what a punched hole gives back", NULL },
	{ OPT_DETECT, "detect-zeroes", "MODE",
	  "off (default), on or unmap: look for zeros in what is written",
	  NULL },
	{ 'l', "snapshot", "SNAPSHOT",
	  "show this internal snapshot, by id or name", NULL },
	{ 'U', "force-share", NULL,
	  "open it although another process writes to it", NULL },
	{ OPT_AIO, "aio", "MODE",
	  "threads, native or io_uring: how O_DIRECT files are reached",
	  NULL },
	{ OPT_THREADS, "threads", "N", "most requests served at a time", NULL },
	{ 'V', "version", NULL, "show the version", NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

static int run(struct cli *);

static const struct cli_command program = {
	.name = "", .operands = "IMAGE TARGET",
	.summary = "Shows a disk image as a plain file: onto the file TARGET "
	"as that file,\nin the folder TARGET with its partitions and "
	"snapshots, too.",
	.options = options, .run = run
};

struct settings {
	const char *image, *target, *mount_options;
	unsigned threads;
	bool daemon;
};

/* ---- the command line */

static int not_one_of(const struct cli *cli, const char *what,
    const char *all)
{
	cli_error(cli, "%s '%s' is not %s", what, cli->value, all);
	return 1;
}

/* -1, or the exit code to end with. */
static int parse(struct cli *cli, struct export *x, struct settings *s)
{
	struct open_args *args = &x->source.args;
	uint64_t number;
	int id;

	x->unmap = true;
	s->threads = THREADS;
	while ((id = cli_next(cli)) != -1)
		switch (id) {
		case 'f':
			args->format = cli->value;
			break;
		case 'o':
			s->mount_options = cli->value;
			break;
		case 't':
			if (!cli_cache_mode(cli, cli->value, args))
				return 1;
			break;
		case 'l':
			args->snapshot = cli->value;
			break;
		case 'U':
			args->share = true;
			break;
		case 'V':
			cli_version(cli, stdout);
			return 0;
		case OPT_IMAGE_OPTS:
			x->source.image_opts = true;
			break;
		case OPT_WRITABLE:
			x->writable = true;
			break;
		case OPT_GROWABLE:
			x->growable = true;
			break;
		case OPT_DAEMON:
			s->daemon = true;
			break;
		case OPT_DISCARD:
			if (!mode_discard(cli->value, &x->unmap))
				return not_one_of(cli, "discard mode",
				    "unmap or ignore");
			break;
		case OPT_DETECT:
			if (!mode_detect_zeroes(cli->value,
			    &args->detect_zeroes))
				return not_one_of(cli, "zero detection",
				    "off, on or unmap");
			break;
		case OPT_AIO:
			if (!mode_aio(cli->value, &args->aio))
				return not_one_of(cli, "aio mode",
				    "threads, native or io_uring");
			break;
		case OPT_THREADS:
			if (!cli_number(cli, "number of threads", cli->value,
			    1, THREADS_LIMIT, &number))
				return 1;
			s->threads = (unsigned)number;
			break;
		}
	if (cli->argc != 2)
		return cli_usage(cli, "expected the image and where to show "
		    "it");
	x->source.name = s->image = cli->argv[0];
	s->target = cli->argv[1];
	if (x->growable && !x->writable)
		return cli_usage(cli, "--growable needs --writable");
	if (x->writable && args->snapshot)
		return cli_usage(cli, "a snapshot cannot be written: "
		    "--writable and --snapshot exclude each other");
	if (x->writable && args->share)
		return cli_usage(cli, "--force-share is for reading: "
		    "it excludes --writable");
	if (args->detect_zeroes == DETECT_UNMAP && !x->unmap)
		return cli_usage(cli, "--detect-zeroes=unmap needs "
		    "--discard=unmap");
	args->writable = x->writable;
	args->unmap = x->unmap;
	return -1;
}

/* "allow_other" as one of the words of "a,b=c,allow_other"? */
static bool has_word(const char *list, const char *word)
{
	const size_t len = strlen(word);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (!strncmp(list, word, len) &&
		    (!list[len] || list[len] == ','))
			return true;
	}
	return false;
}

/* ---- the daemon */

/* The parent never returns: it ends when the child is ready, or with its exit
 * code.  The child returns where to say that it is ready; -1: there is none. */
static int fork_daemon(struct cli *cli)
{
	int ready[2], status;
	char byte = 0;
	pid_t pid = -1;

	if (!pipe2(ready, O_CLOEXEC))
		pid = fork();
	if (pid < 0) {
		cli_error(cli, "--daemon: %s", strerror(errno));
		return -1;
	}
	if (!pid) {
		close(ready[0]);
		return ready[1];
	}
	close(ready[1]);
	while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
		;
	/* Closed with a byte: ready; without: it has ended, or will. */
	if (byte)
		_exit(0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status));
}

/* Leaves the terminal and lets the parent go. */
static void be_daemon(int ready)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	(void)!write(ready, "1", 1);
	close(ready);
}

/* ---- from mounting to the end */

/* The signals that end us, blocked from here on: but one that was ignored
 * (nohup) stays so. */
static int block_signals(sigset_t *set)
{
	static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_LEN(caught); i++)
		if (!sigaction(caught[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN)
			sigaddset(set, caught[i]);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	return signalfd(-1, set, SFD_CLOEXEC);
}

static void on_signal(int sig)
{
}

/* Unmounted by others: who sends a signal now wants no more than what we do
 * already. */
static void forgive_one(const sigset_t *set)
{
	const struct sigaction once = { .sa_handler = on_signal,
	    .sa_flags = SA_RESETHAND | SA_RESTART };

	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(set, sig) == 1)
			sigaction(sig, &once, NULL);
}

static bool serve(struct cli *cli, struct export *x, const struct settings *s,
    int ready)
{
	bool asked = false;
	sigset_t set;
	AUTO_CLOSE int signals = block_signals(&set);
	struct signalfd_siginfo info;
	struct loop *l;
	bool ok;

	if (signals < 0) {
		cli_error(cli, "signalfd: %s", strerror(errno));
		return false;
	}
	l = loop_new(x, s->target, s->mount_options, s->threads);
	if (!l)
		return false;
	ok = loop_start(l);
	if (ok) {
		if (ready >= 0)
			be_daemon(ready);
		asked = loop_wait(l, signals) &&
		    read(signals, &info, sizeof(info)) > 0;
		if (asked)
			loop_unmount(l);
	}
	if (!asked)
		forgive_one(&set);
	/* The next one ends us at once: the image may be far away. */
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return loop_stop(l) && ok;
}

static int run(struct cli *cli)
{
	struct settings s = { 0 };
	struct export x = { .cli = cli };
	struct stat st;
	int ready = -1, code = parse(cli, &x, &s);
	bool ok;

	if (code >= 0)
		return code;
	if (stat(s.target, &st)) {
		cli_error(cli, "%s: %s", s.target, strerror(errno));
		return 1;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		cli_error(cli, "%s: neither a regular file nor a folder",
		    s.target);
		return 1;
	}
	x.folder = S_ISDIR(st.st_mode);
	x.others = has_word(s.mount_options, "allow_other");
	if (s.daemon && (ready = fork_daemon(cli)) < 0)
		return 1;
	ok = export_open(&x) && serve(cli, &x, &s, ready);
	return export_close(&x) && ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct cli cli;

	cli_init(&cli, argv[0] ? argv[0] : "cowbird-fuse");
	cli_begin(&cli, &program, argc, argv);
	return cli_end(&cli, program.run(&cli));
}
