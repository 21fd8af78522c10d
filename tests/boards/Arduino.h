// Stands for Arduino's core, to compile sketches on this machine.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

template <typename T> T min(T a, T b) { return a < b ? a : b; }
template <typename T> T max(T a, T b) { return a > b ? a : b; }

static unsigned long clock_us = 0;
inline unsigned long micros() { return clock_us += 7; }
inline unsigned long millis() { return micros() / 1000; }
inline void delay(unsigned long ms) { clock_us += 1000 * ms; }

struct Port {
  void begin(long) {}
  void print(const char *text) { std::printf("%s", text); }
  void print(unsigned long number) { std::printf("%lu", number); }
  void println(const char *text) { std::printf("%s\n", text); }
};
static Port Serial;

void setup();
void loop();
