/* From a camera or a touch panel to the network micro, in plain C99, written by digits-edge 0.1.0.
 *
 * It finds one handwritten digit in a grey picture and brings it to MNIST's form, as digits_edge.runtime does, reads a
 * row of boxes, and draws the strokes of a touch panel. It needs micro.h, memset and memcpy; it has no floating
 * point, no recursion and no malloc. Colours are not used: give the luma, or the green channel.
 *
 * Flash: about 12,000 bytes on a Cortex-M4 by GCC with -Os, 15,900 with -O2
 * Stack: about 1,000 bytes */
#ifndef MICRO_CAMERA_H
#define MICRO_CAMERA_H

#include <stdint.h>

#include "micro.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MICRO_SHORTEST_SIDE 8  /* pixels of a picture */
#define MICRO_LONGEST_SIDE 320 /* larger pictures have to be shrunk, or a part of them given */

/* Bytes of workspace that a picture needs, of any content, aligned as a uint32_t: 39,680 for 160 x 120, 59,008 for
 * 320 x 240. Pictures of at most 40 pixels a side are enlarged, and so need more than others, up to 57,728. */
#define MICRO_WORKSPACE(width, height) \
    MICRO_LARGER(MICRO_ARENA_BYTES, \
        2 * MICRO_CELLS((int32_t)(width), (int32_t)(height)) + MICRO_SCRATCH((int32_t)(width), (int32_t)(height)))
#define MICRO_LARGER(a, b) ((a) > (b) ? (a) : (b))
#define MICRO_SCRATCH(width, height) (MICRO_LARGER(width, height) > 160 ? 2560 : 1280)
#define MICRO_CELLS(width, height) \
    (MICRO_LARGER(width, height) > 160 ? 28224 \
     : MICRO_LARGER(width, height) > 40 ? MICRO_LARGER(((width) * (height) + 1) / 2 * 2, 8836) \
     : MICRO_LARGER(16 * ((width) + 2) * ((height) + 2), 8836))

/* What the functions return for arguments that they cannot use: NULL, a side too short or too long, a box outside of
 * the picture, a workspace that is not aligned. */
#define MICRO_WRONG_ARGUMENT (-1)

typedef struct {
    int16_t x, y, width, height; /* pixels */
} micro_box;

typedef struct {
    uint8_t pixels[MICRO_PIXELS]; /* what micro_classify reads; 0 without ink */
    micro_box box;                 /* of the digit in the picture */
    uint8_t ink;                        /* whether a digit was found */
    uint8_t several;                    /* whether other figures of a digit's size are beside it */
} micro_finding;

typedef struct {
    int16_t label;    /* the class; -1 without ink */
    uint8_t accepted; /* see micro_accepts; 0 without ink, and where several digits are in the box */
    uint8_t percent;  /* probability of the class */
} micro_answer;

typedef struct {
    int16_t x, y;
} micro_point;
#define MICRO_PEN_UP INT16_MIN /* as x of a point: the stroke ends here */

/* Find the digit in a picture.
 *
 * grey:    height rows of width pixels, each row `stride` bytes behind the one before it; dark ink on light paper, or
 *          light on dark.
 * Returns: 1 if there is a digit, 0 if there is none, MICRO_WRONG_ARGUMENT. */
int micro_find(const uint8_t *grey, int width, int height, int stride, void *workspace, micro_finding *finding);

/* Read boxes of a form, one digit each; best without the printed frame.
 *
 * boxes, answers: so many as `count` says.
 * workspace: MICRO_READ_WORKSPACE bytes; it is the network's arena, too. Less will do where all boxes are larger
 *          than 40 x 40: as much as micro_find needs for the largest.
 * finding: of the last box, and scratch memory before that.
 * Returns: the number of boxes with a digit, or MICRO_WRONG_ARGUMENT. */
int micro_read(const uint8_t *grey, int width, int height, int stride, const micro_box *boxes, int count,
    void *workspace, micro_finding *finding, micro_answer *answers);
#define MICRO_READ_WORKSPACE(width, height) \
    MICRO_LARGER(MICRO_WORKSPACE(width, height), MICRO_WORKSPACE(40, 40))

/* Draw the strokes of a touch panel as MNIST has them.
 *
 * points:  in the order in which the pen went, in pixels of the panel, y downwards; x = MICRO_PEN_UP between strokes.
 * Returns: 1, or 0 if there are no points (all pixels are 0 then), or MICRO_WRONG_ARGUMENT. */
int micro_draw(const micro_point *points, int count, uint8_t pixels[MICRO_PIXELS]);

/* Whether an answer is good enough: the largest probability, and the sum of the two largest, are at least these
 * shares of 65536. They are the model's; the compiler's -D may define others. */
#ifndef MICRO_MIN_SCORE
#define MICRO_MIN_SCORE 43208
#endif
#ifndef MICRO_MIN_FAMILIARITY
#define MICRO_MIN_FAMILIARITY 58275
#endif

/* Whether the logits of micro_classify are an answer that the model stands by, 1 or 0. */
int micro_accepts(const int8_t logits[MICRO_CLASSES]);

/* The probability of the largest logit, 0 to 100. */
int micro_percent(const int8_t logits[MICRO_CLASSES]);

#ifdef __cplusplus
}
#endif

#endif
