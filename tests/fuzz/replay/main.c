/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target over files instead of letting libFuzzer invent input:
 * NAME FILE|FOLDER...  Folders are walked.  An input that takes longer than
 * ten seconds ends the program, named; a crash is named too.
 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS_PER_INPUT 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;
static char current[4096];

/* Only what may be called in a signal handler. */
static void name_input(int sig)
{
	static const char slow[] = "over the time limit: ";
	static const char crash[] = "crashed: ";
	ssize_t n;

	if (sig == SIGALRM)
		n = write(STDERR_FILENO, slow, sizeof(slow) - 1);
	else
		n = write(STDERR_FILENO, crash, sizeof(crash) - 1);
	n = write(STDERR_FILENO, current, strlen(current));
	n = write(STDERR_FILENO, "\n", 1);
	(void)n;
	if (sig == SIGALRM)
		_exit(1);
	raise(sig);	/* SA_RESETHAND: now the default */
}

static void catch_signals(void)
{
	static const int signals[] = { SIGALRM, SIGABRT, SIGSEGV, SIGBUS,
	    SIGFPE, SIGILL };
	struct sigaction sa;
	size_t i;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = name_input;
	sa.sa_flags = (int)SA_RESETHAND;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		/* A sanitizer's own handler says more than ours. */
		if (!sigaction(signals[i], NULL, &old) &&
		    old.sa_handler == SIG_DFL)
			sigaction(signals[i], &sa, NULL);
	}
}

static int run_file(const char *path, const struct stat *st, int type,
    struct FTW *ftw)
{
	uint8_t *data;
	size_t size;
	FILE *f;

	if (type == FTW_DNR || type == FTW_NS) {
		fprintf(stderr, "cannot read %s\n", path);
		return 1;
	}
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	snprintf(current, sizeof(current), "%s", path);
	/* Exactly as long as the file: ASan then sees one byte too far. */
	size = (size_t)st->st_size;
	data = malloc(size ? size : 1);
	f = fopen(path, "rb");
	if (!data || !f || fread(data, 1, size, f) != size) {
		perror(path);
		if (f)
			fclose(f);
		free(data);
		return 1;
	}
	fclose(f);
	alarm(SECONDS_PER_INPUT);
	LLVMFuzzerTestOneInput(data, size);
	alarm(0);
	free(data);
	inputs++;
	return 0;
}

int main(int argc, char **argv)
{
	int i;

	catch_signals();
	for (i = 1; i < argc; i++)
		if (nftw(argv[i], run_file, 16, FTW_PHYS)) {
			fprintf(stderr, "stopped at %s\n", argv[i]);
			return 1;
		}
	if (!inputs) {
		fprintf(stderr, "no input files\n");
		return 1;
	}
	printf("%lu inputs\n", inputs);
	return 0;
}
