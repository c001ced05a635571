//! Resizing in f32, without a detour through bytes. The type of a pixel is named, so that no other one's resizing is compiled.

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::F32,
};

use crate::data::Film;

impl Film {
    /// The film at `width` x `height` pixels by bilinear convolution, whose triangle widens with
    /// the reduction (PIL's `BILINEAR`, torchvision's `antialias=True`); the aspect is not kept.
    ///
    /// # Panics
    /// If `width` or `height` is 0 or beyond `u32`.
    pub fn resize(&self, width: usize, height: usize) -> Film {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let mut pixels = vec![0.0; width * height];
        self.convolve(width, height, &mut pixels).expect("sizes and buffers agree");
        Film { width, height, pixels }
    }

    fn convolve(&self, width: usize, height: usize, out: &mut [f32]) -> Result<(), String> {
        let side = |n: usize| u32::try_from(n).map_err(|e| e.to_string());
        let fault = |e: &dyn std::error::Error| e.to_string();
        let from = TypedImageRef::<F32>::from_buffer(
            side(self.width)?,
            side(self.height)?,
            bytemuck::cast_slice(&self.pixels),
        )
        .map_err(|e| fault(&e))?;
        let mut to = TypedImage::<F32>::from_buffer(
            side(width)?,
            side(height)?,
            bytemuck::cast_slice_mut(out),
        )
        .map_err(|e| fault(&e))?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Resizer::new().resize_typed(&from, &mut to, &options).map_err(|e| fault(&e))
    }
}
