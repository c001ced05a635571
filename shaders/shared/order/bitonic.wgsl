// A bitonic sort of WIDTH pairs (key, place) in workgroup memory by 256 threads: keys fall, and of
// equal keys the lower place comes first. The importing file declares WIDTH, a power of two up to
// 2048. Cost: log₂²(WIDTH)/2 rounds, a barrier each.
var<workgroup> keys: array<u32, WIDTH>;
var<workgroup> places: array<u32, WIDTH>;

// Every thread of the workgroup must call it, after it has written its pairs.
fn sort_pairs(lane: u32) {
    for (var size = 2u; size <= WIDTH; size *= 2u) {
        for (var half = size / 2u; half > 0u; half /= 2u) {
            workgroupBarrier();
            for (var t = lane; t < WIDTH / 2u; t += 256u) {
                let i = 2u * t - t % half;
                let j = i + half;
                let equal = keys[i] == keys[j];
                let falls = keys[i] > keys[j] || (equal && places[i] < places[j]);
                // Runs of `size` pairs fall and rise by turns, so that two make one of twice the size.
                if falls != ((i & size) == 0u) {
                    let key = keys[i];
                    let place = places[i];
                    keys[i] = keys[j];
                    places[i] = places[j];
                    keys[j] = key;
                    places[j] = place;
                }
            }
        }
    }
    workgroupBarrier();
}
