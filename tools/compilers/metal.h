// A stand-in for Metal's standard library: declarations of what naga's MSL uses, so that a clang that is
// not Apple's can check syntax, types and address spaces. It checks no numbers, and nothing of it runs.
//
// clang compiles MSL as C++ for OpenCL, whose address spaces are Metal's under other names; compile.sh has
// the command. Looser than Metal: a reference without an address space passes. Stricter: a struct in the
// address space `constant` cannot be copied whole, only its members.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

// --- vectors ------------------------------------------------------------------------------------
// C++ for OpenCL has no vectors of bool: comparing two vectors gives integers as wide as their
// components. So bool2 to bool4 are vectors of int here.

#define EACH_WIDTH(F, T) F(T, 2) F(T, 3) F(T, 4)
#define EACH_INTEGER(F) F(short) F(ushort) F(int) F(uint) F(long) F(ulong)
#define EACH_NUMBER(F) F(float) F(half) EACH_INTEGER(F)

#define VECTOR(T, N) typedef T T##N __attribute__((ext_vector_type(N)));
#define VECTORS(T) EACH_WIDTH(VECTOR, T)
EACH_NUMBER(VECTORS)
EACH_WIDTH(VECTOR, uchar)
typedef int2 bool2;
typedef int3 bool3;
typedef int4 bool4;

namespace stand_in {

template <class T, class U> struct same { enum { value = false }; };
template <class T> struct same<T, T> { enum { value = true }; };

// What a type is made of: its components' type and how many there are; a scalar has one.
template <class V> struct parts { typedef V component; enum { count = 1 }; };
#define PARTS(T, N) template <> struct parts<T##N> { typedef T component; enum { count = N }; };
#define ALL_PARTS(T) EACH_WIDTH(PARTS, T)
EACH_NUMBER(ALL_PARTS)
EACH_WIDTH(PARTS, uchar)

// `float4(…)`: of one scalar for all components, of a vector of another type and the same width, or of
// parts that together have as many components, where a vector is never converted. Only types count here.
template <class V, class... A> constexpr V make(A...) {
    constexpr int given = (parts<A>::count + ...);
    static_assert(given == parts<V>::count || (sizeof...(A) == 1 && given == 1),
        "a vector is made of too few or too many components");
    static_assert(sizeof...(A) == 1
            || ((parts<A>::count == 1 || same<typename parts<A>::component, typename parts<V>::component>::value) && ...),
        "a vector is made of a vector of another type");
    return V();
}

// `static_cast` between vectors, which C++ has for scalars only.
template <class V, class A> constexpr V cast(A) {
    static_assert(parts<V>::count == parts<A>::count, "static_cast keeps the number of components");
    return V();
}

} // namespace stand_in

using stand_in::make;

template <class T, class A> constexpr T as_type(A from) {
    static_assert(sizeof(T) == sizeof(A), "as_type keeps the size");
    return __builtin_astype(from, T);
}

namespace metal {

#define USING(T, N) using ::T##N;
#define ALL_USING(T) EACH_WIDTH(USING, T)
EACH_NUMBER(ALL_USING)
EACH_WIDTH(USING, uchar)
EACH_WIDTH(USING, bool)
using ::make;
using ::uchar;
using ::uint;
using ::ulong;
using ::ushort;

// --- functions of numbers -----------------------------------------------------------------------
// F(T) for a scalar and its vectors. B is what a comparison of them gives.

#define WITH_VECTORS(F, T) F(T) F(T##2) F(T##3) F(T##4)

#define ORDERED(T) T abs(T); T min(T, T); T max(T, T); T clamp(T, T, T);
#define ALL_ORDERED(T) WITH_VECTORS(ORDERED, T)
EACH_NUMBER(ALL_ORDERED)

#define REAL(T) \
    T acos(T); T acosh(T); T asin(T); T asinh(T); T atan(T); T atanh(T); T atan2(T, T); T ceil(T); T cos(T); \
    T cosh(T); T exp(T); T exp2(T); T floor(T); T fma(T, T, T); T fmod(T, T); T fract(T); T log(T); T log2(T); \
    T mix(T, T, T); T pow(T, T); T rint(T); T round(T); T rsqrt(T); T saturate(T); T sign(T); T sin(T); \
    T sinh(T); T smoothstep(T, T, T); T sqrt(T); T step(T, T); T tan(T); T tanh(T); T trunc(T);
WITH_VECTORS(REAL, float)
WITH_VECTORS(REAL, half)

#define GEOMETRIC(T, V) T dot(V, V); T distance(V, V); T length(V); V normalize(V);
GEOMETRIC(float, float2) GEOMETRIC(float, float3) GEOMETRIC(float, float4)
GEOMETRIC(half, half2) GEOMETRIC(half, half3) GEOMETRIC(half, half4)
float3 cross(float3, float3);

#define BITS(T) \
    T clz(T); T ctz(T); T popcount(T); T reverse_bits(T); T extract_bits(T, uint, uint); \
    T insert_bits(T, T, uint, uint);
#define ALL_BITS(T) WITH_VECTORS(BITS, T)
EACH_INTEGER(ALL_BITS)

#define SELECT(T, B) T select(T, T, B);
#define ALL_SELECT(T, B) SELECT(T, bool) SELECT(T##2, B##2) SELECT(T##3, B##3) SELECT(T##4, B##4)
ALL_SELECT(float, int) ALL_SELECT(int, int) ALL_SELECT(uint, int) ALL_SELECT(half, short)
ALL_SELECT(short, short) ALL_SELECT(ushort, short) ALL_SELECT(long, long) ALL_SELECT(ulong, long)
bool select(bool, bool, bool);
#define TRUTH(B) bool all(B); bool any(B);
#define ALL_TRUTH(T) TRUTH(T##2) TRUTH(T##3) TRUTH(T##4)
ALL_TRUTH(short) ALL_TRUTH(int) ALL_TRUTH(long)

uint pack_float_to_snorm2x16(float2); uint pack_float_to_unorm2x16(float2);
uint pack_float_to_snorm4x8(float4); uint pack_float_to_unorm4x8(float4);
float2 unpack_snorm2x16_to_float(uint); float2 unpack_unorm2x16_to_float(uint);
float4 unpack_snorm4x8_to_float(uint); float4 unpack_unorm4x8_to_float(uint);

// --- matrices -----------------------------------------------------------------------------------
// V: a column; C: how many there are; R: what a row is.

template <class V, int C> struct matrix {
    V columns[C];
    matrix() = default;
    template <class... A> matrix(A... given) : columns{given...} {
        static_assert(sizeof...(A) == C, "a matrix is made of its columns");
    }
    __private V &operator[](uint i) __private { return columns[i]; }
    V operator[](uint i) const __private { return columns[i]; }
    V operator[](uint i) const __global { return columns[i]; }
    V operator[](uint i) const __constant { return columns[i]; }
    V operator[](uint i) const __local { return columns[i]; }
};
#define MATRIX(T, C, R) \
    typedef matrix<T##R, C> T##C##x##R; \
    T##R operator*(T##C##x##R, T##C); T##C operator*(T##R, T##C##x##R); \
    T##C##x##R operator*(T##C##x##R, T); T##C##x##R operator*(T, T##C##x##R); \
    T##C##x##R operator+(T##C##x##R, T##C##x##R); T##C##x##R operator-(T##C##x##R, T##C##x##R);
MATRIX(float, 2, 2) MATRIX(float, 2, 3) MATRIX(float, 2, 4)
MATRIX(float, 3, 2) MATRIX(float, 3, 3) MATRIX(float, 3, 4)
MATRIX(float, 4, 2) MATRIX(float, 4, 3) MATRIX(float, 4, 4)
// Columns of the right factor, rows of the left, and what both have of the other's.
#define PRODUCT(C, R, K) float##C##x##R operator*(float##K##x##R, float##C##x##K);
#define PRODUCTS(C, R) PRODUCT(C, R, 2) PRODUCT(C, R, 3) PRODUCT(C, R, 4) float##R##x##C transpose(float##C##x##R);
PRODUCTS(2, 2) PRODUCTS(2, 3) PRODUCTS(2, 4) PRODUCTS(3, 2) PRODUCTS(3, 3) PRODUCTS(3, 4)
PRODUCTS(4, 2) PRODUCTS(4, 3) PRODUCTS(4, 4)

// --- threads together ---------------------------------------------------------------------------

enum class mem_flags { mem_none, mem_device, mem_threadgroup, mem_texture };
void threadgroup_barrier(mem_flags);
void simdgroup_barrier(mem_flags);

enum memory_order { memory_order_relaxed };
struct atomic_int { int value; };
struct atomic_uint { uint value; };
#define ATOMIC(A, T, SPACE) \
    T atomic_load_explicit(const volatile SPACE A *, memory_order); \
    void atomic_store_explicit(volatile SPACE A *, T, memory_order); \
    T atomic_exchange_explicit(volatile SPACE A *, T, memory_order); \
    T atomic_fetch_add_explicit(volatile SPACE A *, T, memory_order); \
    T atomic_fetch_sub_explicit(volatile SPACE A *, T, memory_order); \
    T atomic_fetch_and_explicit(volatile SPACE A *, T, memory_order); \
    T atomic_fetch_or_explicit(volatile SPACE A *, T, memory_order); \
    T atomic_fetch_xor_explicit(volatile SPACE A *, T, memory_order); \
    T atomic_fetch_min_explicit(volatile SPACE A *, T, memory_order); \
    T atomic_fetch_max_explicit(volatile SPACE A *, T, memory_order); \
    bool atomic_compare_exchange_weak_explicit( \
        volatile SPACE A *, __private T *, T, memory_order, memory_order);
ATOMIC(atomic_int, int, __local) ATOMIC(atomic_int, int, __global)
ATOMIC(atomic_uint, uint, __local) ATOMIC(atomic_uint, uint, __global)

#define SUBGROUP(T) \
    T simd_broadcast(T, ushort); T simd_broadcast_first(T); T simd_shuffle(T, ushort); \
    T simd_shuffle_down(T, ushort); T simd_shuffle_up(T, ushort); T simd_shuffle_xor(T, ushort); \
    T simd_max(T); T simd_min(T); T simd_sum(T); T simd_product(T); \
    T simd_prefix_exclusive_sum(T); T simd_prefix_inclusive_sum(T); \
    T simd_prefix_exclusive_product(T); T simd_prefix_inclusive_product(T); \
    T quad_broadcast(T, ushort); T quad_shuffle_xor(T, ushort);
WITH_VECTORS(SUBGROUP, float)
WITH_VECTORS(SUBGROUP, half)
WITH_VECTORS(SUBGROUP, int)
WITH_VECTORS(SUBGROUP, uint)
#define SUBGROUP_BITS(T) T simd_and(T); T simd_or(T); T simd_xor(T);
WITH_VECTORS(SUBGROUP_BITS, int)
WITH_VECTORS(SUBGROUP_BITS, uint)
bool simd_all(bool);
bool simd_any(bool);

// Matrices that a subgroup holds together.
#define SUBGROUP_MATRIX(T, SPACE) \
    void simdgroup_load(__private simdgroup_##T##8x8 &, const SPACE T *, ulong = 8, ulong2 = 0, bool = false); \
    void simdgroup_store(simdgroup_##T##8x8, SPACE T *, ulong = 8, ulong2 = 0, bool = false);
struct simdgroup_float8x8 { float2 lanes; };
struct simdgroup_half8x8 { half2 lanes; };
SUBGROUP_MATRIX(float, __local) SUBGROUP_MATRIX(float, __global)
SUBGROUP_MATRIX(half, __local) SUBGROUP_MATRIX(half, __global)
#define MULTIPLY(T, U) \
    void simdgroup_multiply_accumulate( \
        __private simdgroup_##T##8x8 &, simdgroup_##U##8x8, simdgroup_##U##8x8, simdgroup_##T##8x8);
MULTIPLY(float, float) MULTIPLY(float, half) MULTIPLY(half, half)

} // namespace metal

// --- words ---------------------------------------------------------------------------------------
// OpenCL's own words are free in MSL, and naga gives them to variables.

#define generic naga_generic
#define global naga_global
#define local naga_local
#define private naga_private
#define kernel
#define device __global
#define threadgroup __local
#define constant __constant
#define thread __private
#define static_cast ::stand_in::cast

// Only with an opening parenthesis behind it does the name of a type make a value here.
#define float2(...) make<float2>(__VA_ARGS__)
#define float3(...) make<float3>(__VA_ARGS__)
#define float4(...) make<float4>(__VA_ARGS__)
#define half2(...) make<half2>(__VA_ARGS__)
#define half3(...) make<half3>(__VA_ARGS__)
#define half4(...) make<half4>(__VA_ARGS__)
#define short2(...) make<short2>(__VA_ARGS__)
#define short3(...) make<short3>(__VA_ARGS__)
#define short4(...) make<short4>(__VA_ARGS__)
#define ushort2(...) make<ushort2>(__VA_ARGS__)
#define ushort3(...) make<ushort3>(__VA_ARGS__)
#define ushort4(...) make<ushort4>(__VA_ARGS__)
#define int2(...) make<int2>(__VA_ARGS__)
#define int3(...) make<int3>(__VA_ARGS__)
#define int4(...) make<int4>(__VA_ARGS__)
#define uint2(...) make<uint2>(__VA_ARGS__)
#define uint3(...) make<uint3>(__VA_ARGS__)
#define uint4(...) make<uint4>(__VA_ARGS__)
#define long2(...) make<long2>(__VA_ARGS__)
#define long3(...) make<long3>(__VA_ARGS__)
#define long4(...) make<long4>(__VA_ARGS__)
#define ulong2(...) make<ulong2>(__VA_ARGS__)
#define ulong3(...) make<ulong3>(__VA_ARGS__)
#define ulong4(...) make<ulong4>(__VA_ARGS__)
#define bool2(...) make<bool2>(__VA_ARGS__)
#define bool3(...) make<bool3>(__VA_ARGS__)
#define bool4(...) make<bool4>(__VA_ARGS__)
