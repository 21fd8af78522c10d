/* From a camera or a touch panel to the network nano, in plain C99, written by digits-edge 0.1.0.
 *
 * It finds one handwritten digit in a grey picture and brings it to MNIST's form, as digits_edge.runtime does, reads a
 * row of boxes, and draws the strokes of a touch panel. It needs nano.h, memset and memcpy; it has no floating
 * point, no recursion and no malloc. Colours are not used: give the luma, or the green channel.
 *
 * Flash: about 12,000 bytes on a Cortex-M4 by GCC with -Os, 15,900 with -O2
 * Stack: about 1,000 bytes */
#ifndef NANO_CAMERA_H
#define NANO_CAMERA_H

#include <stdint.h>

#include "nano.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NANO_SHORTEST_SIDE 8  /* pixels of a picture */
#define NANO_LONGEST_SIDE 320 /* larger pictures have to be shrunk, or a part of them given */

/* Bytes of workspace that a picture needs, of any content, aligned as a uint32_t: 39,680 for 160 x 120, 59,008 for
 * 320 x 240. Pictures of at most 40 pixels a side are enlarged, and so need more than others, up to 57,728. */
#define NANO_WORKSPACE(width, height) \
    NANO_LARGER(NANO_ARENA_BYTES, \
        2 * NANO_CELLS((int32_t)(width), (int32_t)(height)) + NANO_SCRATCH((int32_t)(width), (int32_t)(height)))
#define NANO_LARGER(a, b) ((a) > (b) ? (a) : (b))
#define NANO_SCRATCH(width, height) (NANO_LARGER(width, height) > 160 ? 2560 : 1280)
#define NANO_CELLS(width, height) \
    (NANO_LARGER(width, height) > 160 ? 28224 \
     : NANO_LARGER(width, height) > 40 ? NANO_LARGER(((width) * (height) + 1) / 2 * 2, 8836) \
     : NANO_LARGER(16 * ((width) + 2) * ((height) + 2), 8836))

/* What the functions return for arguments that they cannot use: NULL, a side too short or too long, a box outside of
 * the picture, a workspace that is not aligned. */
#define NANO_WRONG_ARGUMENT (-1)

typedef struct {
    int16_t x, y, width, height; /* pixels */
} nano_box;

typedef struct {
    uint8_t pixels[NANO_PIXELS]; /* what nano_classify reads; 0 without ink */
    nano_box box;                 /* of the digit in the picture */
    uint8_t ink;                        /* whether a digit was found */
    uint8_t several;                    /* whether other figures of a digit's size are beside it */
} nano_finding;

typedef struct {
    int16_t label;    /* the class; -1 without ink */
    uint8_t accepted; /* see nano_accepts; 0 without ink, and where several digits are in the box */
    uint8_t percent;  /* probability of the class */
} nano_answer;

typedef struct {
    int16_t x, y;
} nano_point;
#define NANO_PEN_UP INT16_MIN /* as x of a point: the stroke ends here */

/* Find the digit in a picture.
 *
 * grey:    height rows of width pixels, each row `stride` bytes behind the one before it; dark ink on light paper, or
 *          light on dark.
 * Returns: 1 if there is a digit, 0 if there is none, NANO_WRONG_ARGUMENT. */
int nano_find(const uint8_t *grey, int width, int height, int stride, void *workspace, nano_finding *finding);

/* Read boxes of a form, one digit each; best without the printed frame.
 *
 * boxes, answers: so many as `count` says.
 * workspace: NANO_READ_WORKSPACE bytes; it is the network's arena, too. Less will do where all boxes are larger
 *          than 40 x 40: as much as nano_find needs for the largest.
 * finding: of the last box, and scratch memory before that.
 * Returns: the number of boxes with a digit, or NANO_WRONG_ARGUMENT. */
int nano_read(const uint8_t *grey, int width, int height, int stride, const nano_box *boxes, int count,
    void *workspace, nano_finding *finding, nano_answer *answers);
#define NANO_READ_WORKSPACE(width, height) \
    NANO_LARGER(NANO_WORKSPACE(width, height), NANO_WORKSPACE(40, 40))

/* Draw the strokes of a touch panel as MNIST has them.
 *
 * points:  in the order in which the pen went, in pixels of the panel, y downwards; x = NANO_PEN_UP between strokes.
 * Returns: 1, or 0 if there are no points (all pixels are 0 then), or NANO_WRONG_ARGUMENT. */
int nano_draw(const nano_point *points, int count, uint8_t pixels[NANO_PIXELS]);

/* Whether an answer is good enough: the largest probability, and the sum of the two largest, are at least these
 * shares of 65536. They are the model's; the compiler's -D may define others. */
#ifndef NANO_MIN_SCORE
#define NANO_MIN_SCORE 35606
#endif
#ifndef NANO_MIN_FAMILIARITY
#define NANO_MIN_FAMILIARITY 50332
#endif

/* Whether the logits of nano_classify are an answer that the model stands by, 1 or 0. */
int nano_accepts(const int8_t logits[NANO_CLASSES]);

/* The probability of the largest logit, 0 to 100. */
int nano_percent(const int8_t logits[NANO_CLASSES]);

#ifdef __cplusplus
}
#endif

#endif
