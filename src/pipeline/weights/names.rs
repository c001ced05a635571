//! Names of tensors: those of other programs, and torchvision's.

use std::collections::BTreeMap;

/// Prefixes that training scripts nest and wrap weights in. Of a MoCo checkpoint the query encoder (of version 3
/// the base encoder) is the network; the key encoder and the queue stay behind.
const WRAPPERS: [&str; 7] = [
    "state_dict.",
    "model_state_dict.",
    "model.",
    "module.",
    "encoder_q.",
    "base_encoder.",
    COMPILED,
];

/// Names that people give a network in a module of their own: a wrapper if every name begins with it, else a place.
const ATTRIBUTES: [&str; 9] = [
    "net.",
    "resnet.",
    "features.",
    "feature_extractor.",
    "visual.",
    "image_encoder.",
    "online_network.",
    "trunk.",
    "cnn.",
];

/// Names of the two networks of self-distillation (DINO), of which the teacher is the one that is handed on.
const TEACHER: &str = "teacher.";
const STUDENT: &str = "student.";

/// Prefix that `torch.compile` puts before the names of whatever it compiles, a part of a network
/// too.
const COMPILED: &str = "_orig_mod.";

/// Prefixes of a backbone in a larger network, beside [`ATTRIBUTES`]: Faster R-CNN's, DeepLabV3's and mmseg's,
/// segmentation_models'.
const PLACES: [&str; 4] = ["", "backbone.body.", "backbone.", "encoder."];

/// Children of a ResNet in their order, as an `nn.Sequential` of them numbers its tensors.
const CHILDREN: [(&str, &str); 7] = [
    ("0", "conv1"),
    ("1", "bn1"),
    ("4", "layer1"),
    ("5", "layer2"),
    ("6", "layer3"),
    ("7", "layer4"),
    ("9", "fc"),
];

/// Names of a file without what they are wrapped in.
#[derive(Debug, Default, PartialEq)]
pub struct Unwrapped {
    /// Wrapper that was taken off, outermost first: `state_dict.module.`, or nothing.
    pub wrapper: String,
    /// Names of the network's tensors, and the same as they are in the file.
    pub inner: BTreeMap<String, String>,
    /// Names in the file of tensors that lie outside of the wrapper.
    pub outer: Vec<String>,
}

/// Takes off every wrapper that any name begins with, and the name of an attribute that all of them begin with.
pub fn unwrapped(names: impl IntoIterator<Item = String>) -> Unwrapped {
    let mut all = Unwrapped {
        inner: names.into_iter().map(|name| (name.clone(), name)).collect(),
        ..Unwrapped::default()
    };
    let around = |inner: &BTreeMap<String, String>| {
        let begins = |wrapper: &&str| inner.keys().any(|name| name.starts_with(*wrapper));
        let all = |of: &&str| !inner.is_empty() && inner.keys().all(|name| name.starts_with(*of));
        let distilled = || [TEACHER, STUDENT].iter().all(begins).then_some(TEACHER);
        let attribute = || ATTRIBUTES.into_iter().chain([TEACHER, STUDENT]).find(all);
        WRAPPERS.into_iter().find(begins).or_else(distilled).or_else(attribute)
    };
    while let Some(wrapper) = around(&all.inner) {
        all.wrapper += wrapper;
        for (name, in_file) in std::mem::take(&mut all.inner) {
            match name.strip_prefix(wrapper) {
                Some(inner) => drop(all.inner.insert(inner.into(), in_file)),
                None => all.outer.push(in_file),
            }
        }
    }
    let renamed = std::mem::take(&mut all.inner).into_iter();
    let plain = |name: String| todays(name.replace(&format!(".{COMPILED}"), "."));
    all.inner = renamed.map(|(name, in_file)| (plain(name), in_file)).collect();
    all.outer.sort();
    all
}

/// The name that torchvision gives today to a detector's tensor: until 0.13 the convolutions of the
/// feature pyramid and of the proposal head were not yet in blocks.
fn todays(name: String) -> String {
    let Some((at, last)) = name.rsplit_once('.') else { return name };
    let block = |at: &str| {
        let (list, number) = at.rsplit_once('.')?;
        let list = list.rsplit('.').next()?;
        let numbered = number.bytes().all(|byte| byte.is_ascii_digit());
        (["inner_blocks", "layer_blocks"].contains(&list) && numbered).then_some("0")
    };
    match block(at).or_else(|| at.ends_with("rpn.head.conv").then_some("0.0")) {
        Some(inside) => format!("{at}.{inside}.{last}"),
        None => name,
    }
}

/// The names of `found` as a network calls them whose tensors are called `wanted`: of all places where a backbone
/// may lie, and of named and numbered children, those under which most of the wanted are found. Maps the
/// network's names to those of `found`; what lies elsewhere is not in it.
pub fn seen<'a>(
    found: impl IntoIterator<Item = &'a str>,
    wanted: impl Fn(&str) -> bool,
) -> BTreeMap<String, &'a str> {
    let found: Vec<&str> = found.into_iter().collect();
    let places = PLACES.into_iter().chain(ATTRIBUTES);
    let views = places.flat_map(|place| [(place, false), (place, true)]);
    let view = |(place, numbered): (&str, bool)| -> BTreeMap<String, &'a str> {
        let below = found.iter().filter_map(|name| Some((name.strip_prefix(place)?, *name)));
        let called = |name: &str| if numbered { child(name) } else { name.to_owned() };
        below.map(|(name, whole)| (called(name), whole)).collect()
    };
    let count = |view: &BTreeMap<String, &str>| view.keys().filter(|name| wanted(name)).count();
    // Of equal views the first one counts, so that names are left alone where nothing fits.
    let better = |best: BTreeMap<_, _>, next| if count(&next) > count(&best) { next } else { best };
    views.map(view).reduce(better).unwrap_or_default()
}

/// Name of a numbered child: `4.0.conv1.weight` is `layer1.0.conv1.weight`.
fn child(name: &str) -> String {
    let numbered = |(number, child): &(&str, &str)| {
        let rest = name.strip_prefix(number)?.strip_prefix('.')?;
        Some(format!("{child}.{rest}"))
    };
    CHILDREN.iter().find_map(numbered).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(names: &[&str]) -> Vec<String> {
        unwrapped(names.iter().map(|name| (*name).to_owned())).inner.into_keys().collect()
    }

    #[test]
    fn wrappers_come_off_in_any_order_and_what_is_outside_stays_behind() {
        assert_eq!(inner(&["conv1.weight"]), ["conv1.weight"]);
        assert_eq!(inner(&["model.module.fc.bias"]), inner(&["module.model.fc.bias"]));
        let all = ["state_dict.module.encoder_q.a", "state_dict.module.queue", "epoch"];
        let found = unwrapped(all.map(str::to_owned));
        assert_eq!(found.wrapper, "state_dict.module.encoder_q.");
        assert_eq!(found.inner, BTreeMap::from([("a".into(), all[0].into())]));
        assert_eq!(found.outer, ["epoch", "state_dict.module.queue"]);
    }

    #[test]
    fn compiled_networks_and_people_s_own_modules_have_a_networks_names() {
        let plain = ["conv1.weight", "fc.bias"];
        for wrapper in
            ["_orig_mod.", "net.", "resnet.", "base_encoder.", "module._orig_mod.net.resnet."]
                .into_iter()
                .chain(["teacher.", "student.", "features.", "visual.", "cnn.", "trunk."])
        {
            let names = plain.map(|name| format!("{wrapper}{name}"));
            let found = unwrapped(names);
            assert_eq!(found.wrapper, wrapper);
            assert_eq!(found.inner.into_keys().collect::<Vec<_>>(), plain);
        }
        let dino =
            ["student.backbone.conv1.weight", "teacher.backbone.conv1.weight", "dino_loss.center"];
        assert_eq!(inner(&dino), ["backbone.conv1.weight"]);
        // A network beside its teacher is itself.
        let beside = ["conv1.weight", "teacher.conv1.weight"];
        assert_eq!(inner(&beside), beside);
        let moco3 = ["module.base_encoder.conv1.weight", "module.momentum_encoder.conv1.weight"];
        assert_eq!(inner(&moco3), ["conv1.weight"]);
        assert_eq!(inner(&["encoder._orig_mod.conv1.weight"]), ["encoder.conv1.weight"]);
        // Beside other parts of a network it is a place of its backbone, and those are no strangers.
        assert_eq!(inner(&["head.bias", "net.conv1.weight"]), ["head.bias", "net.conv1.weight"]);
    }

    #[test]
    fn a_detector_of_before_torchvision_0_13_has_todays_names() {
        let old = ["backbone.fpn.inner_blocks.0.weight", "rpn.head.conv.bias"];
        let new = ["backbone.fpn.inner_blocks.0.0.weight", "rpn.head.conv.0.0.bias"];
        assert_eq!(inner(&old), new);
        assert_eq!(inner(&new), new);
    }

    #[test]
    fn a_backbone_is_seen_wherever_it_lies() {
        let wanted = ["conv1.weight", "layer1.0.conv1.weight"];
        let plain = ["", "backbone.", "backbone.body.", "encoder.", "net.", "resnet."];
        let named = plain.map(|at| wanted.map(|name| format!("{at}{name}")));
        let numbered = plain.map(|at| ["0.weight", "4.0.conv1.weight"].map(|n| format!("{at}{n}")));
        for names in named.iter().chain(&numbered) {
            let found = names.iter().map(String::as_str).chain(["decoder.weight"]);
            let seen = seen(found, |name| wanted.contains(&name));
            for (here, there) in wanted.iter().zip(names) {
                assert_eq!(seen.get(*here), Some(&there.as_str()), "{names:?}");
            }
        }
        let foreign = seen(["a.b", "c"], |name| wanted.contains(&name));
        assert_eq!(foreign.into_keys().collect::<Vec<_>>(), ["a.b", "c"]);
    }
}
