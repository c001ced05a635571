//! Tables, charts and the HTML file: well-formed, escaped, and calm about odd numbers.

use mtpret::report::{
    chart::{Axis, Estimate, Group, IntervalChart, LineChart, Panel, Series, svg},
    table::{Best, Cell, Column, Table},
};

mod charts;
mod coco;
mod pages;
mod papers;
mod pictures;

const NASTY: &str = "<script>alert(\"1\")</script> & 'x' \u{1b}[31m\u{0}";

/// Asserts that the markup is well-formed: tags balance, attributes are quoted, text is escaped.
fn assert_well_formed(markup: &str) {
    let void = ["meta", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        assert_escaped(&rest[..start]);
        let tag = &rest[start + 1..];
        let end = tag.find('>').expect("a tag is closed");
        let (tag, after) = (&tag[..end], &tag[end + 1..]);
        assert!(!tag.contains('<'), "a tag within <{tag}>");
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "unbalanced quotes in <{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "a closing tag out of order");
        } else if !tag.ends_with('/') && !void.contains(&name) {
            open.push(name);
        }
    }
    assert_escaped(rest);
    assert!(open.is_empty(), "left open: {open:?}");
}

fn assert_escaped(text: &str) {
    assert!(!text.contains('>'), "a bare > in {text:?}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "a control character in {text:?}");
    for entity in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        assert!(known.iter().any(|k| entity.starts_with(k)), "a bare & before {entity:?}");
    }
}

/// Asserts that every coordinate of a picture is a finite number.
fn assert_finite(svg: &str) {
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "a coordinate is not finite");
}

fn lines(x: Axis, y: Axis, series: Vec<(&str, Vec<[f64; 2]>)>) -> Panel {
    let series = series.into_iter().map(|(name, points)| Series { name: name.into(), points });
    Panel::Lines(LineChart { title: "Loss".into(), x, y, series: series.collect() })
}

fn plain(series: Vec<(&str, Vec<[f64; 2]>)>) -> Panel {
    lines(Axis::linear("step"), Axis::linear("loss"), series)
}

fn intervals(groups: Vec<(&str, Vec<Option<Estimate>>)>) -> Panel {
    let groups = groups.into_iter().map(|(name, estimates)| Group { name: name.into(), estimates });
    Panel::Intervals(IntervalChart {
        title: "AUC".into(),
        axis: Axis::linear("AUC"),
        series: vec!["random".into(), "MTPret".into()],
        groups: groups.collect(),
    })
}

/// Initialisations and their figures.
fn results() -> Table {
    let mut table = Table::new(vec![
        Column::text("initialisation"),
        Column::numbers("AUC", Some(Best::Highest)),
        Column::numbers("loss", Some(Best::Lowest)),
    ]);
    for (name, auc, loss) in [
        ("random", Some(0.80012), 0.7),
        ("ImageNet", Some(0.8), 0.55),
        ("MTPret", Some(0.79), 0.5),
        ("diverged", None, f64::NAN),
    ] {
        let interval = auc.map(|auc| [auc - 0.1, auc + 0.1]);
        table.push(vec![
            Cell::text(name),
            Cell::interval(auc, interval, 3),
            Cell::number(Some(loss), 2),
        ]);
    }
    table
}

#[test]
fn a_text_table_aligns_words_left_and_numbers_right() {
    let expected = "\
initialisation                  AUC  loss
──────────────  ───────────────────  ────
random          0.800 (0.700–0.900)  0.70
ImageNet        0.800 (0.700–0.900)  0.55
MTPret          0.790 (0.690–0.890)  0.50
diverged                          –     –
";
    assert_eq!(results().to_text(), expected);
}

#[test]
fn markdown_shows_the_best_values_bold_and_equal_as_shown_is_equal() {
    let expected = "\
| initialisation | AUC | loss |
| :-- | --: | --: |
| random | **0.800 (0.700–0.900)** | 0.70 |
| ImageNet | **0.800 (0.700–0.900)** | 0.55 |
| MTPret | 0.790 (0.690–0.890) | **0.50** |
| diverged | – | – |
";
    assert_eq!(results().to_markdown(), expected);
}

#[test]
fn a_single_value_is_not_called_the_best() {
    let mut table = Table::new(vec![Column::numbers("AUC", Some(Best::Highest))]);
    table.push(vec![Cell::number(Some(0.9), 3)]);
    assert!(!table.is_best(0, 0));
}

#[test]
fn markdown_cells_cannot_break_out_of_their_table() {
    let mut table = Table::new(vec![Column::text("a|b")]);
    table.push(vec![Cell::text("x | y\n| *z* <b> [l](u)")]);
    let markdown = table.to_markdown();
    assert!(markdown.starts_with("| a\\|b |\n"), "{markdown}");
    assert!(markdown.ends_with("| x \\| y \\| \\*z\\* \\<b> \\[l](u) |\n"), "{markdown}");
    assert_eq!(markdown.lines().count(), 3);
}

#[test]
fn a_terminal_table_passes_no_control_characters_on() {
    let mut table = Table::new(vec![Column::text("name")]);
    table.push(vec![Cell::text(NASTY)]);
    assert!(!table.to_text().contains('\u{1b}'));
    assert!(table.to_text().contains("\\x1b[31m\\x00"));
    assert_eq!(table.to_text().lines().count(), 3);
}

#[test]
fn a_cell_of_any_length_is_shown() {
    let mut table = Table::new(vec![Column::text("name"), Column::numbers("value", None)]);
    for length in [3, 65_535, 65_536, 200_000] {
        table.push(vec![Cell::text("x".repeat(length)), Cell::number(Some(0.5), 1)]);
    }
    let text = table.to_text();
    assert!(text.contains(&"x".repeat(200_000)));
    assert!(text.len() < 400_000, "short rows are not made as long as the longest");
}

#[test]
fn csv_cells_are_quoted_and_no_formula_survives() {
    let mut table = Table::new(vec![Column::text("name"), Column::numbers("value", None)]);
    for name in ["=1+1", "+x", "-x", "@sum", "\tx", "a,b", "say \"a\"\nb", "", "–"] {
        table.push(vec![Cell::text(name), Cell::number(Some(-0.5), 1)]);
    }
    let csv = table.to_csv();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
    let names: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(names, ["'=1+1", "'+x", "'-x", "'@sum", "'\tx", "a,b", "say \"a\"\nb", "", ""]);
    assert!(rows.iter().all(|row| &row[1] == "-0.5"), "a negative number stays a number");
}

#[test]
fn a_picture_is_well_formed_and_names_its_contents() {
    let loss: Vec<[f64; 2]> = (0..50).map(|i| [f64::from(i), 1.0 / f64::from(i + 1)]).collect();
    let estimate = Some(Estimate { value: 0.9, interval: Some([0.85, 0.93]) });
    let picture = svg(
        &[
            plain(vec![("train", loss.clone()), ("validation", loss[..9].to_vec())]),
            lines(Axis::linear("step"), Axis::log("rate"), vec![("rate", loss)]),
            intervals(vec![("Pneumonia", vec![estimate, None]), ("Covid", vec![None, estimate])]),
        ],
        2,
    );
    assert_well_formed(&picture);
    assert_finite(&picture);
    for text in
        ["train", "validation", "step", "rate", "Pneumonia", "MTPret", "0.900 (0.850–0.930)"]
    {
        assert!(picture.contains(&format!(">{text}</text>")), "{text} is missing");
    }
}

#[test]
fn text_in_pictures_is_escaped() {
    let estimate = Some(Estimate { value: 0.5, interval: None });
    let mut panels =
        vec![plain(vec![(NASTY, vec![[0.0, 1.0]])]), intervals(vec![(NASTY, vec![estimate])])];
    if let Panel::Lines(chart) = &mut panels[0] {
        chart.title = NASTY.into();
        chart.y.title = NASTY.into();
    }
    let picture = svg(&panels, 1);
    assert_well_formed(&picture);
    assert!(!picture.contains("<script"));
    assert!(
        picture.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;")
    );
}

#[test]
fn charts_without_data_say_so() {
    for panel in [
        plain(vec![]),
        plain(vec![("empty", vec![])]),
        plain(vec![("nothing finite", vec![[0.0, f64::NAN], [f64::INFINITY, 1.0]])]),
        intervals(vec![]),
        intervals(vec![("task", vec![None, None])]),
        intervals(vec![("task", vec![Some(Estimate { value: f64::NAN, interval: None })])]),
    ] {
        let picture = svg(&[panel], 1);
        assert_well_formed(&picture);
        assert_finite(&picture);
        assert!(picture.contains(">no data</text>"));
    }
    assert_well_formed(&svg(&[], 0));
}

#[test]
fn points_that_an_axis_cannot_show_are_left_out_and_counted() {
    let points = vec![[0.0, 1.0], [1.0, f64::NAN], [2.0, f64::INFINITY], [3.0, -1.0], [4.0, 0.1]];
    let linear = svg(&[plain(vec![("loss", points.clone())])], 1);
    assert!(linear.contains(">2 points cannot be shown</text>"));
    let log = svg(&[lines(Axis::linear("step"), Axis::log("loss"), vec![("loss", points)])], 1);
    assert!(log.contains(">3 points cannot be shown</text>"));
    for picture in [linear, log] {
        assert_well_formed(&picture);
        assert_finite(&picture);
    }
}

#[test]
fn extreme_numbers_are_drawn_with_finite_coordinates() {
    let numbers =
        [0.0, -0.0, 1.0, 1.0 + 1e-15, -1e-310, 1e-200, 3e-5, 1e15, 1e15 + 1.0, -1e299, 1e299];
    for a in numbers {
        for b in numbers {
            for axis in [Axis::linear, Axis::log] {
                let points = vec![[a, b], [b, a], [a, a]];
                let picture = svg(&[lines(axis("x"), axis("y"), vec![("s", points)])], 1);
                assert_finite(&picture);
                assert!(picture.len() < 20_000, "{a} and {b} give too many ticks");
            }
        }
    }
}

/// The texts of a picture's ticks and titles, in order.
fn texts(picture: &str) -> Vec<&str> {
    let ends = picture.split("</text>").map(|part| part.rsplit('>').next().unwrap());
    let mut texts: Vec<&str> = ends.collect();
    texts.pop();
    texts
}

#[test]
fn ticks_stand_at_round_numbers() {
    let picture = svg(&[plain(vec![("loss", vec![[0.0, 0.013], [40_000.0, 0.98]])])], 2);
    let texts = texts(&picture);
    for tick in ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "0", "10\u{202f}000", "40\u{202f}000"] {
        assert!(texts.contains(&tick), "{tick} is not among {texts:?}");
    }
    let points = vec![[0.0, 1e-7], [1.0, 1.0]];
    let log = svg(&[lines(Axis::linear("step"), Axis::log("loss"), vec![("loss", points)])], 1);
    assert!(log.contains(">10⁻⁶</text>") && log.contains(">10⁰</text>"), "{:?}", self::texts(&log));
    let rates = svg(&[plain(vec![("rate", vec![[0.0, 0.0], [1.0, 3e-4]])])], 1);
    assert!(rates.contains(">2.0×10⁻⁴</text>"), "{:?}", self::texts(&rates));
}

#[test]
fn a_long_series_is_smoothed_over_its_faint_points_and_stays_small() {
    let noisy = |i: u32| [f64::from(i), 1.0 + f64::from(i % 2)];
    let picture = svg(&[plain(vec![("loss", (0..200_000).map(noisy).collect())])], 1);
    assert_well_formed(&picture);
    assert_eq!(picture.matches("<polyline").count(), 2);
    assert!(picture.len() < 100_000, "{} bytes", picture.len());
    // The smooth line of a saw between 1 and 2 is level.
    let smooth = picture.rsplit("<polyline points=\"").next().unwrap().split('"').next().unwrap();
    let heights: Vec<f64> =
        smooth.split(' ').map(|p| p.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let (low, high) = heights.iter().fold((f64::MAX, f64::MIN), |(l, h), y| (l.min(*y), h.max(*y)));
    assert!(high - low < 1.0, "{low} to {high}");
    let short = svg(&[plain(vec![("loss", (0..100).map(noisy).collect())])], 1);
    assert_eq!(short.matches("<polyline").count(), 1);
}

#[test]
fn each_series_has_a_colour_and_a_mark_of_its_own() {
    let of = |s: usize| vec![[0.0, s as f64], [1.0, s as f64]];
    let names = ["a", "b", "c", "d"];
    let picture = svg(&[plain(names.iter().enumerate().map(|(s, n)| (*n, of(s))).collect())], 1);
    for colour in ["#0072b2", "#d55e00", "#009e73", "#cc79a7"] {
        assert!(picture.contains(&format!("fill=\"{colour}\"")), "{colour} is missing");
    }
    assert_eq!(picture.matches("<circle").count(), 2);
    assert_eq!(picture.matches("<polygon").count(), 6);
}
