/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - cowbird-io: options, and where the lines of commands come from */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef HAVE_LIBEDIT
#include <editline/readline.h>
#endif

#include "command.h"

enum { OPT_IMAGE_OPTS = 256 };

static const struct cli_option options[] = {
	{ 'c', "cmd", "COMMAND", "run this command; may be repeated", NULL },
	{ 'f', "format", "FMT", "format of the file (default: probed)", NULL },
	{ OPT_IMAGE_OPTS, "image-opts", NULL,
	  "FILE is key=value,... as for -o", NULL },
	{ 'r', "read-only", NULL, "open it read-only", NULL },
	{ 's', "snapshot", NULL, "write to a temporary snapshot", NULL },
	{ 'n', "nocache", NULL, "the same as -t none", NULL },
	{ 't', "cache", "MODE",
	  "none, writeback, writethrough, directsync or unsafe", NULL },
	{ 'd', "discard", "MODE", "unmap (default) or ignore", NULL },
	{ 'C', "copy-on-read", NULL, "keep what is read from backing images",
	  NULL },
	{ 'm', "misalign", NULL, "use buffers O_DIRECT does not like", NULL },
	{ 'k', "native-aio", NULL, "the same as -i native", NULL },
	{ 'i', "aio", "MODE",
	  "threads, native or io_uring: makes no difference", NULL },
	{ 'U', "force-share", NULL,
	  "open it although another process uses it (with -r)", NULL },
	{ 'T', "trace", "PATTERN", "taken and ignored", NULL },
	{ 'V', "version", NULL, "show the version", NULL },
	{ 0, NULL, NULL, NULL, NULL }
};

static int run(struct cli *);

static const struct cli_command program = {
	.name = "", .operands = "[FILE]",
	.summary = "Reads and writes disk images, command by command. "
	"Without -c\ncommands are read from standard input; 'help' is one.",
	.options = options, .run = run
};

/* ---- lines */

static void do_line(struct io *io, char *line)
{
	aio_busy(io);
	command_line(io, line);
	fflush(stdout);
	aio_idle(io);
}

static void read_lines(struct io *io, const char *prompt)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n = 0;

	while (!io->quit) {
		fputs(prompt, stdout);
		fflush(stdout);
		n = getline(&line, &size, stdin);
		if (n < 0)
			break;
		if (n && line[n - 1] == '\n')
			line[n - 1] = '\0';
		do_line(io, line);
	}
	if (n < 0 && *prompt && isatty(STDIN_FILENO))
		putchar('\n');
	free(line);
}

#ifdef HAVE_LIBEDIT
static const struct io *completing;	/* the hook has no argument */

static char *complete(const char *text, int state)
{
	static unsigned next;
	const char *name;

	if (!state)
		next = 0;
	while ((name = command_name(completing, next++)))
		if (!strncmp(name, text, strlen(text)))
			return strdup(name);
	return NULL;
}

static void edit_lines(struct io *io, const char *prompt)
{
	char *line, last[256] = "";

	completing = io;
	rl_readline_name = io->cli->tool;
	rl_completion_entry_function = complete;
	while (!io->quit && (line = readline(prompt))) {
		if (*line && strncmp(line, last, sizeof(last) - 1)) {
			add_history(line);
			snprintf(last, sizeof(last), "%s", line);
		}
		do_line(io, line);
		free(line);
	}
	if (!io->quit)
		putchar('\n');
}
#else
#define edit_lines read_lines
#endif

static void interact(struct io *io)
{
	const bool terminal = isatty(STDIN_FILENO);
	char prompt[64];

	snprintf(prompt, sizeof(prompt), "%s> ", io->cli->tool);
	aio_idle(io);
	if (terminal && isatty(STDOUT_FILENO))
		edit_lines(io, prompt);
	else
		read_lines(io, terminal || io->cli->peer ? prompt : "");
	aio_busy(io);
}

/* ---- the program */

struct lines {
	char **line;		/* borrowed from argv */
	unsigned n;
};

/* Options and the file's name; -1, or the exit code to end with. */
static int parse(struct io *io, struct source *s, struct lines *commands)
{
	struct cli *cli = io->cli;
	bool image_opts = false;
	int id;

	while ((id = cli_next(cli)) != -1)
		switch (id) {
		case 'c':
			commands->line[commands->n++] = (char *)cli->value;
			break;
		case 'C':
			s->copy_on_read = true;
			break;
		case 'd':
			if (!source_set_discard(io, s, cli->value))
				return 1;
			break;
		case 'f':
			s->format = cli->value;
			break;
		case 'i':
			if (!source_set_aio(io, s, cli->value))
				return 1;
			break;
		case 'k':
			s->aio = AIO_NATIVE;
			break;
		case 'm':
			io->misalign = true;
			break;
		case 'n':
			source_set_cache(io, s, "none");
			break;
		case 'r':
			s->read_only = true;
			break;
		case 's':
			s->snapshot = true;
			break;
		case 't':
			if (!source_set_cache(io, s, cli->value))
				return 1;
			break;
		case 'T':
			break;
		case 'U':
			s->share = true;
			break;
		case 'V':
			cli_version(cli, stdout);
			return 0;
		case OPT_IMAGE_OPTS:
			image_opts = true;
			break;
		}
	if (cli->argc > 1)
		return cli_usage(cli, "Only one file name is allowed");
	if (image_opts && s->format) {
		cli_error(cli, "--image-opts and -f are mutually exclusive");
		return 1;
	}
	if (cli->argc == 1) {
		char **to = image_opts ? &s->options : &s->name;

		*to = strdup(cli->argv[0]);
		if (!*to) {
			cli_error(cli, "out of memory");
			return 1;
		}
	}
	return -1;
}

static int run(struct cli *cli)
{
	struct io io = { .cli = cli };
	struct source source = { 0 };
	struct lines commands = { .line = calloc((size_t)cli->argc,
	    sizeof(char *)) };
	int code = commands.line ? parse(&io, &source, &commands) : 1;

	if (code < 0 && (source.name || source.options) &&
	    !session_open(&io, &source))
		code = 1;
	if (code >= 0) {
		source_fini(&source);
		free(commands.line);
		return code;
	}
	for (unsigned i = 0; i < commands.n && !io.quit; i++)
		command_line(&io, commands.line[i]);
	if (!commands.n)
		interact(&io);
	if (io.image && !session_close(&io))
		io.failed = true;
	aio_free(&io);
	request_fini(&io.sync);
	free(commands.line);
	return io.failed;
}

int main(int argc, char **argv)
{
	struct cli cli;

	cli_init(&cli, argv[0] ? argv[0] : "cowbird-io");
	cli_begin(&cli, &program, argc, argv);
	return cli_end(&cli, program.run(&cli));
}
