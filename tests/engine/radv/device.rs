//! Mesa's driver for AMD's GPUs without a GPU: it compiles, and says what became of it.

use ash::{
    khr::{cooperative_matrix, pipeline_executable_properties},
    vk,
};
use std::{collections::BTreeMap, ffi::CStr};

/// What a compiler made of a kernel.
pub struct Compiled {
    /// The driver's figures, by its names for them.
    pub figures: BTreeMap<String, f64>,
    /// Machine code as text.
    pub code: String,
}

/// A device on which nothing runs.
pub struct Device {
    device: ash::Device,
    executables: pipeline_executable_properties::Device,
    /// Lanes of the narrowest subgroup.
    pub narrowest: u32,
    /// Whether a subgroup multiplies matrices of 16 × 16 f16 at once, adding the products in f32.
    pub matrices: bool,
    // The library must outlive what was asked of it.
    _entry: ash::Entry,
}

/// The name in an array that a driver filled in.
fn name(of: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = of.iter().map(|c| c.cast_unsigned()).collect();
    let name = CStr::from_bytes_until_nul(&bytes).expect("a name that ends");
    name.to_string_lossy().into_owned()
}

/// Whether a device lists matrices of 16 × 16 f16 whose products are added in f32.
///
/// # Safety
/// The device is of the instance, and that of the library.
unsafe fn lists_matrices(
    entry: &ash::Entry,
    instance: &ash::Instance,
    physical: vk::PhysicalDevice,
) -> bool {
    let (f16, f32) = (vk::ComponentTypeKHR::FLOAT16, vk::ComponentTypeKHR::FLOAT32);
    let is_ours = |m: &vk::CooperativeMatrixPropertiesKHR| {
        [m.m_size, m.n_size, m.k_size] == [16; 3]
            && [m.a_type, m.b_type, m.c_type, m.result_type] == [f16, f16, f32, f32]
    };
    let wanted = cooperative_matrix::NAME.to_string_lossy();
    // SAFETY: as this function's; what the extension has is asked only of a device that has it.
    unsafe {
        let extensions = instance.enumerate_device_extension_properties(physical);
        let has = extensions.unwrap_or_default().iter().any(|e| name(&e.extension_name) == wanted);
        let of = cooperative_matrix::Instance::new(entry, instance);
        has && of
            .get_physical_device_cooperative_matrix_properties(physical)
            .is_ok_and(|listed| listed.iter().any(is_ours))
    }
}

impl Device {
    /// The device of the family that the environment names; `None` if this Mesa has no such.
    pub fn open() -> Option<Self> {
        // SAFETY: the loader is the one that wgpu uses; handles are of the objects that they are asked of, and arrays live as
        // long as the calls that read them.
        unsafe {
            let entry = ash::Entry::load().expect("a Vulkan loader");
            let app = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&app);
            let instance = entry.create_instance(&info, None).ok()?;
            let physical = *instance.enumerate_physical_devices().ok()?.first()?;
            let mut sizes = vk::PhysicalDeviceSubgroupSizeControlProperties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut sizes);
            instance.get_physical_device_properties2(physical, &mut properties);
            let queue = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let mut executables =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
                    .pipeline_executable_info(true);
            let mut model =
                vk::PhysicalDeviceVulkanMemoryModelFeatures::default().vulkan_memory_model(true);
            let mut f16 = vk::PhysicalDeviceShaderFloat16Int8Features::default();
            let mut in_memory = vk::PhysicalDevice16BitStorageFeatures::default();
            let mut cooperative = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
            let mut extensions = vec![pipeline_executable_properties::NAME.as_ptr()];
            let matrices = lists_matrices(&entry, &instance, physical);
            if matrices {
                extensions.push(cooperative_matrix::NAME.as_ptr());
                f16 = f16.shader_float16(true);
                in_memory = in_memory.storage_buffer16_bit_access(true);
                cooperative = cooperative.cooperative_matrix(true);
            }
            let info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queue)
                .enabled_extension_names(&extensions)
                .push_next(&mut executables)
                .push_next(&mut model)
                .push_next(&mut f16)
                .push_next(&mut in_memory);
            let info = if matrices { info.push_next(&mut cooperative) } else { info };
            let device = instance.create_device(physical, &info, None).expect("a device");
            let executables = pipeline_executable_properties::Device::new(&instance, &device);
            let narrowest = sizes.min_subgroup_size;
            Some(Self { device, executables, narrowest, matrices, _entry: entry })
        }
    }
    /// What the driver makes of a kernel with so many bindings.
    pub fn compile(&self, spirv: &[u32], bindings: u32) -> Compiled {
        let stages = vk::ShaderStageFlags::COMPUTE;
        let bindings: Vec<_> = (0..bindings)
            .map(|i| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(i)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .descriptor_count(1)
                    .stage_flags(stages)
            })
            .collect();
        let pushed = [vk::PushConstantRange::default().stage_flags(stages).size(128)];
        // SAFETY: as above; what is made lives as long as the process, which ends with the last kernel.
        unsafe {
            let info = vk::ShaderModuleCreateInfo::default().code(spirv);
            let module = self.device.create_shader_module(&info, None).expect("a module");
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [self.device.create_descriptor_set_layout(&info, None).expect("a set")];
            let info = vk::PipelineLayoutCreateInfo::default()
                .set_layouts(&sets)
                .push_constant_ranges(&pushed);
            let layout = self.device.create_pipeline_layout(&info, None).expect("a layout");
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(stages)
                .module(module)
                .name(c"main");
            let info =
                [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout).flags(
                    vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                        | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
                )];
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            self.read(made.expect("a pipeline")[0])
        }
    }
    /// The only executable of a pipeline.
    ///
    /// # Safety
    /// The pipeline is this device's, and was made to be asked.
    unsafe fn read(&self, pipeline: vk::Pipeline) -> Compiled {
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        // SAFETY: the union's field is the one that its format names; a text is read into room for it.
        unsafe {
            let all = self.executables.get_pipeline_executable_statistics(&info).expect("figures");
            let figure = |of: &vk::PipelineExecutableStatisticKHR| match of.format {
                vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => of.value.f64,
                _ => of.value.u64 as f64,
            };
            let mut figures: BTreeMap<_, _> =
                all.iter().map(|of| (name(&of.name), figure(of))).collect();
            let asked = vk::PipelineInfoKHR::default().pipeline(pipeline);
            let executable =
                self.executables.get_pipeline_executable_properties(&asked).expect("executables");
            figures.insert("Lanes".into(), f64::from(executable[0].subgroup_size));
            let read = self.executables.fp().get_pipeline_executable_internal_representations_khr;
            let (mut count, device) = (0, self.device.handle());
            let mut texts = Vec::new();
            // How many there are, how long they are, and what they say.
            let _ = read(device, &info, &mut count, std::ptr::null_mut());
            texts
                .resize(count as usize, vk::PipelineExecutableInternalRepresentationKHR::default());
            let _ = read(device, &info, &mut count, texts.as_mut_ptr());
            let mut bytes: Vec<Vec<u8>> = texts.iter().map(|t| vec![0; t.data_size]).collect();
            for (text, bytes) in texts.iter_mut().zip(&mut bytes) {
                text.p_data = bytes.as_mut_ptr().cast();
            }
            let _ = read(device, &info, &mut count, texts.as_mut_ptr());
            let at = texts.iter().position(|text| name(&text.name) == "Assembly");
            let code = &bytes[at.expect("machine code")];
            let code = String::from_utf8_lossy(code).replace('\0', "");
            Compiled { figures, code }
        }
    }
}
