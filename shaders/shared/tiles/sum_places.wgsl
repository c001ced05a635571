// Where terms of a sum over taps lie. The taps' channels are one long axis of quads, on which a place moves by additions alone.
// The importing file declares `weights_at(tap: i32, quad: i32) -> u32`: what a tap and a quad of its channels add to a place in w.

// A place on the long axis: the quad of a tap, the tap's column, what they add to a place in x and in w (in quads), and the row
// and column of x that the tap reads, seen from the first tap.
struct Place { quad: u32, column: u32, x: i32, w: u32, h: i32, v: i32 }

fn place_at(tap_row: i32, tap_column: i32, quad: i32) -> Place {
    let h = tap_row * p.x_tap_h;
    let v = tap_column * p.x_tap_w;
    let in_x = (h * i32(p.x_w) + v) * i32(p.x_quads) + quad;
    let w_tap = tap_row * i32(p.w_tap_h * p.w_width) + tap_column * i32(p.w_tap_w);
    return Place(u32(quad), u32(tap_column), in_x, weights_at(w_tap, quad), h, v);
}

fn place_of(quad: u32) -> Place {
    let tap = quad / p.x_quads;
    let row = tap / max(p.taps_w, 1u);
    return place_at(i32(row), i32(tap - row * p.taps_w), i32(quad - tap * p.x_quads));
}

fn plus(a: Place, b: Place) -> Place {
    return Place(a.quad + b.quad, a.column + b.column, a.x + b.x, a.w + b.w, a.h + b.h, a.v + b.v);
}

// What moves a place: from stage to stage, from the end of a tap to the next, from the end of a row of taps to the next.
struct Moves { stage: Place, tap: Place, row: Place }

fn moved(old: Place, by: Moves, x_quads: u32, taps_w: u32) -> Place {
    var at = plus(old, by.stage);
    if at.quad >= x_quads {
        at = plus(at, by.tap);
    }
    if at.column >= taps_w {
        at = plus(at, by.row);
    }
    return at;
}
