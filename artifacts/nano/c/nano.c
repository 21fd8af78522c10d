/* nano: an int8 network in plain C99, written by digits-edge 0.1.0. See nano.h.
 *
 * Values are uint8_t, TFLite's int8 plus 128, so that a pixel is its own value. Each layer is computed row by row, in
 * the order of `schedule`, as soon as the rows are there that the row is made from; `tensors` says where rows lie. */
#include "nano.h"

#include <string.h>

#if defined __ARM_FEATURE_MVE
#include <arm_mve.h>
#elif defined __ARM_FEATURE_SIMD32 && defined __GNUC__ && !defined __ARM_BIG_ENDIAN
#include <arm_acle.h>
#define SIMD
#endif
#ifdef __GNUC__
#define APART __attribute__((noinline)) /* inlined, it has too few registers */
#define ALIGNED __attribute__((aligned(8)))
#else
#define APART
#define ALIGNED
#endif
#if defined __clang__ && (defined __SSE2__ || defined __ARM_NEON)
#pragma clang diagnostic ignored "-Wpass-failed" /* sanitizers keep it from that */
#define BY_EIGHT _Pragma("clang loop vectorize_width(8)") /* Clang takes 4, and misses pmaddwd */
#else
#define BY_EIGHT
#endif

#ifdef __AVR__
#include <avr/pgmspace.h>
#define FLASH PROGMEM /* anything else is copied to RAM */
#define READ_8(p) pgm_read_byte(p)
#define READ_16(p) (int16_t)pgm_read_word(p)
#define READ_32(p) (int32_t)pgm_read_dword(p)
#else
#define FLASH
#define READ_8(p) *(p)
#define READ_16(p) *(p)
#define READ_32(p) *(p)
#endif

/* With -Os, which the Arduino IDE sets, GCC would save 250 bytes of flash and take up to 1.8 times the instructions on a
 * Cortex-M4. Define NANO_SMALL where you want that. */
#if defined __OPTIMIZE_SIZE__ && !defined NANO_SMALL && !defined __clang__ && !defined __AVR__ && \
    (!defined __thumb__ || defined __thumb2__)
#pragma GCC optimize("O2")
#endif

enum { LAYERS = 6, STEPS = 30, TALLEST = 6 };

enum kind { CONVOLUTION, MEAN };

/* Rows of one layer: row r is in slot r % depth. Slots have room for columns that are padded, and one more slot than
 * depth stands for rows that are. */
struct tensor {
    uint32_t offset; /* of the first slot in the arena; the picture's rows lie in the picture */
    uint32_t slot;   /* bytes */
    uint32_t bytes;  /* of all slots */
    uint16_t height, width, channels, depth;
    uint16_t left; /* bytes in a slot before its row */
    uint8_t fill;  /* what is padded */
};

/* What makes tensor i + 1 of tensor i. */
struct layer {
    uint8_t kind;
    uint8_t zero; /* the value that stands for 0 */
    uint8_t pooled; /* rows and columns of a convolution's values of which the largest is kept: 1 or 2 */
    uint16_t kernel_height, kernel_width, stride_down, stride_across, above;
    const int16_t *weights; /* [channels made / 2][kernel height][kernel width][channels read], filled up to 8 */
    const int32_t *bias; /* less what the zero point of what is read adds */
    /* The sums of a channel are multiplied by multiplier / 2^(shift + 33), and rounded half up. */
    const int32_t *multiplier;
    const uint8_t *shift;
};

static const ALIGNED FLASH int16_t weights0[96] = {
    -2858, 532, -3840, -12540, -9215, -1059, -8293, -29712, -32493, -27625, 783, -14320, -6783, 472, 267,
    5134, 4110, 24581, 29391, 29904, 14089, 15892, 23803, 9227, 26862, 0, 0, 0, 0, 0, 0, 0, 21551, -16073,
    -17152, -6430, -4328, -6852, -11443, -20173, -10053, 31617, -13475, 92, -12003, 3269, 32392, -18876, 44,
    -9699, 7157, 23009, -13049, -234, 5666, 7953, 21979, 0, 0, 0, 0, 0, 0, 0, 4703, 4397, -4272, -15547,
    -21666, -4821, 16973, 28514, 9782, -18887, -16672, 10527, 32544, 27128, 1240, -21295, -5676, 8149, 15274,
    6065, -25375, -18034, -11903, 730, 2822, 0, 0, 0, 0, 0, 0, 0
};
static const FLASH int32_t bias0[6] = {
    8685, -364, -4663, -226, 63, -9360
};
static const FLASH int32_t multiplier0[6] = {
    1090096748, 1318130020, 1579659771, 1235133034, 1138663846, 1857165914
};
static const FLASH uint8_t shift0[6] = {
    5, 7, 7, 7, 7, 7
};
static const ALIGNED FLASH int16_t weights1[168] = {
    -10524, 512, -5069, -13051, 10473, 4803, -2046, 3311, -19403, -1263, 7657, -13595, -29926, 1059, -12475,
    8180, -4858, -4128, -986, -18335, 19162, 11709, 6950, 11487, 11867, -10967, 6377, -2346, 556, 11001, 5477,
    18177, 6869, 2970, -6867, 13000, 20322, -16615, 20609, 12705, -7125, 32489, 27882, 1025, -3615, -18704,
    -22762, 24810, 20768, 8032, 4535, -3403, 6110, 26106, 0, 0, 8228, -11520, 8475, 3795, -1535, 1040, 14582,
    -14056, 1496, 20986, -12289, 555, -6399, -23806, 20729, -8193, -32398, -20226, -3307, 4357, 2552, 7968,
    -15070, -9977, 16120, -11344, 8475, 5411, -5107, -21237, 7418, -5442, -5891, 4868, -11800, -13368, 6892,
    18906, 29949, 24412, 1104, -14618, 27884, -839, 15169, 7522, 7924, -7772, 3455, 10697, -27922, 9749, 1995,
    -22828, 0, 0, 24898, -3691, 6041, 8219, 3226, 6350, 29147, 528, -4360, -11144, -15090, 3242, 3556, 17762,
    -9218, -5121, -2548, -21631, 10790, -21053, -10506, 10281, -3852, -786, 4347, -2816, 11542, 22280, -3742,
    -6901, -4619, -1022, 15333, 475, 5197, -4358, -28608, -17483, 17382, 19767, -22876, -6948, -22278, -32572,
    25717, 14865, -15407, -7137, 3075, -6370, 13859, -26115, -23596, 28444, 0, 0
};
static const FLASH int32_t bias1[6] = {
    2696, 6909, 5856, 5898, 9382, 9272
};
static const FLASH int32_t multiplier1[6] = {
    1808682188, 1411257952, 1092480280, 1664502321, 1813203257, 1983256781
};
static const FLASH uint8_t shift1[6] = {
    5, 6, 5, 6, 6, 6
};
static const ALIGNED FLASH int16_t weights2[224] = {
    -24823, -15358, -8427, -6417, 50, 521, -18145, 1019, -3343, -7527, 4891, 2039, 5890, -7135, -4406, 8321,
    14560, -2812, -32514, -13812, 2833, 4593, 5684, 453, 4886, 10488, -1521, 6399, 6700, 5081, 10953, 12474,
    -24854, 9438, -14574, -9763, -5895, 4105, -16150, 7144, -10742, -1879, 5416, 6923, -17705, 5924, 5095,
    -7131, 923, -6706, -5196, 4396, 2277, -3286, 0, 0, -6922, -8980, -12464, 10934, -19127, 11261, 317, 6073,
    2553, -1137, -1573, 4323, 9861, -3681, 1002, -15612, -4183, 4608, -32533, -16567, 7666, -4080, 2300,
    17616, -3319, 1739, 13544, -9466, 9168, -979, -12144, 3969, -12069, -30676, 712, -3536, -14045, 1509,
    4051, -5060, 8117, 20146, 8145, 9926, -17319, -7631, 10507, 6133, -7401, -8823, -19884, -12334, -7740,
    -17130, 0, 0, 10011, 5552, -6947, -4604, 6701, -12159, -6659, -1583, 7206, -11006, -3513, -11357, -16637,
    -28923, -10487, 7939, 6447, 2772, 5135, 959, 11241, -26398, 2532, -19939, -3560, -7173, 759, 781, -8684,
    -4379, -11993, -6132, -803, -14317, -9733, 10761, 726, -7226, 23797, -15346, -8506, 7463, -11546, -27366,
    -786, -1518, 1237, 12099, -32505, 15175, 3295, -7629, 6355, 13872, 0, 0, -12025, 3086, -32498, 15939,
    8321, 19213, -21769, -4857, 5089, 5651, 5314, 9503, -10516, -234, -23094, 4371, -526, 17224, -9499,
    -21245, -25049, 17456, -4417, -1251, -22793, -12770, 5644, -1026, 2251, -1757, 9442, -205, -6410, 2869,
    6873, 14624, -30195, -11523, -14319, 799, 10725, 2021, -21763, 9985, -12559, -1799, -1073, 7476, -12549,
    -783, -3624, -467, 10908, 9015, 0, 0
};
static const FLASH int32_t bias2[8] = {
    11308, 9065, 24213, 9822, 4400, 15562, 7545, 6979
};
static const FLASH int32_t multiplier2[8] = {
    1515808863, 1283952599, 1664676894, 1280726721, 1325280044, 1970462292, 1672782761, 1646870290
};
static const FLASH uint8_t shift2[8] = {
    5, 5, 6, 5, 5, 6, 6, 6
};
static const ALIGNED FLASH int16_t weights3[360] = {
    500, 11432, -1006, -19, -16092, -18140, -32562, -14080, 3623, 7393, 11315, 9461, -220, 3307, 2097, 11026,
    12623, 2851, 9044, -10350, 726, -3092, -2766, -15704, 2832, 3342, 4625, -6400, -19154, 13329, 12283, 5085,
    7190, 2560, -12817, -10057, -17607, 13087, 4874, 15901, 5207, 8814, 2486, -10587, -13070, 2095, -21784,
    -2765, -6978, 4895, 3423, 17989, -16353, 222, -19583, -16622, -3580, -5594, 7729, 11811, -2778, 5904,
    6139, 19469, 29868, -20956, 7888, 9203, -3644, -15022, 22461, -7383, -10474, -27635, -13589, -5619,
    -18742, -4684, -9295, 14117, 11474, -13314, -9998, -17920, 2324, 474, 2023, 31249, 4273, -2586, 694,
    -32512, -10248, 8952, -3685, 6367, 1288, 18471, -21738, -10021, -3308, 24054, -14603, -11814, 3812, -8418,
    -14308, -19939, -1567, 8473, 4329, 10276, 11011, 219, 531, -10253, 486, 4606, -5887, -6917, 9249, -6401,
    10528, -1804, 6209, -3600, -19266, 9428, 8205, -252, -17127, -21531, -17940, -2061, 2341, 12828, 16511,
    10962, 3870, 2276, -24596, 266, -2988, 4850, -12793, -15434, -6929, 4862, -4060, -1769, -20480, 10311,
    -8205, -13, 3607, -3858, 6134, 1345, -3543, 8909, 3866, -20982, 15110, 1452, -8165, -8903, 9739, -8752,
    -5635, 14209, -9758, -6921, -15871, 13271, -6175, -6360, -15870, 257, 2586, -6675, 9948, 8972, -4620,
    6123, 20288, 322, 3574, -8493, -22828, 2569, 236, -7184, -3043, 8726, 9199, -802, -19446, -1431, -1869,
    3336, -768, 10458, 17882, -4397, 502, -3729, -1047, 5445, 11786, -11828, 14298, -32549, -8030, -8404,
    -1059, 15426, 14014, -20445, -13087, -970, -9781, 20700, -12415, -14389, 14379, 5891, 6482, -3819, 5645,
    -2018, 9470, -3302, 14651, 15818, 11804, -17926, 5140, 10978, 2824, 4037, 7, 9746, -13511, -13829, -5217,
    -4594, -4574, -14103, -4098, 2851, -4590, -3070, 984, -3298, -11010, 17998, 8978, -4412, -3596, -4659,
    -15115, -11741, -18443, -24052, 10514, 299, 13034, -5962, 11980, -7115, -5176, -6936, -1779, 3881, 15865,
    -4978, -4040, 9048, -1326, 10215, 32591, -15638, 15551, -12396, -1633, 4917, 30249, 4669, -14133, 6472,
    -12151, -6169, -15642, 1496, -12807, 2307, -4666, 11263, 3626, -9212, -2277, 966, -4115, 9272, -9724,
    4616, -8720, -3429, 5592, 3833, -6700, -3269, -1052, 9295, 7143, 242, -8932, -6383, -3657, 6418, -5859,
    38, 53, 781, 5387, -4304, -1508, 5619, 7744, 1609, 8636, 6896, -1639, -1750, 29, -783, 2077, 2591, -1504,
    202, -32480, -7832, -2349, -5152, 779, 4386, 6082, 3002, 897, -2213, -547, 11792, 15084, 2720, 9119,
    -2627, 175, -8610, 3830, 2067
};
static const FLASH int32_t bias3[10] = {
    -13663, -7299, 1792, 566, -3649, -4612, -10668, -11790, -3553, -3688
};
static const FLASH int32_t multiplier3[10] = {
    1857520646, 1425011644, 1164337089, 1782222573, 1121923899, 1318962469, 2124870592, 1276921723,
    1979728291, 1474296831
};
static const FLASH uint8_t shift3[10] = {
    6, 5, 5, 6, 5, 5, 6, 5, 6, 5
};
static const FLASH int32_t bias4[1] = {
    0
};
static const FLASH int32_t multiplier4[1] = {
    1912952919
};
static const FLASH uint8_t shift4[1] = {
    3
};
static const ALIGNED FLASH int16_t weights5[80] = {
    -16445, -12609, -19537, 32428, -18756, -18817, -10043, -18492, -20542, -23890, 0, 0, 0, 0, 0, 0, -19073,
    -18242, -23109, -21582, -19304, -21328, -13862, 32416, -17228, -23643, 0, 0, 0, 0, 0, 0, -14918, -13628,
    32429, -18526, -17476, -19790, -15222, -13626, -15233, -22876, 0, 0, 0, 0, 0, 0, -14648, -12599, -14917,
    -18249, 32461, -16473, -18211, -18734, -16186, -18817, 0, 0, 0, 0, 0, 0, -15168, -10369, -17998, -20825,
    -15675, -16450, 32419, -14391, -8772, -19056, 0, 0, 0, 0, 0, 0
};
static const FLASH int32_t bias5[10] = {
    -58, 54, -41, 90, -17, 28, -29, -93, -85, 55
};
static const FLASH int32_t multiplier5[10] = {
    1126859248, 1144075243, 1088000019, 1078564123, 2121554713, 1206694426, 1316809628, 1248827763,
    1172459788, 1353182267
};
static const FLASH uint8_t shift5[10] = {
    5, 5, 5, 5, 6, 5, 5, 5, 5, 5
};

static const struct tensor tensors[LAYERS + 1] = {
    { 0, 28, 784, 28, 28, 1, 28, 0, 0 },
    { 535, 72, 216, 12, 12, 6, 3, 0, 0 },
    { 295, 60, 240, 10, 10, 6, 4, 0, 0 },
    { 751, 32, 96, 4, 4, 8, 3, 0, 0 },
    { 847, 20, 40, 2, 2, 10, 2, 0, 0 },
    { 295, 10, 10, 1, 1, 10, 1, 0, 0 },
    { 305, 10, 10, 1, 1, 10, 1, 0, 0 },
};

static const struct layer layers[LAYERS] = {
    { CONVOLUTION, 0, 2, 5, 5, 1, 1, 0, weights0, bias0, multiplier0, shift0 }, /* to 12 x 12 x 6, 86,400 MACs */
    { CONVOLUTION, 0, 1, 3, 3, 1, 1, 0, weights1, bias1, multiplier1, shift1 }, /* to 10 x 10 x 6, 32,400 MACs */
    { CONVOLUTION, 0, 2, 3, 3, 1, 1, 0, weights2, bias2, multiplier2, shift2 }, /* to 4 x 4 x 8, 27,648 MACs */
    { CONVOLUTION, 0, 1, 3, 3, 1, 1, 0, weights3, bias3, multiplier3, shift3 }, /* to 2 x 2 x 10, 2,880 MACs */
    { MEAN, 0, 1, 2, 2, 1, 1, 0, 0, bias4, multiplier4, shift4 }, /* to 1 x 1 x 10, 0 MACs */
    { CONVOLUTION, 134, 1, 1, 1, 1, 1, 0, weights5, bias5, multiplier5, shift5 }, /* to 1 x 1 x 10, 100 MACs */
};

static const uint8_t schedule[STEPS] = {
    0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 2, 0, 1, 0, 1, 2, 0, 1, 0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 4, 5
};

/* A row to be read; what is padded comes first in it. */
static const uint8_t *row_of(const struct tensor *t, const uint8_t *rows, int32_t row)
{
    int32_t slot = row < 0 || row >= (int32_t)t->height ? (int32_t)t->depth : row % (int32_t)t->depth;
    return rows + (uint32_t)slot * t->slot;
}

static uint8_t scaled(const struct layer *l, uint32_t channel, int32_t sum)
{
    int64_t product = (int64_t)(sum + READ_32(l->bias + channel)) * READ_32(l->multiplier + channel);
    /* Right shifts of negative numbers are arithmetic, as with every compiler we know. */
    int32_t value = ((((int32_t)(product >> 32) >> READ_8(l->shift + channel)) + 1) >> 1) + l->zero;
    value = value < 0 ? 0 : value;
    return (uint8_t)(value > 255 ? 255 : value);
}

/* What a convolution reads for two of its values, `apart` bytes from one another. */
static void gather(const uint8_t *const *rows, uint32_t height, uint32_t first, uint32_t apart, uint32_t along,
                   int16_t *x, int16_t *y)
{
    for (; height != 0; height--) {
        const uint8_t *in = *rows++ + first, *other = in + apart;
        for (const uint8_t *end = in + along; in < end;) {
            *x++ = *in++;
            *y++ = *other++;
        }
    }
}
#ifdef SIMD
/* Four taps, read by one instruction: without `volatile`, GCC makes two of it. */
static inline uint64_t four(const void *taps)
{
    typedef const volatile uint64_t __attribute__((may_alias)) four_taps;
    return *(four_taps *)taps;
}
#endif

/* Sums of two channels, each of two windows. A weight is 256 times the second channel's and the first one's: as its lower
 * byte gives the first channel's sum, all of it gives that and 256 times the second one's. */
static APART void multiply(const int16_t *w, const int16_t *x, const int16_t *y, uint32_t fours, int32_t sum[4])
{
    int32_t both[2] = { 0, 0 }, low[2] = { 0, 0 };
#if defined __ARM_FEATURE_MVE
    for (const int16_t *end = x + 4 * fours; x < end; w += 8, x += 8, y += 8) {
        int16x8_t weights = vldrhq_s16(w), first = vmovlbq_s8(vreinterpretq_s8_s16(weights));
        both[0] = vmladavaq_s16(both[0], weights, vldrhq_s16(x));
        both[1] = vmladavaq_s16(both[1], weights, vldrhq_s16(y));
        low[0] = vmladavaq_s16(low[0], first, vldrhq_s16(x));
        low[1] = vmladavaq_s16(low[1], first, vldrhq_s16(y));
    }
#elif defined SIMD
    for (; fours != 0; fours--, w += 4, x += 4, y += 4) {
        uint64_t weights = four(w), xs = four(x), ys = four(y);
        int16x2_t w0 = (int16x2_t)weights, low0 = __sxtb16((int8x4_t)w0);
        int16x2_t w1 = (int16x2_t)(weights >> 32), low1 = __sxtb16((int8x4_t)w1);
        int16x2_t x0 = (int16x2_t)xs, x1 = (int16x2_t)(xs >> 32), y0 = (int16x2_t)ys, y1 = (int16x2_t)(ys >> 32);
        both[0] = __smlad(w1, x1, __smlad(w0, x0, both[0]));
        both[1] = __smlad(w1, y1, __smlad(w0, y0, both[1]));
        low[0] = __smlad(low1, x1, __smlad(low0, x0, low[0]));
        low[1] = __smlad(low1, y1, __smlad(low0, y0, low[1]));
    }
#elif defined __thumb__ && !defined __thumb2__
    /* With few registers, a window after the other, and eight taps a turn. */
    for (uint32_t window = 0, taps = (fours + 1) / 2 * 8; window < 2; window++, x = y) {
        int32_t whole = 0, part = 0;
        const int16_t *v = w;
        for (const int16_t *end = x + taps; x < end; v += 8, x += 8) {
            _Pragma("GCC unroll 8")
            for (int i = 0; i < 8; i++) {
                whole += (uint16_t)x[i] * v[i];
                part += (uint16_t)x[i] * (int8_t)v[i];
            }
        }
        both[window] = whole;
        low[window] = part;
    }
#else
    /* Compilers find instructions for this where the processor has them. */
    BY_EIGHT
    for (uint32_t i = 0, taps = (fours + 1) / 2 * 8; i < taps; i++) {
        int16_t weights = READ_16(w + i), first = (int16_t)((int16_t)((int32_t)weights * 256) >> 8);
        both[0] += (int32_t)x[i] * weights;
        both[1] += (int32_t)y[i] * weights;
        low[0] += (int32_t)x[i] * first;
        low[1] += (int32_t)y[i] * first;
    }
#endif
    sum[0] = low[0];
    sum[1] = low[1];
    sum[2] = (both[0] - low[0]) >> 8;
    sum[3] = (both[1] - low[1]) >> 8;
}

/* A row of a convolution, two windows and two channels at a time. */
static void convolution(const struct layer *l, const struct tensor *from, const uint8_t *const *rows,
                        const struct tensor *to, uint8_t *out, void *windows)
{
    const uint32_t height = l->kernel_height, channels = to->channels, pooled = l->pooled, width = to->width * pooled;
    const uint32_t along = (uint32_t)l->kernel_width * from->channels, step = (uint32_t)l->stride_across * from->channels;
    const uint32_t fours = (height * along + 3) / 4, taps = (fours + 1) / 2 * 8;
    int16_t *x = windows, *y = x + taps;
    void *behind = y + taps;
    int32_t *kept = behind;
    memset(y - 8, 0, 8 * sizeof *y);
    memset(y + taps - 8, 0, 8 * sizeof *y);
    for (uint32_t at = 0; at < width; at += 2, out += channels << (2 - pooled)) {
        const uint32_t more = at + 1 < width;
        for (uint32_t pass = 0; pass < pooled; pass++) {
            gather(rows + pass * l->stride_down, height, at * step, more * step, along, x, y);
            const int16_t *w = l->weights;
            int32_t sums[4], *sum = sums;
            for (uint32_t c = 0; c < channels; c++, sum += 2) {
                if (c % 2 == 0) {
                    multiply(w, x, y, fours, sums);
                    sum = sums;
                    w += taps;
                }
                if (pooled == 1) {
                    out[c + more * channels] = scaled(l, c, sum[1]);
                    out[c] = scaled(l, c, sum[0]);
                    continue;
                }
                int32_t largest = sum[0] > sum[1] ? sum[0] : sum[1];
                if (pass == 0) {
                    kept[c] = largest;
                } else {
                    out[c] = scaled(l, c, largest > kept[c] ? largest : kept[c]);
                }
            }
        }
    }
}

static void mean(const struct layer *l, const struct tensor *from, const uint8_t *const *rows, const struct tensor *to,
                 uint8_t *out)
{
    for (uint32_t c = 0; c < to->channels; c++) {
        int32_t sum = 0;
        for (uint32_t y = 0; y < from->height; y++) {
            for (uint32_t x = 0; x < from->width; x++) {
                sum += rows[y][x * from->channels + c];
            }
        }
        out[c] = scaled(l, 0, sum * 16);
    }
}

/* Make the next row of a layer. */
static void make_row(uint32_t place, int32_t row, const uint8_t *image, uint8_t *arena)
{
    const struct layer *l = &layers[place];
    const struct tensor *from = &tensors[place], *to = &tensors[place + 1];
    uint8_t *made = arena + to->offset;
    if (row == 0) {
        memset(made, to->fill, (size_t)to->bytes);
    }
    uint8_t *out = made + (uint32_t)(row % to->depth) * to->slot + to->left;
    const uint8_t *rows[TALLEST];
    for (int32_t y = 0; y < (int32_t)l->kernel_height + (l->pooled - 1) * (int32_t)l->stride_down; y++) {
        rows[y] = row_of(from, place == 0 ? image : arena + from->offset, row * l->pooled * l->stride_down - l->above + y);
    }
    switch (l->kind) {
    case CONVOLUTION:
        convolution(l, from, rows, to, out, arena + (-(uintptr_t)arena & 7));
        break;
    case MEAN:
        mean(l, from, rows, to, out);
        break;
    default:
        break;
    }
}

int nano_classify_in(const uint8_t *image, int8_t *logits, void *arena)
{
    int32_t made[LAYERS] = { 0 };
    for (uint32_t step = 0; step < STEPS; step++) {
        make_row(schedule[step], made[schedule[step]]++, image, arena);
    }
    const uint8_t *last = (const uint8_t *)arena + tensors[LAYERS].offset;
    int best = 0;
    for (int c = 0; c < NANO_CLASSES; c++) {
        logits[c] = (int8_t)(last[c] - 128);
        best = last[c] > last[best] ? c : best;
    }
    return best;
}

int nano_classify(const uint8_t image[NANO_PIXELS], int8_t logits[NANO_CLASSES])
{
    static uint8_t arena[NANO_ARENA_BYTES];
    return nano_classify_in(image, logits, arena);
}
