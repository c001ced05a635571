//! Axes: from numbers to places, and round numbers for the ticks.

/// Axis of a chart: its quantity and its scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// The quantity, with its unit.
    pub title: String,
    /// Whether equal factors are equally long.
    pub log: bool,
}

impl Axis {
    /// A linear axis: equal differences are equally long.
    pub fn linear(title: impl Into<String>) -> Self {
        Self { title: title.into(), log: false }
    }

    /// A logarithmic axis: equal factors are equally long; only positive numbers can be shown.
    pub fn log(title: impl Into<String>) -> Self {
        Self { title: title.into(), log: true }
    }

    /// Position of a number before scaling: itself, or its decimal logarithm. `None` if the axis
    /// cannot show it.
    pub(super) fn position(&self, value: f64) -> Option<f64> {
        match self.log {
            true => (value > 1e-300 && value < 1e300).then(|| value.log10()),
            false => (value.abs() < 1e300).then(|| if value.abs() > 1e-300 { value } else { 0.0 }),
        }
    }

    /// The number at a position.
    pub(super) fn value(&self, position: f64) -> f64 {
        if self.log { 10f64.powf(position) } else { position }
    }

    /// The scale of positions, wide enough for all of them, with about `count` ticks; `None`
    /// without positions. `round` widens it to the next tick on both sides, or a little where it is
    /// logarithmic.
    pub(super) fn scale(
        &self,
        positions: impl Iterator<Item = f64>,
        count: usize,
        round: bool,
    ) -> Option<Scale> {
        let (low, high) =
            positions.fold((f64::MAX, f64::MIN), |(low, high), p| (low.min(p), high.max(p)));
        if low > high {
            return None;
        }
        // Equal numbers, or numbers that f64 hardly tells apart, get some room.
        let most = low.abs().max(high.abs());
        let (least, wide) = match self.log {
            true => (1e-6, 0.3),
            false if most == 0.0 => (0.0, 1.0),
            false => (1e-6 * most, 0.1 * most),
        };
        let room = if high - low <= least { wide / 2.0 } else { 0.0 };
        let margin = if self.log && round { 0.04 * (high - low) } else { 0.0 };
        let (low, high) = (low - room - margin, high + room + margin);
        Some(match self.log && high - low > 0.5 {
            true => Scale::decades(low, high, count),
            false => self.even(low, high, count, round && !self.log),
        })
    }

    /// Ticks at multiples of 1, 2 or 5 times a power of ten.
    fn even(&self, low: f64, high: f64, count: usize, round: bool) -> Scale {
        let (from, to) = (self.value(low), self.value(high));
        let step = nice_step((to - from) / count as f64);
        let (first, last) = match round {
            true => ((from / step).floor(), (to / step).ceil()),
            false => ((from / step).ceil(), (to / step).floor()),
        };
        let most = from.abs().max(to.abs());
        let ticks: Vec<(f64, String)> = (0..=(last - first).clamp(0.0, 50.0) as usize)
            .map(|i| (first + i as f64) * step)
            .filter_map(|value| Some((self.position(value)?, label(value, step, most))))
            .collect();
        let ends =
            |range: (f64, f64), (tick, _): &(f64, String)| (range.0.min(*tick), range.1.max(*tick));
        let (low, high) = ticks.iter().fold((low, high), ends);
        Scale { low, high, ticks }
    }
}

/// The range of an axis, in positions, and its ticks: position and label.
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Ticks at powers of ten, and at multiples of those where there is room.
    fn decades(low: f64, high: f64, count: usize) -> Self {
        let decades = high - low;
        let factors: &[f64] = match decades {
            ..1.2 => &[1.0, 2.0, 3.0, 5.0, 7.0],
            ..2.4 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let plain = low > -3.5 && high < 4.5;
        let stride = (decades / count as f64).ceil().max(1.0) as i32;
        let ticks = (low.floor() as i32..=high.ceil() as i32)
            .filter(|decade| decade % stride == 0)
            .flat_map(|decade| factors.iter().map(move |f| (f, decade)))
            .map(|(factor, decade)| {
                let text = match plain {
                    true => label(factor * 10f64.powi(decade), 10f64.powi(decade), 1.0),
                    false => power_of_ten(*factor, 0, decade),
                };
                (factor.log10() + f64::from(decade), text)
            })
            .filter(|(position, _)| (low - 1e-9..=high + 1e-9).contains(position))
            .collect();
        Self { low, high, ticks }
    }

    /// Share of the way between the ends at which a position lies, 0 to 1.
    pub fn fraction(&self, position: f64) -> f64 {
        (position - self.low) / (self.high - self.low)
    }
}

/// The number of 1, 2 or 5 times a power of ten whose ratio to `step` is nearest to 1.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = step / power;
    // Each nice number, and the square of the geometric mean of it and the next one.
    let nice = [(1.0, 2.0), (2.0, 10.0), (5.0, 50.0)];
    let nearest = nice.into_iter().find(|(_, limit)| factor * factor < *limit);
    power * nearest.map_or(10.0, |(nice, _)| nice)
}

/// Label of a tick, with as many places as `step` needs; `most` is the greatest on the axis.
fn label(value: f64, step: f64, most: f64) -> String {
    let exponent = |x: f64| (x.log10() + 1e-9).floor() as i32;
    if !(1e-3..1e6).contains(&most) {
        let decade = exponent(most);
        let decimals = (decade - exponent(step)).clamp(0, 9) as usize;
        return power_of_ten(value / 10f64.powi(decade), decimals, decade);
    }
    let decimals = (-exponent(step)).clamp(0, 9) as usize;
    let digits = format!("{:.decimals$}", value + 0.0).replace('-', "−");
    match digits.len() > 4 && decimals == 0 {
        true => thousands(&digits),
        false => digits,
    }
}

/// Groups of three digits, parted by narrow spaces: `12 000`.
fn thousands(digits: &str) -> String {
    let count = digits.chars().count();
    let grouped = digits.chars().enumerate().flat_map(|(i, digit)| {
        let part = i > 0 && (count - i).is_multiple_of(3) && digit.is_ascii_digit();
        part.then_some('\u{202f}').into_iter().chain([digit])
    });
    grouped.collect::<String>().replace("−\u{202f}", "−")
}

/// Number times a power of ten in print: `2×10⁻⁵`.
fn power_of_ten(factor: f64, decimals: usize, decade: i32) -> String {
    if factor == 0.0 {
        return "0".to_owned();
    }
    let raised: String = decade
        .to_string()
        .chars()
        .map(|c| match c.to_digit(10) {
            Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
            None => '⁻',
        })
        .collect();
    match factor == 1.0 && decimals == 0 {
        true => format!("10{raised}"),
        false => format!("{factor:.decimals$}×10{raised}").replace('-', "−"),
    }
}
