/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* String instructions, and the C library's functions on memory and text. */
#include <stdlib.h>
#include <string.h>

#include "work.h"

enum { SIZE = 65536 };
static uint8_t from[SIZE + 64], to[SIZE + 64];

static void fill(void)
{
	uint32_t seed = 11;
	unsigned i;

	for (i = 0; i < SIZE; i++)
		from[i] = work_random(&seed) % 255 + 1;
	memcpy(to, from, SIZE);
}

static uint64_t sum_of(const uint8_t *p)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < SIZE; i += 61)
		sum = sum * 31 + p[i];
	return sum;
}

#define REP(name, instruction, count)					\
static uint64_t name(unsigned n)					\
{									\
	void *s, *d;							\
	uint64_t c, sum = 0;						\
									\
	fill();								\
	while (n--) {							\
		s = from + n % 3;					\
		d = to;							\
		c = count;						\
		__asm__ volatile(instruction				\
		    : "+S" (s), "+D" (d), "+c" (c) : "a" (n * 257ull)	\
		    : "memory", "cc");					\
		sum += c;						\
	}								\
	return sum + sum_of(to);					\
}

REP(rep_movsb, "rep movsb", SIZE)
REP(rep_movsq, "rep movsq", SIZE / 8)
REP(rep_stosb, "rep stosb", SIZE)
REP(rep_stosq, "rep stosq", SIZE / 8)

/* Memory that is equal, to the end; a byte that is not there. */
static uint64_t rep_cmpsb(unsigned n)
{
	void *s, *d;
	uint64_t c, sum = 0;

	fill();
	while (n--) {
		s = from;
		d = to;
		c = SIZE;
		__asm__ volatile("repe cmpsb"
		    : "+S" (s), "+D" (d), "+c" (c) : : "memory", "cc");
		sum = sum * 31 + c + 1;
	}
	return sum;
}

static uint64_t rep_scasb(unsigned n)
{
	void *d;
	uint64_t c, sum = 0;

	fill();
	while (n--) {
		d = to;
		c = SIZE;
		__asm__ volatile("repne scasb"
		    : "+D" (d), "+c" (c) : "a" (0) : "memory", "cc");
		sum = sum * 31 + c + 1;
	}
	return sum;
}

/* As a kernel copies: many that are short. */
static uint64_t rep_short(unsigned n)
{
	void *s, *d;
	uint64_t c;
	unsigned i;

	fill();
	while (n--) {
		for (i = 0; i < 1000; i++) {
			s = from + i * 7;
			d = to + i * 13;
			c = 1 + i % 24;
			__asm__ volatile("rep movsb"
			    : "+S" (s), "+D" (d), "+c" (c) : : "memory");
		}
	}
	return sum_of(to);
}

static uint64_t copy(unsigned n)
{
	fill();
	while (n--) {
		memcpy(to, from + n % 16, SIZE);
		work_barrier();
	}
	return sum_of(to);
}

static uint64_t copy_short(unsigned n)
{
	unsigned i;

	fill();
	while (n--) {
		for (i = 0; i < 1000; i++) {
			memcpy(to + i * 11, from + i * 5, 1 + i % 100);
			work_barrier();
		}
	}
	return sum_of(to);
}

static uint64_t move(unsigned n)
{
	fill();
	while (n--) {
		memmove(to + 1 + n % 8, to, SIZE - 16);
		work_barrier();
	}
	return sum_of(to);
}

static uint64_t set(unsigned n)
{
	while (n--) {
		memset(to, n, SIZE);
		work_barrier();
	}
	return sum_of(to);
}

static uint64_t find(unsigned n)
{
	uint64_t sum = 0;

	fill();
	while (n--) {
		sum += memchr(from, 0, SIZE - n % 7) == NULL;
		work_barrier();
	}
	return sum;
}

static uint64_t length(unsigned n)
{
	uint64_t sum = 0;

	fill();
	from[SIZE - 1] = 0;
	while (n--) {
		sum += strlen((char *)from + n % 32);
		work_barrier();
	}
	return sum;
}

static uint64_t compare(unsigned n)
{
	uint64_t sum = 0;

	fill();
	from[SIZE - 1] = 0;
	to[SIZE - 1] = 0;
	while (n--) {
		sum += strcmp((char *)from, (char *)to) == 0;
		sum += memcmp(from, to, SIZE) == 0;
		work_barrier();
	}
	return sum;
}

static uint64_t words(unsigned n)
{
	static char text[SIZE];
	uint64_t sum = 0;
	uint32_t seed = 2;
	unsigned i;
	char *p;

	for (i = 0; i < SIZE - 1; i++)
		text[i] = work_random(&seed) % 8 ? 'a' + i % 26 : ' ';
	while (n--) {
		for (p = text; p; p = strchr(p + 1, ' '))
			sum++;
		sum += strstr(text, "zzyzx") == NULL;
		work_barrier();
	}
	return sum;
}

const struct work string_work[] = {
	{ "rep-movsb", "string", rep_movsb, 4000 },
	{ "rep-movsq", "string", rep_movsq, 30000 },
	{ "rep-stosb", "string", rep_stosb, 6000 },
	{ "rep-stosq", "string", rep_stosq, 40000 },
	{ "rep-cmpsb", "string", rep_cmpsb, 2500 },
	{ "rep-scasb", "string", rep_scasb, 3000 },
	{ "rep-short", "string", rep_short, 15000 },
	{ "memcpy", "string", copy, 15000 },
	{ "memcpy-short", "string", copy_short, 24000 },
	{ "memmove", "string", move, 20000 },
	{ "memset", "string", set, 80000 },
	{ "memchr", "string", find, 12000 },
	{ "strlen", "string", length, 12000 },
	{ "strcmp", "string", compare, 3500 },
	{ "strchr", "string", words, 900 },
	{ NULL },
};
