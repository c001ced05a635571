//! Features of regions of interest.

mod cases;
mod reference;

pub use cases::{SIGNATURE, cases, random, run};

use super::Op;
use crate::{
    Error, Result,
    gpu::{self, Cost, Gpu, Kernel, Recording},
    kernel, params,
    tensor::Tensor,
};

const FORWARD: Kernel<Forward> = kernel!("roi_align/forward");
const BACKWARD: Kernel<Backward> = kernel!("roi_align/backward");
params! {
    struct Forward {
        total: u32,
        rois: u32,
        height: u32,
        width: u32,
        scale: f32,
        level: u32,
        levels: u32,
        out_height: u32,
        out_width: u32,
        quads: u32,
    }
}
params! {
    struct Backward {
        images: u32,
        rois: u32,
        height: u32,
        width: u32,
        scale: f32,
        level: u32,
        out_height: u32,
        out_width: u32,
        quads: u32,
    }
}

/// Largest number of samples of a bin along an axis, where they are as many as it has pixels: `MOST` of
/// `shaders/shared/samples.wgsl`.
const MOST_SAMPLES: usize = 4096;

/// RoIAlign (He et al. 2017) on one or several maps, as `torchvision.ops.roi_align` and, with a level
/// for each roi, `MultiScaleRoIAlign`.
///
/// A roi is cut into P × Q bins, and a bin is the mean of samples between pixels, interpolated
/// bilinearly. A sample more than a pixel outside the map counts as 0.
///
/// Inputs: the maps, each `[N, H, W, C]`, then rois `[N, K, 4]`, by corners x1 y1 x2 y2 in pixels of the
/// image, then levels `[N, K]`: on which map, from 0, each roi is read; −1 makes its features zeros.
/// Output: `[N·K, P, Q, C]`. Rois and levels have no derivative. The gradient is gathered by each pixel
/// from its image's rois in their order, so that it is the same bits every time. Errs if the shapes do
/// not fit. Cost: a launch for each map, forwards and backwards; 4 reads a sample forwards.
#[derive(Clone, Debug)]
pub struct RoiAlign {
    /// Height P and width Q of a roi's features, in bins.
    pub output: [usize; 2],
    /// Pixels of each map for one of the image: 1/4, 1/8 …
    pub scales: Vec<f32>,
    /// Number of samples of a bin along each axis; 0: as many as the bin has pixels, rounded up.
    pub sampling_ratio: usize,
    /// Whether rois are moved by half a pixel, so that pixel centres lie at whole numbers, and may be
    /// smaller than a pixel (`aligned=True`).
    pub aligned: bool,
}

/// Inputs that the gradient needs.
pub struct Regions {
    maps: Vec<[usize; 4]>,
    rois: Tensor,
    levels: Tensor,
}

impl RoiAlign {
    /// Axes of the maps, if the inputs fit.
    fn fit(&self, x: &[&Tensor]) -> Result<Vec<[usize; 4]>> {
        let [maps @ .., rois, levels] = x else {
            let found = format!("{} tensors", x.len());
            return Err(Error::shape("roi_align", "maps, rois, levels", found));
        };
        let axes: Vec<[usize; 4]> =
            maps.iter().filter_map(|m| m.shape[..].try_into().ok()).collect();
        let (n, c) = axes.first().map_or((0, 0), |[n, _, _, c]| (*n, *c));
        let alike = axes.iter().all(|a| a[0] == n && a[3] == c && !a.contains(&0));
        let of_rois = rois.shape.len() == 3 && rois.shape[0] == n && rois.shape[2] == 4;
        let counted = axes.len() == maps.len() && axes.len() == self.scales.len() && n > 0;
        let bins = self.output.iter().all(|b| *b > 0);
        if !alike || !of_rois || !counted || !bins || levels.shape != rois.shape[..2] {
            let shapes: Vec<_> = x.iter().map(|t| &t.shape).collect();
            let of = self.scales.len();
            let expected = format!("{of} maps [N, H, W, C], rois [N, K, 4] and levels [N, K]");
            return Err(Error::shape("roi_align", expected, format!("{shapes:?}")));
        }
        Ok(axes)
    }
    fn constants(&self) -> [(&'static str, u32); 2] {
        [("RATIO", self.sampling_ratio as u32), ("HALF", u32::from(self.aligned))]
    }
    /// Largest number of samples of a bin along an axis.
    fn samples(&self) -> usize {
        if self.sampling_ratio == 0 { MOST_SAMPLES } else { self.sampling_ratio }
    }
    fn cost(&self, map: &[usize; 4], rois: &Tensor, trips: usize) -> Cost {
        let samples = (self.output[0] * self.output[1] * self.sampling_ratio.pow(2).max(1)) as u64;
        Cost {
            flops: 8 * samples * (rois.rows() * map[3]) as u64,
            trips: trips as u64,
            shape: format!("{} rois of {map:?}", rois.rows()),
        }
    }
}

impl<const N: usize> Op<N> for RoiAlign {
    type Saved = Regions;

    fn forward(&self, rec: &Recording, x: [&Tensor; N]) -> Result<(Tensor, Regions)> {
        let maps = self.fit(&x)?;
        let (rois, levels) = (x[N - 2], x[N - 1]);
        let channels = maps[0][3];
        let y = Tensor::new(rec, &[rois.rows(), self.output[0], self.output[1], channels]);
        let total = y.rows() * y.quads();
        for (level, map @ [_, h, w, _]) in maps.iter().enumerate() {
            let p = Forward {
                total: total as u32,
                rois: rois.shape[1] as u32,
                height: *h as u32,
                width: *w as u32,
                scale: self.scales[level],
                level: level as u32,
                levels: maps.len() as u32,
                out_height: self.output[0] as u32,
                out_width: self.output[1] as u32,
                quads: y.quads() as u32,
            };
            let slices = [&x[level].data, &rois.data, &levels.data, &y.data];
            let trips = self.samples() * (1 + self.samples());
            let (constants, cost) = (self.constants(), self.cost(map, rois, trips));
            rec.launch(&FORWARD, &constants, p, &slices, Gpu::grid(total), cost)?;
        }
        Ok((y, Regions { maps, rois: rois.clone(), levels: levels.clone() }))
    }
    fn backward(
        &self,
        rec: &Recording,
        Regions { maps, rois, levels }: &Regions,
        dy: &Tensor,
        needs: [bool; N],
    ) -> Result<[Option<Tensor>; N]> {
        let mut dx = [const { None }; N];
        for (level, map @ [n, h, w, c]) in maps.iter().enumerate().filter(|(i, _)| needs[*i]) {
            let of_map = Tensor::new(rec, map);
            let p = Backward {
                images: *n as u32,
                rois: rois.shape[1] as u32,
                height: *h as u32,
                width: *w as u32,
                scale: self.scales[level],
                level: level as u32,
                out_height: self.output[0] as u32,
                out_width: self.output[1] as u32,
                quads: dy.quads() as u32,
            };
            let slices = [&rois.data, &levels.data, &dy.data, &of_map.data];
            // A workgroup has 8 × 8 pixels and 64 channels.
            let groups = n * h.div_ceil(8) * w.div_ceil(8) * c.div_ceil(64);
            // Every roi may reach a pixel with every bin.
            let (of_axis, k) = (1 + self.samples(), rois.shape[1]);
            let of_roi = 1 + self.output[0] * of_axis * (1 + self.output[1]);
            let trips = k.div_ceil(2048) + k.div_ceil(256) + k.div_ceil(32) + k * of_roi;
            let (constants, cost) = (self.constants(), self.cost(map, rois, trips));
            rec.launch(&BACKWARD, &constants, p, &slices, gpu::fold(groups), cost)?;
            dx[level] = Some(of_map);
        }
        Ok(dx)
    }
}
