//! Cell of a sheet: a film under what a network says of it.

use super::{Map, MarkedBox, Outcome, Picture, sheet::SheetCell};
use crate::Result;
use image::GrayImage;
use mtpret_pipeline::{
    data::{self, Film},
    train::tasks::{Compared, FoundBox, attention::Attention},
};
use std::path::Path;

/// Truth of a film, in words.
pub fn truth(compared: &Compared) -> Option<String> {
    match compared {
        Compared::Labels { present: Some(present), .. } => Some(match present.is_empty() {
            true => "no finding".into(),
            false => present.join(", "),
        }),
        Compared::Boxes { found, missed } if found.iter().all(|(_, right)| right.is_some()) => {
            let there =
                found.iter().filter(|(_, right)| *right == Some(true)).count() + missed.len();
            Some(match there {
                0 => "no box".into(),
                1 => "1 box".into(),
                there => format!("{there} boxes"),
            })
        }
        _ => None,
    }
}

/// Reads a film as a picture.
pub fn grey(path: &Path) -> Result<GrayImage> {
    let Film { width, height, pixels } = data::decode(path)?;
    let grey = pixels.into_iter().map(|v| v.round() as u8).collect();
    let film = GrayImage::from_raw(width as u32, height as u32, grey);
    Ok(film.expect("a film has a value for each pixel"))
}

/// Cell of a film under what a run says of it.
pub fn cell(film: &GrayImage, compared: &Compared, map: &Option<Attention>) -> SheetCell {
    let film = film.clone();
    match compared {
        Compared::Labels { names, probabilities, chosen, right, .. } => SheetCell {
            picture: match map {
                Some(map) => Picture::attention(film, map.clone()),
                None => Picture::film(film),
            },
            caption: format!("{} {:.2}", names[*chosen], probabilities[*chosen]),
            right: right[*chosen],
        },
        Compared::Mask { size: [width, height], found, wanted, dice, .. } => {
            let map = |mask: &[bool]| {
                let values = mask.iter().map(|v| f32::from(u8::from(*v))).collect();
                Map::from_raw(*width as u32, *height as u32, values).expect("a mask of that size")
            };
            let share = found.iter().filter(|v| **v).count() as f64 / found.len().max(1) as f64;
            let (picture, caption) = match (wanted, dice) {
                (None, _) => {
                    (Picture::mask(film, map(found)), format!("{:.1} % of the film", 100.0 * share))
                }
                (Some(wanted), dice) => {
                    let caption = dice.map_or("Dice –".into(), |dice| format!("Dice {dice:.2}"));
                    (Picture::segmentation(film, map(wanted), map(found)), caption)
                }
            };
            SheetCell { picture, caption, right: None }
        }
        Compared::Boxes { found, missed } => {
            let outcome = |right: &Option<bool>| match right {
                None => Outcome::Unjudged,
                Some(true) => Outcome::Found,
                Some(false) => Outcome::False,
            };
            let found = found.iter().map(|(b, right)| (b, outcome(right)));
            let all: Vec<_> = found.chain(missed.iter().map(|b| (b, Outcome::Missed))).collect();
            let count = |of: Outcome| all.iter().filter(|(_, outcome)| *outcome == of).count();
            let caption = match count(Outcome::Unjudged) {
                0 => {
                    let [found, wrong, missed] =
                        [Outcome::Found, Outcome::False, Outcome::Missed].map(count);
                    format!("{found} found, {wrong} false, {missed} missed")
                }
                1 => "1 box".into(),
                boxes => format!("{boxes} boxes"),
            };
            let boxes = all.iter().map(|(b, outcome)| marked(b, *outcome)).collect();
            SheetCell { picture: Picture::detection(film, boxes), caption, right: None }
        }
    }
}

fn marked(b: &FoundBox, outcome: Outcome) -> MarkedBox {
    let label = match b.score {
        Some(score) => format!("{} {score:.2}", b.class),
        None => b.class.clone(),
    };
    MarkedBox { corners: b.corners.map(|corner| corner as f32), outcome, label }
}
