/* What Python needs of libnano.so, which `make shared` builds: digits_edge.runtime loads it with ctypes. */
#include <stddef.h>
#include <string.h>

#include "nano.h"

#ifndef NANO_FEATURES
#define NANO_FEATURES 0
#define NANO_FEATURES_ZERO 0
#define NANO_FEATURES_OF(arena) ((const uint8_t *)(arena))
#endif

extern const char *const digits_edge_contract[];
extern const int32_t digits_edge_sizes[3];
void digits_edge_classify(const uint8_t *images, size_t count, int8_t *logits, uint8_t *features, void *arena);

/* The model's contract as JSON, in pieces: labels, input, thresholds, and golden vectors with the answers of this C. */
const char *const digits_edge_contract[] = {
    "{\"schema\":1,\"name\":\"nano\",\"labels\":[\"0\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"],\"input\":{\"shape\":[28,28",
    "],\"dtype\":\"uint8\",\"ink\":\"white on black\"},\"preprocess\":\"digit\",\"thresholds\":{\"min_score\":0.4796,\"min",
    "_familiarity\":0.6985},\"golden\":{\"pixels\":\"eNrtmwlYVdUWgA8IFyFAA0QSCDIzNackUUJFrUzJ0qdgOZSmmahZT7SnYr",
    "7PTAJyKKWsTI0Ki6sgzyGccErAAUELHDAJJ0BmCASBs/Z9e58LVzhnLb6vN34pmy/ubf+sc9ba41prbyXp/1na9L6ZEfEAznwZL0",
    "ko6nFVsNsdEdT1OlPKXIT9ZkQsUot63+H14cGMXdOgnkUcZT88DWMzOTotSRgbVsJY/RiFpUmSva4pO9ygxDRFz6GuTU0rZ6yuE/",
    "9yUGOD/T4uNpt/2XqH1T3TnHURdvGGdOU2fqjS5HWOJppJfer5p5WKbeT620oBFw2M7TDXsq3Sk5e41NG2kpbl7ZM5KvLTNMrghm",
    "YuGqptZ+d4BW13xbrVnXerPMJKuo/L0zUwi2I1snzBjWAgy7ESzQbhxCKCs8dx1kOm2XrOEu1otgVH5l/QzFXmbCLOJgMYoBOKHj",
    "zB5TaYo6y7zNk6iWZBLTDcOtuvOLtpgzJvjuRQiWZP4qxjOmdU381qgd075a8lho9wMvA7GSATRcOKgZcIhPQad0sgqESmUjqvL5",
    "44LgVuadkJyJ3VX5L8MNZ56RPiIxS+Ia3g4hR64Q7so9h4gGkEcjoMOZ0IdgxgKTGr+dsue6LIPpmbn/1Y0yqPoOQKpfyutFlV9l",
    "0UkAdNyvVt/h53WRqvqcsR9dVHlnk3e6JUCPD14iyA3w88o9GgUHlWwb4RiHZfi6ctbCO1FqTYdXSfMnnNmjM3d305pukCZOfjsy",
    "29UCzWxv8C7qK+sUrdzjkDeXlDlqsGNllT+d++5OZmbOy5sryMeO2US1DhhaOZ/NkLUOKztBrkT3WYzPVKrtPnWtTeexdf5AH+rp",
    "UZfanBtiq9/jnVdHhI1KenFe6MuSrLObGOzWC3VbPc7Oyc20g9J5WDnP8Q1bRHASZTbFChvJXsE30Li3NT5thcryCAw43ft127qt",
    "/s4+PTqauPz2K9Xs/tGdbIGu3OKWzo24KxpoYbPmtVuanPb6xa9ZJz6xTB3IryaSSLYykUcqtg0zWVjopPYJ7Aqt3VyOzAQQFHMa",
    "b1N8Ya2FOio9ntR9Wo06/sJPddXqpnmvHnfpRVcv/ZI5udcVCztYydeNJFx8OBUZq3vVbPDKz6PPexs/y1nnnIF1eNvnltd8TqFV",
    "zolXnz5nVAXLB6doFYBri7X9ofR/1zWckAooXTmDwTR9axjC2mUQTRZ1tYabA11dVlf2mdC+7Lli1bw/u+3hSXhRiXk+l/u1yrbM",
    "t7w8JMTGembPP1Cthia2up8aTqsns58qKN17rPKLzyFuFbbwEKdbsOQAyxx29wHWYufXPMGCcN+8bkoFyMUrOQxCWJSkmDitiBRL",
    "M8OGwbVE6nGq1dEFSNoKD9cjhIbwCQ355ALudB/xiOHPtl14Wr65zENq1zSgT4RWv+5o+DvGKF5zZBq4GxyJuQOO6dEk5+XTr9Tz",
    "6o5//CWCIRbh4EuBlIxBXc+DHEIyO4F2pBsFw+F6Q/zgbUoJ6NcdUFqOlHsB0A56U/zqzPAijpAEttZNyBWx4sDVr9ddmRqOcRdu",
    "yCcdDsMtcygPK9UVP5hxPCqoZLuk3ALthoWcUIyUJEHnGq99lk8iFoLW1gAFn2akX9bwP88FkFwPePaC08VAFcqHIsGix0S+Ux45",
    "jWBf+/Xxb7O0gdfYM2bco3hKj3fgaTv81lYmSwAtXeX6RUx+/4ZDcwlXedwPv12npH47cl6tgxf5TiDHlUwDEXlYPSsJBZ/sTYaE",
    "LbUQAnCdS9Asq74ah9NMDzhFgYg42WOHqDGTKobSMbro8iWDwAFW+8XAMn2xI5pFwoeZoQy2JsKoF4H223IfyzIlbjTYgtALacGh",
    "HdIN/lHhncXefmVS5Ge9d8YaVwoo97IEuvnrFLwTsYG69lrzMW6S7NQ9kPLN1C8iljy5H091SW1W5QMduGdb6vzCKT2Xbc8V3ClS",
    "ywxa3TMVbyFGH5CMayifSu17XCIjYERc9dPGSReh7NxU75reApKRXdrlwvF0ySCJYmzjK6lmOsR5UhQGrzE1uEsI1sp40UxBiWvU",
    "5kmxesrmVjzRAWIjoV/uGIrgJfGtiBIa0rPjqUIgx6IrndfT9fz1EH+oG3ikDs4SVZb2o28UUA9fq9t8XW4aNCwxmUT5AmzxFMFU",
    "joThsYDykTBvBeNMxrzmYBO81fU7tDyKmOGeYpG429sieFttGwRbZPHxMsXq0lZ3BDsQFGqpnVjwYxmBJqWZHWdKt5USlHR7cvg4",
    "tUi04AmEGxQgBqYZayW2BcIZIxWm5MC2wyg3wPgvkyuDemi48BUqhjtxioh/EYWLOKgfhBHidklB9NfJ4sJPTX+O8AFQpOFhIfYe",
    "9zTzaAckyu18oJqSQ3VE/x10mN364PJKzi32KaoUCuYbDRQlAfzgcKDRVttVqadNO+zfTX+qtQrwrSG2wKTEbaJEbYZmzNJHX/6I",
    "2tj0gZrVN+ArS9apRL0g9EQ0ZuX4Dbfb3Se5VCAMVKZZlk8J9nfgYgdVlNy1ltpZnNTiBP2NungnycSqyBAZIItlEGmcof6TkbQL",
    "PjjjjyvCjDD1RABmCYQ2h5UZbBFWeBsixv1eFsdLUsU7kLadH9cDxNFXOrqStWvIrGY+GbhDfxK5K5kNY3ZOUuI9CzMZeZ1VnD7N",
    "5dPWPGjA9qALZT2ak9XPJhgnGFjhI3raQTAFEEap+hYZ0bI80ZoGZdYmr3fHJUlDLO9lur8lxNS9rLOpIBnIvs0YyVf7+3CTXlE0",
    "oAqgJ7vbZfHE9H/W1cFC8mp5+vD6VeS5WT675qq1J5rfG8WxuH251WQP4CByT2swtL454g4exKbSwtzVvDAazYPv9haGjolSvqGz",
    "66QevWVSouNECMioUrtUa2R6dOE4mSm5bGR0CSKsL96NixiSNHPiq55gGsInYBPhtS8MC4l7iFMJ7Y4sRLj6DL8jtGPX/CUv4lRg",
    "ZdMDd5eX5ISAZjXaiWG4zLocyh390s6lq1XNjpSUaLrQMK1EzP5+MkPuN68Cl9a3zzZML7yoxLP8uFCtSX/axCG/uoSOvs9/6kQG",
    "FX0Abrt3LlHfZ7cOvUQItT2mck+4a9SbI4hhzF6qK+JdlCdkrsZD8izCmPreQf7RjCPmepIlGlO4uwjSxGMtc5PvQLm22vZTd37T",
    "tVJ2Ljgs81rLFcSj+sus7g/v7H7/Xt23cQpktDafcvs2IPmmWQTd3O0AJrQe6BAppJcS2wmRl/7jH97G1y3HqWyCWe/NM5cP3hFS",
    "r2KfdNfZ199pTIdUkLtfGBcgWmeJ3Gx57YwNYjnZvJzgyZ44CrkgErKS19a8GPYkPlFtna1wnmnStuPcEH7mhuNCYmntuQv4PwPz",
    "sMS6ypT6c8PskvU44je2O8LPei2OMAc6lY57wsNw8inljkbCG1de67vaBMLlWFM26ZcoI+WemH/ZrA6uE45fbSufd7WNy7C/kyw3",
    "IbKm2aQl54kNoDVPckWD/6LJk7y6VtKZYDCyg0rA66U2wUlHrQ7KgZzSoeodkRqQVm5rcurbZ4pCWmyzGjL6W5zGefyWsLExZtRZ",
    "grRwf4+FuCyZ0F6CdJfWogXnuY7H0bLrlOvQy3sd0jlvtK1VA3geg/gDOD8Shh5BeH3nZq9XH+N6Xn7GDhUmjOhD0Hx/+caxxL++",
    "66KVZB86OjozNNcQfAJhObY4o/G9k5E/MvN9aU79o9wF25md7khftzcnb7+/sro4EPQTj0IKpp2yOcfYdb8Zx4OHHFMxrgznJ8Ce",
    "2SBZCDS80RrfItzmbzl32FHwBOF9ExullJzim8XZLwO0+TeJsdx9HQYjBUE7c1eFzCqBCBt/hX1F3xMoD3JFIu+h4e7hYOg8LDw3",
    "lAaTgdvtTBwaZJCzmHN8+xnJ1vCnOHZIuMx8nQcaK8kn755MmTJgdADPYZXRsfH5nRdL07z1mfxv/ZAND0JpZLBkBewyz4DGDv20",
    "3VdNlYCydEOsp8gwyFakfE81x9/dpnXbgU1lWhsqJ+AppqeVGgVNzZV4LVF/HxqTyzdCiCXr3BZ6XXTTiiHWwWP3MNzaVuBTBck2",
    "GI5LuRsYk0I9GbR9LixpdXGfRGWCSPw19NgzXmCMs/daoQIFC7M3ob+zTvXSSLazEnrLw+bLDdfboDWI7LNBjOTMFWSJuDrC538w",
    "lA1pjOiaxUZNKja/to2AKWp3ScNdP8w7rORexlo3N+ZKwmXcNuiN7x2/1Cwmo1C2Z6/tssjlWnr1WzFDaf/w4QC3a22s+4JU6zLV",
    "M4itdcp/5NsI9Z5XnknvgetkIKqGazNyMshFVuqGGpthh7IkdcLfeVEhAmdYouX+EoSaWMut0kdaq604GMb1k12Yfr2J4W2F6Svc",
    "eATDG1ibja/98eXP8EZxy0tw==\",\"probabilities\":[[1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,1.0,0.0,",
    "0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,1.0,0.0,0.0,0.0,",
    "0.0,0.0,0.0],[0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0],[0.",
    "0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.",
    "0,0.0,0.0,0.0,1.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0],[1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.",
    "0,0.0],[0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,",
    "0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,1.0,",
    "0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0]",
    ",[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0]]},\"logit_step\":",
    "0.13531138002872467}",
    NULL,
};

/* Bytes of an arena, the number of features, and the value that stands for 0 among them. */
const int32_t digits_edge_sizes[3] = { NANO_ARENA_BYTES, NANO_FEATURES, NANO_FEATURES_ZERO };

/* Classify pictures one after the other. `features` is set as well, unless it is NULL. */
void digits_edge_classify(const uint8_t *images, size_t count, int8_t *logits, uint8_t *features, void *arena)
{
    for (size_t i = 0; i < count; i++) {
        nano_classify_in(images + i * NANO_PIXELS, logits + i * NANO_CLASSES, arena);
        if (features != NULL) {
            memcpy(features + i * NANO_FEATURES, NANO_FEATURES_OF(arena), NANO_FEATURES);
        }
    }
}
