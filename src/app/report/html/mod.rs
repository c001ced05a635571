//! Reports as one HTML file that needs nothing else: no network, no script, no font file.
//!
//! It is made for a wide screen, a telephone, paper, and the dark: one style sheet, and of a picture that
//! fills a wide page a second one for narrow ones.

mod parts;

use super::{chart::Panel, discretion::Discretion, escape, table::Table};

/// Block of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Heading that starts a section, which the table of contents names.
    Heading(String),
    /// Heading that starts a part of a section.
    Part(String),
    /// Paragraph of text.
    Text(String),
    /// Note that is not to be overlooked, such as "not for diagnostic use".
    Note(String),
    /// Tiles with the few figures that matter most, large.
    Tiles(Vec<Tile>),
    /// Facts: names and what stands behind them, such as adapter, seed.
    Facts(Vec<(String, String)>),
    /// Table and its caption.
    Table {
        /// Caption above the table.
        caption: String,
        /// The numbers.
        table: Table,
    },
    /// A picture made of pixels.
    Picture {
        /// Caption below the picture.
        caption: String,
        /// The bytes of its PNG file.
        png: Vec<u8>,
    },
    /// Figure of charts and its caption.
    Figure {
        /// Caption below the pictures.
        caption: String,
        /// The pictures.
        panels: Vec<Panel>,
        /// Number of pictures that stand side by side.
        columns: usize,
    },
    /// Gallery of films side by side, as many as there is room for, each with words of its own.
    Gallery {
        /// Title above the films.
        title: String,
        /// Caption below the films.
        caption: String,
        /// Meanings of the colours on them.
        keys: Vec<LegendEntry>,
        /// The films.
        films: Vec<Shot>,
    },
    /// Text as it stands in a file.
    Code(String),
    /// Blocks folded away until somebody wants them.
    Folded {
        /// Summary that is shown at first.
        summary: String,
        /// Blocks that are shown then.
        blocks: Vec<Block>,
    },
}

/// Tile with a large figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Name of the figure.
    pub name: String,
    /// The figure.
    pub value: String,
    /// Note on the figure, such as its interval.
    pub note: String,
}

/// Entry of a legend: a colour on a film and its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegendEntry {
    /// The colour as CSS writes it.
    pub colour: String,
    /// Whether it is the colour of a dashed line.
    pub dashed: bool,
    /// Meaning of the colour.
    pub text: &'static str,
}

/// A film of a gallery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// The bytes of its PNG file.
    pub png: Vec<u8>,
    /// Name of the film, such as the file's.
    pub name: String,
    /// Caption of the film.
    pub caption: String,
    /// Whether the caption is right.
    pub right: Option<bool>,
}

/// Report that becomes a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Title at the top, and the name of the page.
    pub title: String,
    /// Provenance of the numbers: configuration, seed, adapter, data, version.
    pub provenance: Vec<(String, String)>,
    /// Blocks of the report.
    pub blocks: Vec<Block>,
}

/// Number of sections from which on there is a table of contents.
const MANY: usize = 3;

const STYLE: &str = include_str!("report.css");

impl Block {
    /// Texts of the report, to be written anew, but those in charts.
    fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Heading(text) | Self::Part(text) | Self::Text(text) => vec![text],
            Self::Note(text) | Self::Code(text) => vec![text],
            Self::Tiles(tiles) => {
                tiles.iter_mut().flat_map(|t| [&mut t.name, &mut t.value, &mut t.note]).collect()
            }
            Self::Facts(facts) => facts.iter_mut().flat_map(|(key, value)| [key, value]).collect(),
            Self::Table { caption, table } => [caption].into_iter().chain(table.texts()).collect(),
            Self::Picture { caption, .. } | Self::Figure { caption, .. } => vec![caption],
            Self::Gallery { title, caption, films, .. } => {
                let films = films.iter_mut().flat_map(|film| [&mut film.name, &mut film.caption]);
                [title, caption].into_iter().chain(films).collect()
            }
            Self::Folded { summary, blocks } => {
                [summary].into_iter().chain(blocks.iter_mut().flat_map(Self::texts)).collect()
            }
        }
    }
}

impl Report {
    /// This report without what may not leave the house.
    #[must_use]
    pub fn discreet(mut self, discretion: &Discretion) -> Self {
        let facts = self.provenance.iter_mut().map(|(_, value)| value);
        let texts = self.blocks.iter_mut().flat_map(Block::texts);
        for text in [&mut self.title].into_iter().chain(facts).chain(texts) {
            *text = discretion.text(text);
        }
        self
    }
    /// Writes the whole file.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let contents = self.contents();
        let layout = if contents.is_empty() { "" } else { " class=\"with-contents\"" };
        let mut section = 0;
        let blocks: String =
            self.blocks.iter().map(|block| parts::block(block, &mut section)).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body{layout}>\n\
             <header>\n<p class=\"program\">mtpret</p>\n<h1>{title}</h1>\n{}</header>\n\
             {contents}<main>\n{blocks}</main>\n</body>\n</html>\n",
            parts::facts(&self.provenance)
        )
    }

    /// Writes links to the sections, where there are many.
    fn contents(&self) -> String {
        let headings = self.blocks.iter().filter_map(|block| match block {
            Block::Heading(text) => Some(text),
            _ => None,
        });
        let links: Vec<String> = headings
            .enumerate()
            .map(|(s, text)| format!("<li><a href=\"#s{}\">{}</a></li>\n", s + 1, escape(text)))
            .collect();
        match links.len() < MANY {
            true => String::new(),
            false => {
                format!("<nav aria-label=\"Contents\">\n<ol>\n{}</ol>\n</nav>\n", links.concat())
            }
        }
    }
}
