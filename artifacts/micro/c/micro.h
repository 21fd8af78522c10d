/* micro: tells 10 classes of 28 x 28 pictures apart.
 * An int8 network in plain C99, written by digits-edge 0.1.0.
 *
 * Flash:    10,401 bytes on a Cortex-M4: 8,841 of weights and tables, 1,560 of code (GCC with -O2)
 * RAM:      1,927 bytes of arena, and 308 of stack
 * MACs:     358,432 a picture
 * Accuracy: 99.53% of 3,000 pictures kept from the training
 *
 * It needs <stdint.h>, and memset and memcpy of <string.h>, and on Arm's Cortex-M4, M7, M33 and M55 the compiler's own
 * <arm_acle.h> or <arm_mve.h>; it has no floating point, no recursion and no malloc. */
#ifndef MICRO_H
#define MICRO_H

#include <stdint.h>

#define MICRO_PIXELS 784
#define MICRO_CLASSES 10
#define MICRO_ARENA_BYTES 1927

/* Names of the classes, in the order of the logits. */
#define MICRO_LABELS \
    { \
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" \
    }

#ifdef __cplusplus
extern "C" {
#endif

/* The class of a picture.
 *
 * image:   28 x 28 pixels, row by row; white ink (255) on black (0), the digit in a box of 20 x 20 with
 *          its centre of mass in the middle, as MNIST has it.
 * logits:  set, one for each class; a step is 0.184498, and the softmax of so many times the logits are the
 *          probabilities.
 * Returns: the index of the largest logit, the first of several. */
int micro_classify(const uint8_t image[MICRO_PIXELS], int8_t logits[MICRO_CLASSES]);

/* The same for several threads or an interrupt: `arena` is MICRO_ARENA_BYTES bytes of the caller's, of any alignment
 * and content. micro_classify has an arena of its own, and is for one caller at a time. */
int micro_classify_in(const uint8_t *image, int8_t *logits, void *arena);

/* The features of the picture that micro_classify_in read last in an arena, what its last layer judges by: so many
 * values of uint8_t, less MICRO_FEATURES_ZERO. Pictures with similar features look alike to the network: compare them
 * with those of your own examples, as nearest neighbours. */
#define MICRO_FEATURES 16
#define MICRO_FEATURES_ZERO 0
#define MICRO_FEATURES_OF(arena) ((const uint8_t *)(arena) + 647)

#ifdef __cplusplus
}
#endif

#endif
