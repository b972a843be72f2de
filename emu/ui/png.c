/* SPDX-License-Identifier: GPL-2.0-or-later */
/* png.c - a picture of the screen as a file: PNG by libpng, or PPM */
#include <stdlib.h>

#include "ui/shot.h"

static void
put_row(const struct picture *p, unsigned y, uint8_t *rgb)
{
	const uint32_t *from = p->pixel + (size_t)y * p->width;

	for (unsigned x = 0; x < p->width; x++) {
		*rgb++ = from[x] >> 16;
		*rgb++ = from[x] >> 8;
		*rgb++ = from[x];
	}
}

int
shot_ppm(FILE *f, const struct picture *p, struct error *err)
{
	uint8_t *row = malloc((size_t)p->width * 3);

	if (!row)
		return error_errno(err, ENOMEM, "picture");
	fprintf(f, "P6\n%u %u\n255\n", p->width, p->height);
	for (unsigned y = 0; y < p->height; y++) {
		put_row(p, y, row);
		fwrite(row, 3, p->width, f);
	}
	free(row);
	return ferror(f) ? error_set(err, EIO, "cannot write the picture") : 0;
}

#ifdef HAVE_PNG

#include <png.h>
#include <string.h>

/* libpng comes back by a long jump: nothing of ours may be changed between
 * here and there that is not volatile. */
static void
failed(png_structp png, png_const_charp text)
{
	struct error *err = png_get_error_ptr(png);

	error_set(err, EIO, "cannot write the picture: %s", text);
	png_longjmp(png, 1);
}

static void
warned(png_structp png, png_const_charp text)
{
}

static int
encode(png_structp png, png_infop info, FILE *f, const struct picture *p,
    uint8_t *row, struct error *err)
{
	if (setjmp(png_jmpbuf(png)))
		return -err->code;
	png_init_io(png, f);
	png_set_compression_level(png, 3);
	png_set_IHDR(png, info, p->width, p->height, 8, PNG_COLOR_TYPE_RGB,
	    PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
	    PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (unsigned y = 0; y < p->height; y++) {
		put_row(p, y, row);
		png_write_row(png, row);
	}
	png_write_end(png, info);
	return 0;
}

int
shot_png(FILE *f, const struct picture *p, struct error *err)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, err,
	    failed, warned);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	uint8_t *row = malloc((size_t)p->width * 3);
	int ret;

	if (info && row)
		ret = encode(png, info, f, p, row, err);
	else
		ret = error_errno(err, ENOMEM, "picture");
	png_destroy_write_struct(&png, &info);
	free(row);
	return ret;
}

#else

int
shot_png(FILE *f, const struct picture *p, struct error *err)
{
	return error_set(err, ENOTSUP,
	    "this build has no libpng: pictures can be written as ppm");
}

#endif
