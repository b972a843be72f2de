/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * measure.c - run a command, say what it took
 *
 *	measure TIMES COMMAND [ARG]...
 *
 * Prints three numbers: seconds and CPU seconds (user and system), both
 * of one run on average, and the largest peak memory of any, in KiB.  The
 * command has no input, and its output is thrown away.  When it fails,
 * nothing is printed and its exit status is ours; a run that takes longer
 * than LIMIT_S is killed, which is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_S 120

struct cost {
	double wall_s, cpu_s;
	long peak_kib;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static void become(char **command)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		_exit(126);
	close(null);
	alarm(LIMIT_S);
	execvp(*command, command);
	fprintf(stderr, "%s: %s\n", *command, strerror(errno));
	_exit(127);
}

/* One run, added to *cost.  The exit status, as a shell would show it. */
static int run(char **command, struct cost *cost)
{
	struct rusage usage;
	int status;
	double start = now();
	pid_t child = fork();

	if (child == 0)
		become(command);
	if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
		perror("measure");
		return 126;
	}
	cost->wall_s += now() - start;
	cost->cpu_s += seconds(usage.ru_utime) + seconds(usage.ru_stime);
	if (cost->peak_kib < usage.ru_maxrss)
		cost->peak_kib = usage.ru_maxrss;
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "ended by signal %d\n", WTERMSIG(status));
		return 128 + WTERMSIG(status);
	}
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	struct cost cost = { 0 };
	int times = argc > 2 ? atoi(argv[1]) : 0;

	if (times < 1) {
		fprintf(stderr, "usage: measure TIMES COMMAND [ARG]...\n");
		return 2;
	}
	for (int i = 0; i < times; i++) {
		int status = run(argv + 2, &cost);

		if (status)
			return status;
	}
	printf("%.6f %.6f %ld\n", cost.wall_s / times, cost.cpu_s / times,
	    cost.peak_kib);
	return 0;
}
