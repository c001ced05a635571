//! A report as one HTML file that needs nothing else: no network, no script, no font file.

use super::chart::{Panel, svg};
use super::escape;
use super::table::{Align, Table};
use base64::prelude::{BASE64_STANDARD, Engine};

/// What a report says, from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Starts a section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Something not to be overlooked, such as "not for diagnostic use".
    Note(String),
    /// A table and what it shows.
    Table {
        /// Above the table.
        caption: String,
        /// The numbers.
        table: Table,
    },
    /// A picture made of pixels.
    Picture {
        /// Below the picture.
        caption: String,
        /// The bytes of its PNG file.
        png: Vec<u8>,
    },
    /// Pictures and what they show.
    Figure {
        /// Below the pictures.
        caption: String,
        /// The pictures.
        panels: Vec<Panel>,
        /// How many stand side by side.
        columns: usize,
    },
}

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// At the top, and the name of the page.
    pub title: String,
    /// Where the numbers come from: configuration, seed, adapter, data, version.
    pub provenance: Vec<(String, String)>,
    /// The contents.
    pub blocks: Vec<Block>,
}

/// Letters beyond which words in a column of numbers are a remark.
const LONG: usize = 40;

const STYLE: &str = include_str!("report.css");

impl Report {
    /// The whole file.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let blocks: String = self.blocks.iter().map(block).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{title}</h1>\n{}{blocks}</main>\n</body>\n</html>\n",
            self.provenance()
        )
    }

    fn provenance(&self) -> String {
        if self.provenance.is_empty() {
            return String::new();
        }
        let pairs = self.provenance.iter().map(|(key, value)| {
            format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(key), escape(value))
        });
        format!("<dl>\n{}</dl>\n", pairs.collect::<String>())
    }
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(text) => format!("<h2>{}</h2>\n", escape(text)),
        Block::Text(text) => format!("<p>{}</p>\n", escape(text)),
        Block::Note(text) => format!("<p class=\"note\" role=\"note\">{}</p>\n", escape(text)),
        Block::Table { caption, table } => html_table(caption, table),
        Block::Picture { caption, png } => format!(
            "<figure>\n<img alt=\"{0}\" src=\"data:image/png;base64,{1}\"/>\n\
             <figcaption>{0}</figcaption>\n</figure>\n",
            escape(caption),
            BASE64_STANDARD.encode(png)
        ),
        Block::Figure { caption, panels, columns } => format!(
            "<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n",
            svg(panels, *columns),
            escape(caption)
        ),
    }
}

fn html_table(caption: &str, table: &Table) -> String {
    let class = |column: usize| match table.columns()[column].align {
        Align::Left => "",
        Align::Right => " class=\"number\"",
    };
    let heads =
        table.columns().iter().enumerate().map(|(c, column)| {
            format!("<th scope=\"col\"{}>{}</th>", class(c), escape(&column.title))
        });
    let rows = table.rows().iter().enumerate().map(|(r, row)| {
        let cells = row.iter().enumerate().map(|(c, cell)| {
            let text = cell.text.lines().map(escape).collect::<Vec<_>>().join("<br/>");
            // A remark among numbers may be long: it is wrapped, they are not.
            if cell.value.is_none() && cell.text.len() > LONG && !class(c).is_empty() {
                return format!("<td class=\"remark\">{text}</td>");
            }
            match table.is_best(r, c) {
                true => format!("<td{}><strong>{text}</strong></td>", class(c)),
                false => format!("<td{}>{text}</td>", class(c)),
            }
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    });
    format!(
        "<div class=\"table\"><table>\n<caption>{}</caption>\n<thead><tr>{}</tr></thead>\n\
         <tbody>\n{}</tbody>\n</table></div>\n",
        escape(caption),
        heads.collect::<String>(),
        rows.collect::<String>()
    )
}
