/* What Python needs of libmicro.so, which `make shared` builds: digits_edge.runtime loads it with ctypes. */
#include <stddef.h>
#include <string.h>

#include "micro.h"

#ifndef MICRO_FEATURES
#define MICRO_FEATURES 0
#define MICRO_FEATURES_ZERO 0
#define MICRO_FEATURES_OF(arena) ((const uint8_t *)(arena))
#endif

extern const char *const digits_edge_contract[];
extern const int32_t digits_edge_sizes[3];
void digits_edge_classify(const uint8_t *images, size_t count, int8_t *logits, uint8_t *features, void *arena);

/* The model's contract as JSON, in pieces: labels, input, thresholds, and golden vectors with the answers of this C. */
const char *const digits_edge_contract[] = {
    "{\"schema\":1,\"name\":\"micro\",\"labels\":[\"0\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"],\"input\":{\"shape\":[28,2",
    "8],\"dtype\":\"uint8\",\"ink\":\"white on black\"},\"preprocess\":\"digit\",\"thresholds\":{\"min_score\":0.5498,\"mi",
    "n_familiarity\":0.9173},\"golden\":{\"pixels\":\"eNrtmwlcVVUawK+4ghuaoLhBAam4pqEZiuiU4jJqpk6OaaiYaKJpTWomI",
    "sqkM2buqeWampJSNogLuI6AK5SARiyyDovvISBLj3u+8zrnvYe+exZ+U7+Z30zo+f1493L/79zzne073/ed8xTlf57eziroIUFbV",
    "IAMEeg7PpkgqJ7Jo6anwZQMUzlk9xmA7sCEFKgcx6LmO0kOT0WJg9LeLMshb/tGoayAIQMrCDpcX1FeQ3Bci7xLCIp6mdytBvDTo",
    "E5FBO1tTu4mVUFqa2vkTiSEP1GkrAI4a41s42hZduSu4SEDxLa3QvU/pxLWp2gKQHw762wzCDpmujtE7gLYiqU1JNdhpQYAfxtrt",
    "Jk0rz+pV3wegBqgQYqRvCglLg6RS6wn0yJGsKTUd9uz7ViETKRwQWtBj76TD0Xvv19fedJT0+O4r4z1QyBlb0JmVwnqBuhtWbYvc",
    "aEMTXgIC2VsERSNkGUrRKvtJHVLlpe2BsFnMnYHymup2w0Jci6stbThEuRwBzLbyFQVoA9lpV0yFnb7DXVbA0ZZSyq+Bcmd6/JY9",
    "9t2YNl7QtI1jap3KB3Ioxl6i4Ypmz2IZfMBzo3q0v8EYDjXnGFt53zalOrKPRhgtEQg12yAgi6yzicibZRVpZTR1lapcZmcLQM5O",
    "2PE2FOMgkkdQMDaTA/MLSXsZCMO+WfQNiOstCeLwsrAwuANfuo9YrqxWtQyzcy2jydf0oX7WLPpZnSELHFkaYF3NH2bT56gQqrJ1",
    "lQDbGWMAdhv+XYIwDTlafo3Uv81e0uwcTMPnl2d+rOp+wyLWPQM7b3KjG3bfkDqMIbtBUj82IneZcFEhmXBA/OkdC/l2CcVq8w37",
    "wHHmpltPLulZCjd+HStE6/svq4wDTOAqsla0mgLHaA4JzPzfhXc66RhH5hyXCYWhdMcgBDNZCjBJIWZ/9mFs6zZUDLwfljY2PzPL",
    "MjUvHNu6pK2ltt6JxmmdHy80AHDOqR41NxdAFiqYX1qdM6Y4wBxjRm2nuqnSXtyAS45a4uz+b763v7yKqrudj3HNtlnlqkZ/w7f9",
    "Q1XRxAjc+FQxyd6ZnQo8ZOy4zhWhjqWYt6zeMa0othE4spOLKp3NorCkRhv4rKNN+IXqZLFFa4sap+KrxLTeqyKOV+l00X8kGhU5",
    "3R8k7OWN2Ac90K7RqcxHsmVNl3FRlyZTAZ+yigODv5wRyY2JYPIVAkhmd4IDAx04NFUFd/pJ26rwRgXS5YpzzysHyBp4VsYzRYj2",
    "2MYL5WjdZI+24OLF9vKuvrBa3V/rL9SIbXyXfRI70KujpM2nw9h2FaEkJfjwAg9qr7yPsOAMEQ+dJs4a3mKhW125otLwje957UWi",
    "5IIa2RSehlgiIz5oFrZhhmypTHP5JGu7iTUDkeOfEPqkB8uzmvjMDS6So2XmuBDktBxaW+8jlBPGevCWETW8z4ZoQ6aJ92XODZQm",
    "jj2+brwASpmZlPHJBR5NMbUD2c6sq/qfJx2Hfp+lUeDujzsXZLACKFitIK2zF0hSyJNo5+6zZ4n9SaSZjvirdj34tks8r6dEr/xG",
    "oJzEsd3OpFjjET+FIQutBSjBWTkSnLVKyDy/5SS8lcPns21zFqUMbApyzbWMEC7WLaJzhSj6a+gtyDfbVdX1yWJCG0VsGC6aDjnI",
    "MQsHt60vIQAMln0CG0U1M9o+WOFGXu1Rk50m2/rCAu7JdA+9vNN7LbzU8fgv5da/n3r1ktbSbqUY7JB/a3YQcsQq/kosTJ8+gVdi",
    "YrOJ2llEEmA1D9KChhBMk+UsHmA7reQsCMYAiXIMQuQg4T9BUG4jRg1Oo8eTpBkG4ZQoqyJCgGmyFasKtnKYduFLAB/k1YboVfEb",
    "Dug8i2ThWiAzgh3JIIcJd3TW7ISVaLqfZImiaml2v4IjatDA/2jUFaPtOo0zBxhD67Eeo3JZbsiG+NS6swp/yJG9m5rdsJkdwOxX",
    "lvpyM1laxZEHujzSsq8W1wmdxc1HeKEcWUfZSFedZGgWO2SVM8jF/84dACuJij8eVZyp5s48QotNF2gCRtdNclzrLEoukTfV3GgI",
    "R/J6nOjkqC01/k8MxPNjsUJjkwOB1o9EVtVRbNkjiAfa1lGyanJre9hHMFZNkZ8y7vB4ALyjU+54iJw4ZxTxQRd4UPlAxPMQsaLL",
    "DOnMEKKjopdiLYTd09p/1TrSxTkOuPRF8So2xmyNpSLQu1N5983xS70KW9zmz5LANSjp+jeGmYDwMMwlExWps6jbD4jxnUjJi5l5",
    "ADSj0ZmDZgD+DopxhBO8zFaORDwMkVpYYo9hdbn2JJmL1/Clh1AlkGOOTTqy82Uk0Y60CIN+L4gIBy4L/biGPsHcFfWopMBZslYE",
    "UB/GUuvhRGBpAzL842rhU3FkC+zsrwweP/uR3aT5RVwSOLI7qbGzRnhoL9LFurikuo/CFqF2BLn1nYcD+f4CH2BZeE8xBkpTa4Bb",
    "DE768CysQgFuVsceYb1v4YiLPr9C4bZn4X8fo+cfC3bgeCjx06+lgXBo4XrI+MRrZAxjx1X1sl3RHE1PvUBw52GDNtSM+259qxhr",
    "T8xoINMP9jePEQvbssBHo7j7Ro3pfvnZaQfFnDtvNBQVlBG7NKKCYLF7wy1sbKDXxL1a+uAbJQ9+YlW9V3yjftlbDTAPhnbWAuLk",
    "zOPAoBJEraF6F13CbsIcKW5GHUn+lNmzW8nr+wukYSsVl82k2YrdBOjMXqAf0hKo2uRxFJ2LwHYZScXcrDEKSN6IraJmD1Psl2QS",
    "LITIE/iBSj7AWJkPTcb8rrW8QHvc9iY5ydGbpm5p7LVABFqfC37ecXLkCwyJkdndTWFPkTz6K3lpsBd5g9ygdZXuEnZalgkZZ4Q8",
    "pvY67Ww9XiUlF3OaiVD7mWC+rX39KRRMG/BIJ1F5l4W0cg7+Khpj6rMkLUPi/18q3O4ZXo5lXxuBb4PZddOMMvt8Oqjdkq9ZSabr",
    "5g1YZZVpZ0+Czht9PDh3AkDpYPvdcgIfHpOSZBGAhgTLwQK4/QjzdGg4pQ5PBtSaonmiezhkxamk1iT7pTPF6K5GRLWYWkkNQBQN",
    "tPzDhs3bUy3lMfuUkQ+ilQaXWUyIrSXc5p9deR5Po3WCs6OeIcFz+/Vu0DITKl3IYBmS3HIyBqZPQqZd5I6JS6h5Td9OZ3KYr3FF",
    "0aN1b0rJm76xiSnxnIbUmw+rGGun17bztMQehQxzmcOKjmM2IXyK0n9Ku/68puD9eaHrdkIwW8+nRfSNNgYJXrcKtSbbvKeFqB2d",
    "/ExRbkm2Pglthn+qZnStRILQpz1P1enKgpxjAWsM/6RBglxPB/vqb8ObzAxgeHQHhdTc38ajuBQg8X4e3pdh/m554AxXU5tkzB/k",
    "M4H59k27uW9C+Py3WxY9DY2pGSYozdsm7UyPy7PxRl+7LGSJmEYJ5ya1S4U/5Ovgp2TE10WQqn7L0mhWL6iRuPnasnX6Tcx1wi7J",
    "31S9Nz+Z4HRZKNMCYqJqYSLLLH/EJWXU/Wlv8z62w5xJr2WGzab8xNsvoKfoxzbtBHtIvSSH5dtmAxxEuSyD+DHwyuFAfMUs4K9I",
    "4qjXEhZOHPm0gw4JAqsmXYn21THNZK2lgFaylA3lWUfD6gRzxPFM86vscbRsj/HyaKHknfNCgu4oIZ9NORMJJNwUQbwCqvFZbgfv",
    "SwH1BsCY7DFSgPAgyuLJTbpttmudWA0L7qNcbQY2USRsSnxbl+S+4bKOoBK2Y5+HsAe5dezAVUAQRIWAlDVV+7CJiu/ntkmWH6T0",
    "JCfLg6k5ouVQev3Priwb4SAXbKcSP3OhmcAJaf2vUUubQSsfJjS6AvAd+x4VjpcaRBDruyenF0SQKqtsp24CSmcphhVAfDVtlKAw",
    "8/yNTxXSuPCD8cL/YSuNwCS6tIe2f916tZzyNq1a5ONJ7i+cNmVWXOUXHvG55n+7xKVrb969TphYRrUnwyJqkj/nsQ4Cof7ms3YH",
    "mkACebjGC8WwRZNtj3kRasezSfNfohrNagbzOc0vCphq0ZKN0i2WHq2hexB1M5RltKbfwuq7EzVXPmcX1cCqZLgvWsp/PSsJMhXB",
    "KkSZBsHqkSZK5ek+qXVzGq42UHMlgLoJLtuA8tB9ZcU5sv4TFp2o8XvafQO8msnBj3On8+FW28JyPjgdFVVQRU0uF8JqKnRU5xjv",
    "miitPPxCVhuxdJVyKdBwPOqs/9l8oIdj1EwUYOmX0X4hlMX8dYSK4eElEVHWBuXGFpogvWIciFP4l18Vt4CcqMGaQZbuzTy7Twdl",
    "TO1LzsM+xSopiywRhCV9DE5qmAs7MOziZZ8alpbLpuOPI4Oukm+wBb3ChEj79XeAbRxmHyDcsnrvJSVqqVxtBYT5Hn50eUolfvJC",
    "ClFd558PFzG/5rEImL0dEHfJVOWd0Ro07lNJ8nrqUL/1alfFN0Rxt+9yqusg1U4Jz4+oQASOQN1BsDX1FFzugtscKNfVXmw+S6BP",
    "bfWPh3fMt/FYjbCuwAnmjclQlRgDy6cxvH00jESQxF7kuMDfK+VMu3bEsA67vc5z+VhSxJ4TV3J+pYZC7Be5JV4rAuYWiD/iQ3Rv",
    "alOErYT41dlbY3hoMRbaRqHf/aQZFsBeJ4EddZjnSSU3PwMwAeSbMMBpEeUelboevyHxtYvq9i6cQ==\",\"probabilities\":[[1",
    ".0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,1.0,0.0,0",
    ".0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0",
    ".0,0.0],[0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0],[0.0,0.0",
    ",0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0",
    ",0.0,0.0,0.0,1.0],[1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
    "],[0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0",
    ".0,1.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,1.0,0",
    ".0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0],[0.0",
    ",0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0]]},\"logit_step\":0.1394117921590805}",
    NULL,
};

/* Bytes of an arena, the number of features, and the value that stands for 0 among them. */
const int32_t digits_edge_sizes[3] = { MICRO_ARENA_BYTES, MICRO_FEATURES, MICRO_FEATURES_ZERO };

/* Classify pictures one after the other. `features` is set as well, unless it is NULL. */
void digits_edge_classify(const uint8_t *images, size_t count, int8_t *logits, uint8_t *features, void *arena)
{
    for (size_t i = 0; i < count; i++) {
        micro_classify_in(images + i * MICRO_PIXELS, logits + i * MICRO_CLASSES, arena);
        if (features != NULL) {
            memcpy(features + i * MICRO_FEATURES, MICRO_FEATURES_OF(arena), MICRO_FEATURES);
        }
    }
}
