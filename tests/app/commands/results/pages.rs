//! The pages that the program writes, in a real browser: on a wide screen and a telephone, in the light and in the dark.

use crate::commands::{
    PROGRAM, Place,
    results::{
        chromium::{Chromium, View, axe, pictures},
        trained,
    },
    succeeded,
};
use std::{path::Path, process::Command};

const VIEWS: [View; 4] = [
    View { width: 1400, dark: false },
    View { width: 1400, dark: true },
    View { width: 390, dark: false },
    View { width: 390, dark: true },
];

/// Elements that reach beyond the page's right edge and that no box of their own scrolls.
const BEYOND: &str = "(() => {
    const scrolls = e => e && (['auto', 'scroll'].includes(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
    const width = document.documentElement.clientWidth;
    const beyond = [...document.body.querySelectorAll('*')].filter(e =>
        e.getBoundingClientRect().right > width + 0.5 && !scrolls(e.parentElement) && !e.closest('svg svg, svg *'));
    const all = document.documentElement.scrollWidth - width;
    return beyond.map(e => e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 40))
        .concat(all > 0 ? ['the page, by ' + all + ' pixels'] : []);
})()";

/// What axe-core finds that is serious or critical.
const VIOLATIONS: &str = "axe.run(document).then(found => found.violations
    .filter(v => ['serious', 'critical'].includes(v.impact))
    .map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + n.failureSummary).join(' | ')))";

/// Holds a page against all that is asked of one.
fn holds(browser: &mut Chromium, axe: Option<&str>, file: &Path, name: &str) {
    for view in VIEWS {
        browser.errors.clear();
        browser.open(file, view);
        let none = serde_json::json!([]);
        assert_eq!(browser.evaluate(BEYOND), none, "{name}, {view:?}: beyond the edge");
        let pictures_seen = browser.evaluate("[...document.images].every(i => i.naturalWidth > 0)");
        assert_eq!(pictures_seen, true, "{name}, {view:?}: a picture is not shown");
        if let Some(axe) = axe {
            browser.evaluate(axe);
            assert_eq!(browser.evaluate(VIOLATIONS), none, "{name}, {view:?}: axe-core");
        }
        assert!(browser.errors.is_empty(), "{name}, {view:?}: {:?}", browser.errors);
        if let Some(folder) = pictures() {
            let shade = if view.dark { "dark" } else { "light" };
            browser.shoot(&folder.join(format!("{name}-{}-{shade}.png", view.width)));
        }
    }
    if let Some(folder) = pictures() {
        browser.print(&folder.join(format!("{name}.pdf")));
    }
}

/// A browser and axe-core, where the machine has them; `MTPRET_PAGES=1` says that it must.
fn tools() -> Option<(Chromium, Option<String>)> {
    let wanted = std::env::var_os("MTPRET_PAGES").is_some_and(|v| v == "1");
    let (browser, axe) = (Chromium::start(), axe());
    assert!(
        !wanted || browser.is_some() && axe.is_some(),
        "Chromium or target/axe/axe.min.js is missing"
    );
    if browser.is_none() {
        eprintln!("pages are not looked at: there is no Chromium; tools/test.sh installs it");
    } else if axe.is_none() {
        eprintln!(
            "axe-core is not run: there is no target/axe/axe.min.js; tools/test.sh fetches it"
        );
    }
    Some((browser?, axe))
}

fn on(place: &Place, arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.current_dir(place.0.path()).args(arguments);
    program
}

#[test]
fn pages_fit_a_telephone_and_the_dark_and_shut_nobody_out() {
    let Some((mut browser, axe)) = tools() else { return };
    let [films, masks, boxes] = ["classes", "masks", "boxes"].map(trained);
    succeeded(films.stage("pretrain", "moco", &[]));
    let boxes = boxes.path("boxes").display().to_string();
    for (place, arguments, page) in [
        (&films, &["report", "moco", "classes", "-o", "labels"][..], "labels"),
        (&masks, &["report", "masks", &boxes, "-o", "shapes"], "shapes"),
    ] {
        succeeded(on(place, arguments));
        let file = place.path(&format!("{page}/report.html"));
        holds(&mut browser, axe.as_deref(), &file, page);
    }
    succeeded(on(&films, &["doctor", "--only", "relu", "--html", "doctor.html"]));
    holds(&mut browser, axe.as_deref(), &films.path("doctor.html"), "doctor");
    let page = films.text("doctor.html");
    let home = std::env::var("HOME").unwrap_or_default();
    assert!(page.contains("1 op, ") && page.contains("0 faults"), "{page}");
    assert!(page.contains("relu") && (home.len() < 2 || !page.contains(&home)), "{page}");
    // These films are darker than real ones, which is an error; the page is written all the same.
    on(&films, &["data", "check", "films", "--html", "check.html"]).output().unwrap();
    holds(&mut browser, axe.as_deref(), &films.path("check.html"), "check");
}

/// Any pages, for who works on them: `MTPRET_PAGE=report.html cargo test --release --test app -- a_page --ignored`.
#[test]
#[ignore = "looks at a page of one's own"]
fn a_page_of_ones_own_holds() {
    let (mut browser, axe) = tools().expect("Chromium");
    let file = std::env::var_os("MTPRET_PAGE").expect("MTPRET_PAGE names a page");
    let file = Path::new(&file).canonicalize().unwrap();
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    holds(&mut browser, axe.as_deref(), &file, &name);
}
