//! Fitting of a film and its mask to the size of the network's input.

use serde::{Deserialize, Serialize};

use super::{decode::read, image::Misfit, mask::mask, pixels::Pixels, resize::fitted};
use crate::data::{Annotation, Sample};

/// Way in which a film comes to the size of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Scaling of both sides by themselves; the aspect is not kept.
    #[default]
    Stretch,
    /// Scaling of both sides by the same factor, the rest to the right or below filled with 0
    /// (torchvision's `GeneralizedRCNNTransform`, whose sizes are rounded down too).
    Letterbox,
}

impl Fit {
    /// Width and height that a film of `film` pixels fills of an input of `input` pixels.
    pub fn extent(self, film: [usize; 2], input: [usize; 2]) -> [usize; 2] {
        let ([w, h], [width, height]) = (film, input);
        match self {
            Self::Stretch => input,
            Self::Letterbox if width * h <= height * w => [width, (h * width / w).max(1)],
            Self::Letterbox => [(w * height / h).max(1), height],
        }
    }
}

/// A film ready for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FittedFilm {
    /// Grey values of the whole input.
    pub pixels: Pixels,
    /// Mask: 0 or 1 for each pixel of the input; empty where the film has no mask.
    pub mask: Vec<u8>,
    /// Width and height of the part of the input that the film fills.
    pub extent: [usize; 2],
    /// Width and height of the film as decoded.
    pub size: [usize; 2],
}

impl FittedFilm {
    /// Decodes a film and its mask and brings both to an input of `input` pixels.
    ///
    /// A mask is thresholded at its own size, then resized by the same convolution as the film and
    /// thresholded again at one half. So it stays aligned with the film to a fraction of a pixel
    /// and keeps its area, where taking the nearest pixel would shift edges by up to half a pixel
    /// of the input and lose what is thinner than one.
    pub(in crate::data) fn read(
        sample: &Sample,
        fit: Fit,
        input: [usize; 2],
    ) -> Result<Self, Misfit> {
        // The film's share of the memory goes back before the mask asks for one.
        let (pixels, size, extent) = {
            let decoded = read(&sample.path)?;
            let extent = fit.extent(decoded.size, input);
            (Pixels::fitted(&decoded, extent, input), decoded.size, extent)
        };
        let mask = match &sample.target {
            Annotation::Labels(_) => Vec::new(),
            Annotation::Boxes { size: annotated, .. } => {
                upright(*annotated, size)?;
                Vec::new()
            }
            Annotation::Mask { .. } | Annotation::Polygons { .. } => {
                let inside = mask(&sample.target, size)?;
                fitted(&inside, size, extent, input, |share| u8::from(share > 0.5))
            }
        };
        Ok(Self { pixels, mask, extent, size })
    }

    /// Number of bytes of memory.
    pub fn bytes(&self) -> usize {
        self.pixels.bytes() + self.mask.len()
    }
}

/// Refuses an annotation that was made of the film before it was turned.
pub(in crate::data) fn upright(
    annotated: [usize; 2],
    [width, height]: [usize; 2],
) -> Result<(), Misfit> {
    // Any other difference is a film that was reduced, whose annotation scales with it.
    if annotated == [height, width] && width != height {
        let expected = format!("the annotated image upright, {width}x{height}");
        return Err(Misfit::new(expected, format!("it turned, {height}x{width}")));
    }
    Ok(())
}
