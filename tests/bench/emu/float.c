/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SSE, scalar and packed, and the x87. */
#include <emmintrin.h>
#include <math.h>
#include <string.h>

#include "work.h"

static uint64_t of_double(double x)
{
	uint64_t v;

	memcpy(&v, &x, sizeof(v));
	return v;
}

/* Five bodies and their gravity. */
static uint64_t bodies(unsigned n)
{
	double p[5][3], v[5][3], d[3], r, m;
	unsigned i, j, k;

	for (i = 0; i < 5; i++) {
		for (k = 0; k < 3; k++) {
			p[i][k] = (i + 1) * 1.3 - k * (i % 3) * 0.7;
			v[i][k] = (k + 1) * 0.01 * (i & 1 ? 1 : -1);
		}
	}
	while (n--) {
		for (i = 0; i < 5; i++) {
			for (j = i + 1; j < 5; j++) {
				r = 0.01;
				for (k = 0; k < 3; k++) {
					d[k] = p[i][k] - p[j][k];
					r += d[k] * d[k];
				}
				m = 0.001 / (r * sqrt(r));
				for (k = 0; k < 3; k++) {
					v[i][k] -= d[k] * m;
					v[j][k] += d[k] * m;
				}
			}
		}
		for (i = 0; i < 5; i++) {
			for (k = 0; k < 3; k++)
				p[i][k] += 0.001 * v[i][k];
		}
	}
	return of_double(p[0][0]) ^ of_double(p[4][2]);
}

static uint64_t mandelbrot(unsigned n)
{
	uint64_t sum = 0;
	unsigned x, y, i;
	double a, b, t;

	while (n--) {
		for (y = 0; y < 32; y++) {
			for (x = 0; x < 32; x++) {
				a = b = 0;
				for (i = 0; i < 200 && a * a + b * b < 4;
				    i++) {
					t = a * a - b * b + x / 16.0 - 1.5;
					b = 2 * a * b + y / 16.0 - 1;
					a = t;
				}
				sum += i;
			}
		}
	}
	return sum;
}

static uint64_t matrix(unsigned n)
{
	enum { N = 48 };
	static double a[N][N], b[N][N], c[N][N];
	unsigned i, j, k;
	double sum;

	for (i = 0; i < N; i++) {
		for (j = 0; j < N; j++) {
			a[i][j] = i * 0.5 - j;
			b[i][j] = (i ^ j) * 0.25;
		}
	}
	while (n--) {
		for (i = 0; i < N; i++) {
			for (j = 0; j < N; j++) {
				sum = 0;
				for (k = 0; k < N; k++)
					sum += a[i][k] * b[k][j];
				c[i][j] = sum;
			}
		}
		a[n % N][1] = c[2][3] * 1e-9;
	}
	return of_double(c[7][9]);
}

static uint64_t packed_float(unsigned n)
{
	static float v[1024] __attribute__((aligned(16)));
	const __m128 m = _mm_set1_ps(0.999f), one = _mm_set1_ps(1.0f);
	unsigned i;
	__m128 x;

	for (i = 0; i < 1024; i++)
		v[i] = i;
	while (n--) {
		for (i = 0; i < 1024; i += 4) {
			x = _mm_load_ps(v + i);
			x = _mm_add_ps(_mm_mul_ps(x, m), one);
			x = _mm_min_ps(_mm_max_ps(x, one),
			    _mm_div_ps(x, m));
			_mm_store_ps(v + i, x);
		}
	}
	return of_double(v[500]);
}

static uint64_t packed_integer(unsigned n)
{
	static uint8_t a[4096] __attribute__((aligned(16)));
	__m128i x, y, sum = _mm_setzero_si128();
	uint64_t out[2];
	unsigned i;

	for (i = 0; i < sizeof(a); i++)
		a[i] = i * 7;
	while (n--) {
		for (i = 0; i < sizeof(a); i += 16) {
			x = _mm_load_si128((const __m128i *)(a + i));
			y = _mm_unpacklo_epi8(x, _mm_slli_epi16(x, 3));
			y = _mm_xor_si128(_mm_shuffle_epi32(y, 0x1b), x);
			sum = _mm_add_epi64(sum, _mm_sad_epu8(x, y));
			sum = _mm_add_epi16(sum, _mm_mullo_epi16(x, y));
			sum = _mm_sub_epi8(sum, _mm_cmpgt_epi8(x, y));
		}
	}
	_mm_storeu_si128((__m128i *)out, sum);
	return out[0] ^ out[1];
}

static uint64_t roots(unsigned n)
{
	double x = 2, sum = 0;
	unsigned i;

	while (n--) {
		for (i = 0; i < 1000; i++) {
			x = sqrt(x + i) / 1.25 + 1;
			sum += x;
		}
	}
	return of_double(sum);
}

static uint64_t convert(unsigned n)
{
	uint64_t sum = 0;
	unsigned i;
	double x;
	float f;

	while (n--) {
		for (i = 0; i < 1000; i++) {
			x = (double)(int64_t)(sum ^ i) * 0.001;
			f = (float)x;
			sum += (int64_t)x % 1000 + (int)(f < x) + (i & 7);
			work_barrier();
		}
	}
	return sum;
}

/* The library's: what it returns may differ in the last bit. */
static uint64_t functions(unsigned n)
{
	double sum = 0, x;

	while (n--) {
		x = (n & 1023) * 0.01 + 0.01;
		sum += sin(x) + exp(-x) + log(x) + pow(x, 0.3);
	}
	return (uint64_t)(sum * 1e3);
}

static uint64_t x87(unsigned n)
{
	long double a = 1.5L, b = 0.25L, sum = 0;
	unsigned i;

	while (n--) {
		for (i = 0; i < 1000; i++) {
			a = a * 0.999L + b;
			b = b / 1.0001L + 0.5L / (a + i);
			sum += a - b;
		}
	}
	return of_double((double)sum);
}

static uint64_t x87_double(unsigned n)
{
	static double v[64];
	double sum = 0;
	unsigned i;

	for (i = 0; i < 64; i++)
		v[i] = i * 0.37;
	while (n--) {
		for (i = 0; i < 64; i++) {
			__asm__ volatile("fldl %1; fmull %2; faddl %0;"
			    "fld %%st(0); fchs; fabs; fstp %%st(1); fstpl %0"
			    : "+m" (sum) : "m" (v[i]), "m" (v[63 - i]));
		}
	}
	return of_double(sum);
}

static uint64_t x87_functions(unsigned n)
{
	double sum = 0, x;

	while (n--) {
		x = (n & 1023) * 0.003;
		__asm__("fsin" : "+t" (x));
		sum += x;
		__asm__("f2xm1" : "+t" (x));
		sum += x;
		__asm__("fsqrt; fld1; fpatan" : "+t" (sum) : : "st(7)");
	}
	return (uint64_t)(sum * 1e9);
}

const struct work float_work[] = {
	{ "bodies", "float", bodies, 400000 },
	{ "mandelbrot", "float", mandelbrot, 100 },
	{ "matrix-double", "float", matrix, 500 },
	{ "packed-float", "float", packed_float, 28000 },
	{ "packed-integer", "float", packed_integer, 50000 },
	{ "square-roots", "float", roots, 18000 },
	{ "convert", "float", convert, 13000 },
	{ "functions", "float", functions, 500000 },
	{ "x87", "float", x87, 2500 },
	{ "x87-double", "float", x87_double, 80000 },
	{ "x87-functions", "float", x87_functions, 700000 },
	{ NULL },
};
