//! The HTML file and its style.

use super::{NASTY, assert_well_formed, intervals, plain, results};
use mtpret::report::{
    chart::{Axis, Estimate, Group, IntervalChart, Panel},
    counted,
    html::{Block, LegendEntry, Report, Shot, Tile},
};

fn block_of_each_kind() -> Vec<Block> {
    vec![
        Block::Note("Not for diagnostic use.".into()),
        Block::Heading(NASTY.into()),
        Block::Part(NASTY.into()),
        Block::Text(NASTY.into()),
        Block::Tiles(vec![Tile { name: NASTY.into(), value: NASTY.into(), note: NASTY.into() }]),
        Block::Facts(vec![(NASTY.into(), NASTY.into())]),
        Block::Table { caption: NASTY.into(), table: results() },
        Block::Figure {
            caption: NASTY.into(),
            panels: vec![plain(vec![("loss", vec![[0.0, 1.0], [1.0, 0.5]])])],
            columns: 1,
        },
        Block::Picture { caption: NASTY.into(), png: vec![0, 255, 7] },
        Block::Gallery {
            title: NASTY.into(),
            caption: NASTY.into(),
            keys: vec![LegendEntry { colour: "rgb(1 2 3)".into(), dashed: true, text: "missed" }],
            films: vec![Shot {
                png: vec![0, 255, 7],
                name: NASTY.into(),
                caption: NASTY.into(),
                right: Some(false),
            }],
        },
        Block::Folded {
            summary: NASTY.into(),
            blocks: vec![Block::Code(format!("seed = 1\n{NASTY}"))],
        },
    ]
}

fn page(blocks: Vec<Block>) -> String {
    let provenance = vec![("seed".into(), "42".into()), (NASTY.into(), NASTY.into())];
    Report { title: NASTY.into(), provenance, blocks }.to_html()
}

#[test]
fn a_report_is_one_well_formed_file_without_network_or_script() {
    let html = page(block_of_each_kind());
    let (head, body) = html.split_once("<style>").unwrap();
    let (style, body) = body.split_once("</style>").unwrap();
    assert_well_formed(&format!("{head}{body}"));
    assert!(!style.contains("url(") && !style.contains("@import"));
    assert!(html.starts_with("<!doctype html>"));
    assert!(!html.contains("<script"), "nothing is run");
    let sources: Vec<&str> = html.split(" src=").skip(1).collect();
    assert_eq!(sources.len(), 2);
    assert!(sources.iter().all(|s| s.starts_with("\"data:image/png;base64,AP8H\"")));
    let outside = html.replace("http://www.w3.org/2000/svg", "");
    assert!(!outside.contains("://"), "no address is named");
    assert!(html.contains("<td class=\"number\"><strong>0.50</strong></td>"));
    assert!(html.contains("<dt>seed</dt><dd>42</dd>"));
    assert!(html.contains("role=\"note\">Not for diagnostic use.</p>"));
    assert!(html.contains("class=\"wrong\">") && html.contains("border: 3px dashed rgb(1 2 3)"));
}

#[test]
fn a_report_without_contents_is_still_a_page() {
    let report = Report { title: "Empty".into(), provenance: vec![], blocks: vec![] };
    let html = report.to_html();
    assert!(html.contains("<h1>Empty</h1>") && !html.contains("<dl>") && !html.contains("<nav"));
}

#[test]
fn a_long_page_has_a_table_of_contents() {
    let heading = |text: &str| Block::Heading(text.into());
    let html = page(vec![heading("Figures"), heading("Time"), heading("A & B")]);
    for (place, name) in [("s1", "Figures"), ("s2", "Time"), ("s3", "A &amp; B")] {
        assert!(html.contains(&format!("<h2 id=\"{place}\">{name}</h2>")));
        assert!(html.contains(&format!("<a href=\"#{place}\">{name}</a>")));
    }
}

#[test]
fn a_wide_picture_is_there_once_more_for_a_telephone_and_upright_groups_lie_down() {
    let estimate = Some(Estimate { value: 0.5, interval: None });
    let chart = IntervalChart {
        title: "AUC".into(),
        axis: Axis::linear("AUC"),
        series: vec!["MTPret".into()],
        groups: vec![Group { name: "Hernia".into(), estimates: vec![estimate] }],
    };
    let panels = vec![Panel::Columns(chart)];
    let figure =
        |columns| Block::Figure { caption: String::new(), panels: panels.clone(), columns };
    let html = page(vec![figure(1)]);
    assert_eq!(html.matches("<svg").count(), 2);
    let narrow = html.split("<div class=\"narrow\">").nth(1).unwrap();
    assert!(narrow.contains("viewBox=\"0 0 360 "));
    // Lying dots have their figures beside them; nothing is written aslant.
    assert!(narrow.contains(">0.500</text>") && !narrow.contains("rotate(-32"));
    assert_eq!(page(vec![figure(2)]).matches("<svg").count(), 1);
}

/// Each colour that a picture is drawn in has a counterpart in the dark.
#[test]
fn pictures_are_recoloured_in_the_dark() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let series = names.iter().map(|name| (*name, vec![[0.0, 1.0], [1.0, 0.5]])).collect();
    let estimate = Some(Estimate { value: 0.9, interval: Some([0.8, 0.95]) });
    let panels = vec![plain(series), intervals(vec![("task", vec![estimate, estimate])])];
    let html = page(vec![Block::Figure { caption: String::new(), panels, columns: 2 }]);
    let (style, body) = html.split_once("</style>").unwrap();
    let dark = style.split("prefers-color-scheme: dark").nth(1).unwrap();
    for attribute in ["fill", "stroke"] {
        for rest in body.split(&format!(" {attribute}=\"#")).skip(1) {
            let rule = format!("[{attribute}=\"#{}\"]", &rest[..6]);
            assert!(dark.contains(&rule), "{rule} has no counterpart in the dark");
        }
    }
}

#[test]
fn one_of_a_thing_is_not_called_by_its_plural() {
    let counts = [(0, "fault"), (1, "op"), (2, "data set")];
    assert_eq!(counts.map(|(n, word)| counted(n, word)), ["0 faults", "1 op", "2 data sets"]);
}
