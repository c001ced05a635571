//! HTML of each block of a report.

use super::{Block, LegendEntry, Shot, Tile};
use crate::report::{
    chart::{self, NARROW, Panel},
    escape,
    table::{Align, Table},
};
use base64::prelude::{BASE64_STANDARD, Engine};

/// Number of letters beyond which words in a column of numbers are a remark.
const LONG: usize = 40;

/// HTML of a block; `section` counts the headings so far.
pub(super) fn block(block: &Block, section: &mut usize) -> String {
    match block {
        Block::Heading(text) => {
            *section += 1;
            format!("<h2 id=\"s{section}\">{}</h2>\n", escape(text))
        }
        Block::Part(text) => format!("<h3>{}</h3>\n", escape(text)),
        Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Note(text) => format!("<p class=\"note\" role=\"note\">{}</p>\n", escape(text)),
        Block::Tiles(tiles) => {
            format!("<dl class=\"tiles\">\n{}</dl>\n", tiles.iter().map(tile).collect::<String>())
        }
        Block::Facts(pairs) => facts(pairs),
        Block::Table { caption, table } => html_table(caption, table),
        Block::Picture { caption, png } => format!(
            "<figure>\n<img alt=\"{0}\" src=\"{1}\"/>\n<figcaption>{0}</figcaption>\n</figure>\n",
            escape(caption),
            source(png)
        ),
        Block::Figure { caption, panels, columns } => format!(
            "<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n",
            pictures(panels, *columns),
            escape(caption)
        ),
        Block::Gallery { title, caption, keys, films } => format!(
            "<figure>\n<p class=\"title\">{}</p>\n<div class=\"gallery\">\n{}</div>\n{}<figcaption>{}</figcaption>\n</figure>\n",
            escape(title),
            films.iter().map(shot).collect::<String>(),
            legend(keys),
            escape(caption)
        ),
        Block::Code(text) => {
            let lines = text.lines().map(escape).collect::<Vec<_>>();
            format!("<pre tabindex=\"0\">{}</pre>\n", lines.join("\n"))
        }
        Block::Folded { summary, blocks } => {
            let blocks: String = blocks.iter().map(|inner| self::block(inner, section)).collect();
            format!("<details>\n<summary>{}</summary>\n{blocks}</details>\n", escape(summary))
        }
    }
}

/// HTML of names and what stands behind them; empty where there are none.
pub(super) fn facts(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let pairs = pairs.iter().map(|(key, value)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(key), escape(value))
    });
    format!("<dl>\n{}</dl>\n", pairs.collect::<String>())
}

fn tile(tile: &Tile) -> String {
    let note = match tile.note.as_str() {
        "" => String::new(),
        note => format!("<dd class=\"interval\">{}</dd>", escape(note)),
    };
    let (name, value) = (escape(&tile.name), escape(&tile.value));
    format!("<div><dt>{name}</dt><dd>{value}</dd>{note}</div>\n")
}

fn source(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))
}

/// HTML of panels side by side; one that fills a wide page is there once more for a narrow one.
fn pictures(panels: &[Panel], columns: usize) -> String {
    let columns = columns.clamp(1, 4);
    let width = chart::column_width(columns);
    let panel = |panel: &Panel| match columns {
        1 => format!(
            "<div class=\"wide\">\n{}</div>\n<div class=\"narrow\">\n{}</div>\n",
            chart::drawing(panel, width),
            chart::drawing(&panel.narrow(), NARROW)
        ),
        _ => format!("<div>\n{}</div>\n", chart::drawing(panel, width)),
    };
    let panels: String = panels.iter().map(panel).collect();
    format!("<div class=\"panels of{columns}\">\n{panels}</div>\n")
}

fn shot(shot: &Shot) -> String {
    let (class, mark) = match shot.right {
        None => ("", ""),
        Some(true) => (" class=\"right\"", " ✓"),
        Some(false) => (" class=\"wrong\"", " ✗"),
    };
    let [name, caption] = [&shot.name, &shot.caption].map(|text| escape(text));
    format!(
        "<div>\n<img alt=\"{name}: {caption}\" src=\"{}\"/>\n<p>{name}</p>\n<p{class}>{caption}{mark}</p>\n</div>\n",
        source(&shot.png)
    )
}

fn legend(keys: &[LegendEntry]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let key = |key: &LegendEntry| {
        let line = if key.dashed { "dashed" } else { "solid" };
        format!(
            "<li><span style=\"border: 3px {line} {}\"></span>{}</li>\n",
            escape(&key.colour),
            escape(key.text)
        )
    };
    format!("<ul class=\"keys\">\n{}</ul>\n", keys.iter().map(key).collect::<String>())
}

fn html_table(caption: &str, table: &Table) -> String {
    let class = |column: usize| match table.columns()[column].align {
        Align::Left => "",
        Align::Right => " class=\"number\"",
    };
    // A head without words is no head to those who have it read aloud.
    let head = |c: usize, title: &str| match title {
        "" => "<td></td>".to_owned(),
        title => format!("<th scope=\"col\"{}>{}</th>", class(c), escape(title)),
    };
    let heads = table.columns().iter().enumerate().map(|(c, column)| head(c, &column.title));
    let rows = table.rows().iter().enumerate().map(|(r, row)| {
        let cells = row.iter().enumerate().map(|(c, cell)| {
            let text = cell.text.lines().map(escape).collect::<Vec<_>>().join("<br/>");
            // A remark may be long: it is wrapped, numbers and names are not.
            if cell.value.is_none() && cell.text.chars().count() > LONG {
                return format!("<td class=\"remark\">{text}</td>");
            }
            match table.is_best(r, c) {
                true => format!("<td{}><strong>{text}</strong></td>", class(c)),
                false => format!("<td{}>{text}</td>", class(c)),
            }
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    });
    // What can be scrolled must be within reach of the keyboard.
    format!(
        "<p class=\"caption\">{0}</p>\n<div class=\"table\" role=\"group\" aria-label=\"{0}\" tabindex=\"0\"><table>\n\
         <thead><tr>{1}</tr></thead>\n<tbody>\n{2}</tbody>\n</table></div>\n",
        escape(caption),
        heads.collect::<String>(),
        rows.collect::<String>()
    )
}
