// What a sum over taps is told: one launch of a convolution, or of one phase of its input gradient.

struct Params {
    rows: u32,                                                    // images · grid_h · grid_w
    grid_h: u32, grid_w: u32,                                     // outputs of one image in this launch
    x_h: u32, x_w: u32, x_quads: u32,
    y_h: u32, y_w: u32, y_quads: u32,
    y_step_h: u32, y_step_w: u32, y_first_h: u32, y_first_w: u32, // output (i, j) lies at first + step · (i, j)
    x_step_h: u32, x_step_w: u32, x_first_h: i32, x_first_w: i32, // and starts reading at first + step · (i, j),
    x_tap_h: i32, x_tap_w: i32,                                   // moving by this from tap to tap
    taps_h: u32, taps_w: u32,
    w_first_h: u32, w_first_w: u32, w_tap_h: u32, w_tap_w: u32,   // which weights a tap takes
    w_width: u32, w_plane: u32,                                   // taps of a row, quads of a plane
    images: u32, together: u32,                                   // of a plane; of neighbouring rows (subgroup alone)
    parts: u32, chunk: u32,                                       // of the sum; pairs of quads of one (shared alone)
}
var<immediate> p: Params;
