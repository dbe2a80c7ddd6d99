//! The report in a real browser: a headless Chromium opens it at the width of a phone and at that of a desk, in light and dark colours, turns
//! the picture of the first shell, and must not complain. Without a browser these tests print SKIPPED.
//!
//! The page stands in a frame of a page of ours, which measures it and leaves what it found as the text of an element.

use crate::report::{sample_report, with_interface, with_shell};
use hexaqua::report;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is tried, in this order, after `HEXAQUA_BROWSER`.
const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

fn browser() -> Option<PathBuf> {
    let given = std::env::var_os("HEXAQUA_BROWSER").map(PathBuf::from);
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        || std::env::split_paths(&on_path).flat_map(|dir| NAMES.map(|name| dir.join(name))).find(|p| p.is_file());
    let browser = given.or_else(found);
    if browser.is_none() {
        println!("SKIPPED: no Chromium on the PATH and none named by HEXAQUA_BROWSER");
    }
    browser
}

/// Measures the page in the frame: waits for it, looks, turns the shell, looks again.
const HARNESS: &str = r#"<!DOCTYPE html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><body style="margin:0"><iframe id="page" style="border:0"></iframe><pre id="found"></pre><script>
const frame = document.getElementById("page");
frame.width = WIDTH;
frame.height = 900;
frame.onload = () => {
  const page = frame.contentDocument, style = (e) => frame.contentWindow.getComputedStyle(e);
  const visible = (e) => { const b = e.getBoundingClientRect(); return b.width > 100 && b.height > 60; };
  const color = (e, what) => style(e)[what];
  const shell = page.getElementById("shell-view");
  const drawn = () => [...shell.querySelectorAll("circle")].map((c) => c.getAttribute("cx")).join();
  const before = drawn();
  shell.dispatchEvent(new frame.contentWindow.KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
  const figures = [...page.querySelectorAll("figure svg")];
  const curve = page.querySelector("figure svg path");
  document.getElementById("found").textContent = JSON.stringify({
    title: page.title,
    figures: figures.length,
    visible: figures.filter(visible).length,
    atoms: shell.querySelectorAll("circle").length,
    turned: drawn() !== before,
    width: page.documentElement.scrollWidth,
    widest: Math.max(...figures.map((f) => f.getBoundingClientRect().right)),
    text: parseFloat(color(page.body, "fontSize")),
    background: color(page.body, "backgroundColor"),
    ink: color(page.body, "color"),
    curve: color(curve, "stroke"),
    requests: frame.contentWindow.performance.getEntriesByType("resource").length,
  });
};
frame.srcdoc = PAGE;
</script>"#;

/// What the browser found in a page, and what it wrote on its console.
struct Seen {
    found: serde_json::Value,
    console: Vec<String>,
}

fn open(browser: &Path, page: &str, width: u32, dark: bool) -> Seen {
    let folder = tempfile::tempdir().expect("scratch folder");
    // "</" would end the script of the harness.
    let quoted = serde_json::json!(page).to_string().replace("</", "<\\/").replace("<!--", "<\\!--");
    let harness = HARNESS.replace("WIDTH", &width.to_string()).replace("PAGE", &quoted);
    let file = folder.path().join("harness.html");
    std::fs::write(&file, harness).expect("written");
    let scheme = if dark { 0 } else { 1 };
    let done = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
        ])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .args(["--enable-logging=stderr", "--virtual-time-budget=4000", "--window-size=1300,1000", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("the browser starts");
    let (dom, log) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let text = dom.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let text = text.unwrap_or_else(|| panic!("no answer from the browser\n{dom}\n{log}")).0;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_string).collect();
    Seen { found: serde_json::from_str(&text).unwrap_or_default(), console }
}

/// Relative luminance of "rgb(r, g, b)" (WCAG 2).
fn luminance(color: &serde_json::Value) -> f64 {
    let text = color.as_str().expect("a colour");
    let parts = text.trim_start_matches("rgb(").trim_end_matches(')').split(',');
    let linear = |part: &str| {
        let c = part.trim().parse::<f64>().unwrap_or_else(|_| panic!("{text}")) / 255.0;
        if c <= 0.03928 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let [r, g, b] = parts.map(linear).collect::<Vec<f64>>()[..] else { panic!("{text}") };
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: &serde_json::Value, b: &serde_json::Value) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn the_report_is_readable_in_a_browser() {
    let Some(browser) = browser() else { return };
    let report = with_interface(with_shell(sample_report()));
    // The shell and the side view are figures of the page alone.
    let n_figures = report.figures().len() as u64 + 2;
    let page = report::page(&report);
    for (width, dark) in [(390, false), (390, true), (1200, false), (1200, true)] {
        let Seen { found, console } = open(&browser, &page, width, dark);
        let of = format!("{width} px, dark {dark}: {found}");
        assert!(console.is_empty(), "{of}\n{console:#?}");
        assert_eq!(found["title"], report.title.replace("Zn2+", "Zn²⁺"), "{of}");
        assert_eq!((&found["figures"], &found["visible"]), (&n_figures.into(), &n_figures.into()), "{of}");
        assert_eq!((&found["atoms"], &found["turned"]), (&4.into(), &true.into()), "{of}");
        assert_eq!(found["requests"], 0, "{of}");
        // Nothing to scroll sideways for, no text that a thumb must enlarge.
        assert!(found["width"].as_f64().expect("a number") <= f64::from(width), "{of}");
        assert!(found["widest"].as_f64().expect("a number") <= f64::from(width), "{of}");
        assert!(found["text"].as_f64().expect("a number") >= 14.0, "{of}");
        assert_eq!(luminance(&found["background"]) < 0.1, dark, "{of}");
        assert!(contrast(&found["ink"], &found["background"]) > 7.0, "{of}");
        assert!(contrast(&found["curve"], &found["background"]) > 3.0, "{of}");
    }
}

/// The checks above see what they claim to see.
#[test]
fn a_broken_report_is_noticed_by_the_browser() {
    let Some(browser) = browser() else { return };
    let page = report::page(&with_shell(sample_report()));
    let broken = page.replace("draw();\n})();", "undefinedFunction();\n})();");
    assert_ne!(broken, page);
    let Seen { console, .. } = open(&browser, &broken, 390, false);
    assert!(console.iter().any(|line| line.contains("undefinedFunction")), "{console:?}");
    let wide = page.replace("</main>", "<p style=\"width:900px\">wide</p></main>");
    let Seen { found, .. } = open(&browser, &wide, 390, false);
    assert!(found["width"].as_f64().expect("a number") > 390.0, "{found}");
}
