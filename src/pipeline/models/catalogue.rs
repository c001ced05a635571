//! Catalogue of the networks that the program knows by name, and of torchvision's names of their
//! tensors.

use super::{
    Classifier, DeepLab, Depth, FasterRcnn, ResNet, deeplab::DeepLabOptions,
    faster_rcnn::FasterRcnnOptions, head,
};
use crate::{Error, Result};
use mtpret_engine::tensor::Scope;
use std::rc::Rc;

/// A network by name: a backbone of some depth and a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// Name of the network.
    pub name: &'static str,
    /// Depth of its backbone.
    pub depth: Depth,
    /// Kind of head that stands on the backbone.
    pub kind: HeadKind,
}

/// Kind of head on a backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// Classifier: one linear layer.
    Classifier,
    /// DeepLabV3.
    DeepLab,
    /// Faster R-CNN with a feature pyramid.
    FasterRcnn,
}

/// Options of heads.
#[derive(Clone, Copy, Debug)]
pub struct HeadOptions {
    /// Options of DeepLabV3.
    pub deeplab: DeepLabOptions,
    /// Options of Faster R-CNN.
    pub faster_rcnn: FasterRcnnOptions,
}

/// A network whose tensors have been declared.
pub enum Network {
    /// Classifier: images to logits of labels.
    Classifier(Classifier),
    /// DeepLabV3: images to logits of pixels.
    DeepLab(Box<DeepLab>),
    /// Faster R-CNN: images to boxes.
    FasterRcnn(Box<FasterRcnn>),
}

const fn of(name: &'static str, depth: Depth, kind: HeadKind) -> Architecture {
    Architecture { name, depth, kind }
}

/// Architectures that there are, the smaller backbone first.
pub const ALL: [Architecture; 6] = [
    of("resnet18", Depth::R18, HeadKind::Classifier),
    of("resnet50", Depth::R50, HeadKind::Classifier),
    of("deeplabv3_resnet18", Depth::R18, HeadKind::DeepLab),
    of("deeplabv3_resnet50", Depth::R50, HeadKind::DeepLab),
    of("fasterrcnn_resnet18_fpn", Depth::R18, HeadKind::FasterRcnn),
    of("fasterrcnn_resnet50_fpn", Depth::R50, HeadKind::FasterRcnn),
];

/// Name of the weight of a DeepLabV3's auxiliary head: whether there is one is told by it.
pub const AUX: &str = "aux_classifier.4.weight";

/// Name under which torchvision counts batches, beside every running mean; no training needs it.
pub const COUNTER: &str = "num_batches_tracked";

/// Names and shapes of tensors.
pub type Shapes = Vec<(String, Vec<usize>)>;

impl HeadKind {
    /// Prefix of the names of the backbone in torchvision's network.
    pub const fn backbone(self) -> &'static str {
        match self {
            Self::Classifier => "",
            Self::DeepLab => "backbone.",
            Self::FasterRcnn => "backbone.body.",
        }
    }
    /// Name of the weight of the last layer, a row for each output.
    pub const fn last(self) -> &'static str {
        match self {
            Self::Classifier => "fc.weight",
            Self::DeepLab => "classifier.4.weight",
            Self::FasterRcnn => "roi_heads.box_predictor.cls_score.weight",
        }
    }
    /// Least number of outputs with which the network tells anything apart; of Faster R-CNN with the background.
    pub const fn least_outputs(self) -> usize {
        match self {
            Self::Classifier | Self::DeepLab => 1,
            Self::FasterRcnn => 2,
        }
    }
    /// Number of outputs of torchvision's own network; of Faster R-CNN with the background.
    pub const fn outputs(self) -> usize {
        match self {
            Self::Classifier => 1000,
            Self::DeepLab => 21,
            Self::FasterRcnn => 91,
        }
    }
}

/// The backbone of that name.
///
/// # Errors
/// [`Error::Request`] with all names, if there is none.
pub fn backbone(name: &str) -> Result<Depth> {
    Ok(named(name, backbones())?.depth)
}

/// The networks that are a backbone and one layer.
pub fn backbones() -> impl Iterator<Item = Architecture> + Clone {
    ALL.into_iter().filter(|known| known.kind == HeadKind::Classifier)
}

/// The network of that name among some.
fn named(name: &str, among: impl Iterator<Item = Architecture> + Clone) -> Result<Architecture> {
    among.clone().find(|known| known.name == name).ok_or_else(|| {
        let names: Vec<_> = among.map(|known| known.name).collect();
        let (expected, found) = (format!("one of {}", names.join(", ")), format!("`{name}`"));
        Error::request("network", expected, found, "name one of them")
    })
}

impl Architecture {
    /// The network of that name.
    ///
    /// # Errors
    /// [`Error::Request`] with all names, if there is none.
    pub fn named(name: &str) -> Result<Self> {
        named(name, ALL.into_iter())
    }
    /// Declares the network's tensors, under torchvision's names.
    pub fn declare(self, root: &Scope, outputs: usize, options: &HeadOptions) -> Network {
        let within = self.kind.backbone().split_terminator('.');
        let scope = within.fold(root.clone(), |scope, name| scope.at(name));
        let backbone = Rc::new(ResNet::new(&scope, self.depth));
        let scope = &root.part(head(0));
        match self.kind {
            HeadKind::Classifier => Network::Classifier(Classifier::new(scope, &backbone, outputs)),
            HeadKind::DeepLab => {
                let deeplab = DeepLab::new(scope, &backbone, outputs, options.deeplab);
                Network::DeepLab(Box::new(deeplab))
            }
            HeadKind::FasterRcnn => {
                let detector = FasterRcnn::new(scope, &backbone, outputs, options.faster_rcnn);
                Network::FasterRcnn(Box::new(detector))
            }
        }
    }
    /// Names and shapes of all its tensors with as many outputs, and a DeepLabV3's auxiliary head
    /// if it has one.
    pub fn shapes(self, outputs: usize, aux: bool) -> Shapes {
        let root = Scope::root();
        let deeplab = DeepLabOptions { aux, ..DeepLabOptions::torchvision(8) };
        let faster_rcnn = FasterRcnnOptions::TORCHVISION;
        self.declare(&root, outputs, &HeadOptions { deeplab, faster_rcnn });
        shapes(&root)
    }
    /// Names and shapes of its backbone's tensors alone, as a ResNet has them.
    pub fn backbone(self) -> Shapes {
        let root = Scope::root();
        ResNet::new(&root, self.depth);
        shapes(&root)
    }
}

/// Names and shapes of all that was declared in a scope, and of the counter that torchvision has
/// beside every running mean.
fn shapes(root: &Scope) -> Shapes {
    let (parameters, statistics) = root.layouts();
    let entries = parameters.entries().chain(statistics.entries());
    let mut shapes: Shapes = entries.map(|e| (e.name.clone(), e.file_shape.clone())).collect();
    let counter = |name: &String| Some(format!("{}{COUNTER}", name.strip_suffix("running_mean")?));
    let counters: Vec<_> = shapes.iter().filter_map(|(name, _)| counter(name)).collect();
    shapes.extend(counters.into_iter().map(|name| (name, Vec::new())));
    shapes
}
