//! Histogram: how often a figure lies where, such as the Dice of each film.

use super::{
    Anchor, BAND, Canvas, GRID, RULE, Rect, SOFT, axis::Axis, colour, head_height, text_width,
};

/// A histogram, one series beside another in each bin.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Title above the picture.
    pub title: String,
    /// The horizontal quantity, from 0 to 1.
    pub axis: String,
    /// Name of what is counted.
    pub counted: String,
    /// Names and values of the series; values beyond 0 and 1 are counted in the outermost bins.
    pub series: Vec<(String, Vec<f64>)>,
}

/// Number of bins from 0 to 1.
const BINS: usize = 20;
const PLOT: f64 = 200.0;
const FOOT: f64 = 44.0;

fn names(chart: &Histogram) -> Vec<&str> {
    chart.series.iter().map(|(name, _)| name.as_str()).collect()
}

pub(super) fn height(chart: &Histogram, width: f64) -> f64 {
    head_height(&names(chart), width) + 22.0 + PLOT + FOOT
}

fn counts(values: &[f64]) -> [usize; BINS] {
    let mut counts = [0; BINS];
    for value in values.iter().filter(|v| v.is_finite()) {
        counts[((value.max(0.0) * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    counts
}

pub(super) fn draw(chart: &Histogram, canvas: &mut Canvas, place: Rect) {
    let names = names(chart);
    canvas.head(place, &chart.title, &names, |canvas, s, [x, y]| {
        canvas.rectangle(Rect { x, y: y - 6.0, width: 12.0, height: 12.0 }, colour(s));
    });
    let y = place.y + head_height(&names, place.width) + 22.0;
    let mut plot = Rect { x: place.x, y, width: place.width, height: PLOT };
    let counted: Vec<_> = chart.series.iter().map(|(_, values)| counts(values)).collect();
    let most = counted.iter().flatten().copied().max().unwrap_or(0);
    let scale = Axis::linear("").scale([0.0, most as f64].into_iter(), 4, true);
    let (Some(scale), true) = (scale, most > 0) else {
        canvas.rectangle(plot, BAND);
        let middle = [plot.x + plot.width / 2.0, plot.y + plot.height / 2.0];
        canvas.text(middle, Anchor::Middle, SOFT, "font-size=\"13\"", "no data");
        return;
    };
    let ticks: Vec<_> = scale.ticks.iter().filter(|(tick, _)| tick.fract() == 0.0).collect();
    let widest = ticks.iter().map(|(_, text)| text_width(text, 11.0)).fold(0.0, f64::max);
    plot.x += widest + 8.0;
    plot.width -= widest + 16.0;
    canvas.text([place.x, plot.y - 10.0], Anchor::Start, SOFT, "", &chart.counted);
    for (tick, text) in ticks {
        let at = plot.bottom() - plot.height * scale.fraction(*tick);
        canvas.line([plot.x, at], [plot.right(), at], GRID, "");
        canvas.text([plot.x - 8.0, at + 4.0], Anchor::End, SOFT, "", text);
    }
    let bin = plot.width / BINS as f64;
    let bar = ((bin - 2.0) / counted.len() as f64).max(0.5);
    for (s, counts) in counted.iter().enumerate() {
        for (b, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = plot.height * scale.fraction(*count as f64);
            let x = plot.x + b as f64 * bin + 1.0 + s as f64 * bar;
            canvas.rectangle(Rect { x, y: plot.bottom() - height, width: bar, height }, colour(s));
        }
    }
    canvas.line([plot.x, plot.bottom()], [plot.right(), plot.bottom()], RULE, "");
    for tick in 0..=5 {
        let at = plot.x + plot.width * f64::from(tick) / 5.0;
        let text = format!("{:.1}", f64::from(tick) / 5.0);
        canvas.text([at, plot.bottom() + 17.0], Anchor::Middle, SOFT, "", &text);
    }
    let at = [plot.x + plot.width / 2.0, plot.bottom() + 36.0];
    canvas.text(at, Anchor::Middle, SOFT, "", &chart.axis);
}
