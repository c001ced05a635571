//! The loss of a device: what a driver's reset or a GPU that is taken away does to work in progress.

use super::ADAPTER;
use crate::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};

/// Why a device was lost, once it is.
#[derive(Clone, Default)]
pub struct Loss(Arc<Mutex<Option<String>>>);

impl Loss {
    /// Hears of the loss of `device`. Any other error that nobody asked for is this crate's own fault, and so a panic.
    pub fn watch(&self, device: &wgpu::Device) {
        let lost = self.clone();
        device.set_device_lost_callback(move |reason, why| lost.note(format!("{reason:?} {why}")));
        let lost = self.clone();
        device.on_uncaptured_error(Arc::new(move |error| {
            let text = error.to_string();
            if lost.check().is_ok() {
                assert!(text.to_lowercase().contains("lost"), "wgpu: {text}");
                lost.note(text);
            }
        }));
    }
    fn note(&self, why: String) {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get_or_insert_with(|| why.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    /// # Errors
    /// [`Error::Lost`], if the device is.
    pub fn check(&self) -> Result<()> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(why) => Err(self.fault(why)),
            None => Ok(()),
        }
    }
    /// That the device is lost.
    pub fn fault(&self, why: &str) -> Error {
        let found = format!("that it was lost ({why})");
        Error::lost(ADAPTER, "the device to answer", found, "open it again, or run `mtpret doctor`")
    }
}
