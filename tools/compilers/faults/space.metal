// A buffer of the device is no memory of the threadgroup.
#include <metal_stdlib>
#include <simd/simd.h>
struct Values { float inner[64]; };
float first(threadgroup Values& values) { return values.inner[0]; }
kernel void main_(device Values& values [[buffer(0)]]) { values.inner[1] = first(values); }
