/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core-clock-behind-the-timer.c - a timer whose descriptor rings before our
 * clock says that it is due fires all the same, and not early */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/board.h"
#include "support/unit.h"

enum { ROUNDS = 50, BEHIND_NS = 400000 };

static struct board *board;
static struct timer timer;
static unsigned fired, early;
static atomic_bool behind, done;

/* In place of the C library's: a clock that is behind the kernel's timers
 * from when a timer was set until it fired. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int ret = (int)syscall(SYS_clock_gettime, id, t);
	int64_t ns = t->tv_nsec;

	if (ret == 0 && id == CLOCK_MONOTONIC && atomic_load(&behind)) {
		ns -= BEHIND_NS;
		if (ns < 0) {
			ns += (int64_t)NS_PER_S;
			t->tv_sec--;
		}
		t->tv_nsec = ns;
	}
	return ret;
}

static void set(void)
{
	timer_set(&timer, board_now_ns(board) + 1000000);
	atomic_store(&behind, true);
}

static void fire(void *opaque)
{
	early += board_now_ns(board) < timer.at_ns;
	atomic_store(&behind, false);
	if (++fired == ROUNDS)
		board_quit(board, 0);
	else
		set();
}

static void *give_up(void *arg)
{
	for (unsigned i = 0; i < 1000 && !atomic_load(&done); i++)
		usleep(10000);
	board_quit(board, 1);
	return NULL;
}

static void it_fires_all_the_same(void)
{
	struct error err;
	pthread_t t;

	board = board_new(&err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(board);
	timer_init(&timer, board, fire, NULL);
	board_lock(board);
	set();
	board_unlock(board);
	pthread_create(&t, NULL, give_up, NULL);
	CU_ASSERT_EQUAL(board_run(board), 0);
	atomic_store(&done, true);
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(fired, ROUNDS);
	CU_ASSERT_EQUAL(early, 0);
	board_free(board);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "it fires all the same", it_fires_all_the_same },
		{ NULL, NULL }
	};

	return unit_run("a clock behind the timers", tests);
}
