/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plain integer loops: branches, calls, tables, multiplications, pointers. */
#include <stdlib.h>
#include <string.h>

#include "work.h"

static uint64_t sieve(unsigned n)
{
	enum { SIZE = 1 << 20 };
	static uint8_t composite[SIZE];
	uint64_t count = 0;
	unsigned i, j;

	while (n--) {
		memset(composite, 0, SIZE);
		for (i = 2; i < SIZE; i++) {
			if (composite[i])
				continue;
			count++;
			for (j = 2 * i; j < SIZE; j += i)
				composite[j] = 1;
		}
	}
	return count;
}

static uint64_t crc(unsigned n)
{
	static uint8_t data[65536];
	uint32_t table[256], c, seed = 1;
	unsigned i, k;

	for (i = 0; i < 256; i++) {
		c = i;
		for (k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
		table[i] = c;
	}
	for (i = 0; i < sizeof(data); i++)
		data[i] = work_random(&seed);
	c = ~0u;
	while (n--) {
		for (i = 0; i < sizeof(data); i++)
			c = table[(c ^ data[i]) & 255] ^ c >> 8;
	}
	return ~c;
}

/* FIPS 180-4, the compression function of SHA-256 alone. */
static uint64_t sha256(unsigned n)
{
	static uint32_t k[64];
	uint32_t h[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, w[64], v[8], a, b;
	uint32_t seed = 7;
	unsigned i;

	for (i = 0; i < 64; i++)
		k[i] = work_random(&seed) * 2654435761u;
#define ROR(x, s) ((x) >> (s) | (x) << (32 - (s)))
	while (n--) {
		for (i = 0; i < 16; i++)
			w[i] = h[i & 7] + i;
		for (; i < 64; i++) {
			a = ROR(w[i - 15], 7) ^ ROR(w[i - 15], 18) ^
			    w[i - 15] >> 3;
			b = ROR(w[i - 2], 17) ^ ROR(w[i - 2], 19) ^
			    w[i - 2] >> 10;
			w[i] = w[i - 16] + a + w[i - 7] + b;
		}
		memcpy(v, h, sizeof(v));
		for (i = 0; i < 64; i++) {
			a = v[7] + (ROR(v[4], 6) ^ ROR(v[4], 11) ^
			    ROR(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) +
			    k[i] + w[i];
			b = (ROR(v[0], 2) ^ ROR(v[0], 13) ^ ROR(v[0], 22)) +
			    ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
			v[7] = v[6];
			v[6] = v[5];
			v[5] = v[4];
			v[4] = v[3] + a;
			v[3] = v[2];
			v[2] = v[1];
			v[1] = v[0];
			v[0] = a + b;
		}
		for (i = 0; i < 8; i++)
			h[i] += v[i];
	}
	return (uint64_t)h[0] << 32 | h[7];
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint64_t sort(unsigned n)
{
	static uint32_t v[20000];
	uint32_t seed = 3;
	uint64_t sum = 0;
	unsigned i;

	while (n--) {
		for (i = 0; i < 20000; i++)
			v[i] = work_random(&seed);
		qsort(v, 20000, sizeof(v[0]), compare);
		sum = sum * 31 + v[777] + v[19999];
	}
	return sum;
}

static __attribute__((noinline)) unsigned fibonacci(unsigned n)
{
	work_barrier();
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t fib(unsigned n)
{
	uint64_t sum = 0;

	while (n--)
		sum += fibonacci(24);
	return sum;
}

static __attribute__((optimize("no-tree-vectorize")))
uint64_t matrix(unsigned n)
{
	enum { N = 96 };
	static int a[N][N], b[N][N], c[N][N];
	unsigned i, j, k;
	int sum;

	for (i = 0; i < N; i++) {
		for (j = 0; j < N; j++) {
			a[i][j] = i * 3 + j;
			b[i][j] = i ^ j;
		}
	}
	while (n--) {
		for (i = 0; i < N; i++) {
			for (j = 0; j < N; j++) {
				sum = 0;
				for (k = 0; k < N; k++)
					sum += a[i][k] * b[k][j];
				c[i][j] = sum & 0xffff;
			}
		}
		a[n % N][0] ^= c[5][7];
	}
	return (unsigned)c[3][4] + a[1][0];
}

/* A stack machine: a switch in a loop, as interpreters are. */
static uint64_t interpreter(unsigned n)
{
	enum { PUSH, ADD, MUL, SWAP, DEC, JNZ, XOR, DROP, HALT };
	static const uint8_t code[] = {
		PUSH, 7, PUSH, 200,
		SWAP, PUSH, 31, MUL, PUSH, 17, ADD, PUSH, 85, XOR,
		SWAP, DEC, JNZ, 4, DROP, HALT,
	};
	uint64_t sum = 0, stack[16], t;
	unsigned pc, sp;

	while (n--) {
		pc = 0;
		sp = 0;
		for (;;) {
			work_barrier();
			switch (code[pc++]) {
			case PUSH:
				stack[sp++] = code[pc++];
				continue;
			case ADD:
				sp--;
				stack[sp - 1] += stack[sp];
				continue;
			case MUL:
				sp--;
				stack[sp - 1] *= stack[sp];
				continue;
			case XOR:
				sp--;
				stack[sp - 1] ^= stack[sp];
				continue;
			case SWAP:
				t = stack[sp - 1];
				stack[sp - 1] = stack[sp - 2];
				stack[sp - 2] = t;
				continue;
			case DEC:
				stack[sp - 1]--;
				continue;
			case JNZ:
				pc = stack[sp - 1] ? code[pc] : pc + 1;
				continue;
			case DROP:
				sp--;
				continue;
			}
			break;
		}
		sum += stack[0];
	}
	return sum;
}

#define STEP(i, e) static uint64_t step##i(uint64_t x) { return e; }
STEP(0, x + 1) STEP(1, x * 3) STEP(2, x ^ x >> 7) STEP(3, x - 5)
STEP(4, x << 1 | 1) STEP(5, ~x) STEP(6, x + (x >> 3)) STEP(7, x * 5 + 1)

static uint64_t calls(unsigned n)
{
	static uint64_t (*volatile const table[])(uint64_t) = {
		step0, step1, step2, step3, step4, step5, step6, step7,
	};
	uint64_t x = 1;
	unsigned i;

	while (n--) {
		for (i = 0; i < 1000; i++)
			x = table[(x ^ i) & 7](x);
	}
	return x;
}

/* Through 4 MiB, each place once, in no order. */
static uint64_t chase(unsigned n)
{
	enum { COUNT = 65536 };
	struct node {
		struct node *next;
		uint64_t value[7];
	} *nodes = calloc(COUNT, sizeof(*nodes)), *p;
	uint64_t sum = 0;
	unsigned i;

	if (!nodes)
		work_fail("calloc");
	for (i = 0; i < COUNT; i++) {
		nodes[i].next = &nodes[(i * 40503u + 12345) % COUNT];
		nodes[i].value[0] = i;
	}
	p = nodes;
	while (n--) {
		for (i = 0; i < COUNT; i++) {
			sum += p->value[0] ^ n;
			p = p->next;
		}
	}
	free(nodes);
	return sum;
}

static uint64_t collatz(unsigned n)
{
	uint64_t x, longest = 0, steps;
	unsigned i;

	for (i = 1; i <= n; i++) {
		steps = 0;
		for (x = i; x != 1; steps++)
			x = x & 1 ? 3 * x + 1 : x / 2;
		if (steps > longest)
			longest = steps;
	}
	return longest;
}

static uint64_t divide(unsigned n)
{
	uint64_t a = 0x123456789abcdef, sum = 0;
	uint32_t seed = 5, d;
	unsigned i;

	while (n--) {
		for (i = 0; i < 1000; i++) {
			d = work_random(&seed) | 1;
			sum += a / d + a % d;
			a = a * 25214903917 + 11;
			sum ^= (uint32_t)a / d;
		}
	}
	return sum;
}

/* Open addressing: words in, words out. */
static uint64_t hash(unsigned n)
{
	enum { SIZE = 16384 };
	static uint32_t keys[SIZE], values[SIZE];
	uint32_t seed = 9, key, at;
	uint64_t found = 0;
	unsigned i;

	while (n--) {
		memset(keys, 0, sizeof(keys));
		for (i = 0; i < 20000; i++) {
			key = work_random(&seed) % 9000 + 1;
			at = key * 2654435761u >> 18;
			while (keys[at] && keys[at] != key)
				at = (at + 1) % SIZE;
			found += keys[at] == key;
			keys[at] = key;
			values[at]++;
		}
	}
	return found * 31 + values[77];
}

static uint64_t bits(unsigned n)
{
	uint64_t x = 0x9e3779b97f4a7c15, sum = 0;
	unsigned i;

	while (n--) {
		for (i = 0; i < 1000; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			sum += (unsigned)__builtin_ctzll(x | 1ull << 40);
			sum += (unsigned)__builtin_clzll(x | 1);
			sum = (sum << 9 | sum >> 55) ^
			    __builtin_bswap64(x);
		}
	}
	return sum;
}

static uint64_t multiply(unsigned n)
{
	unsigned __int128 x = 3;
	uint64_t sum = 0;
	unsigned i;

	while (n--) {
		for (i = 0; i < 1000; i++) {
			x = (unsigned __int128)(uint64_t)x *
			    0xda942042e4dd58b5 + (x >> 64);
			sum += (uint64_t)x * i;
		}
	}
	return sum;
}

static uint64_t life(unsigned n)
{
	enum { N = 128 };
	static uint8_t field[2][N][N];
	unsigned now = 0, x, y, i, around;
	uint64_t sum = 0;

	for (i = 0; i < N * N; i++)
		field[0][i / N][i % N] = i * 2654435761u >> 31;
	while (n--) {
		for (y = 1; y < N - 1; y++) {
			for (x = 1; x < N - 1; x++) {
				const uint8_t *p = &field[now][y][x];

				around = p[-N - 1] + p[-N] + p[-N + 1] +
				    p[-1] + p[1] + p[N - 1] + p[N] + p[N + 1];
				work_barrier();
				field[!now][y][x] = around == 3 ||
				    (around == 2 && p[0]);
			}
		}
		now = !now;
	}
	for (i = 0; i < N * N; i++)
		sum = sum * 3 + field[now][i / N][i % N];
	return sum;
}

const struct work integer_work[] = {
	{ "sieve", "integer", sieve, 15 },
	{ "crc", "integer", crc, 1800 },
	{ "sha256", "integer", sha256, 300000 },
	{ "sort", "integer", sort, 60 },
	{ "fib", "integer", fib, 600 },
	{ "matrix", "integer", matrix, 250 },
	{ "interpreter", "integer", interpreter, 24000 },
	{ "calls", "integer", calls, 45000 },
	{ "chase", "integer", chase, 60 },
	{ "collatz", "integer", collatz, 1500000 },
	{ "divide", "integer", divide, 60000 },
	{ "hash", "integer", hash, 1800 },
	{ "bits", "integer", bits, 200000 },
	{ "multiply", "integer", multiply, 280000 },
	{ "life", "integer", life, 3000 },
	{ NULL },
};
