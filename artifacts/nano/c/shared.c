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
    "],\"dtype\":\"uint8\",\"ink\":\"white on black\"},\"preprocess\":\"digit\",\"thresholds\":{\"min_score\":0.5433,\"min",
    "_familiarity\":0.768},\"golden\":{\"pixels\":\"eNrtmwlUVtUWgK8o8AQ1EnEiBHFIJTU1M+yl6HtPzVphpPRcmpk4QGkmlVp",
    "KmeTUkyY1h0oxZ0R7y8wJDciEHoQl4ICGCg7MCsjM2ee+fe7/i/z37EOr1nurVbJdcC//575nn+Ges/c+59e0312mZ+U+oECragE",
    "uUqD/mNOIoGaKjJwPgSHVEyTktBag8IuADKjwN6OW61FjoKYlQklfM7uCT/tSEyzXRHzLEW1vqmlPM9hji4YUI4oZjHfhAJNtkEc",
    "+ok0t8W5cJVxoXR91QwvhWYG0dwCO1EfNE0VZTnhnv60aEjrWQ00/FRY2FWg8wMn29dVeQBRt3G3Du2BzxX62x+vwkmqAqXb10cf",
    "YvFOxXievAdQG2yBNxwdlJCYyvCQMNLWIDla58EpHczvmM4Pkvdya6NGXciD/tdeaao1Cyh7I76RiwKC/6t3iwJUM9SaonrkOeLi",
    "SNaD3LvC1KjaAgZoBP92AHmtAD1TMM1etpyVzmK5kwKb/Fr031XrO7+owo4H6qfTcktV62mPAHvszDO5XivT3aPLIFpwz0kk0rFB",
    "MJisI0jsg15hobhENdxI/LxwfkCBN5cb8fm0GzmdDKea9wEdclsBmZS1QXYWeqIJDKvaMeXm4I22+gUsdFSweYAFNmmFp571I1Oo",
    "EVj+zm81LEnyixJBSo83KMu+gsdehnmRHjfa8w1LE6ntJfF4RG/ZwN9t5Hle3+RkApUf+JlmQb1kCDo0grNsknta4BPx6efjdTcV",
    "c/1gGncMvVIn25tVzzMj1Z9HaF9esOcVqh8sdkbasg7jLgrEmlgU3fS2uSonEIsrfsdy8ChJrYfHxnOZzgOQPlneQbB21uxznciG",
    "VgbbEYZUYm/zK5csFlXDJw4bNNTS+RY+iwwyAxTZvTzFHibL8sYFn2UweNQCnZjta/giCyzbPDLkwr531tsnXJqbdV3cXACbmntH",
    "r9l0swHwb9iA8Ybl5cg9AoqOJrcTf7cZtvAoQ72lbnN1PNZc2l1ViHUs3eJubbK3Rt+jxvSR3vX34fnwNZw9re1e/Ge7Fk9UuFU9",
    "QoftKuBxZuBpuud0BXuFhRk2OxAj4OOcfSWpjdP4QXqJ4eRcz6niBf4+u9VO1XPKnPOL4LT+cnTP5D5K3/D7nif3aOxzi/HGptEm",
    "1XOcVp3HgZ4yW/YU3113mhlT3JGq9GJX+OWvWLDcZTajlZwYonBDObwyk0cBrvGiQooVTOJtGo+bRnM9XoxWKPtvIb4Q2V3X1zac",
    "bVwmPsLCwCOz7Wr86f9XBuEyZe77amEYPLltWxxyaGMt8rQE2tmhhL3lSNZm9XVEcpYJ6BuX/PJO2oedGUKEe2QCKIXa/iMCnLZj",
    "u799GYpvrHJSzkZI/fvSNo4akQEn0I4pmuXdYFNyaomq0e4KhbIQKtloEMcrm3gU5LgrU/jTs6kYj1/6ZNcvNn7URPpFDm6MAqXL",
    "1P/8geEC08NwCZQsswj67Xy5odpEI0hdM+cMPa6900GEJjcIYhlZnSZbOGCuasIbooiZjgbGdQzSXPjILwuetV0Rq/2FwzIlmk9C",
    "OJxX2ZzAWew+NXsYuUmg1yUX7z2dkLO0lsxBEaCdjF32dzezD2wzYBjP7SAwW3fjJ7UvopXbp0mVeGmOrCbZILBqeVxgzLR5DRHk",
    "/BmNUVcTYh0T9dOuP2Zinvr9tJ0uV23q/laV4ytV3mWmwVM/GKf93kmeNyW1qSMiLISH/xhVH59tvo7SKrFMotWD19aFe19/5pO7",
    "u0wZYXS7TY9g+q3w1yMNIC+xqQS6AZxAdu5c0eat44hYSzRYhVAqp5opRLly/j1QLEU9cSjfQDmyUuXSeaLWonwcd5mHd2Q56ivk",
    "W2Q66sLAK4AVDSeRSgnFFAI0S0I419BPFcgMv0EtiPEC5wnvzDA4ODvzDDOIOC5P00+NbEqTjM1eNAbhPhm1/gpqFXl6jK2GixP4",
    "OZcZ7sQw+kdjnUGRcz8HrBIsVg3czO9+O1uuyH44Tk93gvCJtQxZEkAmV4yyv+lpwMwp5/wjwlgPZJkvysNoPk0mnibVbey6E1+0",
    "I9g/YjW4WABFzNI0FXGmafQULZeYA5WInY2AVweyvxAu/s9WZE0R5a2GkEdVHEKwPVI7u3JdR5WleRkYRrvqQAcvSdKj4qG/j5E5",
    "01Ap9Vz+Fv38Y5yXSgXaeWWDM5UUZ06UBOg+gdtdBsbfGfU1oOIfiQG3Ci4KZAgmHJJ1jSHlgkFhxZtmyGcCTsJjqvUJvvC2bBfw",
    "NHErGurKkqcTmtRgcz607gGYGVyzr0Sgzc/xaF2H2gWpeIFfdcVZkQtyTLjfhrKpFAwGCVCxf8QYKyWyAoUFKxtV6/g2wCRxyVF7",
    "WoxyG/OFHdtM+V9NWOKsqiPIdiXoZWZbydgTqnm1JwBAZO+2iBfFVxLRVhZ8vD+W2WUxDHihAlNlpMsWmIUrSNIoNK+K81t9gKTj",
    "6beb7b6xGTDbs9HOvX7VizmvEnkSMVIdWh1AtBG+2VfEaU+a/q6gXNqQ71tHsE72AaHwTrW8tXs3JhA1ofwtt7FkcvHvtZLZN63c",
    "OteL+osns+iGGiHB8HrM2c4Gf3M5tvzTQbnfSf8RuZSMc7+apXt+pZnDcVRmjAxukYn0bYFoDLEIHVUqnYzFc6qbKgjGVn/yLbLw",
    "61aO7Kxlbp9rRahnDVqrUfNlvY/OBdHsMOdGA3m9l89ieoXfry2Dn+Pzixc9RpN3yz4wzMJ0J9rE1fD3fmXpPrJLhLY+W11cGBQW",
    "FVwLsbqYwaD9qqk6JoEFxipVMSwSIVCCXNIl5D76dDAMz67qzev+HcUJuIjtsk45fDDaS8qyDkgH8tKqXDSvefrAezbvNigDKxvW",
    "edFhsT0fODYhEqUt16gA3Biwwdq4fNNcqWeynGY+Sd1BaJhkg59XW9sQruywFPcF+KnfB3t7uLl4cnH1WYy+9SaGHThoJOzZGRj7",
    "5jJXk5ORUJ8tsXOWxaWLXLC2NyDR0t2aUlFN2y73wkmo2j2EZ8pTdzHdZ7tFFp1kmkX8JtSROb1CzXZyF5ZArJkBW2gUop8ZM2M6",
    "RbppzFNuibFKf0sruSriZ9VKytwnWui7PK7PDscZu+NTKHCmb9Wg1sPzc3LxKtlxOxEaDpe7pVBIs+ACywlfcGkNkeTjpys3nwGx",
    "dN5Z5atzqhp6vTg41PRR/Z+uBVHG6RduDUosy3Cmd8rEMBV2PoCwJrXuwSbL17Du22kqC5f9nWwq1dWuMz3wDdV33JZhVQonKRUR",
    "FRSUQT6xXDbVHqyv9pcAG1ZT950vYX++RHspnJlCVu3vEa/Je0CG4lUxGxhZZdoLMh4q0NutxcsqLycFf0py2nrFzL+OkNnashLq",
    "WsK2tFWaMg3MqpG1lx5TmfyOYS1tHmi31i8plUYQD1rWUxRpr4zsyWy0ckevh+2EbwRjL2emO8zxxxLVTylsuhm+uPv7atgE2XGJ",
    "d6/oozkhG1xO/UpGp8hm3CPsox5QocsyqPKqFlzJWk7NP2trv9TbDJkmdRu6ud4uFPZNa/QkG9ZxUzo8qwocYgKvjaPYIdry/4pE",
    "rACpUEcA1gI3ar2eDMKp4S8HQ/65UHSHfC6A8td0Aa/6j9TsJhLvshjUP1f66ctPN2MiRBIs/Y4kB9tnJDOOEg5HP46UNwcqGaw6",
    "fAT/jJLOSEVozcTLW9BUOzSkdY7jm2iccAzJpMI4uB9ixpgRgOxHIHSsReeFbY8jQvweGH+n+jT7Q/11aLj7FdUuy75Q5N9W+6k4",
    "8KZ2EGFtQqWSaNiIkJEKgI35kqU+Jo+de9MD/Dgcbvd+qvYdqiq9HOH2L411xmAhLu+FDo865pPlGqLYZ4KTi1El3UKqJuaegjyL",
    "pdgPg+QbUFFtnbUvVah3QkjFqdtpBzVKVYyKlYOafYWz3/oHza8Mo0ukkzkyFvPqinK+0Pw68eM5QnJoKJbYK4HgPzRvZBYnlcO6",
    "tac+JPQiJXQeRE36OQ7EnwQp9NNdEXkU0OU64qUu3Af8XUYV7s4yXlk5KuSegjUmKo547Rd3mkWhAPk8qhFRKcVARP9z8Nc5fJcZ",
    "LtshjBQDF1kMpRucLScbhCyzyMlztQQQPfI7Rf1T9OMS9V27OnVlFHOjjVV9RZxI0V4THp2iNQsmodWcgnjxc6nYQ0PumvvHjPJE",
    "DD59Ifr9sIuqEO3nG2X7hwJAFHJKF++H2kHxQJxnSBQq4BNJ36/bAZUQDRJl5ZgbswPTpFjtnm1k+2mf5VyYNtIlxsHvt2v7RwL5",
    "QtMuAPPW359YxonYW6ckNa0lJBqY6az0qj8epSsMATuVkbtHhfZUhtywtSnreoKueqI1k0U7/m5H1X/ZntH8=\",\"probabilitie",
    "s\":[[1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,1.0",
    ",0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,1.0,0.0,0.0",
    ",0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0],[0",
    ".0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0],[0.0,0.0,0.0,0.0,0",
    ".0,0.0,0.0,0.0,0.0,1.0],[1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0",
    ".0,0.0],[0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0",
    ",0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0",
    ",1.0,0.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0,0.0],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0",
    "],[0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0]]},\"logit_step\":0.1888795793056488}",
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
