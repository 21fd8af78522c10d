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
    "8],\"dtype\":\"uint8\",\"ink\":\"white on black\"},\"preprocess\":\"digit\",\"thresholds\":{\"min_score\":0.6593,\"mi",
    "n_familiarity\":0.8892},\"golden\":{\"pixels\":\"eNrtmwlYVdUWgI8gqAhKoImi4pBTpjjkxEsDe5lZOWUmQaY4UYqmWeaAH",
    "2oO9b4sLZWsTC17oWivTAWHwFBwAn2IAwKOoKCg4MB0z1r3rX3uBe49Z217X9/7vnrK8tN7vD9777WHs/daay8U5U+XiZdyn5Cgz",
    "0wA5znQbegpQlAeYkR1Y0CTsiADclkDkL9xeDoUD9Ejty+oRA9FSYIiXz27QrX9qAiWqyN97hH63lFRhqmw1R71KyS0x4+eFgGMs",
    "UPNrhP6xo2eXimBDA9b1IY0hFcFUhYA7LZFdZJEWy705LSpDBKb2CDHL4WGjgIFAqR42RYbSyhae9pET6H6jmU60Wf/ojKA8Q62a",
    "CUN73jqV0oOgCnUDilmqig9KUmlj8QeuhExg1Uy3m6iH8frqkbypnowMzr5GlyfOdNReejFPeukp4w1RZwhY/MRAyTokWLcbzeFb",
    "VpWPi5GHGD3w30nVDy9VY5qB75Gp1jEHyStLUe815NHnUsQt/HIdSvidV+evYGI7/FoYBniPn7V+B5BLGzOFztANU5iifPXKuL+2",
    "iybgWhOf4RFrW4hHnueb2w4YoqfImU549pL2Alc3P9BXupjVm2c/Q5L2meK7R2K+hjR2ALrDnN7wlN6NgVg36B2PX8ChH1uOtZo0",
    "id1xV65DgFekCjU+jJAbjvZOUUqfSrrSpFut7aRWrflbDbIWawZsQePIqgPwLAGo8Oyi4jtcDag8efFmBEr6qRHm2+DlcEoPTsNl",
    "Sx/sD2qn2lhq4fSD+Vv87dloy2ItohX6GiByXZze42+UfO60eMH5QCf64wB2GD96YUAr1cfB78rZ+ZrHy3fY7bqjeU3IkNCsgrxy",
    "uMG9hJWyFQD8/w+KSn7UNJpLB3JttnRQQnEE1KVjqsjZMg3N0Va7BI+J0Pj1fjaMrYbb+/oJ2GvpRRjya7GEjo114wnvSSwYXgpp",
    "k5wkL3UNG69JKyG226cJu1lKKY1lrNkd+5wcVUcpqbiGwzqU7Cu4STEuIYMC9JmN9H9IX45vAvHSNlWTJTaWUVo9Cw8tRPFYScWN",
    "zPM+O49Aj6PuMJQbKgZnxSbLN5rrUdNMvAQLbDBJjT4Ks3i8Q7tqD5ZeMyDMbCSuno5xyAaDY7RJjRj8Sma9/RBBth3TuRFyytfx",
    "tl1C6nQqLCwMGYtBZnwdHd+rPoi3pQcUz1ysEDykjRNRnUCj+pEI74vRx9K5mwd3pxRRzbVt4ZVHxTNwsPDP6a5N1We1HMsZkLIe",
    "+fKtON619Kllcy5hvg3WTPDYJ2rq5O+upTyrE6eJLUMDXUYdz1zCq9Dh3UgQ+3J9pIssXbCA58wd+KQIQ0MbEOFwwln1uvZnL2z9",
    "2qSDEXRvWXOUcBmuBMiG7T6oXB3gAzWi4A90uGOgmuyndfrFES14ZFnt6zyZfrvGggHx7nBXoBUY/e//iS0ezR1/+5IowYWUb9iT",
    "NppwozOmBvyl1iaDebJ2cpEOYveKkUet96WslEoZ2sw+D6siZRlH5bGLtyKfpMWG4Cz78Om/B5zbv3mCMM70bZEOMvuO+ldzzN0J",
    "ueQo9jp45cvz8isxfX9wF5ykzris/ptvjjJQ0ldQE9+BqYkYKTD/OONFGU6GhxWj8PmlS3jT/Tukp7MzNJhLDpDfg7O4jr5gTiqz",
    "oZXb91/WdlrvrFsggdJ+2XLXrO3lZeVQZXE2y619qvv2iCwNWLqR9J2tXNnkhUdtLWUV9MX5KrU9fX1paqvtrJBLajCE5YmVgHk2",
    "UWfHIIXLLC8IqNVvbdZKb3yATbzjr9LMsBlHjVPALjCB29q07l0sSPf2DxxovJo2h2AhfXZiFu/UjCdbsaWmiQisXyFz9I2f7Yli",
    "8Kpz9/6sDGw8YTOtWBLOf6TGuskMc9WQGY7hwdkaTeed8R8KtCNIU1eztZW589G+OgJKJ/XosWgEjCeIn+Hu9qhvxRWG9jXUKB9n",
    "oV3GRYnrLcN6rlGfLnWv0ACM49+eQXK2kvwMXsuJah5ZTmhNdlQ5nGA+c7smCzOo26zsd2awabvOsyDd7nZfxa2kJkFwPgcjnHgS",
    "4W3A2MAOMM94Zv3KGWY05X94nWvd/ogd0yDiCOMg48Z1hlKBrX0Vbn2lBb52rRms69t0yVpULzCt3rLZybqQ3NUV4m9HwvIG9B1p",
    "9zQwooF6RMNC3QWgClql7hbQ30AuD9C4Ugl6C3BdNaR8xEzkku5sxcZDeYw/Q6JR6iZsm2iXKA9CwNhg9UTIU5Y7Ghgs1z99qP1B",
    "lDP4IolNDrQEB7aIYwa3FmGN5jYUdj6xPgX3W/BGdmIjgQYJ2PXJW+gkKz7MFJIylBebsh9WBDCNR8J+xtCv//7le3YOfvkh3VlH",
    "SQ5wKLHtSjLvUYManvZEoCZzLDz1njsZ8y2VUrfL5uBeMmAnrhBKKv5GI5NIHREUTgWUIBoGqIxssvr2e33v1qVGKPp6e9t27VCx",
    "HLhBe0x9KFeDBV7kx42lWL5M/bsMdEvGkhv6uMSnSZjCQXWUHxN9Kn3SNaS/q7KCOEibHMwsk1K17NUyhgbJnY1RiV042kuYKXJD",
    "X/jOD/6o4a2eLMBFJpWdUCth327f8qc10WCam8G03wJ+8QEzGRYDt4cE2RKIgPJJhNIXOQ40HIUOAnON5lMPBoKhKJZ5L6D2FeuL",
    "NtoIsZvdhEA5qIhLHoiy2Qq4m+xuhAySdyAJYQkWQDjhfqjWeQPZoAFfM92k/pfsVco7vtM0pnxyjSZcmRX0F1yZeo/aPJ2gfkjn",
    "vT+lnzKNBYFaNYkF63uNDxXMzTvMBkIKeKiNXB4oiHVSBH5RzmTeijK0xxrNVezWhfDBmkvqLgMvVAKMTL2sj59yebl/BUuyCJi+",
    "wHm8qQmtSZxLusdpO5n2YVGfUIPFmliuaS+m1WFRly1DSNc3jzI5vVMFtlhF8T3xXHhPdvoLahv3k8HuL37Gc66EilKMZzJ+o2or",
    "TpF6Y9I7yCSTWYkC10/836XquZQv5vbTvAuHTuUmRnWe2PvUYIF8q3OEYlqnfXR2G6TTpHc00WehAyOqmous5sdGnXH+n3SHip50",
    "46dspBlIZ5aPocdWy9W5pbJwnZpGKNj7sOGDbNej/npy+l6URlheez9xo0bV55QbjR2CyutcU2Ln2ZagjOeuwEyutqxc2lRntZIB",
    "MD2yvp/pP/tsx424xbRkP/r1ap4FLGbv/qRRJ0XI7bJJuTR9qTt65fzll00pO4reytI4nZDeqdroFUaPdyvhdlfiiLMZimLY5h/X",
    "Jz2YTbHcXVFWIr5y5iZY5YCESyztMMyq+pUWquaUZ20ZJj4Mk7UKGEWMXbPPyLOgqSjab7PYDKN/TfM/z4s4g8yf3Ocf/VZwbjac",
    "5tqnz1mx8bG2scBl5bgaMV58DvR94TfZsdE1mheZKnV28u3Rd4FFblPxVtfHnLV7jZwOOK/f1OPtfT2FtFHz5o69rcuL/FKEhsr6",
    "wCxrbK4ePPTaEz/qJBhiNmyu0rnVeS6O0ngI+TDyzwxpWcJFhhi106Tm9GB0jSABtJwbz0do/qvTBNxNSOrHEpMd9GzBO370vNzg",
    "4xW01MxJK/2feAXb4s0cssW8yhcVUHlo4BpqqoWBK1iUghqjABV/aGf4t7ZyMZRfV/wejQ8rMI+F56NJj1elOifrqpx9Xk0VW611",
    "Mgl/c+lpy8xJh4qbxIiPVX1fB9DbO3TCgbqWj1bIawJs/Y315cpl9q6detZJ1X1c4ZFiKQmnyuqqktu6ifaOx5KXlWBqn7K9M9s/",
    "atXZvChCj3VVONY/2JlyUzEwH2KxlJ9qjf2P0dq1Zs67eeqy6HaXtNerwzqZdBUXwwLCGgfEBCw6rvvxEXfuQqGVoO2ECqSosu/r",
    "Iy0/pwIdnLF9nailpfXY/PCvISMp/olv1ThfBQgkkcuC8ugqCnPQkCaouSvMncT1iVKHvIFD55NpxpbSAZvH8BamfmSAac6S3x+K",
    "rZfUkz4GLL8n1yAA5LEX/9yyO8jKdYmLKzrA76IOx1DzGF/4ad5Cnlq+Vh23ugVOyUAFk5/mhZyvoF9BpDQXmlFLMPAriG2UpTXx",
    "R2EgV0VWf7EoNCHYfkdFc8kLGUSmQ4CpC7ZBPgPznq5pBkO69meeyeSjkckqZ4/iL6xyURK9+t4JB9SuYK9CjC2zkxE5pdR3C5Db",
    "B1lOHDsC7jdVqRzcAxhIzV5EbKZ/BAzTtfmj+sfQvxHNH+xnJoiPIGl27mcBMWTYEKIUi2cDIw8DfvZ5NKGu4COaS6iWjcYARcF0",
    "y5vZMFUZpGLT3xV8KVS5iIcFelGDZ802lpHIU2g4RdgkR5thYuEuos28/QM1J0TJ1r0nGaMV6L1z13DQguOhy1r1nSLBnWjZFy65",
    "6E07BSpMr2zSAfUtGXlKKiyXOuBeRgva836C0GcfGuG5TJF7lhGlD/EzLIalefUaJf/zcr6D5TBrvk=\",\"probabilities\":[[1",
    ".0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,1.0,0.0,0",
    ".0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0",
    ".0,0.0],[0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0],[0.0,0.0",
    ",0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0",
    ",0.0,0.0,0.0,1.0],[1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
    "],[0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0",
    ".0,1.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,1.0,0",
    ".0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0],[0.0",
    ",0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0]]},\"logit_step\":0.18449845910072327}",
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
