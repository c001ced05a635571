#!/usr/bin/env python3
"""Writes tests/fixtures/metrics/*.json: what scikit-learn, numpy and pycocotools make of small predictions.

Needs scikit-learn, numpy and pycocotools. Run from the repository's root:

    python3 tools/parity/metric_fixtures.py
"""

import contextlib
import io
import json
import warnings
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.linear_model import Ridge
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

OUT = Path("tests/fixtures/metrics")
THRESHOLD = 0.5


def number(x):
    """A JSON number, or null for what is undefined."""
    return None if x is None or not np.isfinite(x) else float(x)


def numbers(values):
    return [number(x) for x in np.ravel(values)]


def mean(values):
    defined = [v for v in values if v is not None]
    return float(np.mean(defined)) if defined else None


def youden(t, p):
    """The first threshold of the ROC curve at which tpr - fpr is greatest."""
    if len(set(t)) < 2:
        return None
    fpr, tpr, thresholds = roc_curve(t, p)
    j = tpr - fpr
    i = int(np.argmax(j >= j.max() - 1e-12))
    if j[i] <= 1e-12:
        return None
    return {"threshold": float(thresholds[i]), "sensitivity": float(tpr[i]), "specificity": float(1 - fpr[i])}


def one_label(t, p, called):
    """The figures of one label, its missing targets left out."""
    known = ~np.isnan(t)
    t, p, called = t[known].astype(int), p[known], called[known]
    if len(t) == 0:
        return dict(auc=None, accuracy=None, sensitivity=None, specificity=None, youden=None)
    (tn, fp), (fn, tp) = confusion_matrix(t, called, labels=[0, 1])
    result = dict(
        auc=number(roc_auc_score(t, p)) if len(set(t)) == 2 else None,
        accuracy=accuracy_score(t, called),
        sensitivity=recall_score(t, called) if tp + fn else None,
        specificity=recall_score(t, called, pos_label=0) if tn + fp else None,
        youden=youden(t, p),
    )
    if tn + fp:
        assert abs(result["specificity"] - tn / (tn + fp)) < 1e-12
    return result


def figures(names, per_label, overall_accuracy=None):
    columns = {key: [label[key] for label in per_label] for key in per_label[0]}
    result = {key: dict(zip(names, column)) for key, column in columns.items()}
    result["mauc"] = mean(columns["auc"])
    result["overall_accuracy"] = mean(columns["accuracy"]) if overall_accuracy is None else overall_accuracy
    result["mean_sensitivity"] = mean(columns["sensitivity"])
    result["mean_specificity"] = mean(columns["specificity"])
    return result


def labels_case(names, t, p):
    per_label = [one_label(t[:, l], p[:, l], p[:, l] >= THRESHOLD) for l in range(len(names))]
    return dict(names=names, targets=numbers(t), probabilities=numbers(p), want=figures(names, per_label))


def classes_case(names, t, p):
    """Classes, `nan` where missing; each against the rest, called by the greatest probability."""
    known = ~np.isnan(t)
    called = p.argmax(axis=1)
    per_label = []
    for l in range(len(names)):
        is_l = np.where(known, t == l, np.nan)
        per_label.append(one_label(is_l, p[:, l], called == l))
    want = figures(names, per_label, accuracy_score(t[known].astype(int), called[known]))
    if all(label["auc"] is not None for label in per_label) and np.allclose(p.sum(axis=1), 1):
        macro = roc_auc_score(t[known].astype(int), p[known], multi_class="ovr", average="macro")
        assert abs(macro - want["mauc"]) < 1e-12
    classes = [None if np.isnan(c) else int(c) for c in t]
    return dict(names=names, classes=classes, probabilities=numbers(p), want=want)


def noisy(rng, t, strength, decimals):
    """Probabilities that know something of `t`; few decimals make ties."""
    return np.round(1 / (1 + np.exp(-(strength * (np.nan_to_num(t, nan=0.5) - 0.5) + rng.normal(size=t.shape)))), decimals)


def classify(rng):
    binary = (rng.random((80, 1)) < 0.4).astype(float)
    rare = (rng.random((200, 1)) < 0.02).astype(float)
    rare[7] = 1
    several = (rng.random((60, 4)) < [0.5, 0.3, 0.1, 0.0]).astype(float)
    several[rng.random((60, 4)) < 0.25] = np.nan
    several[:, 3][~np.isnan(several[:, 3])] = 0
    unlabelled = several.copy()
    unlabelled[:, 1] = np.nan
    logits = rng.normal(size=(90, 4))
    classes = rng.choice(4, size=90, p=[0.6, 0.2, 0.15, 0.05]).astype(float)
    logits[np.arange(90), classes.astype(int)] += 1.2
    soft = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    some = classes.copy()
    some[rng.random(90) < 0.2] = np.nan
    names = ["Atelectasis", "Edema", "Hernia", "Absent"]
    four = ["normal", "bacterial", "viral", "other"]
    return {
        "binary": labels_case(["Pneumonia"], binary, noisy(rng, binary, 2, 6)),
        "ties": labels_case(["Pneumonia"], binary, noisy(rng, binary, 2, 1)),
        "all scores equal": labels_case(["Pneumonia"], binary, np.full((80, 1), 0.5)),
        "imbalanced": labels_case(["Covid"], rare, noisy(rng, rare, 2, 4)),
        "one class": labels_case(["Covid"], np.ones((12, 1)), noisy(rng, np.ones((12, 1)), 1, 3)),
        "missing labels": labels_case(names, several, noisy(rng, several, 2, 2)),
        "a label without targets": labels_case(names, unlabelled, noisy(rng, several, 2, 3)),
        "classes": classes_case(four, classes, soft),
        "classes with ties": classes_case(four, classes, np.round(soft, 1)),
        "missing classes": classes_case(four, some, soft),
        "an absent class": classes_case(four, np.where(classes == 3, 0, classes), soft),
    }


def intervals(rng):
    """Percentiles of given numbers, and the intervals of an AUC by numpy's random numbers."""
    samples = [np.sort(np.round(rng.normal(size=n), 5)) for n in (1, 2, 3, 40, 41)]
    t = (rng.random(150) < 0.3).astype(int)
    p = noisy(rng, t, 1.5, 3)
    patient = rng.integers(0, 40, size=150)

    def interval(draw):
        aucs = []
        for _ in range(3000):
            i = draw()
            if 0 < t[i].sum() < len(i):
                aucs.append(roc_auc_score(t[i], p[i]))
        return list(np.percentile(aucs, [2.5, 97.5]))

    of = {k: np.flatnonzero(patient == k) for k in set(patient)}
    keys = list(of)
    return {
        "percentiles": [dict(rising=numbers(s), want=numbers(np.percentile(s, [2.5, 50, 97.5]))) for s in samples],
        "targets": numbers(t),
        "probabilities": numbers(p),
        "patients": [f"patient{k}" for k in patient],
        "images_auc": interval(lambda: rng.integers(0, 150, size=150)),
        "patients_auc": interval(lambda: np.concatenate([of[keys[j]] for j in rng.integers(0, len(keys), size=len(keys))])),
    }


def probes(rng):
    """Neighbours and a linear probe on features of 5 numbers, one of them constant."""
    train, queries = rng.normal(size=(40, 5)), rng.normal(size=(15, 5))
    train[:, 4] = queries[:, 4] = 0.3
    train, queries = (x.round(4).astype(np.float32) for x in (train, queries))
    x, q = train.astype(float), queries.astype(float)
    targets = (x[:, :3] + 0.5 * rng.normal(size=(40, 3)) > 0).astype(float)
    targets[rng.random(40) < 0.2, 2] = np.nan

    def each_label(predict):
        columns = [predict(x[known], column[known]) for column in targets.T for known in [~np.isnan(column)]]
        return numbers(np.stack(columns, axis=1))

    def neighbours(weights):
        def predict(x, t):
            model = KNeighborsClassifier(7, metric="cosine", algorithm="brute", weights=weights)
            return model.fit(x, t).predict_proba(q)[:, 1]

        return each_label(predict)

    ridge = lambda x, t: make_pipeline(StandardScaler(), Ridge(2.0)).fit(x, t).predict(q)
    return {
        "width": 5,
        "train": numbers(train),
        "targets": numbers(targets),
        "queries": numbers(queries),
        "k": 7,
        "majority": neighbours("uniform"),
        "temperature": 0.07,
        "similarity": neighbours(lambda distance: np.exp((1 - distance) / 0.07)),
        "alpha": 2.0,
        "linear_probe": each_label(ridge),
    }


def segment(rng):
    """Masks of 6 x 5 pixels; f1_score is Dice, jaccard_score IoU."""

    def masks(images, of):
        truths = [(rng.random(30) < rng.uniform(0.1, 0.9)).astype(int) for _ in range(images)]
        predicted = [np.where(rng.random(30) < 0.2, 1 - t, t) for t in truths]
        return of([np.stack(predicted), np.stack(truths)])

    def iou(p, t):
        """Macro over the classes that either mask has."""
        return float(jaccard_score(t, p, labels=np.union1d(t, p), average="macro"))

    def case(masks):
        p, t = masks
        dice = [f1_score(a, b) for a, b in zip(t, p) if a.any() or b.any()]
        return {
            "predicted": p.tolist(),
            "truths": t.tolist(),
            "want": {
                "images": len(p),
                "dice": mean(dice),
                "dice_pooled": float(f1_score(t.ravel(), p.ravel())) if dice else None,
                "miou": iou(p.ravel(), t.ravel()),
                "miou_per_image": float(np.mean([iou(a, b) for a, b in zip(p, t)])),
            },
        }

    def with_empty(masks):
        p, t = masks
        p[0], t[0] = 0, 0
        p[1] = 0
        t[2] = 0
        p[3], t[3] = 1, 1
        return [p, t]

    return {
        "random": case(masks(8, lambda m: m)),
        "one image": case(masks(1, lambda m: m)),
        "empty and full masks": case(masks(6, with_empty)),
        "nothing anywhere": case(masks(2, lambda m: [m[0] * 0, m[1] * 0])),
    }


def roc(rng):
    """ROC curves, with ties and without, and the sensitivities at given rates by numpy's random numbers."""
    t = (rng.random(120) < 0.4).astype(int)
    rates = np.linspace(0, 1, 11)

    def case(p):
        fpr, tpr, _ = roc_curve(t, p, drop_intermediate=False)
        drawn = []
        for _ in range(3000):
            i = rng.integers(0, 120, size=120)
            x, y, _ = roc_curve(t[i], p[i], drop_intermediate=False)
            drawn.append(np.interp(rates, x, y))
        band = np.percentile(drawn, [2.5, 97.5], axis=0)
        return dict(probabilities=numbers(p), curve=np.stack([fpr, tpr], axis=1).tolist(), band=band.T.tolist())

    return {
        "targets": numbers(t),
        "rates": numbers(rates),
        "plain": case(noisy(rng, t, 1.5, 6)),
        "ties": case(noisy(rng, t, 1.5, 1)),
    }


def voc10(evaluated, category):
    """Area below the precision envelope of VOC's devkit, over the matches of COCOeval at IoU .5."""
    images = [e for e in evaluated if e is not None and e["category_id"] == category]
    boxes = sum(int((np.array(e["gtIgnore"]) == 0).sum()) for e in images)
    if boxes == 0:
        return None
    scores = np.concatenate([e["dtScores"] for e in images])
    right = np.concatenate([e["dtMatches"][0] > 0 for e in images])
    ignored = np.concatenate([e["dtIgnore"][0] for e in images])
    order = np.argsort(-scores, kind="mergesort")
    right = right[order][~ignored[order]]
    tp, fp = np.cumsum(right), np.cumsum(~right)
    recall = np.concatenate([[0.0], tp / boxes, [1.0]])
    precision = np.concatenate([[0.0], tp / np.maximum(tp + fp, 1), [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * precision[1:]))


def coco(targets, predictions):
    """The figures of COCOeval."""

    def evaluated(recalls=None, thresholds=None):
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = json.loads(json.dumps(targets))
            truth.createIndex()
            e = COCOeval(truth, truth.loadRes(json.loads(json.dumps(predictions))), "bbox")
            e.params.areaRng, e.params.areaRngLbl = [[0, 1e10]], ["all"]
            e.params.maxDets = [100]
            if recalls is not None:
                e.params.recThrs, e.params.iouThrs = recalls, np.array([0.5])
            e.evaluate()
            e.accumulate()
        return e

    def figure(precision):
        return mean(precision[precision > -1].tolist())

    e = evaluated()
    p = e.eval["precision"]
    names = {c["id"]: c["name"] for c in targets["categories"]}
    eleven = evaluated(np.linspace(0, 1, 11))
    areas = [voc10(eleven.evalImgs, k) for k in eleven.params.catIds]
    return {
        "images": len(targets["images"]),
        "ap": figure(p),
        "ap50": figure(p[0]),
        "ap75": figure(p[5]),
        "per_class": {
            names[k]: {"ap": figure(p[:, :, i]), "ap50": figure(p[0, :, i])}
            for i, k in enumerate(e.params.catIds)
        },
        "voc07_ap50": figure(eleven.eval["precision"]),
        "voc10_ap50": mean(areas),
    }


def detect(rng):
    """COCO ground truth and results: boxes near the true ones, and elsewhere."""
    names = ["ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "Fracture"]

    def problem(images, boxes, found, extra, decimals, shift=0.12, crowds=0.0, classes=3, whole=False):
        ids = rng.permutation(np.arange(3, 3 + 2 * images, 2))
        annotations, results = [], []
        kinds = [7, 2, 11]

        def bbox():
            x, y, w, h = rng.uniform([0, 0, 8, 8], [60, 60, 40, 40])
            return np.round([x, y, w, h], 0 if whole else 2).tolist()

        def result(image, category, box):
            score = float(np.round(rng.random(), decimals))
            results.append(dict(image_id=int(image), category_id=category, bbox=box, score=score))

        for image in ids:
            for _ in range(rng.integers(0, boxes + 1)):
                box, category = bbox(), int(rng.choice(kinds[:classes]))
                annotations.append(
                    dict(
                        id=len(annotations) + 1,
                        image_id=int(image),
                        category_id=category,
                        bbox=box,
                        area=box[2] * box[3],
                        iscrowd=int(rng.random() < crowds),
                    )
                )
                for _ in range(rng.integers(0, found + 1)):
                    moved = np.array(box) + rng.normal(size=4) * shift * np.array(box)[[2, 3, 2, 3]]
                    moved[2:] = np.maximum(moved[2:], 1)
                    kind = category if rng.random() < 0.9 else int(rng.choice(kinds))
                    result(image, kind, np.round(moved, 0 if whole else 2).tolist())
            for _ in range(rng.integers(0, extra + 1)):
                result(image, int(rng.choice(kinds)), bbox())
        order = rng.permutation(len(results))
        return (
            {
                "images": [dict(id=int(i), file_name=f"{i}.png", width=100, height=100) for i in ids],
                "annotations": annotations,
                "categories": [dict(id=k, name=n) for k, n in zip(kinds, names)],
            },
            [results[i] for i in order],
        )

    def perfect():
        targets, _ = problem(5, 3, 0, 0, 3)
        return targets, [{**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.9} for a in targets["annotations"]]

    def crowded():
        targets, results = problem(2, 8, 4, 0, 2, classes=1)
        results = [{**r, "category_id": 7} for r in results]
        for image in targets["images"]:
            for score in np.round(rng.random(110), 2).tolist():
                box = np.round(rng.uniform([0, 0, 8, 8], [60, 60, 40, 40])).tolist()
                results.append(dict(image_id=image["id"], category_id=7, bbox=box, score=score))
        return targets, results

    cases = {
        "three classes": problem(12, 4, 2, 2, 4),
        "tied scores": problem(12, 4, 3, 3, 1),
        "equal boxes and tied scores": problem(10, 6, 3, 3, 1, shift=0.1, whole=True),
        "crowds": problem(12, 5, 3, 2, 2, crowds=0.4),
        "an absent class": problem(8, 3, 2, 2, 3, classes=2),
        "most images empty": problem(30, 1, 1, 1, 2),
        "more than a hundred on an image": crowded(),
        "nothing found": problem(6, 3, 0, 4, 3, classes=1),
        "perfect": perfect(),
    }
    return {
        name: {"targets": t, "predictions": p, "want": coco(t, p)} for name, (t, p) in cases.items()
    }


def main():
    warnings.simplefilter("error")
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240731)
    for make in [classify, intervals, probes, segment, detect, roc]:
        text = json.dumps(make(rng), separators=(",", ":"), allow_nan=False)
        (OUT / f"{make.__name__}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
