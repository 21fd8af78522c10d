/* nano: tells 10 classes of 28 x 28 pictures apart.
 * An int8 network in plain C99, written by digits-edge 0.1.0.
 *
 * Flash:    4,175 bytes on a Cortex-M4: 2,615 of weights and tables, 1,560 of code (GCC with -O2)
 * RAM:      887 bytes of arena, and 304 of stack
 * MACs:     149,428 a picture
 * Accuracy: 99.10% of 3,000 pictures kept from the training
 *
 * It needs <stdint.h>, and memset and memcpy of <string.h>, and on Arm's Cortex-M4, M7, M33 and M55 the compiler's own
 * <arm_acle.h> or <arm_mve.h>; it has no floating point, no recursion and no malloc. */
#ifndef NANO_H
#define NANO_H

#include <stdint.h>

#define NANO_PIXELS 784
#define NANO_CLASSES 10
#define NANO_ARENA_BYTES 887

/* Names of the classes, in the order of the logits. */
#define NANO_LABELS \
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
 * logits:  set, one for each class; a step is 0.18888, and the softmax of so many times the logits are the
 *          probabilities.
 * Returns: the index of the largest logit, the first of several. */
int nano_classify(const uint8_t image[NANO_PIXELS], int8_t logits[NANO_CLASSES]);

/* The same for several threads or an interrupt: `arena` is NANO_ARENA_BYTES bytes of the caller's, of any alignment
 * and content. nano_classify has an arena of its own, and is for one caller at a time. */
int nano_classify_in(const uint8_t *image, int8_t *logits, void *arena);

/* The features of the picture that nano_classify_in read last in an arena, what its last layer judges by: so many
 * values of uint8_t, less NANO_FEATURES_ZERO. Pictures with similar features look alike to the network: compare them
 * with those of your own examples, as nearest neighbours. */
#define NANO_FEATURES 10
#define NANO_FEATURES_ZERO 0
#define NANO_FEATURES_OF(arena) ((const uint8_t *)(arena) + 295)

#ifdef __cplusplus
}
#endif

#endif
