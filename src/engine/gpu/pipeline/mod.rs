//! Pipelines: kernels as the driver has compiled them, each once.

pub(super) mod sealed;

pub(crate) use sealed::dropped;

use super::{
    ADAPTER, Access, Gpu,
    recording::{Command, Launch},
};
use crate::{Error, Result};
use std::{borrow::Cow, cell::Cell, collections::BTreeMap, rc::Rc};

/// A compiled kernel.
pub(super) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    /// It has run once: drivers may put compiling off until then.
    pub used: Cell<bool>,
}

impl Gpu {
    /// Compiles the pipelines of all launches that are not compiled yet, and tells how far it is.
    pub(super) fn compile_all<'a>(
        &self,
        commands: impl Iterator<Item = &'a Command>,
    ) -> Result<()> {
        let mut missing: BTreeMap<_, &Launch> = BTreeMap::new();
        for command in commands {
            if let Command::Launch(launch) = command {
                let key = (launch.source.name, launch.constants.clone());
                if !self.0.pipelines.borrow().contains_key(&key) {
                    missing.insert(key, launch);
                }
            }
        }
        for (at, launch) in missing.values().enumerate() {
            self.tell("compiling", at, missing.len());
            self.pipeline(launch).inspect_err(|e| self.refuse(launch, e))?;
        }
        if !missing.is_empty() {
            self.tell("compiling", missing.len(), missing.len());
        }
        Ok(())
    }
    pub(super) fn tell(&self, what: &str, done: usize, of: usize) {
        if let Some(tell) = self.options().progress {
            tell(what, done, of);
        }
    }
    /// The pipeline of a launch; compiled the first time it is asked for.
    pub(super) fn pipeline(&self, launch: &Launch) -> Result<Rc<Pipeline>> {
        let key = (launch.source.name, launch.constants.clone());
        if let Some(pipeline) = self.0.pipelines.borrow().get(&key) {
            return Ok(pipeline.clone());
        }
        let pipeline = Rc::new(self.compile(launch)?);
        self.0.pipelines.borrow_mut().insert(key, pipeline.clone());
        Ok(pipeline)
    }
    /// Asks the driver for a pipeline. What wgpu's validation, the driver's compiler or a lack of memory has against it comes
    /// back as an error.
    fn compile(&self, launch: &Launch) -> Result<Pipeline> {
        let (device, source) = (&self.0.device, &launch.source);
        let refused = |problem: String| Error::Shader {
            kernel: source.name.into(),
            problem: format!("{} does not compile it: {problem}", self.described()),
        };
        let rewrite = self.0.options.rewrite;
        let rewritten = rewrite.map(|rewrite| rewrite(source.name, &source.wgsl).map_err(refused));
        let wgsl = match rewritten.transpose()?.flatten() {
            None => wgpu::ShaderSource::Wgsl(source.wgsl.as_str().into()),
            Some(module) => wgpu::ShaderSource::Naga(Cow::Owned(module)),
        };
        let filters = [
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::Validation,
        ];
        let scopes = filters.map(|filter| device.push_error_scope(filter));
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(source.name), source: wgsl };
        let checks = match self.0.options.checked {
            true => wgpu::ShaderRuntimeChecks::checked(),
            false => wgpu::ShaderRuntimeChecks::unchecked(),
        };
        // SAFETY: the WGSL is one of this crate's own files; tests run every case of every kernel
        // with the checks on and off and compare the results.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let layout = storage_layout(device, source.name, &source.bindings);
        let layouts: Vec<_> = [Some(&layout)]
            .into_iter()
            .chain(self.0.trip_counter.get().map(|c| Some(&c.layout)))
            .collect();
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(source.name),
            bind_group_layouts: &layouts,
            immediate_size: launch.params.len() as u32,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(source.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &source.overrides,
                zero_initialize_workgroup_memory: false,
            },
            cache: self.0.cache.as_ref(),
        });
        let mut problem = None;
        // The scope that was opened last is closed first.
        for scope in scopes.into_iter().rev() {
            problem = problem.or(pollster::block_on(scope.pop()));
        }
        match problem {
            None => Ok(Pipeline { pipeline, layout, used: Cell::new(false) }),
            Some(e @ wgpu::Error::OutOfMemory { .. }) => {
                let expected = format!("memory to compile {} on {}", source.name, self.described());
                let mend = "close what else uses the adapter, or name another";
                Err(Error::memory(ADAPTER, expected, e.to_string(), mend))
            }
            Some(e) => Err(refused(e.to_string())),
        }
    }
}

/// A layout of storage buffers 0, 1, … with this access.
pub(super) fn storage_layout(
    device: &wgpu::Device,
    label: &str,
    bindings: &[Access],
) -> wgpu::BindGroupLayout {
    let entry = |(binding, access): (u32, &Access)| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: *access == Access::Read },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let entries: Vec<_> = (0..).zip(bindings).map(entry).collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(label),
        entries: &entries,
    })
}
