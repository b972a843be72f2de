/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core-thread-board.c - no wake-up of the loop is lost */
#include "core/board.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support/unit.h"

enum { ROUNDS = 2000 };

/* One piece of work, timer and descriptor each, and how often they ran. */
static struct board *board;
static struct board_work work;
static struct timer timer;
static struct board_fd *watched;
static int event;
static atomic_uint ran[3];

static void count_work(void *opaque) { atomic_fetch_add(&ran[0], 1); }
static void count_timer(void *opaque) { atomic_fetch_add(&ran[1], 1); }
static void count_event(void *opaque, short revents)
{
	uint64_t n;

	if (read(event, &n, sizeof(n)) == sizeof(n))
		atomic_fetch_add(&ran[2], 1);
	board_fd_events(watched, 0);
}

/* A lost wake-up is waited for in vain: the loop has nothing else to do. */
static bool ran_by(unsigned which, unsigned n)
{
	for (unsigned i = 0; i < 2000000; i++) {
		if (atomic_load(&ran[which]) >= n)
			return true;
		if (i > 1000)
			usleep(10);
	}
	return false;
}

static void *drive(void *arg)
{
	uint64_t one = 1;
	unsigned i;

	for (i = 1; i <= ROUNDS; i++) {
		board_post(board, &work);
		if (!ran_by(0, i))
			break;
		board_lock(board);
		timer_set(&timer, board_now_ns(board) + i % 50 * 1000);
		board_unlock(board);
		if (!ran_by(1, i))
			break;
		if (write(event, &one, sizeof(one)) != sizeof(one))
			break;
		board_lock(board);
		board_fd_events(watched, POLLIN);
		board_unlock(board);
		if (!ran_by(2, i))
			break;
	}
	board_quit(board, i > ROUNDS ? 0 : 1);
	return NULL;
}

static void whatever_another_thread_sets_off_happens(void)
{
	struct error err;
	pthread_t t;

	board = board_new(&err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(board);
	event = eventfd(0, EFD_NONBLOCK);
	work.fn = count_work;
	board_lock(board);
	timer_init(&timer, board, count_timer, NULL);
	watched = board_fd_add(board, event, 0, count_event, NULL, &err);
	board_unlock(board);
	pthread_create(&t, NULL, drive, NULL);
	CU_ASSERT_EQUAL(board_run(board), 0);
	pthread_join(t, NULL);
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(atomic_load(&ran[i]), ROUNDS);
	board_free(board);
	close(event);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "whatever another thread sets off happens",
		    whatever_another_thread_sets_off_happens },
		{ NULL, NULL }
	};

	return unit_run("the loop under threads", tests);
}
