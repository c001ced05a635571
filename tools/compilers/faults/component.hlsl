// Shader model 5.1 cannot write a vector's component at an index that is known only when it runs.
RWByteAddressBuffer values : register(u0);
[numthreads(64, 1, 1)] void main(uint3 id : SV_DispatchThreadID) {
    float4 v = (float4)0;
    uint n = values.Load(0);
    uint i = 0;
    while (true) {
        if (i >= n) { break; }
        v[i] = asfloat(values.Load(4 * i));
        i = i + 1u;
    }
    values.Store4(16 * id.x, asuint(v));
}
