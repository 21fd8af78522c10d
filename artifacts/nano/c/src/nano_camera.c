/* For Arduino and PlatformIO, which compile what is in src/ and nothing beside it. */
#include "../nano_camera.c"
