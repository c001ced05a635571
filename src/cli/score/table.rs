//! Figures of masks and boxes for a terminal.

use crate::{
    report::table::{Cell, Column, Table},
    train::metrics::{DetectScores, SegmentScores},
};

/// A row for each figure of a segmentation task.
pub fn segment(scores: &SegmentScores) -> Table {
    let mut table = Table::new(vec![Column::words("figure"), Column::numbers("value", None)]);
    let (m, ci) = (&scores.measures, scores.ci.as_ref().map(|ci| &ci.measures));
    let mut row = |name: &str, value, interval: Option<Option<[f64; 2]>>| {
        table.push(vec![Cell::words(name), Cell::interval(value, interval.flatten(), 4)]);
    };
    row("Dice, mean over images", m.dice, ci.map(|c| c.dice));
    row("Dice, pooled", m.dice_pooled, ci.map(|c| c.dice_pooled));
    row("mIoU, pooled", m.miou, ci.map(|c| c.miou));
    row("mIoU, mean over images", m.miou_per_image, ci.map(|c| c.miou_per_image));
    table
}

/// A row for each class of a detection task, and one for their means.
pub fn detect(scores: &DetectScores) -> Table {
    let titles = ["boxes", "AP", "AP50", "AP75", "VOC07 AP50", "VOC10 AP50"];
    let numbers = titles.map(|title| Column::numbers(title, None));
    let mut table = Table::new(std::iter::once(Column::words("class")).chain(numbers).collect());
    let (m, ci) = (&scores.measures, scores.ci.as_ref().map(|ci| &ci.measures));
    let cell =
        |value, interval: Option<Option<[f64; 2]>>| Cell::interval(value, interval.flatten(), 3);
    for ((name, class), (_, boxes)) in m.per_class.0.iter().zip(&scores.boxes.0) {
        let ends = ci.and_then(|ci| ci.per_class.get(name));
        let figures = [
            Cell::number(Some(*boxes as f64), 0),
            cell(class.ap, ends.map(|e| e.ap)),
            cell(class.ap50, ends.map(|e| e.ap50)),
        ];
        let none = [(); 3].map(|()| Cell::words(""));
        table.push(std::iter::once(Cell::words(name)).chain(figures).chain(none).collect());
    }
    let boxes: u64 = scores.boxes.0.iter().map(|(_, boxes)| boxes).sum();
    table.push(vec![
        Cell::words("mean"),
        Cell::number(Some(boxes as f64), 0),
        cell(m.ap, ci.map(|c| c.ap)),
        cell(m.ap50, ci.map(|c| c.ap50)),
        cell(m.ap75, ci.map(|c| c.ap75)),
        cell(m.voc07_ap50, ci.map(|c| c.voc07_ap50)),
        cell(m.voc10_ap50, ci.map(|c| c.voc10_ap50)),
    ]);
    table
}
