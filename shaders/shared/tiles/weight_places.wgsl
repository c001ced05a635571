// Where the pixels lie that a weight gradient sums over. A place moves by additions alone.

// Where a pixel of dy reads x but for taps and padding: in quads, and as row and column.
struct Place { x: i32, h: i32, v: i32 }

fn place_at(image: i32, row: i32, column: i32) -> Place {
    let h = row * i32(p.stride_h);
    let v = column * i32(p.stride_w);
    return Place(((image * i32(p.x_h) + h) * i32(p.x_w) + v) * i32(p.x_quads), h, v);
}

fn place_of(pixel: u32) -> Place {
    let line = pixel / p.p_w;
    let image = line / p.p_h;
    return place_at(i32(image), i32(line - image * p.p_h), i32(pixel - line * p.p_w));
}

fn plus(a: Place, b: Place) -> Place {
    return Place(a.x + b.x, a.h + b.h, a.v + b.v);
}

// What moves a place: so many pixels on, from the end of a row to the next, from the end of an image to the next.
struct Moves { stage: Place, row: Place, image: Place }

fn moves(pixels: u32) -> Moves {
    return Moves(place_of(pixels), place_at(0, 1, -i32(p.p_w)), place_at(1, -i32(p.p_h), 0));
}

// `end` is the place behind the last row and column.
fn moved(old: Place, by: Moves, end: Place) -> Place {
    var at = plus(old, by.stage);
    if at.v >= end.v {
        at = plus(at, by.row);
    }
    if at.h >= end.h {
        at = plus(at, by.image);
    }
    return at;
}
