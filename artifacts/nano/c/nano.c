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
    -17198, -8216, -20766, -10741, -2061, 6917, -16422, -28992, -14906, -1779, 11784, -1791, -772, 1475,
    12736, 3592, 16394, 32515, 16644, 9650, 12045, 15880, 21766, 7464, 9345, 0, 0, 0, 0, 0, 0, 0, -1953, 7948,
    -3862, 12217, -16169, 6748, -5869, 12252, -16255, -20310, -2717, 10803, -22242, -27455, 27317, 4674,
    -31929, -2732, 18955, -15155, -32525, 19191, -7909, -6623, 10744, 0, 0, 0, 0, 0, 0, 0, 20, 13355, 20238,
    2047, 1557, -2320, 69, 13361, 10281, 21815, -12901, -17942, -236, 6705, 32517, -19540, -28031, -13951,
    -120, 31123, -22479, -23785, -5896, -3840, 17413, 0, 0, 0, 0, 0, 0, 0
};
static const FLASH int32_t bias0[6] = {
    11738, 130, 13561, 7436, 3362, 7913
};
static const FLASH int32_t multiplier0[6] = {
    1230959845, 1453994726, 1591861944, 1116162601, 1264749390, 1386413698
};
static const FLASH uint8_t shift0[6] = {
    5, 7, 7, 5, 6, 7
};
static const ALIGNED FLASH int16_t weights1[168] = {
    -32509, -4376, -5620, 5396, -10968, 9436, -16903, 3317, -12802, 5132, 536, -6414, -5372, 8898, 275, 6170,
    4119, -2367, -31222, -6864, 3252, 6159, -15564, 6832, 7953, -6649, -25, 3094, -2986, -21848, -2292, 22,
    -4813, 14117, 2343, -3199, 19470, -12796, 14782, -21749, -3634, -555, 3087, 1038, 12272, -13793, 9751,
    7706, 14897, 12106, 4867, -9827, -1515, -11247, 0, 0, -11510, -2554, 4844, -1051, 14073, -8723, 7101,
    -6090, -7230, 3086, 2296, -2593, 10148, -1711, 10461, 15911, -16798, -8209, 3611, -2845, 2847, 10738,
    -4866, -10683, 22449, -1785, -7123, 8733, -3033, -21979, -2104, 4092, -5429, 8301, -2751, -12102, 3413,
    14209, 3244, -10764, -694, -1277, -3794, 18354, 8231, -11550, 5664, -4910, -32497, 14417, -821, 554, 8445,
    2246, 0, 0, -207, -4620, 960, 3838, -4053, 10500, 9233, 5143, -569, -7371, -2853, 1326, -1325, -5819,
    -6695, 16980, -7750, -32548, -6175, -4803, -16205, 14942, -16101, 6654, -847, -8213, 15824, 5910, -10583,
    767, 224, -8442, 4873, 2080, 10458, 5397, -10226, 998, 687, 13603, -7469, -2583, 5426, -14719, 16169,
    9966, -1079, -5363, 12013, -9727, 8550, 7089, -7423, -4063, 0, 0
};
static const FLASH int32_t bias1[6] = {
    6042, 4178, 17635, 18328, 10232, 3346
};
static const FLASH int32_t multiplier1[6] = {
    1517482900, 1576171003, 1630337878, 1743734567, 2014653876, 1276419251
};
static const FLASH uint8_t shift1[6] = {
    5, 5, 6, 6, 6, 5
};
static const ALIGNED FLASH int16_t weights2[224] = {
    -32491, 10010, -11543, 213, -3878, 8700, -29211, -2612, -4877, 13388, 3782, 7604, 722, 1032, -14773,
    27050, 8932, 23811, -17946, 9241, -18760, 11798, 796, 4818, -1819, 9507, 6694, 6193, -2655, 3810, 9189,
    13023, 12581, 13729, 3289, 8664, -11574, 10222, -5930, 5289, -1220, -7414, 4112, 6706, -4868, -3711, -272,
    -22552, 851, 7295, 2810, 4283, -3955, -21299, 0, 0, 6375, 12770, -281, 3108, 165, -8925, -1852, 4615,
    10719, -5378, 6654, 9281, -834, 2334, -7437, -3356, 4899, 75, -7152, 4297, 2055, -3016, -127, -3056,
    -11036, 5593, 3838, 2041, 15281, -5033, -2920, 6433, -1900, 8691, -3540, -11975, -19457, 21484, -1757,
    -1960, 13959, -13340, -6172, 17844, -5912, 6197, -362, -32436, -2622, 468, 9707, 5075, -4643, -9406, 0, 0,
    -504, -7211, 419, 7995, -5632, -16210, 5406, -3852, 14057, 844, 787, -838, 1090, -3360, -229, -11512, 217,
    -4152, 3128, -8150, 6855, -8225, -3048, 8758, 5384, 5400, 5382, -1854, -19, -760, -13207, -1061, -1841,
    -7978, 3781, -4378, -5617, 1797, -2881, -21522, 7722, 1537, -766, 2267, -14654, -4150, 3052, 6399, -32477,
    10943, -11135, -13569, 2496, 4374, 0, 0, -3822, 519, -32474, 7902, 15149, 19913, 263, -21529, -10219,
    8146, 5349, 11727, -26159, -23571, -13856, -559, -11069, 12788, -4361, -6712, -13565, -11026, -324, -7661,
    -4634, -7807, -22308, -3072, 20698, -5628, -12090, -5379, -31560, -4584, 23030, -4363, -24342, 7121,
    -21756, -4838, 19504, -261, -8190, -4097, -10226, 4675, 5648, -10490, -1623, -9717, 7429, 27941, 9487,
    -18424, 0, 0
};
static const FLASH int32_t bias2[8] = {
    29602, -15382, 18106, -2995, 17675, 10541, 9874, 9423
};
static const FLASH int32_t multiplier2[8] = {
    1943687426, 1997604297, 1308894514, 1360190342, 1763923790, 1647507528, 1404941754, 1443109811
};
static const FLASH uint8_t shift2[8] = {
    6, 6, 6, 5, 6, 5, 5, 6
};
static const ALIGNED FLASH int16_t weights3[360] = {
    -10550, -14066, -1594, 21520, -7189, -11337, -9269, -17831, -6376, -6448, 10236, 19973, 3079, 724, -1288,
    -1261, -1053, -2003, -4109, 3048, -3628, -12344, 11197, -8410, -6189, -6110, 6900, 8498, -9760, -3099,
    7184, 11064, 1805, 9708, 1841, -5079, -17636, 9509, -10242, -1542, 3294, 23112, -12016, -6673, -13920,
    -2289, 15636, -22268, -13632, -24551, -13669, 20216, -21497, 3328, 3897, 718, -1283, -11513, 16873, 6564,
    -22900, 13439, -8453, 32484, -12595, -14136, 8656, 10130, 8335, -953, 14846, -2792, 228, -4420, -27693,
    -16368, 4874, 19995, -5148, 9240, 486, -6682, -5942, -7182, -545, -1246, 8687, -2286, -17668, 3270,
    -13817, -10763, 802, 13278, 11305, 4918, 6645, -10264, -3397, 287, -11779, -12085, 5336, -2303, -3807,
    4653, 3829, 1522, 16875, -8955, 12774, -8179, -14350, 15082, -3582, -220, -12791, -3370, 3393, -10232,
    -22830, -12525, -16631, 564, -8740, 6170, 6371, -3569, -8238, 3096, -2826, -11274, -32514, 24597, -260,
    6714, -6966, -2595, -6637, -23846, -20863, 16814, -8133, -1996, -3923, -20564, -15947, 17118, -15637,
    -9693, -23515, 4759, -783, 2832, -8235, 3097, 8451, -806, -16867, -8452, 8930, -1226, -29961, 3287,
    -13045, -15370, -19638, -14597, -6665, -19252, -10019, -5371, -22846, -25865, -10992, 13286, -4371, 16110,
    -11053, 9240, 5318, 17705, 7697, 8703, -1805, 6224, -7950, 1550, 7926, -4368, 2072, -11294, 18718, -29747,
    -5072, -6126, -7391, -10553, 16678, -11004, -18483, 10459, 29203, 4597, -13, 3846, -1772, 1509, -25727,
    -9498, 12592, -9461, 326, -10259, 32607, 4849, -20018, -17441, -20032, -7939, -4671, 1486, 10933, -7653,
    -9762, -8153, -4389, 13575, -2083, -5886, 6664, 8219, -32533, -3020, 5589, -12042, 7160, -5095, 19952,
    16611, -10042, -6126, -7999, -7653, 14050, -7703, 4280, -17913, -6906, 5904, 6904, -4886, -2051, 4067,
    2562, -1290, -9781, 23536, -6676, -9158, -3001, 1016, 14849, -10218, -8708, -10738, -16094, 24862, 10988,
    -18432, -6477, 5893, -5124, -544, -8424, 10004, 10753, -4621, 10967, 8478, 4326, 13566, -14288, -7907,
    -7689, 9089, -4060, 10765, -10579, -21338, 4767, 8541, -11036, 500, -25182, 2275, 4586, 702, -9989, 315,
    -531, -14329, 10261, 27601, -27948, 2038, -19720, -12794, -3542, 2741, -740, 16885, 233, -5877, -24023,
    -3537, -5435, 1029, 3583, -11456, -12558, -2077, -14035, -11758, -29742, 14129, 1535, 28445, -11561,
    11498, -2618, -16415, -10277, -2593, 5366, -15818, -11784, 5127, -6469, 268, -840, 3569, 303, -10077,
    -2336, 14651, 9447, -23401, -32589, 5737, -4591, 15583, -9087, 7718, -1064, 907, 3544, -8649, 8496, -1481
};
static const FLASH int32_t bias3[10] = {
    1598, -9308, -2131, 7082, -4717, 3219, 1329, -174, 5142, 7928
};
static const FLASH int32_t multiplier3[10] = {
    1155135912, 1402281779, 1408971760, 1246480274, 1195265816, 1787557121, 1218542412, 2083223917,
    1169901744, 2088104403
};
static const FLASH uint8_t shift3[10] = {
    5, 5, 5, 5, 5, 6, 5, 6, 5, 6
};
static const FLASH int32_t bias4[1] = {
    0
};
static const FLASH int32_t multiplier4[1] = {
    1654914536
};
static const FLASH uint8_t shift4[1] = {
    3
};
static const ALIGNED FLASH int16_t weights5[80] = {
    -15174, -7215, -10369, -10540, -7716, -11066, -15667, -9525, -11306, 32455, 0, 0, 0, 0, 0, 0, -14662,
    -8743, -12862, -11321, 32435, -15659, -16197, -10881, -6935, -13891, 0, 0, 0, 0, 0, 0, -12929, -10784,
    -11577, -14391, -8736, 32456, -15414, -11056, -11070, -12851, 0, 0, 0, 0, 0, 0, -14129, -10781, -11062,
    32479, -16413, -7983, -14721, -12335, -8221, -15415, 0, 0, 0, 0, 0, 0, -11085, -8833, -13871, -13358,
    -8508, -12616, -17244, -14648, 32449, -14912, 0, 0, 0, 0, 0, 0
};
static const FLASH int32_t bias5[10] = {
    -8, 4, -28, -15, -34, -19, -13, -30, -2, -50
};
static const FLASH int32_t multiplier5[10] = {
    1398150086, 1604407301, 1312033672, 1433545590, 1323083167, 1466149983, 1561546384, 1397174565,
    1227018235, 1318830892
};
static const FLASH uint8_t shift5[10] = {
    5, 5, 5, 5, 5, 5, 5, 5, 5, 5
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
    { CONVOLUTION, 138, 1, 1, 1, 1, 1, 0, weights5, bias5, multiplier5, shift5 }, /* to 1 x 1 x 10, 100 MACs */
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
