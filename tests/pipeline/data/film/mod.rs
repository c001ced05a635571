//! Files of films: whole, broken, and as DICOM keeps them.

mod broken;
mod decoding;
mod dicom;
mod odd;
mod pydicom;
mod real;
mod tiles;
mod view;
