//! A headless Chromium, driven over a pipe by its DevTools protocol.

use crate::commands::PROGRAM;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};
use tempfile::TempDir;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Names that the browser goes by.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Where `tools/test.sh` puts axe-core: beside what is built.
pub fn axe() -> Option<String> {
    let target = Path::new(PROGRAM).parent()?.parent()?;
    fs::read_to_string(target.join("axe/axe.min.js")).ok()
}

/// A page as a person has it before them.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub width: u32,
    pub dark: bool,
}

/// A browser with one page.
pub struct Chromium {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    page: String,
    number: u64,
    /// What the page said that is an error.
    pub errors: Vec<String>,
    _profile: TempDir,
}

impl Chromium {
    /// The browser of this machine, if it has one that starts.
    pub fn start() -> Option<Self> {
        let answers = |name: &&str| {
            let version = Command::new(name).arg("--version").stderr(Stdio::null()).output();
            version.is_ok_and(|v| v.status.success() && !v.stdout.is_empty())
        };
        let name = NAMES.into_iter().find(answers)?;
        let profile = tempfile::tempdir().unwrap();
        // The protocol speaks on file descriptors 3 and 4, which the shell makes of its own input and output.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";
        let mut child = Command::new("sh")
            .args(["-c", script, name])
            .args(["--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let value = serde_json::from_slice(&message).unwrap();
                message.clear();
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let (page, errors) = (String::new(), Vec::new());
        let mut chromium = Self { child, to, from, page, number: 0, errors, _profile: profile };
        let target = chromium.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = chromium.ask("Target.attachToTarget", attach);
        chromium.page = attached["sessionId"].as_str().unwrap().to_owned();
        ["Page.enable", "Runtime.enable", "Log.enable"].iter().for_each(|method| {
            chromium.ask(method, json!({}));
        });
        Some(chromium)
    }
    /// Asks and waits for the answer.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": params });
        if !self.page.is_empty() {
            message["sessionId"] = self.page.as_str().into();
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        let number = self.number;
        let answer = self.wait(|value| value["id"] == number);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }
    /// Waits for a message, and notes on the way what the page complains of.
    fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let value = self.from.recv_timeout(PATIENCE).expect("Chromium answers");
            let entry = &value["params"]["entry"];
            let complains = match value["method"].as_str() {
                Some("Runtime.exceptionThrown") => true,
                Some("Runtime.consoleAPICalled") => value["params"]["type"] == "error",
                Some("Log.entryAdded") => entry["level"] == "error" || entry["level"] == "warning",
                _ => false,
            };
            if complains {
                self.errors.push(value["params"].to_string());
            }
            if wanted(&value) {
                return value;
            }
        }
    }
    /// Opens a file as `view` has it.
    pub fn open(&mut self, file: &Path, view: View) {
        let metrics = json!({
            "width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": view.width < 500,
        });
        self.ask("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if view.dark { "dark" } else { "light" };
        let scheme = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.ask("Emulation.setEmulatedMedia", json!({ "features": [scheme] }));
        self.ask("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        self.wait(|value| value["method"] == "Page.loadEventFired");
    }
    /// The value of an expression on the page; a promise is waited for.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }
    /// Writes the whole page as a PNG.
    pub fn shoot(&mut self, file: &Path) {
        let params = json!({ "captureBeyondViewport": true });
        self.write("Page.captureScreenshot", params, file);
    }
    /// Writes the page as it is printed, as a PDF.
    pub fn print(&mut self, file: &Path) {
        self.write("Page.printToPDF", json!({ "printBackground": false }), file);
    }
    fn write(&mut self, method: &str, params: Value, file: &Path) {
        use base64::prelude::{BASE64_STANDARD, Engine};
        let answer = self.ask(method, params);
        let bytes = BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where pictures of the pages go, if somebody wants to look at them.
pub fn pictures() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("MTPRET_PICTURES")?);
    fs::create_dir_all(&folder).unwrap();
    Some(folder)
}
