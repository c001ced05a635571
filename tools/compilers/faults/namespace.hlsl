// A current DXC has a namespace of this name; FXC and older ones have not.
RWStructuredBuffer<float> dx : register(u0);
[numthreads(64, 1, 1)] void main(uint3 id : SV_DispatchThreadID) { dx[id.x] = 2.0; }
