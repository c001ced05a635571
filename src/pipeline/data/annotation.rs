//! Annotations of films: labels, a mask or boxes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Annotation of one film.
#[derive(Debug, Clone, PartialEq)]
pub enum Annotation {
    /// Label numbers as [`super::Labels`] says; none for an unlabelled film.
    Labels(Vec<f32>),
    /// Mask images of the film's own size, whose foregrounds are united.
    Mask {
        /// The images.
        files: Vec<PathBuf>,
        /// Values of the foreground in the images; without it, those above 127.
        values: Option<MaskValues>,
    },
    /// Outlines of the foreground, which is what lies inside any of them.
    Polygons {
        /// Width and height of the annotated image, pixels: the frame of the outlines. Of a film
        /// that no annotation names, `[1, 1]`.
        size: [usize; 2],
        /// Corners `[x, y]` in order; the last is joined to the first.
        polygons: Vec<Vec<[f32; 2]>>,
    },
    /// Boxes, possibly none.
    Boxes {
        /// Width and height of the annotated image, pixels: the frame of the boxes. Of a film that no
        /// annotation names, `[1, 1]`.
        size: [usize; 2],
        /// The boxes, in the order of the file.
        boxes: Vec<BoxLabel>,
    },
}

/// Values of a mask's pixels that are foreground, and those that are background; a mask of any other value is
/// refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskValues {
    /// Values of the foreground as the file holds them: 0–255, or 0–65,535 in a file of 16 bits.
    pub foreground: Vec<u16>,
    /// Values of the background. Default `[0]`.
    #[serde(default = "black")]
    pub background: Vec<u16>,
}

fn black() -> Vec<u16> {
    vec![0]
}

impl MaskValues {
    /// Values of the foreground on a background of 0.
    pub fn new(foreground: Vec<u16>) -> Self {
        Self { foreground, background: black() }
    }
}

/// A box around one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxLabel {
    /// `x1 y1 x2 y2` in pixels of the annotated image, edges (not centres) of pixels.
    pub corners: [f32; 4],
    /// Index among [`super::Labels::names`].
    pub class: usize,
}

/// Numbers of a box in a row of targets: `x1 y1 x2 y2 class`.
const BOX: usize = 5;

impl Annotation {
    /// The labels; none of a mask or of boxes.
    pub fn labels(&self) -> &[f32] {
        match self {
            Self::Labels(labels) => labels,
            _ => &[],
        }
    }

    /// The boxes; none of labels or of a mask.
    pub fn boxes(&self) -> &[BoxLabel] {
        match self {
            Self::Boxes { boxes, .. } => boxes,
            _ => &[],
        }
    }

    /// Numbers in the row of targets of a film whose input has `pixels` pixels: one for each
    /// label, one for each pixel of a mask, five for each box (`x1 y1 x2 y2 class`).
    pub fn row_len(&self, pixels: usize) -> usize {
        match self {
            Self::Labels(labels) => labels.len(),
            Self::Mask { .. } | Self::Polygons { .. } => pixels,
            Self::Boxes { boxes, .. } => boxes.len() * BOX,
        }
    }
}

/// Writes `boxes` of an image of `size`, which fills `extent` of the input, as rows
/// `x1 y1 x2 y2 class` in pixels of the input; `width` numbers in all, class −1 where no box is.
pub(in crate::data) fn box_row(
    boxes: &[BoxLabel],
    size: [usize; 2],
    extent: [usize; 2],
    width: usize,
) -> Vec<f32> {
    let scale = [0, 1].map(|axis| extent[axis] as f32 / size[axis] as f32);
    let mut row = Vec::with_capacity(width);
    for found in boxes {
        row.extend((0..4).map(|i| found.corners[i] * scale[i % 2]));
        row.push(found.class as f32);
    }
    while row.len() < width {
        row.extend([0.0, 0.0, 0.0, 0.0, -1.0]);
    }
    row
}

impl From<Vec<f32>> for Annotation {
    fn from(labels: Vec<f32>) -> Self {
        Self::Labels(labels)
    }
}
