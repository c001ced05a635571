// What a transform of Winograd's convolution reads and writes: where tiles lie, in quads.

struct Params {
    tiles: u32, tiles_h: u32, tiles_w: u32,                   // all of them; those of an image
    quads: u32, chunk: u32,                                   // of a tile; those of a workgroup
    x_tile: u32, x_image: u32, x_row: u32, x_column: u32,     // quads of x from one to the next
    x_step: u32, x_first_h: i32, x_first_w: i32,              // element (i, j) of tile (h, w): first + step · (h, w) + (i, j)
    x_h: u32, x_w: u32,                                       // zeros lie around these
    y_tile: u32, y_image: u32, y_row: u32, y_column: u32,
    y_step: u32, y_h: u32, y_w: u32,
    x_dilation: u32, y_dilation: u32,                         // pixels between elements; each phase is an image of its own
}
var<immediate> p: Params;

// A tile: the row and column of x where it begins to read and the quad that its image begins with; the same of y.
struct TileAt { x: vec2i, x_quad: u32, y: vec2u, y_quad: u32 }

fn tile_at(tile: u32) -> TileAt {
    let row = tile / p.tiles_w;
    let image = row / p.tiles_h;
    let at = vec2u(row - image * p.tiles_h, tile - row * p.tiles_w);
    let xd = p.x_dilation;
    let yd = p.y_dilation;
    return TileAt(
        (vec2i(at * p.x_step) + vec2i(p.x_first_h, p.x_first_w)) * i32(xd) + vec2i(vec2u(image / xd % xd, image % xd)),
        tile * p.x_tile + image / (xd * xd) * p.x_image,
        at * p.y_step * yd + vec2u(image / yd % yd, image % yd),
        tile * p.y_tile + image / (yd * yd) * p.y_image,
    );
}
