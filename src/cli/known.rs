//! The networks that the program knows by name, and what torchvision calls their tensors.

use crate::{
    Error, Result,
    models::{Classifier, DeepLab, Depth, FasterRcnn, ResNet, deeplab, faster_rcnn},
    tensor::Scope,
    train::weights::{COUNTER, File},
};

/// A network by name.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    depth: Depth,
    head: Head,
}

#[derive(Clone, Copy, Debug)]
enum Head {
    Labels,
    Mask,
    Boxes,
}

/// All of them, the smaller backbone first.
pub const ALL: [Known; 6] = [
    Known { name: "resnet18", depth: Depth::R18, head: Head::Labels },
    Known { name: "resnet50", depth: Depth::R50, head: Head::Labels },
    Known { name: "deeplabv3_resnet18", depth: Depth::R18, head: Head::Mask },
    Known { name: "deeplabv3_resnet50", depth: Depth::R50, head: Head::Mask },
    Known { name: "fasterrcnn_resnet18_fpn", depth: Depth::R18, head: Head::Boxes },
    Known { name: "fasterrcnn_resnet50_fpn", depth: Depth::R50, head: Head::Boxes },
];

/// Names and shapes of tensors.
pub type Shapes = Vec<(String, Vec<usize>)>;

impl Known {
    /// The network of that name.
    ///
    /// # Errors
    /// There is none; all names are given.
    pub fn named(name: &str) -> Result<Self> {
        ALL.into_iter().find(|known| known.name == name).ok_or_else(|| {
            let names = ALL.map(|known| known.name).join(", ");
            Error::request("command line", format!("expected one of {names}, found `{name}`"))
        })
    }
    /// Outputs of its last layer in a file, classes with the background for boxes.
    pub fn outputs(self, file: &File) -> Option<usize> {
        let last = match self.head {
            Head::Labels => "fc.weight",
            Head::Mask => "classifier.4.weight",
            Head::Boxes => "roi_heads.box_predictor.cls_score.weight",
        };
        file.tensors.get(last).and_then(|entry| entry.shape.first()).copied().filter(|n| *n > 0)
    }
    /// All its tensors, with as many outputs and the auxiliary head if the file has them; torchvision's own numbers
    /// where the file has none.
    pub fn shapes(self, file: &File) -> Shapes {
        let (root, outputs) = (Scope::root(), self.outputs(file));
        match self.head {
            Head::Labels => {
                ResNet::new(&root, self.depth);
                let fc = root.head(0).at("fc");
                Classifier::new(fc, self.depth.features(), outputs.unwrap_or(1000));
            }
            Head::Mask => {
                let aux = file.tensors.contains_key("aux_classifier.4.weight");
                let options = deeplab::Options { aux, ..deeplab::Options::torchvision(8) };
                ResNet::new(&root.at("backbone"), self.depth);
                DeepLab::new(&root.head(0), self.depth, outputs.unwrap_or(21), options);
            }
            Head::Boxes => {
                let options = faster_rcnn::Options::TORCHVISION;
                ResNet::new(&root.at("backbone").at("body"), self.depth);
                FasterRcnn::new(&root.head(0), self.depth, outputs.unwrap_or(91), options);
            }
        }
        shapes(&root)
    }
    /// The tensors of its backbone alone, as a ResNet has them.
    pub fn backbone(self) -> Shapes {
        let root = Scope::root();
        ResNet::new(&root, self.depth);
        shapes(&root)
    }
}

/// What was declared in a scope, and the counter that torchvision has beside every running mean.
fn shapes(root: &Scope) -> Shapes {
    let (parameters, statistics) = root.layouts();
    let entries = parameters.entries().chain(statistics.entries());
    let mut shapes: Shapes = entries.map(|e| (e.name.clone(), e.file_shape.clone())).collect();
    let counter = |name: &String| Some(format!("{}{COUNTER}", name.strip_suffix("running_mean")?));
    let counters: Vec<_> = shapes.iter().filter_map(|(name, _)| counter(name)).collect();
    shapes.extend(counters.into_iter().map(|name| (name, Vec::new())));
    shapes
}
