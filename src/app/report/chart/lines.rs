//! Chart of lines over training.

use super::{
    Anchor, Canvas, GRID, LineChart, RULE, Rect, SOFT, Series,
    axis::{Axis, Scale},
    colour, head_height, text_width,
};

/// Number of points beyond which a series is smoothed.
const LONG: usize = 120;
/// Number of points up to which a series shows each as a mark.
const FEW: usize = 40;

fn names(chart: &LineChart) -> Vec<&str> {
    chart.series.iter().map(|series| series.name.as_str()).collect()
}

pub(super) fn height(chart: &LineChart, width: f64) -> f64 {
    head_height(&names(chart), width) + 22.0 + (width * 0.5).clamp(190.0, 260.0) + 42.0
}

pub(super) fn draw(chart: &LineChart, canvas: &mut Canvas, place: Rect) {
    let names = names(chart);
    canvas.head(place, &chart.title, &names, |canvas, s, [x, y]| {
        canvas.line([x, y], [x + 16.0, y], colour(s), &format!("stroke-width=\"3\" {}", dash(s)));
    });
    let positions: Vec<Vec<[f64; 2]>> =
        chart.series.iter().map(|series| shown(series, &chart.x, &chart.y)).collect();
    let all = || positions.iter().flatten();
    let top = place.y + head_height(&names, place.width) + 22.0;
    let mut plot =
        Rect { x: place.x, y: top, width: place.width, height: place.bottom() - 42.0 - top };
    let mut x = chart.x.scale(all().map(|p| p[0]), (plot.width / 75.0) as usize, false);
    // Between whole numbers, such as epochs, there is nothing to mark.
    if let Some(x) = &mut x
        && !chart.x.log
        && all().all(|p| p[0].fract() == 0.0)
    {
        x.ticks.retain(|(position, _)| (position - position.round()).abs() < 1e-9);
        for (_, text) in &mut x.ticks {
            if let Some((whole, decimals)) = text.split_once('.')
                && decimals.bytes().all(|digit| digit == b'0')
            {
                *text = whole.to_owned();
            }
        }
    }
    let y = chart.y.scale(all().map(|p| p[1]), 5, true);
    let (Some(x), Some(y)) = (x, y) else {
        canvas.rectangle(plot, super::BAND);
        let middle = [plot.x + plot.width / 2.0, plot.y + plot.height / 2.0];
        canvas.text(middle, Anchor::Middle, SOFT, "font-size=\"13\"", "no data");
        return;
    };
    let widest = y.ticks.iter().map(|(_, text)| text_width(text, 11.0)).fold(0.0, f64::max);
    plot.x += widest + 8.0;
    plot.width -= widest + 18.0;
    axes(chart, canvas, plot, [&x, &y], place);

    let to_place = |[px, py]: [f64; 2]| {
        [plot.x + plot.width * x.fraction(px), plot.bottom() - plot.height * y.fraction(py)]
    };
    for (s, positions) in positions.iter().enumerate() {
        series(chart, canvas, s, positions, to_place);
    }
    let given: usize = chart.series.iter().map(|series| series.points.len()).sum();
    let hidden = given - all().count();
    if hidden > 0 {
        let text = format!("{hidden} points cannot be shown");
        canvas.text([plot.right(), top - 14.0], Anchor::End, SOFT, "font-style=\"italic\"", &text);
    }
}

/// The positions of a series that the axes can show.
fn shown(series: &Series, x: &Axis, y: &Axis) -> Vec<[f64; 2]> {
    series.points.iter().filter_map(|p| Some([x.position(p[0])?, y.position(p[1])?])).collect()
}

fn axes(chart: &LineChart, canvas: &mut Canvas, plot: Rect, [x, y]: [&Scale; 2], place: Rect) {
    for (position, text) in &y.ticks {
        let at = plot.bottom() - plot.height * y.fraction(*position);
        canvas.line([plot.x, at], [plot.right(), at], GRID, "");
        canvas.text([plot.x - 8.0, at + 4.0], Anchor::End, SOFT, "", text);
    }
    for (position, text) in &x.ticks {
        let at = plot.x + plot.width * x.fraction(*position);
        canvas.line([at, plot.bottom()], [at, plot.bottom() + 4.0], RULE, "");
        canvas.text([at, plot.bottom() + 17.0], Anchor::Middle, SOFT, "", text);
    }
    canvas.line([plot.x, plot.bottom()], [plot.right(), plot.bottom()], RULE, "");
    canvas.text([place.x, plot.y - 14.0], Anchor::Start, SOFT, "", &chart.y.title);
    canvas.text([plot.right(), plot.bottom() + 34.0], Anchor::End, SOFT, "", &chart.x.title);
}

fn series(
    chart: &LineChart,
    canvas: &mut Canvas,
    s: usize,
    positions: &[[f64; 2]],
    to_place: impl Fn([f64; 2]) -> [f64; 2],
) {
    let places = positions.iter().map(|&p| to_place(p));
    let style = format!("stroke-width=\"2\" {}", dash(s));
    if positions.len() > LONG {
        canvas.polyline(envelope(places).into_iter(), colour(s), "stroke-opacity=\"0.22\"");
        canvas.polyline(smooth(positions).into_iter().map(to_place), colour(s), &style);
        return;
    }
    canvas.polyline(places.clone(), colour(s), &style);
    if positions.len() <= FEW {
        for (position, place) in positions.iter().zip(places) {
            let (x, y) = (chart.x.value(position[0]), chart.y.value(position[1]));
            canvas.mark(s, place, 3.4, &format!("{}: {x:.6}, {y:.6}", chart.series[s].name));
        }
    }
}

/// Dashes of a series, by which series that share a colour are told apart.
fn dash(series: usize) -> &'static str {
    match series / super::COLOURS.len() {
        0 => "",
        1 => "stroke-dasharray=\"6 4\"",
        _ => "stroke-dasharray=\"2 4\"",
    }
}

/// Thins a line to at most four points for each unit of width (first, lowest, highest, last), which
/// paint the same picture as all of them.
fn envelope(places: impl Iterator<Item = [f64; 2]>) -> Vec<[f64; 2]> {
    let mut kept = Vec::new();
    let mut column: Vec<[f64; 2]> = Vec::new();
    let mut close = |column: &mut Vec<[f64; 2]>| {
        let by_y = |a: &&[f64; 2], b: &&[f64; 2]| a[1].total_cmp(&b[1]);
        let ends =
            [column.first(), column.iter().min_by(by_y), column.iter().max_by(by_y), column.last()];
        let mut ends: Vec<[f64; 2]> = ends.into_iter().flatten().copied().collect();
        ends.dedup();
        kept.append(&mut ends);
        column.clear();
    };
    for place in places {
        if column.first().is_some_and(|first| first[0].floor() != place[0].floor()) {
            close(&mut column);
        }
        column.push(place);
    }
    close(&mut column);
    kept
}

/// Smooths a series: the running mean over a twentieth of it around each of some 240 points. On a
/// logarithmic axis positions are logarithms, and so it is the geometric mean.
fn smooth(positions: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let count = positions.len();
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(positions.iter().scan(0.0, |sum, p| {
            *sum += p[1];
            Some(*sum)
        }))
        .collect();
    let at = |i: usize| {
        // The window shrinks towards the ends, so that it stays centred and the ends are not bent,
        // but never to a single noisy point.
        let half = (count / 40).min(i.min(count - 1 - i).max(count / 120));
        let (from, to) = (i.saturating_sub(half), (i + half + 1).min(count));
        [positions[i][0], (sums[to] - sums[from]) / (to - from) as f64]
    };
    let stride = (count / 240).max(1);
    (0..count).step_by(stride).chain([count - 1]).map(at).collect()
}
