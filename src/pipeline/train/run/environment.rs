//! `environment.json`: the machine, the films and the time of a run, an entry for each process that worked on it.

use crate::{
    Error, Result,
    data::{Dataset, Digest},
    train::Device,
};
use mtpret_engine::{error::Place, gpu::compiler, step::KernelTime};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread::JoinHandle,
    time::{Instant, SystemTime},
};

/// The name of the file in a run's folder.
pub const FILE: &str = "environment.json";

/// What a run ran on, with which films, and where its time went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The parts of its data sets.
    pub data: Vec<PartDigest>,
    /// From each start to its end: one, and one more for each time that the run was gone on with.
    #[serde(alias = "sittings")]
    pub processes: Vec<Process>,
}

/// A part of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartDigest {
    /// Name of the data set.
    pub set: String,
    /// `train`, `val` or `test`.
    pub part: String,
    /// What its films are.
    #[serde(flatten)]
    pub digest: Digest,
}

/// From a start of a run to its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Name and version of the program.
    pub program: String,
    /// Operating system and processor.
    pub system: String,
    /// The adapter's name.
    pub adapter: String,
    /// Its driver and the driver's version.
    pub driver: String,
    /// Vulkan, Metal or Dx12.
    pub backend: String,
    /// What compiled the kernels before the driver did: DXC or FXC on DX12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compiler: Option<String>,
    /// How features lie in memory: `f32` or `f16`.
    pub precision: String,
    /// Matrices of f16 that a subgroup multiplies at once, where features are f16 and the adapter has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrices: Option<String>,
    /// When it began and ended, seconds since 1970 in UTC; no end if the machine stopped.
    pub started: u64,
    /// See `started`.
    pub ended: Option<u64>,
    /// Of how many shapes with several kernels the fastest was known, and how many there were.
    pub tuned: [usize; 2],
    /// Seconds by what they were spent on: `training`, `validation` …
    pub seconds: BTreeMap<String, f64>,
    /// Seconds in all.
    pub total_seconds: f64,
    /// What a step takes, of each task; measured when training has ended.
    pub steps: Vec<StepTime>,
}

/// A training step by kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// The stage or the task.
    pub name: String,
    /// Each kernel, the dearest first.
    pub kernels: Vec<KernelTime>,
}

impl Environment {
    /// Of a run's folder; none where no program wrote it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let file = folder.join(FILE);
        if !file.exists() {
            return Ok(None);
        }
        let mend = "remove the file: it only tells what a run ran on";
        let text = fs::read_to_string(&file).map_err(|e| Error::io(&file, e, mend))?;
        serde_json::from_str(&text).map(Some).map_err(|e| {
            let place = Place::from(&file).line(e.line() as u64);
            Error::data(place, "what a run ran on", format!("something else: {e}"), mend)
        })
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.as_secs())
}

/// What a stage took, the last line of its metrics.
#[derive(Serialize)]
pub(super) struct Ended<'a> {
    pub stage: &'a str,
    /// Steps done.
    pub step: u64,
    /// Since the process began.
    pub seconds: f64,
    /// The most device memory in buffers at one time.
    pub peak_memory_mib: u64,
}

/// A process that is going on.
pub(in crate::train) struct Open {
    pub(super) environment: Environment,
    begun: Instant,
    /// Digests that are being computed while the run goes on.
    digests: Option<JoinHandle<Result<Vec<PartDigest>>>>,
}

impl Open {
    /// Begins a process after those that `environment` has.
    pub(super) fn new(mut environment: Environment, gpu: &Device) -> Self {
        let info = gpu.info();
        environment.processes.push(Process {
            program: format!("mtpret {}", env!("CARGO_PKG_VERSION")),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            adapter: info.name.clone(),
            driver: gpu.driver(),
            backend: format!("{:?}", info.backend),
            compiler: compiler(info.backend).map(str::to_owned),
            precision: if gpu.step.half { "f16" } else { "f32" }.into(),
            matrices: gpu.multiplies().filter(|_| gpu.step.half).map(|units| units.to_string()),
            started: now(),
            ..Process::default()
        });
        Self { environment, begun: Instant::now(), digests: None }
    }
    /// The text of [`FILE`].
    pub(super) fn json(&self) -> String {
        let json = serde_json::to_string_pretty(&self.environment);
        json.expect("an environment is plain data") + "\n"
    }
    /// Seconds since the process began.
    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
    /// The process.
    pub(super) fn process(&mut self) -> &mut Process {
        self.environment.processes.last_mut().expect("it began with one")
    }
    /// Whether the films of these data sets are known to have the bytes that the run began with.
    pub(super) fn has_same_bytes(&self, sets: &[Dataset]) -> bool {
        let known = &self.environment.data;
        !known.is_empty() && parts(sets).is_ok_and(|now| now == *known)
    }
    /// Reads the films of these data sets on a thread of its own, and one core.
    pub(super) fn digest(&mut self, sets: &[Dataset]) {
        let sets = sets.to_vec();
        let work = move || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            pool.expect("a system has room for a thread").install(|| parts(&sets))
        };
        self.digests = Some(std::thread::spawn(work));
    }
    /// Ends the process. Digests are waited for where the run `succeeded`: a person who stopped it does not wait.
    ///
    /// # Errors
    /// A film that cannot be read any more.
    pub(super) fn close(&mut self, succeeded: bool) -> Result<()> {
        let total = self.seconds();
        let process = self.process();
        (process.ended, process.total_seconds) = (Some(now()), total);
        let unknown = self.environment.data.is_empty();
        if let Some(digests) = self.digests.take_if(|d| succeeded || (unknown && d.is_finished())) {
            self.environment.data = digests.join().expect("a digest does not panic")?;
        }
        Ok(())
    }
}

fn parts(sets: &[Dataset]) -> Result<Vec<PartDigest>> {
    let all = sets.iter().flat_map(|set| {
        [("train", &set.train), ("val", &set.val), ("test", &set.test)].map(|part| (set, part))
    });
    let part = |(set, (part, films)): (&Dataset, (&str, &Vec<_>))| {
        Ok(PartDigest { set: set.name.clone(), part: part.into(), digest: Digest::of(films)? })
    };
    all.filter(|(_, (_, films))| !films.is_empty()).map(part).collect()
}
