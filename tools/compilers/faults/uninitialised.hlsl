// Whether `x` has a value is known only when it runs: a warning, no error.
RWByteAddressBuffer values : register(u0);
[numthreads(64, 1, 1)] void main(uint3 id : SV_DispatchThreadID) {
    uint x;
    if (values.Load(0) > 2u) { x = 3u; }
    values.Store(4 * id.x, x);
}
