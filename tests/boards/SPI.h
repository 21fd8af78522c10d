// Stands for Arduino's SPI library, of which the sketch needs nothing.
#pragma once
